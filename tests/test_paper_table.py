"""The tables of `paper`: groups of one protocol, marks beside published numbers, means over seeds.

Stores are made here without training anything: configurations as `train` and `probe` write them.
"""

import json
import math
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from vjepa_lib import paper, study
from vjepa_lib.analysis.statistics import mean_interval, paired_differences
from vjepa_lib.errors import RunStoreError
from vjepa_lib.paper import protocols, wide
from vjepa_lib.paper.__main__ import main
from vjepa_lib.paper.config import PROTOCOLS, Settings
from vjepa_lib.paper.probing import ProbeRun
from vjepa_lib.paper.tables import table_and_groups
from vjepa_lib.paper.training import SetUsed, StartedRun, TrainingRun
from vjepa_lib.study.store import config_hash, plain
from vjepa_lib.video.clip_reader import ClipSpec

NO_CURVES = pd.DataFrame({"step": []})
SIZES = {"diving48": (15027, 1970), "ssv2": (168913, 24777), "imagenet100": (126689, 5000)}


def trained(settings, variant="baseline", form="released", seed=239, regime=None, **changed):
    """A training run as `train` would store it, from manifests of the official sizes."""
    like = study.recipe(variant, form, regime).canonical
    mix = getattr(settings.regimes, like.regime)
    size = (settings.model.height, settings.model.width_px)
    clip = ClipSpec(settings.model.frames, size, "window", mix.frame_step, mix.fps, antialias=False)
    data = [SetUsed(n, w, 9537, f"{n}-rows") for n in ("ucf101", "ssv2", "imagenet100")
            if (w := getattr(mix, n))]  # fmt: skip
    data = () if like.kind == "random_init" else tuple(data)
    names = (like.variant, like.form, like.regime, seed)
    init = changed.pop("init", None)
    setup = replace(like.setup(settings.profile, seed), **changed)
    if init:
        return StartedRun(*names, setup, clip, data, init=init)
    return TrainingRun(*names, setup, clip, data)


@pytest.fixture
def lab(tmp_path):
    """Settings at the published sizes, and a function that stores a reading."""

    class Lab:
        settings = Settings(runs=tmp_path / "runs", device="cpu")

        def keep(self, run, settings):
            """Store a training run once; its encoder is not needed."""
            store = self.settings.store
            if not store.path(run).exists():
                store.save(run, pd.DataFrame({"step": [1]}), NO_CURVES, 1.0)
            return config_hash(run)

        def read(self, top1, benchmark="ssv2", settings=None, kept=True, **which):
            settings = settings or self.settings
            limit, rows = which.pop("limit", 0), which.pop("rows", f"{benchmark}-rows")
            n_test, heads = which.pop("n_test", None), which.pop("heads", settings.probes)
            official = which.pop("official", None)
            if official:
                names, encoder = ("official", official[0], "official", 0), official[1]
            else:
                run = trained(settings, **which)
                encoder = self.keep(run, settings) if kept else config_hash(run)
                names = (run.variant, run.form, run.regime, run.seed)
            protocol = PROTOCOLS[benchmark]
            size = (settings.model.height, settings.model.width_px)
            clip = ClipSpec(settings.model.frames, size, antialias=protocol.antialias)
            reading = ProbeRun(*names, encoder, benchmark, protocol, clip, rows, 10, limit, heads)
            n_train, known = SIZES.get(benchmark, (1000, 500))
            n_test = n_test or known
            metrics = pd.DataFrame(
                {
                    "benchmark": benchmark,
                    "probe": probe,
                    "top1": top1,
                    "correct": round(top1 * n_test / 100),
                    "n_test": n_test,
                    "n_train": n_train,
                    "broken": 0,
                    "epochs": heads.linear_epochs if probe == "linear" else heads.epochs,
                    "extension": protocol.extension,
                }
                for probe in protocol.probes
            )
            if official and len(official) > 2:
                metrics["weights"] = official[2]
            self.settings.store.save(reading, metrics, NO_CURVES, 1.0)
            return config_hash(reading)

        def steps(self, steps):
            schedule = replace(self.settings.schedule, steps=steps)
            return replace(self.settings, schedule=schedule)

        def texts(self):
            out = self.settings.runs.parent / "out"
            paper.write_table(self.settings, out)
            return {p.name: p.read_text(encoding="utf-8") for p in out.iterdir()}

    return Lab()


