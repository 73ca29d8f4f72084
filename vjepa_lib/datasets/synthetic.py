"""Embedded video data: short clips whose factors of appearance and motion are known and independent.

A `Scene` is one drawn set of factors and nuisance, `render` turns it into frames, and a `Domain`
says from which values scenes are drawn, at which frame rate they are filmed and which factors
make the label. `ensure` writes the domains as H.264 files with manifests, so that nothing
downstream can tell them from recorded video.

Surfaces are sums of plane waves with random phases: locally unpredictable, globally known by their
wave vectors (the appearance factor), and carried along by the camera (the motion factor). Strong
noise, new in every frame, hides both from raw patches. That is what makes the benchmarks measure
an encoder: its mean token must have learned to see through the noise.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from vjepa_lib.errors import ConfigError, DataError
from vjepa_lib.video.decode import write_video

ORIENTATIONS = tuple(range(0, 180, 30))  # degrees
BANDS = ("coarse", "fine")
TEXTURES = ("isotropic", *(f"{a}_{b}" for a in ORIENTATIONS for b in BANDS))
PANS = ("right", "left", "down", "up")
CAMERAS = ("still", *PANS, "zoom_in", "zoom_out")
OPPOSITE = {
    "still": "still",
    "right": "left",
    "left": "right",
    "down": "up",
    "up": "down",
    "zoom_in": "zoom_out",
    "zoom_out": "zoom_in",
}
SHAPES = ("none", "disc", "square", "triangle", "cross", "ring", "bar")
TRAJECTORIES = ("linear", "orbit", "oscillate", "hop")
# Channel gains of a surface's waves. A palette has no mean colour: one would be the easiest thing
# to predict in a clip, and small encoders then learn little else.
PALETTES = {
    "grey": (1.0, 1.0, 1.0),
    "warm": (1.25, 1.0, 0.75),
    "cold": (0.75, 1.0, 1.25),
    "green": (0.8, 1.25, 0.9),
}
_FREQUENCY = {"isotropic": 1.0, "coarse": 1.2, "fine": 1.7}  # cycles in half a field
_FORMAT = 1  # raise when a change here changes the clips


@dataclass(frozen=True)
class Scene:
    """Every number one clip is made from; `render` is a pure function of it.

    Attributes
    ----------
    texture : appearance of the surroundings, one of `TEXTURES`: orientation and band, or isotropic.
    palette : one of `PALETTES`; every wave has a random colour of its own besides.
    camera : motion of the whole view, one of `CAMERAS`.
    then : motion in the second half of the clip: the same, or another for an order of events.
    speed : of the camera, in fields a second.
    shape, shape_texture : a foreground object and its surface, or 'none'.
    trajectory, direction, object_speed : how the object moves; direction in eighths of a turn.
    noise : standard deviation of the noise of every pixel and frame, of the range 0..1.
    shake : standard deviation of the camera's jitter from frame to frame, in fields.
    contrast : of the surfaces.
    distractors : small discs that drift on their own.
    held : one frame is shown all the time, as a still image is.
    seed : everything random that is not a factor.
    """

    texture: str
    palette: str
    camera: str
    then: str
    speed: float
    shape: str
    shape_texture: str
    trajectory: str
    direction: int
    object_speed: float
    noise: float
    shake: float
    contrast: float
    distractors: int
    held: bool
    frequency: float
    seed: int


def _waves(texture: str, scale: float, count: int, rng: np.random.Generator):
    """Wave vectors (radians in half a field) and phases of a surface."""
    if texture == "isotropic":
        length = rng.uniform(0.9, 1.1, count) * _FREQUENCY[texture]
        angle = rng.uniform(0, np.pi, count)
    else:
        orientation, band = texture.split("_")
        length = rng.uniform(0.95, 1.05, count) * _FREQUENCY[band]
        angle = np.deg2rad(float(orientation)) + rng.normal(0, 0.25, count)
    length = length * 2 * np.pi * scale
    return length * np.cos(angle), length * np.sin(angle), rng.uniform(0, 2 * np.pi, count)


def _surface(waves, colours: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Sum of waves at places x, y [S, S]: [S, S, 3], about unit variance."""
    kx, ky, phase = waves
    wave = np.sin(kx[:, None, None] * x + ky[:, None, None] * y + phase[:, None, None])
    return np.tensordot(wave, colours, (0, 0)) * math.sqrt(2 / len(phase))


