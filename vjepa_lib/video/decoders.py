"""The decoders themselves: decord, PyAV, and Pillow for still images.

`decode` chooses between them; nothing else should call them.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from vjepa_lib.errors import DataError, ShapeError

# Some AVI files announce a frame or two that the codec never outputs (an empty last packet).
TRAILING_FRAMES = 2
_PART = 64  # frames decord decodes between two signs of life


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
        Size in pixels, turned as the file says it is to be shown.
    duration : float or None
        Length in seconds according to the file's header, where the header has one.
    whole : bool or None
        True where the file's structure shows that its end is there, None where it does not tell.
    """

    frames: int
    fps: float
    height: int
    width: int
    duration: float | None = None
    whole: bool | None = None


FrameChoice = Sequence[int] | np.ndarray | Callable[[VideoInfo], Sequence[int] | np.ndarray]


class PaddedRowsError(Exception):
    """decord returned rows padded to its memory alignment instead of [H, W, 3]."""


@functools.cache
def decord_module() -> ModuleType | None:
    try:
        import decord
    except (ImportError, OSError):  # OSError: the shared library does not load on this machine
        return None
    decord.logging.set_level(decord.logging.QUIET)
    return decord


@functools.cache
def av_module() -> ModuleType | None:
    try:
        import av
    except (ImportError, OSError):
        return None
    av.logging.set_level(None)
    return av


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


@dataclass(frozen=True)
class Header:
    """What PyAV says of a file before anything is decoded.

    Attributes
    ----------
    decord : bool
        decord 0.6 reads it rightly.  It has no AV1, converts more than 8 bits a channel otherwise
        than newer libraries (by up to 130 levels), and does not turn what Matroska says to turn.
    duration : float or None
        Length in seconds, where the header has one.
    """

    decord: bool = True
    duration: float | None = None


def header(path: Path, kind: str | None) -> Header:
    """The header of a file; read again only when the file has changed."""
    if av_module() is None:
        return Header()
    try:
        stat = os.stat(path)
        return _header(os.path.abspath(path), kind, stat.st_size, stat.st_mtime_ns)
    except Exception:  # the decoder that is asked next says what is wrong
        return Header()


@functools.lru_cache(maxsize=4096)
def _header(path: str, kind: str | None, size: int, changed: int) -> Header:
    container, stream = _open_stream(Path(path))
    with container:
        context = stream.codec_context
        depths = [part.bits for part in context.format.components] if context.format else []
        suits = max(depths, default=8) <= 8 and "av1" not in context.codec.canonical_name
        if suits and kind == "matroska":
            frame = next(container.decode(stream), None)
            suits = frame is None or not _quarter_turns(frame)
        length = container.duration
    return Header(suits, length / 1e6 if length else None)


def decord_read(
    path: Path, indices: FrameChoice | None, beat: Callable[[], None]
) -> tuple[VideoInfo, np.ndarray]:
    """Info and frames by decord; `beat` is called at every sign of life."""
    decord = decord_module()
    reader = decord.VideoReader(os.path.abspath(path), ctx=decord.cpu(0), num_threads=1)
    beat()
    first = reader[0].asnumpy()
    # 48 px and a few other widths: rows come back padded and are read as more than 3 channels.
    if first.shape[-1] != 3:
        raise PaddedRowsError
    beat()
    info = VideoInfo(len(reader), float(reader.get_avg_fps()), first.shape[0], first.shape[1])
    chosen = _choose(indices, info, path)
    unique, inverse = np.unique(chosen, return_inverse=True)
    if len(unique) == 1 and unique[0] == 0:
        return info, first[None][inverse]
    if len(unique) <= _PART:
        frames = reader.get_batch(unique).asnumpy()
    else:
        frames = np.empty((len(unique), *first.shape), dtype=np.uint8)
        for low in range(0, len(unique), _PART):
            part = unique[low : low + _PART]
            frames[low : low + len(part)] = reader.get_batch(part).asnumpy()
            beat()
    return info, frames if np.array_equal(unique, chosen) else frames[inverse]


