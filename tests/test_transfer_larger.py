"""One size up: the primary contrasts at the study's weights and at those the small size chose."""

import pandas as pd
import pytest
from test_transfer_answer import LEVELS, study_of

from vjepa_lib.analysis import transfer_larger
from vjepa_lib.analysis.transfer_evidence import Evidence
from vjepa_lib.analysis.transfer_score import DECISIVE
from vjepa_lib.datasets import worlds

SEEDS = (0, 1, 2)
LIGHT = "ld x0.1"


def sources(levels, seeds, changed=""):
    """Curves whose last row says how the sources were read."""
    looked = {f"source_{t}": 1.0 for t in worlds.TASKS}
    return pd.DataFrame(
        [
            {"run": f"{v}-{s}-{changed}", "variant": v, "seed": s, "changed": changed, "step": 599}
            | {"pretrained_on": "rendered"}
            | {k: x * level for k, x in looked.items()}
            for v, level in levels.items()
            for s in seeds
        ]
    )


def evidence_of(larger):
    """A small study whose sources choose a tenth of LD for LD + VCLR, and no other change."""
    other = study_of({"ld+vclr": 80, "ld": 20}, (5, 6), LIGHT)
    small = pd.concat([study_of(LEVELS), study_of(LEVELS, (5, 6)), other[other.changed != ""]])
    curves = [sources(LEVELS, (5, 6)), sources({"ld+vclr": 90, "ld": 20}, (5, 6), LIGHT)]
    return Evidence(small, curves=pd.concat(curves), larger=larger)


@pytest.fixture(scope="module")
def evidence():
    other = study_of({"ld+vclr": 80, "ld": 10}, SEEDS, LIGHT)
    larger = pd.concat([study_of(LEVELS | {"ld+vclr": 50}, SEEDS), other[other.changed != ""]])
    return evidence_of(larger.assign(gpu="H9").reset_index(drop=True))


def test_weights_are_those_that_the_small_size_chose(evidence):
    changed = transfer_larger.settings(evidence)[transfer_larger.CHOSEN]
    assert changed == dict.fromkeys(DECISIVE, "") | {"ld+vclr": LIGHT}
    assert set(transfer_larger.settings(evidence)[transfer_larger.STUDY].values()) == {""}


def test_the_contrasts_are_asked_once_with_each_kind_of_weights(evidence):
    found = transfer_larger.contrasts(evidence).set_index(["weights", "whole", "part"])
    assert len(found) == 8 and (found.n_seeds == len(SEEDS)).all()
    pair = ("ld+vclr", "vclr")
    assert (
        found.effect[transfer_larger.STUDY, *pair] < 0 < found.effect[transfer_larger.CHOSEN, *pair]
    )
    # LD was left as it is: the combination is set against it at the study's weight.
    assert found.mean_part[transfer_larger.CHOSEN, "ld+vclr", "ld"] == pytest.approx(
        found.mean_part[transfer_larger.STUDY, "ld+vclr", "ld"]
    )
    assert found.family.nunique() == 2


def test_sentences_name_the_size_the_machine_and_both_verdicts(evidence):
    said = transfer_larger.one_size_up(evidence)
    assert "112 px and 16 frames" in said and "width 192 and depth 8, on H9" in said
    first, second = said.split("At the same size, ")
    assert "LD with VCLR harms" in first and "LD with VCLR helps" in second
    assert "3 seeds" in first
    levels = transfer_larger.levels(evidence)
    assert len(levels) == len(DECISIVE) + 1
    assert levels[levels.weights == transfer_larger.CHOSEN].setting.tolist() == ["LD x0.1"]
    assert "the baseline 2" in transfer_larger.scores_one_size_up(evidence)


def test_without_larger_runs_nothing_is_said(evidence):
    none = evidence_of(pd.DataFrame())
    references = evidence.larger[evidence.larger.kind == "supervised"]
    for e in (none, evidence_of(references)):
        assert transfer_larger.one_size_up(e) is None
        assert transfer_larger.scores_one_size_up(e) is None
        assert transfer_larger.levels(e).empty and transfer_larger.contrasts(e).empty
