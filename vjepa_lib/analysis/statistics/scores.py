"""Scales on which accuracies are compared: points, logits, and shares of the way to a ceiling."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from vjepa_lib.errors import DataError


def normalised(top1: ArrayLike, chance: ArrayLike, ceiling: ArrayLike) -> np.ndarray:
    """Share of the way from chance to a ceiling: 100 (acc - chance) / (ceiling - chance), percent.

    A score of 0 is chance, 100 the ceiling. Scores above 100 (better than the reference) and below
    0 (below chance) stay as they are: cutting them off would hide what was measured and bias means.

    Parameters
    ----------
    top1, chance, ceiling : percent; the ceiling is that of a supervised reference.

    Raises
    ------
    DataError : a ceiling that is not above chance: nothing can be scored against it.
    """
    top1, chance, ceiling = (np.asarray(v, float) for v in (top1, chance, ceiling))
    if np.any(ceiling <= chance):
        raise DataError(
            "A ceiling must lie above chance: take a reference that solves the benchmark, or leave "
            "the benchmark out."
        )
    return 100 * (top1 - chance) / (ceiling - chance)


def kept_share(inside: float, outside: float, least: float = 10.0) -> float:
    """What is left of a normalised score outside the domain, in percent: 100 outside / inside.

    NaN where the score inside is below `least`, a tenth of the way from chance to the ceiling: an
    encoder that reads nothing has nothing to keep, and the ratio of two scores near 0 is noise that
    would look as if it kept everything.

    Parameters
    ----------
    inside, outside : of `normalised`.
    """
    return 100 * outside / inside if inside >= least else float("nan")


def logits(count: ArrayLike, n: ArrayLike) -> np.ndarray:
    """Log odds of counts, ln((k + 1/2) / (n - k + 1/2)), finite at 0 and n (Haldane, Anscombe).

    Under a ceiling, gains in points cannot add up; log odds have none.

    Parameters
    ----------
    count, n : correct clips and clips.

    Raises
    ------
    DataError : counts outside 0..n.
    """
    count, n = np.asarray(count, float), np.asarray(n, float)
    if np.any((count < 0) | (count > n)):
        raise DataError("Counts of correct clips must lie between 0 and the number of clips.")
    return np.log((count + 0.5) / (n - count + 0.5))
