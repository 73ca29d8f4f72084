"""Measurements on an encoder and on an objective: collapse, gradient reach, factor leakage."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn


def rank_me(features: Tensor) -> float:
    """Effective rank of features [n, D]: exp of the entropy of their normalised singular values.

    RankMe (Garrido et al., arXiv 2210.02885, eq. 1), on centred features.
    """
    values = torch.linalg.svdvals(features.float() - features.float().mean(0))
    share = values / values.sum().clamp_min(1e-12)
    return float(torch.exp(-(share * torch.log(share.clamp_min(1e-12))).sum()))


def feature_std(features: Tensor) -> float:
    """Mean over channels of the standard deviation over samples [n, D]; 0 is full collapse."""
    return float(features.float().std(0).mean())


def same_weights(a: nn.Module, b: nn.Module) -> bool:
    """Whether two modules hold the same parameters and buffers bit for bit."""
    x, y = a.state_dict(), b.state_dict()
    return x.keys() == y.keys() and all(torch.equal(x[k], y[k]) for k in x)


def unmoved(before: Mapping[str, Tensor], module: nn.Module) -> list[str]:
    """Names of the parameters of a module that still have the values in `before`."""
    return [n for n, p in module.named_parameters() if torch.equal(before[n], p.detach())]


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    """Copies of a module's parameters by name."""
    return {n: p.detach().clone() for n, p in module.named_parameters()}


def gradient_reach(
    terms: Mapping[str, Callable[[], Tensor]],
    parts: Mapping[str, nn.Module],
    reference: str = "jepa",
) -> pd.DataFrame:
    """Which parts each term trains, how hard, and in which direction beside a reference term.

    Works on any objective: a term is a function without arguments that computes its loss anew.

    Parameters
    ----------
    terms : name -> function that returns a scalar loss.
    parts : name -> module, for instance context encoder, predictor, a term's own head.
    reference : term whose gradient the others are compared with.

    Returns
    -------
    DataFrame, a row per term and part: `norm` of the gradient, `relative` to the reference's in
    the same part, `cosine` with it (NaN where one of them is 0), `reaches`.
    """

    def flat(term: Callable[[], Tensor], module: nn.Module) -> Tensor:
        params = [p for p in module.parameters() if p.requires_grad]
        value = term()
        if not params or not value.requires_grad:
            return torch.zeros(1)
        grads = torch.autograd.grad(value, params, allow_unused=True)
        return torch.cat(
            [
                (torch.zeros_like(p) if g is None else g).flatten()
                for g, p in zip(grads, params, strict=True)
            ]
        )

    rows = []
    for part, module in parts.items():
        base = flat(terms[reference], module) if reference in terms else None
        for name, term in terms.items():
            g = flat(term, module)
            norm = float(g.norm())
            ref = float(base.norm()) if base is not None else float("nan")
            both = base is not None and norm > 0 and ref > 0 and g.shape == base.shape
            rows.append(
                {
                    "term": name,
                    "part": part,
                    "reaches": norm > 0,
                    "norm": norm,
                    "relative": norm / ref if ref > 0 else float("nan"),
                    "cosine": float(g @ base) / (norm * ref) if both else float("nan"),
                }
            )
    return pd.DataFrame(rows)


def factor_readout(features: np.ndarray, factor: np.ndarray, train: np.ndarray) -> float:
    """Accuracy of a linear read-out of a factor from features [n, D]; `train` marks the fit rows."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=200))
    model.fit(features[train], factor[train])
    return float(model.score(features[~train], factor[~train]))
