"""Where pretraining clips come from: mixtures of sets, in memory or streamed from disk.

A source gives the clips of a step as a pure function of (seed, step): a resumed run, another
number of processes or of loader workers sees the same clips.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vjepa_lib.errors import ConfigError, DataError
from vjepa_lib.video.augment import Augmentation, crop_resize, normalise, random_boxes
from vjepa_lib.video.clip_reader import ClipSpec
from vjepa_lib.video.clips import ClipSet
from vjepa_lib.video.manifests import Manifest
from vjepa_lib.video.streaming import ClipDataset

# What a step draws: each from a stream of its own, so that another masking or another term does
# not change the clips.
CLIPS, MASKS, TERMS = 0, 1, 2
SUBSTITUTES = 8  # neighbours tried in place of a file that cannot be read


def step_generator(seed: int, step: int, stream: int = CLIPS, part: int = 0) -> torch.Generator:
    """The only source of randomness of one step (and stream, and part of the batch)."""
    words = np.random.SeedSequence([seed, step, stream, part]).generate_state(2, np.uint64)
    return torch.Generator().manual_seed(int(words[0]) >> 1)


@dataclass(frozen=True)
class Draw:
    """The clips of one step: `step`, `size`, `seed` and nothing else decide which.

    Attributes
    ----------
    step : of the training.
    size : clips of the whole batch.
    seed : of the run.
    augmentation : random resized crop and flip, to `crop` (height, width) pixels.
    keep : the clips of the batch that are wanted here; the others are drawn, but not made.
    """

    step: int
    size: int
    seed: int
    augmentation: Augmentation | None = None
    crop: tuple[int, int] | None = None
    keep: slice = field(default_factory=lambda: slice(None))


class ClipSource(Protocol):
    """What `pretrain` needs of its data; write your own to train on something else."""

    def batch(self, draw: Draw, device: str | torch.device = "cpu") -> Tensor:
        """The clips of a step.

        Returns
        -------
        [size or less, 3, F, H, W] float32, normalised, on `device`
        """
        ...


def _chosen(names: Sequence[str], weights: Mapping[str, float]) -> tuple[list[str], Tensor]:
    """Names with a weight above 0, and the weights normalised."""
    missing = [n for n in weights if n not in names]
    if missing:
        raise ConfigError(f"No clips for {', '.join(missing)}: have {', '.join(names)}.")
    kept = [n for n, w in weights.items() if w > 0]
    if not kept or min(weights.values()) < 0:
        raise ConfigError(f"A mixture needs weights of at least 0 and one above it, not {weights}.")
    values = torch.tensor([weights[n] for n in kept], dtype=torch.float64)
    return kept, values / values.sum()


def draw_rows(
    weights: Tensor, lengths: Tensor, size: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Set number and row of every clip of a batch, [size] each; every clip on its own."""
    source = torch.multinomial(weights, size, replacement=True, generator=generator)
    place = torch.rand(size, dtype=torch.float64, generator=generator)
    return source, torch.minimum((place * lengths[source]).long(), lengths[source] - 1)


