"""The transfer study one size up: its films, its runs, and that they are trained on the films."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from vjepa_lib.datasets import films, synthetic
from vjepa_lib.datasets.domains import PRETRAINING
from vjepa_lib.datasets.films import FilmSpec
from vjepa_lib.errors import ConfigError, DataError
from vjepa_lib.study import transfer_medium, transfer_runs
from vjepa_lib.study.fingerprint import code_of
from vjepa_lib.study.store import config_hash
from vjepa_lib.study.transfer_medium import film_mixture, medium_run, train_medium
from vjepa_lib.training.sources import Draw

SPEC = FilmSpec(clips=5, size=32, frames=12)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


def test_films_are_the_scenes_of_the_embedded_sets_with_more_frames(root):
    found = films.ensure(SPEC, root, 1, False)
    assert set(found) == set(PRETRAINING)
    for name, manifest in found.items():
        table = pd.read_csv(manifest)
        drawn = synthetic.scenes(name, "train", 5)
        assert table.scene_seed.tolist() == [scene.seed for scene in drawn]
        assert set(table.frame_count) == {12} and set(table.fps) == {12.0}
    clips = transfer_runs._clips(found["pre_videos"], 12, 32, 1)
    assert not clips.short  # no last frame is held to fill a clip
    frames = clips.frames.numpy().astype(int)
    moved = np.abs(np.diff(frames, axis=1)).mean((0, 2, 3, 4))
    assert (moved > 1).all()


def test_films_are_named_by_all_that_decides_them():
    others = [SPEC, replace(SPEC, frames=16), replace(SPEC, clips=6), replace(SPEC, size=48)]
    assert len({spec.key for spec in others}) == len(others)
    with pytest.raises(ConfigError, match="frames"):
        FilmSpec(frames=0)


def test_a_set_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "films").write_text("in the way")
    with pytest.raises(DataError, match="cannot be written"):
        films.ensure(SPEC, tmp_path, 1, False)


def test_a_run_is_larger_and_settles():
    run = medium_run("ld+vclr", seed=3)
    encoder = run.train.encoder
    assert (encoder.height, encoder.frames, encoder.width) == (112, 16, 192)
    for clips in (run.data, run.worlds, run.heldout):
        assert (clips.size, clips.frames) == (112, 16)
    schedule = run.train.schedule
    assert schedule.lr_end == pytest.approx(schedule.lr / 200) and schedule.momentum_end == 1.0
    assert schedule.steps == transfer_medium.SIZES.schedule["steps"]
    small = transfer_runs.transfer_run("ld+vclr", "described", "small", 3)
    assert [t.name for t in run.train.terms] == [t.name for t in small.train.terms]
    assert [t.weight for t in run.train.terms] == [t.weight for t in small.train.terms]
    assert run.changed == "" and run.profile == "medium"


def test_settings_are_part_of_the_address():
    own, lighter = medium_run("ld+vclr"), medium_run("ld+vclr", scaled={"ld": 0.1})
    assert lighter.changed == "ld x0.1"
    assert {t.name: t.weight for t in lighter.train.terms}["ld"] == pytest.approx(0.1)
    assert len({config_hash(r) for r in (own, lighter, medium_run("ld+vclr", seed=1))}) == 3
    assert medium_run("ld+vclr", steps=own.train.schedule.steps) == own
    with pytest.raises(ConfigError, match="No term"):
        medium_run("vclr", scaled={"ld": 0.1})
    assert medium_run("random_init").kind == "random_init"


def test_films_belong_to_the_code_of_a_run():
    small, run = transfer_runs.transfer_run("vclr"), medium_run("vclr")
    ours, theirs = code_of(run), code_of(small)
    assert ours["model"] == theirs["model"] and ours["terms/vclr"] == theirs["terms/vclr"]
    assert ours["data"] != theirs["data"] and "mixture" in ours
    assert films.ensure in run.code()["data"] and synthetic.ensure not in run.code()["data"]


def test_it_is_trained_on_the_films(root, monkeypatch):
    monkeypatch.setattr(transfer_medium, "data_root", lambda: root)
    monkeypatch.setattr(transfer_runs, "data_root", lambda: root)
    monkeypatch.setattr(transfer_runs, "transfer_tasks", lambda *_: {})
    seen = []

    def stop(setup, data, *_, **__):
        seen.append(data)
        raise KeyboardInterrupt

    monkeypatch.setattr(transfer_runs, "pretrain", stop)
    run = replace(medium_run("vclr"), data=SPEC)
    with pytest.raises(KeyboardInterrupt):
        train_medium(run, None)
    draw = Draw(0, 4, 0, None, (32, 32), slice(None))
    batch = seen[0].batch(draw, "cpu")
    assert batch.shape == (4, 3, 12, 32, 32)
    assert batch.equal(film_mixture(run).batch(draw, "cpu"))
