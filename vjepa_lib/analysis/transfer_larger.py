"""The transfer study one size up (`study.transfer_medium`): the primary contrasts, asked again.

Of plain accuracy, as no ceiling of this size is recorded, and on all seeds of this size. Once at
the study's weights and once at those that the small size chose, in which nothing of the larger one
had a part (docs/analysis_plan.md); each is a Holm family of its own.
"""

from __future__ import annotations

import pandas as pd

from vjepa_lib.analysis import statistics, transfer_learned, transfer_score
from vjepa_lib.analysis.transfer_elsewhere import settled, weights
from vjepa_lib.analysis.transfer_evidence import Evidence, judged, once, side, ways
from vjepa_lib.analysis.transfer_score import DECISIVE, DECISIVE_SEEDS, PRIMARY, TITLES
from vjepa_lib.analysis.transfer_settings import in_words
from vjepa_lib.datasets import worlds
from vjepa_lib.study import transfer_medium

STUDY, CHOSEN = "as in the study", "as the small size chose"
UNTRAINED = "random_init"
LEAST_SEEDS = 3  # of a mean with an interval


@once
def settings(e: Evidence) -> dict[str, dict[str, str]]:
    """Whose weights -> variant -> what is changed in it; '' for nothing."""
    plain = dict.fromkeys(DECISIVE, "")
    return {STUDY: plain, CHOSEN: plain | settled(weights(e))}


@once
def accuracies(e: Evidence, reading: str = "zero-shot") -> pd.DataFrame:
    """Accuracies of the larger encoders at the study's weights and at the chosen ones.

    Parameters
    ----------
    e : of both sizes; the small one chose the weights.
    reading : one of `transfer_score.READINGS`.

    Returns
    -------
    DataFrame of `transfer_score.accuracies` with `weights`; empty without recorded runs.
    """
    tables = [pd.DataFrame(columns=["variant", "seed", "score", "weights"])]
    if e.larger is None:
        return tables[0]
    for whose, changed in settings(e).items():
        for words in dict.fromkeys(changed.values()):
            found = transfer_score.accuracies(e.larger.own(words), reading)
            here = [v for v in found.variant if changed.get(v) == words]
            found = found[found.variant.isin(here)]
            if len(found):
                tables.append(found.assign(weights=whose))
    return pd.concat(tables[1:] or tables, ignore_index=True)


@once
def contrasts(e: Evidence, reading: str = "zero-shot") -> pd.DataFrame:
    """The primary contrasts of `accuracies`; Holm within whose weights.

    Returns
    -------
    DataFrame of `transfer_score.contrasts` with `weights`; contrasts without two common seeds are
    left out.
    """
    out = [pd.DataFrame(columns=["whole", "part", "weights", "n_seeds"])]
    changed = settings(e)
    for whose, rows in accuracies(e, reading).groupby("weights", sort=False):
        # What no choice has changed is told at the study's weights.
        own = [p for p in PRIMARY if whose == STUDY or any(changed[whose][v] for v in p)]
        family = f"one size up, {whose}"
        found = transfer_score.contrasts(rows, own, None, (), family, e.margin)
        if len(found):
            out.append(found.assign(weights=whose))
    return pd.concat(out[1:] or out, ignore_index=True)


def levels(e: Evidence) -> pd.DataFrame:
    """Mean accuracies with t intervals, a row a variant and setting, the untrained encoder first.

    Returns
    -------
    DataFrame with `variant`, `weights`, `setting` (in words) and those of
    `transfer_score.interval`, whose ends are NaN below `LEAST_SEEDS` seeds. An objective whose
    weights the choice left alone stands once.
    """
    table, changed, out = accuracies(e), settings(e), []
    if e.larger is not None:
        plain = transfer_score.accuracies(e.larger.own())
        rows = plain[plain.variant == UNTRAINED].score
        if len(rows):
            named = {"variant": UNTRAINED, "weights": STUDY, "setting": "untrained"}
            out.append(named | transfer_score.interval(rows))
    for variant in DECISIVE:
        for whose in changed:
            words = changed[whose][variant]
            rows = table[(table.variant == variant) & (table.weights == whose)]
            if rows.empty or (whose == CHOSEN and not words):
                continue
            named = {"variant": variant, "weights": whose, "setting": in_words(words)}
            out.append(named | transfer_score.interval(rows.score))
    found = pd.DataFrame(out)
    if len(found):
        found.loc[found.n_seeds < LEAST_SEEDS, ["low", "high"]] = float("nan")
    return found


def one_size_up(e: Evidence) -> str | None:
    """Whether the answer holds at the larger size, at both kinds of weights."""
    found = contrasts(e)
    said = []
    for whose, rows in found.groupby("weights", sort=False):
        if verdicts := judged(rows, e.margin):
            said.append(f"with weights {whose} ({_seeds(rows)} seeds) {verdicts}")
    if not said:
        return None
    size = transfer_medium.PROFILE.encoder
    made_on = sorted(set(e.larger.readings.gpu) - {"none"})
    return (
        f"One size up (clips of {size.height} px and {size.frames} frames, an encoder of width "
        f"{size.width} and depth {size.depth}{', on '.join(['', *made_on])}; points of accuracy), "
        f"{'. At the same size, '.join(said)}."
    )


