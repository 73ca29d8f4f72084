"""The profile `paper`: from manifests on disk to the table, on one machine or several.

`python -m vjepa_lib.paper {train,probe,status,table} --config paper.toml`. Training and every probe
of an encoder are runs of their own in one store, so each is done once, survives a kill, and can be
done on another machine. docs/paper_protocol.md has the commands.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from filelock import FileLock, Timeout
from safetensors.torch import load_file, save_file

from vjepa_lib import runs, study
from vjepa_lib.augment import Augmentation
from vjepa_lib.checkpoints import open_encoder
from vjepa_lib.clip_reader import ClipSpec
from vjepa_lib.distributed import ElsewhereError, World, start
from vjepa_lib.errors import CompanionError, ConfigError, DataError, RunStoreError
from vjepa_lib.features import limited_rows, read_features
from vjepa_lib.manifests import Manifest, read_manifest
from vjepa_lib.pretrain import Pretrained, Schedule, StreamedMixture, Trainer, TrainSetup, pretrain
from vjepa_lib.probes import ProbeConfig, attentive_probe, linear_probe
from vjepa_lib.runs import RunStore, config_hash
from vjepa_lib.settings import read_settings
from vjepa_lib.sources import StreamedClips
from vjepa_lib.vit import Encoder, EncoderConfig, PredictorConfig

PROFILE = study.get_profile("paper")
LOCK_PATIENCE = 60.0  # seconds; a killed process's lock is free at once, its workers' may take some

# --- settings ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pretraining:
    """Manifests of the sets that are pretrained on (rows of split `train`)."""

    ucf101: Path | None = None
    ssv2: Path | None = None
    imagenet100: Path | None = None


@dataclass(frozen=True)
class Benchmarks:
    """Manifests of the sets that frozen encoders are read on."""

    diving48: Path | None = None
    ssv2: Path | None = None
    imagenet100: Path | None = None
    ucf101: Path | None = None
    kinetics400: Path | None = None
    hacs: Path | None = None


@dataclass(frozen=True)
class Regime:
    """Shares of the pretraining sets, and how far apart a clip's frames are.

    Attributes
    ----------
    ucf101, ssv2, imagenet100 : probability of drawing a clip from each.
    fps, frame_step : frame rate in frames per second, or distance in frames; one of the two.
    """

    ucf101: float = 0.0
    ssv2: float = 0.0
    imagenet100: float = 0.0
    fps: float | None = None
    frame_step: int | None = None


@dataclass(frozen=True)
class Regimes:
    """The two regimes of arXiv 2605.17165."""

    ucf101: Regime = field(default_factory=lambda: Regime(ucf101=1.0, fps=16.0))
    mixed: Regime = field(default_factory=lambda: Regime(0.2, 0.6, 0.2, frame_step=2))


@dataclass(frozen=True)
class Terms:
    """Sizes inside the objective: hidden width of heads, directions of SIGReg."""

    head_hidden: int = PROFILE.head_hidden
    sigreg_directions: int = PROFILE.sigreg_directions


@dataclass(frozen=True)
class TrainPerClass:
    """Training clips of a class that a probe may use, drawn once; 0 for all of them."""

    diving48: int = 0
    ssv2: int = 0
    imagenet100: int = 0
    ucf101: int = 0
    kinetics400: int = 0
    hacs: int = 0


@dataclass(frozen=True)
class Settings:
    """All that a lab has to say; every default is the protocol's.

    Attributes
    ----------
    device : 'cuda' or 'cpu'.
    workers : loader processes of each training process.
    checkpoint_every : steps between checkpoints.
    runs : folder of the run store; None for `paper` below the usual one.
    features : folder where encoded clips are kept for other probes; None deletes them with the
        probe they were made for.
    variants, forms, seeds : what is to be trained; without variants, what the paper published.
    model, predictor, schedule, augmentation, terms : of training.
    probes : of reading; the last epoch counts, so nothing is chosen on what is reported.
    """

    device: str = "cuda"
    workers: int = 8
    checkpoint_every: int = 500
    runs: Path | None = None
    features: Path | None = None
    variants: tuple[str, ...] = ()
    forms: tuple[str, ...] = ("released",)
    seeds: tuple[int, ...] = (239,)
    pretraining: Pretraining = field(default_factory=Pretraining)
    benchmarks: Benchmarks = field(default_factory=Benchmarks)
    train_per_class: TrainPerClass = field(default_factory=TrainPerClass)
    regimes: Regimes = field(default_factory=Regimes)
    model: EncoderConfig = PROFILE.encoder
    predictor: PredictorConfig = PROFILE.predictor
    schedule: Schedule = PROFILE.schedule
    augmentation: Augmentation = PROFILE.augmentation
    terms: Terms = field(default_factory=Terms)
    probes: ProbeConfig = PROFILE.probes

    def __post_init__(self) -> None:
        if self.workers < 0 or self.checkpoint_every < 1:
            raise ConfigError("workers must be at least 0 and checkpoint_every at least 1.")

    @property
    def store(self) -> RunStore:
        return RunStore(self.runs or study.runs_root() / "paper")


def load_settings(path: str | Path) -> Settings:
    """Settings from a TOML file; see `settings.read_settings` for its errors."""
    return read_settings(path, Settings())


# --- the protocol -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Protocol:
    """How a frozen encoder is read on one benchmark: 16 evenly spread frames, centre crop.

    Attributes
    ----------
    probes : 'attentive' (over all tokens), 'attentive_mean' (the same head over the mean token),
        'linear' (on the mean token).
    split : what accuracy is reported on; the probe never sees it before.
    antialias : low-pass before shrinking, as the source does for images alone.
    extension : ours; the source has no such row.
    """

    probes: tuple[str, ...]
    split: str
    antialias: bool = False
    extension: bool = False


_BOTH = ("attentive", "linear")
PROTOCOLS: dict[str, Protocol] = {
    "diving48": Protocol(("attentive",), "test"),
    "ssv2": Protocol(("attentive_mean",), "val"),
    "imagenet100": Protocol(("linear",), "val", antialias=True),
    "ucf101": Protocol(_BOTH, "test", extension=True),
    "kinetics400": Protocol(_BOTH, "val", extension=True),
    "hacs": Protocol(_BOTH, "val", extension=True),
}
# The names that the published table gives to our probes.
_PUBLISHED_PROBES = {"attentive_mean": "attentive_on_mean_token"}


@lru_cache(maxsize=16)
def _manifest(path: Path) -> Manifest:
    return read_manifest(path)


def _rows_digest(manifest: Manifest) -> str:
    """16 digits that stand for the rows; the same wherever the files lie on disk."""
    text = manifest.table.to_csv(index=False, lineterminator="\n")
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# --- training ---------------------------------------------------------------------------------


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


def training_run(
    settings: Settings, variant: str, form: str = "released", seed: int = 239, regime: str | None = None
) -> TrainingRun:
    """The run of a variant; one that trains the same encoder as another is that other run.

    Raises
    ------
    ConfigError : unknown variant, form or regime, or a set of the regime without a manifest.
    DataError : a manifest cannot be read.
    """
    like = study.canonical(study.resolve(variant, form, "mini", seed, regime))
    if like.kind not in ("pretrain", "random_init"):
        raise ConfigError(f"{variant} is a reference of the embedded data: choose a variant.")
    if not hasattr(settings.regimes, like.regime):
        raise ConfigError(f"The protocol has no regime {like.regime!r}: choose ucf101 or mixed.")
    # The terms and masks are those of every profile; only sizes differ.
    sizes = {"hidden": settings.terms.head_hidden, "directions": settings.terms.sigreg_directions}
    terms = tuple(
        replace(t, options=tuple((k, sizes.get(k, v)) for k, v in t.options)) for t in like.train.terms
    )
    untrained = like.kind == "random_init"
    setup = replace(
        like.train,
        encoder=settings.model,
        predictor=settings.predictor,
        terms=terms,
        schedule=replace(settings.schedule, steps=0) if untrained else settings.schedule,
        augmentation=settings.augmentation,
    )
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
                f"The regime {like.regime} draws from {name}: give its manifest under [pretraining]."
            )
        train = _manifest(path).split("train")
        data.append(SetUsed(name, weight, len(train), _rows_digest(train)))
    return TrainingRun(like.variant, like.form, like.regime, seed, setup, clip, tuple(data))


def _weights(mix: Regime) -> dict[str, float]:
    weights = {n: getattr(mix, n) for n in ("ucf101", "ssv2", "imagenet100")}
    return {n: w for n, w in weights.items() if w > 0}


@contextmanager
def _alone(store: RunStore, run: TrainingRun, world: World) -> Iterator[bool]:
    """Hold a run's lock on the first process only; yields whether the run is still to be done."""
    lock = FileLock(store.root / ".locks" / config_hash(run))

    def take() -> bool:
        store.check_writable()
        (store.root / ".locks").mkdir(exist_ok=True)
        try:
            lock.acquire(timeout=LOCK_PATIENCE)
        except Timeout:
            raise RunStoreError(
                f"Run {config_hash(run)} is being trained by another process: wait for it, or stop "
                "it and give this command again."
            ) from None
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
        Folder of the finished run: configuration, curves, provenance, `encoder.safetensors`.

    Raises
    ------
    RunStoreError : another process trains this run, or the store cannot be written.
    CompanionError : as `pretrain`.
    """
    store = settings.store
    world, _ = start(settings.device)
    if not world.same(config_hash(run)):
        raise ConfigError(
            "The processes do not agree on the run: the machines need the same settings and manifests."
        )
    with _alone(store, run, world) as missing:
        if missing:
            before = time.perf_counter()
            done = _pretrained(settings, run, store.partial(run), progress)

            def keep() -> None:
                metrics, curves = _kept(done, store.partial(run), world.size)
                store.save(run, metrics, curves, time.perf_counter() - before)

            world.once(keep)
    return store.path(run)


def _pretrained(settings: Settings, run: TrainingRun, folder: Path, progress: bool) -> Pretrained:
    """The networks of a run, trained; the random encoder as it is."""
    if not run.data:
        return Pretrained(Trainer(run.train, start(settings.device)[1]), pd.DataFrame({"step": []}))
    manifests = {s.name: _manifest(getattr(settings.pretraining, s.name)) for s in run.data}
    weights = {s.name: s.weight for s in run.data}
    source = StreamedMixture(manifests, weights, run.clip, settings.workers)
    file = folder / "checkpoint.pt"
    return pretrain(run.train, source, settings.device, file, settings.checkpoint_every, progress)


def _kept(done: Pretrained, folder: Path, processes: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Leave the encoder where the store takes it from; (metrics, curves)."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {k: v.contiguous() for k, v in done.encoder.state_dict().items()}
    save_file(state, folder / study.ENCODER_FILE)
    last = done.curves.iloc[[-1]] if len(done.curves) else pd.DataFrame({"step": [-1]})
    return last.assign(processes=processes), done.curves


def _train_one(
    settings: Settings, run: TrainingRun, folder: Path, device: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`train` for `runs.ensure`, which locks and stores itself."""
    return _kept(_pretrained(replace(settings, device=device), run, folder, False), folder, 1)


