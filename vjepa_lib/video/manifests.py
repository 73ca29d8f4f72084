"""The one manifest format: which files, which labels, which split.

A manifest is a CSV or Parquet table with one row a clip.  `path`, `label` and `split` are
required; `label_name`, `start`, `end`, `frame_count`, `fps` and `checksum` are known; every other
column is a *factor* and passes through untouched (speed, colour, camera, ...).  What a table may
hold is in `COLUMNS`; `schema()` gives it as a Table Schema, stored in `data_manifests/schema.json`.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vjepa_lib.errors import ConfigError, DataError

SPLITS = ("train", "val", "test")
#: Label of a clip whose class is not published (test sets); never valid for a probe.
UNLABELLED = -1

#: Known columns: (Table Schema type, required, meaning).
COLUMNS: dict[str, tuple[str, bool, str]] = {
    "path": ("string", True, "Video or image file, absolute or relative to the manifest's root."),
    "label": ("integer", True, "Class number from 0; -1 where no class is published."),
    "split": ("string", True, "train, val or test."),
    "label_name": ("string", False, "Name of the class; one name per label."),
    "start": ("number", False, "First second of the clip inside the file; empty: its start."),
    "end": ("number", False, "Last second of the clip inside the file; empty: its end."),
    "frame_count": ("integer", False, "Frames of the file."),
    "fps": ("number", False, "Frames per second of the file; 0 for a still image."),
    "checksum": ("string", False, "SHA-256 of the file, 64 hexadecimal digits."),
}
REQUIRED = tuple(name for name, (_, required, _) in COLUMNS.items() if required)


def schema() -> dict[str, Any]:
    """The format as a Table Schema (Frictionless Data), as stored in `schema.json`."""
    fields = []
    for name, (kind, required, meaning) in COLUMNS.items():
        constraints: dict[str, Any] = {"required": required}
        if name == "label":
            constraints["minimum"] = UNLABELLED
        elif name == "split":
            constraints["enum"] = list(SPLITS)
        elif name == "checksum":
            constraints["pattern"] = "[0-9a-f]{64}"
        elif kind in ("number", "integer"):
            constraints["minimum"] = 0
        fields.append(
            {"name": name, "type": kind, "description": meaning, "constraints": constraints}
        )
    return {
        "title": "Clip manifest",
        "description": "One row a clip; columns not listed here are factors of any type.",
        "fields": fields,
        "missingValues": [""],
        "primaryKey": ["path", "start", "end"],
    }


@dataclass(frozen=True)
class Manifest:
    """A validated table of clips.

    Attributes
    ----------
    table : DataFrame
        One row a clip, columns as in `COLUMNS` plus factors, index 0..n-1.
    root : Path
        Folder against which relative paths resolve.
    label_names : tuple of str
        Name of each class; position = label.
    source : str
        File the manifest came from, for messages.
    """

    table: pd.DataFrame
    root: Path
    label_names: tuple[str, ...] = ()
    source: str = field(default="manifest", compare=False)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def paths(self) -> list[Path]:
        """Full path of every row."""
        return [self.root / path for path in self.table["path"]]

    @property
    def labels(self) -> np.ndarray:
        """Class numbers, int64, [n]."""
        return self.table["label"].to_numpy(np.int64)

    @property
    def num_classes(self) -> int:
        """Number of classes, whether or not every one occurs in this table."""
        return len(self.label_names)

    @property
    def factors(self) -> list[str]:
        """Names of the extra columns."""
        return [name for name in self.table.columns if name not in COLUMNS]

    def select(self, rows: Sequence[int] | np.ndarray | pd.Series) -> Manifest:
        """The rows given by number or by a boolean mask, in that order."""
        rows = np.asarray(rows)
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        return replace(self, table=self.table.iloc[rows].reset_index(drop=True))

    def split(self, name: str) -> Manifest:
        """The rows of one split; an error if there are none."""
        if name not in SPLITS:
            raise ConfigError(f"Unknown split {name!r}; known: {', '.join(SPLITS)}.")
        chosen = self.select(self.table["split"] == name)
        if not len(chosen):
            have = ", ".join(sorted(self.table["split"].unique()))
            raise DataError(f"{self.source} has no rows in split {name!r}, only in {have}.")
        return chosen

    def digest(self) -> str:
        """SHA-256 over the rows and the files' identities.

        A row's file counts by its checksum where the manifest gives one, otherwise by its size
        and modification time, so that a changed file changes the digest.
        """
        content = hashlib.sha256()
        columns = sorted(self.table.columns)
        content.update(json.dumps([columns, list(self.label_names)]).encode())
        for record in self.table[columns].itertuples(index=False, name=None):
            content.update(repr([None if pd.isna(cell) else cell for cell in record]).encode())
        checksums = self.table.get("checksum")
        for row, path in enumerate(self.paths):
            if checksums is not None and isinstance(checksums.iloc[row], str):
                identity = str(path.is_file())
            else:
                identity = _identity(path)
            content.update(identity.encode())
        return content.hexdigest()


def _identity(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return "missing"
    return f"{status.st_size}:{status.st_mtime_ns}"


def checksum(path: str | Path) -> str:
    """SHA-256 of a file as 64 hexadecimal digits."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# --- validation -------------------------------------------------------------------------------


