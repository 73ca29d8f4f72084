"""Terms at work on a batch: where they act, what they reach, how hard they pull."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pandas as pd
import torch
from torch import Tensor

from vjepa_lib import study
from vjepa_lib.evaluation.reach import snapshot, term_reach, unmoved
from vjepa_lib.model.grid import Grid
from vjepa_lib.model.vit import Encoder
from vjepa_lib.objectives import LatentBatch, make_term
from vjepa_lib.objectives.hard_region import hard_weights
from vjepa_lib.objectives.views import moves
from vjepa_lib.training.collapse import same_weights
from vjepa_lib.training.pretrain import TermSpec, Trainer, pretrain
from vjepa_lib.training.sources import Draw
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
        trainer.train_step(data.batch(Draw(step, schedule.batch, config.seed), trainer.device))
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
    # New heads begin as the run's seed says, whatever was drawn before.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(trainer.setup.seed)
        made = {
            name: make_term(t.name, t.form, dim=encoder.out_dim, n_levels=levels, **dict(t.options))
            for name, t in terms.items()
        }
    reach = term_reach(trainer, clips, {name: t.to(clips.device) for name, t in made.items()})
    own = reach[reach.part == "context_encoder"].set_index("term").loc[list(terms)]
    weight = pd.Series({name: t.weight for name, t in terms.items()})
    table = pd.DataFrame({"weight": weight, "pull": weight * own.relative, "cosine": own.cosine})
    return table.rename_axis("name").reset_index()


def latents(trainer: Trainer, clips: Tensor) -> LatentBatch:
    """What the terms of a trainer would see of a batch, without gradient.

    Parameters
    ----------
    clips : [B, 3, F, H, W], normalised.
    """
    with torch.no_grad():
        return trainer.latents(clips)


def trainer_with(
    config: study.RunConfig,
    encoder: study.RunConfig,
    load: Callable[[study.RunConfig], Encoder] | None = None,
) -> Trainer:
    """A run's trainer whose two encoders hold the weights of another, finished run.

    EMA makes the context and the target encoder nearly equal by the end of a training, so the
    stored one stands for both.

    Parameters
    ----------
    load : where the encoder comes from; None for the finished run (`study.kept.Group`).
    """
    trainer, weights = Trainer(config.train), (load or study.load_encoder)(encoder).state_dict()
    for network in (trainer.context_encoder, trainer.target_encoder):
        network.load_state_dict(weights)
    return trainer


def reach_of_forms(
    variant: str,
    profile: str,
    seed: int,
    clips: Tensor,
    terms: Sequence[str] | None = None,
    without: Sequence[str] = (),
) -> pd.DataFrame:
    """What the terms of a variant reach at their first step, in both forms: `reach.term_reach`.

    Parameters
    ----------
    clips : [B, 3, F, H, W], normalised.
    terms : names to keep; None for all.
    without : parts of the network that are left out.

    Returns
    -------
    DataFrame of `term_reach` with column `form`.
    """
    parts = []
    for form in study.FORMS:
        trainer = Trainer(study.resolve(variant, form, profile, seed).train)
        parts.append(term_reach(trainer, clips).assign(form=form))
    table = pd.concat(parts, ignore_index=True)
    kept = ~table.part.isin(list(without))
    if terms is not None:
        kept &= table.term.isin(list(terms))
    return table[kept].reset_index(drop=True)


# --- hard-region weighting ----------------------------------------------------------------------


def prediction_errors(batch: LatentBatch) -> Tensor:
    """Mean absolute error of every target token of the first mask group, [B, M]."""
    return (batch.zhat[0] - batch.h_target[0]).abs().mean(-1)


def weight_spread(error: Tensor, temperatures: Sequence[float]) -> pd.DataFrame:
    """How far hard-region weights lie from 1, their mean, at several temperatures.

    Parameters
    ----------
    error : of `prediction_errors`, [B, M].

    Returns
    -------
    DataFrame, a row per temperature: `lowest`, `highest`, `std`, and the percentage of the weighted
    loss that falls on each clip's worst tenth of tokens.
    """
    worst, rows = max(1, error.shape[1] // 10), []
    for temperature in temperatures:
        weight = hard_weights(error, temperature)
        lost = weight * error
        rows.append(
            {
                "temperature": temperature,
                "lowest": float(weight.min()),
                "highest": float(weight.max()),
                "std": float(weight.std()),
                "loss on the worst tenth (%)": 100
                * float(lost.topk(worst).values.sum() / lost.sum()),
            }
        )
    return pd.DataFrame(rows)


def token_weights(error: Tensor, temperatures: Sequence[float]) -> pd.DataFrame:
    """Error and hard-region weight of every target token, a row a token."""
    columns = {"error": error.flatten().numpy()}
    for t in temperatures:
        columns[f"weight, temperature {t}"] = hard_weights(error, t).flatten().numpy()
    return pd.DataFrame(columns)


def weights_of_first_clip(error: Tensor, temperature: float) -> pd.DataFrame:
    """Error and hard-region weight of the first clip's target tokens, a row a token."""
    weight = hard_weights(error[:1], temperature)[0]
    return pd.DataFrame({"error": error[0].numpy(), "weight": weight.numpy()})


# --- pairs over time ----------------------------------------------------------------------------


