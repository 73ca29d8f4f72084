"""Something-Something V2: labels, train, validation and test JSON; one .webm a clip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
from vjepa_lib.video.manifests import UNLABELLED

_PREFIX = "something-something-v2-"  # files of the first release; the second has bare names


def _clean(template: str) -> str:
    """`Holding [something] next to [something]` as the label list writes it."""
    return template.replace("[", "").replace("]", "")


def _label(record: dict[str, Any], labels: dict[str, int], path: Path, number: int) -> int:
    name = _clean(record.get("template", ""))
    if name not in labels:
        raise DataError(
            f"{path}, entry {number}: template {record.get('template')!r} is not in the label"
            " list; the files must belong together."
        )
    return labels[name]


def _answers(annotations: Path, labels: dict[str, int]) -> dict[str, int]:
    """Labels of the test clips, where the release has them (`id;label`)."""
    path = find_annotation(annotations, "test-answers.csv", needed=False)
    if path is None:
        return {}
    answers = {}
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        clip, _, name = line.strip().partition(";")
        if name.strip() in labels:
            answers[clip] = labels[name.strip()]
    return answers


def listing(annotations: Path | None, files: FileIndex) -> Listing:
    """Clips of all splits; a test clip without a published answer has label -1."""
    if annotations is None:
        raise DataError("ssv2 needs --annotations, the folder with the label and split files.")
    path = find_annotation(annotations, f"{_PREFIX}labels.json", "labels.json")
    labels = {_clean(name): int(index) for name, index in read_json(path).items()}
    answers = _answers(annotations, labels)
    entries = []
    for split, official in (("train", "train"), ("val", "validation"), ("test", "test")):
        needed = split != "test"
        path = find_annotation(
            annotations, f"{_PREFIX}{official}.json", f"{official}.json", needed=needed
        )
        if path is None:
            continue
        for number, record in enumerate(read_json(path), start=1):
            if "id" not in record:
                raise DataError(f"{path}, entry {number}: no `id`; download the file again.")
            clip = str(record["id"])
            if split == "test" and "template" not in record:
                label = answers.get(clip, UNLABELLED)
            else:
                label = _label(record, labels, path, number)
            entries.append(Entry((clip,), label, split))
    return Listing(entries, sorted(labels, key=labels.__getitem__))


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
