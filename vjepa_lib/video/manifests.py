"""The one manifest format: which files, which labels, which split.

A manifest is a CSV or Parquet table with one row a clip.  `path`, `label` and `split` are
required; `label_name`, `start`, `end`, `frame_count`, `fps` and `checksum` are known; every other
column is a *factor* and passes through untouched (speed, colour, camera, ...).  What a table may
hold is in `manifest_format`.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import uuid
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vjepa_lib.errors import ConfigError, DataError, shown
from vjepa_lib.video.manifest_format import COLUMNS, LIMITS, SPLITS, UNLABELLED, schema, validate

__all__ = [
    "COLUMNS",
    "SPLITS",
    "UNLABELLED",
    "Manifest",
    "checksum",
    "concat",
    "make_manifest",
    "read_manifest",
    "read_path_label",
    "schema",
    "write_atomic",
    "write_manifest",
    "write_path_label",
]


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
                identity = str(os.path.isfile(path))
            else:
                identity = _identity(path)
            content.update(identity.encode())
        return content.hexdigest()


def _identity(path: Path) -> str:
    try:
        status = path.stat()
    except (OSError, ValueError):  # ValueError: no file can have such a name
        return "missing"
    return f"{status.st_size}:{status.st_mtime_ns}"


def checksum(path: str | Path) -> str:
    """SHA-256 of a file as 64 hexadecimal digits."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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
    if isinstance(rows, pd.DataFrame):
        table = rows
    else:
        rows = list(rows)
        try:
            table = pd.DataFrame(rows)
        except UnicodeEncodeError as error:  # a file name of other bytes, as the system gives it
            raise DataError(
                f"{source}: {shown(error.object)} holds bytes that are no UTF-8, which a manifest"
                " cannot; rename the file."
            ) from error
    table, names = validate(table, source, classes)
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
    if not os.path.isfile(path):
        raise DataError(f"The manifest {path} does not exist; build it or correct the path.")
    suffix = path.suffix.lower()
    try:
        if suffix == ".csv":
            table = _read_csv(path)
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
    table, names = validate(table, str(path), classes)
    manifest = Manifest(table, Path(root) if root is not None else path.parent, names, str(path))
    if check_files:
        missing = [row for row, file in enumerate(manifest.paths) if not os.path.isfile(file)]
        if missing:
            raise DataError(
                f"{path}, line {missing[0] + 2}, path: {manifest.paths[missing[0]]} does not exist"
                f" ({len(missing)} of {len(manifest)} files are missing); correct the paths or give"
                " their root."
            )
    return manifest


def _read_csv(path: Path) -> pd.DataFrame:
    """A CSV file as a table; pandas mends doubtful files silently, this refuses them."""
    text = {name: "str" for name in ("path", "split", "label_name", "checksum")}
    with path.open(newline="", encoding="utf-8-sig") as stream:
        header = next(csv.reader(stream), [])
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:  # pandas would call the second one `label.1`
        raise DataError(f"{path} has the column {shown(twice)} twice; remove or rename one.")
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
        return pd.read_csv(
            path,
            dtype={name: kind for name, kind in text.items() if name in header},
            encoding="utf-8-sig",
            keep_default_na=False,
            na_values=[""],
            index_col=False,
            low_memory=False,
        )


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
        text = table.to_csv(index=False, lineterminator="\n")
        if "\r" in text:  # some versions of Python leave such a cell without quotation marks
            quoted = csv.QUOTE_NONNUMERIC
            text = table.to_csv(index=False, lineterminator="\n", quoting=quoted)
        return write_atomic(path, text)
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
    if not os.path.isfile(path):
        raise DataError(f"The list {path} does not exist; correct the path.")
    try:
        # Not splitlines(): a file's name may hold the other characters that it splits at.
        lines = path.read_bytes().decode("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as UTF-8 text ({error}); save it as such.") from (
            error
        )
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        file, _, label = line.rstrip().rpartition(" ")
        if not file.strip() or not re.fullmatch(r"-?[0-9]{1,18}", label, re.ASCII):
            raise DataError(
                f"{path}, line {number}: expected `path label` with a whole-number label,"
                f" not {shown(line.strip())}."
            )
        least, most = UNLABELLED, LIMITS["label"]
        if not least <= int(label) <= most:
            raise DataError(
                f"{path}, line {number}: label {label} is outside {least} to {most:,}; correct it."
            )
        rows.append({"path": file, "label": int(label), "split": split})
    if not rows:
        raise DataError(f"{path} has no lines; expected `path label` on each.")
    folder = Path(root) if root is not None else path.parent
    return make_manifest(rows, folder, classes, str(path))


def write_path_label(manifest: Manifest, path: str | Path, split: str | None = None) -> Path:
    """Export a `path label` text file with absolute paths, as V-JEPA's data loader reads it.

    Raises
    ------
    DataError
        A path holds a line break, which such a list cannot hold.
    """
    if split is not None:
        manifest = manifest.split(split)
    for row, file in enumerate(manifest.paths):
        if set("\n\r\0") & set(os.fspath(file)):
            raise DataError(
                f"{manifest.source}, row {row + 1}{f' of {split}' if split else ''}: the path"
                f" {shown(manifest.table['path'].iloc[row])} holds a line break, which a `path"
                " label` list cannot; rename the file or write .csv."
            )
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
