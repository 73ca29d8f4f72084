"""Encoder and predictor of V-JEPA 2.1: a vision transformer over tubelets with 3-D rotary positions.

At `paper` geometry (`EncoderConfig()` and `PredictorConfig()`) the parameters, their order of
application and their initialisation are those of V-JEPA 2.1 ViT-B/16 (Assran et al., arXiv
2506.09985, and its 2.1 revision); everything smaller is the same code with smaller numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from vjepa_lib.errors import ConfigError, ShapeError
from vjepa_lib.grid import Grid


@dataclass(frozen=True)
class EncoderConfig:
    """Shape of an encoder; the defaults are V-JEPA 2.1 ViT-B/16 on 16 frames of 224 x 224.

    Attributes
    ----------
    levels : 1-based numbers of the blocks whose outputs are returned, each through its own LayerNorm.
    modality_embedding : add a learned vector that tells video from image (2.1).
    rope_reference : rows and columns are spread over this many positions, 16 being the 256-px
        pretraining grid (2.1); None leaves them as they are (V-JEPA 2).
    rope_pairing : 'interleaved' gives both channels of a rotated pair one frequency (2.1);
        'tiled' repeats the frequency list instead, as the released V-JEPA 2 weights expect.
    init_std : standard deviation of the weights; 0.02 at width 768. Narrow models need more for
        their blocks to matter beside the residual stream.
    """

    height: int = 224
    width_px: int = 224
    frames: int = 16
    patch: int = 16
    tubelet: int = 2
    width: int = 768
    depth: int = 12
    heads: int = 12
    mlp_ratio: float = 4.0
    levels: tuple[int, ...] = (3, 6, 9, 12)
    modality_embedding: bool = True
    rope_reference: int | None = 16
    rope_pairing: str = "interleaved"
    init_std: float = 0.02
    activation_checkpointing: bool = False

    def __post_init__(self) -> None:
        if self.height % self.patch or self.width_px % self.patch or self.frames % self.tubelet:
            raise ConfigError(
                f"A clip of {self.frames} frames of {self.height} x {self.width_px} px does not "
                f"divide into tubelets of {self.tubelet} x {self.patch} x {self.patch}: change one."
            )
        if self.width % self.heads:
            raise ConfigError(f"width {self.width} does not divide by heads {self.heads}.")
        if not self.levels or max(self.levels) != self.depth or min(self.levels) < 1:
            raise ConfigError(f"levels {self.levels} must lie in 1..{self.depth} and end there.")
        if self.rope_pairing not in ("interleaved", "tiled"):
            raise ConfigError(
                f"rope_pairing {self.rope_pairing!r} is neither 'interleaved' nor 'tiled'."
            )

    @property
    def grid(self) -> Grid:
        return Grid(
            self.frames // self.tubelet,
            self.height // self.patch,
            self.width_px // self.patch,
            self.tubelet,
            self.patch,
        )


@dataclass(frozen=True)
class PredictorConfig:
    """Shape of a predictor; the defaults are those of the study (arXiv 2605.17165, section 2)."""

    width: int = 256
    depth: int = 8
    heads: int = 8
    mlp_ratio: float = 4.0
    mask_groups: int = 2
    predict_context: bool = True


@lru_cache(maxsize=32)
def rope_table(
    grid: Grid, head_dim: int, reference: int | None, pairing: str
) -> tuple[Tensor, Tensor]:
    """Cosines and sines of 3-D rotary positions for every token of a grid.

    A head's channels fall into three equal even parts for time, row and column; what is left over
    (4 of 64) is not rotated. Part d of them uses frequencies 10000^(-2i/d) (Su et al., RoFormer,
    arXiv 2104.09864, eq. 15).

    Returns
    -------
    cos, sin : [N, head_dim] each; unrotated channels have cos 1 and sin 0.
    """
    part = 2 * (head_dim // 3 // 2)
    index = torch.arange(grid.n)
    t, y, x = index // (grid.h * grid.w), index // grid.w % grid.h, index % grid.w
    scale_y = (reference - 1) / max(grid.h - 1, 1) if reference else 1.0
    scale_x = (reference - 1) / max(grid.w - 1, 1) if reference else 1.0
    places = torch.stack([t.float(), y * scale_y, x * scale_x], 1)  # [N, 3]
    frequency = 10000.0 ** (-torch.arange(part // 2) / (part / 2)) if part else torch.zeros(0)
    angle = places[:, :, None] * frequency  # [N, 3, part / 2]
    angle = (
        angle.repeat_interleave(2, -1) if pairing == "interleaved" else angle.repeat(1, 1, 2)
    ).flatten(1)
    angle = F.pad(angle, (0, head_dim - angle.shape[1]))
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor, paired: bool = True) -> Tensor:
    """Rotate neighbouring channel pairs of x [..., head_dim] by the given angles.

    Parameters
    ----------
    paired : both channels of a pair have one angle, as in 2.1. The rotation is then one complex
        product, which on a CPU is one pass over memory instead of five.
    """
    if paired:
        turn = torch.complex(cos[..., ::2], sin[..., ::2])
        pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
        return torch.view_as_real(pairs * turn).flatten(-2).to(x.dtype)
    turned = torch.stack((-x[..., 1::2], x[..., ::2]), -1).flatten(-2)
    return x * cos + turned * sin


class Block(nn.Module):
    """Pre-norm transformer block: attention with rotary positions, then an MLP with GELU."""

    def __init__(self, width: int, heads: int, mlp_ratio: float, paired: bool = True) -> None:
        super().__init__()
        self.paired = paired
        hidden = int(width * mlp_ratio)
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        b, n, d = x.shape
        qkv = self.qkv(self.norm1(x)).view(b, n, 3, self.heads, d // self.heads)
        # Queries and keys turn together: one pass over memory instead of two.
        qk = rotate(qkv[:, :, :2], cos, sin, self.paired)  # [B, N, 2, heads, head_dim]
        q, k = qk.permute(2, 0, 3, 1, 4)
        v = qkv[:, :, 2].transpose(1, 2)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, d)
        x = x + self.proj(y)
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


def _initialise(module: nn.Module, blocks: nn.ModuleList, std: float) -> None:
    """Truncated normal weights, zero biases; residual branches shrink with depth (V-JEPA)."""
    for m in module.modules():
        if isinstance(m, nn.Linear):
            nn.init.trunc_normal_(m.weight, std=std, a=-2 * std, b=2 * std)
            nn.init.zeros_(m.bias)
    with torch.no_grad():
        for number, block in enumerate(blocks, 1):
            block.proj.weight.div_(math.sqrt(2.0 * number))
            block.fc2.weight.div_(math.sqrt(2.0 * number))


class _Rotary(nn.Module):
    """Holds the rotary table of one grid and picks rows of it."""

    def __init__(self, grid: Grid, head_dim: int, reference: int | None, pairing: str) -> None:
        super().__init__()
        cos, sin = rope_table(grid, head_dim, reference, pairing)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, index: Tensor | None) -> tuple[Tensor, Tensor]:
        """[1, N, 1, 1, head_dim] for the whole grid, [B, K, 1, 1, head_dim] for given tokens."""
        if index is None:
            return self.cos[None, :, None, None], self.sin[None, :, None, None]
        return self.cos[index][:, :, None, None], self.sin[index][:, :, None, None]


class Encoder(nn.Module):
    """Video transformer: context encoder, target encoder and frozen backbone alike.

    Parameters
    ----------
    cfg : EncoderConfig
    """

    def __init__(self, cfg: EncoderConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.grid = cfg.grid
        self.patch_embed = nn.Linear(3 * cfg.tubelet * cfg.patch**2, cfg.width)
        self.blocks = nn.ModuleList(
            [
                Block(cfg.width, cfg.heads, cfg.mlp_ratio, cfg.rope_pairing == "interleaved")
                for _ in range(cfg.depth)
            ]
        )
        self.norms = nn.ModuleList([nn.LayerNorm(cfg.width, eps=1e-6) for _ in cfg.levels])
        if cfg.modality_embedding:
            self.modality = nn.ParameterDict(
                {k: nn.Parameter(1e-6 * torch.randn(cfg.width)) for k in ("video", "image")}
            )
        self.rotary = _Rotary(
            self.grid, cfg.width // cfg.heads, cfg.rope_reference, cfg.rope_pairing
        )
        _initialise(self, self.blocks, cfg.init_std)

    @property
    def out_dim(self) -> int:
        """Channels of the concatenated levels, L * width."""
        return len(self.cfg.levels) * self.cfg.width

    def patchify(self, clip: Tensor) -> Tensor:
        """Cut clip [B, 3, F, H, W] into flat tubelets [B, N, 3 * tubelet * patch * patch]."""
        c = self.cfg
        if clip.ndim != 5 or clip.shape[1:] != (3, c.frames, c.height, c.width_px):
            raise ShapeError(
                f"The encoder takes clips [B, 3, {c.frames}, {c.height}, {c.width_px}], "
                f"not {list(clip.shape)}: resample the clip or change the encoder's geometry."
            )
        g = self.grid
        x = clip.reshape(-1, 3, g.t, c.tubelet, g.h, c.patch, g.w, c.patch)
        # Channel, frame, row, column: the order of a Conv3d kernel, so official weights reshape.
        return x.permute(0, 2, 4, 6, 1, 3, 5, 7).reshape(len(clip), g.n, -1)

    def forward(
        self,
        clip: Tensor,
        index: Tensor | None = None,
        levels: bool = True,
        modality: str = "video",
    ) -> Tensor:
        """Encode all tokens of a clip, or only those of a mask.

        Parameters
        ----------
        clip : [B, 3, F, H, W] float, normalised.
        index : [B, K] token numbers to keep (the context), or None for all N.
        levels : return every level (training) or the last alone (evaluation).
        modality : 'video' or 'image'.

        Returns
        -------
        [B, K or N, L * width] or [B, K or N, width]

        Raises
        ------
        ShapeError : the clip or the index does not fit the token grid.
        """
        tokens = self.patchify(clip)
        if index is not None:
            if index.ndim != 2 or len(index) != len(clip):
                raise ShapeError(
                    f"The token index must be [{len(clip)}, K], not {list(index.shape)}."
                )
            tokens = tokens.gather(1, index[..., None].expand(-1, -1, tokens.shape[-1]))
        x = self.patch_embed(tokens)
        if self.cfg.modality_embedding:
            x = x + self.modality[modality]
        cos, sin = self.rotary(index)
        outputs = []
        for number, block in enumerate(self.blocks, 1):
            if self.cfg.activation_checkpointing and torch.is_grad_enabled():
                x = checkpoint(block, x, cos, sin, use_reentrant=False)
            else:
                x = block(x, cos, sin)
            if number in self.cfg.levels and (levels or number == self.cfg.depth):
                outputs.append(self.norms[self.cfg.levels.index(number)](x))
        return torch.cat(outputs, -1) if levels else outputs[-1]


class Predictor(nn.Module):
    """Predicts target tokens from context tokens and mask tokens.

    Parameters
    ----------
    enc_cfg : the encoder whose levels come in and go out.
    cfg : PredictorConfig
    """

    def __init__(self, enc_cfg: EncoderConfig, cfg: PredictorConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.grid = enc_cfg.grid
        dim = len(enc_cfg.levels) * enc_cfg.width
        if len(enc_cfg.levels) == 1:
            self.embed = nn.Linear(dim, cfg.width)
        else:
            self.embed = nn.Sequential(
                nn.Linear(dim, enc_cfg.width), nn.GELU(), nn.Linear(enc_cfg.width, cfg.width)
            )
        self.mask_tokens = nn.Parameter(torch.zeros(cfg.mask_groups, cfg.width))
        self.blocks = nn.ModuleList(
            [
                Block(cfg.width, cfg.heads, cfg.mlp_ratio, enc_cfg.rope_pairing == "interleaved")
                for _ in range(cfg.depth)
            ]
        )
        self.norm = nn.LayerNorm(cfg.width, eps=1e-6)
        self.head = nn.Linear(cfg.width, dim)
        self.head_context = nn.Linear(cfg.width, dim) if cfg.predict_context else None
        self.modality = None
        if enc_cfg.modality_embedding:
            self.modality = nn.ParameterDict(
                {k: nn.Parameter(1e-6 * torch.randn(cfg.width)) for k in ("video", "image")}
            )
        self.rotary = _Rotary(
            self.grid, cfg.width // cfg.heads, enc_cfg.rope_reference, enc_cfg.rope_pairing
        )
        self.activation_checkpointing = enc_cfg.activation_checkpointing
        _initialise(self, self.blocks, enc_cfg.init_std)

    def forward(
        self,
        z: Tensor,
        context_index: Tensor,
        target_index: Tensor,
        group: int = 0,
        modality: str = "video",
        with_context: bool = True,
    ) -> tuple[Tensor, Tensor | None]:
        """Predict.

        Parameters
        ----------
        z : [B, K, L * D] context tokens.
        context_index, target_index : [B, K] and [B, M] token numbers.
        group : number of the mask group, which chooses the mask token.
        with_context : also predict at the context positions (the dense loss of 2.1).

        Returns
        -------
        zhat [B, M, L * D], zhat_ctx [B, K, L * D] or None

        Raises
        ------
        ShapeError : tokens and indices disagree.
        """
        b, k = z.shape[:2]
        if context_index.shape != (b, k) or len(target_index) != b:
            raise ShapeError(
                f"{list(z.shape[:2])} context tokens need an index of that shape and a target "
                f"index for {b} clips, not {list(context_index.shape)} and "
                f"{list(target_index.shape)}."
            )
        # Attention with rotary positions does not see the order of its tokens, so what the
        # official code sorts by position before the blocks and unsorts after them stays as it is.
        masks = self.mask_tokens[group % len(self.mask_tokens)].expand(b, target_index.shape[1], -1)
        x = torch.cat([self.embed(z), masks], 1)
        if self.modality is not None:
            x = x + self.modality[modality]
        cos, sin = self.rotary(torch.cat([context_index, target_index], 1))
        for block in self.blocks:
            if self.activation_checkpointing and torch.is_grad_enabled():
                x = checkpoint(block, x, cos, sin, use_reentrant=False)
            else:
                x = block(x, cos, sin)
        x = self.norm(x)
        if self.head_context is None or not with_context:
            return self.head(x[:, k:]), None
        return self.head(x[:, k:]), self.head_context(x[:, :k])


def layer_norm_levels(h: Tensor, n_levels: int) -> Tensor:
    """Normalise every level of h [B, N, L * D] on its own, without affine: the JEPA target."""
    levels = h.unflatten(-1, (n_levels, -1))
    return F.layer_norm(levels, levels.shape[-1:]).flatten(-2)
