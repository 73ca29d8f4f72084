"""Frozen encoders read on the benchmarks: one run an encoder and benchmark."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from filelock import FileLock

from vjepa_lib import study
from vjepa_lib.errors import ConfigError, unknown
from vjepa_lib.evaluation.features import read_features
from vjepa_lib.evaluation.probes import attentive_probe, linear_probe
from vjepa_lib.model.vit import V_JEPA_2, Encoder, EncoderConfig
from vjepa_lib.paper.config import PROTOCOLS, Heads, Protocol, Settings, load_settings
from vjepa_lib.paper.rows import last_change, rows_of
from vjepa_lib.paper.training import TrainingRun, load_encoder
from vjepa_lib.study.domains import check_clip
from vjepa_lib.study.ensure import ensure
from vjepa_lib.study.fingerprint import code_of, parts, training_code
from vjepa_lib.study.run_folders import (
    ENCODER_FILE,
    is_run_folder,
    open_any,
    read_run_config,
)
from vjepa_lib.study.store import config_hash
from vjepa_lib.training.distributed import check_device
from vjepa_lib.training.memory import READING, told_what_to_change
from vjepa_lib.training.resume import save_weights
from vjepa_lib.training.sources import StreamedClips
from vjepa_lib.video.clip_reader import ClipSpec
from vjepa_lib.video.manifests import Manifest


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
    heads: Heads
    profile: str = "paper"
    kind: str = "probe"

    def __post_init__(self) -> None:
        check_clip(self.clip)

    def code(self) -> dict[str, list]:
        """Functions and classes it depends on, those of its encoder among them, by part."""
        own = {
            "data": [StreamedClips],
            "readings": [read_features, linear_probe, attentive_probe],
        }
        if self.variant == "official":
            return own | {"model": [Encoder]}
        if self.variant in study.REFERENCES:  # initial weights, which no objective has touched
            return training_code([]) | own
        terms = [name for name, _, _ in study.get_variant(self.variant).terms]
        return training_code(["jepa", "context", *terms]) | own


def benchmark_rows(settings: Settings, name: str) -> tuple[Manifest, str, int]:
    """The labelled rows a benchmark uses, their digest, and its limit of training clips a class."""
    if name not in PROTOCOLS:
        raise unknown("benchmark", name, PROTOCOLS)
    path = getattr(settings.benchmarks, name)
    if path is None:
        raise ConfigError(f"Give the manifest of {name} under [benchmarks].")
    limit = getattr(settings.train_per_class, name)
    return *rows_of(path, last_change(path), PROTOCOLS[name].split, limit), limit


def given_benchmarks(settings: Settings) -> list[str]:
    """Benchmarks with a manifest."""
    return [n for n in PROTOCOLS if getattr(settings.benchmarks, n) is not None]


def probe_run(
    settings: Settings, names: dict, encoder: str, cfg: EncoderConfig, benchmark: str
) -> ProbeRun:
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
    manifest, digest, limit = benchmark_rows(settings, benchmark)
    protocol = PROTOCOLS[benchmark]
    clip = ClipSpec(cfg.frames, (cfg.height, cfg.width_px), antialias=protocol.antialias)
    return ProbeRun(
        **names,
        encoder=encoder,
        benchmark=benchmark,
        protocol=protocol,
        clip=clip,
        rows=digest,
        clips=len(manifest),
        train_per_class=limit,
        heads=settings.probes,
    )


def _read(
    run: ProbeRun, folder: Path, device: str, settings: Settings, encoder: Callable[[], Encoder]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Encode the clips, train the probes: (metrics, no curves)."""
    check_device(device, reading=True)
    manifest, _, _ = benchmark_rows(settings, run.benchmark)
    clips = StreamedClips(manifest, run.clip, settings.workers, skip_broken=True)
    kept = folder
    if settings.features:
        # Not those of the same configuration trained with other code; other heads share them.
        code = code_of(run) | parts({"readings": [read_features]})
        key = config_hash([run.encoder, run.rows, run.clip, code])
        kept = settings.features / f"{run.benchmark}-{key}"
    tokens_wanted = "attentive" in run.protocol.probes
    # Readings with other heads may share the features, and be asked for at the same time.
    kept.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(kept.with_name(f".{kept.name}.lock")):
        found = read_features(encoder().to(device), clips, kept, tokens_wanted)
    usable = np.ones(len(manifest), bool)
    usable[list(found.skipped)] = False
    splits, labels = manifest.table["split"].to_numpy(), manifest.labels.copy()
    train = np.flatnonzero((splits == "train") & usable)
    test = np.flatnonzero((splits == run.protocol.split) & usable)
    rows = {"train": train, "val": test, "test": test}  # nothing is chosen: `val` is not read
    cfg = run.heads.config
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
    save_weights(folder / "right.safetensors", right)  # per clip, for paired tests
    return pd.DataFrame(out), pd.DataFrame({"step": []})


