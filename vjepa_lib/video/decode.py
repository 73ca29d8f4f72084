"""Video files in and out: one small `read_frames` in front of decord and PyAV.

decord is the default; PyAV serves where decord cannot be imported (it has no wheels for some
machines) and for the few narrow widths at which decord 0.6 pads its rows.  A test holds the two
to the same pixels.
"""

from __future__ import annotations

import functools
import os
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import numpy as np

from vjepa_lib.errors import ConfigError, DataError, ShapeError, shown

BACKENDS = ("decord", "pyav")
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
VIDEO_SUFFIXES = frozenset({".mp4", ".webm", ".avi", ".mkv", ".mov", ".m4v", ".mpg", ".mpeg"})

# Some AVI files announce a frame or two that the codec never outputs (an empty last packet).
_TRAILING_FRAMES = 2


@dataclass(frozen=True)
class VideoInfo:
    """What a video file says about itself.

    Attributes
    ----------
    frames : int
        Number of frames in the stream, counted from its packets.
    fps : float
        Average frame rate in frames per second; 0 for a still image.
    height, width : int
        Size in pixels.
    duration : float or None
        Length in seconds according to the file's header, where the header has one.
    """

    frames: int
    fps: float
    height: int
    width: int
    duration: float | None = None


FrameChoice = Sequence[int] | np.ndarray | Callable[[VideoInfo], Sequence[int] | np.ndarray]


class _PaddedRowsError(Exception):
    """decord returned rows padded to its memory alignment instead of [H, W, 3]."""


@functools.cache
def _decord() -> ModuleType | None:
    try:
        import decord
    except (ImportError, OSError):  # OSError: the shared library does not load on this machine
        return None
    decord.logging.set_level(decord.logging.QUIET)
    return decord


@functools.cache
def _av() -> ModuleType | None:
    try:
        import av
    except (ImportError, OSError):
        return None
    av.logging.set_level(None)
    return av


def default_backend() -> str:
    """Name of the decoder in use: `decord` where it can be imported, else `pyav`."""
    if _decord() is not None:
        return "decord"
    if _av() is not None:
        return "pyav"
    raise ConfigError("No video decoder is installed; install one with `pip install decord av`.")


def _choose(indices: FrameChoice | None, info: VideoInfo, path: Path) -> np.ndarray:
    if indices is None:
        chosen = np.arange(info.frames)
    else:
        chosen = np.asarray(indices(info) if callable(indices) else indices, dtype=np.int64)
    if chosen.ndim != 1 or chosen.size == 0:
        raise ShapeError(f"Frame indices for {path} must be a list of at least one number.")
    wrong = chosen[(chosen < 0) | (chosen >= info.frames)]
    if wrong.size:
        raise DataError(
            f"{path} has {info.frames} frames, so frame {int(wrong[0])} does not exist;"
            f" ask for frames 0 to {info.frames - 1}."
        )
    return chosen


def _decord_read(path: Path, indices: FrameChoice | None) -> tuple[VideoInfo, np.ndarray]:
    decord = _decord()
    reader = decord.VideoReader(os.fspath(path), ctx=decord.cpu(0), num_threads=1)
    first = reader[0].asnumpy()
    # 48 px and a few other widths: rows come back padded and are read as more than 3 channels.
    if first.shape[-1] != 3:
        raise _PaddedRowsError
    info = VideoInfo(len(reader), float(reader.get_avg_fps()), first.shape[0], first.shape[1])
    chosen = _choose(indices, info, path)
    unique, inverse = np.unique(chosen, return_inverse=True)
    frames = reader.get_batch(unique).asnumpy()
    return info, frames if np.array_equal(unique, chosen) else frames[inverse]


def _pyav_probe(container, stream) -> tuple[VideoInfo, np.ndarray | None, np.ndarray]:
    """Info, presentation times in order (None where the container has none), keyframe times."""
    times: list[int | None] = []
    keys: list[int | None] = []
    for packet in container.demux(stream):
        if packet.size == 0 or packet.is_discard:
            continue
        times.append(packet.pts)
        if packet.is_keyframe:
            keys.append(packet.pts)
    known = None not in times
    fps = float(stream.average_rate or stream.guessed_rate or 0)
    length = container.duration
    info = VideoInfo(
        frames=len(times),
        fps=fps,
        height=stream.codec_context.height,
        width=stream.codec_context.width,
        duration=length / 1e6 if length else None,
    )
    order = np.sort(np.asarray(times, dtype=np.int64)) if known else None
    return info, order, np.sort(np.asarray(keys if known else [], dtype=np.int64))


