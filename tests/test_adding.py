"""Adding an objective as the README says it: a file of one's own, a notebook cell, the package."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import warm

from vjepa_lib import own_files, study
from vjepa_lib.__main__ import main
from vjepa_lib.errors import ConfigError
from vjepa_lib.objectives import TERMS, Sizes, Term, get_term, make_term, register
from vjepa_lib.show import look

ROOT = Path(__file__).resolve().parent.parent
SECTION = (ROOT / "README.md").read_text().split("### Adding an objective")[1].split("\n**")[0]
CODE = re.search(r"```python\n(.*?)```", SECTION, re.S)[1]
COMMANDS = re.search(r"```sh\n(.*?)```", SECTION, re.S)[1].splitlines()
FILE = re.search(r"`(\w+\.py)`", SECTION)[1]


def python(arguments, folder, root=ROOT, program=sys.executable, **more):
    """Run Python in a folder as a reader would; what it prints."""
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"} | more
    done = subprocess.run(
        [program, *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture
def own(tmp_path, monkeypatch):
    """(text) -> a reader's own file, named in VJEPA_WITH; what it added is taken back."""
    path = tmp_path / FILE

    def write(text):
        path.write_text(text)
        monkeypatch.setenv(own_files.VARIABLE, str(path))
        return path

    yield write
    own_files._take_back(path)


def test_the_readme_leads_from_a_class_to_a_run_a_row_and_a_line(smoke_sets, tmp_path):
    (tmp_path / FILE).write_text(CODE)
    folders = {"VJEPA_RUNS": str(tmp_path / "runs"), "VJEPA_FIGURES": str(tmp_path / "figures")}
    printed = []
    for command in COMMANDS:
        program, *arguments = shlex.split(command)
        assert program == "python"
        printed.append(python(arguments, tmp_path, program=warm.python(), **folders))
    runs = [Path(x.split(": ")[1]) for x in printed[0].splitlines() if x.startswith("speed")]
    assert len(runs) == 2
    for run in runs:  # its head has the profile's size, and its loss was followed
        assert '"hidden",\n' in (run / "config.json").read_text()
        assert pd.read_csv(run / "curves.csv")["speed"].notna().all()
    table = pd.read_csv(tmp_path / "figures/own/own_table.csv")
    assert set(table.name) == {"speed", "baseline"} and (table.n_seeds == 2).all()
    assert table[table.name == "speed"].difference.notna().all()
    assert "| speed" in printed[1]
    line = pd.read_csv(tmp_path / "figures/own/own_curves.csv")
    assert set(line.name) == {"speed", "baseline"} and set(line.seed) == {0, 1}
    assert line[line.name == "speed"].jepa.notna().all()
    assert (tmp_path / "figures/own/own_curves.png").stat().st_size > 10_000


def test_a_notebook_cell_reaches_the_workers(smoke_sets, tmp_path):
    """The cell of the README, and a run trained in another process."""
    cells = [CODE, "table = study.metrics([study.resolve('speed', profile='smoke')], jobs=2)"]
    script = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        f"for cell in {cells!r}:\n    shell.run_cell(cell, store_history=True).raise_error()\n"
        "print(sorted(set(shell.user_ns['table'].variant)))\n"
    )
    (tmp_path / "session.py").write_text(script)
    folder = {"VJEPA_RUNS": str(tmp_path / "runs")}
    out = python(["session.py"], tmp_path, program=warm.python(), **folder)
    assert "['speed']" in out


def test_a_file_of_the_package_needs_no_further_line(tmp_path):
    shutil.copytree(ROOT / "vjepa_lib", tmp_path / "vjepa_lib")
    inside = [x for x in CODE.splitlines() if "study" not in x]
    (tmp_path / "vjepa_lib/objectives/speed.py").write_text("\n".join(inside))
    rows = tmp_path / "vjepa_lib/study/variants.py"
    row = re.search(r"study\.(Variant\(.*\))\)", CODE)[1]
    first = '        Variant("baseline", "mixed", family="baseline"),\n'
    assert first in rows.read_text()
    rows.write_text(rows.read_text().replace(first, f"{first}        {row},\n"))
    script = (
        "from vjepa_lib.objectives.speed import Speed\n"
        "from vjepa_lib import study\n"
        "from vjepa_lib.training import Trainer\n"
        "trainer = Trainer(study.resolve('speed', profile='smoke').train)\n"
        "print(type(trainer.objective.terms[-1]) is Speed)\n"
    )
    assert python(["-c", script], tmp_path, tmp_path) == "True\n"


def test_an_own_file_is_looked_up_sized_and_coloured(own):
    path = own(CODE)
    options = dict(study.resolve("speed", profile="smoke").train.terms[-1].options)
    assert options == {"hidden": study.get_profile("smoke").sizes.head_hidden}
    assert look.family("speed") == "dynamics" and look.colour("speed") != look.colour("unheard of")
    import inspect

    assert inspect.getsourcefile(TERMS["speed"]) == str(path)
    assert "class Speed" in inspect.getsource(TERMS["speed"])
    # Taken anew after a change; the row may change with it.
    own(CODE.replace('"speed", 0.1', '"speed", 0.25'))
    assert study.get_variant("speed").terms[0][1] == 0.25


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import nothing_of_this_name\n", r"line 1 cannot be used, ModuleNotFoundError"),
        ("x = 1\ny = (\n", r"line 2 cannot be used, SyntaxError"),
        ("raise SystemExit(3)\n", r"line 1 cannot be used, SystemExit"),
        (CODE + "1 / 0\n", r"cannot be used, ZeroDivisionError"),
        (CODE.replace('"speed",', '"hw",', 1), r"There is a term 'hw' already"),
        (CODE.replace('Variant("speed"', 'Variant("fwm"'), r"variant 'fwm' already"),
        (CODE.replace(", **common)", ")").replace("(**common)", "()"), r"end the arguments"),
        (
            CODE.replace('Variant("speed",', 'Variant("a b",'),
            r"'a b' cannot be the name of a variant",
        ),
    ],
)
def test_a_broken_own_file_is_one_sentence_and_leaves_nothing(text, says, own):
    path = own(text)
    with pytest.raises(ConfigError, match=says) as caught:
        study.get_variant("baseline")
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert "speed" not in TERMS and "speed" not in study.VARIANTS
    path.write_text(CODE + "# corrected\n")
    assert study.get_variant("speed").name == "speed"


