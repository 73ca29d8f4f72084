"""Clips frame by frame, with masks laid over them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from vjepa_lib.errors import ShapeError
from vjepa_lib.show.look import PAGE
from vjepa_lib.show.plots.common import styled

MASK_COLOUR = "#EE7733"


def overlay(
    title: str,
    frames: np.ndarray,
    mask: np.ndarray | None,
    tubelet: int = 2,
    mask_colour: str = MASK_COLOUR,
    opacity: float = 0.65,
    hatched: bool = False,
) -> np.ndarray:
    """Frames of a clip under a mask: [F, H, W, 3], 0..1; the parameters are those of `clips`.

    Raises
    ------
    ShapeError : frames or mask of another shape; the sentence names them by the title.
    """
    frames = np.asarray(frames)
    if frames.ndim != 4 or frames.shape[-1] != 3:
        raise ShapeError(f"Frames of {title!r} have shape {frames.shape}; give [F, H, W, 3].")
    scale = 255.0 if frames.dtype == np.uint8 else 1.0
    frames = np.clip(frames.astype(float) / scale, 0, 1)
    if mask is None:
        return frames
    f, h, w = frames.shape[:3]
    mask = np.asarray(mask, float)
    mask = np.broadcast_to(mask, (-(-f // tubelet), *mask.shape[-2:]))
    if h % mask.shape[1] or w % mask.shape[2]:
        raise ShapeError(
            f"Mask of {title!r} has {mask.shape[1]} x {mask.shape[2]} tokens, which do not "
            f"divide frames of {h} x {w} pixels."
        )
    mask = mask.repeat(h // mask.shape[1], 1).repeat(w // mask.shape[2], 2)
    mask = mask[np.arange(f) // tubelet][..., None]  # [F, H, W, 1]
    if hatched:
        return np.where(mask > 0, _hatch(frames), frames)
    cover = opacity * mask
    return frames * (1 - cover) + cover * np.array(to_rgb(mask_colour))


def _hatch(frames: np.ndarray) -> np.ndarray:
    """Frames in dark grey under light diagonal lines, which no clip's own colours look like."""
    h, w = frames.shape[1:3]
    line = (np.add.outer(np.arange(h), np.arange(w)) % 4 == 0)[None, :, :, None]
    dark = 0.3 * frames.mean(-1, keepdims=True)
    return np.broadcast_to(np.where(line, 0.8, dark), frames.shape)


@styled
def clips(
    rows: Sequence[tuple[str, np.ndarray, np.ndarray | None]],
    every: int = 1,
    tubelet: int = 2,
    mask_colour: str = MASK_COLOUR,
    opacity: float = 0.65,
    width: float = PAGE,
    hatched: bool = False,
) -> Figure:
    """Clips frame by frame, with masks laid over them.

    Parameters
    ----------
    rows : (title, frames [F, H, W, 3] uint8 or 0..1, mask [T, h, w] or None). A bool mask tints
        its tokens; a float one (e.g. a motion map, 0..1) tints them by its value. Frame f belongs
        to time step f // tubelet; a mask [h, w] holds for all of them.
    every : show each n-th frame.
    hatched : hatch masked tokens, which reads on clips of any colour, instead of tinting them.

    Raises
    ------
    ShapeError : frames or mask of another shape.
    """
    shown = [
        (title, overlay(title, frames, mask, tubelet, mask_colour, opacity, hatched)[::every])
        for title, frames, mask in rows
    ]
    n = max(len(f) for _, f in shown)
    _, h, w, _ = shown[0][1].shape
    fig = Figure(figsize=(width, (width - 0.9) / n * h / w * len(shown) + 0.3))
    axes = fig.subplots(len(shown), n, squeeze=False)
    for line_axes, (title, frames) in zip(axes, shown, strict=True):
        for k, ax in enumerate(line_axes):
            ax.set_xticks([])
            ax.set_yticks([])
            ax.spines[:].set_visible(False)
            if k < len(frames):
                ax.imshow(frames[k], interpolation="nearest")
        line_axes[0].set_ylabel(title, rotation=0, ha="right", va="center", fontsize=7)
    for k, ax in enumerate(axes[0]):
        ax.set_title(f"{k * every}", fontsize=6)
    return fig
