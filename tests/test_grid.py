"""The token grid: numbering, scattering, pairs in time, distances."""

import math

import pytest
import torch

from vjepa_lib.bench.reference import distance_by_token
from vjepa_lib.errors import ShapeError
from vjepa_lib.model.grid import (
    Grid,
    distance_to_targets,
    gather,
    masked_mean,
    over_time,
    positions,
    scatter,
    token_rgb,
)
from vjepa_lib.model.masking import MaskingConfig, sample_masks

GRID = Grid(t=3, h=4, w=5, tubelet=2, patch=8)


def test_sizes_follow_from_tokens():
    assert (GRID.n, GRID.shape) == (60, (3, 4, 5))
    assert (GRID.frames, GRID.height, GRID.width) == (6, 32, 40)


def test_numbers_run_over_columns_then_rows_then_time():
    t, y, x = positions(torch.arange(GRID.n), GRID)
    expected = [(a, b, c) for a in range(3) for b in range(4) for c in range(5)]
    assert list(zip(t.tolist(), y.tolist(), x.tolist(), strict=True)) == expected


def test_scatter_and_gather_are_inverse():
    index = torch.tensor([[1, 7, 59], [0, 30, 31]])
    tokens = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    dense, valid = scatter(tokens, index, GRID.n)
    assert torch.equal(gather(dense, index), tokens)
    assert int(valid.sum()) == 6 and bool(valid.gather(1, index).all())
    assert float(dense[~valid].abs().sum()) == 0


def test_scatter_passes_gradient_to_every_token():
    tokens = torch.ones(1, 3, 2, requires_grad=True)
    scatter(tokens, torch.tensor([[5, 2, 9]]), 12)[0].sum().backward()
    assert torch.equal(tokens.grad, torch.ones(1, 3, 2))


def test_scatter_tells_a_wrong_index():
    with pytest.raises(ShapeError, match=r"\[2, 3, 4\].*\[2, 2\]"):
        scatter(torch.zeros(2, 3, 4), torch.zeros(2, 2, dtype=torch.long), 9)


def test_masked_mean_is_the_mean_of_what_is_masked():
    values = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[1, 0, 1, 0, 0], [0, 0, 0, 1, 1]], dtype=torch.bool)
    assert float(masked_mean(values, mask)) == pytest.approx(float(values[mask].mean()))
    assert float(masked_mean(values, torch.zeros_like(mask))) == 0


def test_token_colour_is_the_mean_of_its_tubelet():
    clip = torch.rand(2, 3, 6, 32, 40, generator=torch.Generator().manual_seed(0))
    colour = token_rgb(clip, GRID)
    assert colour.shape == (2, 60, 3)
    t, y, x = 2, 1, 3
    tubelet = clip[1, :, 4:6, 8:16, 24:32]
    assert torch.allclose(colour[1, (t * 4 + y) * 5 + x], tubelet.mean((1, 2, 3)))
    with pytest.raises(ShapeError, match="6 frames of 32 x 40"):
        token_rgb(clip[:, :, :5], GRID)


def test_over_time_keeps_the_numbering():
    assert torch.equal(over_time(torch.arange(60)[None], GRID)[0, 1], torch.arange(20, 40))


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_distances_are_exact_for_any_mask(share):
    g = torch.Generator().manual_seed(int(100 * share))
    k = max(1, int(share * GRID.n))
    order = torch.rand(4, GRID.n, generator=g).argsort(1)
    target, context = order[:, :k], order[:, k:]
    expected = [
        [
            min(
                math.dist(
                    [int(p) for p in positions(c, GRID)], [int(p) for p in positions(m, GRID)]
                )
                for m in target[b]
            )
            for c in context[b]
        ]
        for b in range(4)
    ]
    found = distance_to_targets(context, target, GRID)
    assert torch.allclose(found, torch.tensor(expected), atol=1e-6)


@pytest.mark.parametrize("kind", ["multiblock", "future_predictive"])
def test_distances_equal_one_cdist_a_token_on_drawn_masks(kind):
    grid = Grid(8, 14, 14)
    for context, target in sample_masks(
        MaskingConfig(kind), grid, 3, torch.Generator().manual_seed(0)
    ):
        found = distance_to_targets(context, target, grid)
        assert torch.allclose(found, distance_by_token(context, target, grid), atol=1e-6)
        assert float(found.min()) >= 1
