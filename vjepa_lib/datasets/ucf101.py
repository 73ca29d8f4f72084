"""UCF-101: `classInd.txt`, `trainlist01.txt`, `testlist01.txt` (and 02, 03)."""

from __future__ import annotations

from pathlib import Path

from vjepa_lib.datasets.annotations import as_whole, find_annotation, in_order, read_lines
from vjepa_lib.datasets.base import DatasetInfo, Entry, FileIndex, Listing, register
from vjepa_lib.errors import ConfigError, DataError

#: Official clips of splits 1, 2 and 3; each split shares out all 13,320.
SIZES = {
    1: {"train": 9537, "test": 3783},
    2: {"train": 9586, "test": 3734},
    3: {"train": 9624, "test": 3696},
}


def _classes(path: Path) -> tuple[dict[str, int], tuple[str, ...]]:
    """Class name -> label from 0, out of lines such as `1 ApplyEyeMakeup`, and notes."""
    numbers: dict[str, int] = {}
    for line, text in read_lines(path):
        place = f"{path}, line {line}"
        index, _, name = text.partition(" ")
        name = name.strip()
        if not name or not index.isdecimal() or not index.isascii():
            raise DataError(f"{place}: expected `number ClassName`, not {text[:60]!r}.")
        if name in numbers:
            raise DataError(f"{place}: class {name!r} is there twice in the list; remove one.")
        numbers[name] = as_whole(index, place, "class number")
    return in_order(numbers, path, least=1)


def listing(annotations: Path | None, files: FileIndex, split_number: int = 1) -> Listing:
    """Train and test list of one of the three official splits."""
    if split_number not in SIZES:
        raise ConfigError(f"UCF-101 has splits 1, 2 and 3, not {split_number}.")
    if annotations is None:
        raise DataError("ucf101 needs --annotations, the folder with classInd.txt.")
    labels, notes = _classes(find_annotation(annotations, "classInd.txt"))
    entries = []
    for split in ("train", "test"):
        path = find_annotation(annotations, f"{split}list{split_number:02d}.txt")
        for number, line in read_lines(path):
            # The train lists end in a label that repeats the folder's class; the test lists do not.
            relative = line.split(" ")[0]
            folder, _, file = relative.rpartition("/")
            if folder not in labels:
                raise DataError(
                    f"{path}, line {number}: class {folder[:60]!r} is not in classInd.txt; the"
                    " lists must belong together."
                )
            stem = file.rsplit(".", 1)[0]
            entries.append(Entry((f"{folder}/{stem}", stem), labels[folder], split))
    names = sorted(labels, key=labels.__getitem__)
    return Listing(entries, names, official=SIZES[split_number], notes=notes)


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
