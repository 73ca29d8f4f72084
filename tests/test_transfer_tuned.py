"""Rate and weight tuned together: the same budget, chosen on sources, confirmed on new seeds."""

import pandas as pd
import pytest
from test_transfer_answer import study_of
from test_transfer_views import looks

from vjepa_lib.analysis import (
    transfer_elsewhere,
    transfer_evidence,
    transfer_settings,
    transfer_tuned,
    tuning_grid,
)
from vjepa_lib.analysis.transfer_evidence import Evidence
from vjepa_lib.analysis.transfer_score import CONFIRMING_SEEDS, DECISIVE_SEEDS
from vjepa_lib.analysis.transfer_tuned import CHOOSING
from vjepa_lib.show import transfer

ROWS = ("vclr", "ld", "ld+vclr")
BEST = {"vclr": "vclr x10", "ld": "ld x10", "ld+vclr": "lr 0.002, ld x0.1"}
TUNED = {"vclr": 60, "ld": 40, "ld+vclr": 75}


def grid_of(left_out=(), confirming=CONFIRMING_SEEDS):
    """Readings and curves of a whole grid; the targets like another setting than the sources do."""
    readings, seen = [study_of({"vclr": 55, "ld": 30, "ld+vclr": 40}, (10, 11, 12))], []
    for variant in ROWS:
        for changed in transfer_tuned.grid(variant):
            if (variant, changed) in left_out:
                continue
            best = changed == BEST[variant]
            level = 80 if changed == "" else 35
            readings.append(study_of({variant: level}, CHOOSING, changed))
            seen.append(looks(variant, changed, 60 if best else 40, CHOOSING))
        readings.append(study_of({variant: TUNED[variant]}, confirming, BEST[variant]))
        seen.append(looks(variant, BEST[variant], 1, confirming))
    table = pd.concat(readings, ignore_index=True).drop_duplicates(
        ["run", "task", "shift", "severity", "fitted", "reading", "changed"]
    )
    return Evidence(table, curves=pd.concat(seen))


@pytest.fixture(scope="module")
def evidence():
    return grid_of()


def test_every_objective_has_the_same_budget():
    sizes = {len(transfer_tuned.grid(v)) for v in transfer_tuned.WEIGHTS}
    assert sizes == {9}
    for variant in transfer_tuned.WEIGHTS:
        assert "" in transfer_tuned.grid(variant)
        # No setting stands twice under another name: each concerns its objective.
        for changed in transfer_tuned.grid(variant):
            assert transfer_settings.for_variant(variant, changed) == changed
    assert not set(CHOOSING) & set(CONFIRMING_SEEDS)
    assert not set(DECISIVE_SEEDS) & set(CONFIRMING_SEEDS)


def test_sources_choose_and_new_seeds_confirm(evidence):
    assert transfer_tuned.choice(evidence) == BEST
    found = transfer_tuned.contrasts(evidence).set_index(["whole", "part"])
    assert (found.n_seeds == len(CONFIRMING_SEEDS)).all() and len(found) == 2
    assert (found.p_adjusted >= 3 * found.p.min()).all()  # a family of four, two yet to come
    assert found.effect["ld+vclr", "vclr"] > 0 and "2 tests" in found.family.iloc[0]
    said = transfer_tuned.tuned(evidence)
    assert "9 settings each on 2 seeds: LD at LD x10, VCLR at VCLR x10, LD with VCLR" in said
    assert "0.002 and LD x0.1; at an edge of its rates: LD with VCLR; at an edge of its" in said
    assert "weights: VCLR, LD, LD with VCLR), on 5 seeds" in said
    assert "seeds that nothing had used before: LD with VCLR helps: +" in said
    assert "But with the rate alone chosen LD with VCLR " in said and "sign test" not in said
    assert "LD with VCLR against VCLR" in transfer_tuned.at_each_rate(evidence)
    levels = transfer_tuned.levels(evidence).set_index(["variant", "settings"])
    assert levels.n_seeds["vclr", "as in the study"] == 3
    assert levels.score["ld+vclr", "tuned"] > levels.score["ld+vclr", "as in the study"]
    drawn = transfer_tuned.ways(evidence).groupby("setting", sort=False).contrast.count()
    assert drawn.to_dict() == {
        "as in the study": 2,
        "rate chosen (seeds of the choice)": 2,
        "weight chosen (seeds of the choice)": 2,
        "both tuned (other seeds)": 2,
    }
    assert "1 in VCLR" in transfer_tuned.brought(evidence)  # the study's own transfers better
    said = transfer_tuned.elsewhere(evidence)
    assert (
        "LD with VCLR against LD above on camera, trajectory, order, appearance; above under"
        in said
    )
    assert "(8 contrasts)" in said and "held-out" in said
    # The targets would leave all as it is, where all three are read alike.
    assert "LD with VCLR against VCLR +0.0 points" in transfer_tuned.best_in_targets(evidence)


