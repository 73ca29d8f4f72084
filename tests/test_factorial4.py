"""The factorial of FWM, HW, LD and VCLR, on made-up results whose effects are known."""

import numpy as np
import pandas as pd
import pytest

from vjepa_lib import study
from vjepa_lib.analysis import factorial4
from vjepa_lib.errors import ConfigError, DataError

GAIN = {"fwm": 1.0, "hw": -2.0, "ld": 4.0, "vclr": 10.0}


def made(odds=False, n=100_000, seeds=5, extra=None):
    """Results whose cells add up in points, or in log odds; `extra`: variant -> accuracies."""
    rng, rows = np.random.default_rng(0), []
    for key, variant in study.FACTORIAL4.items():
        gain = sum(GAIN[f] for f, on in zip(study.FACTORS4, key, strict=True) if on)
        for seed in range(seeds):
            luck = 0.3 * seed + 0.05 * rng.normal()
            top1 = 100 / (1 + np.exp(-(gain + luck) / 5)) if odds else 40 + gain + luck
            if extra and variant in extra:
                top1 = extra[variant][seed]
            for benchmark in ("order", "actions"):
                rows.append(
                    {
                        "variant": variant,
                        "form": factorial4.form_of(variant),
                        "seed": seed,
                        "benchmark": benchmark,
                        "top1": top1,
                        "n_test": n,
                        "correct": round(top1 / 100 * n),
                    }
                )
    return pd.DataFrame(rows)


def test_the_sixteen_cells_are_variants_made_of_their_factors():
    assert len(study.FACTORIAL4) == 16 and len(set(study.FACTORIAL4.values())) == 16
    for key, variant in study.FACTORIAL4.items():
        terms = {t for t, _, _ in study.get_variant(variant).terms}
        on = dict(zip(study.FACTORS4, key, strict=True))
        assert {"fwm": "fwm_static" in terms} | {f: f in terms for f in ("hw", "ld", "vclr")} == {
            f: bool(x) for f, x in on.items()
        }
        assert study.resolve(variant, factorial4.form_of(variant), "smoke", 0)
        weights = {t: w for t, w, _ in study.get_variant(variant).terms}
        assert weights.get("hw", 1.0) == weights.get("ld", 1.0) == 1.0
        assert weights.get("vclr", study.CONTRASTS["vclr"]) == study.CONTRASTS["vclr"]
    for base in ("baseline", "ld", "fwm", "fwm_hw_ld"):
        for contrast in ("ltc", "iic"):
            assert study.get_variant(study.combined(base, contrast))


def test_effects_in_points_are_recovered_and_named():
    table = factorial4.effects(made())
    got = table[table.benchmark == "all"].set_index("effect")
    assert len(got) == 15 and got.order.value_counts().to_dict() == {1: 4, 2: 6, 3: 4, 4: 1}
    for factor, gain in GAIN.items():
        assert got.estimate[factor] == pytest.approx(gain, abs=0.1) and got.clear[factor]
    assert got.estimate[got.order > 1].abs().max() < 0.1
    assert got.family.iloc[0] == "factorial of fwm, hw, ld, vclr, points, all (15 tests)"


def test_an_interaction_of_points_may_be_nothing_but_the_ceiling():
    results = made(odds=True)
    points = factorial4.effects(results).set_index(["benchmark", "effect"])
    odds = factorial4.effects(results, "logits").set_index(["benchmark", "effect"])
    assert points.estimate["all", "ld:vclr"] < -4 and points.clear["all", "ld:vclr"]
    assert odds.estimate["all", "vclr"] == pytest.approx(2, abs=0.05)
    assert abs(odds.estimate["all", "ld:vclr"]) < 0.02
    with pytest.raises(ConfigError, match="points, logits"):
        factorial4.effects(results, "probits")


def test_single_effects_say_what_is_added_to_what():
    table = factorial4.single_effects(made())
    got = table[table.benchmark == "all"].set_index("effect")
    assert len(got) == 32
    for on in ("baseline", "ld", "fwm_hw_ld"):
        assert got.estimate[f"vclr on {on}"] == pytest.approx(10, abs=0.15)
    assert got.estimate["hw on ld+vclr"] == pytest.approx(-2, abs=0.15)
    odds = factorial4.single_effects(made(odds=True), "logits").set_index(["benchmark", "effect"])
    assert odds.estimate["all", "vclr on fwm_ld"] == pytest.approx(2, abs=0.05)


def test_cells_of_two_kinds_have_no_interval():
    results = made(extra={"fwm": [20.0, 21.0, 19.0, 20.0, 60.0]})
    table = factorial4.effects(results)
    assert table.low.isna().all() and not table.clear.any()
    assert table.outcomes.iloc[0] == "fwm: 1 of 5 seeds at 60, 4 at 19 to 21"
    single = factorial4.single_effects(results).set_index(["benchmark", "effect"])
    assert np.isnan(single.low["all", "vclr on fwm"]) and single.clear["all", "vclr on ld"]


def test_a_missing_cell_is_told():
    results = made()
    with pytest.raises(DataError, match="all 16 cells"):
        factorial4.effects(results[results.variant != "ld+vclr"])
    with pytest.raises(DataError, match="correct as well"):
        factorial4.effects(results.drop(columns="correct"))


def test_clips_give_the_same_effects_with_room_for_other_clips():
    rng = np.random.default_rng(1)
    hard = rng.normal(size=(1, 300))
    right = {
        v: hard + 0.1 * rng.normal(size=(6, 1)) + 0.5 * rng.normal(size=(6, 300)) + key[3] * 0.5 > 0
        for key, v in study.FACTORIAL4.items()
    }
    table = factorial4.crossed_effects(right).set_index("effect")
    rows = [
        {
            "variant": v,
            "form": factorial4.form_of(v),
            "seed": s,
            "benchmark": "order",
            "top1": 100 * r[s].mean(),
            "correct": int(r[s].sum()),
            "n_test": 300,
        }
        for v, r in right.items()
        for s in range(6)
    ]
    same = factorial4.effects(pd.DataFrame(rows)).set_index(["benchmark", "effect"])
    for effect in table.index:
        assert table.estimate[effect] == pytest.approx(same.estimate["order", effect])
    assert table.clear["vclr"] and table.se_clips["vclr"] > 0
    both = factorial4.crossed_effects([right, right]).set_index("effect")
    assert both.estimate["vclr"] == pytest.approx(table.estimate["vclr"])
    with pytest.raises(DataError, match=r"lacks ld\+vclr"):
        factorial4.crossed_effects({k: v for k, v in right.items() if k != "ld+vclr"})
