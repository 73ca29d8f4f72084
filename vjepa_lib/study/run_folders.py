"""Encoders from their folders alone: a run of ours, or a checkpoint that somebody released.

A run's folder can be copied anywhere and be opened there without its data or its settings.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from vjepa_lib.errors import CompanionError, ConfigError, DataError
from vjepa_lib.model.checkpoint_files import count_of
from vjepa_lib.model.checkpoints import open_encoder
from vjepa_lib.model.vit import Encoder, EncoderConfig
from vjepa_lib.settings import override
from vjepa_lib.study.integrity import MANIFEST, check_file

ENCODER_FILE = "encoder.safetensors"


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
    table = config["train"]["encoder"]
    given = {k: v for k, v in table.items() if v is not None}
    try:
        cfg = override(EncoderConfig(), given, str(folder / "config.json"))
        if table.get("rope_reference", 0) is None:  # TOML, and so `override`, has no null
            cfg = replace(cfg, rope_reference=None)
    except ConfigError as error:
        raise DataError(str(error)) from None
    cfg = replace(
        cfg,
        height=size or cfg.height,
        width_px=size or cfg.width_px,
        frames=frames or cfg.frames,
    )
    try:
        state = load_file(check_file(folder, ENCODER_FILE) if _listed(folder) else path)
    except (CompanionError, SafetensorError, OSError) as error:
        raise DataError(
            f"{path} is damaged ({getattr(error, 'strerror', None) or error}): copy the run's "
            "folder again."
        ) from None
    if count_of(state, "blocks.", str(path)) != cfg.depth:
        raise _unlike(path)
    with torch.device("meta"):  # shapes only: what does not fit must not take memory first
        outline = Encoder(cfg).state_dict()
    if {k: v.shape for k, v in outline.items()} != {k: v.shape for k, v in state.items()}:
        raise _unlike(path)
    encoder = Encoder(cfg)
    encoder.load_state_dict(state)
    return encoder.requires_grad_(False).eval(), config


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
