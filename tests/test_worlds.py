"""Transfer tasks: one way at a time, graded, the same classes, never a pretraining set again."""

import math
from collections import Counter
from dataclasses import asdict, fields, replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency, ks_2samp

from vjepa_lib.datasets import heldout, synthetic, worlds
from vjepa_lib.datasets.scene import ORIENTATIONS, PALETTES, Scene, render
from vjepa_lib.datasets.synthetic import DOMAINS, PRETRAINING
from vjepa_lib.datasets.worlds import (
    SEVERITIES,
    SHIFTS,
    SOURCE,
    TASKS,
    WorldScene,
    WorldSpec,
    places,
    scenes,
    world,
)
from vjepa_lib.errors import ConfigError, DataError
from vjepa_lib.show.worlds import contact_sheet
from vjepa_lib.video import read_frames
from vjepa_lib.video.clips import load_clips
from vjepa_lib.video.manifests import read_manifest

TINY = WorldSpec(train=7, val=7, test=7, target_train=7, target_val=7, target_test=7)
# What each shift is allowed to change.
OWN = {
    "surfaces": {"turned", "folds", "frequency"},
    "palettes": {"mix", "tint"},
    "rate": {"seconds", "pace"},
    "shake": {"shake"},
    "noise": {"noise", "distractors"},
}


def changed(task, shift, severity):
    """How far every changed value of a world is from the source's."""
    here, source = world(task, shift, severity), TASKS[task]
    return {
        f.name: np.abs(np.mean(getattr(here, f.name)) - np.mean(getattr(source, f.name)))
        for f in fields(source)
        if getattr(here, f.name) != getattr(source, f.name)
    }


@pytest.mark.parametrize("task", TASKS)
def test_a_shift_changes_one_thing_and_more_of_it_the_severer(task):
    for shift, own in OWN.items():
        if task == "appearance":  # there the orientation is the class
            own = own - {"turned"}
        steps = [changed(task, shift, k) for k in SEVERITIES]
        assert all(set(step) == own for step in steps), shift
        for name in own - {"turned", "distractors"}:
            sizes = [step[name] for step in steps]
            assert all(a < b for a, b in pairwise(sizes)), (shift, name)
    together = changed(task, "all", 4)
    assert set(together) == set().union(*OWN.values()) - (
        {"turned"} if task == "appearance" else set()
    )
    for shift in OWN:
        alone = changed(task, shift, 4)
        assert all(together[n] <= alone[n] for n in alone), shift


@pytest.mark.parametrize("task", TASKS)
def test_classes_are_the_same_and_even_in_every_world(task):
    names = worlds.classes(task)
    for place in places():
        here = world(task, *place)
        count = Counter(here.class_of(s) for s in scenes(task, place, "test", 6 * len(names)))
        assert set(count) == set(names) and set(count.values()) == {6}


def test_more_clips_leave_the_first_ones_alone():
    place = ("noise", 2)
    assert scenes("order", place, "test", 9)[:4] == scenes("order", place, "test", 4)


def test_no_clip_is_in_two_splits_worlds_or_sets():
    seen, total = Counter(), 0
    drawn = [scenes(t, p, s, 12) for t in TASKS for p in places() for s in synthetic.SPLITS]
    drawn += [synthetic.scenes(d, "train", 50) for d in DOMAINS]
    drawn += [heldout.scenes(n, "train", 50) for n in heldout.SETS]
    for part in drawn:
        seen.update(s.seed for s in part)
        total += len(part)
    # 31-bit seeds: chance makes 0.006 meetings among 5,000; one shared stream would make 12.
    assert total > 4_000 and sum(n > 1 for n in seen.values()) <= 2