def _fail(source: str, row: int | None, column: str, problem: str) -> None:
    # Row numbers count as a text editor counts a CSV's lines: the header is line 1.
    place = f"{source}, column {column}" if row is None else f"{source}, line {row + 2}, {column}"
    raise DataError(f"{place}: {problem}")


def _first(mask: pd.Series | np.ndarray) -> int | None:
    found = np.flatnonzero(np.asarray(mask))
    return int(found[0]) if found.size else None


def _as_number(table: pd.DataFrame, name: str, source: str) -> pd.Series:
    column = table[name]
    numbers = pd.to_numeric(column, errors="coerce")
    bad = _first(numbers.isna() & column.notna() & (column.astype(str).str.strip() != ""))
    if bad is not None:
        _fail(source, bad, name, f"{column.iloc[bad]!r} is not a number; correct the cell.")
    return numbers.astype("float64")


def _as_integer(table: pd.DataFrame, name: str, source: str, least: int) -> pd.Series:
    numbers = _as_number(table, name, source)
    bad = _first(numbers.notna() & ((numbers % 1 != 0) | (numbers < least)))
    if bad is not None:
        _fail(
            source,
            bad,
            name,
            f"{table[name].iloc[bad]} is not a whole number of at least {least}; correct the cell.",
        )
    return numbers.astype("Int64")


