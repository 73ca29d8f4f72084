"""Tables of the transfer study as figures and the report show them."""

from __future__ import annotations

import pandas as pd

from vjepa_lib.analysis import statistics, transfer_score
from vjepa_lib.analysis.transfer_elsewhere import OTHER_WORLD, by_setting, weights
from vjepa_lib.analysis.transfer_evidence import Evidence, minus, side
from vjepa_lib.analysis.transfer_score import DECISIVE, READINGS, of_study
from vjepa_lib.analysis.transfer_settings import in_words
from vjepa_lib.datasets import worlds

SHOWN = ("random_init", *DECISIVE)


def levels(e: Evidence, by: tuple[str, ...] = (), reading: str = "zero-shot") -> pd.DataFrame:
    """Scores with t intervals over seeds: what each encoder reaches.

    Parameters
    ----------
    by : 'task' or 'shift', to keep apart.
    reading : one of `transfer_score.READINGS`.

    Returns
    -------
    DataFrame of `by`, `variant`, `score`, `low`, `high` (NaN where seeds fall into two kinds or
    there is one), `n_seeds`, `outcomes`.
    """
    table = of_study(transfer_score.scores(e.shares(reading), by))
    out = []
    for key, rows in table.groupby(["variant", *by], sort=False):
        named = dict(zip(("variant", *by), key, strict=True))
        out.append(named | transfer_score.interval(rows.score))
    return _in_order(pd.DataFrame(out))


def answer(e: Evidence) -> pd.DataFrame:
    """What the answer's figure draws: `levels` on the source, zero-shot and re-trained.

    Returns
    -------
    Rows of `levels` with `reading`, the title of its panel.
    """
    asked = {
        "source": "on the source",
        "zero-shot": "zero-shot, severities 1-4",
        "re-trained": "re-trained, severity 4",
    }
    found = [levels(e, reading=key).assign(reading=title) for key, title in asked.items()]
    return pd.concat(found, ignore_index=True)


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    place = {v: i for i, v in enumerate(SHOWN)}
    return table.sort_values("variant", key=lambda c: c.map(place), kind="stable").reset_index(
        drop=True
    )


def scale(e: Evidence) -> pd.DataFrame:
    """Ends of the scale: `task`, `chance`, `ceiling`, in percent."""
    chance, ceiling = transfer_score.chances(), transfer_score.ceilings(e.readings)
    rows = {"task": chance.index, "chance": chance.values, "ceiling": ceiling[chance.index].values}
    return pd.DataFrame(rows)


def by_severity(e: Evidence) -> pd.DataFrame:
    """Zero-shot accuracy by task and severity, the mean over shifts: percent, a row a run.

    Severity 0 is the source.

    Returns
    -------
    DataFrame with `variant`, `seed`, `severity` and a column of top-1 per task.
    """
    rows = of_study(e.own())
    rows = rows[(rows.reading == "linear") & (rows.fitted == "source")]
    rows = rows[rows.task.isin(worlds.TASKS)]
    wide = rows.pivot_table(index=["variant", "seed", "severity"], columns="task", values="top1")
    return _in_order(wide.reset_index().rename_axis(columns=None))


def accuracies(e: Evidence) -> pd.DataFrame:
    """Plain accuracies of the decisive variants: the mean over tasks (and shifts), in percent.

    Returns
    -------
    DataFrame, a row a variant: `source`; zero-shot at severity `1` to `4`; `re-trained` at
    severity 4; zero-shot `score`; `n_seeds`.
    """
    rows = of_study(e.own())
    rows = rows[(rows.reading == "linear") & rows.task.isin(worlds.TASKS)]
    own = rows[rows.fitted == "source"]
    wide = own.pivot_table(index="variant", columns="severity", values="top1")
    wide = wide.rename(columns={0: "source"} | {s: str(s) for s in worlds.SEVERITIES})
    again = rows[rows.fitted == "target"].groupby("variant").top1.mean()
    scored = of_study(transfer_score.scores(e.shares())).groupby("variant").score
    wide = wide.assign(**{"re-trained": again, "score": scored.mean(), "n_seeds": scored.size()})
    return _in_order(wide.reset_index().rename_axis(columns=None))


