"""The run store: atomic, shared, and clear about what is wrong."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from vjepa_lib.errors import ConfigError, DataError, RunStoreError
from vjepa_lib.study.ensure import ensure
from vjepa_lib.study.store import FILES, RunStore, config_hash


@dataclass(frozen=True)
class Toy:
    variant: str = "baseline"
    seed: int = 0
    nested: tuple = (1, 2.5)


def train(config, partial, device):
    with open(Path(partial).parent.parent / f"trained-{config.seed}", "a") as f:
        f.write("x")
    if config.seed == 13:
        raise DataError("clip 7 is broken: replace it.")
    return pd.DataFrame({"benchmark": ["b"], "top1": [config.seed]}), pd.DataFrame({"step": [0]})


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "runs")


def test_hash_depends_on_content_alone():
    assert config_hash(Toy()) == config_hash(Toy(nested=(1, 2.5))) != config_hash(Toy(seed=1))
    assert config_hash({"b": 1, "a": 2}) == config_hash({"a": 2, "b": 1})


@pytest.mark.parametrize("jobs", [1, 2])
def test_trains_what_is_missing_once(store, jobs):
    configs = [Toy(seed=s) for s in (0, 1, 1)]
    ensure(store, configs, train, jobs, progress=False)
    ensure(store, configs, train, jobs, progress=False)
    assert (store.root / "trained-1").read_text() == "x"
    run = store.load(configs[1])
    assert run.config == {"variant": "baseline", "seed": 1, "nested": [1, 2.5]}
    assert {"commit", "versions", "cpu", "python", "seconds", "date"} <= set(run.provenance)
    frame = store.frame([Toy(seed=1), Toy(seed=0)])
    assert frame.top1.tolist() == [1, 0] and frame.run[0] == config_hash(Toy(seed=1))


def test_a_failing_run_does_not_stop_the_others(store):
    with pytest.raises(RunStoreError, match="1 of 3 runs failed.*clip 7 is broken"):
        ensure(store, [Toy(seed=s) for s in (13, 1, 2)], train, 2, progress=False)
    assert store.has(Toy(seed=1)) and store.has(Toy(seed=2)) and not store.has(Toy(seed=13))


def test_half_written_runs_are_not_runs(store):
    config = Toy(seed=5)
    ensure(store, [config], train, progress=False)
    (store.path(config) / "metrics.csv").unlink()
    assert not store.has(config)
    with pytest.raises(RunStoreError, match=r"lacks metrics\.csv: train it again"):
        store.load(config)
    ensure(store, [config], train, progress=False)
    assert store.load(config).metrics.top1[0] == 5
    (store.path(config) / "provenance.json").write_text("{")
    with pytest.raises(RunStoreError, match="delete this folder"):
        store.load(config)
    with pytest.raises(RunStoreError, match="no finished run"):
        store.load(Toy(seed=99))


def test_a_full_disk_loses_nothing_finished(store, monkeypatch):
    ensure(store, [Toy(seed=1)], train, progress=False)

    def full(self, *args, **kw):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as m:
        m.setattr(pd.DataFrame, "to_csv", full)
        with pytest.raises(RunStoreError, match="No space left.*finished runs stay"):
            store.save(Toy(seed=2), pd.DataFrame(), pd.DataFrame(), 1.0)
    assert store.has(Toy(seed=1)) and not store.has(Toy(seed=2))
    assert not list(store.root.glob("*.part"))
    with monkeypatch.context() as m:
        m.setattr(shutil, "disk_usage", lambda p: shutil._ntuple_diskusage(1, 1, 0))
        with pytest.raises(RunStoreError, match="0 MiB left"):
            ensure(store, [Toy(seed=3)], train, progress=False)


def test_a_folder_that_cannot_be_written_is_told_before_training(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(RunStoreError, match="cannot be written"):
        ensure(RunStore(blocked), [Toy()], train, progress=False)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder(store):
    store.root.mkdir()
    store.root.chmod(0o500)
    with pytest.raises(RunStoreError, match="make it writable"):
        ensure(store, [Toy()], train, progress=False)


def test_unknown_cluster(store):
    with pytest.raises(ConfigError, match="ray"):
        ensure(store, [Toy()], train, cluster="slurm", progress=False)


def test_stored_files_are_plain(store):
    ensure(store, [Toy()], train, progress=False)
    path = store.path(Toy())
    assert sorted(p.name for p in path.iterdir()) == sorted(FILES)
    assert json.loads((path / "config.json").read_text())["variant"] == "baseline"