def pair_counts(batch: LatentBatch) -> pd.DataFrame:
    """How many pairs P a clip gives: tokens that are context now and one time step later.

    Returns
    -------
    DataFrame, a row per mask group: `mask group`, `context tokens`, `pairs` (mean over clips) and
    their percentage of all pairs of the grid.
    """
    grid = batch.grid
    possible = grid.n - grid.h * grid.w  # the last time step has no successor
    rows = []
    for g in batch.groups:
        pairs = float(batch.following[g].sum(1).float().mean())
        rows.append(
            {
                "mask group": g + 1,
                "context tokens": batch.z[g].shape[1],
                "pairs": pairs,
                "of all possible pairs (%)": 100 * pairs / possible,
            }
        )
    return pd.DataFrame(rows)


def always_context(batch: LatentBatch) -> list[Tensor]:
    """Per mask group: places that are context at all time steps, bool [B, HW]."""
    return [v.unflatten(1, (batch.grid.t, -1)).all(1) for v in batch.valid]


def compared_counts(batch: LatentBatch) -> pd.DataFrame:
    """Tokens a clip gives to delta and LTC (pairs) and to the spectral term (places), mean.

    Returns
    -------
    DataFrame, a row per mask group.
    """
    pairs = pair_counts(batch)
    always = [float(a.sum(1).float().mean()) for a in always_context(batch)]
    return pd.DataFrame(
        {
            "mask group": pairs["mask group"],
            "context tokens": pairs["context tokens"],
            "pairs (delta, LTC)": pairs["pairs"],
            "places always context (spectral)": always,
            "places": batch.grid.h * batch.grid.w,
        }
    )


def target_speed(batch: LatentBatch) -> Tensor:
    """How fast the target latent moves at every place, `|h_{t+1} - h_t|`: [B, T - 1, HW]."""
    return batch.target_over_time.diff(dim=1).norm(dim=-1)


def slower_half(speed: Tensor) -> Tensor:
    """Places the velocity gate lets through: the slower half of each time step, bool."""
    return speed <= speed.quantile(0.5, -1, keepdim=True)


def speeds(speed: Tensor) -> pd.DataFrame:
    """Mean, fastest and slowest speed of every clip, of `target_speed`."""
    return pd.DataFrame(
        {
            "clip": range(len(speed)),
            "mean speed": speed.mean((1, 2)),
            "fastest": speed.amax((1, 2)),
            "slowest": speed.amin((1, 2)),
        }
    )


def ltc_margins(
    profile: str,
    seed: int,
    clips: Tensor,
    encoders: Mapping[str, str],
    margin: float = 0.5,
    load: Callable[[study.RunConfig], Encoder] | None = None,
) -> pd.DataFrame:
    """LTC's cosines under several encoders, and the share of pairs that its margin still counts.

    Parameters
    ----------
    clips : [B, 3, F, H, W], normalised.
    encoders : how a row is called -> variant whose finished run gives the encoder.
    margin : of the term.
    load : as in `trainer_with`.

    Returns
    -------
    DataFrame, a row per encoder, first mask group: `encoder`, `pairs`, mean cosines to the token's
    own target and to the next, and the percentage of pairs within the margin.
    """
    rows = []
    for title, variant in encoders.items():
        term, run = (study.resolve(v, "released", profile, seed) for v in ("ltc", variant))
        batch = latents(trainer_with(term, run, load), clips)
        counted = batch.following[0]
        now, later = (
            torch.cosine_similarity(batch.z[0], h, dim=-1)[counted]
            for h in (batch.h_context[0], batch.h_next[0])
        )
        rows.append(
            {
                "encoder": title,
                "pairs": len(now),
                "cos to own target": float(now.mean()),
                "cos to the next": float(later.mean()),
                "pairs within the margin (%)": 100 * float((now - later < margin).float().mean()),
            }
        )
    return pd.DataFrame(rows)


def taking_part(titles: Sequence[str], clips: Tensor) -> pd.DataFrame:
    """Mean frame difference of clips, and whether they take part in IIC (`views.moves`)."""
    return pd.DataFrame(
        {
            "clip": list(titles),
            "mean frame difference": clips.diff(dim=2).abs().mean((1, 2, 3, 4)),
            "takes part": moves(clips),
        }
    )


def evaluated_after(
    configs: Sequence[study.RunConfig], sets: Mapping[str, ClipSet], steps: int = 5
) -> pd.DataFrame:
    """Whether the encoder that probes read moves in the first steps of a training.

    Parameters
    ----------
    sets : embedded domains by name.
    steps : of the short training.

    Returns
    -------
    DataFrame, a row per run: variant, form, whether all weights are those of the initialisation,
    bit for bit, and how many parameters of how many are.
    """
    rows = []
    for config in configs:
        short = replace(config.train, schedule=replace(config.train.schedule, steps=steps))
        before = Trainer(short).evaluated
        after = pretrain(short, study.training_clips(config, sets), progress=False).encoder
        rows.append(
            {
                "variant": config.variant,
                "form": config.form,
                "equal to its initialisation bit for bit": same_weights(before, after),
                "parameters unmoved": len(unmoved(snapshot(before), after)),
                "parameters": len(list(after.parameters())),
            }
        )
    return pd.DataFrame(rows)
