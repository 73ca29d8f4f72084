"""What the notebooks say: sentences follow the results, other results give other sentences."""

import pandas as pd
import pytest
import torch

from vjepa_lib import paper, study
from vjepa_lib.analysis import combination, crossing, encoders, findings
from vjepa_lib.audit import reach_of_variants
from vjepa_lib.paper import settings_tables
from vjepa_lib.show import report


def gains(*rows):
    columns = ["source", "name", "benchmark", "effect", "low", "high", "n_seeds"]
    return pd.DataFrame(rows, columns=columns)


def test_numbers_are_listed_with_their_names():
    assert findings.listed(["a", "b"], [1, -2.345], "+.1f") == "a +1.0, b -2.3"
    assert findings.seeds(pd.Series([1])) == "1 seed"
    assert findings.seeds(pd.Series([3, 5])) == "3 to 5 seeds"


@pytest.fixture
def curves():
    return pd.DataFrame(
        {"name": ["a", "a", "b", "b"], "seed": 0, "step": [0, 9] * 2,
         "rank_me": [9.0, 2.0, 9.0, 8.0], "feature_std": [0.9, 0.5, 0.9, 0.01]}
    )  # fmt: skip


def test_the_end_of_training_names_the_extremes(curves):
    said = findings.collapse_at_end(curves)
    assert "RankMe from 2.0 (a) to 8.0 (b)" in said
    assert "feature std from 0.010 (b) to 0.500 (a)" in said
    turned = findings.collapse_at_end(curves.assign(rank_me=10 - curves.rank_me))
    assert "RankMe from 2.0 (b) to 8.0 (a)" in turned
    assert findings.spread_at_end(curves).endswith("a 0.500, b 0.010")
    assert findings.rank_at_end(curves).endswith("a 2.0, b 8.0")
    assert findings.rank_and_spread_at_end(curves).endswith("a 2.0/0.500, b 8.0/0.010")


def test_shares_leave_out_what_every_run_has():
    table = pd.DataFrame(
        {"variant": ["hw", "ld"], "jepa": [60.0, 70.0], "context": [10.0, 10.0],
         "hw": [30.0, None], "ld": [None, 20.0]}
    )  # fmt: skip
    assert findings.share_of_added_terms(table).endswith("(%): hw: hw 30.0; ld: ld 20.0")
    alone = table[["variant", "jepa"]]
    assert findings.share_of_added_terms(alone).endswith("none adds a term to the baseline's")
    said = findings.late_share(pd.Series({"jepa": 70.0, "ld": 30.0}))
    assert said.endswith("jepa 70.0, ld 30.0")


def test_clear_effects_are_counted_by_source():
    table = gains(
        ("x", "a", "order", 1.0, 0.5, 1.5, 3),
        ("x", "b", "order", -1.0, -1.5, -0.5, 3),
        ("x", "c", "order", 1.0, -0.5, 1.5, 3),
        ("x", "a", "all", 1.0, 0.5, 1.5, 3),
        ("y", "a", "order", 1.0, None, None, 1),
    )
    said = findings.count_clear(table)
    assert "x: 1 of 3 above 0, 1 below, the rest undecided" in said
    assert said.endswith("y: one seed, no intervals")


def test_effects_are_told_largest_first():
    table = gains(
        ("x", "a", "all", 1.0, 0.5, 1.5, 3),
        ("x", "b", "all", 4.0, 3.5, 4.5, 3),
        ("x", "b", "order", 9.0, 8.5, 9.5, 3),
    )
    (said,) = findings.against(table, "EMA off alone")
    assert said == (
        "x, 3 seeds, mean over benchmarks against EMA off alone: b +4.0 [+3.5, +4.5], a +1.0 "
        "[+0.5, +1.5]"
    )


