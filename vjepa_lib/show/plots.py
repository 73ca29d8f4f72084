"""The kinds of plot: intervals, heat map, trade-off, effects, curves, loss shares, clips.

Each function takes a table (or frames), draws on a new figure and returns it; `Gallery.figure`
saves it. Nothing is computed here that a reader would want to check.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm, to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from vjepa_lib.errors import ShapeError
from vjepa_lib.show.look import COLUMN, FAMILIES, PAGE, colour, label, line, marker, style
from vjepa_lib.show.look import ink as text_colour


def _styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw under the common settings."""

    @wraps(draw)
    def inner(*args, **kwargs) -> Figure:
        with style():
            return draw(*args, **kwargs)

    return inner


def _ticks(n: int = 5) -> MaxNLocator:
    return MaxNLocator(n, steps=[1, 2, 2.5, 5, 10])


def _panel_ticks(panels: int) -> MaxNLocator:
    """Fewer ticks, the more panels stand side by side."""
    return _ticks(5 if panels < 5 else 3 if panels < 7 else 2)


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")


def _columns(texts: Sequence[str], width: float) -> int:
    """Columns of a legend of these texts that fit a figure `width` inches wide."""
    letters = max((len(t) for t in texts), default=1) + 6  # 6 for the line and the gaps
    return max(1, min(len(texts), 5, int(14 * width / letters)))


def _order(values: pd.Series) -> list:
    return list(dict.fromkeys(values))


def _look(name: str, filled: bool = True) -> dict:
    return {
        "color": colour(name),
        "marker": marker(name),
        "markerfacecolor": colour(name) if filled else "white",
    }


def _frame(values: Sequence[float], ends: Sequence[float], least: float) -> tuple[float, float]:
    """Limits of an axis: all values, and of interval ends what lies near them.

    Two seeds leave intervals ten times as wide as all effects together; they are cut.
    """
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    ends = np.asarray(ends, float)
    ends = ends[np.isfinite(ends)]
    if not len(values):
        return 0.0, 1.0
    low, high = values.min(), values.max()
    room = max(0.6 * (high - low), least)
    inner = np.concatenate([ends[(ends > low - room) & (ends < high + room)], values])
    cut = len(ends) and (ends.min() < low - room or ends.max() > high + room)
    low, high = (low - room, high + room) if cut else (inner.min(), inner.max())
    pad = 0.05 * (high - low) or least
    return low - pad, high + pad


def _cut_marks(ax: Axes, spans: Sequence[tuple[float, float, float, str]]) -> None:
    """Arrowheads on the frame where an interval (low, high, y, colour) goes on beyond it."""
    left, right = ax.get_xlim()
    for low, high, y, ink in spans:
        for beyond, x, mark in ((low < left, left, "<"), (high > right, right, ">")):
            if beyond:
                ax.plot(x, y, mark, ms=3, color=ink, clip_on=False)


@_styled
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
    order = _order(frame[rows])
    panels = _order(frame[panel]) if panel else [None]
    groups = _order(frame[series]) if series else [None]
    offsets = np.linspace(-0.2, 0.2, len(groups)) if len(groups) > 1 else [0.0]
    several = frame.groupby(rows)[series].nunique() > 1 if series else {}
    fig = Figure(figsize=(width, 0.95 + (0.21 if len(groups) > 1 else 0.165) * len(order)))
    axes = fig.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for ax, part in zip(axes, panels, strict=True):
        shown = frame if part is None else frame[frame[panel] == part]
        if band and part in band:
            ax.axvspan(-band[part], band[part], color="#e4e4e4", lw=0)
        if zero:
            ax.axvline(0, color="#888888", lw=0.8)
        for name, x in ((references or {}).get(part) or {}).items():
            ax.axvline(x, color=colour(name), ls=line(name), lw=0.8)
        spans, marks = [], list(((references or {}).get(part) or {}).values()) + [0.0] * zero
        for k, (group, shift) in enumerate(zip(groups, offsets, strict=True)):
            dots = shown if group is None else shown[shown[series] == group]
            for _, dot in dots.iterrows():
                y, look = order.index(dot[rows]), _look(dot[rows], k == 0)
                y += shift if series and several[dot[rows]] else 0
                ax.plot([dot[low], dot[high]], [y, y], color=look["color"], lw=1)
                ax.plot(dot[value], y, ls="", ms=4, **look)
                spans.append((dot[low], dot[high], y, look["color"]))
        ends = [e for a, b, _, _ in spans for e in (a, b)]
        ax.set_xlim(_frame([*shown[value], *marks], ends, least=2.0))
        _cut_marks(ax, spans)
        ax.set_title(names.get(part, label(part)) if part is not None else "")
        ax.set_xlabel(xlabel)
        ax.grid(axis="x")
        ax.set_axisbelow(True)
        ax.xaxis.set_major_locator(_panel_ticks(len(panels)))
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


