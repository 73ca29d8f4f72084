"""One size up: the primary contrasts at the study's weights and at those the small size chose."""

import pandas as pd
import pytest
from test_transfer_answer import LEVELS, study_of
from test_transfer_settings import curves_of

from vjepa_lib.analysis import transfer_answer, transfer_larger
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


def evidence_of(larger, curves=None):
    """A small study whose sources choose a tenth of LD for LD + VCLR, and no other change."""
    there = None if larger is None else Evidence(larger, curves=pd.DataFrame(curves))
    other = study_of({"ld+vclr": 80, "ld": 20}, (5, 6), LIGHT)
    small = pd.concat([study_of(LEVELS), study_of(LEVELS, (5, 6)), other[other.changed != ""]])
    looks = [sources(LEVELS, (5, 6)), sources({"ld+vclr": 90, "ld": 20}, (5, 6), LIGHT)]
    looks.append(curves_of({"vclr": 3.0, "ld+vclr": 6.0}, (10, 11)))
    return Evidence(small, curves=pd.concat(looks), larger=there)


@pytest.fixture(scope="module")
def evidence():
    other = study_of({"ld+vclr": 80, "ld": 10}, SEEDS, LIGHT)
    larger = pd.concat([study_of(LEVELS | {"ld+vclr": 50}, SEEDS), other[other.changed != ""]])
    # No network of this size was trained with labels.
    larger = larger[larger.kind != "supervised"].assign(gpu="H9").reset_index(drop=True)
    return evidence_of(larger, curves_of({"vclr": 5.0, "ld+vclr": 7.0}, SEEDS))


def test_weights_are_those_that_the_small_size_chose(evidence):
    changed = transfer_larger.settings(evidence)[transfer_larger.CHOSEN]
    assert changed == dict.fromkeys(DECISIVE, "") | {"ld+vclr": LIGHT}
    assert set(transfer_larger.settings(evidence)[transfer_larger.STUDY].values()) == {""}


def test_the_contrasts_are_asked_once_with_each_kind_of_weights(evidence):
    found = transfer_larger.contrasts(evidence).set_index(["weights", "whole", "part"])
    assert len(found) == 4 + 2 and (found.n_seeds == len(SEEDS)).all()
    pair = ("ld+vclr", "vclr")
    assert (
        found.effect[transfer_larger.STUDY, *pair] < 0 < found.effect[transfer_larger.CHOSEN, *pair]
    )
    # LD was left as it is: the combination is set against it at the study's weight.
    assert found.mean_part[transfer_larger.CHOSEN, "ld+vclr", "ld"] == pytest.approx(
        found.mean_part[transfer_larger.STUDY, "ld+vclr", "ld"]
    )
    assert found.family.nunique() == 2


def test_accuracies_are_means_over_worlds_without_a_ceiling(evidence):
    table = transfer_larger.accuracies(evidence)
    own = table[(table.variant == "ld") & (table.weights == transfer_larger.STUDY)]
    rows = evidence.larger.readings.query("variant == 'ld' and changed == '' and seed == 1")
    rows = rows[rows.task.isin(worlds.TASKS) & (rows.severity > 0) & (rows.fitted == "source")]
    assert own.set_index("seed").score[1] == pytest.approx(rows.top1.mean())
    gone = evidence.larger.readings.drop(rows.index[:1])
    fewer = transfer_larger.accuracies(evidence_of(gone))
    assert set(fewer[fewer.variant == "ld"].seed) == {0, 2}  # a run that lacks a world has none


def test_sentences_name_the_size_the_machine_and_both_verdicts(evidence):
    said = transfer_larger.one_size_up(evidence)
    assert "112 px and 16 frames" in said and "width 192 and depth 8, on H9" in said
    first, second = said.split("At the same size, ")
    assert "LD with VCLR harms" in first and "LD with VCLR helps" in second
    assert "FWM-HW-LD" in first and "FWM-HW-LD" not in second  # the choice changed nothing of it
    assert "(3 seeds)" in first
    assert "the baseline 30" in transfer_larger.accuracies_one_size_up(evidence)
    learned = transfer_larger.contrast_learned(evidence)
    assert "VCLR 5.0 (3.1)" in learned and "LD with VCLR 7.0 (6.1)" in learned
    assert transfer_larger.one_size_up in transfer_answer.SHORT
    assert transfer_larger.contrast_learned in transfer_answer.SENTENCES


def test_single_runs_are_shown_without_an_interval(evidence):
    one = evidence.larger.readings
    one = one[(one.changed == "") | (one.seed == 0)]
    levels = transfer_larger.levels(evidence_of(one))
    assert len(levels) == len(DECISIVE) + 2 and levels.variant.iloc[0] == "random_init"
    chosen = levels[levels.weights == transfer_larger.CHOSEN]
    assert chosen.setting.tolist() == ["LD x0.1"] and chosen.n_seeds.tolist() == [1]
    assert chosen.low.isna().all() and levels[levels.n_seeds == 3].low.notna().all()
    assert "At the same size" not in transfer_larger.one_size_up(evidence_of(one))


def test_it_is_said_which_contrasts_turn_round(evidence):
    assert "the same for 4 of the 4" in transfer_larger.turned(evidence_of(study_of(LEVELS, SEEDS)))
    lower = study_of(LEVELS | {"vclr": 80}, SEEDS)
    said = transfer_larger.turned(evidence_of(lower))
    assert "LD with VCLR against VCLR (above there, below here)" in said
    assert "the same for 3 of the 4" in said


def test_tasks_stand_apart_and_the_digits_beside_them(evidence):
    rows = evidence.larger.readings.copy()
    fallen = (rows.variant == "fwm_hw_ld+vclr") & (rows.task == "appearance")
    rows.loc[fallen, "top1"] -= 30
    found = transfer_larger.by_task(evidence_of(rows))
    assert len(found) == 4 * (len(worlds.TASKS) + 1)
    worst = found[(found.whole == "fwm_hw_ld+vclr") & (found.part == "vclr")].set_index("task")
    assert worst.effect.idxmin() == "appearance" and "digits" in worst.index
    said = transfer_larger.tasks_one_size_up(evidence_of(rows))
    assert "below on" in said and "appearance -3" in said


def test_other_readings_are_asked_and_those_that_are_missing_are_not(evidence):
    said = transfer_larger.readings_one_size_up(evidence)
    # Three of the readings are recorded: the farthest severity, a probe trained anew, the source.
    assert "Under the 3 other readings" in said
    assert "LD with VCLR against VCLR below under zero-shot farthest, re-trained, source" in said
    rows = evidence.larger.readings.copy()
    rows.loc[(rows.variant == "ld+vclr") & (rows.fitted == "target"), "top1"] += 40
    said = transfer_larger.readings_one_size_up(evidence_of(rows))
    assert "above under re-trained and below under zero-shot farthest, source" in said


def test_without_larger_runs_nothing_is_said(evidence):
    own = evidence.larger.readings
    for e in (evidence_of(None), evidence_of(own[own.variant == "random_init"])):
        for ask in (
            transfer_larger.one_size_up,
            transfer_larger.turned,
            transfer_larger.accuracies_one_size_up,
            transfer_larger.tasks_one_size_up,
            transfer_larger.readings_one_size_up,
            transfer_larger.contrast_learned,
        ):
            assert ask(e) is None
        assert transfer_larger.contrasts(e).empty
    assert transfer_larger.levels(evidence_of(None)).empty
