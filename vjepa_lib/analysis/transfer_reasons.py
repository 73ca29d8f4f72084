"""Tables and comparisons of what kept encoders were measured at (`transfer_mechanisms`).

Per seed first, then over seeds; every comparison that a sentence may call clear is in one family
(`tests`). The sentences are in `transfer_why`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import stats

from vjepa_lib.analysis import statistics
from vjepa_lib.analysis.transfer_geometry import FACTORS
from vjepa_lib.analysis.transfer_score import DECISIVE, DECISIVE_SEEDS, FARTHEST

# Which encoders are compared: each combination with VCLR, and LD with what it is added to.
PAIRS = (("ld+vclr", "vclr"), ("fwm_hw_ld+vclr", "vclr"), ("ld", "baseline"))
CUT = ("fwm_hw_ld", "fwm_hw_ld+vclr")  # trained with halves
RESAMPLES = 1000


@dataclass(frozen=True)
class Mechanisms:
    """What sentences may ask.

    Attributes
    ----------
    tables : of `transfer_mechanisms.load`: alignment, shifts, encoders.
    readings, curves : of `transfer_recorded.load` and `transfer_recorded.curves`.
    """

    tables: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]
    readings: pd.DataFrame
    curves: pd.DataFrame
    _cache: dict = field(default_factory=dict, repr=False, compare=False)

    def _named(self, table: pd.DataFrame) -> pd.DataFrame:
        known = self.tables[2]
        known = known[known.variant.isin(DECISIVE) & known.seed.isin(DECISIVE_SEEDS)]
        start = self.tables[2][self.tables[2].variant == "random_init"]
        known = pd.concat([start, known])[["encoder", "variant", "seed"]]
        return table.merge(known, on="encoder")

    @property
    def alignment(self) -> pd.DataFrame:
        """100 R2 of factors, with `variant` and `seed`."""
        return self._named(self.tables[0])

    @property
    def sources(self) -> pd.DataFrame:
        """What was measured on every source, with `variant` and `seed`."""
        found = self._named(self.tables[1])
        return found[found["shift"] == "source"]

    @property
    def shifts(self) -> pd.DataFrame:
        """What was measured in every shifted world, with `again`, the recorded top-1 of a linear
        probe trained anew there, and `home`, of the source's probe at home."""
        found = self._named(self.tables[1])
        linear = self.readings[self.readings.reading == "linear"]
        again = linear[(linear.fitted == "target") & (linear.severity == FARTHEST)]
        again = again[["run", "task", "shift", "top1"]].rename(columns={"top1": "again"})
        runs = self.tables[2][["encoder", "run"]].astype(str)
        home = self.sources[["encoder", "task", "zero"]].rename(columns={"zero": "home"})
        found = found[found["shift"] != "source"].merge(runs, on="encoder")
        return found.merge(again, on=["run", "task", "shift"]).merge(home, on=["encoder", "task"])

    @property
    def enough(self) -> bool:
        """Whether two seeds of every decisive variant are measured."""
        known = self.tables[2]
        known = known[known.seed.isin(DECISIVE_SEEDS)]
        counts = known.groupby("variant").seed.nunique()
        return all(counts.get(v, 0) > 1 for v in DECISIVE)

    def tests(self) -> pd.DataFrame:
        """`tests` of this evidence, computed once."""
        if "tests" not in self._cache:
            self._cache["tests"] = tests(self)
        return self._cache["tests"]

    def predicts(self) -> pd.DataFrame:
        """`predicts` of this evidence, computed once."""
        if "predicts" not in self._cache:
            self._cache["predicts"] = predicts(self)
        return self._cache["predicts"]

    def row(self, what: str, whole: str, part: str):
        """One test."""
        found = self.tests()
        return next(
            found[(found.what == what) & (found.whole == whole) & (found.part == part)].itertuples()
        )


def held(m: Mechanisms, part: str = "read") -> pd.DataFrame:
    """100 R2 of every factor: mean over the tasks whose source varies it, then over seeds.

    Parameters
    ----------
    part : of `transfer_mechanisms.PARTS`.

    Returns
    -------
    DataFrame, factors in the order of `FACTORS` x variants.
    """
    wide = m.alignment.pivot_table(index="factor", columns="variant", values=part)
    shown = [v for v in ("random_init", *DECISIVE) if v in wide]
    return wide.reindex(index=[f for f in FACTORS if f in wide.index], columns=shown)


def leading(m: Mechanisms) -> pd.DataFrame:
    """The direction of most variance of every encoder, a row an encoder.

    Returns
    -------
    DataFrame of `variant`, `seed`; `share` of the variance (%) and `follows`, correlation with the
    amount of change (means over sources); `tracks`, the rank correlation over shifted worlds of how
    far the latent's mean moves along it with how far the amount of change does; `change`, 100 R2
    of the amount of change from the whole latent.
    """
    keys = ["variant", "seed"]
    found = m.sources.groupby(keys)[["leading", "follows"]].mean()
    found = found.rename(columns={"leading": "share"})
    found["tracks"] = {
        key: stats.spearmanr(rows.leading_moved, rows.change_moved).statistic
        for key, rows in m.shifts.groupby(keys)
    }
    amount = m.alignment[m.alignment.factor == "amount of change"]
    found["change"] = amount.groupby(keys)["read"].mean()
    return found.reset_index()


