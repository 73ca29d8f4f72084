"""From official annotations and a folder of files to a manifest; shared by every builder.

A builder lists what the annotations say (`Listing`); this module finds the files, compares the
counts with the official ones and makes the manifest.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from vjepa_lib.errors import ConfigError, DataError
from vjepa_lib.video.decode import IMAGE_SUFFIXES, VIDEO_SUFFIXES, is_image
from vjepa_lib.video.manifests import SPLITS, Manifest, make_manifest


@dataclass(frozen=True)
class Entry:
    """One annotated clip.

    Attributes
    ----------
    names : tuple of str
        Where the file may be, best first: paths below the video folder, or bare file names found
        in any sub-folder; without suffix.
    label : int
    split : str
    start, end : float or None
        Seconds inside the file, for clips of untrimmed videos.
    """

    names: tuple[str, ...]
    label: int
    split: str
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class Listing:
    """What a data set's annotations say.

    Attributes
    ----------
    entries : sequence of Entry
    classes : sequence of str
        Class names by label.
    listed : mapping of str to int
        Clips the annotations list per split, where some are left out of `entries` on purpose.
    official : mapping of str to int, or None
        Official sizes where they depend on an option; None: those of the data set.
    notes : tuple of str
        Remarks for the user.
    """

    entries: Sequence[Entry]
    classes: Sequence[str]
    listed: Mapping[str, int] | None = None
    official: Mapping[str, int] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class DatasetInfo:
    """A data set this package can build a manifest for.

    Attributes
    ----------
    name, title : str
    classes : int or None
        Official number of classes.
    sizes : mapping of str to int
        Official number of clips per split.
    source : str
        Where the numbers and the format come from.
    lister : callable
        `lister(annotations, videos, **options) -> Listing`.
    options : mapping of str to str
        Options the lister takes, and what they mean.
    images : bool
        Still images instead of videos.
    directional : bool
        Some labels name a direction, so a probe must not flip clips.
    tolerance : float
        Relative difference from the official sizes that is normal (several releases).
    needs : str
        The annotation files, for messages and the documentation.
    """

    name: str
    title: str
    classes: int | None
    sizes: Mapping[str, int]
    source: str
    lister: Callable[..., Listing]
    options: Mapping[str, str] = field(default_factory=dict)
    images: bool = False
    directional: bool = False
    tolerance: float = 0.0
    needs: str = ""


@dataclass(frozen=True)
class BuildResult:
    """A manifest and how complete it is.

    Attributes
    ----------
    manifest : Manifest
        Clips whose files were found.
    counts : DataFrame
        One row a split: `split`, `official`, `listed`, `used`, `found`, `missing`.
    missing : DataFrame
        Annotated clips without a file: `name`, `label`, `split`, `start`, `end`.
    warnings : tuple of str
        Every difference from the official numbers, with the numbers.
    notes : tuple of str
    """

    manifest: Manifest
    counts: pd.DataFrame
    missing: pd.DataFrame
    warnings: tuple[str, ...]
    notes: tuple[str, ...] = ()


def _writable(path: str) -> bool:
    """Whether a manifest can hold a path: UTF-8, without control characters."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return not any(ord(letter) < 32 for letter in path)


