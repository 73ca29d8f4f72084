"""Writing rendered sets: all clips of a set or none, in several processes, gone on with later."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from vjepa_lib.errors import DataError

_PART = 200  # clips a process is given at a time


def label_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Manifest of rows with a `label_name`: their numbers, in sorted order, are put beside it."""
    table = pd.DataFrame(list(rows))
    names = sorted(table.label_name.unique())
    table.insert(1, "label", table.label_name.map({n: i for i, n in enumerate(names)}))
    return table


def _each(write: Callable[[tuple[Any, Path]], None], jobs: Sequence[tuple[Any, Path]]) -> None:
    for folder in {path.parent for _, path in jobs}:
        folder.mkdir(parents=True, exist_ok=True)
    for job in jobs:
        write(job)


def in_parts(
    write: Callable[[tuple[Any, Path]], None], jobs: Sequence[tuple[Any, Path]]
) -> list[partial]:
    """Jobs (scene, path of its file) in parts that are worth handing to a process."""
    return [partial(_each, write, jobs[i : i + _PART]) for i in range(0, len(jobs), _PART)]


def write_sets(
    base: Path,
    plans: Mapping[str, Callable[[Path], list[Callable[[], None]]]],
    jobs: int | None = None,
    progress: bool = True,
) -> dict[str, Path]:
    """Write the sets that are missing; a set appears under its name only when it is whole.

    Parameters
    ----------
    base : folder of the sets; each is a folder `base/<name>` with a `manifest.csv`.
    plans : name -> function that writes the manifest into a folder and returns what remains to be
        done there: its clips, in parts.
    jobs : processes; None for one per core.

    Returns
    -------
    name -> path of its manifest

    Raises
    ------
    DataError : the folder cannot be written.
    """
    from joblib import Parallel, delayed
    from tqdm.auto import tqdm

    manifests = {name: base / name / "manifest.csv" for name in plans}
    missing = [n for n, m in manifests.items() if not m.exists()]
    if not missing:
        return manifests
    moves: dict[str, Path] = {}
    try:
        base.mkdir(parents=True, exist_ok=True)
        work = []
        for name in missing:
            part = base / f".{name}.{os.getpid()}"
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            moves[name] = part
            work += [(name, task) for task in plans[name](part)]
        left = {name: sum(n == name for n, _ in work) for name in missing}

        def finish(name: str) -> None:
            if (base / name).exists():  # another process was faster; its clips are the same
                shutil.rmtree(moves[name])
            else:
                moves[name].rename(base / name)

        run = Parallel(n_jobs=jobs or os.cpu_count() or 1, return_as="generator_unordered")
        done = run(delayed(_run)(name, task) for name, task in work)
        for name in tqdm(done, total=len(work), desc="rendering clips", disable=not progress):
            left[name] -= 1
            # At once, so that what is whole survives an interruption.
            if not left[name]:
                finish(name)
    except OSError as error:
        raise DataError(
            f"The embedded data cannot be written to {base} ({error.strerror or error}): free "
            f"some space or choose another folder."
        ) from error
    finally:
        for part in moves.values():
            shutil.rmtree(part, ignore_errors=True)
    return manifests


def _run(name: str, task: Callable[[], None]) -> str:
    task()
    return name
