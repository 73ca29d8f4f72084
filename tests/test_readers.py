"""Readers of features: fitted in one world, read in another, and choosing in the first."""

import numpy as np
import pytest

from vjepa_lib.errors import DataError
from vjepa_lib.evaluation.readers import (
    STRENGTHS,
    few,
    few_rows,
    logistic,
    neighbours,
    standardiser,
)


def world(n=300, classes=4, dim=12, shift=0.0, noise=1.0, seed=0):
    """Features around class centres that all worlds share; `shift` moves a world as a whole."""
    centres = 2 * np.random.default_rng(99).normal(size=(classes, dim))
    draw = np.random.default_rng(seed)
    y = draw.integers(classes, size=n)
    return centres[y] + noise * draw.normal(size=(n, dim)) + shift, y


def accuracy(reader, x, y):
    return float((reader.predict(x) == y).mean())


def test_a_reader_keeps_its_class_boundaries_in_another_world():
    (x, y), (v, w) = world(), world(seed=1)
    reader = logistic(x, y, v, w)
    assert accuracy(reader, *world(seed=2)) > 0.95
    assert accuracy(reader, *world(seed=2, shift=6.0)) < 0.8  # a shift it was not fitted to


def test_strengths_reach_what_a_low_rank_latent_needs():
    """Three channels of a small deviation, nine of noise: shrinkage at 0.1 loses the answer."""
    x, y = world(60, dim=3, noise=0.05)
    draw = np.random.default_rng(5)
    wide = np.c_[x, draw.normal(size=(60, 40))]
    v, w = world(400, dim=3, noise=0.05, seed=1)
    val = np.c_[v, draw.normal(size=(400, 40))]
    free = logistic(wide, y, val, w)
    tied = logistic(wide, y, val, w, (1e-4, 1e-3))
    assert free.strength > 1e-2 and not free.at_edge
    assert tied.at_edge and accuracy(free, val, w) >= accuracy(tied, val, w)
    assert min(STRENGTHS) <= 1e-3 and max(STRENGTHS) >= 1e2


def test_the_strength_is_chosen_on_val_alone():
    x, y = world(40, noise=4.0)
    rng = np.random.default_rng(0)
    seen = {logistic(x, y, x, y).strength, logistic(x, y, *world(40, noise=4.0, seed=3)).strength}
    assert len(seen) == 2  # fitted clips as val reward no regularisation at all
    with pytest.raises(DataError, match="validation clips"):
        logistic(x, y, x[:0], y[:0])
    with pytest.raises(DataError, match="two classes"):
        logistic(x, rng.integers(1, size=40), x, y)


def test_neighbours_are_those_of_a_plain_loop():
    (x, y), (u, v) = world(80), world(30, seed=4)
    centre = x.mean(0)
    for k in (1, 5, 20, 200):
        said = []
        for row in u:
            cosine = [
                (a - centre)
                @ (row - centre)
                / np.linalg.norm(a - centre)
                / np.linalg.norm(row - centre)
                for a in x
            ]
            votes = np.zeros(4)
            for i in np.argsort(cosine)[::-1][:k]:
                votes[y[i]] += np.exp(cosine[i] / 0.07)
            said.append(votes.argmax())
        np.testing.assert_array_equal(neighbours(x, y, k).predict(u), said)
    assert accuracy(neighbours(x, y), u, v) > 0.9


def test_few_labels_choose_their_strength_among_themselves():
    x, y = world(400)
    rows = np.arange(400)
    scores = []
    for count in (1, 2, 5, 10):
        each = []
        for subset in range(10):
            own = few_rows(y, rows, count, subset)
            assert len(own) == 4 * count
            each.append(accuracy(few(x[own], y[own]), *world(200, seed=7)))
        scores.append(np.mean(each))
    assert scores == sorted(scores)
    assert scores[0] > 0.4 and scores[-1] > 0.9  # chance is 0.25


def test_few_rows_are_nested_and_differ_between_subsets():
    y = np.repeat(np.arange(3), 20)
    rows = np.arange(60)
    for subset in range(5):
        one, five = few_rows(y, rows, 1, subset), few_rows(y, rows, 5, subset)
        assert set(one) < set(five) and np.bincount(y[five]).tolist() == [5, 5, 5]
    assert len({tuple(few_rows(y, rows, 2, s)) for s in range(20)}) > 15
    with pytest.raises(DataError, match="Class 0 has 20 labelled clips and 21"):
        few_rows(y, rows, 21, 0)


def test_a_channel_that_does_not_vary_does_no_harm():
    x, y = world(100)
    x[:, 0] = 0.1 + 0.2  # constant, with a rounding error as its deviation
    x[:, 1] = 0.0
    assert np.isfinite(standardiser(x)(x)).all() and np.abs(standardiser(x)(x)).max() < 10
    assert accuracy(logistic(x, y, x, y), x, y) > 0.9
