"""Tables as text: Markdown and LaTeX."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd
from tabulate import tabulate

from vjepa_lib.errors import unknown


def format_cell(value: object, digits: int) -> str:
    """One value as a table shows it: yes and no, a dash for nothing, so many digits."""
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return "–"
    if isinstance(value, (float, np.floating)):
        if 0 < abs(value) < 0.5 * 10**-digits:
            return f"{value:.1e}"
        # What machines compute differs in the last bits: a half is rounded alike on all of them.
        return f"{round(float(value), digits + 8):.{digits}f}"
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
        raise unknown("kind of table", kind, styles)
    flat = _flat(table)
    places = digits if isinstance(digits, Mapping) else dict.fromkeys(flat.columns, digits)
    text = {c: [format_cell(v, places.get(c, 2)) for v in flat[c]] for c in flat.columns}
    if kind == "markdown":
        plain = {ord("|"): "\\|", ord("\n"): " "}
        text = {str(c).translate(plain): [v.translate(plain) for v in t] for c, t in text.items()}
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
