"""The published table read: rows for figures and tables, and sentences about what they show.

Names are written by the caller: `write` turns 'fwm_ld' into what stands in a figure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from vjepa_lib.analysis import statistics
from vjepa_lib.analysis.selection import pick
from vjepa_lib.audit.findings import Verdict
from vjepa_lib.audit.published import Results
from vjepa_lib.audit.verdicts import Audit

Write = Callable[[str], str]
# The three benchmarks of the paper's main table, in its order.
MAIN = ("imagenet100", "ssv2", "diving48")
MOTION = ("ssv2", "diving48")
SMALL = ("synthetic_motion", "ucf101")
SEEDS = {"baseline": "seed 239", "baseline_seed42": "seed 42"}

# --- rows ---------------------------------------------------------------------------------------


def footnotes(results: Results) -> pd.DataFrame:
    """Oddities to know of: all of regime mixed, and elsewhere those that are no mere gap."""
    odd = results.oddities()
    return odd[(odd["regime"] == "mixed") | (odd["what"] != "not published")]


def _main(results: Results, regime: str) -> list[str]:
    """The main benchmarks that at least two variants of a regime were read on."""
    return [b for b in MAIN if b in results.benchmarks(regime)]


def with_intervals(results: Results, regime: str) -> pd.DataFrame:
    """Main-probe rows of a regime on the main benchmarks, variants and benchmarks in order."""
    rows = pick(results.main[results.main["regime"] == regime], "benchmark", _main(results, regime))
    order = {name: k for k, name in enumerate(results.wide(regime).index)}
    place = rows["benchmark"].map(MAIN.index) * len(order) + rows["variant"].map(order)
    return rows.loc[place.sort_values().index].reset_index(drop=True)


def baseline_lines(results: Results, regime: str) -> dict[str, dict[str, float]]:
    """benchmark -> {baseline: top-1}, where it was published; for `plots.intervals`."""
    wide = results.wide(regime).loc[list(results.baselines[regime])]
    return {b: wide[b].dropna().to_dict() for b in _main(results, regime)}


def differences_in_order(
    differences: pd.DataFrame, pairs: Sequence[tuple[str, str]] | None = None
) -> pd.DataFrame:
    """Differences in the order of the main benchmarks, those against the paper's baseline first.

    Parameters
    ----------
    differences : of `Results.differences`.
    pairs : (variant, benchmark) to keep, in this order; None for all.
    """
    rows = differences
    if pairs is not None:
        rows = rows.set_index(["variant", "benchmark"]).loc[list(pairs)].reset_index()
    place = rows["benchmark"].map(MAIN.index)
    rows = rows.assign(place=place).sort_values(
        ["place", "baseline"], ascending=[True, False], kind="stable"
    )
    return rows.drop(columns="place").reset_index(drop=True)


def bands(noise: pd.DataFrame) -> dict[str, float]:
    """benchmark -> half width of the band of seed noise, of `Results.baseline_noise`."""
    return noise.set_index("benchmark")["band_plugin"].dropna().to_dict()


def map_of_differences(
    differences: pd.DataFrame, write: Write = str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Differences as a map, and where they are clear of clip noise.

    Returns
    -------
    two DataFrames, variants x (benchmark, baseline): points, largest first in the first column,
    and bool.
    """
    columns = [
        f"{write(benchmark)}\n{seed}"
        for benchmark in differences["benchmark"]
        for seed in ("seed 42", "seed 239")
    ]
    cells = differences.assign(
        column=differences["benchmark"].map(write) + "\n" + differences["baseline"].map(SEEDS)
    )
    order = [c for c in dict.fromkeys(columns) if c in set(cells["column"])]
    points = cells.pivot(index="variant", columns="column", values="difference")[order]
    clear = cells.pivot(index="variant", columns="column", values="clear")[order]
    rows = points.iloc[:, 0].sort_values(ascending=False).index
    return points.loc[rows], clear.loc[rows].eq(True)


def sign_changes(differences: pd.DataFrame) -> pd.DataFrame:
    """Differences whose sign depends on the baseline: variant, benchmark, a column a baseline."""
    wide = differences.pivot(
        index=["variant", "benchmark"], columns="baseline", values="difference"
    ).dropna()
    return wide[(wide > 0).any(axis=1) & (wide < 0).any(axis=1)].reset_index()


def detectable(results: Results) -> pd.DataFrame:
    """`Results.detectable` of every regime, one under the other."""
    parts = [results.detectable(regime).assign(regime=regime) for regime in results.regimes]
    table = pd.concat(parts, ignore_index=True)
    return table[["regime", *table.columns.drop("regime")]]


