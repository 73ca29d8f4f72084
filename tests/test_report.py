"""The report page links every artefact to its notebook, runs and commit."""

import json

import pandas as pd
import pytest
from matplotlib.figure import Figure

from vjepa_lib.errors import DataError
from vjepa_lib.show import report
from vjepa_lib.show.gallery import Gallery


@pytest.fixture
def folder(tmp_path):
    gallery = Gallery(tmp_path / "figures", "07_example", "mini", commit="c0ffee" * 6)
    fig = Figure()
    fig.subplots().plot([1, 2])
    gallery.figure(fig, "curve", pd.DataFrame({"x": [1, 2]}), "A <curve>", runs=["ab12", "cd34"])
    gallery.table(pd.DataFrame({"a": [1.234, None]}), "numbers", "Numbers", sources=["arXiv 1"])
    gallery.table(pd.DataFrame(), "empty", "Nothing")
    return tmp_path / "figures"


def test_page(folder, tmp_path):
    page = report.build(folder, tmp_path / "runs").read_text()
    assert 'src="07_curve.png"' in page and 'href="07_curve.svg"' in page
    assert "A &lt;curve&gt;" in page and "c0ffeec0ffee" in page
    assert 'href="../runs/ab12/provenance.json"' in page and str(tmp_path) not in page
    assert "1.23" in page and "1.234" not in page and "arXiv 1" in page and "(no rows)" in page
    assert "1 figures and 2 tables from 1 notebooks and 2 training runs" in page


def test_entries(folder):
    table = report.entries(folder)
    assert table.name.tolist() == ["07_curve", "07_empty", "07_numbers"]
    assert table.set_index("name").runs["07_curve"] == ["ab12", "cd34"]


def test_artefacts_of_an_older_version_are_shown_too(folder, tmp_path):
    path = folder / "07_numbers.json"
    old = json.loads(path.read_text())
    del old["code"]
    path.write_text(json.dumps(old))
    assert "1 figures and 2 tables" in report.build(folder, tmp_path / "runs").read_text()


def test_no_figures_yet(tmp_path):
    with pytest.raises(DataError, match="make reproduce"):
        report.build(tmp_path, tmp_path)
