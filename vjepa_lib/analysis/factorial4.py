"""The factorial {FWM, HW, LD, VCLR}: main effects, interactions, each factor added to each cell.

Works on accuracies (`effects`, `single_effects`) and on which test clips were right
(`crossed_effects`). Everything is computed seed by seed: cells differ in their scatter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, product

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from vjepa_lib import study
from vjepa_lib.analysis import statistics
from vjepa_lib.analysis.ablation import with_mean
from vjepa_lib.errors import DataError, unknown

SCALES = {"points": "top1", "logits": "logit"}


def form_of(variant: str) -> str:
    """The form a cell is trained in: as described, where that is another than as released."""
    return "described" if study.differs(variant) else "released"


def levels() -> pd.DataFrame:
    """The sixteen cells: `variant`, the `form` it is trained in, a 0/1 column for each factor."""
    return pd.DataFrame(
        [(v, form_of(v), *key) for key, v in study.FACTORIAL4.items()],
        columns=["variant", "form", *study.FACTORS4],
    )


def cells(results: pd.DataFrame) -> pd.DataFrame:
    """Rows of the sixteen cells with a 0/1 column for each factor, and log odds.

    Parameters
    ----------
    results : columns `variant`, `form`, `benchmark`, `seed`, `top1`, `correct`, `n_test`, of one
        reading.

    Raises
    ------
    DataError : columns are missing.
    """
    needed = ("variant", "form", "benchmark", "seed", "top1", "correct", "n_test")
    missing = [c for c in needed if c not in results]
    if missing:
        raise DataError(f"The factorial needs the columns {', '.join(missing)} as well.")
    own = results.merge(levels(), on=["variant", "form"])
    return own.assign(logit=statistics.logits(own.correct, own.n_test))


def effects(results: pd.DataFrame, scale: str = "points") -> pd.DataFrame:
    """Fifteen effects, on each benchmark and on their mean ('all'), Holm within a benchmark.

    An effect is half of what is often called an interaction contrast: see
    `statistics.factorial_effects`. Both scales should be shown: under a ceiling, gains in points
    cannot add up, and an interaction in points may be nothing but that.

    Parameters
    ----------
    results : as of `cells`.
    scale : 'points' or 'logits' (of clip counts, with half a clip added on either side).

    Returns
    -------
    DataFrame of `statistics.factorial_effects` with `benchmark`, `scale`, `outcomes` (cells with
    two kinds of outcome; their effects have no interval).

    Raises
    ------
    ConfigError : unknown scale. DataError : no seed has all cells.
    """
    value, factors = _column(scale), study.FACTORS4
    table = with_mean(cells(results), [*factors, "seed"])
    out = []
    for benchmark, rows in table.groupby("benchmark", sort=False):
        found = statistics.factorial_effects(rows, factors, value, clips="n_test", scale=scale)
        said = _two_outcomes(rows)
        if said:
            found[["low", "high", "p"]] = np.nan
        out.append(found.assign(benchmark=benchmark, scale=scale, outcomes=said))
    whole = pd.concat(out, ignore_index=True)
    return statistics.in_families(
        whole, ["benchmark"], f"factorial of {', '.join(factors)}, {scale}"
    )


def single_effects(results: pd.DataFrame, scale: str = "points") -> pd.DataFrame:
    """What each factor adds to each cell without it: 'vclr on ld' is LD + VCLR minus LD.

    Returns
    -------
    DataFrame, a row per benchmark and pair of cells: `effect` ('vclr on baseline', 'vclr on ld'
    ..), `factor`, `on`, `estimate`, `low`, `high`, `p`, `n_seeds`, `outcomes`, and `family`,
    `p_adjusted`, `clear` (Holm over the 32 of a benchmark).

    Raises
    ------
    ConfigError : unknown scale.
    """
    value, factors = _column(scale), study.FACTORS4
    table = with_mean(cells(results), [*factors, "seed"])
    out = []
    for benchmark, rows in table.groupby("benchmark", sort=False):
        wide = rows.pivot_table(index="seed", columns=list(factors), values=value)
        points = rows.pivot_table(index="seed", columns=list(factors), values="top1")
        n = float(rows.n_test.min())
        for k, factor in enumerate(factors):
            for rest in product((0, 1), repeat=len(factors) - 1):
                off, on = ((*rest[:k], x, *rest[k:]) for x in (0, 1))
                if off not in wide or on not in wide:
                    continue
                gap = wide[on] - wide[off]
                step = float(statistics.least_scatter(gap.mean() / 100, n))
                found = statistics.mean_interval(
                    gap, least=100 * step if scale == "points" else 4 / n
                )
                kinds = [statistics.outcomes(points[c].dropna()).text() for c in (off, on)]
                said = "; ".join(s for s in kinds if s)
                if said:
                    found |= dict.fromkeys(("low", "high", "p"), float("nan"))
                name = study.FACTORIAL4[off]
                out.append(
                    {"benchmark": benchmark, "effect": f"{factor} on {name}", "factor": factor}
                    | {"on": name, "estimate": found["mean"], "n_seeds": found["n"]}
                    | {k: found[k] for k in ("low", "high", "p")}
                    | {"outcomes": said}
                )
    return statistics.in_families(pd.DataFrame(out), ["benchmark"], f"single effects, {scale}")


def crossed_effects(
    right: Mapping[str, ArrayLike] | Sequence[Mapping[str, ArrayLike]],
    weights: Sequence[float] | None = None,
    alpha: float = statistics.ALPHA,
) -> pd.DataFrame:
    """The fifteen effects in points, with intervals for new seeds and new clips at once.

    Parameters
    ----------
    right : variant -> bool [seeds, clips], the sixteen of `study.FACTORIAL4`, the same seeds and
        clips in each; or a list of such, one a benchmark, with the same seeds.
    weights : of the benchmarks; None for their mean.

    Returns
    -------
    DataFrame: `effect`, `order`, `estimate`, `low`, `high`, `se_seeds`, `se_clips`, `dof`, `p`,
    `family`, `p_adjusted`, `clear`.

    Raises
    ------
    DataError : cells are missing, or arrays do not fit together.
    """
    factors = study.FACTORS4
    blocks = [right] if isinstance(right, Mapping) else list(right)
    lacking = [v for v in study.FACTORIAL4.values() if any(v not in b for b in blocks)]
    if lacking:
        raise DataError(f"The factorial lacks {', '.join(lacking)}: read those encoders as well.")
    out = []
    for order in range(1, len(factors) + 1):
        for chosen in combinations(range(len(factors)), order):
            # Half the difference of differences, as in `statistics.factorial_effects`.
            contrast = {
                v: float(np.prod([2 * key[i] - 1 for i in chosen])) * 2.0 ** (1 - len(factors))
                for key, v in study.FACTORIAL4.items()
            }
            values = [statistics.contrast_of(b, contrast) for b in blocks]
            found = statistics.crossed_interval(values, weights, alpha)
            name = ":".join(factors[i] for i in chosen)
            kept = ("low", "high", "se_seeds", "se_clips", "dof", "p")
            out.append(
                {"effect": name, "order": order, "estimate": found["mean"]}
                | {k: found[k] for k in kept}
            )
    family = f"factorial of {', '.join(factors)}, seeds and clips"
    return statistics.in_families(pd.DataFrame(out), name=family, alpha=alpha)


def _column(scale: str) -> str:
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)
    return SCALES[scale]


def _two_outcomes(rows: pd.DataFrame) -> str:
    kinds = [
        f"{study.FACTORIAL4[key]}: {said}"
        for key, runs in rows.groupby(list(study.FACTORS4), sort=False)
        if (said := statistics.outcomes(runs.top1).text())
    ]
    return "; ".join(kinds)
