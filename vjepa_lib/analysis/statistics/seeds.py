"""Noise of the seeds: an effect is judged by how it differs from seed to seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from vjepa_lib.analysis.statistics.clips import least_scatter
from vjepa_lib.analysis.statistics.common import ALPHA, check_known, need
from vjepa_lib.analysis.statistics.families import in_families
from vjepa_lib.analysis.statistics.outcomes import outcomes
from vjepa_lib.errors import DataError


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
    least: float = 0.0,
) -> dict[str, float]:
    """Mean over seeds with its interval.

    Parameters
    ----------
    values : [S] one number a seed; NaN is left out.
    method : 't' (Student, S - 1 degrees of freedom) or 'bootstrap' (percentiles over seeds drawn
        with replacement; too narrow for fewer than about eight seeds).
    rng : generator or seed of the bootstrap.
    least : standard deviation below which the scatter is not believed: what the clips of the test
        set alone give, `clips.least_scatter`. Two seeds that agree by luck have no interval of no
        width, nor a p of 0.

    Returns
    -------
    `mean`, `low`, `high`, `sd` (as found), `n`, `p` (two-sided t test of mean 0). With one seed
    low, high, sd and p are NaN: one seed says nothing about the spread. So are low, high and p
    where all values are equal and nothing is known of the least scatter.

    Raises
    ------
    ConfigError : unknown method.
    """
    check_known(method, ("t", "bootstrap"), "interval over seeds")
    x = np.asarray(values, float)
    x = x[~np.isnan(x)]
    nan = float("nan")
    mean = float(x.mean()) if len(x) else nan
    sd = float(x.std(ddof=1)) if len(x) > 1 else nan
    found = {"mean": mean, "low": nan, "high": nan, "sd": sd, "n": len(x), "p": nan}
    # Equal values differ by rounding errors of their mean.
    used = max(0.0 if sd <= 1e-12 * max(1.0, abs(mean)) else sd, least) if len(x) > 1 else 0.0
    if used == 0:
        return found
    error = used / np.sqrt(len(x))
    found["p"] = float(2 * stats.t.sf(abs(mean) / error, len(x) - 1))
    if method == "t" or sd < least:
        low, high = stats.t.interval(1 - alpha, len(x) - 1, mean, error)
    else:
        drawn = stats.bootstrap(
            (x,),
            np.mean,
            confidence_level=1 - alpha,
            n_resamples=resamples,
            method="percentile",
            rng=np.random.default_rng(rng),
        )
        low, high = drawn.confidence_interval
    return found | {"low": float(low), "high": float(high)}


def equivalence(
    values: ArrayLike, margin: float, least: float = 0.0, alpha: float = ALPHA
) -> dict[str, float | bool]:
    """Whether a mean over seeds is shown to lie within +-margin: two one-sided t tests.

    'No difference' is said of what this shows, never of a test that found nothing.

    Parameters
    ----------
    values : [S] differences, one a seed.
    margin : largest difference that does not matter, in the unit of the values.
    least : as of `mean_interval`.

    Returns
    -------
    `mean`, `low`, `high` (the interval at 1 - 2 alpha, which must lie within the margin), `p` (the
    larger of the two one-sided), `equivalent`, `margin`, `n`. NaN and false with one seed.

    Raises
    ------
    DataError : a margin that is not positive.
    """
    if not margin > 0:
        raise DataError("Equivalence needs a margin above 0: say which difference does not matter.")
    found = mean_interval(values, alpha=2 * alpha, least=least)
    keys = {k: found[k] for k in ("mean", "low", "high", "n")}
    if np.isnan(found["low"]):
        return keys | {"p": float("nan"), "equivalent": False, "margin": margin}
    error = max(found["sd"], least) / np.sqrt(found["n"])
    p = stats.t.sf((margin - abs(found["mean"])) / error, found["n"] - 1)
    return keys | {"p": float(p), "equivalent": bool(p < alpha), "margin": margin}


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
    clips: str | None = None,
    two_outcomes: bool = False,
) -> pd.DataFrame:
    """Each variant minus the reference run of the same seed, with the interval over seeds.

    Parameters
    ----------
    frame : one row a run (and per level of `by`, such as the benchmark).
    reference : variant that is subtracted.
    by : columns within which to compare.
    method : of `mean_interval`.
    clips : column with the number of test clips; values are then percent of them, and the scatter
        over seeds is not believed below `clips.least_scatter` of the difference.
    two_outcomes : look for two kinds of outcome among the seeds of a variant (`outcomes`); such
        an effect has no t interval.

    Returns
    -------
    DataFrame of `by`, variant, `effect`, `low`, `high`, `sd`, `n_seeds`, `p`, `outcomes` ('1 of 5
    seeds at 72, 4 at 19 to 26' where there are two kinds, and then low, high and p are NaN; else
    ''), `family`, `p_adjusted` and `clear` (of `in_families`, all rows of the table).

    Raises
    ------
    DataError : a column is missing, the reference is, or a variant shares no seed with it.
    """
    by = list(by)
    need(frame, [value, variant, seed, *by, *([clips] if clips else [])], "paired_differences")
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
            least = 0.0
            if clips:
                n = float(part.loc[part[variant] == name, clips].min())
                gap = float((wide[name] - wide[reference]).mean())
                least = 100 * float(least_scatter(gap / 100, n))
            found = mean_interval(wide[name] - wide[reference], method, alpha, least=least)
            if not found["n"]:
                raise DataError(
                    f"Variant {name!r} and reference {reference!r} share no seed; run both with "
                    "the same seeds."
                )
            kinds = [outcomes(wide[c].dropna()) for c in (name, reference)] if two_outcomes else []
            said = "; ".join(
                k.text() + where
                for k, where in zip(kinds, ("", f" ({reference})"), strict=False)
                if k.bimodal
            )
            if said:
                found |= dict.fromkeys(("low", "high", "p"), float("nan"))
            rows.append(
                dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True))
                | {variant: name, "effect": found["mean"], "low": found["low"]}
                | {"high": found["high"], "sd": found["sd"], "n_seeds": found["n"], "p": found["p"]}
                | {"outcomes": said}
            )
    columns = [*by, variant, "effect", "low", "high", "sd", "n_seeds", "p", "outcomes"]
    table = pd.DataFrame(rows, columns=columns)
    family = f"all minus {reference}"
    return in_families(table, name=family, alpha=alpha, correction=correction)
