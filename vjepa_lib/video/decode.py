"""The one door to a video file: every reading in this package, health checks included, goes here.

decord is the default decoder.  PyAV serves where decord cannot be imported (it has no wheels for
some machines), where it reads a file wrongly (more than 8 bits a channel, AV1, GIF, MPEG transport
streams, Matroska files that are to be turned, the few narrow widths at which decord 0.6 pads its
rows) and where it fails.  A test holds the two to the same pixels.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vjepa_lib.errors import ConfigError, DataError, ShapeError, shown
from vjepa_lib.video import containers
from vjepa_lib.video.decoders import (
    TRAILING_FRAMES,
    FrameChoice,
    PaddedRowsError,
    VideoInfo,
    decord_read,
    header,
    image_read,
    pyav_check,
    pyav_read,
)
from vjepa_lib.video.decoders import av_module as _av
from vjepa_lib.video.decoders import decord_module as _decord

BACKENDS = ("decord", "pyav")
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".webm", ".avi", ".mkv", ".mov", ".m4v", ".mpg", ".mpeg", ".gif"}
)
#: Seconds without a sign of life after which a reading is given up.
PATIENCE = 120.0
_NOT_DECORDS = ("gif", "mpegts")  # kinds that decord 0.6 refuses or reads wrongly


class TruncatedError(DataError):
    """A file that is readable, but cut short."""


def default_backend() -> str:
    """Name of the decoder in use: `decord` where it can be imported, else `pyav`."""
    if _decord() is not None:
        return "decord"
    if _av() is not None:
        return "pyav"
    raise ConfigError("No video decoder is installed; install one with `pip install decord av`.")


def is_image(path: str | Path) -> bool:
    """Whether a path names a still image (by its suffix)."""
    return Path(path).suffix.lower() in IMAGE_SUFFIXES


def _check_backend(backend: str | None) -> str:
    if backend is None:
        return default_backend()
    if backend not in BACKENDS:
        raise ConfigError(f"Unknown decoder {backend!r}; known: {', '.join(BACKENDS)}.")
    if (_decord if backend == "decord" else _av)() is None:
        package = "decord" if backend == "decord" else "av"
        raise ConfigError(f"Decoder {backend} is not installed; run `pip install {package}`.")
    return backend


def _reason(error: BaseException) -> str:
    """First line of a decoder's message, without error numbers, times and source lines."""
    text = getattr(error, "strerror", None) or str(error)  # PyAV's errors are OSErrors
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    line = re.sub(r"\[\d\d:\d\d:\d\d\] \S+?:\d+: ", "", lines[0]) if lines else ""
    return line[:160].rstrip(". ") or type(error).__name__


def _must_exist(path: Path) -> None:
    if os.path.isfile(path):
        return
    text = os.fspath(path)
    if "\0" in text or len(text) > 1000:  # the system refuses to look for it
        raise DataError(
            f"No file can be called {shown(text)} ({len(text):,} characters); correct the path."
        )
    raise DataError(f"{path} does not exist; correct the path or the manifest's root folder.")


def _within(path: Path, work: Callable[[Callable[[], None]], Any]) -> Any:
    """The result of `work(beat)`, given up when `beat` is not called for `PATIENCE` seconds.

    A decoder that hangs inside its library cannot be stopped; it stays behind in a thread that does
    not keep the process alive.
    """
    last = [time.monotonic()]
    done = threading.Event()
    outcome: list[tuple[bool, Any]] = []

    def beat() -> None:
        last[0] = time.monotonic()

    def run() -> None:
        try:
            outcome.append((True, work(beat)))
        except BaseException as error:
            outcome.append((False, error))
        finally:
            done.set()

    threading.Thread(target=run, name="decoding", daemon=True).start()
    while not done.wait(max(0.01, last[0] + PATIENCE - time.monotonic())):
        if time.monotonic() - last[0] >= PATIENCE:
            raise DataError(
                f"{path} cannot be decoded (no frame came for {PATIENCE:g} s); replace or remove "
                "the file."
            )
    good, value = outcome[0]
    if good:
        return value
    raise value