def with_ends(results: Results, regime: str) -> pd.DataFrame:
    """Variants x benchmarks, with the ends of the intervals as further columns, `_low`, `_high`."""
    ends = [results.wide(regime, end).add_suffix(f"_{end}") for end in ("low", "high")]
    return results.wide(regime).join(ends).reset_index()


def motion_against_appearance(results: Results, regime: str = "mixed") -> pd.DataFrame:
    """Rank correlation of each motion benchmark with ImageNet-100 over variants.

    Returns
    -------
    DataFrame: benchmark, rho, p, n.
    """
    own = results.wide(regime).drop(index=list(results.baselines[regime]))
    return pd.DataFrame(
        [{"benchmark": b} | statistics.rank_correlation(own["imagenet100"], own[b]) for b in MOTION]
    )


def spread_by(results: Results, column: str, regime: str) -> pd.DataFrame:
    """Are rows that share a setting more alike than rows of the same regime that do not?

    Rows trained without EMA may look alike because nothing trains them. That says something only if
    rows of the same regime *with* EMA, read by the same probe on the same clips, differ.

    Parameters
    ----------
    column : setting that tells the groups apart, e.g. 'ema'.

    Returns
    -------
    DataFrame, a row per benchmark and value of the setting with two rows or more: `benchmark`, the
    setting, `variants`, and `statistics.homogeneity` of the group.
    """
    rows, out = results.main[results.main["regime"] == regime], []
    for (benchmark, value), part in rows.groupby(["benchmark", column], sort=False):
        if len(part) > 1:
            found = statistics.homogeneity(part["correct"], part["n_val"])
            names = ", ".join(part["variant"])
            out.append({"benchmark": benchmark, column: value, "variants": names} | found)
    return pd.DataFrame(out)


def one_proportion(results: Results) -> pd.DataFrame:
    """Whether all rows with EMA off of a benchmark could be samples of one proportion.

    Returns
    -------
    DataFrame, a row per benchmark with at least two rows: their range, the baseline, and the test
    of `statistics.homogeneity` with Holm's correction over benchmarks; then the control, the same
    test of the rows with EMA on: `on_rows`, `on_chi2`, `on_p` (NaN where there are none).
    """
    rows = []
    control = spread_by(results, "ema", "ucf101")
    control = control[control["ema"]].set_index("benchmark")[["rows", "chi2", "p"]]
    for benchmark, part in results.main[~results.main["ema"]].groupby("benchmark", sort=False):
        if len(part) > 1:
            low, high = part["top1_percent"].min(), part["top1_percent"].max()
            base = results.row("ucf101", "baseline", benchmark)["top1_percent"]
            found = statistics.homogeneity(part["correct"], part["n_val"])
            found = {k: v for k, v in found.items() if k not in ("pooled", "spread")}
            row = {"benchmark": benchmark, "top-1 (%)": f"{low:.2f}–{high:.2f}", "baseline": base}
            rows.append(row | found)
    table = pd.DataFrame(rows)
    table = table.assign(p_holm=statistics.adjust(table["p"]))
    return table.join(control.add_prefix("on_"), on="benchmark")


def by_ema(results: Results, benchmark: str) -> pd.DataFrame:
    """Main-probe rows of regime ucf101 on a benchmark, `ema` in words, best first within each."""
    rows = results.main[
        (results.main["regime"] == "ucf101") & (results.main["benchmark"] == benchmark)
    ]
    rows = rows.sort_values(["ema", "top1_percent"], ascending=False)
    return rows.assign(ema=rows["ema"].map({True: "EMA on", False: "EMA off"}))


def few_clips(results: Results) -> pd.DataFrame:
    """Main-probe rows of synthetic motion and of UCF-101."""
    return pick(results.main, "benchmark", SMALL).sort_values("benchmark", kind="stable")


def probes_of_baseline(results: Results, benchmark: str, regime: str = "ucf101") -> pd.DataFrame:
    """Every probe of the regime's baseline on a benchmark, best first."""
    rows = results.regime(regime)
    rows = rows[(rows["variant"] == "baseline") & (rows["benchmark"] == benchmark)]
    columns = ["probe", "top1_percent", "low", "high", "name_in_source"]
    return rows.sort_values("top1_percent", ascending=False)[columns].reset_index(drop=True)


# --- sentences ----------------------------------------------------------------------------------


