"""A changed objective never gives old results; an edit that decides nothing retrains nothing."""

import importlib.util
import itertools
import linecache
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from vjepa_lib import study
from vjepa_lib.errors import RunStoreError
from vjepa_lib.objectives import TERMS, latent_dynamics
from vjepa_lib.objectives.base import Term
from vjepa_lib.study import definitions, results
from vjepa_lib.study.ensure import ensure
from vjepa_lib.study.fingerprint import changed, code_of, parts, training_code
from vjepa_lib.study.store import RunStore

QUIET = '''\
"""A reader's own terms."""

from vjepa_lib.objectives import Term, register

SHARE = 0.5


def size(z):
    """How large."""
    return z.abs().mean()


@register("quiet", r"\\mathrm{mean}\\,|z|", "nowhere")
class Quiet(Term):
    """Small latents."""

    family = "own"

    def loss(self, batch):
        # One mask group after the other.
        return SHARE * sum(size(z) for z in batch.z) / len(batch.z)
'''
WITHOUT_EFFECT = {
    "comment": ("# One mask group after the other.", "# Group by group."),
    "docstring": ('"""How large."""', '"""Mean of absolute values.\n\n    In words.\n    """'),
    "no docstring": ('    """Small latents."""\n', ""),
    "format": ("SHARE * sum(", "SHARE * sum(\n            "),
    "parentheses": ("return z.abs().mean()", "return (z.abs().mean())"),
    "annotation": ("def size(z):", "def size(z: object) -> object:"),
    "formula": (",|z|", ",|z_t|"),
    "family": ('family = "own"', 'family = "ld"'),
    "another term": ("SHARE = 0.5\n", "SHARE = 0.5\n\n\ndef unused(z):\n    return 2 * z\n"),
}
DECIDES = {
    "loss": ("SHARE * sum(", "SHARE + sum("),
    "helper": ("z.abs().mean()", "z.abs().sum()"),
    "constant": ("SHARE = 0.5", "SHARE = 0.25"),
    "number of steps": ('family = "own"', "min_steps = 2"),
}


@pytest.fixture
def own_file(tmp_path, monkeypatch):
    """Write a reader's file of terms and load it as a new process would."""
    monkeypatch.setitem(TERMS, "quiet", None)
    seconds = itertools.count()

    def load(text=QUIET):
        path = tmp_path / "my_terms.py"
        path.write_text(text)
        os.utime(path, ns=(0, next(seconds) * 10**9))  # edited long ago, at another time
        spec = importlib.util.spec_from_file_location("my_terms", path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "my_terms", module)
        exec(compile(text, str(path), "exec"), module.__dict__)
        return parts(training_code(["quiet"]))

    return load


@pytest.mark.parametrize("edit", WITHOUT_EFFECT)
def test_edits_that_decide_nothing(own_file, edit):
    new = QUIET.replace(*WITHOUT_EFFECT[edit])
    assert new != QUIET and own_file(new) == own_file()


@pytest.mark.parametrize("edit", DECIDES)
def test_edits_that_decide_a_loss_change_its_term_alone(own_file, edit):
    new = QUIET.replace(*DECIDES[edit])
    then, now = own_file(), own_file(new)
    assert {k for k in now if now[k] != then[k]} == {"terms/quiet"}
    assert changed(then, now) == "term quiet"


def test_a_run_depends_on_its_own_terms(monkeypatch):
    def reading(variant):
        definitions._kept.clear()
        study.fingerprint._done.clear()
        return code_of(study.resolve(variant, "described", "smoke"))

    names = ("ld", "fwm_hw_ld", "hw", "baseline", "random_init", "supervised")
    then = {v: reading(v) for v in names}
    assert {"terms/jepa", "terms/context", "terms/hw"} < set(then["hw"])
    assert not [p for p in then["random_init"] if p.startswith("terms")]
    assert set(then["supervised"]) == {"data", "model", "readings"}

    def hard_pair_weights(error, pairs, temperature):
        return pairs * 1.0

    monkeypatch.setattr(latent_dynamics, "hard_pair_weights", hard_pair_weights)
    now = {v: reading(v) for v in names}
    assert [changed(then[v], now[v]) for v in names] == ["term ld", "term ld", "", "", "", ""]
    definitions._kept.clear()
    study.fingerprint._done.clear()