def _inside(shape: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Soft membership of the unit shape: 1 inside, 0 outside."""
    r, ax, ay = np.hypot(x, y), np.abs(x), np.abs(y)
    distance = {
        "disc": lambda: r - 0.9,
        "square": lambda: np.maximum(ax, ay) - 0.8,
        "triangle": lambda: np.maximum(0.866 * ax + 0.5 * y, -y) - 0.55,
        "cross": lambda: np.minimum(np.maximum(ax - 1, ay - 0.33), np.maximum(ay - 1, ax - 0.33)),
        "ring": lambda: np.abs(r - 0.75) - 0.25,
        "bar": lambda: np.maximum(ax - 1.1, ay - 0.38),
    }[shape]()
    return 1 / (1 + np.exp(np.clip(distance * 24, -30, 30)))


def _camera_path(scene: Scene, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """View shift [F, 2] in half fields and log zoom [F] at times s, -0.5 .. 0.5."""
    shift, zoom = np.zeros((len(s), 2)), np.zeros(len(s))
    # Time spent in each half: the second motion goes on from where the first one ends.
    for motion, spent in ((scene.camera, np.minimum(s, 0)), (scene.then, np.maximum(s, 0))):
        if motion in PANS:
            step = {"right": (1, 0), "left": (-1, 0), "down": (0, 1), "up": (0, -1)}[motion]
            shift += 2 * scene.speed * spent[:, None] * np.array(step)
        elif motion.startswith("zoom"):
            zoom += (-1.6 if motion == "zoom_in" else 1.6) * scene.speed * spent
    return shift, zoom


def _object_path(scene: Scene, s: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Object centre [F, 2] in half fields."""
    angle = scene.direction * np.pi / 4
    along, across = (
        np.array([np.cos(angle), np.sin(angle)]),
        np.array([-np.sin(angle), np.cos(angle)]),
    )
    reach = 2 * scene.object_speed * s[:, None]
    if scene.trajectory == "linear":
        path = reach * along
    elif scene.trajectory == "orbit":
        turn = 2 * np.pi * s[:, None] * (1 if scene.direction % 2 else -1)
        path = 0.6 * scene.object_speed * (np.cos(turn) * along + np.sin(turn) * across)
    elif scene.trajectory == "oscillate":
        path = 0.6 * scene.object_speed * np.sin(4 * np.pi * s[:, None]) * along
    else:  # hop
        path = reach * along - 0.4 * np.abs(np.sin(3 * np.pi * s[:, None])) * across
    return rng.uniform(-0.3, 0.3, 2) + path


def render(scene: Scene, frames: int = 8, size: int = 32) -> np.ndarray:
    """Draw a scene; the clip lasts one second, whatever the number of frames.

    Returns
    -------
    uint8 [frames, size, size, 3]
    """
    rng = np.random.default_rng(scene.seed)
    s = (np.arange(frames) + 0.5) / frames - 0.5
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    y, x = np.meshgrid(axis, axis, indexing="ij")
    gains = np.array(PALETTES[scene.palette])

    waves = _waves(scene.texture, scene.frequency, 16, rng)
    colours = gains + 0.3 * rng.normal(size=(16, 3))
    shift, zoom = _camera_path(scene, s)
    shift = shift + rng.normal(0, 1, shift.shape) * 2 * scene.shake
    thing = _waves(scene.shape_texture, scene.frequency, 8, rng)
    thing_colours = 1 + 0.3 * rng.normal(size=(8, 3))
    turn, radius = rng.uniform(0, 2 * np.pi), rng.uniform(0.35, 0.5)
    path = _object_path(scene, s, rng)
    discs = [
        (rng.uniform(-0.9, 0.9, 2), rng.normal(0, 0.8, 2), rng.uniform(0.08, 0.16), rng.random(3))
        for _ in range(scene.distractors)
    ]

    out = np.empty((frames, size, size, 3), np.float32)
    for k in range(frames):
        if scene.held and k:
            out[k] = out[0]
            continue
        scale = math.exp(zoom[k])
        view_x, view_y = x * scale + shift[k, 0], y * scale + shift[k, 1]
        image = 0.5 + scene.contrast * _surface(waves, colours, view_x, view_y)
        if scene.shape != "none":
            ox, oy = (x - path[k, 0]) / radius, (y - path[k, 1]) / radius
            c, n = math.cos(turn), math.sin(turn)
            rx, ry = c * ox + n * oy, c * oy - n * ox
            fill = 0.5 + scene.contrast * _surface(thing, thing_colours, rx * radius, ry * radius)
            image += _inside(scene.shape, rx, ry)[..., None] * (fill - image)
        for centre, drift, r, colour in discs:
            px, py = centre + drift * s[k]
            image += _inside("disc", (x - px) / r, (y - py) / r)[..., None] * (colour - image)
        out[k] = image
        if scene.held:
            out[k] += scene.noise * rng.standard_normal(out[k].shape, np.float32)
    if not scene.held:
        out += scene.noise * rng.standard_normal(out.shape, np.float32)
    return (np.clip(out, 0, 1) * 255).astype(np.uint8)


# --- domains ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Domain:
    """Where scenes come from and what is asked about them.

    Attributes
    ----------
    name, role, question : its name, the data set it stands in for, what its label asks.
    label : factors joined to the class name; empty for a pretraining set.
    textures, cameras, orders, palettes, shapes : values a scene's factors are drawn from;
        `orders` are (first, second) camera motions and replace `cameras`.
    speeds : range of camera speeds; two disjoint ranges make 'slow' and 'fast' a factor.
    fps : frames a second, which is also the number of frames of a file.
    """

    name: str
    role: str
    question: str
    label: tuple[str, ...] = ()
    textures: tuple[str, ...] = TEXTURES
    cameras: tuple[str, ...] = CAMERAS
    orders: tuple[tuple[str, str], ...] = ()
    palettes: tuple[str, ...] = tuple(PALETTES)
    shapes: tuple[str, ...] = ("none",)
    speeds: tuple[float, float] = (0.85, 1.0)
    fps: int = 8
    noise: float = 0.2
    shake: float = 0.0
    contrast: float = 0.22
    distractors: int = 0
    held: bool = False
    frequency: float = 1.0

    def draw(self, rng: np.random.Generator) -> Scene:
        """One scene, every factor independent of every other."""

        def choose(values):
            return values[int(rng.integers(len(values)))]

        if self.orders:
            camera, then = choose(self.orders)
        else:
            camera = then = choose(self.cameras)
        return Scene(
            texture=choose(self.textures),
            palette=choose(self.palettes),
            camera=camera,
            then=then,
            speed=float(rng.uniform(*self.speeds)),
            shape=choose(self.shapes),
            shape_texture=choose(TEXTURES),
            trajectory=choose(TRAJECTORIES),
            direction=int(rng.integers(8)),
            object_speed=float(rng.uniform(0.3, 0.8)),
            noise=self.noise,
            shake=self.shake,
            contrast=self.contrast,
            distractors=self.distractors,
            held=self.held,
            frequency=self.frequency,
            seed=int(rng.integers(2**31)),
        )

    def class_of(self, scene: Scene) -> str:
        """Class name of a scene."""
        values = asdict(scene) | {"orientation": scene.texture.split("_")[0]}
        return " ".join(str(values[f]) for f in self.label) or "unlabelled"


_ORIENTED = tuple(t for t in TEXTURES if t != "isotropic")
_COARSE = tuple(t for t in TEXTURES if t.endswith("coarse"))
_MOVING = tuple(c for c in CAMERAS if c != "still")
_TURNS = tuple((c, OPPOSITE[c]) for c in _MOVING)

DOMAINS: dict[str, Domain] = {
    d.name: d
    for d in (
        Domain(
            "pre_videos",
            "UCF-101 (pretraining)",
            "General clips: any texture, any camera motion, sometimes an object.",
            textures=_ORIENTED,
            shapes=("none",) * 3 + ("disc", "square", "cross"),
        ),
        Domain(
            "pre_motions",
            "Something-Something V2 (pretraining)",
            "Motion-rich clips of one kind of texture.",
            textures=("isotropic",),
        ),
        Domain(
            "pre_stills",
            "ImageNet-100 (pretraining)",
            "Still images, repeated over time.",
            textures=_ORIENTED,
            cameras=("still",),
            held=True,
        ),
        Domain(
            "appearance",
            "ImageNet-100",
            "Which texture? One still image, repeated over time; 12 classes.",
            label=("texture",),
            textures=_ORIENTED,
            cameras=("still",),
            held=True,
        ),
        Domain(
            "fine_motion",
            "Diving-48",
            "Which of 7 camera motions? One kind of texture, so appearance says nothing.",
            label=("camera",),
            textures=("isotropic",),
        ),
        Domain(
            "order",
            "Something-Something V2",
            "A motion and its reverse: which pair, and which came first? 6 classes; "
            "no single frame tells.",
            label=("camera", "then"),
            textures=("isotropic",),
            orders=_TURNS,
        ),
        Domain(
            "actions",
            "UCF-101",
            "What moves how? 3 orientations x 4 pans, in the pretraining domain; 12 classes.",
            label=("orientation", "camera"),
            textures=("0_coarse", "60_coarse", "120_coarse"),
            cameras=PANS,
        ),
        Domain(
            "shift_kinetics",
            "Kinetics-400",
            "The question of `actions` under other cameras: hand-held, finer textures of lower "
            "contrast, another palette, 16 frames a second, a distractor.",
            label=("orientation", "camera"),
            textures=("0_coarse", "60_coarse", "120_coarse"),
            cameras=PANS,
            palettes=("green",),
            fps=16,
            shake=0.02,
            contrast=0.18,
            distractors=1,
            frequency=1.15,
        ),
        Domain(
            "shift_hacs",
            "HACS",
            "Which of 6 motions, over textures never seen moving so in `fine_motion`; stronger "
            "noise, coarser textures, 12 frames a second, two distractors.",
            label=("camera",),
            textures=_COARSE,
            cameras=_MOVING,
            palettes=("warm", "cold"),
            fps=12,
            shake=0.01,
            noise=0.22,
            distractors=2,
            frequency=0.85,
        ),
    )
}
PRETRAINING = tuple(n for n in DOMAINS if n.startswith("pre_"))
BENCHMARKS = tuple(n for n in DOMAINS if not n.startswith("pre_"))
REGIMES = {
    "ucf101": {"pre_videos": 1.0},
    "mixed": {"pre_videos": 0.2, "pre_motions": 0.6, "pre_stills": 0.2},
    # Not in the paper: one domain alone, for the transfer matrix.
    "motions": {"pre_motions": 1.0},
    "stills": {"pre_stills": 1.0},
}
SPLITS = ("train", "val", "test")


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
        text = json.dumps([_FORMAT, asdict(self), domains, PALETTES, _FREQUENCY])
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def scenes(domain: str, split: str, count: int) -> list[Scene]:
    """The scenes of one split; the first ones do not depend on how many are asked for.

    Every split draws from a stream of its own, so that no two splits share a random scene.
    """
    if domain not in DOMAINS:
        raise ConfigError(f"Unknown domain {domain!r}: choose one of {', '.join(DOMAINS)}.")
    words = [_FORMAT, list(DOMAINS).index(domain), SPLITS.index(split)]
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
    table = pd.DataFrame(rows)
    names = sorted(table.label_name.unique())
    table.insert(1, "label", table.label_name.map({n: i for i, n in enumerate(names)}))
    for split in spec.counts(name):
        (folder / "clips" / split).mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "manifest.csv", index=False)
    write = partial(_write_scene, size=spec.size, fps=domain.fps)
    return [partial(_each, write, jobs[i : i + 200]) for i in range(0, len(jobs), 200)]


