"""HACS v1.1 and v1.1.1: clips (CSV `classname,youtube_id,subset,start,end,label`) and segments.

HACS Clips are 2-second stretches of whole videos; HACS Segments (JSON in ActivityNet's layout) are
whole actions in some of the same videos.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from vjepa_lib.datasets.annotations import (
    as_seconds,
    as_stretch,
    as_text,
    find_annotation,
    read_json,
    read_rows,
)
from vjepa_lib.datasets.base import DatasetInfo, Entry, FileIndex, Listing, register
from vjepa_lib.errors import DataError, shown
from vjepa_lib.video.manifests import UNLABELLED

_SPLITS = {"training": "train", "validation": "val", "testing": "test"}
_COLUMNS = ("classname", "youtube_id", "subset", "start", "end", "label")
_CLIPS = ("HACS_clips_v1.1.1.csv", "HACS_clips_v1.1.csv")
_SEGMENTS = ("HACS_segments_v1.1.1.json", "HACS_segments_v1.1.json")


def _split(subset: str, place: str) -> str:
    if subset not in _SPLITS:
        raise DataError(f"{place}: unknown subset {shown(subset)}; known: {', '.join(_SPLITS)}.")
    return _SPLITS[subset]


def _sign(text: str, split: str, place: str) -> int:
    """1 (the action is seen), -1 (it is not), or 0 for a test clip, whose label is not published.

    A table that another program has written again says 1.0 and -1.0.
    """
    if not text.strip() and split == "test":
        return 0
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if number not in (1, -1):
        raise DataError(f"{place}: label {shown(text)} is neither 1 nor -1; correct the line.")
    return int(number)


def _places(name: str, video: str) -> tuple[str, ...]:
    """Where a video may lie; HACS's own downloader writes class folders without blanks."""
    folders = (name, name.replace(" ", "_")) if name else ()
    return (*(f"{folder}/v_{video}" for folder in dict.fromkeys(folders)), f"v_{video}")


def _clips(path: Path) -> Listing:
    """Positive clips (label 1) of whole videos, and the unlabelled ones of the test set."""
    rows, listed, negatives = [], Counter(), 0
    for place, row in read_rows(path, _COLUMNS):
        split = _split(row["subset"], place)
        listed[split] += 1
        sign = _sign(row["label"], split, place)
        name = row["classname"].strip()
        if sign and not name:
            raise DataError(f"{place}: the clip has a label but no classname; correct the line.")
        if sign < 0:
            negatives += 1
        video = as_text(row["youtube_id"], place, "youtube_id")
        rows.append((name, video, split, *as_stretch(row["start"], row["end"], place), sign))
    classes = sorted({name for name, *_ in rows if name})
    labels = {name: label for label, name in enumerate(classes)}
    entries = [
        Entry(_places(name, video), labels[name] if sign else UNLABELLED, split, start, end)
        for name, video, split, start, end, sign in rows
        if sign >= 0
    ]
    note = f"{negatives:,} negative clips are left out; {len(entries):,} are used."
    return Listing(entries, classes, listed=listed, notes=(note,))


def _segments(path: Path) -> Listing:
    """Every annotated action; a test video without annotations is one unlabelled clip."""
    content = read_json(path)
    videos = content.get("database") if isinstance(content, dict) else None
    if not isinstance(videos, dict):
        raise DataError(f"{path} has no object `database` of videos; give the official file.")
    rows = []
    for video, record in videos.items():
        place = f"{path}, video {shown(video)}"
        as_text(video, str(path), "the name of a video,")
        if not isinstance(record, dict) or not isinstance(record.get("annotations"), list):
            raise DataError(f"{place}: no list of `annotations`; give the official file.")
        split = _split(str(record.get("subset")), place)
        for action in record["annotations"]:
            times = action.get("segment") if isinstance(action, dict) else None
            if not isinstance(times, list) or len(times) != 2:
                raise DataError(f"{place}: an annotation has no `segment` of start and end.")
            name = as_text(action.get("label"), place, "label")
            rows.append((name, video, split, *as_stretch(*times, place)))
        if not record["annotations"] and split == "test":
            end = record.get("duration")
            rows.append(("", video, split, 0.0, as_seconds(end, place, "duration")))
    classes = sorted({name for name, *_ in rows if name})
    labels = {name: label for label, name in enumerate(classes)}
    entries = [
        Entry(_places(name, video), labels.get(name, UNLABELLED), split, start, end)
        for name, video, split, start, end in rows
    ]
    return Listing(entries, classes, official={}, notes=("Segments, not clips, are used.",))


def listing(annotations: Path | None, files: FileIndex) -> Listing:
    """Positive clips of the whole videos `<class>/v_<youtube id>`, or segments of them.

    Negative clips (label -1: the action is *not* seen) have no class to recognise and are left
    out; clips of the test set, whose labels are not published, get label -1.  A folder gives its
    clips where it has them; segments are had by naming their file.
    """
    if annotations is None:
        raise DataError(f"hacs needs --annotations, the folder with {_CLIPS[0]}.")
    path = annotations
    if not path.is_file():
        path = find_annotation(annotations, *_CLIPS, *_SEGMENTS)
    result = _segments(path) if path.suffix.lower() == ".json" else _clips(path)
    if not result.entries:
        raise DataError(f"{path} lists no clip that shows its action; give the official file.")
    return result


INFO = register(
    DatasetInfo(
        name="hacs",
        title="HACS v1.1",
        classes=200,
        sizes={"train": 1509497, "val": 20249, "test": 20296},
        source="Zhao et al., ICCV 2019, arXiv 1712.09374; counts of the official v1.1 release,"
        " positive and negative clips together.",
        lister=listing,
        needs="HACS_clips_v1.1.1.csv (or v1.1), or HACS_segments_v1.1.1.json by its name",
    )
)
