"""ImageNet-100: 100 classes of ImageNet-1K, given as a list of WordNet ids."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from vjepa_lib.datasets.annotations import read_lines
from vjepa_lib.datasets.base import DatasetInfo, Entry, FileIndex, Listing, register
from vjepa_lib.errors import DataError

#: The list in this repository, when run from a checkout.
CLASS_LIST = Path(__file__).parents[2] / "data_manifests" / "classes" / "imagenet100.txt"
_WORDNET_ID = re.compile(r"n\d{8}")
_SPLIT_FOLDERS = {"train": "train", "val": "val", "validation": "val", "valid": "val"}


def read_class_list(path: Path) -> list[tuple[str, str]]:
    """(WordNet id, name) from lines `n02869837` or `n02869837 bonnet`, sorted by id.

    The sorted position is the label, as folder-per-class loaders number classes.
    """
    if not path.is_file():
        raise DataError(f"The class list {path} does not exist; give --class-list.")
    classes = {}
    for number, line in read_lines(path):
        identity, _, name = line.partition(" ")
        if not _WORDNET_ID.fullmatch(identity):
            raise DataError(
                f"{path}, line {number}: {identity[:60]!r} is not a WordNet id (n + 8 digits)."
            )
        if identity in classes:
            raise DataError(f"{path}, line {number}: {identity} is there twice in the list.")
        classes[identity] = name.strip() or identity
    if not classes:
        raise DataError(f"{path} names no class; list WordNet ids, one a line.")
    # ImageNet calls a bird and a machine `crane`: such names take their id along.
    often = Counter(classes.values())
    return [
        (identity, name if often[name] == 1 else f"{name} ({identity})")
        for identity, name in sorted(classes.items())
    ]


def listing(
    annotations: Path | None, files: FileIndex, class_list: str | Path | None = None
) -> Listing:
    """Images in `<split>/<WordNet id>/`, for the classes of the list only."""
    if class_list is None:
        class_list = annotations if annotations is not None else CLASS_LIST
    classes = read_class_list(Path(class_list))
    labels = {identity: label for label, (identity, _) in enumerate(classes)}
    entries, seen = [], set()
    for file in files.files:
        parts = file.split("/")
        if len(parts) < 3 or parts[-3].lower() not in _SPLIT_FOLDERS or parts[-2] not in labels:
            continue
        stem = file.rsplit(".", 1)[0]
        seen.add(parts[-2])
        entries.append(Entry((stem,), labels[parts[-2]], _SPLIT_FOLDERS[parts[-3].lower()]))
    if not entries:
        raise DataError(
            f"{files.folder} holds no images in train/<WordNet id>/ or val/<WordNet id>/ for the"
            f" classes of {class_list}; sort the images into such folders."
        )
    absent = sorted(set(labels) - seen)
    notes = (
        (f"{len(absent)} classes of the list have no images, the first {absent[0]}.",)
        if absent
        else ()
    )
    return Listing(entries, [name for _, name in classes], notes=notes)


INFO = register(
    DatasetInfo(
        name="imagenet100",
        title="ImageNet-100",
        classes=100,
        sizes={"train": 126689, "val": 5000},
        source="Classes of Tian, Krishnan, Isola, arXiv 1906.05849 (CMC); images of ILSVRC 2012.",
        lister=listing,
        options={"class_list": "text file of WordNet ids; default: the list in data_manifests"},
        images=True,
        needs="none (the class list is in data_manifests/classes/imagenet100.txt)",
    )
)
