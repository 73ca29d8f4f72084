"""Rate and weight on one grid: which settings there are, and which of them a source chooses.

The grid is that of docs/analysis_plan.md at both sizes; `transfer_tuned` and
`transfer_larger_tuned` say what is made of the choice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import pandas as pd

from vjepa_lib.analysis import statistics
from vjepa_lib.analysis.transfer_score import PRIMARY, TITLES
from vjepa_lib.analysis.transfer_settings import in_words

_ALONE = ("{0} x0.1", "", "{0} x10")
_COMBINED = ("ld x0.1", "", "vclr x10")  # both changes give the contrast more of the sum
WEIGHTS = {
    "vclr": tuple(w.format("vclr") for w in _ALONE),
    "ld": tuple(w.format("ld") for w in _ALONE),
    "ld+vclr": _COMBINED,
    "fwm_hw_ld": tuple(w.format("ld") for w in _ALONE),
    "fwm_hw_ld+vclr": _COMBINED,
}


def setting(rate: str, weight: str) -> str:
    """A rate and a weight as `TransferRun.changed` has them."""
    return ", ".join(part for part in (rate, weight) if part)


def grid(variant: str, rates: Mapping[str, float]) -> dict[str, tuple[str, str]]:
    """The settings of an objective, each with its rate and its weight.

    Parameters
    ----------
    rates : as `TransferRun.changed` has them, '' for the study's own -> learning rate.
    """
    return {setting(r, w): (r, w) for w in WEIGHTS[variant] for r in rates}


def no_more(variant: str, chosen: str) -> dict[str, tuple[float, str]]:
    """What is due beyond a grid: nothing."""
    return {}


def trials(
    found: pd.DataFrame,
    rates: Mapping[str, float],
    choosing: Sequence[int],
    failed: Collection[tuple[str, str]] = (),
    more: Callable[[str, str], dict[str, tuple[float, str]]] = no_more,
) -> pd.DataFrame:
    """What every setting of a grid reads, of the objectives whose grid is whole.

    Parameters
    ----------
    found : a row a run: `variant`, `changed`, `seed`, `source` (validation accuracy, %), `score`.
    rates : of `grid`.
    choosing : seeds that choose; a setting has all of them, or is not there.
    failed : (variant, setting) of runs that came to no end; they are not waited for.
    more : (variant, its best setting) -> settings due beyond the grid, with rate and weight.

    Returns
    -------
    DataFrame, a row an objective and setting: `variant`, `changed`, `rate`, `weight` (in words),
    `source` and `score`, means over `choosing`, `chosen`: whether it has the best source.
    """
    found = found[found.seed.isin(choosing)]
    whole = found.groupby(["variant", "changed"]).seed.transform("nunique") == len(choosing)
    means = found[whole].groupby(["variant", "changed"])[["source", "score"]].mean()
    out = []
    for variant in WEIGHTS:
        settings = grid(variant, rates)
        settings = {c: place for c, place in settings.items() if (variant, c) not in failed}
        if not settings or not {(variant, c) for c in settings} <= set(means.index):
            continue
        own = means.loc[variant]
        beyond = more(variant, own.loc[list(settings)].source.idxmax())
        if not set(beyond) <= set(own.index):  # its choice may still change
            continue
        places = {c: (rates[r], w) for c, (r, w) in settings.items()} | beyond
        own = own.loc[list(places)]
        out.append(
            own.assign(
                variant=variant,
                rate=[rate for rate, _ in places.values()],
                weight=[in_words(w) for _, w in places.values()],
                chosen=own.index == own.source.idxmax(),
            ).reset_index()
        )
    return pd.concat(out, ignore_index=True) if out else found.iloc[:0]


def choice(table: pd.DataFrame) -> dict[str, str]:
    """The setting that its source chose of every objective of `trials`."""
    if table.empty:
        return {}
    rows = table[table.chosen]
    return dict(zip(rows.variant, rows.changed, strict=True))


def at_edge(table: pd.DataFrame, what: str = "rate") -> list[str]:
    """Objectives of `trials` whose chosen rate, or weight, is the first or last that was tried."""
    found = []
    for variant, rows in table.groupby("variant", sort=False):
        picked = rows[rows.chosen][what].iloc[0]
        if what == "rate":
            ends = (rows.rate.min(), rows.rate.max())
        else:
            ends = tuple(in_words(WEIGHTS[variant][i]) for i in (0, -1))
        found += [variant] if picked in ends else []
    return found


def ties(table: pd.DataFrame) -> dict[str, list[str]]:
    """Settings that read the sources as well as the chosen one, which came first in the grid."""
    found = {}
    for variant, rows in table.groupby("variant", sort=False):
        best = rows[(rows.source == rows.source.max()) & ~rows.chosen]
        if len(best):
            found[variant] = best.changed.tolist()
    return found


def reserves(table: pd.DataFrame, asked: Collection[str]) -> list[str]:
    """What is to be said against the choices of some objectives, in words: edges and ties."""
    said = []
    for what in ("rate", "weight"):
        names = [TITLES[v] for v in at_edge(table, what) if v in asked]
        said += [f"at an edge of its {what}s: {', '.join(names)}"] if names else []
    even = [
        f"{TITLES[v]} with {' and '.join(map(in_words, others))}"
        for v, others in ties(table).items()
        if v in asked
    ]
    return said + ([f"chosen from a tie, as the first: {', '.join(even)}"] if even else [])


def side_by_side(drawn: pd.DataFrame, untuned: str, tuned: str) -> dict[str, tuple[str, str]]:
    """What every objective reads untuned and tuned, in words; those that lack one are left out.

    Parameters
    ----------
    drawn : a row an objective and kind of `settings`, with `score` and `outcomes`.
    """
    told = drawn.assign(text=[r.outcomes or f"{r.score:.1f}" for r in drawn.itertuples()])
    wide = told.pivot(index="variant", columns="settings", values="text")
    wide = wide.loc[list(dict.fromkeys(drawn.variant))].dropna()
    return {v: (r[untuned], r[tuned]) for v, r in wide.iterrows()}


def better(table: pd.DataFrame, variant: str) -> tuple[int, int]:
    """How many settings of `trials` have a better score than the chosen one, and of how many."""
    own = table[table.variant == variant]
    return int((own.score > own[own.chosen].score.iloc[0]).sum()), len(own)


def have_both(table: pd.DataFrame) -> list[tuple[str, str]]:
    """The primary contrasts whose two sides have scores."""
    have = set(table.variant)
    return [pair for pair in PRIMARY if have.issuperset(pair)]


def of_four(found: pd.DataFrame, pairs: int) -> pd.DataFrame:
    """Contrasts corrected as if all of `PRIMARY` were tested.

    Those that are not there count as p = 1, and so do those of two kinds of seeds, which no t test
    is made of: what becomes of one contrast must not make another clear.

    Parameters
    ----------
    found : of `transfer_score.contrasts`.
    pairs : contrasts that were asked for.
    """
    due = len(found) // pairs * (len(PRIMARY) - pairs) if pairs else 0
    corrected = statistics.adjust([*found.p.fillna(1.0), *[1.0] * due])[: len(found)]
    untested = found.p.isna()
    return found.assign(
        p_adjusted=pd.Series(corrected, found.index).mask(untested),
        clear=(corrected < statistics.ALPHA) & ~untested,
    )
