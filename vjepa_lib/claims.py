"""From claims and a results table to verdicts.

A claim is taken apart into checks, each a small predicate over the published numbers. A check
recomputes the number the claim states, asks whether the difference survives the noise of the clips
and the number of comparisons, and asks it against every baseline there is. Two more columns come
from outside: what running the implementation showed (`implementation_evidence`), and what one's
own runs over several seeds showed (`own_run_evidence`). Everything up to `REPORT_COUNTS` serves
any paper; `docs/audit_another_paper.md` audits a made-up one in ten lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import pandas as pd
from scipy.stats import fisher_exact

from vjepa_lib.errors import ConfigError, DataError
from vjepa_lib.published import Results, need_columns, read_columns
from vjepa_lib.statistics import ALPHA, adjust, homogeneity, two_proportions

NOT_RUN = "not run here"


class Verdict(StrEnum):
    """What becomes of a claim. The meaning is fixed, whatever the paper."""

    HOLDS = "holds"
    ONE_BASELINE = "holds only against one baseline"
    NOISE = "not distinguishable from noise"
    ARTEFACT = "artefact of the implementation"
    CONTRADICTED = "contradicted"
    UNTESTABLE = "not testable from what is published"


# A claim of several parts gets the first of these that one of its parts got.
PRECEDENCE = (
    Verdict.CONTRADICTED,
    Verdict.ARTEFACT,
    Verdict.ONE_BASELINE,
    Verdict.NOISE,
    Verdict.UNTESTABLE,
    Verdict.HOLDS,
)


def weakest(verdicts: Iterable[Verdict]) -> Verdict:
    """Verdict of a claim from those of its parts: the first in `PRECEDENCE`."""
    return min(verdicts, key=PRECEDENCE.index)


@dataclass(frozen=True)
class Finding:
    """Outcome of one check.

    Attributes
    ----------
    statement : the part of the claim, in words.
    stated, recomputed : the number of the claim and the same number from the table ('' if none).
    agrees : whether they are equal up to rounding; None if the claim states none.
    verdict : from the published numbers alone.
    reason : the statistics behind it.
    """

    statement: str
    stated: str
    recomputed: str
    agrees: bool | None
    verdict: Verdict
    reason: str


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
        raise ConfigError(f"Unknown direction {direction!r}: choose one of {', '.join(known)}.")


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
        unknown = [c for c in against if c not in known]
        if unknown:
            raise ConfigError(
                f"Unknown control {unknown[0]!r} in regime {where!r}: choose one of "
                f"{', '.join(sorted(known))}."
            )
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
    unknown = [v for v in group if v not in known]
    if unknown:
        raise ConfigError(
            f"Unknown variant {unknown[0]!r} in regime {where!r}: choose one of {', '.join(known)}."
        )
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


# --- evidence from outside the table ------------------------------------------------------------


@dataclass(frozen=True)
class Fact:
    """Something running the implementation can show.

    Attributes
    ----------
    sentence : what it would mean.
    overturns : claims whose mechanism is then not what produced the number.
    qualifies : claims to be read differently then, without another verdict.
    """

    sentence: str
    overturns: tuple[str, ...] = ()
    qualifies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Expectation:
    """What a claim leads one to expect of own runs: a sign of an effect."""

    claim: str
    variant: str
    benchmark: str
    direction: str  # 'up', 'down' or 'same'


def _table(source: str | Path | pd.DataFrame, needed: Sequence[str], what: str) -> pd.DataFrame:
    if not isinstance(source, pd.DataFrame):
        return read_columns(source, needed)
    need_columns(source, needed, what)
    return source.copy()


def implementation_evidence(
    source: str | Path | pd.DataFrame | None, facts: Mapping[str, Fact] | None = None
) -> pd.DataFrame | None:
    """Measurements on the implementation, tied to the claims they bear on.

    Parameters
    ----------
    source : table (CSV path or DataFrame) with the columns `fact` (a key of `facts`; several rows
        may measure one), `measured` (what was seen, in words or a number), `confirmed` (yes/no);
        others are kept. None: nothing was run.
    facts : what can be shown; None for those about arXiv 2605.17165.

    Returns
    -------
    DataFrame with a row per fact and claim: claim, fact, role ('overturns' or 'qualifies'),
    sentence, measured, confirmed (all rows of the fact); or None.

    Raises
    ------
    DataError : columns or answers missing. ConfigError : unknown fact.
    """
    if source is None:
        return None
    facts = FACTS if facts is None else facts
    table = _table(source, ("fact", "measured", "confirmed"), "The table of measurements")
    unknown = [f for f in table["fact"] if f not in facts]
    if unknown:
        raise ConfigError(f"Unknown fact {unknown[0]!r}: choose one of {', '.join(facts)}.")
    answers = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    said = table["confirmed"].astype(str).str.lower().map(answers)
    if said.isna().any():
        wrong = table.loc[said.isna(), "confirmed"].iloc[0]
        raise DataError(f"Column 'confirmed' of the measurements holds {wrong!r}: write yes or no.")
    rows = []
    for name, part in table.assign(confirmed=said.astype(bool)).groupby("fact", sort=False):
        for role in ("overturns", "qualifies"):
            rows += [
                {
                    "claim": claim,
                    "fact": name,
                    "role": role,
                    "sentence": facts[name].sentence,
                    "measured": "; ".join(map(str, part["measured"])),
                    "confirmed": bool(part["confirmed"].all()),
                }
                for claim in getattr(facts[name], role)
            ]
    columns = ["claim", "fact", "role", "sentence", "measured", "confirmed"]
    return pd.DataFrame(rows, columns=columns)


def own_run_evidence(
    frame: str | Path | pd.DataFrame | None, expected: Sequence[Expectation] | None = None
) -> pd.DataFrame | None:
    """Effects of own runs, tied to the claims that predict them.

    Parameters
    ----------
    frame : rows of `statistics.paired_differences` (CSV path or DataFrame): variant, benchmark,
        effect, low, high, n_seeds; a column `form` tells forms of a variant apart. None: nothing
        was run.
    expected : what each claim predicts; None for those of arXiv 2605.17165 on the embedded data.

    Returns
    -------
    DataFrame with a row per prediction that was run: claim, variant, form, benchmark, direction,
    effect, low, high, n_seeds, `outcome`: 'as claimed' (the interval leaves out 0 on the right
    side; for 'same', it holds 0), 'opposite' (it leaves 0 out on the wrong side), 'unclear'; or
    None.

    Raises
    ------
    DataError : missing columns.
    """
    if frame is None:
        return None
    expected = EXPECTED if expected is None else expected
    needed = ("variant", "benchmark", "effect", "low", "high", "n_seeds")
    table = _table(frame, needed, "The table of own effects")
    table["form"] = table["form"].fillna("") if "form" in table else ""
    wanted = pd.DataFrame([vars(e) for e in expected])
    found = wanted.merge(table, on=["variant", "benchmark"], how="inner")

    def outcome(row: pd.Series) -> str:
        if pd.isna(row["low"]) or row["low"] <= 0 <= row["high"]:
            known = not pd.isna(row["low"])
            return "as claimed" if row["direction"] == "same" and known else "unclear"
        right = row["direction"] == ("up" if row["low"] > 0 else "down")
        return "as claimed" if right else "opposite"

    found["outcome"] = [outcome(row) for _, row in found.iterrows()]
    columns = ["claim", "variant", "form", "benchmark", "direction", "effect", "low", "high"]
    return found[[*columns, "n_seeds", "outcome"]]


# --- the audit ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Audit:
    """Outcome of `audit`.

    Attributes
    ----------
    verdicts : a row per claim (index id): claim, the four checks as text (`number`, `statistics`,
        `implementation`, `own_runs`), `published_verdict` (numbers alone), `verdict` (with what
        running the code showed).
    findings : a row per part of a claim: id and the fields of `Finding`.
    """

    verdicts: pd.DataFrame
    findings: pd.DataFrame

    def counts(self) -> pd.DataFrame:
        """Verdict -> number of claims, from published numbers alone and in the end."""
        order = [str(v) for v in Verdict]
        columns = ("published_verdict", "verdict")
        table = pd.DataFrame({c: self.verdicts[c].value_counts() for c in columns}, index=order)
        return table.fillna(0).astype(int).rename_axis("outcome")


def _number(findings: Sequence[Finding]) -> str:
    parts = [
        f"stated {f.stated}, found {f.recomputed}{'' if f.agrees else ' (differs)'}"
        for f in findings
        if f.agrees is not None
    ]
    return " | ".join(parts) or "no number stated"


def _implementation(evidence: pd.DataFrame | None, claim: str) -> tuple[str, bool]:
    """Text of the third check, and whether it overturns the claim."""
    if evidence is None:
        return NOT_RUN, False
    rows = evidence[evidence["claim"] == claim]
    if rows.empty:
        return "nothing measured bears on it", False
    texts = [
        f"{r['sentence']}: {'confirmed' if r['confirmed'] else 'not confirmed'} ({r['measured']})"
        for _, r in rows.iterrows()
    ]
    return " | ".join(texts), bool((rows["confirmed"] & (rows["role"] == "overturns")).any())


def _own_runs(evidence: pd.DataFrame | None, claim: str) -> str:
    if evidence is None:
        return NOT_RUN
    rows = evidence[evidence["claim"] == claim]
    if rows.empty:
        return "no own run bears on it"
    return " | ".join(
        f"{r['variant']}{' ' + r['form'] if r['form'] else ''}, {r['benchmark']}: "
        f"{r['effect']:+.1f} [{r['low']:+.1f}, {r['high']:+.1f}], {int(r['n_seeds'])} seeds, "
        f"{r['outcome']}"
        for _, r in rows.iterrows()
    )


def audit(
    claims: pd.DataFrame,
    results: Results,
    checks: Mapping[str, Sequence[Check]],
    implementation: pd.DataFrame | None = None,
    own_runs: pd.DataFrame | None = None,
    alpha: float = ALPHA,
    correction: str = "holm",
) -> Audit:
    """Check every claim against the published results.

    Parameters
    ----------
    claims : `published.load_claims`.
    results : `published.load_results`.
    checks : claim id -> its parts, from `difference`, `count`, `largest`, `attributable`,
        `balanced`, `often`, `more_often`, `untestable` or any function of an `Evidence`.
    implementation, own_runs : of `implementation_evidence` and `own_run_evidence`. Own runs are
        shown beside and decide nothing: they are of another size on other data.

    Raises
    ------
    ConfigError : a claim without checks, or checks of an unknown claim.
    """
    unknown, bare = set(checks) - set(claims.index), [c for c in claims.index if not checks.get(c)]
    if unknown:
        raise ConfigError(
            f"There are checks for {sorted(unknown)[0]!r}, which is no claim: choose one of "
            f"{', '.join(claims.index)}."
        )
    if bare:
        raise ConfigError(
            f"Claim {bare[0]!r} has no check: write one, or untestable(statement, reason)."
        )
    evidence = Evidence(results, alpha, correction)
    verdicts, parts = [], []
    for claim, row in claims.iterrows():
        findings = [check(evidence) for check in checks[claim]]
        parts += [{"id": claim} | vars(f) | {"verdict": str(f.verdict)} for f in findings]
        alone = weakest(f.verdict for f in findings)
        shown, overturned = _implementation(implementation, claim)
        verdicts.append(
            {
                "id": claim,
                "claim": row["claim"],
                "number": _number(findings),
                "statistics": " | ".join(f"{f.verdict}: {f.reason}" for f in findings),
                "implementation": shown,
                "own_runs": _own_runs(own_runs, claim),
                "published_verdict": str(alone),
                "verdict": str(weakest([alone, Verdict.ARTEFACT]) if overturned else alone),
            }
        )
    return Audit(pd.DataFrame(verdicts).set_index("id"), pd.DataFrame(parts))


# --- this report and arXiv 2605.17165 -----------------------------------------------------------

REPORT_COUNTS = {"papers": 10, "claims": 12, "verified": 1, "quality": "4.5/10"}
REFERENCES = ("arXiv 2605.17165", "arXiv 2108.02722", "arXiv 2008.02531")
EMA_OFF = (
    "kinematic",
    "kinematic_0_1",
    "kinematic_accel",
    "kinematic_anneal",
    "kinematic_huber",
    "kinematic_split",
)
# Variants with a term on change over time (prediction of it, its direction, its spectrum, pixels).
TEMPORAL = (
    "ld",
    "fwm_ld",
    "hw_ld",
    "fwm_hw_ld",
    "delta",
    "combo",
    "spectral",
    "ltc",
    "ac",
    "ac_hw",
    "fac",
)
_BALANCE = ("imagenet100", "ssv2", "diving48")
_KINEMATIC_IN = ("kinematic", "kinematic_0_1", "kinematic_accel", "kinematic_split")
# What the paper itself calls a degradation of Diving-48 (claim C02) bounds 'close to the baseline'.
_CLOSE = 2.5


CHECKS: dict[str, tuple[Check, ...]] = {
    "C01": (
        difference("motion_guided", "diving48", "up", 0.30, regime="ucf101"),
        difference("motion_guided", "imagenet100", "up", 0.14, regime="ucf101"),
        difference("motion_guided", "ssv2", "up", 1.38, regime="ucf101"),
    ),
    "C02": (
        difference(EMA_OFF, "diving48", "down", (-2.5, -2.9), tolerance=0.05, regime="ucf101"),
        difference(_KINEMATIC_IN, "imagenet100", "up", (1.5, 1.7), tolerance=0.05, regime="ucf101"),
        attributable(EMA_OFF, "diving48", "sigreg_no_ema", "the kinematic term", "ucf101"),
    ),
    "C03": (
        difference("fwm_hw_ld", "imagenet100", "up", 5.92, regime="mixed"),
        difference("fwm_hw_ld", "ssv2", "up", 3.21, regime="mixed"),
        difference("fwm_hw_ld", "diving48", "same", margin=_CLOSE, regime="mixed"),
    ),
    "C04": (
        difference("ld", "ssv2", "up", 5.02, regime="mixed"),
        largest("ld", "ssv2", regime="mixed"),
    ),
    "C05": (
        count("imagenet100", "down", 5.0, (10, 14), regime="mixed"),
        difference(("ac", "fac"), "imagenet100", "down", beyond=5.0, regime="mixed"),
    ),
    "C06": (
        difference("ld", "ssv2", "up", 5.02, regime="mixed"),
        difference("ld", "imagenet100", "down", regime="mixed"),
        difference("ld", "diving48", "down", regime="mixed"),
    ),
    "C07": (
        difference("fwm", "imagenet100", "up", 1.88, regime="mixed"),
        difference("fwm", "ssv2", "down", regime="mixed"),
        difference("fwm", "diving48", "down", regime="mixed"),
    ),
    "C08": (difference("fwm_ld", "imagenet100", "down", -10.14, regime="mixed"),),
    "C09": (balanced("fwm_hw_ld", _BALANCE, regime="mixed"),),
    "C10": (
        difference(
            ("kinematic", "kinematic_0_1"),
            "synthetic_motion",
            "up",
            (40.0, 45.0),
            tolerance=0.5,
            regime="ucf101",
        ),
        attributable(
            ("kinematic", "kinematic_0_1"),
            "synthetic_motion",
            "sigreg_no_ema",
            "the kinematic term",
            "ucf101",
        ),
    ),
    "C11": (
        untestable(
            "one 768-dimensional embedding must hold both what is there and how it moves",
            "a statement about the architecture; no accuracy speaks to it",
        ),
    ),
    "C12": (
        often(TEMPORAL, "imagenet100", "down", "objectives on change over time", "mixed"),
        more_often(TEMPORAL, "imagenet100", "down", "objectives on change over time", "mixed"),
    ),
}

FACTS: dict[str, Fact] = {
    "ld_head_untrained": Fact(
        "as released, latent dynamics under hard weighting is added without gradient, so hw_ld and "
        "fwm_hw_ld do not train it",
        overturns=("C03", "C09"),
        qualifies=("C08", "C12"),
    ),
    "target_frozen_ema_off": Fact(
        "as released, the evaluated target encoder never moves with EMA off, so the kinematic rows "
        "are a random-initialised encoder",
        overturns=("C02", "C10"),
    ),
    "halves_are_levels": Fact(
        "as released, the appearance and dynamics halves are the shallow and the deep levels",
        qualifies=("C03", "C07", "C08", "C09"),
    ),
    "context_loss_late": Fact(
        "the context loss acts only in the second half of training",
        qualifies=("C03", "C04", "C06", "C07", "C08", "C09"),
    ),
    "probe_sees_tokens": Fact(
        "the attentive probe reads every token, not one embedding of the encoder's width",
        qualifies=("C11",),
    ),
}


def _predictions() -> tuple[Expectation, ...]:
    """Claims in terms of the embedded benchmarks that stand for the published ones."""
    stands_for = {"imagenet100": "appearance", "ssv2": "order", "diving48": "fine_motion"}
    rows = [
        ("C01", "ucf_motion_guided", {"diving48": "up", "imagenet100": "up", "ssv2": "up"}),
        *(("C02", v, {"diving48": "down", "imagenet100": "up"}) for v in EMA_OFF),
        ("C03", "fwm_hw_ld", {"imagenet100": "up", "ssv2": "up", "diving48": "same"}),
        ("C04", "ld", {"ssv2": "up"}),
        ("C05", "ac", {"imagenet100": "down"}),
        ("C05", "fac", {"imagenet100": "down"}),
        ("C06", "ld", {"ssv2": "up", "imagenet100": "down", "diving48": "down"}),
        ("C07", "fwm", {"imagenet100": "up", "ssv2": "down", "diving48": "down"}),
        ("C08", "fwm_ld", {"imagenet100": "down"}),
        ("C09", "fwm_hw_ld", {"imagenet100": "up", "ssv2": "up", "diving48": "same"}),
        *(("C10", v, {"diving48": "up"}) for v in EMA_OFF[:2]),
        *(("C12", v, {"imagenet100": "down"}) for v in TEMPORAL),
    ]
    return tuple(
        Expectation(claim, variant, stands_for[b], d)
        for claim, variant, parts in rows
        for b, d in parts.items()
    )


EXPECTED = _predictions()


def report_counts(claims: pd.DataFrame, done: Audit) -> pd.DataFrame:
    """The report's own counts beside the same counts from its files and this audit.

    Returns
    -------
    DataFrame: quantity, report, regenerated, note.
    """
    verified = claims["verified_in_report"]
    confidence = claims["confidence_in_report"]
    ends = done.verdicts["verdict"]
    held = ends.index[ends == str(Verdict.HOLDS)]
    rows = [
        (
            "papers",
            REPORT_COUNTS["papers"],
            len(REFERENCES),
            "the report cites three by name, and all claims come from one of them",
        ),
        ("claims", REPORT_COUNTS["claims"], len(claims), "rows of claims.csv"),
        (
            "verified claims",
            REPORT_COUNTS["verified"],
            int(verified.sum()),
            f"{', '.join(claims.index[verified])}; here: {', '.join(held) or 'none'} hold",
        ),
        (
            "quality",
            REPORT_COUNTS["quality"],
            f"{10 * confidence.mean():.1f}/10",
            "the report gives no formula; beside it, ten times its mean confidence in a claim",
        ),
    ]
    return pd.DataFrame(rows, columns=["quantity", "report", "regenerated", "note"])
