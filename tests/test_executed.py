"""Committed notebooks: their outputs are normalised, small, and compared to the last digit."""

import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest

from vjepa_lib.errors import CompanionError, ConfigError
from vjepa_lib.provenance import ROOT
from vjepa_lib.show import executed
from vjepa_lib.study import recorded

BOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
IDS = [p.stem for p in BOOKS]
# Cells that may come out differently on another machine; each has its reason beside it.
VOLATILE, MOST_VOLATILE = "nbval-ignore-output", 4


def book_of(*outputs, **metadata):
    cell = nbformat.v4.new_code_cell("1", outputs=list(outputs))
    cell.metadata = nbformat.from_dict({"tags": ["a"], "execution": {"iopub": "now"}} | metadata)
    book = nbformat.v4.new_notebook(cells=[cell])
    book.metadata = nbformat.from_dict(
        {"kernelspec": {"name": "python3"}, "widgets": {"x": 1}, "language_info": {"v": "3.11"}}
    )
    return executed.normalise(book, "07_x")


def stream(text, name="stdout"):
    return nbformat.v4.new_output("stream", text=text, name=name)


def test_what_is_volatile_is_taken_out():
    bar = stream("\rtraining:  10%|█   | 1/9 [00:01<00:02]\rtraining: 100%|████| 9/9", "stderr")
    book = book_of(stream("a\n"), bar, stream("b\n"))
    (cell,) = book.cells
    assert cell.id == "cell-00" and cell.metadata == {"tags": ["a"]}
    assert set(book.metadata) == {"kernelspec"}
    assert [(o.name, o.text) for o in cell.outputs] == [("stdout", "a\nb\n")]


def test_widgets_leave_the_picture_they_show():
    data = {"application/vnd.jupyter.widget-view+json": {"model_id": "f3"}, "text/plain": "HBox()"}
    shown = nbformat.v4.new_output("display_data", data=data | {"image/png": "abc"})
    bar = nbformat.v4.new_output("display_data", data=data)
    (left,) = book_of(shown, bar).cells[0].outputs
    assert set(left.data) == {"image/png", "text/plain"}


@pytest.mark.parametrize(
    ("output", "says"),
    [
        (stream("UserWarning: careful", "stderr"), "07_x, cell 0 warns: UserWarning"),
        (stream(f"see {ROOT}/runs"), "a path of this machine"),
        (stream("<Encoder object at 0x7f3a5c0d>"), "an address in memory"),
    ],
)
def test_what_another_machine_would_show_differently_is_refused(output, says):
    with pytest.raises(CompanionError, match=says):
        book_of(output)


def test_notebooks_are_chosen_by_number_or_name():
    assert [p.stem for p in executed.sources("07")] == ["07_factorized_world_model"]
    assert executed.sources("99_report") == executed.sources("99")
    assert len(executed.sources()) == len(BOOKS)
    with pytest.raises(ConfigError, match="choose a number of 00_map"):
        executed.sources("77")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The library, its records and one notebook, to change."""
    root = tmp_path_factory.mktemp("copy")
    for part in ("vjepa_lib", "data_manifests"):
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "notebooks").mkdir()
    return root


def put(copy, name, keep=lambda cell: True):
    """A notebook of the repository with some of its cells, beside a copy of the library."""
    book = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    book.cells = [c for c in book.cells if c.cell_type == "code" and keep(c)]
    nbformat.write(book, copy / "notebooks" / f"{name}.ipynb")
    return copy / "notebooks" / f"{name}.ipynb"


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_changed_number_fails(copy, kernels):
    """In a recorded table, and in the library: each fails the cell that shows it, and no other."""
    shown = ("PROFILE:", "open_notebook", "seed_means", '"gain"')
    book = put(copy, "04_baseline_and_collapse", lambda c: any(s in c.source for s in shown))
    # Shown by the first of the two cells with results: the second is about another baseline.
    table = copy / "data_manifests/recorded/small_results.csv"
    start = f"{recorded_run('ucf_baseline')},order,linear,"
    (line,) = [text for text in table.read_text().splitlines() if text.startswith(start)]
    top1, rest = line.removeprefix(start).split(",", 1)
    edit(table, line, f"{start}{float(top1) + 1},{rest}")
    # Shown by the second.
    gains = "return gains(of_forms(results, pairs), reference)"
    edit(copy / "vjepa_lib/analysis/ablation.py", gains, f"{gains}.assign(effect=1.0)")
    env = {k: v for k, v in os.environ.items() if k not in executed.SETTINGS}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "--nbval", str(book)],
        capture_output=True,
        text=True,
        cwd=copy,
        env=env | {"PYTHONPATH": str(copy)},
    )
    outcome = re.findall(r"::Cell \d+ (PASSED|FAILED)", done.stdout)
    assert outcome == ["PASSED", "PASSED", "FAILED", "FAILED"], done.stdout[-3000:]


def recorded_run(variant):
    """Address of a recorded run of seed 0."""
    table = recorded.runs()
    return table[(table.variant == variant) & (table.seed == 0)].run.iloc[0]


def test_executing_twice_changes_no_byte(kernels):
    book = ROOT / "notebooks/00_map_of_the_study.ipynb"
    text, _ = executed.execute(book.with_suffix(".py"))
    assert text == book.read_text()


def test_what_only_starts_kernels_loads_no_network():
    """The notebooks load torch and matplotlib; the process that waits for them needs neither."""
    asked = (
        "import sys; from vjepa_lib.show import executed; executed.sources(); "
        "print({'torch', 'matplotlib', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "set()", done.stdout + done.stderr


@pytest.mark.parametrize("book", BOOKS, ids=IDS)
def test_outputs_are_committed_whole(book):
    found = nbformat.read(book, as_version=4)
    assert book.stat().st_size <= executed.LARGEST
    assert executed.in_step(book.with_suffix(".py")), f"run: make notebooks ONLY={book.name[:2]}"
    code = [c for c in found.cells if c.cell_type == "code"]
    assert all(c.execution_count for c in code), f"run: make notebooks ONLY={book.name[:2]}"
    assert not any(o.output_type == "error" for c in code for o in c.outputs)
    before = nbformat.writes(found, version=4)
    assert nbformat.writes(executed.normalise(found, book.stem), version=4) == before


def test_all_together_are_small():
    assert sum(b.stat().st_size for b in BOOKS) <= executed.TOGETHER


def test_few_cells_may_vary_and_each_says_why():
    found = [
        (book.stem, cell)
        for book in BOOKS
        for cell in nbformat.read(book, as_version=4).cells
        if VOLATILE in cell.metadata.get("tags", [])
    ]
    assert len(found) <= MOST_VOLATILE
    for stem, cell in found:
        assert "# May vary: " in cell.source, f"{stem}: say why\n{cell.source}"
