"""One size up with rate and weight tuned together: the small size's grid, asked of larger networks.

The sources of one seed choose, seeds that nothing of this size had used confirm; scores are plain
accuracies, as no ceiling of this size is recorded (docs/analysis_plan.md, deviations).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from scipy import stats

from vjepa_lib.analysis import (
    transfer_larger,
    transfer_learned,
    transfer_score,
    transfer_tasks,
    tuning_grid,
)
from vjepa_lib.analysis.transfer_elsewhere import last_looks
from vjepa_lib.analysis.transfer_evidence import (
    Evidence,
    against,
    judged,
    of_pair,
    once,
    signs,
    span,
    verdict,
)
from vjepa_lib.analysis.transfer_score import CONFIRMING_SEEDS, DECISIVE, PRIMARY, TITLES
from vjepa_lib.analysis.transfer_settings import in_words
from vjepa_lib.datasets import worlds

CHOOSING = (0,)
RATES = {"lr 0.001": 0.001, "": 0.002, "lr 0.004": 0.004}  # this size's own in the middle
STUDY, TUNED = "as in the study", "tuned"
WHERE = {STUDY: "at the study's settings", TUNED: "tuned"}
UNTRAINED = "random_init"
COST = "tuning by the sources cost accuracy in the targets (other seeds)"


@once
def trials(e: Evidence) -> pd.DataFrame:
    """What every setting of the grid reads of the sources and of the targets, one size up.

    Returns
    -------
    DataFrame of `tuning_grid.trials`, `score` being zero-shot accuracy; empty without recorded
    runs. Settings whose run failed are left out.
    """
    columns = ["variant", "changed", "seed", "source", "score"]
    if e.larger is None or e.larger.curves.empty:
        return pd.DataFrame(columns=columns)
    settings = {c for variant in tuning_grid.WEIGHTS for c in tuning_grid.grid(variant, RATES)}
    looks = last_looks(e.larger.curves, settings.__contains__)
    scored = [transfer_score.accuracies(e.larger.own(c)) for c in sorted(set(looks.changed))]
    if not scored:
        return pd.DataFrame(columns=columns)
    keys = ["variant", "changed", "seed"]
    found = looks[[*keys, "source"]].merge(pd.concat(scored), on=keys)[columns]
    return tuning_grid.trials(found, RATES, CHOOSING, _failed(e))


def _failed(e: Evidence) -> set[tuple[str, str]]:
    """Settings of the grid whose run came to no end."""
    rows = e.larger.failed
    rows = rows[rows.seed.isin(CHOOSING)] if len(rows) else rows
    return set(zip(rows.variant, rows.changed, strict=True)) if len(rows) else set()


def choice(e: Evidence) -> dict[str, str]:
    """The setting that its source chose of every objective whose grid is whole."""
    return tuning_grid.choice(trials(e))


def _at(
    e: Evidence,
    settings: Mapping[str, str],
    seeds: Sequence[int],
    reading: str = "zero-shot",
    tasks: Sequence[str] = tuple(worlds.TASKS),
) -> pd.DataFrame:
    """Accuracies of some seeds, every objective at its own setting."""
    out = [pd.DataFrame(columns=["variant", "seed", "score", "clips", "points"])]
    for variant, changed in settings.items():
        found = transfer_score.accuracies(e.larger.own(changed), reading, tasks)
        found = found[(found.variant == variant) & found.seed.isin(seeds)]
        out += [found] if len(found) else []
    return pd.concat(out[1:] or out, ignore_index=True)


@once
def contrasts(e: Evidence, reading: str = "zero-shot") -> pd.DataFrame:
    """The primary contrasts of tuned objectives one size up, on the confirming seeds.

    Parameters
    ----------
    reading : one of `transfer_score.READINGS`; each is a Holm family of its own.

    Returns
    -------
    Of `transfer_score.contrasts`, in points of accuracy, of the pairs that are there; corrected as
    if all of `PRIMARY` were.
    """
    picked = choice(e)
    if not picked:
        return pd.DataFrame(columns=["whole", "part"])
    table = _at(e, picked, CONFIRMING_SEEDS, reading)
    pairs = tuning_grid.have_both(table)
    family = "tuned one size up" + ("" if reading == "zero-shot" else f", {reading}")
    margin = transfer_larger.margin(e)
    found = transfer_score.contrasts(table, pairs, CONFIRMING_SEEDS, (), family, margin)
    return found if found.empty else tuning_grid.of_four(found, len(pairs))


def tuned_one_size_up(e: Evidence) -> str | None:
    """Whether the answer holds one size up when every objective is tuned there."""
    found = contrasts(e)
    said = judged(found, transfer_larger.margin(e)) if len(found) else ""
    if not said:
        return None
    table, picked = trials(e), choice(e)
    asked = [v for v in DECISIVE if v in {*found.whole, *found.part}]
    names = ", ".join(
        f"{TITLES[v]} {'at ' if picked[v] else ''}{in_words(picked[v])}" for v in asked
    )
    edge = "".join(f"; {said}" for said in tuning_grid.reserves(table, asked))
    size = len(tuning_grid.grid(asked[0], RATES))
    cost = f" {COST.capitalize()}: {said_cost}." if (said_cost := _cost(e)) else ""
    return (
        f"One size up with rate and weight tuned in the same way (points of accuracy; {size} "
        f"settings each, chosen on {len(CHOOSING)} seed: {names}{edge}{_lost(e, asked)}), on "
        f"{span(found.n_seeds)} seeds that nothing of this size had used: {said}."
        f"{signs(found)}{cost}{_untuned(e)}"
    )


def reserves(e: Evidence) -> list[str]:
    """What is to be said against the verdicts of this size, in words; nothing without them."""
    found = contrasts(e)
    if found.empty:
        return []
    asked = [v for v in DECISIVE if v in {*found.whole, *found.part}]
    chose = f"one size up {len(CHOOSING)} seed chose"
    said = [", ".join([chose, *tuning_grid.reserves(trials(e), asked)]) + _lost(e, asked)]
    means = levels(e).set_index(["settings", "variant"]).score
    plain = transfer_larger.contrasts(e)
    plain = plain[plain.weights == transfer_larger.STUDY]
    for settings, table in ((STUDY, plain), (TUNED, found)):
        for whole, rows in table.groupby("whole", sort=False):
            own = means[settings].get(whole)
            better = [v for v in DECISIVE if "+" not in v and means[settings].get(v, 0.0) > own]
            if len(rows) > 1 and verdict(*rows.itertuples()) == "helps" and better:
                names = ", ".join(f"{TITLES[v]} alone ({means[settings][v]:.1f})" for v in better)
                said.append(
                    f"{TITLES[whole]}, which helps {WHERE[settings]} there ({own:.1f}), lies below "
                    f"{names}"
                )
    if cost := _cost(e):
        said.append(f"{COST}: {cost}")
    return said


def _lost(e: Evidence, asked: Sequence[str]) -> str:
    """How many runs came to no end; '' for none."""
    rows = e.larger.failed
    if rows.empty or not (rows := rows[rows.variant.isin(asked)]).size:
        return ""
    grid = rows[rows.seed.isin(CHOOSING)]
    confirming = rows[rows.seed.isin(CONFIRMING_SEEDS)]
    tried = sum(len(tuning_grid.grid(v, RATES)) for v in asked)
    planned = len(asked) * len(CONFIRMING_SEEDS)
    fastest = list(RATES)[-1]
    where = ", all at the highest rate" if grid.changed.str.startswith(fastest).all() else ""
    said = [f"{len(grid)} of {tried} trials{where}"] if len(grid) else []
    said += [f"{len(confirming)} of {planned} runs on new seeds"] if len(confirming) else []
    return f"; ended in a loss that is not finite: {', '.join(said)}" if said else ""


def _cost(e: Evidence) -> str:
    """Whom `COST` is said of, and the gap to it untuned; '' where tuning made none worse."""
    means = levels(e).pivot(index="variant", columns="settings", values="score")
    worse = [v for v in choice(e) if v in means.index and means[TUNED][v] < means[STUDY][v]]
    tuned, plain = _at(e, choice(e), CONFIRMING_SEEDS), _plain(e)
    said = []
    for variant in worse:
        own = f"{TITLES[variant]} {means[STUDY][variant]:.1f} to {means[TUNED][variant]:.1f}"
        for whole, part in PRIMARY:
            here = tuned[tuned.variant == whole].score
            there = plain[plain.variant == part].score
            if part == variant and min(len(here), len(there)) > 1:
                gap = stats.ttest_ind(here, there, equal_var=False)
                low, high = gap.confidence_interval()
                own += (
                    f" (over untuned {TITLES[part]} tuned {TITLES[whole]} has "
                    f"{here.mean() - there.mean():+.1f} [{low:+.1f}, {high:+.1f}])"
                )
        said.append(own)
    return "; ".join(said)


def _plain(e: Evidence) -> pd.DataFrame:
    """Accuracies at the study's settings, on the seeds that were planned."""
    found = transfer_larger.accuracies(e)
    return found[found.weights == transfer_larger.STUDY]


