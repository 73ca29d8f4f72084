"""Seeds x clips: intervals that answer for new seeds and new test clips at once.

All seeds read the same test clips, so neither the runs nor the clips are independent rows. With
value y[s, c] = mean + seed[s] + clip[c] + rest[s, c], the mean over both has the variance
V_seed / S + V_clip / C + V_rest / (S C).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from vjepa_lib.analysis.statistics.common import ALPHA
from vjepa_lib.errors import DataError


def contrast_of(
    right: Mapping[str, ArrayLike], weights: Mapping[str, float], unit: float = 100.0
) -> np.ndarray:
    """Contrast of conditions, clip by clip and seed by seed: sum of weight times right or wrong.

    Parameters
    ----------
    right : condition -> bool [S, C], whether each seed's encoder reads each test clip right; the
        same seeds and clips in the same order in every condition.
    weights : condition -> weight: {'a': 1, 'b': -1} for a difference, four for an interaction.
    unit : 100 for points.

    Returns
    -------
    [S, C]

    Raises
    ------
    DataError : a condition is missing, or the arrays are not of one shape.
    """
    missing = [name for name in weights if name not in right]
    if missing:
        raise DataError(f"No condition {missing[0]!r}: there are {', '.join(right)}.")
    arrays = {name: np.asarray(right[name], float) for name in weights}
    shapes = {a.shape for a in arrays.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 2:
        raise DataError(
            "Conditions are paired over seeds and clips: give arrays [seeds, clips] of one shape, "
            f"not {', '.join(str(s) for s in sorted(shapes))}."
        )
    return unit * sum(w * arrays[name] for name, w in weights.items())


def _blocks(
    values: ArrayLike | Sequence[ArrayLike], weights: ArrayLike | None
) -> tuple[list[np.ndarray], np.ndarray]:
    single = isinstance(values, np.ndarray) and values.ndim == 2
    blocks = [np.asarray(v, float) for v in ([values] if single else values)]
    if not blocks or any(b.ndim != 2 or len(b) != len(blocks[0]) or not b.size for b in blocks):
        raise DataError("Give one array [seeds, clips], or several with the same seeds.")
    given = np.full(len(blocks), 1 / len(blocks)) if weights is None else np.asarray(weights, float)
    if given.shape != (len(blocks),):
        raise DataError(f"There are {len(blocks)} blocks of clips and {given.size} weights.")
    return blocks, given


def _variance(blocks: list[np.ndarray], weights: np.ndarray) -> tuple[float, float, float]:
    """Variance of the mean: its part from seeds (with the rest) and from clips; degrees of freedom.

    In terms of mean squares, (MS_seed + MS_clip - MS_rest) / (S C); a clip part below 0 counts
    as 0. The degrees of freedom are Satterthwaite's.
    """
    seeds = len(blocks[0])
    over_clips = sum(w * b.mean(1) for w, b in zip(weights, blocks, strict=True))
    of_seeds = float(over_clips.var(ddof=1)) / seeds
    parts, least = [], 0.0
    for w, b in zip(weights, blocks, strict=True):
        clips = b.shape[1]
        if clips < 2:
            continue
        ms_clip = seeds * b.mean(0).var(ddof=1)
        rest = b - b.mean(0) - b.mean(1, keepdims=True) + b.mean()
        ms_rest = (rest**2).sum() / ((seeds - 1) * (clips - 1))
        parts.append((max(0.0, w**2 * (ms_clip - ms_rest) / (seeds * clips)), clips - 1))
        # One clip decided otherwise by every seed: the grid of the test set.
        step = np.diff(np.unique(b)).min() if len(np.unique(b)) > 1 else 100.0
        least += (w * step / clips) ** 2
    of_clips = sum(v for v, _ in parts)
    total = of_seeds + of_clips
    if total < least:
        return of_seeds, least - of_seeds, float(seeds - 1)
    terms = of_seeds**2 / (seeds - 1) + sum(v**2 / dof for v, dof in parts)
    return of_seeds, of_clips, total**2 / terms


def crossed_interval(
    values: ArrayLike | Sequence[ArrayLike],
    weights: ArrayLike | None = None,
    alpha: float = ALPHA,
) -> dict[str, float]:
    """Mean over seeds and clips with the interval of the two-way random-effects model.

    Parameters
    ----------
    values : [S, C] of `contrast_of` (or of one condition), or several blocks [S, C_k] with the same
        seeds and other clips, such as the benchmarks that a score is the mean of.
    weights : of the blocks, [K]; None for their mean.

    Returns
    -------
    `mean`, `low`, `high`, `se`, `se_seeds`, `se_clips` (its parts), `dof` (Satterthwaite), `p`
    (two-sided, mean 0), `n_seeds`. With one seed the interval is NaN. The standard error is never
    below one clip of the test set.

    Raises
    ------
    DataError : arrays that do not fit together.
    """
    blocks, given = _blocks(values, weights)
    mean = float(sum(w * b.mean() for w, b in zip(given, blocks, strict=True)))
    seeds = len(blocks[0])
    nan = dict.fromkeys(("low", "high", "se", "se_seeds", "se_clips", "dof", "p"), float("nan"))
    if seeds < 2:
        return {"mean": mean} | nan | {"n_seeds": seeds}
    of_seeds, of_clips, dof = _variance(blocks, given)
    se = float(np.sqrt(of_seeds + of_clips))
    half = stats.t.ppf(1 - alpha / 2, dof) * se
    return {
        "mean": mean,
        "low": float(mean - half),
        "high": float(mean + half),
        "se": se,
        "se_seeds": float(np.sqrt(of_seeds)),
        "se_clips": float(np.sqrt(of_clips)),
        "dof": float(dof),
        "p": float(2 * stats.t.sf(abs(mean) / se, dof)),
        "n_seeds": seeds,
    }


def crossed_bootstrap(
    values: ArrayLike | Sequence[ArrayLike],
    weights: ArrayLike | None = None,
    alpha: float = ALPHA,
    rng: np.random.Generator | int = 0,
    resamples: int = 2000,
) -> dict[str, float]:
    """Mean over seeds and clips with the interval of a crossed bootstrap.

    Seeds and clips are drawn with replacement, each by itself, and every pair of a drawn seed and a
    drawn clip counts (the pigeonhole bootstrap: Owen 2007, Annals of Applied Statistics 1, 386).
    With five seeds it has two faults of known size: it counts the rest three times, and quantiles
    of five seeds are those of a normal distribution. So the draws give the *shape* of the interval,
    their quantiles in standard deviations, and `crossed_interval` its *size*.

    Parameters
    ----------
    values, weights : as of `crossed_interval`; blocks share the draw of seeds, each has its own
        draw of clips.

    Returns
    -------
    `mean`, `low`, `high`, `p`, `n_seeds`, `sd_draws` (of the plain draws). NaN with one seed.
    """
    return crossed_bootstraps([values], [weights], alpha, rng, resamples)[0]


def crossed_bootstraps(
    several: Sequence[ArrayLike | Sequence[ArrayLike]],
    weights: Sequence[ArrayLike | None],
    alpha: float = ALPHA,
    rng: np.random.Generator | int = 0,
    resamples: int = 2000,
) -> list[dict[str, float]]:
    """`crossed_bootstrap` of several contrasts of the same seeds and clips, with the same draws.

    Drawing takes longest, and is done once.

    Parameters
    ----------
    several, weights : values and weights of every contrast, as of `crossed_interval`.

    Raises
    ------
    DataError : contrasts that differ in their numbers of seeds or clips.
    """
    each = [_blocks(v, w) for v, w in zip(several, weights, strict=True)]
    shapes = {tuple(b.shape for b in blocks) for blocks, _ in each}
    if len(shapes) > 1:
        raise DataError("Contrasts that share their draws need as many seeds and clips each.")
    found = [crossed_interval(blocks, given, alpha) for blocks, given in each]
    kept = [{k: f[k] for k in ("mean", "low", "high", "p", "n_seeds")} for f in found]
    if not each or found[0]["n_seeds"] < 2:
        return [k | {"sd_draws": float("nan")} for k in kept]
    rng = np.random.default_rng(rng)
    (shape,) = shapes
    seeds = shape[0][0]
    by_seed = rng.multinomial(seeds, np.full(seeds, 1 / seeds), resamples) / seeds  # [R, S]
    draws = np.zeros((len(each), resamples))
    for k, (_, clips) in enumerate(shape):
        by_clip = rng.multinomial(clips, np.full(clips, 1 / clips), resamples) / clips  # [R, C]
        for own, (blocks, given) in zip(draws, each, strict=True):
            own += given[k] * ((by_seed @ blocks[k]) * by_clip).sum(1)
    out = []
    for k, f, own in zip(kept, found, draws, strict=True):
        sd = float(own.std(ddof=1))
        if sd > 0:
            scale = f["se"] / sd * stats.t.ppf(1 - alpha / 2, f["dof"])
            scale /= stats.norm.ppf(1 - alpha / 2)
            low, high = np.quantile(own, [alpha / 2, 1 - alpha / 2]) - f["mean"]
            k |= {"low": f["mean"] + scale * low, "high": f["mean"] + scale * high}
        out.append({name: float(v) for name, v in k.items()} | {"n_seeds": seeds, "sd_draws": sd})
    return out