def test_commands_name_what_is_wrong(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv(own_files.VARIABLE, "")
    wrong = {
        ("train", "sped"): "Unknown variant 'sped': choose one of baseline, hw",
        ("list", "--with", str(tmp_path / "no.py")): "no.py, named by --with or VJEPA_WITH, cannot",
        ("table", "fwm", "--form", "imagined"): "Unknown form 'imagined'",
        ("train", "fwm", "--profile", "huge"): "Unknown profile 'huge'",
        ("train", "fwm", "--seeds", "one"): "give whole numbers",
    }
    for arguments, says in wrong.items():
        monkeypatch.setenv(own_files.VARIABLE, "")
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert says in error and error.count("\n") == 1, error
    monkeypatch.setenv(own_files.VARIABLE, "")
    assert main(["list"]) == 0
    assert "fwm: 0.05 fwm_static + 0.01 fwm_orth (mixed, fwm)" in capsys.readouterr().out


def test_rows_are_added_once(monkeypatch):
    monkeypatch.setattr("vjepa_lib.study.variants.VARIANTS", dict(study.VARIANTS))
    from vjepa_lib.study import variants

    row = study.Variant("mine", "mixed", (("hw", 0.2, {}),))
    study.add_variant(row)
    study.add_variant(row)  # a cell that is run again
    other = study.Variant("mine", "mixed", (("hw", 0.3, {}),))
    with pytest.raises(ConfigError, match="replace=True"):
        study.add_variant(other)
    study.add_variant(other, replace=True)
    assert variants.VARIANTS["mine"] is other and study.family_of(other) == "hw"
    with pytest.raises(ConfigError, match="There is a variant 'fwm' already: choose another name"):
        study.add_variant(study.Variant("fwm", "mixed"), replace=True)
    with pytest.raises(ConfigError, match="Unknown family 'nice'"):
        study.add_variant(study.Variant("other", "mixed", family="nice"))


def test_the_study_is_coloured_as_its_terms_are():
    """Rows name their family so that colouring them needs no torch; both say the same."""
    for name in study.STUDIED:
        row = study.VARIANTS[name]
        assert row.family in study.FAMILIES
        if len(row.terms) == 1 and row.ema:
            assert row.family == get_term(row.terms[0][0]).family, name
    script = (
        "import sys\nfrom vjepa_lib.show import look\nlook.colour('fwm_hw_ld')\n"
        "assert 'torch' not in sys.modules"
    )
    python(["-c", script], ROOT, VJEPA_WITH="")


def test_a_term_says_its_sizes_and_what_it_needs():
    small = Sizes(head_hidden=3, sigreg_directions=5)
    sized = {n: t.sized(small) for n, t in TERMS.items() if t.sized(small)}
    heads = {n: {"hidden": 3} for n in ("ld", "ac", "hamiltonian")}
    assert sized == heads | {"sigreg": {"directions": 5}}
    differ = {n for n, t in TERMS.items() if t.forms_differ(t.options())}
    assert differ == {"fwm_static", "fwm_orth"}
    ld = get_term("ld")
    assert ld.forms_differ(ld.options() | {"hard_weighted": True})
    assert not ld.trains("released", ld.options() | {"hard_weighted": True})
    try:

        @register("needy", "x", "a test")
        class Needy(Term):
            def __init__(self, *, must, **common):
                super().__init__(**common)

        with pytest.raises(ConfigError, match="'needy' needs its option must"):
            make_term("needy", dim=4)
    finally:
        TERMS.pop("needy", None)


def test_contributing_names_what_is_there():
    """Files, names and options of CONTRIBUTING.md exist; the README leads to it."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert "(CONTRIBUTING.md)" in (ROOT / "README.md").read_text()
    for path in re.findall(r"`((?:vjepa_lib|tests|docs)/[\w/]+(?:\.\w+|/))`", text):
        assert (ROOT / path).exists() or "test_x" in path, path
    places = {
        "vjepa_lib/datasets/domains.py": ("DOMAINS: dict[str, Domain]", 'startswith("pre_")'),
        "vjepa_lib/datasets/scene.py": ("\nFORMAT = ",),
        "vjepa_lib/paper/config.py": (
            "class Benchmarks", "PROTOCOLS: ", "class TrainPerClass", "class Pretraining",
            "class Regime:",
        ),
        "vjepa_lib/datasets/base.py": ("class DatasetInfo", "class Listing", "def register"),
        "vjepa_lib/study/notebook_runs.py": ("\nNOTEBOOK_RUNS",),
        "vjepa_lib/show/notebook.py": ("def open_notebook",),
        "tests/test_objectives.py": ("\nOBVIOUS = ",),
    }  # fmt: skip
    for path, words in places.items():
        for word in words:
            assert word in (ROOT / path).read_text(), (path, word)
    for method in ("sized", "forms_differ", "trains", "after_step", "min_steps", "needs_views"):
        assert f"`{method}`" in text and hasattr(Term, method)
