"""Probes: they read what is there, choose on val, and read test once."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from vjepa_lib.errors import ConfigError, DataError
from vjepa_lib.evaluation.evaluate import evaluate, supervised
from vjepa_lib.evaluation.extract import extract
from vjepa_lib.evaluation.probes import (
    AttentiveHead,
    ProbeConfig,
    attentive_probe,
    linear_probe,
    linear_regression,
    linear_scores,
    low_shot_rows,
    split_rows,
)
from vjepa_lib.model.grid import Grid
from vjepa_lib.model.vit import Encoder, EncoderConfig
from vjepa_lib.video.clips import ClipSet

TINY = EncoderConfig(
    height=16, width_px=16, frames=4, patch=8, width=16, depth=2, heads=2, levels=(1, 2),
    rope_reference=None,
)  # fmt: skip


@pytest.fixture
def rows():
    return {"train": np.arange(90), "val": np.arange(90, 130), "test": np.arange(130, 200)}


def rising_and_falling(n=240):
    """Clips whose label is whether they grow brighter or darker: their middle frame is alike."""
    g = torch.Generator().manual_seed(0)
    label = torch.arange(n) % 2
    sign = 1.0 - 2 * label[:, None]
    level = 120 + sign * torch.tensor([-60.0, -40.0, 0.0, 50.0])
    level += 10 * torch.randn(n, 1, generator=g)
    frames = level[:, :, None, None, None] + 5 * torch.randn(n, 4, 16, 16, 3, generator=g)
    table = pd.DataFrame({"split": ["train"] * 160 + ["val"] * 20 + ["test"] * (n - 180)})
    return ClipSet(frames.clamp(0, 255).byte(), label, ("up", "down"), table)


class Positions(nn.Module):
    """An encoder whose token says which token it is: features with known pools."""

    grid = Grid(2, 2, 2, 2, 8)
    cfg = SimpleNamespace(levels=(1, 2))

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, clip, levels=True):
        token = torch.arange(8.0).expand(len(clip), 8)[..., None]
        return self.scale * token.expand(-1, -1, 4 if levels else 2)


# --- features ---------------------------------------------------------------------------------


def test_pools():
    clips, encoder = rising_and_falling(), Positions()
    assert extract(encoder, clips, "mean")[0].tolist() == [3.5, 3.5]
    assert extract(encoder, clips, "tokens").shape == (240, 8, 2)
    assert extract(encoder, clips, "halves")[0].tolist() == [1.5, 1.5, 5.5, 5.5]
    assert extract(encoder, clips, "mean", levels=True).shape == (240, 4)
    with pytest.raises(ConfigError, match="mean, tokens, halves"):
        extract(encoder, clips, "max")


def test_features_on_disk_are_those_in_memory(tmp_path):
    torch.manual_seed(0)
    clips, encoder = rising_and_falling(), Encoder(TINY)
    memory = extract(encoder, clips, "tokens")
    disk = extract(encoder, clips, "tokens", batch=7, out=tmp_path / "x" / "f.npy")
    assert disk.dtype == torch.float16 and memory.dtype == torch.float32
    assert torch.allclose(disk.float(), memory, atol=2e-3)
    assert np.load(tmp_path / "x" / "f.npy", mmap_mode="r").shape == (240, 8, 16)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        extract(encoder, clips, out=tmp_path / "file" / "f.npy")


def test_a_missing_split_is_told():
    clips = rising_and_falling()
    clips.manifest["split"] = "train"
    with pytest.raises(DataError, match="val, test"):
        split_rows(clips)


# --- linear probe -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["logistic", "adamw"])
def test_linear_probe_reads_what_is_linear_and_no_more(rows, kind):
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=200)
    noise = rng.normal(size=(200, 6)).astype(np.float32)
    cfg = ProbeConfig(linear=kind, linear_batch=16, linear_epochs=20, lr=1e-2)
    clear = noise + 3 * np.eye(6, dtype=np.float32)[labels]
    right = linear_probe(clear, labels, rows, cfg)
    assert right.shape == (70,) and right.mean() > 0.85
    assert np.array_equal(right, linear_probe(clear, labels, rows, cfg))
    assert linear_probe(noise, labels, rows, cfg).mean() < 0.55


def test_test_labels_choose_nothing(rows):
    """With the test labels of two classes swapped, every answer turns from right to wrong."""
    rng = np.random.default_rng(1)
    labels = rng.integers(2, size=200)
    features = (rng.normal(size=(200, 8)) + labels[:, None]).astype(np.float32)
    swapped = labels.copy()
    swapped[rows["test"]] = 1 - swapped[rows["test"]]
    tokens = torch.from_numpy(features)[:, None]
    for read in (
        lambda y: linear_probe(features, y, rows, ProbeConfig()),
        lambda y: linear_probe(features, y, rows, ProbeConfig(linear="adamw")),
        lambda y: attentive_probe(tokens, y, rows, ProbeConfig(heads=2)),
    ):
        assert np.array_equal(read(labels), ~read(swapped))


def test_strength_is_chosen_on_val(rows):
    rng = np.random.default_rng(2)
    labels = rng.integers(2, size=200)
    x = rng.normal(size=(200, 80)).astype(np.float32)  # nearly as many channels as clips
    x[:, 0] += 1.5 * labels
    scores = {}
    for strengths in ((1e-3,), (1e3,), (1e-3, 1e3)):
        val = {**rows, "test": rows["val"]}
        scores[strengths] = linear_scores(x, labels, val, strengths).mean()
    assert scores[1e-3, 1e3] == max(scores.values())
    assert scores[(1e-3,)] != scores[(1e3,)]


def test_linear_regression(rows):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 5))
    y = x @ np.arange(5.0) + 0.1 * rng.normal(size=200)
    assert linear_regression(x, y, rows) > 0.9
    assert linear_regression(rng.normal(size=(200, 5)), y, rows) < 0.1


def test_low_shot_subsets_are_nested_stratified_and_seeded():
    labels = np.repeat([0, 1, 2], [100, 40, 3])
    train = np.flatnonzero(np.arange(143) % 11 != 0)
    before: set[int] = set()
    for share in (0.01, 0.05, 0.1, 0.5):
        chosen = low_shot_rows(labels, train, share)
        assert before <= set(chosen) <= set(train)
        before = set(chosen)
        for label in range(3):
            n = (labels[train] == label).sum()
            assert (labels[chosen] == label).sum() == max(1, round(share * n))
    assert np.array_equal(chosen, low_shot_rows(labels, train, 0.5))
    assert not np.array_equal(chosen, low_shot_rows(labels, train, 0.5, seed=1))


# --- attentive probe --------------------------------------------------------------------------


def test_attentive_head_is_multi_head_attention_on_a_cls_token():
    """The published form: everything attends to everything, and the cls token is read."""
    torch.manual_seed(0)
    head = AttentiveHead(12, 5, heads=3)
    nn.init.normal_(head.attention.in_proj_bias)
    tokens = torch.randn(4, 7, 12)
    x = torch.cat([head.cls.expand(4, -1, -1), tokens], 1)
    expected = head.out(head.norm(x + head.attention(x, x, x)[0])[:, 0])
    assert torch.allclose(head(tokens), expected, atol=1e-5)
    weights = [p for n, p in head.named_parameters() if "in_proj_bias" not in n]
    a = torch.autograd.grad(head(tokens).square().sum(), weights)
    b = torch.autograd.grad(expected.square().sum(), weights)
    assert all(torch.allclose(x, y, atol=1e-4) for x, y in zip(a, b, strict=True))
    with pytest.raises(ConfigError, match="5 heads do not divide 12"):
        AttentiveHead(12, 2, heads=5)


def test_attentive_probe_finds_the_one_token_that_tells(rows):
    g = torch.Generator().manual_seed(0)
    labels = torch.randint(2, (200,), generator=g)
    tokens = 0.3 * torch.randn(200, 5, 8, generator=g)
    place = torch.randint(5, (200,), generator=g)
    tokens[torch.arange(200), place, 0] += 4
    tokens[torch.arange(200), place, 1] += 4.0 * (2 * labels - 1)
    cfg = ProbeConfig(epochs=25, heads=2, lr=3e-3)
    right = attentive_probe(tokens, labels, rows, cfg)
    assert right.mean() > 0.9
    assert np.array_equal(right, attentive_probe(tokens, labels, rows, cfg))
    last = attentive_probe(tokens, labels, rows, ProbeConfig(epochs=0, choose_epoch=False))
    assert last.mean() < 0.75


# --- a table of everything --------------------------------------------------------------------


def test_evaluate_lists_every_benchmark_and_probe(tmp_path):
    torch.manual_seed(0)
    cfg = ProbeConfig(
        attentive=("a",), attentive_mean=("b",), low_shot=(0.1,), heads=2, strengths=(0.1,)
    )
    clips = rising_and_falling()
    table = evaluate(Encoder(TINY), {"a": clips, "b": clips}, cfg, cache=tmp_path)
    assert list(zip(table.benchmark, table.probe, strict=True)) == [
        ("a", "linear"), ("a", "linear_10%"), ("a", "attentive"),
        ("b", "linear"), ("b", "linear_10%"), ("b", "attentive_mean"),
    ]  # fmt: skip
    assert table.n_train.tolist() == [160, 16, 160] * 2
    assert (table.n_test == 60).all() and (table.n_val == 20).all()
    assert np.allclose(table.top1, 100 * table.correct / table.n_test)
    memory = evaluate(Encoder(TINY), {"b": clips}, cfg)
    assert memory.shape == (3, 7)


def test_settings_that_make_no_sense_are_told():
    with pytest.raises(ConfigError, match="choose one of logistic, adamw"):
        ProbeConfig(linear="svm")
    with pytest.raises(ConfigError, match="low_shot is .10,."):
        ProbeConfig(low_shot=(10,))


def test_a_single_frame_cannot_tell_what_takes_time():
    clips = rising_and_falling()
    right = supervised(TINY, clips, 40, lr=3e-3)
    assert right.shape == (60,) and right.mean() > 0.9
    assert np.array_equal(right, supervised(TINY, clips, 40, lr=3e-3))
    assert 0.25 < supervised(TINY, clips, 40, lr=3e-3, single_frame=True).mean() < 0.75
