"""Numbers of figures, tables, formulas, sections and sources, and what each reference says."""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_uppercase

from vjepa_lib.errors import ConfigError
from vjepa_lib.show.document.blocks import (
    KEY,
    Cite,
    Document,
    Formula,
    Picture,
    Ref,
    Table,
    inlines,
)

_KINDS = {Picture: "Figure", Table: "Table", Formula: "Equation"}


@dataclass(frozen=True)
class Numbering:
    """What every key of a document is called.

    Attributes
    ----------
    names : key -> 'Figure 3', 'Table 1', 'Equation 2', 'Section 4'; rows: the name of their table.
    sources : key -> number of the entry in the bibliography.
    page : where the document lies, for parts of it that stand on another page.
    """

    names: dict[str, str]
    sources: dict[str, int]
    page: str = ""

    def name(self, ref: Ref) -> str:
        """What a reference reads."""
        return ref.text or self.names[ref.key]


def number(document: Document) -> Numbering:
    """Number a document, and check that every reference leads somewhere.

    Raises
    ------
    ConfigError : a key that is none, a key given twice, or a reference or citation of nothing.
    """
    names: dict[str, str] = {}
    counts: dict[str, int] = {}

    def add(key: str, name: str) -> None:
        if not KEY.fullmatch(key) or key in names:
            raise ConfigError(
                f"The document has the key {key!r} twice or it is none: give each part one of its "
                f"own, of small letters, digits, '_' and '-'."
            )
        names[key] = name

    for k, section in enumerate(document.sections, 1):
        add(section.key, f"Section {k}")
    for letter, section in zip(ascii_uppercase, document.appendix, strict=False):
        add(section.key, f"Appendix {letter}")
    for block in document.blocks():
        kind = _KINDS.get(type(block))
        if kind is None:
            continue
        counts[kind] = counts.get(kind, 0) + 1
        add(block.key, f"{kind} {counts[kind]}")
        for row in block.rows if isinstance(block, Table) else ():
            if row.key:
                add(row.key, names[block.key])
    sources = {s.key: k for k, s in enumerate(document.sources, 1)}
    for block in document.blocks():
        for piece in inlines(block):
            known = names if isinstance(piece, Ref) else sources
            if isinstance(piece, (Ref, Cite)) and piece.key not in known:
                raise ConfigError(f"The document refers to {piece.key!r}, which is not in it.")
    return Numbering(names, sources)
