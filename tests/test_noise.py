"""Seeds, clips and both: intervals that cover; tests equal to those of scipy and statsmodels."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from vjepa_lib.analysis import statistics as st
from vjepa_lib.errors import DataError

# --- the least scatter ----------------------------------------------------------------------------


def test_least_scatter_is_binomial_and_never_zero():
    assert st.least_scatter(0.3, 400) == pytest.approx(np.sqrt(0.3 * 0.7 / 400))
    # Equal on every clip, or every clip right: one clip of 400 may be different.
    for mean in (0.0, 1.0, -1.0):
        assert st.least_scatter(mean, 400) == pytest.approx(1 / 400, rel=2e-3)
    # No sample on the grid -1, 0, 1 with this mean varies less.
    rng = np.random.default_rng(0)
    for _ in range(50):
        d = rng.choice([-1, 0, 1], 60, p=rng.dirichlet([1, 1, 1]))
        if 0 < abs(d.mean()) < 1:
            assert d.std() / np.sqrt(60) >= st.least_scatter(d.mean(), 60) - 1e-12


def test_two_equal_differences_prove_nothing():
    least = 100 * float(st.least_scatter(0.05, 40))
    found = st.mean_interval([5.0, 5.0], least=least)
    assert found["low"] < 0 < found["high"] and found["p"] > 0.1 and found["sd"] == 0
    assert found["high"] - 5 == pytest.approx(12.7062 * least / np.sqrt(2), rel=1e-4)
    frame = pd.DataFrame(
        {
            "variant": ["base", "base", "up", "up"],
            "seed": [0, 1, 0, 1],
            "n_test": 40,
            "value": [50.0, 52.5, 55.0, 57.5],
        }
    )
    row = st.paired_differences(frame, "base", clips="n_test").iloc[0]
    assert row.effect == 5 and row.low < 0 < row.high and not row.clear
    # Nothing known of the clips: no interval at all, rather than one of no width.
    bare = st.paired_differences(frame, "base").iloc[0]
    assert np.isnan([bare.low, bare.high, bare.p]).all()


def test_contrasts_are_held_to_the_grid_too():
    rows = [
        {"a": a, "b": b, "seed": s, "n": 40, "value": 50.0 + 10 * a * b + 5 * s}
        for a in (0, 1)
        for b in (0, 1)
        for s in (0, 1)
    ]
    frame = pd.DataFrame(rows)
    bare = st.interaction_contrasts(frame, "a", "b", 0, 0)
    assert bare.estimate[0] == 10 and np.isnan(bare.low[0])
    held = st.interaction_contrasts(frame, "a", "b", 0, 0, clips="n")
    half = 12.7062 * 100 * float(st.least_scatter(0.1, 40)) / np.sqrt(2)
    assert held.high[0] - 10 == pytest.approx(half, rel=1e-4) and not held.clear[0]
    odds = frame.assign(value=st.logits(frame.value / 100 * 40, 40))
    found = st.factorial_effects(odds, ["a", "b"], clips="n", scale="logits")
    assert (found.high - found.low > 0).all()


def test_per_seed_contrasts_do_not_borrow_the_scatter_of_other_cells():
    """A collapsing cell of sd 20 leaves the interaction of steady cells alone."""
    rng = np.random.default_rng(1)
    rows = [
        {"a": a, "b": b, "seed": s, "value": (a == "x") * (b == "p") * 5 + sd * rng.normal()}
        for a, b, sd in [
            ("0", "0", 0.3),
            ("x", "0", 0.3),
            ("0", "p", 0.3),
            ("x", "p", 0.3),
            ("y", "0", 20.0),
            ("y", "p", 20.0),
        ]
        for s in range(5)
    ]
    frame = pd.DataFrame(rows)
    own = st.interaction_contrasts(frame, "a", "b", "0", "0").set_index("a").loc["x"]
    shared = st.interaction_contrasts(frame, "a", "b", "0", "0", error="pooled").set_index("a")
    assert own.clear and not shared.loc["x"].clear
    wide = frame.pivot(index="seed", columns=["a", "b"], values="value")
    by_hand = (wide["x", "p"] - wide["x", "0"]) - (wide["0", "p"] - wide["0", "0"])
    assert own.p == pytest.approx(stats.ttest_1samp(by_hand, 0).pvalue)


# --- two one-sided tests --------------------------------------------------------------------------


def test_equivalence_is_that_of_statsmodels():
    x = np.array([0.4, -0.3, 0.9, 0.1, -0.6])
    for margin in (0.5, 1.0, 3.0):
        want = DescrStatsW(x).ttost_mean(-margin, margin)[0]
        found = st.equivalence(x, margin)
        assert found["p"] == pytest.approx(want)
        assert found["equivalent"] == (want < 0.05)
        assert found["equivalent"] == (found["low"] > -margin and found["high"] < margin)
    assert not st.equivalence([5.0, -4.0, 3.0], 1.0)["equivalent"]
    # Five equal differences of few clips show less than they seem to.
    assert st.equivalence([0.0] * 5, 3.0, least=1.0)["equivalent"]
    assert not st.equivalence([0.0] * 5, 3.0, least=5.0)["equivalent"]
    assert not st.equivalence([0.0], 3.0, least=1.0)["equivalent"]
    with pytest.raises(DataError, match="margin above 0"):
        st.equivalence(x, 0)


# --- two kinds of outcome -------------------------------------------------------------------------


def test_one_seed_that_escapes_is_a_count():
    found = st.outcomes([22, 19, 26, 23, 72])
    assert found.bimodal and found.text() == "1 of 5 seeds at 72, 4 at 19 to 26"
    assert found.high == (72.0,)
    # A gap counts only where one side has collapsed, if that level is known.
    assert st.outcomes([22, 19, 26, 23, 72], level=40).bimodal
    assert not st.outcomes([62, 59, 66, 63, 99], level=40).bimodal
    for one in ([93, 92, 90, 91, 92], [42, 49, 51, 42, 29], [20, 70, 71], [50.0] * 5):
        assert not st.outcomes(one).bimodal and st.outcomes(one).text() == ""


def test_scatter_is_seldom_called_two_kinds():
    rng = np.random.default_rng(0)
    for n in (4, 5, 10):
        called = [st.outcomes(50 + 3 * rng.normal(size=n)).bimodal for _ in range(2000)]
        assert np.mean(called) < 0.005, n
    clusters = [
        st.outcomes(np.r_[25 + 2 * rng.normal(size=2), 60 + 2 * rng.normal(size=3)]).bimodal
        for _ in range(200)
    ]
    assert np.mean(clusters) > 0.95


def test_an_effect_of_two_kinds_has_no_t_interval():
    values = {"base": [50, 52, 51, 49, 50], "two": [22, 19, 26, 23, 72], "up": [60, 61, 60, 58, 60]}
    frame = pd.DataFrame(
        [
            {"variant": v, "seed": s, "value": float(x)}
            for v, xs in values.items()
            for s, x in enumerate(xs)
        ]
    )
    table = st.paired_differences(frame, "base", two_outcomes=True).set_index("variant")
    assert np.isnan(table.loc["two", ["low", "high", "p"]].tolist()).all()
    assert table.outcomes.to_dict() == {"two": "1 of 5 seeds at 72, 4 at 19 to 26", "up": ""}
    assert table.clear.to_dict() == {"two": False, "up": True}
    assert table.family["up"] == "all minus base (1 tests)"


# --- families -------------------------------------------------------------------------------------


def test_families_are_corrected_apart_and_named():
    table = pd.DataFrame({"where": ["a"] * 3 + ["b"], "p": [0.01, 0.04, 0.03, 0.04]})
    found = st.in_families(table, ["where"], "gains")
    np.testing.assert_allclose(found.p_adjusted, [0.03, 0.06, 0.06, 0.04])
    assert found.clear.tolist() == [True, False, False, True]
    assert found.family.tolist() == ["gains, a (3 tests)"] * 3 + ["gains, b (1 tests)"]
    whole = st.in_families(table)
    assert whole.p_adjusted.iloc[0] == pytest.approx(0.04) and whole.family.nunique() == 1
    with pytest.raises(DataError, match="missing: where"):
        st.in_families(table[["p"]], ["where"])


# --- scales ---------------------------------------------------------------------------------------


def test_scores_run_from_chance_to_ceiling_and_beyond():
    got = st.normalised([25.0, 90.0, 100.0, 20.0], 25.0, 90.0)
    assert got.tolist() == pytest.approx([0, 100, 100 * 75 / 65, -100 * 5 / 65])
    with pytest.raises(DataError, match="above chance"):
        st.normalised(50.0, 25.0, 25.0)
    assert st.kept_share(80.0, 40.0) == 50
    # A collapsed encoder keeps nothing, because it has nothing.
    assert np.isnan(st.kept_share(0.5, 0.6)) and np.isnan(st.kept_share(-3.0, 2.0))


def test_logits_are_finite_and_straighten_a_ceiling():
    got = st.logits([0, 50, 100], 100)
    assert got[1] == 0 and got[0] == -got[2] == pytest.approx(np.log(0.5 / 100.5))
    with pytest.raises(DataError, match="between 0"):
        st.logits(11, 10)
    # Two independent gains in log odds: in points they seem to stand in each other's way.
    share = 1 / (1 + np.exp(-np.array([0.0, 2.0, 2.0, 4.0])))
    assert share[3] - share[1] - share[2] + share[0] < -0.2
    odds = st.logits(share * 1e6, 1e6)
    assert odds[3] - odds[1] - odds[2] + odds[0] == pytest.approx(0, abs=1e-3)


# --- the same clips -------------------------------------------------------------------------------


def test_paired_clips_is_mcnemar_exact():
    a = np.r_[np.ones(60), np.ones(15), np.zeros(5), np.zeros(20)].astype(bool)
    b = np.r_[np.ones(60), np.zeros(15), np.ones(5), np.zeros(20)].astype(bool)
    found = st.paired_clips(a, b)
    assert found["p"] == pytest.approx(stats.binomtest(5, 20).pvalue)
    assert (found["first_only"], found["second_only"], found["difference"]) == (15, 5, 0.1)
    se = np.sqrt(20 / 100 - 0.01) / 10
    assert found["low"] == pytest.approx(0.1 - 1.96 * se, abs=0.015)
    assert found["high"] == pytest.approx(0.1 + 1.96 * se, abs=0.015)
    same = st.paired_clips(a, a)
    assert same["p"] == 1 and (same["low"], same["high"]) == (-0.01, 0.01)
    with pytest.raises(DataError, match="same clips"):
        st.paired_clips(a, b[:-1])


def test_paired_clips_cover():
    rng = np.random.default_rng(2)
    inside = []
    for k in range(200):
        kind = rng.choice(3, 300, p=[0.15, 0.1, 0.75])
        found = st.paired_clips(kind == 0, kind == 1, rng=k, resamples=500)
        inside.append(found["low"] <= 0.05 <= found["high"])
    assert 0.9 < np.mean(inside) <= 1


# --- seeds x clips --------------------------------------------------------------------------------


def _crossed(rng, seeds, clips, sd_seed, sd_clip, sd_rest):
    return (
        sd_seed * rng.normal(size=(seeds, 1))
        + sd_clip * rng.normal(size=(1, clips))
        + sd_rest * rng.normal(size=(seeds, clips))
    )


@pytest.mark.parametrize(
    ("seeds", "sds"),
    [(5, (1, 0, 10)), (5, (0.3, 8, 10)), (10, (1, 10, 10)), (10, (0, 10, 10)), (3, (1, 10, 5))],
)
def test_crossed_interval_covers(seeds, sds):
    rng = np.random.default_rng(4)
    runs = [st.crossed_interval(_crossed(rng, seeds, 100, *sds)) for _ in range(600)]
    inside = [f["low"] < 0 < f["high"] for f in runs]
    assert 0.92 < np.mean(inside) < 0.99


def test_crossed_bootstrap_covers():
    rng = np.random.default_rng(5)
    for seeds, sds in ((5, (1, 5, 10)), (10, (1, 10, 10))):
        runs = [
            st.crossed_bootstrap(_crossed(rng, seeds, 60, *sds), rng=k, resamples=300)
            for k in range(250)
        ]
        assert 0.91 < np.mean([f["low"] < 0 < f["high"] for f in runs]) < 0.99


def test_intervals_over_seeds_alone_leave_the_clips_out():
    """Why both axes are needed: with clips that differ, seeds alone cover far too seldom."""
    rng = np.random.default_rng(6)
    inside = []
    for _ in range(200):
        found = st.mean_interval(_crossed(rng, 5, 100, 0.3, 10, 5).mean(1))
        inside.append(found["low"] < 0 < found["high"])
    assert np.mean(inside) < 0.8


def test_crossed_variance_is_that_of_the_closed_form():
    rng = np.random.default_rng(7)
    y = _crossed(rng, 6, 80, 2, 3, 4)
    ms_seed = 80 * y.mean(1).var(ddof=1)
    ms_clip = 6 * y.mean(0).var(ddof=1)
    rest = y - y.mean(0) - y.mean(1, keepdims=True) + y.mean()
    ms_rest = (rest**2).sum() / (5 * 79)
    found = st.crossed_interval(y)
    assert found["se"] ** 2 == pytest.approx((ms_seed + ms_clip - ms_rest) / (6 * 80))
    # Without clips that differ it is the t interval over seeds.
    flat = _crossed(rng, 6, 80, 2, 0, 0)
    t = st.mean_interval(flat.mean(1))
    assert (st.crossed_interval(flat)["low"], st.crossed_interval(flat)["p"]) == pytest.approx(
        (t["low"], t["p"])
    )


def test_conditions_are_paired_on_both_axes():
    """Hard clips and lucky seeds are common to both conditions and cancel."""
    rng = np.random.default_rng(8)
    hard, luck = rng.normal(size=(1, 400)), 0.3 * rng.normal(size=(8, 1))
    right = {
        n: hard + luck + gain + 0.3 * rng.normal(size=(8, 400)) > 0
        for n, gain in (("a", 0.0), ("b", 0.2))
    }
    d = st.contrast_of(right, {"b": 1, "a": -1})
    paired = st.crossed_interval(d)
    apart = sum(st.crossed_interval(100.0 * r)["se"] ** 2 for r in right.values()) ** 0.5
    assert paired["mean"] == pytest.approx(100 * (right["b"].mean() - right["a"].mean()))
    assert paired["se"] < apart / 2 and paired["p"] < 0.01
    boot = st.crossed_bootstrap(d)
    assert (boot["low"], boot["high"]) == pytest.approx((paired["low"], paired["high"]), abs=0.5)
    with pytest.raises(DataError, match="No condition 'c'"):
        st.contrast_of(right, {"c": 1})
    with pytest.raises(DataError, match=r"\[seeds, clips\]"):
        st.contrast_of(right | {"a": right["a"][:3]}, {"a": 1, "b": -1})


def test_several_benchmarks_share_the_seeds_and_not_the_clips():
    rng = np.random.default_rng(9)
    inside = []
    for _ in range(400):
        luck = rng.normal(size=(6, 1))
        blocks = [luck + _crossed(rng, 6, c, 0, 8, 8) for c in (50, 80)]
        found = st.crossed_interval(blocks, [0.25, 0.75])
        inside.append(found["low"] < 0 < found["high"])
    assert 0.92 < np.mean(inside) < 0.99
    assert found["mean"] == pytest.approx(0.25 * blocks[0].mean() + 0.75 * blocks[1].mean())
    with pytest.raises(DataError, match="2 blocks"):
        st.crossed_interval(blocks, [1.0])


def test_contrasts_that_share_draws_are_those_drawn_alone():
    rng = np.random.default_rng(11)
    several = [[_crossed(rng, 5, c, 1, 8, 8) for c in (30, 40)] for _ in range(3)]
    weights = [[0.5, 0.5], [0.2, 0.8], None]
    together = st.crossed_bootstraps(several, weights, resamples=200)
    alone = [
        st.crossed_bootstrap(v, w, resamples=200) for v, w in zip(several, weights, strict=True)
    ]
    assert together == alone and together[0] != together[1]
    with pytest.raises(DataError, match="as many seeds and clips"):
        st.crossed_bootstraps([several[0], several[0][::-1]], weights[:2])


def test_one_seed_and_equal_encoders():
    assert np.isnan(st.crossed_interval(np.ones((1, 9)))["low"])
    assert np.isnan(st.crossed_bootstrap(np.ones((1, 9)))["low"])
    same = st.crossed_interval(np.zeros((5, 200)))
    assert same["low"] < 0 < same["high"] and same["se"] == pytest.approx(0.5) and same["p"] == 1


def test_seeds_on_shared_clips_are_not_more_clips():
    correct = [600, 610, 590, 605, 595]
    found = st.shared_clips_interval(correct, 1000)
    low, high = st.proportion_interval(sum(correct), 5000)
    assert found["mean"] == 0.6 and found["high"] - found["low"] > 2 * (high - low)
    one = st.shared_clips_interval([600], 1000)
    want = st.proportion_interval(600, 1000)
    assert (one["low"], one["high"]) == (float(want[0]), float(want[1]))
    full = st.shared_clips_interval([1000, 1000], 1000)
    assert full["low"] < 1 == full["high"]
