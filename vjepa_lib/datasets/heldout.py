"""A world nobody shaped: handwritten digits moving over photographs under a moving camera.

Written once with plausible values, committed before any encoder had been trained or read on it, and
never changed after: a test holds its parameters and clips to their checksums. It shares nothing
with the rendered worlds but that things move. It asks which digit it is, where it goes, and which
of two events came first; its unlabelled set serves pretraining in the other direction.

Digits are those of the UCI set that scikit-learn ships (E. Alpaydin, C. Kaynak 1998, 8 x 8 pixels),
photographs are those inside the packages scikit-image and scikit-learn; nothing is downloaded. No
digit and no photograph is in two splits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from vjepa_lib.datasets.domains import SPLITS
from vjepa_lib.datasets.rendered import in_parts, label_table, write_sets
from vjepa_lib.errors import DataError, unknown
from vjepa_lib.video.encode import write_video

PHOTOGRAPHS: Mapping[str, tuple[str, ...]] = {
    "train": (
        "astronaut.png",
        "brick.png",
        "camera.png",
        "china.jpg",
        "coffee.png",
        "coins.png",
        "grass.png",
        "hubble_deep_field.jpg",
        "ihc.png",
        "motorcycle_left.png",
    ),
    "val": ("moon.png", "page.png", "rocket.jpg"),
    "test": ("chelsea.png", "clock_motion.png", "flower.jpg", "gravel.png", "retina.jpg"),
}
DIGIT_SHARES = {"train": 0.6, "val": 0.15, "test": 0.25}  # of the 1,797 digits
DIRECTIONS = ("right", "down right", "down", "down left", "left", "up left", "up", "up right")
EVENTS = ("grow", "spin", "fade")
ORDERS = tuple((a, b) for a in EVENTS for b in EVENTS if a != b)
PRETRAINING = "digits_pretrain"
QUESTIONS = {
    "digits_digit": "Which digit? 10 classes; it drifts anywhere, or stays.",
    "digits_direction": "Where does the digit go? 8 directions.",
    "digits_order": "Which two of three events befall the digit, and which came first? 6 classes; "
    "what is pooled over time tells a half of them.",
}
SETS = (PRETRAINING, *QUESTIONS)

# Ranges; lengths in fields of view, times in seconds.
RANGES = {
    "speed": (0.5, 0.9),  # of the digit, where its direction is asked
    "drift": (0.0, 0.5),  # of the digit elsewhere
    "offset": (-0.15, 0.15),  # of its place in the middle of the clip, from the centre
    "side": (0.45, 0.65),  # of the digit's square
    "pan_speed": (0.0, 0.6),  # of the camera, in any direction
    "zoom": (-0.3, 0.3),  # of the camera, logarithm a second
    "window": (0.3, 0.6),  # of the photograph's shorter side, seen at once
    "noise": (0.02, 0.05),
}
GROWTH, TURN, FADING = 0.6, np.pi, 0.85  # of the events at their height
_FORMAT = 1


@dataclass(frozen=True)
class DigitScene:
    """Every number one clip is made from.

    Attributes
    ----------
    digit, digit_row : class, and row among scikit-learn's digits.
    photograph : file name.
    direction, angle, speed : of the digit; `direction` names `angle` (radians, y downwards) where
        it is one of the eight, else it is 'any'.
    first, second : events in the two halves of the clip, or 'none'.
    offset_x, offset_y, side, pan_angle, pan_speed, zoom, window, noise : see `RANGES`.
    seed : everything else that is random.
    """

    digit: int
    digit_row: int
    photograph: str
    direction: str
    angle: float
    speed: float
    first: str
    second: str
    offset_x: float
    offset_y: float
    side: float
    pan_angle: float
    pan_speed: float
    zoom: float
    window: float
    noise: float
    seed: int


@lru_cache(maxsize=1)
def _digits() -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Ink of all digits [n, 8, 8] from 0 to 1, their classes [n], and the rows of every split."""
    from sklearn.datasets import load_digits

    data = load_digits()
    rows = np.random.default_rng(0).permutation(len(data.target))
    ends = np.round(np.cumsum(list(DIGIT_SHARES.values())) * len(rows)).astype(int)
    parts = np.split(rows, ends[:-1])
    return data.images / 16, data.target, dict(zip(DIGIT_SHARES, parts, strict=True))


