"""LTC and IIC, halves and released forms, beside the factorial: contrasts and their sentences."""

import pandas as pd
import pytest
from test_transfer_answer import rows_of, study_of

from vjepa_lib import study
from vjepa_lib.analysis import transfer_beside
from vjepa_lib.analysis.transfer_evidence import Evidence

SEEDS = (0, 1, 2)
LEVELS = {
    "baseline": 30, "ld": 50, "fwm": 31, "fwm_hw_ld": 45, "vclr": 60, "ld+vclr": 52,
    "fwm_hw_ld+vclr": 50, "ltc": 35, "ld+ltc": 58, "fwm+ltc": 25, "fwm_hw_ld+ltc": 45,
    "fwm_hw_ld+vclr_appearance": 60, "fwm_hw_ld+vclr_dynamics": 40,
}  # fmt: skip


def evidence_of(levels):
    cells = dict.fromkeys(study.FACTORIAL4.values(), 40) | levels
    rows = [study_of(cells, SEEDS)]
    for variant, top1 in (("fwm_hw", 20), ("fwm_hw_ld+vclr", 66)):
        rows += [rows_of(variant, s, top1, form="released") for s in SEEDS]
    return Evidence(pd.concat(rows, ignore_index=True))


@pytest.fixture(scope="module")
def evidence():
    return evidence_of(LEVELS)


def test_a_contrast_is_set_against_the_objective_and_against_itself_alone(evidence):
    found = transfer_beside.contrasts(evidence).set_index(["contrast", "variant", "against"])
    alone, without = "minus the contrast alone", "minus the same without it"
    assert found.side["LTC", "ld", alone] == found.side["LTC", "ld", without] == "above"
    assert found.side["LTC", "fwm", alone] == found.side["LTC", "fwm", without] == "below"
    assert found.side["LTC", "baseline", without] == "above"
    assert ("LTC", "baseline", alone) not in found.index
    assert found.side["VCLR", "ld", alone] == "below"
    assert (found.n_seeds == len(SEEDS)).all()
    worth = found.effect["LTC", "ld", without] / (58 - 50)
    assert found.effect["LTC", "fwm", without] == pytest.approx(worth * (25 - 31), abs=worth)
    assert "IIC" not in found.index.get_level_values("contrast")  # not recorded


def test_sentences_say_it_and_count_it(evidence):
    said = transfer_beside.other_contrasts(evidence)
    assert "3 seeds" in said and "IIC" not in said and "VCLR with" not in said
    assert "LTC alone +" in said and "LD with LTC +" in said and "against LD and +" in said
    assert "FWM with LTC -" in said
    counted = transfer_beside.above_both(evidence)
    assert "3 combinations, above both parts: 1; below one of them: 1; by" in counted
    plain = evidence_of({})
    gone = plain.readings[~plain.readings.variant.str.contains("ltc|_appear|_dynam")]
    assert transfer_beside.other_contrasts(Evidence(gone)) is None
    assert transfer_beside.above_both(Evidence(gone)) is None


def test_halves_and_released_forms_are_set_against_the_whole_and_the_described(evidence):
    found = transfer_beside.variations(evidence).set_index("whole")
    assert found.side.to_dict() == {
        "fwm_hw_ld+vclr_appearance": "above",
        "fwm_hw_ld+vclr_dynamics": "below",
        "fwm_hw_ld as released": "below",
        "fwm_hw_ld+vclr as released": "above",
    }
    # FWM-HW-LD as released trains what FWM-HW as released does: they share a run.
    assert found.mean_whole["fwm_hw_ld as released"] < found.mean_part["fwm_hw_ld as released"]
    said = transfer_beside.halves_and_forms(evidence)
    assert "FWM-HW-LD with VCLR on the appearance half +" in said
    assert "FWM-HW-LD as released -" in said and "against the form as described" in said


def test_only_the_factorials_seeds_take_part(evidence):
    more = study_of({"ltc": 90, "baseline": 30}, (7, 8))
    rows = pd.concat([evidence.readings, more[more.kind == "pretrain"]], ignore_index=True)
    first, second = (transfer_beside.contrasts(x) for x in (evidence, Evidence(rows)))
    assert second.effect.tolist() == pytest.approx(first.effect.tolist())
    assert second.n_seeds.tolist() == first.n_seeds.tolist()
    assert transfer_beside.variations(Evidence(more)).empty
    assert transfer_beside.contrasts(Evidence(more)).empty
    assert transfer_beside.halves_and_forms(Evidence(more)) is None