@_styled
def heatmap(
    table: pd.DataFrame,
    centre: float | None = 0.0,
    fmt: str = "{:+.1f}",
    mark: pd.DataFrame | None = None,
    bar_label: str = "",
    width: float = COLUMN,
    limit: float | None = None,
) -> Figure:
    """Numbers on colours: rows x columns.

    Parameters
    ----------
    table : [rows, columns] of numbers; NaN stays grey and empty.
    centre : value drawn white (diverging colours), or None for one-sided colours.
    mark : same shape, bool: bold where true.
    limit : largest distance from the centre the colours show; None for the largest there is.
    """
    values = table.to_numpy(float)
    fig = Figure(figsize=(width, 0.9 + 0.19 * len(table)))
    ax = fig.subplots()
    if centre is None:
        image = ax.imshow(np.ma.masked_invalid(values), cmap="cividis", aspect="auto")
    else:
        reach = limit or float(np.nanmax(np.abs(values - centre))) or 1.0
        norm = TwoSlopeNorm(centre, centre - reach, centre + reach)
        image = ax.imshow(np.ma.masked_invalid(values), cmap="PuOr", norm=norm, aspect="auto")
    ax.set_facecolor("#eeeeee")
    for (i, j), v in np.ndenumerate(values):
        if np.isnan(v):
            ax.text(j, i, "n/a", ha="center", va="center", fontsize=6, color="#888888")
            continue
        r, g, b, _ = image.cmap(image.norm(v))
        dark = 0.299 * r + 0.587 * g + 0.114 * b < 0.5
        bold = mark is not None and bool(mark.iloc[i, j])
        ax.text(
            j,
            i,
            _minus(fmt.format(v)),
            ha="center",
            va="center",
            fontsize=6.5,
            color="white" if dark else "black",
            fontweight="bold" if bold else "normal",
        )
    ax.set_xticks(range(table.shape[1]), [label(str(c)) for c in table.columns])
    ax.set_yticks(range(table.shape[0]), [label(str(r)) for r in table.index])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    fig.colorbar(image, ax=ax, label=bar_label, fraction=0.05, pad=0.02).outline.set_visible(False)
    return fig


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
    for (x, y), text, ink in zip(pixels, texts, inks, strict=True):
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
            color=ink,
            path_effects=[withStroke(linewidth=1.6, foreground="white")],
        )


@_styled
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
        ink, px, py = colour(dot[rows]), dot[x], dot[y]
        own = [(dot[xerr[0]], py, dot[xerr[1]], py)] if xerr else []
        own += [(px, dot[yerr[0]], px, dot[yerr[1]])] if yerr else []
        for x0, y0, x1, y1 in own:
            ax.plot([x0, x1], [y0, y1], color=ink, lw=0.7, alpha=0.6)
        ax.plot(px, py, ls="", ms=5, **_look(dot[rows]))
        bars += own
    ends = np.array(bars, float).reshape(-1, 4)
    x0, x1 = _frame(shown[x], ends[:, [0, 2]].ravel(), least=2.0)
    y0, y1 = _frame(shown[y], ends[:, [1, 3]].ravel(), least=2.0)
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
        [text_colour(v) for v in shown[rows]],
        np.array(bars).reshape(-1, 4),
    )
    return fig


@_styled
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
    order = _order(table["effect"])
    panels = _order(table[panel]) if panel else [None]
    fig = Figure(figsize=(width, 0.75 + 0.18 * len(order)))
    axes = fig.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    inks = ("#332288", "#4477AA", "#66AACC")
    for ax, part in zip(axes, panels, strict=True):
        ax.axvline(0, color="#888888", lw=0.8)
        for _, row in (table if part is None else table[table[panel] == part]).iterrows():
            y, ink = order.index(row["effect"]), inks[min(int(row["order"]), 3) - 1]
            ax.plot([row["low"], row["high"]], [y, y], color=ink, lw=1.4)
            clear = row["low"] > 0 or row["high"] < 0
            ax.plot(
                row["estimate"],
                y,
                "osD"[min(int(row["order"]), 3) - 1],
                ms=4.5,
                color=ink,
                mfc=ink if clear else "white",
            )
        ax.set_title(names.get(part, label(str(part))) if part is not None else "")
        ax.set_xlabel(xlabel)
        ax.grid(axis="x")
        ax.set_axisbelow(True)
        ax.xaxis.set_major_locator(_panel_ticks(len(panels)))
    texts = [" × ".join(names.get(f, label(f)) for f in e.split(":")) for e in order]
    axes[0].set_yticks(range(len(order)), texts)
    axes[0].set_ylim(len(order) - 0.4, -0.6)
    return fig


