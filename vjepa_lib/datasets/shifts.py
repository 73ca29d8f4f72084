"""Transfer tasks: a question asked in a source world and in worlds shifted away from it.

A *task* has the same classes everywhere. Its *source* is a world of its own, unlike every
pretraining set; a *target* differs from the source in one way, at a severity from 1 to 4, or in all
ways together. How far a shift goes at severity 4 was set so that a network trained with the
source's labels loses about a third of its accuracy there (docs/design_log.md).

What changes towards severity 4:

- `surfaces`: waves are folded into contour lines (another shape and spectrum), coarser or finer
  than any seen; orientations between those seen. `appearance` asks for the orientation, so there it
  stays.
- `palettes`: channel gains nobody saw, in the end without brightness of their own, and a mean
  colour.
- `rate`: frames follow each other faster and everything moves slower; in `appearance`, which slow
  motion does not trouble, the reverse.
- `shake`: the camera jitters from frame to frame.
- `noise`: stronger noise and more distractors.
- `all`: every one of them, each by part of its way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from vjepa_lib.datasets.scene import (
    CAMERAS,
    PALETTES,
    PANS,
    TEXTURES,
    Scene,
)
from vjepa_lib.errors import ConfigError, unknown

SHIFTS = ("surfaces", "palettes", "rate", "shake", "noise", "all")
SEVERITIES = (1, 2, 3, 4)
SOURCE = ("source", 0)
# Gains that no pretraining set has: opposite signs, so that a wave has colour but little
# brightness.
UNSEEN = {"rust": (1.3, -0.5, -0.8), "violet": (0.8, -1.3, 0.5), "lime": (-0.7, 1.2, -0.5)}


@dataclass(frozen=True)
class WorldScene(Scene):
    """A scene of a world; beside the factors of `Scene`:

    Attributes
    ----------
    seconds : the clip lasts; its frames are that far apart.
    folds : see `scene._folded`.
    backdrop : contrast of the surroundings, as a share of the object's.
    unseen, mix : palette of `UNSEEN`, and its share in the colours.
    tint : mean colour beside grey.
    """

    shaken_object: ClassVar[bool] = True

    seconds: float = 1.0
    folds: float = 0.0
    backdrop: float = 1.0
    unseen: str = "rust"
    mix: float = 0.0
    tint: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def _mixed(self, seen: np.ndarray) -> np.ndarray:
        return (1 - self.mix) * seen + self.mix * np.array(UNSEEN[self.unseen])

    def gains(self) -> np.ndarray:
        return self._mixed(np.array(PALETTES[self.palette]))

    def object_gains(self) -> np.ndarray:
        return self._mixed(np.ones(3))


@dataclass(frozen=True)
class World:
    """Values scenes are drawn from, all independent of each other. Pairs of numbers are ranges.

    Attributes
    ----------
    task, question : name, and what the label asks.
    label : factors joined to the class name.
    orders : (first, second) motions of the camera; the same twice for one motion.
    moves : (trajectory, directions) of the object.
    turned : degrees that textures are turned by.
    seconds : the clip lasts.
    pace : factor on every speed.
    folds, backdrop, mix, tint : see `WorldScene`.
    """

    task: str
    question: str
    label: tuple[str, ...]
    textures: tuple[str, ...]
    palettes: tuple[str, ...]
    orders: tuple[tuple[str, str], ...]
    shapes: tuple[str, ...]
    moves: tuple[tuple[str, tuple[int, ...]], ...]
    speeds: tuple[float, float]
    object_speeds: tuple[float, float]
    noise: tuple[float, float]
    contrast: tuple[float, float]
    distractors: tuple[int, ...] = (0,)
    shake: tuple[float, float] = (0.0, 0.01)
    frequency: tuple[float, float] = (0.9, 1.1)
    backdrop: float = 1.0
    turned: float = 0.0
    folds: float = 0.0
    mix: float = 0.0
    tint: float = 0.0
    seconds: float = 1.0
    pace: float = 1.0

    def draw(self, rng: np.random.Generator) -> WorldScene:
        def choose(values):
            return values[int(rng.integers(len(values)))]

        def between(ends):
            return float(rng.uniform(*ends))

        camera, then = choose(self.orders)
        trajectory, directions = choose(self.moves)
        hue = rng.normal(size=3)
        hue = self.tint * (hue - hue.mean()) / np.linalg.norm(hue - hue.mean())
        return WorldScene(
            texture=_turned(choose(self.textures), self.turned),
            palette=choose(self.palettes),
            camera=camera,
            then=then,
            speed=between(self.speeds) * self.pace,
            shape=choose(self.shapes),
            shape_texture=_turned(choose(TEXTURES), self.turned),
            trajectory=trajectory,
            direction=choose(directions),
            object_speed=between(self.object_speeds) * self.pace,
            noise=between(self.noise),
            shake=between(self.shake),
            contrast=between(self.contrast),
            distractors=choose(self.distractors),
            held=False,
            frequency=between(self.frequency),
            seed=int(rng.integers(2**31)),
            seconds=self.seconds,
            folds=self.folds,
            backdrop=self.backdrop,
            unseen=choose(tuple(UNSEEN)),
            mix=self.mix,
            tint=tuple(float(h) for h in hue),
        )

    def class_of(self, scene: WorldScene) -> str:
        return " then ".join(_asked(scene, factor) for factor in self.label)


def _asked(scene: WorldScene, factor: str) -> str:
    if factor == "orientation":
        return scene.texture.split("_")[0]
    if factor == "movement":
        side = _SIDES.get(scene.direction, "") if scene.trajectory == "linear" else ""
        return f"{scene.trajectory} {side}".strip()
    return str(getattr(scene, factor))


_SIDES = {0: "right", 2: "down", 4: "left", 6: "up"}


def _turned(texture: str, degrees: float) -> str:
    if not degrees or texture == "isotropic":
        return texture
    orientation, band = texture.split("_")
    return f"{float(orientation) + degrees:g}_{band}"


_COARSE = tuple(t for t in TEXTURES if t.endswith("coarse"))
_MIXED = ("isotropic", "0_coarse", "60_coarse", "120_coarse")
_ANY = tuple(range(8))
_WANDER = (("linear", _ANY), ("orbit", _ANY), ("oscillate", _ANY))

TASKS: dict[str, World] = {
    w.task: w
    for w in (
        World(
            "camera",
            "How does the view move? 7 motions; an object moves on its own.",
            ("camera",),
            _MIXED,
            ("grey", "warm"),
            tuple((c, c) for c in CAMERAS),
            ("disc", "square", "cross"),
            _WANDER,
            speeds=(0.4, 0.9),
            object_speeds=(0.3, 0.8),
            noise=(0.2, 0.3),
            contrast=(0.16, 0.22),
        ),
        World(
            "trajectory",
            "How does the object move? On a line to one of 4 sides, to and fro, round, or in hops; "
            "the camera may pan.",
            ("movement",),
            _MIXED,
            ("grey", "warm"),
            tuple((c, c) for c in ("still", "still", *PANS)),
            ("disc", "square", "cross"),
            (
                ("linear", (0,)),
                ("linear", (2,)),
                ("linear", (4,)),
                ("linear", (6,)),
                ("orbit", _ANY),
                ("oscillate", _ANY),
                ("hop", _ANY),
            ),
            speeds=(0.1, 0.3),
            object_speeds=(0.8, 1.2),
            noise=(0.04, 0.08),
            contrast=(0.18, 0.24),
            backdrop=0.25,
        ),
        World(
            "order",
            "Two motions of the view, in halves of the clip: which two, and which came first? "
            "6 classes; what is constant over the clip tells a third of them.",
            ("camera", "then"),
            _MIXED,
            ("grey", "warm"),
            tuple(
                order
                for a, b in (("right", "zoom_in"), ("down", "zoom_out"), ("left", "up"))
                for order in ((a, b), (b, a))
            ),
            ("none", "disc", "square"),
            _WANDER,
            speeds=(0.6, 1.1),
            object_speeds=(0.3, 0.8),
            noise=(0.2, 0.3),
            contrast=(0.18, 0.24),
        ),
        World(
            "appearance",
            "In which of 6 directions do the waves of the surroundings run? The camera moves.",
            ("orientation",),
            tuple(t for t in TEXTURES if t != "isotropic"),
            ("grey", "warm"),
            tuple((c, c) for c in ("right", "left", "zoom_in", "zoom_out")),
            ("disc", "square", "cross"),
            _WANDER,
            speeds=(0.3, 0.8),
            object_speeds=(0.3, 0.8),
            noise=(0.25, 0.35),
            contrast=(0.1, 0.16),
        ),
    )
}

# How far a shift goes at severity 4, in units of `_shifted`, by task; `all` is the share of it when
# everything shifts together. Set with supervised networks only (docs/design_log.md).
REACH: dict[str, dict[str, float]] = {
    "camera": dict(surfaces=2.5, palettes=0.5, rate=0.75, shake=0.75, noise=2.8, all=0.35),
    "trajectory": dict(surfaces=3.0, palettes=0.5, rate=0.45, shake=0.7, noise=1.4, all=0.5),
    "order": dict(surfaces=1.1, palettes=0.6, rate=0.8, shake=1.0, noise=3.0, all=0.3),
    "appearance": dict(surfaces=1.3, palettes=0.75, rate=-2.3, shake=4.0, noise=2.7, all=0.42),
}


def _range(ends: tuple[float, float], factor: float = 1.0, plus: float = 0.0):
    return tuple(factor * e + plus for e in ends)


def _shifted(world: World, shift: str, way: float) -> World:
    """A world moved along one shift; `way` is 0 for none, 1 for a unit."""
    if shift == "surfaces":
        return replace(
            world,
            turned=0.0 if world.task == "appearance" else 15.0,
            folds=2.0 * way,
            frequency=_range(world.frequency, 0.6**way),
        )
    if shift == "palettes":
        return replace(world, mix=way, tint=0.25 * way)
    if shift == "rate":
        return replace(world, seconds=2.0**-way, pace=2.0**-way)
    if shift == "shake":
        return replace(world, shake=_range(world.shake, 1.0, 0.06 * way))
    if shift == "noise":
        count = math.ceil(4 * way)
        return replace(
            world,
            noise=_range(world.noise, 1 + 0.8 * way),
            distractors=tuple(n + count for n in world.distractors),
        )
    raise unknown("shift", shift, SHIFTS)


def world(task: str, shift: str = "source", severity: int = 0) -> World:
    """The world of a task at a severity of a shift; ('source', 0) is the source itself.

    Raises
    ------
    ConfigError : unknown task, shift or severity.
    """
    if task not in TASKS:
        raise unknown("task", task, TASKS)
    source, reach = TASKS[task], REACH[task]
    if (shift, severity) == SOURCE:
        return source
    if shift not in SHIFTS or severity not in SEVERITIES:
        raise ConfigError(
            f"Unknown target {(shift, severity)}: shifts are {', '.join(SHIFTS)}, severities 1 to "
            "4."
        )
    way = severity / SEVERITIES[-1]
    if shift != "all":
        return _shifted(source, shift, way * reach[shift])
    for each in SHIFTS[:-1]:
        source = _shifted(source, each, way * reach[each] * reach["all"])
    return source


def places() -> list[tuple[str, int]]:
    """The source and every (shift, severity) of a task, in a fixed order."""
    return [SOURCE, *((shift, severity) for shift in SHIFTS for severity in SEVERITIES)]
