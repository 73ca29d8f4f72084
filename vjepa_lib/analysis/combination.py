"""The report's question as tables: factorized dynamics x contrast x cross-domain transfer.

Every function takes results in the columns of `study.metrics`, live or recorded, and returns what a
figure of notebooks 13 and 14 shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from vjepa_lib import study
from vjepa_lib.analysis import statistics
from vjepa_lib.analysis.ablation import gains, name, with_mean
from vjepa_lib.analysis.matched import matched_weights
from vjepa_lib.analysis.transfer_tables import (
    SHIFTED,
    leakage,
    low_shot,
    separation,
    shift,
    transfer_matrix,
)
from vjepa_lib.errors import unknown
from vjepa_lib.study.titles import spelt

__all__ = [
    "GROUPS",
    "SHIFTED",
    "against_best_part",
    "answer",
    "best_of_both",
    "crossed",
    "interactions",
    "leakage",
    "low_shot",
    "matched_weights",
    "on_halves",
    "separation",
    "shift",
    "transfer_matrix",
    "verdict",
    "with_groups",
]


# Beside the crossing: the other cells of the factorial, so that a combination is held against every
# part it is made of.
_BASES = (
    *study.FACTORIZED,
    ("ld", "released"),
    ("hw1", "released"),
    ("fwm_hw", "described"),
    ("fwm_ld", "described"),
    ("hw_ld", "described"),
)
GROUPS = {
    "in domain": ("appearance", "fine_motion", "order", "actions"),
    "shifted": tuple(SHIFTED),
}
"""Means that do not mix benchmarks of the pretraining domain with shifted ones."""


def crossed(results: pd.DataFrame, probe: str = "linear") -> pd.DataFrame:
    """Factorized objectives x contrasts, with the contrast on all channels or on one half.

    The crossing is {baseline, FWM, FWM-HW-LD released, described} x {none, contrasts}; the other
    cells of the factorial {FWM, HW, LD} and contrasts on halves stand beside it where they were
    run.

    Returns
    -------
    DataFrame, a row per run and benchmark: `base` ('baseline', 'fwm (described)', ..), `contrast`
    ('none', 'ltc', 'vclr_appearance' ..), `name`, `benchmark`, `seed`, `top1`, `correct`, `n_test`.
    """
    acts = [(c, h) for h in ("", *study.HALVES) for c in study.CONTRASTS]
    cells = []
    for base, form in _BASES:
        for contrast, half in (("none", ""), *acts):
            variant = base if contrast == "none" else study.combined(base, contrast, half)
            label = f"{contrast}_{half}" if half else contrast
            cells.append((variant, form, name(base, form), label, name(variant, form)))
    key = ["variant", "form"]
    known = pd.DataFrame(cells, columns=[*key, "base", "contrast", "name"])
    own = results[(results.probe == probe) & (results.regime == "mixed")]
    columns = ["base", "contrast", "name", "benchmark", "seed", "top1", "correct", "n_test"]
    return known.merge(own.drop(columns="name", errors="ignore"), on=key)[columns]


def with_groups(
    frame: pd.DataFrame, keys: Sequence[str], groups: Mapping[str, Sequence[str]] = GROUPS
) -> pd.DataFrame:
    """`with_mean`, and the means over each group of benchmarks as further benchmarks."""
    parts = [with_mean(frame, keys)]
    for label, names in groups.items():
        rows = with_mean(frame[frame.benchmark.isin(names)], keys)
        parts.append(rows[rows.benchmark == "all"].assign(benchmark=label))
    return pd.concat(parts, ignore_index=True)


def interactions(
    frame: pd.DataFrame, scale: str = "points", benchmarks: Sequence[str] | None = None
) -> pd.DataFrame:
    """What a contrast adds to a factorized objective beyond what it adds to the baseline.

    Computed seed by seed: cells differ in their scatter, so no error is shared between them. Where
    one of the four cells has two kinds of outcome there is no interval (`outcomes` says which).

    Parameters
    ----------
    frame : of `crossed`; the mean over benchmarks is added.
    scale : 'points', or 'logits': under a ceiling, gains in points cannot add up.
    benchmarks : those asked ('all' for the mean); None for every one.

    Returns
    -------
    DataFrame, a row per benchmark and pair: `base`, `contrast`, `pair` ('base:contrast'), `simple`
    (what the contrast adds to the base), `reference` (to the baseline), `estimate` (their
    difference), `low`, `high`, `p`, `n_seeds`, `outcomes`, and `family`, `p_adjusted`, `clear`
    (Holm over the pairs of a benchmark). A negative estimate beside two positive gains says that
    both bring the same thing.
    """
    odds = frame.assign(logit=statistics.logits(frame.correct, frame.n_test))
    table = with_mean(odds, ["base", "contrast", "seed"])
    value = {"points": "top1", "logits": "logit"}.get(scale)
    if value is None:
        raise unknown("scale", scale, ("points", "logits"))
    if benchmarks is not None:
        table = table[table.benchmark.isin(benchmarks)]
    out = []
    for benchmark, part in table.groupby("benchmark", sort=False):
        wide, points = (
            part.pivot_table(index="seed", columns=["base", "contrast"], values=v, sort=False)
            for v in (value, "top1")
        )
        kinds = {c: statistics.outcomes(points[c].dropna()).text() for c in points}
        n = float(part.n_test.min())
        for base, contrast in wide.columns:
            four = [(base, contrast), (base, "none"), ("baseline", contrast), ("baseline", "none")]
            asked = base != "baseline" and contrast in study.CONTRASTS
            if not asked or any(c not in wide for c in four):
                continue
            y = wide[four].dropna()
            simple, reference = y[four[0]] - y[four[1]], y[four[2]] - y[four[3]]
            gap = simple - reference
            # One clip more or less moves log odds by 4 / n or more.
            least = 4 / n
            if scale == "points":
                least = 100 * float(statistics.least_scatter(gap.mean() / 100, n))
            found = statistics.mean_interval(gap, least=least)
            said = "; ".join(f"{b} x {c}: {kinds[b, c]}" for b, c in four if kinds[b, c])
            if said:
                found |= dict.fromkeys(("low", "high", "p"), float("nan"))
            out.append(
                {"base": base, "contrast": contrast, "benchmark": benchmark}
                | {"simple": simple.mean(), "reference": reference.mean()}
                | {"estimate": found["mean"], "n_seeds": found["n"], "outcomes": said}
                | {k: found[k] for k in ("low", "high", "p")}
            )
    table = statistics.in_families(pd.DataFrame(out), ["benchmark"], f"interactions on {scale}")
    return table.assign(pair=table.base + ":" + table.contrast)


def _parts_of(base: str, contrast: str, have: set[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Every part of a combination that was run: how it is called -> (base, contrast)."""
    alone = contrast.split("_")[0]
    found = {base: (base, "none"), alone: ("baseline", alone)}
    variant = base.removesuffix(" (described)")
    if variant != base or not study.differs(variant):
        made_of = {v: k for k, v in study.FACTORIAL.items()}
        for other, form in _BASES[1:]:
            title = name(other, form)
            smaller = other in made_of and all(
                x <= y for x, y in zip(made_of[other], made_of[variant], strict=True)
            )
            if smaller and (form == "described" or not study.differs(other)):
                found[title] = (title, "none")
    return {k: cell for k, cell in found.items() if cell in have}