def _each(write, jobs: Iterable) -> None:
    for job in jobs:
        write(job)


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
    from joblib import Parallel, delayed
    from tqdm.auto import tqdm

    base = Path(root) / "embedded" / spec.key
    manifests = {name: base / name / "manifest.csv" for name in DOMAINS}
    missing = [n for n, m in manifests.items() if not m.exists()]
    if not missing:
        return manifests
    work, moves = [], []
    try:
        base.mkdir(parents=True, exist_ok=True)
        for name in missing:
            # A domain appears under its name only when all its clips are there.
            part = base / f".{name}.{os.getpid()}"
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            work += _write_domain(name, part, spec)
            moves.append((part, base / name))
        run = Parallel(n_jobs=jobs or os.cpu_count() or 1, return_as="generator_unordered")
        for _ in tqdm(
            run(delayed(w)() for w in work),
            total=len(work),
            desc="rendering embedded clips",
            disable=not progress,
        ):
            pass
        for part, final in moves:
            if final.exists():  # another process was faster; its clips are the same
                shutil.rmtree(part)
            else:
                part.rename(final)
    except OSError as error:
        raise DataError(
            f"The embedded data cannot be written to {base} ({error.strerror or error}): free "
            f"some space or choose another folder."
        ) from error
    finally:
        for part, _ in moves:
            shutil.rmtree(part, ignore_errors=True)
    return manifests
