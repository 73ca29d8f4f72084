"""Runs with other settings: whom a setting concerns, its words, how far the contrast is learned."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from test_transfer_answer import LEVELS, SEEDS, study_of

from vjepa_lib.analysis import (
    transfer_answer,
    transfer_elsewhere,
    transfer_learned,
    transfer_settings,
)
from vjepa_lib.analysis.transfer_evidence import Evidence
from vjepa_lib.objectives.contrastive import info_nce
from vjepa_lib.study.transfer_runs import transfer_run

FWM = "fwm_static x0.1, fwm_orth x0.1"


@pytest.mark.parametrize(
    ("variant", "changed", "own"),
    [
        ("vclr", "ld x0.1", ""),
        ("ld+vclr", "ld x0.1", "ld x0.1"),
        ("ld", "without order", ""),
        ("vclr", "without order", "without order"),
        ("baseline", "steps 150", "steps 150"),
        ("ld", "width 256, vclr x10", "width 256"),
        ("vclr", FWM, ""),
        ("fwm_hw_ld", FWM, FWM),
    ],
)
def test_a_setting_concerns_those_that_have_what_it_changes(variant, changed, own):
    assert transfer_settings.for_variant(variant, changed) == own


def test_settings_of_runs_are_written_in_words():
    def said(variant, **options):
        return transfer_settings.in_words(transfer_run(variant, "described", **options).changed)

    assert said("ld") == "as in the study"
    assert said("ld", steps=2400, scaled={"ld": 0.1}) == "2400 steps and LD x0.1"
    assert said("ld", lr=0.002, width=128) == "learning rate 0.002 and width 128"
    both = {"fwm_static": 10.0, "fwm_orth": 10.0}
    assert said("fwm_hw_ld", scaled=both) == "FWM x10"
    assert said("vclr", without=("order",)) == "VCLR without its order part"
    assert transfer_settings.only_weights("") and transfer_settings.only_weights(FWM)
    assert not transfer_settings.only_weights("ld x0.1, width 256")


def test_settings_stand_in_the_order_of_their_kind_and_size():
    found = ["vclr x10", "ld x0.1", "width 256", "steps 2400", "steps 150", "without order", ""]
    found += ["vclr x0.1", "lr 0.002"]
    assert sorted(found, key=transfer_settings.order) == [
        *("", "steps 150", "steps 2400", "width 256", "lr 0.002", "without order"),
        *("ld x0.1", "vclr x0.1", "vclr x10"),
    ]


def test_a_partner_without_the_changed_term_is_taken_as_it_is_at_the_same_width():
    base = study_of(LEVELS)
    wide = study_of({"vclr": 30, "ld+vclr": 40, "ld": 60}, (5, 6, 7), "width 256")
    heavy = study_of({"vclr": 50, "ld+vclr": 70}, (5, 6, 7), "width 256, vclr x10")
    rows = [base] + [t[(t.kind == "pretrain") & (t.changed != "")] for t in (wide, heavy)]
    found = Evidence(pd.concat(rows)).contrasts(changed="width 256, vclr x10", seeds=None)
    found = found.set_index(["whole", "part"])
    assert found.effect["ld+vclr", "vclr"] > 0
    # LD has no weight of VCLR: it is that of width 256, better than the study's own at 50.
    assert found.mean_part["ld+vclr", "ld"] == pytest.approx(
        Evidence(pd.concat(rows)).contrasts(changed="width 256", seeds=None).set_index(
            ["whole", "part"]
        ).mean_part["ld+vclr", "ld"]
    )  # fmt: skip


def test_guessing_is_what_a_head_pays_that_cannot_tell_anything():
    b, queue, d = 16, 256, 8
    alike = torch.nn.functional.normalize(torch.ones(b, d), dim=-1)
    video = info_nce(alike, alike, torch.ones(queue, d) / math.sqrt(d), 0.1)
    others = alike[:1].expand(b, b - 1, d)
    instance = info_nce(alike, alike, others, 0.1)
    assert transfer_learned.guessing(queue, b, 2) == pytest.approx(
        float(video + instance) + math.log(2), rel=1e-5
    )


def curves_of(losses, seeds, changed=""):
    """Curves of runs whose contrast ends at a loss, from guessing on."""
    rows = []
    for (variant, loss), seed in ((pair, s) for pair in losses.items() for s in seeds):
        for step in (0, 300, 590, 599):
            value = loss + 0.01 * seed if step > 500 else 9.0
            rows.append({"run": f"{variant}-{seed}-{changed}", "variant": variant, "seed": seed,
                         "changed": changed, "step": step, "vclr": value,
                         "pretrained_on": "rendered"})  # fmt: skip
    return pd.DataFrame(rows)


def learned_evidence(levels, light):
    """The study and two settings, whose scores are `levels` and `light`."""
    seeds = (5, 6, 7)
    tables = [study_of(LEVELS | levels)]
    curves = [curves_of({"vclr": 3.0, "ld+vclr": 6.0, "fwm_hw_ld+vclr": 8.0}, SEEDS)]
    for changed, level, losses in (
        ("steps 150", light, {"vclr": 7.0, "ld+vclr": 7.5}),
        ("without order", {"vclr": 1}, {"vclr": 0.5}),
    ):
        rows = study_of(level, seeds, changed)
        tables.append(rows[(rows.kind == "pretrain") & (rows.changed != "")])
        curves.append(curves_of(losses, seeds, changed))
    return Evidence(pd.concat(tables), curves=pd.concat(curves))


def test_transfer_is_set_beside_the_loss_of_the_contrast():
    e = learned_evidence(
        {"vclr": 70, "ld+vclr": 50, "fwm_hw_ld+vclr": 30}, {"vclr": 40, "ld+vclr": 35}
    )
    table = transfer_learned.learned(e)
    # VCLR without a part is another loss, and has no place here.
    assert set(table.changed) == {"", "steps 150"} and len(table) == 3 * len(SEEDS) + 2 * 3
    assert table[(table.variant == "vclr") & (table.seed == 10)].loss.item() == pytest.approx(3.1)
    found = transfer_learned.goes_with(table)
    assert found.rho < -0.9 and found.groups == 5 and found.runs == len(table)
    assert found.low <= found.rho <= found.high
    said = transfer_learned.contrast_learned(e)
    assert "5 pairs of objective and setting" in said and "is 9.0 when guessing" in said
    assert "ends at 3.1 in VCLR, 6.1 in LD with VCLR, 8.1 in FWM-HW-LD with VCLR" in said
    assert set(found.alone) == {"vclr", "ld+vclr", "fwm_hw_ld+vclr"} and found.alone["vclr"] < -0.5
    assert "LD adds" not in said  # one of the two never ends below half of guessing
    means = transfer_learned.by_group(table)
    assert means.setting.tolist()[:2] == ["as in the study", "150 steps"]
    assert means.objective.tolist()[0] == "VCLR" and "LD + VCLR" in set(means.objective)


def test_a_relation_that_is_not_there_is_not_found():
    e = learned_evidence(
        {"vclr": 50, "ld+vclr": 30, "fwm_hw_ld+vclr": 70}, {"vclr": 60, "ld+vclr": 40}
    )
    assert transfer_learned.goes_with(transfer_learned.learned(e)).rho > -0.5
    few = transfer_learned.learned(e).query("changed == ''")
    assert transfer_learned.goes_with(few) is None
    assert transfer_learned.contrast_learned(Evidence(e.readings)) is None
    assert transfer_answer.answered(Evidence(e.readings), [transfer_learned.contrast_learned]) == []
    assert np.isfinite(transfer_learned.learned(e).loss).all()


def test_what_ld_adds_at_the_same_loss_is_not_what_the_loss_brings():
    rng = np.random.default_rng(0)
    rows = [
        (v, c, s, loss := 2 + rng.random() + gap, 60 - 8 * loss + add + rng.normal(0, 0.5))
        for v, c, gap, add in (("vclr", "", 1.0, 0), ("ld+vclr", "ld x0.1", 0.0, 5))
        for s in range(10, 20)
    ]
    table = pd.DataFrame(rows, columns=["variant", "changed", "seed", "loss", "score"])
    found = transfer_learned.at_equal_loss(table)
    assert found["low"] < 5 < found["high"] and found["slope"] == pytest.approx(-8, abs=1.5)
    assert found["n"] == 20
    # Runs that hardly learn it, other lengths and other seeds have no part.
    more = table.assign(loss=8.0, score=90), table.assign(changed="steps 150", score=0)
    more = pd.concat([table, *more, table.assign(seed=5, score=0)])
    assert transfer_learned.at_equal_loss(more) == found
    assert transfer_learned.at_equal_loss(table[table.variant == "vclr"]) is None


@pytest.mark.filterwarnings("ignore::scipy.stats.ConstantInputWarning")  # one run drawn each time
def test_means_of_objectives_and_settings_are_taken_off():
    # Objectives and settings differ, and inside a pair of them loss and score go the other way.
    rows = [
        (v, c, s, a + b + 0.1 * s, 50 - 9 * (a + b) + s)
        for v, a in (("vclr", 0.0), ("ld+vclr", 2.0))
        for c, b in (("", 0.0), ("steps 150", 1.0))
        for s in range(5)
    ]
    table = pd.DataFrame(rows, columns=["variant", "changed", "seed", "loss", "score"])
    found = transfer_learned.goes_with(table)
    assert found.rho < -0.5 and found.apart > 0.95
    # Of a variant with two runs nothing is told alone.
    few = table[(table.variant == "vclr") | (table.seed == 0)]
    assert set(transfer_learned.goes_with(few).alone) == {"vclr"}


def test_runs_made_twice_are_compared_and_enter_nothing_else(tmp_path, monkeypatch):
    from vjepa_lib.analysis import transfer_again

    e = Evidence(study_of(LEVELS))
    second = study_of({"vclr": 70, "ld": 48}, SEEDS[:3])
    second = second[second.kind == "pretrain"]
    second = second[second.variant != "random_init"]
    monkeypatch.setattr(transfer_again.transfer_recorded, "load", lambda folder: second)
    table = transfer_again.again(e, tmp_path).set_index(["variant", "seed"])
    assert len(table) == 6 and (table.gap["vclr"] > 5).all() and (table.gap["ld"] < 0).all()
    said = transfer_again.machines(e, tmp_path)
    assert "6 runs trained on two kinds of machine" in said and "to +1" in said
    monkeypatch.setattr(transfer_again.transfer_recorded, "load", lambda folder: second.iloc[:0])
    assert transfer_again.machines(e, tmp_path) is None


def test_the_settings_stand_on_seeds_of_their_own_and_name_machines():
    base = study_of(LEVELS)
    own = study_of({"vclr": 60, "ld+vclr": 75, "ld": 50}, (5, 6, 7))
    there = study_of({"vclr": 60, "ld+vclr": 40, "ld": 50}, (5, 6, 7), "steps 150").assign(gpu="H")
    both = study_of({"ld+vclr": 40}, (5, 6, 7, *SEEDS), "ld x0.1").assign(gpu="H")
    rows = [t[(t.kind == "pretrain") & (t.variant != "random_init")] for t in (own, there, both)]
    e = Evidence(pd.concat([base, *rows]))
    assert transfer_elsewhere.other_seeds(e) == (5, 6, 7)
    found = transfer_elsewhere.by_setting(e).query("whole == 'ld+vclr' and part == 'vclr'")
    assert found.planned.tolist() == [True, False, False, False]
    assert found.n_seeds.tolist() == [len(SEEDS), 3, 3, 3]
    assert found.machines.tolist() == [1, 1, 1, 2]  # VCLR has no weight of LD
    assert found.side.tolist() == ["above", "above", "below", "below"]
    said = transfer_elsewhere.settings_that_turn(e)
    assert "on 3 seeds that the plan does not use" in said and "pair runs of two machines" in said
    assert "LD with VCLR against VCLR (the study itself: above): below at 150 steps" in said
    told = transfer_elsewhere.on_other_seeds(e)
    assert "LD with VCLR against VCLR +" in told and "on seeds 5 to 7" in told
    assert "on all 7" in told and "which leaves out that of the plan" in told
    # Seeds without other settings stand apart, and settings are not compared with them.
    more = study_of({"vclr": 60, "ld+vclr": 70, "ld": 50}, (0, 1))
    more = more[(more.kind == "pretrain") & (more.variant != "random_init")]
    wider = Evidence(pd.concat([e.readings, more]))
    assert transfer_elsewhere.other_seeds(wider) == (0, 1, 5, 6, 7)
    pd.testing.assert_frame_equal(
        transfer_elsewhere.by_setting(wider), transfer_elsewhere.by_setting(e)
    )
    told = transfer_elsewhere.on_other_seeds(wider)
    assert "on seeds 0 to 1" in told and "on seeds 5 to 7" in told and "on all 9" in told


def test_a_contrast_of_two_kinds_of_seeds_leaves_nothing_out():
    own = study_of({"vclr": 60, "ld+vclr": 75, "ld": 50}, (0, 1, 2, 3))
    fallen = (own.variant == "ld+vclr") & (own.seed < 2)
    own.loc[fallen, "top1"] = 5.0
    own = own[(own.kind == "pretrain") & (own.variant != "random_init")]
    told = transfer_elsewhere.on_other_seeds(Evidence(pd.concat([study_of(LEVELS), own])))
    first = told.split(". LD with VCLR against VCLR ")[1].split("; ")[0]
    assert first.startswith("above in ") and "leaves out" not in first


def test_the_weight_of_fwm_is_a_setting_and_no_choice():
    assert transfer_settings.chosen_among("ld x0.1") and not transfer_settings.chosen_among(FWM)
    lighter = study_of({"fwm_hw_ld+vclr": 50, "fwm_hw_ld": 40}, (5, 6, 7), FWM)
    e = Evidence(pd.concat([study_of(LEVELS), study_of(LEVELS, (5, 6, 7)), lighter]))
    found = transfer_elsewhere.by_setting(e)
    own = found[found.changed == FWM]
    # LD + VCLR has no such weight: it would stand there as the study itself.
    assert set(own.whole) == {"fwm_hw_ld+vclr"} and len(own) == 2