def between_baselines(noise: pd.DataFrame) -> str:
    """How far the two baselines are apart."""
    gap = noise.set_index("benchmark")["gap"]
    return (
        f"Two seeds of the baseline differ by {gap['imagenet100']:.2f} points on ImageNet-100 "
        f"and {gap['ssv2']:.2f} on SSv2."
    )


def losses_on_imagenet(results: Results, differences: pd.DataFrame, write: Write) -> list[str]:
    """How many variants lose more than 5 points on ImageNet-100, a sentence a baseline."""
    rows = differences[differences["benchmark"] == "imagenet100"]
    complete = rows["variant"].isin(results.variants("mixed", complete=True))
    said = []
    for baseline in results.baselines["mixed"]:
        own, fell = rows["baseline"] == baseline, rows["difference"] < -5
        said.append(
            f"{write(baseline)}: {(own & fell).sum()} of {own.sum()} variants lose more than 5 "
            f"points on ImageNet-100; of those with all benchmarks, "
            f"{(own & fell & complete).sum()} of {(own & complete).sum()}."
        )
    return said


def steady_differences(differences: pd.DataFrame, write: Write) -> str:
    """How many differences hold against both baselines, how many change sign; the steady gains."""
    pairs = differences.pivot(
        index=["variant", "benchmark"], columns="baseline", values=["clear", "difference"]
    ).dropna()
    same_sign = pairs["difference"].gt(0).all(axis=1) | pairs["difference"].lt(0).all(axis=1)
    steady = pairs["clear"].astype(bool).all(axis=1) & same_sign
    gains = pairs[steady & pairs["difference"].gt(0).all(axis=1)].index
    listed = ", ".join(f"{write(v)} on {write(b)}" for v, b in gains) or "none"
    return (
        f"Of {len(pairs)} differences known against both baselines, {steady.sum()} are clear of "
        f"clip noise with one sign and {len(sign_changes(differences))} change sign. The steady "
        f"gains: {listed}."
    )


def seen_on_diving48(differences: pd.DataFrame, detectable: pd.DataFrame) -> str:
    """How many variants differ on Diving-48, and what its clips could show."""
    own = differences[differences["benchmark"] == "diving48"]
    sees = detectable[
        (detectable["regime"] == "mixed") & (detectable["benchmark"] == "diving48")
    ].iloc[0]
    return (
        f"Diving-48: {own['clear'].sum()} of {len(own)} mixed variants differ from the baseline; "
        f"{sees['n_val']:,} clips give ±{sees['half_width']:.1f} points and show a fall of "
        f"{sees['fall']:.1f}."
    )


def correlations(table: pd.DataFrame, write: Write) -> list[str]:
    """Rank correlations with ImageNet-100, of `motion_against_appearance`."""
    return [
        f"{write(row.benchmark)} against ImageNet-100 over {row.n} variants: rank correlation "
        f"{row.rho:+.2f} (p = {row.p:.2g}); a trade-off would be negative."
        for row in table.itertuples()
    ]


def alike_without_ema(table: pd.DataFrame, write: Write) -> list[str]:
    """Whether rows with EMA off are one proportion, of `one_proportion`."""
    return [
        f"EMA-off rows on {write(row.benchmark)}: {row.rows} rows, one proportion has "
        f"p = {row.p:.3f} (Holm {row.p_holm:.3f}), being so alike p = {row.p_alike:.3f}; control: "
        + (
            "no rows with EMA on"
            if pd.isna(row.on_p)
            else f"the {row.on_rows:.0f} rows with EMA on have chi-square {row.on_chi2:.1f}, "
            f"p = {row.on_p:.1g}"
        )
        + "."
        for row in table.itertuples()
    ]


def gains_on_forty_clips(few: pd.DataFrame, variants: Sequence[str], write: Write) -> list[str]:
    """What 40 clips say of some variants on synthetic motion, of `few_clips`."""
    rows = few[few["benchmark"] == "synthetic_motion"].set_index("variant")
    said = []
    for variant in variants:
        row, base = rows.loc[variant], rows.loc["baseline"]
        gap = statistics.two_proportions(
            row["correct"], row["n_val"], base["correct"], base["n_val"]
        )
        said.append(
            f"Synthetic motion, {write(variant)}: {row['top1_percent']} % of {row['n_val']} clips "
            f"is {row['low']:.0f} to {row['high']:.0f} %; gain {100 * gap['difference']:+.0f}, "
            f"{100 * gap['low']:+.0f} to {100 * gap['high']:+.0f} points, with EMA switched off "
            "at the same time."
        )
    return said


