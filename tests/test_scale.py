"""More than one process, killed processes, more than one machine: the same results, each once.

The commands are those of docs/paper_protocol.md, on CPUs.
"""

import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from small_lab import (
    PATIENCE,
    ROOT,
    TRAIN,
    begin,
    end,
    environment,
    run,
    same_run,
    stored,
    weights,
)

from vjepa_lib.paper import load_settings, training_run

TORCHRUN = ["-m", "torch.distributed.run", "--standalone"]


# --- torchrun ---------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [4, 1])
def test_two_processes_of_torchrun_store_one_run_like_one_process(settings, parts):
    """Parts of the batch dealt out (4), and one part that spans both processes (1)."""
    curves = {}
    for name, command in (("alone", []), ("both", [*TORCHRUN, "--nproc-per-node=2"])):
        config = settings(f"{name}{parts}", accumulate=parts)
        done = run(*command, *TRAIN, config)
        assert done.returncode == 0, done.stderr_text
        assert done.stdout_text.count("ucf_baseline (released), ucf101, seed 3") == 1
        found = stored(config)
        curves[name] = found.curves.set_index("step")
        assert found.metrics.processes[0] == {"alone": 1, "both": 2}[name]
    names = ["total", "jepa", "context", "grad_norm", "rank_me"]
    assert len(curves["both"]) == 6 and curves["both"].total.nunique() == 6
    difference = (curves["both"][names] - curves["alone"][names]).abs().to_numpy()
    assert np.nanmax(difference) < 1e-5


def test_a_mistake_under_torchrun_is_told_once(settings, lab):
    text = settings("mistake").read_text().replace('ucf101 = "ucf101.csv"', "")
    config = lab.parent / "mistake.toml"
    config.write_text(text)
    done = run(*TORCHRUN, "--nproc-per-node=2", *TRAIN, config)
    assert done.returncode != 0
    # Each process reads the settings, so each says so; what only the first one does is told once.
    assert "regime ucf101 draws from ucf101: give its manifest" in done.stderr_text
    config = settings("blocked")
    (lab.parent / "blocked").write_text("a file where the store should be")
    done = run(*TORCHRUN, "--nproc-per-node=2", *TRAIN, config)
    assert done.returncode != 0 and done.stderr_text.count("blocked cannot be written") == 1


@pytest.mark.parametrize(
    "wrong, says",
    [
        (["--seed", "-1"], "error: --seed is [-1]"),
        (["--sed", "1"], "unrecognized arguments: --sed"),
    ],
)
def test_a_wrong_argument_under_torchrun_ends_it_at_once(settings, wrong, says):
    config = settings("argument")
    arguments = ["-m", "vjepa_lib.paper", "train", "--variant", "baseline", "--config", config]
    done = run(*TORCHRUN, "--nproc-per-node=2", "--max-restarts=3", *arguments, *wrong)
    # Both processes may say it, but no restart says it again.
    assert done.returncode != 0 and 1 <= done.stderr_text.count(says) <= 2, done.stderr_text


# --- kills ------------------------------------------------------------------------------------


