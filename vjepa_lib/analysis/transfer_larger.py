"""The transfer study one size up (`study.transfer_medium`): the primary contrasts, asked again.

Of plain accuracy, as no ceiling of this size is recorded, and on all seeds of this size. Once at
the study's weights and once at those that the small size chose, in which nothing of the larger one
had a part (docs/analysis_plan.md); each is a Holm family of its own.
"""

from __future__ import annotations

import pandas as pd

from vjepa_lib.analysis import statistics, transfer_learned, transfer_score
from vjepa_lib.analysis.transfer_elsewhere import SIDES, settled, weights
from vjepa_lib.analysis.transfer_evidence import (
    Evidence,
    against,
    judged,
    once,
    side,
    span,
    told,
    ways,
)
from vjepa_lib.analysis.transfer_score import (
    CONFIRMING_SEEDS,
    DECISIVE,
    DECISIVE_SEEDS,
    PRIMARY,
    TITLES,
)
from vjepa_lib.datasets import worlds
from vjepa_lib.study import transfer_medium

STUDY, CHOSEN = "as in the study", "as the small size chose"


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
            # Seeds that confirm what was tuned at this size have a table of their own.
            meant = (found.variant.map(changed) == words) & ~found.seed.isin(CONFIRMING_SEEDS)
            if len(found := found[meant]):
                tables.append(found.assign(weights=whose))
    return pd.concat(tables[1:] or tables, ignore_index=True)


@once
def margin(e: Evidence) -> float:
    """The margin of the score in points of accuracy, by what those are worth at the small size."""
    small = e.readings
    known = not small.empty and (small.kind == "supervised").any()
    return e.margin / float(e.shares().points.mean()) if known else e.margin


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
        found = transfer_score.contrasts(rows, own, None, (), family, margin(e))
        if len(found):
            out.append(found.assign(weights=whose))
    return pd.concat(out[1:] or out, ignore_index=True)


def one_size_up(e: Evidence) -> str | None:
    """Whether the answer holds at the larger size, at both kinds of weights."""
    found = contrasts(e)
    said = []
    for whose, rows in found.groupby("weights", sort=False):
        if verdicts := judged(rows, margin(e)):
            said.append(f"with weights {whose} ({span(rows.n_seeds)} seeds) {verdicts}")
    if not said:
        return None
    size = transfer_medium.PROFILE.encoder
    made_on = sorted(set(e.larger.readings.gpu) - {"none"})
    return (
        f"One size up (clips of {size.height} px and {size.frames} frames, an encoder of width "
        f"{size.width} and depth {size.depth}{', on '.join(['', *made_on])}; points of accuracy), "
        f"{'. At the same size, '.join(said)}{_other_way(e)}{_alone(e)}."
    )


def _other_way(e: Evidence) -> str:
    """Tasks on which every combination is on the other side of VCLR than in the mean."""
    means = contrasts(e)
    means = means[(means.weights == STUDY) & (means.part == "vclr")].set_index("whole").effect
    rows = by_task(e)
    rows = rows[(rows.part == "vclr") & (rows.task != "digits")]
    against_mean = rows[rows.effect * rows.whole.map(means) < 0]
    said = [
        f"{task} ({' and '.join(f'{x:+.1f}' for x in part.effect)})"
        for task, part in against_mean.groupby("task", sort=False)
        if len(part) == len(means)
    ]
    return f". Against VCLR the other way on {', '.join(said)}" if said else ""


def _alone(e: Evidence) -> str:
    """What VCLR alone has over the baseline at both sizes: how strong an opponent it is."""
    own = accuracies(e)
    small = transfer_score.accuracies(e.own())
    small = small[small.seed.isin(DECISIVE_SEEDS)]
    told_both = []
    for table in (own[own.weights == STUDY], small):
        found = transfer_score.contrasts(table, [("vclr", "baseline")], None, (), "alone", e.margin)
        told_both += [told(r) for r in found.itertuples()]
    if len(told_both) < 2:
        return ""
    return (
        f". There VCLR alone is {told_both[0]} over the baseline; at the small size, in accuracy "
        f"too, {told_both[1]}"
    )


