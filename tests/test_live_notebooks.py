"""Notebooks told to train: a few that between them have every kind of section, under papermill."""

import nbformat
import pytest

from vjepa_lib import reproduce
from vjepa_lib.show.gallery import read_index

# 04: training, curves and short trainings; 10: a young trainer and encoders looked at; 12: views,
# measurements at a size of their own; 15: every variant audited.
BOOKS = {"04": [0, 1], "10": [0], "12": [0], "15": [0]}


@pytest.fixture(scope="module")
def folders(tmp_path_factory, smoke_sets, kernels):
    root = tmp_path_factory.mktemp("live")
    with pytest.MonkeyPatch.context() as m:
        m.setenv("VJEPA_RUNS", str(root / "runs"))
        m.setenv("VJEPA_FIGURES", str(root / "figures"))
        (root / "built").mkdir()
        (root / "figures/notebooks").mkdir(parents=True)
        yield root


def run(root, number, seeds):
    book = reproduce.notebook_paths()[number]
    settings = {"PROFILE": "smoke", "SEEDS": seeds, "JOBS": 1}
    said = reproduce.execute(book, root / "built", root / "figures/notebooks", settings)
    assert said is None, said
    return nbformat.read(root / "built" / book.name, as_version=4)


@pytest.mark.parametrize("number", BOOKS)
def test_a_notebook_trains_when_it_is_told_to(folders, number):
    book = run(folders, number, BOOKS[number])
    shown = [o for c in book.cells if c.cell_type == "code" for o in c.outputs]
    texts = [o.data.get("text/markdown", "") for o in shown if "data" in o]
    if number != "15":  # which audits and trains no runs
        assert any("**Live**: profile `smoke`" in text for text in texts)
        assert any("Runs: smoke, live" in text for text in texts)
        assert list((folders / "runs").glob("[0-9a-f]*/encoder.safetensors"))
    made = [e for e in read_index(folders / "figures") if e["notebook"].startswith(number)]
    assert {"figure", "table"} == {e["kind"] for e in made}


def test_the_report_has_what_they_made(folders):
    made = {e["notebook"] for e in read_index(folders / "figures")}
    if not made:  # run alone
        run(folders, "15", [0])
        made = {"15_what_the_gradients_reach"}
    run(folders, "99", [0])
    page = (folders / "figures/index.html").read_text()
    assert all(name in page for name in made)
