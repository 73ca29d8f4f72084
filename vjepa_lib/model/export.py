"""Our encoders in the layouts of others: the inverse of `checkpoints`.

Two layouts: the `vjepa2` repository's, for V-JEPA 2 and 2.1, which differ in how rotary positions
pair channels; and `VJEPA2Model` of `transformers`, which is V-JEPA 2 alone.
"""

from __future__ import annotations

import re

from torch import Tensor

from vjepa_lib.errors import ConfigError
from vjepa_lib.model.checkpoints import even_levels
from vjepa_lib.model.vit import Encoder, EncoderConfig, Predictor, PredictorConfig

RELEASED_REFERENCE = 16  # rows and columns that 2.1 spreads positions over
_BLOCK_PARTS = ((r"\.(qkv|proj)\.", r".attn.\1."), (r"\.(fc[12])\.", r".mlp.\1."))


def _refuse(layout: str, why: str, way: str) -> ConfigError:
    return ConfigError(f"This encoder has no place in {layout}: {why}; {way}.")


def _plain_positions(cfg: EncoderConfig) -> bool:
    """Whether rows and columns are as far apart as they are numbered."""
    return cfg.rope_reference is None or (cfg.grid.h == cfg.grid.w == cfg.rope_reference)


def _kernel(encoder: Encoder, weight: Tensor, frames: int) -> Tensor:
    patch = encoder.cfg.patch
    return weight.reshape(len(weight), 3, frames, patch, patch)


def _block_name(name: str) -> str:
    for pattern, new in _BLOCK_PARTS:
        name = re.sub(pattern, new, name)
    return name


def repository_state(encoder: Encoder) -> dict[str, Tensor]:
    """An encoder's weights under the `vjepa2` repository's names.

    V-JEPA 2 ends in one norm and knows no modalities: levels before the last are left out, and the
    vector of 'video' becomes part of the patch embedding's bias, which changes no token.

    Raises
    ------
    ConfigError : the repository builds no model of this geometry.
    """
    cfg = encoder.cfg
    where = "the vjepa2 repository's layout"
    state = {k: v.detach().cpu() for k, v in encoder.state_dict().items()}
    old = cfg.rope_pairing == "tiled"
    if old and not _plain_positions(cfg):
        raise _refuse(
            where,
            f"V-JEPA 2 does not spread positions over {cfg.rope_reference} places",
            "train it on a grid of that many rows and columns",
        )
    if not old and cfg.rope_reference not in (None, RELEASED_REFERENCE):
        raise _refuse(
            where,
            f"it spreads positions over {RELEASED_REFERENCE} places, this one over "
            f"{cfg.rope_reference}",
            f"train with rope_reference = {RELEASED_REFERENCE}",
        )
    if not old and list(cfg.levels) != even_levels(cfg.depth, len(cfg.levels)):
        raise _refuse(
            where,
            f"its levels lie at even parts of the depth, these after blocks {list(cfg.levels)}",
            "train with such levels",
        )
    out: dict[str, Tensor] = {}
    for name, value in state.items():
        if name.startswith("blocks."):
            out[_block_name(name)] = value
        elif name.startswith("norms."):
            number, kind = name.split(".")[1:]
            if not old:
                out[f"norms_block.{number}.{kind}"] = value
            elif int(number) == len(cfg.levels) - 1:
                out[f"norm.{kind}"] = value
        elif name == "patch_embed.weight":
            out["patch_embed.proj.weight"] = _kernel(encoder, value, cfg.tubelet)
        elif name == "patch_embed.bias":
            modality = state.get("modality.video") if old else None
            out["patch_embed.proj.bias"] = value if modality is None else value + modality
        elif old:  # patches and modality of stills, which V-JEPA 2 does not have
            continue
        elif name == "patch_embed_image.weight":
            out["patch_embed_img.proj.weight"] = _kernel(encoder, value, 1)
        elif name == "patch_embed_image.bias":
            out["patch_embed_img.proj.bias"] = value
        else:
            kind = {"modality.video": "video_mod_embed", "modality.image": "img_mod_embed"}[name]
            out[kind] = value[None, None]
    return {k: v.clone().contiguous() for k, v in out.items()}


_PREDICTOR_NAMES = {
    "embed": "predictor_embed",
    "blocks": "predictor_blocks",
    "norm": "predictor_norm",
    "head": "predictor_proj",
    "head_context": "predictor_proj_context",
}