def _open(
    path: Path, indices: FrameChoice | None, backend: str | None
) -> tuple[VideoInfo, np.ndarray]:
    """Info and frames of a file by the decoder that reads it rightly."""
    _must_exist(path)
    try:
        if is_image(path):
            return _within(path, lambda beat: image_read(path, indices, beat))
        chosen = _check_backend(backend)
        found = containers.look(path)
        if found.kind is None:
            raise DataError(
                f"{path} cannot be decoded ({found.problem}); replace or remove the file."
            )
        if chosen == "decord" and _av() is not None and found.kind in _NOT_DECORDS:
            chosen = "pyav"
        info, frames = _within(path, lambda beat: _decode(path, indices, chosen, found.kind, beat))
    except (DataError, ConfigError, ShapeError):
        raise
    except Exception as error:  # each decoder has error classes of its own
        raise DataError(
            f"{path} cannot be decoded ({_reason(error)}); replace or remove the file."
        ) from error
    if found.whole is False:  # asked last: what a manifest says of its length says more
        raise TruncatedError(
            f"{path} is cut short ({found.problem}; {info.frames} frames are left); replace the"
            " damaged file."
        )
    return replace(info, whole=found.whole), frames


def _decode(
    path: Path,
    indices: FrameChoice | None,
    backend: str,
    kind: str,
    beat: Callable[[], None],
) -> tuple[VideoInfo, np.ndarray]:
    if backend == "pyav":
        return pyav_read(path, indices, beat)
    before = header(path, kind)
    beat()
    if not before.decord:
        return pyav_read(path, indices, beat)
    try:
        info, frames = decord_read(path, indices, beat)
        return replace(info, duration=before.duration), frames
    except (DataError, ConfigError, ShapeError):
        raise
    except Exception as error:
        if isinstance(error, PaddedRowsError):
            _check_backend("pyav")
        elif _av() is None:
            raise
        beat()
        return pyav_read(path, indices, beat)


def read_frames(
    path: str | Path, indices: FrameChoice | None = None, *, backend: str | None = None
) -> np.ndarray:
    """Decode frames of a video (or one still image) as RGB.

    Parameters
    ----------
    path : str or Path
        Video file, or an image, which counts as a video of one frame.
    indices : sequence of int, callable or None
        Frame numbers in any order, repeats allowed; or a function of the file's `VideoInfo`
        that returns them, so that length and frames are read with one opening of the file;
        None reads every frame.
    backend : {'decord', 'pyav'} or None
        Decoder; None takes decord where it can be imported and PyAV elsewhere.

    Returns
    -------
    ndarray, uint8, [F, H, W, 3]

    Raises
    ------
    DataError
        The file is missing, damaged, cut short, no video, has fewer frames than asked for, or gives
        no frame for `PATIENCE` seconds.
    """
    return _open(Path(path), indices, backend)[1]


def probe_video(path: str | Path, *, backend: str | None = None) -> VideoInfo:
    """Frame count, frame rate and size of a file, as `read_frames` will find them.

    Packets are counted and one frame is decoded.

    Parameters
    ----------
    path : str or Path
        Video or image file.
    backend : {'decord', 'pyav'} or None
        As in `read_frames`.

    Returns
    -------
    VideoInfo

    Raises
    ------
    DataError
        The file is missing, damaged or holds no frames.
    """
    return _open(Path(path), [0], backend)[0]


def check_video(path: str | Path) -> VideoInfo:
    """Decode every frame of a file and demand that all are there and whole.

    `read_frames` follows its decoder, which conceals damage inside a picture; PyAV, where
    installed, reports such pictures here.  Pixels are not converted, so this costs less than
    reading.

    Parameters
    ----------
    path : str or Path
        Video or image file.

    Returns
    -------
    VideoInfo

    Raises
    ------
    DataError
        The file is missing, or a frame is missing or damaged.
    """
    path = Path(path)
    info = probe_video(path)
    if is_image(path):  # `probe_video` has decoded it
        return info
    if _av() is None:
        for low in range(0, info.frames, 64):  # in parts, to bound memory
            read_frames(path, np.arange(low, min(low + 64, info.frames)))
        return info
    try:
        seen = _within(path, lambda beat: pyav_check(path, info.frames, beat))
    except DataError:
        raise
    except Exception as error:
        raise DataError(
            f"{path} cannot be decoded to its end ({_reason(error)}); replace or remove the file."
        ) from error
    if seen < info.frames - TRAILING_FRAMES:
        raise DataError(
            f"{path} ends after {seen} of its {info.frames} frames; replace the damaged file."
        )
    # The same frames by the decoder that training uses.
    read_frames(path, [info.frames - 1])
    return info
