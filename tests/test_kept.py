"""Kept encoders: written in half precision, read back, told apart, and never more than allowed."""

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from vjepa_lib import study
from vjepa_lib.errors import CompanionError, DataError
from vjepa_lib.provenance import ROOT
from vjepa_lib.study import kept, transfer_recorded
from vjepa_lib.study.store import RunStore
from vjepa_lib.study.transfer_runs import transfer_run
from vjepa_lib.training.pretrain import Trainer


def finished(store, config, shift=0.0):
    """A run as training would leave it, its encoder moved by a number from its initialisation."""
    encoder = Trainer(config.train).evaluated
    state = {k: v + shift for k, v in encoder.state_dict().items()}
    partial = store.partial(config)
    partial.mkdir(parents=True)
    save_file(state, partial / study.ENCODER_FILE)
    curves = pd.DataFrame({"step": [0, 3, 6], "jepa": [1.0, 0.5, 0.25 + shift], "ld": 0.1})
    store.save(config, pd.DataFrame({"top1": [1.0]}), curves, 1.0)
    return state


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "runs")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "kept"


def run(variant, form="released", seed=0):
    return study.canonical(study.resolve(variant, form, "smoke", seed))


def test_an_encoder_comes_back_in_half_precision(store, folder):
    state = finished(store, run("ld"), 0.25)
    assert kept.keep([run("ld")], store, folder) == 1
    back = kept.load("ld", folder=folder)
    for name, value in back.state_dict().items():
        torch.testing.assert_close(value, state[name].half().float(), rtol=0, atol=0)
    assert not any(p.requires_grad for p in back.parameters())
    row = kept.index(folder).iloc[0]
    assert row.steps == 6 and "8 frames of 32 x 32 px" in row.geometry and len(row.commit) >= 7
    assert row.bytes == (folder / f"{row.run}.safetensors").stat().st_size


def test_forms_that_train_the_same_share_an_encoder(store, folder):
    finished(store, run("hw1"))
    kept.keep([run("hw1")], store, folder)
    assert kept.load("hw_ld", "released", folder=folder)
    with pytest.raises(DataError, match=r"No encoder of hw_ld \(described\) is kept: set LIVE"):
        kept.load("hw_ld", "described", folder=folder)


def test_seeds_and_profiles_are_told_apart(store, folder):
    for seed, shift in ((0, 0.0), (1, 1.0)):
        finished(store, run("ld", seed=seed), shift)
    kept.keep([run("ld", seed=s) for s in (0, 1)], store, folder)
    first, second = (kept.load("ld", seed=s, folder=folder).state_dict() for s in (0, 1))
    assert any(not torch.equal(first[k], second[k]) for k in first)
    with pytest.raises(DataError, match="seed 7 is kept"):
        kept.load("ld", seed=7, folder=folder)
    with pytest.raises(DataError, match="No encoder of ld"):
        kept.load("ld", profile="small", folder=folder)


def test_runs_of_the_transfer_study_come_first(store, folder):
    ours, theirs = run("ld"), transfer_run("ld", profile="smoke")
    finished(store, ours, 0.0)
    state = finished(store, theirs, 2.0)
    kept.keep([ours, theirs], store, folder)
    assert list(kept.index(folder).study) == ["ablation", "transfer"]
    back, name = kept.load("ld", folder=folder).state_dict(), next(iter(state))
    torch.testing.assert_close(back[name], state[name].half().float())
    group, _ = kept.group([("ld", "released")], folder)
    assert group.about == "smoke (transfer study), recorded" and not group.missing


def test_a_run_kept_again_replaces_itself(store, folder):
    finished(store, run("ld"))
    kept.keep([run("ld")], store, folder)
    kept.keep([run("ld")], store, folder)
    assert len(kept.index(folder)) == 1
    kept.keep([run("ld")], store, folder, curves_only=True)
    with pytest.raises(DataError, match="No encoder of ld"):
        kept.load("ld", folder=folder)
    assert len(kept.curves_of([("ld", "released")], folder)[0]) == 3


def test_no_more_is_kept_than_allowed(store, folder, monkeypatch):
    finished(store, run("ld"))
    monkeypatch.setattr(kept, "LIMIT", 1000)
    with pytest.raises(DataError, match="may take 0: keep fewer seeds"):
        kept.keep([run("ld")], store, folder)
    assert not folder.exists()


def test_an_unfinished_run_is_one_sentence(store, folder):
    with pytest.raises(CompanionError, match="has no finished run: train it first"):
        kept.keep([run("ld")], store, folder)


@pytest.mark.parametrize("how", ["cut", "other", "gone"])
def test_a_damaged_file_is_told(store, folder, how):
    finished(store, run("ld"))
    kept.keep([run("ld")], store, folder)
    (path,) = folder.glob("*.safetensors")
    if how == "gone":
        path.unlink()
    else:
        data = path.read_bytes()
        path.write_bytes(data[:-9] if how == "cut" else data[:-1] + b"\x01")
    with pytest.raises(DataError, match="take it from the repository again") as told:
        kept.load("ld", folder=folder)
    assert str(told.value).count(". ") == 0


