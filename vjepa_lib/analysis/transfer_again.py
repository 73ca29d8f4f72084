"""The same seeds on another machine: how far a score moves when only rounding differs.

`data_manifests/recorded/again/` holds readings of runs that are recorded already, trained once more
with the same code on another machine. They enter no table but this one.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from vjepa_lib.analysis import transfer_score
from vjepa_lib.analysis.transfer_evidence import Evidence
from vjepa_lib.study import transfer_recorded
from vjepa_lib.study.recorded import FOLDER

AGAIN = FOLDER / "again"


def again(e: Evidence, folder: Path = AGAIN) -> pd.DataFrame:
    """Scores of runs that were trained twice.

    Returns
    -------
    DataFrame, a row a run: `variant`, `seed`, `score` as recorded, `again` on the other machine,
    `gap`; empty without such runs.
    """
    second = transfer_recorded.load(folder=folder)
    columns = ["variant", "seed", "score", "again", "gap"]
    if second.empty:
        return pd.DataFrame(columns=columns)
    reference = e.readings[e.readings.kind == "supervised"]
    there = Evidence(pd.concat([second, reference]))
    keys = ["variant", "seed"]
    two = [transfer_score.scores(x.shares())[[*keys, "score"]] for x in (e, there)]
    out = two[0].merge(two[1].rename(columns={"score": "again"}), on=keys)
    return out.assign(gap=out.again - out.score)[columns].reset_index(drop=True)


def machines(e: Evidence, folder: Path = AGAIN) -> str | None:
    """How far scores of the same seeds lie apart on two machines."""
    table = again(e, folder)
    if len(table) < 2:
        return None
    return (
        f"The same seed on another machine is another draw: {len(table)} runs trained on two kinds "
        f"of machine differ by {table.gap.min():+.1f} to {table.gap.max():+.1f} points of the "
        f"score (mean {table.gap.mean():+.1f}, standard deviation {table.gap.std():.1f})."
    )
