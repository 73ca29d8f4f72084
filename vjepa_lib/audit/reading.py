"""CSV files of published tables, read so that a fault is told by file, line and column."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from vjepa_lib.errors import DataError
from vjepa_lib.provenance import ROOT

FOLDER = Path("data_manifests") / "published"


def find_folder(folder: str | Path | None = None) -> Path:
    """Folder of the published tables: the one given, else that of this checkout.

    Without an argument the checkout the package lies in is tried, then the working directory and
    the folders above it.

    Raises
    ------
    DataError : no such folder.
    """
    if folder is not None:
        if Path(folder).is_dir():
            return Path(folder)
        raise DataError(f"There is no folder {folder}: give the one that holds the published csv.")
    for base in (ROOT, Path.cwd(), *Path.cwd().parents):
        if (base / FOLDER).is_dir():
            return base / FOLDER
    raise DataError(
        f"{FOLDER} was not found above {Path.cwd()}: run from a checkout of the repository or "
        "pass the path of the table."
    )


def read_columns(path: str | Path, required: Sequence[str], **options) -> pd.DataFrame:
    """Read a CSV file that must have some columns.

    Parameters
    ----------
    options : of `pandas.read_csv`.

    Raises
    ------
    DataError : the file cannot be read as a table, or lacks a column.
    """
    try:
        table = pd.read_csv(path, **options)
    except (OSError, ValueError) as error:  # what the parser raises are ValueErrors
        raise DataError(
            f"{path} cannot be read as a table ({str(error).splitlines()[0]}): give a CSV file "
            f"with the columns {', '.join(required)}."
        ) from None
    need_columns(table, required, str(path))
    return table


def need_columns(table: pd.DataFrame, required: Sequence[str], name: str) -> None:
    """Raise DataError unless a table has all columns."""
    missing = [c for c in required if c not in table]
    if missing:
        raise DataError(f"{name} lacks the column(s) {', '.join(missing)}: add them.")


def read_table(
    path: str | Path | None, name: str, required: Sequence[str]
) -> tuple[pd.DataFrame, Path]:
    path = find_folder() / name if path is None else Path(path)
    table = read_columns(path, required, dtype=str, keep_default_na=False)
    if table.empty:
        raise DataError(f"{path} has a header and no rows: add at least one.")
    return table, path


def place(path: Path, bad: pd.Series, column: str) -> str:
    """'file, line N, column' of the first bad row; the header is line 1."""
    return f"{path}, line {int(np.flatnonzero(bad.to_numpy())[0]) + 2}, {column}"


def numbers(table: pd.DataFrame, column: str, path: Path, needed: bool) -> pd.Series:
    text = table[column].astype("string").str.strip()
    values = pd.to_numeric(text.where(text != ""), errors="coerce")
    bad = values.isna() & (needed | (text.fillna("") != ""))
    if bad.any():
        found = text[bad].iloc[0]
        raise DataError(f"{place(path, bad, column)}: {found!r} is not a number; correct it.")
    return values