def load_encoder(settings: Settings, run: TrainingRun) -> Encoder:
    """The frozen, evaluated encoder of a finished run.

    Raises
    ------
    RunStoreError : the run is not finished, or its encoder was deleted.
    """
    path = settings.store.load(run).path / study.ENCODER_FILE
    if not path.exists():
        raise RunStoreError(f"{path} is gone: delete its folder and train the run again.")
    encoder = Encoder(run.train.encoder)
    encoder.load_state_dict(load_file(path))
    return encoder.requires_grad_(False).eval()


# --- probing ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class ProbeRun:
    """Everything a reading is made from.

    Attributes
    ----------
    variant, form, regime, seed : of the encoder; 'official' and the file's name for others.
    encoder : hash of its training run, or digest of its weights.
    rows, clips : digest of the benchmark's rows used, and their number.
    """

    variant: str
    form: str
    regime: str
    seed: int
    encoder: str
    benchmark: str
    protocol: Protocol
    clip: ClipSpec
    rows: str
    clips: int
    train_per_class: int
    settings: ProbeConfig
    profile: str = "paper"
    kind: str = "probe"


def _benchmark(settings: Settings, name: str) -> tuple[Manifest, int]:
    """The labelled rows a benchmark uses, and the limit of training clips a class."""
    if name not in PROTOCOLS:
        raise ConfigError(f"Unknown benchmark {name!r}: choose one of {', '.join(PROTOCOLS)}.")
    path = getattr(settings.benchmarks, name)
    if path is None:
        raise ConfigError(f"Give the manifest of {name} under [benchmarks].")
    manifest, protocol = _manifest(path), PROTOCOLS[name]
    limit = getattr(settings.train_per_class, name)
    splits = manifest.table["split"].to_numpy()
    rows = {s: np.flatnonzero((splits == s) & (manifest.labels >= 0)) for s in ("train", protocol.split)}
    for split, found in rows.items():
        if not len(found):
            raise DataError(f"{manifest.source} has no labelled rows of split {split}: rebuild it.")
    if limit:
        rows["train"] = limited_rows(manifest.labels, rows["train"], limit)
    return manifest.select(np.sort(np.concatenate(list(rows.values())))), limit


