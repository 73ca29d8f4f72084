"""A training step as published V-JEPA code takes it, on our networks' weights.

Masks are drawn clip by clip and block by block, distances token by token; mask groups are encoded
and predicted in turn, the context places too while their loss has no weight; every term over time
puts its tokens back on the grid for itself; AdamW and the moving average walk the weights one by
one. Norms, attention and the update of a weight are PyTorch's own.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from vjepa_lib.bench.plain_networks import PUBLISHED, rewrite
from vjepa_lib.bench.reference import distance_by_token, masks_by_loop
from vjepa_lib.errors import ConfigError
from vjepa_lib.model.grid import over_time, scatter
from vjepa_lib.model.masking import motion_map
from vjepa_lib.model.vit import layer_norm_levels
from vjepa_lib.objectives import LatentBatch, Term
from vjepa_lib.objectives.base import channels_of, halves
from vjepa_lib.training.sources import MASKS, step_generator
from vjepa_lib.training.trainer import Masks, Trainer, TrainSetup


def context_by_token(term: Term, batch: LatentBatch) -> Tensor:
    """`Context.loss`, the distances one token after the other."""
    values = []
    for g in batch.groups:
        error = (batch.zhat_ctx[g] - batch.h_context[g]).abs().mean(-1)
        near = distance_by_token(batch.context_index[g], batch.target_index[g], batch.grid)
        values.append((error / near.sqrt()).mean())
    return sum(values) / len(values)


def _on_grid(batch: LatentBatch, g: int) -> tuple[Tensor, Tensor]:
    """Context tokens of a group over time [B, T, HW, D], and where t and t + 1 both are."""
    dense, valid = scatter(batch.z[g], batch.context_index[g], batch.grid.n)
    valid = over_time(valid, batch.grid)
    return over_time(dense, batch.grid), valid[:, :-1] & valid[:, 1:]


def _over_groups(errors: list[Tensor]) -> Tensor:
    """Mean of each group's errors [pairs, D], then over the groups that have any."""
    means = [e.mean() for e in errors if len(e)]
    return sum(means) / max(len(means), 1)


def static_on_grid(term: Term, batch: LatentBatch) -> Tensor:
    """`FwmStatic.loss` on the whole grid."""
    errors = []
    for g in batch.groups:
        z, pairs = _on_grid(batch, g)
        a, _ = halves(z, batch.n_levels, term.form, term.ratio)
        errors.append((a[:, 1:] - a[:, :-1]).abs()[pairs])
    return _over_groups(errors)


def dynamics_on_grid(term: Term, batch: LatentBatch) -> Tensor:
    """`LatentDynamics.loss`, without weighting, on the whole grid."""
    errors = []
    for g in batch.groups:
        z, pairs = _on_grid(batch, g)
        h = over_time(batch.h.detach(), batch.grid)
        read = channels_of(z, term.channels, batch.n_levels, term.form, term.ratio)
        errors.append((term.head(read[:, :-1]) - (h[:, 1:] - h[:, :-1])).abs()[pairs])
    return _over_groups(errors)


LOSSES = {"context": context_by_token, "fwm_static": static_on_grid, "ld": dynamics_on_grid}


class PublishedTrainer(Trainer):
    """A `Trainer` whose step is written as published code writes it; on one process.

    Parameters
    ----------
    setup : with a moving-average target and the terms jepa, context, fwm_static, fwm_orth and ld.

    Raises
    ------
    ConfigError : a setup that has no published form here.
    """

    def __init__(self, setup: TrainSetup) -> None:
        other = {t.name for t in setup.terms} - {"jepa", "fwm_orth", *LOSSES}
        if other or not setup.ema:
            what = f"the term {sorted(other)[0]!r}" if other else "a run without EMA"
            raise ConfigError(f"There is no published form of {what} to time against.")
        super().__init__(setup)
        rewrite(self, PUBLISHED)
        for term in self.objective.terms:
            if term.name in LOSSES:
                term.loss = partial(LOSSES[term.name], term)
        self.optimizer = torch.optim.AdamW(
            [{k: g[k] for k in ("params", "weight_decay")} for g in self.optimizer.param_groups],
            lr=setup.schedule.lr,
            betas=setup.schedule.betas,
            foreach=False,
            fused=False,
        )

    def draw_masks(self, clips: Tensor) -> Masks:
        cfg, grid = self.setup.masking, self.setup.encoder.grid
        motion = motion_map(clips, grid) if cfg.needs_motion else None
        generator = step_generator(self.setup.seed, self.step, MASKS)
        return masks_by_loop(cfg, grid, len(clips), generator, motion)

    def latents(
        self,
        clips: Tensor,
        generator: torch.Generator | None = None,
        masks: Masks | None = None,
        with_context: bool | None = None,
    ) -> LatentBatch:
        masks = self.draw_masks(clips) if masks is None else masks
        levels = len(self.setup.encoder.levels)
        with torch.no_grad():
            h = layer_norm_levels(self.target_encoder(clips), levels)
        z, zhat, zhat_ctx = [], [], []
        for group, (context, target) in enumerate(masks):
            z.append(self.context_encoder(clips, context))
            at_target, at_context = self.predictor(z[-1], context, target, group)
            zhat.append(at_target)
            zhat_ctx.append(at_context)
        return LatentBatch(
            z=z,
            zhat=zhat,
            zhat_ctx=zhat_ctx,
            h=h,
            context_index=[c for c, _ in masks],
            target_index=[t for _, t in masks],
            grid=self.setup.encoder.grid,
            n_levels=levels,
            clip=clips,
            progress=self.progress,
            generator=generator,
        )

    @torch.no_grad()
    def _follow(self, momentum: float) -> None:
        pairs = zip(self.target_encoder.parameters(), self.context_encoder.parameters())
        for slow, fast in pairs:
            slow.mul_(momentum).add_((1 - momentum) * fast)
