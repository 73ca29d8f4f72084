"""Uncertainty of accuracies: over the clips of a benchmark, over seeds, and over a factorial.

Three sources of noise are kept apart. Clips: a top-1 accuracy is a proportion of `n` clips, so
its interval follows from `n` alone. Seeds: two runs of one variant differ, so an effect has to be
judged by the spread over seeds. Many comparisons: the largest of fourteen differences is large by
chance. The tests themselves are those of scipy and statsmodels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import (
    confint_proportions_2indep,
    proportion_confint,
    proportion_effectsize,
    test_proportions_2indep,
)

from vjepa_lib.errors import DataError, unknown

ALPHA = 0.05
_INTERVALS = {"wilson": "wilson", "exact": "beta"}
_CORRECTIONS = {"holm": "holm", "bh": "fdr_bh", "bonferroni": "bonferroni", "none": None}
EXACT_BELOW = 10  # expected clips in a cell of the 2 x 2 table below which the exact test is used


def _check_known(name: str, known: Iterable[str], what: str) -> None:
    if name not in known:
        raise unknown(what, name, known)


# --- clips ------------------------------------------------------------------------------------


def correct_count(percent: ArrayLike, n: ArrayLike) -> np.ndarray:
    """Number of correct clips behind a rounded accuracy: round(percent * n / 100)."""
    return np.rint(np.asarray(percent, float) * np.asarray(n, float) / 100).astype(int)


def rounding_gap(percent: ArrayLike, n: ArrayLike) -> np.ndarray:
    """Distance in percent points between an accuracy and the nearest possible one, k / n.

    More than half a unit of the last printed digit means that no whole number of correct clips
    gives the printed accuracy (the GRIM test; Brown & Heathers 2017).
    """
    percent, n = np.asarray(percent, float), np.asarray(n, float)
    return np.abs(100 * correct_count(percent, n) / n - percent)


def proportion_interval(
    count: ArrayLike, n: ArrayLike, method: str = "wilson", alpha: float = ALPHA
) -> tuple[np.ndarray, np.ndarray]:
    """Interval of a proportion.

    Parameters
    ----------
    count, n : correct clips and clips; scalars or arrays of one shape.
    method : 'wilson' (score interval) or 'exact' (Clopper-Pearson, from the beta distribution).
    alpha : 1 - coverage.

    Returns
    -------
    low, high : shares in 0..1, of the shape of `count`.

    Raises
    ------
    ConfigError : unknown method.
    """
    _check_known(method, _INTERVALS, "interval")
    low, high = proportion_confint(np.asarray(count), np.asarray(n), alpha, _INTERVALS[method])
    return np.asarray(low), np.asarray(high)


def two_proportions(
    count1: int, n1: int, count2: int, n2: int, alpha: float = ALPHA
) -> dict[str, float | str]:
    """Difference p1 - p2 of two independent proportions.

    The interval is Newcombe's (from two Wilson intervals). The p value is that of the pooled score
    test, or Fisher's exact one where a cell of the 2 x 2 table expects fewer than `EXACT_BELOW`
    clips. Two probes read the same clips; published tables do not say which clips each got right,
    so the paired test cannot be run, and the unpaired one errs on the side of no difference.

    Returns
    -------
    `difference`, `low`, `high` (shares), `p`, `test` ('score' or 'exact').
    """
    low, high = confint_proportions_2indep(
        count1, n1, count2, n2, method="newcomb", compare="diff", alpha=alpha
    )
    table = np.array([[count1, n1 - count1], [count2, n2 - count2]])
    expected = np.outer(table.sum(1), table.sum(0)) / table.sum()
    if expected.min() < EXACT_BELOW:
        p, test = stats.fisher_exact(table).pvalue, "exact"
    else:
        test = "score"
        p = test_proportions_2indep(count1, n1, count2, n2, compare="diff", method="score").pvalue
    return {
        "difference": count1 / n1 - count2 / n2,
        "low": float(low),
        "high": float(high),
        "p": float(p),
        "test": test,
    }


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
    _check_known(method, _CORRECTIONS, "correction")
    p = np.asarray(p, float)
    out, known = p.copy(), ~np.isnan(p)
    if method != "none" and known.any():
        out[known] = multipletests(p[known], method=_CORRECTIONS[method])[1]
    return out


def homogeneity(count: ArrayLike, n: ArrayLike) -> dict[str, float]:
    """Chi-square test that several proportions are one and the same.

    Parameters
    ----------
    count, n : [k] correct clips and clips of k >= 2 rows.

    Returns
    -------
    `chi2`, `dof` (k - 1), `p` (upper tail: rows differ more than k samples of one proportion
    would), `p_alike` (lower tail: rows are more alike than independent samples would be, as
    results of one and the same encoder on the same clips are), `rows`, `pooled` (share), `spread`
    (largest minus smallest share).

    Raises
    ------
    DataError : fewer than two rows.
    """
    count, n = np.atleast_1d(count).astype(float), np.atleast_1d(n).astype(float)
    if len(count) < 2:
        raise DataError("Homogeneity needs at least two rows of counts; give two or more variants.")
    found = stats.chi2_contingency(np.stack([count, n - count]), correction=False)
    share = count / n
    return {
        "rows": len(count),
        "chi2": float(found.statistic),
        "dof": int(found.dof),
        "p": float(found.pvalue),
        "p_alike": float(stats.chi2.cdf(found.statistic, found.dof)),
        "pooled": float(count.sum() / n.sum()),
        "spread": float(share.max() - share.min()),
    }


def minimum_detectable_difference(
    share: float, n: int, alpha: float = ALPHA, power: float = 0.8, comparisons: int = 1
) -> tuple[float, float]:
    """Smallest fall and rise from `share` that two samples of `n` clips tell apart.

    Solves the power of the two-sided normal test for Cohen's effect size
    h = 2 asin(sqrt(p1)) - 2 asin(sqrt(p2)) at level alpha / comparisons (Bonferroni).

    Parameters
    ----------
    share : accuracy of the baseline, 0..1.
    n : clips of the benchmark, for each of the two results.

    Returns
    -------
    fall, rise : shares, both positive; the fall is at most `share`.
    """
    h = NormalIndPower().solve_power(nobs1=n, alpha=alpha / comparisons, power=power)
    centre = proportion_effectsize(share, 0.0)  # 2 asin(sqrt(share))
    low, high = np.sin(np.clip([centre - h, centre + h], 0, np.pi) / 2) ** 2
    return float(share - low), float(high - share)


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


# --- seeds ------------------------------------------------------------------------------------


def seed_noise(groups: Sequence[ArrayLike], alpha: float = ALPHA) -> dict[str, float]:
    """Spread over seeds, pooled over variants, and the band it puts around a difference.

    With groups of S_g runs each, sd^2 = sum (y - mean_g)^2 / dof and dof = sum (S_g - 1).
    A difference of two single runs has standard deviation sqrt(2) sd.

    Parameters
    ----------
    groups : results of the same variant under different seeds, one sequence a variant.

    Returns
    -------
    `sd`, `dof`, `sd_low`, `sd_high` (chi-square interval of the sd), `band` = t sqrt(2) sd with t
    the two-sided quantile of Student's t at `dof`, `band_plugin` = z sqrt(2) sd as if the sd were
    known exactly. A difference inside the band is what two seeds of one variant show.

    Raises
    ------
    DataError : no group has two runs.
    """
    arrays = [np.asarray(g, float) for g in groups]
    arrays = [g[~np.isnan(g)] for g in arrays]
    dof = sum(len(g) - 1 for g in arrays if len(g) > 1)
    if dof < 1:
        raise DataError("Seed noise needs one variant with two seeds; add a run with another seed.")
    square = sum(float(((g - g.mean()) ** 2).sum()) for g in arrays if len(g) > 1)
    sd = np.sqrt(square / dof)
    scale = np.sqrt(2) * sd
    return {
        "sd": float(sd),
        "dof": dof,
        "sd_low": float(np.sqrt(square / stats.chi2.ppf(1 - alpha / 2, dof))),
        "sd_high": float(np.sqrt(square / stats.chi2.ppf(alpha / 2, dof))),
        "band": float(stats.t.ppf(1 - alpha / 2, dof) * scale),
        "band_plugin": float(stats.norm.ppf(1 - alpha / 2) * scale),
    }


def mean_interval(
    values: ArrayLike,
    method: str = "t",
    alpha: float = ALPHA,
    rng: np.random.Generator | int = 0,
    resamples: int = 9999,
) -> dict[str, float]:
    """Mean over seeds with its interval.

    Parameters
    ----------
    values : [S] one number a seed; NaN is left out.
    method : 't' (Student, S - 1 degrees of freedom) or 'bootstrap' (percentiles over seeds drawn
        with replacement; too narrow for fewer than about eight seeds).
    rng : generator or seed of the bootstrap.

    Returns
    -------
    `mean`, `low`, `high`, `sd`, `n`, `p` (two-sided t test of mean 0). With one seed low, high, sd
    and p are NaN: one seed says nothing about the spread.

    Raises
    ------
    ConfigError : unknown method.
    """
    _check_known(method, ("t", "bootstrap"), "interval over seeds")
    x = np.asarray(values, float)
    x = x[~np.isnan(x)]
    nan = float("nan")
    if len(x) < 2:
        return {
            "mean": float(x[0]) if len(x) else nan,
            "low": nan,
            "high": nan,
            "sd": nan,
            "n": len(x),
            "p": nan,
        }
    mean, sd = float(x.mean()), float(x.std(ddof=1))
    if sd == 0:
        low = high = mean
        p = 1.0 if mean == 0 else 0.0
    else:
        error = sd / np.sqrt(len(x))
        p = 2 * stats.t.sf(abs(mean) / error, len(x) - 1)
    if sd > 0 and method == "t":
        low, high = stats.t.interval(1 - alpha, len(x) - 1, mean, error)
    elif sd > 0:
        found = stats.bootstrap(
            (x,),
            np.mean,
            confidence_level=1 - alpha,
            n_resamples=resamples,
            method="percentile",
            rng=np.random.default_rng(rng),
        )
        low, high = found.confidence_interval
    return {
        "mean": mean,
        "low": float(low),
        "high": float(high),
        "sd": sd,
        "n": len(x),
        "p": float(p),
    }


def paired_differences(
    frame: pd.DataFrame,
    reference: str,
    value: str = "value",
    variant: str = "variant",
    seed: str = "seed",
    by: Sequence[str] = (),
    method: str = "t",
    alpha: float = ALPHA,
    correction: str = "holm",
) -> pd.DataFrame:
    """Each variant minus the reference run of the same seed, with the interval over seeds.

    Parameters
    ----------
    frame : one row a run (and per level of `by`, such as the benchmark).
    reference : variant that is subtracted.
    by : columns within which to compare.
    method : of `mean_interval`.

    Returns
    -------
    DataFrame of `by`, variant, `effect`, `low`, `high`, `sd`, `n_seeds`, `p`, `p_adjusted` (over
    all rows of the table).

    Raises
    ------
    DataError : a column is missing, the reference is, or a variant shares no seed with it.
    """
    by = list(by)
    _need(frame, [value, variant, seed, *by], "paired_differences")
    groups = frame.groupby(by, sort=False) if by else [((), frame)]
    rows = []
    for key, part in groups:
        wide = part.pivot_table(index=seed, columns=variant, values=value, sort=False)
        if reference not in wide:
            raise DataError(
                f"Reference variant {reference!r} is not in the table"
                f"{' for ' + str(key) if by else ''}; found: {', '.join(map(str, wide.columns))}."
            )
        for name in wide.columns.drop(reference):
            found = mean_interval(wide[name] - wide[reference], method, alpha)
            if not found["n"]:
                raise DataError(
                    f"Variant {name!r} and reference {reference!r} share no seed; run both with "
                    "the same seeds."
                )
            rows.append(
                dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True))
                | {variant: name, "effect": found["mean"], "low": found["low"]}
                | {"high": found["high"], "sd": found["sd"], "n_seeds": found["n"], "p": found["p"]}
            )
    columns = [*by, variant, "effect", "low", "high", "sd", "n_seeds", "p"]
    table = pd.DataFrame(rows, columns=columns)
    table["p_adjusted"] = adjust(table["p"], correction)
    return table


# --- factorials -------------------------------------------------------------------------------


def _need(frame: pd.DataFrame, columns: Sequence[str], what: str) -> None:
    missing = [c for c in columns if c not in frame]
    if missing:
        raise DataError(
            f"{what} needs the columns {', '.join(columns)}; missing: {', '.join(missing)}."
        )


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
) -> pd.DataFrame:
    """Effects sum_c w_c mean_s y[s, c] with intervals; table [S, C], weights [E, C].

    'pooled': the residual of the randomised-block model y = cell + seed, with (C-1)(S-1) degrees
    of freedom, serves every contrast: se = sqrt(MSE sum_c w_c^2 / S). 'per_seed': each contrast is
    computed seed by seed, and its own spread with S - 1 degrees of freedom serves it.
    """
    _check_known(error, ("pooled", "per_seed"), "error term")
    n_seeds, n_cells = table.shape
    per_seed = table @ weights.T  # [S, E]
    estimate = per_seed.mean(0)
    if error == "pooled":
        dof = (n_cells - 1) * (n_seeds - 1)
        if dof:
            cells = np.tile(np.eye(n_cells), (n_seeds, 1))
            seeds = np.repeat(np.eye(n_seeds), n_cells, axis=0)[:, 1:]
            mse = OLS(table.ravel(), np.hstack([cells, seeds])).fit().mse_resid
        else:
            mse = np.nan
        error_sd = np.sqrt(mse * (weights**2).sum(1) / n_seeds)
    else:
        dof = n_seeds - 1
        error_sd = (
            per_seed.std(0, ddof=1) / np.sqrt(n_seeds) if dof else np.full(len(names), np.nan)
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        t = estimate / error_sd
    half = stats.t.ppf(1 - alpha / 2, dof) * error_sd if dof else np.full(len(names), np.nan)
    p = 2 * stats.t.sf(np.abs(t), dof) if dof else np.full(len(names), np.nan)
    return pd.DataFrame(
        {
            "effect": names,
            "estimate": estimate,
            "low": estimate - half,
            "high": estimate + half,
            "p": p,
            "p_adjusted": adjust(p, correction),
            "n_seeds": n_seeds,
            "dof": dof,
        }
    )


def factorial_effects(
    frame: pd.DataFrame,
    factors: Sequence[str],
    value: str = "value",
    seed: str = "seed",
    error: str = "pooled",
    alpha: float = ALPHA,
    correction: str = "holm",
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
    error : 'pooled' (one error term for all effects, (2^k - 1)(S - 1) degrees of freedom, assumes
        that the spread over seeds is the same in every cell) or 'per_seed' (S - 1).

    Returns
    -------
    DataFrame with a row per non-empty subset of the factors: `effect` ('fwm', 'fwm:ld', ...),
    `order` (1 = main effect), `estimate`, `low`, `high`, `p`, `p_adjusted`, `n_seeds`, `dof`.
    Intervals are NaN with one seed.

    Raises
    ------
    DataError : missing columns, cells or doubled runs. ConfigError : unknown error term.
    """
    factors = list(factors)
    _need(frame, [*factors, seed, value], "factorial_effects")
    levels = frame.assign(**{f: frame[f].astype(int) for f in factors})
    bad = [f for f in factors if set(levels[f]) != {0, 1}]
    if bad:
        raise DataError(f"Factor {bad[0]!r} of a 2^k factorial needs exactly the levels 0 and 1.")
    wide = _complete(levels, factors, value, seed)
    signs = 2 * np.array(wide.columns.to_list()).reshape(len(wide.columns), -1) - 1  # [C, k]
    subsets = [s for r in range(1, len(factors) + 1) for s in combinations(range(len(factors)), r)]
    weights = np.stack([signs[:, s].prod(1) for s in subsets]) * 2.0 ** (1 - len(factors))
    names = [":".join(factors[i] for i in s) for s in subsets]
    table = _contrasts(wide.to_numpy(), weights, names, error, alpha, correction)
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
    error: str = "pooled",
    alpha: float = ALPHA,
    correction: str = "holm",
) -> pd.DataFrame:
    """Does adding one thing help more on top of another? Every contrast of a two-factor table.

    For row level i and column level j other than the references, and each seed,
    (y_ij - y_i0) - (y_0j - y_00): what column j adds to row i beyond what it adds to the reference.

    Parameters
    ----------
    frame : one row a run: the two factor columns (any labels), the seed and the value.
    row_reference, column_reference : levels that count as 'without', e.g. 'baseline' and 'none'.
    error : as in `factorial_effects`.

    Returns
    -------
    DataFrame with a row per (i, j): the two levels, `simple` (y_ij - y_i0), `reference`
    (y_0j - y_00), `estimate` (their difference), `low`, `high`, `p`, `p_adjusted`, `n_seeds`,
    `dof`.

    Raises
    ------
    DataError : missing columns, cells, references or doubled runs.
    """
    _need(frame, [rows, columns, seed, value], "interaction_contrasts")
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
    table = _contrasts(wide.to_numpy(), weights, names, error, alpha, correction)
    mean = wide.mean()
    table.insert(0, rows, [i for i, _ in pairs])
    table.insert(1, columns, [j for _, j in pairs])
    table.insert(2, "simple", [mean[i, j] - mean[i, column_reference] for i, j in pairs])
    base = mean[row_reference, column_reference]
    table.insert(3, "reference", [mean[row_reference, j] - base for _, j in pairs])
    return table.drop(columns="effect")
