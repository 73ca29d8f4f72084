"""Figures and tables: one look, one place where they are saved, one list of what was made.

`save_figure` and `save_table` write a result in every format beside the data behind it, and note in
`index.json` which notebook, runs and commit it came from. The report page reads that list.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
import torch
from filelock import FileLock
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from vjepa_lib.errors import DataError
from vjepa_lib.grid import Grid
from vjepa_lib.provenance import provenance

COLUMN, PAGE = 3.4, 7.0  # inches: one column, two columns

# Okabe and Ito's colour-blind safe palette, one colour per family of variants.
FAMILY_COLOURS = {
    "baseline": "#000000",
    "random": "#999999",
    "hw": "#E69F00",
    "ld": "#56B4E9",
    "fwm": "#009E73",
    "masking": "#F0E442",
    "temporal": "#0072B2",
    "contrast": "#D55E00",
    "action": "#CC79A7",
    "kinematic": "#7F4F24",
    "dynamics": "#5C4D9A",
}
_PUBLISHED_NAMES = {"baseline_seed42": "baseline", "kinematic_huber": "kinematic"}


def family(variant: str) -> str:
    """Family of a variant, published or of this study, for its colour."""
    from vjepa_lib.study import VARIANTS

    variant = _PUBLISHED_NAMES.get(variant, variant)
    if variant == "random_init":
        return "random"
    return VARIANTS[variant].family if variant in VARIANTS else "baseline"


def colour(variant: str) -> str:
    """The variant's colour, the same in every figure."""
    return FAMILY_COLOURS[family(variant)]


def style() -> None:
    """Set the look of all figures; SVG output is the same bytes for the same figure."""
    sns.set_theme(context="paper", style="ticks", palette=list(FAMILY_COLOURS.values()))
    mpl.rcParams.update(
        {
            "figure.dpi": 110,
            "savefig.dpi": 220,
            "savefig.bbox": "tight",
            "font.size": 8,
            "axes.titlesize": 8,
            "axes.labelsize": 8,
            "xtick.labelsize": 7,
            "ytick.labelsize": 7,
            "legend.fontsize": 7,
            "legend.frameon": False,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "svg.hashsalt": "vjepa_lib",
            "svg.fonttype": "none",
        }
    )


# --- saving -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Output:
    """Where a notebook's figures and tables go.

    Attributes
    ----------
    folder : figures folder.
    notebook : number and name of the notebook, for the report.
    profile : 'published' for facts of the literature, else the profile of the runs.
    """

    folder: Path
    notebook: str
    profile: str = "published"

    def _note(self, name: str, kind: str, title: str, files: Sequence[str], runs: Iterable[str]):
        entry = {
            "name": name,
            "kind": kind,
            "title": title,
            "notebook": self.notebook,
            "profile": self.profile,
            "files": list(files),
            "runs": sorted(set(runs)),
            "commit": provenance()["commit"],
            "date": provenance()["date"],
        }
        path = self.folder / "index.json"
        with FileLock(self.folder / ".index.lock"):  # notebooks run side by side
            entries = json.loads(path.read_text()) if path.exists() else []
            entries = [e for e in entries if e["name"] != name] + [entry]
            entries.sort(key=lambda e: e["name"])
            path.write_text(json.dumps(entries, indent=1))

    def _write(self, write, path: Path) -> str:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path)
        except OSError as error:
            raise DataError(
                f"The figure file {path} cannot be written ({error.strerror or error}): free some "
                f"space or choose another folder."
            ) from error
        return path.name

    def figure(
        self,
        fig: Figure,
        name: str,
        title: str,
        data: pd.DataFrame | None = None,
        runs: Iterable[str] = (),
    ) -> Figure:
        """Write a figure as PNG and SVG with the data behind it as CSV."""
        base = self.folder / name
        files = [
            self._write(lambda p: fig.savefig(p), base.with_suffix(".png")),
            self._write(lambda p: fig.savefig(p, metadata={"Date": None}), base.with_suffix(".svg")),
        ]
        if data is not None:
            files.append(self._write(lambda p: data.to_csv(p, index=False), base.with_suffix(".csv")))
        self._note(name, "figure", title, files, runs)
        return fig

    def table(
        self,
        table: pd.DataFrame,
        name: str,
        title: str,
        runs: Iterable[str] = (),
        digits: int = 2,
    ) -> pd.DataFrame:
        """Write a table as CSV (full precision), Markdown and LaTeX."""
        base = self.folder / name
        shown = table.round(digits)
        files = [
            self._write(lambda p: table.to_csv(p, index=False), base.with_suffix(".csv")),
            self._write(
                lambda p: p.write_text(shown.to_markdown(index=False) + "\n"),
                base.with_suffix(".md"),
            ),
            self._write(lambda p: p.write_text(latex(shown, title)), base.with_suffix(".tex")),
        ]
        self._note(name, "table", title, files, runs)
        return shown