# --- groups ---------------------------------------------------------------------------------------


def test_runs_of_different_protocols_stand_in_groups_that_say_what_differs(lab):
    half = replace(lab.settings, model=replace(lab.settings.model, height=112, width_px=112))
    narrow = replace(lab.settings, model=replace(lab.settings.model, width=384, heads=6))
    heads = replace(lab.settings.probes, epochs=1)
    other = replace(lab.settings, terms=replace(lab.settings.terms, head_hidden=8))
    lab.read(4.0)
    lab.read(4.1, settings=lab.steps(20))
    lab.read(4.2, settings=half)
    lab.read(4.3, settings=narrow)
    lab.read(4.4, heads=heads)
    lab.read(4.5, init="ab" * 32)
    lab.read(4.6, variant="ld")
    lab.read(4.7, variant="ld", settings=other)
    lab.read(4.8, variant="ucf_baseline")
    rows, groups, left_out = table_and_groups(lab.settings)
    assert not left_out
    says = [g.says for g in groups]
    # The published baseline stands with both sizes of heads, which it has not.
    assert len(groups) == len(set(says)) == 8
    assert set(rows[rows.top1 == 4.0].group) == set(rows[rows.top1.isin([4.6, 4.7])].group)
    text = " ".join(says)
    for words in (
        "steps 20 (published 30,000)",
        "pixels of a frame 112 x 112 (published 224 x 224)",
        "encoder width 384 (published 768)",
        "epochs of the attentive head 1 (published 100)",
        "begun at the weights abababab (published random ones)",
        "hidden width of the terms 8 (published 256)",
    ):
        assert text.count(words) == 1, words
    markdown = lab.texts()["paper_table.md"]
    for group in groups:
        assert f"## {group.title}\n\n{group.says}\n" in markdown
    assert groups[0].says.endswith("All these settings are published.")


def test_a_short_run_never_stands_unmarked_beside_a_published_number(lab):
    lab.read(4.0, seed=42)
    lab.read(9.0, settings=lab.steps(20), seed=42)
    rows = paper.table(lab.settings).set_index("top1")
    assert rows.published.eq(8.39).all()
    assert rows.differs.to_dict() == {
        4.0: "settings as published", 9.0: "steps 20 (published 30,000)"
    }  # fmt: skip
    text = lab.texts()["paper_table.md"]
    cells = [line for line in text.splitlines() if "8.39" in line]
    assert [re.search(r"8\.39( \(1\))?", line)[1] for line in cells] == [None, " (1)"]
    assert "(1) Not as published: what the heading of the group says." in text


def test_what_differs_in_one_reading_is_a_note_of_its_own(lab):
    lab.read(11.0, variant="fwm_hw_ld", n_test=20000)
    row = paper.table(lab.settings).iloc[0]
    assert row.differs == (
        "100 epochs of this probe (published 50); 20,000 test clips (published 24,777)"
    )
    text = lab.texts()["paper_table.md"]
    assert f"(1) Not as published: {row.differs}." in text and "11.60 (1)" in text
    assert "nan" not in text


def test_an_untrained_encoder_stands_in_every_group_of_its_geometry(lab):
    half = replace(lab.settings, model=replace(lab.settings.model, frames=8))
    lab.read(3.0, variant="random_init")
    lab.read(4.0)
    lab.read(4.1, settings=lab.steps(20))
    lab.read(4.2, settings=half)
    rows, groups, _ = table_and_groups(lab.settings)
    own = rows[rows.variant == "random_init"]
    shared = rows[rows.top1.isin([4.0, 4.1])]
    assert set(own.group) >= set(shared.group) and len(groups) == 4
    assert not set(own.group) & set(rows[rows.top1 == 4.2].group)
    assert own.published.isna().all()


