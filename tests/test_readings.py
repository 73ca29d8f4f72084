"""The published table read: each reading against the same thing done by hand."""

import numpy as np
import pandas as pd
import pytest

from vjepa_lib.audit import published, readings, twelve_claims, verdicts
from vjepa_lib.audit.verdicts import own_run_evidence
from vjepa_lib.show.look import label
from vjepa_lib.show.look import published as say


@pytest.fixture(scope="module")
def results():
    return published.load_results()


@pytest.fixture(scope="module")
def differences(results):
    return readings.differences_in_order(results.differences("mixed"))


# --- rows -----------------------------------------------------------------------------------------


def test_footnotes_leave_out_gaps_of_the_other_regime(results):
    odd, shown = results.oddities(), readings.footnotes(results)
    left_out = odd.drop(index=shown.index)
    assert len(left_out) and (left_out.what == "not published").all()
    assert (left_out.regime != "mixed").all()
    assert "not published" in set(shown.what[shown.regime == "mixed"])


def test_rows_with_intervals_stand_in_the_order_of_the_table(results):
    rows = readings.with_intervals(results, "mixed")
    assert list(dict.fromkeys(rows.benchmark)) == list(readings.MAIN)
    first = rows[rows.benchmark == "imagenet100"].variant.tolist()
    assert first == [v for v in results.wide("mixed").index if v in first]
    lines = readings.baseline_lines(results, "mixed")
    assert set(lines["imagenet100"]) == {"baseline", "baseline_seed42"}
    assert set(lines["diving48"]) == {"baseline_seed42"}  # seed 239 was not read there
    assert lines["ssv2"]["baseline"] == results.row("mixed", "baseline", "ssv2")["top1_percent"]
    lonely = readings.with_intervals(results, "ucf101")
    assert set(lonely.benchmark) <= set(results.benchmarks("ucf101"))


def test_differences_keep_their_numbers_and_come_in_order(results, differences):
    raw = results.differences("mixed")
    keys = ["variant", "benchmark", "baseline"]
    both = differences.merge(raw, on=keys, validate="one_to_one", suffixes=("", "_raw"))
    assert len(both) == len(raw) and (both.difference == both.difference_raw).all()
    assert list(dict.fromkeys(differences.benchmark)) == list(readings.MAIN)
    assert differences.baseline.iloc[0] == "baseline_seed42"  # the paper's own comparison first
    claimed = readings.differences_in_order(raw, twelve_claims.CLAIMED)
    pairs = set(zip(claimed.variant, claimed.benchmark, strict=True))
    assert pairs == set(twelve_claims.CLAIMED)


def test_the_map_puts_both_baselines_side_by_side(differences):
    points, clear = readings.map_of_differences(differences, label)
    assert list(points.columns) == [
        "ImageNet-100\nseed 42", "ImageNet-100\nseed 239", "SSv2\nseed 42", "SSv2\nseed 239",
        "Diving-48\nseed 42",
    ]  # fmt: skip
    assert points.iloc[:, 0].is_monotonic_decreasing
    assert clear.shape == points.shape and set(np.unique(clear)) == {False, True}
    row = differences[
        (differences.variant == "ld")
        & (differences.benchmark == "ssv2")
        & (differences.baseline == "baseline")
    ].iloc[0]
    assert points.loc["ld", "SSv2\nseed 239"] == row.difference
    assert clear.loc["ld", "SSv2\nseed 239"] == row.clear


def test_sign_changes_are_those_with_a_baseline_on_either_side():
    rows = [("a", "x", "p", 1.0), ("a", "x", "q", -1.0), ("b", "x", "p", 1.0), ("b", "x", "q", 2.0)]
    rows += [("c", "x", "p", -1.0)]  # known against one baseline only
    table = pd.DataFrame(rows, columns=["variant", "benchmark", "baseline", "difference"])
    found = readings.sign_changes(table)
    assert found.variant.tolist() == ["a"] and found[["p", "q"]].iloc[0].tolist() == [1.0, -1.0]