def turned(e: Evidence) -> str | None:
    """Which planned contrasts come out differently one size up, at the study's weights."""
    found = contrasts(e)
    found = found[found.weights == STUDY]
    if found.empty or not e.has_decisive:
        return None
    planned = {(r.whole, r.part): side(r) for r in e.contrasts().itertuples()}
    both = [(r, planned[r.whole, r.part], side(r)) for r in found.itertuples()]
    other = [
        f"{against(r)} ({SIDES[small]} there, {SIDES[large]} here)"
        for r, small, large in both
        if small != large
    ]
    return (
        f"At both sizes {len(both) - len(other)} of the {len(both)} planned contrasts come out "
        f"alike (asked after the results){'; not so ' if other else ''}{', '.join(other)}."
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
        transfer_score.accuracies(own, tasks=[task]).assign(task=task) for task in worlds.TASKS
    ]
    tables.append(transfer_score.held_out(own).assign(task="digits"))
    table = pd.concat(tables, ignore_index=True)
    family = "one size up, by task"
    return transfer_score.contrasts(table, PRIMARY, None, ["task"], family, margin(e))


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
        f"By task one size up (asked after the results; Holm over {len(found)} contrasts, the "
        f"held-out digits among them): {'; '.join(said)}. In points of accuracy, in this order: "
        f"{numbers}."
    )


def readings_one_size_up(e: Evidence) -> str | None:
    """What other readings say of the contrasts one size up, at the study's weights, all of them."""
    others = [r for r in transfer_score.READINGS if r != "zero-shot"]
    tables = [contrasts(e, r).assign(asked=r) for r in others]
    found = pd.concat([t[t.weights == STUDY] for t in tables if len(t)] or tables[:1])
    if found.empty:
        return None
    said = []
    for _, rows in found.groupby(["whole", "part"], sort=False):
        numbers = ", ".join(
            f"{r.asked} {r.effect:+.1f}{'*' if side(r) in ('above', 'below') else ''}"
            for r in rows.itertuples()
        )
        said.append(f"{against(next(rows.itertuples()))} {numbers}")
    return (
        f"Under the {found.asked.nunique()} other readings one size up (asked after the results; "
        f"points of accuracy; a star: clear, each reading corrected by Holm): {'. '.join(said)}."
    )


def contrast_learned(e: Evidence) -> str | None:
    """How far VCLR's own loss falls one size up, beside the small size: means and ranges."""
    if e.larger is None:
        return None
    small, large = (transfer_learned.ends(x.curves) for x in (e, e.larger))
    small = small[(small.changed == "") & small.seed.isin(DECISIVE_SEEDS)]
    large = large[large.changed == ""]
    said = []
    for variant in transfer_learned.WITH_CONTRAST:
        here, there = (t[t.variant == variant].loss for t in (large, small))
        if len(here) and len(there):
            said.append(f"{TITLES[variant]} {_range(here)} where the small ends at {_range(there)}")
    if not said:
        return None
    return (
        f"VCLR's own loss ends one size up at (least to most of the seeds) {', '.join(said)}; "
        f"guessing costs {transfer_learned.guessed():.1f}."
    )


def settled_one_size_up(e: Evidence) -> str | None:
    """Whether sources had stopped moving one size up: read while the encoders trained."""
    if e.larger is None or e.larger.curves.empty:
        return None
    looked = [f"source_{t}" for t in worlds.TASKS]
    own = e.larger.curves[e.larger.curves.changed == ""]
    if not set(looked) <= set(own):
        return None
    rows = own.dropna(subset=looked)
    rows = rows.assign(source=rows[looked].mean(axis=1))
    said = []
    for variant in DECISIVE:
        means = rows[rows.variant == variant].groupby("step").source.mean()
        if len(means):
            ranks = own[(own.variant == variant) & own.rank_me.notna()].groupby("step").rank_me
            course = ", ".join(f"{x:.0f}" for x in means)
            said.append(f"{TITLES[variant]} {course} % (RankMe {ranks.mean().iloc[-1]:.1f})")
    if not said:
        return None
    return (
        "Sources one size up, on their validation clips at every quarter of the training, mean of "
        f"four tasks: {'; '.join(said)}. The rate falls to nothing, so the end is flat in any case."
    )


def at_edges(e: Evidence) -> str | None:
    """How often the source's probe wanted another strength than its grid has, one size up."""
    if e.larger is None:
        return None
    rows = e.larger.own()
    rows = rows[rows.task.isin(worlds.TASKS) & (rows.severity == 0) & (rows.reading == "linear")]
    shares = 100 * rows[rows.variant.isin(DECISIVE)].groupby("variant").at_edge.mean()
    if shares.empty:
        return None
    said = ", ".join(f"{TITLES[v]} {shares[v]:.0f} %" for v in DECISIVE if v in shares)
    return f"Probes of the sources at an edge of their strengths one size up: {said}."


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


def _range(values: pd.Series) -> str:
    return f"{values.mean():.1f} ({values.min():.1f} to {values.max():.1f})"
