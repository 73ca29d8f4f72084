"""What the plots share: facets, ticks, limits that cut long intervals, order, legends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vjepa_lib.show.look import style

EFFECTLESS = "#888888"  # the line of no effect, of chance


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw under the common settings."""

    @wraps(draw)
    def inner(*args, **kwargs) -> Figure:
        with style():
            return draw(*args, **kwargs)

    return inner


class _Panels(sns.FacetGrid):
    """Facets that are laid out once, when they are drawn; seaborn does it while they are empty."""

    def tight_layout(self, *args, **kwargs):
        return self


def facets(
    count: int, size: tuple[float, float], columns: int | None = None, sharey: bool = True
) -> tuple[Figure, list[Axes]]:
    """An empty figure of `count` panels, `size` in inches, each with an x axis of its own.

    Parameters
    ----------
    columns : panels side by side; None for all of them.
    sharey : one y axis for all panels of a row.
    """
    with mpl.rc_context({"figure.constrained_layout.use": False}):  # seaborn begins with its own
        grid = _Panels(
            pd.DataFrame({"panel": range(count)}),
            col="panel",
            col_wrap=columns if columns and columns < count else None,
            sharex=False,
            sharey=sharey,
            despine=False,
        )
    # Seaborn makes its figure through pyplot, which a notebook would show a second time.
    plt.close(grid.figure)
    grid.figure.set_layout_engine("constrained")
    grid.figure.set_size_inches(*size)
    for ax in grid.axes.flat:
        ax.set_title("")
    return grid.figure, list(grid.axes.flat)


def ticks(n: int = 5) -> MaxNLocator:
    """About n round numbers."""
    return MaxNLocator(n, steps=[1, 2, 2.5, 5, 10])


def panel_ticks(panels: int) -> MaxNLocator:
    """Fewer ticks, the more panels stand side by side."""
    return ticks(5 if panels < 5 else 3 if panels < 7 else 2)


def minus(text: str) -> str:
    """With the minus sign instead of the hyphen."""
    return text.replace("-", "\N{MINUS SIGN}")


def legend_columns(texts: Sequence[str], width: float) -> int:
    """Columns of a legend of these texts that fit a figure `width` inches wide."""
    letters = max((len(t) for t in texts), default=1) + 6  # 6 for the line and the gaps
    return max(1, min(len(texts), 5, int(14 * width / letters)))


def appearance(values: pd.Series) -> list:
    """Different values in order of appearance."""
    return list(dict.fromkeys(values))


def limits(values: Sequence[float], ends: Sequence[float], least: float) -> tuple[float, float]:
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


def cut_marks(ax: Axes, spans: Iterable[tuple[float, float, float, str]]) -> None:
    """Arrowheads on the frame where an interval (low, high, y, colour) goes on beyond it."""
    left, right = ax.get_xlim()
    for low, high, y, ink in spans:
        for beyond, x, mark in ((low < left, left, "<"), (high > right, right, ">")):
            if beyond:
                ax.plot(x, y, mark, ms=3, color=ink, clip_on=False)