def test_a_group_is_of_one_profile_study_and_seed(store, folder):
    for variant, seed in (("ld", 0), ("baseline", 1), ("delta", 1)):
        finished(store, run(variant, seed=seed))
    kept.keep([run("ld"), run("baseline", seed=1), run("delta", seed=1)], store, folder)
    asked = [(v, "released") for v in ("random_init", "baseline", "ld", "delta")]
    group, _ = kept.group(asked, folder)
    assert group.variants == ["random_init", "baseline", "delta"] and group.seed == 1
    assert group.missing == (("ld", "released"),)
    assert "none is kept of ld (released): set LIVE = True" in group.sentence()
    assert all(group.load(c)(torch.zeros(1, 3, 8, 32, 32)).shape[0] == 1 for c in group.configs)
    assert group.only({"a": "ld", "b": "delta"}) == {"b": "delta"}


def test_the_random_initialisation_is_never_kept_and_always_there(folder):
    group, _ = kept.group([("random_init", "released"), ("ld", "released")], folder)
    assert group.variants == ["random_init"] and group.profile == "small"
    ours = group.load(group.config("random_init"))
    first = Trainer(study.resolve("random_init", "released", "small", group.seed).train).evaluated
    for a, b in zip(ours.parameters(), first.parameters(), strict=True):
        assert torch.equal(a, b)


def test_curves_say_whose_they_are(store, folder):
    finished(store, run("ld"), 0.5)
    kept.keep([run("ld")], store, folder)
    curves, group = kept.curves_of([("ld", "released"), ("vclr", "released")], folder)
    assert list(curves.jepa) == [1.0, 0.5, 0.75] and set(curves.source) == {"smoke, recorded"}
    assert set(curves.profile) == {"smoke"} and group.missing == (("vclr", "released"),)
    empty, _ = kept.curves_of([("vclr", "released")], folder)
    assert len(empty) == 0 and "step" in empty


def test_networks_of_a_young_training_come_back(folder):
    config = study.resolve("baseline", profile="smoke")
    trainer = Trainer(config.train)
    with torch.no_grad():
        for p in trainer.predictor.parameters():
            p.add_(0.5)
    kept.keep_trainer(trainer, "young", folder)
    back = kept.load_trainer(config, "young", folder)
    for a, b in zip(back.predictor.parameters(), trainer.predictor.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)
    with pytest.raises(DataError, match="cannot be used"):
        kept.load_trainer(study.resolve("baseline", profile="mini"), "young", folder)
    with pytest.raises(DataError, match="cannot be used"):
        kept.load_trainer(config, "other", folder)


def test_the_command_keeps_and_tells(store, folder, capsys):
    finished(store, transfer_run("ld", profile="smoke", seed=10))
    given = ["--profile", "smoke", "--runs", str(store.root), "--out", str(folder)]
    assert kept.main([*given, "--variants", "ld"]) == 0
    assert "1 runs are kept" in capsys.readouterr().out
    assert kept.main([*given, "--variants", "vclr"]) == 2
    assert capsys.readouterr().err.startswith("error: The run folder")
    assert kept.main([*given, "--variants", "lx"]) == 2
    assert "Unknown variant 'lx'" in capsys.readouterr().err


def test_what_is_committed_is_whole_and_small():
    table = kept.index()
    sizes = sum(p.stat().st_size for p in kept.FOLDER.iterdir())
    assert sizes <= kept.LIMIT and len(table)
    for row in table[table.sha256 != ""].itertuples():
        assert kept._read(row, kept.FOLDER)
    listed = set(table.run) | {"index", "baseline_after_60_steps_small"}
    assert {p.name.split(".")[0] for p in kept.FOLDER.iterdir()} == listed
    assert (ROOT / "data_manifests/recorded/encoders/index.csv").exists()
    # `make verify` compares what a kept encoder reads with what is recorded of its run.
    transfer = table[(table.study == "transfer") & (table.sha256 != "")]
    assert len(transfer) and set(transfer.run) <= set(transfer_recorded.runs().run)


def test_a_full_disk_is_told_and_the_index_lists_nothing_new(store, folder, monkeypatch):
    finished(store, run("ld"))
    kept.keep([run("ld")], store, folder)
    finished(store, run("vclr"))

    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(folder), "write_bytes", full)
    with pytest.raises(DataError, match=r"cannot be written \(No space left on device\)"):
        kept.keep([run("vclr")], store, folder)
    monkeypatch.undo()
    assert kept.index(folder).variant.tolist() == ["ld"] and kept.load("ld", folder=folder)


@pytest.mark.parametrize("text", ["", 'run,variant\n"half', "\x00"])
def test_a_damaged_index_is_told(folder, text):
    folder.mkdir()
    (folder / "index.csv").write_text(text)
    with pytest.raises(DataError, match="from the repository"):
        kept.index(folder)
