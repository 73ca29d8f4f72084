"""One clip of one file: choose frames, decode, resize.

Kept apart from `clips` so that a decoding process starts without loading torch; only a clip that
has to be resized needs it.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vjepa_lib.errors import ConfigError, DataError
from vjepa_lib.video.decode import VideoInfo, is_image, read_frames
from vjepa_lib.video.sampling import even_indices, span_in_frames, stride_for, window_indices

if TYPE_CHECKING:
    import torch

SAMPLINGS = ("even", "window")
_MIN_PER_WORKER = 32  # fewer files than this are read sooner than a process starts


@dataclass(frozen=True)
class ClipSpec:
    """How a file becomes a clip of fixed shape.

    Attributes
    ----------
    frames : int
        Frames a clip has.  A shorter video holds its last frame; an image is repeated.
    size : (int, int)
        Height and width in pixels.
    sampling : {'even', 'window'}
        `even`: spread from the first frame to the last; `window`: frames a stride apart, from
        the middle or (training) from a random start.
    stride, fps : int or None, float or None
        Distance between the frames of a window, or the frame rate that sets it.
    short_side : int or None
        Shorter side after resizing, before the centre crop; None: the smallest that fits.
    antialias : bool
        Low-pass before shrinking.
    min_frames : int
        A video with fewer frames counts as broken; images never do.
    backend : {'decord', 'pyav'} or None
        Decoder; None picks the default one.
    """

    frames: int
    size: tuple[int, int]
    sampling: str = "even"
    stride: int | None = None
    fps: float | None = None
    short_side: int | None = None
    antialias: bool = True
    min_frames: int = 1
    backend: str | None = None

    def __post_init__(self) -> None:
        if self.sampling not in SAMPLINGS:
            raise ConfigError(
                f"Unknown frame sampling {self.sampling!r}; known: {', '.join(SAMPLINGS)}."
            )
        if self.sampling == "even" and (self.stride is not None or self.fps is not None):
            raise ConfigError("A stride or fps needs sampling='window'; 'even' has none.")
        if self.frames < 1 or min(self.size) < 1:
            raise ConfigError(
                f"A clip needs positive frames and size, not {self.frames} and {self.size}."
            )


def read_raw(
    path: str | Path,
    spec: ClipSpec,
    start: float | None = None,
    end: float | None = None,
    generator: torch.Generator | None = None,
    expected: int | None = None,
) -> tuple[np.ndarray, int]:
    """Sampled frames of a file at the file's own size.

    Parameters
    ----------
    path : str or Path
    spec : ClipSpec
    start, end : float or None
        Stretch of the file in seconds; None or nan: its own start and end.
    generator : torch.Generator or None
        Draws the start of a window.
    expected : int or None
        Frames the file must have: some formats are still readable, only shorter, when cut off.

    Returns
    -------
    frames : ndarray, uint8, [F, H, W, 3]
    available : int
        Frames the stretch has.

    Raises
    ------
    DataError
        The file is missing, damaged or too short.
    """
    available = 0

    def choose(info: VideoInfo) -> np.ndarray:
        nonlocal available
        if expected is not None and info.frames < expected:
            raise DataError(
                f"{path} ends after {info.frames} of the {expected} frames that its manifest"
                " gives; replace the damaged file or correct frame_count."
            )
        first, available = span_in_frames(info.frames, info.fps, start, end)
        if available < 1:
            raise DataError(
                f"{path} has no frames between second {start} and {end};"
                f" it is {info.frames / max(info.fps, 1e-9):.2f} s long."
            )
        if available < spec.min_frames and not is_image(path):
            raise DataError(
                f"{path} is too short: {available} frames where {spec.min_frames} are needed."
            )
        if spec.sampling == "even":
            return first + even_indices(available, spec.frames)
        stride = stride_for(info.fps, spec.fps, spec.stride)
        return first + window_indices(available, spec.frames, stride, generator)

    frames = read_frames(path, choose, backend=spec.backend)
    return frames, available


def read_clip(
    path: str | Path,
    spec: ClipSpec,
    start: float | None = None,
    end: float | None = None,
    expected: int | None = None,
) -> tuple[np.ndarray, int]:
    """A clip of fixed shape, resized and centre-cropped; parameters as in `read_raw`.

    Returns
    -------
    frames : ndarray, uint8, [F, height, width, 3]
    available : int
        Frames the file, or its stretch, has.
    """
    frames, available = read_raw(path, spec, start, end, expected=expected)
    if frames.shape[1:3] != spec.size or spec.short_side is not None:
        from vjepa_lib.video.augment import resize_center_crop

        frames = resize_center_crop(frames, spec.size, spec.short_side, spec.antialias)
    return frames, available


@dataclass(frozen=True)
class Job:
    """A run of manifest rows for one call of a decoding process."""

    rows: tuple[int, ...]
    paths: tuple[str, ...]
    starts: tuple[float | None, ...]
    ends: tuple[float | None, ...]
    counts: tuple[int | None, ...]  # frames the files must have, where the manifest says


def decode_job(job: Job, spec: ClipSpec, target: str) -> list[tuple[int, int, str | None]]:
    """Decode a job's clips into their rows of the .npy array at `target`.

    Returns
    -------
    list of (row, frames available, reason)
        `reason` is None for a clip that was read, else the sentence saying why it was not.
    """
    array = np.load(target, mmap_mode="r+")  # [n, F, H, W, 3]
    outcome: list[tuple[int, int, str | None]] = []
    columns = (job.rows, job.paths, job.starts, job.ends, job.counts)
    for row, path, start, end, expected in zip(*columns, strict=True):
        try:
            array[row], available = read_clip(path, spec, start, end, expected)
            outcome.append((row, available, None))
        except DataError as error:
            outcome.append((row, 0, str(error)))
    array.flush()
    return outcome


def worker_count(workers: int | None, items: int, each: int = _MIN_PER_WORKER) -> int:
    """Processes for a number of items: all cores allowed, but none with less than `each`."""
    if workers is None:
        cores = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))(0)
        workers = len(cores)
    return max(1, min(workers, math.ceil(items / each)))
