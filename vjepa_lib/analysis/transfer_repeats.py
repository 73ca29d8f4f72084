"""The tuned contrast that the confirming seeds left open, asked again on others.

Ten seeds of their own test it, once; together with all seeds that had no part in the choice they
give an estimate (docs/analysis_plan.md, deviations).
"""

from __future__ import annotations

import pandas as pd

from vjepa_lib.analysis import transfer_score, transfer_tuned
from vjepa_lib.analysis.transfer_evidence import Evidence, against, once, small, told
from vjepa_lib.analysis.transfer_score import CONFIRMING_SEEDS, DECISIVE_SEEDS, FURTHER_SEEDS

AGAIN = ("ld+vclr", "vclr")
FURTHER, DECISIVE, ALL = "further", "decisive", "all"
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


def asked_again(e: Evidence) -> str | None:
    """The tuned contrast on ten seeds of its own, on the decisive ones, and on all together."""
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
            f"{told(row)}, above in {row.n_above:.0f} of {_of(row, DECISIVE_SEEDS)} decisive seeds"
        )
    if not said:
        return None
    row = rows[ALL]
    said.append(
        f"{told(row)} on all {row.n_seeds:.0f} that had no part in the choice (an estimate, not a "
        "test)"
    )
    return f"The same settings on other seeds: {against(row)} {'; '.join(said)}."


def _of(row, planned: tuple[int, ...]) -> str:
    few = row.n_seeds < len(planned)
    return f"{row.n_seeds:.0f}" + (f" (of {len(planned)} planned)" if few else "")
