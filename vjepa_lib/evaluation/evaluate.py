"""Every reading of an encoder in one table, and supervised references to hold it against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vjepa_lib.evaluation.extract import extract
from vjepa_lib.evaluation.leakage import factor_leakage
from vjepa_lib.evaluation.probes import (
    ProbeConfig,
    _seeded,
    attentive_probe,
    linear_probe,
    low_shot_rows,
    split_rows,
)
from vjepa_lib.model.vit import Encoder, EncoderConfig
from vjepa_lib.objectives.base import FORMS
from vjepa_lib.video.clips import ClipSet


def evaluate(
    encoder: Encoder,
    benchmarks: Mapping[str, ClipSet],
    cfg: ProbeConfig,
    seed: int = 0,
    cache: str | Path | None = None,
) -> pd.DataFrame:
    """Probe a frozen encoder on every benchmark.

    Parameters
    ----------
    encoder : frozen.
    benchmarks : clips with splits train, val and test, by name.
    cfg : ProbeConfig
    seed : of heads, their batches and low-shot subsets.
    cache : folder for float16 features mapped into memory; None keeps features in memory.

    Returns
    -------
    DataFrame, a row per benchmark and probe ('linear', 'attentive', 'attentive_mean',
    'linear_10%', ..): `top1` in percent, `correct`, `n_test`, `n_train`, `n_val`; and a row with
    probe 'leakage' per factor, cut and half of the latent, with `factor`, `cut`, `half`, `chance`.
    """
    device = next(encoder.parameters()).device
    out = []
    for name, clips in benchmarks.items():
        rows = split_rows(clips)
        labels = clips.labels.cpu().numpy()
        tokens = None
        if name in cfg.attentive:
            file = None if cache is None else Path(cache) / f"{name}.npy"
            tokens = extract(encoder, clips, "tokens", out=file)
            mean = torch.cat([t.float().mean(1) for t in tokens.split(256)])
        else:
            mean = extract(encoder, clips)
        features = mean.numpy()

        def add(probe: str, right: np.ndarray, train: np.ndarray, name=name, rows=rows) -> None:
            out.append(
                {
                    "benchmark": name,
                    "probe": probe,
                    "top1": 100 * float(np.mean(right)),
                    "correct": int(np.sum(right)),
                    "n_test": len(right),
                    "n_train": len(train),
                    "n_val": len(rows["val"]),
                }
            )

        add("linear", linear_probe(features, labels, rows, cfg, seed), rows["train"])
        for share in cfg.low_shot:
            few = {**rows, "train": low_shot_rows(labels, rows["train"], share, seed)}
            right = linear_probe(features, labels, few, cfg, seed)
            add(f"linear_{100 * share:g}%", right, few["train"])
        if tokens is not None:
            right = attentive_probe(tokens, labels, rows, cfg, seed, device)
            add("attentive", right, rows["train"])
        if name in cfg.attentive_mean:
            right = attentive_probe(mean, labels, rows, cfg, seed, device)
            add("attentive_mean", right, rows["train"])
    for name, factors in cfg.leakage:
        read = factor_leakage(encoder, benchmarks[name], factors, FORMS)
        read = read.rename(columns={"score": "top1"}).assign(benchmark=name, probe="leakage")
        rows = split_rows(benchmarks[name])
        sizes = {f"n_{split}": len(rows[split]) for split in ("test", "train", "val")}
        read["correct"] = (read.top1 * sizes["n_test"] / 100).round().astype(int)
        out += read.assign(**sizes).to_dict("records")
    return pd.DataFrame(out)


def supervised_model(
    encoder_cfg: EncoderConfig,
    clips: ClipSet,
    steps: int,
    batch: int = 32,
    lr: float = 2e-3,
    single_frame: bool = False,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> Callable[[ClipSet, np.ndarray], np.ndarray]:
    """Train the same encoder end to end with labels.

    The schedule is fixed in advance, so nothing is chosen and `val` trains along.

    Parameters
    ----------
    encoder_cfg : of the encoder; a linear layer reads its mean token.
    clips : with splits train and val.
    steps, batch, lr : AdamW with one cycle of the learning rate, weight decay 0.05.
    single_frame : show the middle frame of every clip all the time, in training and in test: what
        a model without time can do.
    seed : of weights and batches.

    Returns
    -------
    Function of clips (these, or others of the same classes) and row numbers [n] that gives class
    numbers [n].
    """

    def make() -> nn.ModuleList:
        return nn.ModuleList(
            [Encoder(encoder_cfg), nn.Linear(encoder_cfg.width, clips.num_classes)]
        )

    model = _seeded(seed, make).to(device)
    encoder, head = model
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.05, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=max(steps, 1))
    generator = torch.Generator().manual_seed(seed)

    def logits(shown: ClipSet, index: Tensor) -> Tensor:
        clip = shown.batch(index, device)
        if single_frame:
            clip = clip[:, :, clip.shape[2] // 2, None].expand_as(clip)
        return head(encoder(clip, levels=False).mean(1))

    labels = clips.labels.to(device)
    split = clips.manifest["split"].to_numpy()
    train = torch.from_numpy(
        np.concatenate([np.flatnonzero(split == "train"), np.flatnonzero(split == "val")])
    )
    for _ in range(steps):
        index = train[torch.randint(len(train), (batch,), generator=generator)]
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(logits(clips, index), labels[index]).backward()
        optimizer.step()
        schedule.step()
    model.eval()

    @torch.inference_mode()
    def predict(shown: ClipSet, rows: np.ndarray) -> np.ndarray:
        parts = torch.from_numpy(rows).split(64)
        return torch.cat([logits(shown, p).argmax(1).cpu() for p in parts]).numpy()

    return predict


def supervised(encoder_cfg: EncoderConfig, clips: ClipSet, steps: int, **options) -> np.ndarray:
    """Which test clips a model trained with labels gets right; bool [n_test].

    Parameters
    ----------
    encoder_cfg, clips, steps, options : as `supervised_model`; the clips have a split test too.
    """
    rows = split_rows(clips)
    predict = supervised_model(encoder_cfg, clips, steps, **options)
    labels = clips.labels.cpu().numpy()[rows["test"]]
    return predict(clips, rows["test"]) == labels
