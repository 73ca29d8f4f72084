"""What of a latent moves when its world is shifted, and which known factors it holds.

All functions take features that are there already: `World` is one world's pooled features by
split, standardised by the source's train split where a probe is concerned, so that lengths mean the
same to both. `alignment` regresses known factors; `displacement` splits the shift of a world's mean
into what the source's probe sees and what it does not; `class_signal` says what becomes of the
distances between classes; `Leading` is the direction of most variance; `adapted` is what alignment
without labels recovers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from sklearn.covariance import ledoit_wolf
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import r2_score

from vjepa_lib.datasets.scene import FREQUENCY, PALETTES
from vjepa_lib.evaluation.readers import STRENGTHS, logistic, standardiser
from vjepa_lib.training.collapse import rank_me

# Penalties of the ridge regressions on standardised features.
PENALTIES = tuple(10.0**k for k in range(-2, 6))
# Names of known factors, and of what kind they are. The amount of change is measured in pixels.
FACTORS = {
    "view velocity": "motion",
    "zoom": "motion",
    "turn of the view": "motion",
    "object velocity": "motion",
    "object speed": "motion",
    "wave direction": "appearance",
    "wave length": "appearance",
    "colour": "appearance",
    "contrast": "appearance",
    "noise": "nuisance",
    "amount of change": "pixels",
}
_STEP = {"right": (1, 0, 0), "left": (-1, 0, 0), "down": (0, 1, 0), "up": (0, -1, 0)}
_STEP |= {"zoom_in": (0, 0, 1), "zoom_out": (0, 0, -1), "still": (0, 0, 0)}


@dataclass(frozen=True)
class World:
    """Features and labels of one world.

    Attributes
    ----------
    x : split -> features [n, D].
    y : split -> class numbers [n].
    """

    x: Mapping[str, np.ndarray]
    y: Mapping[str, np.ndarray]

    def of(self, change: Callable[[np.ndarray], np.ndarray]) -> World:
        """The same world with every feature changed."""
        return World({s: change(x) for s, x in self.x.items()}, self.y)


# --- known factors ------------------------------------------------------------------------------


def known_factors(manifest: pd.DataFrame) -> dict[str, np.ndarray]:
    """Numbers the renderer drew clips from, [n, components] by the names of `FACTORS`.

    Velocities are in fields a second, averaged over the clip; a zoom in is positive. An object on
    an orbit or to and fro ends where it began, so its velocity is 0. A wave's direction is known
    but for its sign, so it is the cosine and sine of twice its angle, and 0 where waves run in all
    directions.
    """
    first, then = (
        np.array([_STEP[name] for name in manifest[half]]) * manifest.speed.to_numpy()[:, None]
        for half in ("camera", "then")
    )
    angle = manifest.direction.to_numpy() * np.pi / 4
    gone = manifest.trajectory.isin(["linear", "hop"]) & (manifest["shape"] != "none")
    object_speed = manifest.object_speed.to_numpy() * (manifest["shape"] != "none")
    parts = manifest.texture.str.partition("_")
    oriented = (parts[0] != "isotropic").to_numpy()
    twice = 2 * np.deg2rad(parts[0].where(oriented, "0").astype(float).to_numpy())
    band = parts[2].where(oriented, "isotropic").map(FREQUENCY).to_numpy(float)
    gains = np.array([PALETTES[p] for p in manifest.palette])
    moved = 2 * (object_speed * gone).to_numpy()[:, None]
    return {
        "view velocity": (first + then)[:, :2] / 2,
        "zoom": (first + then)[:, 2:] / 2,
        "turn of the view": then - first,
        "object velocity": moved * np.stack([np.cos(angle), np.sin(angle)], 1),
        "object speed": np.asarray(object_speed, float)[:, None],
        "wave direction": oriented[:, None] * np.stack([np.cos(twice), np.sin(twice)], 1),
        "wave length": 1 / (manifest.frequency.to_numpy(float) * band)[:, None],
        "colour": gains[:, :1] - gains[:, 2:],
        "contrast": manifest.contrast.to_numpy(float)[:, None],
        "noise": manifest.noise.to_numpy(float)[:, None],
    }


def alignment(
    x: Mapping[str, np.ndarray], values: Mapping[str, Mapping[str, np.ndarray]]
) -> dict[str, float]:
    """100 R2 of known factors on `test`, by ridge regression from features.

    The penalty is chosen on `val`, factor by factor; components count by their variance.

    Parameters
    ----------
    x : split ('train', 'val', 'test') -> features [n, D].
    values : factor -> split -> [n, components]; a factor that does not vary in `train` is left
        out.
    """
    scale = standardiser(x["train"])
    x = {split: scale(part) for split, part in x.items()}
    values = {f: v for f, v in values.items() if np.ptp(v["train"], axis=0).any()}
    width = [v["train"].shape[1] for v in values.values()]
    ends = np.cumsum([0, *width])
    y = {s: np.concatenate([v[s] for v in values.values()], 1) for s in ("train", "val", "test")}
    models = [Ridge(alpha=a).fit(x["train"], y["train"]) for a in PENALTIES]
    said = {s: [m.predict(x[s]).reshape(y[s].shape) for m in models] for s in ("val", "test")}
    out = {}
    for factor, first, end in zip(values, ends[:-1], ends[1:], strict=True):

        def r2(split: str, k: int, own: slice = slice(first, end)) -> float:
            true, guess = y[split][:, own], said[split][k][:, own]
            return float(r2_score(true, guess, multioutput="variance_weighted"))

        best = max(range(len(models)), key=lambda k: r2("val", k))
        out[factor] = 100 * r2("test", best)
    return out


def amount_of_change(frames: np.ndarray, patch: int) -> np.ndarray:
    """How much a picture changes: mean |difference| of neighbouring frames, patch by patch, [n].

    Of the grey values of patches, so that noise of single pixels counts little.

    Parameters
    ----------
    frames : uint8 [n, F, H, W, 3].
    patch : edge of a patch, in pixels.
    """
    n, f, h, w, _ = frames.shape
    patches = frames.reshape(n, f, h // patch, patch, w // patch, patch * 3)
    return np.abs(np.diff(patches.mean((3, 5)), axis=1)).mean((1, 2, 3)) / 255


# --- the probe ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Probe:
    """The linear probe of a source, and what it looks along.

    Attributes
    ----------
    scale : features -> standardised features, by the source's train split.
    model : on standardised features.
    """

    scale: Callable[[np.ndarray], np.ndarray]
    model: LogisticRegression

    @classmethod
    def fit(cls, source: World, strengths=STRENGTHS, count: int | None = None) -> Probe:
        """The probe of `readers.logistic`, its strength chosen on `val`.

        Parameters
        ----------
        count : of the first train clips to fit on; None for all.
        """
        x, y = source.x["train"][:count], source.y["train"][:count]
        reader = logistic(x, y, source.x["val"], source.y["val"], strengths)
        scale = standardiser(x)
        return cls(scale, LogisticRegression(C=reader.strength, max_iter=500).fit(scale(x), y))

    @property
    def weights(self) -> np.ndarray:
        """[classes, D]; what all classes share changes no prediction and is taken off."""
        w = self.model.coef_
        if len(w) == 1:  # two classes have one row
            w = np.concatenate([-w, w])
        return w - w.mean(0)

    @property
    def directions(self) -> np.ndarray:
        """Orthonormal basis [classes - 1, D] of what moves a prediction at all."""
        _, size, basis = np.linalg.svd(self.weights, full_matrices=False)
        return basis[size > 1e-9 * size.max()]

    def accuracy(self, x: np.ndarray, y: np.ndarray) -> float:
        """Top-1 in percent on standardised features."""
        return 100 * float((self.model.predict(x) == y).mean())


def _class_means(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.stack([x[y == label].mean(0) for label in np.unique(y)])


def _within(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Deviations of clips from the mean of their class."""
    return x - _class_means(x, y)[np.unique(y, return_inverse=True)[1]]


