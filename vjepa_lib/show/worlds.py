"""What the worlds of a transfer task look like: a row a shift, a column a severity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from vjepa_lib.datasets import worlds
from vjepa_lib.datasets.scene import render
from vjepa_lib.show.look import PAGE


def contact_sheet(task: str, shown: Sequence[int] = (0, 3, 7), width: float = PAGE) -> Figure:
    """One clip of every world of a task, all of the same class.

    Parameters
    ----------
    task : one of `worlds.TASKS`.
    shown : frames of a clip, side by side.
    width : of the figure, in inches.
    """
    severities = (0, *worlds.SEVERITIES)
    fig = Figure(figsize=(width, width * len(worlds.SHIFTS) / len(severities) / len(shown) * 1.25))
    axes = fig.subplots(len(worlds.SHIFTS), len(severities))
    for row, shift in zip(axes, worlds.SHIFTS, strict=True):
        for ax, severity in zip(row, severities, strict=True):
            place = (shift, severity) if severity else worlds.SOURCE
            frames = render(worlds.scenes(task, place, "test", 1)[0])
            ax.imshow(np.concatenate([frames[k] for k in shown], 1), interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            if shift == worlds.SHIFTS[0]:
                ax.set_title("source" if not severity else f"severity {severity}", fontsize=8)
        row[0].set_ylabel(shift, fontsize=8)
    fig.tight_layout(pad=0.3)
    return fig
