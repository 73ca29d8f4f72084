"""Verdicts and findings: what a check of a claim can say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

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
