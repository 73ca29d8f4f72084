"""Something-Something V2: labels, train, validation and test JSON; one .webm a clip."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vjepa_lib.datasets.annotations import (
    as_text,
    as_whole,
    find_annotation,
    in_order,
    read_json,
    read_lines,
    read_records,
)
from vjepa_lib.datasets.base import DatasetInfo, Entry, FileIndex, Listing, register
from vjepa_lib.errors import DataError, shown
from vjepa_lib.video.manifests import UNLABELLED

_PREFIX = "something-something-v2-"  # files of the first release; the second has bare names


def _clean(template: str) -> str:
    """`Holding [something] next to [something]` as the label list writes it."""
    return template.replace("[", "").replace("]", "")


def _labels(path: Path) -> tuple[dict[str, int], tuple[str, ...]]:
    """Class name without brackets -> label, and notes."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise DataError(f"{path} is no object of class names and numbers; give the official list.")
    numbers: dict[str, int] = {}
    for key, number in content.items():
        name = _clean(as_text(key, str(path), "class name"))
        if name in numbers:
            raise DataError(f"{path}: class {shown(name)} is there twice in the list; remove one.")
        numbers[name] = as_whole(number, str(path), f"the number of {shown(name)},")
    return in_order(numbers, path, least=0)


def _label(record: Mapping[str, Any], labels: dict[str, int], place: str) -> int:
    template = as_text(record.get("template"), place, "template")
    name = _clean(template)
    if name not in labels:
        raise DataError(
            f"{place}: template {shown(template)} is not in the label list; the files must belong"
            " together."
        )
    return labels[name]


def _clip(record: Mapping[str, Any], place: str) -> str:
    """The clip's id, which some lists give as a number."""
    value = record.get("id")
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(as_whole(value, place, "id"))
    return as_text(value, place, "id")


def _answers(annotations: Path, labels: dict[str, int]) -> tuple[dict[str, int], tuple[str, ...]]:
    """Labels of the test clips, where the release has them (`id;label`), and notes."""
    path = find_annotation(annotations, "test-answers.csv", needed=False)
    if path is None:
        return {}, ()
    answers: dict[str, int] = {}
    unknown = 0
    for number, line in read_lines(path):
        clip, _, name = line.partition(";")
        label = labels.get(_clean(name.strip()))
        if label is None:
            unknown += 1
        elif answers.setdefault(clip, label) != label:
            raise DataError(f"{path}, line {number}: clip {shown(clip)} has two answers.")
    said = f"{unknown:,} lines of {path.name} name no class of the label list."
    return answers, (said,) if unknown else ()


def listing(annotations: Path | None, files: FileIndex) -> Listing:
    """Clips of all splits; a test clip without a published answer has label -1."""
    if annotations is None:
        raise DataError("ssv2 needs --annotations, the folder with the label and split files.")
    labels, notes = _labels(find_annotation(annotations, f"{_PREFIX}labels.json", "labels.json"))
    answers, unknown = _answers(annotations, labels)
    entries = []
    for split, official in (("train", "train"), ("val", "validation"), ("test", "test")):
        needed = split != "test"
        path = find_annotation(
            annotations, f"{_PREFIX}{official}.json", f"{official}.json", needed=needed
        )
        if path is None:
            continue
        for place, record in read_records(path):
            clip = _clip(record, place)
            if split == "test" and "template" not in record:
                label = answers.get(clip, UNLABELLED)
            else:
                label = _label(record, labels, place)
            entries.append(Entry((clip,), label, split))
    names = sorted(labels, key=labels.__getitem__)
    return Listing(entries, names, notes=(*notes, *unknown))


INFO = register(
    DatasetInfo(
        name="ssv2",
        title="Something-Something V2",
        classes=174,
        sizes={"train": 168913, "val": 24777, "test": 27157},
        source="Goyal et al., ICCV 2017, arXiv 1706.04261; counts of the official V2 release.",
        lister=listing,
        directional=True,
        needs="something-something-v2-labels.json, -train.json, -validation.json[, -test.json]",
    )
)
