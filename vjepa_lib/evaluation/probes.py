"""Probes: what can be read from a frozen encoder.

The linear probe reads the mean token; the attentive probe puts one attention block with a learned
query over all tokens, or over the single mean token. Whatever is chosen is chosen on the validation
split; the test split is read once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vjepa_lib.errors import ConfigError, DataError, unknown
from vjepa_lib.settings import Count, InnerShare, NonNegative, Positive, Whole, check_domains
from vjepa_lib.video.clips import ClipSet

Rows = Mapping[str, np.ndarray]  # split -> row numbers


@dataclass(frozen=True)
class ProbeConfig:
    """How frozen features are read.

    Attributes
    ----------
    linear : 'logistic' (multinomial logistic regression on standardised features, for small sets)
        or 'adamw' (a linear layer on the features as they are, as in arXiv 2605.17165).
    strengths : inverse regularisation strengths of the logistic probe, chosen from on `val`.
    attentive : benchmarks that also get an attentive probe over all tokens.
    attentive_mean : benchmarks that also get the same head over the single mean token.
    epochs, batch : of the attentive probe.
    linear_epochs, linear_batch : of the 'adamw' linear probe.
    lr, weight_decay, heads : of both.
    choose_epoch : report the epoch that is best on `val`; otherwise the last, as the study does.
    low_shot : shares of the training labels the linear probe is also trained on, for example
        (0.01, 0.05, 0.1, 0.5); nested, stratified by class.
    leakage : (benchmark, factors) pairs: factors that are also read from each half of the latent
        (`evaluation.leakage`).
    """

    linear: str = "logistic"
    strengths: tuple[Positive, ...] = (0.001, 0.01, 0.1)
    attentive: tuple[str, ...] = ("fine_motion",)
    attentive_mean: tuple[str, ...] = ()
    epochs: Whole = 5
    batch: Count = 16
    linear_epochs: Whole = 50
    linear_batch: Count = 256
    lr: Positive = 1e-3
    weight_decay: NonNegative = 0.01
    heads: Count = 4
    choose_epoch: bool = True
    low_shot: tuple[InnerShare, ...] = ()
    leakage: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __post_init__(self) -> None:
        check_domains(self)
        if self.linear not in ("logistic", "adamw"):
            raise unknown("linear probe", self.linear, ("logistic", "adamw"))
        if not self.strengths:
            raise ConfigError("strengths is empty: the logistic probe needs one or more.")


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
            f"The manifest has no rows of split {', '.join(empty)}: probes need train, val and "
            "test."
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
    x = torch.from_numpy(features)
    predict = _train_head(head, x, labels, rows, settings, seed)
    return predict(x, rows["test"]) == labels[rows["test"]]


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
    """Train the attentive head on tokens; whether each test clip is read right, bool [n_test].

    Parameters
    ----------
    tokens : [n, N, D], or [n, D] for a single mean token; may be float16 mapped from a file.
    """
    labels = np.asarray(labels)
    reader = attentive_reader(tokens, labels, rows, cfg, seed, device)
    return reader(tokens, rows["test"]) == labels[rows["test"]]


def attentive_reader(
    tokens: Tensor,
    labels: np.ndarray,
    rows: Rows,
    cfg: ProbeConfig,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> Callable[[Tensor, np.ndarray], np.ndarray]:
    """Train the attentive head on rows 'train' of tokens; it can then read any tokens.

    Parameters
    ----------
    tokens : [n, N, D], or [n, D] for a single mean token; may be float16 mapped from a file.
    labels : [n] class numbers.
    rows : row numbers of 'train' and, where `cfg.choose_epoch`, of 'val'.

    Returns
    -------
    Function (tokens, row numbers) -> class numbers.
    """
    classes, dim = int(labels.max()) + 1, tokens.shape[-1]
    head = _seeded(seed, lambda: AttentiveHead(dim, classes, cfg.heads))
    return _train_head(head, tokens, labels, rows, cfg, seed, device)


def _train_head(
    head: nn.Module,
    features: Tensor,
    labels: np.ndarray,
    rows: Rows,
    cfg: ProbeConfig,
    seed: int,
    device: str | torch.device = "cpu",
) -> Callable[[Tensor, np.ndarray], np.ndarray]:
    """Train a head by AdamW on cross-entropy; the chosen epoch as a reader of any features."""
    head = head.to(device)
    y = torch.from_numpy(labels)
    optimizer = torch.optim.AdamW(
        head.parameters(), lr=cfg.lr, weight_decay=cfg.weight_decay, fused=True
    )
    generator = torch.Generator().manual_seed(seed)
    train = torch.from_numpy(rows["train"])
    alone = features.ndim == 2 and isinstance(head, AttentiveHead)  # a mean token is one token

    def read(source: Tensor, index: Tensor) -> Tensor:
        # Sorted, so that features mapped from a file are read forwards.
        x = source[index].to(device).float()
        return x[:, None] if alone else x

    @torch.inference_mode()
    def predict(source: Tensor, index: np.ndarray) -> np.ndarray:
        head.eval()
        parts = torch.from_numpy(np.asarray(index)).split(256)
        return torch.cat([head(read(source, p)).argmax(1).cpu() for p in parts]).numpy()

    best, state = -1.0, None
    for _ in range(cfg.epochs):
        head.train()
        for part in train[torch.randperm(len(train), generator=generator)].split(cfg.batch):
            part = part.sort().values
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(head(read(features, part)), y[part].to(device)).backward()
            optimizer.step()
        if cfg.choose_epoch:
            score = float((predict(features, rows["val"]) == labels[rows["val"]]).mean())
            if score > best:
                best = score
                state = {k: v.clone() for k, v in head.state_dict().items()}
    if state is not None:
        head.load_state_dict(state)
    return predict
