"""The report page: every figure and table, with the notebook, runs and commit it came from."""

from __future__ import annotations

import html
import os
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from vjepa_lib.errors import DataError
from vjepa_lib.show.gallery import NOTEBOOK, _write, read_index

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Video-JEPA companion: report</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
        color: #222 }}
img {{ max-width: 100%; height: auto }}
figure {{ margin: 2rem 0 }} figcaption, .from {{ color: #555; font-size: .85rem }}
table {{ border-collapse: collapse; font-size: .8rem; font-variant-numeric: tabular-nums }}
th, td {{ padding: .15rem .6rem; text-align: right; border-bottom: 1px solid #eee }}
th {{ border-bottom: 1px solid #999 }} .scroll {{ overflow-x: auto; max-height: 30rem }}
h2 {{ margin-top: 3rem; border-bottom: 1px solid #ccc }} code {{ font-size: .85em }}
.tag {{ background: #eef; border-radius: .3rem; padding: 0 .4rem; font-size: .8rem }}
</style></head><body>
<h1>Factorized latent dynamics and contrastive learning in Video-JEPA</h1>
<p>{summary}</p>
<nav><ul>{toc}</ul></nav>
{body}
</body></html>
"""


def entries(folder: Path) -> pd.DataFrame:
    """What the notebooks have made so far, a row per figure or table.

    Raises
    ------
    DataError : nothing has been made yet.
    """
    found = read_index(folder)
    if not found:
        raise DataError(f"There are no figures in {folder} yet: run 'make reproduce' first.")
    # Artefacts made before code was recorded have no word of it.
    made = pd.DataFrame([{"code": {}} | entry for entry in found])
    return made.sort_values(["notebook", "name"], ignore_index=True)


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


def _origin(entry: dict, runs: str) -> str:
    source = f"commit <code>{html.escape(entry['commit'][:12])}</code>"
    if entry["sources"]:
        source += "; " + html.escape(", ".join(entry["sources"]))
    for shown, code in entry.get("code", {}).items():
        if code != "today":
            source += f"; {html.escape(shown)}: made by the code of {html.escape(code)}"
    if entry["runs"]:
        links = " ".join(
            f'<a href="{html.escape(quote(runs))}/{_link(r, "provenance.json")}">'
            f"<code>{html.escape(r[:6])}</code></a>"
            for r in entry["runs"]
        )
        source += (
            f"; <details><summary>{len(entry['runs'])} runs, each with its configuration and "
            f"provenance</summary>{links}</details>"
        )
    files = " ".join(
        f'<a href="{_link(f)}">{html.escape(f.rsplit(".", 1)[1])}</a>' for f in entry["files"]
    )
    return f'<div class="from"><span class="tag">{_tag(entry)}</span> {files} · {source}</div>'


def _table(path: Path) -> str:
    """A table as HTML."""
    try:
        data = pd.read_csv(path)
    except pd.errors.EmptyDataError:
        return "<p>(no rows)</p>"
    except (pd.errors.ParserError, UnicodeDecodeError):
        raise DataError(
            f"{path} is not a table any more: run the notebook that makes it again."
        ) from None
    return f'<div class="scroll">{data.round(2).to_html(index=False, border=0, na_rep="–")}</div>'


def build(folder: Path, runs: Path) -> Path:
    """Write `index.html` into the figures folder and return its path.

    Whatever the descriptions there say is shown as text; links stay below the folder and the runs.

    Raises
    ------
    DataError : nothing has been made yet, a file there is damaged, or the page cannot be written.
    """
    table = entries(folder)
    # Relative, so that a folder with figures and runs can be moved as a whole.
    beside = Path(os.path.relpath(runs, folder)).as_posix()
    toc, body = [], []
    for notebook, part in table.groupby("notebook", sort=True):
        title = html.escape(notebook)
        toc.append(f'<li><a href="#{_link(notebook)}">{title}</a> ({len(part)})</li>')
        body.append(f'<h2 id="{title}">{title}</h2>')
        page = f"{notebook}.html"
        if NOTEBOOK.fullmatch(notebook) and (folder / "notebooks" / page).exists():
            link = _link("notebooks", page)
            body.append(f'<p><a href="{link}">the executed notebook</a></p>')
        for entry in part.to_dict("records"):
            title = html.escape(entry["caption"])
            if entry["kind"] == "figure":
                shown = f'<img src="{_link(entry["name"] + ".png")}" alt="{title}" loading="lazy">'
            else:
                shown = _table(folder / f"{entry['name']}.csv")
            body.append(
                f"<figure>{shown}<figcaption>{title}</figcaption>{_origin(entry, beside)}</figure>"
            )
    count = len({r for rs in table.runs for r in rs})
    summary = (
        f"{(table.kind == 'figure').sum()} figures and {(table.kind == 'table').sum()} tables from "
        f"{table.notebook.nunique()} notebooks and {count} training runs. Results marked "
        f"<span class='tag'>published</span> are computed from the literature's own numbers, the "
        f"others from runs on the embedded data: of that profile and trained here, or, where the "
        f"mark says so, recorded ones kept with the repository."
    )
    path = folder / "index.html"
    _write(path, _PAGE.format(summary=summary, toc="".join(toc), body="\n".join(body)))
    return path
