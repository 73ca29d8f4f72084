"""The primary contrasts with other settings, and after a pretraining in another world.

What is varied here is looked at with seeds that the planned contrasts do not use, and is not part
of their family: it says whether the answer depends on a choice that was made for it.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from vjepa_lib.analysis import statistics, transfer_score, transfer_settings
from vjepa_lib.analysis.transfer_evidence import (
    Evidence,
    against,
    judged,
    of_pair,
    once,
    side,
    span,
    told,
)
from vjepa_lib.analysis.transfer_score import (
    CONFIRMING_SEEDS,
    DECISIVE,
    DECISIVE_SEEDS,
    FURTHER_SEEDS,
    PRIMARY,
    TITLES,
)
from vjepa_lib.analysis.transfer_settings import in_words
from vjepa_lib.datasets import worlds

OTHER_WORLD = "digits"
SIDES = {
    "below": "below",
    "above": "above",
    "same": "the same",
    "open": "undecided",
    "two kinds": "of two kinds",
}
LEAST_SEEDS = 3  # of a contrast that is said to be on a side


def settings(e: Evidence) -> list[str]:
    """What was changed in runs beside the study's own, one thing at a time, in tables' order.

    Rate and weight changed together belong to a grid of their own (`transfer_tuned`).
    """
    single = {c for c in e.runs.changed if c and not transfer_settings.rate_and_weight(c)}
    return sorted(single, key=transfer_settings.order)


def other_seeds(e: Evidence) -> tuple[int, ...]:
    """Seeds of the rendered worlds' runs that neither planned nor tuned contrasts use."""
    own = e.runs[e.runs.variant.isin(DECISIVE) & (e.runs.pretrained_on == "rendered")]
    apart = {*DECISIVE_SEEDS, *CONFIRMING_SEEDS, *FURTHER_SEEDS}
    return tuple(sorted(set(own.seed) - apart))


def setting_seeds(e: Evidence) -> tuple[int, ...]:
    """Those of `other_seeds` that have runs of other settings."""
    changed = e.runs[(e.runs.changed != "") & (e.runs.pretrained_on == "rendered")]
    return tuple(s for s in other_seeds(e) if s in set(changed.seed))


@once
def by_setting(e: Evidence) -> pd.DataFrame:
    """The primary contrasts with other settings, beside the study on the same seeds.

    Returns
    -------
    DataFrame of `transfer_score.contrasts` with `changed` ('' for the study itself), `planned` (the
    planned seeds, which come first and stand apart: all others are seeds that they do not use),
    `machines` (how many kinds its runs were made on) and `side`: 'above', 'below', 'same', 'open',
    'two kinds', or 'few' where two seeds say nothing; without correction but for the planned.
    """
    seeds = setting_seeds(e)
    tables = [e.contrasts().assign(changed="", planned=True)]
    for changed in ("", *settings(e)):
        found = e.contrasts(changed=changed, seeds=seeds)
        tables.append(found.assign(changed=changed, planned=False))
    found = pd.concat([t for t in tables if len(t)], ignore_index=True)
    # FWM's weight is no setting of LD + VCLR: that would be the study once more.
    found = found[[_concerned(r) for r in found.itertuples()]].reset_index(drop=True)
    sides = [
        side(r, corrected=r.planned) if r.n_seeds >= LEAST_SEEDS else "few"
        for r in found.itertuples()
    ]
    return found.assign(side=sides, machines=[_machines(e, r) for r in found.itertuples()])


def _concerned(row) -> bool:
    """Whether a setting means something to either side of a contrast; the study itself does."""
    sides = (row.whole, row.part)
    return not row.changed or any(transfer_settings.for_variant(v, row.changed) for v in sides)


def _machines(e: Evidence, row) -> int:
    """How many kinds of machine made the runs of a contrast: GPUs by name, processors as one."""
    seeds = DECISIVE_SEEDS if row.planned else setting_seeds(e)
    own = e.runs[e.runs.seed.isin(seeds) & (e.runs.pretrained_on == "rendered")]
    used = {v: transfer_settings.for_variant(v, row.changed) for v in (row.whole, row.part)}
    made = [set(own[(own.variant == v) & (own.changed == c)].gpu) for v, c in used.items()]
    return len(set.union(*made))


