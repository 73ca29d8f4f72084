"""The paper's claims, checked: against its numbers, against statistics, against its code.

`published` holds the released results, `checks` and `group_checks` are predicates over them,
`verdicts` turns claims, checks and evidence into verdicts for any paper; `twelve_claims` is this
report's list, and
`released_code` shows by running it what the released code trains.
"""

from vjepa_lib.audit.checks import Check, Evidence, count, difference, largest, untestable
from vjepa_lib.audit.findings import NOT_RUN, Finding, Verdict, weakest
from vjepa_lib.audit.group_checks import attributable, balanced, more_often, often
from vjepa_lib.audit.published import Results, load_claims, load_results
from vjepa_lib.audit.verdicts import (
    Audit,
    Expectation,
    Fact,
    audit_claims,
    implementation_evidence,
    own_run_evidence,
)

__all__ = [
    "NOT_RUN",
    "Audit",
    "Check",
    "Evidence",
    "Expectation",
    "Fact",
    "Finding",
    "Results",
    "Verdict",
    "attributable",
    "audit_claims",
    "balanced",
    "count",
    "difference",
    "implementation_evidence",
    "largest",
    "load_claims",
    "load_results",
    "more_often",
    "often",
    "own_run_evidence",
    "untestable",
    "weakest",
]
