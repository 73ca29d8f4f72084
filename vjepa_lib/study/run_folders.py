"""Encoders from their folders alone: a run of ours, or a checkpoint that somebody released.

A run's folder can be copied anywhere and be opened there without its data or its settings.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from vjepa_lib.errors import CompanionError, ConfigError, DataError
from vjepa_lib.model.checkpoint_files import PREDICTOR_FILE, count_of
from vjepa_lib.model.checkpoints import open_encoder
from vjepa_lib.model.vit import Encoder, EncoderConfig, Predictor, PredictorConfig
from vjepa_lib.settings import override
from vjepa_lib.study.integrity import MANIFEST, check_file

ENCODER_FILE = "encoder.safetensors"

T = TypeVar("T")


def is_run_folder(path: str | Path) -> bool:
    """Whether a path is a run's folder (or its encoder), and not a released checkpoint."""
    path = Path(path)
    folder = path.parent if path.name == ENCODER_FILE else path
    return (folder / ENCODER_FILE).is_file() and (folder / "config.json").is_file()


def read_run_config(folder: str | Path) -> dict:
    """A run folder's configuration as JSON types.

    Raises
    ------
    DataError : `config.json` is missing or is not the configuration of a training.
    """
    path = Path(folder) / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(config["train"]["encoder"], dict):
            raise TypeError
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror or error}): name the folder of a finished run."
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise DataError(
            f"{path} is not the configuration of a training: copy the run's folder again."
        ) from None
    return config


def open_run(
    folder: str | Path, size: int | None = None, frames: int | None = None
) -> tuple[Encoder, dict]:
    """The frozen encoder of a run's folder, and the run's configuration.

    Parameters
    ----------
    folder : `config.json` and `encoder.safetensors`, as the run store keeps them.
    size, frames : of the clips it is to read; None for those it was trained on. Rotary positions
        take any.

    Raises
    ------
    DataError : a file is missing, damaged, or does not belong to the other.
    ConfigError : clips of this size do not divide into tokens.
    """
    folder = Path(folder)
    folder = folder.parent if folder.name == ENCODER_FILE else folder
    config = read_run_config(folder)
    path = folder / ENCODER_FILE
    cfg = _settings(EncoderConfig(), config["train"]["encoder"], folder / "config.json")
    cfg = replace(
        cfg,
        height=size or cfg.height,
        width_px=size or cfg.width_px,
        frames=frames or cfg.frames,
    )
    state = _weights(folder, ENCODER_FILE)
    if count_of(state, "blocks.", str(path)) != cfg.depth:
        raise _unlike(path)
    with torch.device("meta"):  # shapes only: what does not fit must not take memory first
        outline = Encoder(cfg).state_dict()
    if {k: v.shape for k, v in outline.items()} != {k: v.shape for k, v in state.items()}:
        raise _unlike(path)
    encoder = Encoder(cfg)
    encoder.load_state_dict(state)
    return encoder.requires_grad_(False).eval(), config


def _settings(defaults: T, table: dict, path: Path) -> T:
    """Settings from a table of `config.json`, where None may stand; TOML has no word for it."""
    try:
        made = override(defaults, {k: v for k, v in table.items() if v is not None}, str(path))
        empty = {k: None for k, v in table.items() if v is None and hasattr(made, k)}
        return replace(made, **empty)
    except ConfigError as error:
        raise DataError(str(error)) from None


def _weights(folder: Path, name: str) -> dict[str, Tensor]:
    """Tensors of one of a run's files."""
    path = folder / name
    try:
        return load_file(check_file(folder, name) if _listed(folder) else path)
    except (CompanionError, SafetensorError, OSError) as error:
        raise DataError(
            f"{path} is damaged ({getattr(error, 'strerror', None) or error}): copy the run's "
            "folder again."
        ) from None


def keeps_predictor(folder: str | Path) -> bool:
    """Whether a run's folder (or its encoder's path) has the run's predictor."""
    folder = Path(folder)
    folder = folder.parent if folder.name == ENCODER_FILE else folder
    return is_run_folder(folder) and (folder / PREDICTOR_FILE).is_file()


def predictor_config(folder: str | Path) -> PredictorConfig:
    """The predictor's sizes of a run's folder.

    Raises
    ------
    DataError : `config.json` is damaged, or does not have them.
    """
    folder = Path(folder)
    folder = folder.parent if folder.name == ENCODER_FILE else folder
    table, path = read_run_config(folder)["train"].get("predictor"), folder / "config.json"
    if not isinstance(table, dict):
        raise DataError(f"{path} has no sizes of a predictor: copy the run's folder again.")
    return _settings(PredictorConfig(), table, path)


def open_predictor(folder: str | Path) -> Predictor:
    """The predictor of a run's folder, at the size of the run's clips.

    Raises
    ------
    DataError : a file is missing, damaged, or does not belong to the other.
    """
    folder = Path(folder)
    folder = folder.parent if folder.name == ENCODER_FILE else folder
    sizes, path = predictor_config(folder), folder / PREDICTOR_FILE
    encoder = _settings(
        EncoderConfig(), read_run_config(folder)["train"]["encoder"], folder / "config.json"
    )
    state = _weights(folder, PREDICTOR_FILE)
    if count_of(state, "blocks.", str(path)) != sizes.depth:
        raise _unlike(path)
    with torch.device("meta"):
        outline = Predictor(encoder, sizes).state_dict()
    if {k: v.shape for k, v in outline.items()} != {k: v.shape for k, v in state.items()}:
        raise _unlike(path)
    predictor = Predictor(encoder, sizes)
    predictor.load_state_dict(state)
    return predictor.requires_grad_(False).eval()


def _listed(folder: Path) -> bool:
    return (folder / MANIFEST).is_file()


def _unlike(path: Path) -> DataError:
    return DataError(
        f"{path} has not the weights that config.json beside it describes: copy both files of one "
        "run."
    )


def open_any(checkpoint: str | Path, size: int | None = None, frames: int | None = None) -> Encoder:
    """A frozen encoder of a run's folder or of released weights.

    Parameters
    ----------
    checkpoint : a run's folder; or a checkpoint of the `vjepa2` repository or Hugging Face.
    size, frames : of the clips it is to read; None for those of its training (of released weights:
        224 px, 16 frames).

    Raises
    ------
    DataError, ConfigError : as `open_run` and `model.open_encoder`.
    """
    if is_run_folder(checkpoint):
        return open_run(checkpoint, size, frames)[0]
    return open_encoder(checkpoint, size or 224, frames or 16)[0]
