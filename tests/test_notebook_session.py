"""What notebooks begin with: settings from parameters and environment, errors in one sentence."""

import re
import subprocess
import sys

import nbformat
import papermill
import pytest

from vjepa_lib import reproduce, study
from vjepa_lib.errors import ConfigError
from vjepa_lib.show import notebook
from vjepa_lib.study import measured


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    for name in ("VJEPA_PROFILE", "VJEPA_SEEDS", "VJEPA_JOBS", "VJEPA_DEVICE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VJEPA_FIGURES", str(tmp_path))


def test_live_defaults_are_mini_on_the_cpu(tmp_path):
    nb = notebook.open_notebook("07_example", live=True)
    assert nb.live and nb.profile.name == "mini" and nb.seeds == (0,) and nb.device == "cpu"
    assert nb.out.folder == tmp_path and nb.out.profile == "mini" and nb.jobs >= 1


def test_environment_and_parameters(monkeypatch):
    monkeypatch.setenv("VJEPA_PROFILE", "smoke")
    monkeypatch.setenv("VJEPA_SEEDS", "3,5")
    nb = notebook.open_notebook("07_example")
    assert nb.profile.name == "smoke" and nb.seeds == (3, 5)
    assert notebook.open_notebook("07_example", "mini", [9]).seeds == (9,)
    assert notebook.open_notebook("01_example", published=True).out.profile == ""


def test_configs_and_hashes():
    nb = notebook.open_notebook("07_example", "smoke", [0, 1])
    configs = study.configs_of([("baseline", "released"), ("ld", "released")], "smoke", nb.seeds)
    assert [(c.variant, c.seed) for c in configs] == [
        ("baseline", 0),
        ("ld", 0),
        ("baseline", 1),
        ("ld", 1),
    ]
    assert len(set(nb.hashes(configs))) == 4


def test_an_unknown_profile_is_told():
    with pytest.raises(ConfigError, match="smoke, mini"):
        notebook.open_notebook("07_example", "huge")


@pytest.mark.parametrize("given", [[0, 1], (0, 1), "0,1", " 0, 1 ", [0, 1, 1]])
def test_seeds_are_a_list_or_the_text_that_make_takes(given):
    assert notebook.open_notebook("07_example", "smoke", given).seeds == (0, 1)


def test_seeds_of_one_number_and_of_nothing(monkeypatch):
    # papermill turns `-p SEEDS 3` into a number.
    assert notebook.open_notebook("07_example", "smoke", 3).seeds == (3,)
    own = study.get_profile("smoke").seeds
    for nothing in (None, "", []):
        assert notebook.open_notebook("07_example", "smoke", nothing).seeds == own
    monkeypatch.setenv("VJEPA_SEEDS", "7")
    assert notebook.open_notebook("07_example", "smoke").seeds == (7,)


@pytest.mark.parametrize("given", [-1, [0, -1], 2**32, "one", "0;1", [0.5], 1.0, True, [None], {}])
def test_a_bad_seed_is_one_sentence(given):
    with pytest.raises(ConfigError, match=r"SEEDS is .*: give whole numbers from 0 to") as told:
        notebook.open_notebook("07_example", "smoke", given)
    assert str(told.value).count(". ") == 0


@pytest.mark.parametrize("given", [0, -2, "many", 1.5])
def test_a_bad_number_of_processes_is_one_sentence(given):
    with pytest.raises(ConfigError, match=r"JOBS is .*: give a whole number of processes"):
        notebook.open_notebook("07_example", "smoke", None, given)


def test_opening_trains_nothing_until_results_are_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(study, "metrics", lambda configs, *rest: asked.append(configs) or "table")
    nb = notebook.open_notebook("07_example", "smoke", [0, 1])
    assert nb.asked == study.NOTEBOOK_RUNS["07"] and len(nb.runs) == len(nb.configs)
    assert len(nb.configs) == 2 * len(nb.asked) and not asked
    assert all(c.pretrained for c in nb.trained) and len(nb.trained) < len(nb.configs)
    assert nb.results == "table" and nb.results == "table" and asked == [nb.configs]
    assert notebook.open_notebook("00_map", "smoke").configs == []


