"""Statistics against textbook values, closed forms and made-up data with a known answer."""

import gc
import weakref
from itertools import product

import numpy as np
import pandas as pd
import pytest

from vjepa_lib.analysis import statistics as st
from vjepa_lib.errors import ConfigError, DataError


def test_intervals_match_published_examples():
    # Newcombe 1998 (Statistics in Medicine 17, 857), 81 of 263.
    low, high = st.proportion_interval(81, 263, "wilson")
    assert (round(float(low), 4), round(float(high), 4)) == (0.2553, 0.3662)
    low, high = st.proportion_interval(81, 263, "exact")
    assert (round(float(low), 4), round(float(high), 4)) == (0.2527, 0.3676)
    with pytest.raises(ConfigError, match="wilson, exact"):
        st.proportion_interval(1, 2, "wald")


def test_intervals_keep_shape_and_widen_with_fewer_clips():
    low, high = st.proportion_interval([10, 100], [40, 400])
    assert low.shape == (2,)
    assert high[0] - low[0] > 2 * (high[1] - low[1])


def test_two_proportions_newcombe_example_and_sign():
    # Newcombe 1998 (17, 873), example (a): 56/70 - 48/80, method 10.
    found = st.two_proportions(56, 70, 48, 80)
    assert found["difference"] == pytest.approx(0.2)
    assert (round(found["low"], 4), round(found["high"], 4)) == (0.0524, 0.3339)
    back = st.two_proportions(48, 80, 56, 70)
    assert back["low"] == pytest.approx(-found["high"])
    assert back["p"] == pytest.approx(found["p"])
    assert found["test"] == "score"


def test_two_proportions_turns_exact_for_few_clips():
    found = st.two_proportions(1, 10, 9, 10)
    assert found["test"] == "exact"
    assert found["p"] == pytest.approx(0.00109, abs=1e-5)


def test_two_proportions_false_alarms_stay_near_alpha():
    rng = np.random.default_rng(0)
    counts = rng.binomial(2000, 0.085, size=(600, 2))
    p = [st.two_proportions(int(a), 2000, int(b), 2000)["p"] for a, b in counts]
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.09


def test_counts_and_rounding():
    assert st.correct_count(8.38, 1970) == 165
    assert st.rounding_gap(8.38, 1970) < 0.005  # 165 / 1970 = 8.3756 %
    assert st.rounding_gap(8.41, 1970) > 0.005  # between 165 and 166 clips


def test_adjust_does_not_wait_for_a_collection_of_garbage():
    """statsmodels asks for one with every correction; beside torch it takes 0.3 s."""

    class Ring:
        pass

    ring = Ring()
    ring.itself, left = ring, weakref.ref(ring)
    on = gc.isenabled()
    gc.disable()  # none of its own accord meanwhile
    try:
        del ring
        st.adjust([0.01, 0.04])
        assert left() is not None and gc.get_freeze_count() == 0
    finally:
        if on:
            gc.enable()


def test_adjust_known_values_and_nan():
    p = [0.01, 0.04, 0.03, np.nan]
    np.testing.assert_allclose(st.adjust(p, "holm"), [0.03, 0.06, 0.06, np.nan])
    np.testing.assert_allclose(st.adjust(p, "bh"), [0.03, 0.04, 0.04, np.nan])
    np.testing.assert_allclose(st.adjust(p, "none"), p)
    with pytest.raises(ConfigError, match="holm"):
        st.adjust(p, "tukey")


def test_homogeneity_tells_same_from_different():
    same = st.homogeneity([50, 50, 50], [500, 500, 500])
    assert same["p"] == pytest.approx(1) and same["chi2"] == pytest.approx(0) and same["dof"] == 2
    apart = st.homogeneity([50, 50, 90], [500, 500, 500])
    assert apart["p"] < 1e-3 and apart["p_alike"] > 0.99
    with pytest.raises(DataError, match="two rows"):
        st.homogeneity([5], [10])


def test_minimum_detectable_difference_has_the_power_it_says():
    share, n = 0.0868, 1970
    fall, rise = st.minimum_detectable_difference(share, n)
    rng = np.random.default_rng(1)
    for other in (share - fall, share + rise):
        a, b = rng.binomial(n, share, 800), rng.binomial(n, other, 800)
        hits = [
            st.two_proportions(int(x), n, int(y), n)["p"] < 0.05 for x, y in zip(a, b, strict=True)
        ]
        assert 0.74 < np.mean(hits) < 0.86
    assert st.minimum_detectable_difference(share, n, comparisons=14)[0] > fall


