"""How far the contrast is learned, and whether transfer goes with it.

VCLR's own loss tells how far its questions are answered: a head that guesses ends at `guessing`.
The loss is the term's before its weight, so runs with different weights, lengths and widths can be
put on one axis, as long as all three parts of the term are trained. It was asked after the runs had
been seen, and compares runs: it describes, and tests nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from vjepa_lib.analysis import statistics, transfer_score
from vjepa_lib.analysis.transfer_evidence import Evidence, once
from vjepa_lib.analysis.transfer_score import DECISIVE_SEEDS, TITLES
from vjepa_lib.analysis.transfer_settings import in_words, only_weights, order
from vjepa_lib.objectives.contrastive import VideoContrast
from vjepa_lib.study.titles import label
from vjepa_lib.study.transfer_runs import transfer_run

TERM = "vclr"
WITH_CONTRAST = ("vclr", "ld+vclr", "fwm_hw_ld+vclr")
RESAMPLES = 2000


def guessing(queue: int, batch: int, segments: int) -> float:
    """The loss of VCLR when nothing can be told apart.

    The right key among the queue's, the right clip among the batch's, the right order among the
    orders of the segments: log(1 + queue) + log(batch) + log(segments!).
    """
    return math.log(1 + queue) + math.log(batch) + math.log(math.factorial(segments))


def guessed() -> float:
    """`guessing` of the study's own term and batch."""
    run = transfer_run(TERM)
    (term,) = (t for t in run.train.terms if t.name == TERM)
    options = VideoContrast.__init__.__kwdefaults__ | dict(term.options)
    return guessing(options["queue"], run.train.schedule.batch, options["segments"])


def ends(curves: pd.DataFrame, variants: tuple[str, ...] = WITH_CONTRAST) -> pd.DataFrame:
    """Where VCLR's own loss ends in every run that trains all parts of VCLR.

    Parameters
    ----------
    curves : of `transfer_recorded.curves`.

    Returns
    -------
    DataFrame, a row a run pretrained on the rendered worlds: `variant`, `changed`, `seed`, `loss`
    (mean over the last tenth of the training).
    """
    keys = ["variant", "changed", "seed"]
    if curves.empty or TERM not in curves:
        return pd.DataFrame(columns=[*keys, "loss"])
    rows = curves[curves.variant.isin(list(variants)) & curves[TERM].notna()]
    rows = rows[(rows.pretrained_on == "rendered") & ~rows.changed.str.contains("without")]
    late = rows[rows.step >= 0.9 * rows.groupby("run").step.transform("max")]
    return late.groupby(keys)[TERM].mean().rename("loss").reset_index()


@once
def learned(e: Evidence, variants: tuple[str, ...] = WITH_CONTRAST) -> pd.DataFrame:
    """VCLR's own loss and the transfer score, of every run that trains all parts of VCLR.

    Parameters
    ----------
    variants : that are asked, all of which have the term.

    Returns
    -------
    DataFrame, a row a run pretrained on the rendered worlds: `variant`, `changed`, `seed`, `loss`
    (mean over the last tenth of the training), `score` (zero-shot transfer). Empty without curves.
    """
    loss = ends(e.curves, variants)
    if loss.empty:
        return loss.assign(score=pd.Series(dtype=float))
    keys = ["variant", "changed", "seed"]
    tables = [transfer_score.scores(e.shares(changed=c)) for c in loss.changed.unique()]
    found = loss.merge(pd.concat(tables)[[*keys, "score"]], on=keys)
    place = {v: i for i, v in enumerate(variants)}
    ranked = found.assign(a=found.variant.map(place), b=found.changed.map(order))
    return ranked.sort_values(["a", "b", "seed"])[[*keys, "loss", "score"]].reset_index(drop=True)


def by_group(table: pd.DataFrame) -> pd.DataFrame:
    """Means of `learned` over the seeds of a variant and setting: a dot each.

    Returns
    -------
    DataFrame of `variant`, `objective` as figures write it, `setting` in words, `loss`, `score` and
    `n_seeds`.
    """
    found = table.groupby(["variant", "changed"], sort=False).agg(
        loss=("loss", "mean"), score=("score", "mean"), n_seeds=("seed", "size")
    )
    found = found.reset_index()
    named = found.assign(objective=found.variant.map(label), setting=found.changed.map(in_words))
    return named.drop(columns="changed")


@dataclass(frozen=True)
class Goes:
    """Rank correlation of loss and score.

    Attributes
    ----------
    rho : over runs.
    low, high : 95 % bootstrap over groups (variant and setting), whose seeds stay together: runs of
        one group are no independent witnesses.
    groups, runs : how many there are.
    alone : within each variant of three runs or more, over its settings and seeds.
    apart : over runs, when the means of variant and of setting are taken off both.
    """

    rho: float
    low: float
    high: float
    groups: int
    runs: int
    alone: dict[str, float]
    apart: float


