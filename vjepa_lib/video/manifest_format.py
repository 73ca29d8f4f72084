"""What a manifest may hold: its columns, their limits, and the check of a whole table.

`schema()` gives the format as a Table Schema, stored in `data_manifests/schema.json`.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike, fspath
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from vjepa_lib.errors import DataError, shown

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
#: Largest values taken.  A larger one is a mistake of the table: every class below the largest
#: label takes a place in a probe, and no video has so many frames or seconds.
LIMITS = {"label": 99_999, "frame_count": 2**31 - 1, "start": 1e7, "end": 1e7, "fps": 1e5}
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
        if name in LIMITS:
            constraints["maximum"] = LIMITS[name]
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


# --- the check of a table -----------------------------------------------------------------------


def _fail(source: str, row: int | None, column: str, problem: str) -> NoReturn:
    # Row numbers count as a text editor counts a CSV's lines: the header is line 1.
    place = f"{source}, column {column}" if row is None else f"{source}, line {row + 2}, {column}"
    raise DataError(f"{place}: {problem}")


def _first(mask: pd.Series | np.ndarray) -> int | None:
    found = np.flatnonzero(np.asarray(mask, dtype=bool))
    return int(found[0]) if found.size else None


def _filled(cell: Any) -> bool:
    """Whether a cell holds anything."""
    if isinstance(cell, str):
        return bool(cell.strip())
    return not (cell is None or cell is pd.NA or cell is pd.NaT or cell != cell)


def _as_text(table: pd.DataFrame, name: str, source: str) -> pd.Series:
    """A column as text; an empty cell stays empty."""
    column = table[name]
    if isinstance(column.dtype, pd.StringDtype):
        return column.astype("str")
    cells: list[str | None] = []
    for row, cell in enumerate(column.tolist()):
        if not isinstance(cell, str) and not _filled(cell):
            cells.append(None)
            continue
        if isinstance(cell, PathLike):
            cell = fspath(cell)
        if isinstance(cell, (int, float)) and not isinstance(cell, bool):
            cell = str(cell)
        if not isinstance(cell, str):
            _fail(source, row, name, f"{shown(cell)} is not text; correct the cell.")
        try:
            cell.encode()
        except UnicodeEncodeError:
            _fail(
                source,
                row,
                name,
                f"{shown(cell)} holds bytes that are no UTF-8, which a manifest cannot; rename it.",
            )
        cells.append(cell)
    return pd.Series(cells, index=column.index, dtype="str")


def _as_number(table: pd.DataFrame, name: str, source: str) -> pd.Series:
    column = table[name]
    kind = column.dtype.kind if isinstance(column.dtype, np.dtype) else "O"
    if kind in "bcmM":  # true and false, complex numbers, times
        _fail(source, 0, name, f"{shown(column.iloc[0])} is not a number; correct the column.")
    if kind == "O" and not isinstance(column.dtype, pd.StringDtype):
        # A whole number of any length: larger than every limit, and than what pandas converts.
        cells = column.tolist()
        cells = [float("inf") if isinstance(c, int) and abs(c) >= 2**63 else c for c in cells]
        column = pd.Series(cells, index=column.index, dtype="object")
    numbers = pd.to_numeric(column, errors="coerce").astype("float64")
    bad = None
    if kind == "O":
        cells = column.tolist()
        odd = np.array([_filled(cell) for cell in cells]) & numbers.isna().to_numpy()
        bad = _first(odd | np.array([isinstance(cell, bool) for cell in cells]))
    if bad is not None:
        _fail(source, bad, name, f"{shown(column.iloc[bad])} is not a number; correct the cell.")
    bad = _first(numbers > LIMITS[name])
    if bad is not None:
        _fail(
            source,
            bad,
            name,
            f"{shown(column.iloc[bad])} is larger than {LIMITS[name]:,.0f}, the largest value"
            " taken; correct the cell.",
        )
    return numbers


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


def validate(
    table: pd.DataFrame, source: str, classes: Sequence[str] | None
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """A table with every column of its type, and the class names by label.

    Parameters
    ----------
    table : DataFrame
        Columns as in `COLUMNS` plus factors.
    source : str
        Name used in messages.
    classes : sequence of str or None
        Class names by label; None takes them from the column `label_name`.

    Raises
    ------
    DataError
        Naming source, line and column of the first cell that does not fit.
    """
    table = table.reset_index(drop=True).copy()
    table.columns = table.columns.map(str)
    twice = _first(table.columns.duplicated())
    if twice is not None:
        raise DataError(
            f"{source} has the column {shown(table.columns[twice])} twice; remove or rename one."
        )
    for name in REQUIRED:
        if name not in table.columns:
            have = ", ".join(map(str, table.columns))
            raise DataError(
                f"{source} lacks the column {name!r}; a manifest needs {', '.join(REQUIRED)},"
                f" and this one has {have[:300]}."
            )
    if not len(table):
        raise DataError(f"{source} has no rows; a manifest needs at least one clip.")

    for name in ("path", "split"):
        table[name] = _as_text(table, name, source)
        empty = _first(table[name].isna() | (table[name].str.strip() == ""))
        if empty is not None:
            _fail(source, empty, name, "the cell is empty; fill it in or remove the line.")
    bad = _first(~table["split"].isin(SPLITS))
    if bad is not None:
        known = ", ".join(SPLITS)
        wrong = shown(table["split"].iloc[bad])
        _fail(source, bad, "split", f"unknown split {wrong}; known: {known}.")

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
        table["checksum"] = _as_text(table, "checksum", source).str.lower()
        bad = _first(table["checksum"].notna() & ~table["checksum"].str.fullmatch(r"[0-9a-f]{64}|"))
        if bad is not None:
            _fail(source, bad, "checksum", "not a SHA-256 of 64 hexadecimal digits; recompute it.")
        table["checksum"] = table["checksum"].mask(table["checksum"] == "")
    _check_twice(table, source)
    return table, _check_names(table, source, classes)


def _check_twice(table: pd.DataFrame, source: str) -> None:
    key = [name for name in ("path", "start", "end") if name in table]
    twice = _first(table.duplicated(key))
    if twice is not None:
        same = (table[key].fillna(-1) == table[key].fillna(-1).iloc[twice]).all(axis=1)
        _fail(
            source,
            twice,
            "path",
            f"{shown(table['path'].iloc[twice])} already stands in line {_first(same) + 2};"
            " remove one of the two.",
        )


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
    labels = {name: label for label, name in names.items()}
    if len(labels) < len(names):
        twice = next(name for label, name in names.items() if labels[name] != label)
        raise DataError(f"{source}: two classes are called {shown(twice)}; name them apart.")
    if "label_name" in table:
        table["label_name"] = _as_text(table, "label_name", source)
        pairs = table.loc[
            table["label_name"].notna() & (table["label"] != UNLABELLED), ["label", "label_name"]
        ].drop_duplicates()
        for row, label, name in pairs.itertuples():
            if names.setdefault(label, name) != name:
                _fail(
                    source,
                    row,
                    "label_name",
                    f"label {label} is called {shown(name)} here and {shown(names[label])}"
                    " elsewhere; give it one name.",
                )
            if labels.setdefault(name, label) != label:
                _fail(
                    source,
                    row,
                    "label_name",
                    f"{shown(name)} is label {label} here and label {labels[name]} elsewhere; give"
                    " each class its own name.",
                )
    count = len(classes) if classes is not None else int(table["label"].max()) + 1
    return tuple(names.get(label, str(label)) for label in range(count))
