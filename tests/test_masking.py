"""Masks: the fast form equals the plain loop, and every kind does what it says."""

import math

import numpy as np
import pytest
import torch

from vjepa_lib.bench.reference import masks_by_loop
from vjepa_lib.errors import ConfigError, ShapeError
from vjepa_lib.model.grid import Grid
from vjepa_lib.model.masking import (
    KINDS,
    MaskGroup,
    MaskingConfig,
    block_size,
    least_context,
    motion_map,
    position_chances,
    sample_masks,
)

STUDY = Grid(8, 14, 14)
GRIDS = [STUDY, Grid(4, 4, 4), Grid(4, 6, 6), Grid(2, 5, 9), Grid(8, 8, 8)]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def motion(grid, batch, seed=1):
    return torch.rand(batch, grid.h, grid.w, generator=seeded(seed)) ** 3


def free_places(context, grid):
    """Places of each clip that are context at the first time step."""
    return [set(row[row < grid.h * grid.w].tolist()) for row in context]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("grid", GRIDS, ids=lambda g: "x".join(map(str, g.shape)))
def test_fast_masks_equal_the_plain_loop(kind, grid):
    batch = 3 if grid is STUDY else 6
    for seed in range(2):
        cfg, maps = MaskingConfig(kind), motion(grid, batch)
        fast = sample_masks(cfg, grid, batch, seeded(seed), maps)
        slow = masks_by_loop(cfg, grid, batch, seeded(seed), maps)
        for a, b in zip(fast, slow, strict=True):
            assert torch.equal(a[0], b[0]) and torch.equal(a[1], b[1])


def test_redrawing_and_leaving_blocks_out_equal_the_plain_loop():
    """A demand no draw meets: first all is drawn again, in the end blocks are left out."""
    cfg = MaskingConfig(groups=(MaskGroup(8, 0.15), MaskGroup(2, 0.7)), min_context=0.6)
    grid = Grid(2, 6, 6)
    fast = sample_masks(cfg, grid, 5, seeded())
    slow = masks_by_loop(cfg, grid, 5, seeded())
    for a, b in zip(fast, slow, strict=True):
        assert torch.equal(a[0], b[0]) and torch.equal(a[1], b[1])
    assert fast[0][0].shape[1] >= 0.6 * grid.n * 0.99
    assert fast[1][0].shape[1] > 0  # one block of 70 % is always laid


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("grid", GRIDS, ids=lambda g: "x".join(map(str, g.shape)))
def test_context_and_target_are_sorted_and_apart(kind, grid):
    for seed in range(10):
        masks = sample_masks(MaskingConfig(kind), grid, 8, seeded(seed), motion(grid, 8, seed))
        assert len(masks) == 2
        for context, target in masks:
            assert context.dtype == target.dtype == torch.long
            assert context.shape[1] > 0 and target.shape[1] > 0
            for index in (context, target):
                assert bool((index.diff(dim=1) > 0).all()), "rising, no token twice"
                assert int(index.min()) >= 0 and int(index.max()) < grid.n
            for c, t in zip(context, target, strict=True):
                assert not set(c.tolist()) & set(t.tolist())


def test_blocks_last_the_whole_clip_and_only_the_end_is_cut():
    context, target = sample_masks(MaskingConfig(), STUDY, 8, seeded(3))[0]
    area = STUDY.h * STUDY.w
    # The clip that decides the batch's minimum is whole, the others lose their last tokens.
    whole = 0
    for c in context:
        places = c[c < area]
        everything = (places + area * torch.arange(8)[:, None]).flatten()
        assert torch.equal(c, everything[: len(c)])
        whole += len(c) == len(everything)
    assert whole >= 1
    assert len({len(set((t % area).tolist())) for t in target}) > 1


def test_block_sizes_follow_scale_and_aspect():
    sizes = {block_size(MaskGroup(1, 0.15), STUDY, torch.tensor(u)) for u in np.linspace(0, 1, 50)}
    assert all(24 <= h * w <= 30 for h, w in sizes)  # 29 tokens, rounded side by side
    assert min(h / w for h, w in sizes) < 1 < max(h / w for h, w in sizes)
    # 70 % of 14 x 14 cut down to whole tokens before the roots are taken: 137.
    assert block_size(MaskGroup(1, 0.7), STUDY, torch.tensor(0.0)) == (10, 14)
    assert block_size(MaskGroup(1, 1.0), Grid(2, 4, 4), torch.tensor(1.0)) == (4, 3)


def test_every_position_is_drawn_evenly_without_motion():
    """Of one block of 2 x 2 on 4 x 4, each of 9 positions comes up in a ninth of the draws."""
    cfg = MaskingConfig(groups=(MaskGroup(1, 0.25, (1.0, 1.0)),))
    grid = Grid(1, 4, 4)
    _, target = sample_masks(cfg, grid, 9000, seeded())[0]
    count = torch.bincount(target[:, 0], minlength=16)
    expected = torch.zeros(16)
    expected[[0, 1, 2, 4, 5, 6, 8, 9, 10]] = 1000
    assert bool(((count - expected).abs() <= 150).all())


def test_motion_draws_blocks_by_a_power_of_the_motion_under_them():
    moving = np.zeros((1, 4, 4))
    moving[0, :2, :2] = 2.0  # the corner block moves twice as much as ..
    moving[0, 2:, 2:] = 1.0  # .. the opposite one
    chance = position_chances(moving, (2, 2), 2.0, 0.1)[0].reshape(3, 3)
    assert chance.sum() == pytest.approx(1)
    even = 0.1 / 9
    assert chance[0, 2] == pytest.approx(even)
    assert (chance[0, 0] - even) / (chance[2, 2] - even) == pytest.approx(4)
    still = position_chances(np.zeros((1, 4, 4)), (2, 2), 2.0, 0.1)
    assert still == pytest.approx(1 / 9)


