"""The registry: names, forms, profiles, and runs that are shared where they are the same."""

from dataclasses import replace

import pandas as pd
import pytest
import torch

from vjepa_lib import study
from vjepa_lib.audit import published
from vjepa_lib.datasets.synthetic import BENCHMARKS
from vjepa_lib.errors import ConfigError, RunStoreError
from vjepa_lib.study import recorded
from vjepa_lib.study.store import config_hash


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
        1.0,
        0.05,
        0.01,
        1.0,
        1.0,
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
    table = study.metrics(configs, progress=False)
    assert set(table.benchmark) == set(BENCHMARKS)
    again, _ = study.train_run(configs[0], None)
    pd.testing.assert_series_equal(again.top1, table.top1, check_exact=True)
    assert set(study.curves(configs).columns) >= {"step", "total", "jepa", "rank_me", "seed"}


def test_random_init_is_not_trained(smoke_sets):
    metrics, curves = study.train_run(study.resolve("random_init", profile="smoke"), None)
    assert curves.empty
    # Six linear probes, each with two low-shot ones, an attentive one, and the leakage of two
    # factors from the whole latent and from two halves cut in two ways.
    assert metrics.probe.value_counts().to_dict() == {
        "linear": 6,
        "linear_10%": 6,
        "linear_50%": 6,
        "leakage": 10,
        "attentive": 1,
    }


@pytest.mark.parametrize(
    ("variant", "form"),
    [
        ("hw_ld", "released"),
        ("fwm_hw_ld", "released"),
        ("no_ema", "released"),
        ("kinematic_anneal", "released"),
        ("sigreg_no_ema", "released"),
    ],
)
def test_a_shared_run_is_the_same_to_the_last_bit(variant, form, smoke_sets):
    own = study.resolve(variant, form, "smoke", 1)
    shared = study.canonical(own)
    assert config_hash(own) != config_hash(shared)
    encoders = [study.pretrained_encoder(c, smoke_sets).state_dict() for c in (own, shared)]
    assert all(torch.equal(encoders[0][k], encoders[1][k]) for k in encoders[0])
    # The described form is another encoder.
    other = study.pretrained_encoder(study.resolve(variant, "described", "smoke", 1), smoke_sets)
    assert not all(torch.equal(encoders[0][k], v) for k, v in other.state_dict().items())


def test_only_what_is_the_same_is_shared():
    shared = {
        (v, f): study.trained_as(v, f)[:2]
        for v in study.VARIANTS
        for f in study.FORMS
        if study.trained_as(v, f)[0] != v
    }
    off = {v.name for v in study.VARIANTS.values() if not v.ema}
    assert shared == {(v, "released"): ("random_init", "released") for v in off} | {
        ("hw_ld", "released"): ("hw1", "released"),
        ("fwm_hw_ld", "released"): ("fwm_hw", "released"),
    }
    assert study.trained_as("baseline", regime="ucf101") == ("ucf_baseline", "released", None)
    assert study.trained_as("ucf_baseline", regime="mixed") == ("baseline", "released", None)
    assert study.trained_as("vclr", regime="stills") == ("vclr", "released", "stills")


def test_the_combination_is_crossed_in_full():
    rows = set(study.NOTEBOOK_RUNS["13"])
    assert {(study.combined(v, c), f) for v, f in study.FACTORIZED for c in study.CONTRASTS} <= rows
    # Random; the crossing; contrast on either half; four objectives on four kinds of data; the five
    # other cells of the factorial, as parts, and a supervised model, as ceiling.
    assert len(rows) == 1 + 4 * 4 + 3 * 2 + 4 * 4 + 5 + 1
    half = study.resolve("fwm_hw_ld+iic_dynamics", "described").train.terms[-1]
    assert (half.name, half.weight, half.form) == ("iic", study.CONTRASTS["iic"], "described")
    assert dict(half.options) == {"channels": "dynamics"}


def test_a_run_keeps_its_encoder(smoke_sets, tmp_path, monkeypatch):
    monkeypatch.setenv("VJEPA_RUNS", str(tmp_path))
    config = study.resolve("hw_ld", "released", "smoke", 0)
    with pytest.raises(RunStoreError, match="no finished run"):
        study.load_encoder(config)
    table = study.metrics([config], progress=False)
    assert set(table.variant) == {"hw_ld"} and set(table.trained_as) == {"hw1 (released)"}
    kept = study.load_encoder(config).state_dict()
    fresh = study.pretrained_encoder(config, smoke_sets).state_dict()
    assert all(torch.equal(kept[k], fresh[k]) for k in kept)


def test_mini_leaves_what_is_large_to_the_recorded_runs():
    """One seed of every idea is trained while a reader waits; what is left out is recorded."""
    live = study.runs_for(study.NOTEBOOK_RUNS, "mini")
    assert {c.seed for c in live} == {0} and len(live) < 60
    names = {(c.variant, c.form, c.regime) for c in live}
    kept = recorded.runs()
    recorded_too = set(zip(kept.variant, kept.form, kept.regime, strict=True))
    assert names <= recorded_too
    for number, asked in study.NOTEBOOK_RUNS.items():
        trained = study.configs_of(asked, "mini", (0,))
        assert any(study.canonical(c).pretrained for c in trained), number
    halves = [c for c in study.configs_of(study.NOTEBOOK_RUNS["13"], "small", (0,))]
    assert any(c.variant.endswith("_appearance") for c in halves)
    assert not any(c.variant.endswith("_appearance") for c in live)
    whole = {(c.variant, c.form) for c in live if "+" in c.variant}
    assert whole == {(study.combined("fwm_hw_ld", c), "described") for c in study.CONTRASTS}
    terms = {t.name for c in live for t in c.train.terms}
    everything = study.runs_for(study.NOTEBOOK_RUNS, "small")
    assert terms == {t.name for c in everything for t in c.train.terms}
