"""The tuned contrast on seeds that were kept for it, and on all that had no part in the choice."""

import pandas as pd
import pytest
from test_transfer_answer import study_of
from test_transfer_tuned import BEST, TUNED, grid_of

from vjepa_lib.analysis import transfer_answer, transfer_elsewhere, transfer_repeats
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
    assert "on all 18 that had no part in the choice (an estimate, not a test)" in said
    assert "against LD" not in said  # which is not trained there
    assert transfer_repeats.asked_again in transfer_answer.SHORT


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
