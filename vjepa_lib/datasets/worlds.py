"""Transfer tasks as files: scenes of every world of `shifts`, and the manifests for reading."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np

from vjepa_lib.datasets.domains import SPLITS
from vjepa_lib.datasets.rendered import in_parts, label_table, write_sets
from vjepa_lib.datasets.scene import FORMAT, FREQUENCY, PALETTES, render
from vjepa_lib.datasets.shifts import (
    SEVERITIES,
    SHIFTS,
    SOURCE,
    TASKS,
    UNSEEN,
    World,
    WorldScene,
    places,
    world,
)
from vjepa_lib.video.encode import write_video

__all__ = [
    "SEVERITIES",
    "SHIFTS",
    "SOURCE",
    "TASKS",
    "World",
    "WorldScene",
    "WorldSpec",
    "classes",
    "places",
    "scenes",
    "tasks",
    "world",
]

_FORMAT = 1  # raise when a change here changes the clips


@cache
def classes(task: str) -> tuple[str, ...]:
    """Names of a task's classes, the same in all of its worlds."""
    source = world(task)
    scene = source.draw(np.random.default_rng(0))
    found = set()
    for texture in source.textures:
        for camera, then in source.orders:
            for trajectory, directions in source.moves:
                for direction in directions:
                    drawn = replace(
                        scene,
                        texture=texture,
                        camera=camera,
                        then=then,
                        trajectory=trajectory,
                        direction=direction,
                    )
                    found.add(source.class_of(drawn))
    return tuple(sorted(found))


def scenes(task: str, place: tuple[str, int], split: str, count: int) -> list[WorldScene]:
    """The scenes of one split of a world, its classes in turn.

    The first ones do not depend on how many are asked for. Every split of every world draws from a
    stream of its own.
    """
    here, names = world(task, *place), classes(task)
    words = [_FORMAT, 1000 + list(TASKS).index(task), places().index(place), SPLITS.index(split)]
    rng = np.random.default_rng(np.random.SeedSequence(words))
    out: list[WorldScene] = []
    while len(out) < count:
        scene = here.draw(rng)
        # Even classes without touching what else is drawn: the others are thrown away.
        if here.class_of(scene) == names[len(out) % len(names)]:
            out.append(scene)
    return out


# --- files ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WorldSpec:
    """How many clips of which size a task has in its worlds.

    Attributes
    ----------
    train, val, test : labelled clips of the source.
    target_train, target_val : of every shift at its last severity, where readers are trained anew.
    target_test : of every target.
    size, frames : pixels and frames of a clip.
    """

    train: int = 400
    val: int = 150
    test: int = 300
    target_train: int = 250
    target_val: int = 100
    target_test: int = 150
    size: int = 32
    frames: int = 8

    def counts(self, place: tuple[str, int]) -> dict[str, int]:
        if place == SOURCE:
            return {"train": self.train, "val": self.val, "test": self.test}
        if place[1] == SEVERITIES[-1]:
            trained = {"train": self.target_train, "val": self.target_val}
            return trained | {"test": self.target_test}
        return {"test": self.target_test}

    @property
    def key(self) -> str:
        """Name of the folder these settings render to."""
        drawn = [asdict(world(task, *place)) for task in TASKS for place in places()]
        tables = [FORMAT, _FORMAT, PALETTES, FREQUENCY, UNSEEN]
        text = json.dumps([tables, drawn, asdict(self)])
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def _write_scene(job: tuple[WorldScene, Path], size: int, frames: int) -> None:
    scene, path = job
    write_video(path, render(scene, frames, size), frames / scene.seconds)


def _write_world(folder: Path, task: str, place: tuple[str, int], spec: WorldSpec) -> list[partial]:
    """Write a world's manifest and return what remains to be done: its clips, in parts."""
    here = world(task, *place)
    rows, jobs = [], []
    for split, count in spec.counts(place).items():
        for i, scene in enumerate(scenes(task, place, split, count)):
            path = Path("clips") / split / f"{i:05d}.mp4"
            jobs.append((scene, folder / path))
            factors = {k: v for k, v in asdict(scene).items() if k not in ("seed", "tint")}
            tint = {f"tint_{c}": value for c, value in zip("rgb", scene.tint, strict=True)}
            rows.append(
                {
                    "path": path.as_posix(),
                    "label_name": here.class_of(scene),
                    "split": split,
                    "frame_count": spec.frames,
                    "fps": spec.frames / scene.seconds,
                    **factors,
                    **tint,
                    "scene_seed": scene.seed,
                }
            )
    label_table(rows).to_csv(folder / "manifest.csv", index=False)
    return in_parts(partial(_write_scene, size=spec.size, frames=spec.frames), jobs)


def tasks(
    spec: WorldSpec, root: str | Path = "data", jobs: int | None = None, progress: bool = True
) -> dict[str, dict[tuple[str, int], Path]]:
    """Render what is missing of all tasks and return their manifests.

    Parameters
    ----------
    spec : how many clips of which size.
    root : folder of all renderings; each has a sub-folder named by its settings.
    jobs : processes; None for one per core.

    Returns
    -------
    task -> (shift, severity) -> path of its manifest; ('source', 0) is the source, with the splits
    train, val and test; targets have test, at the last severity train and val as well.

    Raises
    ------
    DataError : the folder cannot be written.
    """
    names = {(t, place): f"{t}-{place[0]}-{place[1]}" for t in TASKS for place in places()}
    plans = {
        name: partial(_write_world, task=task, place=place, spec=spec)
        for (task, place), name in names.items()
    }
    manifests = write_sets(Path(root) / "worlds" / spec.key, plans, jobs, progress)
    return {t: {place: manifests[names[t, place]] for place in places()} for t in TASKS}


def some(
    spec: WorldSpec,
    wanted: Iterable[tuple[str, tuple[str, int]]],
    root: str | Path = "data",
    jobs: int | None = None,
    progress: bool = False,
) -> dict[tuple[str, tuple[str, int]], Path]:
    """Render only some worlds, as `tasks` would.

    Parameters
    ----------
    wanted : (task, (shift, severity)).

    Returns
    -------
    (task, (shift, severity)) -> path of its manifest.

    Raises
    ------
    ConfigError : unknown task, shift or severity. DataError : the folder cannot be written.
    """
    wanted = list(wanted)
    for task, place in wanted:
        world(task, *place)  # unknown ones are refused before anything is written
    names = {(task, place): f"{task}-{place[0]}-{place[1]}" for task, place in wanted}
    plans = {
        name: partial(_write_world, task=task, place=place, spec=spec)
        for (task, place), name in names.items()
    }
    manifests = write_sets(Path(root) / "worlds" / spec.key, plans, jobs, progress)
    return {key: manifests[name] for key, name in names.items()}
