"""Masks at work: how often each place is hidden, and whether that follows motion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from vjepa_lib.model.grid import Grid
from vjepa_lib.model.masking import MaskingConfig, motion_map, sample_masks
from vjepa_lib.video.clips import ClipSet

Drawn = dict[tuple[str, int], tuple[Tensor, Tensor]]


def hidden_share(kind: str, motion: Tensor, grid: Grid, draws: int = 300) -> Tensor:
    """How often a kind of mask hides each place in its first mask group.

    Parameters
    ----------
    kind : of `masking.KINDS`; of those that hide a place at all times.
    motion : [h, w] of one clip.
    draws : masks drawn, each for the clip alone.

    Returns
    -------
    [h, w] shares, 0 .. 1
    """
    places, counts = grid.h * grid.w, torch.zeros(grid.h * grid.w)
    for seed in range(draws):
        generator = torch.Generator().manual_seed(seed)
        (_, target), *_ = sample_masks(MaskingConfig(kind), grid, 1, generator, motion[None])
        counts[target[0][target[0] < places]] += 1
    return (counts / draws).view(grid.h, grid.w)


def clips_with_object(clips: ClipSet, count: int) -> np.ndarray:
    """Rows of the first clips in which an object moves."""
    return np.flatnonzero(clips.manifest["shape"] != "none")[:count]


def hidden_by_kind(
    kinds: Sequence[str], motion: Tensor, grid: Grid, draws: int = 300
) -> list[dict[str, Tensor]]:
    """`hidden_share` of several kinds of mask, for every clip.

    Parameters
    ----------
    motion : of `masking.motion_map`, [B, h, w].
    """
    return [{kind: hidden_share(kind, m, grid, draws) for kind in kinds} for m in motion]


def hiding_follows_motion(motion: Tensor, hidden: Sequence[Mapping[str, Tensor]]) -> pd.DataFrame:
    """Correlation over places between motion and the frequency of being hidden.

    Parameters
    ----------
    motion : [B, h, w]; hidden : of `hidden_by_kind`.

    Returns
    -------
    DataFrame, a row per clip and kind of mask, with the percentage of places hidden.
    """
    rows = []
    for k, (m, found) in enumerate(zip(motion, hidden, strict=True), 1):
        for kind, often in found.items():
            both = torch.corrcoef(torch.stack([m.flatten(), often.flatten()]))
            rows.append(
                {
                    "clip": k,
                    "masking": kind,
                    "correlation with motion": float(both[0, 1]),
                    "hidden (%)": 100 * float(often.mean()),
                }
            )
    return pd.DataFrame(rows)


def hidden_places(motion: Tensor, hidden: Sequence[Mapping[str, Tensor]]) -> pd.DataFrame:
    """Motion and frequency of being hidden, a row per clip, kind of mask and place."""
    return pd.DataFrame(
        [
            {"clip": k, "masking": kind, "place": j, "motion": float(a), "hidden": float(b)}
            for k, (m, found) in enumerate(zip(motion, hidden, strict=True), 1)
            for kind, often in found.items()
            for j, (a, b) in enumerate(zip(m.flatten(), often.flatten(), strict=True))
        ]
    )


def draw_masks(kinds: Sequence[str], grid: Grid, clip: Tensor, seed: int = 1) -> Drawn:
    """One draw of each kind of mask for one clip.

    Parameters
    ----------
    clip : [1, 3, F, H, W], normalised; guided masks follow its motion.

    Returns
    -------
    (kind, mask group from 1) -> context and target tokens, [1, K] and [1, M].
    """
    motion, found = motion_map(clip, grid), {}
    for kind in kinds:
        generator = torch.Generator().manual_seed(seed)
        masks = sample_masks(MaskingConfig(kind), grid, 1, generator, motion)
        found |= {(kind, group): pair for group, pair in enumerate(masks, 1)}
    return found


def mask_sizes(drawn: Drawn, grid: Grid) -> pd.DataFrame:
    """Tokens of context and of prediction of `draw_masks`, a row per kind and mask group."""
    return pd.DataFrame(
        [
            {"masking": kind, "group": group, "context": context.shape[1]}
            | {"predicted": target.shape[1], "tokens": grid.n}
            for (kind, group), (context, target) in drawn.items()
        ]
    )
