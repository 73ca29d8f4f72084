"""The transfer score of encoders and the contrasts planned of it (docs/analysis_plan.md).

An accuracy becomes a share of the way from chance to the ceiling, a supervised network on the
source's test clips. The score of an encoder is the mean of these shares over severities, then
shifts, then tasks of the rendered worlds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vjepa_lib import study
from vjepa_lib.analysis import statistics
from vjepa_lib.analysis.factorial4 import form_of
from vjepa_lib.datasets import heldout, worlds
from vjepa_lib.errors import DataError, unknown
from vjepa_lib.study.transfer_runs import unpack

DECISIVE = ("baseline", "ld", "vclr", "ld+vclr", "fwm_hw_ld", "fwm_hw_ld+vclr")
DECISIVE_SEEDS = tuple(range(10, 20))
CONFIRMING_SEEDS = tuple(range(30, 35))  # of settings that were tuned with other seeds
FURTHER_SEEDS = tuple(range(40, 50))  # of the tuned contrast that those left open
# The four primary contrasts: the combination minus each of its parts.
PRIMARY = (
    ("fwm_hw_ld+vclr", "vclr"),
    ("fwm_hw_ld+vclr", "fwm_hw_ld"),
    ("ld+vclr", "vclr"),
    ("ld+vclr", "ld"),
)


def _title(key: tuple[int, ...]) -> str:
    """'FWM-HW-LD with VCLR' of a cell of the factorial."""
    *first, last = (f.upper() for f in study.FACTORS4)
    own = "-".join(f for f, on in zip(first, key, strict=False) if on)
    return " with ".join([own] * bool(own) + [last] * key[-1]) or "the baseline"


# Names as they stand in sentences.
TITLES = {v: _title(key) for key, v in study.FACTORIAL4.items()}
TITLES["random_init"] = "the untrained encoder"
FARTHEST = worlds.SEVERITIES[-1]  # where probes are trained anew, and mechanisms measured
MARGIN = 3.0  # points of the score within which a difference is called none
HELD_OUT = tuple(heldout.QUESTIONS)


@dataclass(frozen=True)
class Reading:
    """A way of asking an encoder: which reader, fitted where, at which severities."""

    reader: str
    fitted: str
    severities: tuple[int, ...] = worlds.SEVERITIES

    def rows(self, readings: pd.DataFrame) -> pd.DataFrame:
        """Its rows of a table of readings."""
        return readings[
            (readings.reading == self.reader)
            & (readings.fitted == self.fitted)
            & readings.severity.isin(self.severities)
        ]


READINGS = {
    "zero-shot": Reading("linear", "source"),
    "zero-shot attentive": Reading("attentive", "source"),
    "zero-shot neighbours": Reading("neighbours", "source"),
    "zero-shot 1 label": Reading("few_1", "source"),
    "zero-shot 10 labels": Reading("few_10", "source"),
    # What a probe trained anew there, at the last severity, compares with.
    "zero-shot farthest": Reading("linear", "source", (FARTHEST,)),
    "re-trained": Reading("linear", "target", (FARTHEST,)),
    "re-trained neighbours": Reading("neighbours", "target", (FARTHEST,)),
    "re-trained 10 labels": Reading("few_10", "target", (FARTHEST,)),
    "source": Reading("linear", "source", (0,)),
}


def own_runs(readings: pd.DataFrame, changed: str = "", on: str = "rendered") -> pd.DataFrame:
    """Rows of the study's own runs: nothing changed, pretrained on the rendered worlds.

    Objectives are taken in the form of the study's cells, as described where forms differ.

    Parameters
    ----------
    readings : of `transfer_recorded.load`.
    changed : of `TransferRun`, for runs with another setting.
    on : world of the pretraining.
    """
    rows = readings[(readings.changed == changed) & (readings.pretrained_on == on)]
    forms = {v: form_of(v) for v in rows.variant.unique() if v in study.VARIANTS}
    meant = rows.variant.map(forms)
    return rows[meant.isna() | (rows.form == meant)]


def of_study(table: pd.DataFrame) -> pd.DataFrame:
    """Decisive variants at their seeds, and the untrained encoder."""
    decisive = table.variant.isin(DECISIVE) & table.seed.isin(DECISIVE_SEEDS)
    return table[decisive | (table.variant == "random_init")]


def ceilings(readings: pd.DataFrame) -> pd.Series:
    """Top-1 of the supervised network on the source's test clips, a row a task, in percent.

    Raises
    ------
    DataError : no supervised reference is among the runs.
    """
    rows = readings[(readings.kind == "supervised") & (readings.severity == 0)]
    if rows.empty:
        raise DataError("A score needs the supervised reference: record that run as well.")
    return rows.groupby("task").top1.mean()


def chances() -> pd.Series:
    """One over the number of classes, a row a rendered task, in percent."""
    return pd.Series({t: 100 / len(worlds.classes(t)) for t in worlds.TASKS})


def shares(readings: pd.DataFrame, reading: str = "zero-shot") -> pd.DataFrame:
    """Normalised accuracy of every run by task and shift, the mean over severities.

    Parameters
    ----------
    readings : of `transfer_recorded.load`, the supervised reference among them.
    reading : one of `READINGS`.

    Returns
    -------
    DataFrame with `variant`, `seed`, `changed`, `pretrained_on`, `task`, `shift`, `score` in
    percent of the way to the ceiling, `clips` read, and `points`, what a percent of accuracy is
    worth.

    Raises
    ------
    ConfigError : unknown reading.
    """
    asked = _asked(reading)
    rows = readings[readings.task.isin(worlds.TASKS)]
    top, low = ceilings(rows), chances()
    rows = asked.rows(rows)
    chance, ceiling = (rows.task.map(m).astype(float) for m in (low, top))
    rows = rows.assign(
        score=statistics.normalised(rows.top1, chance, ceiling), points=100 / (ceiling - chance)
    )
    keys = ["variant", "seed", "changed", "pretrained_on", "task", "shift"]
    found = rows.groupby(keys, sort=False).agg(
        score=("score", "mean"),
        clips=("n_test", "sum"),
        points=("points", "mean"),
        severities=("severity", "nunique"),
    )
    return found[found.severities == len(asked.severities)].drop(columns="severities").reset_index()


def _asked(reading: str) -> Reading:
    if reading not in READINGS:
        raise unknown("reading", reading, READINGS)
    return READINGS[reading]


def scores(found: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """Scores of runs from `shares`: means over shifts, then tasks; runs lacking some are left out.

    Parameters
    ----------
    by : 'task' or 'shift' to keep apart.
    """
    keys = ["variant", "seed", "changed", "pretrained_on", *by]
    out = found.groupby(keys, sort=False).agg(
        score=("score", "mean"),
        clips=("clips", "sum"),
        points=("points", "mean"),
        cells=("score", "size"),
    )
    return out[out.cells == out.cells.max()].drop(columns="cells").reset_index()


def accuracies(
    readings: pd.DataFrame, reading: str = "zero-shot", tasks: Sequence[str] = tuple(worlds.TASKS)
) -> pd.DataFrame:
    """What `scores` gives, in plain accuracy: for encoders whose ceiling was not measured.

    Parameters
    ----------
    reading : one of `READINGS`.
    tasks : rendered tasks to take the mean of.

    Returns
    -------
    DataFrame with `variant`, `seed`, `changed`, `pretrained_on`, `score` (top-1 in percent, mean
    over severities, shifts and tasks), `clips`, `points`; runs that lack a world are left out.

    Raises
    ------
    ConfigError : unknown reading.
    """
    asked = _asked(reading)
    places = [p for p in worlds.places() if p[1] in asked.severities]
    rows = asked.rows(readings[readings.task.isin(list(tasks))])
    return _plain(rows, len(tasks) * len(places))


def _plain(rows: pd.DataFrame, cells: int) -> pd.DataFrame:
    """Mean accuracy of every run that has all the readings asked for."""
    keys = ["variant", "seed", "changed", "pretrained_on"]
    out = rows.groupby(keys, sort=False).agg(
        score=("top1", "mean"), clips=("n_test", "sum"), cells=("top1", "size")
    )
    return out[out.cells == cells].drop(columns="cells").assign(points=1.0).reset_index()


def interval(found: pd.Series) -> dict[str, object]:
    """Scores of one encoder over seeds: `score` (mean), `low`, `high`, `n_seeds`, `outcomes`.

    A t interval; NaN where seeds fall into two kinds, which `outcomes` then tells, or there is one.
    """
    mean, said = statistics.mean_interval(found), statistics.outcomes(found).text()
    ends = {k: float("nan") if said else mean[k] for k in ("low", "high")}
    return {"score": mean["mean"], **ends, "n_seeds": mean["n"], "outcomes": said}


def held_out(readings: pd.DataFrame) -> pd.DataFrame:
    """Accuracy in the held-out world of every run: the mean of its three tasks, in percent.

    A reader is fitted there on frozen features. Two of the three ceilings are too low to divide
    by, so accuracies stay as they are.
    """
    rows = readings[(readings.reading == "linear") & readings.task.isin(HELD_OUT)]
    return _plain(rows, len(HELD_OUT))


def contrasts(
    table: pd.DataFrame,
    pairs: Sequence[tuple[str, str]] = PRIMARY,
    seeds: Iterable[int] | None = DECISIVE_SEEDS,
    by: Sequence[str] = (),
    family: str = "primary contrasts",
    margin: float = MARGIN,
) -> pd.DataFrame:
    """Paired differences of scores over seeds, Holm within the table.

    Parameters
    ----------
    table : of `scores` or `held_out`.
    pairs : (variant, variant that is subtracted).
    seeds : that take part; None for all.
    by : columns within which to compare.

    Returns
    -------
    DataFrame with `by`, `whole`, `part`, `mean_whole`, `mean_part`, `effect`, `low`, `high`, `sd`,
    `n_seeds`, `n_above` (seeds in which the whole is above the part), `p`, `equivalent` (shown to
    lie within the margin), `outcomes` (where the seeds of either fall into two kinds there is no
    interval), `family`, `p_adjusted`, `clear`. Pairs without two common seeds are left out.
    """
    if seeds is not None:
        table = table[table.seed.isin(list(seeds))]
    groups = table.groupby(list(by), sort=False) if by else [((), table)]
    rows = []
    for key, part in groups:
        wide = part.pivot_table(index="seed", columns="variant", values="score", sort=False)
        clips, worth = float(part.clips.min()), float(part.points.mean())
        for whole, other in pairs:
            if whole not in wide or other not in wide:
                continue
            two = wide[[whole, other]].dropna()
            if len(two) < 2:
                continue
            gap = two[whole] - two[other]
            least = 100 * worth * float(statistics.least_scatter(gap.mean() / 100 / worth, clips))
            found = statistics.mean_interval(gap, least=least)
            same = statistics.equivalence(gap, margin, least)["equivalent"]
            kinds = {v: statistics.outcomes(two[v]).text() for v in (whole, other)}
            said = "; ".join(f"{TITLES.get(v, v)} {text}" for v, text in kinds.items() if text)
            if said:
                found |= dict.fromkeys(("low", "high", "p"), float("nan"))
                same = False
            rows.append(
                dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True))
                | {"whole": whole, "part": other}
                | {"mean_whole": two[whole].mean(), "mean_part": two[other].mean()}
                | {"effect": found["mean"]}
                | {k: found[k] for k in ("low", "high", "sd")}
                | {"n_seeds": found["n"], "n_above": int((gap > 0).sum()), "p": found["p"]}
                | {"equivalent": same, "outcomes": said}
            )
    numbers = ["mean_whole", "mean_part", "effect", "low", "high", "sd"]
    numbers += ["n_seeds", "n_above", "p"]
    columns = [*by, "whole", "part", *numbers, "equivalent", "outcomes"]
    out = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(numbers, float))
    return statistics.in_families(out, name=family)


def right_by_place(
    readings: pd.DataFrame,
    variants: Sequence[str],
    seeds: Sequence[int],
    reading: str = "zero-shot",
) -> tuple[list[dict[str, np.ndarray]], list[float]]:
    """Which test clips were right, a block for each world and severity that the score is made of.

    Parameters
    ----------
    readings : of `own_runs` with the supervised reference; their `right` says which clips.
    variants, seeds : every variant must have every seed.

    Returns
    -------
    Blocks, variant -> bool [seeds, clips], and the weight of each in the score: points of the score
    for the accuracy of the block.
    """
    asked = _asked(reading)
    top, low = ceilings(readings), chances()
    rows = readings[readings.task.isin(worlds.TASKS) & readings.seed.isin(list(seeds))]
    rows = asked.rows(rows[rows.variant.isin(list(variants))])
    bits = {
        (r.variant, r.seed, r.task, r.shift, r.severity): (r.right, r.n_test)
        for r in rows.itertuples()
    }
    places = rows[["task", "shift", "severity"]].drop_duplicates()
    blocks = [
        {v: np.stack([unpack(*bits[v, s, *place]) for s in seeds]) for v in variants}
        for place in places.itertuples(index=False, name=None)
    ]
    return blocks, [100 / (top[task] - low[task]) / len(places) for task in places.task]


def crossed(
    readings: pd.DataFrame,
    pairs: Sequence[tuple[str, str]] = PRIMARY,
    seeds: Iterable[int] = DECISIVE_SEEDS,
    reading: str = "zero-shot",
) -> pd.DataFrame:
    """The contrasts again with intervals that answer for new test clips as well as new seeds.

    Parameters
    ----------
    readings : of `own_runs`; their `right` says which test clips were right.

    Returns
    -------
    DataFrame with `whole`, `part`, `effect`, `low`, `high`, `p`, `n_seeds`: a crossed bootstrap
    over seeds and, in every world, clips.
    """
    rows = readings[readings.seed.isin(list(seeds))]
    # Contrasts of as many seeds have the same draws.
    alike: dict[int, list[tuple[tuple[str, str], list, list]]] = {}
    for pair in pairs:
        have = (set(rows[rows.variant == v].seed) for v in pair)
        common = sorted(set.intersection(*have))
        if len(common) < 2:
            continue
        blocks, weights = right_by_place(readings, pair, common, reading)
        both = dict(zip(pair, (1.0, -1.0), strict=True))
        values = [statistics.contrast_of(right, both) for right in blocks]
        alike.setdefault(len(common), []).append((pair, values, weights))
    found = {}
    for group in alike.values():
        of_pairs, blocks, weights = zip(*group, strict=True)
        done = statistics.crossed_bootstraps(blocks, weights)
        found |= dict(zip(of_pairs, done, strict=True))
    out = [
        {"whole": pair[0], "part": pair[1], "effect": found[pair]["mean"]}
        | {k: found[pair][k] for k in ("low", "high", "p", "n_seeds")}
        for pair in pairs
        if pair in found
    ]
    return pd.DataFrame(out, columns=["whole", "part", "effect", "low", "high", "p", "n_seeds"])