def _spread(deviations: np.ndarray, classes: int) -> float:
    """Root of the summed variance within classes."""
    return float(np.sqrt((deviations**2).sum() / (len(deviations) - classes)))


def displacement(probe: Probe, source: World, target: World) -> dict[str, float]:
    """How far a world's mean lies from the source's, in units of the source's within-class spread.

    Parameters
    ----------
    source, target : standardised features; `train` is looked at.

    Returns
    -------
    `moved` : in all channels. `along` : of the probe's class scores, in their spread: what the
    probe sees of it. `across` : in what the probe does not look at. `share_along` : percent of the
    squared displacement that lies in the probe's directions.
    """
    x, y = source.x["train"], source.y["train"]
    classes = len(np.unique(y))
    # Classes come in equal numbers, so a mean of class means is a mean not tilted by them.
    moved = _class_means(target.x["train"], target.y["train"]).mean(0) - _class_means(x, y).mean(0)
    inner, basis, w = _within(x, y), probe.directions, probe.weights
    seen, inner_seen = basis.T @ (basis @ moved), inner @ basis.T @ basis
    return {
        "moved": np.linalg.norm(moved) / _spread(inner, classes),
        "along": np.linalg.norm(w @ moved) / _spread(inner @ w.T, classes),
        "across": np.linalg.norm(moved - seen) / _spread(inner - inner_seen, classes),
        "share_along": 100 * float((seen**2).sum() / (moved**2).sum()),
    }


def class_signal(probe: Probe, source: World, target: World) -> dict[str, float]:
    """What becomes of the distances between classes, as the source's probe scores them.

    Products of class means are taken between clips that share none (train against test), so that
    scatter of the means adds nothing to them.

    Returns
    -------
    `scores` : what is left of the distances between classes, along their pattern in the source;
    percent. `score_spread` : scatter within classes in percent of the source's.
    """
    w, classes = probe.weights.T, len(np.unique(source.y["train"]))

    def means(world: World, split: str) -> np.ndarray:
        found = _class_means(world.x[split] @ w, world.y[split])
        return found - found.mean(0)

    pattern = means(source, "train")
    left = [float((pattern * means(world, "test")).sum()) for world in (source, target)]
    spreads = [_spread(_within(v.x["train"] @ w, v.y["train"]), classes) for v in (source, target)]
    return {
        "scores": 100 * left[1] / left[0],
        "score_spread": 100 * spreads[1] / spreads[0],
    }


