"""Checks: small predicates over published numbers, from which claims are put together.

A check recomputes the number a claim states, asks whether the difference survives the noise of
the clips and the number of comparisons, and asks it against every baseline there is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
from scipy.stats import fisher_exact

from vjepa_lib.analysis.statistics import ALPHA, adjust, homogeneity, two_proportions
from vjepa_lib.audit.findings import Finding, Verdict
from vjepa_lib.audit.published import Results
from vjepa_lib.errors import ConfigError, unknown


@dataclass(frozen=True)
class Evidence:
    """What checks may ask: the results, and the rules of the test.

    Attributes
    ----------
    alpha : level, after correction.
    correction : of `statistics.adjust`; a family is every comparison with one baseline in a regime.
    """

    results: Results
    alpha: float = ALPHA
    correction: str = "holm"
    _cache: dict = field(default_factory=dict, repr=False, compare=False)

    def regime(self, name: str | None) -> str:
        """The regime named, or the only one there is."""
        if name is None and len(self.results.regimes) > 1:
            raise ConfigError(
                f"The results have several regimes: give regime=, one of "
                f"{', '.join(self.results.regimes)}."
            )
        return name or self.results.regimes[0]

    def differences(self, regime: str) -> pd.DataFrame:
        """`Results.differences` of a regime, computed once."""
        if regime not in self._cache:
            self._cache[regime] = self.results.differences(regime, self.alpha, self.correction)
        return self._cache[regime]

    def seed_note(self, regime: str, benchmark: str) -> list[str]:
        """What is known of the spread over seeds, as a clause; it informs and decides nothing."""
        noise = self.results.baseline_noise(regime).set_index("benchmark")
        if benchmark not in noise.index or noise.loc[benchmark, "seeds"] < 2:
            return ["spread over seeds unknown (one baseline)"]
        row = noise.loc[benchmark]
        return [
            f"baselines differ by {row['gap']:.2f} among themselves, so two single seeds by up to "
            f"{row['band_plugin']:.1f}"
        ]


Check = Callable[[Evidence], Finding]


# --- checks: each of these functions returns a predicate ----------------------------------------


def _one_or_many(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _across(outcomes: Mapping[str, str]) -> Verdict:
    """Verdict from what each baseline says: 'supports', 'unclear' or 'opposes'."""
    said = list(outcomes.values())
    if not said:
        return Verdict.UNTESTABLE
    if all(s == "supports" for s in said):
        return Verdict.HOLDS
    if "supports" in said:
        return Verdict.ONE_BASELINE
    return Verdict.CONTRADICTED if "opposes" in said else Verdict.NOISE


def _signed(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:+.2f}" if high - low < 0.005 else f"{low:+.2f} to {high:+.2f}"


def _p(p: float) -> str:
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def _choose(direction: str, *known: str) -> None:
    if direction not in known:
        raise unknown("direction", direction, known)


def difference(
    variants: str | Sequence[str],
    benchmark: str,
    direction: str,
    stated: float | tuple[float, float] | None = None,
    beyond: float = 0.0,
    margin: float = 0.0,
    tolerance: float = 0.005,
    regime: str | None = None,
) -> Check:
    """'The variant is better (worse, the same) on the benchmark than the baseline.'

    Parameters
    ----------
    variants : one, or several that must all show it.
    direction : 'up' and 'down' need an adjusted p < alpha of the right sign against a baseline;
        'same' needs the whole interval within +-`margin` points.
    stated : signed points, or a range of them, against the first baseline.
    beyond : 'up' and 'down' by more than so many points: the interval that covers the whole family
        at once must lie beyond.
    tolerance : rounding of the stated number; for a range, of its ends.
    """
    _choose(direction, "up", "down", "same")
    names, sign = _one_or_many(variants), {"up": 1, "down": -1, "same": 0}[direction]

    def outcome(row: pd.Series) -> str:
        if direction == "same":
            if row["low"] > -margin and row["high"] < margin:
                return "supports"
            return "opposes" if row["low"] > margin or row["high"] < -margin else "unclear"
        if beyond:
            near = min(sign * row["low_all"], sign * row["high_all"])
            far = max(sign * row["low_all"], sign * row["high_all"])
            return "supports" if near > beyond else "opposes" if far < beyond else "unclear"
        if not row["clear"]:
            return "unclear"
        return "supports" if sign * row["difference"] > 0 else "opposes"

    def check(evidence: Evidence) -> Finding:
        where = evidence.regime(regime)
        for name in names:
            evidence.results.row(where, name, benchmark)  # names the known ones if unknown
        table = evidence.differences(where)
        table = table[(table["benchmark"] == benchmark) & table["variant"].isin(names)]
        outcomes, found, said = {}, [], []
        for baseline, rows in table.groupby("baseline", sort=False):
            each = [outcome(row) for _, row in rows.iterrows()]
            outcomes[baseline] = (
                "opposes"
                if "opposes" in each
                else "supports"
                if set(each) == {"supports"} and len(rows) == len(names)
                else "unclear"
            )
            found.append(f"{_signed(rows['difference'])} vs {baseline}")
            if len(rows) == 1:
                row = rows.iloc[0]
                text = f"95 % interval {row['low']:+.2f} to {row['high']:+.2f}"
                text += f", adjusted {_p(row['p_adjusted'])}"
            else:
                text = f"{each.count('supports')} of {len(names)} clear"
                text += f", largest adjusted {_p(rows['p_adjusted'].max())}"
            changed = ", ".join(dict.fromkeys(d for d in rows["differs_in"] if d))
            text += f" (also differs in {changed})" if changed else ""
            said.append(f"vs {baseline}: {text}")
        first = table[table["baseline"] == table["baseline"].iloc[0]] if len(table) else table
        agrees, written = None, ""
        if stated is not None:
            ends = stated if isinstance(stated, tuple) else (stated, stated)
            low, high = min(ends), max(ends)
            written = f"{stated:+.2f}" if low == high else f"{ends[0]:+.1f} to {ends[1]:+.1f}"
            agrees = len(first) == len(names) and bool(
                first["difference"].between(low - tolerance - 1e-9, high + tolerance + 1e-9).all()
            )
        said += evidence.seed_note(where, benchmark) if outcomes else []
        missing = set(evidence.results.baselines[where]) - set(outcomes)
        if missing and outcomes:
            said.append(f"{', '.join(sorted(missing))} was not published on it")
        verdict = _across(outcomes)
        if agrees is False and verdict is Verdict.HOLDS:
            ok = (first["low"] <= high) & (first["high"] >= low)
            verdict = Verdict.HOLDS if ok.all() else Verdict.CONTRADICTED
        arrow = {"up": "above", "down": "below", "same": f"within {margin:g} points of"}[direction]
        gap = f"more than {beyond:g} points " if beyond else ""
        return Finding(
            f"{', '.join(names)} {gap}{arrow} the baseline on {benchmark}",
            written,
            "; ".join(found),
            agrees,
            verdict,
            "; ".join(said) or "no such pair of results was published",
        )

    return check


def count(
    benchmark: str,
    direction: str,
    beyond: float,
    stated: tuple[int, int],
    regime: str | None = None,
) -> Check:
    """'K of N variants are more than so many points above (below) the baseline.'

    Counted against every baseline, with all variants and with only those that have every
    benchmark. A baseline supports the claim if one of its two counts is the stated one.
    """
    _choose(direction, "up", "down")
    sign = {"up": 1, "down": -1}[direction]

    def check(evidence: Evidence) -> Finding:
        where = evidence.regime(regime)
        complete = evidence.results.variants(where, complete=True)
        table = evidence.differences(where)
        table = table[table["benchmark"] == benchmark]
        outcomes, found, said = {}, [], []
        for baseline, rows in table.groupby("baseline", sort=False):
            pairs = []
            for part in (rows, rows[rows["variant"].isin(complete)]):
                pairs.append((int((sign * part["difference"] > beyond).sum()), len(part)))
            near = (sign * rows[["low_all", "high_all"]]).min(axis=1)
            outcomes[baseline] = "supports" if stated in pairs else "opposes"
            texts = dict.fromkeys(f"{k} of {n}" for k, n in pairs)
            found.append(f"{' (complete: '.join(texts)}{')' * (len(texts) > 1)} vs {baseline}")
            said.append(
                f"vs {baseline}: {int((near > beyond).sum())} of {len(rows)} by an interval that "
                f"lies beyond {beyond:g} as a whole"
            )
        verdict = _across(outcomes)
        first = next(iter(outcomes.values()), None)
        return Finding(
            f"variants more than {beyond:g} points {'above' if sign > 0 else 'below'} the baseline "
            f"on {benchmark}",
            f"{stated[0]} of {stated[1]}",
            "; ".join(found),
            first == "supports",
            verdict,
            "; ".join(said),
        )

    return check


def largest(variant: str, benchmark: str, regime: str | None = None) -> Check:
    """'No variant is higher on the benchmark.' Tested against every other one, corrected."""

    def check(evidence: Evidence) -> Finding:
        where = evidence.regime(regime)
        own = evidence.results.row(where, variant, benchmark)
        rows = evidence.results.main
        rows = rows[(rows["regime"] == where) & (rows["benchmark"] == benchmark)]
        rows = rows[~rows["variant"].isin((*evidence.results.baselines[where], variant))]
        statement = f"{variant} is the highest on {benchmark}"
        if own is None or rows.empty:
            return Finding(statement, "", "", None, Verdict.UNTESTABLE, "nothing to compare with")
        p = [
            two_proportions(own["correct"], own["n_val"], r["correct"], r["n_val"])["p"]
            for _, r in rows.iterrows()
        ]
        rows = rows.assign(p=adjust(p, evidence.correction)).sort_values(
            "top1_percent", ascending=False
        )
        best = rows.iloc[0]
        clear = best["p"] < evidence.alpha
        ahead = own["top1_percent"] > best["top1_percent"]
        verdict = Verdict.NOISE
        if clear:
            verdict = Verdict.HOLDS if ahead else Verdict.CONTRADICTED
        rank = 1 + int((rows["top1_percent"] > own["top1_percent"]).sum())
        return Finding(
            statement,
            "rank 1",
            f"rank {rank} of {len(rows) + 1}",
            rank == 1,
            verdict,
            f"{own['top1_percent']:.2f} against {best['top1_percent']:.2f} of {best['variant']}, "
            f"adjusted {_p(best['p'])}",
        )

    return check


def attributable(
    variants: str | Sequence[str],
    benchmark: str,
    controls: str | Sequence[str],
    what: str,
    regime: str | None = None,
) -> Check:
    """'It is the named term that does it': the variants differ from controls without that term.

    Parameters
    ----------
    controls : rows that share everything with the variants but the term; those that were not
        published on the benchmark are left out.
    what : the term, in words.

    Chi-square homogeneity of variants and controls together: if all could be one proportion, the
    term is not needed to explain the result. Without a control the claim cannot be tested.
    """
    names, against = _one_or_many(variants), _one_or_many(controls)

    def check(evidence: Evidence) -> Finding:
        where = evidence.regime(regime)
        statement = f"on {benchmark} {what} makes the difference"
        rows = [evidence.results.row(where, v, benchmark) for v in names]
        known = set(evidence.results.regime(where)["variant"])
        strange = [c for c in against if c not in known]
        if strange:
            raise unknown("control", strange[0], sorted(known), f"in regime {where!r}")
        control_rows = [evidence.results.row(where, c, benchmark) for c in against]
        rows, control_rows = ([r for r in g if r is not None] for g in (rows, control_rows))
        if not rows or not control_rows:
            return Finding(
                statement,
                "",
                "",
                None,
                Verdict.UNTESTABLE,
                f"no row without {what} and otherwise alike was published on {benchmark}",
            )
        together = rows + control_rows
        found = homogeneity([r["correct"] for r in together], [r["n_val"] for r in together])
        return Finding(
            statement,
            "",
            f"{_range(rows)} % with, {_range(control_rows)} % without",
            None,
            Verdict.HOLDS if found["p"] < evidence.alpha else Verdict.NOISE,
            f"chi-square of all {len(together)} rows being one proportion: "
            f"{found['chi2']:.2f} on {found['dof']}, {_p(found['p'])}",
        )

    return check


def _range(rows: Sequence[pd.Series]) -> str:
    values = [r["top1_percent"] for r in rows]
    return f"{min(values):.2f}" + (f"–{max(values):.2f}" if len(values) > 1 else "")


def balanced(variant: str, benchmarks: Sequence[str], regime: str | None = None) -> Check:
    """'The variant is the most balanced one.'

    For each baseline the variants are ranked: no clear loss on any benchmark before some; then more
    clear gains; then the larger worst difference. 'Clear' is an adjusted p < alpha. Benchmarks that
    a baseline or a variant lacks are left out; ranks are taken with and without such variants.
    """

    def check(evidence: Evidence) -> Finding:
        where = evidence.regime(regime)
        evidence.results.row(where, variant, benchmarks[0])
        complete = evidence.results.variants(where, complete=True)
        table = evidence.differences(where)
        table = table[table["benchmark"].isin(benchmarks)]
        outcomes, found, said = {}, [], []
        for baseline, rows in table.groupby("baseline", sort=False):
            ranks = []
            for part in (rows, rows[rows["variant"].isin(complete)]):
                score = pd.DataFrame(
                    {
                        v: {
                            "unhurt": not (g["clear"] & (g["difference"] < 0)).any(),
                            "gains": int((g["clear"] & (g["difference"] > 0)).sum()),
                            "worst": g["difference"].min(),
                        }
                        for v, g in part.groupby("variant", sort=False)
                    }
                ).T.sort_values(["unhurt", "gains", "worst"], ascending=False)
                if variant in score.index:
                    ranks.append(score.index.get_loc(variant) + 1)
            if not ranks:
                continue
            own, other = score.loc[variant], score.drop(index=variant).iloc[0]
            outcomes[baseline] = "supports" if set(ranks) == {1} else "opposes"
            used = rows["benchmark"].nunique()
            found.append(f"rank {max(ranks)} vs {baseline}")
            said.append(
                f"vs {baseline} on {used} benchmarks: {own['gains']} clear gains, worst difference "
                f"{own['worst']:+.2f}; next {other.name}: {other['gains']}, {other['worst']:+.2f}"
            )
        return Finding(
            f"{variant} is the most balanced on {', '.join(benchmarks)}",
            "rank 1",
            "; ".join(found),
            next(iter(outcomes.values()), "") == "supports",
            _across(outcomes),
            "; ".join(said) or "not published on these benchmarks",
        )

    return check


def often(
    group: Sequence[str], benchmark: str, direction: str, what: str, regime: str | None = None
) -> Check:
    """'Variants of this kind mostly gain (lose)': more than half of them clearly do."""
    _choose(direction, "up", "down")

    def check(evidence: Evidence) -> Finding:
        shares = _group_counts(evidence, group, benchmark, direction, regime)
        outcomes = {b: "supports" if 2 * k > n else "opposes" for b, (k, n, _, _) in shares.items()}
        return Finding(
            f"{what} {'gain' if direction == 'up' else 'lose'} on {benchmark}",
            "often",
            "; ".join(f"{k} of {n} vs {b}" for b, (k, n, _, _) in shares.items()),
            None,
            _across(outcomes),
            "counted: adjusted p < alpha in that direction",
        )

    return check


def more_often(
    group: Sequence[str], benchmark: str, direction: str, what: str, regime: str | None = None
) -> Check:
    """'Variants of this kind gain (lose) more often than the others.' Fisher's exact test."""
    _choose(direction, "up", "down")

    def check(evidence: Evidence) -> Finding:
        shares = _group_counts(evidence, group, benchmark, direction, regime)
        outcomes, found, said = {}, [], []
        for baseline, (k, n, j, m) in shares.items():
            p = fisher_exact([[k, n - k], [j, m - j]]).pvalue if n and m else 1.0
            more = n and m and k / n > j / m
            clear = p < evidence.alpha
            outcomes[baseline] = ("supports" if more else "opposes") if clear else "unclear"
            found.append(f"{k} of {n} against {j} of {m} vs {baseline}")
            said.append(f"vs {baseline}: exact {_p(p)}")
        return Finding(
            f"{what} {'gain' if direction == 'up' else 'lose'} on {benchmark} more often than the "
            "others",
            "",
            "; ".join(found),
            None,
            _across(outcomes),
            "; ".join(said),
        )

    return check


def _group_counts(
    evidence: Evidence, group: Sequence[str], benchmark: str, direction: str, regime: str | None
) -> dict[str, tuple[int, int, int, int]]:
    """baseline -> (clear in the group, size of it, clear among the rest, size of that)."""
    where = evidence.regime(regime)
    known = evidence.results.variants(where)
    strange = [v for v in group if v not in known]
    if strange:
        raise unknown("variant", strange[0], known, f"in regime {where!r}")
    table = evidence.differences(where)
    table = table[table["benchmark"] == benchmark]
    out = {}
    for baseline, rows in table.groupby("baseline", sort=False):
        hit = rows["clear"] & ((rows["difference"] > 0) == (direction == "up"))
        inside = rows["variant"].isin(group)
        out[baseline] = (
            int((hit & inside).sum()),
            int(inside.sum()),
            int((hit & ~inside).sum()),
            int((~inside).sum()),
        )
    return out


def untestable(statement: str, reason: str) -> Check:
    """A part of a claim that no published number speaks to."""
    return lambda evidence: Finding(statement, "", "", None, Verdict.UNTESTABLE, reason)
