"""One benchmark against another, a labelled point per variant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from vjepa_lib.show.look import COLUMN, PAGE, colour, ink, label, line, marker
from vjepa_lib.show.plots.common import limits, styled

_SIDES = tuple(
    (dx, dy, ha, va)
    for dx, ha in ((0.75, "left"), (-0.75, "right"))
    for dy, va in ((0.75, "bottom"), (-0.75, "top"))
) + (
    (1.0, 0.0, "left", "center"),
    (-1.0, 0.0, "right", "center"),
    (0.0, 1.0, "center", "bottom"),
    (0.0, -1.0, "center", "top"),
)


def _place_labels(
    ax: Axes, points: np.ndarray, texts: Sequence[str], inks: Sequence[str], bars: np.ndarray
) -> None:
    """Write a text beside each point, on the side where it covers least.

    Parameters
    ----------
    points : [n, 2]; bars : [m, 4] line segments (x0, y0, x1, y1) to keep off; all in data units.
    """
    fig, size = ax.figure, 6.5
    fig.draw_without_rendering()
    unit = fig.dpi / 72
    frame = ax.get_window_extent()
    pixels = ax.transData.transform(points)
    ends = ax.transData.transform(bars.reshape(-1, 2)).reshape(-1, 4)
    thin = 1.0 * unit
    lines = np.stack(
        [
            np.minimum(ends[:, 0], ends[:, 2]) - thin,
            np.minimum(ends[:, 1], ends[:, 3]) - thin,
            np.maximum(ends[:, 0], ends[:, 2]) + thin,
            np.maximum(ends[:, 1], ends[:, 3]) + thin,
        ],
        axis=1,
    )
    solid = np.hstack([pixels - 4 * unit, pixels + 4 * unit])

    def overlap(box: np.ndarray, others: np.ndarray) -> float:
        w = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0])
        h = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1])
        return float((w.clip(0) * h.clip(0)).sum())

    inside = np.array([[frame.x0, frame.y0, frame.x1, frame.y1]])
    for (x, y), text, colour_of_text in zip(pixels, texts, inks, strict=True):
        w, h = 0.62 * size * len(text) * unit, 1.15 * size * unit
        best = None
        for gap in (5, 9, 14):
            for dx, dy, ha, va in _SIDES:
                px, py = x + dx * gap * unit, y + dy * gap * unit
                x0 = {"left": px, "right": px - w, "center": px - w / 2}[ha]
                y0 = {"bottom": py, "top": py - h, "center": py - h / 2}[va]
                box = np.array([x0, y0, x0 + w, y0 + h])
                out = w * h - overlap(box, inside)
                cost = 3 * out + 2 * overlap(box, solid) + overlap(box, lines) + gap * unit**2
                if best is None or cost < best[0]:
                    best = (cost, box, (dx * gap, dy * gap), ha, va)
        solid = np.vstack([solid, best[1]])
        ax.annotate(
            text,
            ax.transData.inverted().transform((x, y)),
            best[2],
            textcoords="offset points",
            ha=best[3],
            va=best[4],
            fontsize=size,
            color=colour_of_text,
            path_effects=[withStroke(linewidth=1.6, foreground="white")],
        )


@styled
def tradeoff(
    frame: pd.DataFrame,
    x: str,
    y: str,
    rows: str = "variant",
    xerr: tuple[str, str] | None = None,
    yerr: tuple[str, str] | None = None,
    xlabel: str = "",
    ylabel: str = "",
    references: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
    width: float = COLUMN,
) -> Figure:
    """One benchmark against another, a dot per variant, named beside the dot.

    Parameters
    ----------
    xerr, yerr : names of the columns with the ends of the intervals.
    references : variants (baselines) through which cross lines are drawn.
    names : how variants are written, where `look.label` is not meant.
    """
    fig = Figure(figsize=(width, 0.82 * width))
    ax = fig.subplots()
    ax.margins(0.1)
    shown, bars = frame.dropna(subset=[x, y]), []
    for _, dot in shown.iterrows():
        own = [(dot[xerr[0]], dot[y], dot[xerr[1]], dot[y])] if xerr else []
        own += [(dot[x], dot[yerr[0]], dot[x], dot[yerr[1]])] if yerr else []
        for x0, y0, x1, y1 in own:
            ax.plot([x0, x1], [y0, y1], color=colour(dot[rows]), lw=0.7, alpha=0.6)
        bars += own
    variants = list(dict.fromkeys(shown[rows]))
    sns.scatterplot(
        shown,
        x=x,
        y=y,
        hue=rows,
        style=rows,
        palette={v: colour(v) for v in variants},
        markers={v: marker(v) for v in variants},
        s=30,
        linewidth=0,
        legend=False,
        zorder=2.1,
        ax=ax,
    )
    ends = np.array(bars, float).reshape(-1, 4)
    x0, x1 = limits(shown[x], ends[:, [0, 2]].ravel(), least=2.0)
    y0, y1 = limits(shown[y], ends[:, [1, 3]].ravel(), least=2.0)
    for _, dot in shown[shown[rows].isin(references)].iterrows():
        look = {"color": colour(dot[rows]), "ls": line(dot[rows]), "lw": 0.6, "zorder": 0}
        ax.axvline(dot[x], **look)
        ax.axhline(dot[y], **look)
        bars += [(dot[x], y0, dot[x], y1), (x0, dot[y], x1, dot[y])]
    ax.set_xlim(x0, x1)
    ax.set_ylim(y0, y1)
    ax.set_xlabel(xlabel or label(x))
    ax.set_ylabel(ylabel or label(y))
    _place_labels(
        ax,
        shown[[x, y]].to_numpy(float),
        [(names or {}).get(v, label(v)) for v in shown[rows]],
        [ink(v) for v in shown[rows]],
        np.array(bars).reshape(-1, 4),
    )
    return fig


@styled
def cloud(
    means: pd.DataFrame,
    x: str,
    y: str,
    name: str,
    single: pd.DataFrame,
    rows: str = "variant",
    marks: Mapping[str, float] | None = None,
    xlabel: str = "",
    ylabel: str = "",
    width: float = PAGE,
) -> Figure:
    """Means of groups as named dots over the single runs they are made of.

    Parameters
    ----------
    means : a row a group: `x`, `y`, `rows` (fixes colour and marker) and `name`, written beside it;
        a legend tells the rows apart where one has several groups.
    single : the runs, with `x`, `y` and `rows`; drawn faint.
    marks : text -> place on the x axis; vertical lines, written beside them.
    """
    fig = Figure(figsize=(width, 0.55 * width))
    ax = fig.subplots()
    variants = list(dict.fromkeys(means[rows]))
    look = {
        "x": x,
        "y": y,
        "hue": rows,
        "style": rows,
        "hue_order": variants,
        "style_order": variants,
        "palette": {v: colour(v) for v in variants},
        "markers": {v: marker(v) for v in variants},
        "linewidth": 0,
        "ax": ax,
    }
    sns.scatterplot(single[single[rows].isin(variants)], s=8, alpha=0.35, legend=False, **look)
    sns.scatterplot(means, s=34, zorder=2.1, **look)
    places = list((marks or {}).values())
    ax.set_xlim(*limits([*single[x], *means[x], *places], [], least=1.0))
    ax.set_ylim(*limits([*single[y], *means[y]], [], least=2.0))
    low, high = ax.get_ylim()
    for text, place in (marks or {}).items():
        ax.axvline(place, color="#777777", lw=0.8, ls=":", zorder=0)
        ax.annotate(
            text,
            (place, high),
            (-3, -3),
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=6.5,
        )
    ax.set(xlabel=xlabel or label(x), ylabel=ylabel or label(y))
    handles, found = ax.get_legend_handles_labels()
    ax.get_legend().remove()
    if means[rows].duplicated().any():
        names = [label(v) for v in found]
        fig.legend(handles, names, loc="outside lower center", ncols=min(len(found), 4))
    _place_labels(
        ax,
        means[[x, y]].to_numpy(float),
        list(means[name]),
        [ink(v) for v in means[rows]],
        np.array([(p, low, p, high) for p in places], float).reshape(-1, 4),
    )
    return fig
