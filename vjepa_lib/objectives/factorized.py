"""Factorized world model: a half of the latent that stays, a half that moves, decorrelated."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from vjepa_lib.objectives.base import (
    Term,
    count_channels,
    halves,
    mean_over_groups,
    mean_over_pairs,
    register,
)
from vjepa_lib.objectives.batch import LatentBatch


class _Factorized(Term):
    """A term on the appearance and dynamics halves of the context tokens.

    Parameters
    ----------
    ratio : share of the channels that is appearance.
    """

    def __init__(self, *, ratio: float = 0.5, **common) -> None:
        super().__init__(**common)
        self.ratio = ratio
        if self.dim:  # a split without a dynamics half is told now, not in the first step
            count_channels(self.dim, "dynamics", self.form, ratio, self.n_levels)

    @classmethod
    def forms_differ(cls, options: Mapping[str, object]) -> bool:
        return True  # they halve the channels differently

    def halves(self, x: Tensor, batch: LatentBatch) -> tuple[Tensor, Tensor]:
        """Channels [..., D] as appearance and dynamics."""
        return halves(x, batch.n_levels, self.form, self.ratio)


@register(
    "fwm_static",
    r"\mathrm{mean}_P\,|A_{t+1} - A_t|",
    "arXiv 2605.17165, factorized world model (FWM-JEPA), static term",
    family="fwm",
)
class FwmStatic(_Factorized):
    """The appearance half of a token does not change over time.

    Parameters
    ----------
    ratio : share of the channels that is appearance.
    """

    min_steps = 2

    def loss(self, batch: LatentBatch) -> Tensor:
        changes = [self.halves(change, batch)[0].abs() for change in batch.z_change]
        return mean_over_pairs(changes, batch.following)


@register(
    "fwm_orth",
    r"\mathrm{mean}\,\mathrm{cov}(A, Y)^2",
    "arXiv 2605.17165, factorized world model (FWM-JEPA), orthogonality term",
    family="fwm",
)
class FwmOrth(_Factorized):
    """Appearance and dynamics channels are uncorrelated over the tokens of a batch.

    Parameters
    ----------
    ratio : share of the channels that is appearance.
    """

    def loss(self, batch: LatentBatch) -> Tensor:
        values = []
        with torch.autocast(batch.h.device.type, enabled=False):  # a covariance wants float32
            for z in batch.z:
                a, y = self.halves(z.flatten(0, 1).float(), batch)
                # Centring one side suffices for a covariance.
                covariance = a.T @ (y - y.mean(0)) / max(len(a) - 1, 1)
                values.append((covariance**2).mean())
        return mean_over_groups(values)
