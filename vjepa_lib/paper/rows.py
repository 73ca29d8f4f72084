"""The rows of a manifest that a run uses, and the digits that stand for them."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from vjepa_lib.errors import DataError
from vjepa_lib.evaluation.features import limited_rows
from vjepa_lib.video.manifests import Manifest, read_manifest


@lru_cache(maxsize=64)
def rows_of(path: Path, changed: int, split: str, limit: int) -> tuple[Manifest, str]:
    """Labelled rows of `train` and of `split`, and 16 digits that stand for them.

    The digits are those of the table, so they are the same wherever the files lie on disk.

    Parameters
    ----------
    changed : time of the file's last change, so that a rebuilt manifest is read again.
    split : what accuracy is reported on; '' for the training rows alone, labelled or not.
    limit : training rows of a class; 0 for all.
    """
    manifest = read_manifest(path)
    if split:
        splits = manifest.table["split"].to_numpy()
        labelled = manifest.labels >= 0
        rows = {s: np.flatnonzero((splits == s) & labelled) for s in ("train", split)}
        for name, found in rows.items():
            if not len(found):
                raise DataError(
                    f"{manifest.source} has no labelled rows of split {name}: rebuild it."
                )
        if limit:
            rows["train"] = limited_rows(manifest.labels, rows["train"], limit)
        manifest = manifest.select(np.sort(np.concatenate(list(rows.values()))))
    else:
        manifest = manifest.split("train")
    return manifest, digest_of(manifest)


def digest_of(manifest: Manifest) -> str:
    """16 digits that stand for the rows of a manifest, wherever its files lie on disk."""
    text = manifest.table.to_csv(index=False, lineterminator="\n")
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def last_change(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def training_rows(path: Path) -> tuple[Manifest, str]:
    return rows_of(path, last_change(path), "", 0)
