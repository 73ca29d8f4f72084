"""Diving-48, corrected annotations V2: train and test JSON, vocabulary JSON."""

from __future__ import annotations

from pathlib import Path

from vjepa_lib.datasets.annotations import (
    as_text,
    as_whole,
    find_annotation,
    read_json,
    read_records,
)
from vjepa_lib.datasets.base import DatasetInfo, Entry, FileIndex, Listing, register
from vjepa_lib.errors import DataError


def _vocabulary(path: Path) -> list[str]:
    """Class names by label, out of lists of a dive's four parts."""
    content = read_json(path)
    if not isinstance(content, list) or not content:
        raise DataError(f"{path} is no list of class names; give the official vocabulary.")
    names = []
    for number, parts in enumerate(content):
        place = f"{path}, entry {number + 1}"
        parts = [parts] if isinstance(parts, str) else parts
        if not isinstance(parts, list) or not parts:
            raise DataError(f"{place}: expected a list of the parts of a dive's name.")
        name = " ".join(as_text(part, place, "part of a name") for part in parts)
        if name in names:
            raise DataError(f"{place}: {name!r} is there twice in the vocabulary; remove one.")
        names.append(name)
    return names


def listing(annotations: Path | None, files: FileIndex) -> Listing:
    """Train and test clips; class names from the vocabulary where it is there."""
    if annotations is None:
        raise DataError("diving48 needs --annotations, the folder with Diving48_V2_train.json.")
    vocabulary = find_annotation(annotations, "Diving48_vocab.json", needed=False)
    if vocabulary is not None:
        classes = _vocabulary(vocabulary)
    else:
        classes = [f"dive {label}" for label in range(48)]
    entries = []
    for split in ("train", "test"):
        path = find_annotation(annotations, f"Diving48_V2_{split}.json")
        for place, record in read_records(path):
            name = as_text(record.get("vid_name"), place, "vid_name")
            label = as_whole(record.get("label"), place, "label")
            if not 0 <= label < len(classes):
                raise DataError(f"{place}: label {label} is outside the {len(classes)} classes.")
            entries.append(Entry((name,), label, split))
    return Listing(entries, classes)


INFO = register(
    DatasetInfo(
        name="diving48",
        title="Diving-48 V2",
        classes=48,
        sizes={"train": 15027, "test": 1970},
        source="Li, Li, Vasconcelos, ECCV 2018 (RESOUND); counts of the V2 annotations.",
        lister=listing,
        needs="Diving48_V2_train.json, Diving48_V2_test.json[, Diving48_vocab.json]",
    )
)