def test_one_benchmark_read_in_two_ways_is_two_readings(lab):
    lab.read(4.0, "hacs")
    lab.read(5.0, "hacs", limit=100, rows="others")
    lab.read(6.0, "kinetics400", rows="first-rows")
    lab.read(7.0, "kinetics400", rows="second-rows", seed=42)
    tidy = wide.over_seeds(*table_and_groups(lab.settings)[:2])
    assert set(tidy.reading) == {
        f"{b}, {p}, {how}"
        for p in ("attentive", "linear")
        for b, how in (
            ("hacs", "all training clips"), ("hacs", "100 training clips a class"),
            ("kinetics400", "rows first-ro"), ("kinetics400", "rows second-r"),
        )
    }  # fmt: skip
    assert (tidy.n_seeds == 1).all()
    assert "hacs, 100 training clips a class" in lab.texts()["paper_table.md"]


# --- names ----------------------------------------------------------------------------------------


def test_official_weights_have_names_that_tell_them_apart(lab):
    lab.read(30.0, official=("model.pt", "aaaa1111bbbb2222", "V-JEPA 2.1, width 768, depth 12"))
    lab.read(31.0, official=("model.pt", "cccc1111bbbb2222", "V-JEPA 2, width 1024, depth 24"))
    lab.read(32.0, official=("model.pt", "dddd1111bbbb2222"))  # of an earlier version
    texts = lab.texts()
    for name in (
        "model.pt (V-JEPA 2.1, width 768, depth 12, aaaa1111)",
        "model.pt (V-JEPA 2, width 1024, depth 24, cccc1111)",
        "model.pt (dddd1111)",
    ):
        assert all(name in text.replace("\\_", "_") for text in texts.values()), name
    assert "given weights" in texts["paper_wide.md"]
    assert (
        "The group is of no regime of the study, so nothing is compared." in texts["paper_wide.md"]
    )


def test_rows_whose_objective_changed_are_told_apart_by_their_terms(lab):
    def ltc(weight):
        setup = trained(lab.settings, "ltc").train
        terms = [replace(t, weight=weight) if t.name == "ltc" else t for t in setup.terms]
        return tuple(terms)

    lab.read(4.0, variant="ltc")
    lab.read(5.0, variant="ltc", terms=ltc(0.25))
    names = set(paper.table(lab.settings).encoder)
    assert names == {"ltc: 0.5 ltc (released)", "ltc: 0.25 ltc (released)"}
    assert all(name in lab.texts()["paper_table.md"] for name in names)


# --- over seeds -----------------------------------------------------------------------------------

SEEDS = {239: (4.2, 11.5), 42: (4.6, 10.9), 1337: (4.4, 11.9)}


