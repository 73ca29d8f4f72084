"""Notebooks that read: from recorded runs and kept encoders, without training anything."""

import pandas as pd
import pytest

from vjepa_lib import article, study
from vjepa_lib.errors import ConfigError, DataError
from vjepa_lib.show import notebook, origins, sections
from vjepa_lib.show.gallery import Gallery, numbers_of
from vjepa_lib.study import kept, measured, recorded


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    for name in ("VJEPA_PROFILE", "VJEPA_SEEDS", "VJEPA_MEASURE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VJEPA_FIGURES", str(tmp_path / "figures"))
    monkeypatch.setenv("VJEPA_RUNS", str(tmp_path / "runs"))


@pytest.fixture
def no_training(monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("trained")

    monkeypatch.setattr(study, "metrics", never)
    monkeypatch.setattr(study, "clip_sets", never)


def test_a_notebook_reads_unless_told_to_train(monkeypatch):
    assert not notebook.open_notebook("04_x").live
    assert notebook.open_notebook("04_x", live=True).live
    assert notebook.open_notebook("04_x", "smoke").live
    monkeypatch.setenv("VJEPA_PROFILE", "smoke")
    assert notebook.open_notebook("04_x").profile.name == "smoke"


def test_reading_shows_recorded_runs_and_writes_nothing(no_training, tmp_path):
    nb = notebook.open_notebook("04_baseline_and_collapse")
    assert nb.profile.name == recorded.PROFILE and list(nb.sources) == ["small, recorded"]
    both = recorded.load(nb.asked)
    pd.testing.assert_frame_equal(nb.results, both)
    assert set(nb.results.run) <= set(recorded.runs().run)
    assert set(nb.ends.run) <= set(nb.runs) and len(nb.ends) == len(nb.trained)
    sections.collapse(nb, nb.curves, nb.hashes(nb.trained))
    assert not (tmp_path / "figures").exists() and not (tmp_path / "runs").exists()


def test_the_opening_says_which_runs_are_shown():
    said = notebook.open_notebook("04_x").opening()
    table = recorded.runs()
    assert "recorded runs of profile `small`, seeds 0, 1, 2, 3, 4" in said
    assert any(f"`{c[:7]}`" in said for c in table.commit) and "LIVE = True" in said
    live = notebook.open_notebook("04_x", "smoke").opening()
    assert "**Live**: profile `smoke`" in live and "trained here" in live
    assert notebook.open_notebook("01_x", published=True).opening() == ""


def test_seeds_choose_among_the_recorded_ones(monkeypatch):
    nb = notebook.open_notebook("04_x", seeds=[1, 3])
    assert set(nb.results.seed) == {1, 3} and set(nb.ends.seed) == {1, 3}
    with pytest.raises(ConfigError, match=r"seeds 0, 1, 2, 3, 4 are recorded: choose"):
        notebook.open_notebook("04_x", seeds=[7])
    assert notebook.open_notebook("04_x", "smoke", [7]).seeds == (7,)


def test_curves_that_are_not_kept_are_named(no_training, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(kept.curves_of, "__defaults__", (tmp_path,))
    nb = notebook.open_notebook("12_x")
    shares = sections.training(nb, nb.configs, [("vclr", "released")])
    said = capsys.readouterr().out
    assert shares.empty and "no training curves are kept of" in said and "LIVE = True" in said


def test_encoders_that_are_not_kept_are_named(no_training, capsys):
    nb = notebook.open_notebook("10_x")
    found = nb.encoders(["random_init", "baseline", "motion_guided"])
    assert "random_init" in found.variants and "motion_guided" not in found.variants
    assert "none is kept of motion_guided (released): set LIVE" in capsys.readouterr().out


def count(n, offset=0):
    return pd.DataFrame({"k": range(n), "even": [k % 2 == 0 for k in range(n)]}), pd.DataFrame(
        {"x": [offset + 0.123456789]}
    )


def test_measurements_are_read_measured_and_recorded(monkeypatch, tmp_path):
    monkeypatch.setattr(measured, "FOLDER", tmp_path)
    for function in (measured.read, measured.index):
        monkeypatch.setattr(function, "__defaults__", (tmp_path,))
    live = notebook.open_notebook("04_x", "smoke")
    assert live.measured("count", count, 2)[0].equals(count(2)[0]) and not list(tmp_path.iterdir())
    nb = notebook.open_notebook("04_x")
    with pytest.raises(DataError, match="count is not recorded"):
        nb.measured("count", count, 2)
    monkeypatch.setenv("VJEPA_MEASURE", "1")
    first = nb.measured("count", count, 2, offset=1)
    monkeypatch.delenv("VJEPA_MEASURE")
    again = nb.measured("count", None)
    for a, b in zip(first, again, strict=True):
        pd.testing.assert_frame_equal(a, b)
    assert again[0].even.dtype == bool and again[1].x[0] == pytest.approx(1.12346)
    (row,) = measured.index().to_dict("records")
    assert row["profile"] == "small" and row["tables"] == 2 and row["commit"]


def test_every_committed_measurement_can_be_read():
    table = measured.index()
    assert {"every_variant", "evaluated_after", "implementation_facts"} <= set(table.name)
    for name in table.name:
        measured.read(name)


def test_numbers_behind_a_picture_show_a_change():
    data = pd.DataFrame({"name": ["a", "b"], "x": [0.5, 1 / 3], "n": [1, 2]})
    text = numbers_of(data)
    assert "0.3333" in text and numbers_of(data.assign(x=[0.5, 0.3335])) != text
    assert numbers_of(data.assign(x=[0.5, 0.333301])) == text
    long = pd.concat([data] * 50, ignore_index=True)
    assert len(numbers_of(long).splitlines()) == 3
    assert numbers_of(long) != numbers_of(long.assign(x=long.x + 0.01))


def test_a_gallery_that_only_shows_writes_nothing(tmp_path):
    from matplotlib.figure import Figure

    gallery = Gallery(tmp_path / "none", "07_x", keep=False)
    gallery.figure(Figure(), "a", pd.DataFrame({"x": [1.0]}), "A figure")
    gallery.table(pd.DataFrame({"x": [1.0]}), "b", "A table")
    assert not (tmp_path / "none").exists()


def test_the_records_that_notebooks_read_are_listed():
    nb = notebook.open_notebook("99_report")
    table = origins.overview(nb)
    row = table[table.recorded == "runs"].iloc[0]
    assert row.number == len(recorded.runs()) and row.seeds == "0, 1, 2, 3, 4"
    assert "make reproduce" in article.pages(nb, None)
    assert f"{table.number.sum()} records" in origins.summary(nb)
