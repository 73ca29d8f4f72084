"""Rows of tables: chosen, laid out, told apart by source; and what ablations make of them."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from vjepa_lib import study
from vjepa_lib.analysis import ablation, selection

ROWS = pd.DataFrame(
    [
        ("ld", "released", "order", 0, 10.0),
        ("ld", "described", "order", 0, 14.0),
        ("ld", "released", "actions", 0, 20.0),
        ("ld", "released", "actions", 1, 30.0),
        ("ld", "described", "actions", 0, 26.0),
        ("baseline", "released", "order", 0, 9.0),
        ("baseline", "released", "actions", 0, 19.0),
        ("baseline", "released", "actions", 1, 25.0),
    ],
    columns=["variant", "form", "benchmark", "seed", "top1"],
)


def sources(*marks):
    """Live and recorded results as `recorded.beside` gives them."""
    return {
        f"{profile}, {origin}": ROWS.assign(probe="linear", profile=profile, origin=origin)
        for profile, origin in marks
    }


def test_tables_are_worked_on_without_torch():
    code = (
        "import sys; from vjepa_lib.analysis import ablation, findings, selection, statistics; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_where_numbers_come_from_are_columns():
    table = selection.by_source(
        sources(("mini", "live"), ("small", "recorded")),
        lambda rows, more: rows[["top1"]] + more,
        5,
    )
    assert table.groupby("source", sort=False).profile.first().to_dict() == {
        "mini, live": "mini",
        "small, recorded": "small",
    }
    assert table.origin.unique().tolist() == ["live", "recorded"]
    assert table.top1.iloc[0] == 15 and len(table) == 2 * len(ROWS)
    assert selection.fullest(table).origin.unique().tolist() == ["recorded"]


def test_a_tag_never_names_two_sources():
    two = selection.by_source(sources(("mini", "live"), ("small", "recorded")), lambda r: r)
    assert [tag for tag, _, _ in selection.each_source(two)] == ["mini", "small"]
    alike = selection.by_source(sources(("small", "live"), ("small", "recorded")), lambda r: r)
    found = list(selection.each_source(alike))
    assert [tag for tag, _, _ in found] == ["small_live", "small_recorded"]
    assert [source for _, source, _ in found] == ["small, live", "small, recorded"]
    assert all(len(part) == len(ROWS) for _, _, part in found)


def test_a_matrix_keeps_the_order_of_appearance():
    wide = selection.matrix(selection.named(ROWS, None), "top1")
    assert list(wide.index) == ["ld", "ld (described)", "baseline"]
    assert list(wide.columns) == ["order", "actions"]
    assert wide.loc["ld", "actions"] == 25  # mean of two seeds
    turned = selection.matrix(selection.named(ROWS, None), "top1", order=["baseline", "ld"])
    assert list(turned.index) == ["baseline", "ld"]
    keys = selection.matrix(ROWS, "top1", ["variant", "form"])
    assert list(keys.index) == [
        ("ld", "released"),
        ("ld", "described"),
        ("baseline", "released"),
    ]
    flat = selection.side_by_side(selection.named(ROWS.assign(source="a"), None))
    assert list(flat.columns) == ["source", "name", "order", "actions"]


def test_rows_are_chosen_by_columns():
    assert len(selection.of_forms(ROWS, [("ld", "described"), ("baseline", "described")])) == 2
    assert set(selection.pick(ROWS, "benchmark", ["order"]).benchmark) == {"order"}
    assert set(selection.drop(ROWS, "benchmark", ["order"]).benchmark) == {"actions"}
    assert selection.names([("ld", "released"), ("ld", "described")]) == ["ld", "ld (described)"]


def test_tables_are_stacked_source_by_source():
    a, b = (pd.DataFrame({"source": ["x", "y"], "value": v}) for v in ((1, 2), (3, 4)))
    both = selection.stack(against={"one": a, "two": b})
    assert both.source.tolist() == ["x", "x", "y", "y"] and both.value.tolist() == [1, 3, 2, 4]
    assert both.against.tolist() == ["one", "two", "one", "two"]
    parts = list(selection.together(a, b))
    assert [(s, p.value.tolist(), q.value.tolist()) for s, p, q in parts] == [
        ("x", [1], [3]),
        ("y", [2], [4]),
    ]


def test_the_end_of_a_training_is_its_last_measurement():
    curves = pd.DataFrame(
        {"name": "a", "seed": [0, 0, 0, 1, 1], "step": [0, 1, 2, 0, 1],
         "rank_me": [1.0, 5.0, np.nan, 2.0, 7.0]}
    )  # fmt: skip
    assert selection.at_end(curves, ["rank_me"]).rank_me.tolist() == [6.0]


def test_means_and_gains_carry_variant_and_form():
    rows = selection.named(ROWS, None)
    cells = ablation.seed_means(rows)
    assert set(zip(cells.name, cells.variant, cells.form)) == {
        ("ld", "ld", "released"),
        ("ld (described)", "ld", "described"),
        ("baseline", "baseline", "released"),
    }
    gains = ablation.gains(rows)
    assert gains.set_index("name").form["ld (described)"].unique().tolist() == ["described"]
    assert set(ablation.gains(rows, without=["ld"]).name) == {"ld (described)"}
    among = ablation.gains_among(rows, [("ld", "released"), ("ld", "described")], "ld")
    assert among.set_index("benchmark").effect.to_dict() == {"order": 4, "actions": 6, "all": 5}


def test_heat_maps_mark_what_is_clear_of_zero():
    table = pd.DataFrame(
        {"name": ["a", "a", "b"], "benchmark": ["x", "y", "x"], "effect": [1.0, -2.0, 3.0],
         "low": [0.5, -3.0, np.nan], "high": [2.0, 1.0, np.nan]}
    )  # fmt: skip
    effects, sure = ablation.effect_maps(table, order=["b", "a"], benchmarks=["y", "x"])
    assert list(effects.index) == ["b", "a"] and list(effects.columns) == ["y", "x"]
    assert effects.loc["a", "x"] == 1 and np.isnan(effects.loc["b", "y"])
    assert sure.to_numpy().tolist() == [[False, False], [False, True]]


def test_lines_and_order_of_the_forms_plot():
    cells = ablation.seed_means(selection.named(ROWS, None))
    assert ablation.baseline_lines(cells) == {"order": {"baseline": 9}, "actions": {"baseline": 22}}
    rows = ablation.released_then_described(cells[::-1], without=["baseline"])
    assert rows.form.tolist() == ["released", "released", "described", "described"]


def test_runs_of_another_regime_stay_out():
    rows = ROWS.assign(probe="linear", regime="mixed")
    other = rows.assign(variant="ucf_baseline", regime="ucf101")
    random = rows.assign(variant="random_init")
    own = ablation.of_regime(pd.concat([rows, other, random]), "ucf_baseline")
    assert set(own.variant) == {"ucf_baseline", "random_init"}


def test_loss_at_the_end_is_that_of_the_last_steps():
    curves = pd.DataFrame(
        {"variant": "ac", "form": "released", "step": range(11), "ac": [9.0] * 9 + [1.0, 3.0]}
    )
    found = ablation.loss_at_end(
        pd.concat([curves, curves.assign(form="described", ac=np.nan)]), "ac"
    )
    assert found.to_dict("records") == [
        {"variant": "ac", "form": "released", "loss": 2.0, "name": "ac"}
    ]


def test_late_shares_have_a_row_a_run():
    config = study.resolve("ld", "released", "smoke")
    steps = config.train.schedule.steps
    curves = pd.DataFrame(
        {"step": range(steps), "seed": 0, "variant": "ld", "form": "released", "regime": "mixed",
         "jepa": 3.0, "ld": 1.0}
    )  # fmt: skip
    table = ablation.late_shares(curves, [("ld", "released")], "smoke")
    assert table.to_dict("records") == [{"variant": "ld", "jepa": 75.0, "ld": 25.0}]


def test_factorials_are_told_apart_by_form_and_source():
    rows = [
        (variant, form, "order", seed, 50.0 + sum(key) + seed)
        for key, variant in study.FACTORIAL.items()
        for form in study.FORMS
        for seed in (0, 1)
        if form == "released" or study.differs(variant)
    ]
    frame = pd.DataFrame(rows, columns=ROWS.columns).assign(
        probe="linear", profile="mini", origin="live"
    )
    table = ablation.factorials({"mini, live": frame})
    assert set(table.form) == set(study.FORMS) and set(table.source) == {"mini, live"}
    assert table[(table.order == 1)].estimate.tolist() == pytest.approx(
        [1.0] * len(table[table.order == 1])
    )