def test_means_intervals_and_paired_differences_are_those_of_analysis(lab):
    for seed, (base, other) in SEEDS.items():
        lab.read(base, seed=seed)
        lab.read(other, seed=seed, variant="vclr")
    lab.read(99.0, seed=7, variant="vclr")  # no baseline of this seed
    lab.read(1.0, settings=lab.steps(20), seed=239)  # nor does another protocol's count
    rows, groups, _ = table_and_groups(lab.settings)
    tidy = wide.over_seeds(rows, groups).set_index(["group", "encoder"])
    base, other = tidy.loc[(1, "baseline")], tidy.loc[(1, "vclr")]
    a, b = (np.array([v[i] for v in SEEDS.values()]) for i in (0, 1))
    want = mean_interval(a, least=base.top1 * 0)
    assert base.top1 == pytest.approx(a.mean()) and base.n_seeds == 3
    assert (base.low, base.high) == pytest.approx((want["low"], want["high"]))
    assert other.n_seeds == 4 and other.seeds == "7, 42, 239, 1337"
    frame = pd.DataFrame(
        {"seed": [*SEEDS] * 2, "variant": ["a"] * 3 + ["b"] * 3, "value": [*a, *b]}
    )
    gain = paired_differences(frame, "a").iloc[0]
    assert other.difference == pytest.approx((b - a).mean()) and other.n_pairs == 3
    assert other.difference_low == pytest.approx(gain.low)
    assert other.p_holm == pytest.approx(gain.p_adjusted) and math.isnan(base.difference)
    text = lab.texts()
    assert (
        f"{other.difference:+.1f} [{gain.low:+.1f}, {gain.high:+.1f}] (3 seeds) *"
        in (text["paper_wide.md"])
    )
    assert r"\begin{tabular}" in text["paper_wide.tex"] and r"95 \%" in text["paper_wide.tex"]
    table = pd.read_csv(lab.settings.runs.parent / "out/paper_wide.csv")
    row = table[(table.group == 1) & (table.encoder == "vclr")].iloc[0]
    assert row["ssv2, attentive_mean: difference"] == pytest.approx((b - a).mean())


def test_one_seed_has_no_interval_and_the_table_says_so(lab):
    lab.read(4.0)
    lab.read(6.0, variant="vclr")
    text = lab.texts()["paper_wide.md"]
    assert text.count(wide.NO_INTERVAL) == 2 and " 4.0 (1 seed) " in text
    assert " +2.0 (1 seed) " in text and not re.search(r"\d \[", text)


@pytest.mark.parametrize(
    "reads, says",
    [
        ([{"variant": "vclr"}], "The group has no baseline, so nothing is compared."),
        ([{}], "no encoder that shares a seed and a reading with baseline"),
        ([{}, {"variant": "vclr", "seed": 3}], "no encoder that shares a seed and a reading"),
        ([{"variant": "ucf_baseline"}], "shares a seed and a reading with ucf_baseline"),
    ],
)
def test_without_a_pair_nothing_is_compared_and_it_is_said(lab, reads, says):
    for which in reads:
        lab.read(4.0, **which)
    assert says in lab.texts()["paper_wide.md"]


def test_a_run_with_two_names_counts_once(lab):
    lab.read(4.0)
    lab.read(9.0, variant="fwm_hw_ld")
    s = replace(lab.settings, variants=("fwm_hw", "fwm_hw_ld", "baseline"))
    rows, groups, _ = table_and_groups(s)
    assert set(rows[rows.top1 == 9].variant) == {"fwm_hw", "fwm_hw_ld"}
    tidy = wide.over_seeds(rows, groups)
    assert list(tidy.encoder) == ["baseline", "fwm_hw"] and (tidy.n_seeds == 1).all()
    assert tidy.also.tolist() == ["-", "fwm_hw_ld"]


# --- mixed and damaged stores -----------------------------------------------------------------


def test_damaged_runs_are_named_and_the_others_are_shown(lab, capsys, tmp_path):
    store = lab.settings.store
    good, half, empty, listed = (
        lab.read(4.0 + i, seed=s) for i, s in enumerate((239, 42, 1337, 5))
    )
    path = store.root / half / "metrics.csv"
    path.write_text(path.read_text()[:40])
    (store.root / empty / "config.json").write_text("")
    (store.root / listed / "config.json").write_text("[]")
    (store.root / ".left.1.part").mkdir()
    (store.root / ".left.1.part/config.json").write_text('{"kind": "probe"}')
    (store.root / "stranger").mkdir()
    (store.root / "stranger/config.json").write_text('{"kind": "probe"}')
    rows, _, left_out = table_and_groups(lab.settings)
    assert set(rows.run) == {good} and len(left_out) == 3
    assert all(said.endswith(".") and "\n" not in said for said in left_out)
    (tmp_path / "paper.toml").write_text('runs = "runs"\ndevice = "cpu"\n')
    command = ["table", "--config", str(tmp_path / "paper.toml"), "--out", str(tmp_path / "out")]
    assert main(command) == 0
    told = capsys.readouterr()
    assert told.err.count("left out of the table: ") == 3 and half in told.err
    assert len(told.out.split()) == 5
    assert all(f"Left out: {said}" in lab.texts()["paper_wide.md"] for said in left_out)
    path = store.root / good / "metrics.csv"
    path.write_text("")
    with pytest.raises(RunStoreError, match="no finished reading: run 'train' and 'probe' first"):
        paper.table(lab.settings)


