"""Video files out: the same frames always give the same bytes."""

from __future__ import annotations

import os
import uuid
from fractions import Fraction
from pathlib import Path

import numpy as np

from vjepa_lib.errors import ConfigError, ShapeError
from vjepa_lib.video.decoders import av_module

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
    av = av_module()
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