def test_detectable_and_bands_are_those_of_the_regimes(results):
    table = readings.detectable(results)
    assert table.columns[0] == "regime" and set(table.regime) == set(results.regimes)
    own = results.detectable("mixed").reset_index(drop=True)
    assert table[table.regime == "mixed"].drop(columns="regime").equals(own)
    noise = results.baseline_noise("mixed")
    bands = readings.bands(noise)
    assert set(bands) == set(noise.benchmark[noise.band_plugin.notna()])


def test_motion_against_appearance_leaves_out_the_baselines(results):
    table = readings.motion_against_appearance(results).set_index("benchmark")
    wide = results.wide("mixed").drop(index=["baseline", "baseline_seed42"])
    by_hand = wide[["imagenet100", "ssv2"]].dropna().rank().corr().iloc[0, 1]
    assert table.rho["ssv2"] == pytest.approx(by_hand)
    assert table.n["ssv2"] == len(wide.dropna(subset=["ssv2"]))
    ends = readings.with_ends(results, "mixed")
    assert (ends.ssv2_low.dropna() < ends.ssv2.dropna()).all()


def test_rows_without_ema_are_tested_and_told_apart(results):
    table = readings.one_proportion(results).set_index("benchmark")
    rows = results.main[~results.main.ema & (results.main.benchmark == "diving48")]
    low, high = rows.top1_percent.min(), rows.top1_percent.max()
    assert table["top-1 (%)"]["diving48"] == f"{low:.2f}–{high:.2f}"
    assert table.rows["diving48"] == len(rows) and (table.p_holm >= table.p).all()
    control = table.loc["diving48"]
    assert (control.on_rows, control.on_chi2) == (7, pytest.approx(23.69, abs=0.01))
    shown = readings.by_ema(results, "diving48")
    assert list(dict.fromkeys(shown.ema)) == ["EMA on", "EMA off"]
    assert (shown.ema == "EMA off").sum() == len(rows)


def test_few_clips_and_probes(results):
    few = readings.few_clips(results)
    assert list(dict.fromkeys(few.benchmark)) == ["synthetic_motion", "ucf101"]
    probes = readings.probes_of_baseline(results, "diving48")
    assert len(probes) == 8 and probes.top1_percent.is_monotonic_decreasing
    top = probes.top1_percent
    assert readings.span_of_probes(probes).startswith(
        f"8 probes of one encoder span {top.min()} to {top.max()} %"
    )


# --- sentences: other numbers, other sentences ----------------------------------------------------


def test_sentences_follow_the_differences(results, differences):
    noise = results.baseline_noise("mixed")
    assert "3.60 points on ImageNet-100" in readings.between_baselines(noise)
    first, second = readings.losses_on_imagenet(results, differences, say)
    assert first.startswith("Baseline (seed 42): 11 of 15") and "10 of 14" in first
    assert second.startswith("Baseline (seed 239): 5 of 15")
    halved = differences.assign(difference=differences.difference / 100)
    assert "0 of 15" in readings.losses_on_imagenet(results, halved, say)[0]
    said = readings.steady_differences(differences, label)
    assert "LD on SSv2" in said and f"{len(readings.sign_changes(differences))} change sign" in said
    unclear = differences.assign(clear=False)
    assert said != readings.steady_differences(unclear, label)
    assert readings.steady_differences(unclear, label).endswith("gains: none.")
    seen = readings.seen_on_diving48(differences, readings.detectable(results))
    assert seen.startswith("Diving-48: 2 of 14") and "1,970 clips" in seen
    assert readings.seen_on_diving48(unclear, readings.detectable(results)).startswith(
        "Diving-48: 0 of 14"
    )