def on_other_seeds(e: Evidence) -> str | None:
    """Whether the planned contrasts come out alike on the seeds they do not use.

    Seeds with runs of other settings stand apart from those without: they were seen at other times.
    """
    if not e.has_decisive or not (others := other_seeds(e)):
        return None
    varied = setting_seeds(e)
    groups = [g for g in (varied, tuple(s for s in others if s not in varied)) if len(g) > 1]
    if not groups:
        return None
    tables = [(f"seeds {span(pd.Series(g))}", e.contrasts(seeds=g)) for g in groups]
    tables.append(("", e.contrasts(seeds=(*others, *DECISIVE_SEEDS))))
    said = []
    for row in e.contrasts().itertuples():
        told_here = []
        for name, table in tables:
            same = of_pair(table, row)
            if same.empty:
                continue
            found = next(same.itertuples())
            out = ", which leaves out that of the plan" if _leaves_out(found, row.effect) else ""
            told_here.append(f"{told(found)} on {name or f'all {found.n_seeds:.0f}'}{out}")
        said.append(f"{against(row)} {'; '.join(told_here)}")
    return (
        "On seeds that the planned contrasts do not use, at the study's weights and not corrected: "
        f"{'. '.join(said)}."
    )


def _leaves_out(row, effect: float) -> bool:
    """Whether a contrast has an interval, and an effect lies outside of it."""
    return not row.outcomes and not row.low <= effect <= row.high


def settings_that_turn(e: Evidence) -> str | None:
    """Which side every primary contrast is on with other settings."""
    if not e.has_decisive:
        return None
    found = by_setting(e)
    found = found[~found.planned & (found.n_seeds >= LEAST_SEEDS)]
    others = found[found.changed != ""]
    if others.empty:
        return None
    said = []
    for whole, part in PRIMARY:
        rows = found[(found.whole == whole) & (found.part == part)]
        study, rows = rows[rows.changed == ""], rows[rows.changed != ""]
        if rows.empty:
            continue
        words = []
        for where in SIDES:
            names = [in_words(r.changed) for r in rows.itertuples() if r.side == where]
            words += [f"{SIDES[where]} at {', '.join(names)}"] if names else []
        first = next(rows.itertuples())
        here = f" (the study itself: {SIDES[study.side.iloc[0]]})" if len(study) else ""
        said.append(f"{against(first)}{here}: {'; '.join(words)}")
    two = int((others.machines > 1).sum())
    mixed = f"; {two} of {len(others)} contrasts pair runs of two machines" if two else ""
    return (
        f"With {others.changed.nunique()} other settings, on {span(others.n_seeds)} seeds that "
        f"the plan does not use (suggestive: not corrected{mixed}). {'. '.join(said)}."
    )


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


@once
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
    return _choices(e, transfer_settings.chosen_among)


@once
def rates(e: Evidence) -> pd.DataFrame:
    """What each learning rate gives; of `weights`, with rates in the place of weights."""
    return _choices(e, transfer_settings.only_rate)


def last_looks(curves: pd.DataFrame, concerns: Callable[[str], bool]) -> pd.DataFrame:
    """What runs of the rendered worlds read of their sources in the end.

    Parameters
    ----------
    curves : of `transfer_recorded.curves`.
    concerns : of a setting; runs with others are left out.

    Returns
    -------
    The last row of every run's curve with looks at the sources, with `source`, validation accuracy,
    mean over tasks, in percent.
    """
    rows = curves[curves.pretrained_on == "rendered"]
    rows = rows[rows.changed.isin([c for c in rows.changed.unique() if concerns(c)])]
    looked = [f"source_{t}" for t in worlds.TASKS]
    last = rows.dropna(subset=looked).sort_values("step").groupby("run").tail(1)
    return last.assign(source=last[looked].mean(axis=1))


