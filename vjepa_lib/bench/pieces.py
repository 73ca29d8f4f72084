"""Parts of a step by themselves: masks, context distances, the SIGReg statistic."""

from __future__ import annotations

import torch

from vjepa_lib.bench.reference import distance_by_token, epps_pulley_by_point, masks_by_loop
from vjepa_lib.bench.timing import Row, compare
from vjepa_lib.model.grid import Grid, distance_to_targets
from vjepa_lib.model.masking import MaskingConfig, sample_masks
from vjepa_lib.objectives.sigreg import epps_pulley

STUDY = Grid(t=8, h=14, w=14)
CLIPS = 8


def masks(kind: str, rounds: int = 8) -> Row:
    """Both mask groups of 8 clips on the study's grid: all clips at once against a plain loop."""
    cfg = MaskingConfig(kind)
    draw = torch.Generator().manual_seed(0)
    motion = torch.rand(CLIPS, STUDY.h, STUDY.w, generator=draw)
    return compare(
        f"masks, {kind.replace('_', '-')}",
        lambda: masks_by_loop(cfg, STUDY, CLIPS, draw, motion),
        lambda: sample_masks(cfg, STUDY, CLIPS, draw, motion),
        aim=10,
        rounds=rounds,
    )


def context_distances(rounds: int = 8) -> Row:
    """Distances of all context tokens to their nearest target: separable against token by token."""
    drawn = sample_masks(MaskingConfig(), STUDY, CLIPS, torch.Generator().manual_seed(0))
    return compare(
        "context distance weights",
        lambda: [distance_by_token(c, t, STUDY) for c, t in drawn],
        lambda: [distance_to_targets(c, t, STUDY) for c, t in drawn],
        aim=30,
        rounds=rounds,
    )


def sigreg_statistic(rounds: int = 8) -> Row:
    """Epps-Pulley statistic and gradient of 1000 tokens on 64 directions."""
    samples = torch.randn(1000, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    return compare(
        "SIGReg statistic and gradient",
        lambda: torch.autograd.grad(epps_pulley_by_point(samples).mean(), samples),
        lambda: torch.autograd.grad(epps_pulley(samples).mean(), samples),
        rounds=rounds,
    )
