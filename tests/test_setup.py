"""Set-up files agree with each other."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def name_of(requirement):
    return re.split(r"[\s<>=!~;\[]", requirement)[0].lower()


def pins():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.lower().split("==") for line in lines if "==" in line and line[0] != "#")


def test_every_dependency_is_pinned():
    wanted = [*PROJECT["dependencies"]]
    for extra in ("notebooks", "test"):
        wanted += PROJECT["optional-dependencies"][extra]
    missing = [n for n in map(name_of, wanted) if n not in pins()]
    assert not missing
    assert pins()["torch"] == "2.13.0" and not any("+" in v for v in pins().values())
    assert not [n for n in pins() if n.startswith(("nvidia", "cuda", "triton", "torchvision"))]


def test_environment_yml_installs_what_the_makefile_does():
    env = yaml.safe_load((ROOT / "environment.yml").read_text())
    conda = [d for d in env["dependencies"] if isinstance(d, str)]
    pip = next(d["pip"] for d in env["dependencies"] if isinstance(d, dict))
    floor = PROJECT["requires-python"].removeprefix(">=")
    assert f"python={floor}" in conda and "pip" in conda
    assert pip == ["-c constraints.txt", f"torch=={pins()['torch']}", "-e .[notebooks,test]"]
    make = (ROOT / "Makefile").read_text()
    assert f"torch=={pins()['torch']}" in make and "-e '.[notebooks,test]'" in make


def test_required_packages_are_dependencies():
    everything = PROJECT["dependencies"] + sum(PROJECT["optional-dependencies"].values(), [])
    names = set(map(name_of, everything))
    assert names >= {
        "torch", "jupyterlab", "papermill", "jupytext", "decord", "seaborn", "pandas", "nbval",
    }
    assert not names & {"torchvision", "torchaudio"}


@pytest.mark.parametrize("target", ["reproduce", "test", "lab", "verify", "bench", "clean", "help"])
def test_make_targets_exist(target):
    done = subprocess.run(
        ["make", "-n", target], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_variables_reach_the_command():
    done = subprocess.run(
        ["make", "-n", "reproduce", "PROFILE=small", "JOBS=3", "DEVICE=cuda", "ONLY=07", "SEEDS=0,1"],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "--profile small --jobs 3 --device cuda --only 07 --seeds 0,1" in done.stdout


def test_ci_calls_make_test_and_nothing_else():
    script = ROOT / ".ci" / "run"
    lines = [x for x in script.read_text().splitlines() if x and not x.startswith("#")]
    assert script.stat().st_mode & 0o100 and lines[-1] == "exec make test"


def test_library_never_imports_notebooks_and_layers_hold():
    below = {
        "grid": {"errors"},
        "vit": {"errors", "grid"},
        "masking": {"errors", "grid"},
    }
    for path in (ROOT / "vjepa_lib").rglob("*.py"):
        text = path.read_text()
        assert not re.search(r"^\s*(from|import) notebooks", text, re.M), path
        if path.stem in below and path.parent.name == "vjepa_lib":
            used = set(re.findall(r"from vjepa_lib\.(\w+)", text))
            assert used <= below[path.stem], path
        if path.parent.name == "objectives":
            assert "vjepa_lib.pretrain" not in text and "vjepa_lib.study" not in text, path


@pytest.mark.parametrize(
    "args, says",
    [
        (["--profile", "huge"], "smoke, mini, small, paper"),
        (["--only", "77"], "01_published_results"),
        (["--profile", "paper"], "docs/datasets.md"),
        (["--seeds", "one"], "invalid literal"),
    ],
)
def test_command_line_mistakes_are_one_sentence(args, says, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "vjepa_lib.reproduce", *args],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
        env={"VJEPA_RUNS": str(tmp_path), "VJEPA_DATA": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 2 and says in done.stderr and "Traceback" not in done.stderr
    assert done.stderr.strip().count("\n") == 0
