"""One size up: the primary contrasts at the study's weights and at those the small size chose."""

import pandas as pd
import pytest
from scipy import stats
from test_transfer_answer import LEVELS, study_of
from test_transfer_settings import curves_of

from vjepa_lib.analysis import transfer_answer, transfer_evidence, transfer_larger
from vjepa_lib.analysis.transfer_evidence import Evidence
from vjepa_lib.analysis.transfer_score import DECISIVE
from vjepa_lib.datasets import worlds
from vjepa_lib.study import transfer_recorded

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
    assert "VCLR 5.0 (5.0 to 5.0) where the small ends at 3.1 (3.1 to 3.1)" in learned
    assert "LD with VCLR 7.0" in learned
    assert "There VCLR alone is +3" in said and "at the small size, in accuracy too, +" in said
    assert "the other way" not in said
    assert transfer_larger.one_size_up in transfer_answer.SENTENCES
    assert transfer_larger.contrast_learned in transfer_answer.SENTENCES


def test_it_is_said_which_contrasts_turn_round(evidence):
    said = transfer_larger.turned(evidence_of(study_of(LEVELS, SEEDS)))
    assert "4 of the 4 planned contrasts come out alike" in said and "not so" not in said
    said = transfer_larger.turned(evidence_of(study_of(LEVELS | {"vclr": 80}, SEEDS)))
    assert "3 of the 4" in said and "LD with VCLR against VCLR (above there, below here)" in said
    wide = study_of(LEVELS, SEEDS)
    apart = (wide.variant == "ld+vclr") & (wide.seed > 0)
    wide.loc[apart, "top1"] -= 25  # above LD in one seed of three: open, where it was above
    said = transfer_larger.turned(evidence_of(wide))
    assert "LD with VCLR against LD (above there, undecided here)" in said


def test_an_opponent_on_the_other_side_of_one_task_is_named(evidence):
    rows = evidence.larger.readings.copy()
    up = (rows.variant == "vclr") & (rows.task == "appearance")
    rows.loc[up | (rows.variant == "ld+vclr"), "top1"] += 20
    rows.loc[rows.variant == "fwm_hw_ld+vclr", "top1"] += 15
    said = transfer_larger.one_size_up(evidence_of(rows))
    assert "Against VCLR the other way on appearance (-" in said


def test_a_clear_difference_within_the_margin_says_so():
    larger = study_of(LEVELS | {"ld+vclr": LEVELS["ld"] + 1}, SEEDS)
    said = transfer_larger.one_size_up(evidence_of(larger))
    assert "; clear, but within 2." in said  # 3 points of the score in points of accuracy


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


def test_other_readings_are_all_told_and_those_that_are_missing_are_not(evidence):
    said = transfer_larger.readings_one_size_up(evidence)
    # Three of the readings are recorded: the farthest severity, a probe trained anew, the source.
    assert "Under the 3 other readings" in said and said.count("re-trained") == 4
    rows = evidence.larger.readings.copy()
    rows.loc[(rows.variant == "ld+vclr") & (rows.fitted == "target"), "top1"] += 40
    said = transfer_larger.readings_one_size_up(evidence_of(rows))
    (pair,) = (part for part in said.split(". ") if part.startswith("LD with VCLR against VCLR"))
    assert "re-trained +30" in pair and "source -9" in pair


def test_sources_over_training_and_probes_at_an_edge_are_told(evidence):
    early, late = sources(LEVELS, SEEDS), sources(LEVELS, SEEDS)
    curves = pd.concat([early.assign(step=149, source_order=10.0), late]).assign(rank_me=7.0)
    said = transfer_larger.settled_one_size_up(evidence_of(evidence.larger.readings, curves))
    assert "VCLR 48, 60 % (RankMe 7.0)" in said
    rows = evidence.larger.readings.assign(at_edge=False)
    rows.loc[(rows.variant == "ld") & (rows.task == "order"), "at_edge"] = True
    said = transfer_larger.at_edges(evidence_of(rows))
    assert "LD 25 %" in said and "VCLR 0 %" in said


def test_a_world_that_no_run_has_leaves_no_mean(evidence):
    rows = evidence.larger.readings
    gone = rows[(rows.task != "order") | (rows.severity != 3)]
    assert transfer_larger.accuracies(evidence_of(gone)).empty


def test_the_recorded_contrasts_are_those_of_plain_arithmetic():
    read = transfer_recorded.load(transfer_recorded.LARGER)
    rows = read[(read.reading == "linear") & (read.fitted == "source") & (read.severity > 0)]
    rows = rows[~rows.task.str.startswith("digits") & (rows.changed == "")]
    means = rows.groupby(["variant", "seed"]).top1.mean().unstack()
    found = transfer_larger.contrasts(transfer_evidence.gathered())
    found = found[found.weights == transfer_larger.STUDY].set_index(["whole", "part"])
    assert len(found) == 4
    for (whole, part), row in found.iterrows():
        test = stats.ttest_rel(means.loc[whole], means.loc[part])
        assert row.effect == pytest.approx((means.loc[whole] - means.loc[part]).mean())
        assert row.p == pytest.approx(test.pvalue, rel=1e-6)
        assert (row.low, row.high) == pytest.approx(tuple(test.confidence_interval()))


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
            transfer_larger.settled_one_size_up,
        ):
            assert ask(e) is None
        assert transfer_larger.contrasts(e).empty
