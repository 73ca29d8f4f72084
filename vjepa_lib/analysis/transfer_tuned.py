"""Rate and weight tuned together: what the sources choose, and what it is worth on new seeds.

Every objective has a grid of three learning rates and three weights, and a part alone that is
chosen at an edge of the rates one more beyond it; the source's validation clips of `CHOOSING`
choose, and seeds that nothing has used before confirm (docs/analysis_plan.md, deviations).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from vjepa_lib.analysis import transfer_score, tuning_grid
from vjepa_lib.analysis.transfer_elsewhere import chosen_contrasts, ends, rates, weights
from vjepa_lib.analysis.transfer_evidence import (
    Evidence,
    against,
    judged,
    minus,
    of_pair,
    once,
    signs,
    small,
    span,
    told,
    verdict,
)
from vjepa_lib.analysis.transfer_evidence import ways as clear_ways
from vjepa_lib.analysis.transfer_score import (
    CONFIRMING_SEEDS,
    DECISIVE,
    DECISIVE_SEEDS,
    PRIMARY,
    TITLES,
)
from vjepa_lib.analysis.transfer_settings import in_words
from vjepa_lib.analysis.tuning_grid import WEIGHTS

CHOOSING = (5, 6)
HELD_OUT = "held-out"
RATES = {"lr 0.002": 0.002, "": 0.004, "lr 0.008": 0.008}  # the study's own in the middle
# A part alone that is chosen at an edge of the rates has one more beyond it, so that what a
# combination is set against is held back less by the grid than the combination is.
PARTS = ("vclr", "ld", "fwm_hw_ld")
BEYOND = {"lr 0.002": ("lr 0.001", 0.001), "lr 0.008": ("lr 0.016", 0.016)}


def grid(variant: str) -> dict[str, tuple[str, str]]:
    """The settings of an objective, each with its rate and its weight."""
    return tuning_grid.grid(variant, RATES)


def _may_have(changed: str) -> bool:
    """Whether a setting is one that the grid has of some objective, or one beyond its rates."""
    rates_ = (*RATES, *(name for name, _ in BEYOND.values()))
    return any(
        changed == tuning_grid.setting(r, w)
        for own in WEIGHTS.values()
        for w in own
        for r in rates_
    )


@once
def trials(e: Evidence) -> pd.DataFrame:
    """What every setting of the grid, and beyond it, reads of the sources and of the targets.

    Returns
    -------
    DataFrame, a row an objective and setting: `variant`, `changed`, `rate`, `weight` (in words),
    `source` (validation accuracy, %) and `score` (zero-shot transfer), means over `CHOOSING`,
    `chosen`: whether it has the best source. Objectives are left out while their grid, or the
    rate beyond it that they are due, is not whole.
    """
    found = ends(e, _may_have)
    if found.empty:
        return found
    return tuning_grid.trials(found, RATES, CHOOSING, more=beyond)


def beyond(variant: str, chosen: str) -> dict[str, tuple[float, str]]:
    """The setting beyond the rates that a part alone has when its choice lies at their edge.

    Returns
    -------
    {setting: (rate, weight)}; empty for combinations, and where the choice is no edge.
    """
    rate, weight = grid(variant)[chosen]
    if variant not in PARTS or rate not in BEYOND:
        return {}
    name, value = BEYOND[rate]
    return {tuning_grid.setting(name, weight): (value, weight)}


def choice(e: Evidence) -> dict[str, str]:
    """The setting that its source chose of every objective whose grid is whole."""
    return tuning_grid.choice(trials(e))


def scores(
    e: Evidence,
    reading: str = "zero-shot",
    by: Sequence[str] = (),
    seeds: Sequence[int] = CONFIRMING_SEEDS,
) -> pd.DataFrame:
    """Scores of every objective at the setting that was chosen of it, a row a seed.

    Parameters
    ----------
    reading : one of `transfer_score.READINGS`, or `HELD_OUT` for accuracy in the held-out world.
    by : 'task' or 'shift' to keep apart.
    seeds : none of `CHOOSING`.
    """
    return _at(e, choice(e), seeds, reading, by)


def _at(
    e: Evidence,
    settings: Mapping[str, str] | pd.Series,
    seeds: Sequence[int],
    reading: str = "zero-shot",
    by: Sequence[str] = (),
) -> pd.DataFrame:
    """Scores of some seeds, every objective at its own setting."""
    out = []
    for variant, changed in settings.items():
        if reading == HELD_OUT:
            found = transfer_score.held_out(e.own(changed))
        elif len(found := e.shares(reading, changed)):
            found = transfer_score.scores(found, by)
        if len(found):
            out.append(found[(found.variant == variant) & found.seed.isin(seeds)])
    return pd.concat(out, ignore_index=True) if out else pd.DataFrame()


@once
def contrasts(e: Evidence, reading: str = "zero-shot", by: tuple[str, ...] = ()) -> pd.DataFrame:
    """The primary contrasts of tuned objectives, on the confirming seeds; each its own Holm family.

    Returns
    -------
    Of `transfer_score.contrasts`, of the pairs that are there; corrected as if all of `PRIMARY`
    were, those that are not counting as p = 1.
    """
    table = scores(e, reading, by)
    if table.empty:
        return table
    pairs = tuning_grid.have_both(table)
    if not pairs:
        return table.iloc[:0]
    family = ", ".join(["tuned contrasts", *by, *([] if reading == "zero-shot" else [reading])])
    found = transfer_score.contrasts(table, pairs, CONFIRMING_SEEDS, by, family, e.margin)
    return found if found.empty else tuning_grid.of_four(found, len(pairs))


def tuned(e: Evidence) -> str | None:
    """The answer when rate and weight of every objective were tuned."""
    found = contrasts(e)
    if found.empty:
        return None
    table, picked = trials(e), choice(e)
    asked = [v for v in DECISIVE if v in {*found.whole, *found.part}]
    names = [f"{TITLES[v]} {'at ' if picked[v] else ''}{in_words(picked[v])}" for v in asked]
    more = [TITLES[v] for v in asked if len(table[table.variant == v]) > len(grid(v))]
    tried = f"{len(grid(asked[0]))} settings each on {len(CHOOSING)} seeds"
    tried += f", one rate beyond for {', '.join(more)}" if more else ""
    edge = "".join(f"; {said}" for said in tuning_grid.reserves(table, asked))
    said = [judged(found, e.margin)] if found.whole.duplicated().any() else []
    for row in found[~found.whole.duplicated(keep=False)].itertuples():
        p = "" if row.outcomes else f" (Holm p {small(row.p_adjusted)})"
        missing = next(part for whole, part in PRIMARY if whole == row.whole and part != row.part)
        said.append(f"{against(row)} {told(row)}{p}, {TITLES[missing]} not tuned")
    few = int(found.n_seeds.min()) < len(CONFIRMING_SEEDS)
    count = span(found.n_seeds) + (f" of {len(CONFIRMING_SEEDS)} planned" if few else "")
    return (
        "With learning rate and weight tuned together on the source's validation clips, on a grid "
        f"drawn after the planned results had been seen ({tried}: {', '.join(names)}{edge}), on "
        f"{count} seeds that nothing had used before: {'; '.join(said)}."
        f"{signs(found)}{_alone(e)}"
    )


def _alone(e: Evidence) -> str:
    """What rates alone and weights alone say, in the words of the plan; '' without such runs."""
    said = []
    for name, table in (("the rate", rates(e)), ("the weight", weights(e))):
        if table.empty:
            continue
        found = chosen_contrasts(table)
        two = {w: list(rows.itertuples()) for w, rows in found.groupby("whole", sort=False)}
        words = [f"{TITLES[w]} {verdict(*rows)}" for w, rows in two.items() if len(rows) > 1]
        said += [f"with {name} alone chosen {', '.join(words)}"] if words else []
    return f" But {'; '.join(said)}." if said else ""


def at_each_rate(e: Evidence) -> str | None:
    """The combination's lead over its contrast at equal rates, each at the weight chosen there."""
    table = trials(e)
    if contrasts(e).empty:
        return None
    best = table.loc[table.groupby(["variant", "rate"]).source.idxmax()]
    wide = best.pivot(index="rate", columns="variant", values="score")
    said = []
    for whole, part in PRIMARY:
        if part == "vclr" and {whole, part} <= set(wide):
            gaps = (wide[whole] - wide[part]).dropna()
            leads = ", ".join(f"{gap:+.1f} at {rate:g}" for rate, gap in gaps.items())
            said.append(f"{TITLES[whole]} against {TITLES[part]} {leads}")
    return (
        f"At equal learning rates, each at the weight that its source chose there (points, "
        f"{len(CHOOSING)} seeds of the choice): {'; '.join(said)}."
    )


