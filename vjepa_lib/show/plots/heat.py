"""Heat map: numbers on colours."""

from __future__ import annotations

from textwrap import fill

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from vjepa_lib.show.look import COLUMN, label
from vjepa_lib.show.plots.common import EFFECTLESS, minus, styled


@styled
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
    values = table.astype(float)
    fig = Figure(figsize=(width, 0.9 + 0.19 * len(table)))
    ax = fig.subplots()
    if centre is None:
        colours = {"cmap": "cividis"}
    else:
        reach = limit or float(np.nanmax(np.abs(values - centre))) or 1.0
        colours = {"cmap": "PuOr", "vmin": centre - reach, "vmax": centre + reach}
    # Characters that fit under a column: about 14 an inch, of three quarters of the width.
    room = max(8, int(0.75 * 14 * width / len(table.columns)))
    sns.heatmap(
        values,
        annot=values.map(lambda v: minus(fmt.format(v))),
        fmt="",
        annot_kws={"fontsize": 6.5},
        cbar_kws={"label": bar_label, "fraction": 0.05, "pad": 0.02},
        xticklabels=[fill(label(str(c)), room, break_on_hyphens=False) for c in table.columns],
        yticklabels=[label(str(r)) for r in table.index],
        ax=ax,
        **colours,
    )
    cells = ax.collections[0]
    for text in ax.texts:
        column, row = (int(place) for place in text.get_position())
        r, g, b, _ = cells.cmap(cells.norm(values.iloc[row, column]))
        # Seaborn writes white on middle tones too, which reads badly at this size.
        text.set_color("white" if 0.299 * r + 0.587 * g + 0.114 * b < 0.5 else "black")
        if mark is not None and bool(mark.iloc[row, column]):
            text.set_fontweight("bold")
    ax.set_facecolor("#eeeeee")
    for row, column in np.argwhere(values.isna().to_numpy()):
        place = (column + 0.5, row + 0.5)
        ax.text(*place, "n/a", ha="center", va="center", fontsize=6, color=EFFECTLESS)
    ax.set(xlabel="", ylabel="")
    # Seaborn turns labels that it thinks too long for the width of the figure before its layout.
    ax.tick_params(length=0, labelrotation=0)
    return fig
