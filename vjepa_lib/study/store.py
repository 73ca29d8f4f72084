"""The run store: content-addressed, atomic, resumable; one machine or a cluster.

A run lives in `runs/<hash>/`, the hash being that of its configuration: `config.json`,
`metrics.csv`, `curves.csv`, `provenance.json`. It is written under a temporary name and renamed when
whole, so a folder under its hash is a finished run and anything else is not.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

from vjepa_lib.errors import CompanionError, ConfigError, RunStoreError
from vjepa_lib.provenance import provenance

LEAST_FREE = 50 * 2**20  # bytes asked for before training starts
FILES = ("config.json", "metrics.csv", "curves.csv", "provenance.json")


def plain(value: Any) -> Any:
    """A configuration as JSON types."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def config_hash(config: Any) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a configuration's canonical JSON."""
    text = json.dumps(plain(config), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Run:
    """A finished run as read back."""

    hash: str
    config: dict
    metrics: pd.DataFrame
    curves: pd.DataFrame
    provenance: dict
    path: Path


class RunStore:
    """Folder of runs.

    Parameters
    ----------
    root : folder, made if missing.
    """

    def __init__(self, root: str | Path = "runs") -> None:
        self.root = Path(root)

    def path(self, config: Any) -> Path:
        return self.root / config_hash(config)

    def has(self, config: Any) -> bool:
        return all((self.path(config) / name).exists() for name in FILES)

    def missing(self, configs: Iterable[Any]) -> list[Any]:
        """Configurations without a finished run, each once."""
        unique = {config_hash(c): c for c in configs}
        return [c for c in unique.values() if not self.has(c)]

    def partial(self, config: Any) -> Path:
        """Folder for the checkpoint of an unfinished run."""
        return self.root / ".partial" / config_hash(config)

    def load(self, config: Any) -> Run:
        """Read a finished run.

        Raises
        ------
        RunStoreError : the run is not there, or only half of it.
        """
        return self.read(config_hash(config))

    def read(self, name: str) -> Run:
        """Read a finished run by its hash."""
        path = self.root / name
        absent = [f for f in FILES if not (path / f).exists()]
        if absent:
            what = "has no finished run" if len(absent) == len(FILES) else f"lacks {absent[0]}"
            raise RunStoreError(
                f"The run folder {path} {what}: train it again (a half-written folder can be "
                f"deleted; other runs are not touched)."
            )
        try:
            return Run(
                name,
                json.loads((path / "config.json").read_text()),
                pd.read_csv(path / "metrics.csv"),
                pd.read_csv(path / "curves.csv"),
                json.loads((path / "provenance.json").read_text()),
                path,
            )
        except (ValueError, OSError) as error:
            raise RunStoreError(
                f"The run {path} cannot be read ({error}): delete this folder and train it again."
            ) from error

    def check_writable(self) -> None:
        """Fail before training rather than after it.

        Raises
        ------
        RunStoreError : read-only folder, or too little space.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            trial = self.root / f".write-test-{os.getpid()}"
            trial.write_text("x")
            trial.unlink()
            free = shutil.disk_usage(self.root).free
        except OSError as error:
            raise RunStoreError(
                f"The runs folder {self.root} cannot be written ({error.strerror or error}): make "
                f"it writable or choose another with VJEPA_RUNS; finished runs stay usable."
            ) from error
        if free < LEAST_FREE:
            raise RunStoreError(
                f"The disk of {self.root} has {free // 2**20} MiB left and a run asks for "
                f"{LEAST_FREE // 2**20}: free some space; finished runs stay usable."
            )

    def save(
        self, config: Any, metrics: pd.DataFrame, curves: pd.DataFrame, seconds: float
    ) -> Path:
        """Store a finished run atomically.

        Raises
        ------
        RunStoreError : the folder cannot be written.
        """
        final = self.path(config)
        part = self.root / f".{final.name}.{os.getpid()}.part"
        try:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            (part / "config.json").write_text(json.dumps(plain(config), indent=1, sort_keys=True))
            metrics.to_csv(part / "metrics.csv", index=False)
            curves.to_csv(part / "curves.csv", index=False)
            # What training left for keeps, such as the encoder.
            for kept in sorted(self.partial(config).glob("*.safetensors")):
                shutil.copy2(kept, part)
            facts = provenance() | {"seconds": round(seconds, 1), "hash": final.name}
            (part / "provenance.json").write_text(json.dumps(facts, indent=1))
            if final.exists():  # half-written by an older version or a broken copy
                shutil.rmtree(final)
            part.rename(final)
        except OSError as error:
            shutil.rmtree(part, ignore_errors=True)
            raise RunStoreError(
                f"The run could not be stored in {self.root} ({error.strerror or error}): free "
                f"some space or make the folder writable; finished runs stay usable."
            ) from error
        shutil.rmtree(self.partial(config), ignore_errors=True)
        return final

    def frame(self, configs: Iterable[Any]) -> pd.DataFrame:
        """Metrics of finished runs, a row per run, benchmark and probe, with labels of the run."""
        parts = []
        for config in configs:
            run = self.load(config)
            label = {
                k: run.config[k] for k in ("variant", "form", "regime", "seed") if k in run.config
            }
            parts.append(
                run.metrics.assign(
                    **label,
                    run=run.hash,
                    commit=run.provenance["commit"],
                    profile=run.config.get("profile"),
                )
            )
        return pd.concat(parts, ignore_index=True)


def _one(store: RunStore, config: Any, train: Callable, device: str, threads: int) -> str | None:
    """Train and store one run; a sentence if it failed, so that the others go on."""
    import torch

    torch.set_num_threads(threads)
    try:
        # Two processes asked for the same run: the second waits and finds it done.
        (store.root / ".locks").mkdir(parents=True, exist_ok=True)
        with FileLock(store.root / ".locks" / config_hash(config)):
            if store.has(config):
                return None
            start = time.perf_counter()
            metrics, curves = train(config, store.partial(config), device)
            store.save(config, metrics, curves, time.perf_counter() - start)
    except CompanionError as error:
        return f"{config_hash(config)}: {error}"
    except OSError as error:
        return f"{config_hash(config)}: {error.strerror or error} ({store.root})"
    return None


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
    """Train what is missing; every run is stored the moment it is done.

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
    """
    from tqdm.auto import tqdm

    todo = store.missing(configs)
    if not todo:
        return
    store.check_writable()
    if cluster not in (None, "ray"):
        raise ConfigError(f"Unknown cluster {cluster!r}: choose 'ray' or none.")
    failures = []

    def follow(done: Iterable[str | None]) -> None:
        for failure in tqdm(done, total=len(todo), desc="training runs", disable=not progress):
            if failure:
                failures.append(failure)

    if cluster:
        from vjepa_lib.study.cluster import on_ray

        # A worker's working directory is not this one's.
        shared = RunStore(store.root.absolute())
        task = partial(_one, shared, train=train, device=device, threads=1)
        share = gpus if device.startswith("cuda") else 0.0
        follow(on_ray(task, todo, share, [config_hash(c) for c in todo]))
    else:
        _on_this_machine(store, todo, train, jobs, device, follow)
    if failures:
        raise RunStoreError(
            f"{len(failures)} of {len(todo)} runs failed, the others are stored: "
            + " | ".join(failures)
        )


def _on_this_machine(
    store: RunStore, todo: list, train: Callable, jobs: int, device: str, follow: Callable
) -> None:
    """Train runs in this process, or in several."""
    from joblib import Parallel, delayed, parallel_config

    backend = "loky" if jobs > 1 else "sequential"
    # Idle workers of an earlier pool end in their own time; that is not worth a warning.
    warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
    with parallel_config(backend, n_jobs=jobs):
        follow(
            Parallel(return_as="generator_unordered")(
                delayed(_one)(store, config, train, device, 1) for config in todo
            )
        )
