"""The factorial {FWM, HW, LD, VCLR} of the transfer study: effects on the score, combinations.

Only seeds that have all sixteen cells take part. What is asked is written in docs/analysis_plan.md:
the fifteen effects on the score and on log odds, each of the seven combinations against both of its
parts, and whether the score goes with VCLR's own loss in runs made after that was found.
"""

from __future__ import annotations

import pandas as pd

from vjepa_lib import study
from vjepa_lib.analysis import factorial4, statistics, transfer_learned, transfer_score
from vjepa_lib.analysis.transfer_evidence import Evidence, once, side, told, verdict
from vjepa_lib.analysis.transfer_score import TITLES
from vjepa_lib.datasets import worlds

CELLS = tuple(study.FACTORIAL4.values())
# Every cell with VCLR and a factorized objective, and what remains without VCLR.
COMBINED = {
    whole: study.FACTORIAL4[*key[:3], 0]
    for key, whole in study.FACTORIAL4.items()
    if key[3] and any(key[:3])
}
LEAST_SEEDS = 2


@once
def seeds(e: Evidence) -> tuple[int, ...]:
    """Seeds that have all sixteen cells; none before there are two."""
    own = e.own()[["variant", "seed"]].drop_duplicates()
    own = own[own.variant.isin(CELLS)]
    met = own.groupby("seed").variant.nunique()
    whole = tuple(sorted(met[met == len(CELLS)].index))
    return whole if len(whole) >= LEAST_SEEDS else ()


@once
def table(e: Evidence) -> pd.DataFrame:
    """Scores of the cells, a row a run.

    Returns
    -------
    DataFrame with `variant`, `seed`, a 0/1 column for each of `study.FACTORS4`, `score` (zero-shot
    transfer), `logit` (log odds of the zero-shot readings, the mean over severities, shifts and
    tasks), `clips`, `points`.
    """
    columns = ["variant", "seed", *study.FACTORS4, "score", "logit", "clips", "points"]
    if not (whole := seeds(e)):
        return pd.DataFrame(columns=columns, dtype=float)
    rows = transfer_score.READINGS["zero-shot"].rows(e.own())
    rows = rows[rows.task.isin(worlds.TASKS)]
    odds = statistics.logits(statistics.correct_count(rows.top1, rows.n_test), rows.n_test)
    means = rows.assign(logit=odds).groupby(["variant", "seed"]).logit.mean().reset_index()
    found = transfer_score.scores(e.shares()).merge(factorial4.levels(), on="variant")
    found = found[found.seed.isin(whole)].merge(means, on=["variant", "seed"])
    found = found.sort_values(["seed", *study.FACTORS4], ignore_index=True)
    return found[columns]


@once
def effects(e: Evidence) -> pd.DataFrame:
    """Fifteen effects on the score and on log odds, Holm within each scale.

    A main effect is the mean of the runs with a factor minus that of the runs without; an
    interaction of two is half the difference that one makes to the effect of the other.

    Returns
    -------
    DataFrame of `statistics.factorial_effects` with `scale` ('points' of the score, 'logits') and
    `outcomes` (cells whose seeds fall into two kinds: then no effect has an interval); empty before
    two seeds are whole.
    """
    rows = table(e)
    if rows.empty:
        return pd.DataFrame(columns=["effect", "scale"])
    kinds = {v: statistics.outcomes(r.score).text() for v, r in rows.groupby("variant", sort=False)}
    said = "; ".join(f"{TITLES[v]} {text}" for v, text in kinds.items() if text)
    # A clip more or less moves accuracy by a known step, and the score by that times its worth.
    worth = float(rows.points.mean())
    rows = rows.assign(accuracy=rows.score / worth)
    out = []
    for scale, value, unit in (("points", "accuracy", worth), ("logits", "logit", 1.0)):
        found = statistics.factorial_effects(
            rows, study.FACTORS4, value, clips="clips", scale=scale
        )
        found[["estimate", "low", "high"]] *= unit
        if said:
            found[["low", "high", "p"]] = float("nan")
        family = f"factorial of the transfer study, {scale}"
        again = statistics.in_families(found, name=family)
        out.append(again.assign(scale=scale, outcomes=said))
    return pd.concat(out, ignore_index=True)


@once
def crossed(e: Evidence) -> pd.DataFrame:
    """The effects on the score with intervals for new clips as well as new seeds.

    Returns
    -------
    Of `factorial4.crossed_effects`; empty before two seeds are whole.
    """
    whole = seeds(e)
    if not whole:
        return pd.DataFrame(columns=["effect"])
    blocks, weights = transfer_score.right_by_place(e.referred(), CELLS, whole)
    return factorial4.crossed_effects(blocks, weights)


@once
def combinations(e: Evidence) -> pd.DataFrame:
    """Each of the seven combinations against VCLR and against its other part, Holm over all.

    Returns
    -------
    DataFrame of `transfer_score.contrasts`; empty before two seeds are whole.
    """
    pairs = [(whole, part) for whole, rest in COMBINED.items() for part in ("vclr", rest)]
    family = "combinations of the factorial"
    return transfer_score.contrasts(table(e), pairs, None, (), family, e.margin)


