"""The tuned contrast that the confirming seeds left open, asked again on others.

Ten seeds of their own test it, once; together with all seeds that had no part in the choice they
give an estimate (docs/analysis_plan.md, deviations).
"""

from __future__ import annotations

import pandas as pd

from vjepa_lib.analysis import transfer_score, transfer_tasks, transfer_tuned
from vjepa_lib.analysis.transfer_evidence import Evidence, against, minus, once, small, told
from vjepa_lib.analysis.transfer_score import CONFIRMING_SEEDS, DECISIVE_SEEDS, FURTHER_SEEDS
from vjepa_lib.analysis.transfer_tasks import ByTask

AGAIN = ("ld+vclr", "vclr")
FURTHER, DECISIVE, ALL = "further", "decisive", "all"
EVERY = "both tuned (all other seeds)"
SEEDS = {
    FURTHER: FURTHER_SEEDS,
    DECISIVE: DECISIVE_SEEDS,
    ALL: (*CONFIRMING_SEEDS, *DECISIVE_SEEDS, *FURTHER_SEEDS),
}


@once
def contrasts(e: Evidence) -> pd.DataFrame:
    """The contrast on seeds of each kind, at the settings that the sources chose.

    Returns
    -------
    DataFrame of `transfer_score.contrasts` with `seeds`: 'further' (the only one that is a test),
    'decisive', 'all'. Kinds without two seeds are left out; empty before the grids are whole.
    """
    tables = []
    for name, seeds in SEEDS.items():
        table = transfer_tuned.scores(e, seeds=seeds)
        if table.empty:
            continue
        found = transfer_score.contrasts(table, [AGAIN], seeds, (), f"{name} seeds", e.margin)
        tables.append(found.assign(seeds=name))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


@once
def by_task(e: Evidence) -> ByTask | None:
    """The contrast on all seeds that had no part in the choice, task by task."""
    return transfer_tasks.by_task(transfer_tuned.scores(e, by=("task",), seeds=SEEDS[ALL]), AGAIN)


def ways(e: Evidence) -> pd.DataFrame:
    """`transfer_tuned.ways`, with the contrast on all seeds without a part in the choice."""
    table, found = transfer_tuned.ways(e), contrasts(e)
    if found.empty or FURTHER not in set(found.seeds):
        return table
    row = found[found.seeds == ALL]
    row = row.assign(setting=EVERY, contrast=[minus(r) for r in row.itertuples()])
    return pd.concat([table, row[table.columns]], ignore_index=True)


def asked_again(e: Evidence) -> str | None:
    """The tuned contrast on all seeds without a part in the choice, and by when they were asked."""
    if transfer_tuned.contrasts(e).empty or (found := contrasts(e)).empty:
        return None
    rows = {r.seeds: r for r in found.itertuples()}
    said = []
    if row := rows.get(FURTHER):
        same = f"; the same within {e.margin:.2g} points" if row.equivalent else ""
        p = "" if row.outcomes else f" (p {small(row.p)}{same})"
        said.append(
            f"{told(row)}{p}, above in {row.n_above:.0f} of {_of(row, FURTHER_SEEDS)} seeds kept "
            "for this one test"
        )
    if row := rows.get(DECISIVE):
        said.append(
            f"{told(row)}, above in {row.n_above:.0f} of {_of(row, DECISIVE_SEEDS)} decisive "
            "seeds, on which the combination had been seen"
        )
    if not said:
        return None
    row = rows[ALL]
    apart = by_task(e)
    tasks = f" By task: {apart.text()}." if apart else ""
    return (
        f"The same settings on all {row.n_seeds:.0f} seeds that had no part in the choice (an "
        f"estimate, not a test): {against(row)} {told(row)}. Of these, asked after the first five: "
        f"{'; '.join(said)}.{tasks}"
    )


def _of(row, planned: tuple[int, ...]) -> str:
    few = row.n_seeds < len(planned)
    return f"{row.n_seeds:.0f}" + (f" (of {len(planned)} planned)" if few else "")