@pytest.mark.parametrize(("kind", "least"), [("motion_guided", 0.5), ("amg", 0.8)])
def test_guided_blocks_are_drawn_to_the_motion(kind, least):
    maps = torch.full((400, 14, 14), 0.05)
    maps[:, 9:, 9:] = 1.0
    moving = (torch.arange(14)[:, None] >= 9) & (torch.arange(14) >= 9)

    def covered(cfg, maps):
        target = sample_masks(cfg, Grid(1, 14, 14), 400, seeded(), maps)[0][1]
        return float(moving.flatten()[target].float().mean())

    group = (MaskGroup(1, 0.1275, (1.0, 1.0)),)  # one block of 5 x 5
    assert covered(MaskingConfig(kind, groups=group), maps) > least
    assert covered(MaskingConfig("multiblock", groups=group), None) < 0.3


def test_strength_and_uniform_share_can_be_set():
    assert MaskingConfig("motion_guided").guidance == (2.0, 0.1)
    assert MaskingConfig("amg").guidance == (5.0, 0.0)
    assert MaskingConfig("amg", strength=3.0, uniform=0.2).guidance == (3.0, 0.2)
    maps = motion(STUDY, 4)
    for uniform, same in ((1.0, True), (0.0, False)):
        cfg = MaskingConfig("motion_guided", uniform=uniform)
        guided = sample_masks(cfg, STUDY, 4, seeded(), maps)[0][1]
        plain = sample_masks(MaskingConfig(), STUDY, 4, seeded())[0][1]
        assert torch.equal(guided, plain) is same


def test_motion_may_come_per_time_step():
    maps = torch.rand(3, 8, 14, 14, generator=seeded())
    cfg = MaskingConfig("amg")
    a = sample_masks(cfg, STUDY, 3, seeded(), maps)
    b = sample_masks(cfg, STUDY, 3, seeded(), maps.mean(1))
    assert torch.equal(a[0][0], b[0][0])


@pytest.mark.parametrize("kind", ["future_predictive", "motion_future"])
def test_future_kinds_predict_everything_that_is_not_early_context(kind):
    for context, target in sample_masks(MaskingConfig(kind), STUDY, 5, seeded(), motion(STUDY, 5)):
        assert int(context.max()) < STUDY.n // 2
        assert context.shape[1] + target.shape[1] == STUDY.n
        for c, t in zip(context, target, strict=True):
            assert sorted(c.tolist() + t.tolist()) == list(range(STUDY.n))
    assert [g.blocks for g in MaskingConfig(kind).mask_groups] == [4, 1]


@pytest.mark.parametrize("side", [3, 4, 5, 6, 8])
def test_small_grids_keep_context(side):
    """Two blocks of 70 % can cover a small grid: still an eighth of the places stays free."""
    grid = Grid(4, side, side)
    least = least_context(MaskingConfig(), grid)
    assert least == math.ceil(side * side / 8)
    for seed in range(30):
        for context, _ in sample_masks(MaskingConfig(), grid, 16, seeded(seed)):
            assert context.shape[1] >= 4 * least
            assert min(len(p) for p in free_places(context, grid)) >= least


def test_the_study_s_grid_asks_for_no_more_than_a_place():
    assert least_context(MaskingConfig(), STUDY) == 1
    assert least_context(MaskingConfig(min_context=0.1), STUDY) == 20


def test_motion_map_is_the_mean_frame_difference_of_a_patch():
    grid = Grid(2, 3, 4, tubelet=2, patch=8)
    clip = torch.randint(0, 256, (2, 3, 4, 24, 32), generator=seeded(), dtype=torch.uint8)
    found = motion_map(clip, grid)
    assert found.shape == (2, 3, 4)
    patch = clip[1, :, :, 8:16, 16:24].float()
    expected = (patch[:, 1:] - patch[:, :-1]).abs().mean()
    assert float(found[1, 1, 2]) == pytest.approx(float(expected))
    assert float(motion_map(clip[:, :, :1].expand(-1, -1, 4, -1, -1), grid).abs().max()) == 0


def test_same_generator_same_masks_and_it_moves_on():
    g = seeded(5)
    first, second = (sample_masks(MaskingConfig(), STUDY, 4, g)[0][0] for _ in range(2))
    again = sample_masks(MaskingConfig(), STUDY, 4, seeded(5))[0][0]
    assert torch.equal(first, again)
    assert first.shape != second.shape or not torch.equal(first, second)


def test_mistakes_are_told_in_one_sentence():
    with pytest.raises(ConfigError, match="'random': choose one of multiblock, motion_guided"):
        MaskingConfig("random")
    with pytest.raises(ShapeError, match=r"\[2, 14, 14\]: pass motion"):
        sample_masks(MaskingConfig("amg"), STUDY, 2, seeded())
    with pytest.raises(ShapeError, match="motion map"):
        sample_masks(MaskingConfig("amg"), STUDY, 2, seeded(), torch.zeros(2, 7, 7))
    with pytest.raises(ShapeError, match="covers all 4 x 4 places"):
        sample_masks(
            MaskingConfig(groups=(MaskGroup(1, 1.0, (1.0, 1.0)),)), Grid(2, 4, 4), 2, seeded()
        )
    with pytest.raises(ShapeError, match="clips"):
        motion_map(torch.zeros(1, 3, 1, 24, 32), Grid(1, 3, 4, patch=8))
