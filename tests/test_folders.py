"""Environment variables that name folders: a wrong one is one sentence, and nothing is written."""

import os
import subprocess
from pathlib import Path

import pytest
import warm

from vjepa_lib import folders, reproduce
from vjepa_lib.errors import ConfigError
from vjepa_lib.provenance import ROOT


@pytest.mark.parametrize("variable", folders.VARIABLES)
def test_a_folder_that_is_none(variable, monkeypatch, tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    wrong = {"": "empty", " ": "empty", "x" * 300: "300 characters", "/" + "y/" * 2100: "too long"}
    for text, says in (wrong | {str(file): f"names a file, {file}"}).items():
        monkeypatch.setenv(variable, text)
        with pytest.raises(ConfigError, match=f"{variable}.*{says}.*name a folder or unset it"):
            folders.folder(variable)
    monkeypatch.setenv(variable, str(tmp_path / "new"))
    assert folders.folder(variable) == tmp_path / "new" and not (tmp_path / "new").exists()
    monkeypatch.delenv(variable)
    assert folders.folder(variable) == ROOT / folders.VARIABLES[variable]


def test_the_variables_are_read_in_one_place():
    own = Path(folders.__file__)
    for path in (ROOT / "vjepa_lib").rglob("*.py"):
        names = [n for n in folders.VARIABLES if f'"{n}"' in path.read_text()]
        assert not names or path == own, f"{path} reads {names}"


@pytest.mark.parametrize("runs", ["", "x" * 300])
def test_commands_say_so_and_write_nothing(runs, tmp_path):
    done = subprocess.run(
        [warm.python(), "-m", "vjepa_lib.reproduce", "--profile", "smoke", "--only", "04"],
        cwd=ROOT, capture_output=True, text=True,
        env=os.environ | {"VJEPA_RUNS": runs, "VJEPA_DATA": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 2 and done.stderr.startswith("error: VJEPA_RUNS")
    assert done.stderr.count("\n") == 1 and not (ROOT / ".locks").exists()


def test_a_figures_folder_that_cannot_be_made_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "notebooks").write_text("a file in its place")
    monkeypatch.setenv("VJEPA_FIGURES", str(tmp_path / "figures"))
    with pytest.raises(ConfigError, match=r"figures/notebooks cannot be made .*VJEPA_FIGURES"):
        reproduce.reproduce("smoke", 1, "cpu", "00", None)
