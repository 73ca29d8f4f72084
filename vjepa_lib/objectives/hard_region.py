"""Hard-region weighting: tokens that are predicted badly count more."""

from __future__ import annotations

import torch
from torch import Tensor

from vjepa_lib.objectives.base import Term, mean_over_groups, register
from vjepa_lib.objectives.batch import LatentBatch


def hard_weights(error: Tensor, temperature: float) -> Tensor:
    """Softmax of token errors [B, M] over a clip, scaled to mean 1, without gradient."""
    return error.shape[-1] * torch.softmax(error.detach().float() / temperature, -1)


@register(
    "hw",
    r"\mathrm{mean}\, w\,|\hat z - h|,\quad w = K\,\mathrm{softmax}(e/\tau),\;"
    r"e_i = \mathrm{mean}_d |\hat z_i - h_i|",
    "arXiv 2605.17165, hard-region weighting",
    family="hw",
)
class HardRegion(Term):
    """Prediction loss weighted by its own error; added to the JEPA loss, not in its place.

    Parameters
    ----------
    temperature : tau of the softmax over a clip's target tokens.
    """

    def __init__(self, *, temperature: float = 1.0, **common) -> None:
        super().__init__(**common)
        self.temperature = temperature

    def loss(self, batch: LatentBatch) -> Tensor:
        values = []
        for predicted, target in zip(batch.zhat, batch.h_target, strict=True):
            error = (predicted - target).abs().mean(-1)  # [B, M]
            values.append((hard_weights(error, self.temperature) * error).mean())
        return mean_over_groups(values)
