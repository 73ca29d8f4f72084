"""The kinds of plot: intervals, heat map, trade-off, effects, curves, loss shares, clips.

Each function takes a table (or frames), draws on a new figure and returns it; `Gallery.figure`
saves it. Nothing is computed here that a reader would want to check. Seaborn draws what it has a
plot for: points with intervals, lines with bands, heat maps, scatter, facets. Stacked loss shares,
frames under masks, tables of verdicts and the placing of labels are our own.
"""

from vjepa_lib.show.look import COLUMN, PAGE, colour, label, line, marker
from vjepa_lib.show.plots.frames import clips
from vjepa_lib.show.plots.heat import heatmap
from vjepa_lib.show.plots.points import effects, intervals
from vjepa_lib.show.plots.scatter import cloud, tradeoff
from vjepa_lib.show.plots.time import curves, shares
from vjepa_lib.show.plots.verdict_table import verdict_table

__all__ = [
    "COLUMN",
    "PAGE",
    "clips",
    "cloud",
    "colour",
    "curves",
    "effects",
    "heatmap",
    "intervals",
    "label",
    "line",
    "marker",
    "shares",
    "tradeoff",
    "verdict_table",
]
