"""Points with intervals: results of variants, effects of a factorial."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from vjepa_lib.show.look import PAGE, colour, label, line, marker
from vjepa_lib.show.plots.common import (
    EFFECTLESS,
    appearance,
    cut_marks,
    facets,
    limits,
    panel_ticks,
    styled,
)

# Main effects, interactions of two and of more.
ORDER_COLOURS = {1: "#332288", 2: "#4477AA", 3: "#66AACC"}
ORDER_MARKERS = {1: "o", 2: "s", 3: "D"}


def _points(
    ax: Axes, dots: pd.DataFrame, colours: Mapping, markers: Mapping, size: float, width: float
) -> None:
    """Points, filled or hollow, on the lines of their intervals.

    Parameters
    ----------
    dots : name, x, y, low, high, filled.
    colours, markers : how each name looks.
    size, width : of a marker and of the line of its interval, in typographic points.
    """
    # Seaborn's own intervals are computed from a sample; these are given.
    ax.hlines(dots.y, dots.low, dots.high, dots["name"].map(colours).tolist(), lw=width, zorder=2)
    for filled, part in dots.groupby("filled"):
        sns.scatterplot(
            part,
            x="x",
            y="y",
            hue="name",
            style="name",
            palette=dict(colours),
            markers=dict(markers),
            s=size**2,
            linewidth=1,
            legend=False,
            zorder=3,
            ax=ax,
        )
        points = ax.collections[-1]
        points.set_edgecolor(points.get_facecolors())
        if not filled:
            points.set_facecolor("white")


@styled
def intervals(
    frame: pd.DataFrame,
    value: str,
    low: str = "low",
    high: str = "high",
    rows: str = "variant",
    panel: str | None = None,
    series: str | None = None,
    references: Mapping[str, Mapping[str, float]] | None = None,
    zero: bool = False,
    band: Mapping[str, float] | None = None,
    xlabel: str = "top-1 (%)",
    names: Mapping[str, str] | None = None,
    width: float = PAGE,
) -> Figure:
    """Dots with intervals, a line per row, side by side for the panels.

    Parameters
    ----------
    frame : one row a dot: `value`, `low`, `high` and the columns below.
    rows : variant of the dot; fixes its colour and its line, in order of appearance.
    panel : column that splits into panels (shared rows, own x axis).
    series : column that splits a row into several dots; the first filled, the next hollow.
    references : panel -> {name: x}; vertical lines in the colour of the name.
    zero : draw the line of no effect.
    band : panel -> half width of a grey band around 0 (e.g. of seed noise).
    names : how panels and series are written, where `look.label` is not meant.

    Intervals much wider than the scatter of the dots are cut at the frame; an arrowhead says so.
    """
    names = names or {}
    order = appearance(frame[rows])
    panels = appearance(frame[panel]) if panel else [None]
    groups = appearance(frame[series]) if series else [None]
    offsets = np.linspace(-0.2, 0.2, len(groups)) if len(groups) > 1 else [0.0]
    several = frame.groupby(rows)[series].nunique() > 1 if series else {}
    colours, markers = {n: colour(n) for n in order}, {n: marker(n) for n in order}
    height = 0.95 + (0.21 if len(groups) > 1 else 0.165) * len(order)
    fig, axes = facets(len(panels), (width, height))
    for ax, part in zip(axes, panels, strict=True):
        shown = frame if part is None else frame[frame[panel] == part]
        if band and part in band:
            ax.axvspan(-band[part], band[part], color="#e4e4e4", lw=0)
        if zero:
            ax.axvline(0, color=EFFECTLESS, lw=0.8)
        for name, x in ((references or {}).get(part) or {}).items():
            ax.axvline(x, color=colour(name), ls=line(name), lw=0.8)
        of_group = [groups.index(g) for g in shown[series]] if series else [0] * len(shown)
        moved = [
            offsets[k] if series and several[name] else 0.0
            for k, name in zip(of_group, shown[rows], strict=True)
        ]
        dots = pd.DataFrame(
            {
                "name": shown[rows],
                "x": shown[value].astype(float),
                "y": [order.index(n) + m for n, m in zip(shown[rows], moved, strict=True)],
                "low": shown[low].astype(float),
                "high": shown[high].astype(float),
                "filled": [k == 0 for k in of_group],
            }
        )
        _points(ax, dots, colours, markers, size=4, width=1)
        marks = [*((references or {}).get(part) or {}).values(), *[0.0] * zero]
        ax.set_xlim(limits([*dots.x, *marks], [*dots.low, *dots.high], least=2.0))
        cut_marks(ax, zip(dots.low, dots.high, dots.y, shown[rows].map(colour), strict=True))
        ax.set_title(names.get(part, label(part)) if part is not None else "")
        ax.set(xlabel=xlabel, ylabel="")
        ax.grid(axis="x")
        ax.set_axisbelow(True)
        ax.xaxis.set_major_locator(panel_ticks(len(panels)))
    axes[0].set_yticks(range(len(order)), [names.get(v, label(v)) for v in order])
    axes[0].set_ylim(len(order) - 0.4, -0.6)
    handles = [
        Line2D(
            [],
            [],
            color="#444444",
            marker="o",
            ls="",
            mfc="#444444" if k == 0 else "white",
            label=names.get(g, label(g)),
        )
        for k, g in enumerate(groups)
        if g is not None
    ]
    shown_references = {n for r in (references or {}).values() for n in r}
    handles += [
        Line2D([], [], color=colour(n), ls=line(n), lw=0.8, label=names.get(n, label(n)))
        for n in sorted(shown_references)
    ]
    if handles:
        fig.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 4))
    return fig


@styled
def effects(
    table: pd.DataFrame,
    panel: str | None = None,
    xlabel: str = "effect (points)",
    names: Mapping[str, str] | None = None,
    width: float = PAGE,
) -> Figure:
    """Main effects and interactions of a factorial with their intervals.

    Parameters
    ----------
    table : rows of `statistics.factorial_effects` (effect, order, estimate, low, high); with a
        `panel` column, one set of rows per panel. Dark: main effects; lighter: interactions.
        Hollow: the interval holds 0.
    names : how factors are written.
    """
    names = names or {}
    order = appearance(table["effect"])
    panels = appearance(table[panel]) if panel else [None]
    fig, axes = facets(len(panels), (width, 0.75 + 0.18 * len(order)))
    for ax, part in zip(axes, panels, strict=True):
        ax.axvline(0, color=EFFECTLESS, lw=0.8)
        shown = table if part is None else table[table[panel] == part]
        dots = pd.DataFrame(
            {
                "name": shown["order"].clip(upper=3),
                "x": shown["estimate"],
                "y": shown["effect"].map(order.index).astype(float),
                "low": shown["low"],
                "high": shown["high"],
                "filled": (shown["low"] > 0) | (shown["high"] < 0),
            }
        )
        _points(ax, dots, ORDER_COLOURS, ORDER_MARKERS, size=4.5, width=1.4)
        ax.set_title(names.get(part, label(str(part))) if part is not None else "")
        ax.set(xlabel=xlabel, ylabel="")
        ax.grid(axis="x")
        ax.set_axisbelow(True)
        ax.xaxis.set_major_locator(panel_ticks(len(panels)))
    texts = [" × ".join(names.get(f, label(f)) for f in e.split(":")) for e in order]
    axes[0].set_yticks(range(len(order)), texts)
    axes[0].set_ylim(len(order) - 0.4, -0.6)
    return fig
