"""HACS Clips v1.1: CSV `classname,youtube_id,subset,start,end,label`; 2-second clips."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from vjepa_lib.datasets.base import (
    DatasetInfo,
    Entry,
    FileIndex,
    Listing,
    as_number,
    find_annotation,
    read_rows,
    register,
)
from vjepa_lib.errors import DataError
from vjepa_lib.video.manifests import UNLABELLED

_SPLITS = {"training": "train", "validation": "val", "testing": "test"}
_COLUMNS = ("classname", "youtube_id", "subset", "start", "end", "label")


def listing(annotations: Path | None, files: FileIndex) -> Listing:
    """Positive clips (label 1) of the whole videos `<class>/v_<youtube id>`.

    Negative clips (label -1: the action is *not* seen) have no class to recognise and are left
    out; clips of the test set, whose labels are not published, get label -1.
    """
    if annotations is None:
        raise DataError("hacs needs --annotations, the folder with HACS_clips_v1.1.csv.")
    path = annotations
    if not path.is_file():
        path = find_annotation(annotations, "HACS_clips_v1.1.csv")
    rows = read_rows(path, _COLUMNS)
    classes = sorted({row["classname"] for row in rows if row["classname"]})
    labels = {name: label for label, name in enumerate(classes)}
    entries, listed, negatives = [], Counter(), 0
    for line, row in enumerate(rows, start=2):
        split = _SPLITS.get(row["subset"])
        if split is None:
            raise DataError(
                f"{path}, line {line}: unknown subset {row['subset']!r};"
                f" known: {', '.join(_SPLITS)}."
            )
        listed[split] += 1
        if row["label"] == "-1":
            negatives += 1
            continue
        start = as_number(row["start"], path, line, "start")
        end = as_number(row["end"], path, line, "end")
        name, video = row["classname"], f"v_{row['youtube_id']}"
        label = labels[name] if name and row["label"] else UNLABELLED
        entries.append(Entry((f"{name}/{video}", video), label, split, start, end))
    note = f"{negatives:,} negative clips are left out; {len(entries):,} are used."
    return Listing(entries, classes, listed=listed, notes=(note,))


INFO = register(
    DatasetInfo(
        name="hacs",
        title="HACS Clips v1.1",
        classes=200,
        sizes={"train": 1509497, "val": 20249, "test": 20296},
        source="Zhao et al., ICCV 2019, arXiv 1712.09374; counts of the official v1.1 release,"
        " positive and negative clips together.",
        lister=listing,
        needs="HACS_clips_v1.1.csv",
    )
)
