"""The study's other single objectives: each against the baseline of its own films."""

import pandas as pd
import pytest
from test_transfer_answer import study_of

from vjepa_lib import study
from vjepa_lib.analysis import transfer_answer, transfer_singles
from vjepa_lib.analysis.transfer_evidence import Evidence
from vjepa_lib.show import transfer

SEEDS = (0, 1, 2)
CELLS = dict.fromkeys(study.FACTORIAL4.values(), 40) | {"baseline": 30, "ld": 50}
OTHERS = {"ucf_baseline": 45, "hamiltonian": 60, "motion_future": 40, "spectral": 35, "ltc": 70}


@pytest.fixture(scope="module")
def evidence():
    return Evidence(study_of(CELLS | OTHERS, SEEDS))


def test_every_objective_is_set_against_the_baseline_that_saw_its_films(evidence):
    found = transfer_singles.contrasts(evidence).set_index("whole")
    assert found.part.to_dict() == {
        "spectral": "baseline", "hamiltonian": "ucf_baseline", "motion_future": "ucf_baseline",
    }  # fmt: skip
    assert found.side.to_dict() == {
        "spectral": "above", "hamiltonian": "above", "motion_future": "below",
    }  # fmt: skip
    assert (found.n_seeds == len(SEEDS)).all()
    assert transfer.singles(found.reset_index()).axes


def test_the_sentence_counts_and_lists_them(evidence):
    said = transfer_singles.singles(evidence)
    assert "trained on films, motions and stills 1 of 1 above their" in said
    assert "trained on films alone 1 of 2 above their baseline (Hamiltonian +" in said
    assert "motions and stills, has +" in said and "LTC" not in said and "3 seeds" in said
    assert transfer_singles.singles in transfer_answer.SENTENCES


def test_without_such_runs_nothing_is_said(evidence):
    for rows in (study_of(CELLS, SEEDS), study_of({"hamiltonian": 50, "ucf_baseline": 40}, SEEDS)):
        assert transfer_singles.contrasts(Evidence(rows)).empty
        assert transfer_singles.singles(Evidence(rows)) is None
    unlabelled = evidence.readings[evidence.readings.kind != "supervised"]
    assert transfer_singles.contrasts(Evidence(pd.DataFrame(unlabelled))).empty


def test_every_regime_of_a_single_objective_has_a_baseline():
    for whole, part in transfer_singles._pairs():
        assert study.VARIANTS[whole].regime == study.VARIANTS[part].regime