def given_benchmarks(settings: Settings) -> list[str]:
    """Benchmarks with a manifest."""
    return [n for n in PROTOCOLS if getattr(settings.benchmarks, n) is not None]


def probe_run(settings: Settings, names: dict, encoder: str, cfg: EncoderConfig, benchmark: str) -> ProbeRun:
    """The reading of an encoder on a benchmark.

    Parameters
    ----------
    names : variant, form, regime and seed, for reading.
    encoder : what identifies the encoder.
    cfg : its geometry, which decides frames and size of the clips.

    Raises
    ------
    ConfigError, DataError : unknown benchmark, or its manifest is missing or wrong.
    """
    manifest, limit = _benchmark(settings, benchmark)
    protocol = PROTOCOLS[benchmark]
    clip = ClipSpec(cfg.frames, (cfg.height, cfg.width_px), antialias=protocol.antialias)
    return ProbeRun(
        **names,
        encoder=encoder,
        benchmark=benchmark,
        protocol=protocol,
        clip=clip,
        rows=_rows_digest(manifest),
        clips=len(manifest),
        train_per_class=limit,
        settings=settings.probes,
    )


def _read(
    run: ProbeRun, folder: Path, device: str, settings: Settings, encoder: Callable[[], Encoder]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Encode the clips, train the probes: (metrics, no curves)."""
    manifest, _ = _benchmark(settings, run.benchmark)
    clips = StreamedClips(manifest, run.clip, settings.workers, skip_broken=True)
    kept = folder
    if settings.features:
        key = config_hash([run.encoder, run.rows, run.clip])
        kept = settings.features / f"{run.benchmark}-{key}"
    tokens_wanted = "attentive" in run.protocol.probes
    found = read_features(encoder().to(device), clips, kept, tokens_wanted)
    usable = np.ones(len(manifest), bool)
    usable[list(found.skipped)] = False
    splits, labels = manifest.table["split"].to_numpy(), manifest.labels.copy()
    train = np.flatnonzero((splits == "train") & usable)
    test = np.flatnonzero((splits == run.protocol.split) & usable)
    rows = {"train": train, "val": test, "test": test}  # nothing is chosen: `val` is not read
    cfg = replace(run.settings, choose_epoch=False)
    out, right = [], {"row": torch.from_numpy(test)}
    for probe in run.protocol.probes:
        if probe == "linear":
            x = found.mean.float().numpy()
            correct = linear_probe(x, labels, rows, cfg, seed=0)
        else:
            x = found.tokens if probe == "attentive" else found.mean
            correct = attentive_probe(x, labels, rows, cfg, seed=0, device=device)
        right[probe] = torch.from_numpy(np.ascontiguousarray(correct))
        out.append(
            {
                "benchmark": run.benchmark,
                "probe": probe,
                "top1": 100 * float(np.mean(correct)),
                "correct": int(np.sum(correct)),
                "n_test": len(test),
                "n_train": len(train),
                "broken": len(found.skipped),
                "epochs": cfg.linear_epochs if probe == "linear" else cfg.epochs,
                "extension": run.protocol.extension,
            }
        )
    folder.mkdir(parents=True, exist_ok=True)
    save_file(right, folder / "right.safetensors")  # per clip, for paired tests
    return pd.DataFrame(out), pd.DataFrame({"step": []})


def probe(
    settings: Settings, run: TrainingRun, benchmarks: Sequence[str] | None = None, progress: bool = True
) -> pd.DataFrame:
    """Read the encoder of a finished run on benchmarks, each unless it is done.

    Parameters
    ----------
    benchmarks : names; None for all that have a manifest.

    Returns
    -------
    DataFrame, a row per benchmark and probe; see `runs.RunStore.frame`.

    Raises
    ------
    RunStoreError : the run is not finished, the store cannot be written, or a reading failed.
    """
    settings.store.load(run)
    names = {k: getattr(run, k) for k in ("variant", "form", "regime", "seed")}
    open_it = partial(load_encoder, settings, run)
    return _readings(settings, names, config_hash(run), run.train.encoder, open_it, benchmarks, progress)


def evaluate_official(
    path: str | Path,
    benchmarks: Sequence[str] | None = None,
    settings: Settings | str | Path = "paper.toml",
    progress: bool = True,
) -> pd.DataFrame:
    """Read released weights with the paper's probes, as our own encoders are read.

    Parameters
    ----------
    path : checkpoint of the `vjepa2` repository, or a Hugging Face file or folder.
    benchmarks : names; None for all that have a manifest.
    settings : Settings, or the TOML file of them.

    Returns
    -------
    DataFrame, a row per benchmark and probe: `top1` in percent, `correct`, `n_test`, `n_train`.

    Raises
    ------
    DataError, ConfigError : weights, settings or manifests that cannot be used.
    RunStoreError : the store cannot be written, or a reading failed; finished ones are kept.
    """
    if not isinstance(settings, Settings):
        settings = load_settings(settings)
    encoder, _ = open_encoder(path, settings.model.height, settings.model.frames)
    names = {"variant": "official", "form": Path(path).name, "regime": "official", "seed": 0}
    digest = hashlib.sha256(repr(encoder.cfg).encode())
    for name, value in sorted(encoder.state_dict().items()):
        digest.update(name.encode() + value.contiguous().numpy().tobytes())
    key = digest.hexdigest()[:16]
    return _readings(settings, names, key, encoder.cfg, lambda: encoder, benchmarks, progress)


def _readings(
    settings: Settings,
    names: dict,
    key: str,
    cfg: EncoderConfig,
    encoder: Callable[[], Encoder],
    benchmarks: Sequence[str] | None,
    progress: bool,
) -> pd.DataFrame:
    chosen = list(benchmarks) if benchmarks else given_benchmarks(settings)
    if not chosen:
        raise ConfigError("No benchmark has a manifest: give one under [benchmarks].")
    todo = [probe_run(settings, names, key, cfg, name) for name in chosen]
    read = partial(_read, settings=settings, encoder=encoder)
    runs.ensure(settings.store, todo, read, device=settings.device, progress=progress)
    return settings.store.frame(todo)


# --- the plan, its state and its table --------------------------------------------------------


@dataclass(frozen=True)
class Planned:
    """A row that is wanted: names as in the paper's table."""

    variant: str
    form: str
    regime: str
    seed: int


@lru_cache(maxsize=1)
def published_rows() -> pd.DataFrame:
    """Published accuracies under our names, with the epochs of their probes."""
    from vjepa_lib.published import load_results

    table = load_results().table.copy()
    name = table["variant"].str.replace(r"_seed\d+$", "", regex=True)
    ucf = (table["regime"] == "ucf101") & ("ucf_" + name).isin(list(study.VARIANTS))
    table["variant"] = name.where(~ucf, "ucf_" + name)
    probes = {theirs: ours for ours, theirs in _PUBLISHED_PROBES.items()}
    table["probe"] = table["probe"].replace(probes)
    new = {"pretrain_seed": "seed", "top1_percent": "published", "probe_epochs": "published_epochs"}
    table = table.rename(columns=new)
    columns = ["variant", "regime", "seed", "benchmark", "probe", "published", "published_epochs"]
    return table[columns].reset_index(drop=True)


def plan(settings: Settings) -> list[Planned]:
    """What is to be trained: the variants of the settings, or every published row."""
    if not settings.variants:
        rows = published_rows()[["variant", "regime", "seed"]].drop_duplicates()
        wanted = [(r.variant, r.regime, int(r.seed)) for r in rows.itertuples()]
    else:
        wanted = [(v, None, s) for v in settings.variants for s in settings.seeds]
    rows = [
        Planned(variant, form, regime or study.get_variant(variant).regime, seed)
        for variant, regime, seed in wanted
        for form in settings.forms
        if form == "released" or study.differs(variant)
    ]
    return list(dict.fromkeys(rows))


def _planned_run(settings: Settings, row: Planned) -> TrainingRun:
    return training_run(settings, row.variant, row.form, row.seed, row.regime)


def planned_runs(settings: Settings) -> list[TrainingRun]:
    """The runs behind the plan, each once."""
    return list(dict.fromkeys(_planned_run(settings, row) for row in plan(settings)))


def _state(store: RunStore, run: TrainingRun | ProbeRun) -> str:
    """'finished', 'running', 'stopped ...' or 'missing'."""
    if store.has(run):
        return "finished"
    lock = store.root / ".locks" / config_hash(run)
    if lock.exists():
        try:
            with FileLock(lock, timeout=0):
                pass
        except Timeout:
            return "running"
    file = store.partial(run) / "checkpoint.pt"
    if file.exists():
        try:
            step = torch.load(file, map_location="cpu", weights_only=True, mmap=True)["trainer"]["step"]
        except Exception:  # damaged in one of many ways; `train` says how to go on
            return "stopped, checkpoint damaged"
        return f"stopped at step {step} of {run.train.schedule.steps}"
    return "started" if store.partial(run).exists() else "missing"


def status(settings: Settings) -> pd.DataFrame:
    """State of everything planned: a row per planned row, a column per benchmark.

    Returns
    -------
    DataFrame : variant, form, regime, seed, run, `training` and the benchmarks: 'finished',
        'running', 'stopped at step ..', 'missing', or what it waits for.
    """
    out = []
    for row in plan(settings):
        line: dict[str, object] = {k: getattr(row, k) for k in ("variant", "form", "regime", "seed")}
        try:
            run = _planned_run(settings, row)
        except CompanionError as error:
            out.append(line | {"training": str(error)})
            continue
        line |= {"run": config_hash(run), "training": _state(settings.store, run)}
        names = {k: getattr(run, k) for k in ("variant", "form", "regime", "seed")}
        for name in given_benchmarks(settings):
            reading = probe_run(settings, names, config_hash(run), run.train.encoder, name)
            line[name] = _state(settings.store, reading)
        out.append(line)
    return pd.DataFrame(out)


def table(settings: Settings) -> pd.DataFrame:
    """Every finished reading beside the published number; needs the run store and no data.

    Returns
    -------
    DataFrame : regime, variant, form, seed, benchmark, probe, `top1` in percent with its 95 %
        interval `low`, `high` (Wilson), `published`, `difference` in points, n_test, n_train,
        broken, `epochs` of the probe here and `published_epochs` there, which differ for three
        variants, extension, trained_as, run.

    Raises
    ------
    RunStoreError : no reading is finished.
    """
    from vjepa_lib.statistics import proportion_interval

    store, parts = settings.store, []
    for file in sorted(store.root.glob("*/config.json")):
        run = store.read(file.parent.name)
        if run.config.get("kind") == "probe":
            names = {k: run.config[k] for k in ("variant", "form", "regime", "seed", "encoder")}
            parts.append(run.metrics.assign(**names, run=run.hash))
    if not parts:
        raise RunStoreError(f"{store.root} has no finished reading: run 'train' and 'probe' first.")
    stored = pd.concat(parts, ignore_index=True)
    keys = ["variant", "form", "regime", "seed"]
    stored["trained_as"] = stored["variant"] + " (" + stored["form"] + ")"
    # One run can stand for several rows of the paper's table; what is not planned comes as it is.
    named, unplanned = [], np.ones(len(stored), bool)
    for row in plan(settings):
        like = study.canonical(study.resolve(row.variant, row.form, "mini", row.seed, row.regime))
        here = (stored[keys] == [getattr(like, k) for k in keys]).all(axis=1).to_numpy()
        named.append(stored[here].assign(**{k: getattr(row, k) for k in keys}))
        unplanned &= ~here
    out = pd.concat([*named, stored[unplanned]], ignore_index=True)
    published = published_rows().drop_duplicates(["variant", "regime", "seed", "benchmark", "probe"])
    out = out.merge(published.assign(form="released"), how="left")
    out["difference"] = out["top1"] - out["published"]
    bounds = [proportion_interval(c, n) for c, n in zip(out["correct"], out["n_test"], strict=True)]
    out["low"], out["high"] = ([100 * b[i] for b in bounds] for i in (0, 1))
    columns = (
        ["regime", "variant", "form", "seed", "benchmark", "probe", "top1", "low", "high"]
        + ["published", "difference", "n_test", "n_train", "broken", "epochs", "published_epochs"]
        + ["extension", "trained_as", "run"]
    )
    order = ["regime", "variant", "form", "seed", "benchmark", "probe"]
    return out[columns].sort_values(order, ignore_index=True)


def write_table(settings: Settings, folder: str | Path) -> list[Path]:
    """The table as `paper_table.csv` and `paper_table.md`.

    Raises
    ------
    RunStoreError : no reading is finished, or the folder cannot be written.
    """
    done, folder = table(settings), Path(folder)
    short = done.drop(columns=["run", "epochs", "broken"]).astype(object)
    short = short.where(short.notna(), None)
    texts = {
        "paper_table.csv": done.to_csv(index=False),
        "paper_table.md": short.to_markdown(index=False, floatfmt=".2f", missingval="") + "\n",
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunStoreError(
            f"The table cannot be written to {folder} ({error.strerror or error}): name another "
            "folder with --out."
        ) from None
    return [folder / name for name in texts]


# --- command line -----------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vjepa_lib.paper", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    helps = {
        "train": "pretrain one variant, or without --variant all that is planned",
        "probe": "read encoders on the benchmarks: one variant's, a file's, or all that are trained",
        "status": "what is finished, running, stopped, missing",
        "table": "finished readings beside the published numbers, as CSV and Markdown",
    }
    for name, text in helps.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("--config", type=Path, default=os.environ.get("VJEPA_PAPER", "paper.toml"))
        if name in ("train", "probe"):
            command.add_argument("--variant")
            command.add_argument("--form", default="released", help="released or described")
            command.add_argument("--seed", type=int, default=239)
            command.add_argument("--regime", help="ucf101 or mixed; default: the variant's own")
        if name == "train":
            command.add_argument("--cluster", choices=["ray"], help="one run a task on a Ray cluster")
            command.add_argument("--gpus", type=float, default=1.0, help="GPUs of a run on the cluster")
        if name == "probe":
            command.add_argument("--encoder", type=Path, help="released weights: a file or a folder")
            command.add_argument("--benchmarks", help="comma-separated; default: all with a manifest")
        if name == "table":
            command.add_argument("--out", type=Path, default=Path("figures"))
    return parser


def _wanted(settings: Settings, args: argparse.Namespace) -> list[TrainingRun]:
    if args.variant:
        return [training_run(settings, args.variant, args.form, args.seed, args.regime)]
    return planned_runs(settings)


def _train_command(settings: Settings, args: argparse.Namespace) -> None:
    wanted = _wanted(settings, args)
    if args.cluster:
        gpus = args.gpus if settings.device == "cuda" else 0.0
        job = partial(_train_one, settings)
        runs.ensure(settings.store, wanted, job, device=settings.device, cluster=args.cluster, gpus=gpus)
    for run in wanted:
        path = train(settings, run)
        if start(settings.device)[0].rank == 0:
            print(f"{run.variant} ({run.form}), {run.regime}, seed {run.seed}: {path}", flush=True)


def _probe_command(settings: Settings, args: argparse.Namespace) -> None:
    chosen = args.benchmarks.split(",") if args.benchmarks else None
    if args.encoder:
        print(evaluate_official(args.encoder, chosen, settings).to_string(index=False))
        return
    wanted = _wanted(settings, args)
    if not args.variant:
        wanted = [run for run in wanted if settings.store.has(run)]
        if not wanted:
            raise RunStoreError("Nothing planned is trained yet: run 'train' first.")
    for run in wanted:
        print(probe(settings, run, chosen).to_string(index=False), flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    args = _parser().parse_args(argv)
    try:
        settings = load_settings(args.config)
        if args.command == "train":
            _train_command(settings, args)
        elif args.command == "probe":
            _probe_command(settings, args)
        elif args.command == "status":
            print(status(settings).to_string(index=False))
        else:
            print(*write_table(settings, args.out), sep="\n")
    except ElsewhereError:
        return 2
    except CompanionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped: the same command goes on from the last checkpoint.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    # A cluster's workers cannot look things up in __main__: run the module under its own name.
    from vjepa_lib.paper import main as run_as_module

    sys.exit(run_as_module())
