"""Velocity gate: where the target stands still, the context does too."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from vjepa_lib.errors import ConfigError
from vjepa_lib.objectives.base import Term, mean_over_pairs, register
from vjepa_lib.objectives.batch import LatentBatch


@register(
    "velgate",
    r"\mathrm{mean}_P\, 1[v \le \mathrm{median}(v)]\,|Z_{t+1} - Z_t|,\quad v = \|h_{t+1} - h_t\|",
    "arXiv 2605.17165, velocity gate (VelGate-JEPA)",
    family="dynamics",
)
class VelocityGate(Term):
    """Change of the context, counted at the slower places of every time step.

    Parameters
    ----------
    percentile : share of a time step's places that is gated in, by the target's speed.
    """

    min_steps = 2

    def __init__(self, *, percentile: float = 0.5, **common) -> None:
        super().__init__(**common)
        if not 0 <= percentile <= 1:
            raise ConfigError(f"The velocity gate's percentile {percentile} must lie in 0 .. 1.")
        self.percentile = percentile

    def loss(self, batch: LatentBatch) -> Tensor:
        speed = batch.target_over_time.diff(dim=1).float().norm(dim=-1)  # [B, T - 1, HW]
        slow = speed <= speed.quantile(self.percentile, -1, keepdim=True)
        slow = F.pad(slow, (0, 0, 0, 1)).flatten(1)  # [B, N], the last time step has no speed
        gated = [
            change.abs() * slow.gather(1, index)[..., None]
            for change, index in zip(batch.z_change, batch.context_index, strict=True)
        ]
        return mean_over_pairs(gated, batch.following)
