"""Official weights in our networks: checkpoints of the `vjepa2` repository and of Hugging Face.

Two layouts are read, from PyTorch files (tensors only, nothing is executed) or safetensors:

- the repository's training checkpoints and downloads, a dictionary with the state of `encoder`,
  `target_encoder` (or `ema_encoder`) and `predictor`, whose names start with `module.backbone.`;
- `VJEPA2Model` of `transformers`, one flat state with `encoder.` and `predictor.` names.

Shapes decide nearly everything, except how rotary positions pair channels: V-JEPA 2.1 turns both
channels of a pair by one angle, V-JEPA 2 and Hugging Face's port of it do not. The loaders tell the
two apart and refuse a network with the other setting, which would run and be wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from vjepa_lib.errors import ConfigError, DataError, shown
from vjepa_lib.model.checkpoint_files import (
    ENCODER_PARTS,
    capital,
    check_weights,
    count_of,
    networks,
    read_checkpoint,
)
from vjepa_lib.model.vit import V_JEPA_2, Encoder, EncoderConfig, Predictor

# Part of a parameter's name -> what in the configuration decides whether it fits.
_HINTS = {
    "patch_embed_image": "image_patches",
    "patch_embed": "patch, tubelet or width",
    "modality": "modality_embedding or width",
    "norms": "levels or width",
    "embed": "the encoder's width, its levels, or the predictor's width",
    "mask_tokens": "mask_groups or width",
    "head_context": "predict_context, levels or out_dim",
    "head": "levels or out_dim",
    "blocks": "depth, width or mlp_ratio",
    "norm": "width",
}


@dataclass(frozen=True)
class Loaded:
    """What was read.

    Attributes
    ----------
    part : which network of the checkpoint it was.
    version : 'V-JEPA 2', 'V-JEPA 2.1', or None where the file does not tell.
    unused : weights of the checkpoint that this network has no place for and does not need, such as
        the norms of other levels.
    """

    part: str
    version: str | None
    unused: tuple[str, ...]


def load_encoder(encoder: Encoder, source: str | Path | Mapping, part: str | None = None) -> Loaded:
    """Fill an encoder with official weights.

    Parameters
    ----------
    encoder : of the checkpoint's geometry; for V-JEPA 2, `EncoderConfig(..., **V_JEPA_2)` and
        `levels=(depth,)`.
    source : path of a checkpoint, or what `torch.load` or `state_dict()` gave.
    part : 'target_encoder', 'ema_encoder' or 'encoder'; None takes the first of these present.

    Returns
    -------
    Loaded

    Raises
    ------
    DataError : the file is missing or broken, or lacks the part.
    ConfigError : the weights do not fit the encoder.
    """
    parts, label = _open(source)
    if part is None:
        part = next((p for p in ENCODER_PARTS if p in parts), "encoder")
    state = _pick(parts, part, label)
    version = _version(state)
    if version == "V-JEPA 2" and encoder.cfg.rope_reference is not None:
        raise ConfigError(
            f"{capital(label)} is V-JEPA 2, which does not rescale positions: make the encoder "
            "with EncoderConfig(..., levels=(depth,), **V_JEPA_2)."
        )
    weights = _encoder_weights(state, encoder, label)
    harmless = ("pos_embed", "patch_embed_image.", "norms.unused.")
    unused = _fill(encoder, weights, harmless, version, "encoder", label)
    return Loaded(part, version, unused)


def load_predictor(predictor: Predictor, source: str | Path | Mapping) -> Loaded:
    """Fill a predictor with official weights.

    Parameters
    ----------
    predictor : of the checkpoint's geometry; official ones have 8 or 10 mask tokens, and those of
        V-JEPA 2 and Hugging Face need `predict_context=False`.
    source : path of a checkpoint, or what `torch.load` or `state_dict()` gave.

    Returns
    -------
    Loaded

    Raises
    ------
    DataError : the file is missing or broken, or has no predictor.
    ConfigError : the weights do not fit the predictor.
    """
    parts, label = _open(source)
    state = _pick(parts, "predictor", label)
    # A predictor's own names do not tell the version; its encoder's, in the same file, do.
    known = [_version(parts[p]) for p in ENCODER_PARTS if p in parts]
    version = known[0] if known else None
    weights = _predictor_weights(state, label)
    harmless = ("pos_embed", "head_context.")
    unused = _fill(predictor, weights, harmless, version, "predictor", label)
    return Loaded("predictor", version, unused)


def open_encoder(
    source: str | Path, size: int = 224, frames: int = 16, part: str | None = None
) -> tuple[Encoder, Loaded]:
    """An encoder of a checkpoint's own geometry, filled with its weights, frozen.

    Parameters
    ----------
    source : path of a checkpoint: a file of the `vjepa2` repository, or a file or folder of
        Hugging Face.
    size, frames : pixels and frames of the clips it is to read; rotary positions take any.
    part : as in `load_encoder`.

    Raises
    ------
    DataError : the file is missing or broken.
    ConfigError : the weights are of no geometry that is known here.
    """
    parts, label = _open(source)
    if part is None:
        part = next((p for p in ENCODER_PARTS if p in parts), "encoder")
    state = _pick(parts, part, label)
    cfg = _geometry(state, _told(Path(source)), size, frames, label)
    with torch.device("meta"):  # shapes only: what does not fit must not take memory first
        outline = Encoder(cfg)
    harmless = ("pos_embed", "patch_embed_image.", "norms.unused.")
    _check(outline, _encoder_weights(state, outline, label), harmless, None, "encoder", label)
    encoder = Encoder(cfg)
    loaded = load_encoder(encoder, {part: parts[part]}, part)
    return encoder.requires_grad_(False).eval(), loaded


# Attention heads do not show in the weights; these are the vjepa2 repository's own models.
_OFFICIAL_HEADS = {192: 3, 384: 6, 768: 12, 1024: 16, 1280: 16, 1408: 22, 1664: 26}


def _told(source: Path) -> dict:
    """What a folder's config.json tells and weights do not: 'heads' and 'rope_reference'."""
    path = (source if source.is_dir() else source.parent) / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        found = {"heads": config["num_attention_heads"]}
        if "rope_reference" in config:  # written by our own export
            found["rope_reference"] = config["rope_reference"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    for key, value in found.items():
        if value is None and key == "rope_reference":
            continue
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 10_000:
            name = "num_attention_heads" if key == "heads" else key
            raise ConfigError(
                f"{path} gives {shown(value)} for {name}: correct it or download it again."
            )
    return found


def predictor_heads(source: str | Path) -> int | None:
    """Heads of a checkpoint's predictor, where a config.json beside it tells them."""
    source = Path(source)
    path = (source if source.is_dir() else source.parent) / "config.json"
    try:
        heads = json.loads(path.read_text(encoding="utf-8"))["pred_num_attention_heads"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return heads if type(heads) is int and heads > 0 else None


def _geometry(
    state: Mapping[str, Tensor], told: dict, size: int, frames: int, label: str
) -> EncoderConfig:
    """The configuration that an encoder's weights have; heads not told are looked up by width."""
    kernel, mlp = state.get("patch_embed.proj.weight"), state.get("blocks.0.mlp.fc1.weight")
    if kernel is None or mlp is None or kernel.ndim != 5 or mlp.ndim != 2:
        raise ConfigError(
            f"{capital(label)} has no 3-D patch embedding and blocks, so its geometry is not "
            "known: make an Encoder yourself and fill it with load_encoder."
        )
    width, channels, tubelet, patch, across = kernel.shape
    if channels != 3 or patch != across or 0 in (*kernel.shape, *mlp.shape):
        raise ConfigError(
            f"{capital(label)} has a patch embedding of shape {list(kernel.shape)}, not [width, 3, "
            "frames, pixels, pixels]: name a checkpoint of V-JEPA 2 or 2.1."
        )
    heads = told.get("heads") or _OFFICIAL_HEADS.get(width)
    if heads is None:
        raise ConfigError(
            f"{capital(label)} has width {width}, of which no official model is known: make an "
            "Encoder with the right number of heads and fill it with load_encoder."
        )
    depth = count_of(state, "blocks.", label)
    if sum(k.startswith("blocks.") for k in state) % depth:
        raise ConfigError(
            f"{capital(label)} has blocks of unlike weights, of {depth} blocks: download it again."
        )
    norms = count_of(state, "norms_block.", label)
    if norms > depth:
        raise ConfigError(
            f"{capital(label)} has {norms} norms for {depth} blocks: download it again."
        )
    common = {
        "height": size,
        "width_px": size,
        "frames": frames,
        "patch": patch,
        "tubelet": tubelet,
        "width": width,
        "depth": depth,
        "heads": heads,
        # Half a channel more: widths such as 48/11 of 1408 must come out whole again.
        "mlp_ratio": (len(mlp) + 0.5) / width,
    }
    if not norms:
        return EncoderConfig(**common, levels=(depth,), **V_JEPA_2)
    return EncoderConfig(
        **common,
        levels=tuple(even_levels(depth, norms)),
        modality_embedding="video_mod_embed" in state,
        image_patches="patch_embed_img.proj.weight" in state,
        **{k: v for k, v in told.items() if k == "rope_reference"},
    )


def _open(source: str | Path | Mapping) -> tuple[dict[str, dict[str, Tensor]], str]:
    if isinstance(source, Mapping):
        return networks(source, "the given checkpoint"), "the given checkpoint"
    return read_checkpoint(source), str(source)


# --- layouts ----------------------------------------------------------------------------------


def _version(state: Mapping[str, Tensor]) -> str | None:
    """2.1 has a norm for every level; 2 has one at the end."""
    if any(k.startswith("norms_block.") for k in state):
        return "V-JEPA 2.1"
    return "V-JEPA 2" if "norm.weight" in state else None


def even_levels(depth: int, count: int) -> list[int]:
    """Blocks after which 2.1 has its `count` norms: even quarters, but for ViT-G's third."""
    if (depth, count) == (48, 4):
        return [12, 24, 38, 48]
    return [depth * (i + 1) // count for i in range(count)]


_BLOCK_NAMES = (
    (r"^predictor_blocks\.", "blocks."),
    (r"^(blocks\.\d+)\.(?:attn|mlp)\.", r"\1."),
    (r"^video_mod_embed$", "modality.video"),
    (r"^img_mod_embed$", "modality.image"),
)


def _common(state: Mapping[str, Tensor], names: tuple[tuple[str, str], ...]) -> dict[str, Tensor]:
    out = {}
    for name, value in state.items():
        for pattern, new in (*names, *_BLOCK_NAMES):
            name = re.sub(pattern, new, name)
        if name.startswith("modality."):
            value = value.flatten()  # [1, 1, D] -> [D]
        out[name] = value
    return out


def _encoder_weights(
    state: Mapping[str, Tensor], encoder: Encoder, label: str
) -> dict[str, Tensor]:
    """Names and shapes of our `Encoder`; norms of levels it has not become `norms.unused.`."""
    weights = _common(
        state,
        (
            (r"^patch_embed\.proj\.", "patch_embed."),
            (r"^patch_embed_img\.proj\.", "patch_embed_image."),
        ),
    )
    for name in ("patch_embed.weight", "patch_embed_image.weight"):
        if name in weights:
            _need(weights[name].ndim >= 2, name, weights[name], label)
            weights[name] = weights[name].flatten(1)  # Conv3d kernel [D, 3, t, p, p] -> [D, 3tpp]
    ours = list(encoder.cfg.levels)
    count = count_of(weights, "norms_block.", label)
    levels = even_levels(encoder.cfg.depth, count) if count else []
    for name in [k for k in weights if k.startswith(("norms_block.", "norm."))]:
        first, *rest, kind = name.split(".")
        level = levels[int(rest[0])] if first == "norms_block" else encoder.cfg.depth
        place = ours.index(level) if level in ours else f"unused.{level}"
        weights[f"norms.{place}.{kind}"] = weights.pop(name)
    return weights


def _predictor_weights(state: Mapping[str, Tensor], label: str) -> dict[str, Tensor]:
    """Names and shapes of our `Predictor`."""
    weights = _common(
        state,
        (
            (r"^predictor_embed\.", "embed."),
            (r"^(?:predictor_)?proj_context\.", "head_context."),
            (r"^(?:predictor_)?proj\.", "head."),
            (r"^predictor_norm\.", "norm."),
            (r"^predictor_pos_embed$", "pos_embed"),
        ),
    )
    tokens = []
    for number in range(count_of(weights, "mask_tokens.", label)):
        name = f"mask_tokens.{number}"
        _need(name in weights, name, None, label)
        tokens.append(weights.pop(name).flatten())
        _need(tokens[-1].shape == tokens[0].shape, name, tokens[-1], label)
    if tokens:
        weights["mask_tokens"] = torch.stack(tokens)
    elif "mask_tokens" in weights:
        _need(weights["mask_tokens"].ndim == 4, "mask_tokens", weights["mask_tokens"], label)
        weights["mask_tokens"] = weights["mask_tokens"].flatten(0, 2)  # [G, 1, 1, d] -> [G, d]
    return weights


def _need(fits: bool, name: str, value: Tensor | None, label: str) -> None:
    if not fits:
        have = "is missing" if value is None else f"has shape {list(value.shape)}"
        raise ConfigError(
            f"{name} of {label} {have}, which no V-JEPA network has: download the checkpoint again."
        )


# --- filling ----------------------------------------------------------------------------------


def _hint(name: str) -> str:
    first = name.split(".")[0]
    return _HINTS.get(first, "its configuration")


def _pick(parts: Mapping[str, dict[str, Tensor]], part: str, label: str) -> dict[str, Tensor]:
    if part not in parts:
        raise DataError(f"{capital(label)} has no {part!r}; it has: {', '.join(sorted(parts))}.")
    check_weights(parts[part], label)
    return parts[part]


def _fill(
    network: Encoder | Predictor,
    weights: dict[str, Tensor],
    harmless: tuple[str, ...],
    version: str | None,
    kind: str,
    label: str,
) -> tuple[str, ...]:
    """Copy weights into a network after checking all of them; returns the names left over."""
    left = _check(network, weights, harmless, version, kind, label)
    own = dict(network.named_parameters())
    damaged = next((name for name in own if not weights[name].isfinite().all()), None)
    if damaged is not None:
        raise DataError(
            f"{damaged} of {label} holds values that are not finite: download the checkpoint again."
        )
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(weights[name])
    return tuple(sorted(left))


def _check(
    network: Encoder | Predictor,
    weights: dict[str, Tensor],
    harmless: tuple[str, ...],
    version: str | None,
    kind: str,
    label: str,
) -> list[str]:
    """Raise ConfigError unless weights fit a network, by names and shapes; the names left over."""
    if version is not None and network.rotary.paired != (version == "V-JEPA 2.1"):
        how = (
            "EncoderConfig's own rotary settings"
            if version == "V-JEPA 2.1"
            else "EncoderConfig(..., levels=(depth,), **V_JEPA_2)"
        )
        raise ConfigError(
            f"{capital(label)} is {version}, but this {kind} turns its rotary pairs the other way: "
            f"make it with {how}."
        )
    own: dict[str, nn.Parameter] = dict(network.named_parameters())
    missing = [k for k in own if k not in weights]
    if missing:
        raise ConfigError(
            f"{capital(label)} lacks {len(missing)} of the {len(own)} weights of this {kind}, "
            f"first {missing[0]}: change {_hint(missing[0])} in the {kind}'s configuration."
        )
    left = [k for k in weights if k not in own]
    unexpected = [k for k in left if not k.startswith(harmless)]
    if unexpected:
        raise ConfigError(
            f"{capital(label)} has {len(unexpected)} weights that this {kind} has no place for, "
            f"first {shown(unexpected[0])[1:-1]}: change {_hint(unexpected[0])} in the {kind}'s "
            "configuration."
        )
    for name, parameter in own.items():
        if weights[name].shape != parameter.shape:
            raise ConfigError(
                f"{name} is {list(weights[name].shape)} in {label} but {list(parameter.shape)} in "
                f"this {kind}: change {_hint(name)} in the {kind}'s configuration."
            )
    return left
