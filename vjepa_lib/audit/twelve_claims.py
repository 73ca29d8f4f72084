"""The twelve claims of this report about arXiv 2605.17165, as checks, facts and expectations."""

from __future__ import annotations

import pandas as pd

from vjepa_lib.audit.checks import Check, count, difference, largest, untestable
from vjepa_lib.audit.findings import Verdict
from vjepa_lib.audit.group_checks import attributable, balanced, more_often, often
from vjepa_lib.audit.published import Results
from vjepa_lib.audit.verdicts import (
    Audit,
    Expectation,
    Fact,
    audit_claims,
    implementation_evidence,
    own_run_evidence,
)

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
# Trained on the same data with EMA: how far rows of different objectives lie apart there.
EMA_ON = (
    "baseline",
    "future_predictive",
    "hamiltonian",
    "motion_future",
    "motion_guided",
    "sigreg",
    "velgate",
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
        attributable(EMA_OFF, "diving48", "sigreg_no_ema", "the kinematic term", "ucf101", EMA_ON),
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


# Differences that claims C03 to C09 name: (variant, benchmark).
CLAIMED = (
    ("ld", "ssv2"),
    ("ld", "imagenet100"),
    ("ld", "diving48"),
    ("fwm", "imagenet100"),
    ("fwm", "ssv2"),
    ("fwm", "diving48"),
    ("fwm_ld", "imagenet100"),
    ("fwm_hw_ld", "imagenet100"),
    ("fwm_hw_ld", "ssv2"),
    ("fwm_hw_ld", "diving48"),
    ("ac", "imagenet100"),
    ("fac", "imagenet100"),
)


def audit(
    claims: pd.DataFrame,
    results: Results,
    measured: pd.DataFrame | None = None,
    effects: pd.DataFrame | None = None,
) -> Audit:
    """The report's claims under all four checks.

    Parameters
    ----------
    claims, results : of `published.load_claims` and `published.load_results`.
    measured : of `released_code.implementation_facts`; None leaves that check out.
    effects : of `released_code.own_effects`; None leaves that check out.
    """
    return audit_claims(
        claims,
        results,
        CHECKS,
        implementation_evidence(measured, FACTS),
        own_run_evidence(effects, EXPECTED),
    )


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
