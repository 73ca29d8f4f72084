"""Set-up files agree with each other."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import warm
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
    wanted += sum(PROJECT["optional-dependencies"].values(), [])
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
    index, *rest = pip
    assert rest == ["-c constraints.txt", f"torch=={pins()['torch']}", "-e .[notebooks,test,site]"]
    assert index.startswith("--extra-index-url") and index.endswith("/whl/cpu")
    make = (ROOT / "Makefile").read_text()
    assert f"torch=={pins()['torch']}" in make and "-e '.[notebooks,test,site]'" in make


def test_binder_builds_the_same_environment():
    """In a folder that Binder prefers to the Dockerfile at the root, with paths from there."""
    root, binder = (
        yaml.safe_load((ROOT / folder / "environment.yml").read_text())
        for folder in (".", ".binder")
    )
    own = binder["dependencies"][-1]["pip"]
    assert "-c ../constraints.txt" in own and "-e ..[notebooks,test,site]" in own
    own[:] = [x.replace("../", "").replace("..[", ".[") for x in own]
    assert binder == root


def test_the_image_and_the_workflow_are_made_as_the_makefile_makes_them():
    image = (ROOT / "Dockerfile").read_text()
    floor = PROJECT["requires-python"].removeprefix(">=")
    assert f"FROM python:{floor}-" in image and "RUN make install TORCH=${TORCH}" in image
    assert ".venv/bin/python" in image and "install" in (ROOT / "Makefile").read_text()
    job = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())["jobs"]["test"]
    assert job["strategy"]["matrix"]["python"][0] == floor
    last = job["steps"][-1]
    assert last["run"] == "bash .ci/run" and last["env"]["PYTHON"] == "python${{ matrix.python }}"
    # The Makefile makes its environment with the Python that PYTHON names.
    script = (ROOT / ".ci/run").read_text()
    assert "exec make test" in script and "for p in $(PYTHON)" in (ROOT / "Makefile").read_text()


def test_required_packages_are_dependencies():
    everything = PROJECT["dependencies"] + sum(PROJECT["optional-dependencies"].values(), [])
    names = set(map(name_of, everything))
    assert names >= {
        "torch",
        "jupyterlab",
        "papermill",
        "jupytext",
        "decord",
        "seaborn",
        "pandas",
        "nbval",
    }
    assert not names & {"torchvision", "torchaudio"}


@pytest.mark.parametrize(
    "target", ["reproduce", "test", "lab", "site", "verify", "bench", "clean", "help", "lint"]
)
def test_make_targets_exist(target):
    done = subprocess.run(
        ["make", "-n", target], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def plan(*args, **env):
    """What make would do, as text; the stamp of a finished installation is left out of it."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("CONDA", "VIRTUAL_ENV"))}
    return subprocess.run(
        ["make", "-n", "-W", "pyproject.toml", *args],
        cwd=ROOT,
        env=clean | env,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout


def test_the_cpu_build_of_torch_is_the_default_without_a_gpu():
    version = pins()["torch"]
    cpu, cuda = plan("install", "TORCH=cpu"), plan("install", "TORCH=cuda")
    assert cpu.index(f"torch=={version}+cpu") < cpu.index("/whl/cpu") < cpu.rindex(version)
    assert "+cpu" not in cuda and f"torch=={version}" in cuda
    gpu = shutil.which("nvidia-smi") is not None
    assert ("+cpu" in plan("install")) is not gpu


def test_what_is_installed_is_compiled_by_all_cores(tmp_path):
    told = plan("install", "PY=python", "TORCH=cpu")
    assert 4 == told.count("pip install") == told.count("pip install --no-compile")
    last = told[told.rindex("pip install") :]
    code = re.search(r'python -c "(import compileall.*?)" \)', last)[1]
    packages = tmp_path / "site-packages"
    for name in ("one/a.py", "one/tests/b.py", "transformers/models/c.py", "models.py"):
        (packages / name).parent.mkdir(parents=True, exist_ok=True)
        (packages / name).write_text("x = 1\n")
    there = f"import sysconfig; sysconfig.get_path = lambda name: {str(packages)!r}; "
    assert subprocess.run([sys.executable, "-c", there + code]).returncode == 0
    compiled = {p.name.split(".")[0] for p in packages.rglob("*.pyc")}
    assert compiled == {"a", "models"} and "workers=0" in code


def test_what_make_starts_may_keep_what_it_compiles():
    told = subprocess.run(
        ["make", "-s", "-o", ".venv/.vjepa_lib-installed", "lab", "ENV=.venv", "PY=printenv #"],
        cwd=ROOT, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert "PYTHONHASHSEED=0" in told and "PYTHONDONTWRITEBYTECODE" not in told


def test_condas_base_environment_is_refused(tmp_path):
    """Make stops before anything is installed, and says what to do."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("CONDA", "VIRTUAL_ENV"))}
    conda = {"CONDA_PREFIX": str(tmp_path), "CONDA_DEFAULT_ENV": "base"}
    done = subprocess.run(
        ["make", "install"], cwd=ROOT, env=clean | conda, capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0 and "conda activate vjepa" in done.stdout
    assert not list(tmp_path.glob(".vjepa_lib-installed"))


def test_variables_reach_the_command():
    done = subprocess.run(
        ["make", "-n", "reproduce",
         "PROFILE=small", "JOBS=3", "DEVICE=cuda", "ONLY=07", "SEEDS=0,1"],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "--profile small --jobs 3 --device cuda --only 07 --seeds 0,1" in done.stdout


def test_make_lab_opens_py_files_as_notebooks():
    """The folder it hands to JupyterLab, after the reader's own, names jupytext's viewer."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("CONDA", "VIRTUAL_ENV"))}
    told = subprocess.run(
        ["make", "-s", "-o", ".venv/.vjepa_lib-installed", "lab",
         "PY=printenv JUPYTER_CONFIG_PATH #"],
        cwd=ROOT, env=clean | {"JUPYTER_CONFIG_PATH": "/own"}, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    assert told == f"/own:{ROOT / '.jupyter'}"
    settings = json.loads((ROOT / ".jupyter/labconfig/default_setting_overrides.json").read_text())
    viewers = settings["@jupyterlab/docmanager-extension:plugin"]["defaultViewers"]
    extension = Path(sys.prefix) / "share/jupyter/labextensions/jupyterlab-jupytext/static"
    assert any(f'"{viewers["python"]}"' in f.read_text() for f in extension.glob("*.js"))


@pytest.mark.parametrize("target", ["test", "lint"])
def test_make_holds_style_and_line_length(target):
    told = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True).stdout
    for command in ("ruff check", "ruff format --check"):
        assert re.search(rf"{command} .*vjepa_lib tests notebooks", told), target
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]
    own = rules["lint"].get("per-file-ignores", {}).values()
    ignored = {*rules["lint"]["ignore"], *(rule for rules in own for rule in rules)}
    assert rules["line-length"] == 100 and "E" in rules["lint"]["select"]
    assert not ignored & {"E", "E5", "E501"}


def test_ci_calls_make_test_and_nothing_else():
    script = ROOT / ".ci" / "run"
    lines = [x for x in script.read_text().splitlines() if x and not x.startswith("#")]
    assert script.stat().st_mode & 0o100 and lines[-1] == "exec make test"


# From the ground up: a package imports only from those before it. Modules at the top level count
# as packages; `study` has two floors, because its plain tables are read by all that names variants.
FLOORS = (
    "errors",
    "own_files",
    "provenance",
    "folders",
    "settings",
    "model",
    "video",
    "objectives",
    "datasets",
    "training",
    "evaluation",
    "study",
    "analysis",
    "audit",
    "maps",
    "show",
    "article",
    "paper",
    "export",
    "bench",
    "reproduce",
    "__main__",
)


def imports_of(path):
    """(line, package) of every import of the library in a file, wherever in the file it stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "vjepa_lib":
            yield from ((node.lineno, a.name) for a in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("vjepa_lib."):
            yield node.lineno, node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (
                (node.lineno, a.name.split(".")[1])
                for a in node.names
                if a.name.startswith("vjepa_lib.")
            )


def test_imports_point_one_way():
    library = ROOT / "vjepa_lib"
    rooms = {p.stem if p.is_file() else p.name for p in library.iterdir()} - {"__pycache__"}
    assert rooms - {"__init__"} <= set(FLOORS), "a new package needs its floor"
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {used}"
        for path in library.rglob("*.py")
        if (own := path.relative_to(library).parts[0].removesuffix(".py")) != "__init__"
        for line, used in imports_of(path)
        if FLOORS.index(used) > FLOORS.index(own)
    ]
    assert not wrong, wrong


def test_the_library_never_imports_notebooks():
    for path in (ROOT / "vjepa_lib").rglob("*.py"):
        assert not re.search(r"^\s*(from|import) notebooks", path.read_text(), re.M), path


def test_modules_stay_small():
    long = {p.name: n for p in (ROOT / "vjepa_lib").rglob("*.py") if (n := len(lines_of(p))) > 450}
    assert not long


def lines_of(path):
    return path.read_text().splitlines()


@pytest.mark.parametrize(
    "args, says",
    [
        (["--profile", "huge"], "smoke, mini, small, paper"),
        (["--only", "77"], "01_published_results"),
        (["--profile", "paper"], "docs/datasets.md"),
        (["--seeds", "one"], "--seeds is 'one': give whole numbers"),
    ],
)
def test_command_line_mistakes_are_one_sentence(args, says, tmp_path):
    done = subprocess.run(
        [warm.python(), "-m", "vjepa_lib.reproduce", *args],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
        env={"VJEPA_RUNS": str(tmp_path), "VJEPA_DATA": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 2 and says in done.stderr and "Traceback" not in done.stderr
    assert done.stderr.strip().count("\n") == 0