def _untuned(e: Evidence) -> str:
    """What the same size says at the study's settings, in the words of the plan."""
    found = transfer_larger.contrasts(e)
    found = found[found.weights == transfer_larger.STUDY]
    words = [
        f"{TITLES[whole]} {verdict(*rows.itertuples())}"
        for whole, rows in found.groupby("whole", sort=False)
        if len(rows) > 1
    ]
    return f" At the study's settings there {', '.join(words)}." if words else ""


@once
def levels(e: Evidence) -> pd.DataFrame:
    """Zero-shot accuracies one size up, untrained, at the study's settings and tuned.

    Returns
    -------
    DataFrame of `variant`, `settings` ('as in the study' on its own seeds; 'tuned' on the
    confirming ones) and those of `transfer_score.interval`, the untrained encoder first.
    """
    if e.larger is None:
        return pd.DataFrame()
    untrained = transfer_score.accuracies(e.larger.own())
    tables = [(STUDY, untrained[untrained.variant == UNTRAINED]), (STUDY, _plain(e))]
    tables.append((TUNED, _at(e, choice(e), CONFIRMING_SEEDS)))
    rows = []
    for variant in (UNTRAINED, *DECISIVE):
        for name, source in tables:
            own = source[source.variant == variant].score
            if len(own):
                rows.append({"variant": variant, "settings": name} | transfer_score.interval(own))
    return pd.DataFrame(rows)


