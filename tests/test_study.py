"""The registry: names, forms, profiles, and runs that are shared where they are the same."""

from dataclasses import replace

import pandas as pd
import pytest

from vjepa_lib import published, study
from vjepa_lib.errors import ConfigError
from vjepa_lib.runs import config_hash


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ConfigError, match=r"fwm_hw_ld"):
        study.resolve("fwmhwld")
    with pytest.raises(ConfigError, match="smoke, mini, small, paper"):
        study.resolve("baseline", profile="huge")
    with pytest.raises(ConfigError, match="released, described"):
        study.resolve("baseline", "imagined")
    with pytest.raises(ConfigError, match="mixed"):
        study.resolve("baseline", regime="k400")
    with pytest.raises(ConfigError, match="docs/datasets"):
        study.resolve("baseline", profile="paper")


def test_forms_that_train_the_same_are_one_run():
    for name in study.VARIANTS:
        a, b = (config_hash(study.resolve(name, f)) for f in study.FORMS)
        assert (a != b) is study.differs(name), name
    assert not study.differs("ld") and study.differs("hw_ld") and study.differs("kinematic")


def test_published_variants_are_all_here():
    rename = {"baseline_seed42": "baseline"}
    table = published.load_results().table
    names = {
        ("ucf_" + v if r == "ucf101" and v in ("baseline", "motion_guided") else rename.get(v, v))
        for r, v in zip(table.regime, table.variant, strict=True)
    }
    assert names <= set(study.VARIANTS)


def test_weights_of_the_study():
    terms = {t.name: t for t in study.resolve("fwm_hw_ld", "described").train.terms}
    assert [terms[n].weight for n in ("jepa", "fwm_static", "fwm_orth", "hw", "ld")] == [
        1.0, 0.05, 0.01, 1.0, 1.0,
    ]
    assert dict(terms["ld"].options)["channels"] == "dynamics"
    assert {t.form for t in terms.values()} == {"released", "described"}
    paper = study.PROFILES["paper"]
    assert paper.schedule.momentum == 0.99925 and paper.schedule.lr == 6e-4
    assert paper.schedule.steps == 30_000 and paper.schedule.context_lambda(0.5) == 0


def test_any_setting_changes_the_address():
    c = study.resolve("baseline")
    for other in (
        replace(c, seed=1),
        replace(c, data=replace(c.data, test=801)),
        replace(c, train=replace(c.train, schedule=replace(c.train.schedule, lr=1e-3))),
    ):
        assert config_hash(other) != config_hash(c)


def test_factorial_covers_its_cells():
    for key, name in study.FACTORIAL.items():
        used = {t for t, _, _ in study.get_variant(name).terms}
        assert tuple(int(f in {t.split("_")[0] for t in used}) for f in study.FACTORS) == key


def test_results_train_once_and_repeat_to_the_last_digit(smoke_sets, tmp_path, monkeypatch):
    monkeypatch.setenv("VJEPA_RUNS", str(tmp_path))
    configs = [study.resolve("fwm_hw_ld", "described", "smoke", 0)]
    table = study.results(configs, progress=False)
    assert set(table.benchmark) == set(study.BENCHMARKS)
    again, _ = study.train_run(configs[0], None)
    pd.testing.assert_series_equal(again.top1, table.top1, check_exact=True)
    assert set(study.curves(configs).columns) >= {"step", "total", "jepa", "rank_me", "seed"}


def test_random_init_is_not_trained(smoke_sets):
    metrics, curves = study.train_run(study.resolve("random_init", profile="smoke"), None)
    assert curves.empty and len(metrics) == 7