def test_sentences_of_tests_name_what_was_tested(results):
    said = readings.correlations(readings.motion_against_appearance(results), label)
    assert said[0].startswith("SSv2 against ImageNet-100 over 15 variants: rank correlation +0.80")
    alike = readings.alike_without_ema(readings.one_proportion(results), label)
    assert alike[0].startswith("EMA-off rows on Diving-48: 7 rows")
    assert alike[0].endswith("the 7 rows with EMA on have chi-square 23.7, p = 0.0006.")
    assert any(said.endswith("control: no rows with EMA on.") for said in alike)
    forty = readings.gains_on_forty_clips(readings.few_clips(results), ("kinematic",), label)
    assert forty[0].startswith("Synthetic motion, Kinematic: 67.5 % of 40 clips is 52 to 80 %")


# --- the audit ------------------------------------------------------------------------------------


def own_runs(spread):
    """Linear results of two variants over two seeds, `spread` points apart."""
    rows = []
    for variant, top1 in (("baseline", 50.0), ("ld", 60.0)):
        for seed in (0, 1):
            row = {"variant": variant, "form": "released", "benchmark": "order", "seed": seed}
            rows.append(row | {"top1": top1 + spread * seed, "run": f"{variant}{seed}"})
    return pd.DataFrame(rows).assign(probe="linear")


def test_seed_noise_is_pooled_and_a_shared_run_counts_once():
    table = own_runs(2.0)
    noise = readings.pooled_seed_noise(table)
    assert noise.sd.tolist() == pytest.approx([2**0.5]) and noise.dof.tolist() == [2]
    shared = pd.concat([table, table.assign(form="described")], ignore_index=True)
    assert readings.pooled_seed_noise(shared).dof.tolist() == [2]
    attentive = pd.concat([table, table.assign(probe="attentive", top1=0.0)], ignore_index=True)
    pd.testing.assert_frame_equal(readings.pooled_seed_noise(attentive), noise)


def test_the_audit_is_told_from_its_tables(results):
    book = published.load_claims()
    effects = pd.DataFrame(
        {"variant": ["ld"], "benchmark": ["order"], "form": ["released"], "effect": [3.0],
         "low": [1.0], "high": [5.0], "n_seeds": [3]}
    )  # fmt: skip
    own = own_run_evidence(effects, twelve_claims.EXPECTED)
    audit = verdicts.audit_claims(book, results, twelve_claims.CHECKS, None, own)
    head, *verdict_lines = readings.verdict_counts(audit)
    held = int((audit.verdicts.verdict == "holds").sum())
    assert head.startswith(f"Of {len(book)} claims, {held} hold")
    named = [line.split(": ")[1] for line in verdict_lines]
    claims = [c for line in named if line != "none" for c in line.split(", ")]
    assert sorted(claims) == sorted(book.index)
    assert "parts that state a number recompute" in readings.numbers_recomputed(audit)
    assert "10 of 14 stated" in readings.stated_and_recomputed(audit, "10 of 14")
    assert len(readings.said_verified(book, audit)) == int(book.verified_in_report.sum())
    assert "±7." in readings.single_runs(results)
    both = readings.evidence_of_each({"mini, live": own, "small, recorded": own})
    assert both.source.tolist() == len(own) * ["mini, live"] + len(own) * ["small, recorded"]
    said = readings.own_outcomes(own, "mini, live")
    assert len(said) == len(own) > 0 and "ld (released) on order +3.0 points" in said[0]


def test_outcomes_of_own_runs_are_counted_by_claim():
    own = pd.DataFrame(
        {
            "claim": ["C02", "C01", "C02", "C02"],
            "outcome": ["opposite", "unclear", "as claimed", "opposite"],
        }
    )
    assert readings.outcomes_counted(own) == [
        "C01: 1 own effects, 0 as claimed, 0 opposite, 1 unclear",
        "C02: 3 own effects, 1 as claimed, 2 opposite, 0 unclear",
    ]
