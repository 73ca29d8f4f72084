"""The renderer of the embedded videos: a `Scene` is every number of a clip, `render` draws it.

Surfaces are sums of plane waves with random phases: locally unpredictable, globally known by their
wave vectors (the appearance factor), and carried along by the camera (the motion factor). Strong
noise, new in every frame, hides both from raw patches. That is what makes the benchmarks measure
an encoder: its mean token must have learned to see through the noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

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
FREQUENCY = {"isotropic": 1.0, "coarse": 1.2, "fine": 1.7}  # cycles in half a field
FORMAT = 1  # raise when a change here changes the clips


@dataclass(frozen=True)
class Scene:
    """Every number one clip is made from; `render` is a pure function of it.

    Attributes
    ----------
    texture : appearance of the surroundings, one of `TEXTURES`: orientation and band, or isotropic.
    palette : one of `PALETTES`; every wave also has a random colour of its own.
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

    # What only a scene of a shifted world changes (`worlds.WorldScene`): seconds the clip lasts,
    # how often the surface is folded (see `_folded`), the contrast of the surroundings as a share
    # of the object's, the mean colour beside grey, and whether a shaking camera moves the object
    # too.
    seconds: ClassVar[float] = 1.0
    folds: ClassVar[float] = 0.0
    backdrop: ClassVar[float] = 1.0
    tint: ClassVar[tuple[float, float, float]] = (0.0, 0.0, 0.0)
    shaken_object: ClassVar[bool] = False

    def gains(self) -> np.ndarray:
        """Channel gains of the surroundings, [3]."""
        return np.array(PALETTES[self.palette])

    def object_gains(self) -> np.ndarray:
        """Channel gains of the object's surface, [3]."""
        return np.ones(3)


def _waves(texture: str, scale: float, count: int, rng: np.random.Generator):
    """Wave vectors (radians in half a field) and phases of a surface."""
    if texture == "isotropic":
        length = rng.uniform(0.9, 1.1, count) * FREQUENCY[texture]
        angle = rng.uniform(0, np.pi, count)
    else:
        orientation, band = texture.split("_")
        length = rng.uniform(0.95, 1.05, count) * FREQUENCY[band]
        angle = np.deg2rad(float(orientation)) + rng.normal(0, 0.25, count)
    length = length * 2 * np.pi * scale
    return length * np.cos(angle), length * np.sin(angle), rng.uniform(0, 2 * np.pi, count)


def _surface(
    waves, colours: np.ndarray, axis: np.ndarray, scale: float, shift: np.ndarray, turn: float = 0.0
) -> np.ndarray:
    """Sum of waves over a picture with pixels at `axis` [S], turned, scaled, shifted.

    A wave over x and y is a product of waves over x and over y, sin(a + b) = sin a cos b + cos a
    sin b, so the sum of all of them is one matrix product.

    Returns
    -------
    [S, S, 3], about unit variance
    """
    kx, ky, phase = waves
    c, n = math.cos(turn), math.sin(turn)
    across = np.outer(kx * c - ky * n, axis * scale)  # [waves, S], over columns
    across += (kx * shift[0] + ky * shift[1] + phase)[:, None]
    down = np.outer(kx * n + ky * c, axis * scale)  # over rows
    rows = np.concatenate([np.cos(down), np.sin(down)])  # [2 waves, S]
    columns = np.concatenate([np.sin(across), np.cos(across)])
    coloured = columns[:, :, None] * np.concatenate([colours, colours])[:, None]  # [2 waves, S, 3]
    wave = np.tensordot(rows, coloured, (0, 0))
    return wave * math.sqrt(2 / len(phase))


def _folded(surface: np.ndarray, folds: float) -> np.ndarray:
    """Sine of a surface, at unit variance: its waves broken into ever finer contour lines.

    The orientation stays and moves as before, the spectrum and the shape of the waves do not.
    """
    if not folds:
        return surface
    return np.sin(folds * surface) / math.sqrt((1 - math.exp(-2 * folds**2)) / 2)


def inside(shape: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
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
    """Draw a scene; the clip lasts `scene.seconds`, whatever the number of frames.

    Returns
    -------
    uint8 [frames, size, size, 3]
    """
    rng = np.random.default_rng(scene.seed)
    s = ((np.arange(frames) + 0.5) / frames - 0.5) * scene.seconds
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    y, x = np.meshgrid(axis, axis, indexing="ij")
    ground = 0.5 + np.array(scene.tint)

    waves = _waves(scene.texture, scene.frequency, 16, rng)
    colours = scene.gains() + 0.3 * rng.normal(size=(16, 3))
    shift, zoom = _camera_path(scene, s)
    jitter = rng.normal(0, 1, shift.shape) * 2 * scene.shake
    shift = shift + jitter
    thing = _waves(scene.shape_texture, scene.frequency, 8, rng)
    thing_colours = scene.object_gains() + 0.3 * rng.normal(size=(8, 3))
    turn, radius = rng.uniform(0, 2 * np.pi), rng.uniform(0.35, 0.5)
    path = _object_path(scene, s, rng)
    if scene.shaken_object:
        path = path - jitter
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
        surface = _folded(_surface(waves, colours, axis, scale, shift[k]), scene.folds)
        image = ground + scene.backdrop * scene.contrast * surface
        if scene.shape != "none":
            ox, oy = (x - path[k, 0]) / radius, (y - path[k, 1]) / radius
            c, n = math.cos(turn), math.sin(turn)
            rx, ry = c * ox + n * oy, c * oy - n * ox
            # Places on the object's surface: rx and ry times the radius.
            origin = np.array([-c * path[k, 0] - n * path[k, 1], n * path[k, 0] - c * path[k, 1]])
            fill = _surface(thing, thing_colours, axis, 1.0, origin, turn)
            fill = ground + scene.contrast * _folded(fill, scene.folds)
            image += inside(scene.shape, rx, ry)[..., None] * (fill - image)
        for centre, drift, r, colour in discs:
            px, py = centre + drift * s[k]
            image += inside("disc", (x - px) / r, (y - py) / r)[..., None] * (colour - image)
        out[k] = image
        if scene.held:
            out[k] += scene.noise * rng.standard_normal(out[k].shape, np.float32)
    if not scene.held:
        out += scene.noise * rng.standard_normal(out.shape, np.float32)
    return (np.clip(out, 0, 1) * 255).astype(np.uint8)
