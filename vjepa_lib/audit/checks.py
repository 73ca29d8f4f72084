"""Checks: small predicates over published numbers, from which claims are put together.

A check recomputes the number a claim states, asks whether the difference survives the noise of
the clips, the number of comparisons and the spread of two seeds of one method, and asks it against
every baseline there is. Two baselines that differ by their seed alone can be further apart than
clip noise explains: a difference that one seed makes is no difference that a variant makes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from vjepa_lib.analysis.statistics import ALPHA, adjust, two_proportions
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
        """What is known of the spread over seeds, as a clause."""
        band, where = self.results.seed_band(regime, benchmark)
        if not where:
            return ["spread over seeds unknown (one baseline): only clip noise is ruled out"]
        noise = self.results.baseline_noise(where).set_index("benchmark")
        of = "" if where == regime else f" of regime {where}"
        return [
            f"baselines{of} differ by {noise.loc[benchmark, 'gap']:.2f} among themselves, so two "
            f"single seeds by up to {band:.1f}"
        ]

    def band(self, regime: str, benchmark: str) -> float:
        """Points within which two seeds of one method differ; 0 where nothing was published."""
        band, where = self.results.seed_band(regime, benchmark)
        return band if where else 0.0


Check = Callable[[Evidence], Finding]


# --- checks: each of these functions returns a predicate ----------------------------------------


def one_or_many(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def across(outcomes: Mapping[str, str]) -> Verdict:
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


def in_words(p: float) -> str:
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def choose(direction: str, *known: str) -> None:
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
    direction : 'up' and 'down' need an adjusted p < alpha of the right sign against a baseline and
        a difference outside the band of two seeds; 'same' needs the whole interval, and the
        difference give or take that band, within +-`margin` points.
    stated : signed points, or a range of them, against the first baseline.
    beyond : 'up' and 'down' by more than so many points: the interval that covers the whole family
        at once, and the difference less the band of two seeds, must lie beyond.
    tolerance : rounding of the stated number; for a range, of its ends.
    """
    choose(direction, "up", "down", "same")
    names, sign = one_or_many(variants), {"up": 1, "down": -1, "same": 0}[direction]

    def outcome(row: pd.Series) -> str:
        band = 0.0 if pd.isna(row["band"]) else row["band"]
        if direction == "same":
            low = min(row["low"], row["difference"] - band)
            high = max(row["high"], row["difference"] + band)
            if low > -margin and high < margin:
                return "supports"
            return "opposes" if low > margin or high < -margin else "unclear"
        if beyond:
            ends = sign * row["low_all"], sign * row["high_all"]
            near = min(*ends, sign * row["difference"] - band)
            far = max(*ends, sign * row["difference"] + band)
            return "supports" if near > beyond else "opposes" if far < beyond else "unclear"
        if not row["clear_of_seeds"]:
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
                text += f", adjusted {in_words(row['p_adjusted'])}"
            else:
                text = f"{each.count('supports')} of {len(names)} clear"
                text += f", largest adjusted {in_words(rows['p_adjusted'].max())}"
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
        verdict = across(outcomes)
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
    benchmark. A baseline supports the claim if one of its two counts is the stated one and no
    difference is so near the limit that another seed could move it across; it opposes the claim if
    no such moves make the stated count; in between, it is unclear.
    """
    choose(direction, "up", "down")
    sign = {"up": 1, "down": -1}[direction]

    def check(evidence: Evidence) -> Finding:
        where = evidence.regime(regime)
        complete = evidence.results.variants(where, complete=True)
        table = evidence.differences(where)
        table = table[table["benchmark"] == benchmark]
        outcomes, found, said, agrees = {}, [], [], []
        for baseline, rows in table.groupby("baseline", sort=False):
            pairs = []
            for part in (rows, rows[rows["variant"].isin(complete)]):
                pairs.append((int((sign * part["difference"] > beyond).sum()), len(part)))
            near = (sign * rows[["low_all", "high_all"]]).min(axis=1)
            band = evidence.band(where, benchmark)
            sure = int((sign * rows["difference"] - beyond > band).sum())
            may = int((sign * rows["difference"] - beyond > -band).sum())
            agrees.append(stated in pairs)
            could = stated[1] in [n for _, n in pairs] and sure <= stated[0] <= may
            if band and sure < may and could:
                outcomes[baseline] = "unclear"
            else:
                outcomes[baseline] = "supports" if agrees[-1] else "opposes"
            texts = dict.fromkeys(f"{k} of {n}" for k, n in pairs)
            found.append(f"{' (complete: '.join(texts)}{')' * (len(texts) > 1)} vs {baseline}")
            said.append(
                f"vs {baseline}: {int((near > beyond).sum())} of {len(rows)} by an interval that "
                f"lies beyond {beyond:g} as a whole"
                + (f", {sure} to {may} give or take a seed's {band:.1f}" if band else "")
            )
        verdict = across(outcomes)
        return Finding(
            f"variants more than {beyond:g} points {'above' if sign > 0 else 'below'} the baseline "
            f"on {benchmark}",
            f"{stated[0]} of {stated[1]}",
            "; ".join(found),
            next(iter(agrees), False),
            verdict,
            "; ".join(said),
        )

    return check


def largest(variant: str, benchmark: str, regime: str | None = None) -> Check:
    """'No variant is higher on the benchmark.' Tested against every other one, corrected.

    It must be ahead of the next one by more than two seeds of one method differ.
    """

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
        lead = own["top1_percent"] - best["top1_percent"]
        clear = best["p"] < evidence.alpha and abs(lead) > evidence.band(where, benchmark)
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
            "; ".join(
                [
                    f"{own['top1_percent']:.2f} against {best['top1_percent']:.2f} of "
                    f"{best['variant']}, adjusted {in_words(best['p'])}",
                    *evidence.seed_note(where, benchmark),
                ]
            ),
        )

    return check


def untestable(statement: str, reason: str) -> Check:
    """A part of a claim that no published number speaks to."""
    return lambda evidence: Finding(statement, "", "", None, Verdict.UNTESTABLE, reason)