# Factors and nuisances whose distribution in a task's source is not that of a pretraining set.
COMMON = {"speed", "noise", "contrast", "shake", "frequency", "palette"}
DIFFERENT = {
    "camera": {
        "pre_videos": COMMON | {"texture", "shape", "trajectory"},
        "pre_motions": COMMON | {"texture", "shape", "trajectory"},
        "pre_stills": COMMON | {"texture", "shape", "trajectory", "camera", "then", "held"},
    },
    "trajectory": {
        "pre_videos": COMMON
        | {"texture", "shape", "camera", "then", "trajectory", "direction", "object_speed"},
        "pre_motions": COMMON
        | {"texture", "shape", "camera", "then", "trajectory", "direction", "object_speed"},
        "pre_stills": COMMON
        | {"texture", "shape", "camera", "then", "trajectory", "direction", "object_speed", "held"},
    },
    "order": {
        "pre_videos": COMMON | {"texture", "shape", "camera", "then", "trajectory"},
        "pre_motions": COMMON | {"texture", "shape", "camera", "then", "trajectory"},
        "pre_stills": COMMON | {"texture", "shape", "camera", "then", "trajectory", "held"},
    },
    "appearance": {
        "pre_videos": COMMON | {"shape", "camera", "then", "trajectory"},
        "pre_motions": COMMON | {"texture", "shape", "camera", "then", "trajectory"},
        "pre_stills": COMMON | {"shape", "camera", "then", "trajectory", "held"},
    },
}


def differing(a, b):
    """Factors whose marginal distributions differ between two lists of scenes."""
    a, b = (pd.DataFrame([asdict(s) for s in part]) for part in (a, b))
    out = set()
    for name in {f.name for f in fields(Scene)} - {"seed"}:
        if pd.api.types.is_float_dtype(a[name]):
            p = ks_2samp(a[name], b[name]).pvalue
        elif set(a[name]) != set(b[name]):
            p = 0.0
        elif a[name].nunique() == 1:
            p = 1.0
        else:
            both = pd.concat([a[name], b[name]])
            p = chi2_contingency(pd.crosstab(both, [0] * len(a) + [1] * len(b))).pvalue
        if p < 1e-6:
            out.add(name)
    return out


def test_no_source_has_the_distribution_of_a_pretraining_set():
    """Factor by factor, for every task and every pretraining set."""
    pretraining = {d: synthetic.scenes(d, "train", 500) for d in PRETRAINING}
    found = {
        task: {
            d: differing(scenes(task, SOURCE, "train", 500), pretraining[d]) for d in PRETRAINING
        }
        for task in TASKS
    }
    assert found == DIFFERENT


def test_surfaces_and_palettes_are_unseen():

    def hue(gains):
        return np.array(gains) / np.linalg.norm(gains)

    for task in TASKS:
        for severity in SEVERITIES:
            for s in scenes(task, ("surfaces", severity), "test", 30):
                assert s.folds > 0
                if s.texture != "isotropic":
                    seen = float(s.texture.split("_")[0]) in ORIENTATIONS
                    assert seen is (task == "appearance")
        for s in scenes(task, ("palettes", 4), "test", 30):
            near = max(hue(s.gains()) @ hue(g) for g in PALETTES.values())
            assert near < 0.95 and any(s.tint)


def test_the_rate_is_the_time_between_frames_as_seen_and_the_speed():
    """A pan advances less from frame to frame by both, and the file says how long a frame lasts."""
    base = replace(
        scenes("camera", SOURCE, "test", 1)[0],
        camera="right", then="right", speed=0.75, noise=0.0, shake=0.0, shape="none", frequency=0.7,
    )  # fmt: skip

    def pixels(scene):
        frames = render(scene).astype(float).mean(-1)
        errors = [np.abs(frames[4][:, : 32 - d] - frames[3][:, d:]).mean() for d in range(8)]
        return int(np.argmin(errors))

    assert pixels(base) == 3  # 0.75 fields a second, 8 frames: 3 of 32 pixels
    assert pixels(replace(base, seconds=2 / 3)) == 2
    assert pixels(replace(base, seconds=2 / 3, speed=0.375)) == 1


