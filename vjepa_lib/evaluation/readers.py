"""Readers of frozen features: fitted on labelled clips of one world, then read in any other.

A reader takes features [n, D] and predicts classes. What it needs to choose (a strength) is chosen
on the validation clips of the world it is fitted in, or, with few labels, inside the few: no clip
of the world it is read in takes part.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vjepa_lib.errors import DataError

# Inverse strengths of regularisation. Low-rank latents want weak regularisation: with 0.1 as the
# weakest, that edge was chosen nearly always, and effects carried an unequal shrinkage.
STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3)
NEIGHBOURS = 20
TEMPERATURE = 0.07  # of the votes of neighbours (DINO, arXiv 2104.14294, appendix F)


@dataclass(frozen=True)
class Reader:
    """A fitted reader.

    Attributes
    ----------
    predict : features [n, D] -> class numbers [n].
    strength : the regularisation chosen; NaN where there is none.
    at_edge : whether that is the first or the last of those on offer, so that the best may lie
        outside.
    """

    predict: Callable[[np.ndarray], np.ndarray]
    strength: float = float("nan")
    at_edge: bool = False


def standardiser(x: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Function that takes off the mean of x [n, D] and divides by its deviation.

    A channel that does not vary in x is left at its distance from the mean.
    """
    x = np.asarray(x, np.float64)
    mean, std = x.mean(0), x.std(0)
    # A constant channel has a deviation of rounding errors, not of 0.
    scale = np.where(std > 1e-9 * np.maximum(np.abs(mean), 1e-30), std, 1.0)
    return lambda features: (np.asarray(features, np.float64) - mean) / scale


def logistic(
    x: np.ndarray,
    y: np.ndarray,
    x_val: np.ndarray,
    y_val: np.ndarray,
    strengths: Sequence[float] = STRENGTHS,
) -> Reader:
    """Multinomial logistic regression on standardised features, its strength chosen on `val`.

    Parameters
    ----------
    x, x_val : features [n, D] to fit on, and to choose the strength on.
    y, y_val : class numbers [n].
    strengths : inverse strengths of regularisation; of equals, the strongest is taken.

    Raises
    ------
    DataError : fewer than two classes to tell apart, or nothing to choose on.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(y)) < 2 or not len(y_val):
        raise DataError(
            "A probe needs labelled clips of two classes or more, and validation clips: check "
            "the splits of the manifest."
        )
    scale = standardiser(x)
    x, x_val = scale(x), scale(x_val)
    best, chosen = -1.0, None
    for strength in sorted(strengths):
        model = LogisticRegression(C=strength, max_iter=500)
        with warnings.catch_warnings():
            # Weak regularisation on separable clips has its optimum at infinity; the path there
            # stops being worth following long before.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(x, y)
        score = model.score(x_val, y_val)
        if score > best:
            best, chosen = score, (strength, model)
    strength, model = chosen
    at_edge = strength in (min(strengths), max(strengths))
    return Reader(lambda f: model.predict(scale(f)), strength, at_edge)


def neighbours(x: np.ndarray, y: np.ndarray, k: int = NEIGHBOURS) -> Reader:
    """k nearest neighbours by cosine of centred features, votes weighted by exp(cosine / 0.07).

    As in DINO (arXiv 2104.14294), with k = 20; where there are fewer clips, all of them vote.

    Parameters
    ----------
    x, y : features [n, D] and class numbers [n] of the bank.
    """
    centre = np.asarray(x, np.float64).mean(0)

    def directions(features: np.ndarray) -> np.ndarray:
        d = np.asarray(features, np.float64) - centre
        return d / np.maximum(np.linalg.norm(d, axis=1, keepdims=True), 1e-12)

    bank, k = directions(x), min(k, len(x))
    classes, number = np.unique(y, return_inverse=True)

    def predict(features: np.ndarray) -> np.ndarray:
        cosine = directions(features) @ bank.T  # [n, bank]
        near = np.argpartition(-cosine, k - 1, axis=1)[:, :k]
        weight = np.exp(np.take_along_axis(cosine, near, 1) / TEMPERATURE)
        votes = np.zeros((len(cosine), len(classes)))
        for column in range(k):
            np.add.at(votes, (np.arange(len(votes)), number[near[:, column]]), weight[:, column])
        return classes[votes.argmax(1)]

    return Reader(predict)


def few(x: np.ndarray, y: np.ndarray, strengths: Sequence[float] = STRENGTHS) -> Reader:
    """Ridge classifier for a handful of labels, its strength chosen by leaving one clip out.

    The left-out errors of all strengths come from one decomposition, so nothing but the few
    labelled clips takes part, and hundreds of subsets can be read.

    Parameters
    ----------
    x, y : features [n, D] and class numbers [n]; one clip a class will do.
    strengths : inverse strengths, per channel.

    Raises
    ------
    DataError : fewer than two classes.
    """
    from sklearn.linear_model import RidgeClassifierCV

    if len(np.unique(y)) < 2:
        raise DataError("A probe needs labelled clips of two classes or more.")
    scale = standardiser(x)
    penalties = [x.shape[1] / s for s in strengths]
    model = RidgeClassifierCV(alphas=penalties).fit(scale(x), y)
    strength = x.shape[1] / float(model.alpha_)
    at_edge = model.alpha_ in (min(penalties), max(penalties))
    return Reader(lambda f: model.predict(scale(f)), strength, bool(at_edge))


def few_rows(labels: np.ndarray, rows: np.ndarray, count: int, subset: int) -> np.ndarray:
    """`count` rows of every class, drawn for a subset number; a larger count holds the smaller one.

    Raises
    ------
    DataError : a class has fewer rows.
    """
    out = []
    for label in np.unique(labels[rows]):
        own = rows[labels[rows] == label]
        if len(own) < count:
            raise DataError(
                f"Class {label} has {len(own)} labelled clips and {count} are asked for: ask for "
                f"fewer labels a class."
            )
        draw = np.random.default_rng([subset, int(label)])
        out.append(draw.permutation(own)[:count])
    return np.sort(np.concatenate(out))