def span_of_probes(probes: pd.DataFrame) -> str:
    """How far the probes of one encoder are apart, of `probes_of_baseline`."""
    top1 = probes["top1_percent"]
    return f"{len(probes)} probes of one encoder span {top1.min()} to {top1.max()} % on Diving-48."


# --- the audit ----------------------------------------------------------------------------------


def pooled_seed_noise(results: pd.DataFrame) -> pd.DataFrame:
    """Spread of own runs over seeds, pooled over variants, by benchmark.

    Parameters
    ----------
    results : of `study.metrics`; linear probes are used.

    Returns
    -------
    DataFrame: benchmark, sd, dof, band (of a difference of two single runs), points.
    """
    # Variants that share a run say nothing twice about the spread.
    linear = results[results["probe"] == "linear"].drop_duplicates(["run", "benchmark"])
    rows = []
    for benchmark, part in linear.groupby("benchmark", sort=False):
        groups = [g["top1"].to_numpy() for _, g in part.groupby(["variant", "form"])]
        found = statistics.seed_noise(groups)
        rows.append({"benchmark": benchmark} | {k: found[k] for k in ("sd", "dof", "band")})
    return pd.DataFrame(rows)


def evidence_of_each(evidence: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Tables of `verdicts.own_run_evidence` under each other, told apart by `source`."""
    parts = [table.assign(source=source) for source, table in evidence.items()]
    return pd.concat(parts, ignore_index=True)


def verdict_counts(audit: Audit) -> list[str]:
    """How many claims hold, and which got which verdict."""
    ends = audit.verdicts["verdict"]
    held = int((ends == Verdict.HOLDS).sum())
    said = [f"Of {len(ends)} claims, {held} hold once the implementation counts."]
    said += [f"  {v}: {', '.join(ends.index[ends == v]) or 'none'}" for v in Verdict]
    return said


def numbers_recomputed(audit: Audit) -> str:
    """How many parts that state a number recompute, and which do not."""
    numbers = audit.findings[audit.findings["agrees"].notna()]
    wrong = numbers[numbers["agrees"].eq(False)]
    listed = "; ".join(f"{r.id}, {r.stated} stated, {r.recomputed}" for r in wrong.itertuples())
    return (
        f"{len(numbers) - len(wrong)} of {len(numbers)} parts that state a number recompute; "
        f"not: {listed or 'none'}."
    )


def stated_and_recomputed(audit: Audit, stated: str) -> str:
    """The part of a claim that states a count, beside the count recomputed."""
    row = audit.findings[audit.findings["stated"] == stated].iloc[0]
    return f"{row['statement']}: {row['stated']} stated, {row['recomputed']}."


def said_verified(claims: pd.DataFrame, audit: Audit) -> list[str]:
    """What became of the claims that the report calls verified."""
    said = []
    for claim in claims.index[claims["verified_in_report"]]:
        parts = audit.findings[
            (audit.findings["id"] == claim) & (audit.findings["recomputed"] != "")
        ]
        said.append(
            f"{claim}, called verified by the report: {' | '.join(parts['recomputed'])}; verdict: "
            f"{audit.verdicts.loc[claim, 'verdict']}."
        )
    return said


def single_runs(results: Results) -> str:
    """What it means that every published variant is one run."""
    gap = results.baseline_noise("mixed").set_index("benchmark").loc["imagenet100"]
    return (
        f"Every published variant is one run: two baselines {gap['gap']:.2f} points apart on "
        f"ImageNet-100 leave ±{gap['band_plugin']:.1f} around a difference of two single runs."
    )


def own_outcomes(own: pd.DataFrame, source: str) -> list[str]:
    """What own runs say about each claim that predicts a direction."""
    return [
        f"own runs ({source}), {row.claim}: {row.variant} ({row.form}) on {row.benchmark} "
        f"{row.effect:+.1f} points, claimed {row.direction}: {row.outcome}"
        for row in own.itertuples()
    ]


def outcomes_counted(own: pd.DataFrame) -> list[str]:
    """How often own runs point as each claim predicts, of `verdicts.own_run_evidence`."""
    kinds = ("as claimed", "opposite", "unclear")
    return [
        f"{claim}: {len(part)} own effects, "
        + ", ".join(f"{(part.outcome == kind).sum()} {kind}" for kind in kinds)
        for claim, part in own.groupby("claim", sort=True)
    ]
