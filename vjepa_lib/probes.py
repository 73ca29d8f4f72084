"""Probes: what can be read from a frozen encoder.

The linear probe reads the mean token; the attentive probe puts one attention block with a learned
query over all tokens, or over the single mean token. Whatever is chosen is chosen on the validation
split; the test split is read once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vjepa_lib.clips import ClipSet
from vjepa_lib.diagnostics import factor_leakage
from vjepa_lib.errors import ConfigError, DataError
from vjepa_lib.objectives import halves
from vjepa_lib.objectives.base import FORMS
from vjepa_lib.vit import Encoder, EncoderConfig

POOLS = ("mean", "tokens", "halves")
Rows = Mapping[str, np.ndarray]  # split -> row numbers


@dataclass(frozen=True)
class ProbeConfig:
    """How frozen features are read.

    Attributes
    ----------
    linear : 'logistic' (multinomial logistic regression on standardised features, for small sets)
        or 'adamw' (a linear layer on the features as they are, as in arXiv 2605.17165).
    strengths : inverse regularisation strengths of the logistic probe, chosen from on `val`.
    attentive : benchmarks that get an attentive probe over all tokens besides.
    attentive_mean : benchmarks that get the same head over the single mean token besides.
    epochs, batch : of the attentive probe.
    linear_epochs, linear_batch : of the 'adamw' linear probe.
    lr, weight_decay, heads : of both.
    choose_epoch : report the epoch that is best on `val`; otherwise the last, as the study does.
    low_shot : shares of the training labels the linear probe is trained on besides, for example
        (0.01, 0.05, 0.1, 0.5); nested, stratified by class.
    leakage : (benchmark, factors) pairs: factors read from each half of the latent besides
        (`diagnostics.factor_leakage`).
    """

    linear: str = "logistic"
    strengths: tuple[float, ...] = (0.001, 0.01, 0.1)
    attentive: tuple[str, ...] = ("fine_motion",)
    attentive_mean: tuple[str, ...] = ()
    epochs: int = 5
    batch: int = 16
    linear_epochs: int = 50
    linear_batch: int = 256
    lr: float = 1e-3
    weight_decay: float = 0.01
    heads: int = 4
    choose_epoch: bool = True
    low_shot: tuple[float, ...] = ()
    leakage: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __post_init__(self) -> None:
        if self.linear not in ("logistic", "adamw"):
            raise ConfigError(f"Unknown linear probe {self.linear!r}: choose logistic or adamw.")
        if any(not 0 < share < 1 for share in self.low_shot):
            raise ConfigError(f"Low-shot shares must lie between 0 and 1, not {self.low_shot}.")


# --- features ---------------------------------------------------------------------------------


@torch.inference_mode()
def extract(
    encoder: Encoder,
    clips: ClipSet,
    pool: str = "mean",
    batch: int = 32,
    levels: bool = False,
    out: str | Path | None = None,
) -> Tensor:
    """Features of a set of clips.

    Parameters
    ----------
    encoder : frozen; evaluated as it is, in `eval` mode.
    clips : anything with a length and a `batch(index, device)`.
    pool : 'mean' for the mean token, 'tokens' for all, 'halves' for the mean tokens of the first
        and of the second half of the time steps, joined.
    batch : clips at a time.
    levels : features of every level, concatenated, instead of the last.
    out : file to write float16 features to, as a .npy array mapped into memory; for sets whose
        tokens do not fit there. None keeps float32 in memory.

    Returns
    -------
    [n, D], [n, N, D] ('tokens') or [n, 2 D] ('halves'), on the CPU

    Raises
    ------
    ConfigError : unknown pool.
    DataError : `out` cannot be written.
    """
    if pool not in POOLS:
        raise ConfigError(f"Unknown pool {pool!r}: choose one of {', '.join(POOLS)}.")
    encoder.eval()
    device = next(encoder.parameters()).device
    store: Tensor | None = None
    for first in range(0, len(clips), batch):
        rows = slice(first, min(first + batch, len(clips)))
        x = _pooled(encoder(clips.batch(rows, device), levels=levels), pool, encoder)
        if store is None:
            store = _store((len(clips), *x.shape[1:]), out)
        store[rows] = x.to(store.dtype).cpu()
    if store is None:
        raise DataError("There are no clips to encode.")
    return store


def _pooled(tokens: Tensor, pool: str, encoder: Encoder) -> Tensor:
    """Pool tokens [B, N, D] as asked."""
    if pool == "tokens":
        return tokens
    if pool == "mean":
        return tokens.mean(1)
    steps = tokens.unflatten(1, (encoder.grid.t, -1))  # [B, T, HW, D]
    early, late = steps.tensor_split(2, 1)
    return torch.cat([early.mean((1, 2)), late.mean((1, 2))], -1)


def _store(shape: tuple[int, ...], out: str | Path | None) -> Tensor:
    """Memory for features: plain, or mapped from a file."""
    if out is None:
        return torch.empty(shape)
    try:
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        return torch.from_numpy(np.lib.format.open_memmap(out, "w+", np.float16, shape))
    except OSError as error:
        raise DataError(
            f"Features cannot be written to {out} ({error.strerror or error}): free some space or "
            f"choose another folder."
        ) from error


def halves_of(
    features: np.ndarray, n_levels: int, form: str = "released", ratio: float = 0.5
) -> dict[str, np.ndarray]:
    """Appearance and dynamics half of features [n, levels * width], cut as an objective cuts."""
    appearance, dynamics = halves(torch.from_numpy(features), n_levels, form, ratio)
    return {"appearance": appearance.numpy(), "dynamics": dynamics.numpy()}


def split_rows(clips: ClipSet) -> dict[str, np.ndarray]:
    """Row numbers of train, val and test.

    Raises
    ------
    DataError : a split is missing.
    """
    split = clips.manifest["split"].to_numpy()
    rows = {s: np.flatnonzero(split == s) for s in ("train", "val", "test")}
    empty = [s for s, r in rows.items() if not len(r)]
    if empty:
        raise DataError(
            f"The manifest has no rows of split {', '.join(empty)}: probes need train, val and test."
        )
    return rows


def low_shot_rows(labels: np.ndarray, train: np.ndarray, share: float, seed: int = 0) -> np.ndarray:
    """A share of the training rows, the same of every class and at least one.

    Nested: with one seed, the rows of a smaller share are among those of a larger one.

    Parameters
    ----------
    labels : [n] of all rows.
    train : row numbers to choose from.
    share : between 0 and 1.
    """
    return rows_per_class(labels, train, lambda n: max(1, round(share * n)), seed)


def rows_per_class(
    labels: np.ndarray, rows: np.ndarray, keep: Callable[[int], int], seed: int = 0
) -> np.ndarray:
    """Some rows of every class, drawn once for a seed and nested: fewer are among more.

    Parameters
    ----------
    labels : [n] of all rows.
    rows : row numbers to choose from.
    keep : how many rows of a class of so many are kept, at most.
    """
    chosen = []
    for label in np.unique(labels[rows]):
        own = rows[labels[rows] == label]
        order = np.random.default_rng([seed, int(label)]).permutation(own)
        chosen.append(order[: keep(len(own))])
    return np.sort(np.concatenate(chosen))


# --- linear probe -----------------------------------------------------------------------------


def linear_scores(
    features: np.ndarray,
    labels: np.ndarray,
    rows: Rows,
    strengths: tuple[float, ...] = ProbeConfig.strengths,
) -> np.ndarray:
    """Logistic probe: whether each test clip is classified right, bool [n_test].

    Multinomial logistic regression on standardised features, its strength chosen on `val`.

    Parameters
    ----------
    features : [n, D]
    labels : [n] class numbers.
    rows : row numbers of 'train', 'val' and 'test'.
    strengths : inverse regularisation strengths to choose from.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    x = features.astype(np.float64, copy=False)
    mean, std = x[rows["train"]].mean(0), x[rows["train"]].std(0)
    x = (x - mean) / np.where(std > 0, std, 1.0)
    best, model = -1.0, None
    for strength in strengths:
        candidate = LogisticRegression(C=strength, max_iter=200)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            candidate.fit(x[rows["train"]], labels[rows["train"]])
        score = candidate.score(x[rows["val"]], labels[rows["val"]])
        if score > best:
            best, model = score, candidate
    return model.predict(x[rows["test"]]) == labels[rows["test"]]


