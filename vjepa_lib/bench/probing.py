"""The linear probe on features kept from one pass, against encoding anew in every epoch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vjepa_lib.bench.timing import Row, compare
from vjepa_lib.evaluation.extract import extract
from vjepa_lib.evaluation.probes import ProbeConfig, Rows, linear_probe
from vjepa_lib.model.vit import Encoder, EncoderConfig
from vjepa_lib.study.profiles import get_profile

CLASSES = 4


@dataclass(frozen=True)
class Noise:
    """Clips of noise with labels, as `extract` and the loop below ask for them.

    Attributes
    ----------
    clips : [n, 3, F, H, W], normalised.
    labels : [n] class numbers.
    rows : row numbers of 'train' and 'test'.
    """

    clips: Tensor
    labels: np.ndarray
    rows: Rows

    @classmethod
    def draw(cls, cfg: EncoderConfig, train: int, test: int) -> Noise:
        """Clips of an encoder's geometry; those of a class share a little, to be read."""
        draw = torch.Generator().manual_seed(0)
        labels = torch.arange(train + test) % CLASSES
        size = (3, cfg.frames, cfg.height, cfg.width_px)
        clips = torch.randn(len(labels), *size, generator=draw)
        clips += 0.5 * torch.randn(CLASSES, *size, generator=draw)[labels]
        rows = {"train": np.arange(train), "test": np.arange(train, train + test)}
        return cls(clips, labels.numpy(), rows)

    def __len__(self) -> int:
        return len(self.clips)

    def batch(self, index: slice | Tensor, device: str | torch.device = "cpu") -> Tensor:
        return self.clips[index].to(device)


def probe_by_batch(encoder: Encoder, data: Noise, cfg: ProbeConfig, seed: int = 0) -> np.ndarray:
    """`linear_probe`, encoding every batch of every epoch; whether test clips are right, [n_test].

    The 'adamw' probe whose last epoch counts.
    """
    y = torch.from_numpy(data.labels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = nn.Linear(encoder.cfg.width, int(y.max()) + 1)
    optimizer = torch.optim.AdamW(head.parameters(), lr=cfg.lr, weight_decay=cfg.weight_decay)
    generator = torch.Generator().manual_seed(seed)
    train, test = (torch.from_numpy(data.rows[split]) for split in ("train", "test"))

    def read(part: Tensor) -> Tensor:
        with torch.no_grad():
            return encoder(data.batch(part), levels=False).mean(1)

    for _ in range(cfg.linear_epochs):
        shuffled = train[torch.randperm(len(train), generator=generator)]
        for part in shuffled.split(cfg.linear_batch):
            part = part.sort().values
            optimizer.zero_grad()
            F.cross_entropy(head(read(part)), y[part]).backward()
            optimizer.step()
    with torch.no_grad():
        right = [head(read(part)).argmax(1) == y[part] for part in test.split(cfg.linear_batch)]
    return torch.cat(right).numpy()


def probe_from_features(
    encoder: Encoder, data: Noise, cfg: ProbeConfig, seed: int = 0
) -> np.ndarray:
    """The same probe as the study reads it: encode once, keep the features, train the head."""
    features = extract(encoder, data, batch=cfg.linear_batch).numpy()
    return linear_probe(features, data.labels, data.rows, cfg, seed)


def probe(
    rounds: int = 4,
    encoder: EncoderConfig | None = None,
    train: int = 96,
    test: int = 32,
    epochs: int = 10,
) -> Row:
    """Features kept from one pass, that pass included, against encoding in every epoch.

    Parameters
    ----------
    encoder : geometry; None for the encoder of `small`.
    train, test : clips.
    epochs : of the probe; the gain grows with them, and the study takes 50.
    """
    cfg = ProbeConfig(linear="adamw", linear_epochs=epochs, linear_batch=32, choose_epoch=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Encoder(encoder or get_profile("small").encoder).eval()
    data = Noise.draw(network.cfg, train, test)
    return compare(
        f"linear probe, {epochs} epochs",
        lambda: probe_by_batch(network, data, cfg),
        lambda: probe_from_features(network, data, cfg),
        rounds=rounds,
    )
