"""Checks on several variants: what makes the difference, balance, how often a kind loses."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from scipy.stats import mannwhitneyu

from vjepa_lib.analysis.statistics import homogeneity
from vjepa_lib.audit.checks import Check, Evidence, across, choose, in_words, one_or_many
from vjepa_lib.audit.findings import Finding, Verdict
from vjepa_lib.errors import unknown


def attributable(
    variants: str | Sequence[str],
    benchmark: str,
    controls: str | Sequence[str],
    what: str,
    regime: str | None = None,
    spread_of: Sequence[str] = (),
) -> Check:
    """'It is the named term that does it': the variants differ from controls without that term.

    Parameters
    ----------
    controls : rows that share everything with the variants but the term; those that were not
        published on the benchmark are left out.
    what : the term, in words.
    spread_of : rows of other objectives, read alike. That variants and controls look like one
        proportion says something only if these do not; their own test is told beside.

    Chi-square homogeneity of variants and controls together: if all could be one proportion, the
    term is not needed to explain the result. Without a control the claim cannot be tested.
    """
    names, against = one_or_many(variants), one_or_many(controls)

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
        beside = [evidence.results.row(where, v, benchmark) for v in spread_of]
        beside = [r for r in beside if r is not None]
        said = ""
        if len(beside) > 1:
            own = homogeneity([r["correct"] for r in beside], [r["n_val"] for r in beside])
            said = (
                f"; control: {len(beside)} rows of other objectives, {_chi2(own)}, so such rows "
                f"{'differ' if own['p'] < evidence.alpha else 'need not differ'}"
            )
        return Finding(
            statement,
            "",
            f"{_range(rows)} % with, {_range(control_rows)} % without",
            None,
            Verdict.HOLDS if found["p"] < evidence.alpha else Verdict.NOISE,
            f"chi-square of all {len(together)} rows being one proportion: {_chi2(found)}{said}",
        )

    return check


def _chi2(found: dict[str, float]) -> str:
    return f"{found['chi2']:.2f} on {found['dof']}, {in_words(found['p'])}"


def _range(rows: Sequence[pd.Series]) -> str:
    values = [r["top1_percent"] for r in rows]
    return f"{min(values):.2f}" + (f"–{max(values):.2f}" if len(values) > 1 else "")


def balanced(variant: str, benchmarks: Sequence[str], regime: str | None = None) -> Check:
    """'The variant is the most balanced one.'

    For each baseline the variants are ranked: no clear loss on any benchmark before some; then more
    clear gains; then the larger worst difference. 'Clear' is an adjusted p < alpha outside the band
    of two seeds. A baseline supports the claim if the first two decide for the variant, or a worst
    difference better by more than that band; a lead of less is unclear. Benchmarks that a baseline
    or a variant lacks are left out; ranks are taken with and without such variants.
    """

    def ranking(rows: pd.DataFrame) -> pd.DataFrame:
        score = {
            v: {
                "unhurt": not (g["clear_of_seeds"] & (g["difference"] < 0)).any(),
                "gains": int((g["clear_of_seeds"] & (g["difference"] > 0)).sum()),
                "worst": g["difference"].min(),
            }
            for v, g in rows.groupby("variant", sort=False)
        }
        order = ["unhurt", "gains", "worst"]
        return pd.DataFrame(score).T.sort_values(order, ascending=False)

    def ahead(first: pd.Series, second: pd.Series, band: float) -> bool:
        if (first["unhurt"], first["gains"]) != (second["unhurt"], second["gains"]):
            return (first["unhurt"], first["gains"]) > (second["unhurt"], second["gains"])
        return first["worst"] - second["worst"] > band

    def check(evidence: Evidence) -> Finding:
        where = evidence.regime(regime)
        evidence.results.row(where, variant, benchmarks[0])
        complete = evidence.results.variants(where, complete=True)
        table = evidence.differences(where)
        table = table[table["benchmark"].isin(benchmarks)]
        outcomes, found, said = {}, [], []
        for baseline, rows in table.groupby("baseline", sort=False):
            band = rows["band"].fillna(0).max()
            ranks, leads, trails = [], [], []
            for part in (rows, rows[rows["variant"].isin(complete)]):
                score = ranking(part)
                if variant in score.index:
                    own, others = score.loc[variant], score.drop(index=variant)
                    other = others.iloc[0]
                    ranks.append(score.index.get_loc(variant) + 1)
                    leads.append(ahead(own, other, band))
                    trails.append(ahead(other, own, band))
            if not ranks:
                continue
            outcomes[baseline] = (
                "supports" if all(leads) else "opposes" if any(trails) else "unclear"
            )
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
            found[0].startswith("rank 1 ") if found else False,
            across(outcomes),
            "; ".join(said) or "not published on these benchmarks",
        )

    return check


def often(
    group: Sequence[str], benchmark: str, direction: str, what: str, regime: str | None = None
) -> Check:
    """'Variants of this kind mostly gain (lose)': more than half of them clearly do.

    'Clearly' is an adjusted p < alpha and a difference outside the band of two seeds. Where half or
    fewer clearly do, but more than half could if every difference inside the band were one, it is
    not decided.
    """
    choose(direction, "up", "down")

    def check(evidence: Evidence) -> Finding:
        shares = _group_counts(evidence, group, benchmark, direction, regime)
        outcomes = {
            b: "supports" if 2 * k > n else "unclear" if 2 * m > n else "opposes"
            for b, (k, m, n) in shares.items()
        }
        return Finding(
            f"{what} {'gain' if direction == 'up' else 'lose'} on {benchmark}",
            "often",
            "; ".join(f"{k} of {n} vs {b}" for b, (k, _, n) in shares.items()),
            None,
            across(outcomes),
            "counted: adjusted p < alpha in that direction, outside the band of two seeds",
        )

    return check


def more_often(
    group: Sequence[str], benchmark: str, direction: str, what: str, regime: str | None = None
) -> Check:
    """'Variants of this kind gain (lose) more than the others.'

    Differences to one baseline share that baseline's luck, so counts of them are no independent
    trials and Fisher's test over variants is not valid. Ranks of the accuracies themselves are free
    of the baseline: it moves all variants alike. The exact Mann-Whitney test takes the variants as
    they are, one run each, and asks whether their kind could as well have been dealt out at random.
    """
    choose(direction, "up", "down")

    def check(evidence: Evidence) -> Finding:
        where = evidence.regime(regime)
        _known(evidence, group, where)
        rows = evidence.results.main
        rows = rows[(rows["regime"] == where) & (rows["benchmark"] == benchmark)]
        rows = rows[~rows["variant"].isin(evidence.results.baselines[where])]
        inside = rows["variant"].isin(group)
        own, others = (rows[m]["top1_percent"] for m in (inside, ~inside))
        side = "gain" if direction == "up" else "lose"
        statement = f"{what} {side} on {benchmark} more often than the others"
        if own.empty or others.empty:
            return Finding(statement, "", "", None, Verdict.UNTESTABLE, "nothing to compare with")
        tied = rows["top1_percent"].duplicated().any()
        found = mannwhitneyu(own, others, method="asymptotic" if tied else "exact")
        share = found.statistic / (len(own) * len(others))
        more = share > 0.5 if direction == "up" else share < 0.5
        verdict = Verdict.NOISE
        if found.pvalue < evidence.alpha:
            verdict = Verdict.HOLDS if more else Verdict.CONTRADICTED
        return Finding(
            statement,
            "",
            f"median {own.median():.2f} of {len(own)} against {others.median():.2f} of "
            f"{len(others)}",
            None,
            verdict,
            f"a variant of this kind is above one of the others in {100 * share:.0f} % of pairs; "
            f"Mann-Whitney test on accuracies, in which no baseline takes part, "
            f"{in_words(found.pvalue)}",
        )

    return check


def _known(evidence: Evidence, group: Sequence[str], where: str) -> None:
    known = evidence.results.variants(where)
    strange = [v for v in group if v not in known]
    if strange:
        raise unknown("variant", strange[0], known, f"in regime {where!r}")


def _group_counts(
    evidence: Evidence, group: Sequence[str], benchmark: str, direction: str, regime: str | None
) -> dict[str, tuple[int, int, int]]:
    """baseline -> (clear in the group, at most clear if seeds are kind, size of the group)."""
    where = evidence.regime(regime)
    _known(evidence, group, where)
    table = evidence.differences(where)
    table = table[(table["benchmark"] == benchmark) & table["variant"].isin(group)]
    out = {}
    for baseline, rows in table.groupby("baseline", sort=False):
        right = (rows["difference"] > 0) == (direction == "up")
        inside = rows["difference"].abs() <= rows["band"]
        hit = int((rows["clear_of_seeds"] & right).sum())
        out[baseline] = (hit, hit + int(inside.sum()), len(rows))
    return out