WAYS = {
    "centred": "mean aligned",
    "coloured": "mean and covariance aligned",
    "without_leading": "leading direction removed",
    "again": "probe trained anew",
}


def recovered(m: Mechanisms) -> pd.DataFrame:
    """Points of accuracy that each of `WAYS` adds to zero-shot at the last severity.

    Returns
    -------
    DataFrame, a row an encoder and way: `variant`, `seed`, `way`, `points`, mean over worlds.
    """
    means = m.shifts.groupby(["variant", "seed"])[["zero", *WAYS]].mean()
    gains = means[list(WAYS)].sub(means.zero, axis=0)
    return gains.rename_axis(columns="way").stack().rename("points").reset_index()


LEADING = {
    "share": "share of the variance (%)",
    "follows": "correlation with amount of change",
    "tracks": "rank correlation over worlds",
}


def as_intervals(table: pd.DataFrame, titles: Mapping[str, str]) -> pd.DataFrame:
    """Columns of a table of runs as means with t intervals over seeds, for figures.

    Parameters
    ----------
    table : a row a run, with `variant` and the columns of `titles`.
    titles : column -> title of its panel.

    Returns
    -------
    DataFrame of `variant`, `panel`, `value`, `low`, `high`, `n_seeds`.
    """
    out = []
    for column, title in titles.items():
        for variant in ("random_init", *DECISIVE):
            own = table[table.variant == variant]
            if len(own):
                found = statistics.mean_interval(own[column])
                row = {"variant": variant, "panel": title, "value": found["mean"]}
                out.append(row | {k: found[k] for k in ("low", "high")} | {"n_seeds": found["n"]})
    return pd.DataFrame(out)


def leading_intervals(m: Mechanisms) -> pd.DataFrame:
    """`leading` as a figure shows it."""
    return as_intervals(leading(m), LEADING)


def recovered_intervals(m: Mechanisms) -> pd.DataFrame:
    """`recovered` as a figure shows it."""
    wide = recovered(m).pivot_table(index=["variant", "seed"], columns="way", values="points")
    return as_intervals(wide.reset_index(), WAYS)


def losses(m: Mechanisms) -> pd.DataFrame:
    """Loss of LD and of VCLR over the last tenth of the training, a row a run."""
    own = m.curves[(m.curves.changed == "") & (m.curves.pretrained_on == "rendered")]
    own = own[own.variant.isin(DECISIVE) & own.seed.isin(DECISIVE_SEEDS)]
    late = own[own.step >= 0.9 * own.step.max()] if len(own) else own
    return late.groupby(["variant", "seed"])[["ld", "vclr"]].mean().reset_index()


def _paired(values: pd.DataFrame, column: str, whole: str, part: str) -> dict:
    wide = values.pivot_table(index="seed", columns="variant", values=column)
    if whole not in wide or part not in wide:
        return {}
    two = wide[[whole, part]].dropna()
    return _said(two[whole], two[part])


def _said(whole: pd.Series, part: pd.Series | float) -> dict:
    found = statistics.mean_interval(whole - part)
    means = {"mean_whole": whole.mean(), "mean_part": np.mean(part)}
    return means | {"effect": found["mean"]} | {k: found[k] for k in ("low", "high", "p", "n")}


def tests(m: Mechanisms) -> pd.DataFrame:
    """Every comparison over seeds that a sentence may call clear, Holm over all of them.

    Returns
    -------
    DataFrame, a row a comparison: `what` (a factor, 'share', 'follows', a way of `WAYS`, a loss,
    'appearance' or 'motion'), `whole`, `part`, `mean_whole`, `mean_part`, `effect`, `low`, `high`,
    `p`, `n`, `family`, `p_adjusted`, `clear`. For a way `part` is 'zero-shot'; for kinds of
    factors the halves of one encoder are compared and `part` is 'its dynamics half'.
    """
    rows = []

    def add(what: str, whole: str, part: str, found: dict) -> None:
        if found:
            rows.append({"what": what, "whole": whole, "part": part} | found)

    aligned, first, late, gains = m.alignment, leading(m), losses(m), recovered(m)
    for whole, part in PAIRS:
        for factor, kind in FACTORS.items():
            own = aligned[aligned.factor == factor]
            if kind != "nuisance" and len(own):
                own = own.groupby(["variant", "seed"], as_index=False)["read"].mean()
                add(factor, whole, part, _paired(own, "read", whole, part))
        for what in ("share", "follows"):
            add(what, whole, part, _paired(first, what, whole, part))
    for way in WAYS:
        for variant, own in gains[gains.way == way].groupby("variant"):
            if variant in DECISIVE:
                add(way, variant, "zero-shot", _said(own.set_index("seed").points, 0.0))
    add("ld", "ld+vclr", "ld", _paired(late, "ld", "ld+vclr", "ld"))
    for whole in ("ld+vclr", "fwm_hw_ld+vclr"):
        add("vclr", whole, "vclr", _paired(late, "vclr", whole, "vclr"))
    for variant in CUT:
        for kind in ("appearance", "motion"):
            own = aligned[(aligned.variant == variant) & (aligned.factor.map(FACTORS) == kind)]
            if len(own):
                means = own.groupby("seed")[["appearance", "dynamics"]].mean()
                add(kind, variant, "its dynamics half", _said(means.appearance, means.dynamics))
    return statistics.in_families(pd.DataFrame(rows), name="mechanisms")