class ClipMixture:
    """Clip sets in memory, drawn from with given weights: the data of one pretraining regime.

    Parameters
    ----------
    sets : clip sets by name, all of one frame count and size. A still image is stored repeated
        over time, as `load_clips` makes it.
    weights : share of each; normalised here.

    Raises
    ------
    ConfigError : a weight without a set, or sets of different shape.
    """

    def __init__(self, sets: Mapping[str, ClipSet], weights: Mapping[str, float]) -> None:
        names, self.weights = _chosen(list(sets), weights)
        self.sets = [sets[n] for n in names]
        self.lengths = torch.tensor([len(s) for s in self.sets])
        shapes = {tuple(s.frames.shape[1:]) for s in self.sets}
        if len(shapes) > 1:
            raise ConfigError(
                f"The sets of a mixture must share frames and size, not "
                f"{' and '.join(str(s) for s in sorted(shapes))}: decode them alike."
            )

    def batch(self, draw: Draw, device: str | torch.device = "cpu") -> Tensor:
        """The clips of a step; see `ClipSource.batch`."""
        generator = step_generator(draw.seed, draw.step, CLIPS)
        source, rows = draw_rows(self.weights, self.lengths, draw.size, generator)
        boxes = flip = None
        if (augmentation := draw.augmentation) is not None:
            height, width = self.sets[0].frames.shape[2:4]
            boxes = random_boxes(draw.size, height, width, augmentation, generator)[draw.keep]
            flip = (torch.rand(draw.size, generator=generator) < augmentation.flip)[draw.keep]
        source, rows = source[draw.keep], rows[draw.keep]

        first = self.sets[0].frames
        frames = torch.empty((len(rows), *first.shape[1:]), dtype=torch.uint8)
        for number, clips in enumerate(self.sets):
            here = source == number
            if here.any():
                frames[here] = clips.frames[rows[here]].cpu()
        clips = frames.to(device).permute(0, 4, 1, 2, 3).contiguous()  # [B, 3, F, H, W]
        if boxes is not None:
            clips = crop_resize(clips, boxes, draw.crop or tuple(clips.shape[-2:]), flip)
        return normalise(clips)


class _Mixed(Dataset):
    """Several `ClipDataset`s as one; items are (set, row, draw)."""

    def __init__(self, sets: list[ClipDataset]) -> None:
        self.sets = sets

    def __getitem__(self, item: tuple[int, int, int]) -> dict:
        number, row, draw = item
        errors: list[tuple[str, str]] = []
        for k in range(SUBSTITUTES):
            sample = self.sets[number][((row + k) % len(self.sets[number]), draw)]
            if sample["frames"] is not None:
                return {"frames": sample["frames"], "errors": errors}
            errors.append((f"set {number}, row {sample['row']}", sample["error"]))
        raise DataError(f"{SUBSTITUTES} files in a row cannot be read; the first: {errors[0][1]}")


def _stack(samples: list[dict]) -> dict:
    return {
        "frames": torch.stack([s["frames"] for s in samples]),
        "errors": [e for s in samples for e in s["errors"]],
    }


class StreamedMixture:
    """Videos decoded while training, for data sets too large to keep decoded.

    Loader processes read ahead; what they give depends on (seed, step) alone. A file that cannot
    be read is replaced by the next row that can, and listed in `skipped`.

    Parameters
    ----------
    manifests : manifest of every set; its rows of split 'train' are drawn from.
    weights : share of each set.
    spec : frames, size and sampling of a clip ('window' for training); one for all sets or one
        for each.
    workers : loader processes; 0 decodes in this one.
    """

    def __init__(
        self,
        manifests: Mapping[str, Manifest],
        weights: Mapping[str, float],
        spec: ClipSpec | Mapping[str, ClipSpec],
        workers: int = 4,
    ) -> None:
        names, self.weights = _chosen(list(manifests), weights)
        self.manifests = []
        for name in names:
            table = manifests[name].table
            chosen = manifests[name].select((table["split"] == "train").to_numpy())
            if not len(chosen):
                raise DataError(f"{manifests[name].source} has no rows of split train.")
            self.manifests.append(chosen)
        self.specs = [spec if isinstance(spec, ClipSpec) else spec[n] for n in names]
        self.lengths = torch.tensor([len(m) for m in self.manifests])
        self.workers = workers
        self.skipped: dict[str, str] = {}
        self._ahead: tuple[Draw, Iterator[dict]] | None = None  # what comes next, loader

    def _rows(self, draw: Draw) -> list[tuple[int, int, int]]:
        """(set, row, number) of a step's clips; the number seeds window and crop."""
        generator = step_generator(draw.seed, draw.step, CLIPS)
        source, rows = draw_rows(self.weights, self.lengths, draw.size, generator)
        first = draw.step * draw.size
        numbered = zip(source.tolist(), rows.tolist(), range(first, first + draw.size))
        return list(numbered)[draw.keep]

    def _loader(self, draw: Draw) -> Iterator[dict]:
        def steps() -> Iterator[list[tuple[int, int, int]]]:
            now = draw
            while True:
                yield self._rows(now)
                now = replace(now, step=now.step + 1)

        sets = [
            ClipDataset(m, s, draw.augmentation, draw.seed, skip_broken=True)
            for m, s in zip(self.manifests, self.specs, strict=True)
        ]
        return iter(
            DataLoader(
                _Mixed(sets),
                batch_sampler=steps(),
                num_workers=self.workers,
                collate_fn=_stack,
                prefetch_factor=2 if self.workers else None,
            )
        )

    def batch(self, draw: Draw, device: str | torch.device = "cpu") -> Tensor:
        """The clips of a step; see `ClipSource.batch`. `crop` must be the size of `spec`."""
        if self._ahead is None or self._ahead[0] != draw:
            loader = self._loader(draw)
        else:
            loader = self._ahead[1]
        loaded = next(loader)
        self._ahead = (replace(draw, step=draw.step + 1), loader)
        for place, reason in loaded["errors"]:
            if place not in self.skipped:
                self.skipped[place] = reason
                warnings.warn(f"Left out while training: {reason}", stacklevel=2)
        return normalise(loaded["frames"].to(device))