def test_a_reading_whose_training_is_gone_stands_alone_and_says_so(lab):
    lab.read(4.0, seed=42)
    lab.read(5.0, seed=42, variant="vclr", kept=False)
    rows, groups, _ = table_and_groups(lab.settings)
    assert rows.group.tolist() == [1, 2]
    assert "no whole run of how these encoders were trained" in groups[1].says
    assert "training unknown" in groups[1].title
    lab.read(6.0, seed=42, kept=False, regime="ucf101")
    row = paper.table(lab.settings).set_index("top1").loc[6.0]
    assert pd.isna(row.published) or "training unknown" in row.differs


def test_readings_of_other_code_do_not_stand_among_todays(lab):
    lab.read(4.0, seed=42)
    run = lab.read(5.0, seed=239)
    path = lab.settings.store.root / run
    facts = json.loads((path / "provenance.json").read_text())
    facts["code"]["readings"] = "0" * 12
    (path / "provenance.json").write_text(json.dumps(facts))
    from vjepa_lib.study.integrity import write_manifest

    (path / "manifest.json").unlink()
    write_manifest(path)
    rows, groups, _ = table_and_groups(lab.settings)
    assert rows.set_index("top1").group.to_dict() == {4.0: 1, 5.0: 2}
    assert "made with another version of the readings" in groups[1].says
    assert "another version" in rows.set_index("top1").differs[5.0]


# --- properties -----------------------------------------------------------------------------------

KEYS = ("schedule.steps", "schedule.batch", "sizes.head_hidden", "clips.fps", "encoder.width")
PROTOCOL = st.dictionaries(st.sampled_from(KEYS), st.integers(1, 3)).map(
    lambda found: {"training": "known", "code": "today"} | found
)


@hypothesis_settings(deadline=None, max_examples=200)
@given(st.lists(PROTOCOL, min_size=1, max_size=8))
def test_every_protocol_has_a_group_it_agrees_with_and_no_group_mixes_two(found):
    groups, numbers = protocols.grouped(found)
    assert [g.number for g in groups] == list(range(1, len(groups) + 1))
    assert all(numbers)
    for group in groups:
        inside = [p for p, own in zip(found, numbers, strict=True) if group.number in own]
        assert inside
        for one in inside:
            for other in inside:
                assert protocols.agree(one, other), (one, other)


@pytest.mark.parametrize("regime", ["mixed", "ucf101"])
@pytest.mark.parametrize("variant", ["fwm", "sigreg", "motion_guided", "vclr"])
def test_the_default_settings_are_the_published_protocol_key_by_key(regime, variant):
    run = trained(Settings(), variant, "described", regime=regime)
    config = plain(run)
    found = protocols.of_training(config) | {"regime": run.regime, "code": "today"}
    assert protocols.differences(found) == []
    for section in ("schedule", "encoder", "predictor", "augmentation"):
        assert any(k.startswith(section) for k in protocols.published(regime)), section
    changed = found | {"schedule.betas": [0.5, 0.9], "share.ssv2": 0.5}
    said = protocols.differences(changed)
    assert len(said) == 2 and any(
        "schedule betas 0.5 x 0.9 (published 0.9 x 0.999)" in s for s in said
    )


def test_a_cell_without_a_number_is_a_dash():
    nothing = SimpleNamespace(value=math.nan)
    assert wide._cell(nothing.value, 1.0, 2.0, 0) == "–"