PREDICTORS = {
    "along": "how far the mean moves in the probe's class scores",
    "moved": "how far it moves in all channels",
    "separable": "how well the world can be told from the source",
}


def predicts(m: Mechanisms, resamples: int = RESAMPLES) -> pd.DataFrame:
    """How well each of `PREDICTORS` goes with what a probe trained anew adds to zero-shot.

    Rank correlation over cells (variant, task, shift), means over seeds; a crossed bootstrap over
    seeds and worlds (task and shift; all variants of a world stay together).

    Returns
    -------
    DataFrame of `what`, `rho`, `low`, `high`, `cells`; `within`, `within_low`, `within_high`: the
    same of deviations from the mean over variants of a world.
    """
    shifts = m.shifts
    table = shifts[shifts.variant.isin(DECISIVE)]
    table = table.assign(world=table.task + " " + table["shift"], loss=table.again - table.zero)
    seeds = set.intersection(*(set(r.seed) for _, r in table.groupby("variant")))
    table = table[table.seed.isin(seeds)]
    variants = table.variant.nunique()
    loss, *others = (
        table.pivot_table(index=["seed", "world"], columns="variant", values=c)
        .to_numpy()
        .reshape(len(seeds), -1, variants)
        for c in ("loss", *PREDICTORS)
    )
    rng, (n_seeds, n_worlds) = np.random.default_rng(0), loss.shape[:2]
    drawn = [(rng.integers(n_seeds, size=n_seeds), rng.integers(n_worlds, size=n_worlds))
             for _ in range(resamples)]  # fmt: skip
    # The last of them is the sample itself.
    drawn.append((np.arange(n_seeds), np.arange(n_worlds)))
    s, w = (np.stack(part) for part in zip(*drawn, strict=True))
    losses = _both_ranks(loss, s, w)
    out = []
    for what, values in zip(PREDICTORS, others, strict=True):
        rho = np.stack([(x * y).mean(1) for x, y in zip(_both_ranks(values, s, w), losses)], 1)
        ends = np.percentile(rho[:-1], [2.5, 97.5], axis=0)
        row = {"what": what, "rho": rho[-1, 0], "low": ends[0, 0], "high": ends[1, 0]}
        row |= {"within": rho[-1, 1], "within_low": ends[0, 1], "within_high": ends[1, 1]}
        out.append(row | {"cells": n_worlds * variants})
    return pd.DataFrame(out)


def _both_ranks(values: np.ndarray, seeds: np.ndarray, worlds: np.ndarray) -> list[np.ndarray]:
    """Standardised ranks of cells, and of cells within worlds, in every resample.

    Parameters
    ----------
    values : [seeds, worlds, variants]; means over the drawn seeds are ranked.
    seeds, worlds : drawn, [R, seeds] and [R, worlds].

    Returns
    -------
    two arrays [R, worlds x variants]; the mean product of two is their rank correlation.
    """
    means = np.stack([values[s].mean(0)[w] for s, w in zip(seeds, worlds, strict=True)])
    out = []
    for cells in (means, means - means.mean(2, keepdims=True)):
        ranks = stats.rankdata(cells.reshape(len(cells), -1), axis=1)
        ranks -= ranks.mean(1, keepdims=True)
        out.append(ranks / ranks.std(1, keepdims=True))
    return out


def rank_says(m: Mechanisms) -> pd.DataFrame:
    """Whether the rank of a source's latent goes with zero-shot accuracy, variant by variant.

    Returns
    -------
    DataFrame of `what` ('rank_me', 'participation'), `rho` (rank correlation over the decisive
    variants, mean over seeds), `lowest`, `highest` (of a seed), and `best`, `rest`: its mean in the
    variant that transfers best and in the others.
    """
    keys = ["variant", "seed"]
    own = m.sources[m.sources.variant.isin(DECISIVE)]
    ranks = own.groupby(keys)[["rank_me", "participation"]].mean()
    ranks["zero"] = m.shifts.groupby(keys).zero.mean()
    means = ranks.groupby("variant").mean()
    top = means.zero.idxmax()
    out = []
    for what in ("rank_me", "participation"):
        each = [
            stats.spearmanr(rows[what], rows.zero).statistic
            for _, rows in ranks.groupby("seed")
            if len(rows) == len(DECISIVE)
        ]
        row = {"what": what, "rho": np.mean(each), "lowest": min(each), "highest": max(each)}
        row |= {"top": top, "best": means[what][top], "rest": means[what].drop(top).mean()}
        out.append(row)
    return pd.DataFrame(out)