def _validate(
    table: pd.DataFrame, source: str, classes: Sequence[str] | None
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    table = table.reset_index(drop=True).copy()
    for name in REQUIRED:
        if name not in table.columns:
            raise DataError(
                f"{source} lacks the column {name!r}; a manifest needs {', '.join(REQUIRED)},"
                f" and this one has {', '.join(map(str, table.columns))}."
            )
    if not len(table):
        raise DataError(f"{source} has no rows; a manifest needs at least one clip.")

    for name in ("path", "split"):
        empty = _first(table[name].isna() | (table[name].astype(str).str.strip() == ""))
        if empty is not None:
            _fail(source, empty, name, "the cell is empty; fill it in or remove the line.")
        table[name] = table[name].astype("str")
    bad = _first(~table["split"].isin(SPLITS))
    if bad is not None:
        known = ", ".join(SPLITS)
        _fail(source, bad, "split", f"unknown split {table['split'].iloc[bad]!r}; known: {known}.")

    labels = _as_integer(table, "label", source, least=UNLABELLED)
    empty = _first(labels.isna())
    if empty is not None:
        _fail(source, empty, "label", f"the cell is empty; write {UNLABELLED} for no label.")
    table["label"] = labels.astype("int64")

    for name in ("start", "end", "fps"):
        if name in table:
            table[name] = _as_number(table, name, source)
            bad = _first(table[name] < 0)
            if bad is not None:
                _fail(source, bad, name, f"{table[name].iloc[bad]} is negative; correct the cell.")
    if "start" in table and "end" in table:
        bad = _first(table["end"] <= table["start"])
        if bad is not None:
            _fail(source, bad, "end", "the clip ends before it starts; correct start or end.")
    if "frame_count" in table:
        table["frame_count"] = _as_integer(table, "frame_count", source, least=0)
    if "checksum" in table:
        table["checksum"] = table["checksum"].astype("str").str.lower()
        bad = _first(table["checksum"].notna() & ~table["checksum"].str.fullmatch(r"[0-9a-f]{64}|"))
        if bad is not None:
            _fail(source, bad, "checksum", "not a SHA-256 of 64 hexadecimal digits; recompute it.")
        table["checksum"] = table["checksum"].mask(table["checksum"] == "")

    key = [name for name in ("path", "start", "end") if name in table]
    twice = _first(table.duplicated(key))
    if twice is not None:
        same = (table["path"] == table["path"].iloc[twice]).to_numpy()
        earlier = _first(same)
        _fail(
            source,
            twice,
            "path",
            f"{table['path'].iloc[twice]!r} already stands in line {earlier + 2};"
            " remove one of the two.",
        )
    return table, _check_names(table, source, classes)


def _check_names(
    table: pd.DataFrame, source: str, classes: Sequence[str] | None
) -> tuple[str, ...]:
    """Label names, by position, from the class list given or from the column `label_name`."""
    if classes is not None:
        bad = _first(table["label"] >= len(classes))
        if bad is not None:
            _fail(
                source,
                bad,
                "label",
                f"label {table['label'].iloc[bad]} has no class; the class list has"
                f" {len(classes)} (0 to {len(classes) - 1}).",
            )
    names = {} if classes is None else dict(enumerate(classes))
    if "label_name" in table:
        table["label_name"] = table["label_name"].astype("str")
        pairs = table.loc[
            table["label_name"].notna() & (table["label"] != UNLABELLED), ["label", "label_name"]
        ].drop_duplicates()
        for row, label, name in pairs.itertuples():
            if names.setdefault(label, name) != name:
                _fail(
                    source,
                    row,
                    "label_name",
                    f"label {label} is called {name!r} here and {names[label]!r} elsewhere;"
                    " give it one name.",
                )
    count = len(classes) if classes is not None else int(table["label"].max()) + 1
    return tuple(names.get(label, str(label)) for label in range(count))


# --- reading and writing ----------------------------------------------------------------------


def make_manifest(
    rows: pd.DataFrame | Iterable[dict[str, Any]],
    root: str | Path = ".",
    classes: Sequence[str] | None = None,
    source: str = "manifest",
) -> Manifest:
    """A manifest from rows in memory, validated like one from a file.

    Parameters
    ----------
    rows : DataFrame or iterable of dict
        Columns as in `COLUMNS` plus factors.
    root : str or Path
        Folder against which relative paths resolve.
    classes : sequence of str or None
        Class names by label; None takes them from the column `label_name`.
    source : str
        Name used in messages.

    Raises
    ------
    DataError
        Naming source, line and column of the first cell that does not fit.
    """
    table = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    table, names = _validate(table, source, classes)
    return Manifest(table, Path(root), names, source)


def read_manifest(
    path: str | Path,
    root: str | Path | None = None,
    classes: Sequence[str] | None = None,
    check_files: bool = False,
) -> Manifest:
    """Read and validate a CSV or Parquet manifest.

    Parameters
    ----------
    path : str or Path
        `.csv` or `.parquet`.
    root : str, Path or None
        Folder of relative paths; None is the manifest's own folder.
    classes : sequence of str or None
        Class names by label; None takes them from the column `label_name`.
    check_files : bool
        Also demand that every file exists.

    Returns
    -------
    Manifest

    Raises
    ------
    DataError
        Naming file, line and column of the first thing that does not fit.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"The manifest {path} does not exist; build it or correct the path.")
    suffix = path.suffix.lower()
    try:
        if suffix == ".csv":
            text = {name: "str" for name in ("path", "split", "label_name", "checksum")}
            table = pd.read_csv(
                path, dtype=text, encoding="utf-8-sig", keep_default_na=False, na_values=[""]
            )
        elif suffix == ".parquet":
            table = pd.read_parquet(path)
        else:
            raise DataError(f"{path}: a manifest is a .csv or .parquet file, not {suffix!r}.")
    except DataError:
        raise
    except ImportError as error:
        raise DataError(
            f"{path}: reading Parquet needs pyarrow; run `pip install pyarrow` or use CSV."
        ) from error
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} cannot be read as a table ({reason}); rebuild it.") from error
    table, names = _validate(table, str(path), classes)
    manifest = Manifest(table, Path(root) if root is not None else path.parent, names, str(path))
    if check_files:
        missing = [row for row, file in enumerate(manifest.paths) if not file.is_file()]
        if missing:
            _fail(
                str(path),
                missing[0],
                "path",
                f"{manifest.paths[missing[0]]} does not exist ({len(missing)} of"
                f" {len(manifest)} files are missing); correct the paths or give their root.",
            )
    return manifest


def write_atomic(path: str | Path, text: str) -> Path:
    """Write a text file under a temporary name in its folder, then rename it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def write_manifest(manifest: Manifest, path: str | Path) -> Path:
    """Write a manifest as CSV or Parquet, atomically.

    Paths below the new file's folder are written relative to it, all others absolute, so that
    reading the file back needs no `root`.

    Parameters
    ----------
    manifest : Manifest
        Rows to write; class names become the column `label_name`.
    path : str or Path
        `.csv` or `.parquet`.

    Returns
    -------
    Path
        The file written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise DataError(f"{path}: a manifest is a .csv or .parquet file, not {suffix!r}.")
    table = manifest.table.copy()
    folder = Path(os.path.abspath(path.parent))
    absolute = [Path(os.path.abspath(file)) for file in manifest.paths]
    table["path"] = [
        file.relative_to(folder).as_posix() if file.is_relative_to(folder) else file.as_posix()
        for file in absolute
    ]
    if "label_name" not in table and manifest.label_names:
        names = dict(enumerate(manifest.label_names))
        table.insert(2, "label_name", [names.get(label) for label in table["label"]])
    order = [name for name in COLUMNS if name in table]
    table = table[order + [name for name in table.columns if name not in order]]
    if suffix == ".csv":
        return write_atomic(path, table.to_csv(index=False, lineterminator="\n"))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        table.to_parquet(partial, index=False)
        os.replace(partial, path)
    except ImportError as error:
        raise DataError(
            f"{path}: writing Parquet needs pyarrow; run `pip install pyarrow` or use CSV."
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return path


def read_path_label(
    path: str | Path,
    split: str,
    root: str | Path | None = None,
    classes: Sequence[str] | None = None,
) -> Manifest:
    """Import the `path label` text file of the V-JEPA code bases (one space, no header).

    Parameters
    ----------
    path : str or Path
        Text file; the last space of a line separates path and label, so paths may hold spaces.
    split : str
        Split given to every row.
    root, classes
        As in `read_manifest`.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"The list {path} does not exist; correct the path.")
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        file, _, label = line.rstrip().rpartition(" ")
        if not file or not label.lstrip("-").isdigit():
            raise DataError(
                f"{path}, line {number}: expected `path label` with a whole-number label,"
                f" not {line.strip()!r}."
            )
        rows.append({"path": file, "label": int(label), "split": split})
    if not rows:
        raise DataError(f"{path} has no lines; expected `path label` on each.")
    folder = Path(root) if root is not None else path.parent
    return make_manifest(rows, folder, classes, str(path))


def write_path_label(manifest: Manifest, path: str | Path, split: str | None = None) -> Path:
    """Export a `path label` text file with absolute paths, as V-JEPA's data loader reads it."""
    if split is not None:
        manifest = manifest.split(split)
    lines = [
        f"{os.path.abspath(file)} {label}\n"
        for file, label in zip(manifest.paths, manifest.labels, strict=True)
    ]
    return write_atomic(path, "".join(lines))


def concat(manifests: Sequence[Manifest]) -> Manifest:
    """Rows of several manifests in one; paths become absolute, label names must agree."""
    if not manifests:
        raise ConfigError("Give at least one manifest to join.")
    tables = []
    for manifest in manifests:
        table = manifest.table.copy()
        table["path"] = [os.path.abspath(file) for file in manifest.paths]
        tables.append(table)
    longest = max((manifest.label_names for manifest in manifests), key=len)
    for manifest in manifests:
        if longest[: len(manifest.label_names)] != manifest.label_names:
            raise DataError(
                f"{manifest.source} names its classes unlike the others; give them one class list."
            )
    return make_manifest(pd.concat(tables, ignore_index=True), "/", longest, "joined manifests")