class FileIndex:
    """Files below a folder, found by relative path or by bare name, without suffix.

    Parameters
    ----------
    folder : str or Path
    suffixes : collection of str
        File types to see, lower case.

    Attributes
    ----------
    shadowed : list of (str, str)
        Files left out because another one has the same name but for the suffix, and that one.
    skipped : Counter of str
        Files of no type asked for, by suffix.
    """

    def __init__(self, folder: str | Path, suffixes: Iterable[str]) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise DataError(f"The folder {self.folder} does not exist; correct --videos.")
        suffixes = frozenset(suffixes)
        self._by_path: dict[str, str] = {}
        self._by_name: dict[str, str] = {}
        self.shadowed: list[tuple[str, str]] = []
        self.skipped: Counter[str] = Counter()
        for here, folders, files in os.walk(self.folder, followlinks=True):
            folders.sort()  # the same choice among equal names on every machine
            below = os.path.relpath(here, self.folder)
            prefix = "" if below == "." else below.replace(os.sep, "/") + "/"
            # A video goes before the picture of it that lies beside it under the same name.
            for file in sorted(files, key=lambda name: (is_image(name), name)):
                self._add(prefix, file, suffixes)
        if not self._by_path:
            known = ", ".join(sorted(suffixes))
            raise DataError(f"{self.folder} holds no file of type {known}; correct --videos.")

    def _add(self, prefix: str, file: str, suffixes: frozenset[str]) -> None:
        stem, suffix = os.path.splitext(file)
        if file.startswith("."):
            return
        if suffix.lower() not in suffixes:
            self.skipped[suffix.lower() or "no suffix"] += 1
        elif not _writable(prefix + file):
            self.skipped["names that are not UTF-8 or hold control characters"] += 1
        elif self._by_path.setdefault(prefix + stem, prefix + file) != prefix + file:
            self.shadowed.append((prefix + file, self._by_path[prefix + stem]))
        else:
            self._by_name.setdefault(stem, prefix + file)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was left out, in one sentence a reason."""
        said = []
        if self.skipped:
            kinds = ", ".join(
                f"{kind} ({count:,})"
                for kind, count in sorted(self.skipped.items(), key=lambda item: -item[1])[:8]
            )
            said.append(
                f"{self.skipped.total():,} files below {self.folder} are of no type read here and"
                f" are skipped: {kinds}."
            )
        if self.shadowed:
            left, kept = self.shadowed[0]
            said.append(
                f"{len(self.shadowed):,} files are left out because another one has the same name"
                f" but for the suffix, the first {left} ({kept} is used); rename one of each pair"
                " to use both."
            )
        return tuple(said)

    def __len__(self) -> int:
        return len(self._by_path)

    @property
    def files(self) -> list[str]:
        """Every file, relative to the folder."""
        return list(self._by_path.values())

    def find(self, names: Sequence[str]) -> str | None:
        """Path, relative to the folder, of the first name that has a file."""
        for name in names:
            found = self._by_path.get(name)
            if found is None and "/" not in name:
                found = self._by_name.get(name)
            if found is not None:
                return found
        return None


REGISTRY: dict[str, DatasetInfo] = {}


def register(info: DatasetInfo) -> DatasetInfo:
    """Add a data set to the known ones."""
    REGISTRY[info.name] = info
    return info


def dataset_info(name: str) -> DatasetInfo:
    """A known data set by name."""
    if name not in REGISTRY:
        raise ConfigError(f"Unknown data set {name!r}; known: {', '.join(sorted(REGISTRY))}.")
    return REGISTRY[name]


def build(
    name: str, annotations: str | Path | None, videos: str | Path, **options: Any
) -> BuildResult:
    """Manifest of a data set from its official annotations and a folder of files.

    Parameters
    ----------
    name : str
        A known data set, see `REGISTRY`.
    annotations : str, Path or None
        Folder (or file) of official annotations; None where the data set needs none.
    videos : str or Path
        Folder of videos or images, in any depth of sub-folders.
    **options
        What the data set's `options` name.

    Returns
    -------
    BuildResult

    Raises
    ------
    DataError
        Annotations are missing or malformed, or no annotated file was found.
    ConfigError
        Unknown data set or option.
    """
    info = dataset_info(name)
    for option in options:
        if option not in info.options:
            known = ", ".join(info.options) or "none"
            raise ConfigError(f"{name} has no option {option!r}; known: {known}.")
    suffixes = IMAGE_SUFFIXES if info.images else VIDEO_SUFFIXES
    if not info.sizes:  # anything goes
        suffixes = VIDEO_SUFFIXES | IMAGE_SUFFIXES
    index = FileIndex(videos, suffixes)
    listing = info.lister(None if annotations is None else Path(annotations), index, **options)
    return _resolve(info, listing, index)


def _resolve(info: DatasetInfo, listing: Listing, index: FileIndex) -> BuildResult:
    rows, missing = [], []
    entries, doubts = _unambiguous(info, listing, index)
    timed = any(entry.start is not None for entry in entries)
    for entry in entries:
        found = index.find(entry.names)
        times = {"start": entry.start, "end": entry.end} if timed else {}
        if found is None:
            missing.append(
                {
                    "name": entry.names[0],
                    "label": entry.label,
                    "split": entry.split,
                    "start": entry.start,
                    "end": entry.end,
                }
            )
            continue
        label_name = listing.classes[entry.label] if entry.label >= 0 else None
        rows.append(
            {
                "path": found,
                "label": entry.label,
                "split": entry.split,
                "label_name": label_name,
                **times,
            }
        )
    if not rows:
        raise DataError(
            f"None of the {len(entries)} files that {info.name} lists is below"
            f" {index.folder} (it has {len(index)} other files); correct --videos."
        )
    manifest = make_manifest(rows, index.folder, listing.classes, info.name)
    used = Counter(entry.split for entry in entries)
    found = Counter(row["split"] for row in rows)
    listed = listing.listed or Counter(entry.split for entry in listing.entries)
    official = info.sizes if listing.official is None else listing.official
    splits = [split for split in SPLITS if listed.get(split) or official.get(split)]
    counts = pd.DataFrame(
        {
            "split": splits,
            "official": pd.array([official.get(split) for split in splits], dtype="Int64"),
            "listed": [listed.get(split, 0) for split in splits],
            "used": [used[split] for split in splits],
            "found": [found[split] for split in splits],
            "missing": [used[split] - found[split] for split in splits],
        }
    )
    columns = ["name", "label", "split", "start", "end"]
    return BuildResult(
        manifest,
        counts,
        pd.DataFrame(missing, columns=columns),
        (*doubts, *_differences(info, listing, counts)),
        (*listing.notes, *index.remarks),
    )


def _unambiguous(
    info: DatasetInfo, listing: Listing, index: FileIndex
) -> tuple[list[Entry], tuple[str, ...]]:
    """Entries that name a clip once, and a warning about the others.

    The same clip with the same label and split is used once; a clip with two labels or in two
    splits is left out, because nothing here can say which of them is right.
    """
    seen: dict[tuple, Entry] = {}
    against: dict[tuple, Entry] = {}
    again = 0
    for entry in listing.entries:
        key = (index.find(entry.names) or entry.names, entry.start, entry.end)
        first = seen.setdefault(key, entry)
        if first is not entry:
            again += 1
            if (first.label, first.split) != (entry.label, entry.split):
                against.setdefault(key, entry)
    warnings = []
    if against:
        key, other = next(iter(against.items()))
        warnings.append(
            f"{info.title}: {len(against):,} clips are listed with two labels or in two splits and"
            f" are left out, the first {seen[key].names[0]} (label {seen[key].label} in"
            f" {seen[key].split}, label {other.label} in {other.split}); correct the annotations"
            " to use them."
        )
    elif again:
        warnings.append(f"{info.title}: {again:,} clips are listed twice and used once.")
    return [entry for key, entry in seen.items() if key not in against], tuple(warnings)


def _differences(info: DatasetInfo, listing: Listing, counts: pd.DataFrame) -> tuple[str, ...]:
    warnings = []
    if info.classes is not None and len(listing.classes) != info.classes:
        warnings.append(f"{info.title}: {len(listing.classes)} classes, officially {info.classes}.")
    for row in counts.itertuples(index=False):
        if not pd.isna(row.official):
            off = abs(row.listed - row.official)
            if off > info.tolerance * row.official:
                warnings.append(
                    f"{info.title}, {row.split}: the annotations list {row.listed:,} clips,"
                    f" officially {row.official:,} ({row.listed - row.official:+,})."
                )
        if row.missing:
            warnings.append(
                f"{info.title}, {row.split}: {row.missing:,} of {row.used:,} files are missing"
                f" ({row.found:,} found)."
            )
    return tuple(warnings)
