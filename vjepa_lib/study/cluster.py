"""Runs as tasks of a Ray cluster: one run a task, given to another machine if its own is lost.

Plain tasks, not joblib's backend for Ray: that one cannot hand results back as they come, and a
worker that dies takes the whole job with it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from vjepa_lib.errors import ConfigError
from vjepa_lib.folders import VARIABLES, folder

RETRIES = 3  # times a task is started again after its process or machine was lost


def _ray():
    try:
        import ray
    except ImportError:
        raise ConfigError(
            "cluster='ray' needs Ray: install this package with the extra 'cluster'."
        ) from None
    return ray


def _with_environment(variables: dict[str, str], task: Callable[[Any], Any], item: Any) -> Any:
    """On a worker: folders as the driver has them, then the task."""
    os.environ.update(variables)
    return task(item)


def on_ray(
    task: Callable[[Any], Any],
    items: Sequence[Any],
    gpus: float = 0.0,
    names: Sequence[str] | None = None,
) -> Iterator[Any]:
    """Results of `task` for every item, in the order in which they are ready.

    The cluster is the one that RAY_ADDRESS names or that was started on this machine; without one,
    this machine alone. Each task takes one core, and `gpus` GPUs: Ray shows a task only its own.

    Parameters
    ----------
    task : function of an item, importable on the workers; may be called again for an item whose
        worker was lost.
    gpus : GPUs of a task; a fraction lets tasks share one.
    names : what to call the items in messages.

    Yields
    ------
    What the task returned; a sentence where its worker was lost `RETRIES` times more.

    Raises
    ------
    ConfigError : Ray is not installed, or no machine of the cluster has the GPUs of a task.
    """
    ray = _ray()
    if not ray.is_initialized():
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(log_to_driver=False, include_dashboard=False)
    most = max((n["Resources"].get("GPU", 0) for n in ray.nodes() if n["Alive"]), default=0)
    if gpus > most:
        raise ConfigError(
            f"A run asks for {gpus:g} GPUs and no machine of the Ray cluster has more than "
            f"{most:g}: ask for fewer, or train on the CPU."
        )
    variables = {k: os.path.abspath(folder(k)) for k in VARIABLES if k in os.environ}
    remote = ray.remote(_with_environment).options(num_cpus=1, num_gpus=gpus, max_retries=RETRIES)
    waiting = {remote.remote(variables, task, item): n for n, item in enumerate(items)}
    while waiting:
        (ready,), _ = ray.wait(list(waiting))
        number = waiting.pop(ready)
        try:
            yield ray.get(ready)
        except ray.exceptions.RayTaskError as error:
            raise error.as_instanceof_cause() from None  # a mistake in the task itself
        except ray.exceptions.RayError as error:
            name = names[number] if names else f"task {number}"
            yield f"{name}: its worker was lost {RETRIES + 1} times ({type(error).__name__})."
