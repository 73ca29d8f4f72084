"""Transformer blocks, for one set of tokens a clip or for several that do not see one another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from vjepa_lib.model.rotary import rotate


class Block(nn.Module):
    """Pre-norm transformer block: attention with rotary positions, then an MLP with GELU."""

    def __init__(self, width: int, heads: int, mlp_ratio: float) -> None:
        super().__init__()
        hidden = int(width * mlp_ratio)
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor, rope: Tensor, lengths: Sequence[int] | None = None) -> Tensor:
        """One block.

        Parameters
        ----------
        x : [B, N, width] tokens; several sets of them lie one after the other.
        rope : angles of their positions, as `Rotary` gives them.
        lengths : tokens of each set, N in all; None for one set. Attention alone tells the sets
            apart: to norms and linear layers a token is a token, so they take all sets at once.

        Returns
        -------
        [B, N, width]
        """
        # Split, not index: the gradient of a split is one concatenation, that of indexing a full
        # array of zeros for each part.
        qk, v = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).split((2, 1), 2)
        qk = rotate(qk, rope)  # both at once, [B, N, 2, heads, head_dim]
        x = x + self.proj(_attend(qk, v.squeeze(2), lengths or [x.shape[1]]))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


def _attend(qk: Tensor, v: Tensor, lengths: Sequence[int]) -> Tensor:
    """Attention within each set: qk [B, N, 2, heads, d], v [B, N, heads, d] -> [B, N, width]."""
    out = []
    for both, value in zip(qk.split(lengths, 1), v.split(lengths, 1), strict=True):
        query, key = both.permute(2, 0, 3, 1, 4).unbind(0)  # [B, heads, n, d]
        y = F.scaled_dot_product_attention(query, key, value.transpose(1, 2))
        out.append(y.transpose(1, 2).flatten(2))
    return torch.cat(out, 1) if len(out) > 1 else out[0]


def through(
    blocks: nn.ModuleList,
    x: Tensor,
    rope: Tensor,
    lengths: Sequence[int] | None,
    save_memory: bool,
) -> Iterator[Tensor]:
    """Outputs of all blocks in turn; `save_memory` recomputes them in the backward pass."""
    for block in blocks:
        if save_memory and torch.is_grad_enabled():
            x = checkpoint(block, x, rope, lengths, use_reentrant=False)
        else:
            x = block(x, rope, lengths)
        yield x
