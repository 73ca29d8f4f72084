"""Verdicts as a picture: a line a claim, a coloured cell a verdict."""

from __future__ import annotations

import textwrap

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from vjepa_lib.audit.findings import Verdict
from vjepa_lib.show.look import PAGE
from vjepa_lib.show.plots.common import styled

# From what stands to what falls; a word always stands in the cell, so nothing rests on the colour.
COLOURS: dict[Verdict, str] = {
    Verdict.HOLDS: "#9fd3a6",
    Verdict.ONE_BASELINE: "#f3e2a0",
    Verdict.NOISE: "#e3e3e3",
    Verdict.ARTEFACT: "#f0b8a0",
    Verdict.CONTRADICTED: "#e89a94",
    Verdict.UNTESTABLE: "#ffffff",
}


@styled
def verdict_table(verdicts: pd.DataFrame, width: float = PAGE) -> Figure:
    """Claims with two verdicts: from published numbers alone, and with all that was checked.

    Parameters
    ----------
    verdicts : index of claim numbers; `claim`, `published_verdict`, `verdict`.
    """
    fig = Figure(figsize=(width, 0.36 * (len(verdicts) + 1) + 0.1))
    ax = fig.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, 1), ylim=(len(verdicts) + 0.15, -1.05))
    ax.axis("off")
    cells = {"published_verdict": 0.6, "verdict": 0.805}
    heads = {"published_verdict": "published numbers alone", "verdict": "with code and own runs"}
    for column, left in cells.items():
        ax.text(left + 0.095, -0.45, heads[column], ha="center", va="center", fontsize=7)
    ax.text(0.008, -0.45, "claim of the report", va="center", fontsize=7)
    for i, (number, line) in enumerate(verdicts.iterrows()):
        ax.axhline(i - 0.03, color="#dddddd", lw=0.5)
        claim = textwrap.fill(textwrap.shorten(line.claim, 150, placeholder=" ..."), 84)
        ax.text(0.008, i + 0.47, number, va="center", fontsize=6.5, fontweight="bold")
        ax.text(0.055, i + 0.47, claim, va="center", fontsize=5.6, linespacing=1.15)
        for column, left in cells.items():
            said = Verdict(line[column])
            ax.add_patch(
                Rectangle((left, i + 0.04), 0.19, 0.86, fc=COLOURS[said], ec="#bbbbbb", lw=0.4)
            )
            ax.text(
                left + 0.095,
                i + 0.47,
                textwrap.fill(said.value, 30),
                ha="center",
                va="center",
                fontsize=5.6,
                color="#111111",
            )
    return fig