def latex(table: pd.DataFrame, caption: str) -> str:
    """A booktabs table; special characters escaped."""

    def cell(value: object) -> str:
        text = f"{value:g}" if isinstance(value, float) else str(value)
        for char in "&%_#$":
            text = text.replace(char, "\\" + char)
        return text

    align = "".join("r" if pd.api.types.is_numeric_dtype(t) else "l" for t in table.dtypes)
    lines = [" & ".join(cell(v) for v in row) + r" \\" for row in table.itertuples(index=False)]
    head = " & ".join(cell(c) for c in table.columns) + r" \\"
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{cell(caption)}}}",
            rf"\begin{{tabular}}{{{align}}}",
            r"\toprule",
            head,
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


# --- plots ------------------------------------------------------------------------------------


def intervals(
    ax: Axes,
    table: pd.DataFrame,
    label: str,
    value: str = "mean",
    low: str = "low",
    high: str = "high",
    colours: Sequence[str] | None = None,
    zero: bool = False,
) -> Axes:
    """Dots with horizontal interval bars, a row per table row; missing bounds show the dot alone."""
    y = np.arange(len(table))[::-1]
    colours = colours or [colour("baseline")] * len(table)
    for place, row, c in zip(y, table.to_dict("records"), colours, strict=True):
        if np.isfinite(row[low]) and np.isfinite(row[high]):
            ax.plot([row[low], row[high]], [place, place], color=c, lw=1.4, solid_capstyle="butt")
        ax.plot(row[value], place, "o", color=c, ms=3.5)
    if zero:
        ax.axvline(0, color="0.6", lw=0.8, zorder=0)
    ax.set_yticks(y, table[label])
    ax.set_ylim(-0.7, len(table) - 0.3)
    ax.grid(axis="x", color="0.92", lw=0.6)
    ax.set_axisbelow(True)
    return ax


def heat_map(ax: Axes, wide: pd.DataFrame, title: str = "", span: float | None = None) -> Axes:
    """Differences in points, centred on 0, each number written in its cell."""
    span = span or float(np.nanmax(np.abs(wide.to_numpy(float))))
    sns.heatmap(
        wide,
        ax=ax,
        cmap="PuOr",
        center=0,
        vmin=-span,
        vmax=span,
        annot=True,
        fmt="+.1f",
        annot_kws={"size": 6.5},
        linewidths=0.4,
        cbar_kws={"label": "points", "shrink": 0.7},
    )
    ax.set(title=title, xlabel="", ylabel="")
    ax.tick_params(length=0)
    return ax


def film(ax: Axes, clip: Tensor | np.ndarray, title: str = "", every: int = 1) -> Axes:
    """Frames of a clip, uint8 [F, H, W, 3], side by side."""
    frames = np.asarray(clip)[::every]
    gap = np.full((frames.shape[1], 1, 3), 255, np.uint8)
    strip = np.concatenate([part for f in frames for part in (f, gap)][:-1], 1)
    ax.imshow(strip, interpolation="nearest")
    ax.set_axis_off()
    ax.set_title(title, loc="left", pad=2)
    return ax


def mask_film(
    ax: Axes, clip: Tensor | np.ndarray, index: Tensor, grid: Grid, title: str = ""
) -> Axes:
    """A clip with everything but the given tokens [K] greyed out; one frame per time step."""
    keep = torch.zeros(grid.n, dtype=torch.bool)
    keep[index] = True
    shown = keep.view(grid.shape).numpy().repeat(grid.patch, 1).repeat(grid.patch, 2)
    frames = np.asarray(clip)[:: grid.tubelet].copy()
    frames[~shown] = (0.25 * frames[~shown] + 0.75 * 235).astype(np.uint8)
    return film(ax, frames, title)


def effects(ax: Axes, table: pd.DataFrame, title: str = "") -> Axes:
    """Main effects and interactions with their intervals."""
    shades = {1: "#000000", 2: "#0072B2", 3: "#D55E00"}
    table = table.assign(name=table.effect.str.replace(":", " × ").str.upper())
    intervals(ax, table, "name", "estimate", colours=[shades[o] for o in table.order], zero=True)
    ax.set_title(title, loc="left")
    return ax


def new(width: float = COLUMN, height: float = 2.4, rows: int = 1, columns: int = 1, **kw):
    """A figure and its axes at column or page width."""
    return plt.subplots(rows, columns, figsize=(width, height), layout="constrained", **kw)
