"""Spatial transforms of whole batches of clips: resize, centre crop, random resized crop, flip.

Random resized crop and flip are one `grid_sample` for the batch, with no loop over clips; a test
holds it to cropping and resizing clip by clip.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vjepa_lib.errors import ConfigError, ShapeError
from vjepa_lib.settings import Positive, PositiveShare, Share, check_domains

#: Channel means and deviations of ImageNet, with which V-JEPA normalises every clip.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def pair(size: int | tuple[int, int]) -> tuple[int, int]:
    """`size` as (height, width)."""
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))


@dataclass(frozen=True)
class Augmentation:
    """Random resized crop and flip; one draw per clip, the same for all its frames.

    Attributes
    ----------
    scale : (float, float)
        Range of the crop's area as a fraction of the frame.
    ratio : (float, float)
        Range of the crop's aspect ratio, width over height, drawn uniformly in its logarithm.
    flip : float
        Probability of a horizontal flip; 0 where the label depends on direction
        ("moving left to right").
    """

    scale: tuple[PositiveShare, PositiveShare] = (0.3, 1.0)
    ratio: tuple[Positive, Positive] = (0.75, 1.35)
    flip: Share = 0.5

    def __post_init__(self) -> None:
        check_domains(self)
        if self.scale[0] > self.scale[1]:
            raise ConfigError(f"Crop scale must lie in (0, 1] and rise, not {self.scale}.")
        if self.ratio[0] > self.ratio[1]:
            raise ConfigError(f"Crop ratio must be positive and rise, not {self.ratio}.")


def resize_center_crop(
    frames: np.ndarray | Tensor,
    size: int | tuple[int, int],
    short_side: int | None = None,
    antialias: bool = True,
) -> np.ndarray:
    """Resize so that the crop fits, then crop the centre.

    Parameters
    ----------
    frames : uint8, [F, H, W, 3]
    size : int or (int, int)
        Height and width of the result in pixels.
    short_side : int or None
        Length of the shorter side before cropping; None takes the smallest that fits, as the
        primary source's probes do.
    antialias : bool
        Low-pass before shrinking (the primary source's probes do not).

    Returns
    -------
    ndarray, uint8, [F, height, width, 3]
        The input itself where nothing has to change.
    """
    frames = torch.as_tensor(frames)
    height, width = frames.shape[1:3]
    out_h, out_w = pair(size)
    scale = max(out_h / height, out_w / width)
    if short_side is not None:
        if short_side < min(out_h, out_w):
            raise ShapeError(
                f"A short side of {short_side} px is smaller than the crop {out_h} x {out_w}."
            )
        scale = max(scale, short_side / min(height, width))
    new_h, new_w = max(out_h, round(height * scale)), max(out_w, round(width * scale))
    if (new_h, new_w) != (height, width):
        # A channels-last view: torch resizes packed RGB bytes directly.
        moved = frames.permute(0, 3, 1, 2)  # [F, 3, H, W]
        moved = F.interpolate(
            moved, size=(new_h, new_w), mode="bilinear", align_corners=False, antialias=antialias
        )
        frames = moved.permute(0, 2, 3, 1)
    top, left = (new_h - out_h) // 2, (new_w - out_w) // 2
    return frames[:, top : top + out_h, left : left + out_w].contiguous().numpy()


def random_boxes(
    batch: int, height: int, width: int, config: Augmentation, generator: torch.Generator
) -> Tensor:
    """Crop boxes (top, left, height, width) in whole pixels.

    Ten proposals a clip are drawn at once and the first that fits is taken; where none does, the
    largest centred box of an allowed ratio is.

    Parameters
    ----------
    batch, height, width : int
        Number of clips; frame size in pixels.
    config : Augmentation
    generator : torch.Generator
        On the CPU.

    Returns
    -------
    Tensor, int64, [B, 4]
    """
    tries = 10
    area = torch.empty(batch, tries).uniform_(*config.scale, generator=generator) * height * width
    low, high = np.log(config.ratio)
    ratio = torch.empty(batch, tries).uniform_(low, high, generator=generator).exp()
    box_w = (area * ratio).sqrt().round().long()  # [B, tries]
    box_h = (area / ratio).sqrt().round().long()
    fits = (box_w > 0) & (box_w <= width) & (box_h > 0) & (box_h <= height)
    first = fits.long().argmax(1, keepdim=True)  # index of the first that fits, 0 if none
    box_w, box_h = box_w.gather(1, first)[:, 0], box_h.gather(1, first)[:, 0]
    none = ~fits.any(1)
    wanted = min(max(width / height, config.ratio[0]), config.ratio[1])
    fall_w = min(width, max(1, round(height * wanted)))
    fall_h = min(height, max(1, round(width / wanted)))
    box_w = torch.where(none, fall_w, box_w)
    box_h = torch.where(none, fall_h, box_h)
    place = torch.rand(2, batch, generator=generator)
    place[:, none] = 0.5
    top = (place[0] * (height - box_h + 1)).long().clamp_(max=height - 1)
    left = (place[1] * (width - box_w + 1)).long().clamp_(max=width - 1)
    top = torch.where(none, (height - box_h) // 2, torch.minimum(top, height - box_h))
    left = torch.where(none, (width - box_w) // 2, torch.minimum(left, width - box_w))
    return torch.stack((top, left, box_h, box_w), dim=1)


def crop_resize(
    clips: Tensor, boxes: Tensor, size: int | tuple[int, int], flip: Tensor | None = None
) -> Tensor:
    """Cut one box out of each clip, resize it and flip it, for the whole batch at once.

    Equals cropping every clip and resizing it bilinearly (half-pixel centres, no low-pass).

    Parameters
    ----------
    clips : Tensor, [B, C, F, H, W]
        Any real type; computed and returned as floating point in the same value range.
    boxes : Tensor, int64, [B, 4]
        (top, left, height, width) in pixels.
    size : int or (int, int)
        Output height and width.
    flip : Tensor, bool, [B], or None
        Clips to mirror left to right.

    Returns
    -------
    Tensor, float, [B, C, F, height, width]
    """
    batch, channels, frames, height, width = clips.shape
    out_h, out_w = pair(size)
    values = clips if clips.is_floating_point() else clips.float()
    box = boxes.to(values.device, torch.float32)
    y = _sample_rows(box[:, 0], box[:, 2], out_h) / height * 2 - 1  # [B, out_h] in [-1, 1]
    x = _sample_rows(box[:, 1], box[:, 3], out_w) / width * 2 - 1  # [B, out_w]
    if flip is not None:
        x = torch.where(flip.to(x.device)[:, None], x.flip(1), x)
    grid = torch.stack(
        (x[:, None].expand(-1, out_h, -1), y[:, :, None].expand(-1, -1, out_w)), dim=-1
    )  # [B, out_h, out_w, 2]
    flat = values.reshape(batch, channels * frames, height, width)
    picked = F.grid_sample(flat, grid.to(values.dtype), padding_mode="border", align_corners=False)
    return picked.view(batch, channels, frames, out_h, out_w)


def _sample_rows(start: Tensor, length: Tensor, size: int) -> Tensor:
    """Positions [B, size], in pixels, at which a box is sampled; never outside the box."""
    steps = (torch.arange(size, device=start.device) + 0.5) / size
    inside = (steps * length[:, None]).clamp(min=0.5)
    return start[:, None] + torch.minimum(inside, length[:, None] - 0.5)


def augment(
    clips: Tensor,
    config: Augmentation,
    generator: torch.Generator,
    size: int | tuple[int, int] | None = None,
) -> Tensor:
    """Random resized crop and horizontal flip of a batch of clips.

    Parameters
    ----------
    clips : Tensor, [B, C, F, H, W]
    config : Augmentation
    generator : torch.Generator
        On the CPU; the same state gives the same crops on every device.
    size : int, (int, int) or None
        Output size; None keeps the clips' own.

    Returns
    -------
    Tensor, float, [B, C, F, height, width]
    """
    if clips.ndim != 5:
        raise ShapeError(f"Clips must be [B, C, F, H, W], not {list(clips.shape)}.")
    batch, height, width = clips.shape[0], *clips.shape[-2:]
    boxes = random_boxes(batch, height, width, config, generator)
    flip = torch.rand(batch, generator=generator) < config.flip
    return crop_resize(clips, boxes, size or (height, width), flip)


def normalise(clips: Tensor) -> Tensor:
    """Clips with values 0-255, [B, 3, F, H, W], to zero mean and unit deviation per channel."""
    shape = (1, 3, 1, 1, 1)
    mean = torch.tensor(MEAN, device=clips.device).view(shape) * 255
    std = torch.tensor(STD, device=clips.device).view(shape) * 255
    return (clips.float() - mean).div_(std)


def denormalise(clips: Tensor) -> Tensor:
    """Inverse of `normalise`, as uint8 for pictures."""
    shape = (1, 3, 1, 1, 1)
    mean = torch.tensor(MEAN, device=clips.device).view(shape)
    std = torch.tensor(STD, device=clips.device).view(shape)
    return ((clips * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)
