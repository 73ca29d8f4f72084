"""Other views of a clip for contrastive terms: clip [B, 3, F, H, W] -> same shape."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

LEAST_MOTION = 0.05  # mean absolute frame difference, in units of the normalised clip


def moves(clip: Tensor) -> Tensor:
    """Which clips show any motion, bool [B].

    An image repeated over time has no frame differences but those of its coding; its residual
    view says nothing, and breaking its time changes nothing.
    """
    return clip.diff(dim=2).abs().mean((1, 2, 3, 4)) > LEAST_MOTION


def residual(clip: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Frame differences, the second view of IIC, last one twice (arXiv 2008.02531, section 3)."""
    change = clip.diff(dim=2)
    return torch.cat([change, change[:, :, -1:]], 2)


def shuffled(clip: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Frames of every clip in a random order: an intra negative of IIC."""
    order = torch.rand(len(clip), clip.shape[2], generator=generator).argsort(1).to(clip.device)
    return clip.gather(2, order[:, None, :, None, None].expand_as(clip))


def repeated(clip: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """One random frame of every clip, held: the other intra negative of IIC."""
    frame = torch.randint(clip.shape[2], (len(clip),), generator=generator).to(clip.device)
    return clip.gather(2, frame[:, None, None, None, None].expand_as(clip))


VIEWS: dict[str, Callable[..., Tensor]] = {
    "residual": residual,
    "shuffled": shuffled,
    "repeated": repeated,
}
