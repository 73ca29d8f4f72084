"""Maps of an encoder's tokens over time: `python -m vjepa_lib.maps CHECKPOINT VIDEO [--out DIR]`.

The first three principal components of all tokens of a clip become red, green and blue, as in the
figures of DINOv2 (Oquab et al., arXiv 2304.07193, section 7.6) and V-JEPA 2.1: tokens of one colour
are alike to the encoder. Written beside the frames, as a PNG (a column per time step) and an MP4.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from sklearn.decomposition import PCA

from vjepa_lib.errors import CompanionError, DataError, ShapeError
from vjepa_lib.model.grid import Grid
from vjepa_lib.model.vit import Encoder
from vjepa_lib.study.run_folders import ENCODER_FILE, open_any
from vjepa_lib.training.distributed import check_device
from vjepa_lib.training.memory import told_what_to_change
from vjepa_lib.video.augment import normalise
from vjepa_lib.video.clip_reader import ClipSpec, read_clip
from vjepa_lib.video.decode import probe_video
from vjepa_lib.video.encode import write_video

ROBUST = (1.0, 99.0)  # percentiles that become 0 and 255: single odd tokens do not dim the rest
GREY = 128  # a component along which nothing varies


def _checked(tokens: np.ndarray | torch.Tensor, grid: Grid) -> np.ndarray:
    """Tokens [N, D] of one clip as float64, or a sentence."""
    x = np.asarray(torch.as_tensor(tokens).detach().cpu().double())
    if x.ndim != 2 or len(x) != grid.n:
        raise ShapeError(f"Maps take tokens [{grid.n}, D] of one clip, not {list(x.shape)}.")
    if not np.isfinite(x).all():
        raise DataError("The tokens are not finite: the encoder or the clip is damaged.")
    return x


def token_maps(tokens: np.ndarray | torch.Tensor, grid: Grid) -> np.ndarray:
    """Colours of tokens by their first three principal components.

    A component's sign is free; it is chosen so that its largest loading is positive, and so the
    same tokens always have the same colours.

    Parameters
    ----------
    tokens : [N, D] of one clip, in the grid's order.
    grid : of N tokens.

    Returns
    -------
    uint8 [T, H, W, 3]

    Raises
    ------
    ShapeError : tokens are not [N, D] for this grid.
    DataError : tokens are not finite.
    """
    x = _checked(tokens, grid)
    count = min(3, *x.shape)
    scores = np.zeros((len(x), 3))
    scores[:, :count] = PCA(count, svd_solver="full").fit_transform(x)
    low, high = np.percentile(scores, ROBUST, axis=0)
    spread = high - low
    varies = spread > 1e-9 * max(np.abs(x).max(), 1e-30)
    unit = (scores - low) / np.where(varies, spread, 1.0)
    colours = np.where(varies, np.rint(255 * np.clip(unit, 0, 1)), GREY)
    return colours.astype(np.uint8).reshape(*grid.shape, 3)


def variance_shares(tokens: np.ndarray | torch.Tensor, grid: Grid) -> dict[str, float]:
    """Where the tokens of one clip differ: from place to place, from time step to time step.

    The variance of a token grid splits exactly into that of the places' means over time, that of
    the time steps' means over places, and what neither has (a two-way analysis of variance).

    Parameters
    ----------
    tokens : [N, D] of one clip, in the grid's order.
    grid : of N tokens.

    Returns
    -------
    dict of percentages of all variance, NaN where all tokens are equal: `three components` (those
    that become colours), `between places`, `between time steps`, `both at once`.

    Raises
    ------
    ShapeError, DataError : as `token_maps`.
    """
    x = _checked(tokens, grid)
    least = 1e-18 * (x**2).sum()  # rounding, where all tokens are equal
    x = x - x.mean(0)
    total = (x**2).sum()
    by_place = x.reshape(grid.t, -1, x.shape[1])  # [T, HW, D]
    parts = {
        "three components": (np.linalg.svd(x, compute_uv=False)[:3] ** 2).sum(),
        "between places": grid.t * (by_place.mean(0) ** 2).sum(),
        "between time steps": by_place.shape[1] * (by_place.mean(1) ** 2).sum(),
    }
    parts["both at once"] = total - parts["between places"] - parts["between time steps"]
    return {k: 100 * v / total if total > least else np.nan for k, v in parts.items()}


def beside_frames(frames: np.ndarray, maps: np.ndarray, grid: Grid) -> np.ndarray:
    """Frames [F, H, W, 3] and maps [T, h, w, 3], a token as large as its tubelet, side by side."""
    large = maps.repeat(grid.tubelet, 0).repeat(grid.patch, 1).repeat(grid.patch, 2)
    both = np.concatenate([frames, large], 2)
    # 4:2:0 colour wants even sides.
    odd = [(0, n % 2) for n in both.shape[1:3]]
    return np.pad(both, [(0, 0), *odd, (0, 0)], mode="edge")


@torch.inference_mode()
def clip_maps(encoder: Encoder, frames: np.ndarray) -> np.ndarray:
    """Maps uint8 [T, h, w, 3] of a clip uint8 [F, H, W, 3] in an encoder's own size."""
    return token_maps(_clip_tokens(encoder, frames), encoder.grid)


