"""Diving-48, corrected annotations V2: train and test JSON, vocabulary JSON."""

from __future__ import annotations

from pathlib import Path

from vjepa_lib.datasets.base import (
    DatasetInfo,
    Entry,
    FileIndex,
    Listing,
    find_annotation,
    read_json,
    register,
)
from vjepa_lib.errors import DataError


def listing(annotations: Path | None, files: FileIndex) -> Listing:
    """Train and test clips; class names from the vocabulary where it is there."""
    if annotations is None:
        raise DataError("diving48 needs --annotations, the folder with Diving48_V2_train.json.")
    vocabulary = find_annotation(annotations, "Diving48_vocab.json", needed=False)
    if vocabulary is not None:
        classes = [" ".join(parts) for parts in read_json(vocabulary)]
    else:
        classes = [f"dive {label}" for label in range(48)]
    entries = []
    for split in ("train", "test"):
        path = find_annotation(annotations, f"Diving48_V2_{split}.json")
        for number, record in enumerate(read_json(path), start=1):
            try:
                name, label = str(record["vid_name"]), int(record["label"])
            except (KeyError, TypeError, ValueError) as error:
                raise DataError(
                    f"{path}, entry {number}: expected `vid_name` and a number `label`."
                ) from error
            if not 0 <= label < len(classes):
                raise DataError(
                    f"{path}, entry {number}: label {label} is outside the {len(classes)} classes."
                )
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
