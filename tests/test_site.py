"""The documentation site, built as `make site` builds it."""

import ast
import importlib
import inspect
import json
import re
from pathlib import Path

from built_site import sphinx
from html_pages import broken, page, requests_elsewhere

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "vjepa_lib"
PACKAGES = sorted(
    p.parent.relative_to(LIBRARY).as_posix().replace("/", ".")
    for p in LIBRARY.rglob("__init__.py")
    if p.parent != LIBRARY
)


def documented():
    """(modules and packages, single classes) that have a place in the reference."""
    pages = "\n".join(p.read_text() for p in (ROOT / "docs" / "api").glob("*.rst"))
    return (
        set(re.findall(r"^\.\. automodule:: vjepa_lib\.(\S+)$", pages, re.M)),
        set(re.findall(r"^\.\. autoclass:: vjepa_lib\.\S+\.(\w+)$", pages, re.M)),
    )


def imported():
    """(module, name) of all that notebooks import from the library; name '' for a module."""
    for path in (ROOT / "notebooks").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("vjepa_lib."):
                base = node.module.removeprefix("vjepa_lib.")
                for name in (alias.name for alias in node.names):
                    file = LIBRARY.joinpath(*base.split("."), name)
                    module = file.is_dir() or file.with_suffix(".py").exists()
                    yield (f"{base}.{name}", "") if module else (base, name)


def test_nothing_is_fetched_from_elsewhere(site):
    assert not requests_elsewhere(site)


def test_every_link_and_picture_leads_somewhere(site):
    assert not broken(site)


def test_every_notebook_and_guide_has_its_page(site):
    sources = [*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "docs").glob("*.md")]
    sources += [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
    start = page(site / "README.html").linked
    for source in sources:
        name = source.relative_to(ROOT).with_suffix(".html").as_posix()
        assert (site / name).exists() and (name in start or source.stem == "README"), name
    assert "url=README.html" in (site / "index.html").read_text()


def test_a_notebooks_outputs_are_on_its_page(site):
    """As committed: text, tables and pictures; nothing is run."""
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        html = (site / "notebooks" / f"{path.stem}.html").read_text()
        cells = [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]
        outputs = [o for c in cells for o in c["outputs"]]
        pictures = sum("image/png" in o.get("data", {}) for o in outputs)
        shown = ["".join(o.get("data", {}).get("text/markdown", "")) for o in outputs]
        tables = sum(bool(re.search(r"^\|[:-]+", text, re.M)) for text in shown)
        assert html.count('class="highlight-') >= sum(bool(c["source"]) for c in cells), path
        assert len(re.findall(r'<img [^>]*src="\.\./_images/', html)) >= pictures, path
        assert html.count("<table") >= tables, path


def test_formulas_are_drawn_by_the_browser(site):
    html = (site / "notebooks" / "04_baseline_and_collapse.html").read_text()
    assert "<math" in html and "\\mathcal" not in html and '<script id="MathJax' not in html


def test_the_reference_has_all_that_packages_offer(site):
    """Functions and classes of every `__all__`, by the name a reader imports."""
    from sphinx.util.inventory import InventoryFile

    with (site / "objects.inv").open("rb") as file:
        domains = InventoryFile.load(file, "", lambda base, path: path)
    named = {name for kind, names in domains.items() if kind.startswith("py:") for name in names}
    missing = []
    for package in PACKAGES:
        module = importlib.import_module(f"vjepa_lib.{package}")
        offers = {name: getattr(module, name) for name in getattr(module, "__all__", ())}
        missing += [
            f"{module.__name__}.{name}"
            for name, offer in offers.items()
            if inspect.ismodule(offer) or inspect.isclass(offer) or inspect.isfunction(offer)
            if f"{module.__name__}.{name}" not in named
        ]
    assert not missing


def test_every_package_and_all_that_notebooks_import_has_a_place_in_the_reference():
    known, classes = documented()
    assert {"article", "show.document", "analysis.statistics"} <= set(PACKAGES) <= known
    missing = set()
    for module, name in imported():
        package = importlib.import_module(f"vjepa_lib.{module.rpartition('.')[0]}".rstrip("."))
        if module not in known and name not in {*getattr(package, "__all__", ()), *classes}:
            missing.add(f"{module} {name}".strip())
    assert not missing


def test_search_finds_words_of_notebooks_guides_and_reference(site):
    index = (site / "searchindex.js").read_text()
    found = json.loads(index.removeprefix("Search.setIndex(").removesuffix(")"))
    for word, where in (
        ("collaps", "notebooks/04_baseline_and_collapse"),
        ("manifest", "docs/datasets"),
        ("scrubber", "docs/api/show"),
    ):
        hits = [found[kind].get(word, []) for kind in ("terms", "titleterms")]
        pages = sum(([h] if isinstance(h, int) else h for h in hits), [])
        assert where in {found["docnames"][i] for i in pages}


def test_warnings_are_told(tmp_path):
    """A formula that cannot be drawn, a link that leads nowhere: the build fails and names them."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "README.md").write_text("# Start\n\n$\\nonsense$ and [nothing](nothing.md)\n")
    done = sphinx(source, tmp_path / "out", "-W", "--keep-going")
    assert done.returncode != 0
    assert "cannot be typeset: unknown" in done.stderr and "nothing.md" in done.stderr
