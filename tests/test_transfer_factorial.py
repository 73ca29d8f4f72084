"""The transfer study's factorial: whole seeds, effects, combinations, and the loss asked again."""

import numpy as np
import pandas as pd
import pytest
from test_transfer_answer import LEVELS, study_of
from test_transfer_settings import curves_of

from vjepa_lib import study
from vjepa_lib.analysis import (
    transfer_answer,
    transfer_factorial,
    transfer_learned,
    transfer_score,
)
from vjepa_lib.analysis.transfer_evidence import Evidence

SEEDS = (0, 1, 2, 3)


def level(key):
    """LD brings 20 clips, VCLR 10, both together lose 8; FWM and HW bring nothing."""
    *_, ld, vclr = key
    return 40 + 20 * ld + 10 * vclr - 8 * ld * vclr


def evidence_of(level):
    """Four seeds of all cells at given levels, contrast losses that follow them, decisive runs."""
    cells = study_of({v: level(key) for key, v in study.FACTORIAL4.items()}, SEEDS)
    decisive = study_of(LEVELS)
    losses = {v: 9 - level(key) / 10 for key, v in study.FACTORIAL4.items() if key[3]}
    runs = decisive[(decisive.kind == "pretrain") & (decisive.variant != "random_init")]
    together = pd.concat([cells, runs], ignore_index=True)
    return Evidence(together, curves=curves_of(losses, SEEDS))


@pytest.fixture(scope="module")
def evidence():
    return evidence_of(level)


def test_only_seeds_with_all_sixteen_cells_take_part(evidence):
    assert transfer_factorial.seeds(evidence) == SEEDS
    gone = (evidence.readings.variant == "hw_ld") & (evidence.readings.seed == 2)
    assert transfer_factorial.seeds(Evidence(evidence.readings[~gone])) == (0, 1, 3)
    one = evidence.readings[evidence.readings.seed.isin([0, 10])]
    assert transfer_factorial.seeds(Evidence(one)) == ()
    table = transfer_factorial.table(evidence)
    assert len(table) == 16 * len(SEEDS) and not table.duplicated(["variant", "seed"]).any()
    assert (table[table.variant == "fwm_ld"][list(study.FACTORS4)] == [1, 0, 1, 0]).all(axis=None)


def test_effects_are_found_where_they_are_and_nowhere_else(evidence):
    found = transfer_factorial.effects(evidence)
    points = found[found.scale == "points"].set_index("effect")
    assert len(points) == 15 and (points.n_seeds == len(SEEDS)).all()
    worth = transfer_factorial.table(evidence).points.mean()
    for effect, clips in (("ld", 20 - 4), ("vclr", 10 - 4), ("ld:vclr", -4), ("fwm", 0)):
        assert points.estimate[effect] == pytest.approx(clips * worth, abs=0.4 * worth)
    assert points.clear[["ld", "vclr", "ld:vclr"]].all() and points.clear.sum() == 3
    odds = found[found.scale == "logits"].set_index("effect")
    assert odds.clear[["ld", "vclr"]].all() and 0.4 < odds.estimate["ld"] < 1
    said = transfer_factorial.factorial(evidence)
    assert "(4 seeds of all sixteen cells) 3 of 15 effects" in said and "LD x VCLR -" in said
    assert said in transfer_answer.answered(Evidence(evidence.readings))


def test_an_effect_is_half_of_the_difference_of_differences(evidence):
    found = transfer_factorial.effects(evidence).query("scale == 'points'").set_index("effect")
    wide = transfer_factorial.table(evidence).pivot_table(index=["ld", "vclr"], values="score")
    score = wide.score
    gap = (score[1, 1] - score[1, 0]) - (score[0, 1] - score[0, 0])
    assert found.estimate["ld:vclr"] == pytest.approx(gap / 2)


def test_what_was_found_is_kept_with_its_evidence(evidence):
    found = transfer_factorial.combinations(evidence)
    assert transfer_factorial.combinations(evidence) is found
    assert transfer_factorial.combinations(Evidence(evidence.readings)) is not found
    both, one = (transfer_learned.learned(evidence, v) for v in (("vclr", "ld+vclr"), ("vclr",)))
    assert set(both.variant) == {"vclr", "ld+vclr"} and set(one.variant) == {"vclr"}


def test_new_clips_widen_the_intervals_of_effects(evidence):
    found = transfer_factorial.crossed(evidence).set_index("effect")
    points = transfer_factorial.effects(evidence).query("scale == 'points'").set_index("effect")
    assert np.allclose(found.estimate, points.estimate[found.index])
    assert (found.se_clips >= 0).all() and (found.high - found.low > 0).all()


def test_two_kinds_of_outcome_leave_effects_without_an_interval(evidence):
    readings = evidence.readings.copy()
    fallen = (readings.variant == "hw_ld") & readings.seed.isin(SEEDS[:2])
    readings.loc[fallen, "top1"] = 10.0
    found = transfer_factorial.effects(Evidence(readings)).query("scale == 'points'")
    assert found.low.isna().all() and not found.clear.any()
    assert found.outcomes.str.contains("HW-LD").all()


def test_each_combination_is_set_against_both_parts(evidence):
    found = transfer_factorial.combinations(evidence).set_index(["whole", "part"])
    assert len(found) == 14 and set(found.index.get_level_values("whole")) == {
        v for key, v in study.FACTORIAL4.items() if key[3] and any(key[:3])
    }
    assert found.effect["hw_ld+vclr", "vclr"] > 10 and found.effect["hw_ld+vclr", "hw_ld"] > 0
    assert found.family.unique().tolist() == ["combinations of the factorial (14 tests)"]
    said = transfer_factorial.combined(evidence)
    assert "Holm over 14" in said and "HW-LD with VCLR (+" in said
    helping = said.partition("helps: ")[2].partition(". ")[0]
    assert "FWM-LD with VCLR" in helping and "FWM with VCLR (" not in helping


def test_a_cell_is_drawn_beside_the_same_with_vclr(evidence):
    table = transfer_factorial.cells(evidence)
    assert len(table) == 16 and table.variant.nunique() == 8
    ld = table[table.variant == "ld"].set_index("contrast").score
    own = transfer_score.scores(evidence.shares())
    own = own[own.seed.isin(SEEDS)].groupby("variant").score.mean()
    assert ld["with VCLR"] == pytest.approx(own["ld+vclr"])
    assert ld["without VCLR"] == pytest.approx(own["ld"])


def test_the_loss_is_asked_again_of_the_factorial():
    e = evidence_of(lambda key: level(key) - 12 * key[0] - 6 * key[1])
    said = transfer_factorial.learned_again(e)
    assert "is confirmed by the factorial" in said and "32 runs of 8 objectives" in said
    assert "ends between" in said and "(FWM-HW with VCLR)" in said
    alone = transfer_factorial.one_beside(e)
    assert "ends at 4.0: FWM -" in alone and "(loss 5.2), HW -" in alone and "LD +" in alone
    assert transfer_factorial.one_beside(Evidence(e.readings)) is None
    turned = e.curves.assign(vclr=9 - e.curves.vclr)
    other = transfer_factorial.learned_again(Evidence(e.readings, curves=turned))
    assert "is not confirmed" in other and "correlation +" in other


def test_nothing_is_said_before_two_seeds_are_whole():
    e = Evidence(study_of(LEVELS))
    for ask in (
        transfer_factorial.factorial,
        transfer_factorial.combined,
        transfer_factorial.learned_again,
    ):
        assert ask(e) is None
    assert transfer_factorial.crossed(e).empty and transfer_factorial.cells(e).empty
