"""Sentences of the answer: made by results, turned round by other results, absent without them."""

import pandas as pd
import pytest

from vjepa_lib.analysis import answer, combination

BENCHMARKS = ("appearance", "fine_motion", "order", "actions", "shift_kinetics", "shift_hacs")
BOTH = ("fwm_hw_ld+vclr", "described")


def made(scores, n=10_000, seeds=5, benchmarks=BENCHMARKS, probe="linear", regime="mixed"):
    """Results from {(variant, form): accuracy, a list over seeds, or {benchmark: accuracy}}."""
    jitter = (0.0, 0.4, -0.3, 0.2, -0.4)
    rows = []
    for k, ((variant, form), score) in enumerate(scores.items()):
        for benchmark in benchmarks:
            value = score.get(benchmark, score[""]) if isinstance(score, dict) else score
            for seed in range(seeds):
                top1 = value[seed] if isinstance(value, list) else value + jitter[(seed + k) % 5]
                rows.append(
                    {
                        "variant": variant,
                        "form": form,
                        "regime": regime,
                        "seed": seed,
                        "benchmark": benchmark,
                        "probe": probe,
                        "top1": top1,
                        "n_test": n,
                        "correct": round(top1 / 100 * n),
                    }
                )
    return pd.DataFrame(rows)


BASE = {
    ("baseline", "released"): 50.0,
    ("ld", "released"): 65.0,
    ("vclr", "released"): 80.0,
    ("fwm_hw_ld", "described"): 65.1,
}


def say(sentence, scores, **options):
    return answer.sentences(made(scores), asked=[sentence], **options)


@pytest.mark.parametrize(
    ("top1", "words"),
    [(70.0, "falls short of"), (80.1, "is within 3 points of"), (88.0, "beats")],
)
def test_the_best_combination_is_told_as_it_is(top1, words):
    (said,) = say(answer.best, BASE | {BOTH: top1})
    assert f"{words} the best single part, VCLR" in said and said.count(words) == 2


def test_what_is_neither_shown_nor_refuted_is_not_called_the_same():
    wild = [70.0, 90.0, 80.0, 86.0, 75.0]
    (said,) = say(answer.best, BASE | {BOTH: wild})
    assert said.count("is not told apart from") == 2 and "within" not in said


def test_parts_named_by_no_crossing_are_parts_too():
    """LD beats VCLR here: a combination must then beat LD."""
    (said,) = say(answer.best, BASE | {("ld", "released"): 90.0, BOTH: 85.0})
    assert "falls short of the best single part, LD" in said
    (said,) = say(
        answer.best, BASE | {BOTH: 70.0, ("fwm_hw_ld+vclr_appearance", "described"): 85.0}
    )
    assert "FWM-HW-LD as described with VCLR on its appearance half (85.0 %), beats" in said


def test_ld_alone_or_more():
    (said,) = say(answer.factorized_is_ld, BASE)
    assert said.count("adds nothing (within 3 points)") == 2
    (said,) = say(answer.factorized_is_ld, BASE | {("fwm_hw_ld", "described"): 72.0})
    assert "adds on top of it: +7" in said
    assert not say(answer.factorized_is_ld, {k: v for k, v in BASE.items() if k[0] != "ld"})


def test_costs_are_told_benchmark_by_benchmark():
    (said,) = say(answer.on_top_of_contrast, BASE | {BOTH: {"": 80.0, "shift_hacs": 65.0}})
    assert "-15.0 points" in said and "on shift (HACS) and" in said
    assert "1 are clearly lower and 0 clearly higher" in said


def test_halves_are_told_apart_where_they_differ():
    half = {
        ("fwm_hw_ld+vclr_appearance", "described"): {"": 80.0, "shift_hacs": 90.0},
        ("fwm_hw_ld+vclr_dynamics", "described"): 80.0,
    }
    (said,) = say(answer.halves, BASE | {BOTH: 80.0} | half)
    assert "the appearance half gains under shift, +5.0 points" in said
    assert "the dynamics half makes no difference (within 3 points) under shift" in said


def test_collapse_is_counted_by_contrast():
    runs = pd.DataFrame(
        [
            {"variant": v, "form": "released", "regime": "mixed", "feature_std": s}
            for v, values in {
                "baseline": [0.1, 0.2],
                "fwm_hw_ld": [0.001, 0.001],
                "fwm_hw_ld+ltc": [0.1, 0.2],
                "fwm_hw_ld+vclr": [0.001, 0.3],
            }.items()
            for s in values
        ]
    )
    (said,) = say(answer.collapse, BASE, runs=runs)
    assert "without contrast 2 of 2" in said and "with LTC 0 of 2" in said
    assert "with VCLR 1 of 2" in said and "IIC" not in said
    assert not say(answer.collapse, BASE)


def test_two_kinds_of_outcome_are_counted_and_compared_with_nothing():
    kinds = {BOTH: [20.0, 22.0, 21.0, 23.0, 80.0]}
    (said,) = say(answer.escapes, BASE | kinds)
    assert "1 of 5 seeds at 80, 4 at 20 to 23 %" in said
    assert not say(answer.best, BASE | kinds) and not say(answer.escapes, BASE)
    assert not say(answer.on_top_of_contrast, BASE | kinds)


def test_a_gain_that_the_correction_takes_is_not_clear():
    wild = [50.0, 64.0, 56.0, 66.0, 54.0]
    (said,) = say(answer.outside_alone, BASE | {("fwm_hw_ld", "described"): wild, BOTH: 80.0})
    assert "is not clear after correction" in said
    (said,) = say(answer.outside_alone, BASE | {BOTH: 80.0})
    assert "is clear after correction" in said


def test_interactions_need_both_scales():
    """Gains that add up in log odds stand in each other's way in points: no statement of sign."""
    scores = {
        ("baseline", "released"): 50.0,
        ("vclr", "released"): 88.08,
        ("fwm_hw_ld", "described"): 88.08,
        BOTH: 98.2,
    }
    (said,) = say(answer.overlap, scores)
    assert "with VCLR dependent on the scale" in said or "with VCLR not clear" in said
    (said,) = say(answer.overlap, scores | {BOTH: 85.0})
    assert "with VCLR negative" in said


def test_other_objectives_as_large_are_named():
    other = made(
        {
            ("ucf_baseline", "released"): 50.0,
            ("hamiltonian", "released"): 66.0,
            ("velgate", "released"): 51.0,
        },
        regime="ucf101",
    )
    both = pd.concat([made(BASE), other])
    (said,) = answer.sentences(both, asked=[answer.others_as_large])
    assert "Hamiltonian +16" in said and "VelGate" not in said


def test_other_worlds_and_readings_go_through():
    worlds = {"in domain": ("camera",), "shifted": ("digits", "surfaces")}
    results = made(
        BASE | {BOTH: 90.0}, benchmarks=("camera", "digits", "surfaces"), probe="zero-shot"
    )
    said = answer.sentences(results, probe="zero-shot", groups=worlds)
    assert "beats the best single part, VCLR" in said[0] and len(said) > 3
    assert not answer.sentences(results, groups=worlds)


def test_one_seed_carries_no_sentence():
    assert not answer.sentences(made(BASE | {BOTH: 90.0}, seeds=1))
    assert set(combination.GROUPS["shifted"]) == set(combination.SHIFTED)
