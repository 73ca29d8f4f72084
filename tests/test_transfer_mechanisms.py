"""Measurements that say why encoders transfer as they do: each on features that are known."""

import numpy as np
import pandas as pd
import pytest

from vjepa_lib.analysis import transfer_geometry as geometry
from vjepa_lib.analysis.transfer_geometry import Leading, Probe, World
from vjepa_lib.datasets import worlds
from vjepa_lib.datasets.scene import render

CLASSES, WIDTH = 4, 10
SIZES = {"train": 240, "val": 80, "test": 160}


def world(shift=0.0, signal=3.0, turn=None, seed=0):
    """Four classes along the first three channels, unit scatter in all of ten."""
    rng = np.random.default_rng(seed)
    corners = np.concatenate([np.eye(3), -np.ones((1, 3))]) * signal
    x, y = {}, {}
    for split, n in SIZES.items():
        y[split] = np.arange(n) % CLASSES
        features = rng.normal(size=(n, WIDTH))
        features[:, :3] += corners[y[split]]
        x[split] = (features if turn is None else features @ turn) + shift
    return World(x, y)


@pytest.fixture(scope="module")
def home():
    return world()


@pytest.fixture(scope="module")
def probe(home):
    return Probe.fit(home)


def scaled(probe, *found):
    return [w.of(probe.scale) for w in found]


def offset(where, size):
    out = np.zeros(WIDTH)
    out[where] = size
    return out


def test_a_displacement_is_told_apart_by_what_the_probe_looks_at(home, probe):
    off = geometry.displacement(probe, *scaled(probe, home, world(offset(7, 5.0), seed=1)))
    on = geometry.displacement(probe, *scaled(probe, home, world(offset(0, 5.0), seed=1)))
    none = geometry.displacement(probe, *scaled(probe, home, world(seed=1)))
    assert off["share_along"] < 10 and on["share_along"] > 80
    assert off["across"] > 5 * off["along"] / 2 and on["along"] > 3 * on["across"]
    assert none["moved"] < 0.3 * min(off["moved"], on["moved"])


def test_centring_recovers_a_shifted_mean_and_nothing_else(home, probe):
    moved = geometry.adapted(probe, *scaled(probe, home, world(offset(0, 6.0), seed=1)))
    assert moved["zero"] < 70 and moved["centred"] > 90 and moved["scaled"] > 90
    # Two classes change places along an axis: no alignment without labels can know.
    swap = np.eye(WIDTH)
    swap[[0, 1]] = swap[[1, 0]]
    turned = geometry.adapted(probe, *scaled(probe, home, world(turn=swap, seed=1)))
    assert max(turned.values()) < 70


def test_colouring_undoes_what_scatter_shows(home, probe):
    """A mixing of channels with unequal scatter leaves a trace in the covariance."""
    mix = np.eye(WIDTH)
    mix[5, 0] = 8.0  # scatter of a sixth channel is added to the first
    found = geometry.adapted(probe, *scaled(probe, home, world(turn=mix, seed=1)))
    assert found["coloured"] > found["centred"] + 10


def test_what_is_left_of_the_classes(home, probe):
    half = geometry.class_signal(probe, *scaled(probe, home, world(signal=1.5, seed=1)))
    same = geometry.class_signal(probe, *scaled(probe, home, world(seed=1)))
    gone = geometry.class_signal(probe, *scaled(probe, home, world(signal=0.0, seed=1)))
    assert half["scores"] == pytest.approx(50, abs=8)
    assert same["scores"] == pytest.approx(100, abs=8) and abs(gone["scores"]) < 8
    assert same["score_spread"] == pytest.approx(100, abs=15)


def test_shares_of_variance_and_whether_worlds_can_be_told_apart(home, probe):
    far, near = world(offset(7, 10.0), seed=1), world(seed=1)
    apart, same = (scaled(probe, home, w) for w in (far, near))
    shares = geometry.variance_shares(*apart)
    assert shares["domains"] > 50 > shares["classes"]
    shares = geometry.variance_shares(*same)
    assert shares["domains"] < 2 and 10 < shares["classes"] < 40
    assert geometry.separable(*apart) > 99 and geometry.separable(*same) < 65


def test_the_leading_direction_points_to_more_change_and_can_be_taken_away(home):
    rng = np.random.default_rng(0)
    amount = {s: rng.normal(size=n) for s, n in SIZES.items()}
    x = {s: home.x[s] - 9 * np.outer(amount[s], offset(8, 1.0)) for s in SIZES}
    found = Leading.of(World(x, home.y), amount)
    assert found.share > 60 and found.follows > 0.95
    more = World({s: v - offset(8, 9.0) for s, v in x.items()}, home.y)
    moved = found.moved(more)
    assert moved["leading_moved"] == pytest.approx(1, abs=0.15)  # a deviation of the change
    assert moved["leading_share"] > 95
    assert found.without(x["train"]).std(0)[8] < 0.3


def test_known_factors_are_read_where_they_are(home):
    rng = np.random.default_rng(0)
    values = {s: {"held": v[:, 4:6] @ [[1.0, 2.0], [0.5, -1.0]]} for s, v in home.x.items()}
    by_factor = {
        "held": {s: v["held"] for s, v in values.items()},
        "absent": {s: rng.normal(size=(n, 1)) for s, n in SIZES.items()},
        "constant": {s: np.ones((n, 1)) for s, n in SIZES.items()},
    }
    found = geometry.alignment(home.x, by_factor)
    assert set(found) == {"held", "absent"}
    assert found["held"] > 99 and found["absent"] < 5


@pytest.mark.parametrize("task", worlds.TASKS)
def test_known_factors_are_those_of_the_renderer(task):
    """Velocities against where things are drawn: the renderer's own paths."""
    from vjepa_lib.datasets.scene import _camera_path

    drawn = worlds.scenes(task, ("source", 0), "val", 30)
    manifest = pd.DataFrame([vars(s) for s in drawn])
    known = geometry.known_factors(manifest)
    assert set(known) == set(geometry.FACTORS) - {"amount of change"}
    ends = np.array([-0.5, 0.5])
    for i, scene in enumerate(drawn):
        shift, zoom = _camera_path(scene, ends)
        assert known["view velocity"][i] == pytest.approx((shift[1] - shift[0]) / 2)  # half fields
        assert known["zoom"][i, 0] == pytest.approx((zoom[0] - zoom[1]) / 1.6)
    assert (known["turn of the view"].any()) == (task == "order")
    assert {len(v) for v in known.values()} == {30}


def test_a_picture_that_moves_faster_changes_more():
    from dataclasses import replace

    scene = worlds.scenes("camera", ("source", 0), "val", 1)[0]
    still, slow, fast = (
        render(replace(scene, camera=c, then=c, speed=v, noise=0.05, shape="none"))
        for c, v in (("still", 1.0), ("right", 0.2), ("right", 0.8))
    )
    amount = geometry.amount_of_change(np.stack([still, slow, fast]), 8)
    assert amount[0] < amount[1] < amount[2]


def test_ranks_of_known_spectra():
    rng = np.random.default_rng(0)
    even = geometry.ranks(rng.normal(size=(4000, WIDTH)))
    assert even["participation"] == pytest.approx(WIDTH, rel=0.05)
    one = geometry.ranks(np.outer(rng.normal(size=400), np.ones(WIDTH)))
    assert one["participation"] == pytest.approx(1) and one["rank_me"] == pytest.approx(1, abs=0.01)