def ends(e: Evidence, concerns: Callable[[str], bool]) -> pd.DataFrame:
    """What runs of the rendered worlds read of their sources in the end, and their scores.

    Parameters
    ----------
    concerns : of a setting; runs with others are left out.

    Returns
    -------
    DataFrame, a row a run: `variant`, `changed`, `seed`, `source` (validation accuracy at the end
    of the training, mean over tasks, %), `score` (zero-shot transfer), `clips`, `points`. Empty
    where the study or all other settings are missing.
    """
    if e.curves.empty:
        return pd.DataFrame()
    last = last_looks(e.curves, concerns)
    scored = [transfer_score.scores(e.shares(changed=c)) for c in sorted(set(last.changed))]
    if len(scored) < 2:
        return pd.DataFrame()
    keys = ["variant", "changed", "seed"]
    found = last[[*keys, "source"]].merge(pd.concat(scored), on=keys)
    return found[[*keys, "source", "score", "clips", "points"]]


def _choices(e: Evidence, concerns: Callable[[str], bool]) -> pd.DataFrame:
    """`weights` of the settings that a predicate lets through, the study's own among them."""
    found = ends(e, concerns)
    if found.empty:
        return found
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
    return found[found.choosing | found.seed.isin(DECISIVE_SEEDS)]


def chosen_contrasts(table: pd.DataFrame) -> pd.DataFrame:
    """The primary contrasts when every variant has the weights that its source chose.

    Of seeds that took no part in the choice; of a combination that has not two of them with both
    of its parts, of those that did.

    Parameters
    ----------
    table : of `weights`.

    Returns
    -------
    Of `transfer_score.contrasts`, with `choosing`.
    """
    out = []
    for choosing in (False, True):
        own = table[table.chosen & (table.choosing == choosing)]
        found = transfer_score.contrasts(own, seeds=None, family="chosen weights")
        found = found[found.whole.isin(table[table.tried > 1].variant)]
        # Of one part alone nothing is said: the other may be missing, not equal.
        whole = found.groupby("whole").whole.transform("size") > 1
        told_before = {w for other in out for w in other.whole}
        found = found[whole.astype(bool) & ~found.whole.isin(told_before)]
        if len(found):
            out.append(
                statistics.in_families(found, name="chosen weights").assign(choosing=choosing)
            )
    return pd.concat(out, ignore_index=True) if out else found.iloc[:0].assign(choosing=False)


def settled(table: pd.DataFrame) -> dict[str, str]:
    """The setting that its source chose of every variant that had a choice.

    Parameters
    ----------
    table : of `weights`.
    """
    if table.empty:
        return {}
    rows = table[table.chosen & (table.tried > 1)].drop_duplicates("variant")
    return dict(zip(rows.variant, rows.changed, strict=True))


def _at(changed: str) -> str:
    return f"at {in_words(changed)}" if changed else in_words(changed)


SEEDS = {False: "that took no part in it", True: "of the choice itself"}


def _judged_choice(
    e: Evidence, table: pd.DataFrame
) -> tuple[pd.DataFrame, str, dict[str, str]] | None:
    """Contrasts at what the source chose, their verdicts, and every setting chosen, in words."""
    found = chosen_contrasts(table) if len(table) else table
    if found.empty:
        return None
    said = "; ".join(
        f"on {span(rows.n_seeds)} seeds {SEEDS[choosing]}: {judged(rows, e.margin)}"
        for choosing, rows in found.groupby("choosing", sort=False)
    )
    changed = settled(table)
    picked = {v: f"{TITLES[v]} {_at(changed[v])}" for v in DECISIVE if v in changed}
    return found, said, picked


def with_chosen_rates(e: Evidence) -> str | None:
    """The contrasts with the learning rate that the source chose of every objective."""
    table = rates(e)
    if not (choice := _judged_choice(e, table)):
        return None
    found, said, picked = choice
    asked = {*found.whole, *found.part}
    tried = span(table[table.variant.isin(asked) & (table.tried > 1)].tried, "or")
    return (
        f"With the learning rate chosen in the same way ({tried} rates each, asked after the "
        f"results: {', '.join(words for v, words in picked.items() if v in asked)}), {said}."
    )


def with_chosen_weights(e: Evidence) -> str | None:
    """Whether the answer depends on the weights: the contrasts with those the source chose."""
    table = weights(e)
    if not (choice := _judged_choice(e, table)):
        return None
    _, said, picked = choice
    compared = table[table.tried > 1]
    chose = compared[compared.choosing].seed.nunique()
    return (
        f"With weights chosen on the source's validation clips ({span(compared.tried, 'or')} "
        f"settings each on {chose} seeds: {', '.join(picked.values())}), {said}."
    )