def test_a_factorial_is_told_with_what_is_clear():
    columns = ["source", "form", "benchmark", "effect", "order", "estimate", "low", "high"]
    rows = [
        ("x", "released", "all", "fwm", 1, 2.0, 1.0, 3.0),
        ("x", "released", "order", "fwm", 1, 2.0, 1.0, 3.0),
        ("x", "released", "order", "fwm:ld", 2, -2.0, -3.0, -1.0),
        ("x", "released", "actions", "fwm", 1, 0.5, -1.0, 2.0),
    ]
    table = pd.DataFrame(rows, columns=columns).assign(n_seeds=5, p_adjusted=[0.01, 0.01, 0.2, 0.9])
    first, second = findings.factorial_effects(table)
    assert first.endswith("mean over benchmarks: fwm +2.0 [+1.0, +3.0]")
    assert "2 of 3 effects on single benchmarks" in second and "1 of them interactions" in second
    assert second.strip().endswith("1 survive Holm's correction within their benchmark")


def test_forms_are_compared_where_there_are_both():
    cells = pd.DataFrame(
        [("fwm", "released", 20.0), ("fwm", "described", 25.0), ("hw", "released", 9.0)],
        columns=["variant", "form", "top1"],
    ).assign(source="x", benchmark="order")
    assert findings.forms_apart(cells)[0].endswith("benchmarks: fwm +5.0")
    (alone,) = findings.forms_apart(cells[cells.form == "released"])
    assert alone.endswith("no variant in both forms")


def test_weights_and_pulls_are_told():
    spread = pd.DataFrame(
        {"temperature": [1.0, 0.1], "lowest": [0.9, 0.1], "highest": [1.2, 5.0], "std": [0.05, 1.0]}
    )
    said = findings.weights_at(spread, 1.0, torch.tensor([[1.0, 3.0]]))
    assert said == (
        "weights at temperature 1: 0.90 to 1.20, standard deviation 0.050; errors: standard "
        "deviation 1.414"
    )
    pull = pd.DataFrame({"name": ["HW, cold", "ld"], "pull": [0.25, 12.0], "cosine": [0.5, -0.1]})
    assert findings.directions(pull).endswith("HW, cold: 0.50; ld: -0.10")
    assert findings.lengths(pull).endswith("HW, cold: 0.25; ld: 12")


def test_a_dead_term_reaches_nothing():
    reach = pd.DataFrame(
        [("ld", "context_encoder", "released", 0.0), ("ld", "context_encoder", "described", 2.0),
         ("ld", "target_encoder", "released", 7.0), ("hw", "context_encoder", "released", 9.0)],
        columns=["term", "part", "form", "norm"],
    )  # fmt: skip
    assert findings.reach_of_term(reach, "ld") == (
        "largest gradient norm of ld: released 0, described 2"
    )


def test_what_is_seen_on_batches_is_told():
    counts = pd.DataFrame({"mask group": [1, 2], "of all possible pairs (%)": [40.2, 3.0]})
    assert findings.pairs_given(counts).endswith("(%): group 1 40, group 2 3")
    change = pd.DataFrame({"name": ["ld"], "moving": [0.3], "held": [0.1]})
    assert findings.moving_and_held(change).endswith("ld 0.300 / 0.100")
    follow = pd.DataFrame(
        {"masking": ["amg", "amg"], "correlation with motion": [0.5, 0.7], "hidden (%)": [10, 20]}
    )
    assert findings.hiding_and_motion(follow).endswith("amg 0.60, 15 %")
    moved = pd.DataFrame({"name": ["delta"], "cosine of tokens": [0.999]})
    assert findings.near_initialisation(moved).endswith("delta 0.999")
    spectra = pd.DataFrame({"variant": ["ltc"], encoders.NEIGHBOURS: [0.25]})
    assert findings.neighbouring_steps(spectra, encoders.NEIGHBOURS).endswith("ltc 0.250")
    margins = pd.DataFrame({"encoder": ["LTC"], "pairs within the margin (%)": [12.4]})
    assert findings.within_margin(margins).endswith("(%): LTC 12")
    forms = pd.DataFrame(
        {"form": ["released", "released", "described"], "evaluated_trained": [False, False, True]}
    )
    assert findings.moved_by_form(forms).endswith("released 0 of 2, described 1 of 1")


