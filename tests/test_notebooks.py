"""Notebooks: pairs in step, parameters, question first, findings last, no logic."""

import re
from pathlib import Path

import jupytext
import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.py"))
IDS = [p.stem for p in SOURCES]


def cells(path):
    book = jupytext.read(path) if path.suffix == ".py" else nbformat.read(path, as_version=4)
    return book.cells


def test_there_are_notebooks():
    assert [p.name[:2] for p in SOURCES] == [f"{n:02d}" for n in range(16)] + ["99"]
    text = (ROOT / "README.md").read_text() + (
        ROOT / "notebooks/00_map_of_the_study.py"
    ).read_text()
    for path in SOURCES[1:]:
        assert text.count(f"{path.stem}.ipynb") >= 2, f"{path.stem} is missing in README or map"


@pytest.mark.parametrize("path", SOURCES, ids=IDS)
def test_pair_is_in_step(path):
    book = path.with_suffix(".ipynb")
    assert book.exists(), f"run: jupytext --sync notebooks/{path.name}"
    ours, theirs = cells(path), cells(book)
    tags = [c.metadata.get("tags", []) for c in theirs]
    assert [(c.cell_type, c.source) for c in ours] == [(c.cell_type, c.source) for c in theirs], (
        f"out of step; run: jupytext --sync notebooks/{path.name}"
    )
    assert [c.metadata.get("tags", []) for c in ours] == tags
    meta = nbformat.read(book, as_version=4).metadata
    assert meta.kernelspec.name == "python3"
    assert not any(c.get("outputs") for c in theirs), "commit notebooks without outputs"


@pytest.mark.parametrize("path", SOURCES, ids=IDS)
def test_shape_of_a_notebook(path):
    found = cells(path)
    assert found[0].cell_type == "markdown" and "**Question.**" in found[0].source
    code = [c for c in found if c.cell_type == "code"]
    assert "parameters" in code[0].metadata.get("tags", [])
    for name in ("PROFILE", "SEEDS", "JOBS", "DEVICE"):
        assert re.search(rf"^{name}(: \w+)? = None", code[0].source, re.M)
    last = [c for c in found if c.cell_type == "markdown"][-1]
    assert "What we found" in last.source and "print(" in found[-1].source
    assert not any(line.startswith("class ") for c in code for line in c.source.splitlines())