def levels(e: Evidence) -> pd.DataFrame:
    """Scores at the study's settings and tuned.

    Returns
    -------
    DataFrame of `variant`, `settings` ('as in the study', on the planned seeds; 'tuned', on the
    confirming ones), `score` with `low`, `high`, `n_seeds`, `outcomes`.
    """
    table = scores(e)
    if table.empty:
        return table
    untuned = transfer_score.scores(e.shares())
    untuned = untuned[untuned.seed.isin(DECISIVE_SEEDS)]
    rows = []
    for variant in [v for v in DECISIVE if v in set(table.variant)]:
        for name, source in (("as in the study", untuned), ("tuned", table)):
            own = source[source.variant == variant].score
            if len(own):
                rows.append({"variant": variant, "settings": name} | transfer_score.interval(own))
    return pd.DataFrame(rows)


def brought(e: Evidence) -> str | None:
    """What tuning brings every objective, and whether sources choose what transfers."""
    table, drawn = trials(e), levels(e)
    if drawn.empty:
        return None
    both = tuning_grid.side_by_side(drawn, "as in the study", "tuned")
    means = ", ".join(f"{TITLES[v]} {before} to {after}" for v, (before, after) in both.items())
    counts = {v: tuning_grid.better(table, v) for v in both}
    places = [f"{n} in {TITLES[v]}" for v, (n, _) in counts.items()]
    sizes = [tried for _, tried in counts.values()]
    tried = span(pd.Series(sizes), "or")
    return (
        f"Scores untuned (planned seeds) and tuned (confirming ones, not paired): {means}. "
        f"Settings that transfer better than the chosen one on the seeds of the choice, of "
        f"{tried}: {', '.join(places)}."
    )


