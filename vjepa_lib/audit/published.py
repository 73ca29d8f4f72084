"""The published numbers: results and claims, read, checked and laid out.

`data_manifests/published/` holds every top-1 accuracy that arXiv 2605.17165 released and the
twelve claims that the report draws from it. Nothing here knows that paper except the defaults at
the top: `load_results` reads any table with a variant, a benchmark, a number of clips and a top-1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from vjepa_lib.analysis.statistics import (
    ALPHA,
    adjust,
    correct_count,
    minimum_detectable_difference,
    proportion_interval,
    rounding_gap,
    seed_noise,
    two_proportions,
)
from vjepa_lib.audit.reading import numbers, place, read_table
from vjepa_lib.errors import ConfigError, DataError, unknown

SOURCE = "arXiv 2605.17165"
# The paper compares its mixed variants (seed 239) with the baseline of seed 42, so that row comes
# first; the baseline of the variants' own seed was released too, without Diving-48.
BASELINES: dict[str, tuple[str, ...]] = {
    "mixed": ("baseline_seed42", "baseline"),
    "ucf101": ("baseline",),
}
_REQUIRED = ("variant", "benchmark", "n_val", "top1_percent")
_DEFAULTS = {
    "regime": "all",
    "pretrain_seed": pd.NA,
    "ema": "yes",
    "probe": "default",
    "probe_epochs": pd.NA,
    "n_train": pd.NA,
}
_INTEGERS = ("pretrain_seed", "probe_epochs", "n_train", "n_val")
_KEY = ("regime", "variant", "benchmark", "probe")
# A variant and its baseline should differ in the variant alone; these should agree.
CONTROLLED = ("pretrain_seed", "ema", "probe_epochs", "n_train", "n_val")


@dataclass(frozen=True)
class Results:
    """A table of published accuracies, and which of its rows are baselines.

    Attributes
    ----------
    table : a row per result: regime, variant, pretrain_seed, ema (bool), benchmark, probe,
        probe_epochs, n_train, n_val, top1_percent; then `correct` (clips) and the interval
        `low`, `high` in percent (Wilson, 95 %).
    baselines : regime -> variants that serve as baseline, first the one the paper compared with.
    source : what to cite.
    """

    table: pd.DataFrame
    baselines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    source: str = ""

    @property
    def regimes(self) -> tuple[str, ...]:
        return tuple(self.table["regime"].unique())

    def regime(self, name: str) -> pd.DataFrame:
        """Rows of one regime.

        Raises
        ------
        ConfigError : unknown regime.
        """
        if name not in self.regimes:
            raise unknown("regime", name, self.regimes)
        return self.table[self.table["regime"] == name]

    @cached_property
    def main_probes(self) -> dict[str, str]:
        """benchmark -> the probe that most variants were read with."""
        counts = self.table.groupby(["benchmark", "probe"])["variant"].nunique().reset_index()
        counts = counts.sort_values("variant", ascending=False, kind="stable")
        return dict(counts.drop_duplicates("benchmark")[["benchmark", "probe"]].to_numpy())

    @cached_property
    def main(self) -> pd.DataFrame:
        """Rows read with the main probe of their benchmark: one a regime, variant, benchmark."""
        return self.table[self.table["probe"] == self.table["benchmark"].map(self.main_probes)]

    def benchmarks(self, regime: str, shared: bool = True) -> tuple[str, ...]:
        """Benchmarks of a regime, most results first; `shared`: by at least two variants."""
        self.regime(regime)
        counts = self.main[self.main["regime"] == regime]["benchmark"].value_counts(sort=True)
        return tuple(counts[counts >= (2 if shared else 1)].index)

    def variants(self, regime: str, complete: bool = False) -> tuple[str, ...]:
        """Variants other than baselines; `complete`: only those with every shared benchmark."""
        wide = self.wide(regime)[list(self.benchmarks(regime))]
        if complete:
            wide = wide.dropna()
        return tuple(v for v in wide.index if v not in self.baselines.get(regime, ()))

    def row(self, regime: str, variant: str, benchmark: str) -> pd.Series | None:
        """The main-probe result of a variant, or None if it was not published.

        Raises
        ------
        ConfigError : the regime has no such variant or benchmark at all.
        """
        rows = self.regime(regime)
        for column, name in (("variant", variant), ("benchmark", benchmark)):
            known = rows[column].unique()
            if name not in known:
                raise unknown(column, name, known, f"in regime {regime!r}")
        rows = self.main[
            (self.main["regime"] == regime)
            & (self.main["variant"] == variant)
            & (self.main["benchmark"] == benchmark)
        ]
        return None if rows.empty else rows.iloc[0]

    def wide(self, regime: str, value: str = "top1_percent") -> pd.DataFrame:
        """Variants x benchmarks of one column, baselines first; NaN where nothing was published."""
        self.regime(regime)
        rows = self.main[self.main["regime"] == regime]
        wide = rows.pivot(index="variant", columns="benchmark", values=value)
        first = [b for b in self.baselines.get(regime, ()) if b in wide.index]
        rest = [v for v in rows["variant"].unique() if v not in first]
        return wide.loc[first + rest, list(self.benchmarks(regime, shared=False))]

    def differences(
        self, regime: str, alpha: float = ALPHA, correction: str = "holm"
    ) -> pd.DataFrame:
        """Every variant minus every baseline of its regime, benchmark by benchmark.

        Returns
        -------
        DataFrame: variant, benchmark, baseline, `top1`, `baseline_top1`, `difference`, `low`,
        `high` (percent points, Newcombe), `p`, `p_adjusted` (one family: all rows against this
        baseline), `clear` (p_adjusted < alpha: clear of the clips' noise), `low_all`, `high_all`
        (the interval at alpha / rows of the family: all of them cover together), `band` (of
        `seed_band`; NaN if unknown), `clear_of_seeds` (`clear`, and not inside the band) and
        `differs_in`: what besides the variant separates the two rows (seed, EMA, probe epochs,
        clips).

        Raises
        ------
        ConfigError : unknown regime, or it has no baseline.
        """
        names = [b for b in self.baselines.get(regime, ()) if b in set(self.regime(regime).variant)]
        if not names:
            raise ConfigError(
                f"Regime {regime!r} has no baseline row: pass baselines={{{regime!r}: (name,)}} "
                "when loading the results."
            )
        rows = self.main[self.main["regime"] == regime]
        others = rows[~rows["variant"].isin(self.baselines[regime])]
        parts = []
        for name in names:
            base = rows[rows["variant"] == name].set_index("benchmark")
            family = others[others["benchmark"].isin(base.index)]
            part = pd.DataFrame(
                [
                    _compare(r, base.loc[r["benchmark"]], len(family), alpha)
                    for _, r in family.iterrows()
                ]
            )
            if part.empty:
                continue
            part.insert(2, "baseline", name)
            part["p_adjusted"] = adjust(part["p"], correction)
            part["clear"] = part["p_adjusted"] < alpha
            part["band"] = [self.seed_band(regime, b)[0] for b in part["benchmark"]]
            inside = part["difference"].abs() <= part["band"]  # False where no band is known
            part["clear_of_seeds"] = part["clear"] & ~inside
            parts.append(part)
        return pd.concat(parts, ignore_index=True)

    def detectable(self, regime: str, power: float = 0.8) -> pd.DataFrame:
        """Smallest difference from each baseline that a benchmark's clips tell apart, in points.

        Returns
        -------
        DataFrame: benchmark, baseline, n_val, baseline_top1, half_width (of the baseline's own
        95 % interval), fall, rise (one comparison), fall_all, rise_all (as many comparisons as
        the benchmark has variants, Bonferroni).
        """
        rows = []
        wide = self.wide(regime).drop(index=list(self.baselines[regime]), errors="ignore")
        for benchmark in wide.columns:
            count = int(wide[benchmark].notna().sum())
            for name in self.baselines[regime]:
                base = self.row(regime, name, benchmark)
                if base is None:
                    continue
                share, n = base["correct"] / base["n_val"], int(base["n_val"])
                fall, rise = minimum_detectable_difference(share, n, power=power)
                fall_all, rise_all = minimum_detectable_difference(
                    share, n, power=power, comparisons=max(count, 1)
                )
                rows.append(
                    {
                        "benchmark": benchmark,
                        "baseline": name,
                        "n_val": n,
                        "baseline_top1": base["top1_percent"],
                        "half_width": (base["high"] - base["low"]) / 2,
                        "fall": 100 * fall,
                        "rise": 100 * rise,
                        "comparisons": count,
                        "fall_all": 100 * fall_all,
                        "rise_all": 100 * rise_all,
                    }
                )
        return pd.DataFrame(rows)

    def baseline_noise(self, regime: str) -> pd.DataFrame:
        """Spread of a regime's baselines over their seeds, benchmark by benchmark.

        Returns
        -------
        DataFrame: benchmark, seeds, gap (largest minus smallest), and sd, dof, sd_low, sd_high,
        band, band_plugin of `statistics.seed_noise`, in points; NaN with one seed.
        """
        # Every difference asks for it.
        if regime not in self._noise:
            self._noise[regime] = self._spread(regime)
        return self._noise[regime].copy()

    @cached_property
    def _noise(self) -> dict[str, pd.DataFrame]:
        return {}

    def _spread(self, regime: str) -> pd.DataFrame:
        wide = self.wide(regime)
        wide = wide.loc[[b for b in self.baselines.get(regime, ()) if b in wide.index]]
        rows = []
        for benchmark in self.benchmarks(regime):
            values = wide[benchmark].dropna().to_numpy()
            noise = seed_noise([values]) if len(values) > 1 else {}
            gap = np.ptp(values) if len(values) > 1 else np.nan
            rows.append({"benchmark": benchmark, "seeds": len(values), "gap": gap} | noise)
        return pd.DataFrame(rows)

    def seed_band(self, regime: str, benchmark: str) -> tuple[float, str]:
        """Band that two seeds of one method put around a difference of two single runs, in points.

        It comes from the baselines of the regime; where they are no two on the benchmark, from
        those of another regime, which is the best that was published.

        Returns
        -------
        band, regime it comes from; (NaN, '') if no regime has two baselines on the benchmark.
        """
        for name in (regime, *(r for r in self.regimes if r != regime)):
            noise = self.baseline_noise(name)
            row = noise[(noise["benchmark"] == benchmark) & (noise["seeds"] > 1)]
            if len(row):
                return float(row["band_plugin"].iloc[0]), name
        return float("nan"), ""

    def oddities(self) -> pd.DataFrame:
        """Rows that need a footnote: regime, variant, benchmark, `what`.

        Looked for: an accuracy no whole number of clips gives; fewer probe epochs than most rows
        of the benchmark; a name in the source that belongs to another variant; a probe other than
        the benchmark's main one; a missing benchmark.
        """
        found = []
        t = self.table

        def note(rows: pd.DataFrame, what: pd.Series | str) -> None:
            found.append(rows[["regime", "variant", "benchmark"]].assign(what=what))

        printed = rounding_gap(t["top1_percent"], t["n_val"])
        note(t[printed > 0.005 + 1e-9], "no whole number of clips gives this accuracy")
        stated = t[t["probe_epochs"].notna()]
        usual = stated.groupby("benchmark")["probe_epochs"].transform(lambda e: e.mode().iloc[0])
        odd = stated[stated["probe_epochs"] != usual]
        epochs = odd["probe_epochs"].astype(str) + " probe epochs where most have "
        note(odd, epochs + usual[odd.index].astype(str))
        if "name_in_source" in t:
            names = t.groupby("name_in_source")["variant"].transform("nunique") > 1
            owner = t.groupby(["regime", "variant"])["name_in_source"].transform(
                lambda n: n.mode().iloc[0]
            )
            wrong = t[names & (t["name_in_source"] != owner)]
            note(wrong, "the source names this row " + wrong["name_in_source"])
        for regime in self.regimes:
            wide = self.wide(regime)[list(self.benchmarks(regime))]
            lost = wide.isna().stack()
            lost = lost[lost].index.to_frame(index=False)
            lost.columns = ["variant", "benchmark"]
            note(lost.assign(regime=regime), "not published")
        return pd.concat(found, ignore_index=True)


def _compare(row: pd.Series, base: pd.Series, family: int, alpha: float) -> dict:
    """One line of `Results.differences`, in percent points."""
    counts = (int(row["correct"]), int(row["n_val"]), int(base["correct"]), int(base["n_val"]))
    one, all_of_them = two_proportions(*counts, alpha), two_proportions(*counts, alpha / family)
    differs = [
        c
        for c in CONTROLLED
        if not (pd.isna(row[c]) and pd.isna(base[c]))
        and (pd.isna(row[c]) or pd.isna(base[c]) or row[c] != base[c])
    ]
    return {
        "variant": row["variant"],
        "benchmark": row["benchmark"],
        "top1": row["top1_percent"],
        "baseline_top1": base["top1_percent"],
        "difference": row["top1_percent"] - base["top1_percent"],
        "low": 100 * one["low"],
        "high": 100 * one["high"],
        "p": one["p"],
        "low_all": 100 * all_of_them["low"],
        "high_all": 100 * all_of_them["high"],
        "differs_in": ", ".join(differs),
    }


def load_results(
    path: str | Path | None = None,
    baselines: Mapping[str, Sequence[str]] | None = None,
    source: str = "",
) -> Results:
    """Read a table of accuracies.

    Parameters
    ----------
    path : CSV with at least the columns variant, benchmark, n_val (clips), top1_percent; optional
        regime, pretrain_seed, ema (yes/no), probe, probe_epochs, n_train and any others. None:
        the results of arXiv 2605.17165.
    baselines : regime -> names of its baseline variants, first the one the paper compares with;
        a table without a regime column has the regime 'all'. None: those of arXiv 2605.17165.

    Raises
    ------
    DataError : file missing or broken; the message names file, line and column.
    ConfigError : a baseline that is not in the table.
    """
    if path is None:
        source = source or SOURCE
    if baselines is None:
        baselines = BASELINES if path is None else {}
    table, path = read_table(path, "published_results.csv", _REQUIRED)
    for column, value in _DEFAULTS.items():
        if column not in table:
            table[column] = value
    for column in ("regime", "variant", "benchmark", "probe"):
        table[column] = table[column].str.strip()
        empty = table[column] == ""
        if empty.any():
            raise DataError(f"{place(path, empty, column)}: empty; write a name.")
    wrong = ~table["ema"].isin(["yes", "no"])
    if wrong.any():
        raise DataError(f"{place(path, wrong, 'ema')}: write 'yes' or 'no'.")
    table["ema"] = table["ema"] == "yes"
    for column in _INTEGERS:
        values = numbers(table, column, path, needed=column == "n_val")
        bad = values.notna() & ((values % 1 != 0) | (values < (column != "pretrain_seed")))
        if bad.any():
            raise DataError(f"{place(path, bad, column)}: write a whole number above 0.")
        table[column] = values.astype("Int64")
    table["top1_percent"] = numbers(table, "top1_percent", path, needed=True).astype(float)
    bad = ~table["top1_percent"].between(0, 100)
    if bad.any():
        raise DataError(f"{place(path, bad, 'top1_percent')}: write a percentage from 0 to 100.")
    doubled = table.duplicated(list(_KEY))
    if doubled.any():
        raise DataError(
            f"{place(path, doubled, 'variant')}: this {', '.join(_KEY)} is there twice; keep one."
        )
    n = table["n_val"].astype(int)
    table["correct"] = correct_count(table["top1_percent"], n)
    low, high = proportion_interval(table["correct"], n)
    table["low"], table["high"] = 100 * low, 100 * high
    for regime, names in baselines.items():
        known = table.loc[table["regime"] == regime, "variant"].unique()
        absent = [b for b in names if b not in known]
        if absent:
            raise ConfigError(
                f"Baseline {absent[0]!r} is not a variant of regime {regime!r} in {path}; found: "
                f"{', '.join(known) or 'no rows of that regime'}."
            )
    return Results(table, {k: tuple(v) for k, v in baselines.items()}, source or str(path.name))


def load_claims(path: str | Path | None = None) -> pd.DataFrame:
    """Read a table of claims.

    Parameters
    ----------
    path : CSV with the columns id and claim; optional verified_in_report (yes/no) and
        confidence_in_report (0..1). None: the twelve claims of the report.

    Returns
    -------
    DataFrame indexed by id: claim, verified_in_report (bool or NA), confidence_in_report.

    Raises
    ------
    DataError : file missing or broken; the message names file, line and column.
    """
    table, path = read_table(path, "claims.csv", ("id", "claim"))
    for column in ("id", "claim"):
        empty = table[column].str.strip() == ""
        if empty.any():
            raise DataError(f"{place(path, empty, column)}: empty; fill it in.")
    doubled = table["id"].duplicated()
    if doubled.any():
        raise DataError(f"{place(path, doubled, 'id')}: this id is there twice; keep one.")
    if "verified_in_report" in table:
        wrong = ~table["verified_in_report"].isin(["yes", "no"])
        if wrong.any():
            raise DataError(f"{place(path, wrong, 'verified_in_report')}: write 'yes' or 'no'.")
        table["verified_in_report"] = table["verified_in_report"] == "yes"
    if "confidence_in_report" in table:
        values = numbers(table, "confidence_in_report", path, needed=True)
        bad = ~values.between(0, 1)
        if bad.any():
            raise DataError(f"{place(path, bad, 'confidence_in_report')}: write 0 to 1.")
        table["confidence_in_report"] = values.astype(float)
    return table.set_index("id")