def linear_regression(features: np.ndarray, values: np.ndarray, rows: Rows) -> float:
    """R2 on the test split of ridge regression of a number from features [n, D].

    Its strength is chosen on `val`.
    """
    from sklearn.linear_model import Ridge

    x = features.astype(np.float64, copy=False)
    mean, std = x[rows["train"]].mean(0), x[rows["train"]].std(0)
    x = (x - mean) / np.where(std > 0, std, 1.0)
    models = [
        Ridge(alpha=a).fit(x[rows["train"]], values[rows["train"]]) for a in (1, 10, 100, 1000)
    ]
    best = max(models, key=lambda m: m.score(x[rows["val"]], values[rows["val"]]))
    return float(best.score(x[rows["test"]], values[rows["test"]]))


def linear_probe(
    features: np.ndarray, labels: np.ndarray, rows: Rows, cfg: ProbeConfig, seed: int = 0
) -> np.ndarray:
    """The linear probe that `cfg` names; bool [n_test]."""
    if cfg.linear == "logistic":
        return linear_scores(features, labels, rows, cfg.strengths)
    head = _seeded(seed, lambda: nn.Linear(features.shape[1], int(labels.max()) + 1))
    settings = replace(cfg, epochs=cfg.linear_epochs, batch=cfg.linear_batch)
    return _train_head(head, torch.from_numpy(features), labels, rows, settings, seed)


