"""The embedded domains without rendering them: a clip is made when it is first looked at.

`few_clips` gives the same sets as rendering everything does, with the same manifests and the same
frames, for who wants to look at a few clips only: reading a notebook draws some dozens of the
thousands that a training takes.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vjepa_lib.datasets.domains import DOMAINS
from vjepa_lib.datasets.scene import render
from vjepa_lib.datasets.synthetic import DataSpec, _write_domain, scenes
from vjepa_lib.errors import DataError
from vjepa_lib.video.clip_reader import ClipSpec, read_clip
from vjepa_lib.video.clips import ClipSet
from vjepa_lib.video.encode import write_video
from vjepa_lib.video.manifests import read_manifest


class FramesOnDemand:
    """Frames of a domain, [n, F, H, W, 3] uint8, rendered and decoded when they are indexed.

    It stands where `ClipSet` keeps its tensor and understands what that is indexed with: a number,
    a slice, numbers or a mask, and further indices behind them.

    Parameters
    ----------
    domain : name, a key of `DOMAINS`.
    spec : amounts and sizes of the embedded data.
    folder : of the domain, with its manifest; clips are kept below it.
    rows : path and split of every clip.
    """

    device = torch.device("cpu")
    dtype = torch.uint8

    def __init__(
        self, domain: str, spec: DataSpec, folder: Path, rows: Sequence[tuple[str, str]]
    ) -> None:
        self._domain, self._spec, self._folder, self._rows = domain, spec, folder, list(rows)
        self.shape = torch.Size([len(self._rows), spec.frames, spec.size, spec.size, 3])
        self._done: dict[int, Tensor] = {}
        self._drawn: dict[str, list] = {}

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: object) -> Tensor:
        first, rest = (index[0], index[1:]) if isinstance(index, tuple) else (index, ())
        chosen = np.arange(len(self))[first.numpy() if isinstance(first, Tensor) else first]
        if np.ndim(chosen) == 0:
            found = self._clip(int(chosen))
            return found[rest] if rest else found
        clips = [self._clip(int(row)) for row in chosen]
        found = torch.stack(clips) if clips else torch.empty((0, *self.shape[1:]), dtype=self.dtype)
        return found[(slice(None), *rest)] if rest else found

    def _clip(self, row: int) -> Tensor:
        """Frames [F, H, W, 3] of one clip."""
        if row not in self._done:
            path = self._folder / self._rows[row][0]
            if not path.exists():
                self._render(row, path)
            size = (self._spec.size, self._spec.size)
            frames, _ = read_clip(path, ClipSpec(self._spec.frames, size))
            self._done[row] = torch.from_numpy(frames)
        return self._done[row]

    def _render(self, row: int, path: Path) -> None:
        split, number = self._rows[row][1], int(path.stem)
        if number >= len(self._drawn.get(split, ())):  # the first ones are the same for any count
            self._drawn[split] = scenes(self._domain, split, 2 * number + 1)
        fps = DOMAINS[self._domain].fps
        try:
            write_video(path, render(self._drawn[split][int(path.stem)], fps, self._spec.size), fps)
        except OSError as error:
            raise _unwritable(path.parent, error) from error


def _unwritable(folder: Path, error: OSError) -> DataError:
    return DataError(
        f"Clips cannot be written to {folder} ({error.strerror or error}): free some space or "
        f"name another folder with VJEPA_DATA."
    )


class FewClips(Mapping[str, ClipSet]):
    """The embedded domains by name; a domain's manifest is made when it is first asked for."""

    def __init__(self, spec: DataSpec, root: str | Path) -> None:
        self._spec, self._root = spec, Path(root) / "few" / spec.key
        self._sets: dict[str, ClipSet] = {}

    def __iter__(self):
        return iter(DOMAINS)

    def __len__(self) -> int:
        return len(DOMAINS)

    def __contains__(self, name: object) -> bool:
        return name in DOMAINS

    def __getitem__(self, name: str) -> ClipSet:
        if name not in DOMAINS:
            raise KeyError(name)
        if name not in self._sets:
            self._sets[name] = self._open(name)
        return self._sets[name]

    def _open(self, name: str) -> ClipSet:
        folder = self._root / name
        if not (folder / "manifest.csv").exists():
            self._write_manifest(name, folder)
        manifest = read_manifest(folder / "manifest.csv")
        table = manifest.table
        rows = list(zip(table["path"], table["split"], strict=True))
        frames = FramesOnDemand(name, self._spec, folder, rows)
        labels = torch.from_numpy(table["label"].to_numpy(np.int64).copy())
        return ClipSet(frames, labels, manifest.label_names, table)

    def _write_manifest(self, name: str, folder: Path) -> None:
        part = folder.with_name(f".{name}.{uuid.uuid4().hex}")
        try:
            part.mkdir(parents=True)
            _write_domain(name, part, self._spec)
            folder.mkdir(exist_ok=True)
            os.replace(part / "manifest.csv", folder / "manifest.csv")
        except OSError as error:
            raise _unwritable(self._root, error) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)


def few_clips(spec: DataSpec, root: str | Path = "data") -> FewClips:
    """Every embedded domain, none of its clips rendered yet.

    Parameters
    ----------
    spec : amounts and sizes of the embedded data, as for `synthetic.ensure`.
    root : folder of all renderings; clips looked at are kept under `few` in it.

    Raises
    ------
    DataError : when a clip is looked at and the folder cannot be written.
    """
    return FewClips(spec, root)
