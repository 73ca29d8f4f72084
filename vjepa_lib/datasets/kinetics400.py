"""Kinetics-400: CSV files `label,youtube_id,time_start,time_end,split[,is_cc]`."""

from __future__ import annotations

from pathlib import Path

from vjepa_lib.datasets.annotations import as_stretch, as_text, read_rows
from vjepa_lib.datasets.base import DatasetInfo, Entry, FileIndex, Listing, register
from vjepa_lib.errors import DataError, shown
from vjepa_lib.video.manifests import UNLABELLED

_SPLITS = {"train": "train", "val": "val", "validate": "val", "validation": "val", "test": "test"}


def _csv_files(annotations: Path) -> list[Path]:
    if annotations.is_file():
        return [annotations]
    files = sorted(annotations.rglob("*.csv"))
    if not files:
        raise DataError(f"{annotations} holds no .csv file; correct --annotations.")
    return files


def listing(annotations: Path | None, files: FileIndex) -> Listing:
    """Trimmed clips `<youtube id>_<start>_<end>` in any folder; labels in alphabetical order."""
    if annotations is None:
        raise DataError("kinetics400 needs --annotations, the folder with train.csv and val.csv.")
    found = []
    for path in _csv_files(annotations):
        for place, row in read_rows(path, ("youtube_id", "time_start", "time_end")):
            times = as_stretch(row["time_start"], row["time_end"], place, "time_")
            start, end = map(round, times)
            clip = as_text(row["youtube_id"], place, "youtube_id")
            split = (row.get("split") or path.stem.split("_")[-1]).strip().lower()
            if split not in _SPLITS:
                raise DataError(
                    f"{place}: unknown split {shown(split)}; known: {', '.join(_SPLITS)}."
                )
            name = (row.get("label") or "").strip()
            found.append((f"{clip}_{start:06d}_{end:06d}", name, _SPLITS[split]))
    # The lists differ in quoting and blanks from release to release; the name itself does not.
    classes = sorted({name for _, name, _ in found if name})
    labels = {name: label for label, name in enumerate(classes)}
    entries = [
        Entry((f"{name}/{stem}", stem), labels.get(name, UNLABELLED), split)
        for stem, name, split in dict.fromkeys(found)
    ]
    return Listing(entries, classes)


INFO = register(
    DatasetInfo(
        name="kinetics400",
        title="Kinetics-400",
        classes=400,
        sizes={"train": 246245, "val": 20000, "test": 40000},
        source="Kay et al., arXiv 1705.06950, table 2 (306,245 clips; 50 a class for validation,"
        " 100 for test); released lists differ from it by up to a few per cent.",
        lister=listing,
        tolerance=0.04,
        needs="train.csv, val.csv (or validate.csv)[, test.csv]",
    )
)
