"""The report page: what was found, then every figure and table with the runs it came from."""

from __future__ import annotations

import html
import os
import re
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from vjepa_lib.errors import ConfigError, DataError
from vjepa_lib.show import found
from vjepa_lib.show.document.formulas import mathml
from vjepa_lib.show.gallery import NOTEBOOK, read_index, write_text
from vjepa_lib.show.pages import page
from vjepa_lib.show.tables import format_cell

TITLE = "Factorized latent dynamics and contrastive learning in Video-JEPA"
ROWS = 20  # of a table on the page; the file behind it has all
_KINDS = ("published", "recorded", "live")
_FILTER = "".join(
    f'<input class="filter" type="radio" name="only" id="only-{kind}"{checked}>'
    f'<label for="only-{kind}">{text}</label>\n'
    for kind, text, checked in (
        ("all", "everything", " checked"),
        ("published", "published numbers", ""),
        ("recorded", "recorded runs", ""),
        ("live", "runs made here", ""),
    )
)


def entries(folder: Path) -> pd.DataFrame:
    """What the notebooks have made so far, a row per figure or table.

    Raises
    ------
    DataError : nothing has been made yet.
    """
    made = read_index(folder)
    if not made:
        raise DataError(f"There are no figures in {folder} yet: run 'make reproduce' first.")
    # Artefacts made before code was recorded have no word of it.
    table = pd.DataFrame([{"code": {}} | entry for entry in made])
    return table.sort_values(["notebook", "name"], ignore_index=True)


def overview(made: pd.DataFrame) -> pd.DataFrame:
    """What was made, short enough to read: numbers of runs, first letters of commits.

    Parameters
    ----------
    made : of `entries`.
    """
    short = made.assign(runs=made.runs.str.len(), commit=made.commit.str[:12])
    return short[["notebook", "name", "kind", "profile", "runs", "commit", "caption"]]


def summary(made: pd.DataFrame) -> str:
    """How many artefacts there are, and from how many notebooks, runs and commits they come."""
    runs = {run for of_one in made.runs for run in of_one}
    return (
        f"{len(made)} artefacts from {made.notebook.nunique()} notebooks and {len(runs)} runs, of "
        f"{made.commit.nunique()} commit(s)"
    )


def _link(*parts: str) -> str:
    """Names below the page's folder as the value of an attribute; a slash in a name is none."""
    return html.escape("/".join(quote(part, safe="") for part in parts))


def _tag(entry: dict) -> str:
    """What kind of numbers these are."""
    return html.escape("; ".join(entry["shown"]) or entry["profile"] or "published")


def _kinds(entry: dict) -> list[str]:
    """Under which choices of the filter an artefact is shown: some of `_KINDS`."""
    marks = [mark.rsplit(", ", 1)[-1] for mark in entry["shown"] or [entry["profile"]]]
    found_kinds = [kind for kind in _KINDS if kind in marks]
    return found_kinds or ["live" if entry["profile"] else "published"]


def _run(run: str, entry: dict, runs: str, folder: Path) -> str:
    """A run's address, which leads to its folder; a recorded run has none unless made here, too."""
    said = f"<code>{html.escape(run[:6])}</code>"
    here = folder / runs / quote(run, safe="") / "provenance.json"
    if "recorded" in _kinds(entry) and not here.exists():
        return said
    return f'<a href="{html.escape(quote(runs))}/{_link(run, "provenance.json")}">{said}</a>'


def _origin(folder: Path, entry: dict, runs: str) -> str:
    source = f"commit <code>{html.escape(entry['commit'][:12])}</code>"
    if entry["sources"]:
        source += "; " + html.escape(", ".join(entry["sources"]))
    for shown, code in entry.get("code", {}).items():
        if code != "today":
            source += f"; {html.escape(shown)}: made by the code of {html.escape(code)}"
    if entry["runs"]:
        links = " ".join(_run(r, entry, runs, folder) for r in entry["runs"])
        source += (
            f"; <details><summary>{len(entry['runs'])} runs, each with its configuration and "
            f"provenance</summary>{links}</details>"
        )
    files = " ".join(
        f'<a href="{_link(f)}">{html.escape(f.rsplit(".", 1)[1])}</a>' for f in entry["files"]
    )
    return f'<div class="from"><span class="tag">{_tag(entry)}</span> {files} · {source}</div>'


def _cell(value: object) -> str:
    """A cell as HTML: whole numbers as such, formulas typeset, everything else as text."""
    whole = isinstance(value, float) and value.is_integer() and abs(value) >= 1e6
    text = f"{value:.0f}" if whole else format_cell(value, 2)
    formula = re.fullmatch(r"\$([^$]+)\$", text)
    if formula:
        try:
            return mathml(formula[1])
        except ConfigError:
            pass  # shown as it is typed
    return html.escape(text)