@lru_cache(maxsize=32)
def _photograph(name: str) -> Any:
    """A photograph as shipped, a PIL image in RGB."""
    import skimage
    import sklearn.datasets
    from PIL import Image

    folders = (
        Path(skimage.__file__).parent / "data",
        Path(sklearn.datasets.__file__).parent / "images",
    )
    path = next((f / name for f in folders if (f / name).exists()), None)
    if path is None:
        raise DataError(
            f"The photograph {name} is not in the installed scikit-image or scikit-learn: install "
            f"the versions of constraints.txt."
        )
    with Image.open(path) as image:
        return image.convert("RGB")


def _resized(name: str, side: int) -> np.ndarray:
    """A photograph, its shorter side `side` pixels long: [H, W, 3] from 0 to 1."""
    from PIL import Image

    image = _photograph(name)
    scale = side / min(image.size)
    size = tuple(max(side, round(edge * scale)) for edge in image.size)
    return np.asarray(image.resize(size, Image.Resampling.BOX), np.float32) / 255


def _draw(name: str, split: str, rng: np.random.Generator) -> DigitScene:
    _, classes, rows = _digits()

    def between(key: str) -> float:
        return float(rng.uniform(*RANGES[key]))

    row = int(rng.choice(rows[split]))
    direction, first, second = "any", "none", "none"
    angle = float(rng.uniform(0, 2 * np.pi))
    if name == "digits_direction":
        number = int(rng.integers(len(DIRECTIONS)))
        direction, angle = DIRECTIONS[number], number * np.pi / 4
    elif name == "digits_order":
        first, second = ORDERS[int(rng.integers(len(ORDERS)))]
    elif name == PRETRAINING:
        first, second = (str(e) for e in rng.choice(("none", *EVENTS), 2))
    return DigitScene(
        digit=int(classes[row]),
        digit_row=row,
        photograph=str(rng.choice(PHOTOGRAPHS[split])),
        direction=direction,
        angle=angle,
        speed=between("speed" if name == "digits_direction" else "drift"),
        first=first,
        second=second,
        offset_x=between("offset"),
        offset_y=between("offset"),
        side=between("side"),
        pan_angle=float(rng.uniform(0, 2 * np.pi)),
        pan_speed=between("pan_speed"),
        zoom=between("zoom"),
        window=between("window"),
        noise=between("noise"),
        seed=int(rng.integers(2**31)),
    )


def class_of(name: str, scene: DigitScene) -> str:
    """Class name of a scene in a set."""
    return {
        "digits_digit": str(scene.digit),
        "digits_direction": scene.direction,
        "digits_order": f"{scene.first} then {scene.second}",
    }.get(name, "unlabelled")


def render(scene: DigitScene, frames: int = 8, size: int = 32) -> np.ndarray:
    """Draw a scene; the clip lasts one second.

    Returns
    -------
    uint8 [frames, size, size, 3]
    """
    from scipy.ndimage import map_coordinates

    rng = np.random.default_rng(scene.seed)
    photograph = _resized(scene.photograph, round(size / scene.window))
    ink = np.pad(_digits()[0][scene.digit_row], 1)  # [10, 10], no ink at the edge
    height, width, _ = photograph.shape
    start = np.array([rng.uniform(0, width), rng.uniform(0, height)])
    s = (np.arange(frames) + 0.5) / frames - 0.5
    axis = np.arange(size) + 0.5 - size / 2  # pixels from the centre of the view
    y, x = np.meshgrid(axis, axis, indexing="ij")
    colour = rng.uniform(0, 0.25, 3)

    out = np.empty((frames, size, size, 3), np.float32)
    for k in range(frames):
        scale = np.exp(scene.zoom * s[k])
        pan = scene.pan_speed * s[k] * size
        view_x = start[0] + pan * np.cos(scene.pan_angle) + x * scale
        view_y = start[1] + pan * np.sin(scene.pan_angle) + y * scale
        for channel in range(3):
            out[k, ..., channel] = map_coordinates(
                photograph[..., channel], [view_y, view_x], order=1, mode="mirror"
            )
        if k == 0 and out[0].mean() < 0.5:  # dark ink on bright grounds, bright ink on dark ones
            colour = 1 - colour

        now, height_now = (scene.first, 2 * s[k] + 1) if s[k] < 0 else (scene.second, 2 * s[k])
        event = np.sin(np.pi * height_now) ** 2
        side = scene.side * size * (1 + GROWTH * event * (now == "grow"))
        turn = TURN * event * (now == "spin")
        centre_x = (scene.offset_x + scene.speed * s[k] * np.cos(scene.angle)) * size
        centre_y = (scene.offset_y + scene.speed * s[k] * np.sin(scene.angle)) * size
        dx, dy = (x - centre_x) / side, (y - centre_y) / side
        u = np.cos(turn) * dx + np.sin(turn) * dy
        v = np.cos(turn) * dy - np.sin(turn) * dx
        cover = map_coordinates(ink, [v * 8 + 4.5, u * 8 + 4.5], order=1, mode="constant")
        cover = cover[..., None] * (1 - FADING * event * (now == "fade"))
        out[k] += cover * (colour - out[k])
    out += scene.noise * rng.standard_normal(out.shape, np.float32)
    return (np.clip(out, 0, 1) * 255).astype(np.uint8)


