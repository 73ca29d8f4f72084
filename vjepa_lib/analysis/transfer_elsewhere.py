"""The primary contrasts with other settings, and after a pretraining in another world.

What is varied here is looked at with seeds that the planned contrasts do not use, and is not part
of their family: it says whether the answer depends on a choice that was made for it.
"""

from __future__ import annotations

import re

import pandas as pd

from vjepa_lib.analysis import transfer_score
from vjepa_lib.analysis.transfer_evidence import (
    Evidence,
    against,
    judged,
    number,
    side,
    told,
)
from vjepa_lib.analysis.transfer_score import DECISIVE, DECISIVE_SEEDS, TITLES
from vjepa_lib.datasets import worlds

OTHER_WORLD = "digits"


def settings(e: Evidence) -> list[str]:
    """What was changed in runs beside the study's own, in words."""
    return sorted(set(e.readings.changed) - {""})


def settings_that_turn(e: Evidence) -> str | None:
    """Under which settings a primary contrast changes its side, and what becomes of clear ones."""
    if not e.has_decisive:
        return None
    first = {(r.whole, r.part): side(r) for r in e.contrasts().itertuples()}
    tried, turned, kept, lost = [], [], {}, {}
    for changed in settings(e):
        found = e.contrasts(changed=changed, seeds=None)
        if found.empty:
            continue
        tried.append(changed)
        for row in found.itertuples():
            now, then = side(row, corrected=False), first[row.whole, row.part]
            if {now, then} == {"above", "below"}:
                turned.append(f"{against(row)} at {changed} ({number(row)})")
            elif then in ("above", "below"):
                where = kept if now == then else lost
                where.setdefault((against(row), then), []).append(f"{changed} ({told(row)})")
    if not tried:
        return None
    said = f"turn round: {'; '.join(turned)}" if turned else "are clearly turned round under none"
    for where, words in ((kept, "stays clearly"), (lost, "is no longer clearly")):
        for (name, way), places in where.items():
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


def weights(e: Evidence) -> pd.DataFrame:
    """What each weight of the terms gives: on the source's validation clips, and zero-shot.

    The setting of a variant with the best source is chosen, by the seeds that the planned contrasts
    do not use; neither test clips nor targets have a part in it.

    Returns
    -------
    DataFrame, a row a run: `variant`, `changed` ('' for the study's weights), `seed`, `source`
    (validation accuracy at the end of the training, mean over tasks, %), `score` (zero-shot
    transfer), `clips`, `points`, `tried` (settings of the variant), `chosen` (whether the run has
    the chosen setting), `choosing` (whether its seed took part in the choice). Empty without runs
    of other weights.
    """
    if e.curves.empty:
        return pd.DataFrame()
    rows = e.curves[e.curves.pretrained_on == "rendered"]
    rows = rows[[bool(re.fullmatch(r"(\w+ x[\d.]+(, )?)*", c)) for c in rows.changed]]
    looked = [f"source_{t}" for t in worlds.TASKS]
    last = rows.dropna(subset=looked).sort_values("step").groupby("run").tail(1)
    last = last.assign(source=last[looked].mean(axis=1))
    scored = [transfer_score.scores(e.shares(changed=c)) for c in sorted(set(last.changed))]
    if len(scored) < 2:
        return pd.DataFrame()
    keys = ["variant", "changed", "seed"]
    found = last[[*keys, "source"]].merge(pd.concat(scored), on=keys)
    found = found[found.variant.isin(DECISIVE)]
    choosing = ~found.seed.isin(DECISIVE_SEEDS)
    # The settings of a variant are compared by the seeds that all of them have.
    asked = found[choosing]
    asked = asked[asked.groupby("variant").changed.transform("nunique") > 1]
    if asked.empty:
        return pd.DataFrame()
    met = asked.groupby(["variant", "seed"]).changed.transform("nunique")
    asked = asked[met == asked.groupby("variant").changed.transform("nunique")]
    best = {
        variant: means.idxmax()[1]
        for variant, means in asked.groupby(["variant", "changed"]).source.mean().groupby(level=0)
    }
    # Where one setting was tried there was no choice, and the study's own stands.
    chosen = found.variant.map(best).fillna("")
    found = found.assign(
        tried=found.variant.map(asked.groupby("variant").changed.nunique()).fillna(1).astype(int),
        chosen=found.changed == chosen,
        choosing=found.seed.isin(asked.seed),
    )
    columns = [*keys, "source", "score", "clips", "points", "tried", "chosen", "choosing"]
    return found[found.choosing | found.seed.isin(DECISIVE_SEEDS)][columns]


def chosen_contrasts(table: pd.DataFrame) -> pd.DataFrame:
    """The primary contrasts when every variant has the weights that its source chose.

    Of seeds that took no part in the choice; before two of them are recorded, of those that did.

    Parameters
    ----------
    table : of `weights`.

    Returns
    -------
    Of `transfer_score.contrasts`, with `choosing`.
    """
    for choosing in (False, True):
        own = table[table.chosen & (table.choosing == choosing)]
        found = transfer_score.contrasts(own, seeds=None, family="chosen weights")
        found = found[found.whole.isin(table[table.tried > 1].variant)]
        # Of one part alone nothing is said: the other may be missing, not equal.
        if (found.groupby("whole").size() > 1).any():
            return found.assign(choosing=choosing)
    return found.iloc[:0].assign(choosing=False)


def in_words(changed: str) -> str:
    """'at LD x0.1' of 'ld x0.1', 'as in the study' of nothing changed."""
    if not changed:
        return "as in the study"
    return "at " + re.sub(r"\w+(?= x[\d.])", lambda found: found.group().upper(), changed)


def with_chosen_weights(e: Evidence) -> str | None:
    """Whether the answer depends on the weights: the contrasts with those the source chose."""
    table = weights(e)
    found = chosen_contrasts(table) if len(table) else table
    said = judged(found, e.margin) if len(found) else ""
    if not said:
        return None
    picked = ", ".join(
        f"{TITLES[r.variant]} {in_words(r.changed)}"
        for r in table[table.chosen].drop_duplicates("variant").itertuples()
        if r.tried > 1
    )
    fewest, most = found.n_seeds.min(), found.n_seeds.max()
    seeds = f"{fewest:.0f}" if fewest == most else f"{fewest:.0f} to {most:.0f}"
    kind = "seeds of the choice" if found.choosing.any() else "seeds that had no part in it"
    return (
        f"With weights chosen on the source's validation clips (up to {table.tried.max()} settings "
        f"each: {picked}), on {seeds} {kind}: {said}."
    )
