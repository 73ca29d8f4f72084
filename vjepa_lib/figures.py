"""How results look and how they are kept: colours, sizes, and one helper that saves everything.

A `Gallery` belongs to one notebook. `Gallery.figure` writes PNG and SVG with the numbers behind
them as CSV, `Gallery.table` writes CSV, Markdown and LaTeX, and both leave a small JSON file that
says which notebook, runs and commit the artefact comes from. `figures/index.json` lists them all;
the report is built from it. The kinds of plot are in `plots.py`.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from tabulate import tabulate

from vjepa_lib.errors import ConfigError, DataError
from vjepa_lib.provenance import commit
from vjepa_lib.study import VARIANTS

COLUMN, PAGE = 3.4, 7.0  # inches: one column and the full width of a two-column page
DPI = 200
INDEX = "index.json"
RECORDED = "data_manifests/recorded"

# Dark to light within a colour-blind safe set (Paul Tol's 'muted' with two additions); a marker
# always goes with the colour, so that nothing rests on hue alone.
FAMILIES: dict[str, str] = {
    "baseline": "#222222",
    "fwm": "#332288",
    "ld": "#117733",
    "hw": "#DDAA33",
    "masking": "#66BBDD",
    "temporal": "#44AA99",
    "contrast": "#AA4499",
    "action": "#CC6677",
    "kinematic": "#8C8C1E",
    "dynamics": "#882255",
    "combination": "#F2692E",
    "untrained": "#AAAAAA",
    "other": "#777777",
}
FAMILY_LABELS = {
    "baseline": "V-JEPA baseline",
    "fwm": "factorized world model",
    "ld": "latent dynamics",
    "hw": "hard-region weighting",
    "masking": "masking",
    "temporal": "delta, spectral",
    "contrast": "contrastive",
    "action": "action-conditioned",
    "kinematic": "kinematic (EMA off)",
    "dynamics": "physics, SIGReg",
    "combination": "combination",
    "untrained": "untrained",
    "other": "other",
}
MARKERS = "osD^vP<>XpH*"
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
_SPECIAL = {
    "random_init": "untrained",
    "no_ema": "kinematic",
    "supervised": "other",
    "single_frame": "other",
    "baseline_seed42": "baseline",
}
_ACRONYMS = ("fwm", "hw", "ld", "ac", "fac", "amg", "ltc", "iic", "vclr", "ema", "jepa", "ucf")
_WORDS = {w: w.upper() for w in _ACRONYMS}
_WORDS |= {"sigreg": "SIGReg", "velgate": "VelGate", "accel": "acceleration", "huber": "Huber"}
_LABELS = {
    "baseline_seed42": "Baseline (seed 42)",
    "random_init": "Random init",
    "kinematic_0_1": "Kinematic 0.1",
    "no_ema": "EMA off only",
    "hw1": "HW (weight 1)",
    "ac_hw": "AC+HW",
    "sigreg_no_ema": "SIGReg, no EMA",
    "imagenet100": "ImageNet-100",
    "ssv2": "SSv2",
    "diving48": "Diving-48",
    "ucf101": "UCF-101",
    "ucf101_subset": "UCF-101 subset",
    "synthetic_motion": "synthetic motion",
    "hacs": "HACS",
    "kinetics400": "Kinetics-400",
    "fine_motion": "fine motion",
    "shift_kinetics": "shift\n(Kinetics)",
    "shift_hacs": "shift\n(HACS)",
}
_DESCRIBED = " (described)"  # ends the name of a variant trained in its described form


# --- how a variant looks ----------------------------------------------------------------------


def family(variant: str) -> str:
    """The idea a variant belongs to: its `family` in the study, else by name, else 'other'."""
    variant = variant.removesuffix(_DESCRIBED)
    if variant in VARIANTS:
        return VARIANTS[variant].family
    if variant in _SPECIAL:
        return _SPECIAL[variant]
    return "combination" if "+" in variant else "other"


@cache
def _members(name: str) -> tuple[str, ...]:
    special = [v for v, f in _SPECIAL.items() if f == name and v not in VARIANTS]
    return (*(v for v, row in VARIANTS.items() if row.family == name), *special)


def _position(variant: str) -> int:
    variant, members = variant.removesuffix(_DESCRIBED), _members(family(variant))
    # A name from outside the study gets a place that depends on nothing but the name.
    return members.index(variant) if variant in members else len(members) + sum(variant.encode())


def colour(variant: str) -> str:
    """Hex colour of a variant: the hue of its family, lighter from member to member."""
    base = np.array(to_rgb(FAMILIES[family(variant)]))
    pale = 0.15 * (_position(variant) % 4)
    return to_hex(base + (1 - base) * pale)


def ink(variant: str) -> str:
    """Colour of text about a variant: that of its family, dark enough to read on white."""
    base = np.array(to_rgb(FAMILIES[family(variant)]))
    light = base @ (0.299, 0.587, 0.114)
    return to_hex(base * min(1.0, 0.38 / max(light, 1e-6)))


def marker(variant: str) -> str:
    """Marker of a variant, different for the members of a family."""
    return MARKERS[_position(variant) % len(MARKERS)]


def line(variant: str) -> str | tuple:
    """Line style of a variant, different for the first members of a family and for its forms."""
    return LINES[(_position(variant) + variant.endswith(_DESCRIBED)) % len(LINES)]


def label(name: str) -> str:
    """How a variant or benchmark is written: 'fwm_hw_ld' -> 'FWM-HW-LD'."""
    if name.endswith(_DESCRIBED):
        return label(name.removesuffix(_DESCRIBED)) + _DESCRIBED
    if name in _LABELS:
        return _LABELS[name]
    if ", " in name:  # a variant and what it was trained on
        return ", ".join([label(name.split(", ")[0]), *name.split(", ")[1:]])
    if "+" in name:
        return " + ".join(label(part) for part in name.split("+"))
    words = name.split("_")
    if all(w in _WORDS for w in words):
        return "-".join(_WORDS[w] for w in words)
    text = " ".join(_WORDS.get(w, w) for w in words)
    return text[:1].upper() + text[1:] if name in VARIANTS else text


@contextmanager
def style() -> Iterator[None]:
    """Settings of every figure: 8-point text, thin lines, light grid, the same SVG each time."""
    with mpl.rc_context(
        {
            "font.family": "DejaVu Sans",
            "font.size": 8,
            "axes.titlesize": 8,
            "axes.labelsize": 8,
            "xtick.labelsize": 7,
            "ytick.labelsize": 7,
            "legend.fontsize": 7,
            "legend.frameon": False,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.linewidth": 0.6,
            "axes.grid": False,
            "grid.color": "#dddddd",
            "grid.linewidth": 0.5,
            "lines.linewidth": 1.1,
            "lines.markersize": 4,
            "xtick.major.width": 0.6,
            "ytick.major.width": 0.6,
            "figure.constrained_layout.use": True,
            "svg.hashsalt": "vjepa",
            "svg.fonttype": "path",
        }
    ):
        yield


# --- keeping ----------------------------------------------------------------------------------


def _write(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, delete=False, encoding="utf-8", newline="\n"
        ) as file:
            file.write(text)
        os.chmod(file.name, 0o644)
        os.replace(file.name, path)
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror}): choose another OUT folder or free space."
        ) from None


def read_index(out: str | Path) -> list[dict]:
    """Every artefact of a folder, by name; gathered from the JSON files beside the artefacts.

    So notebooks that run side by side cannot lose each other's entries.

    Returns
    -------
    list of dicts: name, kind ('figure' or 'table'), caption, notebook, profile, runs, commit,
    sources, shown, files.

    Raises
    ------
    DataError : a JSON file there is broken.
    """
    found = []
    for path in sorted(Path(out).glob("*.json")):
        if path.name == INDEX:
            continue
        try:
            entry = json.loads(path.read_text(encoding="utf-8"))
            complete = all((path.parent / f).exists() for f in entry["files"])
        except (ValueError, TypeError, KeyError):
            raise DataError(f"{path} is not the description of an artefact: delete it.") from None
        if complete:  # else its files were cleaned away
            found.append(entry)
    return found


def write_index(out: str | Path) -> Path:
    """Write `index.json`: the list of `read_index`."""
    path = Path(out) / INDEX
    _write(path, json.dumps(read_index(out), indent=1, ensure_ascii=False) + "\n")
    return path


def _cell(value: object, digits: int) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return "–"
    if isinstance(value, (float, np.floating)):
        if 0 < abs(value) < 0.5 * 10**-digits:
            return f"{value:.1e}"
        return f"{value:.{digits}f}"
    return str(value)


def _flat(table: pd.DataFrame) -> pd.DataFrame:
    """Table with a meaningful index turned into columns."""
    plain = isinstance(table.index, pd.RangeIndex) and table.index.name is None
    return table.reset_index(drop=plain)


def format_table(
    table: pd.DataFrame, digits: int | Mapping[str, int] = 2, kind: str = "markdown"
) -> str:
    """A table as text.

    Parameters
    ----------
    table : any; a named index becomes its first columns.
    digits : after the decimal point, for all columns or by column (others 2).
    kind : 'markdown' or 'latex' (booktabs).
    """
    styles = {"markdown": "pipe", "latex": "latex_booktabs"}
    if kind not in styles:
        raise ConfigError(f"Unknown kind of table {kind!r}: choose one of {', '.join(styles)}.")
    flat = _flat(table)
    places = digits if isinstance(digits, Mapping) else dict.fromkeys(flat.columns, digits)
    text = {c: [_cell(v, places.get(c, 2)) for v in flat[c]] for c in flat.columns}
    if kind == "markdown":
        text = {c: [v.replace("|", "\\|").replace("\n", " ") for v in t] for c, t in text.items()}
    numeric = [pd.api.types.is_numeric_dtype(t) and t.dtype != bool for _, t in flat.items()]
    written = tabulate(
        text,
        headers="keys",
        tablefmt=styles[kind],
        disable_numparse=True,
        colalign=["right" if n else "left" for n in numeric] if len(flat) else None,
    )
    return _wrap_columns(written, text) if kind == "latex" else written


def _wrap_columns(latex: str, text: Mapping[str, list[str]]) -> str:
    """Give columns of long texts a share of the page width, so that they wrap."""
    longest = {c: max(map(len, t), default=0) for c, t in text.items()}
    wide = {c: n**0.5 for c, n in longest.items() if n > 36}
    if not wide:
        return latex
    room = max(0.9 - 0.012 * sum(n for c, n in longest.items() if c not in wide), 0.3)
    old = re.search(r"\\begin\{tabular\}\{(\w+)\}", latex)
    new = "".join(
        f"p{{{room * wide[c] / sum(wide.values()):.2f}\\textwidth}}" if c in wide else letter
        for c, letter in zip(text, old[1], strict=True)
    )
    return latex.replace(old[0], f"\\begin{{tabular}}{{{new}}}", 1)


def _show(text: str, png: bytes | None = None, width: int | None = None, alt: str = "") -> None:
    """Show a picture and Markdown if a notebook is running, else do nothing."""
    try:
        from IPython import get_ipython
        from IPython.display import Image, Markdown, display
    except ImportError:  # the library itself does not need IPython
        return
    if get_ipython() is not None:
        display(*([Image(png, width=width, alt=alt)] if png else []), Markdown(text))


def _shown(data: pd.DataFrame) -> list[str]:
    """Which runs some data come from, by their column `source`: ['mini, live', 'small, recorded']."""
    values = dict.fromkeys(map(str, data["source"])) if "source" in data else {}
    return [v for v in values if v.endswith((", live", ", recorded"))]


def _legend(caption: str, shown: Sequence[str]) -> str:
    return f"*{caption}*" + (f" **Runs: {'; '.join(shown)}.**" if shown else "")


@dataclass(frozen=True)
class Gallery:
    """Where one notebook keeps its figures and tables.

    Attributes
    ----------
    out : folder, made if missing.
    notebook : name without suffix, e.g. '01_published_results'; what stands before its first
        underscore becomes the first part of every file name.
    profile : profile of the runs shown, if any.
    commit : None for that of this checkout.
    """

    out: str | Path
    notebook: str
    profile: str = ""
    commit: str | None = None

    @property
    def folder(self) -> Path:
        return Path(self.out)

    def _path(self, name: str) -> Path:
        if not re.fullmatch(r"[a-z0-9_]+", name):
            raise ConfigError(
                f"Artefact name {name!r}: use small letters, digits and underscores only."
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(
                f"The folder {self.folder} cannot be made ({error.strerror}): choose another."
            ) from None
        return self.folder / f"{self.notebook.split('_')[0]}_{name}"

    def _describe(
        self,
        path: Path,
        kind: str,
        caption: str,
        runs: Iterable[str],
        sources: Sequence[str],
        shown: Sequence[str],
        suffixes: Sequence[str],
    ) -> None:
        entry = {
            "name": path.name,
            "kind": kind,
            "caption": caption,
            "notebook": self.notebook,
            "profile": self.profile,
            "shown": list(shown),
            "runs": sorted(set(runs)),
            "sources": [*sources, *(RECORDED for v in shown if v.endswith("recorded"))],
            "commit": self.commit or commit(),
            "files": [path.name + s for s in suffixes],
        }
        _write(path.with_name(path.name + ".json"), json.dumps(entry, indent=1) + "\n")
        write_index(self.folder)

    def figure(
        self,
        fig: Figure,
        name: str,
        data: pd.DataFrame,
        caption: str,
        runs: Iterable[str] = (),
        sources: Sequence[str] = (),
    ) -> None:
        """Save a figure as PNG and SVG, the data behind it as CSV, and show it in a notebook.

        Parameters
        ----------
        data : the numbers drawn, one row a mark.
        caption : what is seen, one or two sentences.
        runs : identifiers of the runs the data come from.
        sources : other sources, e.g. 'arXiv 2605.17165'.

        Data with a column `source` ('mini, live', 'small, recorded') are marked by it.
        """
        path = self._path(name)
        with style():  # some settings are read only when drawing
            svg, png = (path.with_name(path.name + s) for s in (".svg", ".png"))
            fig.savefig(svg, metadata={"Date": None, "Creator": None})
            fig.savefig(png, dpi=DPI, metadata={"Software": None})
        _write(
            path.with_name(path.name + ".csv"),
            _flat(data).to_csv(index=False, float_format="%.8g", lineterminator="\n"),
        )
        suffixes = (".png", ".svg", ".csv")
        self._describe(path, "figure", caption, runs, sources, _shown(data), suffixes)
        width = int(fig.get_size_inches()[0] * 110)
        _show(_legend(caption, _shown(data)), png.read_bytes(), width, caption)

    def table(
        self,
        table: pd.DataFrame,
        name: str,
        caption: str,
        runs: Iterable[str] = (),
        sources: Sequence[str] = (),
        digits: int | Mapping[str, int] = 2,
    ) -> None:
        """Save a table as CSV (full precision), Markdown and LaTeX, and show it in a notebook.

        Parameters are those of `figure`; `digits` is that of `format_table`.
        """
        path = self._path(name)
        markdown = format_table(table, digits)
        texts = {
            ".csv": _flat(table).to_csv(index=False, float_format="%.8g", lineterminator="\n"),
            ".md": markdown + "\n",
            ".tex": format_table(table, digits, "latex") + "\n",
        }
        for suffix, text in texts.items():
            _write(path.with_name(path.name + suffix), text)
        self._describe(path, "table", caption, runs, sources, _shown(table), list(texts))
        _show(f"{markdown}\n\n{_legend(caption, _shown(table))}")