def _table(path: Path) -> str:
    """The first rows of a table as HTML; a row is shown whole or not at all."""
    try:
        data = pd.read_csv(path)
    except pd.errors.EmptyDataError:
        return "<p>(no rows)</p>"
    except (pd.errors.ParserError, UnicodeDecodeError):
        raise DataError(
            f"{path} is not a table any more: run the notebook that makes it again."
        ) from None
    numeric = [pd.api.types.is_numeric_dtype(t) and t.kind != "b" for t in data.dtypes]
    look = [' class="n"' if n else "" for n in numeric]
    head = "".join(
        f"<th{k}>{html.escape(str(c).replace('_', ' '))}</th>"
        for c, k in zip(data.columns, look, strict=True)
    )
    rows = [
        "<tr>"
        + "".join(f"<td{k}>{_cell(v)}</td>" for v, k in zip(row, look, strict=True))
        + "</tr>"
        for row in data.head(ROWS).itertuples(index=False, name=None)
    ]
    more = f"<p class='from'>{ROWS} of {len(data)} rows; the files have all.</p>"
    return (
        f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>'
        f"{''.join(rows)}</tbody></table></div>{more if len(data) > ROWS else ''}"
    )


def _titled(notebook: str) -> str:
    """'07_factorized_world_model' as '07 · Factorized world model'; other names as they are."""
    number, _, words = notebook.partition("_")
    if not NOTEBOOK.fullmatch(notebook) or not words:
        return html.escape(notebook)
    return html.escape(f"{number} · {words[:1].upper()}{words[1:].replace('_', ' ')}")


def _artefact(folder: Path, entry: dict, runs: str) -> str:
    title = html.escape(entry["caption"])
    if entry["kind"] == "figure":
        picture = f'<img src="{_link(entry["name"] + ".png")}" alt="{title}" loading="lazy">'
        shown = f'<a href="{_link(entry["name"] + ".svg")}">{picture}</a>'
    else:
        shown = _table(folder / f"{entry['name']}.csv")
    kinds = " ".join(_kinds(entry))
    return (
        f'<figure class="artefact {kinds}">{shown}<figcaption>{title}</figcaption>'
        f"{_origin(folder, entry, runs)}</figure>"
    )


def _section(folder: Path, notebook: str, part: pd.DataFrame, runs: str) -> str:
    """One notebook: what it found, a link to it, and what it made."""
    out = [f'<section class="notebook"><h3 id="{html.escape(notebook)}">{_titled(notebook)}</h3>']
    if NOTEBOOK.fullmatch(notebook):
        lines = found.kept(notebook, folder / "notebooks")
        if said := found.sentence(lines):
            out.append(f"<p>{html.escape(said)}</p>")
        if (folder / "notebooks" / f"{notebook}.html").exists():
            link = _link("notebooks", f"{notebook}.html")
            out.append(f'<p class="from"><a href="{link}">the executed notebook</a></p>')
    counts = part.kind.value_counts()
    said = " and ".join(
        f"{n} {kind}{'' if n == 1 else 's'}"
        for kind in ("figure", "table")
        if (n := int(counts.get(kind, 0)))
    )
    made = "\n".join(_artefact(folder, entry, runs) for entry in part.to_dict("records"))
    out.append(f"<details><summary>{said}</summary>{made}</details></section>")
    return "\n".join(out)


def build(folder: Path, runs: Path, opening: str = "") -> Path:
    """Write `index.html` into the figures folder and return its path.

    Whatever the descriptions there say is shown as text; links stay below the folder and the runs.

    Parameters
    ----------
    runs : folder of the store.
    opening : HTML that the page begins with, of `article.write.opening`; '' for a title alone.

    Raises
    ------
    DataError : nothing has been made yet, a file there is damaged, or the page cannot be written.
    """
    table = entries(folder)
    # Relative, so that a folder with figures and runs can be moved as a whole.
    beside = Path(os.path.relpath(runs, folder)).as_posix()
    count = len({r for rs in table.runs for r in rs})
    counted = (
        f"{(table.kind == 'figure').sum()} figures and {(table.kind == 'table').sum()} tables from "
        f"{table.notebook.nunique()} notebooks and {count} training runs. Results marked "
        f"<span class='tag'>published</span> are computed from the literature's own numbers, the "
        f"others from runs on the embedded data: of that profile and trained here, or, where the "
        f"mark says so, recorded ones kept with the repository."
    )
    sections = "\n".join(
        _section(folder, notebook, part, beside)
        for notebook, part in table.groupby("notebook", sort=True)
    )
    body = (
        f"{opening or f'<h1>{TITLE}</h1>'}\n<h2 id='notebooks'>Notebooks</h2>\n<p>{counted}</p>\n"
        f"<p class='lead'>Show only:</p>\n{_FILTER}<div class='notebooks'>\n{sections}\n</div>"
    )
    path = folder / "index.html"
    write_text(path, page("Video-JEPA companion: report", body))
    return path
