"""Slow, obvious forms of what the package does fast: what tests hold it to and `bench` times it by.

Each follows its formula one block, one position or one token at a time, as the published training
code does.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vjepa_lib.model.grid import Grid, positions
from vjepa_lib.model.masking import REDRAWS, MaskingConfig, block_size, least_context
from vjepa_lib.model.vit import layer_norm_levels
from vjepa_lib.objectives import LatentBatch
from vjepa_lib.training.trainer import Trainer


def distance_by_token(context: Tensor, target: Tensor, grid: Grid) -> Tensor:
    """Distance from context tokens [B, K] to the nearest target [B, M], one `cdist` a token."""
    here = torch.stack(positions(context, grid), -1).float()  # [B, K, 3]
    there = torch.stack(positions(target, grid), -1).float()  # [B, M, 3]
    nearest = []
    for k in range(here.shape[1]):
        nearest.append(torch.cdist(here[:, k : k + 1], there).amin(-1)[:, 0])
    return torch.stack(nearest, 1)


def _origin_by_position(
    motion: Tensor, size: tuple[int, int], strength: float, uniform: float, draw: Tensor
) -> tuple[int, int]:
    """Place a block on a motion map [h, w]: score every position, then walk to the drawn one."""
    h, w = motion.shape
    motion = motion.double()
    origins, scores = [], []
    for top in range(h - size[0] + 1):
        for left in range(w - size[1] + 1):
            origins.append((top, left))
            scores.append(motion[top : top + size[0], left : left + size[1]].mean())
    weight = torch.stack(scores).double().clamp_min(0) ** strength
    even = torch.full_like(weight, 1 / len(weight))
    chance = weight / weight.sum() if float(weight.sum()) > 0 else even
    chance = (1 - uniform) * chance + uniform * even
    reached = chance.cumsum(0).tolist()
    for place, upto in zip(origins, reached, strict=True):
        if float(draw) * reached[-1] < upto:
            return place
    return origins[-1]


def _free_places(
    grid: Grid, origins: list[tuple[int, int]], size: tuple[int, int], least: int, last: bool
) -> Tensor | None:
    """Lay blocks one by one: int mask [T, h, w] of what stays free, None if it is too little.

    On the last attempt blocks that would leave too little are left out instead.
    """
    height, width = size
    kept = torch.ones(grid.shape, dtype=torch.int32)
    for i, (top, left) in enumerate(origins):
        block = torch.ones(grid.shape, dtype=torch.int32)
        block[:, top : top + height, left : left + width] = 0
        if last and i > 0 and int((kept * block)[0].sum()) < least:
            break
        kept = kept * block
    return kept if last or int(kept[0].sum()) >= least else None


def masks_by_loop(
    cfg: MaskingConfig,
    grid: Grid,
    batch_size: int,
    generator: torch.Generator,
    motion: Tensor | None = None,
) -> list[tuple[Tensor, Tensor]]:
    """`sample_masks` one clip, one block and (guided by motion) one position at a time."""
    strength, uniform = cfg.guidance
    least = least_context(cfg, grid)
    out = []
    for group in cfg.mask_groups:
        size = block_size(group, grid, torch.rand((), generator=generator))
        rows, columns = grid.h - size[0] + 1, grid.w - size[1] + 1
        masks: dict[int, Tensor] = {}
        for attempt in range(REDRAWS):
            pending = [b for b in range(batch_size) if b not in masks]
            if not pending:
                break
            for b in pending:
                origins = []
                for _ in range(group.blocks):
                    draw = torch.rand((), generator=generator, dtype=torch.float64)
                    if cfg.needs_motion:
                        origins.append(
                            _origin_by_position(motion[b], size, strength, uniform, draw)
                        )
                    else:
                        origins.append(divmod(int(draw * rows * columns), columns))
                kept = _free_places(grid, origins, size, least, attempt == REDRAWS - 1)
                if kept is not None:
                    masks[b] = kept
        contexts, targets = [], []
        for b in range(batch_size):
            if cfg.future:
                masks[b][max(grid.t // 2, 1) :] = 0
            kept = masks[b].flatten()
            contexts.append(torch.argwhere(kept)[:, 0])
            targets.append(torch.argwhere(kept == 0)[:, 0])
        fewest = min(len(c) for c in contexts)
        contexts = [c[:fewest] for c in contexts]
        if cfg.future:
            everything = set(range(grid.n))
            targets = [torch.tensor(sorted(everything - set(c.tolist()))) for c in contexts]
        fewest = min(len(t) for t in targets)
        out.append((torch.stack(contexts), torch.stack([t[:fewest] for t in targets])))
    return out


def epps_pulley_by_point(samples: Tensor, t_max: float = 3.0, points: int = 17) -> Tensor:
    """Epps-Pulley statistics of samples [n, S]: a sine and a cosine for every sample and point."""
    t = torch.linspace(0, t_max, points)
    normal = torch.exp(-(t**2) / 2)
    angle = samples[..., None] * t  # [n, S, points]
    gap = (angle.cos().mean(0) - normal) ** 2 + angle.sin().mean(0) ** 2  # [S, points]
    return 2 * len(samples) * torch.trapezoid(gap * normal, t)


def step_by_group(trainer: Trainer, clips: Tensor) -> Tensor:
    """One training step as first written down: mask groups in turn, weights one by one.

    For a run with a moving-average target whose batch is one part, on one process, and whose terms
    look at no other views. The weights are those of `trainer`, with moments of AdamW in its
    optimiser's state.

    Parameters
    ----------
    clips : [B, 3, F, H, W], normalised.

    Returns
    -------
    The total loss before the step.
    """
    setup, schedule = trainer.setup, trainer.setup.schedule
    masks = trainer.draw_masks(clips)
    z, zhat, zhat_ctx = [], [], []
    for group, (context, target) in enumerate(masks):
        z.append(trainer.context_encoder(clips, context))
        at_target, at_context = trainer.predictor(z[-1], context, target, group)
        zhat.append(at_target)
        zhat_ctx.append(at_context)
    levels = len(setup.encoder.levels)
    with torch.no_grad():
        h = layer_norm_levels(trainer.target_encoder(clips), levels)
    total, _ = trainer.objective(
        LatentBatch(
            z=z,
            zhat=zhat,
            zhat_ctx=zhat_ctx,
            h=h,
            context_index=[c for c, _ in masks],
            target_index=[t for _, t in masks],
            grid=setup.encoder.grid,
            n_levels=levels,
            clip=clips,
            progress=trainer.progress,
        )
    )
    trainer.optimizer.zero_grad()
    total.backward()
    for group in trainer.optimizer.param_groups:
        group["lr"] = schedule.learning_rate(trainer.step)
        for p in group["params"]:
            if p.grad is not None:
                _adamw(p, trainer.optimizer.state[p], **group)
    momentum = schedule.ema_momentum(trainer.step)
    pairs = zip(trainer.target_encoder.parameters(), trainer.context_encoder.parameters())
    with torch.no_grad():
        for slow, fast in pairs:
            slow.copy_(momentum * slow + (1 - momentum) * fast)
    trainer.step += 1
    return total.detach()


@torch.no_grad()
def _adamw(
    p: Tensor,
    state: dict,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    **others,
) -> None:
    """Move one weight as AdamW says (Loshchilov and Hutter, arXiv 1711.05101, algorithm 2)."""
    if not state:
        state |= {"count": 0, "mean": torch.zeros_like(p), "square": torch.zeros_like(p)}
    state["count"] += 1
    state["mean"] = betas[0] * state["mean"] + (1 - betas[0]) * p.grad
    state["square"] = betas[1] * state["square"] + (1 - betas[1]) * p.grad**2
    mean = state["mean"] / (1 - betas[0] ** state["count"])
    square = state["square"] / (1 - betas[1] ** state["count"])
    p.copy_(p - lr * weight_decay * p - lr * mean / (square.sqrt() + eps))
