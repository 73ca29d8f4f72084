"""The embedded data: deterministic, independent factors, splits apart, real files."""

import hashlib
from collections import Counter
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

from vjepa_lib.datasets import synthetic
from vjepa_lib.datasets.synthetic import BENCHMARKS, DOMAINS, DataSpec, render, scenes
from vjepa_lib.errors import ConfigError, DataError
from vjepa_lib.video import read_frames
from vjepa_lib.video.manifests import read_manifest

SPEC = DataSpec(pretrain=2, train=4, val=2, test=2)


def test_rendering_is_a_pure_function_of_the_scene():
    scene = scenes("pre_videos", "train", 3)[2]
    assert np.array_equal(render(scene), render(scene))
    assert not np.array_equal(render(scene), render(replace(scene, seed=scene.seed + 1)))
    assert render(scene, 5, 16).shape == (5, 16, 16, 3)


# First two training clips of every domain, before encoding. Other numbers mean other clips, and
# with them other runs than those recorded.
CHECKSUMS = {
    "pre_videos": "a22405d4799a680c",
    "pre_motions": "3098c0a553839ba6",
    "pre_stills": "8501e4bf2f73ec2c",
    "appearance": "6700c4e30815e295",
    "fine_motion": "4f34c48acea4c17b",
    "order": "2ba37d2304577eb4",
    "actions": "3e373ca6a74ac31d",
    "shift_kinetics": "d952bc2bb4faa761",
    "shift_hacs": "c99b3381d3f79e3f",
}


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_clips_of_recorded_runs_stay_what_they_are(domain):
    clips = [render(s, DOMAINS[domain].fps).tobytes() for s in scenes(domain, "train", 2)]
    assert hashlib.sha256(b"".join(clips)).hexdigest()[:16] == CHECKSUMS[domain]


def test_the_folder_of_recorded_runs_stays_what_it_is():
    assert DataSpec(pretrain=4000, train=600, val=200, test=1000).key == "bd47b93135c9"


def test_more_clips_leave_the_first_ones_alone():
    assert scenes("order", "test", 9)[:4] == scenes("order", "test", 4)


def test_splits_and_domains_share_no_scene():
    seen = Counter()
    for domain in DOMAINS:
        for split in synthetic.SPLITS:
            seen.update({s.seed for s in scenes(domain, split, 200)})
    # 31-bit seeds: a handful of chance meetings among 5,400 would be many.
    assert sum(n > 1 for n in seen.values()) <= 1


def test_factors_are_independent():
    frame = pd.DataFrame([asdict(s) for s in scenes("pre_videos", "train", 3000)])
    from scipy.stats import chi2_contingency

    names = ["texture", "palette", "camera", "shape", "trajectory", "direction"]
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            p = chi2_contingency(pd.crosstab(frame[a], frame[b])).pvalue
            assert p > 1e-4, (a, b, p)


@pytest.mark.parametrize("domain", BENCHMARKS)
def test_classes_are_balanced_and_all_present(domain):
    d = DOMAINS[domain]
    count = Counter(d.class_of(s) for s in scenes(domain, "train", 1200))
    assert max(count.values()) < 1.6 * min(count.values())


def test_held_clips_do_not_change_and_others_do():
    still = render(scenes("appearance", "train", 1)[0])
    assert (still == still[:1]).all()
    moving = render(
        replace(scenes("fine_motion", "train", 1)[0], noise=0.0, camera="right", then="right")
    )
    assert (moving[1] != moving[0]).mean() > 0.5


def test_camera_carries_the_surface():
    """A pan to the right by two pixels a frame shifts the picture to the left by as much."""
    base = scenes("fine_motion", "train", 1)[0]
    scene = replace(base, camera="right", then="right", speed=0.5, noise=0.0, shake=0.0)
    frames = render(scene, 8, 32).astype(int)  # 0.5 fields a second: 2 px a frame
    error = np.abs(frames[1][:, :-2] - frames[0][:, 2:]).mean()
    assert error < 2 < np.abs(frames[1] - frames[0]).mean()


def test_order_halves_run_against_each_other():
    base = scenes("order", "train", 1)[0]
    scene = replace(base, camera="right", then="left", noise=0.0, shake=0.0)
    frames = render(scene, 8, 32).astype(int)
    # There and back: frame k equals frame 7 - k, so no single frame tells which came first.
    assert np.abs(frames[0] - frames[7]).mean() < 2


def test_files_are_real_video_with_factors_in_the_manifest(tmp_path):
    manifests = synthetic.ensure(SPEC, tmp_path, 1, False)
    manifest = read_manifest(manifests["shift_kinetics"])
    assert len(manifest) == 8 and "camera" in manifest.factors
    path = manifest.paths[0]
    frames = read_frames(path)
    assert path.suffix == ".mp4" and frames.shape == (16, 32, 32, 3)
    row = manifest.table.iloc[0]
    scene = scenes("shift_kinetics", "train", 1)[0]
    assert row.scene_seed == scene.seed and row.camera == scene.camera
    # Encoded, so not the same bytes (the noise's colour is halved in resolution), but the same
    # picture: grey values correlate, and with another scene's they do not.
    grey, drawn = frames.mean(-1).ravel(), render(scene, 16).mean(-1).ravel()
    other = render(replace(scene, seed=1), 16).mean(-1).ravel()
    assert np.corrcoef(grey, drawn)[0, 1] > 0.9 > 0.5 > abs(np.corrcoef(grey, other)[0, 1])
    before = manifests["order"].stat().st_mtime_ns
    assert synthetic.ensure(SPEC, tmp_path, 1, False)["order"].stat().st_mtime_ns == before


def test_an_unfinished_rendering_is_not_taken_for_a_finished_one(tmp_path, monkeypatch):
    def full(path, frames, fps):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(synthetic, "write_video", full)
    with pytest.raises(DataError, match="free some space"):
        synthetic.ensure(SPEC, tmp_path, 1, False)
    monkeypatch.undo()
    assert all(m.exists() for m in synthetic.ensure(SPEC, tmp_path, 1, False).values())


def test_unknown_domain():
    with pytest.raises(ConfigError, match="appearance"):
        scenes("nowhere", "train", 1)


def test_a_set_is_kept_as_soon_as_it_is_whole(tmp_path):
    """An interruption costs the set it falls into, not those before it."""
    from vjepa_lib.datasets.rendered import write_sets

    def plan(broken):
        def write(folder):
            (folder / "manifest.csv").write_text("path\n")

            def clip():
                if broken:
                    raise OSError(28, "No space left on device")

            return [clip]

        return write

    with pytest.raises(DataError, match="free some space"):
        write_sets(tmp_path, {"a": plan(False), "b": plan(True)}, 1, False)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