@dataclass(frozen=True)
class HeldoutSpec:
    """How many clips of which size; `pretrain` unlabelled, the others of every question."""

    pretrain: int = 4000
    train: int = 400
    val: int = 150
    test: int = 300
    size: int = 32
    frames: int = 8

    def counts(self, name: str) -> dict[str, int]:
        if name == PRETRAINING:
            return {"train": self.pretrain}
        return {"train": self.train, "val": self.val, "test": self.test}

    @property
    def key(self) -> str:
        """Name of the folder these settings render to."""
        text = json.dumps([parameters(), asdict(self)])
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def parameters() -> list:
    """Everything that was chosen in this world, as JSON types."""
    return [
        _FORMAT,
        {k: list(v) for k, v in PHOTOGRAPHS.items()},
        DIGIT_SHARES,
        list(DIRECTIONS),
        list(EVENTS),
        {k: list(v) for k, v in RANGES.items()},
        [GROWTH, float(TURN), FADING],
    ]


def scenes(name: str, split: str, count: int) -> list[DigitScene]:
    """The scenes of one split of a set; the first ones do not depend on how many are asked for.

    Raises
    ------
    ConfigError : unknown set.
    """
    if name not in SETS:
        raise unknown("set", name, SETS)
    words = [_FORMAT, 2000 + SETS.index(name), SPLITS.index(split)]
    rng = np.random.default_rng(np.random.SeedSequence(words))
    return [_draw(name, split, rng) for _ in range(count)]


def _write_scene(job: tuple[DigitScene, Path], size: int, frames: int) -> None:
    scene, path = job
    write_video(path, render(scene, frames, size), frames)


def _write_set(folder: Path, name: str, spec: HeldoutSpec) -> list[partial]:
    rows, jobs = [], []
    for split, count in spec.counts(name).items():
        for i, scene in enumerate(scenes(name, split, count)):
            path = Path("clips") / split / f"{i:05d}.mp4"
            jobs.append((scene, folder / path))
            factors = {k: v for k, v in asdict(scene).items() if k != "seed"}
            rows.append(
                {
                    "path": path.as_posix(),
                    "label_name": class_of(name, scene),
                    "split": split,
                    "frame_count": spec.frames,
                    "fps": float(spec.frames),
                    **factors,
                    "scene_seed": scene.seed,
                }
            )
    label_table(rows).to_csv(folder / "manifest.csv", index=False)
    return in_parts(partial(_write_scene, size=spec.size, frames=spec.frames), jobs)


def ensure(
    spec: HeldoutSpec, root: str | Path = "data", jobs: int | None = None, progress: bool = True
) -> dict[str, Path]:
    """Render what is missing and return the manifest of every set.

    Parameters
    ----------
    spec : how many clips of which size.
    root : folder of all renderings.
    jobs : processes; None for one per core.

    Returns
    -------
    name (one of `SETS`) -> path of its manifest

    Raises
    ------
    DataError : the folder cannot be written, or a photograph is not installed.
    """
    plans = {name: partial(_write_set, name=name, spec=spec) for name in SETS}
    return write_sets(Path(root) / "heldout" / spec.key, plans, jobs, progress)
