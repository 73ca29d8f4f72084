"""An executed notebook as a page that asks nothing of another host: formulas are MathML."""

from __future__ import annotations

import copy
import html
import os
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from vjepa_lib.errors import ConfigError
from vjepa_lib.show.document.formulas import mathml
from vjepa_lib.show.gallery import write_text

# nbconvert's page without what it fetches: RequireJS, MathJax, Mermaid and the scripts of widgets.
# Narrow screens scroll a wide table, not the page.
_TEMPLATE = """{%- extends 'index.html.j2' -%}
{%- block html_head_js_requirejs -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block jupyter_widgets -%}{%- endblock -%}
{%- block html_head_css -%}<style>
main { max-width: 62rem; margin: 0 auto }
.jp-RenderedHTMLCommon table { display: block; max-width: 100%; overflow-x: auto }
.jp-OutputArea-output pre { white-space: pre-wrap; overflow-wrap: anywhere }
.jp-RenderedHTMLCommon { overflow-wrap: anywhere }
math[display=block] { overflow-x: auto; overflow-y: hidden; padding: .2rem 0 }
@media (max-width: 50rem) { .jp-InputPrompt, .jp-OutputPrompt, .jp-InputArea-prompt,
  .jp-OutputArea-prompt { display: none } .jp-Notebook { padding: .3rem } }
</style>{%- endblock -%}"""


def formula(latex: str, block: bool = False) -> str:
    """A formula as MathML; what cannot be typeset stands as it is typed."""
    try:
        return mathml(latex.strip(), block)
    except ConfigError:
        return f"<code>{html.escape(latex)}</code>"


def led(address: str, beside: Path, out: Path) -> str:
    """Where a link of a notebook leads from its page.

    Another notebook's page lies beside the page; every other file of the repository stays where it
    is. Links to pages of other hosts, and to headings, are left alone.

    Parameters
    ----------
    address : as written in the notebook.
    beside : folder of the notebook.
    out : folder of the page.
    """
    parts = urlsplit(address)
    if parts.scheme or parts.netloc or not parts.path:
        return address
    path = Path(parts.path)
    if path.suffix == ".ipynb" and path.parent == Path("."):
        moved = path.with_suffix(".html").as_posix()
    else:
        moved = Path(os.path.relpath(beside / path, out)).as_posix()
    return parts._replace(path=moved).geturl()


@lru_cache(maxsize=1)
def _exporter_class() -> type:
    """nbconvert's exporter with our formulas and links; nbconvert is imported only here."""
    from nbconvert import HTMLExporter
    from nbconvert.exporters.html import contextfilter
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    class Renderer(IPythonRenderer):
        folders: tuple[Path, Path]  # of the notebook and of its page

        def inline_math(self, body: str) -> str:
            return formula(body)

        def block_math(self, body: str) -> str:
            return formula(body, block=True)

        def latex_environment(self, name: str, body: str) -> str:
            return formula(f"\\begin{{{name}}}{body}\\end{{{name}}}", block=True)

        def link(self, text: str, url: str, title: str | None = None) -> str:
            return super().link(text, led(url, *self.folders), title)

    class Exporter(HTMLExporter):
        folders: tuple[Path, Path]

        @contextfilter
        def markdown2html(self, context: Any, source: str) -> str:
            cell = context.get("cell", {})
            renderer = Renderer(
                escape=False,
                attachments=cell.get("attachments", {}),
                exclude_anchor_links=True,  # which nothing shows
            )
            renderer.folders = self.folders
            return MarkdownWithMath(renderer=renderer).render(source)

    return Exporter


def page(notebook: Any, beside: Path, out: Path) -> str:
    """An executed notebook as HTML.

    Parameters
    ----------
    notebook : as nbformat reads it, executed; it is not changed.
    beside, out : folders of the notebook and of its page, for links.

    Returns
    -------
    A page that needs no script and no other host; a widget is shown by its text.
    """
    shown = copy.deepcopy(notebook)
    shown.metadata.pop("widgets", None)
    for cell in shown.cells:
        for output in cell.get("outputs", ()):
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    exporter = _exporter_class()(raw_template=_TEMPLATE)
    exporter.folders = (beside, out)
    body, _ = exporter.from_notebook_node(shown)
    return body


def write(notebook: Any, source: Path, folder: Path) -> Path:
    """Write a notebook's page and return its path.

    Parameters
    ----------
    notebook : as nbformat reads it, executed.
    source : the notebook's own path; the page has its name.

    Raises
    ------
    DataError : the page cannot be written.
    """
    path = folder / f"{source.stem}.html"
    write_text(path, page(notebook, source.parent, folder))
    return path
