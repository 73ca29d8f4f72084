"""Diagnostics tell collapse from health, reach from no reach, and what leaks where."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from vjepa_lib.errors import ConfigError
from vjepa_lib.evaluation.leakage import factor_leakage
from vjepa_lib.evaluation.reach import (
    gradient_reach,
    moved_parameters,
    snapshot,
    term_reach,
    unmoved,
)
from vjepa_lib.model.vit import EncoderConfig, PredictorConfig
from vjepa_lib.training.collapse import (
    collapse_measures,
    feature_std,
    mean_cosine,
    rank_me,
    same_weights,
)
from vjepa_lib.training.pretrain import Schedule, TermSpec, Trainer, TrainSetup
from vjepa_lib.video.clips import ClipSet


def trainer(*terms, **options):
    encoder = EncoderConfig(
        height=32, width_px=32, frames=4, patch=8, width=16, depth=2, heads=2, levels=(1, 2),
        rope_reference=None,
    )  # fmt: skip
    terms = (TermSpec("jepa"), TermSpec("context"), *terms)
    schedule = Schedule(steps=10, batch=4, warmup=1)
    return Trainer(
        TrainSetup(encoder, PredictorConfig(16, 1, 2), terms, schedule=schedule, **options)
    )


@pytest.fixture
def clips():
    return torch.randn(4, 3, 4, 32, 32, generator=torch.Generator().manual_seed(0))


# --- collapse ---------------------------------------------------------------------------------


def test_collapse_measures_of_known_features():
    g = torch.Generator().manual_seed(0)
    normal = torch.randn(5000, 8, generator=g)
    assert rank_me(normal) == pytest.approx(8, abs=0.05)
    assert feature_std(normal) == pytest.approx(1, abs=0.05)
    assert mean_cosine(normal) == pytest.approx(0, abs=0.01)
    line = torch.randn(100, 1, generator=g) * torch.ones(8)
    assert rank_me(line) == pytest.approx(1, abs=0.01)
    point = collapse_measures(torch.full((5, 3), 0.25))
    assert point["rank_me"] == 0 and point["feature_std"] == 0
    assert point["mean_cosine"] == pytest.approx(1)


def test_mean_cosine_equals_its_definition():
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)) + 1
    cosine = nn.functional.cosine_similarity(x[:, None], x[None], dim=-1)
    pairs = [float(cosine[i, j]) for i in range(6) for j in range(6) if i != j]
    assert mean_cosine(x) == pytest.approx(np.mean(pairs), abs=1e-6)


# --- gradient reach ---------------------------------------------------------------------------


def test_gradient_reach_on_a_readers_own_objective():
    torch.manual_seed(0)
    body, head = nn.Linear(4, 4), nn.Linear(4, 1)
    x = torch.randn(6, 4)
    shared = body(x)
    terms = {
        "jepa": lambda: shared.square().mean(),
        "twice": lambda: 2 * body(x).square().mean(),
        "against": lambda: -shared.square().mean(),
        "head only": lambda: head(shared.detach()).square().mean(),
        "nothing": lambda: shared.detach().mean(),
    }
    parts = {"body": body, "own head": {"head only": head}}
    table = gradient_reach(terms, parts).set_index(["term", "part"])
    (w, b) = torch.autograd.grad(body(x).square().mean(), list(body.parameters()))
    expected = float(torch.cat([w.flatten(), b]).norm())
    assert table.loc[("jepa", "body"), "norm"] == pytest.approx(expected, rel=1e-5)
    assert table.loc[("twice", "body"), "relative"] == pytest.approx(2)
    assert table.loc[("twice", "body"), "cosine"] == pytest.approx(1)
    assert table.loc[("against", "body"), "cosine"] == pytest.approx(-1)
    assert not table.loc[("head only", "body"), "reaches"]
    assert table.loc[("head only", "own head"), "reaches"]
    assert ("jepa", "own head") not in table.index
    assert not table.loc["nothing"].reaches.any()
    assert np.isnan(table.loc[("nothing", "body"), "cosine"])
    with pytest.raises(ConfigError, match="'base' is not there: choose one of jepa, twice"):
        gradient_reach(terms, parts, reference="base")


def test_hard_weighted_dynamics_reach_nothing_as_released(clips):
    options = (("hard_weighted", True), ("hidden", 8))
    reach = {}
    for form in ("released", "described"):
        t = trainer(TermSpec("ld", 1.0, form, options), TermSpec("vclr"))
        table = term_reach(t, clips, {"mine": lambda b: b.z[0].square().mean()})
        reach[form] = table.set_index(["term", "part"]).reaches
        vclr = t.objective.terms[-1]
        vclr.after_step()
        assert float(vclr.queue.abs().sum()) == 0 and vclr.training
    for form, learns in (("released", False), ("described", True)):
        assert reach[form]["ld", "own head"] == learns == reach[form]["ld", "context_encoder"]
        assert reach[form]["jepa", "context_encoder"] and reach[form]["jepa", "predictor"]
        assert reach[form]["context", "predictor"]
        assert reach[form]["mine", "context_encoder"] and not reach[form]["mine", "predictor"]
        assert not reach[form].xs("target_encoder", level="part").any()
        assert ("mine", "own head") not in reach[form].index


# --- what moved -------------------------------------------------------------------------------


def test_unmoved_names_what_stood_still():
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    before = snapshot(module)
    with torch.no_grad():
        module[1].weight += 1
    assert unmoved(before, module) == ["0.weight", "0.bias", "1.bias"]


def test_a_short_run_shows_what_never_moves(clips):
    options = (("hard_weighted", True), ("hidden", 8))
    for form, moved in (("released", 0), ("described", 4)):
        table = moved_parameters(
            trainer(TermSpec("ld", 1.0, form, options)), [clips, clips]
        ).set_index("part")
        assert table.loc["head of ld", "parameters"] == 4
        assert table.loc["head of ld", "moved"] == moved
        assert table.loc["context_encoder", "moved"] > 0
        assert table.loc["target_encoder", "moved"] > 0
    table = moved_parameters(trainer(ema=False), [clips]).set_index("part")
    assert table.loc["target_encoder", "moved"] == 0
    assert "patch_embed.weight" in table.loc["target_encoder", "unmoved"]


def test_same_weights_sees_a_single_bit():
    a, b = nn.Linear(3, 3), nn.Linear(3, 3)
    b.load_state_dict(a.state_dict())
    assert same_weights(a, b)
    with torch.no_grad():
        b.weight[0, 0] = torch.nextafter(b.weight[0, 0], torch.tensor(9.0))
    assert not same_weights(a, b)


# --- factor leakage ---------------------------------------------------------------------------


class Split(nn.Module):
    """Two levels of two channels; the colour is in the first channels, the speed in the last."""

    cfg = SimpleNamespace(levels=(1, 2))

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, clip, levels=True):
        colour, speed = clip[:, 0, 0, 0, 0], clip[:, 1, 0, 0, 0]
        z = torch.zeros_like(colour)
        return self.scale * torch.stack([colour, z, z, speed], -1)[:, None].expand(-1, 3, -1)


def test_factors_are_found_in_their_half_only():
    rng = np.random.default_rng(0)
    n = 400
    colour, speed = rng.integers(3, size=n), rng.uniform(size=n)
    frames = np.zeros((n, 2, 4, 4, 3), np.uint8)
    frames[..., 0] = (60 * colour)[:, None, None, None]
    frames[..., 1] = (255 * speed).astype(np.uint8)[:, None, None, None]
    table = pd.DataFrame(
        {
            "split": ["train"] * 200 + ["val"] * 50 + ["test"] * 150,
            "colour": np.array(["red", "green", "blue"])[colour],
            "speed": speed,
            "fixed": 1,
        }
    )
    clips = ClipSet(torch.from_numpy(frames), torch.zeros(n, dtype=torch.long), ("x",), table)
    out = factor_leakage(Split(), clips, ["colour", "speed"])
    score = out.set_index(["factor", "half"]).score
    assert score["colour", "appearance"] > 95 and score["colour", "dynamics"] < 55
    assert score["speed", "dynamics"] > 95 and score["speed", "appearance"] < 10
    assert score["colour", "all"] > 95 and score["speed", "all"] > 95
    assert out.set_index("factor").loc["colour", "chance"].between(20, 50).all()
    with pytest.raises(ConfigError, match="'fixed' has one value"):
        factor_leakage(Split(), clips, ["fixed"])
