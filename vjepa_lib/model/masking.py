"""Masks: multi-block, motion-guided and future-predictive, drawn for a whole batch at once.

Every block is a rectangle of the token grid that lasts the whole clip (V-JEPA, arXiv 2404.08471,
section 3.2); the target is the union of a group's blocks and the context is what is left. Both are
truncated to the smallest count in the batch, so that a group is one dense tensor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vjepa_lib.errors import ConfigError, ShapeError, unknown
from vjepa_lib.model.grid import Grid
from vjepa_lib.settings import (
    Count,
    NonNegative,
    Positive,
    PositiveShare,
    Share,
    check_domains,
)

KINDS = ("multiblock", "motion_guided", "amg", "future_predictive", "motion_future")
_MOTION = {"motion_guided": (2.0, 0.1), "motion_future": (2.0, 0.1), "amg": (5.0, 0.0)}
_FUTURE = ("future_predictive", "motion_future")
_STUDY_PLACES = 14 * 14  # rows x columns of the published setting
REDRAWS = 16


@dataclass(frozen=True)
class MaskGroup:
    """Blocks drawn together: how many, the share of the area of each, their aspect ratios."""

    blocks: Count
    scale: PositiveShare
    aspect: tuple[Positive, Positive] = (0.75, 1.5)

    def __post_init__(self) -> None:
        check_domains(self)
        if self.aspect[0] > self.aspect[1]:
            raise ConfigError(f"aspect is {self.aspect}: its second number must not be smaller.")


@dataclass(frozen=True)
class MaskingConfig:
    """How the masks of a step are drawn (study of arXiv 2605.17165, section 2 and its table).

    Attributes
    ----------
    kind : one of `KINDS`.
    groups : mask groups of a clip; None for those of the study (8 blocks of 15 % and 2 of 70 %,
        or 4 and 1 for the future-predictive kinds).
    strength, uniform : of the motion-guided kinds: the power of the motion, and the share of
        blocks placed without regard to it; None for those of the study (2 and 10 %, `amg` 5 and 0).
    min_context : least share of a time step's places kept as context. None asks for one place on
        grids of the study's size and above, as published, and for an eighth of the places on
        smaller ones, where two blocks of 70 % often cover nearly everything.
    """

    kind: str = "multiblock"
    groups: tuple[MaskGroup, ...] | None = None
    strength: NonNegative | None = None
    uniform: Share | None = None
    min_context: Share | None = None

    def __post_init__(self) -> None:
        check_domains(self)
        if self.kind not in KINDS:
            raise unknown("masking", self.kind, KINDS)
        if self.groups is not None and not self.groups:
            raise ConfigError("groups is empty: give one mask group or more, or None.")

    @property
    def mask_groups(self) -> tuple[MaskGroup, ...]:
        if self.groups is not None:
            return self.groups
        return MaskGroup(4 if self.future else 8, 0.15), MaskGroup(1 if self.future else 2, 0.7)

    @property
    def needs_motion(self) -> bool:
        return self.kind in _MOTION

    @property
    def future(self) -> bool:
        """Whether context comes from the first half of the time steps only."""
        return self.kind in _FUTURE

    @property
    def guidance(self) -> tuple[float, float]:
        """Strength and uniform share in force; (0, 1) where motion plays no part."""
        strength, uniform = _MOTION.get(self.kind, (0.0, 1.0))
        return (
            strength if self.strength is None else self.strength,
            uniform if self.uniform is None else self.uniform,
        )


def motion_map(clip: Tensor, grid: Grid) -> Tensor:
    """Mean absolute difference of neighbouring frames per patch: [B, 3, F, H, W] -> [B, h, w].

    Raises
    ------
    ShapeError : the clip has fewer than two frames or does not fit the grid.
    """
    if clip.ndim != 5 or clip.shape[2] < 2 or clip.shape[3:] != (grid.height, grid.width):
        raise ShapeError(
            f"A motion map needs clips [B, 3, >= 2, {grid.height}, {grid.width}], not "
            f"{list(clip.shape)}: resample the clip or turn motion guidance off."
        )
    frames = clip.float()
    change = (frames[:, :, 1:] - frames[:, :, :-1]).abs().mean((1, 2))  # [B, H, W]
    return F.avg_pool2d(change[:, None], grid.patch)[:, 0]


def block_size(group: MaskGroup, grid: Grid, draw: Tensor) -> tuple[int, int]:
    """Height and width, in tokens, of a step's blocks: one area, one aspect drawn in [0, 1)."""
    low, high = group.aspect
    ratio = low + (high - low) * float(draw)
    area = int(group.scale * grid.h * grid.w)
    height = min(max(round(math.sqrt(area * ratio)), 1), grid.h)
    width = min(max(round(math.sqrt(area / ratio)), 1), grid.w)
    return height, width