def _told_read(
    run: ProbeRun,
    folder: Path,
    device: str,
    settings: Settings,
    encoder: Callable[[], Encoder],
    weights: str,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`_read`; the metrics of released weights say in words what these are."""
    with told_what_to_change(READING):
        metrics, curves = _read(run, folder, device, settings, encoder)
    return (metrics.assign(weights=weights) if weights else metrics), curves


def probe(
    settings: Settings,
    run: TrainingRun,
    benchmarks: Sequence[str] | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Read the encoder of a finished run on benchmarks, each unless it is done.

    Parameters
    ----------
    benchmarks : names; None for all that have a manifest.

    Returns
    -------
    DataFrame, a row per benchmark and probe; see `store.RunStore.frame`.

    Raises
    ------
    RunStoreError : the run is not finished, the store cannot be written, or a reading failed.
    """
    settings.store.load(run)
    names = {k: getattr(run, k) for k in ("variant", "form", "regime", "seed")}
    open_it = partial(load_encoder, settings, run)
    return _readings(
        settings, names, config_hash(run), run.train.encoder, open_it, benchmarks, progress
    )


def evaluate_official(
    path: str | Path,
    benchmarks: Sequence[str] | None = None,
    settings: Settings | str | Path = "paper.toml",
    progress: bool = True,
) -> pd.DataFrame:
    """Read released weights, or any run's encoder, with the paper's probes.

    Parameters
    ----------
    path : checkpoint of the `vjepa2` repository, a Hugging Face file or folder, or the folder of a
        run, for instance of a fine-tuned encoder.
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
    encoder = open_any(path, settings.model.height, settings.model.frames)
    file = Path(path).absolute()
    name = (file.parent if file.name == ENCODER_FILE else file).name
    names = {"variant": "official", "form": name, "regime": "official", "seed": 0}
    digest = hashlib.sha256(repr(encoder.cfg).encode())
    for name, value in sorted(encoder.state_dict().items()):
        digest.update(name.encode() + value.contiguous().numpy().tobytes())
    key = digest.hexdigest()[:16]
    cfg, weights = encoder.cfg, _weights_in_words(file, encoder.cfg)
    return _readings(settings, names, key, cfg, lambda: encoder, benchmarks, progress, weights)


def _weights_in_words(path: Path, cfg: EncoderConfig) -> str:
    """What given weights are: whose, of which version and size."""
    if is_run_folder(path):
        run = read_run_config(path.parent if path.name == ENCODER_FILE else path)
        told = [str(run.get(k)) for k in ("kind", "variant", "form") if run.get(k)]
        whose = f"a run of ours: {' '.join(told) or 'unknown'}"
    else:
        tiled = cfg.rope_pairing == V_JEPA_2["rope_pairing"]
        whose = "V-JEPA 2" if tiled else "V-JEPA 2.1"
        # A file in Hugging Face's cache lies below the name of its repository.
        cached = [p for p in path.parts if p.startswith("models--")]
        whose = ", ".join([*("/".join(p.split("--")[1:]) for p in cached[-1:]), whose])
    return f"{whose}, width {cfg.width}, depth {cfg.depth}"


def _readings(
    settings: Settings,
    names: dict,
    key: str,
    cfg: EncoderConfig,
    encoder: Callable[[], Encoder],
    benchmarks: Sequence[str] | None,
    progress: bool,
    weights: str = "",
) -> pd.DataFrame:
    chosen = list(benchmarks) if benchmarks else given_benchmarks(settings)
    if not chosen:
        raise ConfigError("No benchmark has a manifest: give one under [benchmarks].")
    todo = [probe_run(settings, names, key, cfg, name) for name in chosen]
    read = partial(_told_read, settings=settings, encoder=encoder, weights=weights)
    ensure(settings.store, todo, read, device=settings.device, progress=progress)
    return settings.store.frame(todo)