def test_folding_keeps_the_contrast_and_breaks_the_waves():
    scene = replace(
        scenes("camera", SOURCE, "test", 1)[0], noise=0.0, shape="none", contrast=0.1, backdrop=1.0
    )
    fine = [
        np.abs(np.diff(render(replace(scene, folds=f)).astype(float), axis=2)).mean()
        for f in (0, 4)
    ]
    assert fine[1] > 1.5 * fine[0]
    from vjepa_lib.datasets.scene import _folded

    normal = np.random.default_rng(0).standard_normal(100_000)
    for folds in (0, 0.01, 1, 4):
        assert _folded(normal, folds).std() == pytest.approx(1, abs=0.02)
    assert np.allclose(_folded(normal, 1e-4), normal, atol=1e-4)


def test_an_unshifted_scene_is_drawn_as_ever():
    plain = synthetic.scenes("pre_videos", "train", 1)[0]
    assert np.array_equal(render(WorldScene(**asdict(plain))), render(plain))


def test_tasks_are_real_video_with_the_time_between_frames(tmp_path, monkeypatch):
    few = ("source", 0), ("rate", 2), ("noise", 4)
    monkeypatch.setattr(worlds, "places", lambda: list(few))
    monkeypatch.setattr(worlds, "TASKS", {"order": TASKS["order"]})
    manifests = worlds.tasks(TINY, tmp_path, 1, False)
    assert set(manifests["order"]) == set(few)
    counts = {p: dict(Counter(read_manifest(m).table.split)) for p, m in manifests["order"].items()}
    everything = {"train": 7, "val": 7, "test": 7}
    assert counts == {few[0]: everything, few[1]: {"test": 7}, few[2]: everything}
    manifest = read_manifest(manifests["order"][("rate", 2)])
    rate = 8 / world("order", "rate", 2).seconds
    assert rate > 9 and manifest.table.fps[0] == pytest.approx(rate)
    assert read_frames(manifest.paths[0]).shape == (8, 32, 32, 3)
    sets = {
        p: load_clips(m, 8, 32, tmp_path, progress=False) for p, m in manifests["order"].items()
    }
    assert all(s.label_names == worlds.classes("order") and not s.short for s in sets.values())
    drawn = render(scenes("order", ("rate", 2), "test", 1)[0]).astype(float)
    seen = sets[("rate", 2)].frames[0].numpy().astype(float)
    # Every frame as rendered: none is left out or shown twice.
    for k in range(8):
        errors = [np.abs(seen[k].mean(-1) - d.mean(-1)).mean() for d in drawn]
        assert int(np.argmin(errors)) == k
    before = manifests["order"][few[1]].stat().st_mtime_ns
    assert worlds.tasks(TINY, tmp_path, 1, False)["order"][few[1]].stat().st_mtime_ns == before


def test_other_worlds_are_rendered_to_another_folder(monkeypatch):
    before = TINY.key
    assert before == WorldSpec(**asdict(TINY)).key != WorldSpec().key
    monkeypatch.setitem(TASKS, "order", replace(TASKS["order"], noise=(0.0, 0.1)))
    assert TINY.key != before


def test_an_unwritable_folder_is_one_sentence(tmp_path):
    (tmp_path / "worlds").write_text("")
    with pytest.raises(DataError, match="free some space or choose another folder"):
        worlds.tasks(TINY, tmp_path, 1, False)


def test_unknown_names():
    with pytest.raises(ConfigError, match="trajectory"):
        world("walk")
    with pytest.raises(ConfigError, match="surfaces"):
        world("camera", "rain", 1)
    with pytest.raises(ConfigError, match="1 to 4"):
        world("camera", "noise", 5)


def test_a_contact_sheet_has_a_row_a_shift_and_a_column_a_severity():
    fig = contact_sheet("order")
    assert len(fig.axes) == len(SHIFTS) * (1 + len(SEVERITIES))
    assert [ax.get_ylabel() for ax in fig.axes if ax.get_ylabel()] == list(SHIFTS)


def test_order_cannot_be_told_from_what_the_whole_clip_holds():
    """The two motions of a pair last as long in either order."""
    pairs = Counter(frozenset(order) for order in TASKS["order"].orders)
    assert set(pairs.values()) == {2} and all(len(p) == 2 for p in pairs)
    assert math.isclose(sum(pairs.values()), len(worlds.classes("order")))