def brought_one_size_up(e: Evidence) -> str | None:
    """What tuning brings one size up, and whether its source chooses what transfers."""
    if contrasts(e).empty:
        return None
    drawn, table = levels(e), trials(e)
    both = tuning_grid.side_by_side(drawn, STUDY, TUNED)
    means = ", ".join(f"{TITLES[v]} {before} to {after}" for v, (before, after) in both.items())
    counts = {v: tuning_grid.better(table, v) for v in both}
    places = [f"{n} of {tried} in {TITLES[v]}" for v, (n, tried) in counts.items()]
    return (
        f"Accuracies one size up untuned and tuned (other seeds, not paired): {means}. Settings "
        f"that transfer better than the chosen one on the seed of the choice: {', '.join(places)}."
        f"{_best(e)}"
    )


def _best(e: Evidence) -> str:
    """The contrasts if the targets could choose: a limit, no test."""
    table = trials(e)
    best = table.loc[table.groupby("variant").score.idxmax()].set_index("variant").score
    said = [
        f"{TITLES[w]} against {TITLES[p]} {best[w] - best[p]:+.1f}"
        for w, p in PRIMARY
        if {w, p} <= set(best.index)
    ]
    return f" If the targets could choose, on that seed: {', '.join(said)} points." if said else ""


def learned_tuned(e: Evidence) -> str | None:
    """How far the contrast is learned one size up, untuned and tuned."""
    if contrasts(e).empty:
        return None
    found, picked = transfer_learned.ends(e.larger.curves), choice(e)
    said = []
    for variant in transfer_learned.WITH_CONTRAST:
        own = found[found.variant == variant]
        plain = own[(own.changed == "") & ~own.seed.isin(CONFIRMING_SEEDS)].loss
        own = own[own.changed == picked.get(variant)]
        tuned, chose = (own[own.seed.isin(s)].loss for s in (CONFIRMING_SEEDS, CHOOSING))
        if len(plain) and len(tuned):
            first = f"; {chose.mean():.1f} on the seed that chose" if len(chose) else ""
            said.append(
                f"{TITLES[variant]} {plain.mean():.1f} to {tuned.mean():.1f} "
                f"({tuned.min():.1f} to {tuned.max():.1f}{first})"
            )
    if not said:
        return None
    return (
        f"VCLR's own loss one size up, untuned and tuned (least to most of the new seeds; guessing "
        f"costs {transfer_learned.guessed():.1f}): {', '.join(said)}."
    )


def tasks_tuned(e: Evidence) -> str | None:
    """The tuned contrasts one size up by task, and on the sources."""
    found = contrasts(e)
    if found.empty:
        return None
    tables = [_at(e, choice(e), CONFIRMING_SEEDS, tasks=(t,)).assign(task=t) for t in worlds.TASKS]
    table, home = pd.concat(tables), contrasts(e, "source")
    said = []
    for row in found.itertuples():
        apart = transfer_tasks.by_task(table, (row.whole, row.part))
        source = of_pair(home, row).effect
        at_home = f"; on the sources {source.iloc[0]:+.1f}" if len(source) else ""
        said += [f"{against(row)} {apart.text()}{at_home}"] if apart else []
    return f"Tuned one size up by task (points of accuracy): {'. '.join(said)}." if said else None


def elsewhere_one_size_up(e: Evidence) -> str | None:
    """Tuned contrasts one size up under the other readings."""
    if contrasts(e).empty:
        return None
    have = set(e.larger.readings.reading)
    said = []
    for name, asked in transfer_score.READINGS.items():
        if name == "zero-shot" or asked.reader not in have:
            continue
        rows = list(contrasts(e, name).itertuples())
        words = [
            f"{against(r)} {r.effect:+.1f}{'*' if r.clear and not r.outcomes else ''}" for r in rows
        ]
        said += [f"{name}: {', '.join(words)}"] if words else []
    return (
        "Tuned one size up, under the other readings (points of accuracy; a star: clear, each "
        f"corrected by Holm): {'. '.join(said)}."
        if said
        else None
    )
