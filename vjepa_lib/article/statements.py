"""Sentences about what is recorded and what it shows; each is made from tables alone."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from vjepa_lib.article.evidence import Evidence
from vjepa_lib.audit import readings
from vjepa_lib.audit.findings import Verdict
from vjepa_lib.show.look import label, published
from vjepa_lib.study.variants import REFERENCES


def counted(number: int, one: str, more: str = "") -> str:
    """'1 run', '3 runs'."""
    return f"{number} {one if number == 1 else more or one + 's'}"


def listed(names: Sequence[str], last: str = "and") -> str:
    """'a', 'a and b', 'a, b and c'."""
    *first, end = names
    return f"{', '.join(first)} {last} {end}" if first else end


def spread(values: Sequence[int]) -> str:
    """Whole numbers as ranges: '0 to 4, 10'."""
    out: list[list[int]] = []
    for value in sorted(set(values)):
        if out and value == out[-1][-1] + 1:
            out[-1].append(value)
        else:
            out.append([value])
    return ", ".join(f"{r[0]} to {r[-1]}" if len(r) > 1 else str(r[0]) for r in out)


# --- what is recorded ---------------------------------------------------------------------------


def recorded_runs(evidence: Evidence) -> str:
    """How many runs on the embedded benchmarks are recorded."""
    runs = evidence.runs
    if runs.empty:
        return "No run on the embedded benchmarks is recorded yet."
    trained = runs[runs.kind == "pretrain"]
    objectives = len(trained[["variant", "form", "regime"]].drop_duplicates())
    return (
        f"{counted(len(runs), 'run is', 'runs are')} recorded on the embedded benchmarks: "
        f"{counted(objectives, 'objective')} with seeds {spread(trained.seed.tolist())}, and "
        f"references."
    )


def recorded_transfer(evidence: Evidence) -> list[str]:
    """What of the transfer study is recorded, and what is not."""
    runs = evidence.transfer_runs
    if runs.empty:
        return ["No run of the transfer study is recorded yet."]
    references = runs[runs.variant.isin(REFERENCES)]
    trained = runs[~runs.variant.isin(REFERENCES)]
    said = []
    if len(references):
        names = [label(n).lower() for n in dict.fromkeys(references.variant)]
        said.append(
            f"Of the transfer study {counted(len(references), 'reference is', 'references are')} "
            f"recorded ({listed(names)})."
        )
    if trained.empty:
        said.append(
            "No encoder trained with an objective is recorded for it yet, so nothing is said here "
            "about reading one world with a probe fitted in another."
        )
        return said
    kinds = trained[["variant", "form", "pretrained_on"]].drop_duplicates()
    said.append(
        f"{counted(len(trained), 'trained encoder is', 'trained encoders are')} recorded for the "
        f"transfer study: {counted(len(kinds), 'objective')}, seeds "
        f"{spread(trained.seed.tolist())}."
    )
    return said


def missing(evidence: Evidence) -> list[str]:
    """What is not recorded; nothing where everything is."""
    said = [recorded_runs(evidence)] if evidence.runs.empty else []
    trained = set(evidence.transfer_runs.get("variant", ())) - set(REFERENCES)
    return said + ([] if trained else recorded_transfer(evidence)[-1:])


def made_where(runs: pd.DataFrame) -> str:
    """On which machines, with which versions and over how many hours runs were made."""
    if runs.empty:
        return "Nothing is recorded."
    machines = [
        f"{cpu} ({cores} cores)"
        for cpu, cores in sorted(set(zip(runs.cpu, runs.cores, strict=True)))
    ]
    versions = [
        f"{what} {listed(sorted(set(runs[what].astype(str))))}"
        for what in ("python", "torch", "numpy", "scikit-learn")
        if what in runs
    ]
    hours = runs.seconds.sum() / 3600
    return (
        f"Made on {listed(machines)} with {listed(versions)}, in {hours:.1f} hours of run time "
        f"altogether."
    )


# --- the claims ---------------------------------------------------------------------------------


def claims_held(evidence: Evidence) -> str:
    """How many claims hold, and how many became what."""
    ends = evidence.audit.verdicts.verdict
    counts = [f"{v} ({n})" for v in Verdict if v != Verdict.HOLDS and (n := (ends == v).sum())]
    held = int((ends == Verdict.HOLDS).sum())
    return (
        f"Of the report's {len(ends)} claims, {held or 'none'} {'holds' if held == 1 else 'hold'}"
        f"{'; the others: ' + ', '.join(counts) if counts else ''}."
    )


def implementation(evidence: Evidence) -> str:
    """Whether the code was run for the third check."""
    if evidence.measured is None:
        return (
            "The code was not run for this copy of the report, so the verdicts rest on the "
            "published numbers alone."
        )
    facts = evidence.measured.groupby("fact").confirmed.all()
    return (
        f"The code was run for this copy of the report, on the embedded data: {int(facts.sum())} "
        f"of {counted(len(facts), 'fact')} about it are confirmed."
    )


def published_numbers(evidence: Evidence) -> list[str]:
    """What the published table says of itself."""
    results, differences = evidence.published, evidence.differences
    return [
        readings.between_baselines(results.baseline_noise("mixed")),
        readings.single_runs(results),
        *readings.losses_on_imagenet(results, differences, published),
        readings.steady_differences(differences, published),
        readings.seen_on_diving48(differences, readings.detectable(results)),
    ]
