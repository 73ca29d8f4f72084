"""The tuned contrast on seeds that were kept for it, and on all that had no part in the choice."""

import pandas as pd
import pytest
from test_transfer_answer import study_of
from test_transfer_tuned import BEST, TUNED, grid_of

from vjepa_lib.analysis import (
    transfer_answer,
    transfer_elsewhere,
    transfer_repeats,
    transfer_tasks,
    transfer_verdicts,
)
from vjepa_lib.analysis.transfer_evidence import Evidence
from vjepa_lib.analysis.transfer_score import CONFIRMING_SEEDS, FURTHER_SEEDS
from vjepa_lib.analysis.transfer_tuned import CHOOSING

PAIR = ("vclr", "ld+vclr")


def with_seeds(seeds, levels=TUNED):
    """The tuned grid, and its two settings of the contrast on other seeds."""
    e = grid_of()
    more = [study_of({v: levels[v]}, seeds, BEST[v]) for v in PAIR]
    rows = pd.concat([e.readings, *(r[r.changed != ""] for r in more)])
    return Evidence(rows, curves=e.curves)


def test_seeds_kept_for_it_test_once_and_all_together_estimate():
    e = with_seeds((*FURTHER_SEEDS, 10, 11, 12))
    found = transfer_repeats.contrasts(e).set_index("seeds")
    assert found.n_seeds.to_dict() == {"further": 10, "decisive": 3, "all": 10 + 3 + 5}
    assert (found.effect > 0).all() and found.p_adjusted["further"] == found.p["further"]
    said = transfer_repeats.asked_again(e)
    assert "LD with VCLR against VCLR +" in said and "(p below 0.001), above in 10 of 10" in said
    assert "above in 3 of 3 (of 10 planned) decisive seeds" in said
    assert "on all 18 seeds that had no part in the choice (an estimate, not a test)" in said
    assert "By task: " in said and "; without " in said
    assert "against LD" not in said  # which is not trained there
    assert transfer_repeats.asked_again in transfer_answer.SHORT
    drawn = transfer_repeats.ways(e).groupby("setting", sort=False).n_seeds.max()
    assert drawn.index[-1] == transfer_repeats.EVERY and drawn.iloc[-1] == 18
    assert transfer_repeats.EVERY not in set(transfer_repeats.ways(grid_of()).setting)


def test_a_contrast_that_one_task_makes_is_told_as_one():
    level = with_seeds(FURTHER_SEEDS, {"vclr": 60, "ld+vclr": 60})
    rows = level.readings.copy()
    up = (rows.variant == "ld+vclr") & (rows.seed >= 30) & (rows.task == "trajectory")
    rows.loc[up, "top1"] += 12
    rows.loc[up | ((rows.variant == "ld+vclr") & (rows.seed < 40)), "right"] = ""
    confirming = (rows.variant == "ld+vclr") & rows.seed.isin(CONFIRMING_SEEDS)
    rows.loc[confirming & (rows.task != "trajectory"), "top1"] -= TUNED["ld+vclr"] - TUNED["vclr"]
    e = Evidence(rows, curves=level.curves)
    apart = transfer_repeats.by_task(e)
    assert apart.leader == "trajectory" and apart.effects["trajectory"] > 10
    assert abs(apart.without["mean"]) < 1 and apart.n_seeds == 15
    said = transfer_verdicts.with_care(e)
    assert "what tuned LD with VCLR has over VCLR is one task's: trajectory +" in said
    # Where the other tasks carry it too, there is nothing to beware of.
    assert transfer_verdicts.with_care(with_seeds(FURTHER_SEEDS)) is None


def test_a_difference_within_the_margin_is_said_to_be_one():
    said = transfer_repeats.asked_again(with_seeds(FURTHER_SEEDS, {"vclr": 60, "ld+vclr": 60}))
    assert "; the same within 3 points" in said and "decisive" not in said


@pytest.mark.parametrize("seeds", [(), (40,)])
def test_without_two_seeds_there_is_no_test(seeds):
    e = with_seeds(seeds) if seeds else grid_of()
    assert "kept for this one test" not in (transfer_repeats.asked_again(e) or "")
    empty = Evidence(e.readings)
    assert transfer_repeats.contrasts(empty).empty and transfer_repeats.asked_again(empty) is None


def test_these_seeds_enter_no_other_table():
    e = with_seeds(FURTHER_SEEDS)
    assert set(FURTHER_SEEDS).isdisjoint({*CHOOSING, *CONFIRMING_SEEDS})
    assert set(FURTHER_SEEDS).isdisjoint(transfer_elsewhere.other_seeds(e))
    assert set(FURTHER_SEEDS).isdisjoint(transfer_elsewhere.weights(e).seed)


def test_a_contrast_below_zero_is_led_by_its_lowest_task():
    rows = [
        {"variant": v, "seed": s, "task": t, "score": 50.0 + s + add}
        for v, adds in (("a", {"x": -9, "y": 2}), ("b", {"x": 0, "y": 0}))
        for t, add in adds.items()
        for s in range(3)
    ]
    table = pd.DataFrame(rows)
    found = transfer_tasks.by_task(table, ("a", "b"))
    assert list(found.effects.items()) == [("x", -9.0), ("y", 2.0)] and found.without["mean"] == 2
    assert found.text().startswith("x -9.0, y +2.0; without x +2.0 [")
    for less in (table.iloc[:0], table[table.seed == 0], table[table.task == "x"]):
        assert transfer_tasks.by_task(less, ("a", "b")) is None
    assert transfer_tasks.by_task(table, ("a", "c")) is None