def test_rank_correlation():
    assert st.rank_correlation([1, 2, 3, np.nan], [10, 20, 30, 5])["rho"] == pytest.approx(1)
    with pytest.raises(DataError):
        st.rank_correlation([1, 2, np.nan], [1, 2, 3])


def test_many_rank_correlations_are_those_of_each():
    draw = np.random.default_rng(0)
    x, y = draw.integers(0, 6, (2, 5, 12)).astype(float)  # with ties
    each = [st.rank_correlation(a, b)["rho"] for a, b in zip(x, y, strict=True)]
    assert st.rank_correlations(x, y) == pytest.approx(each)
    y[2] = 1.0
    assert np.isnan(st.rank_correlations(x, y)).tolist() == [False, False, True, False, False]


def test_seed_noise_of_two_and_of_many():
    two = st.seed_noise([[24.86, 21.26]])
    assert two["sd"] == pytest.approx(3.6 / np.sqrt(2)) and two["dof"] == 1
    assert two["band_plugin"] == pytest.approx(1.96 * 3.6, abs=1e-3)
    assert two["band"] == pytest.approx(12.7062 * 3.6, abs=1e-3)
    rng = np.random.default_rng(0)
    many = st.seed_noise([rng.normal(m, 2, 50) for m in (0, 10, 20)])
    assert many["dof"] == 147 and many["sd_low"] < 2 < many["sd_high"]
    with pytest.raises(DataError, match="two seeds"):
        st.seed_noise([[1.0], [2.0]])


def test_seed_band_holds_most_differences_of_equal_variants():
    rng = np.random.default_rng(2)
    inside = []
    for _ in range(400):
        noise = st.seed_noise([rng.normal(0, 1, 3)])
        inside.append(abs(rng.normal() - rng.normal()) < noise["band"])
    assert 0.92 < np.mean(inside) < 0.98


@pytest.mark.parametrize("method", ["t", "bootstrap"])
def test_mean_interval_covers(method):
    rng = np.random.default_rng(3)
    hit = []
    for k in range(150):
        found = st.mean_interval(rng.normal(1, 1, 12), method, rng=k, resamples=400)
        hit.append(found["low"] < 1 < found["high"])
    assert np.mean(hit) > 0.86


def test_mean_interval_closed_form_and_one_seed():
    found = st.mean_interval([1.0, 2.0, 3.0, np.nan])
    assert (found["mean"], found["n"]) == (2.0, 3)
    assert found["high"] - 2 == pytest.approx(4.30265 / np.sqrt(3), abs=1e-4)
    alone = st.mean_interval([1.5])
    assert alone["mean"] == 1.5 and np.isnan(alone["low"]) and np.isnan(alone["p"])
    with pytest.raises(ConfigError, match="bootstrap"):
        st.mean_interval([1, 2], "magic")


def test_mean_interval_of_equal_values():
    """Equal values have no interval of no width: either the clips bound the scatter, or nothing."""
    bare = st.mean_interval([2.0, 2.0])
    assert np.isnan([bare["low"], bare["high"], bare["p"]]).all() and bare["mean"] == 2.0
    held = st.mean_interval([2.0, 2.0], least=0.5)
    assert held["high"] - 2 == pytest.approx(12.7062 * 0.5 / np.sqrt(2), rel=1e-4)
    assert st.mean_interval([0.0, 0.0], least=0.5)["p"] == 1.0


def test_paired_differences_removes_the_seed():
    rng = np.random.default_rng(0)
    rows = [
        {"variant": v, "seed": s, "value": 10 * s + e + 0.01 * rng.normal(), "benchmark": b}
        for s in range(4)
        for b in ("x", "y")
        for v, e in (("base", 0), ("same", 0), ("up", 1))
    ]
    table = st.paired_differences(pd.DataFrame(rows), "base", by=["benchmark"])
    up = table[table["variant"] == "up"]
    assert len(table) == 4 and list(up["benchmark"]) == ["x", "y"]
    assert (up["low"] > 0.9).all() and (up["p_adjusted"] < 0.05).all()
    same = table[table["variant"] == "same"]
    assert ((same["low"] < 0) & (same["high"] > 0)).all()


def test_paired_differences_says_what_is_missing():
    frame = pd.DataFrame({"variant": ["a", "b"], "seed": [0, 1], "value": [1.0, 2.0]})
    with pytest.raises(DataError, match="share no seed"):
        st.paired_differences(frame, "a")
    with pytest.raises(DataError, match=r"'zzz'.*found: a, b"):
        st.paired_differences(frame, "zzz")
    with pytest.raises(DataError, match="missing: value"):
        st.paired_differences(frame.drop(columns="value"), "a")


