"""UCF-101: `classInd.txt`, `trainlist01.txt`, `testlist01.txt` (and 02, 03)."""

from __future__ import annotations

from pathlib import Path

from vjepa_lib.datasets.base import (
    DatasetInfo,
    Entry,
    FileIndex,
    Listing,
    find_annotation,
    read_lines,
    register,
)
from vjepa_lib.errors import ConfigError, DataError

#: Official clips of splits 1, 2 and 3; each split shares out all 13,320.
SIZES = {
    1: {"train": 9537, "test": 3783},
    2: {"train": 9586, "test": 3734},
    3: {"train": 9624, "test": 3696},
}


def _classes(path: Path) -> dict[str, int]:
    """Class name -> label from 0, out of lines such as `1 ApplyEyeMakeup`."""
    labels = {}
    for number, line in enumerate(read_lines(path), start=1):
        index, _, name = line.partition(" ")
        if not index.isdigit() or not name:
            raise DataError(f"{path}, line {number}: expected `number ClassName`, not {line!r}.")
        labels[name.strip()] = int(index) - 1
    return labels


def listing(annotations: Path | None, files: FileIndex, split_number: int = 1) -> Listing:
    """Train and test list of one of the three official splits."""
    if split_number not in SIZES:
        raise ConfigError(f"UCF-101 has splits 1, 2 and 3, not {split_number}.")
    if annotations is None:
        raise DataError("ucf101 needs --annotations, the folder with classInd.txt.")
    labels = _classes(find_annotation(annotations, "classInd.txt"))
    entries = []
    for split in ("train", "test"):
        path = find_annotation(annotations, f"{split}list{split_number:02d}.txt")
        for number, line in enumerate(read_lines(path), start=1):
            # The train lists end in a label that repeats the folder's class; the test lists do not.
            relative = line.split(" ")[0]
            folder, _, file = relative.rpartition("/")
            if folder not in labels:
                raise DataError(
                    f"{path}, line {number}: class {folder!r} is not in classInd.txt; the lists"
                    " must belong together."
                )
            stem = file.rsplit(".", 1)[0]
            entries.append(Entry((f"{folder}/{stem}", stem), labels[folder], split))
    names = sorted(labels, key=labels.__getitem__)
    return Listing(entries, names, official=SIZES[split_number])


INFO = register(
    DatasetInfo(
        name="ucf101",
        title="UCF-101",
        classes=101,
        sizes=SIZES[1],
        source="Soomro, Zamir, Shah, arXiv 1212.0402; counts of the official lists.",
        lister=listing,
        options={"split_number": "official split 1 (default), 2 or 3"},
        needs="classInd.txt, trainlist01.txt, testlist01.txt",
    )
)
