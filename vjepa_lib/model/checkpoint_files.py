"""Checkpoint files of the `vjepa2` repository and of Hugging Face, read into one layout.

PyTorch files (tensors only, nothing is executed) and safetensors; names of networks and parameters
come out as the repository writes them, without wrappers.
"""

from __future__ import annotations

import json
import os
import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from vjepa_lib.errors import DataError, shown

ENCODER_PARTS = ("target_encoder", "ema_encoder", "encoder")
PREDICTOR_FILE = "predictor.safetensors"

_WRAPPERS = re.compile(r"^(?:module\.|backbone\.|_orig_mod\.)+")


def read_checkpoint(path: str | Path) -> dict[str, dict[str, Tensor]]:
    """Read a checkpoint into the repository's layout: name of a network -> its weights.

    Parameters
    ----------
    path : a `.pt`, `.pth`, `.bin` or `.safetensors` file, a Hugging Face model folder, or a folder
        of our own export, which may hold a predictor in a file of its own.

    Returns
    -------
    {'target_encoder': {...}, 'predictor': {...}, ...}, names without wrappers; Hugging Face's names
    are translated, and its only encoder is called 'encoder'.

    Raises
    ------
    DataError : the file is missing, broken, or holds no such weights.
    """
    path = Path(path)
    if not path.is_dir():
        return networks(_read_file(path), str(path))
    raw: Mapping = {}
    for file in folder_files(path):
        if file.name != PREDICTOR_FILE:
            raw = {**raw, **_read_file(file)}
    found = networks(raw, str(path))
    beside = path / PREDICTOR_FILE
    if not beside.is_file():
        return found
    more = networks(_read_file(beside), str(beside))
    if "predictor" not in more:
        raise DataError(f"{beside} holds no predictor: export the run again.")
    return found | {"predictor": more["predictor"]}


def capital(text: str) -> str:
    return text[:1].upper() + text[1:] if text.startswith("the ") else text


# --- files ------------------------------------------------------------------------------------


def folder_files(folder: Path) -> list[Path]:
    """Weight files of a Hugging Face model folder, and a predictor's where our export wrote one."""
    beside = folder / PREDICTOR_FILE
    return [*_model_files(folder), *([beside] if beside.is_file() else [])]


def _model_files(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            content = json.loads(index.read_text(encoding="utf-8"))
            names = sorted(set(content["weight_map"].values()))
        except (ValueError, KeyError, AttributeError, TypeError, OSError, RecursionError) as error:
            raise DataError(
                f"{index} is not an index of shards ({type(error).__name__}: {shown(str(error))}): "
                "download it again."
            ) from None
        # Shards lie beside their index; anything else would read files from elsewhere.
        wrong = [name for name in names if not isinstance(name, str) or Path(name).name != name]
        if wrong or not names:
            what = f"the shard {shown(wrong[0])}" if wrong else "no shard"
            raise DataError(f"{index} names {what}: download it again.")
        return [folder / name for name in names]
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (folder / name).is_file():
            return [folder / name]
    raise DataError(
        f"Folder {folder} has neither model.safetensors nor pytorch_model.bin: name the checkpoint "
        "file itself, or a model folder of Hugging Face."
    )


def _read_file(path: Path) -> Mapping:
    if not os.path.isfile(path):
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
        name: _unwrapped(raw[name], label)
        for name in (*ENCODER_PARTS, "predictor")
        if isinstance(raw.get(name), Mapping)
    }
    if nested:
        return nested
    flat = _unwrapped(raw, label)
    # Classifiers of Hugging Face hold the model under this name, beside their head.
    inner = {k[len("vjepa2.") :]: v for k, v in flat.items() if k.startswith("vjepa2.")}
    flat = inner or flat
    if any(".layer.0.attention." in k for k in flat):
        return _from_hugging_face(flat, label)
    if any(k.startswith("predictor_blocks.") for k in flat):
        return {"predictor": flat}
    if any(k.startswith("blocks.") for k in flat):
        return {"encoder": flat}
    known = ", ".join(sorted(shown(str(k))[1:-1] for k in list(raw)[:1000])[:6]) or "nothing"
    raise DataError(
        f"{capital(label)} holds no V-JEPA weights (it has {known}): name a checkpoint of the "
        "vjepa2 repository or of Hugging Face's VJEPA2Model."
    )


def _unwrapped(state: Mapping, label: str) -> dict[str, Tensor]:
    """The tensors of a state, without the wrappers in their names."""
    out: dict[str, Tensor] = {}
    for name, value in state.items():
        if not isinstance(value, Tensor):
            continue
        if not isinstance(name, str):
            raise DataError(f"{capital(label)} calls a weight {shown(name)}: download it again.")
        bare = _WRAPPERS.sub("", name)
        if bare in out:
            raise DataError(
                f"{capital(label)} has {shown(bare)} twice, with and without a wrapper's name: "
                "save only one of the two."
            )
        out[bare] = value
    return out


def check_weights(state: Mapping[str, Tensor], label: str) -> None:
    """Raise DataError unless every weight is a plain array of real numbers that the file holds.

    A view that repeats its few numbers can claim any shape; a network of that shape would take
    memory that no file of this size needs.
    """
    for name, value in state.items():
        if value.layout is not torch.strided or value.is_quantized or value.device.type == "meta":
            problem = "is no plain array"
        elif not value.is_floating_point():
            problem = f"is {str(value.dtype).removeprefix('torch.')}, not real numbers"
        elif value.numel() * value.element_size() > value.untyped_storage().nbytes():
            problem = f"has shape {list(value.shape)}, but fewer numbers"
        else:
            continue
        raise DataError(f"{shown(name)} of {label} {problem}: download the checkpoint again.")


def count_of(state: Mapping[str, Tensor], prefix: str, label: str) -> int:
    """How many numbered parts, such as `blocks.0.` to `blocks.11.`, a state has without a gap.

    Names alone never decide the size of a network: a gap means that parts are missing.
    """
    found: set[int] = set()
    for name in state:
        if name.startswith(prefix):
            number = name[len(prefix) :].partition(".")[0]
            if not re.fullmatch(r"0|[1-9][0-9]{0,8}", number, re.ASCII):
                raise DataError(
                    f"{capital(label)} has {shown(name)}, which is no weight of V-JEPA: name a "
                    "checkpoint of the vjepa2 repository or of Hugging Face."
                )
            found.add(int(number))
    if found and max(found) + 1 != len(found):
        gap = next(n for n in range(len(found)) if n not in found)
        raise DataError(
            f"{capital(label)} has {prefix}{max(found)} but not {prefix}{gap}: download it again."
        )
    return len(found)


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
            three = [state.pop(k) for k in keys]
            if not three[0].ndim or any(
                (t.shape, t.dtype) != (three[0].shape, three[0].dtype) for t in three
            ):
                raise DataError(
                    f"{capital(label)} has {shown(name)}, key and value of different shapes or "
                    "types: download it again."
                )
            check_weights(dict(zip(keys, three, strict=True)), label)
            state[name.replace(".query.", ".qkv.")] = torch.cat(three)
    return {name: state for name, state in parts.items() if name in ("encoder", "predictor")}
