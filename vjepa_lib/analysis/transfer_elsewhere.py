"""The primary contrasts with other settings, and after a pretraining in another world.

What is varied here is looked at with seeds that the planned contrasts do not use, and is not part
of their family: it says whether the answer depends on a choice that was made for it.
"""

from __future__ import annotations

import re

import pandas as pd

from vjepa_lib.analysis import transfer_score
from vjepa_lib.analysis.transfer_evidence import Evidence, against, number, side, told
from vjepa_lib.analysis.transfer_score import DECISIVE, TITLES
from vjepa_lib.datasets import worlds

OTHER_WORLD = "digits"


def settings(e: Evidence) -> list[str]:
    """What was changed in runs beside the study's own, in words."""
    return sorted(set(e.readings.changed) - {""})


def settings_that_turn(e: Evidence) -> str | None:
    """Under which settings a primary contrast changes its side, and what becomes of clear ones."""
    if not e.has_decisive:
        return None
    tried, turned, kept, lost = [], [], {}, {}
    for changed in settings(e):
        found = e.contrasts(changed=changed, seeds=None)
        if found.empty:
            continue
        tried.append(changed)
        for row in found.itertuples():
            first = next(
                r for r in e.contrasts().itertuples() if (r.whole, r.part) == (row.whole, row.part)
            )
            now, then = side(row, corrected=False), side(first)
            if {now, then} == {"above", "below"}:
                turned.append(f"{against(row)} at {changed} ({number(row)})")
            elif then in ("above", "below"):
                where = kept if now == then else lost
                where.setdefault(f"{against(row)} {then}", []).append(f"{changed} ({told(row)})")
    if not tried:
        return None
    said = f"turn round: {'; '.join(turned)}" if turned else "are clearly turned round under none"
    for where, words in ((kept, "stays clearly"), (lost, "is no longer clearly")):
        for contrast, places in where.items():
            name, way = contrast.rsplit(" ", 1)
            said += f"; {name} {words} {way} at {', '.join(places)}"
    return f"With other settings ({', '.join(tried)}), primary contrasts {said}."


def other_direction(e: Evidence) -> str | None:
    """The primary contrasts of encoders that were pretrained on digits over photographs."""
    found = e.contrasts(seeds=None, on=OTHER_WORLD)
    if found.empty:
        return None
    said = ", ".join(f"{against(r)} {told(r)}" for r in found.itertuples())
    return (
        f"Pretrained on the held-out world's digits and read in the rendered worlds "
        f"({found.n_seeds.min():.0f} seeds, not corrected): {said}."
    )


def weights(e: Evidence, curves: pd.DataFrame) -> pd.DataFrame:
    """What each weight of the terms gives: on the source's validation clips, and zero-shot.

    The setting of a variant with the best source is marked as chosen; test clips and targets have
    no part in the choice.

    Parameters
    ----------
    curves : of `transfer_recorded.curves`, whose last `source_<task>` are read.

    Returns
    -------
    DataFrame, a row a run of the seeds that the settings share: `variant`, `changed` ('' for the
    study's weights), `seed`, `source` (validation accuracy, mean over tasks, %), `score` (zero-shot
    transfer), `clips`, `points`, `tried` (settings of the variant), `chosen`. Empty without runs of
    other weights.
    """
    rows = curves[curves.pretrained_on == "rendered"]
    rows = rows[[bool(re.fullmatch(r"(\w+ x[\d.]+(, )?)*", c)) for c in rows.changed]]
    looked = [f"source_{t}" for t in worlds.TASKS]
    last = rows.dropna(subset=looked).sort_values("step").groupby("run").tail(1)
    last = last.assign(source=last[looked].mean(axis=1))
    scored = [transfer_score.scores(e.shares(changed=c)) for c in sorted(set(last.changed))]
    if len(scored) < 2:
        return pd.DataFrame()
    keys = ["variant", "changed", "seed"]
    found = last[[*keys, "source"]].merge(pd.concat(scored), on=keys)
    other = found[found.changed != ""].groupby(["variant", "changed"]).seed.agg(set)
    found = found[found.seed.isin(set.intersection(*other)) & found.variant.isin(DECISIVE)]
    means = found.groupby(["variant", "changed"]).source.mean()
    best = {v: m.idxmax()[1] for v, m in means.groupby(level="variant")}
    tried = found.groupby("variant").changed.nunique()
    found = found.assign(
        tried=found.variant.map(tried),
        chosen=[best[v] == c for v, c in zip(found.variant, found.changed, strict=True)],
    )
    return found[[*keys, "source", "score", "clips", "points", "tried", "chosen"]]


def with_chosen_weights(table: pd.DataFrame) -> str | None:
    """The primary contrasts when every variant has the weights that its source chose.

    Parameters
    ----------
    table : of `weights`.
    """
    if table.empty:
        return None
    own = table[table.chosen]
    found = transfer_score.contrasts(own, seeds=None, family="chosen weights")
    found = found[[r.whole in _tuned(own) for r in found.itertuples()]]
    if found.empty:
        return None
    picked = ", ".join(
        f"{TITLES[r.variant]} {r.changed or 'as in the study'} of {r.tried} tried"
        for r in own.drop_duplicates("variant").itertuples()
        if r.tried > 1
    )
    said = ", ".join(f"{against(r)} {told(r)}" for r in found.itertuples())
    return (
        f"With weights chosen on the source's validation clips ({picked}; "
        f"{found.n_seeds.min():.0f} seeds, not corrected): {said}."
    )


def _tuned(own: pd.DataFrame) -> set[str]:
    return set(own[own.tried > 1].variant)