@pytest.mark.parametrize(
    "name, part, touched",
    [
        ("_parameter_groups", "step", "pretrain random_init"),
        ("Schedule", "step", "pretrain random_init"),
        ("block_size", "masks", "pretrain random_init"),
        ("rotate", "model", "pretrain random_init supervised"),
        ("linear_probe", "readings", "pretrain random_init"),
        ("render", "data", "pretrain random_init supervised"),
        ("shuffled", "terms/iic", "iic"),
    ],
)
def test_every_part_of_the_library_is_followed(name, part, touched):
    """A changed digest of one definition changes its part, in the runs that depend on it."""
    variants = {"pretrain": "ld", "random_init": "random_init", "supervised": "supervised"}
    for kind, variant in (variants | {"iic": "iic"}).items():
        roots = study.resolve(variant, profile="smoke").code()
        names = {p: {n for _, n in definitions.reached(begin)} for p, begin in roots.items()}
        inside = [p for p in names if name in names[p]]
        assert (part in inside) == (kind in touched.split() or (kind == "iic" and "pre" in touched))


def test_plots_analysis_and_the_store_itself_decide_nothing():
    roots = study.resolve("fwm_hw_ld+iic", profile="smoke").code()
    files = {f for begin in roots.values() for f, _ in definitions.reached(begin)}
    rooms = {Path(f).relative_to(definitions.LIBRARY).parts[0] for f in files}
    assert rooms == {"datasets", "evaluation", "model", "objectives", "study", "training", "video"}
    assert {Path(f).name for f in files if "/study/" in f} == {"results.py"}
    assert not [f for f in files if f.endswith(("store.py", "resume.py", "errors.py"))]


def test_a_moved_function_keeps_its_digest(own_file, tmp_path, monkeypatch):
    then = own_file()
    helper = QUIET[QUIET.index("def size") : QUIET.index("@register")]
    (tmp_path / "my_sizes.py").write_text("# Moved.\n" + helper)
    monkeypatch.syspath_prepend(tmp_path)
    moved = QUIET.replace(helper, "").replace(
        "from vjepa_lib", "from my_sizes import size\nfrom vjepa_lib", 1
    )
    assert own_file(moved) == then
    (tmp_path / "my_sizes.py").write_text(helper.replace("mean", "sum"))
    monkeypatch.delitem(sys.modules, "my_sizes")
    assert changed(then, own_file(moved)) == "term quiet"


def test_a_notebook_cell(monkeypatch):
    """As IPython keeps it: a file name that is no file, with the source in linecache."""
    monkeypatch.setitem(TERMS, "quiet", None)
    number = iter(range(9))

    def cell(text):
        name = f"/tmp/ipykernel_1/{next(number)}.py"
        linecache.cache[name] = (len(text), None, text.splitlines(True), name)
        space = {"__name__": "__main__", "size_of": 0.5}
        exec(compile(text, name, "exec"), space)
        return parts(training_code(["quiet"]))

    then = cell(QUIET)
    assert cell(QUIET.replace("# One mask group", "# One group")) == then
    assert changed(then, cell(QUIET.replace("z.abs()", "z.square()"))) == "term quiet"
    # A constant of an earlier cell is known by its value.
    later = QUIET.replace("SHARE = 0.5\n", "").replace("SHARE", "size_of")
    assert cell(later) != then


def test_a_file_edited_after_it_was_loaded_is_refused(tmp_path, monkeypatch, own_file):
    own_file()
    edited = tmp_path / "my_terms.py"
    edited.write_text(QUIET.replace("SHARE * sum(", "SHARE + sum("))  # not loaded again
    with pytest.raises(RunStoreError, match=r"my_terms\.py was edited after .* restart"):
        parts(training_code(["quiet"]))
    edited.write_text(QUIET.replace("One mask group", "One group"))
    assert parts(training_code(["quiet"]))


# --- the store --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Toy:
    term: str = "quiet"
    variant: str = "own"
    form: str = "released"
    seed: int = 0

    def code(self):
        return {f"terms/{self.term}": [TERMS[self.term]]}