def test_undeclared_parameters_are_those_only_papermill_assigns():
    cells = ["%pip list", "PROFILE: str = None\nSEEDS = None", "# Parameters\nPROFIL = 'smoke'\n"]
    assert notebook.undeclared(cells) == (["PROFIL"], ["PROFILE", "SEEDS"])
    assert notebook.undeclared([*cells[:2], "# Parameters\nSEEDS = [0]\n"])[0] == []


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"PROFILE": "smoke", "SEEDS": "0,1"}, None),
        ({"PROFIL": "smoke"}, "ConfigError: Unknown parameter PROFIL: notebook 00_map"),
        ({"PROFILE": "huge"}, "ConfigError: Unknown profile 'huge'"),
        ({"SEEDS": -1}, "ConfigError: SEEDS is -1: give whole numbers"),
    ],
)
def test_a_real_notebook_under_papermill(kernels, tmp_path, settings, says):
    (tmp_path / "built").mkdir()
    book = reproduce.notebook_paths()["00"]
    said = reproduce.execute(book, tmp_path / "built", tmp_path, settings)
    assert (said is None) if says is None else (says in said)


@pytest.mark.parametrize("book", reproduce.notebook_paths().values(), ids=lambda p: p.stem)
def test_papermill_explains_every_parameter(book):
    told = papermill.inspect_notebook(book)
    assert {"PROFILE", "SEEDS", "JOBS", "DEVICE"} <= set(told)
    for parameter in told.values():
        assert parameter["inferred_type_name"] != "None" and parameter["help"], parameter


def book_of(path, code):
    """A notebook of one cell, after the set-up that every notebook has."""
    first = (
        "from vjepa_lib.show import notebook\nnb = notebook.open_notebook('07_example', 'smoke')"
    )
    cells = [nbformat.v4.new_code_cell(source) for source in (first, code)]
    book = nbformat.v4.new_notebook(cells=cells)
    book.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    nbformat.write(book, path)
    return path


USERS = "from vjepa_lib import study\nstudy.resolve('fwmhwld')"


def test_papermill_reports_the_sentence_of_a_users_error(kernels, tmp_path):
    book = book_of(tmp_path / "07_users.ipynb", USERS)
    (tmp_path / "built").mkdir()
    said = reproduce.execute(book, tmp_path / "built", tmp_path, {})
    assert said.startswith("07_users: ConfigError: Unknown variant 'fwmhwld': choose one of")
    shown = nbformat.read(tmp_path / "built" / book.name, as_version=4).cells[-1].outputs[-1]
    assert len(shown.traceback) == 1 and shown.traceback[0].startswith("ConfigError: Unknown")


def test_an_error_of_ours_keeps_its_traceback(kernels, tmp_path):
    book = book_of(tmp_path / "07_ours.ipynb", "def half(x):\n    return x / 0\nhalf(1)")
    (tmp_path / "built").mkdir()
    assert "ZeroDivisionError" in reproduce.execute(book, tmp_path / "built", tmp_path, {})
    shown = nbformat.read(tmp_path / "built" / book.name, as_version=4).cells[-1].outputs[-1]
    assert "return x / " in re.sub(r"\x1b\[[0-9;]*m", "", "".join(shown.traceback))


@pytest.mark.parametrize(
    ("code", "outcome"), [(USERS, "1 failed, 1 passed"), ("1 + 1", "2 passed")]
)
def test_nbval_fails_a_cell_with_a_users_error(kernels, tmp_path, code, outcome):
    book = book_of(tmp_path / "07_users.ipynb", code)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--nbval-lax",
        str(book),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert outcome in done.stdout, done.stdout[-2000:]


def test_one_seed_of_a_supervised_reference():
    wanted = study.runs_for(["03"], "smoke", (0, 1))
    kinds = [c.kind for c in wanted]
    assert kinds.count("supervised") == kinds.count("single_frame") == 1
    assert kinds.count("random_init") == 2


def test_what_was_measured_at_the_recorded_size_is_read_at_another(monkeypatch):
    """A live notebook of another size does not spend a minute on making a record again."""
    nb = notebook.open_notebook("12_contrastive_learning", "mini")
    of = {p: study.resolve("baseline", "released", p, 0) for p in ("mini", "small")}
    assert nb.measured("matched_weights", lambda config: "made here", of["mini"]) == "made here"
    monkeypatch.setenv("VJEPA_MEASURE", "1")  # which is for notebooks that read
    read = nb.measured("matched_weights", lambda config: "made here", of["small"])
    assert read.equals(measured.read("matched_weights"))


def test_notebooks_that_take_longest_begin_first():
    chosen = reproduce.notebook_paths()
    order = [p.name[:2] for p in reproduce.side_by_side(chosen)]
    assert order[: len(reproduce.LONGEST)] == list(reproduce.LONGEST)
    assert sorted(order) == sorted(set(chosen) - {"99"})
    assert reproduce.side_by_side(reproduce.choose("04")) == [chosen["04"]]