def _quarter_turns(frame) -> int:
    """Quarter turns to the left that the file's rotation asks for, as phones write it."""
    try:
        return round(frame.rotation / 90) % 4
    except (AttributeError, TypeError, ValueError, OverflowError):
        return 0


def _pyav_probe(
    container, stream, beat: Callable[[], None]
) -> tuple[VideoInfo, np.ndarray | None, np.ndarray, int]:
    """Info, presentation times in order (None where the container has none), keyframe times, turns.

    Packets are counted; only the first picture is decoded, because it knows how it is turned.
    """
    times: list[int | None] = []
    keys: list[int | None] = []
    first = None
    for packet in container.demux(stream):
        if first is None:
            first = next(iter(packet.decode()), None)
        if packet.size == 0 or packet.is_discard:
            continue
        times.append(packet.pts)
        if packet.is_keyframe:
            keys.append(packet.pts)
        if len(times) % 256 == 0:
            beat()
    known = None not in times
    fps = float(stream.average_rate or stream.guessed_rate or 0)
    length = container.duration
    turns = 0 if first is None else _quarter_turns(first)
    height, width = stream.codec_context.height, stream.codec_context.width
    if turns % 2:
        height, width = width, height
    info = VideoInfo(
        frames=len(times),
        fps=fps,
        height=height,
        width=width,
        duration=length / 1e6 if length else None,
    )
    order = np.sort(np.asarray(times, dtype=np.int64)) if known else None
    return info, order, np.sort(np.asarray(keys if known else [], dtype=np.int64)), turns


def _open_stream(path: Path):
    # Absolute: a name such as `concat:x.mp4` would be taken for a protocol.
    container = av_module().open(os.path.abspath(path))
    if not container.streams.video:
        container.close()
        raise DataError(f"{path} holds no video stream; remove it or replace it with a video.")
    stream = container.streams.video[0]
    stream.codec_context.thread_count = 1
    return container, stream


def pyav_read(
    path: Path, indices: FrameChoice | None, beat: Callable[[], None]
) -> tuple[VideoInfo, np.ndarray]:
    """Info and frames by PyAV; `beat` is called at every sign of life."""
    from av.video.reformatter import VideoReformatter

    container, stream = _open_stream(path)
    with container:
        info, times, keys, turns = _pyav_probe(container, stream, beat)
    if info.frames == 0:
        raise DataError(f"{path} holds no video frames; remove it or replace it.")
    chosen = _choose(indices, info, path)
    wanted, inverse = np.unique(chosen, return_inverse=True)
    convert = VideoReformatter()  # one for all frames: it keeps its colour-conversion tables
    height, width = (info.width, info.height) if turns % 2 else (info.height, info.width)

    def picture(frame) -> np.ndarray:
        rgb = convert.reformat(frame, format="rgb24", width=width, height=height, threads=1)
        return np.rot90(rgb.to_ndarray(), turns)

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
            beat()
            if position < 0:
                position = int(np.searchsorted(times, frame.pts))
            last = frame
            if position == wanted[done]:
                frames[done] = picture(frame)
                done += 1
                if done == len(wanted):
                    break
            position += 1
        if done < len(wanted):
            if last is None or position < info.frames - TRAILING_FRAMES:
                raise DataError(
                    f"{path} ends after {max(position, 0)} of its {info.frames} frames;"
                    " replace the damaged file."
                )
            frames[done:] = picture(last)
    return info, frames[inverse]


def pyav_check(path: Path, frames: int, beat: Callable[[], None]) -> int:
    """Decode every picture; the number of them, or an error at the first that is damaged."""
    seen = 0
    container, stream = _open_stream(path)
    with container:
        for frame in container.decode(stream):
            beat()
            if frame.is_corrupt:
                raise DataError(f"{path} is damaged in frame {seen} of {frames}; replace the file.")
            seen += 1
    return seen


def image_read(
    path: Path, indices: FrameChoice | None, beat: Callable[[], None]
) -> tuple[VideoInfo, np.ndarray]:
    """Info and frames of a still image, a video of one frame."""
    from PIL import Image

    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    info = VideoInfo(1, 0.0, pixels.shape[0], pixels.shape[1])
    return info, pixels[None][_choose(indices, info, path)]
