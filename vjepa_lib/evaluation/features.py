"""Features of large sets, streamed to disk in float16; an interrupted pass is resumed.

Used where `evaluation.extract` would start anew: a pass over 200,000 videos takes hours.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from vjepa_lib.errors import DataError
from vjepa_lib.evaluation.probes import rows_per_class
from vjepa_lib.model.vit import Encoder
from vjepa_lib.training.sources import StreamedClips
from vjepa_lib.video.manifests import write_atomic

MOST_BROKEN = 0.01  # share of files that may be unreadable before the set counts as wrong


@dataclass(frozen=True)
class Features:
    """Encoded clips, float16 and mapped from files.

    Attributes
    ----------
    mean : [n, D], the mean token of the last level.
    tokens : [n, N, D], all tokens; None where they were not asked for.
    skipped : row -> reason, of files that could not be read; their features mean nothing.
    """

    mean: Tensor
    tokens: Tensor | None
    skipped: Mapping[int, str]


def feature_bytes(clips: int, tokens: int, width: int) -> int:
    """Disk that features take: `tokens` vectors a clip, two bytes a channel."""
    return 2 * clips * tokens * width


def _array(path: Path, shape: tuple[int, ...], go_on: bool) -> np.ndarray:
    """A float16 array mapped from a file whose space is reserved.

    Writing into a mapped file on a full disk would end the process without any message.
    """
    if go_on:
        return np.load(path, mmap_mode="r+")
    array = np.lib.format.open_memmap(path, "w+", np.float16, shape)
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, os.path.getsize(path))
    return array


def _progress(folder: Path, shapes: dict[str, tuple[int, ...]]) -> dict:
    """What an earlier pass left: rows done and files skipped; nothing if any of it is damaged."""
    nothing = {"rows": 0, "skipped": {}}
    try:
        found = json.loads((folder / "progress.json").read_text())
        arrays = [np.load(folder / f"{name}.npy", mmap_mode="r") for name in shapes]
        rows = found["rows"]
        skipped = {int(row): str(why) for row, why in found["skipped"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return nothing
    count = next(iter(shapes.values()))[0]
    fits = [a.shape for a in arrays] == [*shapes.values()] and all(
        a.dtype == np.float16 for a in arrays
    )
    if not fits or type(rows) is not int or not 0 <= rows <= count:
        return nothing
    if not all(0 <= row < count for row in skipped):
        return nothing
    return {"rows": rows, "skipped": skipped}


@torch.inference_mode()
def read_features(
    encoder: Encoder,
    clips: StreamedClips,
    folder: str | Path,
    tokens: bool,
    batch: int = 32,
    save_every: int = 64,
    progress: bool = True,
) -> Features:
    """Encode every clip, or what is left of an interrupted pass.

    Parameters
    ----------
    encoder : frozen; its last level is read.
    clips : with `skip_broken`.
    folder : of these features alone; `mean.npy`, `tokens.npy`, `progress.json`.
    tokens : keep all tokens, not only their mean.
    batch, save_every : clips at a time, and batches between notes of the progress.

    Raises
    ------
    DataError : the disk has no room (the message says how much is needed), or more than
        `MOST_BROKEN` of the files cannot be read.
    """
    folder, count, grid = Path(folder), len(clips), encoder.grid
    shapes: dict[str, tuple[int, ...]] = {"mean": (count, encoder.cfg.width)}
    if tokens:
        shapes["tokens"] = (count, grid.n, encoder.cfg.width)
    done = _progress(folder, shapes)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        needed = sum(
            feature_bytes(s[0], s[1] if len(s) == 3 else 1, s[-1]) for s in shapes.values()
        )
        free = shutil.disk_usage(folder).free
        if not done["rows"] and free < needed:
            raise OSError(28, f"{needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB free")
        arrays = {n: _array(folder / f"{n}.npy", s, done["rows"] > 0) for n, s in shapes.items()}
    except OSError as error:
        raise DataError(
            f"Features cannot be written to {folder} ({error.strerror or error}): free some space, "
            "name another folder with `features`, or use fewer clips with [train_per_class]."
        ) from error
    device = next(encoder.parameters()).device
    clips.skipped |= done["skipped"]

    def note(rows: int) -> None:
        for array in arrays.values():
            array.flush()  # data before the note that it is there
        told = {"rows": rows, "skipped": {str(r): why for r, why in clips.skipped.items()}}
        write_atomic(folder / "progress.json", json.dumps(told))

    starts = range(done["rows"], count, batch)
    for number, first in enumerate(tqdm(starts, desc="encoding clips", disable=not progress), 1):
        rows = slice(first, min(first + batch, count))
        x = encoder(clips.batch(rows, device), levels=False)  # [B, N, D]
        arrays["mean"][rows] = x.mean(1).half().cpu().numpy()
        if tokens:
            arrays["tokens"][rows] = x.half().cpu().numpy()
        if number % save_every == 0 or rows.stop == count:
            note(rows.stop)
    if len(clips.skipped) > MOST_BROKEN * count:
        raise DataError(
            f"{len(clips.skipped)} of {count} files cannot be read, the first: "
            f"{next(iter(clips.skipped.values()))} Run 'python -m vjepa_lib.datasets health' and "
            "use the manifest it writes with --usable."
        )
    maps = {n: torch.from_numpy(a) for n, a in arrays.items()}
    return Features(maps["mean"], maps.get("tokens"), dict(clips.skipped))


def limited_rows(labels: np.ndarray, rows: np.ndarray, limit: int) -> np.ndarray:
    """At most `limit` rows of every class, drawn once and nested: fewer are among more.

    Parameters
    ----------
    labels : [n] of all rows.
    rows : row numbers to choose from.
    """
    return rows_per_class(labels, rows, lambda n: limit)