def ways(e: Evidence) -> pd.DataFrame:
    """The primary contrasts untuned, with rates or weights chosen alone, and with both.

    Returns
    -------
    DataFrame, a row a way and contrast: `setting` (the way, with the kind of its seeds),
    `contrast`, `effect`, `low`, `high`, `n_seeds`, `n_above`, `p_adjusted`, `outcomes`.
    """
    fresh = {True: "seeds of the choice", False: "other seeds"}
    tables = [e.contrasts().assign(setting="as in the study")]
    for name, table in (("rate chosen", rates(e)), ("weight chosen", weights(e))):
        found = chosen_contrasts(table) if len(table) else table
        for choosing, rows in found.groupby("choosing", sort=False) if len(found) else ():
            tables.append(rows.assign(setting=f"{name} ({fresh[choosing]})"))
    tables.append(contrasts(e).assign(setting=f"both tuned ({fresh[False]})"))
    found = pd.concat([t for t in tables if len(t)], ignore_index=True)
    named = [minus(r) for r in found.itertuples()]
    columns = ["effect", "low", "high", "n_seeds", "n_above", "p_adjusted", "outcomes"]
    return found.assign(contrast=named)[["setting", "contrast", *columns]]


def elsewhere(e: Evidence) -> str | None:
    """Tuned contrasts on single tasks, under the other readings and in the held-out world."""
    found = contrasts(e)
    if found.empty:
        return None
    tasks = contrasts(e, "zero-shot", ("task",))
    others = [r for r in transfer_score.READINGS if r != "zero-shot"] + [HELD_OUT]
    asked = pd.concat([contrasts(e, r).assign(asked=r) for r in others], ignore_index=True)
    said = []
    for row in found.itertuples():
        where = [
            clear_ways(of_pair(tasks, row), "task", "on"),
            clear_ways(of_pair(asked, row), "asked", "under"),
        ]
        said.append(f"{against(row)} {'; '.join(w for w in where if w) or 'nowhere'}")
    return (
        f"Tuned together, clear after Holm on tasks ({len(tasks)} contrasts) and under each other "
        f"reading: {'. '.join(said)}."
    )


def best_in_targets(e: Evidence) -> str | None:
    """The contrasts if targets could choose, on the seeds of the choice: a limit, no fair test."""
    table = trials(e)
    if contrasts(e).empty:
        return None
    best = table.loc[table.groupby("variant").score.idxmax()].set_index("variant").changed
    found = transfer_score.contrasts(_at(e, best, CHOOSING), PRIMARY, CHOOSING)
    said = ", ".join(f"{against(r)} {r.effect:+.1f} points" for r in found.itertuples())
    return (
        "If the targets themselves could choose (no fair test: the best of the grid, on the same "
        f"{len(CHOOSING)} seeds): {said}."
    )
