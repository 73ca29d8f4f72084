"""The published tables: what is in them, and that a broken file is told by line and column."""

import numpy as np
import pandas as pd
import pytest

from vjepa_lib.audit import published, reading, readings
from vjepa_lib.errors import ConfigError, DataError

HEADER = "variant,benchmark,n_val,top1_percent\n"


@pytest.fixture(scope="module")
def results():
    return published.load_results()


def test_all_88_results_and_12_claims_are_there(results):
    assert len(results.table) == 88
    assert results.regimes == ("mixed", "ucf101")
    claims = published.load_claims()
    assert len(claims) == 12 and list(claims.index[claims["verified_in_report"]]) == ["C03"]
    assert claims["confidence_in_report"].sum() == pytest.approx(1.02)


def test_types(results):
    t = results.table
    assert t["ema"].dtype == bool and t["n_val"].dtype == "Int64"
    assert (
        t["probe_epochs"].isna().sum()
        == t["benchmark"].isin(["synthetic_motion", "ucf101", "ucf101_subset"]).sum()
    )
    assert ((t["low"] < t["top1_percent"]) & (t["top1_percent"] < t["high"])).all()


def test_both_mixed_baselines_the_paper_s_own_first(results):
    assert results.baselines["mixed"] == ("baseline_seed42", "baseline")
    seeds = results.main.set_index(["regime", "variant"])["pretrain_seed"]
    assert set(seeds["mixed", "baseline_seed42"]) == {42}
    assert set(seeds["mixed", "baseline"]) == {239}
    assert results.row("mixed", "baseline", "diving48") is None


def test_probe_of_the_router_study_stays_out_of_the_comparison(results):
    assert results.row("ucf101", "baseline", "diving48")["top1_percent"] == 8.38
    assert (results.regime("ucf101")["benchmark"] == "diving48").sum() == 8 + 13


def test_wide_and_variants(results):
    wide = results.wide("mixed")
    assert wide.shape == (17, 3) and list(wide.index[:2]) == ["baseline_seed42", "baseline"]
    assert len(results.variants("mixed")) == 15
    assert len(results.variants("mixed", complete=True)) == 14
    assert "motion_guided" not in results.variants("mixed", complete=True)


def test_differences_to_both_baselines(results):
    d = results.differences("mixed").set_index(["baseline", "variant", "benchmark"])
    assert d.loc[("baseline_seed42", "fwm_hw_ld", "imagenet100"), "difference"] == pytest.approx(
        5.92
    )
    assert d.loc[("baseline", "fwm_hw_ld", "imagenet100"), "difference"] == pytest.approx(9.52)
    assert ("baseline", "fwm", "diving48") not in d.index
    in100 = d.xs("imagenet100", level="benchmark")["difference"]
    assert (in100["baseline_seed42"] < -5).sum() == 11  # 10 without motion_guided
    assert (in100["baseline"] < -5).sum() == 5 and len(in100["baseline"]) == 15


def test_differences_name_what_else_changed(results):
    d = results.differences("mixed").set_index(["baseline", "variant", "benchmark"])["differs_in"]
    assert d["baseline_seed42", "fwm_hw_ld", "ssv2"] == "pretrain_seed, probe_epochs"
    assert d["baseline", "fwm_hw_ld", "ssv2"] == "probe_epochs"
    assert d["baseline", "fwm", "ssv2"] == ""
    ucf = results.differences("ucf101").set_index(["variant", "benchmark"])["differs_in"]
    assert ucf["kinematic", "diving48"] == "ema"


def test_interval_for_the_whole_family_is_wider(results):
    d = results.differences("mixed")
    assert (d["low_all"] < d["low"]).all() and (d["high_all"] > d["high"]).all()
    assert (d["p_adjusted"] >= d["p"]).all()


def test_detectable_and_noise(results):
    d = results.detectable("mixed").set_index(["benchmark", "baseline"])
    assert d.loc[("diving48", "baseline_seed42"), "half_width"] == pytest.approx(1.24, abs=0.01)
    assert (d["fall_all"] > d["fall"]).all()
    noise = results.baseline_noise("mixed").set_index("benchmark")
    assert noise.loc["imagenet100", "gap"] == pytest.approx(3.60)
    assert noise.loc["ssv2", "gap"] == pytest.approx(1.77)
    assert np.isnan(noise.loc["diving48", "sd"])


