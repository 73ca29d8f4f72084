"""A document as HTML: fragments for a page, every text escaped, formulas as MathML."""

from __future__ import annotations

import html
from collections.abc import Iterable
from urllib.parse import quote

from vjepa_lib.show.document.blocks import (
    Block,
    Bullets,
    Cite,
    Code,
    Document,
    Emphasis,
    Formula,
    Inline,
    Link,
    Math,
    Paragraph,
    Picture,
    Ref,
    Section,
    Strong,
    Table,
    Text,
    plain,
)
from vjepa_lib.show.document.formulas import mathml
from vjepa_lib.show.document.numbering import Numbering, number


def _inline(piece: Inline, known: Numbering) -> str:
    match piece:
        case str():
            return html.escape(piece)
        case Strong(text):
            return f"<strong>{html.escape(text)}</strong>"
        case Emphasis(text):
            return f"<em>{html.escape(text)}</em>"
        case Code(text):
            return f"<code>{html.escape(text)}</code>"
        case Math(latex):
            return mathml(latex)
        case Ref(key):
            return f'<a href="{known.page}#{key}">{html.escape(known.name(piece))}</a>'
        case Cite(key):
            return f'[<a href="{known.page}#source-{key}">{known.sources[key]}</a>]'
        case Link(text, url):
            return f'<a href="{html.escape(url)}">{html.escape(text)}</a>'
    raise TypeError(piece)


def text(pieces: Text, known: Numbering) -> str:
    """Inline pieces as HTML."""
    return "".join(_inline(piece, known) for piece in pieces)


def _table(table: Table, known: Numbering) -> str:
    head = "".join(f'<th scope="col">{html.escape(h)}</th>' for h in table.header)
    rows = "".join(
        f"<tr{f' id={chr(34)}{row.key}{chr(34)}' if row.key else ''}>"
        + "".join(f"<td>{text(cell, known)}</td>" for cell in row.cells)
        + "</tr>"
        for row in table.rows
    )
    caption = f"<strong>{known.names[table.key]}.</strong> {text(table.caption, known)}"
    return (
        f'<figure id="{table.key}" class="table"><figcaption>{caption}</figcaption>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{known.names[table.key]}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></figure>"
    )


def block(item: Block, known: Numbering) -> str:
    """One block as HTML."""
    match item:
        case Paragraph(pieces):
            return f"<p>{text(pieces, known)}</p>"
        case Bullets(items):
            return "<ul>" + "".join(f"<li>{text(i, known)}</li>" for i in items) + "</ul>"
        case Formula(key, latex):
            count = known.names[key].split()[-1]
            return (
                f'<div class="formula" id="{key}"><div class="scroll">{mathml(latex, True)}</div>'
                f"<span>({count})</span></div>"
            )
        case Picture(key, file, caption):
            said = f"<strong>{known.names[key]}.</strong> {text(caption, known)}"
            alt = html.escape(plain(caption))
            return (
                f'<figure id="{key}"><img src="{quote(file, safe="")}.svg" alt="{alt}" '
                f'loading="lazy"><figcaption>{said}</figcaption></figure>'
            )
        case Table():
            return _table(item, known)
    raise TypeError(item)


def blocks(items: Iterable[Block], known: Numbering) -> str:
    """Several blocks as HTML."""
    return "\n".join(block(item, known) for item in items)


def document(whole: Document, level: int = 2) -> str:
    """Everything after title and abstract as HTML: sections and bibliography.

    Parameters
    ----------
    level : of the sections' headings.
    """
    known = number(whole)
    out = [_section(s, known, level) for s in whole.sections]
    out.append(f'<h{level} id="sources">References</h{level}>')
    items = (
        f'<li id="source-{s.key}">{html.escape(s.text)} '
        f'<a href="{html.escape(s.url)}">{html.escape(s.url.removeprefix("https://"))}</a></li>'
        for s in whole.sources
    )
    out.append(f'<ol class="sources">{"".join(items)}</ol>')
    return "\n".join([*out, *(_section(s, known, level) for s in whole.appendix)])


def _section(section: Section, known: Numbering, level: int) -> str:
    place = known.names[section.key].split()[-1]
    heading = f"{place} {html.escape(section.title)}"
    return f'<h{level} id="{section.key}">{heading}</h{level}>\n{blocks(section.blocks, known)}'
