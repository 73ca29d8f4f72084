"""Supervised full fine-tuning: an encoder and a head on it, trained together on labelled clips.

Layers nearer the pixels learn more slowly (layer-wise decay of the learning rate, as BEiT and MAE
fine-tune: arXiv 2106.08254, 2111.06377), the rate warms up and falls by half a cosine. Nothing is
chosen: the weights of the last step count, and the test split is read once.

The clips of a step are a pure function of (seed, step), so a resumed training is the same training.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from vjepa_lib.errors import ConfigError, DataError
from vjepa_lib.evaluation.classifier import (
    Classifier,
    FineTune,
    FineTuneSetup,
    parameter_groups,
    schedule_of,
)
from vjepa_lib.evaluation.features import MOST_BROKEN
from vjepa_lib.training.resume import interrupts_between_steps, load_state, save_state, stop_by
from vjepa_lib.training.schedules import Schedule
from vjepa_lib.training.sources import StreamedClips
from vjepa_lib.video.augment import normalise
from vjepa_lib.video.clip_reader import ClipSpec
from vjepa_lib.video.manifests import Manifest
from vjepa_lib.video.streaming import ClipDataset

# --- clips --------------------------------------------------------------------------------------


class LabelledBatches:
    """Augmented clips with labels: every epoch all of them, in an order of its own.

    Parameters
    ----------
    manifest : of the training clips.
    clip : frames and size.
    setup : batch, augmentation and seed.
    workers : loader processes; 0 decodes in this one.
    """

    def __init__(
        self, manifest: Manifest, clip: ClipSpec, setup: FineTuneSetup, workers: int
    ) -> None:
        self.batch, self.seed, self.workers = setup.recipe.batch, setup.seed, workers
        self.steps_per_epoch = math.ceil(len(manifest) / self.batch)
        self._data = ClipDataset(manifest, clip, setup.augmentation, self.seed, skip_broken=True)
        self._epoch, self._known = -1, np.arange(0)  # the epoch whose order is known

    def rows(self, step: int) -> list[tuple[int, int]]:
        """(row, draw number) of a step's clips; the draw number seeds crop and flip."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = self._order(epoch)
        first = place * self.batch
        own = order[first : first + self.batch].tolist()
        drawn = epoch * len(order) + first
        return [(row, drawn + i) for i, row in enumerate(own)]

    def _order(self, epoch: int) -> np.ndarray:
        if self._epoch != epoch:
            self._epoch = epoch
            draw = np.random.default_rng([self.seed, epoch])
            self._known = draw.permutation(len(self._data))
        return self._known

    def from_step(self, step: int, steps: int) -> Iterator[dict]:
        """Batches of the steps from `step` to `steps`: see `_stack`."""
        return iter(
            DataLoader(
                self._data,
                batch_sampler=(self.rows(s) for s in range(step, steps)),
                num_workers=self.workers,
                collate_fn=_stack,
                prefetch_factor=2 if self.workers else None,
            )
        )


def _stack(samples: list[dict]) -> dict:
    """`frames` uint8 [B, 3, F, H, W], `labels` [B]; `broken` (row, reason) is left out of both."""
    whole = [s for s in samples if s["frames"] is not None]
    return {
        "frames": torch.stack([s["frames"] for s in whole]) if whole else None,
        "labels": torch.tensor([s["label"] for s in whole], dtype=torch.int64),
        "broken": [(s["row"], s["error"]) for s in samples if s["frames"] is None],
    }


# --- the training -------------------------------------------------------------------------------


@dataclass
class FineTuned:
    """What a fine-tuning leaves.

    Attributes
    ----------
    model : trained.
    curves : a row per logged step: `step`, `epoch`, `lr` (of the head), `loss`, `grad_norm`, and
        `val_top1` in percent at the end of every epoch.
    right : split -> (row numbers in its manifest, whether each was classified right).
    broken : (split, row in its manifest) -> reason, of files that could not be read.
    """

    model: Classifier
    curves: pd.DataFrame
    right: dict[str, tuple[np.ndarray, np.ndarray]]
    broken: dict[tuple[str, int], str]


