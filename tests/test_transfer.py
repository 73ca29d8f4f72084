"""Transfer: a reader fitted in the source is read in the targets, and only there re-trained."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from vjepa_lib.errors import ConfigError, DataError
from vjepa_lib.evaluation.probes import ProbeConfig
from vjepa_lib.evaluation.transfer import Task, TransferConfig, read_transfer
from vjepa_lib.model.grid import Grid
from vjepa_lib.video.clips import ClipSet


class Colours(nn.Module):
    """An encoder whose tokens are the mean colours of four quarters of a clip."""

    grid = Grid(1, 2, 2, 2, 4)
    cfg = SimpleNamespace(levels=(1,))

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.passes = 0

    def forward(self, clip, levels=True):
        self.passes += len(clip)
        pooled = nn.functional.adaptive_avg_pool3d(clip, (1, 2, 2))
        return self.scale * pooled.flatten(2).transpose(1, 2)


def clips(n, splits, turned=False, noise=12, seed=0):
    """Clips whose class is which colour channel is bright; `turned` exchanges the channels."""
    g = torch.Generator().manual_seed(seed)
    label = torch.arange(n) % 3
    frames = 100 + noise * torch.randn(n, 2, 8, 8, 3, generator=g)
    channel = (label + 1) % 3 if turned else label
    frames[torch.arange(n), ..., channel] += 60
    names = np.concatenate([[s] * k for s, k in splits.items()])
    return ClipSet(
        frames.clamp(0, 255).byte(), label, ("r", "g", "b"), pd.DataFrame({"split": names})
    )


FULL = {"train": 60, "val": 30, "test": 60}
QUICK = TransferConfig(shots=(1, 2), subsets=4, attentive=ProbeConfig(epochs=20, heads=1, lr=0.02))


@pytest.fixture(scope="module")
def table():
    task = Task(
        "colour",
        clips(150, FULL),
        {
            ("noise", 1): clips(60, {"test": 60}, noise=40, seed=1),
            ("turned", 4): clips(150, FULL, turned=True, seed=2),
        },
    )
    encoder = Colours()
    table = read_transfer(encoder, task, QUICK)
    return table.assign(passes=encoder.passes)


def one(table, **where):
    for key, value in where.items():
        table = table[table[key] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_a_turned_world_is_lost_zero_shot_and_kept_re_trained(table):
    for reading in ("linear", "neighbours", "attentive", "few_2"):
        at = {"reading": reading, "shift": "turned"}
        assert one(table, fitted="source", **at).top1 < 10
        assert one(table, fitted="target", **at).top1 > 90
        assert one(table, reading=reading, shift="source").top1 > 90


def test_rows_say_what_was_read(table):
    assert set(table.columns) >= {"task", "shift", "severity", "reading", "fitted", "n_train"}
    assert not (table[table["shift"] == "noise"].fitted == "target").any()  # it has no labels
    row = one(table, reading="linear", shift="noise")
    assert (row.severity, row.n_test, row.n_train) == (1, 60, 60)
    assert row.right.dtype == bool and row.top1 == pytest.approx(100 * row.right.mean())
    few = one(table, reading="few_1", shift="source")
    assert few.n_train == 3 and few.right is None


def test_every_clip_is_encoded_once(table):
    assert table.passes.iloc[0] == 150 + 60 + 150


def test_settings_and_worlds_that_do_not_fit_are_told():
    with pytest.raises(ConfigError, match="three positive strengths"):
        TransferConfig(strengths=(0.1,))
    with pytest.raises(ConfigError, match="shots is .0,.: .* from 1 to"):
        TransferConfig(shots=(0,))
    other = clips(60, {"test": 60})
    other.label_names = ("a", "b", "c")
    with pytest.raises(DataError, match="same classes"):
        Task("colour", clips(150, FULL), {("noise", 1): other})
    with pytest.raises(DataError, match="needs the splits"):
        read_transfer(Colours(), Task("colour", clips(60, {"test": 60})), QUICK)