def _factorial(noise: float = 0.0, seeds: int = 3, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        [
            {
                "a": a,
                "b": b,
                "c": c,
                "seed": s,
                "value": 5 + 2 * a - 1 * b + 3 * a * b + 0.7 * s + noise * rng.normal(),
            }
            for a, b, c in product((0, 1), repeat=3)
            for s in range(seeds)
        ]
    )


@pytest.mark.parametrize("error", ["pooled", "per_seed"])
def test_factorial_effects_recover_the_model(error):
    table = st.factorial_effects(_factorial(0.01), ["a", "b", "c"], error=error)
    got = table.set_index("effect")["estimate"]
    want = {"a": 3.5, "b": 0.5, "c": 0, "a:b": 1.5, "a:c": 0, "b:c": 0, "a:b:c": 0}
    for name, value in want.items():
        assert got[name] == pytest.approx(value, abs=0.05), name
    assert list(table["order"]) == [1, 1, 1, 2, 2, 2, 3]
    assert (table["dof"] == (14 if error == "pooled" else 2)).all()


def test_factorial_main_effect_is_mean_with_minus_mean_without():
    frame = _factorial(1.0, seed=5)
    table = st.factorial_effects(frame, ["a", "b", "c"]).set_index("effect")
    means = frame.groupby("a")["value"].mean()
    assert table.loc["a", "estimate"] == pytest.approx(means[1] - means[0])


def test_factorial_interval_covers_and_one_seed_has_none():
    inside = []
    for k in range(150):
        frame = _factorial(1.0, 2, k)
        table = st.factorial_effects(frame, ["a", "b", "c"], correction="none").set_index("effect")
        inside.append(table.loc["a:b", "low"] < 1.5 < table.loc["a:b", "high"])
    assert 0.9 < np.mean(inside) <= 0.99
    alone = st.factorial_effects(_factorial(seeds=1), ["a", "b", "c"])
    assert alone["low"].isna().all() and alone["estimate"].notna().all()


def test_factorial_refuses_holes_and_doubles():
    frame = _factorial(seeds=1)
    with pytest.raises(DataError, match="all 8 cells"):
        st.factorial_effects(frame.iloc[1:], ["a", "b", "c"])
    with pytest.raises(DataError, match="twice"):
        st.factorial_effects(pd.concat([frame, frame]), ["a", "b", "c"])
    with pytest.raises(DataError, match="levels 0 and 1"):
        st.factorial_effects(frame.assign(a=1), ["a", "b", "c"])
    with pytest.raises(ConfigError, match="pooled, per_seed"):
        st.factorial_effects(frame, ["a", "b", "c"], error="none")


def test_interaction_contrasts_recover_synergy():
    extra = {("fwm", "ltc"): 2.0, ("fwm", "iic"): -1.0}
    rows = [
        {
            "model": m,
            "contrast": c,
            "seed": s,
            "value": {"baseline": 0, "fwm": 3}[m]
            + {"none": 0, "ltc": 1, "iic": 4}[c]
            + extra.get((m, c), 0)
            + 10 * s,
        }
        for m in ("baseline", "fwm")
        for c in ("none", "ltc", "iic")
        for s in range(3)
    ]
    table = st.interaction_contrasts(pd.DataFrame(rows), "model", "contrast", "baseline", "none")
    got = table.set_index("contrast")
    assert got.loc["ltc", "estimate"] == pytest.approx(2)
    assert got.loc["iic", "estimate"] == pytest.approx(-1)
    assert got.loc["iic", "simple"] == pytest.approx(3)
    assert got.loc["iic", "reference"] == pytest.approx(4)
    with pytest.raises(DataError, match="found: none, ltc, iic"):
        st.interaction_contrasts(pd.DataFrame(rows), "model", "contrast", "baseline", "nothing")


def test_interaction_contrast_of_a_2x2_is_twice_the_factorial_effect():
    frame = _factorial(1.0)[lambda f: f["c"] == 0]
    a = st.factorial_effects(frame, ["a", "b"]).set_index("effect").loc["a:b"]
    b = st.interaction_contrasts(frame, "a", "b", 0, 0).iloc[0]
    for key in ("estimate", "low", "high"):
        assert b[key] == pytest.approx(2 * a[key])
    assert b["p"] == pytest.approx(a["p"])
