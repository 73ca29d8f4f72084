"""Pretraining: one readable step, and the loop around it.

Everything random in step i is drawn from a generator seeded by (seed, i). A resumed run therefore
needs no saved random state to go on exactly where it stopped: weights, optimiser and step suffice.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from vjepa_lib.augment import Augmentation
from vjepa_lib.clips import ClipSet
from vjepa_lib.diagnostics import feature_std, rank_me
from vjepa_lib.errors import ConfigError, RunStoreError
from vjepa_lib.masking import MaskingConfig, motion_map, sample_masks
from vjepa_lib.objectives import LatentBatch, Objective, make_term
from vjepa_lib.objectives.views import VIEWS
from vjepa_lib.vit import Encoder, EncoderConfig, Predictor, PredictorConfig, layer_norm_levels


@dataclass(frozen=True)
class Schedule:
    """Optimisation of one run; the defaults are those of the study at `paper`.

    Attributes
    ----------
    steps, batch : optimiser steps, and clips in each.
    accumulate : parts a batch is cut into; their gradients add up.
    lr_start, lr, warmup : learning rate rises linearly over `warmup` steps, then stays.
    weight_decay : none on biases, norms and mask tokens.
    momentum : of the target encoder's moving average, constant.
    context_weight : of the dense context loss, 0 until half of the training, then linear.
    amp : 'off' or 'bf16'; bfloat16 is used on a GPU only.
    log_every, probe_every : steps between logged losses and between collapse measurements.
    """

    steps: int = 30_000
    batch: int = 32
    accumulate: int = 1
    lr_start: float = 1e-4
    lr: float = 6e-4
    warmup: int = 300
    weight_decay: float = 0.04
    betas: tuple[float, float] = (0.9, 0.999)
    momentum: float = 0.99925
    context_weight: float = 0.5
    amp: str = "off"
    log_every: int = 10
    probe_every: int = 100

    def learning_rate(self, step: int) -> float:
        """Learning rate of step 0, 1, .."""
        share = min(1.0, (step + 1) / max(self.warmup, 1))
        return self.lr_start + share * (self.lr - self.lr_start)

    def context_lambda(self, progress: float) -> float:
        """Weight of the context loss at a share of the training: 0, then up from the middle."""
        return self.context_weight * max(0.0, 2 * progress - 1)


@dataclass(frozen=True)
class TermSpec:
    """A term of the objective by name: weight, form and options."""

    name: str
    weight: float = 1.0
    form: str = "released"
    options: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True)
class TrainSetup:
    """All that decides the weights a run ends with, but the data.

    Attributes
    ----------
    ema : the target encoder follows the context encoder. Off, the context encoder itself gives
        the targets, with gradient, and the target encoder keeps its initial weights, as in the
        released code of arXiv 2605.17165.
    evaluate : 'target' or 'context', the encoder handed to the probes.
    """

    encoder: EncoderConfig
    predictor: PredictorConfig
    terms: tuple[TermSpec, ...]
    masking: MaskingConfig = field(default_factory=MaskingConfig)
    schedule: Schedule = field(default_factory=Schedule)
    augmentation: Augmentation | None = None
    ema: bool = True
    evaluate: str = "target"
    seed: int = 239


class ClipMixture:
    """Clip sets drawn from with given weights: the data of one pretraining regime.

    Parameters
    ----------
    sets : clip sets by name.
    weights : share of each in a batch, adding up to 1.
    """

    def __init__(self, sets: Mapping[str, ClipSet], weights: Mapping[str, float]) -> None:
        missing = [n for n in weights if n not in sets]
        if missing:
            raise ConfigError(f"No clips for {', '.join(missing)}: have {', '.join(sets)}.")
        self.sets = [sets[n] for n in weights]
        self.weights = np.array(list(weights.values()), dtype=float)
        self.weights /= self.weights.sum()

    def batch(
        self,
        size: int,
        generator: torch.Generator,
        device: torch.device | str,
        augmentation: Augmentation | None = None,
        crop: tuple[int, int] | None = None,
    ) -> Tensor:
        """Random clips [size, 3, F, H, W], normalised; set by set, each with its share."""
        share = np.random.default_rng(
            int(torch.randint(2**31, (), generator=generator))
        ).multinomial(size, self.weights)
        parts = []
        for clips, n in zip(self.sets, share, strict=True):
            if n:
                index = torch.randint(len(clips), (int(n),), generator=generator)
                parts.append(
                    clips.batch(
                        index,
                        device,
                        augmentation=augmentation,
                        generator=generator,
                        size=crop if augmentation else None,
                    )
                )
        return torch.cat(parts)


def step_generator(seed: int, step: int, stream: int = 0) -> torch.Generator:
    """The only source of randomness of one step."""
    words = np.random.SeedSequence([seed, step, stream]).generate_state(2, np.uint64)
    return torch.Generator().manual_seed(int(words[0]) >> 1)


class Trainer:
    """The networks of a run, and one step of its training.

    Parameters
    ----------
    setup : TrainSetup
    device : where to train.
    """

    def __init__(self, setup: TrainSetup, device: str | torch.device = "cpu") -> None:
        self.setup, self.device = setup, torch.device(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(setup.seed)
            self.context_encoder = Encoder(setup.encoder)
            self.predictor = Predictor(setup.encoder, setup.predictor)
            dim = self.context_encoder.out_dim
            # Heads last: a variant's head must not change the networks' initial weights.
            terms = [
                (
                    make_term(
                        t.name,
                        t.form,
                        dim=dim,
                        n_levels=len(setup.encoder.levels),
                        **dict(t.options),
                    ),
                    self._weight(t),
                )
                for t in setup.terms
            ]
        self.objective = Objective(terms)
        self.target_encoder = copy.deepcopy(self.context_encoder).requires_grad_(False)
        self.target_encoder.eval()
        for module in self.modules().values():
            module.to(self.device)
        trained = nn.ModuleList([self.context_encoder, self.predictor, self.objective])
        matrices = [p for p in trained.parameters() if p.ndim > 1]
        tokens = [self.predictor.mask_tokens]
        matrices = [p for p in matrices if all(p is not t for t in tokens)]
        vectors = [p for p in trained.parameters() if p.ndim < 2] + tokens
        self.optimizer = torch.optim.AdamW(
            [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}],
            lr=setup.schedule.lr,
            betas=setup.schedule.betas,
            weight_decay=setup.schedule.weight_decay,
            fused=True,
        )
        self.step = 0

    def _weight(self, term: TermSpec):
        return self.setup.schedule.context_lambda if term.name == "context" else term.weight

    def modules(self) -> dict[str, nn.Module]:
        """The parts of a run by name."""
        return {
            "context_encoder": self.context_encoder,
            "target_encoder": self.target_encoder,
            "predictor": self.predictor,
            "objective": self.objective,
        }

    @property
    def evaluated(self) -> Encoder:
        """The encoder the probes see."""
        return self.context_encoder if self.setup.evaluate == "context" else self.target_encoder

    @property
    def progress(self) -> float:
        return self.step / self.setup.schedule.steps

    def targets(self, clip: Tensor) -> Tensor:
        """h [B, N, L * D]: every level layer-normed; without gradient unless EMA is off."""
        n_levels = len(self.setup.encoder.levels)
        if self.setup.ema:
            with torch.no_grad():
                return layer_norm_levels(self.target_encoder(clip), n_levels)
        return layer_norm_levels(self.context_encoder(clip), n_levels)

    def latents(self, clip: Tensor, generator: torch.Generator) -> LatentBatch:
        """Encode, mask and predict: all that the objective's terms look at."""
        cfg = self.setup
        grid = cfg.encoder.grid
        motion = motion_map(clip, grid).cpu() if cfg.masking.needs_motion else None
        masks = sample_masks(cfg.masking, grid, len(clip), generator, motion)
        masks = [(c.to(clip.device), t.to(clip.device)) for c, t in masks]
        h = self.targets(clip)
        with_context = cfg.schedule.context_lambda(self.progress) > 0 and any(
            t.name == "context" for t in cfg.terms
        )
        z, zhat, zhat_ctx = [], [], []
        for group, (context, target) in enumerate(masks):
            z.append(self.context_encoder(clip, context))
            predicted, around = self.predictor(
                z[-1], context, target, group, with_context=with_context
            )
            zhat.append(predicted)
            zhat_ctx.append(around)
        views = {}
        for name in self.objective.needs_views:
            # The smallest context is enough of a view, and the cheapest.
            view = VIEWS[name](clip, generator)
            views[name] = self.context_encoder(view, masks[-1][0]).mean(1)
        return LatentBatch(
            z=z,
            zhat=zhat,
            zhat_ctx=zhat_ctx if with_context else [],
            h=h,
            context_index=[c for c, _ in masks],
            target_index=[t for _, t in masks],
            grid=grid,
            n_levels=len(cfg.encoder.levels),
            clip=clip,
            progress=self.progress,
            views=views,
            generator=generator,
        )

    def train_step(self, clip: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """One optimiser step on clips [B, 3, F, H, W]; returns the total and every term."""
        s = self.setup.schedule
        for group in self.optimizer.param_groups:
            group["lr"] = s.learning_rate(self.step)
        self.optimizer.zero_grad(set_to_none=True)
        log: dict[str, Tensor] = {}
        for part in clip.chunk(s.accumulate):
            share = len(part) / len(clip)
            with torch.autocast(
                self.device.type, torch.bfloat16, s.amp == "bf16" and self.device.type == "cuda"
            ):
                total, values = self.objective(self.latents(part, generator))
            (total * share).backward()
            for name, value in ({"total": total.detach()} | values).items():
                log[name] = log.get(name, 0.0) + share * value
        self.optimizer.step()
        if self.setup.ema:
            with torch.no_grad():
                torch._foreach_lerp_(
                    list(self.target_encoder.parameters()),
                    list(self.context_encoder.parameters()),
                    1 - s.momentum,
                )
        self.step += 1
        return log

    # --- checkpoints --------------------------------------------------------------------------

    def state_dict(self) -> dict:
        parts = {name: m.state_dict() for name, m in self.modules().items()}
        return parts | {"optimizer": self.optimizer.state_dict(), "step": self.step}

    def load_state_dict(self, state: dict) -> None:
        for name, module in self.modules().items():
            module.load_state_dict(state[name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]


@dataclass
class Pretrained:
    """What a run leaves: its trainer, and its curves (one row per logged step)."""

    trainer: Trainer
    curves: pd.DataFrame

    @property
    def encoder(self) -> Encoder:
        return self.trainer.evaluated.eval()


def save_checkpoint(path: Path, state: dict) -> None:
    """Write under a temporary name, then rename: the last good checkpoint is never lost.

    Raises
    ------
    RunStoreError : the disk is full or the folder read-only.
    """
    part = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(state, part)
        os.replace(part, path)
    except (OSError, RuntimeError) as error:
        part.unlink(missing_ok=True)
        raise RunStoreError(
            f"The checkpoint {path} could not be written ({error}): free some space or choose "
            f"another runs folder; finished runs and the last checkpoint are kept."
        ) from error


def pretrain(
    setup: TrainSetup,
    data: ClipMixture,
    device: str | torch.device = "cpu",
    checkpoint: Path | None = None,
    checkpoint_every: int = 500,
    progress: bool = True,
) -> Pretrained:
    """Train a run from its start, or from its checkpoint if there is one.

    Parameters
    ----------
    setup : TrainSetup
    data : where clips are drawn from.
    checkpoint : file to resume from and to write to; None keeps nothing.

    Raises
    ------
    RunStoreError : the checkpoint cannot be written.
    """
    trainer = Trainer(setup, device)
    s = setup.schedule
    rows: list[dict] = []
    if checkpoint and checkpoint.exists():
        try:
            state = torch.load(checkpoint, map_location=device, weights_only=True)
            trainer.load_state_dict(state["trainer"])
            rows = state["rows"]
        except (RuntimeError, KeyError, EOFError, ValueError) as error:
            raise RunStoreError(
                f"The checkpoint {checkpoint} cannot be read back ({type(error).__name__}): "
                f"delete it and the run starts anew."
            ) from error

    # A fixed batch, the same for every variant and seed, on which collapse is measured.
    size = setup.encoder.height, setup.encoder.width_px
    watched = data.batch(64, step_generator(0, 0, 1), device)

    def save() -> None:
        if checkpoint:
            save_checkpoint(checkpoint, {"trainer": trainer.state_dict(), "rows": rows})

    bar = tqdm(total=s.steps, initial=trainer.step, desc="pretraining", disable=not progress)
    try:
        while trainer.step < s.steps:
            step = trainer.step
            generator = step_generator(setup.seed, step)
            clip = data.batch(s.batch, generator, device, setup.augmentation, size)
            log = trainer.train_step(clip, generator)
            bar.update()
            last = step + 1 == s.steps
            if step % s.log_every == 0 or last:
                row = {"step": step, "lr": s.learning_rate(step)}
                row |= {name: float(value) for name, value in log.items()}
                if step % s.probe_every == 0 or last:
                    with torch.no_grad():
                        tokens = trainer.evaluated(watched, levels=False)
                    row["rank_me"] = rank_me(tokens.mean(1))
                    row["token_rank_me"] = rank_me(tokens.flatten(0, 1))
                    row["feature_std"] = feature_std(tokens.mean(1))
                rows.append(row)
                if not np.isfinite(row["total"]):
                    raise ConfigError(
                        f"The loss is not finite at step {step}: lower the learning rate or the "
                        f"weights of the terms."
                    )
            if checkpoint and (step + 1) % checkpoint_every == 0 and not last:
                save()
    except KeyboardInterrupt:
        save()
        raise
    finally:
        bar.close()
    return Pretrained(trainer, pd.DataFrame(rows))
