"""Clips rendered when they are looked at: those of the whole set, and no more than asked for."""

import numpy as np
import pandas as pd
import pytest
import torch

from vjepa_lib import study
from vjepa_lib.datasets.few import few_clips
from vjepa_lib.errors import DataError
from vjepa_lib.training.sources import Draw


@pytest.fixture
def few(smoke, tmp_path):
    return few_clips(smoke.data, tmp_path)


def rendered(folder):
    return len(list(folder.rglob("*.mp4")))


def test_sets_are_those_of_a_whole_rendering(few, smoke_sets):
    assert list(few) == list(smoke_sets) and len(few) == len(smoke_sets)
    for name in ("pre_stills", "actions"):
        ours, whole = few[name], smoke_sets[name]
        pd.testing.assert_frame_equal(ours.manifest, whole.manifest)
        assert ours.label_names == whole.label_names
        assert torch.equal(ours.labels, whole.labels) and ours.frames.shape == whole.frames.shape
        rows = [0, len(whole) - 1, 3]
        assert torch.equal(ours.batch(rows), whole.batch(rows))


def test_a_step_of_training_sees_the_same_clips(few, smoke_sets, smoke):
    config = study.resolve("baseline", profile="smoke")
    draw = Draw(2, smoke.schedule.batch, 0)
    ours, whole = (study.training_clips(config, sets).batch(draw) for sets in (few, smoke_sets))
    assert torch.equal(ours, whole)


def test_only_clips_looked_at_are_rendered(few, tmp_path):
    clips = few["order"]
    assert rendered(tmp_path) == 0 and len(clips) > 10
    clips.batch(slice(0, 2))
    clips.batch([1])
    assert rendered(tmp_path) == 2


@pytest.mark.parametrize(
    "index", [3, -1, slice(1, 4), [2, 0], np.array([1, 1]), torch.tensor([4]), (slice(0, 2), 0)]
)
def test_frames_are_indexed_as_a_tensor_is(few, smoke_sets, index):
    name = "pre_motions"
    assert torch.equal(few[name].frames[index], smoke_sets[name].frames[index])


def test_a_mask_chooses(few, smoke_sets):
    mask = torch.arange(len(few["order"])) % 40 == 1
    assert torch.equal(few["order"].frames[mask], smoke_sets["order"].frames[mask])
    assert few["order"].frames[[]].shape[0] == 0


def test_a_folder_that_cannot_be_written_is_told(smoke, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="name another folder with VJEPA_DATA"):
        few_clips(smoke.data, tmp_path / "file")["order"]