def against_best_part(frame: pd.DataFrame) -> pd.DataFrame:
    """Each combination minus the best of its parts, seed by seed.

    Parts are the contrast alone, the factorized objective alone, and what that is made of (LD, FWM,
    .. of FWM-HW-LD), as far as they were run. Which part is best is decided on the mean over all
    seeds, so the difference of a single seed may have either sign.

    Returns
    -------
    DataFrame: `benchmark`, `name`, `best_part`, `effect`, `low`, `high`, `p`, `n_seeds`,
    `outcomes`, and `family`, `p_adjusted`, `clear` (Holm over the combinations of a benchmark).
    """
    table = with_groups(frame, ["base", "contrast", "name", "seed"])
    wide = table.pivot_table(
        index=["benchmark", "seed"], columns=["base", "contrast"], values="top1", sort=False
    )
    clips = table.groupby("benchmark").n_test.min()
    names = table.drop_duplicates("name").set_index("name")[["base", "contrast"]]
    out = []
    for benchmark, part in wide.groupby(level="benchmark", sort=False):
        have = set(part.dropna(axis=1, how="all"))
        for title, (base, contrast) in names.iterrows():
            if base == "baseline" or contrast == "none" or (base, contrast) not in have:
                continue
            parts = _parts_of(base, contrast, have)
            if not parts:
                continue
            best = max(parts, key=lambda k: part[parts[k]].mean())
            whole, reference = part[(base, contrast)], part[parts[best]]
            found = _difference(whole, reference, clips[benchmark])
            out.append({"benchmark": benchmark, "name": title, "best_part": best} | found)
    return statistics.in_families(pd.DataFrame(out), ["benchmark"], "minus the best part")


def _difference(a: pd.Series, b: pd.Series, clips: float) -> dict:
    """Paired difference over seeds: `effect`, `low`, `high`, `p`, `n_seeds`, `outcomes`."""
    gap = a - b
    least = 100 * float(statistics.least_scatter(gap.mean() / 100, clips))
    found = statistics.mean_interval(gap, least=least)
    said = "; ".join(s for x in (a, b) if (s := statistics.outcomes(x).text()))
    if said:
        found |= dict.fromkeys(("low", "high", "p"), float("nan"))
    kept = {k: found[k] for k in ("low", "high", "p")}
    return {"effect": found["mean"]} | kept | {"n_seeds": found["n"], "outcomes": said}


