"""Encoder and predictor straight from their formulas, on the weights of ours.

They see one mask group at a time. Two ways to write a block are told apart by `Form`: `PLAIN`
writes everything out, `PUBLISHED` leaves norms and attention to PyTorch and works out the rotary
angles anew in every block, one axis after the other, as published V-JEPA code does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vjepa_lib.model.grid import gather, positions
from vjepa_lib.model.vit import Encoder, EncoderConfig, Predictor
from vjepa_lib.training.trainer import Trainer

Turn = Callable[[Tensor], Tensor]  # rotates queries or keys [B, heads, N, head_dim]


@dataclass(frozen=True)
class Form:
    """How the parts of a block are computed.

    Attributes
    ----------
    norm : (LayerNorm, tokens) -> tokens.
    attend : queries, keys and values [B, heads, N, head_dim] -> the same shape.
    gelu : the activation of the MLP.
    rotary : places [B, N, 3] and head_dim -> what turns queries and keys.
    """

    norm: Callable[[nn.LayerNorm, Tensor], Tensor]
    attend: Callable[[Tensor, Tensor, Tensor], Tensor]
    gelu: Callable[[Tensor], Tensor]
    rotary: Callable[[Tensor, int], Turn]


# --- parts of a block -------------------------------------------------------------------------


def layer_norm(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    """(x - mean) / sqrt(var + eps), scaled and shifted, over the channels of x [..., D]."""
    centred = x - x.mean(-1, keepdim=True)
    variance = (centred**2).mean(-1, keepdim=True)
    return centred / torch.sqrt(variance + norm.eps) * norm.weight + norm.bias


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(Q K^T / sqrt d) V (Vaswani et al., arXiv 1706.03762, eq. 1)."""
    return torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]), -1) @ v


def gelu(x: Tensor) -> Tensor:
    """x times the chance that a standard normal number lies below x."""
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def _axis_angle(place: Tensor, channels: int) -> Tensor:
    """Angles [B, 1, N, channels] along one axis; neighbouring channels share one."""
    frequency = 10000.0 ** (-torch.arange(channels // 2, device=place.device) / (channels / 2))
    return (place[:, None, :, None] * frequency).repeat_interleave(2, -1)


def _quarter_turned(x: Tensor) -> Tensor:
    """Every channel pair (a, b) as (-b, a)."""
    return torch.stack((-x[..., 1::2], x[..., ::2]), -1).flatten(-2)


def angles_once(places: Tensor, head_dim: int) -> Turn:
    """Rotate by cosines and sines worked out once a pass."""
    part = 2 * (head_dim // 3 // 2)
    angle = torch.cat([_axis_angle(places[..., axis], part) for axis in range(3)], -1)
    angle = F.pad(angle, (0, head_dim - 3 * part))  # channels left over are not turned
    cos, sin = angle.cos(), angle.sin()
    return lambda x: x * cos + _quarter_turned(x) * sin


def angles_by_axis(places: Tensor, head_dim: int) -> Turn:
    """Rotate axis by axis, working out the angles anew at every call."""
    part = 2 * (head_dim // 3 // 2)

    def turn(x: Tensor) -> Tensor:
        pieces = list(x.split([part, part, part, head_dim - 3 * part], -1))
        for axis in range(3):
            angle, piece = _axis_angle(places[..., axis], part), pieces[axis]
            pieces[axis] = piece * angle.cos() + _quarter_turned(piece) * angle.sin()
        return torch.cat(pieces, -1)

    return turn


PLAIN = Form(layer_norm, attention, gelu, angles_once)
PUBLISHED = Form(lambda norm, x: norm(x), F.scaled_dot_product_attention, F.gelu, angles_by_axis)


def _block(block: nn.Module, form: Form, x: Tensor, turn: Turn) -> Tensor:
    """One pre-norm block on tokens x [B, N, width]."""
    b, n, width = x.shape
    qkv = block.qkv(form.norm(block.norm1, x))
    q, k, v = qkv.reshape(b, n, 3, block.heads, width // block.heads).permute(2, 0, 3, 1, 4)
    mixed = form.attend(turn(q), turn(k), v)
    x = x + block.proj(mixed.transpose(1, 2).reshape(b, n, width))
    return x + block.fc2(form.gelu(block.fc1(form.norm(block.norm2, x))))


# --- networks ---------------------------------------------------------------------------------


def _places(cfg: EncoderConfig, index: Tensor) -> Tensor:
    """Time step, row and column of tokens [B, N], spread as the encoder asks: [B, N, 3]."""
    t, y, x = positions(index, cfg.grid)
    if cfg.rope_reference:
        y = y * ((cfg.rope_reference - 1) / max(cfg.grid.h - 1, 1))
        x = x * ((cfg.rope_reference - 1) / max(cfg.grid.w - 1, 1))
    return torch.stack([t.float(), y.float(), x.float()], -1)


def encode(
    encoder: Encoder,
    form: Form,
    clip: Tensor,
    index: Tensor | None = None,
    levels: bool = True,
    modality: str = "video",
) -> Tensor:
    """`Encoder.forward`: embed every tubelet, keep those of the mask, run the blocks."""
    cfg = encoder.cfg
    kernel = (cfg.tubelet, cfg.patch, cfg.patch)
    weight = encoder.patch_embed.weight.view(-1, 3, *kernel)
    x = F.conv3d(clip, weight, encoder.patch_embed.bias, kernel).flatten(2).transpose(1, 2)
    if index is None:
        index = torch.arange(encoder.grid.n, device=clip.device).expand(len(clip), -1)
    x = gather(x, index)
    if encoder.modality is not None:
        x = x + encoder.modality[modality]
    turn = form.rotary(_places(cfg, index), cfg.width // cfg.heads)
    outputs = []
    for number, block in enumerate(encoder.blocks, 1):
        x = _block(block, form, x, turn)
        if number in cfg.levels:
            outputs.append(form.norm(encoder.norms[len(outputs)], x))
    return torch.cat(outputs, -1) if levels else outputs[-1]


def predict(
    predictor: Predictor,
    form: Form,
    encoder: EncoderConfig,
    z: Tensor,
    context_index: Tensor,
    target_index: Tensor,
    group: int = 0,
    modality: str = "video",
    with_context: bool = True,
) -> tuple[Tensor, Tensor | None]:
    """`Predictor.forward` for one mask group: context and mask tokens through the blocks."""
    cfg, k = predictor.cfg, z.shape[1]
    mask = predictor.mask_tokens[group % len(predictor.mask_tokens)]
    x = torch.cat([predictor.embed(z), mask.expand(*target_index.shape, -1)], 1)
    if predictor.modality is not None:
        x = x + predictor.modality[modality]
    places = _places(encoder, torch.cat([context_index, target_index], 1))
    turn = form.rotary(places, cfg.width // cfg.heads)
    for block in predictor.blocks:
        x = _block(block, form, x, turn)
    x = form.norm(predictor.norm, x)
    wanted = with_context and predictor.head_context is not None
    return predictor.head(x[:, k:]), predictor.head_context(x[:, :k]) if wanted else None


def rewrite(trainer: Trainer, form: Form) -> Trainer:
    """Let a trainer's networks compute in this form, with the weights they have; the trainer."""
    for encoder in (trainer.context_encoder, trainer.target_encoder):
        encoder.forward = partial(encode, encoder, form)
    predictor = trainer.predictor
    predictor.forward = partial(predict, predictor, form, trainer.setup.encoder)
    return trainer