def against_parts(e: Evidence) -> pd.DataFrame:
    """`combinations` as a figure draws them.

    Returns
    -------
    DataFrame, a row a combination and part: `variant`, `against` ('minus VCLR', 'minus the same
    without VCLR'), `effect`, `low`, `high`, `n_seeds`, `n_above`, `p_adjusted`, `side` of
    `transfer_evidence.side`, `outcomes`.
    """
    found = combinations(e)
    named = ["minus VCLR" if p == "vclr" else "minus the same without VCLR" for p in found.part]
    found = found.assign(
        variant=found.whole, against=named, side=[side(r) for r in found.itertuples()]
    )
    numbers = ["effect", "low", "high", "n_seeds", "n_above", "p_adjusted"]
    return found[["variant", "against", *numbers, "side", "outcomes"]]


def cells(e: Evidence) -> pd.DataFrame:
    """Mean scores of the sixteen cells with t intervals: without and with VCLR.

    Returns
    -------
    DataFrame, a row a cell: `variant` (without VCLR, which is what `contrast` tells apart),
    `contrast` ('without VCLR', 'with VCLR'), `score`, `low`, `high` (NaN where seeds fall into two
    kinds), `n_seeds`, `outcomes`.
    """
    rows = table(e)
    out = []
    for key, variant in study.FACTORIAL4.items():
        score = rows[rows.variant == variant].score
        if score.empty:
            continue
        out.append(
            {"variant": study.FACTORIAL4[*key[:3], 0]}
            | {"contrast": "with VCLR" if key[3] else "without VCLR"}
            | transfer_score.interval(score)
        )
    return pd.DataFrame(out)


def factorial(e: Evidence) -> str | None:
    """The clear effects of the factorial, on the score and on log odds."""
    found = effects(e)
    if found.empty:
        return None
    points, odds = (found[found.scale == s] for s in ("points", "logits"))
    clear = points[points.clear]
    said = "; ".join(
        f"{_factors(r.effect)} {r.estimate:+.1f} [{r.low:+.1f}, {r.high:+.1f}]"
        for r in clear.itertuples()
    )
    other = sorted(set(odds[odds.clear].effect) ^ set(clear.effect), key=list(odds.effect).index)
    on_odds = (
        f"; on log odds it differs in {', '.join(map(_factors, other))}"
        if other
        else "; the same are clear on log odds"
    )
    wide = crossed(e)
    still = wide[wide.clear & wide.effect.isin(clear.effect)]
    return (
        f"In the factorial of FWM, HW, LD and VCLR ({int(points.n_seeds.iloc[0])} seeds of all "
        f"sixteen cells) {len(clear)} of {len(points)} effects on the score are clear (Holm)"
        + (
            f": {said}{on_odds}; {len(still)} of them stay clear with new test clips counted."
            if said
            else "."
        )
    )


def combined(e: Evidence) -> str | None:
    """What the plan says of each of the seven combinations, from the factorial's own seeds."""
    found = combinations(e)
    if found.empty:
        return None
    verdicts: dict[str, list[str]] = {}
    for whole, rows in found.groupby("whole", sort=False):
        over_vclr, over_rest = rows.itertuples()
        said = f"{TITLES[whole]} ({told(over_vclr)} against VCLR, {told(over_rest)} without it)"
        verdicts.setdefault(verdict(over_vclr, over_rest).removeprefix("is "), []).append(said)
    told_each = (f"{how}: {', '.join(names)}" for how, names in verdicts.items())
    return (
        f"Each combination of the factorial against VCLR and against the same objective without it "
        f"({int(found.n_seeds.min())} seeds, Holm over {len(found)}): {'. '.join(told_each)}."
    )


def one_beside(e: Evidence) -> str | None:
    """What one factorized term alone does to VCLR: to its score, and to its own loss."""
    found, loss = combinations(e), learned_cells(e)
    if found.empty or loss.empty:
        return None
    ends = loss.groupby("variant").loss.mean()
    single = [v for key, v in study.FACTORIAL4.items() if key[3] and sum(key) == 2]
    rows = found[(found.part == "vclr") & found.whole.isin(single)]
    said = ", ".join(
        f"{TITLES[COMBINED[r.whole]]} {told(r)} (loss {ends[r.whole]:.1f})"
        for r in rows.itertuples()
    )
    return (
        f"One factorized term beside VCLR, against VCLR alone, whose own loss ends at "
        f"{ends['vclr']:.1f}: {said}."
    )


@once
def learned_cells(e: Evidence) -> pd.DataFrame:
    """`transfer_learned.learned` of the eight cells with VCLR, on the factorial's own seeds."""
    rows = transfer_learned.learned(e, ("vclr", *COMBINED))
    return rows[(rows.changed == "") & rows.seed.isin(seeds(e))]


@once
def learned_again(e: Evidence) -> str | None:
    """Whether the score goes with VCLR's own loss in the factorial's runs, made to ask it again."""
    rows = learned_cells(e)
    found = transfer_learned.goes_with(rows)
    if found is None:
        return None
    way = "confirmed" if found.high < 0 else "not confirmed"
    ends = rows.groupby("variant", sort=False).loss.mean().sort_values()
    least, most = ends.index[0], ends.index[-1]
    return (
        f"That the score goes with VCLR's own loss is {way} by the factorial, whose runs were made "
        f"after it was found: rank correlation {found.rho:+.2f} [{found.low:+.2f}, "
        f"{found.high:+.2f}] over {found.runs} runs of {found.groups} objectives (bootstrap over "
        f"objectives); the loss ends between {ends.iloc[0]:.1f} ({TITLES[least]}) and "
        f"{ends.iloc[-1]:.1f} ({TITLES[most]})."
    )


def _factors(effect: str) -> str:
    return effect.upper().replace(":", " x ")