def on_halves(results: pd.DataFrame, base: str = "fwm_hw_ld") -> pd.DataFrame:
    """Gain of each contrast, on all channels or on one half, over the described base alone.

    Returns
    -------
    DataFrame as of `gains`, the name being the variant's.
    """
    names = [study.combined(base, c, h) for c in study.CONTRASTS for h in ("", *study.HALVES)]
    rows = results[
        (results.probe == "linear")
        & (results.regime == "mixed")
        & (results.form == "described")
        & results.variant.isin([base, *names])
    ]
    return gains(rows.assign(name=rows.variant), base)


def answer(results: pd.DataFrame) -> pd.DataFrame:
    """The research question in one table: every cell against the baseline of the same seed.

    Returns
    -------
    DataFrame: `objective`, and for the means of `GROUPS` and each shifted benchmark the difference
    to the baseline in points with its t interval over seeds, as text. Bold: clear of 0 after Holm's
    correction over the whole table. Where seeds fall into two kinds of outcome, their accuracies
    are counted and there is no interval.
    """
    frame = crossed(results)
    table = with_groups(frame, ["name", "seed"])
    where = (*GROUPS, *SHIFTED)
    table = statistics.paired_differences(
        table[table.benchmark.isin(where)],
        "baseline",
        "top1",
        "name",
        by=["benchmark"],
        clips="n_test",
        two_outcomes=True,
    )
    out: dict[str, dict[str, str]] = {w: {} for w in where}
    for row in table.itertuples():
        interval = "" if np.isnan(row.low) else f" [{row.low:+.1f}, {row.high:+.1f}]"
        text = f"{row.effect:+.1f}{interval}"
        text = f"**{text}**" if row.clear else text
        out[row.benchmark][row.name] = f"{row.outcomes} %" if row.outcomes else text
    order = table[table.benchmark == "shifted"].sort_values("effect", ascending=False).name
    wide = pd.DataFrame(out).loc[order].rename_axis("objective").reset_index()
    titles = {"in domain": "in domain, mean of four", "shifted": "shifted, mean of two"}
    return wide.rename(columns=titles)


def best_of_both(
    frame: pd.DataFrame, benchmark: str = "all", groups: Mapping[str, Sequence[str]] = GROUPS
) -> dict:
    """The best single part and the best combination, and their difference over seeds.

    Parameters
    ----------
    frame : of `crossed`.
    benchmark : one of its benchmarks, 'all' for their mean, or one of the groups.
    groups : name -> benchmarks whose mean is asked.

    Returns
    -------
    `part`, `whole` (names), `part_mean`, `whole_mean` (percent), `effect`, `low`, `high`, `p`,
    `n_seeds`, `outcomes`, `values` (the differences, one a seed), `least` (their least scatter).
    """
    table = with_groups(frame, ["base", "contrast", "name", "seed"], groups)
    table = table[table.benchmark == benchmark]
    wide = table.pivot_table(index="seed", columns="name", values="top1")
    kinds = table.drop_duplicates("name").set_index("name")
    both = kinds.index[(kinds.base != "baseline") & (kinds.contrast != "none")]
    means = wide.mean()
    part, whole = means.drop([*both, "baseline"]).idxmax(), means[both].idxmax()
    clips = float(table.n_test.min())
    gap = (wide[whole] - wide[part]).dropna()
    return (
        {"part": part, "whole": whole, "part_mean": means[part], "whole_mean": means[whole]}
        | _difference(wide[whole], wide[part], clips)
        | {"values": gap.to_numpy()}
        | {"least": 100 * float(statistics.least_scatter(gap.mean() / 100, clips))}
    )


def verdict(frame: pd.DataFrame, benchmark: str = "all") -> str:
    """The research question in a sentence: the best combination against the best single part.

    Parts are contrasts alone and factorized objectives alone (LD, FWM-LD, .. included),
    combinations all others, on all channels or on a half.

    Parameters
    ----------
    frame, benchmark : as of `best_of_both`.

    Both are chosen by their mean over seeds, so a small advantage of either may be luck; the
    interval is the paired t interval over seeds.
    """
    found = best_of_both(frame, benchmark)
    low, high = found["low"], found["high"]
    if low > 0:
        says = "combining brings more than either part"
    elif high < 0:
        says = "combining falls short of the best part"
    else:
        says = "whether combining brings more is undecided"
    where = {"all": "the mean of all benchmarks"} | {g: f"the mean {g}" for g in GROUPS}
    part, whole = spelt(found["part"]), spelt(found["whole"])
    return (
        f"On {where.get(benchmark, spelt(benchmark))} the best single part is {part} "
        f"({found['part_mean']:.1f} %), the best combination {whole} "
        f"({found['whole_mean']:.1f} %): {found['effect']:+.1f} points [{low:+.1f}, {high:+.1f}] "
        f"over {found['n_seeds']} seeds; {says}."
    )