def test_a_killed_run_goes_on_and_ends_like_one_that_was_not(settings, uninterrupted):
    config = settings("killed", steps=12, checkpoint_every=1)
    s = load_settings(config)
    file = s.store.partial(training_run(s, "ucf_baseline", seed=3)) / "checkpoint.pt"
    process = subprocess.Popen(
        [sys.executable, *TRAIN, str(config)], cwd=ROOT, env=environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    until = time.monotonic() + PATIENCE
    while not file.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert file.exists()  # killed in the middle: begun, not finished
    step = torch.load(file, weights_only=True)["trainer"]["step"]
    assert 0 < step < 12
    done = run(*TRAIN, config)
    assert done.returncode == 0, done.stderr_text
    same_run(stored(config), uninterrupted)


# A worker that is killed once, in the middle of a step of the second process.
DIES_ONCE = """\
import os, signal, sys
from pathlib import Path
from vjepa_lib.paper.__main__ import main
from vjepa_lib.training.pretrain import Trainer
died, train_step = Path(sys.argv.pop(1)), Trainer.train_step

def dying(self, clips):
    if self.step == 7 and os.environ["RANK"] == "1" and not died.exists():
        died.write_text(os.environ["TORCHELASTIC_RESTART_COUNT"])
        os.kill(os.getpid(), signal.SIGKILL)
    return train_step(self, clips)

Trainer.train_step = dying
sys.exit(main(sys.argv[1:]))
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.mark.parametrize("machines", [1, 2])
def test_a_worker_that_dies_is_started_again_and_nothing_changes(
    settings, uninterrupted, tmp_path, machines
):
    """Two processes, on one machine and (as two agents of torchrun) on two."""
    config = settings(f"elastic{machines}", steps=12)
    script = tmp_path / "dies_once.py"
    script.write_text(DIES_ONCE)
    job = ["--max-restarts=2", script, tmp_path / "died", *TRAIN[2:], config]
    if machines == 1:
        commands = [begin(*TORCHRUN, "--nproc-per-node=2", *job)]
    else:
        meet = ["--rdzv-id=test", "--rdzv-backend=c10d", f"--rdzv-endpoint=localhost:{free_port()}"]
        command = ["-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1", *meet, *job]
        commands = [begin(*command, TORCH_DISABLE_SHARE_RDZV_TCP_STORE="1") for _ in range(2)]
    for done in map(end, commands):
        assert done.returncode == 0, done.stderr_text
    assert (tmp_path / "died").read_text() == "0"
    found = stored(config)
    names = ["total", "jepa", "grad_norm"]
    difference = (found.curves[names] - uninterrupted.curves[names]).abs().to_numpy()
    assert len(found.curves) == 12 and np.nanmax(difference) < 1e-5
    a, b = weights(found), weights(uninterrupted)
    assert all(torch.allclose(a[k], b[k], atol=1e-5) for k in a)


def test_restarts_over_machines_that_would_hang_are_refused(settings):
    config = settings("refused")
    meet = ["--rdzv-id=test", "--rdzv-backend=c10d", f"--rdzv-endpoint=localhost:{free_port()}"]
    command = ["-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1", *meet]
    commands = [begin(*command, "--max-restarts=1", *TRAIN, config) for _ in range(2)]
    for done in map(end, commands):
        assert done.returncode != 0
        assert "TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 in front of torchrun" in done.stderr_text
    assert not (config.parent / "refused").exists()


# --- warned before a kill ---------------------------------------------------------------------


def warned(process, file):
    """Send SIGTERM once a checkpoint is there; what the command says and its exit status."""
    until = time.monotonic() + PATIENCE
    while not file.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    process.send_signal(signal.SIGTERM)
    return end(process)


def test_a_warned_run_keeps_its_last_step_and_goes_on_from_it(settings, uninterrupted):
    """SIGTERM, with which a cluster warns: a checkpoint of that very step, one sentence, 143."""
    config = settings("warned", steps=12, checkpoint_every=5)
    s = load_settings(config)
    file = s.store.partial(training_run(s, "ucf_baseline", seed=3)) / "checkpoint.pt"
    code = SLOW_STEPS.format(seconds=0.2) + "sys.exit(main(sys.argv[1:]))"
    done = warned(begin("-c", code, *TRAIN[2:], config), file)
    assert done.returncode == 128 + signal.SIGTERM, done.stderr_text
    assert "stopped: the same command goes on" in done.stderr_text
    assert "Traceback" not in done.stderr_text
    assert torch.load(file, weights_only=True)["trainer"]["step"] in range(6, 12)
    assert run(*TRAIN, config).returncode == 0
    same_run(stored(config), uninterrupted)


SLOW_STEPS = """\
import sys, time
from vjepa_lib.paper.__main__ import main
from vjepa_lib.training.pretrain import Trainer
train_step = Trainer.train_step

def slow(self, clips):
    time.sleep({seconds})
    return train_step(self, clips)

Trainer.train_step = slow
"""


def test_processes_of_torchrun_stop_together(settings, tmp_path):
    """Each gets the warning at another moment; they agree on the step after which they stop."""
    config = settings("warned_together", steps=12, checkpoint_every=1)
    s = load_settings(config)
    file = s.store.partial(training_run(s, "ucf_baseline", seed=3)) / "checkpoint.pt"
    script = tmp_path / "slow.py"
    script.write_text(SLOW_STEPS.format(seconds=0.3) + "sys.exit(main(sys.argv[1:]))")
    process = begin(*TORCHRUN, "--nproc-per-node=2", script, *TRAIN[2:], config)
    done = warned(process, file)
    assert done.returncode != 0
    assert done.stderr_text.count("stopped: the same command goes on") == 1, done.stderr_text
    assert 0 < torch.load(file, weights_only=True)["trainer"]["step"] < 12


STEPS_OF_TOYS = """\
import os, sys, time
from pathlib import Path
import pandas as pd
from vjepa_lib.study.ensure import ensure
from vjepa_lib.study.store import RunStore
from vjepa_lib.training.resume import interrupts_between_steps, stop_by, status_of

def train(config, partial, device):
    partial.mkdir(parents=True, exist_ok=True)
    with interrupts_between_steps() as asked:
        for step in range(600):
            time.sleep(0.1)
            (partial / "began").touch()
            if number := asked():
                (partial / "checkpoint.pt").write_text(str(step))
                raise stop_by(number)

try:
    store = RunStore(sys.argv[1])
    ensure(store, [{"seed": s} for s in range(6)], train, jobs=2, progress=False)
except KeyboardInterrupt as stop:
    print("in one sentence", file=sys.stderr)
    sys.exit(status_of(stop))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_training_processes_of_a_warned_command_keep_checkpoints(tmp_path, number):
    """Only the command itself is warned; what it has started stops too, and starts nothing more."""
    process = begin("-c", STEPS_OF_TOYS, tmp_path)
    until = time.monotonic() + PATIENCE
    while len(list(tmp_path.glob(".partial/*/began"))) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(number)
    done = end(process)
    assert done.returncode == 128 + number, done.stderr_text
    assert done.stderr_text == "in one sentence\n"
    kept = [p.parent for p in tmp_path.glob(".partial/*/checkpoint.pt")]
    assert sorted(kept) == sorted(tmp_path.glob(".partial/*")) and len(kept) == 2
    assert not list(tmp_path.glob(".stop*"))
