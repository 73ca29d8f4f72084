"""Formulas as MathML, as in the report: browsers draw them, no script is loaded."""

from __future__ import annotations

from docutils import nodes
from sphinx.util import logging

from vjepa_lib.errors import ConfigError
from vjepa_lib.show.document.formulas import mathml

_log = logging.getLogger(__name__)


def _element(node: nodes.Node, block: bool) -> str:
    try:
        return mathml(node.astext(), block)
    except ConfigError as error:
        _log.warning("%s", error, location=node)
        return ""


def _inline(self, node: nodes.math) -> None:
    self.body.append(_element(node, block=False))
    raise nodes.SkipNode


def _block(self, node: nodes.math_block) -> None:
    self.body.append(f'<div class="math">{_element(node, block=True)}</div>')
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
