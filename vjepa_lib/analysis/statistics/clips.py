"""Noise of the clips: an accuracy is a proportion of `n` clips."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import (
    confint_proportions_2indep,
    proportion_confint,
    proportion_effectsize,
    test_proportions_2indep,
)

from vjepa_lib.analysis.statistics.common import ALPHA, check_known
from vjepa_lib.errors import DataError

_INTERVALS = {"wilson": "wilson", "exact": "beta"}
EXACT_BELOW = 10  # expected clips in a cell of the 2 x 2 table below which the exact test is used


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
    check_known(method, _INTERVALS, "interval")
    low, high = proportion_confint(np.asarray(count), np.asarray(n), alpha, _INTERVALS[method])
    return np.asarray(low), np.asarray(high)


def two_proportions(
    count1: int, n1: int, count2: int, n2: int, alpha: float = ALPHA
) -> dict[str, float | str]:
    """Difference p1 - p2 of two independent proportions.

    The interval is Newcombe's (from two Wilson intervals). The p value is that of the pooled score
    test, or Fisher's exact one where a cell of the 2 x 2 table expects fewer than `EXACT_BELOW`
    clips. Two probes read the same clips; published tables do not say which clips each got right,
    so `paired_clips` cannot be run, and the unpaired test errs on the side of no difference.

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


def least_scatter(mean: ArrayLike, n: ArrayLike, step: float = 1.0) -> np.ndarray:
    """Smallest standard deviation over samples of clips that a mean of n clips can have.

    Each clip contributes a multiple of `step`: right or wrong makes 0 or 1, a difference of two
    encoders -1, 0 or 1. Numbers on such a grid with a given mean vary least if they take only the
    two values beside it: step^2 f (1 - f), with f the distance of the mean from the grid in steps.
    For an accuracy p this is the binomial p (1 - p). Where the mean is on the grid itself (0, or
    every clip right), one clip of the n is taken to be different.

    Parameters
    ----------
    mean : shares, -1..1 for differences.
    n : clips.
    step : of the grid; 1 also for the differences of differences.
    """
    f = np.abs(np.asarray(mean, float)) / step % 1.0
    n = np.asarray(n, float)
    return step * np.sqrt(np.maximum(f * (1 - f), (1 - 1 / n) / n) / n)


def paired_clips(
    right1: ArrayLike,
    right2: ArrayLike,
    alpha: float = ALPHA,
    rng: np.random.Generator | int = 0,
    resamples: int = 9999,
) -> dict[str, float]:
    """Two encoders on the same clips, compared clip by clip.

    The p value is McNemar's exact one: only clips that one reads right and the other wrong say
    anything. The interval is a bootstrap over clips (percentiles); it is at least one clip wide to
    either side. It answers for new clips, not for new seeds: for those see `crossed_interval`.

    Parameters
    ----------
    right1, right2 : bool [n], in the same order.

    Returns
    -------
    `difference` (first minus second), `low`, `high` (shares), `p`, `first_only`, `second_only`
    (clips), `n`.

    Raises
    ------
    DataError : not the same number of clips, or none.
    """
    a, b = np.asarray(right1, bool), np.asarray(right2, bool)
    if a.shape != b.shape or a.ndim != 1 or not a.size:
        raise DataError("Both encoders must be read on the same clips: give two lists as long.")
    n, first, second = len(a), int((a & ~b).sum()), int((~a & b).sum())
    table = [[int((a & b).sum()), first], [second, int((~a & ~b).sum())]]
    cells = np.random.default_rng(rng).multinomial(
        n, np.array([first, second, n - first - second]) / n, resamples
    )
    difference = (first - second) / n
    low, high = np.quantile((cells[:, 0] - cells[:, 1]) / n, [alpha / 2, 1 - alpha / 2])
    return {
        "difference": difference,
        "low": float(min(low, difference - 1 / n)),
        "high": float(max(high, difference + 1 / n)),
        "p": float(mcnemar(table, exact=True).pvalue),
        "first_only": first,
        "second_only": second,
        "n": n,
    }


def shared_clips_interval(count: ArrayLike, n: int, alpha: float = ALPHA) -> dict[str, float]:
    """Interval of a mean accuracy over seeds that all read the same n clips.

    S runs on n clips are not S n clips: pooled, the interval is too narrow by up to sqrt(S). Here
    the variance is the seeds' s^2 / S plus that of n clips, p (1 - p) / n, with Satterthwaite's
    degrees of freedom; the second part is an upper bound, since which clips were right is not asked
    (`crossed_interval` asks). One run alone has its Wilson interval.

    Parameters
    ----------
    count : [S] correct clips, one a seed.
    n : clips of the benchmark.

    Returns
    -------
    `mean`, `low`, `high` (shares, within 0..1), `n_seeds`.
    """
    k = np.atleast_1d(np.asarray(count, float))
    mean, seeds = float(k.mean() / n), len(k)
    if seeds == 1:
        low, high = proportion_interval(k[0], n, alpha=alpha)
    else:
        of_seeds = float((k / n).var(ddof=1)) / seeds
        of_clips = float(least_scatter(mean, n)) ** 2
        total = of_seeds + of_clips
        dof = total**2 / (of_seeds**2 / (seeds - 1) + of_clips**2 / (n - 1))
        half = stats.t.ppf(1 - alpha / 2, dof) * np.sqrt(total)
        low, high = max(0.0, mean - half), min(1.0, mean + half)
    return {"mean": mean, "low": float(low), "high": float(high), "n_seeds": seeds}
