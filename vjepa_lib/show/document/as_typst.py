"""A document as the source of a PDF, in Typst; and the PDF itself.

Every text goes into Typst as a string, which is never read as markup. The compiler comes as one
wheel with its fonts inside: no TeX, no network, the same file from the same text.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

import typst

from vjepa_lib.errors import DataError
from vjepa_lib.show.document import formulas
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
    Strong,
    Table,
    Text,
    picture_files,
    plain,
)
from vjepa_lib.show.document.numbering import Numbering, number

KEPT_WHOLE = 13  # rows of a table that never breaks over pages
_LOOK = """
#set page(paper: "a4", margin: (x: 22mm, top: 22mm, bottom: 24mm), numbering: "1")
#set text(font: "Libertinus Serif", size: 10pt, lang: "en", region: "gb", hyphenate: true)
#set par(justify: true, leading: 0.62em, spacing: 0.9em)
#set math.equation(numbering: "(1)")
#set heading(numbering: "1")
#set table.cell(breakable: false)
#set table(stroke: none, inset: (x: 4pt, y: 3pt), align: left)
#set list(indent: 0.6em, spacing: 0.7em)
#show heading: set block(above: 1.5em, below: 0.8em)
#show heading: set text(size: 12.5pt)
#show figure: set block(above: 1.4em, below: 1.4em)
#show figure.caption: set align(left)
#show figure.caption: set text(size: 8.5pt)
#show figure.caption: set par(justify: false)
#show raw: set text(size: 0.92em)
#show link: set text(fill: rgb("#1a4f8b"))
"""


def _string(text: str) -> str:
    text = re.sub(r"\s+", " ", text)
    text = "".join(ch if ch.isprintable() else "\N{REPLACEMENT CHARACTER}" for ch in text)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _inline(piece: Inline, known: Numbering) -> str:
    match piece:
        case str():
            return _string(piece)
        case Strong(text):
            return f"strong({_string(text)})"
        case Emphasis(text):
            return f"emph({_string(text)})"
        case Code(text):
            return f"raw({_string(text)})"
        case Math(latex):
            return f"${formulas.typst(latex)}$"
        case Ref(key):
            return f"link(<{key}>, {_string(known.name(piece))})"
        case Cite(key):
            return f'"["; link(<source-{key}>, "{known.sources[key]}"); "]"'
        case Link(text, url):
            return f"link({_string(url)}, {_string(text)})"
    raise TypeError(piece)


def text(pieces: Text, known: Numbering) -> str:
    """Inline pieces as a Typst code block that gives content."""
    return "{" + "; ".join(_inline(piece, known) for piece in pieces) + "}"


def _caption(item: Picture | Table, known: Numbering) -> str:
    return text((Strong(f"{known.names[item.key]}. "), *item.caption), known)


def _table(table: Table, known: Numbering) -> str:
    size = "7.2pt" if table.small else "8.5pt"
    columns = ", ".join(f"{w}fr" if w else "auto" for w in table.widths) or ", ".join(
        ["auto"] * len(table.header)
    )
    head = ", ".join(f"strong({_string(h)})" for h in table.header)
    cells = []
    for row in table.rows:
        first, *others = (text(cell, known) for cell in row.cells)
        # A row is referred to by a mark in its first cell.
        cells.append(f"[#metadata(none) <{row.key}>#{first}]" if row.key else first)
        cells += others
    body = (
        f"table(columns: ({columns},), table.hline(stroke: 0.8pt), "
        f"table.header({head}, table.hline(stroke: 0.4pt)), "
        + "".join(f"{c}, " for c in cells)
        + "table.hline(stroke: 0.8pt))"
    )
    # No figure: a caption stays with the first rows of a table that goes on on the next page, which
    # short ones do not.
    whole = "breakable: false, " if len(table.rows) <= KEPT_WHOLE else ""
    return (
        f"#block(sticky: true, above: 1.4em, below: 0.7em, {{set text(size: 8.5pt); "
        f"set par(justify: false); {_caption(table, known)}}}) <{table.key}>\n\n"
        f"#block({whole}below: 1.4em, {{set text(size: {size}); "
        f"set par(justify: false, leading: 0.45em); {body}}})"
    )


def block(item: Block, known: Numbering) -> str:
    """One block as Typst."""
    match item:
        case Paragraph(pieces):
            return f"#par({text(pieces, known)})"
        case Bullets(items):
            # A sentence made from results is read on one page.
            kept = (f"block(breakable: false, {text(i, known)})" for i in items)
            return "#list(" + ", ".join(kept) + ")"
        case Formula(key, latex):
            return f"$ {formulas.typst(latex)} $ <{key}>"
        case Picture(key, file):
            alt = _string(plain(item.caption))
            return (
                f'#figure(image("/{file}.svg", width: {item.width:.0%}, alt: {alt}), kind: image, '
                f"placement: auto, numbering: none, supplement: none, "
                f"caption: {_caption(item, known)}) <{key}>"
            )
        case Table():
            return _table(item, known)
    raise TypeError(item)


def document(whole: Document) -> str:
    """The source of a PDF."""
    known = number(whole)
    unbroken = whole.title.replace("-", "\N{NON-BREAKING HYPHEN}")
    out = [
        f"#set document(title: {_string(whole.title)}, date: none)",
        _LOOK,
        f"#align(center, {{set par(justify: false); "
        f"text(size: 17pt, weight: 700, {_string(unbroken)}); v(2pt); "
        f"text(size: 10.5pt, {_string(whole.subtitle)})}})",
        "#v(6pt)",
        '#block(inset: (x: 10mm), {set text(size: 9.5pt); strong("Abstract"); [',
        *(block(b, known) for b in whole.abstract),
        "]})",
    ]
    for section in whole.sections:
        out.append(f"#heading({_string(section.title)}) <{section.key}>")
        out += [block(b, known) for b in section.blocks]
    out.append('#heading(numbering: none, "References")')
    for s in whole.sources:
        link = f"link({_string(s.url)}, {_string(s.url.removeprefix('https://'))})"
        out.append(
            f"#metadata(none) <source-{s.key}>"
            f'#par(hanging-indent: 1.5em, {{"[{known.sources[s.key]}] "; {_string(s.text)}; " "; '
            f"{link}}})"
        )
    if whole.appendix:
        out.append('#set heading(numbering: "A")\n#counter(heading).update(0)')
    for section in whole.appendix:
        out.append(f"#heading({_string(section.title)}) <{section.key}>")
        out += [block(b, known) for b in section.blocks]
    return "\n\n".join(out) + "\n"


def pdf(whole: Document, folder: Path, name: str = "report.pdf") -> Path:
    """Write a document as a PDF beside its figures, whole or not at all.

    Raises
    ------
    DataError : a figure is missing, or the PDF cannot be made or written.
    """
    missing = [p.name for p in picture_files(whole, folder) if not p.exists()]
    if missing:
        raise DataError(f"{folder} lacks {missing[0]}: run notebook 99 again, which draws it.")
    path = folder / name
    part = path.with_name(f".{name}.{os.getpid()}.part")
    try:
        # Fonts of the machine would make another file of the same text.
        made = typst.compile(document(whole).encode(), root=folder, ignore_system_fonts=True)
        part.write_bytes(made)
        os.replace(part, path)
    except (typst.TypstError, RuntimeError) as error:
        raise DataError(f"{path} cannot be made: {' '.join(str(error).split())[:200]}.") from None
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror}): choose another OUT folder or free space."
        ) from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return path
