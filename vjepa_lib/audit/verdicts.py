"""From claims, checks and evidence to verdicts; serves any paper.

Two kinds of evidence come from outside the published table: what running the implementation
showed (`implementation_evidence`), and what own runs over several seeds showed
(`own_run_evidence`). `docs/audit_another_paper.md` audits a made-up paper in ten lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from vjepa_lib.analysis.statistics import ALPHA
from vjepa_lib.audit.checks import Check, Evidence
from vjepa_lib.audit.findings import NOT_RUN, Finding, Verdict, weakest
from vjepa_lib.audit.published import Results
from vjepa_lib.audit.reading import need_columns, read_columns
from vjepa_lib.errors import ConfigError, DataError, unknown


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
    source: str | Path | pd.DataFrame | None, facts: Mapping[str, Fact]
) -> pd.DataFrame | None:
    """Measurements on the implementation, tied to the claims they bear on.

    Parameters
    ----------
    source : table (CSV path or DataFrame) with the columns `fact` (a key of `facts`; several rows
        may measure one), `measured` (what was seen, in words or a number), `confirmed` (yes/no);
        others are kept. None: nothing was run.
    facts : what can be shown, by name; this report's are `twelve_claims.FACTS`.

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
    table = _table(source, ("fact", "measured", "confirmed"), "The table of measurements")
    strange = [f for f in table["fact"] if f not in facts]
    if strange:
        raise unknown("fact", strange[0], facts)
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
    frame: str | Path | pd.DataFrame | None, expected: Sequence[Expectation]
) -> pd.DataFrame | None:
    """Effects of own runs, tied to the claims that predict them.

    Parameters
    ----------
    frame : rows of `statistics.paired_differences` (CSV path or DataFrame): variant, benchmark,
        effect, low, high, n_seeds; a column `form` tells forms of a variant apart. None: nothing
        was run.
    expected : what each claim predicts; this report's are `twelve_claims.EXPECTED`.

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
    """Outcome of `audit_claims`.

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


def _interval(row: pd.Series) -> str:
    """' [+1.0, +3.0]'; nothing where there is none (one seed, or two kinds of outcome)."""
    return "" if pd.isna(row["low"]) else f" [{row['low']:+.1f}, {row['high']:+.1f}]"


def _own_runs(evidence: pd.DataFrame | None, claim: str) -> str:
    if evidence is None:
        return NOT_RUN
    rows = evidence[evidence["claim"] == claim]
    if rows.empty:
        return "no own run bears on it"
    return " | ".join(
        f"{r['variant']}{' ' + r['form'] if r['form'] else ''}, {r['benchmark']}: "
        f"{r['effect']:+.1f}{_interval(r)}, {int(r['n_seeds'])} seeds, "
        f"{r['outcome']}"
        for _, r in rows.iterrows()
    )


def audit_claims(
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
    strange, bare = set(checks) - set(claims.index), [c for c in claims.index if not checks.get(c)]
    if strange:
        raise ConfigError(
            f"There are checks for {sorted(strange)[0]!r}, which is no claim: choose one of "
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
