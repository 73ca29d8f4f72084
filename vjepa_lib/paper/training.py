"""Pretraining at the paper's size: one run a variant and seed, alone or under `torchrun`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from vjepa_lib import study
from vjepa_lib.errors import ConfigError, RunStoreError
from vjepa_lib.model.checkpoint_files import PREDICTOR_FILE
from vjepa_lib.model.vit import Encoder
from vjepa_lib.paper.config import Regime, Settings
from vjepa_lib.paper.rows import training_rows
from vjepa_lib.paper.started import begin, beginning, write_beginning
from vjepa_lib.study.domains import check_clip
from vjepa_lib.study.fingerprint import training_code
from vjepa_lib.study.run_folders import keeps_predictor
from vjepa_lib.study.store import RunStore, config_hash
from vjepa_lib.training.devices import trains_on
from vjepa_lib.training.distributed import World, check_device, start
from vjepa_lib.training.memory import TRAINING, told_what_to_change
from vjepa_lib.training.pretrain import Pretrained, StreamedMixture, Trainer, TrainSetup, pretrain
from vjepa_lib.training.resume import save_weights
from vjepa_lib.video.clip_reader import ClipSpec

LOCK_PATIENCE = 60.0  # seconds; a killed process's lock is free at once, its workers' may take some


@dataclass(frozen=True)
class SetUsed:
    """A pretraining set as a run used it: its share, its clips, and a digest of its rows."""

    name: str
    weight: float
    clips: int
    rows: str


@dataclass(frozen=True)
class TrainingRun:
    """Everything a pretrained encoder is made from; its hash is its address in the store."""

    variant: str
    form: str
    regime: str
    seed: int
    train: TrainSetup
    clip: ClipSpec
    data: tuple[SetUsed, ...]
    profile: str = "paper"
    kind: str = "pretraining"

    def __post_init__(self) -> None:
        check_clip(self.clip)

    def code(self) -> dict[str, list]:
        """Functions and classes its weights depend on, by part (`fingerprint.code_of`)."""
        return {"data": [StreamedMixture], **training_code(t.name for t in self.train.terms)}


@dataclass(frozen=True)
class StartedRun(TrainingRun):
    """A run that begins at given weights.

    Attributes
    ----------
    init : SHA-256 of the checkpoint's weight files.
    init_predictor : whether the predictor begins there too; else it begins at random.
    """

    init: str = ""
    init_predictor: bool = False

    def code(self) -> dict[str, list]:
        return super().code() | {"beginning": [begin]}


def training_run(
    settings: Settings,
    variant: str,
    form: str = "released",
    seed: int = 239,
    regime: str | None = None,
) -> TrainingRun:
    """The run of a variant; one that trains the same encoder as another is that other run.

    Raises
    ------
    ConfigError : unknown variant, form or regime, or a set of the regime without a manifest.
    DataError : a manifest cannot be read.
    """
    like = study.recipe(variant, form, regime).canonical
    if like.kind not in ("pretrain", "random_init"):
        raise ConfigError(f"{variant} is a reference of the embedded data: choose a variant.")
    if not hasattr(settings.regimes, like.regime):
        raise ConfigError(f"The protocol has no regime {like.regime!r}: choose ucf101 or mixed.")
    untrained = like.kind == "random_init"
    start_at = beginning(settings)
    if start_at:
        settings = replace(settings, model=start_at.encoder)
    setup = like.setup(settings.profile, seed)
    mix = getattr(settings.regimes, like.regime)
    clip = ClipSpec(
        settings.model.frames,
        (settings.model.height, settings.model.width_px),
        sampling="window",
        stride=mix.frame_step,
        fps=mix.fps,
        antialias=False,
    )
    data = []
    for name, weight in () if untrained else _weights(mix).items():
        path = getattr(settings.pretraining, name)
        if path is None:
            raise ConfigError(
                f"The regime {like.regime} draws from {name}: give its manifest under "
                "[pretraining]."
            )
        train, digest = training_rows(path)
        data.append(SetUsed(name, weight, len(train), digest))
    run = (like.variant, like.form, like.regime, seed, setup, clip, tuple(data))
    if start_at:
        return StartedRun(*run, init=start_at.digest, init_predictor=start_at.predictor)
    return TrainingRun(*run)


def _weights(mix: Regime) -> dict[str, float]:
    weights = {n: getattr(mix, n) for n in ("ucf101", "ssv2", "imagenet100")}
    return {n: w for n, w in weights.items() if w > 0}


@contextmanager
def alone(store: RunStore, run: Any, world: World) -> Iterator[bool]:
    """Hold a run's lock on the first process only; yields whether the run is still to be done."""
    lock = FileLock(store.root / ".locks" / config_hash(run))

    def take() -> bool:
        store.check_writable()
        store.tidy()
        (store.root / ".locks").mkdir(exist_ok=True)
        try:
            lock.acquire(timeout=LOCK_PATIENCE)
        except Timeout:
            raise RunStoreError(
                f"Run {config_hash(run)} is being trained by another process: wait for it, or stop "
                "it and give this command again."
            ) from None
        store.say_what_is_made_anew([run])
        return not store.has(run)

    try:
        yield world.once(take)
    finally:
        lock.release()


