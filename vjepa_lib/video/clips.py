"""Sets of clips, decoded once and kept as one array."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from torch import Tensor
from tqdm.auto import tqdm

from vjepa_lib.errors import ConfigError, DataError
from vjepa_lib.video.augment import Augmentation, augment, normalise, pair
from vjepa_lib.video.clip_reader import ClipSpec, Job, decode_job, worker_count
from vjepa_lib.video.decode import default_backend, is_image
from vjepa_lib.video.manifests import Manifest, read_manifest

_CACHE_FORMAT = 1  # raise when the arrays in old caches would no longer be right


@dataclass(frozen=True)
class Skipped:
    """A clip that could not be read: its row in the manifest, its path, and why."""

    row: int
    path: str
    reason: str


@dataclass
class ClipSet:
    """Decoded clips with their labels and factors.

    Attributes
    ----------
    frames : Tensor, uint8, [n, F, H, W, 3]
        RGB, channels last; mapped from the cache file where there is one.
    labels : Tensor, int64, [n]
    label_names : tuple of str
        Name of each class; position = label.
    manifest : DataFrame
        The manifest's rows, aligned with `frames`.
    skipped : tuple of Skipped
        Clips of the manifest that are not here, and why.
    short : tuple of (str, int)
        Videos with fewer frames than asked for (path, frames), whose last frame is held.
    """

    frames: Tensor
    labels: Tensor
    label_names: tuple[str, ...]
    manifest: pd.DataFrame
    skipped: tuple[Skipped, ...] = ()
    short: tuple[tuple[str, int], ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        n, f, h, w, _ = self.frames.shape
        return (
            f"ClipSet({n} clips of {f} x {h} x {w}, {len(self.label_names)} classes,"
            f" {len(self.skipped)} skipped)"
        )

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.label_names)

    def batch(
        self,
        index: Tensor | np.ndarray | Sequence[int] | slice,
        device: str | torch.device = "cpu",
        *,
        augmentation: Augmentation | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Clips ready for the encoder.

        Parameters
        ----------
        index : Tensor, ndarray, sequence of int, or slice
            Which clips, in which order.
        device : str or torch.device
            Bytes travel there; conversion to float happens there.
        augmentation : Augmentation or None
            Random resized crop and flip, drawn from `generator`.
        generator : torch.Generator or None
            Source of the crops; on the CPU.

        Returns
        -------
        Tensor, float32, [B, 3, F, H, W]
        """
        if isinstance(index, np.ndarray):
            index = torch.from_numpy(index)
        elif not isinstance(index, (slice, Tensor)):
            index = torch.as_tensor(index, dtype=torch.long)
        if isinstance(index, Tensor):
            index = index.to(self.frames.device)
        clips = self.frames[index].to(device)  # [B, F, H, W, 3]
        clips = clips.permute(0, 4, 1, 2, 3).contiguous()  # [B, 3, F, H, W], still bytes
        if augmentation is not None:
            if generator is None:
                raise ConfigError("Augmentation draws at random; give batch() a generator.")
            clips = augment(clips, augmentation, generator)
        return normalise(clips)

    def subset(self, index: Tensor | np.ndarray | Sequence[int]) -> ClipSet:
        """The clips given by number or boolean mask, in that order (bytes are copied)."""
        rows = np.asarray(index)
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        chosen = torch.from_numpy(rows.astype(np.int64))
        table = self.manifest.iloc[rows].reset_index(drop=True)
        return replace(self, frames=self.frames[chosen], labels=self.labels[chosen], manifest=table)

    def split(self, name: str) -> ClipSet:
        """The clips of one split; an error naming the known ones if there are none."""
        chosen = (self.manifest["split"] == name).to_numpy()
        if not chosen.any():
            known = ", ".join(sorted(self.manifest["split"].unique()))
            raise DataError(f"No clip is in split {name!r}; this set has {known}.")
        return self.subset(chosen)

    def factor(self, name: str) -> Tensor:
        """A column of the manifest: numbers as they are, text as codes in sorted order, [n]."""
        if name not in self.manifest:
            known = ", ".join(self.manifest.columns)
            raise ConfigError(f"Unknown factor {name!r}; this set has {known}.")
        column = self.manifest[name]
        if pd.api.types.is_integer_dtype(column) or pd.api.types.is_bool_dtype(column):
            return torch.from_numpy(column.to_numpy(np.int64).copy())
        if pd.api.types.is_float_dtype(column):
            return torch.from_numpy(column.to_numpy(np.float32).copy())
        codes = np.unique(column.astype(str).to_numpy(dtype=object), return_inverse=True)[1]
        return torch.from_numpy(codes.astype(np.int64))

    def to(self, device: str | torch.device) -> ClipSet:
        """The same set with its bytes and labels on a device."""
        return replace(self, frames=self.frames.to(device), labels=self.labels.to(device))