def test_two_seeds_of_one_method_bound_what_is_clear(results):
    assert results.seed_band("mixed", "imagenet100") == (pytest.approx(7.06, abs=0.01), "mixed")
    assert results.seed_band("mixed", "ssv2") == (pytest.approx(3.47, abs=0.01), "mixed")
    # One baseline: the band of the same benchmark in the other regime; none for Diving-48.
    assert results.seed_band("ucf101", "ssv2")[1] == "mixed"
    assert np.isnan(results.seed_band("ucf101", "diving48")[0])
    d = results.differences("mixed").set_index(["baseline", "variant", "benchmark"])
    for benchmark in ("imagenet100", "ssv2"):
        own = d.loc["baseline_seed42", "fwm_hw_ld", benchmark]
        assert own["clear"] and not own["clear_of_seeds"]
    assert d.loc[("baseline", "fwm_hw_ld", "imagenet100"), "clear_of_seeds"]


def test_ema_off_rows_are_alike_and_ema_on_rows_are_not(results):
    found = readings.spread_by(results, "ema", "ucf101").set_index(["benchmark", "ema"])
    on, off = found.loc[("diving48", True)], found.loc[("diving48", False)]
    assert (on["rows"], on["dof"], off["rows"], off["dof"]) == (7, 6, 7, 6)
    assert on["chi2"] == pytest.approx(23.69, abs=0.01) and on["p"] == pytest.approx(6e-4, abs=1e-5)
    assert off["p"] == pytest.approx(0.99, abs=0.001) and off["p_alike"] < 0.01


def test_oddities(results):
    odd = results.oddities()
    epochs = odd[odd["what"].str.contains("probe epochs")]
    assert set(epochs["variant"]) == {"fwm_ld", "hw_ld", "fwm_hw_ld"} and len(epochs) == 6
    named = odd[odd["what"].str.contains("names this row")]
    assert named[["variant", "benchmark"]].to_numpy().tolist() == [["hw", "diving48"]]
    assert not odd["what"].str.contains("whole number").any()


def test_oddities_finds_an_impossible_accuracy(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text(HEADER + "a,x,40,27.50\nb,x,40,28.00\n")
    odd = published.load_results(path).oddities()
    assert odd[["variant", "what"]].to_numpy().tolist() == [
        ["b", "no whole number of clips gives this accuracy"]
    ]


def test_a_minimal_table_is_enough(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text(HEADER + "base,x,400,50\nnew,x,400,60\n")
    r = published.load_results(path, {"all": ["base"]})
    d = r.differences("all")
    assert d["difference"].tolist() == [10.0] and d["differs_in"].tolist() == [""]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("a,x,400,abc\n", "line 2, top1_percent: 'abc' is not a number"),
        ("a,x,400,5\nb,x,400,101\n", "line 3, top1_percent: write a percentage"),
        ("a,x,0,5\n", "line 2, n_val"),
        ("a,x,4.5,5\n", "line 2, n_val"),
        ("a,x,,5\n", "line 2, n_val"),
        ("a,,400,5\n", "line 2, benchmark: empty"),
        ("a,x,400,5\na,x,400,6\n", "line 3, variant: .* is there twice"),
        ("", "no rows"),
    ],
)
def test_broken_rows_are_told_by_line_and_column(tmp_path, rows, words):
    path = tmp_path / "r.csv"
    path.write_text(HEADER + rows)
    with pytest.raises(DataError, match=words) as error:
        published.load_results(path)
    assert "r.csv" in str(error.value)


def test_broken_files(tmp_path):
    with pytest.raises(DataError, match=r"nowhere.csv"):
        published.load_results(tmp_path / "nowhere.csv")
    path = tmp_path / "r.csv"
    path.write_text("variant,benchmark\na,x\n")
    with pytest.raises(DataError, match=r"lacks the column.* n_val, top1_percent"):
        published.load_results(path)
    path.write_text(HEADER.replace("\n", ",ema\n") + "a,x,400,5,maybe\n")
    with pytest.raises(DataError, match="line 2, ema: write 'yes' or 'no'"):
        published.load_results(path)
    path.write_text(HEADER + "a,x,400,5\n")
    with pytest.raises(ConfigError, match=r"'b'.*found: a"):
        published.load_results(path, {"all": ["b"]})


def test_broken_claims(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text("id,claim\nC1,one\nC1,two\n")
    with pytest.raises(DataError, match="line 3, id"):
        published.load_claims(path)
    path.write_text("id,claim,verified_in_report\nC1,one,perhaps\n")
    with pytest.raises(DataError, match="line 2, verified_in_report"):
        published.load_claims(path)
    path.write_text("id,claim,confidence_in_report\nC1,one,3\n")
    with pytest.raises(DataError, match="line 2, confidence_in_report"):
        published.load_claims(path)


def test_unknown_names_list_the_known(results):
    with pytest.raises(ConfigError, match="mixed, ucf101"):
        results.regime("all")
    with pytest.raises(ConfigError, match="choose one of ac,"):
        results.row("mixed", "nope", "ssv2")
    with pytest.raises(DataError, match="/no/such"):
        reading.find_folder("/no/such")


def test_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(published.load_results().table) == 88
    assert isinstance(published.load_claims(), pd.DataFrame)
