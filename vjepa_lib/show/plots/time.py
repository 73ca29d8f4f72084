"""Over the steps of a training: measurements, and what each term adds to the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from vjepa_lib.show.look import PAGE, colour, label, line, term_colour
from vjepa_lib.show.plots.common import appearance, facets, legend_columns, styled, ticks

_DASHES = {"-": "", "--": (3.7, 1.6), "-.": (6.4, 1.6, 1, 1.6), ":": (1, 1.65)}  # matplotlib's


def _dashes(name: str) -> str | tuple:
    """The line of a variant as seaborn takes it: lengths of strokes and gaps."""
    form = line(name)
    return _DASHES[form] if isinstance(form, str) else form[1]


@styled
def curves(
    frame: pd.DataFrame,
    metrics: Sequence[str],
    x: str = "step",
    by: str = "variant",
    seed: str = "seed",
    ylabels: Mapping[str, str] | None = None,
    logy: Sequence[str] = (),
    logx: bool = False,
    references: Mapping[str, Mapping[str, float]] | None = None,
    width: float = PAGE,
    columns: int = 3,
) -> Figure:
    """Measurements over training, a panel per metric, a line per variant: loss, collapse, probes.

    Parameters
    ----------
    frame : one row a run and step: `x`, `by`, `seed` and the metrics (NaN where not measured).
    metrics : columns to show, e.g. ('loss', 'rank_me', 'feature_std', 'probe').
    logy : metrics with a logarithmic axis.
    logx : logarithmic x axis, ticks where there are measurements.
    references : metric -> {name: value}; horizontal lines, e.g. chance or full rank.

    The line is the mean over seeds, the band runs from the lowest to the highest seed.
    """
    columns = min(columns, len(metrics))
    n_rows = -(-len(metrics) // columns)
    size = (width, 0.5 + n_rows * 0.72 * width / columns)
    fig, axes = facets(len(metrics), size, columns, sharey=False)
    order = appearance(frame[by])
    for ax, metric in zip(axes, metrics, strict=True):
        measured = frame.dropna(subset=[metric])
        if len(measured):
            sns.lineplot(
                measured,
                x=x,
                y=metric,
                hue=by,
                style=by,
                hue_order=order,
                style_order=order,
                palette={n: colour(n) for n in order},
                dashes={n: _dashes(n) for n in order},
                errorbar=lambda values: (values.min(), values.max()),
                err_kws={"alpha": 0.15, "lw": 0},
                legend=False,
                ax=ax,
            )
        for name, value in ((references or {}).get(metric) or {}).items():
            ax.axhline(value, color="#888888", lw=0.7, ls=":")
            ax.annotate(
                name,
                (1, value),
                (-2, 2),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                fontsize=6,
                color="#666666",
                ha="right",
            )
        if metric in logy:
            ax.set_yscale("log")
        ax.set_xlabel(label(x))
        ax.set_ylabel((ylabels or {}).get(metric, label(metric)))
        ax.grid()
        ax.set_axisbelow(True)
        if logx:
            places = sorted(frame[x].unique())
            ax.set_xscale("log")
            ax.set_xticks(places, [f"{v:g}" for v in places])
            ax.minorticks_off()
        else:
            ax.xaxis.set_major_locator(ticks(4))
    handles = [Line2D([], [], color=colour(n), ls=line(n), label=label(str(n))) for n in order]
    fit = legend_columns([h.get_label() for h in handles], width)
    fig.set_figheight(fig.get_figheight() + 0.17 * (-(-len(handles) // fit) - 1))
    fig.legend(handles=handles, loc="outside lower center", ncols=fit)
    return fig


def _term_ink(term: str) -> str:
    if term in ("jepa", "context"):
        return {"jepa": "#BBBBBB", "context": "#888888"}[term]
    ink = term_colour(term)  # that of the family of variants that it makes
    if term == "fwm_orth":  # beside its static sister
        ink = to_hex(0.5 * np.array(to_rgb(ink)) + 0.5)
    return ink


@styled
def shares(
    frame: pd.DataFrame,
    x: str = "step",
    term: str = "term",
    value: str = "value",
    names: Mapping[str, str] | None = None,
    width: float = PAGE,
) -> Figure:
    """A training loss and what each term adds to it.

    Parameters
    ----------
    frame : one row a step and term: the term's weighted value (mean over seeds if there are more).

    Left: the terms stacked up to the total. Right: their shares of the sum of absolute values.
    """
    wide = frame.pivot_table(index=x, columns=term, values=value, sort=False).sort_index()
    wide = wide.fillna(0.0)
    part = wide.abs().div(wide.abs().sum(axis=1).where(lambda s: s > 0), axis=0).fillna(0.0)
    inks = [_term_ink(str(c)) for c in wide.columns]
    texts = [(names or {}).get(c, label(str(c))) for c in wide.columns]
    fig = Figure(figsize=(width, 0.42 * width))
    left, right = fig.subplots(1, 2)
    left.stackplot(wide.index, wide.to_numpy().T, colors=inks, labels=texts, lw=0)
    left.plot(wide.index, wide.sum(axis=1), color="black", lw=0.8)
    left.set_ylabel("weighted loss")
    right.stackplot(part.index, 100 * part.to_numpy().T, colors=inks, lw=0)
    right.set_ylabel("share (%)")
    right.set_ylim(0, 100)
    for ax in (left, right):
        ax.set_xlabel(label(x))
        ax.set_xlim(wide.index.min(), wide.index.max())
        ax.xaxis.set_major_locator(ticks(4))
    fig.legend(loc="outside lower center", ncols=legend_columns(texts, width))
    return fig
