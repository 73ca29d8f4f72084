"""Notebooks: pairs in step, parameters, question first, findings last, no logic."""

import ast
import re
import subprocess
import sys
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
    assert [p.name[:2] for p in SOURCES] == [f"{n:02d}" for n in range(17)] + ["99"]
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
    assert any(c.get("outputs") for c in theirs), "commit what it shows: run 'make notebooks'"


@pytest.mark.parametrize("path", SOURCES, ids=IDS)
def test_shape_of_a_notebook(path):
    found = cells(path)
    assert found[0].cell_type == "markdown" and "**Question.**" in found[0].source
    code = [c for c in found if c.cell_type == "code"]
    assert "parameters" in code[0].metadata.get("tags", [])
    for name in ("PROFILE", "SEEDS", "JOBS", "DEVICE"):
        assert re.search(rf"^{name}: \w+ = None  # ", code[0].source, re.M)
    last = [c for c in found if c.cell_type == "markdown"][-1]
    assert "What we found" in last.source and "print(" in found[-1].source
    assert not any(line.startswith("class ") for c in code for line in c.source.splitlines())


# --- how the code reads ---------------------------------------------------------------------------

LONGEST_LINE, LONGEST_CELL = 100, 30
# What makes a table out of another one belongs into a tested function.
TABLE_WORK = frozenset(
    [
        "agg",
        "aggregate",
        "apply",
        "assign",
        "concat",
        "corr",
        "corrcoef",
        "DataFrame",
        "dropna",
        "groupby",
        "idxmax",
        "idxmin",
        "isin",
        "melt",
        "merge",
        "pivot",
        "pivot_table",
        "quantile",
        "query",
        "set_index",
        "sort_values",
        "transform",
        "unstack",
        "value_counts",
        "where",
    ]
)
SHOWN_TO_READERS = ("small_predictions",)  # notebook 15: an objective of one's own


def is_mask(node):
    """Whether a subscript picks rows by a condition."""
    return any(
        isinstance(n, ast.Compare | ast.BoolOp | ast.BitAnd | ast.BitOr | ast.Invert)
        for n in ast.walk(node.slice)
    )


def analysis_in(source):
    """What a cell does that belongs into a tested function, as 'line: what'."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Lambda | ast.ClassDef | ast.Try | ast.While):
            found.append((node.lineno, type(node).__name__.lower()))
        elif isinstance(node, ast.FunctionDef) and node.name not in SHOWN_TO_READERS:
            found.append((node.lineno, f"def {node.name}"))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in TABLE_WORK:
                found.append((node.lineno, node.func.attr))
        elif isinstance(node, ast.Subscript) and is_mask(node):
            found.append((node.lineno, "rows picked by a condition"))
    return [f"{line}: {what}" for line, what in sorted(found)]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("f(results[results.probe == 'linear'])", "condition"),
        ("t[(t.a > 0) & ~t.b]", "condition"),
        ("by_source(sources, lambda r: r)", "lambda"),
        ("table.pivot_table(index='name')", "pivot_table"),
        ("pd.DataFrame(rows)", "DataFrame"),
        ("def gain(x):\n    return x", "def gain"),
        ("while True:\n    pass", "while"),
    ],
)
def test_analysis_in_a_cell_is_found(source, says):
    assert says in analysis_in(source)[0]


def test_calls_plots_and_columns_are_no_analysis():
    fine = "for tag, part in each(gains):\n    fig = plots.heatmap(wide[columns][0], part[['a']])"
    assert analysis_in(fine) == []


@pytest.mark.parametrize("path", SOURCES, ids=IDS)
def test_cells_hold_calls_and_plots(path):
    code = [c.source for c in cells(path) if c.cell_type == "code"]
    found = [line for source in code for line in analysis_in(source)]
    assert not found, f"{path.name}: make it a tested function of vjepa_lib: {found}"
    assert max(len(source.splitlines()) for source in code) <= LONGEST_CELL


@pytest.mark.parametrize("path", SOURCES, ids=IDS)
def test_a_notebook_opens_in_one_call(path):
    tree = ast.parse(path.read_text())
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call)]
    ours = [c for c in calls if isinstance(c.func, ast.Attribute) and is_opening(c.func)]
    assert [c.func.attr for c in ours] == ["open_notebook"]
    assert ours[0].args[0].value == path.stem
    assert [a.id for a in ours[0].args[1:]] == ["PROFILE", "SEEDS", "JOBS", "DEVICE"]


def is_opening(function):
    return isinstance(function.value, ast.Name) and function.value.id == "notebook"


@pytest.mark.parametrize("path", SOURCES, ids=IDS)
def test_lines_are_short(path):
    lines = path.read_text().splitlines()
    long = [i for i, line in enumerate(lines, 1) if len(line) > LONGEST_LINE]
    assert not long, f"{path.name}: lines {long} are longer than {LONGEST_LINE} characters"


def test_notebooks_are_formatted():
    command = [sys.executable, "-m", "ruff", "format", "--check", *map(str, SOURCES)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, f"run 'ruff format notebooks':\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("path", SOURCES, ids=IDS)
def test_every_figure_is_introduced(path):
    """Words stand before a figure, with at most one cell that prepares it in between."""
    found = cells(path)
    for i, cell in enumerate(found):
        if cell.cell_type == "code" and re.search(r"\.figure\(|sections\.", cell.source):
            before = [c.cell_type for c in found[max(0, i - 2) : i]]
            assert "markdown" in before, f"{path.stem}: say what to look for before\n{cell.source}"
