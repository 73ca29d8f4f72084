"""Latent dynamics: predict from a token how the target moves on."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from vjepa_lib.objectives.base import (
    Term,
    channels_of,
    count_channels,
    mean_over_pairs,
    mlp_head,
    register,
)
from vjepa_lib.objectives.batch import LatentBatch


def hard_pair_weights(error: Tensor, pairs: Tensor, temperature: float) -> Tensor:
    """Softmax of errors [B, K] over all pairs of the batch, scaled to mean 1, without gradient.

    0 where `pairs` is False.
    """
    score = (error.detach().float() / temperature).masked_fill(~pairs, -torch.inf)
    # A batch without a pair would be a softmax over nothing; its weights are 0, not NaN.
    weight = torch.softmax(score.flatten(), 0).nan_to_num(0.0).view_as(score)
    return weight * pairs.sum()


@register(
    "ld",
    r"\mathrm{mean}_P\,|g(Z_t) - (h_{t+1} - h_t)|",
    "arXiv 2605.17165, latent dynamics (LD-JEPA)",
    family="ld",
)
class LatentDynamics(Term):
    """A head reads the change of the target from one time step to the next.

    Parameters
    ----------
    hidden : width of the head's hidden layer.
    channels : what the head reads: 'all', or 'dynamics' beside the factorized world model.
    ratio : share of the channels that is appearance.
    hard_weighted : weight places by their own error, as hard-region weighting does. In the
        `released` form the weighted sum is taken without gradient, so that neither head nor
        encoder learns from it; `described` lets the gradient through the error.
    temperature : tau of that weighting.
    """

    min_steps = 2

    def __init__(
        self,
        *,
        hidden: int = 256,
        channels: str = "all",
        ratio: float = 0.5,
        hard_weighted: bool = False,
        temperature: float = 1.0,
        **common,
    ) -> None:
        super().__init__(**common)
        self.channels, self.ratio = channels, ratio
        self.hard_weighted, self.temperature = hard_weighted, temperature
        width = count_channels(self.dim, channels, self.form, ratio, self.n_levels)
        self.head = mlp_head(width, hidden, self.dim)
        self.learns = self.trains(self.form, {"hard_weighted": hard_weighted})

    @classmethod
    def forms_differ(cls, options: Mapping[str, object]) -> bool:
        # The two forms halve the channels differently, and only one lets the weighted sum teach.
        return options["channels"] != "all" or bool(options["hard_weighted"])

    @classmethod
    def trains(cls, form: str, options: Mapping[str, object]) -> bool:
        return not (options["hard_weighted"] and form == "released")

    def loss(self, batch: LatentBatch) -> Tensor:
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.learns):
            errors = [self._errors(batch, g) for g in batch.groups]
            return mean_over_pairs(errors, batch.following)

    def _errors(self, batch: LatentBatch, g: int) -> Tensor:
        z = channels_of(batch.z[g], self.channels, batch.n_levels, self.form, self.ratio)
        error = (self.head(z) - batch.h_change[g]).abs()  # [B, K, D]
        if not self.hard_weighted:
            return error
        weight = hard_pair_weights(error.mean(-1), batch.following[g], self.temperature)
        return error * weight[..., None]
