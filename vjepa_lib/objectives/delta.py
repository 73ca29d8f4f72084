"""Delta prediction: the context's change over time follows the target's."""

from __future__ import annotations

from torch import Tensor

from vjepa_lib.objectives.base import Term, mean_over_pairs, register
from vjepa_lib.objectives.batch import LatentBatch


@register(
    "delta",
    r"\mathrm{mean}_P\,|(Z_{t+1} - Z_t) - (h_{t+1} - h_t)|",
    "arXiv 2605.17165, delta prediction (Delta-JEPA)",
    family="temporal",
)
class Delta(Term):
    """L1 between the temporal differences of context and target tokens."""

    min_steps = 2

    def loss(self, batch: LatentBatch) -> Tensor:
        gaps = [(dz - dh).abs() for dz, dh in zip(batch.z_change, batch.h_change, strict=True)]
        return mean_over_pairs(gaps, batch.following)
