"""Sentences after figures say what their tables hold, and change with them."""

import numpy as np
import pandas as pd

from vjepa_lib.analysis import observations, overview


def test_variance_over_time():
    shares = pd.DataFrame({"encoder": ["a", "b"], "between places": [90.0, 25.4]})
    assert observations.variance_over_time(shares).endswith("place (%): a 10, b 75")


def ends():
    rows = [("x", 0, 0.5, 10.0, 0.1), ("x", 1, 0.3, 14.0, 0.3), ("y", 0, 0.9, 30.0, 0.4)]
    columns = ["name", "seed", "jepa", "rank_me", "feature_std"]
    return pd.DataFrame(rows, columns=columns).assign(step=600, run=["a", "b", "c"])


def test_two_ends_are_compared_over_seeds():
    said = observations.ends_compared(ends(), "x", "y")
    assert "JEPA loss 0.400 (0.300 to 0.500) against 0.900 (0.900 to 0.900), RankMe 12.0" in said
    assert said.endswith("feature std 0.200 (0.100 to 0.300) against 0.400 (0.400 to 0.400)")
    assert observations.ends_compared(ends(), "y", "x").startswith("y beside x")
    assert "not recorded" in observations.ends_compared(ends(), "x", "z")


def test_most_and_least_leave_the_mean_out():
    gains = pd.DataFrame(
        {
            "source": "small, recorded",
            "name": "baseline",
            "benchmark": ["order", "actions", "all"],
            "effect": [3.0, -1.25, 40.0],
        }
    )
    (said,) = observations.most_and_least(gains)
    assert said == (
        "small, recorded, baseline: most on order (+3.0 points), least on actions (-1.2)"
    )


def test_extremes_of_every_variant_but_some():
    gains = pd.DataFrame(
        {
            "source": "small, recorded",
            "name": ["random_init", "b", "b", "a"],
            "benchmark": ["order", "order", "actions", "order"],
            "effect": [9.0, 1.0, 2.0, -3.0],
        }
    )
    said = observations.extremes_of_each(gains, without=("random_init",))
    assert [line.split(": ")[0] for line in said] == ["small, recorded, b", "small, recorded, a"]
    assert "most on actions (+2.0 points), least on order (+1.0)" in said[0]


def test_what_one_frame_tells():
    wide = pd.DataFrame(
        {"benchmark": ["a", "b"], "supervised": [90.0, 100.0], "single_frame": [50.0, 30.0]}
    )
    chance = {"a": {"chance": 10.0}, "b": {"chance": 20.0}}
    way, told = observations.one_frame(wide, chance)
    assert way.endswith("a 50, b 12") and told == "told by one frame: a; told by motion: b"
    none = observations.one_frame(wide.assign(single_frame=[10.0, 20.0]), chance)[1]
    assert none == "told by one frame: none; told by motion: a, b"


def test_context_left_by_masks():
    sizes = pd.DataFrame(
        {"masking": ["m", "m", "f"], "context": [16, 24, 8], "tokens": [64, 64, 64]}
    )
    said = observations.context_left(sizes)
    assert said.endswith("m 25 and 38, f 12 and 12")
    assert np.char.count(said, "%") == 1


def test_formulas_of_the_map_end_no_cell():
    table = overview.terms().set_index("term")
    assert not table.formula.str.contains("|", regex=False).any()
    assert r"\vert \hat z - h\vert" in table.formula["jepa"]
    assert table.formula["velgate"].count(r"\Vert") == 2


def test_where_the_jepa_gradient_goes():
    reach = pd.DataFrame(
        {
            "term": ["jepa", "context", "jepa"],
            "part": ["context_encoder", "context_encoder", "predictor"],
            "norm": [0.0002, 7.0, 0.05],
        }
    )
    assert observations.where_jepa_pulls(reach) == (
        "The JEPA gradient has length 0.05 in the predictor and 0.0002 in the context encoder "
        "behind it: 250 to 1."
    )


def test_the_furthest_rows_are_named_with_their_intervals():
    table = pd.DataFrame(
        {
            "name": ["vclr", "fwm+vclr (described)", "ld"],
            "benchmark": "shift_hacs",
            "effect": [4.0, -6.0, 1.0],
            "low": [2.0, -8.0, np.nan],
            "high": [6.0, -4.0, np.nan],
        }
    )
    (said,) = observations.furthest_rows(table, ("shift_hacs", "all"))
    assert said == (
        "on shift (HACS): furthest up VCLR +4.0 [+2.0, +6.0], furthest down FWM as described with "
        "VCLR -6.0 [-8.0, -4.0]; 1 of 3 intervals lie above 0, 1 below"
    )


def test_the_mixture_is_told_from_one_domain():
    transfer = pd.DataFrame(
        {
            "name": "vclr",
            "benchmark": ["order", "order", "actions", "actions"],
            "regime": ["mixed", "motions", "mixed", "ucf101"],
            "top1": [80.0, 85.0, 90.0, 70.0],
        }
    )
    assert observations.mixture_or_one(transfer) == [
        "VCLR: the mixture is best on 1 of 2 (order: motions, actions: mixture)"
    ]


def test_shares_of_labels_are_counted_by_what_they_say():
    ends = ("combining brings more than either part", "combining falls short of the best part")
    verdicts = pd.DataFrame(
        {
            "source": "small, recorded",
            "verdict": [f"..; {e}." for e in (*ends, ends[1], "whether it does is undecided")],
            "share": [100.0, 1.0, 5.0, 10.0],
        }
    )
    (said,) = observations.by_labels(verdicts)
    assert said == (
        "small, recorded: of 4 shares of labels (1, 5, 10, 100 %), combining brings more than "
        "either part at 1, falls short of the best part at 2 and is undecided at 1"
    )
