"""Tables behind the ablation notebooks: results against a baseline, live and recorded alike.

Every function takes results in the columns of `study.metrics` and returns what a figure shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from vjepa_lib import study
from vjepa_lib.analysis import statistics
from vjepa_lib.analysis.selection import by_source, drop, matrix, name, named, of_forms

__all__ = ["by_source", "name", "named"]  # offered here too: every ablation begins with them


def with_mean(frame: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """A table with the mean over benchmarks added as one more benchmark, 'all'.

    Parameters
    ----------
    frame : columns `keys`, `benchmark`, `top1`; `logit` (mean) and `n_test` (the clips of all
        benchmarks together) come along where they are there.
    """
    how = {"top1": "mean", "logit": "mean", "n_test": "sum"}
    how = {column: f for column, f in how.items() if column in frame}
    mean = frame.groupby(list(keys), sort=False).agg(how).reset_index().assign(benchmark="all")
    return pd.concat([frame, mean], ignore_index=True)


def over_seeds(values: pd.Series, clips: pd.Series | None = None) -> dict[str, float]:
    """Mean accuracy over seeds and its t interval: `top1`, `low`, `high`, `n_seeds`.

    Parameters
    ----------
    values : percent, one a seed.
    clips : test clips behind each; the scatter is not believed below what they alone give.
    """
    least = 0.0
    if clips is not None and len(clips) and clips.notna().all():
        least = 100 * float(statistics.least_scatter(values.mean() / 100, clips.min()))
    found = statistics.mean_interval(values, least=least)
    return {
        "top1": found["mean"], "low": found["low"], "high": found["high"], "n_seeds": found["n"]
    }  # fmt: skip


def _with_labels(table: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """A table with a `name`, and what `frame` says of that name: `variant` and `form`."""
    labels = [c for c in ("variant", "form") if c in frame and c not in table]
    known = frame.drop_duplicates("name")[["name", *labels]]
    return table.merge(known, on="name", how="left") if labels else table


def seed_means(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean over seeds with its t interval, a row per `name` and benchmark.

    Parameters
    ----------
    frame : of `named`.

    Returns
    -------
    DataFrame: `name`, `benchmark`, `top1`, `low`, `high` (NaN with one seed), `n_seeds`, and
    `variant` and `form` where the frame has them.
    """
    table = pd.DataFrame(
        [
            {"name": title, "benchmark": benchmark} | over_seeds(part.top1, part.get("n_test"))
            for (title, benchmark), part in frame.groupby(["name", "benchmark"], sort=False)
        ]
    )
    return _with_labels(table, frame)


def of_regime(results: pd.DataFrame, baseline: str = "baseline") -> pd.DataFrame:
    """Linear probes, `named`, of one baseline's regime, and of the random initialisation.

    Parameters
    ----------
    results : columns of `study.metrics`.
    baseline : variant whose pretraining data the others must share.
    """
    rows = named(results)
    regime = study.get_variant(baseline).regime
    return rows[(rows.regime == regime) | (rows.variant == "random_init")]


def gains(
    frame: pd.DataFrame, reference: str = "baseline", without: Sequence[str] = ()
) -> pd.DataFrame:
    """Each `name` minus the reference of the same seed: `statistics.paired_differences`.

    Parameters
    ----------
    frame : columns `name`, `benchmark`, `seed`, `top1`; the mean over benchmarks, 'all', is added.
    without : names that are left out.

    Returns
    -------
    DataFrame as of `statistics.paired_differences`, with `variant` and `form` where the frame has
    them.
    """
    frame = drop(frame, "name", without)
    table = with_mean(frame, ["name", "seed"])
    found = statistics.paired_differences(
        table,
        reference,
        "top1",
        "name",
        by=["benchmark"],
        clips="n_test" if "n_test" in table else None,
        two_outcomes=True,
    )
    return _with_labels(found, frame)