class _Step:
    """One optimiser step, and what a checkpoint holds of it."""

    def __init__(self, model: Classifier, recipe: FineTune, schedule: Schedule) -> None:
        self.model, self.recipe, self.schedule = model, recipe, schedule
        self.device = next(model.parameters()).device
        self.optimizer = torch.optim.AdamW(
            parameter_groups(model, recipe),
            lr=recipe.lr,
            betas=recipe.betas,
            fused=self.device.type in ("cpu", "cuda"),
        )
        self.number = 0
        self.between = True  # in the middle of a step there is nothing worth saving

    def take(self, frames: Tensor | None, labels: Tensor) -> dict[str, Tensor]:
        """Learn from clips uint8 [B, 3, F, H, W]; nothing is learnt where none can be read."""
        self.between = False
        log: dict[str, Tensor] = {}
        if frames is not None:
            log = self._learn(frames, labels)
        self.number += 1
        self.between = True
        return log

    def _learn(self, frames: Tensor, labels: Tensor) -> dict[str, Tensor]:
        r, rate = self.recipe, self.schedule.learning_rate(self.number)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        self.optimizer.zero_grad(set_to_none=True)
        total: Tensor | float = 0.0
        size = math.ceil(len(labels) / r.accumulate)
        for part, own in zip(frames.split(size), labels.split(size), strict=True):
            scores = self.model(normalise(part.to(self.device)))
            # A sum over the whole batch's number: parts may be of unlike size.
            loss = F.cross_entropy(
                scores, own.to(self.device), label_smoothing=r.label_smoothing, reduction="sum"
            ) / len(labels)
            loss.backward()
            total = total + loss.detach()
        trained = [p for g in self.optimizer.param_groups for p in g["params"]]
        norm = nn.utils.get_total_norm([p.grad for p in trained if p.grad is not None])
        if r.grad_clip is not None:
            nn.utils.clip_grads_with_norm_(trained, r.grad_clip, norm)
        self.optimizer.step()
        return {"loss": total, "grad_norm": norm}


