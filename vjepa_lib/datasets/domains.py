"""Tables of the embedded data sets: from which values scenes are drawn, and what is asked."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from vjepa_lib.datasets.scene import (
    CAMERAS,
    OPPOSITE,
    PALETTES,
    PANS,
    TEXTURES,
    TRAJECTORIES,
    Scene,
)


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
