"""Probes: what can be read from a frozen encoder.

The linear probe reads the mean token; the attentive probe puts one attention block with a learned
query over all tokens, or over the single mean token. Whatever is chosen is chosen on the validation
split; the test split is read once.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.nn import functional as F

from vjepa_lib.clips import ClipSet
from vjepa_lib.errors import DataError
from vjepa_lib.vit import Encoder, EncoderConfig


@dataclass(frozen=True)
class ProbeConfig:
    """How frozen features are read.

    Attributes
    ----------
    strengths : inverse regularisation strengths of the linear probe, chosen from on `val`.
    attentive : benchmarks that get an attentive probe over all tokens besides.
    epochs, batch, lr, weight_decay : of the attentive probe (arXiv 2605.17165, section 2).
    """

    strengths: tuple[float, ...] = (0.001, 0.01, 0.1)
    attentive: tuple[str, ...] = ("fine_motion",)
    epochs: int = 5
    batch: int = 16
    lr: float = 1e-3
    weight_decay: float = 0.01
    heads: int = 4


@torch.inference_mode()
def extract(
    encoder: Encoder, clips: ClipSet, pool: bool = True, batch: int = 128, levels: bool = False
) -> Tensor:
    """Features of frozen clips: [n, D] mean tokens, or [n, N, D] all tokens."""
    encoder.eval()
    device = next(encoder.parameters()).device
    out = []
    for start in range(0, len(clips), batch):
        tokens = encoder(clips.batch(slice(start, start + batch), device), levels=levels)
        out.append((tokens.mean(1) if pool else tokens).cpu())
    return torch.cat(out)


def split_rows(clips: ClipSet) -> dict[str, np.ndarray]:
    """Row numbers of train, val and test.

    Raises
    ------
    DataError : a split is missing.
    """
    rows = {s: np.flatnonzero(clips.manifest.split == s) for s in ("train", "val", "test")}
    empty = [s for s, r in rows.items() if not len(r)]
    if empty:
        raise DataError(
            f"The manifest has no rows of split {', '.join(empty)}: probes need train, val and test."
        )
    return rows


def linear_probe(
    features: np.ndarray, labels: np.ndarray, rows: Mapping[str, np.ndarray], cfg: ProbeConfig
) -> np.ndarray:
    """Whether each test clip is classified right: bool [n_test].

    Multinomial logistic regression on standardised features, its strength chosen on `val`.
    """
    best, model = -1.0, None
    for strength in cfg.strengths:
        candidate = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=200))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            candidate.fit(features[rows["train"]], labels[rows["train"]])
        score = candidate.score(features[rows["val"]], labels[rows["val"]])
        if score > best:
            best, model = score, candidate
    return model.predict(features[rows["test"]]) == labels[rows["test"]]


class AttentiveHead(nn.Module):
    """A learned query attends to tokens [B, N, D] once; a linear layer classifies: [B, classes]."""

    def __init__(self, dim: int, classes: int, heads: int) -> None:
        super().__init__()
        self.query = nn.Parameter(0.02 * torch.randn(1, 1, dim))
        self.norm = nn.LayerNorm(dim)
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.mlp = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim)
        )
        self.out = nn.Linear(dim, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = self.norm(tokens)
        query = self.query.expand(len(tokens), -1, -1)
        x = query + self.attention(query, tokens, tokens, need_weights=False)[0]
        return self.out((x + self.mlp(x))[:, 0])


def attentive_probe(
    tokens: Tensor, labels: Tensor, rows: Mapping[str, np.ndarray], cfg: ProbeConfig, seed: int = 0
) -> np.ndarray:
    """Train the head on tokens [n, N, D]; bool [n_test]. The epoch is chosen on `val`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = AttentiveHead(tokens.shape[-1], int(labels.max()) + 1, cfg.heads)
    optimizer = torch.optim.AdamW(head.parameters(), lr=cfg.lr, weight_decay=cfg.weight_decay)
    generator = torch.Generator().manual_seed(seed)
    train = torch.from_numpy(rows["train"])
    best, right = -1.0, None
    for _ in range(cfg.epochs):
        head.train()
        for part in train[torch.randperm(len(train), generator=generator)].split(cfg.batch):
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(head(tokens[part].float()), labels[part]).backward()
            optimizer.step()
        head.eval()
        with torch.inference_mode():
            val = torch.from_numpy(rows["val"])
            score = float((head(tokens[val].float()).argmax(1) == labels[val]).float().mean())
            if score > best:
                test = torch.from_numpy(rows["test"])
                best = score
                right = (head(tokens[test].float()).argmax(1) == labels[test]).numpy()
    return right


def evaluate(
    encoder: Encoder, benchmarks: Mapping[str, ClipSet], cfg: ProbeConfig, seed: int = 0
) -> pd.DataFrame:
    """Probe a frozen encoder on every benchmark.

    Returns
    -------
    DataFrame, a row per benchmark and probe: `top1` in percent, `correct`, `n_test`, `n_train`.
    """
    out = []

    def add(benchmark: str, probe: str, right: np.ndarray, n_train: int) -> None:
        out.append(
            {
                "benchmark": benchmark,
                "probe": probe,
                "top1": 100 * float(np.mean(right)),
                "correct": int(np.sum(right)),
                "n_test": len(right),
                "n_train": n_train,
            }
        )

    for name, clips in benchmarks.items():
        rows = split_rows(clips)
        labels = clips.labels.numpy()
        attentive = name in cfg.attentive
        features = extract(encoder, clips, pool=not attentive)
        mean = (features.mean(1) if attentive else features).numpy()
        add(name, "linear", linear_probe(mean, labels, rows, cfg), len(rows["train"]))
        if attentive:
            right = attentive_probe(features, clips.labels, rows, cfg, seed)
            add(name, "attentive", right, len(rows["train"]))
    return pd.DataFrame(out)


def supervised(
    encoder_cfg: EncoderConfig,
    clips: ClipSet,
    steps: int,
    batch: int = 32,
    lr: float = 2e-3,
    single_frame: bool = False,
    seed: int = 0,
) -> np.ndarray:
    """Train the same encoder end to end with labels; bool [n_test].

    Parameters
    ----------
    single_frame : show the middle frame of every clip all the time, in training and in test: what
        a model without time can do.
    """
    rows = split_rows(clips)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = Encoder(encoder_cfg)
        head = nn.Linear(encoder_cfg.width, clips.num_classes)
    params = [*encoder.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(params, lr=lr, weight_decay=0.05, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    generator = torch.Generator().manual_seed(seed)

    def logits(index) -> Tensor:
        clip = clips.batch(index)
        if single_frame:
            clip = clip[:, :, clip.shape[2] // 2, None].expand_as(clip)
        return head(encoder(clip, levels=False).mean(1))

    train = torch.from_numpy(np.concatenate([rows["train"], rows["val"]]))
    for _ in range(steps):
        index = train[torch.randint(len(train), (batch,), generator=generator)]
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(logits(index), clips.labels[index]).backward()
        optimizer.step()
        schedule.step()
    encoder.eval()
    with torch.inference_mode():
        parts = torch.from_numpy(rows["test"]).split(128)
        predicted = torch.cat([logits(p).argmax(1) for p in parts])
    return (predicted == clips.labels[torch.from_numpy(rows["test"])]).numpy()
