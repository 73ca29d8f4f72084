"""Collapse of a latent, measured: rank, spread, alignment; and whether weights moved."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def rank_me(features: Tensor) -> float:
    """Effective rank of features [n, D]: exp of the entropy of their normalised singular values.

    RankMe (Garrido et al., arXiv 2210.02885, eq. 1), on centred features, so that a constant
    vector counts as collapse. Between 1 and D; 0 if all features are equal.
    """
    x = features.float()
    values = torch.linalg.svdvals(x - x.mean(0))
    total = values.sum()
    if not total > 0:
        return 0.0
    share = values / total
    return float(torch.exp(-torch.xlogy(share, share).sum()))


def feature_std(features: Tensor) -> float:
    """Mean over channels of the standard deviation over samples [n, D]; 0 is full collapse."""
    return float(features.float().std(0).mean())


def mean_cosine(features: Tensor) -> float:
    """Mean cosine similarity of different samples [n, D]; 1 is full collapse to one direction."""
    x = nn.functional.normalize(features.float(), dim=-1)
    n = len(x)
    return float((x.sum(0).square().sum() - n) / (n * (n - 1)))


def collapse_measures(features: Tensor) -> dict[str, float]:
    """All measures of collapse of features [n, D]: `rank_me`, `feature_std`, `mean_cosine`."""
    return {
        "rank_me": rank_me(features),
        "feature_std": feature_std(features),
        "mean_cosine": mean_cosine(features),
    }


# --- what moved -------------------------------------------------------------------------------


def same_weights(a: nn.Module, b: nn.Module) -> bool:
    """Whether two modules hold the same parameters and buffers bit for bit."""
    x, y = a.state_dict(), b.state_dict()
    return x.keys() == y.keys() and all(torch.equal(x[k], y[k]) for k in x)