def least_context(cfg: MaskingConfig, grid: Grid) -> int:
    """Places of a time step that a draw must leave free."""
    places = grid.h * grid.w
    share = cfg.min_context
    if share is None:
        share = 0.0 if places >= _STUDY_PLACES else 0.125
    return max(1, math.ceil(share * places))


def position_chances(
    motion: np.ndarray, size: tuple[int, int], strength: float, uniform: float
) -> np.ndarray:
    """Chance of every block position on motion maps [B, h, w]: [B, rows * columns].

    Proportional to (mean motion under the block) ** strength, of which a share `uniform` is
    spread evenly. Block sums come from one cumulative sum over the map.
    """
    b, h, w = motion.shape
    area = np.zeros((b, h + 1, w + 1))
    np.cumsum(np.cumsum(motion, 1), 2, out=area[:, 1:, 1:])
    y, x = size
    block = area[:, y:, x:] - area[:, :-y, x:] - area[:, y:, :-x] + area[:, :-y, :-x]
    weight = np.maximum(block.reshape(b, -1) / (y * x), 0.0) ** strength
    total = weight.sum(1, keepdims=True)
    even = 1.0 / weight.shape[1]
    share = np.where(total > 0, weight / np.where(total > 0, total, 1.0), even)
    return (1 - uniform) * share + uniform * even


def _draw_places(draws: np.ndarray, chances: np.ndarray | None, count: int) -> np.ndarray:
    """Turn uniform draws [B, blocks] into position numbers, evenly or by chances [B, count]."""
    if chances is None:
        return (draws * count).astype(np.int64)
    reached = chances.cumsum(1)  # [B, count]
    # Positions whose cumulative chance a draw has passed; rows differ, so count instead of search.
    passed = (draws * reached[:, -1:])[:, :, None] >= reached[:, None]
    return np.minimum(passed.sum(2), count - 1)


@lru_cache(maxsize=256)
def _blocks(size: tuple[int, int], h: int, w: int) -> np.ndarray:
    """Every position of a block of this size: bool [rows * columns, h * w]."""
    top, left = np.arange(h - size[0] + 1)[:, None], np.arange(w - size[1] + 1)[:, None]
    y, x = np.arange(h), np.arange(w)
    rows = (y >= top) & (y < top + size[0])  # [rows, h]
    cols = (x >= left) & (x < left + size[1])  # [columns, w]
    return (rows[:, None, :, None] & cols[None, :, None, :]).reshape(-1, h * w)


