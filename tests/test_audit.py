"""The audit measures; its facts come out as measured, with controls."""

import pandas as pd
import pytest

from vjepa_lib.audit.released_code import (
    implementation_facts,
    study,
    summary,
    tokens_read,
    variant_audit,
)
from vjepa_lib.audit.twelve_claims import FACTS
from vjepa_lib.audit.verdicts import implementation_evidence


def test_released_and_described_hard_weighted_ld(smoke_sets):
    for form, trains in (("released", False), ("described", True)):
        reach, moved = variant_audit("hw_ld", form, "smoke", smoke_sets, 2)
        ld = reach[reach.term == "ld"].set_index("part")
        assert ld.reaches["context_encoder"] == trains and ld.reaches["own head"] == trains
        head = moved[moved.part == "head of ld"].iloc[0]
        assert (head.moved > 0) == trains and head.parameters == 4
        assert moved.evaluated_trained.all()


def test_looks_over_training(smoke_sets):
    reach, _ = variant_audit("ld", "released", "smoke", smoke_sets, 3, looks=(0, 2))
    assert sorted(reach.step.unique()) == [0, 2]
    norms = reach[(reach.term == "jepa") & (reach.part == "context_encoder")].norm
    assert norms.iloc[0] != norms.iloc[1]


def test_all_facts_of_the_released_code_are_confirmed(smoke_sets):
    table = implementation_facts("smoke", smoke_sets, 2)
    assert set(table.fact) == set(FACTS)
    assert table.confirmed.all(), table[~table.confirmed].measured.tolist()
    evidence = implementation_evidence(table, FACTS)
    assert set(evidence.claim) >= {"C02", "C03", "C10"}


def test_a_fact_can_come_out_the_other_way(smoke_sets, monkeypatch):
    """Were the described form released, the audit would say so."""
    resolve = study.resolve

    def mended(variant, form="released", profile="mini", seed=0, regime=None):
        return resolve(variant, "described", profile, seed, regime)

    monkeypatch.setattr(study, "resolve", mended)
    table = implementation_facts("smoke", smoke_sets, 2).groupby("fact").confirmed.all()
    assert not table["ld_head_untrained"] and not table["target_frozen_ema_off"]
    assert not table["halves_are_levels"] and table["context_loss_late"]


def test_summary(smoke_sets):
    parts = [variant_audit(v, "released", "smoke", smoke_sets, 2) for v in ("fwm_hw_ld", "no_ema")]
    table = summary(pd.concat(r for r, _ in parts), pd.concat(m for _, m in parts))
    row = table.set_index("variant")
    assert row.loc["fwm_hw_ld", "terms reaching nothing"] == "ld"
    assert row.loc["fwm_hw_ld", "heads that never move"] == "ld"
    assert row["evaluated encoder trained"].to_dict() == {"fwm_hw_ld": True, "no_ema": False}


def test_probe_reads_every_token():
    read, there = tokens_read("smoke")
    assert read == there == 64
    assert tokens_read("mini")[1] == pytest.approx(64)