def jobs_of(manifest: Manifest, size: int) -> list[Job]:
    """The rows of a manifest as jobs of `size` clips each."""
    table = manifest.table
    none: list[None] = [None] * len(table)
    starts = table["start"].tolist() if "start" in table else none
    ends = table["end"].tolist() if "end" in table else none
    counts = none
    if "frame_count" in table:
        counts = [None if pd.isna(count) else int(count) for count in table["frame_count"]]
    paths = [os.fspath(path) for path in manifest.paths]
    return [
        Job(
            tuple(range(low, min(low + size, len(table)))),
            tuple(paths[low : low + size]),
            tuple(starts[low : low + size]),
            tuple(ends[low : low + size]),
            tuple(counts[low : low + size]),
        )
        for low in range(0, len(table), size)
    ]


def _decode_all(
    manifest: Manifest, spec: ClipSpec, folder: Path, workers: int | None, progress: bool
) -> None:
    """Fill `folder` with frames.npy and meta.json."""
    count = len(manifest)
    target = folder / "frames.npy"
    shape = (count, spec.frames, *spec.size, 3)
    np.lib.format.open_memmap(target, mode="w+", dtype=np.uint8, shape=shape).flush()
    processes = worker_count(workers, count)
    chunk = max(1, min(64, math.ceil(count / (processes * 4))))
    jobs = jobs_of(manifest, chunk)
    call = delayed(decode_job)
    tasks = (call(job, spec, os.fspath(target)) for job in jobs)
    results = Parallel(n_jobs=processes, return_as="generator_unordered")(tasks)
    outcome: list[tuple[int, int, str | None]] = []
    with tqdm(total=count, desc="decoding clips", unit="clip", disable=not progress) as bar:
        for part in results:
            outcome.extend(part)
            bar.update(len(part))
    outcome.sort()
    kept = [row for row, _, reason in outcome if reason is None]
    skipped = [(row, reason) for row, _, reason in outcome if reason is not None]
    if not kept:
        raise DataError(
            f"None of the {count} clips of {manifest.source} could be read;"
            f" the first: {skipped[0][1]}"
        )
    if skipped:  # close the gaps
        full = np.load(target, mmap_mode="r")
        compact = folder / "compact.npy"
        packed = np.lib.format.open_memmap(
            compact, mode="w+", dtype=np.uint8, shape=(len(kept), *shape[1:])
        )
        for low in range(0, len(kept), 256):
            packed[low : low + 256] = full[kept[low : low + 256]]
        packed.flush()
        del full, packed
        os.replace(compact, target)
    images = {row for row, path in enumerate(manifest.paths) if is_image(path)}
    meta = {
        "shape": [len(kept), *shape[1:]],
        "kept": kept,
        "skipped": skipped,
        "short": [
            (row, available)
            for row, available, reason in outcome
            if reason is None and available < spec.frames and row not in images
        ],
    }
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")