class StreamedClips:
    """A labelled set decoded when asked for: what probes read where a `ClipSet` would not fit.

    Consecutive slices, as `evaluation.extract` asks for them, are read ahead by loader processes.

    Parameters
    ----------
    manifest : with splits and labels.
    spec : frames and size of a clip ('even' sampling for probes).
    workers : loader processes; 0 decodes in this one.
    skip_broken : a file that cannot be read gives a grey clip and an entry in `skipped` (row ->
        reason) instead of an error, so that hours of decoding do not end at one file.
    """

    def __init__(
        self, manifest: Manifest, spec: ClipSpec, workers: int = 4, skip_broken: bool = False
    ) -> None:
        self.manifest = manifest.table
        self.labels = torch.from_numpy(manifest.labels.copy())
        self.label_names = manifest.label_names
        self.workers = workers
        self.skipped: dict[int, str] = {}
        self._data = ClipDataset(manifest, spec, skip_broken=skip_broken)
        self._ahead: tuple[int, int, Iterator[dict]] | None = None  # next row, size, loader

    def __len__(self) -> int:
        return len(self._data)

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.label_names)

    def batch(
        self, index: Tensor | np.ndarray | Sequence[int] | slice, device: str | torch.device = "cpu"
    ) -> Tensor:
        """Clips [B, 3, F, H, W], normalised.

        Raises
        ------
        DataError : a file cannot be read.
        """
        rows = range(len(self))[index] if isinstance(index, slice) else [int(i) for i in index]
        if isinstance(rows, range) and rows.step == 1 and self.workers:
            loaded = self._next(rows)
        else:
            loaded = _stack_or_grey([self._data[row] for row in rows], self._data.spec)
        self.skipped |= dict(loaded["skipped"])
        return normalise(loaded["frames"].to(device))

    def _next(self, rows: range) -> dict:
        """Clips of consecutive rows, from the loader that is there already if they follow on."""
        start, size, loader = self._ahead or (-1, 0, None)
        if start != rows.start or len(rows) != min(size, len(self) - start):
            size = len(rows)
            loader = iter(
                DataLoader(
                    self._data,
                    batch_size=size,
                    sampler=range(rows.start, len(self)),
                    num_workers=self.workers,
                    collate_fn=partial(_stack_or_grey, spec=self._data.spec),
                )
            )
        loaded = next(loader)
        self._ahead = (rows.stop, size, loader) if rows.stop < len(self) else None
        return loaded


def _stack_or_grey(samples: list[dict], spec: ClipSpec) -> dict:
    """Clips [B, 3, F, H, W], grey where a file could not be read, which is listed."""
    grey = torch.full((3, spec.frames, *spec.size), 128, dtype=torch.uint8)
    broken = [s for s in samples if s["frames"] is None]
    return {
        "frames": torch.stack([grey if s["frames"] is None else s["frames"] for s in samples]),
        "skipped": [(s["row"], s["error"]) for s in broken],
    }
