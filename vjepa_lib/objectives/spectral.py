"""Spectral matching: temporal frequencies of the context follow those of the target."""

from __future__ import annotations

import torch
from torch import Tensor

from vjepa_lib.model.grid import over_time
from vjepa_lib.objectives.base import Term, mean_over_pairs, register
from vjepa_lib.objectives.batch import LatentBatch


@register(
    "spectral",
    r"\mathrm{mean}\; w_f\,|\mathcal{F}Z - \mathcal{F}h|,\quad w_f = 0.1 \ldots 1",
    "arXiv 2605.17165, spectral matching (SPECTRAL-JEPA)",
    family="temporal",
)
class Spectral(Term):
    """L1 of temporal spectra at places that are context all the time, high frequencies first."""

    min_steps = 4

    def loss(self, batch: LatentBatch) -> Tensor:
        target = batch.target_over_time.float()  # [B, T, HW, D]
        weight = torch.linspace(0.1, 1.0, batch.grid.t // 2 + 1, device=target.device)
        gaps, always = [], []
        for dense, valid in zip(batch.dense, batch.valid, strict=True):
            # The transform is linear: one of the difference instead of a difference of two.
            spectrum = torch.fft.rfft(dense.float() - target, dim=1)  # [B, T // 2 + 1, HW, D]
            gaps.append(torch.einsum("bfnd,f->bnd", spectrum.abs(), weight) / len(weight))
            always.append(over_time(valid, batch.grid).all(1))  # [B, HW]
        return mean_over_pairs(gaps, always)