def cells(e: Evidence, whole: str, part: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A primary contrast in every task and shift: (points of the score, whether clear).

    Holm over the 24 cells of the contrast.

    Returns
    -------
    Two tables, tasks x shifts.
    """
    found = e.contrasts(by=("task", "shift"), pairs=[(whole, part)])
    shape = {"index": "task", "columns": "shift"}
    return tuple(
        found.pivot(values=v, **shape).reindex(list(worlds.TASKS), columns=list(worlds.SHIFTS))
        for v in ("effect", "clear")
    )


def by_reading(e: Evidence) -> pd.DataFrame:
    """Mean score of every decisive variant under every reading, and in the held-out world.

    Returns
    -------
    DataFrame, a row a reading of `READINGS` and 'held-out' (accuracy): `reading`, then a column a
    variant.
    """
    rows = {}
    for reading in READINGS:
        table = of_study(transfer_score.scores(e.shares(reading)))
        rows[reading] = table.groupby("variant").score.mean()
    held = of_study(transfer_score.held_out(e.own()))
    rows["held-out"] = held.groupby("variant").score.mean()
    wide = pd.DataFrame(rows).T
    order = [v for v in SHOWN if v in wide]
    return wide[order].rename_axis(index="reading", columns=None).reset_index()


def other_settings(e: Evidence) -> pd.DataFrame:
    """The primary contrasts with other settings (length, width, weights, parts of VCLR).

    Returns
    -------
    DataFrame, a row a setting and contrast: `setting` in words (the planned contrasts and their own
    seeds first), `contrast`, `mean_whole`, `mean_part`, `effect`, `low`, `high`, `n_seeds`,
    `n_above`, `machines`, `side` of `transfer_elsewhere.by_setting`.
    """
    found = by_setting(e)
    named = [
        "as planned (own seeds)" if r.planned else in_words(r.changed) for r in found.itertuples()
    ]
    found = found.assign(contrast=_titles(found), setting=named)
    columns = ["mean_whole", "mean_part", "effect", "low", "high", "n_seeds", "n_above"]
    return found[["setting", "contrast", *columns, "machines", "side"]]


def matrix(e: Evidence) -> pd.DataFrame:
    """Transfer between worlds that share nothing: pretrained on one, read in both.

    Returns
    -------
    DataFrame, a row a variant and world of the pretraining: `pretrained_on`, `variant`, `rendered`
    (zero-shot transfer score), `digits` (accuracy in the held-out world, mean of three tasks, %),
    `n_seeds`; means over the seeds that were pretrained on digits, in both directions, and the
    variants that were.
    """
    pretrained = ("rendered", OTHER_WORLD)
    seeds = set(e.own(on=OTHER_WORLD).query("variant in @DECISIVE").seed)
    tables = []
    for world in pretrained:
        scored = transfer_score.scores(e.shares(on=world))
        held = transfer_score.held_out(e.own(on=world))
        both = scored[["variant", "seed", "score"]].merge(
            held[["variant", "seed", "score"]], on=["variant", "seed"], suffixes=("", "_digits")
        )
        both = both[both.seed.isin(seeds)]
        means = both.groupby("variant").agg(
            rendered=("score", "mean"), digits=("score_digits", "mean"), n_seeds=("seed", "size")
        )
        tables.append(means.reset_index().assign(pretrained_on=world))
    there = tables[1].variant
    out = pd.concat([tables[0][tables[0].variant.isin(there)], tables[1]])
    out = _in_order(out).sort_values(
        "pretrained_on", key=lambda c: c.map(pretrained.index), kind="stable"
    )
    columns = ["pretrained_on", "variant", "rendered", "digits", "n_seeds"]
    return out[columns].reset_index(drop=True)


def by_weights(e: Evidence) -> pd.DataFrame:
    """Variants with their terms at other weights: on the source, and zero-shot.

    Returns
    -------
    DataFrame of `variant`, `changed`, `name` ('ld+vclr, LD x0.1'), `panel` (what is read),
    `score` with its t interval `low`, `high`, and `n_seeds`: all seeds that were trained. Empty
    without runs of other weights.
    """
    table = weights(e)
    if table.empty:
        return table
    table = table[table.tried > 1]
    panels = {
        "source": "on the source's validation clips (%)",
        "score": "zero-shot transfer score",
    }
    out = []
    for (variant, changed), rows in table.groupby(["variant", "changed"]):
        name = f"{variant}, {in_words(changed)}" if changed else variant
        for column, panel in panels.items():
            found = statistics.mean_interval(rows[column])
            out.append(
                {"variant": variant, "changed": changed, "name": name, "panel": panel}
                | {"score": found["mean"], "low": found["low"], "high": found["high"]}
                | {"n_seeds": found["n"]}
            )
    return _in_order(pd.DataFrame(out))


def two_lines(table: pd.DataFrame) -> dict[str, str]:
    """The contrasts of `other_settings` as titles of narrow panels."""
    short = {c: c.replace(" with ", " + ") for c in table.contrast.unique()}
    return {c: text.replace(" minus ", "\nminus ") for c, text in short.items()}


def _titles(found: pd.DataFrame) -> list[str]:
    return [minus(r) for r in found.itertuples()]


def primary(e: Evidence) -> pd.DataFrame:
    """The four planned contrasts as a table for reading."""
    found = e.contrasts()
    sides = [side(row) for row in found.itertuples()]
    columns = ["effect", "low", "high", "n_seeds", "n_above", "p_adjusted", "outcomes"]
    found = found.assign(contrast=_titles(found), side=sides)
    return found[["contrast", *columns, "side"]]


def settling(curves: pd.DataFrame) -> pd.DataFrame:
    """Curves of the decisive runs: source accuracies and RankMe over training.

    Parameters
    ----------
    curves : of `transfer_recorded.curves`.
    """
    own = curves[(curves.changed == "") & (curves.pretrained_on == "rendered")]
    looked = [f"source_{t}" for t in worlds.TASKS]
    own = own[["variant", "seed", "step", *looked, "rank_me"]]
    return _in_order(of_study(own.dropna(subset=[*looked, "rank_me"], how="all")))


def over_training(curves: pd.DataFrame) -> pd.DataFrame:
    """What a longer training changes: source accuracies and rank at the end minus at a quarter.

    Parameters
    ----------
    curves : of `transfer_recorded.curves`.

    Returns
    -------
    DataFrame, a row a variant and measurement: `variant`, `what`, `early`, `late`, `effect`, `low`,
    `high`, `n_seeds`, `p`, `family`, `p_adjusted`, `clear` (Holm over the table).
    """
    own = settling(curves)
    columns = [*(f"source_{t}" for t in worlds.TASKS), "rank_me"]
    out = []
    for variant, rows in own.groupby("variant", sort=False):
        for what in columns:
            seen = rows.dropna(subset=[what]).sort_values("step").groupby("seed")
            quarter = rows.step.max() / 4
            early = seen.apply(lambda run, q=quarter, w=what: run[run.step >= q - 2][w].iloc[0])
            late = seen[what].last()
            found = statistics.mean_interval(late - early)
            out.append(
                {"variant": variant, "what": what, "early": early.mean(), "late": late.mean()}
                | {"effect": found["mean"], "low": found["low"], "high": found["high"]}
                | {"n_seeds": found["n"], "p": found["p"]}
            )
    return statistics.in_families(pd.DataFrame(out), name="end minus a quarter of the training")
