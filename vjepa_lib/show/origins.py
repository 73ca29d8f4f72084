"""Where a session's numbers come from: the artefacts of live runs, or the recorded tables."""

from __future__ import annotations

import pandas as pd

from vjepa_lib.show import report
from vjepa_lib.show.notebook import Notebook
from vjepa_lib.study import kept, measured, recorded, transfer_recorded


def _span(values: pd.Series) -> str:
    return ", ".join(str(v) for v in sorted(set(values.astype(int))))


def _line(what: str, table: pd.DataFrame, profile: str, seeds: str) -> dict:
    commits = ", ".join(dict.fromkeys(table.commit.astype(str).str[:7]))
    row = {"recorded": what, "profile": profile, "number": len(table)}
    return row | {"seeds": seeds, "commits": commits}


def records() -> pd.DataFrame:
    """What notebooks read: `recorded`, `profile`, `number`, `seeds`, `commits`, a row a record."""
    rows = []
    size = recorded.PROFILE
    for what, table in (
        ("runs", recorded.runs(size)),
        ("runs of the transfer study", transfer_recorded.runs(size)),
    ):
        if len(table):
            rows.append(_line(what, table, size, _span(table.seed)))
    for (profile, of), part in kept.index().groupby(["profile", "study"], sort=False):
        with_weights = part[part.sha256 != ""]
        for what, table in (("curves", part), ("encoders", with_weights)):
            if len(table):
                rows.append(_line(f"{what} ({of} study)", table, profile, _span(table.seed)))
    for profile, part in measured.index().groupby("profile", sort=False):
        rows.append(_line("measurements", part, profile, "–"))
    return pd.DataFrame(rows)


def overview(nb: Notebook) -> pd.DataFrame:
    """Live: every figure and table made so far; reading: the records that notebooks read."""
    return report.overview(report.entries(nb.out.folder)) if nb.live else records()


def summary(nb: Notebook) -> str:
    """How much there is, and from how many runs and commits it comes."""
    if nb.live:
        return report.summary(report.entries(nb.out.folder))
    table = records()
    commits = {c for cell in table.commits for c in cell.split(", ")}
    return f"{table.number.sum()} records in {len(table)} tables, made by {len(commits)} commits"
