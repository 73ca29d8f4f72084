"""Encoder and predictor of V-JEPA 2.1: a vision transformer over tubelets, 3-D rotary positions.

At `paper` geometry (`EncoderConfig()` and `PredictorConfig()`) the parameters, their order of
application and their initialisation are those of V-JEPA 2.1 ViT-B/16 (Assran et al., arXiv
2506.09985, and its 2.1 revision); everything smaller is the same code with smaller numbers. The
switches of V-JEPA 2 (`V_JEPA_2`) turn it into that model, whose weights `checkpoints` reads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vjepa_lib.errors import ConfigError, ShapeError, shown
from vjepa_lib.model.blocks import Block, through
from vjepa_lib.model.grid import Grid
from vjepa_lib.model.rotary import Rotary
from vjepa_lib.settings import LARGEST, Count, Positive, Whole, check_domains

MODALITIES = ("video", "image")


def _check_width(width: int, heads: int, mlp_ratio: float) -> None:
    """Three parts of a head (time, row, column) need at least one rotated pair each."""
    if not 1 <= width * mlp_ratio <= LARGEST:
        raise ConfigError(
            f"mlp_ratio {mlp_ratio:g} times width {width} gives a hidden layer that is not from 1 "
            f"to {LARGEST} wide: change one of them."
        )
    if width % heads:
        raise ConfigError(f"width {width} does not divide by heads {heads}: change one of them.")
    if width // heads < 6 or width // heads % 2:
        raise ConfigError(
            f"width {width} over {heads} heads gives {width // heads} channels a head, but 3-D "
            "rotary positions need an even number of at least 6: change width or heads."
        )


@dataclass(frozen=True)
class EncoderConfig:
    """Shape of an encoder; the defaults are V-JEPA 2.1 ViT-B/16 on 16 frames of 224 x 224.

    Attributes
    ----------
    height, width_px, frames : size of a clip, in pixels and frames.
    patch, tubelet : size of a token, in pixels and frames.
    levels : 1-based numbers of the blocks whose outputs are returned, each through its own
        LayerNorm.
    modality_embedding : add a learned vector that tells video from image (2.1).
    image_patches : a second patch embedding, one frame deep, for stills [B, 3, 1, H, W] (2.1). The
        study does without: it repeats an image over time and calls it a video.
    rope_reference : rows and columns are spread over this many positions, 16 being the 256-px
        pretraining grid (2.1); None leaves them as they are (V-JEPA 2).
    rope_pairing : 'interleaved' gives both channels of a rotated pair one frequency (2.1);
        'tiled' repeats the frequency list instead, as the released V-JEPA 2 weights expect.
    init_std : standard deviation of the weights; 0.02 at width 768. Narrow models need more for
        their blocks to matter beside the residual stream.
    """

    height: Count = 224
    width_px: Count = 224
    frames: Count = 16
    patch: Count = 16
    tubelet: Count = 2
    width: Count = 768
    depth: Count = 12
    heads: Count = 12
    mlp_ratio: Positive = 4.0
    levels: tuple[Whole, ...] = (3, 6, 9, 12)
    modality_embedding: bool = True
    image_patches: bool = False
    rope_reference: Count | None = 16
    rope_pairing: str = "interleaved"
    init_std: Positive = 0.02
    activation_checkpointing: bool = False

    def __post_init__(self) -> None:
        check_domains(self)
        if self.height % self.patch or self.width_px % self.patch or self.frames % self.tubelet:
            raise ConfigError(
                f"A clip of {self.frames} frames of {self.height} x {self.width_px} px does not "
                f"divide into tubelets of {self.tubelet} x {self.patch} x {self.patch}: change "
                "height, width_px, frames, patch or tubelet."
            )
        _check_width(self.width, self.heads, self.mlp_ratio)
        rising = tuple(sorted(set(self.levels)))
        if not rising or rising != tuple(self.levels) or rising[0] < 1 or rising[-1] != self.depth:
            raise ConfigError(
                f"levels {shown(self.levels)} must rise within 1..{self.depth} and end there."
            )
        if self.rope_pairing not in ("interleaved", "tiled"):
            raise ConfigError(
                f"rope_pairing {shown(self.rope_pairing)} is neither 'interleaved' nor 'tiled'."
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
    """Shape of a predictor; the defaults are those of the study (arXiv 2605.17165, section 2).

    Attributes
    ----------
    mask_groups : mask tokens to learn, one for every mask group.
    predict_context : a second head predicts at the context positions too (2.1's dense loss).
    out_dim : channels of a prediction; None for those of the encoder's levels. It differs where the
        targets come from a wider teacher, as for the distilled ViT-B and ViT-L of 2.1.
    """

    width: Count = 256
    depth: Count = 8
    heads: Count = 8
    mlp_ratio: Positive = 4.0
    mask_groups: Count = 2
    predict_context: bool = True
    out_dim: Count | None = None

    def __post_init__(self) -> None:
        check_domains(self)
        _check_width(self.width, self.heads, self.mlp_ratio)


V_JEPA_2 = {
    "modality_embedding": False,
    "rope_reference": None,
    "rope_pairing": "tiled",
}
"""Switches of `EncoderConfig` for V-JEPA 2 (add levels=(depth,)); its predictor has
`predict_context=False`."""


def _rotary(encoder: EncoderConfig, cfg: EncoderConfig | PredictorConfig) -> Rotary:
    """Positions on the encoder's grid for the heads of a network."""
    pairing, reference = encoder.rope_pairing, encoder.rope_reference
    return Rotary(encoder.grid, cfg.width // cfg.heads, reference, pairing)


def check_index(index: Tensor, batch: int, n: int, name: str) -> None:
    """Raise ShapeError unless `index` is [batch, K] token numbers below n.

    The numbers themselves are looked at on a CPU only: a GPU would have to wait for the answer.
    """
    if index.ndim != 2 or len(index) != batch or index.dtype not in (torch.int64, torch.int32):
        raise ShapeError(
            f"{name} must be integers [{batch}, K], not {index.dtype} {list(index.shape)}."
        )
    if index.device.type == "cpu" and index.numel():
        low, high = index.aminmax()
        if low < 0 or high >= n:
            raise ShapeError(
                f"{name} has token {int(low if low < 0 else high)}, but the grid has tokens 0 to "
                f"{n - 1}: draw the masks for this grid."
            )


def _initialise(module: nn.Module, blocks: nn.ModuleList, std: float) -> None:
    """Normal weights, zero biases; residual branches shrink with depth (V-JEPA).

    The truncation is V-JEPA's, at -2 and 2 and not at two standard deviations: it cuts nothing.
    """
    for m in module.modules():
        if isinstance(m, nn.Linear):
            nn.init.trunc_normal_(m.weight, std=std, a=-2.0, b=2.0)
            nn.init.zeros_(m.bias)
    with torch.no_grad():
        for number, block in enumerate(blocks, 1):
            block.proj.weight.div_(math.sqrt(2.0 * number))
            block.fc2.weight.div_(math.sqrt(2.0 * number))


def _modality_vectors(width: int) -> nn.ParameterDict:
    return nn.ParameterDict({k: nn.Parameter(1e-6 * torch.randn(width)) for k in MODALITIES})


def _add_modality(x: Tensor, vectors: nn.ParameterDict | None, modality: str) -> Tensor:
    if modality not in MODALITIES:
        raise ConfigError(f"Unknown modality {modality!r}: choose one of {', '.join(MODALITIES)}.")
    return x if vectors is None else x + vectors[modality]


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
        self.activation_checkpointing = cfg.activation_checkpointing
        self.patch_embed = nn.Linear(3 * cfg.tubelet * cfg.patch**2, cfg.width)
        self.patch_embed_image = (
            nn.Linear(3 * cfg.patch**2, cfg.width) if cfg.image_patches else None
        )
        self.blocks = nn.ModuleList(
            [Block(cfg.width, cfg.heads, cfg.mlp_ratio) for _ in range(cfg.depth)]
        )
        self.norms = nn.ModuleList([nn.LayerNorm(cfg.width, eps=1e-6) for _ in cfg.levels])
        self.modality = _modality_vectors(cfg.width) if cfg.modality_embedding else None
        self.rotary = _rotary(cfg, cfg)
        _initialise(self, self.blocks, cfg.init_std)

    @property
    def out_dim(self) -> int:
        """Channels of the concatenated levels, L * width."""
        return len(self.cfg.levels) * self.cfg.width

    def patchify(self, clip: Tensor, index: Tensor | None = None, still: bool = False) -> Tensor:
        """Cut a clip into flat tubelets, all of them or those of a mask.

        Parameters
        ----------
        clip : [B, 3, F, H, W], or [B, 3, 1, H, W] for a still; or what this method returned for
            all tokens, to pick from.
        index : [B, K] token numbers.
        still : the clip is one frame of an image, for the embedding of `image_patches`.

        Returns
        -------
        [B, K or N, 3 * tubelet * patch * patch]

        Raises
        ------
        ShapeError : the clip or the index does not fit the token grid.
        """
        c, g = self.cfg, self.grid
        frames, tubelet = (1, 1) if still else (c.frames, c.tubelet)
        b, n = len(clip), frames // tubelet * g.h * g.w
        flat = 3 * tubelet * c.patch**2
        if clip.ndim == 3 and clip.shape[1:] == (n, flat):
            return self._pick(clip, index)
        if clip.ndim != 5 or clip.shape[1:] != (3, frames, c.height, c.width_px):
            raise ShapeError(
                f"The encoder takes clips [B, 3, {frames}, {c.height}, {c.width_px}], "
                f"not {list(clip.shape)}: resample the clip or change the encoder's geometry."
            )
        x = clip.reshape(b, 3, -1, tubelet, g.h, c.patch, g.w, c.patch)
        # Channel, frame, row, column: the order of a Conv3d kernel, so official weights reshape.
        return self._pick(x.permute(0, 2, 4, 6, 1, 3, 5, 7).reshape(b, n, flat), index)

    @staticmethod
    def _pick(patches: Tensor, index: Tensor | None) -> Tensor:
        """Tubelets [B, N, P] at the token numbers [B, K], or all."""
        if index is None:
            return patches
        b, n, _ = patches.shape
        check_index(index, b, n, "index")
        rows = index + n * torch.arange(b, device=index.device)[:, None]
        return patches.flatten(0, 1).index_select(0, rows.flatten()).view(*index.shape, -1)

    def forward(
        self,
        clip: Tensor,
        index: Tensor | Sequence[Tensor] | None = None,
        levels: bool = True,
        modality: str = "video",
    ) -> Tensor | list[Tensor]:
        """Encode all tokens of a clip, or only those of a mask.

        Parameters
        ----------
        clip : [B, 3, F, H, W] float, normalised; [B, 3, 1, H, W] for an image with
            `image_patches`; or tubelets already cut by `patchify`, [B, N, P].
        index : [B, K] token numbers to keep (the context), or None for all N. A list of such
            masks is encoded in one pass; each sees its own tokens only.
        levels : return every level (training) or the last alone (evaluation).
        modality : 'video' or 'image'.

        Returns
        -------
        [B, K or N, L * width] or [B, K or N, width]; for a list of masks a list of them.

        Raises
        ------
        ShapeError : the clip or the index does not fit the token grid.
        ConfigError : an unknown modality.
        """
        lengths, several = None, isinstance(index, (list, tuple))
        if several:
            lengths, index = [i.shape[1] for i in index], torch.cat(list(index), 1)
        still = modality == "image" and self.patch_embed_image is not None
        embed = self.patch_embed_image if still else self.patch_embed
        x = _add_modality(embed(self.patchify(clip, index, still)), self.modality, modality)
        rope = self.rotary(index, x.shape[1])
        norms = dict(zip(self.cfg.levels, self.norms))
        wanted = norms if levels else {self.cfg.depth: norms[self.cfg.depth]}
        blocks = through(self.blocks, x, rope, lengths, self.activation_checkpointing)
        outputs = [wanted[n](h) for n, h in enumerate(blocks, 1) if n in wanted]
        out = torch.cat(outputs, -1) if len(outputs) > 1 else outputs[0]
        return list(out.split(lengths, 1)) if several else out


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
        self.in_dim, self.out_dim = dim, cfg.out_dim or dim
        if len(enc_cfg.levels) == 1:
            self.embed = nn.Linear(dim, cfg.width)
        else:
            self.embed = nn.Sequential(
                nn.Linear(dim, enc_cfg.width), nn.GELU(), nn.Linear(enc_cfg.width, cfg.width)
            )
        self.mask_tokens = nn.Parameter(torch.zeros(cfg.mask_groups, cfg.width))
        self.blocks = nn.ModuleList(
            [Block(cfg.width, cfg.heads, cfg.mlp_ratio) for _ in range(cfg.depth)]
        )
        self.norm = nn.LayerNorm(cfg.width, eps=1e-6)
        self.head = nn.Linear(cfg.width, self.out_dim)
        self.head_context = nn.Linear(cfg.width, self.out_dim) if cfg.predict_context else None
        self.modality = _modality_vectors(cfg.width) if enc_cfg.modality_embedding else None
        self.rotary = _rotary(enc_cfg, cfg)
        self.activation_checkpointing = enc_cfg.activation_checkpointing
        _initialise(self, self.blocks, enc_cfg.init_std)

    def forward(
        self,
        z: Tensor | Sequence[Tensor],
        context_index: Tensor | Sequence[Tensor],
        target_index: Tensor | Sequence[Tensor],
        group: int = 0,
        modality: str = "video",
        with_context: bool = True,
    ) -> tuple[Tensor | list[Tensor], Tensor | list[Tensor] | None]:
        """Predict, for one mask group, or for several in one pass.

        Parameters
        ----------
        z : [B, K, L * D] context tokens; a list of them for groups `group`, `group` + 1, ...
        context_index, target_index : [B, K] and [B, M] token numbers; lists where z is one.
        group : number of the mask group, which chooses the mask token (cyclically).
        modality : 'video' or 'image'.
        with_context : also predict at the context positions (the dense loss of 2.1).

        Returns
        -------
        zhat [B, M, L * D], zhat_ctx [B, K, L * D] or None; lists where z is one.

        Raises
        ------
        ShapeError : tokens and indices disagree.
        ConfigError : an unknown modality.
        """
        if isinstance(z, Tensor):
            zhat, zhat_ctx = self(
                [z], [context_index], [target_index], group, modality, with_context
            )
            return zhat[0], None if zhat_ctx is None else zhat_ctx[0]
        for tokens, context, target in zip(z, context_index, target_index, strict=True):
            self._check(tokens, context, target)
        with_context = with_context and self.head_context is not None
        k, m = ([i.shape[1] for i in index] for index in (context_index, target_index))
        # Attention with rotary positions does not see the order of its tokens, so what the
        # official code sorts by position before the blocks and unsorts after them stays as it is:
        # the context of a group, then its targets, then the next group.
        x, index = [], []
        for number, tokens in enumerate(self.embed(torch.cat(list(z), 1)).split(k, 1)):
            mask = self.mask_tokens[(group + number) % len(self.mask_tokens)].to(tokens.dtype)
            x += [tokens, mask.expand(len(tokens), m[number], -1)]
            index += [context_index[number], target_index[number]]
        x = _add_modality(torch.cat(x, 1), self.modality, modality)
        rope = self.rotary(torch.cat(index, 1), x.shape[1])
        lengths = [a + b for a, b in zip(k, m, strict=True)]
        for out in through(self.blocks, x, rope, lengths, self.activation_checkpointing):
            x = out
        parts = self.norm(x).split([n for both in zip(k, m, strict=True) for n in both], 1)
        zhat = list(self.head(torch.cat(parts[1::2], 1)).split(m, 1))
        if not with_context:
            return zhat, None
        return zhat, list(self.head_context(torch.cat(parts[::2], 1)).split(k, 1))

    def _check(self, z: Tensor, context_index: Tensor, target_index: Tensor) -> None:
        """Raise ShapeError unless tokens and indices of a mask group fit."""
        if z.ndim != 3 or z.shape[-1] != self.in_dim:
            raise ShapeError(
                f"The predictor takes context tokens [B, K, {self.in_dim}], not {list(z.shape)}: "
                "encode with all levels of the encoder it was made for."
            )
        b, k = z.shape[:2]
        if context_index.shape != (b, k):
            raise ShapeError(
                f"{k} context tokens of {b} clips need an index [{b}, {k}], "
                f"not {list(context_index.shape)}."
            )
        check_index(context_index, b, self.grid.n, "context_index")
        check_index(target_index, b, self.grid.n, "target_index")


def layer_norm_levels(h: Tensor, n_levels: int) -> Tensor:
    """Normalise every level of h [B, N, L * D] on its own, without affine: the JEPA target.

    Raises
    ------
    ShapeError : the channels do not divide into so many levels.
    """
    if h.shape[-1] % n_levels:
        raise ShapeError(f"{h.shape[-1]} channels do not divide into {n_levels} levels.")
    levels = h.unflatten(-1, (n_levels, -1))
    return F.layer_norm(levels, levels.shape[-1:]).flatten(-2)
