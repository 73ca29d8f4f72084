"""Kinematic regularisation: the target latent moves little, or evenly, over time."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as F

from vjepa_lib.errors import ConfigError, unknown
from vjepa_lib.model.grid import over_time
from vjepa_lib.objectives.base import Term, register
from vjepa_lib.objectives.batch import LatentBatch

KINDS = ("l1", "acceleration", "huber")


@register(
    "kinematic",
    r"\mathrm{mean}\,|h_{t+1} - h_t|",
    "arXiv 2605.17165, kinematic regularisation (Kinematic-JEPA)",
    family="kinematic",
)
class Kinematic(Term):
    """Temporal differences of h over the whole grid; teaches only where h has gradient (EMA off).

    Parameters
    ----------
    kind : 'l1', 'acceleration' (second difference) or 'huber' (threshold 0.1).
    ratio : share of the channels it acts on, from the first on.
    anneal : cosine to 0 over the training.
    """

    min_steps = 2

    def __init__(
        self, *, kind: str = "l1", ratio: float = 1.0, anneal: bool = False, **common
    ) -> None:
        super().__init__(**common)
        if kind not in KINDS:
            raise unknown("kinematic kind", kind, KINDS)
        if not 0 < ratio <= 1:
            raise ConfigError(f"The kinematic ratio {ratio} must lie above 0 and at most at 1.")
        self.kind, self.ratio, self.anneal = kind, ratio, anneal

    def loss(self, batch: LatentBatch) -> Tensor:
        h = over_time(batch.h[..., : int(batch.h.shape[-1] * self.ratio)], batch.grid)
        change = h.diff(dim=1, n=2 if self.kind == "acceleration" and batch.grid.t > 2 else 1)
        if self.kind == "huber":
            value = F.huber_loss(change, change.new_zeros(()).expand_as(change), delta=0.1)
        else:
            value = change.abs().mean()
        return value * (0.5 * (1 + math.cos(math.pi * batch.progress)) if self.anneal else 1.0)