def test_a_part_at_an_edge_has_one_rate_beyond_and_a_combination_has_none(evidence):
    assert transfer_tuned.beyond("vclr", "lr 0.002, vclr x10") == {
        "lr 0.001, vclr x10": (0.001, "vclr x10")
    }
    assert list(transfer_tuned.beyond("ld", "lr 0.008")) == ["lr 0.016"]
    assert transfer_tuned.beyond("ld", "ld x10") == {}
    assert transfer_tuned.beyond("ld+vclr", "lr 0.002") == {}
    slow = study_of({"vclr": 70}, CHOOSING, "lr 0.001")
    rows = pd.concat([evidence.readings, slow[slow.changed != ""]])
    best = looks("vclr", "lr 0.002", 65, CHOOSING)
    edge = evidence.curves[~evidence.curves.run.isin(best.run)]
    # Until the rate beyond is trained, nothing is chosen.
    assert "vclr" not in transfer_tuned.choice(Evidence(rows, curves=pd.concat([edge, best])))
    for source, chosen in ((70, "lr 0.001"), (50, "lr 0.002")):
        seen = pd.concat([edge, best, looks("vclr", "lr 0.001", source, CHOOSING)])
        e = Evidence(rows, curves=seen)
        assert transfer_tuned.choice(e)["vclr"] == chosen
        # Whichever is chosen, it is an edge only if nothing was tried beyond it.
        assert ("vclr" in tuning_grid.at_edge(transfer_tuned.trials(e))) == (chosen == "lr 0.001")
    # A rate beyond is none of those that all objectives were trained with.
    assert "lr 0.001" not in set(transfer_elsewhere.rates(e).changed)


def test_the_grid_is_drawn_with_the_choice_in_bold(evidence):
    fig = transfer.tried(transfer_tuned.trials(evidence), "source")
    bold = [t for t in fig.axes[0].texts if t.get_fontweight() == "bold"]
    assert len(fig.axes[0].texts) == 27 and [t.get_text() for t in bold] == ["60"] * 3


def test_a_grid_that_is_not_whole_chooses_nothing():
    part = grid_of(left_out=[("vclr", "lr 0.008, vclr x10")])
    assert set(transfer_tuned.choice(part)) == {"ld", "ld+vclr"}
    said = transfer_tuned.tuned(part)  # no verdict on a combination without one of its parts
    assert "helps:" not in said and "LD with VCLR against LD +" in said
    assert "(Holm p below 0.001), VCLR not tuned." in said
    assert transfer_tuned.brought(part) is not None
    empty = Evidence(part.readings)
    assert transfer_tuned.trials(empty).empty and transfer_tuned.choice(empty) == {}
    assert transfer_tuned.tuned(empty) is None and transfer_tuned.levels(empty).empty
    assert transfer_tuned.brought(empty) is None


def test_seeds_that_confirm_enter_no_other_table(evidence):
    assert set(CONFIRMING_SEEDS).isdisjoint(transfer_elsewhere.other_seeds(evidence))
    assert set(CONFIRMING_SEEDS).isdisjoint(transfer_elsewhere.rates(evidence).seed)
    assert set(CONFIRMING_SEEDS).isdisjoint(transfer_elsewhere.weights(evidence).seed)
    both = [c for c in set(evidence.runs.changed) if transfer_settings.rate_and_weight(c)]
    assert both and set(both).isdisjoint(transfer_elsewhere.settings(evidence))


def test_what_cannot_be_tested_makes_no_other_contrast_clear():
    table = pd.DataFrame({"p": [0.03, 0.001, float("nan"), float("nan")]})
    whole = tuning_grid.of_four(table, 4)
    assert whole.p_adjusted.iloc[:2].tolist() == pytest.approx([0.09, 0.004])
    assert (
        whole.p_adjusted.iloc[2:].isna().all()
        and whole.clear.tolist() == [False, True] + [False] * 2
    )
    part = tuning_grid.of_four(table.iloc[:2], 2)  # two contrasts are not trained yet
    assert part.p_adjusted.tolist() == pytest.approx([0.09, 0.004])


def test_what_is_clear_by_a_hair_is_told_with_its_signs(evidence):
    found = transfer_tuned.contrasts(evidence)
    assert transfer_evidence.signs(found) == ""
    said = transfer_evidence.signs(found.assign(p_adjusted=0.04, clear=True))
    assert "above in 5 of 5 seeds, which an exact sign test gives p 0.062." in said
    assert transfer_evidence.signs(found.assign(p_adjusted=0.06, clear=False)) == ""


def test_scores_of_two_kinds_are_told_as_counts():
    two = study_of({"ld": 80}, CONFIRMING_SEEDS[:2], BEST["ld"])
    two = two[two.changed != ""]
    e = grid_of()
    rows = e.readings[~e.readings.run.isin(two.run)]
    e = Evidence(pd.concat([rows, two]), curves=e.curves)
    assert " seeds at " not in transfer_tuned.brought(grid_of())
    assert " seeds at " in transfer_tuned.brought(e)
