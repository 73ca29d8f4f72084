"""Training that begins at given weights: continued pretraining, of released encoders or of ours.

The encoder's geometry is the checkpoint's. A run that begins so is another run than one from random
weights: its configuration, and with it its hash, holds the digest of the checkpoint.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path

import torch

from vjepa_lib.errors import CompanionError, ConfigError, DataError, shown
from vjepa_lib.model.checkpoint_files import PREDICTOR_FILE, folder_files
from vjepa_lib.model.checkpoints import load_predictor, predictor_heads
from vjepa_lib.model.vit import EncoderConfig, Predictor, PredictorConfig
from vjepa_lib.paper.config import Settings
from vjepa_lib.study.run_folders import (
    ENCODER_FILE,
    is_run_folder,
    keeps_predictor,
    open_any,
    open_predictor,
    predictor_config,
)
from vjepa_lib.training.resume import save_state
from vjepa_lib.training.trainer import Trainer, TrainSetup

# What a lab decides, whatever the checkpoint; the rest is the checkpoint's.
_FREE = ("height", "width_px", "frames", "init_std", "activation_checkpointing")


@dataclass(frozen=True)
class Beginning:
    """What a training begins at.

    Attributes
    ----------
    digest : SHA-256 of the checkpoint's weight files.
    encoder : its geometry, at the size of a lab's clips.
    predictor : whether the checkpoint's predictor fits the lab's; else it begins at random.
    why_not : of the predictor, in one sentence; empty where it fits.
    """

    digest: str
    encoder: EncoderConfig
    predictor: bool
    why_not: str


def beginning(settings: Settings) -> Beginning | None:
    """What `init` of the settings names; None without it.

    Raises
    ------
    DataError : the checkpoint is missing or broken.
    ConfigError : a key of [model] says something else than the checkpoint.
    """
    if settings.init is None:
        return None
    files = tuple((f, _last_change(f)) for f in _files(settings.init))
    return _look(settings.init, files, settings.model, settings.predictor)


def _files(path: Path) -> Iterator[Path]:
    if is_run_folder(path):
        folder = path.parent if path.name == ENCODER_FILE else path
        yield folder / ENCODER_FILE
        if keeps_predictor(folder):
            yield folder / PREDICTOR_FILE
    elif path.is_dir():
        yield from folder_files(path)
    else:
        yield path


def _last_change(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise DataError(
            f"The checkpoint {path} cannot be read ({error.strerror or error}): correct `init`."
        ) from None
    return found.st_size, found.st_mtime_ns


@lru_cache(maxsize=4)
def _look(path: Path, files: tuple, model: EncoderConfig, predictor: PredictorConfig) -> Beginning:
    found = open_any(path, model.height, model.frames).cfg
    # The study repeats images over time and never asks for patches of stills.
    cfg = replace(found, image_patches=False, **{k: getattr(model, k) for k in _FREE})
    if int(cfg.width * cfg.mlp_ratio) == int(cfg.width * model.mlp_ratio):
        cfg = replace(cfg, mlp_ratio=model.mlp_ratio)
    usual = Settings().model
    for key in (f.name for f in fields(EncoderConfig)):
        said, real = getattr(model, key), getattr(cfg, key)
        if said not in (real, getattr(usual, key)):
            raise ConfigError(
                f"[model] says {key} = {shown(said)}, but {path} has {shown(real)}: leave {key} "
                "out."
            )
    why_not = _why_not(path, cfg, predictor)
    digest = hashlib.sha256()
    for file, _ in files:
        with open(file, "rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return Beginning(digest.hexdigest(), cfg, not why_not, why_not)


def _why_not(path: Path, cfg: EncoderConfig, predictor: PredictorConfig) -> str:
    """Why a checkpoint's predictor is not that of the settings, in a sentence; empty if it is."""
    try:
        if is_run_folder(path):
            if not keeps_predictor(path):
                raise DataError(f"The run {path} keeps its encoder alone.")
            real = predictor_config(path)
            for key in (f.name for f in fields(PredictorConfig)):
                _same(path, key, getattr(predictor, key), getattr(real, key))
            open_predictor(path)
        else:
            with torch.device("meta"):  # shapes only
                outline = Predictor(cfg, predictor)
            load_predictor(outline, path)
            _same(path, "heads", predictor.heads, predictor_heads(path) or predictor.heads)
    except CompanionError as error:
        return str(error)
    return ""


def _same(path: Path, key: str, said: object, real: object) -> None:
    if said != real:
        raise ConfigError(
            f"[predictor] says {key} = {shown(said)}, but the predictor of {path} has "
            f"{shown(real)}."
        )


def begin(trainer: Trainer, path: Path, predictor: bool) -> None:
    """Put a checkpoint's weights into a trainer that has made no step.

    Context and target encoder begin at the same weights; heads of the terms, and the optimiser, are
    new.
    """
    cfg = trainer.setup.encoder
    state = open_any(path, cfg.height, cfg.frames).state_dict()
    own = trainer.context_encoder.state_dict()
    for encoder in (trainer.context_encoder, trainer.target_encoder):
        encoder.load_state_dict({k: state[k] for k in own})
    if predictor and is_run_folder(path):
        trainer.predictor.load_state_dict(open_predictor(path).state_dict())
    elif predictor:
        load_predictor(trainer.predictor, path)


def write_beginning(setup: TrainSetup, path: Path, predictor: bool, file: Path) -> None:
    """Write the checkpoint of step 0, from which `pretrain` goes on; one that is there stays."""
    if file.exists():
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(setup.seed)
        random = {"cpu": torch.get_rng_state()}
    trainer = Trainer(setup)
    begin(trainer, path, predictor)
    state = {"trainer": trainer.state_dict(), "rows": [], "setup": repr(setup), "random": random}
    save_state(file, state)
