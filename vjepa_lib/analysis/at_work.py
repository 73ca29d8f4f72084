"""Terms at work on a trained encoder: where they act, how hard they pull, how far they move it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from vjepa_lib import study
from vjepa_lib.analysis.ablation import name
from vjepa_lib.evaluation.reach import term_reach
from vjepa_lib.model.grid import Grid
from vjepa_lib.model.masking import MaskingConfig, sample_masks
from vjepa_lib.objectives import make_term
from vjepa_lib.training.pretrain import TermSpec, Trainer
from vjepa_lib.video.clips import ClipSet


def on_grid(values: Tensor, index: Tensor, grid: Grid) -> Tensor:
    """Values of some tokens at their places, 0 (or False) elsewhere, for `plots.clips`.

    Parameters
    ----------
    values, index : [B, K] numbers or bools, and token numbers.

    Returns
    -------
    [B, T, h, w]
    """
    return values.new_zeros(len(values), grid.n).scatter(1, index, values).view(-1, *grid.shape)


def hidden_share(kind: str, motion: Tensor, grid: Grid, draws: int = 300) -> Tensor:
    """How often a kind of mask hides each place in its first mask group.

    Parameters
    ----------
    kind : of `masking.KINDS`; of those that hide a place at all times.
    motion : [h, w] of one clip.
    draws : masks drawn, each for the clip alone.

    Returns
    -------
    [h, w] shares, 0 .. 1
    """
    places, counts = grid.h * grid.w, torch.zeros(grid.h * grid.w)
    for seed in range(draws):
        generator = torch.Generator().manual_seed(seed)
        (_, target), *_ = sample_masks(MaskingConfig(kind), grid, 1, generator, motion[None])
        counts[target[0][target[0] < places]] += 1
    return (counts / draws).view(grid.h, grid.w)


def early_trainer(config: study.RunConfig, sets: Mapping[str, ClipSet], steps: int = 60) -> Trainer:
    """A run's trainer after its first steps, trained here and now on the run's own clips.

    Parameters
    ----------
    sets : embedded domains by name.
    steps : at most those of the run's schedule.
    """
    trainer = Trainer(config.train)
    data, schedule = study.training_clips(config, sets), config.train.schedule
    for step in range(min(steps, schedule.steps)):
        trainer.train_step(data.batch(step, schedule.batch, config.seed, trainer.device))
    return trainer


def pulls(trainer: Trainer, clips: Tensor, terms: Mapping[str, TermSpec]) -> pd.DataFrame:
    """How hard terms pull the context encoder, and whether in the direction of the JEPA loss.

    Parameters
    ----------
    trainer : its weights stay as they are; heads of the terms are new.
    clips : [B, 3, F, H, W], normalised.
    terms : how a row is called -> term with its weight.

    Returns
    -------
    DataFrame, a row per term: `name`, `weight`, `pull` (length of the weighted gradient into the
    context encoder, in lengths of the JEPA gradient) and `cosine` with the JEPA gradient.
    """
    encoder, levels = trainer.context_encoder, len(trainer.setup.encoder.levels)
    made = {
        name: make_term(t.name, t.form, dim=encoder.out_dim, n_levels=levels, **dict(t.options))
        for name, t in terms.items()
    }
    reach = term_reach(trainer, clips, {name: t.to(clips.device) for name, t in made.items()})
    own = reach[reach.part == "context_encoder"].set_index("term").loc[list(terms)]
    weight = pd.Series({name: t.weight for name, t in terms.items()})
    table = pd.DataFrame({"weight": weight, "pull": weight * own.relative, "cosine": own.cosine})
    return table.rename_axis("name").reset_index()


def moved_from_start(configs: Sequence[study.RunConfig], clips: Tensor) -> pd.DataFrame:
    """How far training has taken the evaluated encoder from its initialisation of the same seed.

    Parameters
    ----------
    configs : finished runs; untrained ones are left out. The random initialisation must be there.
    clips : [B, 3, F, H, W], normalised.

    Returns
    -------
    DataFrame, a row per run: `name`, `seed`, `cosine` of its tokens with the initial encoder's
    (1: as initialised), and `weights`, the distance of the weights in lengths of the initial ones.
    """
    start = {}
    for c in configs:
        if c.seed not in start:
            first = study.resolve("random_init", "released", c.profile, c.seed)
            start[c.seed] = _tokens_and_weights(first, clips)
    out = []
    for c in configs:
        if not study.canonical(c).pretrained:
            continue
        (before, w0), (after, w1) = start[c.seed], _tokens_and_weights(c, clips)
        out.append(
            {"name": name(c.variant, c.form), "seed": c.seed}
            | {"cosine": float(F.cosine_similarity(before, after, dim=-1).mean())}
            | {"weights": float((w1 - w0).norm() / w0.norm())}
        )
    return pd.DataFrame(out)


def _tokens_and_weights(config: study.RunConfig, clips: Tensor) -> tuple[Tensor, Tensor]:
    encoder = study.load_encoder(config)
    with torch.no_grad():
        return encoder(clips), torch.cat([p.flatten() for p in encoder.parameters()])