def _open_stream(path: Path):
    container = _av().open(os.fspath(path))
    if not container.streams.video:
        container.close()
        raise DataError(f"{path} holds no video stream; remove it or replace it with a video.")
    stream = container.streams.video[0]
    stream.codec_context.thread_count = 1
    return container, stream


def _pyav_read(path: Path, indices: FrameChoice | None) -> tuple[VideoInfo, np.ndarray]:
    from av.video.reformatter import VideoReformatter

    container, stream = _open_stream(path)
    with container:
        info, times, keys = _pyav_probe(container, stream)
    if info.frames == 0:
        raise DataError(f"{path} holds no video frames; remove it or replace it.")
    chosen = _choose(indices, info, path)
    wanted, inverse = np.unique(chosen, return_inverse=True)
    convert = VideoReformatter()  # one for all frames: it keeps its colour-conversion tables
    frames = np.empty((len(wanted), info.height, info.width, 3), dtype=np.uint8)
    done = 0  # frames of `wanted` filled
    container, stream = _open_stream(path)
    with container:
        position = 0
        if times is not None:
            target = times[wanted[0]]
            before = keys[keys <= target]
            if before.size and before[-1] > times[0]:  # skip whole groups before the first frame
                container.seek(int(before[-1]), stream=stream, backward=True)
                position = -1  # taken from the first decoded frame's time
        last = None
        for frame in container.decode(stream):
            if position < 0:
                position = int(np.searchsorted(times, frame.pts))
            last = frame
            if position == wanted[done]:
                rgb = convert.reformat(
                    frame, format="rgb24", width=info.width, height=info.height, threads=1
                )
                frames[done] = rgb.to_ndarray()
                done += 1
                if done == len(wanted):
                    break
            position += 1
        if done < len(wanted):
            if last is None or position < info.frames - _TRAILING_FRAMES:
                raise DataError(
                    f"{path} ends after {max(position, 0)} of its {info.frames} frames;"
                    " replace the damaged file."
                )
            rgb = convert.reformat(
                last, format="rgb24", width=info.width, height=info.height, threads=1
            )
            frames[done:] = rgb.to_ndarray()
    return info, frames[inverse]


