"""Clips decoded while training, for sets too large to keep decoded."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import Dataset

from vjepa_lib.errors import DataError
from vjepa_lib.video.augment import Augmentation, random_boxes
from vjepa_lib.video.clip_reader import ClipSpec, Job, read_clip, read_raw
from vjepa_lib.video.clips import jobs_of
from vjepa_lib.video.manifests import Manifest


class ClipDataset(Dataset):
    """Clips decoded when asked for, for data loaders over large data sets.

    Every draw is a function of (seed, draw number, row) alone, so the number of loader processes
    and a restart change nothing.

    Parameters
    ----------
    manifest : Manifest
    spec : ClipSpec
        Use `sampling='window'` for training.
    augmentation : Augmentation or None
        Random resized crop and flip (training); None resizes and crops the centre.
    seed : int
    skip_broken : bool
        A broken file gives a sample without frames that says why; otherwise it raises.
    """

    def __init__(
        self,
        manifest: Manifest,
        spec: ClipSpec,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        skip_broken: bool = False,
    ) -> None:
        self.spec, self.augmentation = spec, augmentation
        self.seed, self.skip_broken = seed, skip_broken
        self.label_names = manifest.label_names
        self._jobs = jobs_of(manifest, 1)
        self._labels = manifest.labels

    def __len__(self) -> int:
        return len(self._jobs)

    def __getitem__(self, item: int | tuple[int, int]) -> dict:
        """One clip; `item` is a row or (row, draw number).

        Returns
        -------
        dict
            `frames` uint8 [3, F, H, W], `label`, `row`; for a broken file `frames` is None and
            `error` says why.
        """
        row, draw = item if isinstance(item, tuple) else (item, 0)
        job = self._jobs[row]
        sample = {"label": int(self._labels[row]), "row": int(row)}
        try:
            if self.augmentation is None:
                frames, _ = read_clip(
                    job.paths[0], self.spec, job.starts[0], job.ends[0], job.counts[0]
                )
            else:
                frames = self._augmented(job, draw, row)
        except DataError as error:
            if not self.skip_broken:
                raise
            return {**sample, "frames": None, "error": str(error)}
        return {**sample, "frames": torch.from_numpy(frames).permute(3, 0, 1, 2).contiguous()}

    def _augmented(self, job: Job, draw: int, row: int) -> np.ndarray:
        state = np.random.SeedSequence([self.seed, draw, row]).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))
        frames, _ = read_raw(
            job.paths[0], self.spec, job.starts[0], job.ends[0], generator, job.counts[0]
        )
        box = random_boxes(1, *frames.shape[1:3], self.augmentation, generator)[0].tolist()
        flip = bool(torch.rand((), generator=generator) < self.augmentation.flip)
        top, left, height, width = box
        cut = torch.from_numpy(frames)[:, top : top + height, left : left + width]
        cut = F.interpolate(
            cut.permute(0, 3, 1, 2),
            size=self.spec.size,
            mode="bilinear",
            align_corners=False,
            antialias=self.spec.antialias,
        )  # [F, 3, h, w]
        if flip:
            cut = cut.flip(-1)
        return cut.permute(0, 2, 3, 1).contiguous().numpy()