def fine_tune(
    setup: FineTuneSetup,
    state: Mapping[str, Tensor],
    manifests: Mapping[str, Manifest],
    clip: ClipSpec,
    device: str | torch.device = "cpu",
    workers: int = 0,
    checkpoint: Path | None = None,
    checkpoint_every: int = 500,
    progress: bool = True,
) -> FineTuned:
    """Train an encoder and a head on labels, from the start or from a checkpoint if there is one.

    Parameters
    ----------
    setup : FineTuneSetup
    state : weights that the encoder begins at.
    manifests : 'train', and 'val', 'test' or both; all rows are labelled.
    clip : frames and size of the encoder.
    checkpoint : file to resume from and to write to; None keeps nothing.
    checkpoint_every : steps between checkpoints.

    Returns
    -------
    FineTuned, its accuracy that of the last step's weights.

    Raises
    ------
    DataError : more than `MOST_BROKEN` of the files cannot be read.
    RunStoreError : the checkpoint cannot be written, is damaged or belongs to another setup.
    ConfigError : the loss is no longer finite.
    KeyboardInterrupt, Terminated : after the step was finished and a checkpoint written.
    """
    device = torch.device(device)
    batches = LabelledBatches(manifests["train"], clip, setup, workers)
    model = Classifier(setup, state).to(device)
    schedule = schedule_of(setup.recipe, batches.steps_per_epoch)
    step = _Step(model, setup.recipe, schedule)
    rows: list[dict] = []
    broken: dict[tuple[str, int], str] = {}
    if checkpoint and checkpoint.exists():
        saved = load_state(checkpoint, repr(setup))
        model.load_state_dict(saved["model"])
        step.optimizer.load_state_dict(saved["optimizer"])
        step.number, rows = saved["step"], saved["rows"]
        broken = {(split, row): why for split, row, why in saved["broken"]}

    def save() -> None:
        if checkpoint:
            save_state(
                checkpoint,
                {
                    "setup": repr(setup),
                    "model": model.state_dict(),
                    "optimizer": step.optimizer.state_dict(),
                    "step": step.number,
                    "rows": rows,
                    "broken": [(*key, why) for key, why in broken.items()],
                },
            )

    def look(split: str) -> tuple[np.ndarray, np.ndarray]:
        clips = StreamedClips(manifests[split], clip, workers, skip_broken=True)
        found = _read(model, clips, setup.recipe.batch, device)
        _note(broken, split, clips.skipped.items(), manifests)
        if not len(found[0]):
            raise DataError(
                f"No file of split {split} can be read, the first: {clips.skipped[0]} Run "
                "'python -m vjepa_lib.datasets health' to see them all."
            )
        return found

    bar = tqdm(total=schedule.steps, initial=step.number, desc="fine-tuning", disable=not progress)
    with interrupts_between_steps() as interrupted, bar:
        try:
            for loaded in batches.from_step(step.number, schedule.steps):
                now = step.number
                model.train()
                log = step.take(loaded["frames"], loaded["labels"])
                _note(broken, "train", loaded["broken"], manifests)
                bar.update()
                epoch, place = divmod(step.number, batches.steps_per_epoch)
                if place == 0 or now % setup.recipe.log_every == 0:
                    row = {"step": now, "epoch": epoch, "lr": schedule.learning_rate(now)}
                    rows.append(row | _numbers(log, now))
                    if place == 0 and "val" in manifests:
                        step.between = False  # the row is not whole yet
                        rows[-1]["val_top1"] = 100 * float(look("val")[1].mean())
                        step.between = True
                if number := interrupted():
                    raise stop_by(number)
                if step.number % checkpoint_every == 0 or step.number == schedule.steps:
                    save()
        except KeyboardInterrupt:
            if step.between:
                save()
            raise
    right = {split: look(split) for split in ("val", "test") if split in manifests}
    return FineTuned(model.eval(), pd.DataFrame(rows), right, broken)


def _numbers(log: dict[str, Tensor], step: int) -> dict[str, float]:
    """A step's losses as numbers."""
    found = {name: float(value) for name, value in log.items()}
    if not all(map(math.isfinite, found.values())):
        raise ConfigError(
            f"The loss is not finite at step {step}: lower lr below [finetune], or warm up for "
            "longer."
        )
    return found


def _note(
    broken: dict[tuple[str, int], str],
    split: str,
    found: Iterator[tuple[int, str]] | list[tuple[int, str]],
    manifests: Mapping[str, Manifest],
) -> None:
    """Remember files that cannot be read; an error where they are too many."""
    before = len(broken)
    broken.update({(split, int(row)): why for row, why in found})
    count = sum(map(len, manifests.values()))
    if len(broken) > before and len(broken) > MOST_BROKEN * count:
        raise DataError(
            f"{len(broken)} of {count} files cannot be read, one of them: "
            f"{next(iter(broken.values()))} Run 'python -m vjepa_lib.datasets health' and use the "
            "manifest it writes with --usable."
        )


@torch.inference_mode()
def _read(
    model: Classifier, clips: StreamedClips, batch: int, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Rows that can be read, and whether each is classified right."""
    model.eval()
    right = []
    for first in range(0, len(clips), batch):
        rows = slice(first, min(first + batch, len(clips)))
        scores = model(clips.batch(rows, device))
        right.append(scores.argmax(1).cpu() == clips.labels[rows])
    usable = np.ones(len(clips), bool)
    usable[list(clips.skipped)] = False
    return np.flatnonzero(usable), torch.cat(right).numpy()[usable]
