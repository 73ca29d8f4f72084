"""Supervised full fine-tuning on a lab's own labels, from released weights or from a run of ours.

`init` names the weights and `[finetune] labels` the manifest; one run a seed, in the same store as
pretrainings and readings. The fine-tuned encoder is kept as any other, and its head beside it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from vjepa_lib import study
from vjepa_lib.analysis.statistics import proportion_interval
from vjepa_lib.errors import ConfigError, DataError
from vjepa_lib.evaluation.classifier import FineTuneSetup
from vjepa_lib.evaluation.finetune import FineTuned, fine_tune
from vjepa_lib.model.vit import Encoder
from vjepa_lib.paper.config import Settings
from vjepa_lib.paper.rows import digest_of, last_change
from vjepa_lib.paper.started import beginning
from vjepa_lib.paper.stored import runs_of_kind
from vjepa_lib.paper.training import SetUsed, alone
from vjepa_lib.study.run_folders import open_any
from vjepa_lib.study.store import RunStore, config_hash
from vjepa_lib.training.devices import trains_on
from vjepa_lib.training.distributed import World, check_device
from vjepa_lib.training.memory import FINE_TUNING, told_what_to_change
from vjepa_lib.training.resume import save_weights
from vjepa_lib.video.clip_reader import ClipSpec
from vjepa_lib.video.manifests import Manifest, read_manifest

HEAD_FILE, RIGHT_FILE = "head.safetensors", "right.safetensors"
HELD_OUT = ("val", "test")


@dataclass(frozen=True)
class FineTuningRun:
    """Everything a fine-tuned encoder is made from; its hash is its address in the store.

    Attributes
    ----------
    form : the kind of head.
    init : SHA-256 of the weight files that the encoder begins at.
    """

    form: str
    seed: int
    train: FineTuneSetup
    clip: ClipSpec
    data: tuple[SetUsed, ...]
    init: str
    variant: str = "fine-tuned"
    regime: str = "labels"
    profile: str = "paper"
    kind: str = "finetuning"

    def code(self) -> dict[str, list]:
        """Functions and classes its weights depend on, by part (`fingerprint.code_of`)."""
        return {"model": [Encoder], "step": [fine_tune], "beginning": [open_any]}


# --- labels -------------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def _labelled(path: Path, changed: int) -> tuple[Manifest, int]:
    """Labelled rows of a manifest, and how many rows have no label."""
    manifest = read_manifest(path)
    labelled = manifest.labels >= 0
    found = manifest.select(labelled)
    if not len(found):
        raise DataError(
            f"{manifest.source} has no labels, only -1: fine-tuning needs the number of its class "
            "in the column label of every clip; `paper train` with `init` needs none."
        )
    splits = found.table["split"].to_numpy()
    here = [s for s in ("train", *HELD_OUT) if (splits == s).any()]
    if "train" not in here or len(here) == 1:
        wanted = "train" if "train" not in here else "val or test, on which accuracy is measured"
        raise DataError(
            f"{manifest.source} has labelled rows of split {', '.join(here)} alone: give some of "
            f"them the split {wanted}."
        )
    classes = np.unique(found.labels[splits == "train"])
    if len(classes) < 2:
        raise DataError(
            f"{manifest.source} has one class alone in split train, label {classes[0]}: "
            "fine-tuning needs labelled clips of two classes or more."
        )
    return found, int(len(manifest) - len(found))


def labelled_rows(settings: Settings) -> tuple[Manifest, int]:
    """The rows that are learnt from and read, and how many are left out for want of a label.

    Raises
    ------
    ConfigError : no manifest is named.
    DataError : it cannot be read, has no labels, no held-out split, or one class alone.
    """
    path = settings.finetune.labels
    if path is None:
        raise ConfigError(
            "Fine-tuning needs labelled clips: name their manifest with `labels` below [finetune]."
        )
    return _labelled(path, last_change(path))


def _by_split(manifest: Manifest) -> dict[str, Manifest]:
    splits = manifest.table["split"].to_numpy()
    wanted = [s for s in ("train", *HELD_OUT) if (splits == s).any()]
    return {s: manifest.select(splits == s) for s in wanted}


def _notes(manifest: Manifest, unlabelled: int) -> list[str]:
    """What a reader should know before hours of training, a line each."""
    parts, notes = _by_split(manifest), []
    if unlabelled:
        notes.append(f"{unlabelled} rows of {manifest.source} have no label and are left out.")
    known = set(parts["train"].labels.tolist())
    for split in parts:
        new = set(parts[split].labels.tolist()) - known
        if new:
            notes.append(
                f"Split {split} has clips of classes that split train has none of ({len(new)}): "
                "they count as wrong."
            )
    return notes


# --- runs ---------------------------------------------------------------------------------------


def finetuning_run(settings: Settings, seed: int = 239) -> FineTuningRun:
    """The fine-tuning that settings ask for.

    Raises
    ------
    ConfigError : no weights or no labels are named, or clips do not fit the weights' geometry.
    DataError : weights or manifest cannot be read, or the manifest has not what is needed.
    """
    manifest, _ = labelled_rows(settings)
    at = beginning(settings)
    if at is None:
        raise ConfigError(
            "Fine-tuning begins at weights: name released ones, or a run's folder, with `init`."
        )
    cfg = at.encoder
    setup = FineTuneSetup(
        encoder=cfg,
        recipe=settings.finetune.recipe,
        classes=int(manifest.labels.max()) + 1,
        augmentation=settings.augmentation,
        seed=seed,
    )
    return FineTuningRun(
        form=setup.recipe.head,
        seed=seed,
        train=setup,
        clip=ClipSpec(cfg.frames, (cfg.height, cfg.width_px)),
        data=(SetUsed("labels", 1.0, len(manifest), digest_of(manifest)),),
        init=at.digest,
    )


def finetune(
    settings: Settings, seeds: Sequence[int] | None = None, progress: bool = True
) -> pd.DataFrame:
    """Fine-tune on the settings' labels, each seed unless it is done, going on where one stopped.

    Parameters
    ----------
    seeds : None for those of the settings.

    Returns
    -------
    DataFrame, a row per seed and held-out split; see `finetuned_table`.

    Raises
    ------
    ConfigError, DataError : as `finetuning_run`; several processes; the loss is not finite.
    RunStoreError : another process trains this run, or the store cannot be written.
    OutOfMemory : the message says what to change.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise ConfigError(
            "Fine-tuning runs in one process: start it without torchrun, several seeds side by "
            "side."
        )
    runs = [finetuning_run(settings, s) for s in (settings.seeds if seeds is None else seeds)]
    store = settings.store
    if store.missing(runs):  # a machine without a GPU may still look finished ones up
        check_device(settings.device)
        for note in _notes(*labelled_rows(settings)):
            print(note, file=sys.stderr, flush=True)
    for run in runs:
        with alone(store, run, World()) as missing:
            if missing:
                before, folder = time.perf_counter(), store.partial(run)
                metrics, curves = _made(settings, run, folder, progress)
                store.save(run, metrics, curves, time.perf_counter() - before)
    done = finetuned_table(store)
    return done[done["run"].isin([config_hash(r) for r in runs])].reset_index(drop=True)