def repository_predictor_state(predictor: Predictor, cfg: EncoderConfig) -> dict[str, Tensor]:
    """A predictor's weights under the `vjepa2` repository's names.

    V-JEPA 2 knows no modalities: the vector of 'video' becomes part of the embedding's bias and of
    the mask tokens, which changes no prediction.

    Parameters
    ----------
    cfg : of the encoder whose levels it reads.

    Raises
    ------
    ConfigError : V-JEPA 2's predictor reads one level.
    """
    old = cfg.rope_pairing == "tiled"
    if old and len(cfg.levels) > 1:
        raise ConfigError(
            f"This predictor has no place in the vjepa2 repository's layout: that of V-JEPA 2 "
            f"reads one level, this one {len(cfg.levels)}; train with one level to export it."
        )
    state = {k: v.detach().cpu() for k, v in predictor.state_dict().items()}
    video = state.get("modality.video")
    out: dict[str, Tensor] = {}
    for name, value in state.items():
        first, _, rest = name.partition(".")
        folded = old and video is not None and name in ("embed.bias", "mask_tokens")
        value = value + video if folded else value
        if name == "mask_tokens":
            out |= {f"mask_tokens.{i}": token[None, None] for i, token in enumerate(value)}
        elif first == "modality":
            if not old:
                kind = {"video": "video_mod_embed", "image": "img_mod_embed"}[rest]
                out[kind] = value[None, None]
        else:
            name = _block_name(name) if first == "blocks" else name
            out[f"{_PREDICTOR_NAMES[first]}.{name.partition('.')[2]}"] = value
    return {k: v.clone().contiguous() for k, v in out.items()}


def repository_config(cfg: EncoderConfig, predictor: PredictorConfig | None = None) -> dict:
    """What the weights do not tell, as JSON types; `open_encoder` reads heads and positions."""
    return _predictor_sizes(predictor) | {
        "model_type": "vjepa2" if cfg.rope_pairing == "tiled" else "vjepa2_1",
        **_sizes(cfg),
        "rope_reference": None if cfg.rope_pairing == "tiled" else cfg.rope_reference,
        "interpolate_rope": cfg.rope_pairing != "tiled" and cfg.rope_reference is not None,
        "out_layers": [n - 1 for n in cfg.levels],
    }


def _predictor_sizes(cfg: PredictorConfig | None) -> dict:
    if cfg is None:
        return {}
    return {
        "pred_hidden_size": cfg.width,
        "pred_num_hidden_layers": cfg.depth,
        "pred_num_attention_heads": cfg.heads,
        "pred_num_mask_tokens": cfg.mask_groups,
        "pred_mlp_ratio": cfg.mlp_ratio,
    }


def _sizes(cfg: EncoderConfig) -> dict:
    return {
        "patch_size": cfg.patch,
        "tubelet_size": cfg.tubelet,
        "crop_size": cfg.height,
        "frames_per_clip": cfg.frames,
        "hidden_size": cfg.width,
        "num_hidden_layers": cfg.depth,
        "num_attention_heads": cfg.heads,
        "mlp_ratio": cfg.mlp_ratio,
    }


_TO_HUGGING_FACE = (
    (r"^patch_embed\.", "embeddings.patch_embeddings."),
    (r"^blocks\.", "layer."),
    (r"\.attn\.", ".attention."),
    (r"^norm\.", "layernorm."),
)


def hugging_face_state(encoder: Encoder) -> tuple[dict[str, Tensor], dict]:
    """An encoder's weights and configuration as `VJEPA2Model` of `transformers` has them.

    The model gives the last level. Its predictor is not ours and is left out: call the model with
    `skip_predictor=True`.

    Raises
    ------
    ConfigError : the model computes something else.
    """
    cfg = encoder.cfg
    where = "Hugging Face's VJEPA2Model"
    if cfg.rope_pairing != "tiled":
        raise _refuse(
            where,
            "that is V-JEPA 2, whose rotary positions pair channels otherwise than 2.1",
            'use --layout vjepa2, or train with rope_pairing = "tiled" under [model]',
        )
    if cfg.height != cfg.width_px:
        raise _refuse(
            where,
            f"it takes squares, and this one reads {cfg.height} x {cfg.width_px} px",
            "use --layout vjepa2",
        )
    out: dict[str, Tensor] = {}
    for name, value in repository_state(encoder).items():
        for pattern, new in _TO_HUGGING_FACE:
            name = re.sub(pattern, new, name)
        if ".attention.qkv." in name:
            for part, rows in zip(("query", "key", "value"), value.chunk(3), strict=True):
                out["encoder." + name.replace(".qkv.", f".{part}.")] = rows.clone()
        else:
            out["encoder." + name] = value
    config = {
        "architectures": ["VJEPA2Model"],
        "model_type": "vjepa2",
        "dtype": "float32",
        **_sizes(cfg),
        # None of ours is in the file; the smallest that the model can be built with.
        "pred_hidden_size": cfg.width,
        "pred_num_attention_heads": cfg.heads,
        "pred_num_hidden_layers": 1,
        "pred_num_mask_tokens": 1,
    }
    return out, config