def _image_read(path: Path, indices: FrameChoice | None) -> tuple[VideoInfo, np.ndarray]:
    from PIL import Image

    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    info = VideoInfo(1, 0.0, pixels.shape[0], pixels.shape[1])
    return info, pixels[None][_choose(indices, info, path)]


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
        The file is missing, damaged or has fewer frames than asked for.
    """
    path = Path(path)
    _must_exist(path)
    if is_image(path):
        read = _image_read
    else:
        read = _decord_read if _check_backend(backend) == "decord" else _pyav_read
    try:
        try:
            return read(path, indices)[1]
        except _PaddedRowsError:
            _check_backend("pyav")
            return _pyav_read(path, indices)[1]
    except (DataError, ConfigError, ShapeError):
        raise
    except Exception as error:  # each decoder has error classes of its own
        raise DataError(
            f"{path} cannot be decoded ({_reason(error)}); replace or remove the file."
        ) from error


def probe_video(path: str | Path, *, backend: str | None = None) -> VideoInfo:
    """Frame count, frame rate and size of a file.

    PyAV, where installed, reads the headers and counts packets without decoding; decord decodes
    the first frame.

    Parameters
    ----------
    path : str or Path
        Video or image file.
    backend : {'decord', 'pyav'} or None
        None takes PyAV where it can be imported.

    Returns
    -------
    VideoInfo

    Raises
    ------
    DataError
        The file is missing, damaged or holds no frames.
    """
    path = Path(path)
    _must_exist(path)
    if backend is None and _av() is not None:
        backend = "pyav"
    try:
        if is_image(path):
            return _image_read(path, [0])[0]
        if _check_backend(backend) == "pyav":
            container, stream = _open_stream(path)
            with container:
                info = _pyav_probe(container, stream)[0]
        else:
            decord = _decord()
            reader = decord.VideoReader(os.fspath(path), ctx=decord.cpu(0), num_threads=1)
            height, width = reader[0].shape[:2]
            info = VideoInfo(len(reader), float(reader.get_avg_fps()), height, width)
    except (DataError, ConfigError):
        raise
    except Exception as error:
        raise DataError(
            f"{path} cannot be decoded ({_reason(error)}); replace or remove the file."
        ) from error
    if info.frames == 0:
        raise DataError(f"{path} holds no video frames; remove it or replace it.")
    return info


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
    seen = 0
    try:
        container, stream = _open_stream(path)
        with container:
            for frame in container.decode(stream):
                if frame.is_corrupt:
                    raise DataError(
                        f"{path} is damaged in frame {seen} of {info.frames}; replace the file."
                    )
                seen += 1
    except DataError:
        raise
    except Exception as error:
        raise DataError(
            f"{path} cannot be decoded after frame {seen} of {info.frames} ({_reason(error)});"
            " replace or remove the file."
        ) from error
    if seen < info.frames - _TRAILING_FRAMES:
        raise DataError(
            f"{path} ends after {seen} of its {info.frames} frames; replace the damaged file."
        )
    return info


_CODECS = {
    # suffix: (codec, options).  One thread and fixed settings: the same frames give the same bytes.
    # mbtree=0: x264's macroblock tree gives other bytes from run to run on long clips.
    ".mp4": ("libx264", {"preset": "veryfast", "x264-params": "mbtree=0:bframes=0"}),
    ".mkv": ("libx264", {"preset": "veryfast", "x264-params": "mbtree=0:bframes=0"}),
    ".webm": ("libvpx-vp9", {"b": "0", "deadline": "realtime", "cpu-used": "8"}),
    ".avi": ("mpeg4", {}),
}


def write_video(
    path: str | Path, frames: np.ndarray, fps: float = 8.0, crf: int = 18, keyframes: int = 48
) -> Path:
    """Encode frames to a video file, the same frames always to the same bytes.

    Parameters
    ----------
    path : str or Path
        Target; the suffix picks the format: `.mp4`/`.mkv` H.264, `.webm` VP9, `.avi` MPEG-4.
        Written under a temporary name, then renamed.
    frames : ndarray, uint8, [F, H, W, 3]
        RGB frames; H and W even (4:2:0 colour).
    fps : float
        Frame rate in frames per second.
    crf : int
        Constant rate factor, lower is better (18 is close to visually lossless).
    keyframes : int
        Largest distance between keyframes in frames.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ShapeError
        Frames are not uint8 [F, H, W, 3] with even H and W.
    """
    path = Path(path)
    frames = np.asarray(frames)
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or not len(frames):
        raise ShapeError(
            f"Frames for {path} must be uint8 [F, H, W, 3], not {frames.dtype}"
            f" {list(frames.shape)}."
        )
    height, width = frames.shape[1:3]
    if height % 2 or width % 2:
        raise ShapeError(f"{path}: height and width must be even, not {height} x {width}.")
    suffix = path.suffix.lower()
    if suffix not in _CODECS:
        raise ConfigError(f"Unknown video suffix {suffix!r}; known: {', '.join(_CODECS)}.")
    av = _av()
    if av is None:
        raise ConfigError("Writing videos needs PyAV; install it with `pip install av`.")
    codec, options = _CODECS[suffix]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{uuid.uuid4().hex}{suffix}")
    try:
        with av.open(os.fspath(partial), "w", options={"fflags": "+bitexact"}) as container:
            stream = container.add_stream(
                codec,
                rate=Fraction(fps).limit_denominator(1001),
                options={**options, "crf": str(crf), "g": str(keyframes)}
                if codec != "mpeg4"
                else {"qscale": str(max(1, crf // 6)), "g": str(keyframes)},
            )
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.codec_context.thread_count = 1
            stream.codec_context.flags |= av.codec.context.Flags.bitexact
            for frame in frames:
                picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
                container.mux(stream.encode(picture))
            container.mux(stream.encode())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path
