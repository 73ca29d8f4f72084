"""What the report may use: recorded runs, published facts, measurements on the code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from vjepa_lib.analysis import (
    answer,
    transfer_answer,
    transfer_evidence,
    transfer_mechanisms,
    transfer_score,
    transfer_views,
    transfer_why,
)
from vjepa_lib.analysis.selection import name
from vjepa_lib.analysis.transfer_reasons import Mechanisms
from vjepa_lib.audit import published, readings, twelve_claims
from vjepa_lib.audit.published import Results
from vjepa_lib.audit.released_code import own_effects
from vjepa_lib.audit.verdicts import Audit
from vjepa_lib.study import recorded, transfer_recorded

SHORT = 2  # sentences on the embedded benchmarks that stand in for the answer where it is not yet


def headline(evidence: Evidence) -> list[str]:
    """The answer to the research question in a few sentences.

    Zero-shot transfer where its primary contrasts are recorded, as the plan asks; before that what
    probes that are trained anew say.
    """
    if len(evidence.contrasts) == len(transfer_score.PRIMARY):
        return transfer_answer.answered(evidence.zero_shot, transfer_answer.SHORT)
    asked = answer.SENTENCES[:SHORT]
    return answer.sentences(evidence.results, evidence.runs, asked=asked)


@dataclass(frozen=True)
class Evidence:
    """Everything the text is made from.

    Attributes
    ----------
    results, runs : of `recorded.load` and `recorded.runs`: benchmarks of embedded data.
    readings, transfer_runs : of `transfer_recorded.load` and `transfer_recorded.runs`.
    published, claims : the source's results, and the report's claims.
    measured : of `released_code.implementation_facts`; None where nothing was run.
    profile : of the recorded runs.
    answers : evidence -> the answer in a few sentences.
    curves : of `transfer_recorded.curves`: sources read while the runs trained.
    mechanisms : what kept encoders were measured at; None where they were not.
    larger, larger_runs : the transfer study one size up; None where it is not recorded.
    """

    results: pd.DataFrame
    runs: pd.DataFrame
    readings: pd.DataFrame
    transfer_runs: pd.DataFrame
    published: Results
    claims: pd.DataFrame
    measured: pd.DataFrame | None = None
    profile: str = recorded.PROFILE
    answers: Callable[[Evidence], list[str]] = headline
    curves: pd.DataFrame | None = None
    mechanisms: Mechanisms | None = None
    larger: transfer_answer.Evidence | None = None
    larger_runs: pd.DataFrame | None = None

    @property
    def mark(self) -> str:
        """How figures and tables mark the recorded runs."""
        return f"{self.profile}, recorded"

    @cached_property
    def said(self) -> list[str]:
        """What the embedded benchmarks say, read by probes that are trained anew."""
        return answer.sentences(self.results, self.runs)

    @cached_property
    def zero_shot(self) -> transfer_answer.Evidence:
        """The transfer study, for its sentences and contrasts."""
        curves = pd.DataFrame() if self.curves is None else self.curves
        return transfer_answer.Evidence(self.readings, curves=curves, larger=self.larger)

    @cached_property
    def said_zero_shot(self) -> list[str]:
        """What the transfer study says, as far as it is recorded."""
        return transfer_answer.answered(self.zero_shot)

    @cached_property
    def over_training(self) -> pd.DataFrame:
        """Sources and rank at the end against a quarter; of `transfer_views.over_training`."""
        if self.curves is None or self.curves.empty:
            return pd.DataFrame()
        return transfer_views.over_training(self.curves)

    @cached_property
    def said_why(self) -> list[str]:
        """What measuring the kept encoders again says of why."""
        return transfer_why.answered(self.mechanisms) if self.mechanisms else []

    @cached_property
    def contrasts(self) -> pd.DataFrame:
        """The primary contrasts, those that are recorded; of `transfer_score.contrasts`."""
        if not (self.readings.kind == "supervised").any():
            return pd.DataFrame(columns=["whole", "part"])
        return self.zero_shot.contrasts()

    @cached_property
    def audit(self) -> Audit:
        """The claims, checked."""
        effects = own_effects(self.results) if len(self.results) else None
        return twelve_claims.audit(self.claims, self.published, self.measured, effects)

    @cached_property
    def differences(self) -> pd.DataFrame:
        """The published differences from every baseline of the mixture."""
        return readings.differences_in_order(self.published.differences("mixed"))

    @cached_property
    def addresses(self) -> dict[str, list[str]]:
        """Name of an objective of the mixture, as tables write it -> addresses of its runs."""
        own = self.results.drop_duplicates(["variant", "form", "regime", "run"])
        found: dict[str, list[str]] = {}
        for row in own[own.regime == "mixed"].itertuples():
            found.setdefault(name(row.variant, row.form), []).append(row.run)
        return found


def gather(
    measured: pd.DataFrame | None = None,
    profile: str = recorded.PROFILE,
    folder: Path = recorded.FOLDER,
) -> Evidence:
    """Everything recorded with the repository.

    Parameters
    ----------
    measured : of `released_code.implementation_facts`; None leaves that check out.
    folder : of the recorded tables.
    """
    readings = transfer_recorded.load(profile, folder)
    curves = transfer_recorded.curves(profile, folder)
    return Evidence(
        recorded.load(profile=profile, folder=folder),
        recorded.runs(profile, folder),
        readings,
        transfer_recorded.runs(profile, folder),
        published.load_results(),
        published.load_claims(),
        measured,
        profile,
        curves=curves,
        mechanisms=Mechanisms(transfer_mechanisms.load(folder), readings, curves),
        larger=transfer_evidence.one_size_up(folder),
        larger_runs=transfer_recorded.runs(transfer_recorded.LARGER, folder),
    )