def test_a_loss_below_the_floor_is_named():
    late = pd.DataFrame({"name": ["ac", "fac"], "loss": [0.02, 0.06]})
    marks = {"always 0": 0.09, "noise unknown": 0.05}
    first, second = findings.loss_beside_marks(late, marks)
    assert "0.090 for always 0 and 0.050 for noise unknown: ac 0.020, fac 0.060" in first
    assert second.endswith("foreseen: ac")
    assert findings.loss_beside_marks(late, marks | {"noise unknown": 0.01})[1].endswith(": none")


# --- the combination ------------------------------------------------------------------------------


def test_combinations_above_and_below_their_better_part():
    whole = pd.DataFrame(
        [("all", "a", 1.0, 0.5, 1.5), ("all", "b", -1.0, -1.5, -0.5), ("all", "c", 0.1, -1.0, 1.0),
         ("order", "a", 3.0, 2.0, 4.0)],
        columns=["benchmark", "name", "effect", "low", "high"],
    )  # fmt: skip
    mean, order = findings.above_and_below(whole, ["all", "order"])
    assert mean.startswith("mean of all benchmarks: 1 of 3 combinations beat their better part")
    assert "1 fall short of it, 1 are undecided: a +1.0, b -1.0, c +0.1" in mean
    assert order.startswith("order: 1 of 1 combinations beat")


def test_interactions_readings_and_halves_are_told():
    table = pd.DataFrame(
        [("all", "fwm:ltc", -2.0, -3.0, -1.0), ("order", "fwm:ltc", 9.0, 8.0, 10.0)],
        columns=["benchmark", "pair", "estimate", "low", "high"],
    )
    assert findings.interactions_on_mean(table) == "interactions: fwm:ltc -2.0 [-3.0, -1.0]"
    readings = pd.DataFrame({"name": ["baseline"], "linear": [40.4], "attentive": [60.6]})
    assert findings.read_both_ways(readings, ["baseline", "vclr"]).endswith("baseline 40/61")
    halves = pd.DataFrame({"name": ["baseline", "fwm"], "separation": [0.2, 7.0]})
    assert findings.separation_of_halves(halves, ["fwm", "gone"]).endswith("points: fwm +7.0")


def run(variant, form, benchmark, top1, seed=0, probe="linear", regime="mixed", **more):
    return {
        "variant": variant, "form": form, "regime": regime, "seed": seed, "benchmark": benchmark,
        "probe": probe, "top1": top1, "correct": 1, "n_test": 2, "n_train": 3,
    } | more  # fmt: skip


def cells(probe="linear", benchmark="order", gain=0.0):
    """The crossing with `gain` for VCLR, and nothing else."""
    rows = []
    for base, form in study.FACTORIZED:
        for contrast in ("none", *study.CONTRASTS):
            variant = base if contrast == "none" else study.combined(base, contrast)
            top1 = 20.0 + gain * (contrast == "vclr") + (base != "baseline")
            rows += [run(variant, form, benchmark, top1 + s, s, probe) for s in (0, 1)]
    return pd.DataFrame(rows)


def test_the_design_lists_every_cell_with_its_terms():
    table = crossing.design("smoke").set_index("objective")
    assert len(table) == 16 and table.loc["baseline"].isna().all()
    assert table.ltc["fwm+ltc (described)"] == study.CONTRASTS["ltc"]
    assert "jepa" not in table


