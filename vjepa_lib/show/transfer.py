"""Figures of the transfer study that its notebook and the report share."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from vjepa_lib.analysis import transfer_beside, transfer_learned, transfer_views
from vjepa_lib.analysis.transfer_score import TITLES
from vjepa_lib.show import plots

SCALES = {"points": "points of the score", "logits": "log odds"}


def settings(table: pd.DataFrame) -> Figure:
    """The primary contrasts with other settings; of `transfer_views.other_settings`."""
    return plots.intervals(
        table,
        "effect",
        rows="setting",
        panel="contrast",
        zero=True,
        xlabel="points of the score",
        names=transfer_views.two_lines(table),
    )


def tried(table: pd.DataFrame, value: str) -> Figure:
    """The tuning grid: rows of objective and weight, columns of rates; the chosen setting bold.

    Parameters
    ----------
    table : of `transfer_tuned.trials`.
    value : 'source' or 'score'.
    """
    rows = [f"{r.variant}, {r.weight}" for r in table.itertuples()]
    placed = table.assign(row=rows, rate=[f"rate {r:g}" for r in table.rate])
    wide, mark = (
        placed.pivot(index="row", columns="rate", values=v).loc[list(dict.fromkeys(rows))]
        for v in (value, "chosen")
    )
    bar = {"source": "source, validation clips (%)", "score": "zero-shot transfer score"}[value]
    return plots.heatmap(
        wide.rename_axis(index="", columns=""), None, "{:.0f}", mark.eq(True), bar, width=4.6
    )


def learned(runs: pd.DataFrame, name: str = "setting") -> Figure:
    """VCLR's own loss and the transfer score, means of groups over their runs.

    Parameters
    ----------
    runs : of `transfer_learned.learned`.
    name : column of `transfer_learned.by_group` that is written beside a group.
    """
    return plots.cloud(
        transfer_learned.by_group(runs),
        "loss",
        "score",
        name,
        runs,
        marks={"guessing": transfer_learned.guessed()},
        xlabel="VCLR's own loss at the end of the training",
        ylabel="zero-shot transfer score",
    )


def sixteen(table: pd.DataFrame) -> Figure:
    """Scores of the factorial's cells, without and with VCLR; of `transfer_factorial.cells`."""
    return plots.intervals(
        table, "score", series="contrast", xlabel="zero-shot transfer score", width=5
    )


def effects(table: pd.DataFrame) -> Figure:
    """Effects of the factorial on the score and on log odds; of `transfer_factorial.effects`."""
    return plots.effects(table, panel="scale", xlabel="effect", names=SCALES)


def beside(table: pd.DataFrame) -> Figure:
    """What contrasts and objectives bring each other; of `transfer_beside.contrasts`."""
    return plots.intervals(
        table, "effect", panel="contrast", series="against", zero=True, xlabel="points of the score"
    )


def variations(table: pd.DataFrame) -> Figure:
    """Halves and released forms; of `transfer_beside.variations`."""
    return plots.intervals(
        table.assign(row=[transfer_beside.title(v) for v in table.whole]),
        "effect",
        rows="row",
        zero=True,
        xlabel="points over the whole latent, or over the form as described",
    )


def larger(table: pd.DataFrame) -> Figure:
    """Accuracies one size up, untuned and tuned; of `transfer_larger_tuned.levels`."""
    xlabel = "zero-shot accuracy, mean of four tasks (%)"
    return plots.intervals(table, "score", series="settings", xlabel=xlabel, width=5)


def singles(table: pd.DataFrame) -> Figure:
    """The study's other single objectives; of `transfer_singles.contrasts`."""
    return plots.intervals(
        table,
        "effect",
        rows="objective",
        panel="trained",
        zero=True,
        xlabel="points of the score",
    )


def larger_tasks(table: pd.DataFrame) -> Figure:
    """The primary contrasts by task one size up; of `transfer_larger.by_task`."""
    named = {
        (r.whole, r.part): f"{TITLES[r.whole]}\nminus {TITLES[r.part]}".replace(" with ", " + ")
        for r in table.itertuples()
    }
    return plots.intervals(
        table.assign(contrast=[named[r.whole, r.part] for r in table.itertuples()]),
        "effect",
        rows="task",
        panel="contrast",
        zero=True,
        xlabel="points of accuracy",
        names={name: name for name in named.values()},
    )