def _clip_tokens(encoder: Encoder, frames: np.ndarray) -> torch.Tensor:
    """Tokens [N, D] of a clip uint8 [F, H, W, 3]."""
    device = next(encoder.parameters()).device
    clip = torch.from_numpy(np.ascontiguousarray(frames.transpose(3, 0, 1, 2)))[None].to(device)
    return encoder(normalise(clip), levels=False)[0]


@torch.inference_mode()
def compare_maps(
    encoders: Mapping[str, Encoder], frames: np.ndarray | torch.Tensor
) -> tuple[list[tuple[str, np.ndarray, None]], pd.DataFrame]:
    """A clip, and below it what each of several encoders makes of it.

    Every encoder's colours are its own: that two maps have one colour means nothing, that two
    places of one map have it means that they are alike to that encoder.

    Parameters
    ----------
    encoders : title -> encoder, all of the clip's size.
    frames : uint8 [F, H, W, 3]

    Returns
    -------
    rows (title, frames, None) for `plots.clips`; DataFrame, a row per encoder: `encoder` and the
    columns of `variance_shares`.
    """
    frames = np.asarray(frames)
    rows: list[tuple[str, np.ndarray, None]] = [("clip", frames, None)]
    shares = []
    for title, encoder in encoders.items():
        grid, tokens = encoder.grid, _clip_tokens(encoder, frames)
        large = beside_frames(frames, token_maps(tokens, grid), grid)
        rows.append((title, large[:, : grid.height, grid.width : 2 * grid.width], None))
        shares.append({"encoder": title} | variance_shares(tokens, grid))
    return rows, pd.DataFrame(shares)


def write_maps(
    checkpoint: str | Path,
    video: str | Path,
    out: str | Path = ".",
    device: str = "cpu",
    size: int | None = None,
    frames: int | None = None,
) -> tuple[Path, Path]:
    """Write an encoder's maps of a video.

    Parameters
    ----------
    checkpoint : a run's folder, or released weights.
    video : any file that the library decodes; frames are spread evenly over it.
    out : folder, made if missing.
    device : 'cpu', 'cuda' or 'mps'.
    size, frames : of the clip; None for the encoder's own.

    Returns
    -------
    (PNG, MP4): `VIDEO-CHECKPOINT.png` and `.mp4`. In the PNG the upper row holds the first frame of
    every time step, the lower its map; in the MP4 frames are left and maps right, at the video's
    own speed.

    Raises
    ------
    CompanionError : checkpoint or video cannot be read, the folder not be written, or the device
        has too little memory.
    """
    check_device(device, reading=True)
    elsewhere = "" if device == "cpu" else ", or read with --device cpu"
    with told_what_to_change(f"lower --size or --frames{elsewhere}"):
        encoder = open_any(checkpoint, size, frames).to(device)
        grid = encoder.grid
        clip, available = read_clip(video, ClipSpec(grid.frames, (grid.height, grid.width)))
        maps = clip_maps(encoder, clip)
    side_by_side = beside_frames(clip, maps, grid)
    seconds = available / max(probe_video(video).fps, 1e-9)
    rate = float(np.clip(grid.frames / max(seconds, 1e-9), 1, 60))
    path = Path(checkpoint).absolute()
    name = (path.parent if path.name == ENCODER_FILE else path).name
    stem = f"{Path(video).stem}-{name.removesuffix('.tar').rsplit('.', 1)[0]}"[:120]
    png, mp4 = Path(out) / f"{stem}.png", Path(out) / f"{stem}.mp4"
    firsts = side_by_side[:: grid.tubelet]
    rows = np.split(firsts[:, : grid.height, : 2 * grid.width], 2, axis=2)
    sheet = np.concatenate([np.concatenate(list(row), 1) for row in rows], 0)
    try:
        png.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sheet).save(png)
        write_video(mp4, side_by_side, rate)
    except OSError as error:
        raise DataError(
            f"Maps cannot be written to {out} ({error.strerror or error}): free some space or "
            "choose another folder with --out."
        ) from None
    return png, mp4


def _positive(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 100_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m vjepa_lib.maps", description=__doc__)
    parser.add_argument("checkpoint", type=Path, help="a run's folder, or released weights")
    parser.add_argument("video", type=Path)
    parser.add_argument("--out", type=Path, default=Path("."), help="folder; default: this one")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps")
    parser.add_argument("--size", type=_positive, help="pixels; default: those of its training")
    parser.add_argument("--frames", type=_positive, help="default: those of its training")
    args = parser.parse_args(argv)
    try:
        paths = write_maps(
            args.checkpoint, args.video, args.out, args.device, args.size, args.frames
        )
    except CompanionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(*paths, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
