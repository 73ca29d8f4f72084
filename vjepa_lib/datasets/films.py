"""The pretraining sets as films of any number of frames: the same scenes, sampled more finely.

The embedded sets (`synthetic`) have as many frames as a domain's frame rate says. A larger encoder
looks at more frames of the same second, so its clips are rendered with that many.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from vjepa_lib.datasets.domains import DOMAINS, PRETRAINING
from vjepa_lib.datasets.rendered import in_parts, label_table, write_sets
from vjepa_lib.datasets.scene import FORMAT, FREQUENCY, PALETTES, Scene, render
from vjepa_lib.datasets.synthetic import scenes
from vjepa_lib.settings import Count, check_domains
from vjepa_lib.video.encode import write_video

SECONDS = 1.0  # of a clip, as in the embedded sets


@dataclass(frozen=True)
class FilmSpec:
    """How many clips each pretraining set has, and of which size.

    Attributes
    ----------
    clips : of each set.
    size, frames : pixels and frames of a clip; the size is even, as H.264 wants it.

    Raises
    ------
    ConfigError : a number that is not a whole one above 0.
    """

    clips: Count = 2000
    size: Count = 112
    frames: Count = 16

    def __post_init__(self) -> None:
        check_domains(self)

    @property
    def key(self) -> str:
        """Name of the folder these settings render to."""
        drawn = {name: asdict(DOMAINS[name]) for name in PRETRAINING}
        text = json.dumps([FORMAT, asdict(self), SECONDS, drawn, PALETTES, FREQUENCY])
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def _write_film(job: tuple[Scene, Path], spec: FilmSpec) -> None:
    scene, path = job
    write_video(path, render(scene, spec.frames, spec.size), spec.frames / SECONDS)


def _write_set(folder: Path, name: str, spec: FilmSpec) -> list[partial]:
    """Write a set's manifest and return what remains to be done: its clips, in parts."""
    rows, jobs = [], []
    for i, scene in enumerate(scenes(name, "train", spec.clips)):
        path = Path("clips") / "train" / f"{i:05d}.mp4"
        jobs.append((scene, folder / path))
        factors = {k: v for k, v in asdict(scene).items() if k != "seed"}
        rows.append(
            {
                "path": path.as_posix(),
                "label_name": DOMAINS[name].class_of(scene),
                "split": "train",
                "frame_count": spec.frames,
                "fps": spec.frames / SECONDS,
                **factors,
                "scene_seed": scene.seed,
            }
        )
    label_table(rows).to_csv(folder / "manifest.csv", index=False)
    return in_parts(partial(_write_film, spec=spec), jobs)


def ensure(
    spec: FilmSpec, root: str | Path = "data", jobs: int | None = None, progress: bool = True
) -> dict[str, Path]:
    """Render what is missing and return the manifest of every pretraining set.

    Parameters
    ----------
    spec : how many clips of which size.
    root : folder of all renderings.
    jobs : processes; None for one per core.

    Returns
    -------
    name (one of `PRETRAINING`) -> path of its manifest

    Raises
    ------
    DataError : the folder cannot be written.
    """
    plans = {name: partial(_write_set, name=name, spec=spec) for name in PRETRAINING}
    return write_sets(Path(root) / "films" / spec.key, plans, jobs, progress)
