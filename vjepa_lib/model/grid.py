"""The token grid: positions, scattering tokens back to their places, pairs in time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from vjepa_lib.errors import ShapeError


@dataclass(frozen=True)
class Grid:
    """Tokens of a clip: t time steps of h rows and w columns, numbered (t * h + y) * w + x.

    One token covers a tubelet: `tubelet` frames of `patch` x `patch` pixels.
    """

    t: int
    h: int
    w: int
    tubelet: int = 2
    patch: int = 16

    @property
    def n(self) -> int:
        return self.t * self.h * self.w

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.t, self.h, self.w

    @property
    def frames(self) -> int:
        return self.t * self.tubelet

    @property
    def height(self) -> int:
        return self.h * self.patch

    @property
    def width(self) -> int:
        return self.w * self.patch


def positions(index: Tensor, grid: Grid) -> tuple[Tensor, Tensor, Tensor]:
    """Time step, row and column of token numbers, each of the shape of `index`."""
    return index // (grid.h * grid.w), index // grid.w % grid.h, index % grid.w


def scatter(tokens: Tensor, index: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Put tokens [B, K, D] back at their numbers [B, K] in a grid of n.

    Returns
    -------
    dense [B, N, D] with zeros where nothing was put, valid bool [B, N]

    Raises
    ------
    ShapeError : tokens and index disagree.
    """
    if tokens.shape[:2] != index.shape:
        raise ShapeError(
            f"Tokens {list(tokens.shape)} and index {list(index.shape)} must agree in [B, K]."
        )
    b, _, d = tokens.shape
    dense = tokens.new_zeros(b, n, d).scatter(1, index[..., None].expand(-1, -1, d), tokens)
    valid = torch.zeros(b, n, dtype=torch.bool, device=tokens.device).scatter(1, index, True)
    return dense, valid


def gather(tokens: Tensor, index: Tensor) -> Tensor:
    """Pick tokens [B, N, D] at their numbers [B, K]: [B, K, D]."""
    return tokens.gather(1, index[..., None].expand(-1, -1, tokens.shape[-1]))


def over_time(dense: Tensor, grid: Grid) -> Tensor:
    """View tokens [B, N, ...] as [B, T, H * W, ...]."""
    return dense.unflatten(1, (grid.t, grid.h * grid.w))


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of values [..., D] over the places of mask [...] and over channels; 0 if none.

    A weighted sum instead of boolean indexing: no copy, and no wait for a GPU to count.
    """
    per_place = values.mean(-1).float()
    weight = mask.float()
    return (per_place * weight).sum() / weight.sum().clamp_min(1)


def token_rgb(clip: Tensor, grid: Grid) -> Tensor:
    """Mean colour of every tubelet: clip [B, 3, F, H, W] -> [B, N, 3]."""
    if clip.shape[2:] != (grid.frames, grid.height, grid.width):
        raise ShapeError(
            f"A clip {list(clip.shape)} does not fit a grid of {grid.frames} frames of "
            f"{grid.height} x {grid.width} px."
        )
    size = (grid.tubelet, grid.patch, grid.patch)
    return F.avg_pool3d(clip.float(), size).flatten(2).transpose(1, 2)


def distance_to_targets(context: Tensor, target: Tensor, grid: Grid) -> Tensor:
    """Euclidean distance, in tokens over (t, y, x), from context tokens to the nearest target.

    Exact for any mask. Squared distances over a grid separate by axis, so three small
    minimisations over whole lines replace a search through all targets (Felzenszwalb and
    Huttenlocher, Distance Transforms of Sampled Functions, 2012, section 3).

    Parameters
    ----------
    context, target : [B, K] and [B, M] token numbers.

    Returns
    -------
    [B, K] float32
    """
    far = float(grid.t**2 + grid.h**2 + grid.w**2) * 4
    field = torch.full((len(target), grid.n), far, device=target.device)
    field = field.scatter(1, target, 0.0).view(-1, *grid.shape)
    for axis in (1, 2, 3):
        field = _lower_envelope(field, axis)
    return field.reshape(-1, grid.n).gather(1, context).sqrt()


def _lower_envelope(field: Tensor, axis: int) -> Tensor:
    """min over j of field[j] + (i - j)^2 along one axis of [B, T, H, W].

    The line lies in front, so that the minimum runs over whole contiguous rows.
    """
    line = field.movedim(axis, 0)  # [n, ...]
    step = torch.arange(len(line), device=field.device, dtype=field.dtype)
    squared = (step[:, None] - step) ** 2  # [j, i]
    rows = line.reshape(len(line), 1, -1) + squared[..., None]  # [j, i, rest]
    return rows.amin(0).view(line.shape).movedim(0, axis)
