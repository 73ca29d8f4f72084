"""Frames a second out of a small H.264 file, by decord and by PyAV."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from vjepa_lib.bench.timing import Row, compare
from vjepa_lib.errors import ConfigError
from vjepa_lib.video import even_indices, read_frames, write_video

CHOSEN = 16  # frames of a clip at `paper` geometry


def moving_stripes(frames: int, height: int, width: int) -> np.ndarray:
    """Stripes that wander over grain that does not: uint8 [F, H, W, 3]."""
    grain = np.random.default_rng(0).integers(0, 32, (height, width, 3))
    y, x = np.mgrid[:height, :width]
    out = np.empty((frames, height, width, 3), np.uint8)
    for t in range(frames):
        wave = 110 + 100 * np.sin((x + y / 2) / 12 + t / 3)
        out[t] = wave[..., None] + grain
    return out


def decoding(
    rounds: int = 5, frames: int = 240, height: int = 240, width: int = 320
) -> list[Row | str]:
    """Every frame of a file, and a clip's frames spread over it: PyAV against decord.

    Processor time, of the decoder's threads too; each opens the file anew, as training does.
    """
    rows: list[Row | str] = []
    said = []
    with tempfile.TemporaryDirectory() as folder:
        path = write_video(Path(folder) / "stripes.mp4", moving_stripes(frames, height, width))
        chosen = even_indices(frames, CHOSEN)
        for name, index, count in (("all", None, frames), ("clip", chosen, len(chosen))):
            what = f"decoding, {'every frame' if name == 'all' else f'{count} frames of it'}"
            try:
                row = compare(
                    f"{what}: PyAV, decord",
                    lambda index=index: read_frames(path, index, backend="pyav"),
                    lambda index=index: read_frames(path, index, backend="decord"),
                    rounds=rounds,
                )
            except ConfigError as missing:
                return [f"decoding: not compared. {missing}"]
            rows.append(row)
            said.append(
                f"{'every frame' if name == 'all' else f'{count} spread evenly'}: decord "
                f"{count / row.fast:.0f} frames/s, PyAV {count / row.plain:.0f} frames/s"
            )
    size = f"{frames} frames of {width} x {height} px, H.264"
    return [*rows, f"decoding a file of {size}; {'; '.join(said)}"]
