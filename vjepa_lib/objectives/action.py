"""Action conditioning: predict from a token how its colour changes."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from vjepa_lib.model.grid import gather
from vjepa_lib.objectives.base import (
    Term,
    channels_of,
    count_channels,
    mean_over_pairs,
    mlp_head,
    register,
)
from vjepa_lib.objectives.batch import LatentBatch


@register(
    "ac",
    r"\mathrm{mean}_P\,|g(Z_t) - (c_{t+1} - c_t)|,\quad c = \text{mean colour of a tubelet}",
    "arXiv 2605.17165, action conditioning (AC-JEPA)",
    family="action",
)
class ActionConditioned(Term):
    """A head reads the change of a token's mean RGB from one time step to the next.

    Parameters
    ----------
    hidden : width of the head's hidden layer.
    channels : what the head reads: 'all', or 'dynamics' beside the factorized world model.
    ratio : share of the channels that is appearance.
    """

    min_steps = 2

    def __init__(
        self, *, hidden: int = 256, channels: str = "all", ratio: float = 0.5, **common
    ) -> None:
        super().__init__(**common)
        self.channels, self.ratio = channels, ratio
        width = count_channels(self.dim, channels, self.form, ratio, self.n_levels)
        self.head = mlp_head(width, hidden, 3)

    @classmethod
    def forms_differ(cls, options: Mapping[str, object]) -> bool:
        return options["channels"] != "all"  # the two forms halve the channels differently

    def loss(self, batch: LatentBatch) -> Tensor:
        errors = []
        for g in batch.groups:
            action = gather(batch.rgb, batch.next_index[g]) - gather(
                batch.rgb, batch.context_index[g]
            )  # [B, K, 3]
            z = channels_of(batch.z[g], self.channels, batch.n_levels, self.form, self.ratio)
            errors.append((self.head(z) - action).abs())
        return mean_over_pairs(errors, batch.following)
