"""The report page links every artefact to its notebook, runs and commit."""

import json
import shutil
from html.parser import HTMLParser

import pandas as pd
import pytest
from matplotlib.figure import Figure

from vjepa_lib.errors import ConfigError, DataError
from vjepa_lib.show import found, report
from vjepa_lib.show.gallery import Gallery


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Drawn once; every test gets a copy."""
    made = tmp_path_factory.mktemp("drawn") / "figures"
    gallery = Gallery(made, "07_example", "mini", commit="c0ffee" * 6)
    fig = Figure()
    fig.subplots().plot([1, 2])
    gallery.figure(fig, "curve", pd.DataFrame({"x": [1, 2]}), "A <curve>", runs=["ab12", "cd34"])
    gallery.table(pd.DataFrame({"a": [1.234, None]}), "numbers", "Numbers", sources=["arXiv 1"])
    gallery.table(pd.DataFrame(), "empty", "Nothing")
    return made


@pytest.fixture
def folder(drawn, tmp_path):
    return shutil.copytree(drawn, tmp_path / "figures")


def test_page(folder, tmp_path):
    page = report.build(folder, tmp_path / "runs").read_text()
    assert 'src="07_curve.png"' in page and 'href="07_curve.svg"' in page
    assert "A &lt;curve&gt;" in page and "c0ffeec0ffee" in page
    assert 'href="../runs/ab12/provenance.json"' in page and str(tmp_path) not in page
    assert "1.23" in page and "1.234" not in page and "arXiv 1" in page and "(no rows)" in page
    assert "1 figures and 2 tables from 1 notebooks and 2 training runs" in page


def test_recorded_runs_have_no_folder_to_lead_to(folder, tmp_path):
    """Their addresses stand there; one that was also trained here has its link."""
    path = folder / "07_curve.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"shown": ["small, recorded"]}))
    page = report.build(folder, tmp_path / "runs").read_text()
    assert "<code>ab12</code>" in page and "provenance.json" not in page
    (tmp_path / "runs" / "ab12").mkdir(parents=True)
    (tmp_path / "runs" / "ab12" / "provenance.json").touch()
    page = report.build(folder, tmp_path / "runs").read_text()
    assert 'href="../runs/ab12/provenance.json"' in page and "cd34/" not in page


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


# --- descriptions from elsewhere --------------------------------------------------------------

NASTY = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onload='alert(1)",
    "javascript:alert(1)",
    "../../etc/passwd",
    "/etc/passwd",
    "{summary} & %s \\ \n\0 é",
    "x" * 5000,
)


class Page(HTMLParser):
    """What a browser would make of a page: its elements and where they lead."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.handlers, self.targets, self.text = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.handlers += [a for a, _ in attributes if a.startswith("on")]
        self.targets += [v for a, v in attributes if a in ("href", "src")]

    def handle_data(self, data):
        self.text += data


def tampered(folder, **fields):
    path = folder / "07_numbers.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize("nasty", NASTY, ids=lambda n: n[:12])
@pytest.mark.parametrize(
    "field", ["caption", "notebook", "profile", "commit", "shown", "runs", "sources", "code"]
)
def test_the_page_shows_every_field_as_text(folder, tmp_path, field, nasty):
    before = Page(report.build(folder, tmp_path / "runs").read_text())
    value = {"code": {nasty: nasty}}.get(field, [nasty])
    value = nasty if field in ("caption", "notebook", "profile", "commit") else value
    tampered(folder, **({"shown": []} | {field: value}))
    page = Page(report.build(folder, tmp_path / "runs").read_text())
    assert not page.handlers and "script" not in page.tags
    assert page.tags.count("img") == before.tags.count("img")
    for target in set(page.targets) - set(before.targets):
        target = target.removeprefix("../runs/")  # where the runs lie
        assert ":" not in target and ".." not in target.split("/") and target[0] != "/", target
    if field != "profile":  # shown where nothing else tells what the numbers are
        assert nasty[:6].strip() in page.text


@pytest.mark.parametrize("nasty", NASTY, ids=lambda n: n[:12])
@pytest.mark.parametrize("field", ["name", "kind", "files"])
def test_a_description_of_files_elsewhere_is_refused(folder, tmp_path, field, nasty):
    tampered(folder, **{field: [nasty] if field == "files" else nasty})
    with pytest.raises(DataError, match="07_numbers.json is not the description of an artefact"):
        report.build(folder, tmp_path / "runs")


@pytest.mark.parametrize("value", [None, 3, [], {}, [3], {"a": 3}, "\ud800", ["\ud800"]])
@pytest.mark.parametrize(
    "field", ["name", "kind", "caption", "notebook", "profile", "commit", "shown", "runs",
              "sources", "files", "code"]
)  # fmt: skip
def test_a_field_of_another_type_is_one_sentence(folder, tmp_path, field, value):
    fits = value == {} if field == "code" else value == [] and field in ("shown", "runs", "sources")
    tampered(folder, **{field: value})
    if fits:
        assert report.build(folder, tmp_path / "runs").exists()
        return
    with pytest.raises(DataError, match="is not the description of an artefact") as error:
        report.build(folder, tmp_path / "runs")
    assert "\n" not in str(error.value)