def test_the_crossing_is_read_against_the_baseline():
    rows = cells(gain=10)
    effects = crossing.gains_of_crossing(rows).set_index(["benchmark", "name"]).effect
    assert effects["order", "vclr"] == 10 and effects["all", "fwm+vclr (described)"] == 11
    names = crossing.cells_but_baseline(combination.crossed(rows))
    assert len(names) == 15 and names[0] == "ltc"
    assert crossing.interactions(rows).estimate.abs().max() == pytest.approx(0)
    whole = crossing.against_best_part(rows)
    assert set(whole.best_part[whole.name == "fwm+vclr (described)"]) == {"vclr"}
    titles = crossing.pair_titles(crossing.interactions(rows), str.upper)
    assert titles["fwm (described):ltc"] == "FWM (DESCRIBED) × LTC"


def test_probes_are_read_side_by_side():
    both = pd.concat([cells(benchmark="fine_motion"), cells("attentive", "fine_motion", 30.0)])
    table = crossing.readings(both).set_index("name")
    assert table.linear["vclr"] == 20.5 and table.attentive["vclr"] == 50.5


def test_the_question_is_asked_for_every_share_of_labels():
    assert crossing.label_share("linear") == 100 and crossing.label_share("linear_1%") == 1
    assert crossing.label_share("attentive") is None and crossing.label_share("linear_x") is None
    rows = pd.concat([cells(), cells("linear_1%", gain=5.0), cells("attentive")])
    table = crossing.verdicts_by_labels({"x": rows})
    assert table.probe.tolist() == ["linear", "linear_1%"] and table.share.tolist() == [100, 1]
    (few,) = crossing.answers_with_few_labels(table, "x")
    assert few.startswith("linear_1%: On the mean") and "best single part is VCLR" in few
    assert crossing.answers_with_few_labels(table, "y") == []
    assert "best single part is VCLR" not in crossing.answers(rows, ["all"])[0]


def test_names_that_are_followed_are_runs_of_the_study():
    asked = set(study.NOTEBOOK_RUNS["13"])
    for names in crossing.runs_of_interest().values():
        for title in names:
            variant, described = title.removesuffix(" (described)"), title.endswith("(described)")
            assert (variant, "described" if described else "released") in asked


def test_weights_used_stand_beside_those_that_match():
    matched = pd.DataFrame({"term": ["iic"] * 3, "step": [0, 1, 2], "matched": [0.1, 0.3, 0.2]})
    (row,) = crossing.weights_used(matched).to_dict("records")
    assert row == {
        "term": "iic", "min": 0.1, "median": 0.2, "max": 0.3, "used": study.CONTRASTS["iic"]
    }  # fmt: skip
    said = findings.matched_and_used(crossing.weights_used(matched))
    assert said.endswith(f"iic 0.1000 to 0.3000, used {study.CONTRASTS['iic']:g}")


def test_domains_differ_where_the_table_says():
    table = crossing.domain_differences()
    assert (table["in domain"] != table.shifted).all() and set(table.pair) == {
        "actions → shift_kinetics",
        "fine_motion → shift_hacs",
    }
    pairs = crossing.paired_domains()
    assert pairs.benchmark.tolist() == ["actions", "shift_kinetics", "fine_motion", "shift_hacs"]
    assert pairs.role[3] == "HACS"


def test_transfer_is_laid_out_by_objective_and_data():
    rows = pd.DataFrame(
        [("vclr", "mixed", "order", 9.0), ("vclr", "ucf101", "order", 4.0),
         ("baseline", "mixed", "shift_hacs", 3.0), ("vclr", "mixed", "shift_hacs", 2.0)],
        columns=["name", "regime", "benchmark", "top1"],
    ).assign(source="x")  # fmt: skip
    assert crossing.by_pretraining(rows).order.to_dict()["vclr, ucf101"] == 4
    assert len(crossing.transfer_to_shifted(rows)) == 2 and crossing.source_of(rows) == "x"
    assert findings.best_pretraining(rows) == (
        "best pretraining for order: vclr on mixed (9.0), shift_hacs: baseline on mixed (3.0)"
    )