# --- attentive probe --------------------------------------------------------------------------


class AttentiveHead(nn.Module):
    """One attention block with a cls token, then a linear layer: tokens [B, N, D] -> [B, classes].

    As in arXiv 2605.17165: cls token and tokens attend to each other once, a residual, a
    LayerNorm, and a linear layer on the cls token. Only what reaches the cls token is computed:
    the keys of a head are never formed, as its one query can be pulled through the key matrix,
    and values are mixed before they are projected. The function and its parameters are those of
    `nn.MultiheadAttention`, at a fraction of the work.
    """

    def __init__(self, dim: int, classes: int, heads: int = 8) -> None:
        super().__init__()
        if dim % heads:
            raise ConfigError(f"The probe's {heads} heads do not divide {dim} channels.")
        self.cls = nn.Parameter(0.02 * torch.randn(1, 1, dim))
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.norm = nn.LayerNorm(dim)
        self.out = nn.Linear(dim, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        b, d = len(tokens), tokens.shape[-1]
        a = self.attention
        x = torch.cat([self.cls.expand(b, -1, -1), tokens], 1)  # [B, 1 + N, D]
        to_q, to_k, to_v = a.in_proj_weight.chunk(3)
        bias_q, _, bias_v = a.in_proj_bias.chunk(3)  # the keys' bias cancels in the softmax
        query = (F.linear(self.cls[0, 0], to_q, bias_q)).view(a.num_heads, 1, -1)
        pulled = (query @ to_k.view(a.num_heads, -1, d))[:, 0]  # [heads, D]
        scores = x @ pulled.T / (d // a.num_heads) ** 0.5  # [B, 1 + N, heads]
        mixed = scores.softmax(1).transpose(1, 2) @ x  # [B, heads, D]
        values = torch.einsum("bhd,hkd->bhk", mixed, to_v.view(a.num_heads, -1, d))
        mixed = a.out_proj(values.flatten(1) + bias_v)
        return self.out(self.norm(self.cls[:, 0] + mixed))


def _seeded(seed: int, make):
    """Build a module with initial weights of its own, without touching the global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def attentive_probe(
    tokens: Tensor,
    labels: Tensor | np.ndarray,
    rows: Rows,
    cfg: ProbeConfig,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> np.ndarray:
    """Train the attentive head on tokens; bool [n_test].

    Parameters
    ----------
    tokens : [n, N, D], or [n, D] for a single mean token; may be float16 mapped from a file.
    """
    labels = np.asarray(labels)
    if tokens.ndim == 2:
        tokens = tokens[:, None]
    classes = int(labels.max()) + 1
    head = _seeded(seed, lambda: AttentiveHead(tokens.shape[-1], classes, cfg.heads))
    return _train_head(head, tokens, labels, rows, cfg, seed, device)


def _train_head(
    head: nn.Module,
    features: Tensor,
    labels: np.ndarray,
    rows: Rows,
    cfg: ProbeConfig,
    seed: int,
    device: str | torch.device = "cpu",
) -> np.ndarray:
    """Train a head by AdamW on cross-entropy; bool [n_test] of the chosen epoch."""
    head = head.to(device)
    y = torch.from_numpy(labels)
    optimizer = torch.optim.AdamW(
        head.parameters(), lr=cfg.lr, weight_decay=cfg.weight_decay, fused=True
    )
    generator = torch.Generator().manual_seed(seed)
    train = torch.from_numpy(rows["train"])

    def read(index: Tensor) -> Tensor:
        # Sorted, so that features mapped from a file are read forwards.
        return features[index].to(device).float()

    @torch.inference_mode()
    def right(split: str) -> Tensor:
        head.eval()
        parts = torch.from_numpy(rows[split]).split(256)
        return torch.cat([head(read(p)).argmax(1).cpu() == y[p] for p in parts])

    best, state = -1.0, None
    for _ in range(cfg.epochs):
        head.train()
        for part in train[torch.randperm(len(train), generator=generator)].split(cfg.batch):
            part = part.sort().values
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(head(read(part)), y[part].to(device)).backward()
            optimizer.step()
        if cfg.choose_epoch and (score := float(right("val").float().mean())) > best:
            best = score
            state = {k: v.clone() for k, v in head.state_dict().items()}
    if state is not None:
        head.load_state_dict(state)
    return right("test").numpy()


# --- a table of everything --------------------------------------------------------------------


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


def supervised(
    encoder_cfg: EncoderConfig,
    clips: ClipSet,
    steps: int,
    batch: int = 32,
    lr: float = 2e-3,
    single_frame: bool = False,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> np.ndarray:
    """Train the same encoder end to end with labels; bool [n_test].

    The schedule is fixed in advance, so nothing is chosen and `val` trains along.

    Parameters
    ----------
    encoder_cfg : of the encoder; a linear layer reads its mean token.
    clips : with splits train, val and test.
    steps, batch, lr : AdamW with one cycle of the learning rate, weight decay 0.05.
    single_frame : show the middle frame of every clip all the time, in training and in test: what
        a model without time can do.
    seed : of weights and batches.
    """
    rows = split_rows(clips)

    def make() -> nn.ModuleList:
        return nn.ModuleList(
            [Encoder(encoder_cfg), nn.Linear(encoder_cfg.width, clips.num_classes)]
        )

    model = _seeded(seed, make).to(device)
    encoder, head = model
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.05, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=max(steps, 1))
    generator = torch.Generator().manual_seed(seed)

    def logits(index: Tensor) -> Tensor:
        clip = clips.batch(index, device)
        if single_frame:
            clip = clip[:, :, clip.shape[2] // 2, None].expand_as(clip)
        return head(encoder(clip, levels=False).mean(1))

    labels = clips.labels.to(device)
    train = torch.from_numpy(np.concatenate([rows["train"], rows["val"]]))
    for _ in range(steps):
        index = train[torch.randint(len(train), (batch,), generator=generator)]
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(logits(index), labels[index]).backward()
        optimizer.step()
        schedule.step()
    model.eval()
    with torch.inference_mode():
        parts = torch.from_numpy(rows["test"]).split(64)
        predicted = torch.cat([logits(p).argmax(1).cpu() for p in parts])
    return (predicted == clips.labels.cpu()[torch.from_numpy(rows["test"])]).numpy()
