"""Any other data: one folder a class, with or without a folder a split above it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from vjepa_lib.datasets.base import DatasetInfo, Entry, FileIndex, Listing, register
from vjepa_lib.errors import ConfigError, DataError

_SPLIT_FOLDERS = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


def _draw(name: str) -> float:
    """A number in [0, 1) that depends on the file's name only, so that splits are stable."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big") / 2**56


def listing(annotations: Path | None, files: FileIndex, val_fraction: float = 0.0) -> Listing:
    """`<split>/<class>/file` or `<class>/file`; the latter is split by `val_fraction`."""
    if not 0 <= val_fraction < 1:
        raise ConfigError(f"val_fraction must lie in [0, 1), not {val_fraction}.")
    found = []
    for file in files.files:
        stem = file.rsplit(".", 1)[0]
        parts = file.split("/")
        if len(parts) < 2:
            raise DataError(
                f"{files.folder / file} lies in no class folder; expected <class>/file or"
                " <split>/<class>/file."
            )
        split = _SPLIT_FOLDERS.get(parts[0].lower()) if len(parts) > 2 else None
        if split is not None:
            name = "/".join(parts[1:-1])
        else:
            name = "/".join(parts[:-1])
            split = "val" if _draw(stem) < val_fraction else "train"
        found.append((stem, name, split))
    classes = sorted({name for _, name, _ in found})
    labels = {name: label for label, name in enumerate(classes)}
    return Listing([Entry((stem,), labels[name], split) for stem, name, split in found], classes)


INFO = register(
    DatasetInfo(
        name="folder",
        title="Folder per class",
        classes=None,
        sizes={},
        source="-",
        lister=listing,
        options={"val_fraction": "share of files held out where there are no split folders"},
        needs="none",
    )
)
