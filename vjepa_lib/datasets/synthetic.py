"""Embedded video data: short clips with known, independent factors of appearance and motion.

A `Scene` is one drawn set of factors and nuisance, `render` turns it into frames (`scene`), and a
`Domain` says from which values scenes are drawn, at which frame rate they are filmed and which
factors make the label (`domains`). `ensure` writes the domains as H.264 files with manifests, so
that nothing downstream can tell them from recorded video. Worlds for transfer are in `worlds`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from vjepa_lib.datasets.domains import (
    BENCHMARKS,
    DOMAINS,
    PRETRAINING,
    REGIMES,
    SPLITS,
    Domain,
)
from vjepa_lib.datasets.rendered import in_parts, label_table, write_sets
from vjepa_lib.datasets.scene import (
    CAMERAS,
    FORMAT,
    FREQUENCY,
    OPPOSITE,
    ORIENTATIONS,
    PALETTES,
    PANS,
    SHAPES,
    TEXTURES,
    TRAJECTORIES,
    Scene,
    render,
)
from vjepa_lib.errors import unknown
from vjepa_lib.video.encode import write_video

__all__ = [
    "BENCHMARKS",
    "CAMERAS",
    "DOMAINS",
    "OPPOSITE",
    "ORIENTATIONS",
    "PALETTES",
    "PANS",
    "PRETRAINING",
    "REGIMES",
    "SHAPES",
    "SPLITS",
    "TEXTURES",
    "TRAJECTORIES",
    "DataSpec",
    "Domain",
    "Scene",
    "ensure",
    "render",
    "scenes",
]


@dataclass(frozen=True)
class DataSpec:
    """How much of the embedded data a profile uses.

    Attributes
    ----------
    pretrain : clips of each pretraining set.
    train, val, test : labelled clips of each benchmark.
    size, frames : pixels and frames of a clip as the encoder sees it.
    """

    pretrain: int = 3000
    train: int = 400
    val: int = 200
    test: int = 800
    size: int = 32
    frames: int = 8

    def counts(self, domain: str) -> dict[str, int]:
        if domain in PRETRAINING:
            return {"train": self.pretrain}
        return {"train": self.train, "val": self.val, "test": self.test}

    @property
    def key(self) -> str:
        """Name of the folder these settings render to."""
        domains = {n: asdict(d) for n, d in DOMAINS.items()}
        text = json.dumps([FORMAT, asdict(self), domains, PALETTES, FREQUENCY])
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def scenes(domain: str, split: str, count: int) -> list[Scene]:
    """The scenes of one split; the first ones do not depend on how many are asked for.

    Every split draws from a stream of its own, so that no two splits share a random scene.
    """
    if domain not in DOMAINS:
        raise unknown("domain", domain, DOMAINS)
    words = [FORMAT, list(DOMAINS).index(domain), SPLITS.index(split)]
    rng = np.random.default_rng(np.random.SeedSequence(words))
    return [DOMAINS[domain].draw(rng) for _ in range(count)]


def _write_scene(job: tuple[Scene, Path], size: int, fps: int) -> None:
    scene, path = job
    write_video(path, render(scene, fps, size), fps)


def _write_domain(name: str, folder: Path, spec: DataSpec) -> list[partial]:
    """Write a domain's manifest and return what remains to be done: its clips, in parts."""
    domain = DOMAINS[name]
    rows, jobs = [], []
    for split, count in spec.counts(name).items():
        for i, scene in enumerate(scenes(name, split, count)):
            path = Path("clips") / split / f"{i:05d}.mp4"
            jobs.append((scene, folder / path))
            factors = {k: v for k, v in asdict(scene).items() if k != "seed"}
            rows.append(
                {
                    "path": path.as_posix(),
                    "label_name": domain.class_of(scene),
                    "split": split,
                    "frame_count": domain.fps,
                    "fps": float(domain.fps),
                    **factors,
                    "scene_seed": scene.seed,
                }
            )
    label_table(rows).to_csv(folder / "manifest.csv", index=False)
    return in_parts(partial(_write_scene, size=spec.size, fps=domain.fps), jobs)


def ensure(
    spec: DataSpec, root: str | Path = "data", jobs: int | None = None, progress: bool = True
) -> dict[str, Path]:
    """Render what is missing and return the manifest of every domain.

    Parameters
    ----------
    spec : how many clips of which size.
    root : folder of all renderings; each has a sub-folder named by its settings.
    jobs : processes; None for one per core.

    Returns
    -------
    domain name -> path of its manifest

    Raises
    ------
    DataError : the folder cannot be written.
    """
    plans = {name: partial(_write_domain, name, spec=spec) for name in DOMAINS}
    return write_sets(Path(root) / "embedded" / spec.key, plans, jobs, progress)