def test_cells_and_columns_are_text_and_a_damaged_table_is_one_sentence(folder, tmp_path):
    (folder / "07_numbers.csv").write_text('<b>a</b>,"<script>"\n<i>,1\n')
    page = Page(report.build(folder, tmp_path / "runs").read_text())
    assert not {"b", "i", "script"} & set(page.tags) and "<script>" in page.text
    for damage in (b"a,b\n1,2\n1,2,3\n", b"\xff\xfe\x00"):
        (folder / "07_numbers.csv").write_bytes(damage)
        with pytest.raises(DataError, match="07_numbers.csv is not a table any more"):
            report.build(folder, tmp_path / "runs")


def test_a_page_that_cannot_be_written_is_one_sentence(folder, tmp_path):
    (folder / "index.html").mkdir()
    with pytest.raises(DataError, match="index.html cannot be written"):
        report.build(folder, tmp_path / "runs")


@pytest.mark.parametrize("name", [*NASTY, "", ".", "..", "../../x", "a/b", "a\\b", ".hidden"])
def test_a_gallery_stays_in_its_folder(tmp_path, name):
    with pytest.raises(ConfigError, match="Notebook name") as error:
        Gallery(tmp_path / "figures", name)
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())


# --- what stands first, and what is shown ---------------------------------------------------------


def executed(*printed, heading="## What we found"):
    """A notebook as nbformat reads it, whose last cell printed some lines."""
    code = {"cell_type": "code", "source": "", "outputs": []}
    out = {"output_type": "stream", "name": "stdout", "text": "\n".join(printed) + "\n"}
    wrong = {"output_type": "stream", "name": "stderr", "text": "a warning"}
    return {
        "cells": [
            {"cell_type": "markdown", "source": "# 07 · A title"},
            code | {"outputs": [out | {"text": "seen on the way"}]},
            {"cell_type": "markdown", "source": heading},
            code | {"outputs": [wrong, out]},
        ]
    }


def test_a_notebook_opens_with_what_it_found(folder, tmp_path):
    (folder / "notebooks").mkdir()
    found.keep(executed("Of <b>12</b> claims, 0 hold. More.", "", "Second."), "07_example",
               folder / "notebooks")  # fmt: skip
    page = report.build(folder, tmp_path / "runs").read_text()
    assert "<p>Of &lt;b&gt;12&lt;/b&gt; claims, 0 hold.</p>" in page and "More." not in page
    assert page.index("07 · Example") < page.index("claims, 0 hold") < page.index("07_curve.png")
    assert found.kept("07_example", folder / "notebooks") == [
        "Of <b>12</b> claims, 0 hold. More.", "Second.",
    ]  # fmt: skip
    assert found.printed(executed("x", heading="## Something else")) == []


def test_recorded_runs_speak_first():
    lines = [
        "mini, live runs:",
        "  One seed.",
        "small, recorded runs:",
        "  Five seeds: +1.2; -3.4.",
    ]
    assert found.sentence(lines) == "small, recorded runs: Five seeds: +1.2; -3.4."
    lines = ["own runs (mini, live): no", "own runs (small, recorded): yes"]
    assert found.sentence(lines) == "own runs (small, recorded): yes"
    assert found.sentence([]) == "" and found.sentence(["only a heading:"]) == ""
    assert len(found.sentence(["word " * 500])) < 500


def test_a_damaged_finding_is_none(folder, tmp_path):
    (folder / "notebooks").mkdir()
    (folder / "notebooks" / "07_example.findings.txt").write_bytes(b"\xff\xfe\x00")
    assert found.kept("07_example", folder / "notebooks") == []
    assert report.build(folder, tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("shown", "profile", "kinds"),
    [
        ([], "", "published"),
        ([], "mini", "live"),
        ([], "small, recorded", "recorded"),
        (["mini, live", "small, recorded"], "mini", "recorded live"),
        (["small, recorded"], "mini", "recorded"),
    ],
)
def test_the_filter_knows_where_numbers_come_from(folder, tmp_path, shown, profile, kinds):
    tampered(folder, shown=shown, profile=profile)
    page = report.build(folder, tmp_path / "runs").read_text()
    section = page.split('class="artefact ')[-1]  # the names are in order: numbers come last
    assert section.startswith(f'{kinds}"')
    for kind in kinds.split():
        assert f"#only-{kind}:checked ~ .notebooks .artefact:not(.{kind})" in page
        assert f'id="only-{kind}"' in page


def test_a_long_table_shows_whole_rows_and_says_so(folder, tmp_path):
    rows = "".join(f"{k},{k / 7},{k % 2 == 0},$x_{k}$\n" for k in range(50))
    (folder / "07_numbers.csv").write_text("a_b,share,even,formula\n" + rows)
    text = report.build(folder, tmp_path / "runs").read_text()
    table = text.split("<tbody>")[1].split("</tbody>")[0]
    assert table.count("<tr>") == report.ROWS and f"{report.ROWS} of 50 rows" in text
    assert "<td>yes</td>" in table and "True" not in table and "<th class=" in text
    assert ">a b</th>" in text and "<math" in table and "$" not in table
    assert "max-height" not in text  # a box of its own height cuts a row
    (folder / "07_numbers.csv").write_text("formula\n$\\nonsense$\n")
    assert "$\\nonsense$" in report.build(folder, tmp_path / "runs").read_text()
