"""Runs of the transfer study: an encoder trained in one world, read in worlds shifted away from it.

A run is one variant with one seed, as in `configs`, but its schedule settles (docs/design_log.md)
and its results are the readings of `evaluation.transfer` on the tasks of `datasets.worlds` and of
the held-out world, with the correctness of every test clip beside them. docs/analysis_plan.md says
which runs there are and what is asked of them.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
from safetensors.torch import save_file

from vjepa_lib.datasets import heldout, worlds
from vjepa_lib.datasets.heldout import HeldoutSpec
from vjepa_lib.datasets.synthetic import DataSpec
from vjepa_lib.datasets.worlds import WorldSpec
from vjepa_lib.errors import ConfigError, unknown
from vjepa_lib.evaluation.evaluate import supervised_model
from vjepa_lib.evaluation.probes import ProbeConfig
from vjepa_lib.evaluation.transfer import (
    SOURCE,
    Task,
    TransferConfig,
    read_transfer,
    source_accuracy,
)
from vjepa_lib.model.vit import Encoder
from vjepa_lib.study import configs
from vjepa_lib.study.fingerprint import embedded_code, training_code
from vjepa_lib.study.results import ENCODER_FILE, clip_sets, data_root, training_clips
from vjepa_lib.training.memory import EMBEDDED, told_what_to_change
from vjepa_lib.training.pretrain import ClipMixture, Trainer, TrainSetup, pretrain
from vjepa_lib.video.clips import ClipSet, load_clips

PRETRAINED_ON = ("rendered", "digits")
VCLR_PARTS = ("video", "instance", "order")
LOOKS = 4  # at the sources while an encoder trains


@dataclass(frozen=True)
class TransferSizes:
    """What a profile's transfer study takes.

    Attributes
    ----------
    worlds, heldout : amounts of clips.
    readings : how encoders are read.
    schedule : what of the profile's schedule is changed.
    """

    worlds: WorldSpec = field(default_factory=WorldSpec)
    heldout: HeldoutSpec = field(default_factory=HeldoutSpec)
    readings: TransferConfig = field(default_factory=TransferConfig)
    schedule: Mapping[str, object] = field(default_factory=dict)


_TINY_READINGS = TransferConfig(
    strengths=(1e-2, 1.0, 1e2),
    neighbours=5,
    shots=(1,),
    subsets=2,
    attentive=ProbeConfig(epochs=1),
)
SIZES = {
    "smoke": TransferSizes(
        WorldSpec(28, 14, 14, 14, 14, 7),
        HeldoutSpec(pretrain=16, train=20, val=20, test=20),
        _TINY_READINGS,
    ),
    "mini": TransferSizes(),
    # Chosen on the baseline alone (docs/design_log.md): at the profile's own rate and momentum it
    # has hardly begun to learn when its steps are over.
    "small": TransferSizes(schedule={"lr": 4e-3, "lr_start": 4e-4, "momentum": 0.98}),
}


@dataclass(frozen=True)
class TransferRun:
    """Everything a run is made from; its hash is its address.

    Attributes
    ----------
    variant, form, regime, profile, seed : names, for reading.
    train : the resolved training.
    data : the rendered pretraining sets.
    worlds, heldout, readings : where and how the encoder is read.
    pretrained_on : 'rendered', or 'digits' for the other direction.
    kind : 'pretrain', 'random_init', 'supervised' or 'single_frame'.
    changed : what differs from the study's own run of these names, in words; empty for nothing.
    """

    variant: str
    form: str
    regime: str
    profile: str
    seed: int
    train: TrainSetup
    data: DataSpec
    worlds: WorldSpec
    heldout: HeldoutSpec
    readings: TransferConfig
    pretrained_on: str = "rendered"
    kind: str = "pretrain"
    changed: str = ""

    def code(self) -> dict[str, list]:
        """Functions and classes its results depend on, by part (`fingerprint.code_of`)."""
        seen = [worlds.tasks, heldout.ensure, transfer_tasks]
        if self.kind in ("supervised", "single_frame"):
            train: dict[str, list] = {"model": [Encoder]}
            readings: list = [_supervised]
        else:
            # The initial weights do not depend on the objective.
            names = (t.name for t in self.train.terms if self.kind == "pretrain")
            train = training_code(names)
            train["step"].append(_mixture)
            readings = [read_transfer]
        return {"data": [*embedded_code(), *seen], **train, "readings": readings}


def transfer_run(
    variant: str,
    form: str = "described",
    profile: str = "small",
    seed: int = 0,
    pretrained_on: str = "rendered",
    width: int | None = None,
    scaled: Mapping[str, float] | None = None,
    without: tuple[str, ...] = (),
    **schedule: object,
) -> TransferRun:
    """The transfer run of a variant.

    Parameters
    ----------
    variant, form, profile, seed : as in `study.resolve`; forms that train the same share a run.
    pretrained_on : one of `PRETRAINED_ON`.
    width : of encoder and predictor, in channels; None for the profile's. Heads keep theirs.
    scaled : factors on the weights of terms, by name: `{"vclr": 0.1}`.
    without : options of the VCLR term that are switched off (`VideoContrast`).
    schedule : changes of the schedule, for instance `steps=2400`.

    Raises
    ------
    ConfigError : unknown variant, form, profile or world.
    """
    if pretrained_on not in PRETRAINED_ON:
        raise unknown("world", pretrained_on, PRETRAINED_ON, "to pretrain on")
    if profile not in SIZES:
        raise ConfigError(
            f"Profile {profile!r} has no transfer study: choose one of {', '.join(SIZES)}."
        )
    run = configs.canonical(configs.resolve(variant, form, profile, seed))
    sizes = SIZES[profile]
    train, words = run.train, []
    if run.kind == "pretrain":
        train = settling(train, sizes)
        train, words = changed(train, width, scaled or {}, without, schedule)
    return TransferRun(
        run.variant,
        run.form,
        run.regime,
        profile,
        seed,
        train,
        run.data,
        sizes.worlds,
        sizes.heldout,
        sizes.readings,
        pretrained_on,
        run.kind,
        ", ".join(words),
    )


def settling(train: TrainSetup, sizes: TransferSizes) -> TrainSetup:
    """A training with the transfer study's schedule.

    The rate falls to nothing and the target comes to rest, so that the last encoder is read where
    it has settled, not wherever a constant rate had just thrown it.
    """
    own = replace(train.schedule, **sizes.schedule)
    return replace(train, schedule=replace(own, lr_end=own.lr / 200, momentum_end=1.0))


def changed(
    train: TrainSetup,
    width: int | None = None,
    scaled: Mapping[str, float] = MappingProxyType({}),
    without: tuple[str, ...] = (),
    schedule: Mapping[str, object] = MappingProxyType({}),
) -> tuple[TrainSetup, list[str]]:
    """A training with some of its settings changed (`transfer_run`), and what, in words."""
    words = []
    for name, value in schedule.items():
        if getattr(train.schedule, name, None) != value:
            words.append(f"{name} {value:g}" if isinstance(value, float | int) else name)
    train = replace(train, schedule=replace(train.schedule, **schedule))
    if "lr" in schedule and "lr_end" not in schedule:
        train = replace(train, schedule=replace(train.schedule, lr_end=train.schedule.lr / 200))
    if width is not None and width != train.encoder.width:
        words.append(f"width {width}")
        train = replace(
            train,
            encoder=replace(train.encoder, width=width),
            predictor=replace(train.predictor, width=width),
        )
    for name in {*scaled, *(("vclr",) if without else ())} - {t.name for t in train.terms}:
        raise ConfigError(f"No term {name!r} to change: have {', '.join(_names(train))}.")
    terms = []
    for term in train.terms:
        if (factor := scaled.get(term.name, 1.0)) != 1.0:
            words.append(f"{term.name} x{factor:g}")
            term = replace(term, weight=term.weight * factor)
        if without and term.name == "vclr":
            if bad := set(without) - set(VCLR_PARTS):
                raise unknown("part of VCLR", bad.pop(), VCLR_PARTS)
            words += [f"without {part}" for part in without]
            off = tuple((part, 0.0) for part in without)
            term = replace(term, options=(*term.options, *off))
        terms.append(term)
    return replace(train, terms=tuple(terms)), words


def _names(train: TrainSetup) -> list[str]:
    return [t.name for t in train.terms]


# --- clips --------------------------------------------------------------------------------------


def _clips(manifest: Path, frames: int, size: int, jobs: int | None) -> ClipSet:
    return load_clips(manifest, frames, size, data_root() / "decoded", workers=jobs, progress=False)


def clips_of(manifest: Path, spec: WorldSpec, jobs: int | None = 1) -> ClipSet:
    """The decoded clips of one rendered world."""
    return _clips(manifest, spec.frames, spec.size, jobs)


@lru_cache(maxsize=2)
def transfer_tasks(
    spec: WorldSpec, unseen: HeldoutSpec, jobs: int | None = None, progress: bool = True
) -> dict[str, Task]:
    """Every task, rendered and decoded once: those of the rendered worlds, and the digits'.

    A task of the held-out world is its own source and has no targets: it is asked with readers
    trained there.
    """
    found = worlds.tasks(spec, data_root(), jobs, progress)
    tasks = {}
    for name, manifests in found.items():
        clips = {p: _clips(m, spec.frames, spec.size, jobs) for p, m in manifests.items()}
        source = clips.pop(SOURCE)
        tasks[name] = Task(name, source, clips)
    for name, manifest in heldout.ensure(unseen, data_root(), jobs, progress).items():
        if name != heldout.PRETRAINING:
            tasks[name] = Task(name, _clips(manifest, unseen.frames, unseen.size, jobs))
    return tasks


def _mixture(run: TransferRun) -> ClipMixture:
    """Where a run draws its clips from."""
    if run.pretrained_on == "rendered":
        return training_clips(run, clip_sets(run.data, 1, False))
    manifest = heldout.ensure(run.heldout, data_root(), 1, False)[heldout.PRETRAINING]
    clips = _clips(manifest, run.heldout.frames, run.heldout.size, 1)
    return ClipMixture({heldout.PRETRAINING: clips}, {heldout.PRETRAINING: 1.0})


# --- training and reading -----------------------------------------------------------------------


@told_what_to_change(EMBEDDED)
def train_transfer(
    run: TransferRun,
    partial: Path | None,
    device: str = "cpu",
    progress: bool = False,
    mixture: Callable[[TransferRun], ClipMixture] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Pretrain one run and read it everywhere: (readings, curves), as the run store wants them.

    Parameters
    ----------
    mixture : where its clips are drawn from; None for the sets of `pretrained_on`.

    Returns
    -------
    readings : columns of `read_transfer`; `right` is text (`pack`), empty where there is none.
    curves : of `pretrain`, with `source_<task>` (see `source_accuracy`) at every quarter.
    """
    tasks = transfer_tasks(run.worlds, run.heldout, 1, False)
    if run.kind in ("supervised", "single_frame"):
        return packed(_supervised(run, tasks, device)), pd.DataFrame({"step": []})
    if run.kind == "random_init":
        encoder, curves = Trainer(run.train, device).evaluated, pd.DataFrame({"step": []})
    else:
        checkpoint = partial / "checkpoint.pt" if partial else None
        done = pretrain(
            run.train,
            (mixture or _mixture)(run),
            device,
            checkpoint,
            progress=progress,
            watch=lambda encoder: _sources(encoder, tasks),
            watch_every=max(run.train.schedule.steps // LOOKS, 1),
        )
        encoder, curves = done.encoder, done.curves
    read = [read_transfer(encoder, task, run.readings, run.seed) for task in tasks.values()]
    if partial:
        partial.mkdir(parents=True, exist_ok=True)
        save_file(encoder.state_dict(), partial / ENCODER_FILE)
    return packed(pd.concat(read, ignore_index=True)), curves


def _sources(encoder: Encoder, tasks: Mapping[str, Task]) -> dict[str, float]:
    """How well the sources that have targets are read, as columns `source_<task>`."""
    return {f"source_{t.name}": source_accuracy(encoder, t) for t in tasks.values() if t.targets}


def _supervised(run: TransferRun, tasks: Mapping[str, Task], device: str) -> pd.DataFrame:
    """Models trained with the labels of each source, read there and on every target."""
    rows = []
    for task in tasks.values():
        predict = supervised_model(
            run.train.encoder,
            task.source,
            run.train.schedule.steps,
            single_frame=run.kind == "single_frame",
            seed=run.seed,
            device=device,
        )
        n_train = int((task.source.manifest["split"] != "test").sum())
        for (shift, severity), clips in {SOURCE: task.source, **task.targets}.items():
            test = np.flatnonzero(clips.manifest["split"].to_numpy() == "test")
            right = predict(clips, test) == clips.labels.cpu().numpy()[test]
            rows.append(
                {
                    "task": task.name,
                    "shift": shift,
                    "severity": severity,
                    "fitted": "source",
                    "reading": run.kind,
                    "top1": 100 * float(right.mean()),
                    "spread": 0.0,
                    "n_test": len(test),
                    "n_train": n_train,
                    "strength": np.nan,
                    "at_edge": False,
                    "right": right,
                }
            )
    return pd.DataFrame(rows)


# --- correctness as text ------------------------------------------------------------------------


def pack(right: np.ndarray) -> str:
    """Bools [n] as text, eight to a byte; `unpack` needs n."""
    return base64.b64encode(np.packbits(np.asarray(right, bool))).decode()


def unpack(text: str, n: int) -> np.ndarray:
    """The bools [n] that `pack` wrote."""
    return np.unpackbits(np.frombuffer(base64.b64decode(text), np.uint8), count=n).astype(bool)


def packed(readings: pd.DataFrame) -> pd.DataFrame:
    """Readings with `right` as text."""
    return readings.assign(right=["" if r is None else pack(r) for r in readings.right])