def variance_shares(source: World, target: World) -> dict[str, float]:
    """Variance of the train clips of both worlds, each of equal weight, as percentages.

    Returns
    -------
    `domains` : between the two means. `classes` : between classes, the same in both worlds.
    """
    parts = [(w.x["train"], w.y["train"]) for w in (source, target)]
    means = [_class_means(x, y) for x, y in parts]
    overall = (means[0].mean(0) + means[1].mean(0)) / 2
    total = np.mean([((x - overall) ** 2).sum(1).mean() for x, _ in parts])
    domains = np.mean([((m.mean(0) - overall) ** 2).sum() for m in means])
    shared = (means[0] + means[1]) / 2 - overall
    return {
        "domains": 100 * float(domains / total),
        "classes": 100 * float((shared**2).sum(1).mean() / total),
    }


def separable(source: World, target: World) -> float:
    """How well a linear probe tells target from source: accuracy on test clips, both of equal
    number, in percent; 50 is chance."""

    def pair(split: str) -> tuple[np.ndarray, np.ndarray]:
        n = min(len(source.x[split]), len(target.x[split]))
        x = np.concatenate([source.x[split][:n], target.x[split][:n]])
        return x, np.repeat([0, 1], n)

    reader = logistic(*pair("train"), *pair("val"), strengths=(1e-3, 1e-1, 1e1))
    x, y = pair("test")
    return 100 * float((reader.predict(x) == y).mean())


def adapted(probe: Probe, source: World, target: World) -> dict[str, float]:
    """The source's probe on a target whose features are aligned without labels, in percent.

    Statistics of the target come from its `train`, accuracy from its `test`.

    Returns
    -------
    `zero` : as they are. `centred` : moved to the source's mean. `scaled` : every channel to the
    source's mean and deviation. `coloured` : to the source's mean and covariance (CORAL,
    arXiv 1511.05547, with Ledoit-Wolf covariances).
    """
    s, t = source.x["train"], target.x["train"]
    x, y = target.x["test"], target.y["test"]
    away = x - t.mean(0)
    ratio = s.std(0) / np.maximum(t.std(0), 1e-9)

    def root(features: np.ndarray, power: float) -> np.ndarray:
        values, vectors = np.linalg.eigh(ledoit_wolf(features)[0])
        return (vectors * np.maximum(values, 1e-12) ** power) @ vectors.T

    ways = {
        "zero": x,
        "centred": away + s.mean(0),
        "scaled": away * ratio + s.mean(0),
        "coloured": away @ root(t, -0.5) @ root(s, 0.5) + s.mean(0),
    }
    return {name: probe.accuracy(features, y) for name, features in ways.items()}


@dataclass(frozen=True)
class Leading:
    """The direction that carries most of the source's variance, in raw features.

    Attributes
    ----------
    mean, direction : [D] of the source's train clips; the direction points to more change.
    deviation : of the train clips along it.
    share : of the variance, percent.
    follows : correlation with the amount of change on the source's test clips, 0 to 1.
    """

    mean: np.ndarray
    direction: np.ndarray
    deviation: float
    share: float
    follows: float

    @classmethod
    def of(cls, source: World, change: Mapping[str, np.ndarray]) -> Leading:
        """Found on `train`; `change` is the amount of change of clips by split."""
        x = source.x["train"]
        mean = x.mean(0)
        _, size, basis = np.linalg.svd(x - mean, full_matrices=False)
        along = (source.x["test"] - mean) @ basis[0]
        r = float(np.corrcoef(along, change["test"])[0, 1])
        share = 100 * float(size[0] ** 2 / (size**2).sum())
        return cls(mean, basis[0] * (-1 if r < 0 else 1), size[0] / len(x) ** 0.5, share, abs(r))

    def without(self, x: np.ndarray) -> np.ndarray:
        """Features [n, D] without it."""
        return x - np.outer((x - self.mean) @ self.direction, self.direction)

    def moved(self, target: World) -> dict[str, float]:
        """`leading_moved`: how far a target's mean lies along it, in deviations of the source;
        `leading_share`: percent of the squared displacement that this is."""
        gap = target.x["train"].mean(0) - self.mean
        along = float(gap @ self.direction)
        return {
            "leading_moved": along / self.deviation,
            "leading_share": 100 * along**2 / float((gap**2).sum()),
        }


def ranks(x: np.ndarray) -> dict[str, float]:
    """Effective ranks of features [n, D]: `rank_me`, and the participation ratio.

    `participation` is (sum of eigenvalues)^2 / (sum of their squares) of the covariance: how many
    directions carry the variance; RankMe counts small ones more.
    """
    values = np.linalg.svd(x - x.mean(0), compute_uv=False) ** 2
    return {
        "rank_me": rank_me(torch.from_numpy(np.asarray(x, np.float32))),
        "participation": float(values.sum() ** 2 / max((values**2).sum(), 1e-30)),
    }