def test_what_is_kept_outside_the_domain():
    rows = [
        run("baseline", "released", "actions", 50.0), run("vclr", "released", "actions", 80.0),
        run("baseline", "released", "shift_kinetics", 40.0),
        run("vclr", "released", "shift_kinetics", 60.0),
        run("vclr", "released", "shift_kinetics", 1.0, regime="stills"),
    ]  # fmt: skip
    shift = crossing.shift_of_mixture(pd.DataFrame(rows))
    (said,) = findings.kept_outside(shift, combination.SHIFTED, ["baseline", "vclr"])
    assert said == (
        "actions → shift_kinetics: baseline 50.0 → 40.0 (keeps 76 % of its score), best outside "
        "vclr 60.0 (keeps 72 % of its score); vclr 80.0 → 60.0"
    )


def test_few_labels_are_told_beside_all_of_them():
    rows = [
        run("vclr", "released", "order", top1, seed, probe)
        for probe, top1 in (("linear", 60.0), ("linear_1%", 20.0), ("linear_50%", 50.0))
        for seed in (0, 1)
    ] + [run("vclr", "released", "order", 1.0, regime="stills")]
    few = crossing.few_labels_of_mixture(pd.DataFrame(rows))
    (said,) = findings.fewest_labels(few, ["order"], ["vclr"])
    assert said == "order with 1 % of the labels: vclr 20.0 (all labels 60.0)"
    counts = crossing.labelled_clips(few.assign(source="x", n_train=few.share * 2))
    assert counts.to_dict("records") == [
        {"source": "x", "benchmark": "order", 1.0: 2.0, 50.0: 100.0, 100.0: 200.0}
    ]


# --- what gradients reach -------------------------------------------------------------------------


def reach_rows(*rows):
    columns = ["variant", "form", "term", "part", "step", "reaches", "relative", "cosine"]
    return pd.DataFrame(rows, columns=columns)


REACH = reach_rows(
    ("hw", "released", "jepa", "context_encoder", 0, True, 1.0, 1.0),
    ("hw", "released", "hw", "context_encoder", 0, True, 1.1, 0.9),
    ("hw", "released", "hw", "context_encoder", 5, True, 1.2, 0.8),
    ("hw", "released", "hw", "predictor", 0, True, 9.0, 0.1),
    ("delta", "released", "delta", "context_encoder", 0, True, 0.5, -0.3),
    ("delta", "released", "context", "context_encoder", 0, True, 0.5, 0.3),
    ("delta", "described", "delta", "context_encoder", 0, True, 0.5, -0.9),
)


def test_alignment_has_a_column_a_look():
    table = reach_of_variants.alignment(REACH).set_index(["variant", "form", "term"])
    hw = table.loc[("hw", "released", "hw")]
    assert hw.to_dict() == {
        "relative norm, step 0": 1.1, "relative norm, step 5": 1.2, "cosine, step 0": 0.9,
        "cosine, step 5": 0.8,
    }  # fmt: skip
    assert ("hw", "released", "jepa") not in table.index
    alone = reach_of_variants.terms_alone(REACH, ["hw", "delta"])
    assert set(alone.term) == {"hw", "delta"} and set(alone.form) == {"released"}
    assert reach_of_variants.cosine_map(alone).loc["hw"].to_dict() == {"step 0": 0.9, "step 5": 0.8}
    said = reach_of_variants.against_jepa(alone)
    assert "1 of 2 terms point against the JEPA gradient (delta)" in said and "(hw)" in said
    other = reach_of_variants.against_jepa(alone.assign(cosine=0.1))
    assert "0 of 2 terms point against the JEPA gradient (none), 0 along" in other


