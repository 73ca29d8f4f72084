"""Formulas: written once in LaTeX, typeset as MathML in a page and as Typst in a PDF.

The registry of objectives keeps LaTeX. latex2mathml makes MathML of it, which browsers set without
a script, and Typst's notation is read off that tree, so that both show the same formula.
"""

from __future__ import annotations

import re
from functools import lru_cache
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert

from vjepa_lib.errors import ConfigError

_NAMESPACE = "http://www.w3.org/1998/Math/MathML"
_ACCENTS = {"^": "hat", "¯": "macron", "‾": "overline", "~": "tilde", "→": "arrow", "˙": "dot"}
_BARS = {"|": "bar.v", "‖": "bar.v.double"}
# What Typst's notation would read as its own.
_SPECIAL = re.compile(r"([\\#$&_^/'\"`@{}()\[\];,:|~<>*])")


@lru_cache(maxsize=256)
def _tree(latex: str) -> Element:
    try:
        root = ElementTree.fromstring(convert(latex))
    except Exception as error:  # the converter raises a class of its own for each mistake
        why = str(error) or type(error).__name__
        raise ConfigError(f"The formula {latex!r} cannot be typeset: {why}.") from None
    for node in root.iter():
        if re.match(r"\\[A-Za-z]", node.text or ""):  # the converter shows what it does not know
            raise ConfigError(f"The formula {latex!r} cannot be typeset: unknown {node.text}.")
        node.tag = node.tag.removeprefix(f"{{{_NAMESPACE}}}")
    _join_words(root)
    return root


def _join_words(node: Element) -> None:
    """Make one name of letters that stand for a word: of `mathrm`, or three and more in a row."""
    for child in node:
        _join_words(child)
    if node.tag != "mrow":
        return
    out: list[Element] = []
    run: list[Element] = []

    def close() -> None:
        upright = all(n.get("mathvariant") == "normal" for n in run)
        if len(run) > 1 and (upright or len(run) > 2):
            word = Element("mi")
            word.text = "".join(n.text or "" for n in run)
            out.append(word)
        else:
            out.extend(run)
        run.clear()

    for child in list(node):
        text = child.text or ""
        letter = child.tag == "mi" and len(text) == 1 and text.isascii() and text.isalpha()
        if letter and (not run or run[-1].get("mathvariant") == child.get("mathvariant")):
            run.append(child)
            continue
        close()
        if letter:
            run.append(child)
        else:
            out.append(child)
    close()
    for child in list(node):
        node.remove(child)
    node.extend(out)


def mathml(latex: str, block: bool = False) -> str:
    """A formula as a MathML element.

    Raises
    ------
    ConfigError : LaTeX that cannot be read.
    """
    root = ElementTree.fromstring(ElementTree.tostring(_tree(latex)))
    root.set("display", "block" if block else "inline")
    return ElementTree.tostring(root, encoding="unicode")


def typst(latex: str) -> str:
    """A formula in Typst's notation, without its dollar signs.

    Raises
    ------
    ConfigError : LaTeX that cannot be read, or a construct that no objective has used so far.
    """
    return _typst(_tree(latex), latex)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _token(text: str) -> str:
    if text in _BARS:  # else Typst takes both of a pair for opening ones and moves what follows
        return f'class("normal", {_BARS[text]})'
    if len(text) > 1 and not text[0].isdigit():
        return f"op({_quoted(text)})"
    return _SPECIAL.sub(r"\\\1", text)


def _typst(node: Element, latex: str) -> str:
    parts = [_typst(child, latex) for child in node]
    text = (node.text or "").replace("\xa0", " ").strip()
    match node.tag, parts:
        case "math" | "mrow" | "mstyle" | "mpadded", _:
            return " ".join(parts)
        case "mi" | "mn" | "mo", _:
            # Bars and brackets stay as high as their line, as `stretchy` is false in MathML.
            return _token(text)
        case "mtext", _:
            return _quoted(text)
        case "mspace", _:
            return "quad" if node.get("width") in ("1em", "2em") else "thin"
        case "msub", [base, low]:
            return f"attach({base}, b: {low})"
        case "msup", [base, high]:
            return f"attach({base}, t: {high})"
        case "msubsup", [base, low, high]:
            return f"attach({base}, b: {low}, t: {high})"
        case "mfrac", [over, under]:
            return f"frac({over}, {under})"
        case "msqrt", _:
            return f"sqrt({' '.join(parts)})"
        case "mover", [base, _] if (node[1].text or "") in _ACCENTS:
            return f"{_ACCENTS[node[1].text or '']}({base})"
        case "munder", [base, low]:
            return f"attach({base}, b: {low})"
        case "munderover", [base, low, high]:
            return f"attach({base}, b: {low}, t: {high})"
    raise ConfigError(f"The formula {latex!r} has a <{node.tag}>, which is not set in the PDF yet.")