def _union(
    group: MaskGroup,
    grid: Grid,
    batch_size: int,
    generator: torch.Generator,
    motion: np.ndarray | None,
    guidance: tuple[float, float],
    least: int,
) -> np.ndarray:
    """Places covered by a group's blocks, bool [B, h * w], with at least `least` left free.

    A clip whose blocks leave too little is drawn again, as published for an empty context; if
    that keeps failing, its last blocks are left out.
    """
    size = block_size(group, grid, torch.rand((), generator=generator))
    blocks = _blocks(size, grid.h, grid.w)
    chances = None if motion is None else position_chances(motion, size, *guidance)
    pending = np.arange(batch_size)
    out = np.empty((batch_size, blocks.shape[1]), dtype=bool)
    for attempt in range(REDRAWS):
        draws = torch.rand(len(pending), group.blocks, generator=generator, dtype=torch.float64)
        chance = None if chances is None else chances[pending]
        place = _draw_places(draws.numpy(), chance, len(blocks))  # [B, blocks]
        laid = blocks.take(place, 0)  # [B, blocks, h * w]
        if attempt == REDRAWS - 1:
            growing = np.logical_or.accumulate(laid, 1)
            fits = (blocks.shape[1] - growing.sum(2) >= least).sum(1)  # first so many blocks fit
            out[pending] = growing[np.arange(len(pending)), np.maximum(fits - 1, 0)]
            break
        union = laid.any(1)
        out[pending] = union
        pending = pending[union.sum(1) > blocks.shape[1] - least]
        if not len(pending):
            break
    return out


def _numbers(mask: np.ndarray, keep: int) -> np.ndarray:
    """Numbers of the first `keep` set tokens of each clip: mask [B, N] -> [B, keep].

    `keep` is the batch's least count; dropping the last tokens is what the official collator does.
    """
    out = np.empty((len(mask), keep), dtype=np.int64)
    for row, clip in zip(out, mask, strict=True):
        row[:] = clip.nonzero()[0][:keep]
    return out


def sample_masks(
    cfg: MaskingConfig,
    grid: Grid,
    batch_size: int,
    generator: torch.Generator,
    motion: Tensor | None = None,
) -> list[tuple[Tensor, Tensor]]:
    """Draw the masks of one step.

    Parameters
    ----------
    batch_size : clips; for several processes the global number, sliced afterwards.
    generator : CPU generator, the only source of randomness.
    motion : [B, h, w] from `motion_map` or [B, t, h, w], for the motion-guided kinds.

    Returns
    -------
    For every group (context [B, K], target [B, M]), token numbers in rising order, on the CPU.
    The future-predictive kinds give every token that is not context as target.

    Raises
    ------
    ShapeError : motion is missing or has another shape, or no place can stay free.
    """
    maps = _motion_array(cfg, grid, batch_size, motion)
    least = least_context(cfg, grid)
    places = grid.h * grid.w
    out = []
    for group in cfg.mask_groups:
        covered = _union(group, grid, batch_size, generator, maps, cfg.guidance, least)
        taken = covered.sum(1)  # [B] places of a time step
        if taken.max() == places:
            raise ShapeError(
                f"A block of {group.scale:.0%} covers all {grid.h} x {grid.w} places and leaves "
                f"no context: use a finer grid or smaller blocks."
            )
        steps = max(grid.t // 2, 1) if cfg.future else grid.t
        context = np.zeros((batch_size, grid.t, places), dtype=bool)
        context[:, :steps] = ~covered[:, None]
        context = context.reshape(batch_size, -1)
        kept = _numbers(context, (places - taken.max()) * steps)
        if cfg.future:
            target = np.ones_like(context)
            np.put_along_axis(target, kept, False, 1)
            rest = _numbers(target, grid.n - kept.shape[1])
        else:
            rest = _numbers(~context, taken.min() * grid.t)
        out.append((torch.from_numpy(kept), torch.from_numpy(rest)))
    return out


def _motion_array(
    cfg: MaskingConfig, grid: Grid, batch_size: int, motion: Tensor | None
) -> np.ndarray | None:
    """Motion maps [B, h, w] as the draws need them, or None for the kinds that need none."""
    if not cfg.needs_motion:
        return None
    if motion is not None and motion.ndim == 4:
        motion = motion.mean(1)
    if motion is None or motion.shape != (batch_size, grid.h, grid.w):
        raise ShapeError(
            f"Masking {cfg.kind!r} needs a motion map [{batch_size}, {grid.h}, {grid.w}]: "
            f"pass motion=motion_map(clip, grid)."
        )
    return motion.detach().cpu().double().numpy()
