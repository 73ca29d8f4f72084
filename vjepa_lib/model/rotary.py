"""Rotary positions in three dimensions: time, row, column of a token as angles of channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vjepa_lib.model.grid import Grid


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
    frequency = 10000.0 ** (-torch.arange(part // 2) / (part / 2))
    angle = places[:, :, None] * frequency  # [N, 3, part / 2]
    angle = (
        angle.repeat_interleave(2, -1) if pairing == "interleaved" else angle.repeat(1, 1, 2)
    ).flatten(1)
    angle = F.pad(angle, (0, head_dim - angle.shape[1]))
    return angle.cos(), angle.sin()


def rotate(x: Tensor, rope: Tensor) -> Tensor:
    """Turn neighbouring channel pairs of x by the angles of their positions.

    Parameters
    ----------
    x : [B, N, ..., heads, head_dim] queries or keys, or [B, N, 2, heads, head_dim] both.
    rope : what `Rotary` gives: complex [1 or B, N, 1, head_dim / 2], or cosines and sines, real
        [2, 1 or B, N, 1, head_dim].

    Returns
    -------
    As x.
    """
    if x.ndim == 5:
        rope = rope.unsqueeze(-3)
    if rope.is_complex():
        pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
        return torch.view_as_real(pairs * rope).flatten(-2).to(x.dtype)
    cos, sin = rope
    turned = torch.stack((-x[..., 1::2], x[..., ::2]), -1).flatten(-2)
    return (x * cos + turned * sin).to(x.dtype)


class Rotary(nn.Module):
    """Holds the rotary table of one grid and picks its rows.

    Where both channels of a pair have one angle, a rotation is one complex product, which on a CPU
    is one pass over memory instead of five; GPUs get the real form, which compilers fuse.
    """

    def __init__(self, grid: Grid, head_dim: int, reference: int | None, pairing: str) -> None:
        super().__init__()
        self.paired = pairing == "interleaved"
        table = rope_table(grid, head_dim, reference, pairing)
        self.register_buffer("table", torch.stack(table), persistent=False)  # [2, N, head_dim]

    def forward(self, index: Tensor | None, n: int) -> Tensor:
        """Angles of the tokens `index` [B, K], or of the first n, in the form `rotate` takes."""
        table = self.table[:, :n]
        if index is not None:
            table = self.table.index_select(1, index.flatten())
        table = table.reshape(2, -1, n, 1, table.shape[-1])
        if self.paired and table.device.type == "cpu":
            cos, sin = table.float()[..., ::2]
            return torch.complex(cos.contiguous(), sin.contiguous())
        return table
