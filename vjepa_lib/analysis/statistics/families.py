"""Many comparisons: p values of a named family, corrected together."""

from __future__ import annotations

import gc
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats
from statsmodels.stats.multitest import multipletests

from vjepa_lib.analysis.statistics.common import ALPHA, check_known, need
from vjepa_lib.errors import DataError

_CORRECTIONS = {"holm": "holm", "bh": "fdr_bh", "bonferroni": "bonferroni", "none": None}


def adjust(p: ArrayLike, method: str = "holm") -> np.ndarray:
    """P values corrected for their number.

    Parameters
    ----------
    p : [m] p values of one family; NaN stays NaN and does not count.
    method : 'holm' (any false finding), 'bh' (share of false findings), 'bonferroni', 'none'.

    Raises
    ------
    ConfigError : unknown method.
    """
    check_known(method, _CORRECTIONS, "correction")
    p = np.asarray(p, float)
    out, known = p.copy(), ~np.isnan(p)
    if method != "none" and known.any():
        # statsmodels collects garbage first, 0.3 s beside torch: so it is shown none.
        gc.freeze()
        try:
            out[known] = multipletests(p[known], method=_CORRECTIONS[method])[1]
        finally:
            gc.unfreeze()
    return out


def rank_correlation(x: ArrayLike, y: ArrayLike) -> dict[str, float]:
    """Spearman's rank correlation over the pairs without NaN: `rho`, `p` (two-sided), `n`.

    Raises
    ------
    DataError : fewer than three pairs.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    both = ~(np.isnan(x) | np.isnan(y))
    if both.sum() < 3:
        raise DataError("A rank correlation needs at least three pairs of numbers; give more rows.")
    found = stats.spearmanr(x[both], y[both])
    return {"rho": float(found.statistic), "p": float(found.pvalue), "n": int(both.sum())}


def rank_correlations(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation of many samples at once, as `rank_correlation` gives one by one.

    Parameters
    ----------
    x, y : [m, n] a sample a row, without NaN.

    Returns
    -------
    [m]; NaN where all values of a row are equal.
    """
    ranks = [stats.rankdata(values, axis=1) for values in (x, y)]
    a, b = (r - r.mean(1, keepdims=True) for r in ranks)
    with np.errstate(invalid="ignore"):
        return (a * b).sum(1) / np.sqrt((a**2).sum(1) * (b**2).sum(1))


def in_families(
    table: pd.DataFrame,
    by: Sequence[str] = (),
    name: str = "all rows",
    p: str = "p",
    alpha: float = ALPHA,
    correction: str = "holm",
) -> pd.DataFrame:
    """A table with its p values corrected within named families, and what stays clear of chance.

    Parameters
    ----------
    table : with a column of p values; NaN does not count.
    by : columns whose values tell families apart; () for one family.
    name : of the family, or what its name begins with where `by` tells several apart.

    Returns
    -------
    The table with `family` (name, values of `by`, and how many p values it has), `p_adjusted`,
    `clear` (p_adjusted < alpha).

    Raises
    ------
    DataError : missing columns.
    """
    need(table, [*by, p], "in_families")
    out = table.copy()
    out["family"], out["p_adjusted"] = "", np.nan
    groups = table.groupby(list(by), sort=False) if by else [((), table)]
    for key, part in groups:
        key = key if isinstance(key, tuple) else (key,)
        label = ", ".join([name, *map(str, key)])
        out.loc[part.index, "family"] = f"{label} ({int(part[p].notna().sum())} tests)"
        out.loc[part.index, "p_adjusted"] = adjust(part[p], correction)
    return out.assign(clear=out.p_adjusted < alpha)