def test_runs_of_other_code_are_trained_anew_and_said_so(tmp_path, own_file, capsys):
    store, trained = RunStore(tmp_path / "runs"), []

    def train(config, partial, device):
        partial.mkdir(parents=True, exist_ok=True)
        trained.append((config.seed, [p.name for p in partial.iterdir()]))
        (partial / "checkpoint.pt").write_text("x")
        if config.seed == 13:
            raise RunStoreError("stopped.")
        return pd.DataFrame({"top1": [len(trained)]}), pd.DataFrame({"step": []})

    both = [Toy(seed=0), Toy(seed=1), Toy("ld", "ld")]
    own_file()
    ensure(store, both, train, progress=False)
    with pytest.raises(RunStoreError, match="stopped"):
        ensure(store, [Toy(seed=13)], train, progress=False)
    own_file(QUIET.replace(*WITHOUT_EFFECT["comment"]))
    ensure(store, both, train, progress=False)
    assert len(trained) == 4 and capsys.readouterr().err == ""

    own_file(QUIET.replace(*DECIDES["loss"]))
    with pytest.raises(RunStoreError, match="made with another version of term quiet.*anew"):
        store.load(Toy())
    assert store.has(Toy("ld", "ld")) and store.missing(both) == both[:2]
    ensure(store, both, train, progress=False)
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith("trained anew: own (released), seed 0; own")
    assert said.endswith("seed 1 was made with another version of term quiet\n")
    assert store.load(Toy()).metrics.top1[0] == 5 and len(trained) == 6
    # A checkpoint of the old code is not gone on from; that of the same code is.
    with pytest.raises(RunStoreError, match="stopped"):
        ensure(store, [Toy(seed=13)], train, progress=False)
    with pytest.raises(RunStoreError, match="stopped"):
        ensure(store, [Toy(seed=13)], train, progress=False)
    assert [t for t in trained if t[0] == 13] == [(13, []), (13, []), (13, ["checkpoint.pt"])]


def test_an_old_run_stays_until_the_new_one_is_whole(tmp_path, own_file, monkeypatch):
    store = RunStore(tmp_path / "runs")
    tables = pd.DataFrame({"top1": [1]}), pd.DataFrame({"step": []})
    own_file()
    store.save(Toy(), *tables, 1.0)
    own_file(QUIET.replace(*DECIDES["loss"]))
    before = sorted(store.root.rglob("*"))

    def full(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as m:
        m.setattr("vjepa_lib.study.store.write_manifest", full)
        with pytest.raises(RunStoreError, match="No space left"):
            store.save(Toy(), *tables, 1.0)
    assert sorted(store.root.rglob("*")) == before
    assert store.read(store.path(Toy()).name).metrics.top1[0] == 1


def test_a_readers_term_from_file_to_table(smoke_sets, tmp_path, monkeypatch, own_file, capsys):
    """What a reader does: train, edit a comment, edit the loss, ask again each time."""
    monkeypatch.setenv("VJEPA_RUNS", str(tmp_path / "runs"))
    row = study.Variant("quiet", "mixed", (("quiet", 1.0, {}),))
    monkeypatch.setitem(study.VARIANTS, "quiet", row)
    calls, train_run = [], results.train_run

    def counted(*args, **kw):
        calls.append(args[0].variant)
        return train_run(*args, **kw)

    monkeypatch.setattr(results, "train_run", counted)

    def ask():
        table = study.metrics([study.resolve("quiet", profile="smoke")], progress=False)
        assert set(table.code) == {"today"}
        return study.curves([study.resolve("quiet", profile="smoke")]).quiet.iloc[-1]

    own_file()
    first = ask()
    own_file(QUIET.replace(*WITHOUT_EFFECT["docstring"]))
    assert ask() == first and calls == ["quiet"]
    own_file(QUIET.replace("SHARE = 0.5", "SHARE = 5.0"))
    with pytest.raises(RunStoreError, match="term quiet"):
        study.load_encoder(study.resolve("quiet", profile="smoke"))
    assert ask() != first and calls == ["quiet", "quiet"]
    assert "quiet (released), seed 0 was made with another version of term quiet" in (
        capsys.readouterr().err
    )


def test_terms_have_the_base_in_the_step_not_in_each():
    """One changed base class is told once, not as a change of every term."""
    roots = training_code(["jepa", "ld"])
    file = sys.modules[Term.__module__].__file__
    assert (file, "Term") in definitions.reached(roots["step"])
    assert (file, "Term") in definitions.reached(roots["terms/ld"])
    found = parts(roots)
    for root in (*roots["step"], *roots["terms/ld"], *roots["terms/jepa"]):
        definitions._kept[root] |= {(file, "Term"): "edited"}
    study.fingerprint._done.clear()
    assert changed(found, parts(roots)) == "the step"
    definitions._kept.clear()
    study.fingerprint._done.clear()
