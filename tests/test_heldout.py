"""The held-out world: choices stay, splits share nothing, the label is in the video."""

import hashlib
import json
import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from vjepa_lib.datasets import heldout
from vjepa_lib.datasets.heldout import PHOTOGRAPHS, QUESTIONS, SETS, HeldoutSpec, render, scenes
from vjepa_lib.errors import ConfigError, DataError
from vjepa_lib.video import read_frames
from vjepa_lib.video.manifests import read_manifest

# Committed before any encoder was trained or read on this world. They are never brought up to date:
# a change that breaks them makes another world, which somebody has shaped.
PARAMETERS = "4259db34690faf37"
CLIPS = {
    "digits_pretrain": "58cbed5d4e159522",
    "digits_digit": "16aee1c4cd4665b4",
    "digits_direction": "81a67b4ad75101f4",
    "digits_order": "32359477749fa083",
}


def test_the_parameters_are_those_committed_before_any_result():
    text = json.dumps(heldout.parameters())
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == PARAMETERS


@pytest.mark.parametrize("name", SETS)
def test_the_clips_are_those_committed_before_any_result(name):
    clips = b"".join(render(s).tobytes() for s in scenes(name, "train", 12))
    assert hashlib.sha256(clips).hexdigest()[:16] == CLIPS[name]


def test_no_digit_no_photograph_and_no_clip_is_in_two_splits():
    digits, photographs, seeds = {}, {}, Counter()
    for name in SETS:
        for split in ("train", "val", "test"):
            drawn = scenes(name, split, 150)
            digits.setdefault(split, set()).update(s.digit_row for s in drawn)
            photographs.setdefault(split, set()).update(s.photograph for s in drawn)
            seeds.update(s.seed for s in drawn)
    for seen in (digits, photographs):
        assert not seen["train"] & seen["test"]
        assert not seen["train"] & seen["val"] and not seen["val"] & seen["test"]
    assert {s: set(p) for s, p in PHOTOGRAPHS.items()} == photographs
    assert max(seeds.values()) == 1


@pytest.mark.parametrize(
    "name, classes", [("digits_digit", 10), ("digits_direction", 8), ("digits_order", 6)]
)
def test_classes_are_all_there_and_even(name, classes):
    count = Counter(heldout.class_of(name, s) for s in scenes(name, "train", 1200))
    assert len(count) == classes and max(count.values()) < 1.7 * min(count.values())


def test_the_digit_goes_where_its_label_says():
    """The ink's centre of mass, over a plain ground, moves along the direction asked for."""
    for scene in scenes("digits_direction", "test", 12):
        plain = replace(
            scene,
            pan_speed=0.0,
            zoom=0.0,
            noise=0.0,
            offset_x=0.0,
            offset_y=0.0,
            side=0.4,
            speed=0.3,
        )
        frames = render(plain).astype(float)
        away = replace(plain, offset_x=9.0)  # the same photograph without the digit
        ink = np.abs(frames - render(away).astype(float)).sum(-1)  # [F, H, W]
        y, x = np.mgrid[:32, :32]
        path = (
            np.stack([(ink * x).sum((1, 2)), (ink * y).sum((1, 2))], 1) / ink.sum((1, 2))[:, None]
        )
        moved = path[-1] - path[0]
        assert np.hypot(*moved) > 5
        turn = math.atan2(moved[1], moved[0]) - scene.angle
        assert abs(math.remainder(turn, 2 * math.pi)) < 0.35


def test_an_event_is_over_where_its_half_ends():
    """Growing, then nothing: ink grows in the first half only."""
    scene = replace(
        scenes("digits_order", "train", 1)[0],
        first="grow", second="none", pan_speed=0.0, zoom=0.0, noise=0.0, speed=0.0,
        offset_x=0.0, offset_y=0.0,
    )  # fmt: skip
    ground = render(replace(scene, offset_x=9.0)).astype(float)
    ink = (np.abs(render(scene).astype(float) - ground).sum(-1) > 30).sum((1, 2))
    assert ink[1] > 1.3 * ink[6] and ink[4] == ink[7]


def test_sets_are_real_video_with_factors_in_the_manifest(tmp_path):
    spec = HeldoutSpec(pretrain=2, train=10, val=2, test=2)
    manifests = heldout.ensure(spec, tmp_path, 1, False)
    assert set(manifests) == set(SETS)
    manifest = read_manifest(manifests["digits_order"])
    assert len(manifest) == 14 and {"photograph", "first", "digit"} <= set(manifest.factors)
    frames = read_frames(manifest.paths[0])
    drawn = render(scenes("digits_order", "train", 1)[0])
    assert frames.shape == drawn.shape
    assert np.corrcoef(frames.mean(-1).ravel(), drawn.mean(-1).ravel())[0, 1] > 0.95


def test_mistakes_are_one_sentence(monkeypatch):
    with pytest.raises(ConfigError, match="digits_digit"):
        scenes("digits", "train", 1)
    monkeypatch.setitem(PHOTOGRAPHS, "train", ("nowhere.png",))
    with pytest.raises(DataError, match=r"nowhere.png .* constraints.txt"):
        render(scenes("digits_digit", "train", 1)[0])


def test_every_question_is_asked():
    assert set(QUESTIONS) | {heldout.PRETRAINING} == set(SETS)