def gains_among(
    results: pd.DataFrame, pairs: Sequence[tuple[str, str]], reference: str
) -> pd.DataFrame:
    """`gains` of some (variant, form) pairs over one of them, given by its `name`."""
    return gains(of_forms(results, pairs), reference)


def effect_maps(
    table: pd.DataFrame,
    order: Sequence[str] | None = None,
    benchmarks: Sequence[str] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Effects laid out for `plots.heatmap`: names x benchmarks, and which are clear of 0.

    Parameters
    ----------
    table : of `gains`, from one source.
    order, benchmarks : of rows and columns; None for that of appearance.
    """
    effects = matrix(table, "effect", order=order)
    sure = matrix(table.assign(clear=clear(table).astype(float)), "clear", order=order).eq(1)
    columns = list(benchmarks) if benchmarks is not None else list(effects)
    return effects[columns], sure[columns]


def baseline_lines(cells: pd.DataFrame, baseline: str = "baseline") -> dict[str, dict[str, float]]:
    """Accuracy of the baseline on every benchmark: the reference lines of `plots.intervals`.

    Parameters
    ----------
    cells : of `seed_means`, from one source.
    """
    own = cells[cells.name == baseline].set_index("benchmark").top1
    return {benchmark: {baseline: float(value)} for benchmark, value in own.items()}


def released_then_described(cells: pd.DataFrame, without: Sequence[str] = ()) -> pd.DataFrame:
    """Rows in the order released, described, so that a plot fills the first and not the second."""
    shown = drop(cells, "name", without)
    return shown.sort_values("form", ascending=False, kind="stable")


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
    different = [v for v in study.FACTORIAL.values() if study.differs(v)]
    own = frame[(frame.form == form) | ~frame.variant.isin(different)]
    table = with_mean(own.merge(cells, on="variant"), [*study.FACTORS, "seed"])
    return pd.concat(
        [
            statistics.factorial_effects(
                rows, study.FACTORS, "top1", clips="n_test" if "n_test" in rows else None
            ).assign(benchmark=benchmark)
            for benchmark, rows in table.groupby("benchmark", sort=False)
        ],
        ignore_index=True,
    )


def factorials(sources: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """`factorial` of every source and form, told apart by the columns `source` and `form`.

    Parameters
    ----------
    sources : of `recorded.beside`.
    """

    def both(results: pd.DataFrame) -> pd.DataFrame:
        parts = [factorial(named(results), form).assign(form=form) for form in study.FORMS]
        return pd.concat(parts, ignore_index=True)

    return by_source(sources, both)


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


def late_shares(
    curves: pd.DataFrame, pairs: Sequence[tuple[str, str]], profile: str
) -> pd.DataFrame:
    """`mean_share` of several runs, a row per (variant, form) pair, a column per term (percent)."""
    rows = []
    for variant, form in pairs:
        share = mean_share(term_shares(curves, study.resolve(variant, form, profile)))
        rows.append({"variant": name(variant, form)} | share.to_dict())
    return pd.DataFrame(rows)


def loss_at_end(curves: pd.DataFrame, term: str, part: float = 0.1) -> pd.DataFrame:
    """Mean of one term's loss over the last part of the training, a row per variant and form.

    Parameters
    ----------
    curves : of `study.curves`.
    part : of the steps, from the end.

    Returns
    -------
    DataFrame: `variant`, `form`, `name`, `loss`.
    """
    late = curves[curves.step >= (1 - part) * curves.step.max()].dropna(subset=[term])
    means = late.groupby(["variant", "form"], sort=False)[term].mean().rename("loss")
    return named(means.reset_index(), None)


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
    """Whether an effect is clear of 0: after its family's correction where the table has one.

    Parameters
    ----------
    table : of `gains` (`clear`, Holm over the named family), or any with `low` and `high`.
    """
    if "clear" in table:
        return table.clear.astype(bool)
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
