"""Pages of executed notebooks: formulas are typeset, links lead on, nothing is asked of a host."""

import re
from pathlib import Path

import nbformat
import pytest
from html_pages import broken, page, requests_elsewhere
from nbformat import v4

from vjepa_lib.show import exported

BOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$\n]+\$", re.S)
WIDGET = "application/vnd.jupyter.widget-view+json"


def lines_with_formulas(book):
    """Formulas of all Markdown, code aside."""
    text = [c.source for c in book.cells if c.cell_type == "markdown"]
    return FORMULA.findall(re.sub(r"```.*?```|`[^`\n]*`", "", "\n\n".join(text), flags=re.S))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two committed notebooks as pages, beside names of the others."""
    out = tmp_path_factory.mktemp("figures") / "notebooks"
    out.mkdir()
    for path in BOOKS:
        (out / f"{path.stem}.html").touch()
        if path.name[:2] in ("03", "16"):
            exported.write(nbformat.read(path, as_version=4), path, out)
    return out


def test_nothing_is_asked_of_another_host(folder):
    assert not requests_elsewhere(folder)
    assert not [p for p in folder.glob("*.html") if "<script" in p.read_text()]


def test_links_lead_to_pages_and_to_files_of_the_repository(folder):
    assert not broken(folder)
    linked = page(folder / "16_zero_shot_transfer.html").linked
    assert "00_map_of_the_study.html" in linked
    assert any(address.endswith("docs/analysis_plan.md") for address in linked)


def test_every_formula_of_the_notebooks_is_typeset(folder):
    """Outputs hold tables with formulas, too, so a page may have more than its text."""
    for path in BOOKS:
        book = nbformat.read(path, as_version=4)
        latex = lines_with_formulas(book)
        typeset = [exported.formula(f.strip("$"), f.startswith("$$")) for f in latex]
        assert all(m.startswith("<math") for m in typeset), path
        if path.name[:2] in ("03", "16"):
            html = (folder / f"{path.stem}.html").read_text()
            assert html.count("<math") >= len(latex) > 0, path


def book_of(*cells):
    return v4.new_notebook(cells=list(cells))


def test_formulas_links_and_widgets_of_any_notebook(tmp_path):
    """What cannot be typeset stays readable; a widget is shown by its text, without scripts."""
    text = v4.new_markdown_cell(
        "Where $a < b$, $$\\frac{a}{b}$$ and $\\nonsense$: [next](01_x.ipynb#part), "
        "[guide](../docs/x.md), [out](https://arxiv.org/abs/1), [here](#part)"
    )
    shown = v4.new_output("display_data", {"text/plain": "a slider", WIDGET: {"model_id": "m"}})
    code = v4.new_code_cell("show()", outputs=[shown])
    book = book_of(text, code)
    book.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {"m": {}}}}
    html = exported.page(book, tmp_path / "notebooks", tmp_path / "figures" / "notebooks")
    assert html.count("<math") == 2 and "<mfrac>" in html and "&lt;" in html
    assert "<code>\\nonsense</code>" in html and "$" not in html[html.index("<body") :]
    for address in ("01_x.html#part", "../../docs/x.md", "https://arxiv.org/abs/1", "#part"):
        assert f'href="{address}"' in html
    assert "a slider" in html and "<script" not in html
    assert WIDGET in code.outputs[0].data  # the notebook itself is as it was
