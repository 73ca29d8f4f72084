"""Recorded measurements: tables that take minutes to measure, kept for who only reads.

`data_manifests/recorded/measured/<name>.csv` is what a measurement gave (`<name>_2.csv` the second
of its tables, and so on), `index.csv` says of which profile, by which commit and when. They are
made anew by `make notebooks MEASURE=1`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from vjepa_lib.errors import DataError
from vjepa_lib.provenance import provenance
from vjepa_lib.study.recorded import FOLDER as RECORDED
from vjepa_lib.study.recorded import read_table

FOLDER = RECORDED / "measured"
COLUMNS = ("name", "tables", "profile", "commit", "date", "cpu")

Tables = pd.DataFrame | tuple[pd.DataFrame, ...]


def index(folder: Path = FOLDER) -> pd.DataFrame:
    """What is recorded, a row per measurement."""
    path = folder / "index.csv"
    return read_table(path) if path.exists() else pd.DataFrame(columns=list(COLUMNS))


def _path(folder: Path, name: str, number: int) -> Path:
    return folder / (f"{name}.csv" if number == 0 else f"{name}_{number + 1}.csv")


def read(name: str, folder: Path = FOLDER) -> Tables:
    """A recorded measurement, one table or as many as it has.

    Raises
    ------
    DataError : it is not recorded.
    """
    table = index(folder)
    row = table[table.name == name]
    paths = [_path(folder, name, k) for k in range(int(row.tables.iloc[0]) if len(row) else 0)]
    if not paths or not all(path.exists() for path in paths):
        raise DataError(
            f"The measurement {name} is not recorded in {folder}: set LIVE = True to measure it, "
            f"or take it from the repository."
        )
    found = tuple(read_table(path) for path in paths)
    return found[0] if len(found) == 1 else found


def record(
    name: str, profile: str, measure: Callable[..., Tables], *args: Any, **options: Any
) -> Tables:
    """Measure, and keep what comes out; returns it as `read` will.

    Parameters
    ----------
    name : of the measurement, a file name.
    profile : whose sizes are measured.
    measure : gives one table or several; what follows is handed on to it, `folder` apart.
    """
    folder = Path(options.pop("folder", FOLDER))
    found = measure(*args, **options)
    tables = found if isinstance(found, tuple) else (found,)
    folder.mkdir(parents=True, exist_ok=True)
    for number, table in enumerate(tables):
        table.to_csv(_path(folder, name, number), index=False, float_format="%.6g")
    facts = provenance()
    row = {"name": name, "tables": len(tables), "profile": profile}
    row |= {k: facts[k] for k in ("commit", "date", "cpu")}
    old = index(folder)
    rows = [*old[old.name != name].to_dict("records"), row]
    rows.sort(key=lambda r: r["name"])
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(folder / "index.csv", index=False)
    return read(name, folder)
