"""Train what is missing from a store: here, in several processes, or on a cluster."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

from vjepa_lib.errors import CompanionError, ConfigError, RunStoreError
from vjepa_lib.study.fingerprint import Code, code_of
from vjepa_lib.study.store import RunStore, config_hash
from vjepa_lib.training.resume import handled, stop_by, stopped_by_file, termination_raises

STOPPED = "stopped"  # what a process returns for a run that it was asked to leave


def _one(
    item: tuple[Any, Code],
    store: RunStore,
    train: Callable,
    device: str,
    threads: int,
    stop: Path | None = None,
) -> str | None:
    """Train and store one run; a sentence if it failed, so that the others go on.

    Its code comes with it: a term from a notebook cell has no source in another process.

    Parameters
    ----------
    stop : file whose appearance asks this process to keep a checkpoint and take no more runs.
    """
    import torch

    from vjepa_lib.training.devices import trains_on

    config, code = item
    if stop and stop.exists():
        return STOPPED
    torch.set_num_threads(threads)
    try:
        # Two processes asked for the same run: the second waits and finds it done.
        (store.root / ".locks").mkdir(parents=True, exist_ok=True)
        lock = FileLock(store.root / ".locks" / config_hash(config))
        with termination_raises(), stopped_by_file(stop), lock:
            if store.has(config, code):
                return None
            start = time.perf_counter()
            with trains_on(device):
                metrics, curves = train(config, store.partial(config, code), device)
            store.save(config, metrics, curves, time.perf_counter() - start, code)
    except CompanionError as error:
        return f"{config_hash(config)}: {error}"
    except OSError as error:
        return f"{config_hash(config)}: {error.strerror or error} ({store.root})"
    except KeyboardInterrupt:
        if stop is None:  # this is the process that was asked
            raise
        return STOPPED
    return None


@contextmanager
def _told_to_stop(stop: Path) -> Iterator[None]:
    """Pass Ctrl-C and SIGTERM on to other processes by a file, and raise once they have stopped.

    A second signal does not wait for them.
    """
    came: list[int] = []

    def note(number: int) -> None:
        if came:
            raise stop_by(number)
        came.append(number)
        stop.touch()

    try:
        with handled(note):
            try:
                yield
            except Exception:  # a process that was stopped too takes its pool with it
                if not came:
                    raise
        if came:
            raise stop_by(came[0])
    finally:
        stop.unlink(missing_ok=True)


def ensure(
    store: RunStore,
    configs: Sequence[Any],
    train: Callable[[Any, Path, str], tuple[pd.DataFrame, pd.DataFrame]],
    jobs: int = 1,
    device: str = "cpu",
    cluster: str | None = None,
    progress: bool = True,
    gpus: float = 1.0,
) -> None:
    """Train what is missing, damaged or made by other code; every run is stored when it is done.

    Parameters
    ----------
    configs : configurations wanted; finished ones cost nothing.
    train : (config, folder for checkpoints, device) -> (metrics, curves).
    jobs : processes on this machine, one thread each; a cluster runs as many as it has room for.
    cluster : None for this machine, 'ray' for one task a run on a Ray cluster, whose machines must
        see the store under the same path. A task that is lost with its machine is started again
        and goes on from its checkpoint.
    gpus : GPUs of a run on a cluster, where `device` is 'cuda'; a fraction lets runs share one.

    Raises
    ------
    RunStoreError : the store cannot be written, or some runs failed (the others are stored).
    ConfigError : unknown cluster, or ray is not installed.
    KeyboardInterrupt, Terminated : when every process has kept its checkpoint.
    """
    from tqdm.auto import tqdm

    todo = store.missing(configs)
    if not todo:
        return
    store.check_writable()
    store.tidy()
    store.say_what_is_made_anew(todo)
    work = [(c, code_of(c)) for c in todo]
    if cluster not in (None, "ray"):
        raise ConfigError(f"Unknown cluster {cluster!r}: choose 'ray' or none.")
    failures = []

    def follow(done: Iterable[str | None]) -> None:
        for failure in tqdm(done, total=len(todo), desc="training runs", disable=not progress):
            if failure and failure != STOPPED:
                failures.append(failure)

    # A worker's working directory is not always this one's.
    shared = RunStore(store.root.absolute())
    stop = shared.root / f".stop-{os.getpid()}"
    task = partial(_one, store=shared, train=train, device=device, threads=1, stop=stop)
    if cluster:
        from vjepa_lib.study.cluster import on_ray

        share = gpus if device.startswith("cuda") else 0.0
        with _told_to_stop(stop):
            follow(on_ray(task, work, share, [config_hash(c) for c in todo]))
    elif jobs > 1:
        with _told_to_stop(stop):
            _in_processes(task, work, jobs, follow)
    else:
        follow(_one(item, shared, train, device, 1) for item in work)
    if failures:
        raise RunStoreError(
            f"{len(failures)} of {len(todo)} runs failed, the others are stored: "
            + " | ".join(failures)
        )


def _in_processes(task: Callable, work: list, jobs: int, follow: Callable) -> None:
    """Train runs in several processes of this machine.

    Raises
    ------
    RunStoreError : a process was killed; what is stored stays.
    """
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    # Idle workers of an earlier pool end in their own time; that is not worth a warning.
    warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
    with parallel_config("loky", n_jobs=jobs):
        try:
            follow(Parallel(return_as="generator_unordered")(delayed(task)(i) for i in work))
        except TerminatedWorkerError:
            raise RunStoreError(
                "A training process was killed from outside, perhaps for lack of memory: ask for "
                "fewer jobs; finished runs are stored and the same command goes on."
            ) from None