def test_every_variant_is_audited_but_the_crossing_once():
    names = reach_of_variants.variants_to_audit()
    assert len(names) == len(set(names)) and set(names) <= set(study.VARIANTS)
    assert {"baseline", "ltc", "vclr", "hw1", "no_ema", "fwm_hw_ld+vclr"} <= set(names)
    assert not {"fwm+ltc", "fwm_hw_ld+vclr_dynamics", "fwm_hw_ld+iic"} & set(names)
    off = reach_of_variants.variants_without_ema()
    assert {"kinematic", "sigreg_no_ema", "no_ema"} <= set(off) and "sigreg" not in off


def test_several_variants_are_audited_in_their_forms(smoke_sets):
    reach, moved = reach_of_variants.audit_variants(["no_ema", "hw"], "smoke", smoke_sets, 1)
    rows = reach_of_variants.evaluated_moved(moved).to_dict("records")
    assert rows == [
        {"variant": "no_ema", "form": "released", "evaluated_trained": False},
        {"variant": "no_ema", "form": "described", "evaluated_trained": True},
        {"variant": "hw", "form": "released", "evaluated_trained": True},
    ]
    assert set(reach.variant) == {"no_ema", "hw"}


def test_published_rows_of_one_encoder_are_alike():
    main = pd.DataFrame(
        {"ema": [0, 0, 1], "benchmark": "ssv2", "top1_percent": [10.0, 10.5, 40.0], "n_val": 1000}
    )
    (row,) = reach_of_variants.one_proportion(main, ["ssv2"]).itertuples()
    assert (row.rows, row.lowest, row.highest) == (2, 10.0, 10.5) and row.p > 0.5
    apart = main.assign(top1_percent=[10.0, 20.0, 40.0])
    found = reach_of_variants.one_proportion(apart, ["ssv2"])
    assert found.p[0] < 1e-6
    (said,) = reach_of_variants.proportions_found(found)
    assert said == "EMA-off rows on ssv2: 2 results, 10.00-20.00 %, p = 0.00"


def test_what_trains_nothing_is_named():
    table = pd.DataFrame(
        [("hw_ld", "released", "ld", True), ("kinematic", "released", "–", False),
         ("ld", "released", "–", True)],
        columns=["variant", "form", "terms reaching nothing", "evaluated encoder trained"],
    )  # fmt: skip
    assert reach_of_variants.nothing_trained(table) == [
        "terms that train nothing: hw_ld (released)",
        "evaluated encoder is its initialisation: kinematic (released)",
    ]
    assert reach_of_variants.nothing_trained(table[2:]) == [
        "terms that train nothing: none",
        "evaluated encoder is its initialisation: none",
    ]
    facts = pd.DataFrame({"measured": ["one", "two"], "confirmed": [True, False]})
    assert reach_of_variants.facts_found(facts) == ["confirmed: one", "NOT confirmed: two"]


# --- the protocol, the report ---------------------------------------------------------------------


def test_the_protocol_is_told_from_its_settings():
    table = settings_tables.protocol_table().set_index("benchmark")
    assert set(table.index) == set(paper.PROTOCOLS) and not table["in the source"]["hacs"]
    sizes = settings_tables.settings_table(paper.Settings()).set_index("setting").value
    schedule = paper.Settings().schedule
    assert sizes["steps x batch"] == f"{schedule.steps} x {schedule.batch}"
    assert sizes["encoder"].startswith(f"width {paper.Settings().model.width}, depth")


def test_the_report_counts_what_it_shows():
    made = pd.DataFrame(
        {"notebook": ["05_x", "06_y"], "name": "n", "kind": "table", "profile": "mini",
         "runs": [["a", "b"], ["b"]], "commit": ["c" * 40, "d" * 40], "caption": "", "files": ""}
    )  # fmt: skip
    assert report.summary(made) == "2 artefacts from 2 notebooks and 2 runs, of 2 commit(s)"
    short = report.overview(made)
    assert short.runs.tolist() == [2, 1] and short.commit[0] == "c" * 12 and "files" not in short
