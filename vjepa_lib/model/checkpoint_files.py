"""Checkpoint files of the `vjepa2` repository and of Hugging Face, read into one layout.

PyTorch files (tensors only, nothing is executed) and safetensors; names of networks and parameters
come out as the repository writes them, without wrappers.
"""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from vjepa_lib.errors import DataError

ENCODER_PARTS = ("target_encoder", "ema_encoder", "encoder")

_WRAPPERS = re.compile(r"^(?:module\.|backbone\.|_orig_mod\.)+")


def read_checkpoint(path: str | Path) -> dict[str, dict[str, Tensor]]:
    """Read a checkpoint into the repository's layout: name of a network -> its weights.

    Parameters
    ----------
    path : a `.pt`, `.pth`, `.bin` or `.safetensors` file, or a Hugging Face model folder.

    Returns
    -------
    {'target_encoder': {...}, 'predictor': {...}, ...}, names without wrappers; Hugging Face's names
    are translated, and its only encoder is called 'encoder'.

    Raises
    ------
    DataError : the file is missing, broken, or holds no such weights.
    """
    path = Path(path)
    if path.is_dir():
        raw: Mapping = {}
        for file in _folder_files(path):
            raw = {**raw, **_read_file(file)}
    else:
        raw = _read_file(path)
    return networks(raw, str(path))


def capital(text: str) -> str:
    return text[:1].upper() + text[1:] if text.startswith("the ") else text


# --- files ------------------------------------------------------------------------------------


def _folder_files(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
        except (ValueError, KeyError, AttributeError, OSError) as error:
            raise DataError(
                f"{index} is not an index of shards ({error}): download it again."
            ) from None
        return [folder / name for name in names]
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (folder / name).is_file():
            return [folder / name]
    raise DataError(
        f"Folder {folder} has neither model.safetensors nor pytorch_model.bin: name the checkpoint "
        "file itself, or a model folder of Hugging Face."
    )


def _read_file(path: Path) -> Mapping:
    if not path.is_file():
        raise DataError(f"Checkpoint {path} does not exist: download it or correct the path.")
    try:
        if path.suffix == ".safetensors":
            try:
                from safetensors.torch import load_file
            except ImportError:
                raise DataError(
                    f"Reading {path} needs the package safetensors: pip install safetensors."
                ) from None
            return load_file(path)
        try:
            # Mapped: an official file is half optimiser state that nobody reads here.
            raw = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except RuntimeError:  # a file of the old, unmappable format
            raw = torch.load(path, map_location="cpu", weights_only=True)
    except DataError:
        raise
    except pickle.UnpicklingError:
        # PyTorch's own text advises to run what the file contains; this does not.
        raise DataError(
            f"Checkpoint {path} is broken or holds more than tensors and plain values: download it "
            "again, or save only its state dictionaries."
        ) from None
    except Exception as error:  # safetensors and zip raise types of their own
        raise DataError(
            f"Checkpoint {path} cannot be read ({type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else 'no reason given'}): download it "
            "again."
        ) from None
    if not isinstance(raw, Mapping):
        raise DataError(
            f"Checkpoint {path} holds a {type(raw).__name__}, not a dictionary of weights: name a "
            "checkpoint of the vjepa2 repository or of Hugging Face."
        )
    return raw


# --- layouts ----------------------------------------------------------------------------------


def networks(raw: Mapping, label: str) -> dict[str, dict[str, Tensor]]:
    """Networks in any of the layouts, under the repository's names."""
    nested = {
        name: {_WRAPPERS.sub("", k): v for k, v in raw[name].items() if isinstance(v, Tensor)}
        for name in (*ENCODER_PARTS, "predictor")
        if isinstance(raw.get(name), Mapping)
    }
    if nested:
        return nested
    flat = {_WRAPPERS.sub("", k): v for k, v in raw.items() if isinstance(v, Tensor)}
    # Classifiers of Hugging Face hold the model under this name, beside their head.
    inner = {k[len("vjepa2.") :]: v for k, v in flat.items() if k.startswith("vjepa2.")}
    flat = inner or flat
    if any(".layer.0.attention." in k for k in flat):
        return _from_hugging_face(flat, label)
    if any(k.startswith("predictor_blocks.") for k in flat):
        return {"predictor": flat}
    if any(k.startswith("blocks.") for k in flat):
        return {"encoder": flat}
    known = ", ".join(sorted(map(str, raw))[:6]) or "nothing"
    raise DataError(
        f"{capital(label)} holds no V-JEPA weights (it has {known}): name a checkpoint of the "
        "vjepa2 repository or of Hugging Face's VJEPA2Model."
    )


_HF_NAMES = (
    (r"^embeddings\.patch_embeddings\.", "patch_embed."),
    (r"^embeddings\.predictor_embeddings\.", "predictor_embed."),
    (r"^embeddings\.mask_tokens$", "mask_tokens"),
    (r"^layer\.", "blocks."),
    (r"\.attention\.", ".attn."),
    (r"^layernorm\.", "norm."),
)


def _from_hugging_face(flat: dict[str, Tensor], label: str) -> dict[str, dict[str, Tensor]]:
    """Translate names, and join the three projections of a block into one."""
    parts: dict[str, dict[str, Tensor]] = {}
    for name, value in flat.items():
        part, _, rest = name.partition(".")
        for pattern, new in _HF_NAMES:
            rest = re.sub(pattern, new, rest)
        parts.setdefault(part, {})[rest] = value
    for state in parts.values():
        for name in [k for k in state if ".attn.query." in k]:
            keys = [name.replace(".query.", f".{k}.") for k in ("query", "key", "value")]
            missing = [k for k in keys if k not in state]
            if missing:
                raise DataError(
                    f"{capital(label)} has {name} but not {missing[0]}: download it again."
                )
            state[name.replace(".query.", ".qkv.")] = torch.cat([state.pop(k) for k in keys])
    return {name: state for name, state in parts.items() if name in ("encoder", "predictor")}