def turned(e: Evidence) -> str | None:
    """Which planned contrasts lie on the other side one size up, at the study's weights."""
    found = contrasts(e)
    found = found[found.weights == STUDY]
    if found.empty or not e.has_decisive:
        return None
    planned = {(r.whole, r.part): side(r) for r in e.contrasts().itertuples()}
    both = [(r, planned[r.whole, r.part], side(r)) for r in found.itertuples()]
    turns = [
        f"{TITLES[r.whole]} against {TITLES[r.part]} ({small} there, {large} here)"
        for r, small, large in both
        if {small, large} == {"above", "below"}
    ]
    same = sum(small == large for _, small, large in both)
    return (
        f"The outcome at both sizes is the same for {same} of the {len(both)} planned contrasts"
        + (f"; turned round: {', '.join(turns)}." if turns else "; none is turned round.")
    )


@once
def by_task(e: Evidence) -> pd.DataFrame:
    """The primary contrasts of each rendered task one size up, and in the held-out world.

    Returns
    -------
    DataFrame of `transfer_score.contrasts` of accuracies at the study's weights, with `task` (the
    held-out world, mean of its three tasks, comes last as 'digits'); Holm over the table.
    """
    if e.larger is None:
        return pd.DataFrame(columns=["task", "whole", "part"])
    own = e.larger.own()
    tables = [
        transfer_score.accuracies(own[own.task == task]).assign(task=task) for task in worlds.TASKS
    ]
    tables.append(transfer_score.held_out(own).assign(task="digits"))
    table = pd.concat(tables, ignore_index=True)
    family = "one size up, by task"
    return transfer_score.contrasts(table, PRIMARY, None, ["task"], family, e.margin)


def tasks_one_size_up(e: Evidence) -> str | None:
    """On which tasks the combinations are above and below VCLR alone one size up."""
    found = by_task(e)
    rows = found[found.part == "vclr"]
    said = [
        f"{TITLES[whole]} against VCLR {ways(part, 'task', 'on') or 'clear on none'}"
        for whole, part in rows.groupby("whole", sort=False)
    ]
    if not said:
        return None
    numbers = "; ".join(
        f"{task} {' and '.join(f'{r.effect:+.1f}' for r in part.itertuples())}"
        for task, part in rows.groupby("task", sort=False)
    )
    return (
        f"By task one size up (Holm over {len(found)} contrasts, the held-out digits among them): "
        f"{'; '.join(said)}. In points of accuracy, in this order: {numbers}."
    )


def readings_one_size_up(e: Evidence) -> str | None:
    """What other readings say of the contrasts with VCLR one size up, at the study's weights."""
    others = [r for r in transfer_score.READINGS if r != "zero-shot"]
    tables = [contrasts(e, r).assign(asked=r) for r in others]
    found = pd.concat([t[t.weights == STUDY] for t in tables if len(t)] or tables[:1])
    found = found[found.part == "vclr"]
    if found.empty:
        return None
    said = "; ".join(
        f"{TITLES[whole]} against VCLR {ways(rows, 'asked', 'under') or 'clear under none'}"
        for whole, rows in found.groupby("whole", sort=False)
    )
    return (
        f"Under the {found.asked.nunique()} other readings one size up (each corrected by Holm): "
        f"{said}."
    )


def contrast_learned(e: Evidence) -> str | None:
    """How far VCLR's own loss falls one size up, beside the small size."""
    if e.larger is None:
        return None
    small, large = (transfer_learned.ends(x.curves) for x in (e, e.larger))
    small = small[(small.changed == "") & small.seed.isin(DECISIVE_SEEDS)]
    large = large[large.changed == ""]
    said = []
    for variant in transfer_learned.WITH_CONTRAST:
        here, there = (t[t.variant == variant].loss for t in (large, small))
        if len(here) and len(there):
            said.append(f"{TITLES[variant]} {here.mean():.1f} ({there.mean():.1f})")
    if not said:
        return None
    return (
        "VCLR's own loss ends one size up (and at the small size) at "
        f"{', '.join(said)}; guessing costs {transfer_learned.guessed():.1f}."
    )


def accuracies_one_size_up(e: Evidence) -> str | None:
    """Accuracies at the larger size, zero-shot and on the sources, at the study's weights."""
    shifted, home = accuracies(e), accuracies(e, "source")
    said = []
    for variant in DECISIVE:
        own, source = (
            t[(t.variant == variant) & (t.weights == STUDY)].score for t in (shifted, home)
        )
        if len(own):
            kinds = statistics.outcomes(own).text()
            said.append(f"{TITLES[variant]} {kinds or f'{own.mean():.1f}'} ({source.mean():.1f})")
    if not said:
        return None
    return (
        "Zero-shot accuracy one size up (and on the sources), mean over tasks and seeds, at the "
        f"study's weights: {', '.join(said)}."
    )


def _seeds(rows: pd.DataFrame) -> str:
    return " to ".join(f"{n:.0f}" for n in sorted({rows.n_seeds.min(), rows.n_seeds.max()}))
