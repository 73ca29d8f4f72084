"""Factorials: main effects and interactions, computed seed by seed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.regression.linear_model import OLS

from vjepa_lib.analysis.statistics.clips import least_scatter
from vjepa_lib.analysis.statistics.common import ALPHA, check_known, need
from vjepa_lib.analysis.statistics.families import in_families
from vjepa_lib.errors import DataError


def _complete(frame: pd.DataFrame, cells: list[str], value: str, seed: str) -> pd.DataFrame:
    """[S, cells] table of one number a seed and cell; only seeds that have every cell."""
    if frame.duplicated([*cells, seed]).any():
        raise DataError(
            f"A factorial needs one row a seed and cell ({', '.join([*cells, seed])}); some appear "
            "twice: average or select them first."
        )
    wide = frame.pivot(index=seed, columns=cells, values=value)
    levels = [frame[c].unique() for c in cells]
    full = pd.MultiIndex.from_product(levels, names=cells)
    wide = wide.reindex(columns=full).dropna()
    if wide.empty:
        raise DataError(
            f"No seed has all {len(full)} cells of the factorial {' x '.join(cells)}; run the "
            "missing cells."
        )
    return wide


def _contrasts(
    table: np.ndarray,
    weights: np.ndarray,
    names: list[str],
    error: str,
    alpha: float,
    correction: str,
    least: np.ndarray,
    family: str,
) -> pd.DataFrame:
    """Effects sum_c w_c mean_s y[s, c] with intervals; table [S, C], weights [E, C], least [E].

    'per_seed': each contrast is computed seed by seed, and its own spread with S - 1 degrees of
    freedom serves it. 'pooled': the residual of the randomised-block model y = cell + seed, with
    (C-1)(S-1) degrees of freedom, serves every contrast: se = sqrt(MSE sum_c w_c^2 / S).
    `least` is the standard deviation of a contrast below which its scatter is not believed.
    """
    check_known(error, ("pooled", "per_seed"), "error term")
    n_seeds, n_cells = table.shape
    per_seed = table @ weights.T  # [S, E]
    estimate = per_seed.mean(0)
    dof = (n_cells - 1) * (n_seeds - 1) if error == "pooled" else n_seeds - 1
    if not dof:
        sd = np.full(len(names), np.nan)
    elif error == "pooled":
        cells = np.tile(np.eye(n_cells), (n_seeds, 1))
        seeds = np.repeat(np.eye(n_seeds), n_cells, axis=0)[:, 1:]
        mse = OLS(table.ravel(), np.hstack([cells, seeds])).fit().mse_resid
        sd = np.sqrt(mse * (weights**2).sum(1))
    else:
        sd = per_seed.std(0, ddof=1)
    # Equal values differ by rounding errors; with no least scatter known they have no interval.
    sd = np.where(sd <= 1e-12 * np.maximum(1.0, np.abs(table).max()), 0.0, sd)
    sd = np.where(np.isnan(sd), np.nan, np.maximum(sd, least))
    error_sd = np.where(sd > 0, sd, np.nan) / np.sqrt(n_seeds)
    half = stats.t.ppf(1 - alpha / 2, dof) * error_sd if dof else error_sd
    p = 2 * stats.t.sf(np.abs(estimate / error_sd), dof) if dof else error_sd
    found = pd.DataFrame(
        {
            "effect": names,
            "estimate": estimate,
            "low": estimate - half,
            "high": estimate + half,
            "p": p,
        }
    )
    found = in_families(found, name=family, alpha=alpha, correction=correction)
    return found.assign(n_seeds=n_seeds, dof=dof)


def _least(
    frame: pd.DataFrame, table: np.ndarray, weights: np.ndarray, clips: str | None, scale: str
) -> np.ndarray:
    """Standard deviation of each contrast that the clips alone give; 0 where `clips` is None."""
    check_known(scale, ("points", "logits"), "scale")
    if clips is None:
        return np.zeros(len(weights))
    n = float(frame[clips].min())
    step = np.abs(weights).min(axis=1, where=weights != 0, initial=np.inf)
    if scale == "logits":
        # One clip more or less moves log odds by 1 / (n p (1 - p)), at least 4 / n.
        return step * 4 / n
    estimate = (table @ weights.T).mean(0)
    return np.array(
        [100 * float(least_scatter(e / 100, n, s)) for e, s in zip(estimate, step, strict=True)]
    )


def factorial_effects(
    frame: pd.DataFrame,
    factors: Sequence[str],
    value: str = "value",
    seed: str = "seed",
    error: str = "per_seed",
    alpha: float = ALPHA,
    correction: str = "holm",
    clips: str | None = None,
    scale: str = "points",
) -> pd.DataFrame:
    """Main effects and all interactions of a 2^k factorial, with intervals over seeds.

    The effect of a set E of factors is, for each seed, 2^(1-k) sum over cells of y times the
    product over E of +1 (factor on) or -1 (off), then averaged over seeds. So a main effect is
    the mean of the runs with the factor minus the mean of those without, and an interaction of
    two is half the difference between one's effect with and without the other.

    Parameters
    ----------
    frame : one row a run: the factor columns (0/1 or bool), the seed and the value.
    factors : k names of columns, e.g. ('fwm', 'hw', 'ld').
    error : 'per_seed' (each effect by its own spread, S - 1 degrees of freedom) or 'pooled' (one
        error term for all effects, (2^k - 1)(S - 1) degrees of freedom: right only if the spread
        over seeds is the same in every cell).
    clips : column with the number of test clips; the scatter over seeds is then not believed below
        what they alone give. The value is in percent, or in log odds with scale 'logits'.

    Returns
    -------
    DataFrame with a row per non-empty subset of the factors: `effect` ('fwm', 'fwm:ld', ...),
    `order` (1 = main effect), `estimate`, `low`, `high`, `p`, `family`, `p_adjusted`, `clear`,
    `n_seeds`, `dof`. Intervals are NaN with one seed.

    Raises
    ------
    DataError : missing columns, cells or doubled runs. ConfigError : unknown error term.
    """
    factors = list(factors)
    need(frame, [*factors, seed, value], "factorial_effects")
    levels = frame.assign(**{f: frame[f].astype(int) for f in factors})
    bad = [f for f in factors if set(levels[f]) != {0, 1}]
    if bad:
        raise DataError(f"Factor {bad[0]!r} of a 2^k factorial needs exactly the levels 0 and 1.")
    wide = _complete(levels, factors, value, seed)
    signs = 2 * np.array(wide.columns.to_list()).reshape(len(wide.columns), -1) - 1  # [C, k]
    subsets = [s for r in range(1, len(factors) + 1) for s in combinations(range(len(factors)), r)]
    weights = np.stack([signs[:, s].prod(1) for s in subsets]) * 2.0 ** (1 - len(factors))
    names = [":".join(factors[i] for i in s) for s in subsets]
    least = _least(levels, wide.to_numpy(), weights, clips, scale)
    family = f"factorial of {', '.join(factors)}"
    table = _contrasts(wide.to_numpy(), weights, names, error, alpha, correction, least, family)
    table.insert(1, "order", [len(s) for s in subsets])
    return table


def interaction_contrasts(
    frame: pd.DataFrame,
    rows: str,
    columns: str,
    row_reference: str,
    column_reference: str,
    value: str = "value",
    seed: str = "seed",
    error: str = "per_seed",
    alpha: float = ALPHA,
    correction: str = "holm",
    clips: str | None = None,
    scale: str = "points",
) -> pd.DataFrame:
    """Does adding one thing help more on top of another? Every contrast of a two-factor table.

    For row level i and column level j other than the references, and each seed,
    (y_ij - y_i0) - (y_0j - y_00): what column j adds to row i beyond what it adds to the reference.

    Parameters
    ----------
    frame : one row a run: the two factor columns (any labels), the seed and the value.
    row_reference, column_reference : levels that count as 'without', e.g. 'baseline' and 'none'.
    error, clips, scale : as in `factorial_effects`.

    Returns
    -------
    DataFrame with a row per (i, j): the two levels, `simple` (y_ij - y_i0), `reference`
    (y_0j - y_00), `estimate` (their difference), `low`, `high`, `p`, `family`, `p_adjusted`,
    `clear`, `n_seeds`, `dof`.

    Raises
    ------
    DataError : missing columns, cells, references or doubled runs.
    """
    need(frame, [rows, columns, seed, value], "interaction_contrasts")
    for column, level in ((rows, row_reference), (columns, column_reference)):
        if level not in set(frame[column]):
            known = ", ".join(map(str, frame[column].unique()))
            raise DataError(f"Reference {level!r} is not a level of {column!r}; found: {known}.")
    wide = _complete(frame, [rows, columns], value, seed)
    cells = wide.columns.to_list()
    place = {c: i for i, c in enumerate(cells)}
    pairs = [c for c in cells if c[0] != row_reference and c[1] != column_reference]
    weights = np.zeros((len(pairs), len(cells)))
    for k, (i, j) in enumerate(pairs):
        weights[k, place[i, j]] = weights[k, place[row_reference, column_reference]] = 1
        weights[k, place[i, column_reference]] = weights[k, place[row_reference, j]] = -1
    names = [f"{i}:{j}" for i, j in pairs]
    least = _least(frame, wide.to_numpy(), weights, clips, scale)
    family = f"interactions of {rows} and {columns}"
    table = _contrasts(wide.to_numpy(), weights, names, error, alpha, correction, least, family)
    mean = wide.mean()
    table.insert(0, rows, [i for i, _ in pairs])
    table.insert(1, columns, [j for _, j in pairs])
    table.insert(2, "simple", [mean[i, j] - mean[i, column_reference] for i, j in pairs])
    base = mean[row_reference, column_reference]
    table.insert(3, "reference", [mean[row_reference, j] - base for _, j in pairs])
    return table.drop(columns="effect")
