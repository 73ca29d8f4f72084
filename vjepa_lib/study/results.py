"""The runs behind a table: train what is missing, read what is there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import pandas as pd
import torch

from vjepa_lib.datasets.synthetic import BENCHMARKS, PRETRAINING, REGIMES, DataSpec
from vjepa_lib.datasets.synthetic import ensure as render_data
from vjepa_lib.evaluation.evaluate import evaluate, supervised
from vjepa_lib.evaluation.probes import split_rows
from vjepa_lib.folders import data_root, runs_root
from vjepa_lib.model.vit import Encoder
from vjepa_lib.study.carried import Carried
from vjepa_lib.study.configs import RunConfig, canonical
from vjepa_lib.study.ensure import ensure
from vjepa_lib.study.store import RunStore
from vjepa_lib.training.memory import EMBEDDED, told_what_to_change
from vjepa_lib.training.pretrain import ClipMixture, Trainer, TrainSetup, pretrain
from vjepa_lib.training.resume import save_weights
from vjepa_lib.video.clips import ClipSet, load_clips

ENCODER_FILE = "encoder.safetensors"


@lru_cache(maxsize=2)
def clip_sets(spec: DataSpec, jobs: int | None = None, progress: bool = True) -> dict[str, ClipSet]:
    """Every embedded domain, rendered and decoded once, then mapped from the cache."""
    manifests = render_data(spec, data_root(), jobs, progress)
    return {
        name: load_clips(
            manifest,
            spec.frames,
            spec.size,
            data_root() / "decoded",
            workers=jobs,
            progress=progress,
        )
        for name, manifest in manifests.items()
    }


@told_what_to_change(EMBEDDED)
def train_run(
    config: RunConfig, partial: Path | None, device: str = "cpu", progress: bool = False
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Pretrain and probe one run: (metrics, curves).

    The evaluated encoder is left in `partial`, from where the store keeps it beside the results.
    """
    sets = clip_sets(config.data, 1, False)
    if config.kind in ("supervised", "single_frame"):
        return supervised_rows(config, sets), pd.DataFrame({"step": []})
    encoder, curves = _pretrain(config, sets, partial, device, progress)
    metrics = evaluate(encoder, {n: sets[n] for n in BENCHMARKS}, config.probes, config.seed)
    if partial:
        save_weights(partial / ENCODER_FILE, encoder.state_dict())
    return metrics, curves


def training_clips(config: RunConfig, sets: dict[str, ClipSet]) -> ClipMixture:
    """Where a run draws its clips from: the pretraining sets, weighted by its regime."""
    return ClipMixture({n: sets[n] for n in PRETRAINING}, REGIMES[config.regime])


def _pretrain(
    config: RunConfig,
    sets: dict[str, ClipSet],
    partial: Path | None,
    device: str,
    progress: bool,
) -> tuple[Encoder, pd.DataFrame]:
    if config.kind == "random_init":
        return Trainer(config.train, device).evaluated, pd.DataFrame({"step": []})
    data = training_clips(config, sets)
    checkpoint = partial / "checkpoint.pt" if partial else None
    with told_what_to_change(EMBEDDED):
        done = pretrain(config.train, data, device, checkpoint, progress=progress)
    return done.encoder, done.curves


def pretrained_encoder(
    config: RunConfig, sets: dict[str, ClipSet], device: str = "cpu", progress: bool = False
) -> Encoder:
    """Train a run's encoder here and now, whatever is stored; it is not probed."""
    return _pretrain(config, sets, None, device, progress)[0]


def load_encoder(config: RunConfig, device: str = "cpu") -> Encoder:
    """The frozen, evaluated encoder of a finished run.

    Raises
    ------
    RunStoreError : the run is not finished, or its encoder is damaged.
    """
    state = RunStore(runs_root()).weights(canonical(config), ENCODER_FILE)
    encoder = Encoder(config.train.encoder)
    encoder.load_state_dict(state)
    return encoder.requires_grad_(False).eval().to(device)


def untrained(setup: TrainSetup) -> Encoder:
    """The encoder that a training begins with: `Trainer(setup).evaluated` before its first step.

    A trainer has an optimiser as well, whose first one in a process takes torch seconds to load.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(setup.seed)
        return Encoder(setup.encoder).requires_grad_(False).eval()


def supervised_rows(config: RunConfig, sets: dict[str, ClipSet]) -> pd.DataFrame:
    """The supervised references of every benchmark, in the columns of `evaluation.evaluate`."""
    rows = []
    for name in BENCHMARKS:
        clips = sets[name]
        right = supervised(
            config.train.encoder,
            clips,
            config.train.schedule.steps,
            single_frame=config.kind == "single_frame",
            seed=config.seed,
        )
        labelled = {s: len(r) for s, r in split_rows(clips).items()}
        rows.append(
            {
                "benchmark": name,
                "probe": "supervised",
                "top1": 100 * float(right.mean()),
                "correct": int(right.sum()),
                "n_test": labelled["test"],
                "n_train": labelled["train"] + labelled["val"],
                "n_val": 0,
            }
        )
    return pd.DataFrame(rows)


def metrics(
    configs: Sequence[RunConfig],
    jobs: int = 1,
    device: str = "cpu",
    cluster: str | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Metrics of runs, training what is missing first; see `store.RunStore.frame`.

    A configuration that shares another's run keeps its own names; column `trained_as` says whose
    run it is.
    """
    store = RunStore(runs_root())
    trained = [canonical(c) for c in configs]
    if store.missing(trained):
        clip_sets(configs[0].data, jobs, progress)  # once, before the processes start
    ensure(store, trained, Carried(train_run), jobs, device, cluster, progress)
    return pd.concat(
        [
            store.frame([run]).assign(**_names(c), trained_as=f"{run.variant} ({run.form})")
            for c, run in zip(configs, trained, strict=True)
        ],
        ignore_index=True,
    )


def _names(config: RunConfig) -> dict[str, object]:
    return {k: getattr(config, k) for k in ("variant", "form", "regime", "seed")}


def curves(configs: Sequence[RunConfig]) -> pd.DataFrame:
    """Curves of finished runs, with the labels of each run; a shared run gives its own."""
    store = RunStore(runs_root())
    parts = [store.load(canonical(c)).curves.assign(**_names(c)) for c in configs]
    return pd.concat([p for p in parts if len(p)], ignore_index=True)
