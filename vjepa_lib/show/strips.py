"""Rows of `plots.clips`: frames of a clip, and beside them what a mask, a weight or a latent does.

Every function returns a list of (title, frames [F, H, W, 3], mask [T, h, w] or None).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor

from vjepa_lib import maps
from vjepa_lib.analysis import ablation
from vjepa_lib.analysis.at_work import always_context, on_grid, slower_half, target_speed
from vjepa_lib.datasets import worlds
from vjepa_lib.datasets.scene import render
from vjepa_lib.model.grid import Grid
from vjepa_lib.objectives import LatentBatch
from vjepa_lib.objectives.hard_region import hard_weights
from vjepa_lib.objectives.views import VIEWS
from vjepa_lib.show import plots
from vjepa_lib.study import kept
from vjepa_lib.video.clips import ClipSet

Row = tuple[str, np.ndarray, np.ndarray | None]


def first_clips(sets: Mapping[str, ClipSet], domains: Sequence[str]) -> list[Row]:
    """The first clip of every domain."""
    return [(name, sets[name].frames[0].numpy(), None) for name in domains]


def world_clips(task: str, severity: int = 4) -> list[Row]:
    """The first test clip of a transfer task's source and of every shift at one severity.

    Rendered here, without encoding: what the worlds' video files hold but for compression.
    """
    places = [worlds.SOURCE, *((shift, severity) for shift in worlds.SHIFTS)]
    return [(place[0], render(worlds.scenes(task, place, "test", 1)[0]), None) for place in places]


def world_frames(task: str) -> Tensor:
    """Frames [F, H, W, 3] of the first test clip of a transfer task's source, rendered here."""
    return torch.from_numpy(render(worlds.scenes(task, worlds.SOURCE, "test", 1)[0]))


def labelled_first_clips(sets: Mapping[str, ClipSet]) -> list[Row]:
    """The first clip of every domain, with its label where it has one."""
    rows: list[Row] = []
    for name, clips in sets.items():
        label = clips.label_names[int(clips.labels[0])]
        title = name if label == "unlabelled" else f"{name}\n{label}"
        rows.append((title, clips.frames[0].numpy(), None))
    return rows


def encoder_maps(these: kept.Group, frames: Tensor) -> tuple[list[Row], pd.DataFrame]:
    """A clip, and below it what each encoder of a group makes of it, titled as in other figures.

    Parameters
    ----------
    frames : uint8 [F, H, W, 3]

    Returns
    -------
    Of `maps.compare_maps`: the rows, and where the tokens' variance lies.
    """
    titles = [plots.label(ablation.name(*pair)) for pair in these.pairs]
    encoders = dict(zip(titles, map(these.load, these.configs), strict=True))
    return maps.compare_maps(encoders, frames)


def _white(frames: np.ndarray) -> np.ndarray:
    """Empty frames, for maps that are to be seen alone."""
    return np.full_like(frames, 255)


def _in_unit(values: Tensor, of: Tensor | None = None) -> Tensor:
    """Values moved and scaled so that those of `of` (themselves) run from 0 to 1."""
    of = values if of is None else of
    return (values - of.min()) / (of.max() - of.min())


def _without_last(values: Tensor, grid: Grid) -> np.ndarray:
    """[T - 1, HW] per place, with an empty last time step: [T, h, w]."""
    out = values.new_zeros(grid.t, grid.h * grid.w)
    out[:-1] = values
    return out.view(grid.shape).numpy()


def targets_and_weights(
    frames: Tensor, batch: LatentBatch, error: Tensor, temperature: float, clips: int = 3
) -> list[Row]:
    """Target tokens of the first clips, and their hard-region weights from 0 to the clip's largest.

    Parameters
    ----------
    frames : [B, F, H, W, 3]; error : of `at_work.prediction_errors`.
    """
    targets = on_grid(torch.ones_like(error, dtype=torch.bool), batch.target_index[0], batch.grid)
    weights = on_grid(hard_weights(error, temperature), batch.target_index[0], batch.grid)
    rows: list[Row] = []
    for i in range(clips):
        clip = frames[i].numpy()
        rows.append((f"clip {i + 1}: targets", clip, targets[i].numpy()))
        rows.append(("weight", _white(clip), (weights[i] / weights[i].max()).numpy()))
    return rows


def weights_and_speed(
    frames: Tensor, batch: LatentBatch, error: Tensor, temperature: float, clips: int = 2
) -> list[Row]:
    """The first clips, their hard-region weights, and how fast the target latent moves."""
    weights = on_grid(hard_weights(error, temperature), batch.target_index[0], batch.grid)
    speed, rows = target_speed(batch), []
    for i in range(clips):
        clip, v = frames[i].numpy(), _without_last(_in_unit(speed[i]), batch.grid)
        rows.append((f"clip {i + 1}", clip, None))
        rows.append(("HW weight", clip, (weights[i] / weights[i].max()).numpy()))
        rows.append(("|h(t+1) - h(t)|", clip, v))
    return rows


def speed_and_gate(frames: Tensor, batch: LatentBatch, clips: int = 2) -> list[Row]:
    """The first clips, the speed of the target latent, and what the velocity gate lets through."""
    speed, rows = target_speed(batch), []
    slow = slower_half(speed)
    for i in range(clips):
        clip, v = frames[i].numpy(), _in_unit(speed[i], of=speed)
        rows.append((f"clip {i + 1}", clip, None))
        rows.append(("|h(t+1) - h(t)|", clip, _without_last(v, batch.grid)))
        rows.append(("gate", clip, _without_last(slow[i], batch.grid)))
    return rows