def goes_with(table: pd.DataFrame, seed: int = 0) -> Goes | None:
    """`Goes` of a table of `learned`; None before there are four groups."""
    keys = ["variant", "changed"]
    groups = [g[["loss", "score"]].to_numpy() for _, g in table.groupby(keys, sort=False)]
    if len(groups) < 4:
        return None

    def rho(rows: np.ndarray) -> float:
        return statistics.rank_correlation(rows[:, 0], rows[:, 1])["rho"]

    draw = np.random.default_rng(seed)
    picks = draw.integers(len(groups), size=(RESAMPLES, len(groups)))
    # Groups are of unequal size: draws of as many runs are ranked together.
    alike: dict[int, list[np.ndarray]] = {}
    for pick in picks:
        rows = np.concatenate([groups[i] for i in pick])
        alike.setdefault(len(rows), []).append(rows)
    drawn = [statistics.rank_correlations(*np.moveaxis(np.stack(a), 2, 0)) for a in alike.values()]
    low, high = np.nanpercentile(np.concatenate(drawn), [2.5, 97.5])
    values = ["loss", "score"]
    enough = table.groupby("variant").filter(lambda g: len(g) >= 3)
    alone = {v: rho(g[values].to_numpy()) for v, g in enough.groupby("variant", sort=False)}
    left = table[values].copy()
    for _ in range(50):  # groups are of unequal size, so the two means are taken off in turns
        for key in keys:
            left = left - left.groupby(table[key]).transform("mean")
    whole = rho(np.concatenate(groups))
    return Goes(whole, low, high, len(groups), len(table), alone, rho(left.to_numpy()))


def at_equal_loss(table: pd.DataFrame) -> dict[str, float] | None:
    """What LD adds to the score at the same loss of VCLR, where that is below half of guessing.

    Least squares of the score on the loss and on whether LD is trained too, over decisive seeds
    with nothing but weights changed.

    Returns
    -------
    `slope` (points for a unit of loss), `added`, `low`, `high` (95 %), `n`; None below ten runs.
    """
    rows = table[table.seed.isin(DECISIVE_SEEDS) & table.changed.map(only_weights)]
    rows = rows[rows.variant.isin(["vclr", "ld+vclr"]) & (rows.loss < guessed() / 2)]
    both = (rows.variant == "ld+vclr").to_numpy(float)
    if len(rows) < 10 or len(set(both)) < 2:
        return None
    x = np.column_stack([np.ones(len(rows)), rows.loss, both])
    y = rows.score.to_numpy()
    weights, *_ = np.linalg.lstsq(x, y, rcond=None)
    spread = ((y - x @ weights) ** 2).sum() / (len(y) - 3)
    error = float(np.sqrt(spread * np.linalg.inv(x.T @ x)[2, 2]))
    reach = error * float(stats.t.ppf(0.975, len(y) - 3))
    added = float(weights[2])
    found = {"slope": float(weights[1]), "added": added, "n": len(y)}
    return found | {"low": added - reach, "high": added + reach}


@once
def contrast_learned(e: Evidence) -> str | None:
    """Whether transfer goes with how far VCLR's own loss falls, and how far it falls where."""
    table = learned(e)
    found = goes_with(table)
    if found is None:
        return None
    own = table[(table.changed == "") & table.seed.isin(DECISIVE_SEEDS)]
    ends = ", ".join(
        f"{rows.loss.mean():.1f} in {TITLES[v]}" for v, rows in own.groupby("variant", sort=False)
    )
    alone = ", ".join(f"{TITLES[v]} {rho:+.2f}" for v, rho in found.alone.items())
    said = (
        f"How far the contrast is learned: VCLR's own loss is {guessed():.1f} when guessing; at "
        f"the study's weights it ends at {ends}. "
        f"Over {found.runs} runs that train its three parts in the rendered worlds "
        f"({found.groups} pairs of objective and setting) the lower it ends the higher the score: "
        f"rank correlation {found.rho:+.2f} [{found.low:+.2f}, {found.high:+.2f}] (bootstrap over "
        f"pairs), within an objective {alone}, with the means of objectives and settings taken off "
        f"{found.apart:+.2f}"
    )
    if equal := at_equal_loss(table):
        said += (
            f"; where it ends below half of guessing, LD adds {equal['added']:+.1f} points "
            f"[{equal['low']:+.1f}, {equal['high']:+.1f}] at the same loss"
        )
    return f"{said}."
