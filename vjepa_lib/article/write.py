"""The whole report: put together, written as a PDF, and as the opening and the text of the page."""

from __future__ import annotations

import html
from dataclasses import replace

from vjepa_lib.article import findings, setting
from vjepa_lib.article.evidence import Evidence
from vjepa_lib.folders import runs_root
from vjepa_lib.show import report
from vjepa_lib.show.document import as_html, as_typst
from vjepa_lib.show.document.blocks import Document, Picture, Table
from vjepa_lib.show.document.numbering import number
from vjepa_lib.show.gallery import Gallery, write_text
from vjepa_lib.show.notebook import Notebook
from vjepa_lib.show.pages import page

TITLE = (
    "Factorized latent dynamics and contrastive learning in Video-JEPA for cross-domain transfer"
)
SUBTITLE = "Retrained, reread and checked claim by claim"
# The answer's figure: the first of these that the recorded runs carry.
ANSWER = ("fig-scores", "fig-answer")
PDF, PAGE = "report.pdf", "report.html"


def article(evidence: Evidence, gallery: Gallery) -> Document:
    """The report as a document; its figures are drawn into the gallery's folder."""
    return Document(
        TITLE,
        SUBTITLE,
        findings.abstract(evidence),
        (
            setting.question(evidence),
            setting.the_study(evidence),
            setting.the_worlds(evidence, gallery),
            setting.the_readings(evidence),
            findings.zero_shot(evidence, gallery),
            findings.embedded(evidence, gallery),
            findings.published_numbers(evidence, gallery),
            findings.claims(evidence),
            findings.limits(evidence),
            findings.reproduction(evidence),
        ),
        setting.SOURCES,
        (findings.runs(evidence),),
    )


def text_page(document: Document) -> str:
    """The whole text as a page."""
    known = number(document)
    parts = (*document.sections, *document.appendix)
    links = " ".join(f'<a href="#{s.key}">{html.escape(s.title)}</a>' for s in parts)
    return page(
        document.title,
        f"<h1>{html.escape(document.title)}</h1>\n"
        f'<p class="lead">{html.escape(document.subtitle)} · <a href="{PDF}">as a PDF</a> · '
        f'<a href="index.html">all figures and tables</a></p>\n'
        f'<div class="abstract"><strong>Abstract</strong>'
        f"{as_html.blocks(document.abstract, known)}</div>\n<nav>{links}</nav>\n"
        f"{as_html.document(document)}",
    )


def opening(document: Document) -> str:
    """What the page of all artefacts begins with: abstract, the answer's figure, the verdicts."""
    known = replace(number(document), page=PAGE)
    keyed = {b.key: b for b in document.blocks() if isinstance(b, (Picture, Table))}
    figure = next((keyed[k] for k in ANSWER if k in keyed), None)
    shown = [b for b in (figure, keyed["tab-verdicts"]) if b is not None]
    return (
        f"<h1>{html.escape(document.title)}</h1>\n"
        f'<p class="lead">{html.escape(document.subtitle)}: <a href="{PAGE}">the report as a page'
        f'</a>, <a href="{PDF}">as a PDF</a></p>\n'
        f'<div class="abstract">{as_html.blocks(document.abstract, known)}</div>\n'
        f"{as_html.blocks(shown, known)}"
    )


def publish(evidence: Evidence, gallery: Gallery) -> Document:
    """Write the report as a PDF and as a page into the gallery's folder.

    Raises
    ------
    DataError : the folder cannot be written.
    """
    document = article(evidence, gallery)
    as_typst.pdf(document, gallery.folder, PDF)
    write_text(gallery.folder / PAGE, text_page(document))
    return document


def pages(nb: Notebook, evidence: Evidence) -> object:
    """Live: write the report and the page of all artefacts; reading: say how they are made.

    Returns
    -------
    Links to the files, or a sentence.
    """
    if not nb.live:
        return (
            "figures/report.pdf, figures/report.html and figures/index.html are made by "
            "'make reproduce', or with LIVE = True."
        )
    from IPython.display import FileLinks

    document = publish(evidence, nb.out)
    report.build(nb.out.folder, runs_root().resolve(), opening(document))
    return FileLinks(str(nb.out.folder), recursive=False, included_suffixes=[".html", ".pdf"])
