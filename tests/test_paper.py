"""The profile `paper`, from official annotations to the table, on small files made here."""

import json
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from small_lab import HELD_OUT, TRAIN_CLIPS, make_lab

from vjepa_lib import paper, study
from vjepa_lib.errors import ConfigError, DataError, RunStoreError
from vjepa_lib.evaluation import features
from vjepa_lib.evaluation.extract import extract
from vjepa_lib.evaluation.features import limited_rows, read_features
from vjepa_lib.model.checkpoints import open_encoder
from vjepa_lib.model.vit import V_JEPA_2, Encoder, EncoderConfig, Predictor, PredictorConfig
from vjepa_lib.paper import Settings, config, load_settings, probing, tables, training, training_run
from vjepa_lib.paper.__main__ import main
from vjepa_lib.settings import override
from vjepa_lib.study import fingerprint
from vjepa_lib.study.fingerprint import code_of
from vjepa_lib.study.store import config_hash
from vjepa_lib.training.sources import StreamedClips
from vjepa_lib.video.clip_reader import ClipSpec
from vjepa_lib.video.manifests import read_manifest

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("variant", "form", "regime", "seed")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Six data sets and the settings."""
    return make_lab(tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="module")
def done(made):
    """The same after the documented commands."""
    for command in ("train", "probe"):
        assert main([command, "--config", str(made)]) == 0
    return made


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "paper.toml"
        path.write_text(text)
        return path

    return write


# --- settings ---------------------------------------------------------------------------------


def test_defaults_are_the_protocol(write):
    s = load_settings(write(""))
    assert s == Settings()
    mixed, ucf = s.regimes.mixed, s.regimes.ucf101
    assert (mixed.ucf101, mixed.ssv2, mixed.imagenet100) == (0.2, 0.6, 0.2)
    assert (mixed.frame_step, mixed.fps, ucf.fps, ucf.ucf101) == (2, None, 16, 1)
    assert (s.schedule.steps, s.schedule.batch, s.schedule.accumulate) == (30_000, 32, 4)
    assert (s.model.grid.n, s.model.width, s.predictor.depth) == (1568, 768, 8)
    assert (s.probes.epochs, s.probes.batch, s.probes.lr, s.probes.weight_decay) == (
        100,
        16,
        1e-3,
        0.01,
    )
    assert (s.probes.linear_epochs, s.probes.linear_batch) == (50, 256)
    assert {n: (p.probes, p.split, p.extension) for n, p in paper.PROTOCOLS.items()} == {
        "diving48": (("attentive",), "test", False),
        "ssv2": (("attentive_mean",), "val", False),
        "imagenet100": (("linear",), "val", False),
        "ucf101": (("attentive", "linear"), "test", True),
        "kinetics400": (("attentive", "linear"), "val", True),
        "hacs": (("attentive", "linear"), "val", True),
    }


def test_a_file_replaces_what_it_says(write):
    path = write(
        'workers = 2\nvariants = ["hw"]\n[pretraining]\nssv2 = "a b/x.csv"\n'
        "[schedule]\nlr = 1\nbetas = [0.9, 0.95]\n[regimes.mixed]\nframe_step = 4\n"
    )
    s = load_settings(path)
    assert s.pretraining.ssv2 == path.parent / "a b/x.csv" and s.pretraining.ucf101 is None
    assert s.workers == 2 and s.variants == ("hw",) and s.schedule.lr == 1.0
    assert s.schedule.betas == (0.9, 0.95) and isinstance(s.schedule.lr, float)
    assert s.regimes.mixed == config.Regime(0.2, 0.6, 0.2, frame_step=4)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("worker = 2", "unknown key 'worker'; known: device, workers, checkpoint_every, runs"),
        ("[schedule]\nstep = 2", r"\[schedule\]: unknown key 'step'; known: steps, batch"),
        ("[regimes]\nucf = 1", "known: ucf101, mixed"),
        ("workers = 2.5", "workers must be a whole number, not 2.5"),
        ("workers = true", "workers must be a whole number, not True"),
        ("seeds = 3", "seeds must be a list, not 3"),
        ("[schedule]\nbetas = [0.9]", "betas must be a list of 2"),
        ("schedule = 3", r"schedule is a table: write \[schedule\]"),
        ("[schedule]\naccumulate = 5", "cannot be cut into accumulate=5"),
        ("checkpoint_every = 0", "checkpoint_every is 0: it must be a whole number from 1 to"),
        ("workers =", "is not TOML"),
        ("[probes]\nchoose_epoch = true", r"\[probes\]: unknown key 'choose_epoch'; known: epochs"),
    ],
)
def test_mistakes_in_the_settings_are_one_sentence(write, text, says):
    with pytest.raises(ConfigError, match=says) as caught:
        load_settings(write(text))
    assert "paper.toml" in str(caught.value) and "\n" not in str(caught.value)


def test_the_documented_settings_are_the_defaults():
    """Every key shown in the documentation exists and has its default, except for paths."""
    text = (ROOT / "docs/paper_protocol.md").read_text()
    block = text.split("```toml\n", 1)[1].split("```", 1)[0]
    shown = override(Settings(), tomllib.loads(block), "docs")
    manifests = ("pretraining", "benchmarks", "runs", "features")
    assert all(getattr(shown.benchmarks, n) for n in paper.PROTOCOLS)
    assert replace(shown, **{k: getattr(Settings(), k) for k in manifests}) == Settings()


# --- runs -------------------------------------------------------------------------------------


def test_a_run_is_the_variant_at_the_size_of_the_settings(made):
    s = load_settings(made)
    run = training_run(s, "fwm_hw_ld", "described", 7)
    small = study.resolve("fwm_hw_ld", "described", "smoke", 7).train
    assert [(t.name, t.weight, t.form) for t in run.train.terms] == [
        (t.name, t.weight, t.form) for t in small.terms
    ]
    assert dict(run.train.terms[-1].options)["hidden"] == 8
    assert run.train.encoder == s.model and run.train.augmentation == s.augmentation
    assert [(d.name, d.weight, d.clips) for d in run.data] == [
        ("ucf101", 0.2, TRAIN_CLIPS), ("ssv2", 0.6, TRAIN_CLIPS), ("imagenet100", 0.2, TRAIN_CLIPS)
    ]  # fmt: skip
    assert run.clip == ClipSpec(8, (32, 32), "window", stride=2, antialias=False)
    ucf = training_run(s, "ucf_baseline")
    assert ucf.clip.fps == 16 and ucf.clip.stride is None and ucf.regime == "ucf101"
    assert training_run(s, "baseline", regime="ucf101") == ucf
    # What trains the same encoder is one run, as in the study.
    assert training_run(s, "fwm_hw_ld") == training_run(s, "fwm_hw")
    frozen = training_run(s, "kinematic")
    assert frozen.variant == "random_init" and frozen.train.schedule.steps == 0 and not frozen.data


def test_the_address_of_a_run_depends_on_rows_and_not_on_where_files_lie(made, tmp_path):
    s = load_settings(made)
    run = training_run(s, "ucf_baseline")
    shutil.copytree(made.parent / "ucf101", tmp_path / "ucf101")
    moved = tmp_path / "ucf101.csv"
    shutil.copy(made.parent / "ucf101.csv", moved)
    there = replace(s, pretraining=replace(s.pretraining, ucf101=moved))
    assert config_hash(training_run(there, "ucf_baseline")) == config_hash(run)
    other = tmp_path / "other.csv"
    table = pd.read_csv(moved)
    table[table.split == "train"].iloc[1:].to_csv(other, index=False)
    fewer = replace(s, pretraining=replace(s.pretraining, ucf101=other))
    assert config_hash(training_run(fewer, "ucf_baseline")) != config_hash(run)


def test_a_plan_has_every_form_once_and_the_random_encoder(made):
    s = load_settings(made)
    s = replace(s, variants=("baseline", "fwm", "random_init"), forms=("released", "described"))
    assert [(r.variant, r.form, r.regime) for r in paper.plan(s)] == [
        ("baseline", "released", "mixed"), ("fwm", "released", "mixed"),
        ("fwm", "described", "mixed"), ("random_init", "released", "mixed"),
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="Unknown variant 'fwn'"):
        paper.plan(replace(s, variants=("fwn",)))


def test_a_manifest_that_is_built_again_is_read_again(made, tmp_path):
    s = load_settings(made)
    path = tmp_path / "ucf101.csv"
    table = pd.read_csv(made.parent / "ucf101.csv")
    there = replace(s, pretraining=config.Pretraining(ucf101=path))
    clips = []
    for rows in (table, table.iloc[1:]):
        rows.to_csv(path, index=False)
        clips.append(training_run(there, "ucf_baseline").data[0].clips)
    assert clips == [TRAIN_CLIPS, TRAIN_CLIPS - 1]


def test_processes_that_see_different_checkpoints_do_not_train(tmp_path, monkeypatch):
    class Late(training.World):
        """Another machine that sees the file at its third look."""

        looks = []

        def same(self, value):
            self.looks.append(value)
            return len(self.looks) == 3

    monkeypatch.setattr(training.time, "sleep", lambda s: None)
    file = tmp_path / "checkpoint.pt"
    file.write_text("x")
    training._agree_on(file, Late())
    assert len(Late.looks) == 3 and Late.looks[0].startswith("1 ")
    with pytest.raises(RunStoreError, match="folder that all machines share"):
        training._agree_on(file, Late())


def test_what_is_missing_is_named(made):
    s = load_settings(made)
    with pytest.raises(ConfigError, match=r"regime mixed draws from ssv2: give .*\[pretraining\]"):
        training_run(replace(s, pretraining=replace(s.pretraining, ssv2=None)), "baseline")
    with pytest.raises(ConfigError, match="choose ucf101 or mixed"):
        training_run(s, "baseline", regime="motions")
    with pytest.raises(ConfigError, match="reference of the embedded data"):
        training_run(s, "supervised")
    with pytest.raises(RunStoreError, match="no finished run"):
        paper.probe(s, training_run(s, "baseline", seed=99))
    bare = replace(s, benchmarks=config.Benchmarks())
    with pytest.raises(ConfigError, match=r"manifest of hacs under \[benchmarks\]"):
        probing.benchmark_rows(bare, "hacs")
    with pytest.raises(ConfigError, match="Unknown benchmark 'hmdb': choose one of diving48"):
        probing.benchmark_rows(s, "hmdb")


# --- from manifests to the table --------------------------------------------------------------


def test_the_whole_path(done):
    s = load_settings(done)
    state = paper.status(s)
    assert list(state.variant) == ["ucf_baseline", "fwm_hw_ld"]
    assert (state[["training", *paper.PROTOCOLS]] == "finished").all(axis=None)
    table = paper.table(s)
    assert list(table.groupby("variant").size()) == [9, 9]
    assert set(table[table.variant == "fwm_hw_ld"].trained_as) == {"fwm_hw (released)"}
    sizes = table.set_index("benchmark")[["n_train", "n_test"]].drop_duplicates()
    assert sizes.loc["diving48"].tolist() == [TRAIN_CLIPS, HELD_OUT]
    assert sizes.loc["hacs"].tolist() == [
        2 * TRAIN_CLIPS - 1,
        2 * HELD_OUT,
    ]  # without the negative clip
    # A class is a colour: whatever reads the encoder must find it, on held-out files.
    assert (table.top1 == 100).all() and (table.low < 100).all()
    assert set(table[table.extension].benchmark) == {"ucf101", "kinetics400", "hacs"}


def test_a_finished_run_keeps_its_encoder_and_costs_nothing_more(done):
    s = load_settings(done)
    run = training_run(s, "ucf_baseline", seed=3)
    stored = s.store.load(run)
    weights = load_file(stored.path / study.ENCODER_FILE)
    encoder = paper.load_encoder(s, run)
    assert all(torch.equal(weights[k], v) for k, v in encoder.state_dict().items())
    assert (stored.path / study.ENCODER_FILE).stat().st_mode & 0o044 == 0o044  # colleagues may read
    fresh = Encoder(s.model).state_dict()
    assert any(not torch.equal(weights[k], v) for k, v in fresh.items())
    assert list(stored.curves.step) == list(range(6)) and stored.config["regime"] == "ucf101"
    assert stored.metrics.processes[0] == 1 and stored.metrics.step[0] == 5
    before = {p: p.stat().st_mtime_ns for p in s.store.root.rglob("*.csv")}
    assert len(before) == 2 * 14  # two encoders, six readings of each; metrics and curves
    for command in ("train", "probe"):
        assert main([command, "--config", str(done)]) == 0
    assert before == {p: p.stat().st_mtime_ns for p in s.store.root.rglob("*.csv")}
    left = (s.store.root / ".partial").glob("[!.]*")
    assert not list(left)  # gigabytes of features are gone


def test_readings_record_the_protocol_and_every_clip(done):
    s = load_settings(done)
    run = training_run(s, "ucf_baseline", seed=3)
    frame = paper.probe(s, run, ["hacs"], progress=False)
    stored = s.store.read(frame.run[0])
    assert stored.config["protocol"]["probes"] == ["attentive", "linear"]
    assert stored.config["protocol"]["extension"] and stored.config["encoder"] == config_hash(run)
    assert stored.config["clip"]["sampling"] == "even" and not stored.config["clip"]["antialias"]
    right = load_file(stored.path / "right.safetensors")
    assert right["attentive"].sum() == frame.correct[0] and len(right["row"]) == 2 * HELD_OUT


def test_the_table_is_written_and_says_what_is_missing(done, tmp_path, capsys):
    assert main(["table", "--config", str(done), "--out", str(tmp_path)]) == 0
    table = pd.read_csv(tmp_path / "paper_table.csv")
    pd.testing.assert_frame_equal(table, paper.table(load_settings(done)), check_dtype=False)
    text = (tmp_path / "paper_table.md").read_text()
    assert "| ucf101   | ucf_baseline | released" in text and "nan" not in text
    empty = replace(load_settings(done), runs=tmp_path / "none")
    with pytest.raises(RunStoreError, match="run 'train' and 'probe' first"):
        paper.table(empty)
    (tmp_path / "file").write_text("")
    assert main(["table", "--config", str(done), "--out", str(tmp_path / "file")]) == 2
    assert "name another folder with --out" in capsys.readouterr().err


def test_published_numbers_stand_beside_ours(done, tmp_path):
    """Copies of a finished reading under published names."""
    s = replace(load_settings(done), runs=tmp_path, variants=(), forms=("released",))
    run = training_run(s, "ucf_baseline", seed=3)
    source = load_settings(done)
    names = {"variant": "", "form": "released", "regime": "", "seed": 239}
    for variant, regime, seed, benchmark in [
        ("random_init", "mixed", 239, "diving48"),
        ("fwm_hw", "mixed", 239, "ssv2"),
        ("baseline", "mixed", 42, "imagenet100"),
        ("fwm", "mixed", 1, "imagenet100"),
    ]:
        names |= {"variant": variant, "regime": regime, "seed": seed}
        reading = probing.probe_run(s, names, "x", s.model, benchmark)
        metrics = paper.probe(source, run, [benchmark], progress=False)
        columns = ["benchmark", "probe", "top1", "correct", "n_test", "n_train", "broken"]
        metrics = metrics.assign(top1=50.0)[[*columns, "epochs", "extension"]]
        s.store.save(reading, metrics, pd.DataFrame({"step": []}), 1.0)
    table = paper.table(s)
    published = table.set_index(["variant", "benchmark"]).published
    # Rows of arXiv 2605.17165; the six kinematic variants and one more are the random encoder.
    assert published["fwm_hw_ld", "ssv2"] == 11.6
    ours = table[(table.variant == "fwm_hw_ld") & (table.benchmark == "ssv2")].iloc[0]
    assert (ours.epochs, ours.published_epochs) == (30, 50)  # the paper's own deviation, in sight
    frozen = table[table.trained_as == "random_init (released)"]
    assert len(frozen) == 7 and frozen.published.notna().all()
    assert set(frozen.variant) >= {"kinematic_huber", "sigreg_no_ema"}
    assert (table.difference.dropna() == 50 - table.published.dropna()).all()
    assert np.isnan(published["fwm", "imagenet100"])  # seed 1 was never published
    assert len(paper.plan(s)) == len(
        tables.published_rows()[["variant", "regime", "seed"]].drop_duplicates()
    )


def test_status_tells_every_state(made, tmp_path):
    s = replace(load_settings(made), runs=tmp_path, benchmarks=config.Benchmarks())
    store = s.store
    baseline, fwm = (tables.planned_run(s, row) for row in paper.plan(s))
    assert list(paper.status(s).training) == ["missing", "missing"]
    no_ssv2 = replace(s, pretraining=replace(s.pretraining, ssv2=None))
    assert "draws from ssv2" in paper.status(no_ssv2).training[1]
    with training.alone(store, baseline, training.World()):
        assert list(paper.status(s).training) == ["running", "missing"]
        fast = pytest.MonkeyPatch()
        fast.setattr(training, "LOCK_PATIENCE", 0.0)
        with pytest.raises(RunStoreError, match="being trained by another process"), fast.context():
            paper.train(s, baseline, progress=False)
        fast.undo()

    class Stop(Exception):
        pass

    def stop_at_4(self, clips, train_step=training.Trainer.train_step):
        if self.step == 4:
            raise Stop
        return train_step(self, clips)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stop):
        patch.setattr(training.Trainer, "train_step", stop_at_4)
        paper.train(s, fwm, progress=False)
    assert list(paper.status(s).training) == ["missing", "stopped at step 4 of 6"]
    (store.partial(fwm) / "checkpoint.pt").write_bytes(b"half")
    assert paper.status(s).training[1] == "stopped, checkpoint damaged"
    shutil.rmtree(store.partial(fwm))
    paper.train(s, fwm, progress=False)
    assert list(paper.status(s).training) == ["missing", "finished"]


def test_mistakes_on_the_command_line_are_one_sentence(made, tmp_path, capsys):
    for arguments, says in [
        (["train", "--variant", "hwx"], "Unknown variant 'hwx'"),
        (["train", "--variant", "hw", "--form", "old"], "released, described"),
        (["probe", "--benchmarks", "hmdb", "--variant", "hw"], "no finished run"),
        (["probe", "--encoder", str(tmp_path / "gone.pt")], "does not exist"),
        (["status", "--config", str(tmp_path / "gone.toml")], "name another file with --config"),
    ]:
        usual = [] if "--config" in arguments else ["--config", str(made)]
        assert main([*arguments, *usual]) == 2
        error = capsys.readouterr().err
        assert says in error and error.strip().count("\n") == 0 and error.startswith("error: ")


def test_a_device_that_is_not_there_is_told_and_finished_runs_need_none(done, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    s = replace(load_settings(done), device="cuda")
    assert paper.train(s, training_run(s, "ucf_baseline", seed=3)).is_dir()
    new = training_run(s, "ucf_baseline", seed=4)
    with pytest.raises(ConfigError, match="PyTorch sees no GPU on this machine: choose 'cpu'"):
        paper.train(s, new, progress=False)
    with pytest.raises(ConfigError, match="Unknown device 'gpu': choose 'cpu' or 'cuda'"):
        paper.train(replace(s, device="gpu"), new, progress=False)
    other = replace(s, probes=config.Heads(epochs=1))
    with pytest.raises(RunStoreError, match="1 of 1 runs failed.*sees no GPU"):
        paper.probe(other, training_run(s, "ucf_baseline", seed=3), ["ssv2"], progress=False)


# --- features ---------------------------------------------------------------------------------


SMALL = EncoderConfig(32, 32, 8, 8, width=24, depth=2, heads=2, levels=(1, 2), init_std=0.06)


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return Encoder(SMALL).requires_grad_(False)


def streamed(made, workers=0):
    return StreamedClips(
        read_manifest(made.parent / "ucf101.csv"), ClipSpec(8, (32, 32)), workers, True
    )


def test_features_are_those_of_the_encoder_and_survive_a_kill(made, encoder, tmp_path):
    whole = read_features(encoder, streamed(made, 1), tmp_path / "a", True, batch=4, progress=False)
    want = extract(encoder, streamed(made), "tokens", batch=4)
    assert whole.tokens.dtype == torch.float16 and torch.equal(whole.tokens, want.half())
    assert torch.equal(whole.mean, want.mean(1).half()) and whole.skipped == {}

    class Killed(StreamedClips):
        asked = []

        def batch(self, rows, device="cpu"):
            self.asked.append(rows.start)
            if len(self.asked) == 3:
                raise KeyboardInterrupt
            return super().batch(rows, device)

    clips = streamed(made)
    clips.__class__ = Killed
    with pytest.raises(KeyboardInterrupt):
        read_features(encoder, clips, tmp_path / "b", True, batch=4, save_every=1, progress=False)
    resumed = read_features(encoder, clips, tmp_path / "b", True, batch=4, progress=False)
    assert Killed.asked == [0, 4, 8, 8]  # two batches were not read again
    assert torch.equal(resumed.tokens, whole.tokens) and torch.equal(resumed.mean, whole.mean)
    # Features of other clips or another encoder are never taken for these.
    short = read_features(encoder, clips, tmp_path / "b", False, progress=False)
    assert short.tokens is None and torch.equal(short.mean, whole.mean)


@pytest.mark.parametrize(
    "note",
    ["", "null", "[]", "{}", '{"rows": 8, "skipped": []}', '{"rows": 99, "skipped": {}}',
     '{"rows": -4, "skipped": {}}', '{"rows": true, "skipped": {}}',
     '{"rows": 1e999, "skipped": {}}',
     '{"rows": 8, "skipped": {"x": "?"}}', '{"rows": 8, "skipped": {"10": "?"}}'],
)  # fmt: skip
def test_a_damaged_note_of_the_progress_starts_anew(made, encoder, tmp_path, note):
    want = read_features(encoder, streamed(made, 1), tmp_path / "f", False, progress=False)
    (tmp_path / "f" / "progress.json").write_text(note)
    array = np.load(tmp_path / "f" / "mean.npy")
    np.save(tmp_path / "f" / "mean.npy", array * 0)
    again = read_features(encoder, streamed(made, 1), tmp_path / "f", False, progress=False)
    assert torch.equal(again.mean, want.mean) and again.skipped == {}


def test_status_and_features_know_other_code(done, tmp_path, monkeypatch):
    s = load_settings(done)
    run = training_run(s, "fwm_hw_ld", seed=3)
    assert "finished" in set(paper.status(s).training)
    reading = probing.probe_run(s, {k: getattr(run, k) for k in NAMES}, config_hash(run),
                                run.train.encoder, "ucf101")  # fmt: skip
    assert {"terms/hw", "step", "model", "readings"} <= set(code_of(reading))
    monkeypatch.setattr(fingerprint, "parts", lambda roots: dict.fromkeys(roots, "edited"))
    text = " ".join(paper.status(s).training)
    assert "was made with another version of the data" in text and "finished" not in text
    with pytest.raises(RunStoreError, match="another version of .* terms jepa, context"):
        s.store.load(run)


def test_broken_files_are_left_out_and_counted(made, encoder, tmp_path, monkeypatch):
    table = pd.read_csv(made.parent / "ucf101.csv")
    (tmp_path / "bad.avi").write_bytes(b"broken")
    table["path"] = [str(made.parent / p) for p in table.path]
    table.loc[3, "path"] = str(tmp_path / "bad.avi")
    table.to_csv(tmp_path / "ucf101.csv", index=False)
    clips = StreamedClips(read_manifest(tmp_path / "ucf101.csv"), ClipSpec(8, (32, 32)), 1, True)
    with pytest.raises(DataError, match=r"1 of 10 files cannot be read.*bad\.avi.*datasets health"):
        read_features(encoder, clips, tmp_path / "f", False, progress=False)
    monkeypatch.setattr(features, "MOST_BROKEN", 0.2)
    again = read_features(encoder, clips, tmp_path / "f", False, progress=False)
    assert list(again.skipped) == [3]
    s = load_settings(made)
    s = replace(
        s, benchmarks=config.Benchmarks(ucf101=tmp_path / "ucf101.csv"), runs=tmp_path / "runs"
    )
    run = training_run(s, "random_init")
    paper.train(s, run, progress=False)
    frame = paper.probe(s, run, progress=False)
    assert (
        set(frame.broken) == {1}
        and set(frame.n_train) == {TRAIN_CLIPS - 1}
        and set(frame.n_test) == {4}
    )


def test_a_disk_without_room_is_told_before_the_first_clip(made, encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda p: shutil._ntuple_diskusage(1, 1, 10**4))
    with pytest.raises(DataError, match=r"0\.0 GB free.*train_per_class"):
        read_features(encoder, streamed(made), tmp_path / "f", True, progress=False)
    # docs/paper_protocol.md quotes these.
    assert features.feature_bytes(15_027, 1568, 768) == pytest.approx(36.2e9, rel=0.01)
    assert features.feature_bytes(126_689 + 5_000, 1, 768) == pytest.approx(0.2e9, rel=0.02)


def test_kept_features_serve_other_probes(made, tmp_path):
    s = replace(load_settings(made), runs=tmp_path / "runs", features=tmp_path / "features")
    s = replace(s, benchmarks=config.Benchmarks(ucf101=s.benchmarks.ucf101))
    run = training_run(s, "random_init")
    paper.train(s, run, progress=False)
    paper.probe(s, run, progress=False)
    (folder,) = s.features.glob("[!.]*")
    note = (folder / "progress.json").stat().st_mtime_ns
    other = replace(s, probes=replace(s.probes, epochs=1))
    assert len(paper.probe(other, run, progress=False)) == 2
    assert [p.name for p in s.features.glob("[!.]*")] == [folder.name]
    assert (folder / "progress.json").stat().st_mtime_ns == note


def test_fewer_training_clips_are_the_same_ones_of_every_class(made):
    s = load_settings(made)
    few = replace(s, train_per_class=config.TrainPerClass(hacs=2))
    manifest, _, limit = probing.benchmark_rows(few, "hacs")
    train = manifest.table[manifest.table.split == "train"]
    assert limit == 2 and train.label.value_counts().tolist() == [2, 2]
    assert (manifest.table.split == "val").sum() == 2 * HELD_OUT
    labels = np.array([0, 1] * 50)
    small, large = (set(limited_rows(labels, np.arange(80), n)) for n in (3, 10))
    assert small < large and len(large) == 20 and max(large) < 80


# --- released weights -------------------------------------------------------------------------


def test_released_weights_of_the_repository(done, tmp_path):
    """A checkpoint as the vjepa2 repository writes it, of its smallest width."""
    from test_checkpoints import lively, repository_names

    s = load_settings(done)
    cfg = EncoderConfig(
        32, 32, 8, 8, width=192, depth=4, heads=3, levels=(1, 2, 3, 4), image_patches=True
    )
    encoder = lively(Encoder(cfg))
    state, _ = repository_names(encoder, Predictor(cfg, PredictorConfig(24, 1, 2)))
    path = tmp_path / "vitt.pt"
    torch.save({"target_encoder": state, "epoch": 3}, path)
    found, loaded = open_encoder(path, 32, 8)
    assert (
        found.cfg == replace(cfg, mlp_ratio=found.cfg.mlp_ratio) and loaded.version == "V-JEPA 2.1"
    )
    assert all(torch.equal(v, found.state_dict()[k]) for k, v in encoder.state_dict().items())
    frame = paper.evaluate_official(path, ["imagenet100", "ssv2"], s, progress=False)
    assert list(frame.probe) == ["linear", "attentive_mean"] and list(frame.n_test) == [4, 4]
    assert set(frame.variant) == {"official"} and set(frame.form) == {"vitt.pt"}
    again = paper.evaluate_official(path, ["imagenet100"], done, progress=False)
    assert again.run[0] == frame.run[0]  # the same weights are read once
    table = paper.table(s)
    assert (table.variant == "official").sum() == 2
    assert (
        main(["probe", "--encoder", str(path), "--benchmarks", "ssv2", "--config", str(done)]) == 0
    )


def test_released_weights_of_hugging_face(done, tmp_path):
    from transformers import VJEPA2Config, VJEPA2Model

    torch.manual_seed(0)
    theirs = VJEPA2Config(
        patch_size=8, crop_size=32, frames_per_clip=8, hidden_size=32, num_hidden_layers=2,
        num_attention_heads=2, pred_hidden_size=24, pred_num_hidden_layers=1,
        pred_num_attention_heads=2, pred_num_mask_tokens=2,
    )  # fmt: skip
    model = VJEPA2Model(theirs).eval()
    model.save_pretrained(tmp_path / "hf")
    encoder, loaded = open_encoder(tmp_path / "hf", 32, 8)
    assert loaded.version == "V-JEPA 2" and encoder.cfg.heads == 2 and encoder.cfg.levels == (2,)
    assert encoder.cfg.rope_pairing == V_JEPA_2["rope_pairing"]
    clip = torch.randn(2, 3, 8, 32, 32)
    with torch.no_grad():
        want = model(clip.transpose(1, 2), skip_predictor=True).last_hidden_state
        assert torch.allclose(encoder(clip), want, atol=1e-5)
    frame = paper.evaluate_official(tmp_path / "hf", ["diving48"], done, progress=False)
    assert list(frame.probe) == ["attentive"]
    (tmp_path / "hf/config.json").unlink()
    with pytest.raises(ConfigError, match="width 32, of which no official model is known"):
        open_encoder(tmp_path / "hf", 32, 8)
    settings = json.loads((ROOT / "data_manifests/schema.json").read_text())  # any other JSON
    (tmp_path / "hf/config.json").write_text(json.dumps(settings))
    with pytest.raises(ConfigError, match="no official model"):
        open_encoder(tmp_path / "hf", 32, 8)
