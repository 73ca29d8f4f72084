"""The model of a document: inline pieces, blocks, sections. Plain data, checked when it is made.

Authored text is written with `words`, whose template knows a little markup; what is put into it
(names, captions, numbers from results) is never read as markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vjepa_lib.errors import ConfigError

KEY = re.compile(r"[a-z][a-z0-9_-]*")
SITES = ("https://arxiv.org/",)
"""Where a document may lead to: addresses that authors typed, never any that results brought."""


# --- inline pieces ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Strong:
    """Text in bold."""

    text: str


@dataclass(frozen=True)
class Emphasis:
    """Text in italics."""

    text: str


@dataclass(frozen=True)
class Code:
    """A name as it is typed: a file, a command, the address of a run."""

    text: str


@dataclass(frozen=True)
class Math:
    """A formula inside a line, in LaTeX."""

    latex: str


@dataclass(frozen=True)
class Ref:
    """A reference to a figure, table, formula, section or row by its key.

    Attributes
    ----------
    key : what is referred to.
    text : how it is called; '' for its kind and number.
    """

    key: str
    text: str = ""


@dataclass(frozen=True)
class Cite:
    """A reference to an entry of the bibliography by its key."""

    key: str


@dataclass(frozen=True)
class Link:
    """A link out of the document, to one of `SITES`."""

    text: str
    url: str

    def __post_init__(self) -> None:
        if not self.url.startswith(SITES) or re.search(r"[\s\"'<>\\]", self.url):
            raise ConfigError(f"A document does not link to {self.url!r}: give an arXiv address.")


Inline = str | Strong | Emphasis | Code | Math | Ref | Cite | Link
Text = tuple[Inline, ...]


# --- blocks -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Paragraph:
    """A paragraph."""

    text: Text


@dataclass(frozen=True)
class Bullets:
    """A list of points."""

    items: tuple[Text, ...]


@dataclass(frozen=True)
class Formula:
    """A numbered formula on lines of its own.

    Attributes
    ----------
    key : what references call it.
    latex : the formula.
    """

    key: str
    latex: str


@dataclass(frozen=True)
class Picture:
    """A numbered figure.

    Attributes
    ----------
    key : what references call it.
    file : name of the figure in the figures folder, without suffix; `.svg` and `.png` exist.
    caption : what is seen.
    width : share of the text's width in the PDF; a page shows it at its own size.
    """

    key: str
    file: str
    caption: Text
    width: float = 1.0


@dataclass(frozen=True)
class Row:
    """A row of a table; `key` is what references call it, if anything refers to it."""

    cells: tuple[Text, ...]
    key: str = ""


@dataclass(frozen=True)
class Table:
    """A numbered table.

    Attributes
    ----------
    key : what references call it.
    header : titles of the columns.
    rows : as many cells each as the header.
    caption : what stands in it.
    widths : relative widths of the columns; 0 for as wide as its text.
    small : whether it is set smaller, for many columns.
    """

    key: str
    header: tuple[str, ...]
    rows: tuple[Row, ...]
    caption: Text
    widths: tuple[float, ...] = ()
    small: bool = False

    def __post_init__(self) -> None:
        wrong = [r for r in self.rows if len(r.cells) != len(self.header)]
        if wrong or (self.widths and len(self.widths) != len(self.header)):
            raise ConfigError(f"Table {self.key!r}: give every row a cell for each column.")


@dataclass(frozen=True)
class Section:
    """A part of a document under a title."""

    key: str
    title: str
    blocks: tuple[Block, ...]


Block = Paragraph | Bullets | Formula | Picture | Table


@dataclass(frozen=True)
class Source:
    """An entry of the bibliography.

    Attributes
    ----------
    key : what citations call it.
    text : authors, title, year.
    url : of its page.
    """

    key: str
    text: str
    url: str


@dataclass(frozen=True)
class Document:
    """A whole document.

    Attributes
    ----------
    title, subtitle : its head.
    abstract : blocks that stand before the first section.
    sections : in order.
    sources : bibliography, in the order of its numbers.
    appendix : sections after the bibliography, lettered.
    """

    title: str
    subtitle: str
    abstract: tuple[Block, ...]
    sections: tuple[Section, ...]
    sources: tuple[Source, ...] = ()
    appendix: tuple[Section, ...] = ()

    def blocks(self) -> Iterator[Block]:
        """Every block, in order."""
        yield from self.abstract
        for section in (*self.sections, *self.appendix):
            yield from section.blocks


# --- authored text ------------------------------------------------------------------------------

_MARKUP = re.compile(
    r"\$(?P<math>[^$]+)\$|`(?P<code>[^`]+)`|\*\*(?P<strong>[^*]+)\*\*|\*(?P<emphasis>[^*]+)\*"
    r"|\{(?P<slot>\w+)\}|\[@(?P<ref>[a-z0-9_-]+)\]|\[#(?P<cite>[a-z0-9_-]+)\]"
)
_PIECES = {"math": Math, "code": Code, "strong": Strong, "emphasis": Emphasis, "ref": Ref}


def words(template: str, **inserts: Inline | Sequence[Inline] | int) -> Text:
    """Authored text with results put in.

    Parameters
    ----------
    template : `*emphasis*`, `**strong**`, code in backquotes, `$formula$`, `[@key]` for a
        reference, `[#key]` for a citation, `{name}` for an insert. Line ends are spaces.
    inserts : a number or text, which is never read as markup, an inline piece, or a list of those.

    Raises
    ------
    ConfigError : an insert that is missing or that the template has no place for.
    """
    template = re.sub(r"\s+", " ", template).strip()
    out: list[Inline] = []
    used, end = set(), 0
    for found in _MARKUP.finditer(template):
        out.append(template[end : found.start()])
        end, kind, inner = found.end(), found.lastgroup or "", found[found.lastgroup or 0]
        if kind == "slot":
            if inner not in inserts:
                raise ConfigError(f"The text {template[:40]!r} has no insert {inner!r}: give one.")
            used.add(inner)
            value = inserts[inner]
            several = isinstance(value, (list, tuple))
            out += value if several else [str(value) if isinstance(value, int) else value]
        else:
            out.append(Cite(inner) if kind == "cite" else _PIECES[kind](inner))
    out.append(template[end:])
    if set(inserts) - used:
        raise ConfigError(
            f"The text {template[:40]!r} has no place for {sorted(set(inserts) - used)[0]!r}."
        )
    return tuple(piece for piece in out if piece != "")


def paragraph(template: str, **inserts: Inline | Sequence[Inline] | int) -> Paragraph:
    """A paragraph of `words`."""
    return Paragraph(words(template, **inserts))


def plain(text: Text) -> str:
    """Text without its looks; references by their keys."""
    said = []
    for piece in text:
        if isinstance(piece, str):
            said.append(piece)
        elif isinstance(piece, Math):
            said.append(piece.latex)
        else:
            said.append(getattr(piece, "text", "") or getattr(piece, "key", ""))
    return "".join(said)


def inlines(block: Block) -> Iterator[Inline]:
    """Every inline piece of a block, captions and cells included."""
    match block:
        case Paragraph(text):
            yield from text
        case Bullets(items):
            for item in items:
                yield from item
        case Picture():
            yield from block.caption
        case Table():
            yield from block.caption
            for row in block.rows:
                for cell in row.cells:
                    yield from cell


def picture_files(document: Document, folder: Path) -> list[Path]:
    """Files of all figures of a document."""
    return [folder / f"{b.file}.svg" for b in document.blocks() if isinstance(b, Picture)]