def _read_cache(folder: Path, in_memory: bool) -> tuple[np.ndarray, dict] | None:
    """The arrays of a finished cache folder; None where it is absent or incomplete."""
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        # "c": torch wants writable memory; writes would stay private to this process.
        array = np.load(folder / "frames.npy", mmap_mode=None if in_memory else "c")
    except (OSError, ValueError):
        return None
    return (array, meta) if list(array.shape) == meta["shape"] else None


def cache_key(manifest: Manifest, spec: ClipSpec) -> str:
    """Name of the cache folder: a hash of rows, files' identities and settings."""
    settings = asdict(spec)
    settings["backend"] = spec.backend or default_backend()
    text = json.dumps([_CACHE_FORMAT, manifest.digest(), settings], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def load_clips(
    manifest: Manifest | str | Path,
    frames: int,
    size: int | tuple[int, int],
    cache_dir: str | Path | None = None,
    *,
    sampling: str = "even",
    stride: int | None = None,
    fps: float | None = None,
    short_side: int | None = None,
    antialias: bool = True,
    min_frames: int = 1,
    workers: int | None = None,
    backend: str | None = None,
    progress: bool = True,
) -> ClipSet:
    """Decode every clip of a manifest once, in parallel, and keep the result.

    Parameters
    ----------
    manifest : Manifest, str or Path
        A manifest or the path of one.
    frames : int
        Frames per clip.
    size : int or (int, int)
        Height and width in pixels; frames are resized to cover it and centre-cropped.
    cache_dir : str, Path or None
        Folder of decoded sets, one sub-folder a set, named by the content of manifest and
        settings and shared safely between processes.  None decodes anew into memory.
    sampling, stride, fps, short_side, antialias, min_frames, backend
        As in `ClipSpec`.
    workers : int or None
        Decoding processes; None uses the cores this process may use.
    progress : bool
        Show a progress bar.

    Returns
    -------
    ClipSet
        Broken files are left out and listed in `skipped` with the reason; nothing stands in for
        them.

    Raises
    ------
    DataError
        No clip at all could be read.
    """
    if not isinstance(manifest, Manifest):
        manifest = read_manifest(manifest)
    spec = ClipSpec(
        frames, pair(size), sampling, stride, fps, short_side, antialias, min_frames, backend
    )
    if cache_dir is None:
        with tempfile.TemporaryDirectory(prefix="clips-") as folder:
            _decode_all(manifest, spec, Path(folder), workers, progress)
            found = _read_cache(Path(folder), in_memory=True)
    else:
        final = Path(cache_dir) / cache_key(manifest, spec)
        found = _read_cache(final, in_memory=False)
        if found is None:
            found = _fill_cache(manifest, spec, final, workers, progress)
    if found is None:
        raise DataError(
            f"The clips of {manifest.source} could not be read back; free some disk space."
        )
    return _clip_set(manifest, *found)


def _fill_cache(
    manifest: Manifest, spec: ClipSpec, final: Path, workers: int | None, progress: bool
) -> tuple[np.ndarray, dict] | None:
    final.parent.mkdir(parents=True, exist_ok=True)
    partial = final.with_name(f".{final.name}.{uuid.uuid4().hex}")
    partial.mkdir()
    try:
        _decode_all(manifest, spec, partial, workers, progress)
        try:
            os.rename(partial, final)
        except OSError:
            # Another process finished first, or an incomplete folder is in the way.
            if _read_cache(final, in_memory=False) is None:
                shutil.rmtree(final, ignore_errors=True)
                os.rename(partial, final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return _read_cache(final, in_memory=False)


def _clip_set(manifest: Manifest, array: np.ndarray, meta: dict) -> ClipSet:
    table = manifest.table
    kept = table.iloc[meta["kept"]].reset_index(drop=True)
    return ClipSet(
        frames=torch.from_numpy(array),
        labels=torch.from_numpy(kept["label"].to_numpy(np.int64).copy()),
        label_names=manifest.label_names,
        manifest=kept,
        skipped=tuple(Skipped(row, table["path"].iloc[row], why) for row, why in meta["skipped"]),
        short=tuple((table["path"].iloc[row], count) for row, count in meta["short"]),
    )