def _made(
    settings: Settings, run: FineTuningRun, folder: Path, progress: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train a run; its weights are left in `folder`, from where the store takes them."""
    manifest, _ = labelled_rows(settings)
    parts = _by_split(manifest)
    cfg = run.train.encoder
    with told_what_to_change(FINE_TUNING), trains_on(settings.device):
        done = fine_tune(
            run.train,
            open_any(settings.init, cfg.height, cfg.frames).state_dict(),
            parts,
            run.clip,
            settings.device,
            settings.workers,
            folder / "checkpoint.pt",
            settings.checkpoint_every,
            progress,
        )
    save_weights(folder / study.ENCODER_FILE, done.model.encoder.state_dict())
    save_weights(folder / HEAD_FILE, done.model.head.state_dict())
    right = {}
    for split, (rows, correct) in done.right.items():
        right |= {f"{split}_row": torch.from_numpy(rows), split: torch.from_numpy(correct)}
    save_weights(folder / RIGHT_FILE, right)  # per clip, for paired tests
    name = Path(settings.finetune.labels).name.split(".")[0]
    return _metrics(name, run, parts, done), done.curves


def _metrics(
    name: str, run: FineTuningRun, parts: dict[str, Manifest], done: FineTuned
) -> pd.DataFrame:
    broken = [split for split, _ in done.broken]
    return pd.DataFrame(
        [
            {
                "benchmark": name,
                "probe": f"fine-tuned, {run.form}",
                "split": split,
                "top1": 100 * float(correct.mean()),
                "correct": int(correct.sum()),
                "n_test": len(correct),
                "n_train": len(parts["train"]) - broken.count("train"),
                "broken": len(broken),
                "epochs": run.train.recipe.epochs,
            }
            for split, (_, correct) in done.right.items()
        ]
    )


def finetuned_table(store: RunStore) -> pd.DataFrame:
    """Every finished fine-tuning; needs the run store and no data.

    Returns
    -------
    DataFrame, a row per run and held-out split: benchmark (the manifest's name), probe, split,
    seed, `top1` in percent with its 95 % interval `low`, `high` (Wilson), n_test, n_train, broken,
    epochs, `init` (first digits of the weights it began at), run. Without rows where there is none.
    """
    parts = []
    for run in runs_of_kind(store, "finetuning")[0]:
        names = {"seed": run.config["seed"], "init": run.config["init"][:8], "run": run.hash}
        parts.append(run.metrics.assign(**names))
    columns = ["benchmark", "probe", "split", "seed", "top1", "low", "high", "n_test", "n_train"]
    columns += ["broken", "epochs", "init", "run"]
    if not parts:
        return pd.DataFrame(columns=columns)
    out = pd.concat(parts, ignore_index=True)
    bounds = [proportion_interval(c, n) for c, n in zip(out["correct"], out["n_test"], strict=True)]
    out["low"], out["high"] = ([100 * b[i] for b in bounds] for i in (0, 1))
    order = ["benchmark", "probe", "split", "init", "seed"]
    return out[columns].sort_values(order, ignore_index=True)