def train(settings: Settings, run: TrainingRun, progress: bool = True) -> Path:
    """Train a run unless it is finished, going on from its checkpoint if it was stopped.

    Alone, or together with the processes that `torchrun` started: all of them train, the first
    one locks, stores and logs.

    Returns
    -------
    Path
        Folder of the finished run: configuration, curves, provenance, `encoder.safetensors`, and
        `predictor.safetensors` where the settings keep it.

    Raises
    ------
    RunStoreError : another process trains this run, or the store cannot be written.
    CompanionError : as `pretrain`.
    """
    store = settings.store
    if not store.has(run):  # a machine without a GPU may still look a finished run up
        check_device(settings.device)
    world, _ = start(settings.device)
    if not world.same(config_hash(run)):
        raise ConfigError(
            "The processes do not agree on the run: the machines need the same settings and "
            "manifests."
        )
    with alone(store, run, world) as missing:
        if missing:
            before = time.perf_counter()
            done = _pretrained(settings, run, store.partial(run), progress)

            def keep() -> None:
                metrics, curves = _kept(settings, done, store.partial(run), world.size)
                store.save(run, metrics, curves, time.perf_counter() - before)

            world.once(keep)
    path = store.path(run)
    if settings.keep_predictor and not keeps_predictor(path) and world.rank == 0:
        print(
            f"{path} was trained without keep_predictor and has no predictor: delete this folder "
            "to train it again with one.",
            file=sys.stderr,
            flush=True,
        )
    return path


def _pretrained(settings: Settings, run: TrainingRun, folder: Path, progress: bool) -> Pretrained:
    """The networks of a run, trained; the random encoder as it is."""
    check_device(settings.device)
    world, device = start(settings.device)
    given = _given(settings, run, world)
    if not run.data:
        trainer = Trainer(run.train, device)
        if given:
            begin(trainer, *given)
        return Pretrained(trainer, pd.DataFrame({"step": []}))
    manifests = {s.name: training_rows(getattr(settings.pretraining, s.name))[0] for s in run.data}
    weights = {s.name: s.weight for s in run.data}
    source = StreamedMixture(manifests, weights, run.clip, settings.workers)
    file = folder / "checkpoint.pt"
    if given:
        world.once(lambda: write_beginning(run.train, *given, file))
    _agree_on(file, world)
    every = settings.checkpoint_every
    with told_what_to_change(TRAINING), trains_on(device):
        return pretrain(run.train, source, settings.device, file, every, progress)


def _given(settings: Settings, run: TrainingRun, world: World) -> tuple[Path, bool] | None:
    """The checkpoint that a run begins at, and whether its predictor does; None for random weights.

    Raises
    ------
    ConfigError : the settings name another one than the run was made with.
    """
    at = beginning(settings)
    if (at.digest if at else "") != getattr(run, "init", ""):
        raise ConfigError(
            "`init` names other weights than this run begins at: give the settings it was made "
            "with."
        )
    if at is None:
        return None
    if not at.predictor and world.rank == 0:
        print(f"The predictor begins at random weights. {at.why_not}", file=sys.stderr, flush=True)
    return settings.init, at.predictor


def _agree_on(file: Path, world: World, patience: int = 30) -> None:
    """Wait until all processes see the same checkpoint, or the same lack of one.

    A network disk may show a file that one machine has just written a little later to the others;
    a process that started from the beginning meanwhile would spoil the run.
    """
    for _ in range(patience):
        seen = f"{file.stat().st_size} {file.stat().st_mtime_ns}" if file.exists() else "none"
        if world.same(seen):
            return
        time.sleep(2)
    raise RunStoreError(
        f"The processes do not see the same {file}: `runs` must be a folder that all machines "
        "share."
    )


def _kept(
    settings: Settings, done: Pretrained, folder: Path, processes: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Leave encoder and predictor where the store takes them from; (metrics, curves)."""
    save_weights(folder / study.ENCODER_FILE, done.encoder.state_dict())
    if settings.keep_predictor:
        save_weights(folder / PREDICTOR_FILE, done.predictor.state_dict())
    last = done.curves.iloc[[-1]] if len(done.curves) else pd.DataFrame({"step": [-1]})
    return last.assign(processes=processes), done.curves


def train_one(
    settings: Settings, run: TrainingRun, folder: Path, device: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`train` for `store.ensure`, which locks and stores itself."""
    settings = replace(settings, device=device)
    return _kept(settings, _pretrained(settings, run, folder, False), folder, 1)


def load_encoder(settings: Settings, run: TrainingRun) -> Encoder:
    """The frozen, evaluated encoder of a finished run.

    Raises
    ------
    RunStoreError : the run is not finished, or its encoder is damaged.
    """
    state = settings.store.weights(run, study.ENCODER_FILE)
    encoder = Encoder(run.train.encoder)
    encoder.load_state_dict(state)
    return encoder.requires_grad_(False).eval()
