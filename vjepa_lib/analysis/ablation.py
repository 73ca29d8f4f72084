"""Tables behind the ablation notebooks: results against a baseline, live and recorded alike.

Every function takes results in the columns of `study.metrics` and returns what a figure shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from vjepa_lib import study
from vjepa_lib.analysis import statistics


def name(variant: str, form: str) -> str:
    """How a run is called in figures: the form is said where it is 'described'."""
    return variant if form == "released" else f"{variant} ({form})"


def named(results: pd.DataFrame, probe: str | None = "linear") -> pd.DataFrame:
    """Results of one probe (None for all rows of any table with `variant`, `form`) with `name`."""
    rows = results if probe is None else results[results.probe == probe]
    return rows.assign(name=[name(v, f) for v, f in zip(rows.variant, rows.form, strict=True)])


def with_mean(frame: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """A table with the mean over benchmarks added as one more benchmark, 'all'.

    Parameters
    ----------
    frame : columns `keys`, `benchmark`, `top1`.
    """
    mean = frame.groupby(list(keys), sort=False).top1.mean().reset_index().assign(benchmark="all")
    return pd.concat([frame, mean], ignore_index=True)


def over_seeds(values: pd.Series) -> dict[str, float]:
    """Mean accuracy over seeds and its t interval: `top1`, `low`, `high`, `n_seeds`."""
    found = statistics.mean_interval(values)
    return {
        "top1": found["mean"], "low": found["low"], "high": found["high"], "n_seeds": found["n"]
    }  # fmt: skip


def seed_means(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean over seeds with its t interval, a row per `name` and benchmark.

    Parameters
    ----------
    frame : of `named`.

    Returns
    -------
    DataFrame: `name`, `benchmark`, `top1`, `low`, `high` (NaN with one seed), `n_seeds`.
    """
    return pd.DataFrame(
        [
            {"name": title, "benchmark": benchmark} | over_seeds(part.top1)
            for (title, benchmark), part in frame.groupby(["name", "benchmark"], sort=False)
        ]
    )


def gains(frame: pd.DataFrame, reference: str = "baseline") -> pd.DataFrame:
    """Each `name` minus the reference of the same seed: `statistics.paired_differences`.

    Parameters
    ----------
    frame : columns `name`, `benchmark`, `seed`, `top1`; the mean over benchmarks, 'all', is added.
    """
    table = with_mean(frame, ["name", "seed"])
    return statistics.paired_differences(table, reference, "top1", "name", by=["benchmark"])


def factorial(frame: pd.DataFrame, form: str) -> pd.DataFrame:
    """Main effects and interactions of {FWM, HW, LD} in one form, by benchmark and on their mean.

    Parameters
    ----------
    frame : of `named`; a variant whose forms do not differ stands in both factorials.

    Returns
    -------
    DataFrame of `statistics.factorial_effects` with `benchmark`.
    """
    cells = pd.DataFrame(
        [(variant, *key) for key, variant in study.FACTORIAL.items()],
        columns=["variant", *study.FACTORS],
    )
    own = frame[(frame.form == form) | ~frame.variant.isin(_DIFFERENT)]
    table = with_mean(own.merge(cells, on="variant"), [*study.FACTORS, "seed"])
    return pd.concat(
        [
            statistics.factorial_effects(rows, study.FACTORS, "top1").assign(benchmark=benchmark)
            for benchmark, rows in table.groupby("benchmark", sort=False)
        ],
        ignore_index=True,
    )


_DIFFERENT = tuple(v for v in study.VARIANTS if study.differs(v))


def by_source(sources: Mapping[str, pd.DataFrame], function) -> pd.DataFrame:
    """One table of a function of live and of recorded results, told apart by column `source`.

    Parameters
    ----------
    sources : of `recorded.beside`.
    function : results -> DataFrame.
    """
    parts = [function(results).assign(source=source) for source, results in sources.items()]
    return pd.concat(parts, ignore_index=True)


def term_shares(curves: pd.DataFrame, config: study.RunConfig) -> pd.DataFrame:
    """What each term adds to the loss over training, for `plots.shares`.

    Parameters
    ----------
    curves : of `study.curves`; the rows of `config`'s variant, form and regime are taken.
    config : whose weights are used.

    Returns
    -------
    DataFrame, a row per step, seed and term: `step`, `seed`, `term`, `value` (weighted).
    """
    own = curves[
        (curves.variant == config.variant)
        & (curves.form == config.form)
        & (curves.regime == config.regime)
    ]
    schedule = config.train.schedule
    parts = []
    for term in config.train.terms:
        if term.name not in own:
            continue
        weight = term.weight
        if term.name == "context":
            weight = own.step.map(lambda s: schedule.context_lambda(s / max(schedule.steps, 1)))
        value = own[term.name].fillna(0.0) * weight
        parts.append(own[["step", "seed"]].assign(term=term.name, value=value))
    return pd.concat(parts, ignore_index=True)


def mean_share(shares: pd.DataFrame, after: float = 0.5) -> pd.Series:
    """Share of each term in the sum of absolute values, in percent, late in the training.

    Parameters
    ----------
    shares : of `term_shares`.
    after : part of the training that is left out.
    """
    late = shares[shares.step >= after * shares.step.max()]
    total = late.groupby("term", sort=False).value.apply(lambda v: v.abs().mean())
    return 100 * total / total.sum()


MOTION, STILLS = ("fine_motion", "order", "actions"), "appearance"


def motion_and_stills(table: pd.DataFrame) -> pd.DataFrame:
    """Effects on benchmarks whose answer is a motion, beside those on stills.

    Parameters
    ----------
    table : of `gains`.

    Returns
    -------
    DataFrame, a row per `name`: `motion` (mean effect over `MOTION`) and `stills` (on `STILLS`);
    NaN where none of the benchmarks was measured.
    """
    effects = table.pivot_table(index="name", columns="benchmark", values="effect", sort=False)
    effects = effects.reindex(columns=[*MOTION, STILLS])
    out = pd.DataFrame({"motion": effects[list(MOTION)].mean(axis=1), "stills": effects[STILLS]})
    return out.reset_index()


def clear(table: pd.DataFrame) -> pd.Series:
    """Whether an interval leaves out 0."""
    return (table.low > 0) | (table.high < 0)


def sentence(table: pd.DataFrame, digits: int = 1) -> str:
    """'name +1.2 [+0.3, +2.1], ...' of a table with `name`, `effect`, `low`, `high`.

    Where there is no interval (one seed), none is written.
    """
    d = digits
    return ", ".join(
        f"{name} {effect:+.{d}f}" + ("" if low != low else f" [{low:+.{d}f}, {high:+.{d}f}]")
        for name, effect, low, high in table[["name", "effect", "low", "high"]].itertuples(
            index=False
        )
    )