@_styled
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
    fig = Figure(figsize=(width, 0.5 + n_rows * 0.72 * width / columns))
    axes = fig.subplots(n_rows, columns, squeeze=False)
    order = _order(frame[by])
    for ax in axes.flat[len(metrics) :]:
        ax.set_visible(False)
    for ax, metric in zip(axes.flat, metrics, strict=False):
        for name in order:
            part = frame[frame[by] == name].dropna(subset=[metric])
            if part.empty:
                continue
            over = part.groupby(x)[metric].agg(["mean", "min", "max"])
            ax.plot(over.index, over["mean"], color=colour(name), ls=line(name))
            if part[seed].nunique() > 1:
                ax.fill_between(
                    over.index, over["min"], over["max"], color=colour(name), alpha=0.15, lw=0
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
            ax.xaxis.set_major_locator(_ticks(4))
    handles = [Line2D([], [], color=colour(n), ls=line(n), label=label(str(n))) for n in order]
    fit = _columns([h.get_label() for h in handles], width)
    fig.set_figheight(fig.get_figheight() + 0.17 * (-(-len(handles) // fit) - 1))
    fig.legend(handles=handles, loc="outside lower center", ncols=fit)
    return fig


# A term has the colour of the family of variants that it makes.
_TERM_FAMILY = {
    "hw": "hw",
    "ld": "ld",
    "fwm_static": "fwm",
    "fwm_orth": "fwm",
    "delta": "temporal",
    "spectral": "temporal",
    "ac": "action",
    "ltc": "contrast",
    "iic": "contrast",
    "vclr": "contrast",
    "kinematic": "kinematic",
    "velgate": "dynamics",
    "hamiltonian": "dynamics",
    "sigreg": "dynamics",
}


def _term_ink(term: str) -> str:
    if term in ("jepa", "context"):
        return {"jepa": "#BBBBBB", "context": "#888888"}[term]
    ink = FAMILIES[_TERM_FAMILY.get(term, "other")]
    if term == "fwm_orth":  # beside its static sister
        ink = to_hex(0.5 * np.array(to_rgb(ink)) + 0.5)
    return ink


@_styled
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
        ax.xaxis.set_major_locator(_ticks(4))
    fig.legend(loc="outside lower center", ncols=_columns(texts, width))
    return fig


@_styled
def clips(
    rows: Sequence[tuple[str, np.ndarray, np.ndarray | None]],
    every: int = 1,
    tubelet: int = 2,
    mask_colour: str = "#EE7733",
    opacity: float = 0.65,
    width: float = PAGE,
) -> Figure:
    """Clips frame by frame, with masks laid over them.

    Parameters
    ----------
    rows : (title, frames [F, H, W, 3] uint8 or 0..1, mask [T, h, w] or None). A bool mask tints
        its tokens; a float one (e.g. a motion map, 0..1) tints them by its value. Frame f belongs
        to time step f // tubelet; a mask [h, w] holds for all of them.
    every : show each n-th frame.

    Raises
    ------
    ShapeError : frames or mask of another shape.
    """
    shown = []
    for title, frames, mask in rows:
        frames = np.asarray(frames)
        if frames.ndim != 4 or frames.shape[-1] != 3:
            raise ShapeError(f"Frames of {title!r} have shape {frames.shape}; give [F, H, W, 3].")
        scale = 255.0 if frames.dtype == np.uint8 else 1.0
        frames = np.clip(frames.astype(float) / scale, 0, 1)
        if mask is not None:
            f, h, w = frames.shape[:3]
            mask = np.asarray(mask, float)
            mask = np.broadcast_to(mask, (-(-f // tubelet), *mask.shape[-2:]))
            if h % mask.shape[1] or w % mask.shape[2]:
                raise ShapeError(
                    f"Mask of {title!r} has {mask.shape[1]} x {mask.shape[2]} tokens, which do not "
                    f"divide frames of {h} x {w} pixels."
                )
            mask = mask.repeat(h // mask.shape[1], 1).repeat(w // mask.shape[2], 2)
            cover = opacity * mask[np.arange(f) // tubelet][..., None]  # [F, H, W, 1]
            frames = frames * (1 - cover) + cover * np.array(to_rgb(mask_colour))
        shown.append((title, frames[::every]))
    n = max(len(f) for _, f in shown)
    _, h, w, _ = shown[0][1].shape
    fig = Figure(figsize=(width, (width - 0.9) / n * h / w * len(shown) + 0.3))
    axes = fig.subplots(len(shown), n, squeeze=False)
    for line_axes, (title, frames) in zip(axes, shown, strict=True):
        for k, ax in enumerate(line_axes):
            ax.set_xticks([])
            ax.set_yticks([])
            ax.spines[:].set_visible(False)
            if k < len(frames):
                ax.imshow(frames[k], interpolation="nearest")
        line_axes[0].set_ylabel(title, rotation=0, ha="right", va="center", fontsize=7)
    for k, ax in enumerate(axes[0]):
        ax.set_title(f"{k * every}", fontsize=6)
    return fig
