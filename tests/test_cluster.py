"""Runs on a Ray cluster of two machines (here: two nodes of one), with workers that are killed."""

import os
import signal
import sys
import threading
import time
from dataclasses import dataclass

import pandas as pd
import pytest
from small_lab import ROOT, TRAIN, run, same_run, stored

from vjepa_lib.errors import ConfigError, DataError, RunStoreError
from vjepa_lib.study import cluster
from vjepa_lib.study.ensure import ensure
from vjepa_lib.study.store import RunStore, config_hash


@dataclass(frozen=True)
class Toy:
    seed: int


def toy_train(config, partial, device):
    """Four steps with a checkpoint after each; run 1 is killed once, after its second."""
    partial.mkdir(parents=True, exist_ok=True)
    root, steps = partial.parent.parent, partial / "steps"
    begun = len(steps.read_text()) if steps.exists() else 0
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    with open(root / f"begun-{config.seed}", "a") as f:
        f.write(f"{begun} {gpu}\n")
    for step in range(begun, 4):
        if (config.seed, begun, step) == (1, 0, 2):
            os.kill(os.getpid(), signal.SIGKILL)
        with open(steps, "a") as f:
            f.write("x")
        time.sleep(0.05)
    metrics = pd.DataFrame({"benchmark": ["b"], "top1": [len(steps.read_text())]})
    return metrics, pd.DataFrame({"step": [3]})


@pytest.fixture(scope="module")
def ray_cluster():
    """Two machines, each with one core and (as far as Ray counts) one GPU."""
    ray = pytest.importorskip("ray")
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    with pytest.MonkeyPatch.context() as patch:
        # The workers import this file; nothing is reported, no token is left in a home folder.
        paths = [str(ROOT / "tests"), str(ROOT)]
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        memory = 80 * 2**20
        machines = cluster_utils.Cluster()
        for _ in range(2):
            machines.add_node(num_cpus=1, num_gpus=1, object_store_memory=memory)
        ray.init(address=machines.address, log_to_driver=False)
        yield machines
        ray.shutdown()
        machines.shutdown()


def test_ray_finishes_every_run_though_a_worker_is_killed(ray_cluster, tmp_path):
    store = RunStore(tmp_path / "runs")
    configs = [Toy(seed) for seed in range(4)]
    ensure(store, configs, toy_train, cluster="ray", progress=False)
    assert [store.load(c).metrics.top1[0] for c in configs] == [4] * 4
    begun = {s: (store.root / f"begun-{s}").read_text().split() for s in range(4)}
    assert begun == {0: ["0"], 1: ["0", "2"], 2: ["0"], 3: ["0"]}  # the killed one went on
    # Finished runs are not trained again.
    ensure(store, [*configs, Toy(4)], toy_train, cluster="ray", progress=False)
    assert (store.root / "begun-1").read_text().split() == ["0", "2"] and store.has(Toy(4))


def broken_train(config, partial, device):
    if config.seed == 1:
        raise DataError("clip 7 is broken: replace it.")
    if config.seed == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return pd.DataFrame({"benchmark": ["b"], "top1": [1.0]}), pd.DataFrame({"step": [0]})


def test_ray_names_the_runs_that_failed_and_keeps_the_others(ray_cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "RETRIES", 1)
    store = RunStore(tmp_path / "runs")
    configs = [Toy(seed) for seed in range(4)]
    with pytest.raises(RunStoreError, match="2 of 4 runs failed.*clip 7 is broken") as caught:
        ensure(store, configs, broken_train, cluster="ray", progress=False)
    assert f"{config_hash(Toy(2))}: its worker was lost 2 times" in str(caught.value)
    assert store.has(Toy(0)) and store.has(Toy(3)) and not store.has(Toy(2))


def test_ray_honours_the_gpus_of_a_run(ray_cluster, tmp_path):
    def gpus_of(share):
        store = RunStore(tmp_path / f"runs-{share}")
        configs = [Toy(seed) for seed in (0, 2)]
        ensure(store, configs, toy_train, device="cuda", cluster="ray", progress=False, gpus=share)
        return [(store.root / f"begun-{c.seed}").read_text().split() for c in configs]

    for share in (1.0, 0.5):
        assert gpus_of(share) == [["0", "0"], ["0", "0"]]  # GPU 0 of whichever machine
    with pytest.raises(ConfigError, match="asks for 2 GPUs and no machine .* more than 1"):
        gpus_of(2.0)
    store = RunStore(tmp_path / "cpu")
    ensure(store, [Toy(0)], toy_train, cluster="ray", progress=False, gpus=2.0)
    assert (store.root / "begun-0").read_text().split() == ["0"]  # no GPU is taken on the CPU


def test_the_command_line_trains_on_the_cluster(ray_cluster, settings, uninterrupted):
    config = settings("cluster", steps=12)
    arguments = [*TRAIN[:-1], "--cluster", "ray", "--config", config]
    done = run(*arguments, program=sys.executable, RAY_ADDRESS=ray_cluster.address)
    assert done.returncode == 0, done.stderr_text
    same_run(stored(config), uninterrupted)


def test_a_machine_that_leaves_takes_no_run_with_it(ray_cluster, tmp_path):
    """Last: the cluster has one machine afterwards."""
    store = RunStore(tmp_path / "runs")
    machine = ray_cluster.add_node(num_cpus=1, resources={"leaving": 1})

    def leave():
        while not (store.root / "slow-0").exists():
            time.sleep(0.01)
        ray_cluster.remove_node(machine, allow_graceful=False)

    thread = threading.Thread(target=leave)
    thread.start()
    ensure(store, [Toy(s) for s in range(6)], slow_train, cluster="ray", progress=False)
    thread.join()
    assert all(store.has(Toy(s)) for s in range(6))


def slow_train(config, partial, device):
    (partial.parent.parent).mkdir(parents=True, exist_ok=True)
    (partial.parent.parent / f"slow-{config.seed}").touch()
    time.sleep(0.5)
    return pd.DataFrame({"benchmark": ["b"], "top1": [1.0]}), pd.DataFrame({"step": [0]})


def test_without_ray_the_way_out_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match="extra 'cluster'"):
        ensure(RunStore(tmp_path), [Toy(0)], toy_train, cluster="ray", progress=False)
