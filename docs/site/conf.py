"""The documentation site: `make site` writes it to build/site, from the repository as it is.

Notebooks are shown with the outputs they were committed with and never run here. Nothing in a page
is fetched from elsewhere: formulas are MathML, which browsers draw, and the theme (Furo: plain
style sheets, light and dark, narrow screens) brings its own files.
"""

from __future__ import annotations

import gc
import re
import sys
from functools import partial
from pathlib import Path

from jinja2 import BytecodeCache
from jinja2.sandbox import SandboxedEnvironment
from numpydoc import docscrape_sphinx
from pygments.lexers.special import TextLexer

sys.path.insert(0, str(Path(__file__).parent))  # extensions of the site's own
sys.path.insert(0, str(Path(__file__).parents[2]))

# A grammar of international addresses takes seconds to load, and no notebook's schema needs it.
sys.modules.setdefault("rfc3987_syntax", None)


class Compiled(BytecodeCache):
    """Templates compiled in this process: numpydoc asks for its one anew at every docstring."""

    def __init__(self):
        self.kept = {}

    def load_bytecode(self, bucket):
        if bucket.key in self.kept:
            bucket.bytecode_from_string(self.kept[bucket.key])

    def dump_bytecode(self, bucket):
        self.kept[bucket.key] = bucket.bytecode_to_string()


docscrape_sphinx.SandboxedEnvironment = partial(SandboxedEnvironment, bytecode_cache=Compiled())

# Whole documents live long: looking through all of them for cycles took a fifth of the time.
gc.set_threshold(700, 10, 100)

project = "Video-JEPA companion"
author = "the vjepa_lib authors"
copyright = "2026, the vjepa_lib authors"
html_title = project

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "numpydoc",
    "mathml",
    "contents",
]

# --- what is read ---------------------------------------------------------------------------------

root_doc = "README"
include_patterns = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/*.md",
    "docs/api/*.rst",
    "data_manifests/recorded/README.md",
    "notebooks/*.ipynb",
]
# Folders that need not be searched.
exclude_patterns = [".*", "runs", "data", "build", "figures", "tests", "vjepa_lib", "docs/site"]

# --- notebooks and Markdown -----------------------------------------------------------------------

nb_execution_mode = "off"
nb_merge_streams = True
nb_render_markdown_format = "myst"  # tables are Markdown, and formulas stand in them
# A widget's text stands for it: its scripts would come from a CDN.
nb_ipywidgets_js = {}
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4

# --- API ------------------------------------------------------------------------------------------

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
numpydoc_show_class_members = False
# Docstrings name things in single backticks: a link where the name is part of the reference.
default_role = "py:obj"
nitpicky = True
nitpick_ignore_regex = [
    ("py:obj", ".*"),
    # Other people's classes, whose pages are not here, and type variables.
    ("py:class", r"(torch|numpy|np|pandas|pd|matplotlib|pathlib|collections|enum)\..*|Tensor|Path"),
    ("py:class", r"vjepa_lib\..*\.T"),
]

# --- pages ----------------------------------------------------------------------------------------

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_math_renderer = "mathml"
html_additional_pages = {"index": "to_start.html"}
templates_path = ["templates"]
pygments_style = "friendly"
pygments_dark_style = "monokai"


def _readable(app, what, name, obj, options, signature, returns):
    """Signatures with the names of domains of numbers, and `...` for a default made by a function.

    As they stand, Sphinx writes a domain out wherever it occurs and cannot parse what results.
    """
    from vjepa_lib import settings

    names = {
        alias.__metadata__[0].says: name
        for name, alias in vars(settings).items()
        if isinstance(getattr(alias, "__metadata__", (None,))[0], settings.Domain)
    }
    written = re.compile(
        r"~typing\.Annotated\[\w+, ~vjepa_lib\.settings\.Domain\(says=(.*?), low=.*?\)\]"
    )
    if signature:
        signature = written.sub(lambda m: f"~vjepa_lib.settings.{names[m[1]]}", signature)
        signature = signature.replace("<factory>", "...")
    return signature, returns


def setup(app):
    app.connect("autodoc-process-signature", _readable)
    app.add_lexer("csv", TextLexer)  # Pygments has none
