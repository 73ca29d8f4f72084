"""Which frames of a video make a clip: evenly spread, or a strided window.

Everything here works on frame numbers only, so a decoding worker never loads torch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from vjepa_lib.errors import ConfigError

if TYPE_CHECKING:
    import torch


def even_indices(count: int, frames: int) -> np.ndarray:
    """Frames spread evenly from the first to the last, as the frozen probes read a video.

    Parameters
    ----------
    count : int
        Frames the video has.
    frames : int
        Frames asked for.  A shorter video is read whole and its last frame is held.

    Returns
    -------
    ndarray, int64, [frames]
        Rising frame numbers; `arange` when `count == frames`.
    """
    if count < 1 or frames < 1:
        raise ConfigError(f"A clip needs at least one frame, not {frames} of {count}.")
    if count < frames:
        return np.minimum(np.arange(frames), count - 1)
    return np.linspace(0, count - 1, frames).astype(np.int64)


def stride_for(video_fps: float, fps: float | None, stride: int | None) -> int:
    """Distance between sampled frames, from a target frame rate or given outright.

    The stride is a whole number of frames, rounded down as in V-JEPA 2's loader: a 25-fps
    video read at 16 fps keeps every frame.

    Parameters
    ----------
    video_fps : float
        Frame rate of the file (0 for a still image).
    fps : float or None
        Wanted frame rate; exclusive with `stride`.
    stride : int or None
        Wanted stride; 1 when both are None.
    """
    if fps is not None and stride is not None:
        raise ConfigError("Give a clip's fps or its stride, not both.")
    if fps is None:
        if stride is not None and stride < 1:
            raise ConfigError(f"A clip's stride must be at least 1, not {stride}.")
        return stride or 1
    if fps <= 0:
        raise ConfigError(f"A clip's fps must be positive, not {fps}.")
    # 1e-3: 29.97 rounds up to 30, but 16.0001 is still 16.
    return max(1, int(math.ceil(video_fps - 1e-3) // fps))


def window_indices(
    count: int, frames: int, stride: int = 1, generator: torch.Generator | None = None
) -> np.ndarray:
    """A window of frames `stride` apart, from a random start or from the middle.

    Parameters
    ----------
    count, frames : int
        Frames the video has; frames asked for.
    stride : int
        Distance between frames.
    generator : torch.Generator or None
        Draws the start uniformly (training); None centres the window (evaluation).

    Returns
    -------
    ndarray, int64, [frames]
        Where the video ends before the window does, its last frame is held.
    """
    if count < 1 or frames < 1 or stride < 1:
        raise ConfigError(
            f"A clip window needs positive numbers, not {frames} frames of {count}"
            f" at stride {stride}."
        )
    room = count - ((frames - 1) * stride + 1)
    start = max(room, 0) // 2
    if generator is not None and room > 0:
        import torch

        start = int(torch.randint(room + 1, (), generator=generator))
    return np.minimum(start + np.arange(frames) * stride, count - 1)


def span_in_frames(
    count: int, fps: float, start: float | None = None, end: float | None = None
) -> tuple[int, int]:
    """First frame and number of frames of a stretch given in seconds.

    Parameters
    ----------
    count, fps : int, float
        Frames and frame rate of the file.
    start, end : float or None
        Seconds; None or nan means the file's own start or end.

    Returns
    -------
    (first, length) : tuple of int
        `length` is 0 where the stretch lies outside the file.
    """
    missing = fps <= 0  # a still image has no clock
    first = 0 if missing or start is None or math.isnan(start) else round(min(start * fps, 1e15))
    stop = count if missing or end is None or math.isnan(end) else round(min(count, end * fps))
    return first, max(0, stop - first)