def context_and_pairs(frames: Tensor, batch: LatentBatch, clip: int = 0) -> list[Row]:
    """Context tokens of one clip, and those that are context one time step later too.

    Parameters
    ----------
    frames : [B, F, H, W, 3]
    """
    shown, rows = frames[clip].numpy(), []
    for g in batch.groups:
        context = batch.valid[g].view(-1, *batch.grid.shape)
        pairs = on_grid(batch.following[g], batch.context_index[g], batch.grid)
        rows.append((f"context, group {g + 1}", shown, context[clip].numpy()))
        rows.append(("pairs", shown, pairs[clip].numpy()))
    return rows


def pairs_and_places(frames: Tensor, batch: LatentBatch) -> list[Row]:
    """Pairs over time, and places that are context at all times, of the clip with most of these."""
    always = always_context(batch)
    clip = int(sum(a.sum(1) for a in always).argmax())
    shown, rows = frames[clip].numpy(), []
    for g in batch.groups:
        pairs = on_grid(batch.following[g], batch.context_index[g], batch.grid)
        places = always[g][clip].view(batch.grid.h, batch.grid.w)
        rows.append((f"pairs, group {g + 1}", shown, pairs[clip].numpy()))
        rows.append(("always context", shown, places.numpy()))
    return rows


def motion_and_hiding(
    frames: Tensor, motion: Tensor, hidden: Sequence[Mapping[str, Tensor]]
) -> Figure:
    """Figure: first frame of each clip, where it moves, and how often each kind of mask hides it.

    Parameters
    ----------
    frames : [B, F, H, W, 3]; motion : [B, h, w]; hidden : of `masks.hidden_by_kind`.
    """
    rows: list[Row] = []
    for k, (m, found) in enumerate(zip(motion, hidden, strict=True)):
        maps = torch.stack([torch.zeros_like(m), _in_unit(m), *found.values()])
        first = frames[k, 0].numpy()
        shown = np.stack([first] + (len(maps) - 1) * [_white(first)])
        rows.append((f"clip {k + 1}", shown, maps.numpy()))
    fig = plots.clips(rows, tubelet=1, opacity=1, width=4.4)
    # The columns are maps here, not frames: they get names for numbers.
    for ax, title in zip(fig.axes, ("first frame", "motion", *hidden[0]), strict=False):
        ax.set_title(title, fontsize=6)
    return fig


def hidden_tokens(
    drawn: Mapping[tuple[str, int], tuple[Tensor, Tensor]], grid: Grid
) -> dict[tuple[str, int], np.ndarray]:
    """Tokens of one clip that the context encoder does not see, [T, h, w] bool.

    Parameters
    ----------
    drawn : of `masks.draw_masks`.
    """
    everything = torch.ones(grid.n, dtype=torch.bool)
    return {
        key: everything.scatter(0, context[0], False).view(grid.shape).numpy()
        for key, (context, _) in drawn.items()
    }


def hidden(frames: Tensor, masks: Mapping[tuple[str, int], np.ndarray]) -> list[Row]:
    """One clip under each of its masks, of `hidden_tokens`.

    Parameters
    ----------
    frames : [F, H, W, 3]
    """
    return [(f"{kind}\ngroup {group}", frames.numpy(), m) for (kind, group), m in masks.items()]


def predicted(
    frames: Tensor, drawn: Mapping[tuple[str, int], tuple[Tensor, Tensor]], grid: Grid
) -> list[Row]:
    """What each kind of mask leaves to be predicted in one clip.

    Parameters
    ----------
    frames : [F, H, W, 3]; drawn : of `masks.draw_masks`.
    """
    rows: list[Row] = []
    for (kind, group), (_, target) in drawn.items():
        hidden = torch.zeros(grid.n, dtype=torch.bool).scatter(0, target[0], True)
        title = f"{kind.replace('_', ' ')}, {group}"
        rows.append((title, frames.numpy(), hidden.view(grid.shape).numpy()))
    return rows


def colour_changes(
    sets: Mapping[str, ClipSet],
    kinds: Mapping[str, tuple[str, np.ndarray]],
    changes: Mapping[str, Tensor],
    grid: Grid,
) -> list[Row]:
    """One clip of each kind, and the change of every token's colour, up to the largest of all.

    Parameters
    ----------
    kinds : of `colours.clips_by_movement`; changes : of `colours.colour_change`, by kind.
    """
    largest = max(float(c[0].max()) for c in changes.values())
    rows: list[Row] = []
    for kind, (domain, index) in kinds.items():
        clip = sets[domain].frames[int(index[0])].numpy()
        rows.append((kind, clip, None))
        change = _without_last(changes[kind][0] / largest, grid)
        rows.append(("|change|", _white(clip), change))
    return rows


def iic_views(titles: Sequence[str], clips: Tensor, seed: int) -> list[Row]:
    """Clips and the views that IIC makes of them.

    Parameters
    ----------
    clips : [B, 3, F, H, W], normalised.
    """
    generator, rows = torch.Generator().manual_seed(seed), []
    for i, title in enumerate(titles):
        rows.append((title, _pixels(clips[i]), None))
        rows += [(f"  {v}", _pixels(view(clips, generator)[i]), None) for v, view in VIEWS.items()]
    return rows


def _pixels(clip: Tensor) -> np.ndarray:
    """A normalised clip [3, F, H, W] as frames [F, H, W, 3] in 0..1, near enough to look at."""
    return (clip.permute(1, 2, 3, 0) * 0.25 + 0.5).clamp(0, 1).numpy()
