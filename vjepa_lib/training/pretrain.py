"""The loop around the training step: clips, curves, checkpoints, several processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from vjepa_lib.errors import ConfigError
from vjepa_lib.model.vit import Encoder, Predictor
from vjepa_lib.objectives import Objective
from vjepa_lib.training.distributed import start
from vjepa_lib.training.resume import (
    interrupts_between_steps,
    load_state,
    random_state,
    save_state,
    set_random_state,
    stop_by,
)
from vjepa_lib.training.schedules import Schedule
from vjepa_lib.training.sources import (
    ClipMixture,
    ClipSource,
    Draw,
    StreamedMixture,
    step_generator,
)
from vjepa_lib.training.trainer import TermSpec, Trainer, TrainSetup

__all__ = [
    "ClipMixture",
    "ClipSource",
    "Pretrained",
    "Schedule",
    "StreamedMixture",
    "TermSpec",
    "TrainSetup",
    "Trainer",
    "pretrain",
    "step_generator",
]


@dataclass
class Pretrained:
    """What a run leaves: its trainer, and its curves (one row per logged step).

    Attributes
    ----------
    curves : columns `step`, `lr`, `momentum`, `total`, a column per term (unweighted; absent
        where its weight was 0), `grad_norm`, and `rank_me`, `token_rank_me`, `feature_std` of the
        evaluated encoder on a fixed batch.
    """

    trainer: Trainer
    curves: pd.DataFrame

    @property
    def encoder(self) -> Encoder:
        """The encoder the probes see."""
        return self.trainer.evaluated.eval()

    @property
    def context_encoder(self) -> Encoder:
        return self.trainer.context_encoder

    @property
    def target_encoder(self) -> Encoder:
        return self.trainer.target_encoder

    @property
    def predictor(self) -> Predictor:
        return self.trainer.predictor

    @property
    def objective(self) -> Objective:
        return self.trainer.objective


# --- the loop ---------------------------------------------------------------------------------


def pretrain(
    setup: TrainSetup,
    data: ClipSource,
    device: str | torch.device = "cpu",
    checkpoint: Path | None = None,
    checkpoint_every: int = 500,
    progress: bool = True,
    watch: Callable[[Encoder], dict[str, float]] | None = None,
    watch_every: int = 100,
) -> Pretrained:
    """Train a run from its start, or from its checkpoint if there is one.

    Started by `torchrun`, the processes train one run together: gloo on CPUs, nccl on GPUs.

    Parameters
    ----------
    setup : TrainSetup
    data : where clips are drawn from.
    device : 'cpu' or 'cuda'.
    checkpoint : file to resume from and to write to; None keeps nothing.
    checkpoint_every : steps between checkpoints.
    progress : show a progress bar.
    watch : what else is to be measured on the evaluated encoder while it trains, as columns of the
        curves; it must not draw from the global generator.
    watch_every : steps between looks; the row of the last step of each has them.

    Returns
    -------
    Pretrained

    Raises
    ------
    RunStoreError : the checkpoint cannot be written, is damaged or belongs to another setup.
    ConfigError : the loss is no longer finite.
    KeyboardInterrupt, Terminated : after the step was finished and a checkpoint written.
    """
    world, device = start(device)
    trainer = Trainer(setup, device, world)
    s = setup.schedule
    checkpoint = Path(checkpoint) if checkpoint else None
    rows: list[dict] = []
    state = load_state(checkpoint, repr(setup)) if checkpoint and checkpoint.exists() else None
    if state:
        trainer.load_state_dict(state["trainer"])
        rows = state["rows"]
    world.wait()  # nobody writes before everybody has read

    def save() -> None:
        if checkpoint and world.rank == 0:
            saved = {"trainer": trainer.state_dict(), "rows": rows, "setup": repr(setup)}
            save_state(checkpoint, saved | {"random": random_state(device)})

    crop = setup.encoder.height, setup.encoder.width_px
    draw = Draw(0, s.batch, setup.seed, setup.augmentation, crop, trainer.sharing.held(s.batch))
    # A fixed batch, the same for every variant and seed, on which collapse is measured.
    fixed = replace(draw, size=s.watched, seed=0, keep=slice(None))
    watched = data.batch(fixed, device) if world.rank == 0 else None
    bar = tqdm(
        total=s.steps,
        initial=trainer.step,
        desc="pretraining",
        disable=not progress or world.rank > 0,
    )
    on_gpu = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(on_gpu), interrupts_between_steps() as interrupted, bar:
        # Nothing here draws from the global generator; a reader's own term may.
        torch.manual_seed(setup.seed)
        if state:
            set_random_state(state["random"], device)
        try:
            while trainer.step < s.steps:
                step = trainer.step
                clips = data.batch(replace(draw, step=step), device)
                log = trainer.train_step(clips)
                bar.update()
                last = step + 1 == s.steps
                look = watch is not None and (step + 1) % watch_every == 0 and world.rank == 0
                if trainer.logs(step) or look:
                    row = {"step": step, "lr": s.learning_rate(step)}
                    row["momentum"] = s.ema_momentum(step) if setup.ema else float("nan")
                    row |= {name: float(value) for name, value in log.items()}
                    if not np.isfinite(row["total"]):
                        raise ConfigError(
                            f"The loss is not finite at step {step}: lower the learning rate or "
                            f"the weights of the terms."
                        )
                    if world.rank == 0 and (step % s.probe_every == 0 or last):
                        row |= trainer.collapse(watched)
                    if look:
                        row |= watch(trainer.evaluated)
                    rows.append(row)
                if number := world.largest(interrupted()):
                    raise stop_by(number)
                if checkpoint and (step + 1) % checkpoint_every == 0 and not last:
                    save()
        except KeyboardInterrupt:
            if trainer.between_steps:
                save()
            raise
    return Pretrained(trainer, pd.DataFrame(rows))
