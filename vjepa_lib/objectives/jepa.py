"""The prediction loss of JEPA and the dense context loss of V-JEPA 2.1."""

from __future__ import annotations

from torch import Tensor

from vjepa_lib.errors import ShapeError
from vjepa_lib.model.grid import distance_to_targets
from vjepa_lib.objectives.base import Term, mean_over_groups, register
from vjepa_lib.objectives.batch import LatentBatch


@register(
    "jepa",
    r"\mathrm{mean}\,|\hat z - h|",
    "V-JEPA, arXiv 2404.08471, section 3",
    family="baseline",
)
class Jepa(Term):
    """L1 between predicted and target tokens at the masked places."""

    def loss(self, batch: LatentBatch) -> Tensor:
        return mean_over_groups(
            (p - t).abs().mean() for p, t in zip(batch.zhat, batch.h_target, strict=True)
        )


@register(
    "context",
    r"\mathrm{mean}\,|\hat z_{ctx} - h_{ctx}| / \sqrt{\mathrm{dist}}",
    "V-JEPA 2.1 dense loss; arXiv 2605.17165, section 2",
    family="baseline",
)
class Context(Term):
    """L1 at the context places, less the farther a place is from the nearest target.

    Parameters
    ----------
    distance_weighted : divide by the square root of that distance, in tokens.
    """

    def __init__(self, *, distance_weighted: bool = True, **common) -> None:
        super().__init__(**common)
        self.distance_weighted = distance_weighted

    def loss(self, batch: LatentBatch) -> Tensor:
        if len(batch.zhat_ctx) != len(batch.groups):
            raise ShapeError(
                "The context term needs zhat_ctx, the predictions at the context places: let the "
                "predictor make them (predict_context=True)."
            )
        values = []
        for g in batch.groups:
            error = (batch.zhat_ctx[g] - batch.h_context[g]).abs().mean(-1)  # [B, K]
            if self.distance_weighted:
                distance = distance_to_targets(
                    batch.context_index[g], batch.target_index[g], batch.grid
                )
                error = error / distance.sqrt()
            values.append(error.mean())
        return mean_over_groups(values)
