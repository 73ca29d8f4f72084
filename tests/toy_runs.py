"""Runs that take no time, for workers of a cluster: they import this file, so it is a short one."""

import os
import signal
import time
from dataclasses import dataclass

import pandas as pd

from vjepa_lib.errors import DataError


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


def broken_train(config, partial, device):
    if config.seed == 1:
        raise DataError("clip 7 is broken: replace it.")
    if config.seed == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return pd.DataFrame({"benchmark": ["b"], "top1": [1.0]}), pd.DataFrame({"step": [0]})


def slow_train(config, partial, device):
    (partial.parent.parent).mkdir(parents=True, exist_ok=True)
    (partial.parent.parent / f"slow-{config.seed}").touch()
    time.sleep(0.5)
    return pd.DataFrame({"benchmark": ["b"], "top1": [1.0]}), pd.DataFrame({"step": [0]})
