"""Whatever happens to a stored run's files: the right value comes back, or one sentence.

Files are cut, lengthened, changed in a byte, given other JSON, emptied, removed or exchanged.
"""

import json
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import torch
import warm
from filelock import FileLock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError

from vjepa_lib.errors import RunStoreError
from vjepa_lib.show.gallery import Gallery
from vjepa_lib.study.ensure import ensure
from vjepa_lib.study.store import FILES, RunStore
from vjepa_lib.training import resume

WEIGHTS = "encoder.safetensors"
STORED = (*FILES, WEIGHTS)
TENSORS = {"w": torch.arange(12.0), "b": torch.ones(3)}


@dataclass(frozen=True)
class Toy:
    variant: str = "toy"
    form: str = "released"
    seed: int = 0


def train(config, folder, device):
    resume.save_weights(Path(folder) / WEIGHTS, TENSORS)
    metrics = pd.DataFrame({"benchmark": [f"b{i}" for i in range(29)], "top1": range(29)})
    return metrics, pd.DataFrame({"step": range(40), "total": [0.25 * i for i in range(40)]})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A store with one finished run."""
    store = RunStore(tmp_path_factory.mktemp("whole"))
    ensure(store, [Toy()], train, progress=False)
    return store


def cut(data, draw):
    return data[: draw(st.integers(0, len(data) - 1))]


def grown(data, draw):
    return data + draw(st.binary(min_size=1, max_size=9))


def flipped(data, draw):
    at = draw(st.integers(0, len(data) - 1))
    return data[:at] + bytes([data[at] ^ draw(st.integers(1, 255))]) + data[at + 1 :]


def other_json(data, draw):
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
    values = st.recursive(leaves, lambda x: st.lists(x) | st.dictionaries(st.text(max_size=5), x))
    return json.dumps(draw(values)).encode()


def swapped_halves(data, draw):
    half = len(data) // 2
    return data[half:] + data[:half]


DAMAGES = (cut, grown, flipped, other_json, swapped_halves)


def unharmed(store, run):
    pd.testing.assert_frame_equal(run.metrics, train(Toy(), store.root / "x", "")[0])
    assert len(run.curves) == 40 and run.config["variant"] == "toy"
    assert torch.equal(store.weights(Toy(), WEIGHTS)["w"], TENSORS["w"])


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_damaged_run_is_one_sentence_that_names_the_file(whole, tmp_path, data):
    store = RunStore(tmp_path / "copy")
    shutil.rmtree(store.root, ignore_errors=True)
    shutil.copytree(whole.root, store.root)
    file = store.path(Toy()) / data.draw(st.sampled_from(STORED))
    before = file.read_bytes()
    after = data.draw(st.sampled_from(DAMAGES))(before, data.draw)
    file.write_bytes(after)
    try:
        run = store.load(Toy())
        unharmed(store, run)
        assert store.has(Toy())
    except RunStoreError as error:
        assert after != before and not store.has(Toy())
        assert file.name in str(error) and "train it again" in str(error)
        assert "\n" not in str(error)
    else:
        # A manifest may be written otherwise and say the same.
        same = file.name == "manifest.json" and json.loads(after) == json.loads(before)
        assert after == before or same


@pytest.mark.parametrize("name", STORED)
def test_a_lost_file_is_named(whole, tmp_path, name):
    store = RunStore(tmp_path / "copy")
    shutil.copytree(whole.root, store.root)
    (store.path(Toy()) / name).unlink()
    with pytest.raises(RunStoreError, match=rf"lacks {name}: train it again"):
        store.load(Toy())
    (store.path(Toy()) / name).mkdir()  # a folder in its place
    with pytest.raises(RunStoreError, match="train it again"):
        store.load(Toy())


def test_a_copy_under_another_hash_is_told(whole, tmp_path):
    store = RunStore(tmp_path / "copy")
    shutil.copytree(whole.path(Toy()), store.path(Toy(seed=1)))
    with pytest.raises(RunStoreError, match=f"it is the run {whole.path(Toy()).name}"):
        store.load(Toy(seed=1))
    assert not store.has(Toy(seed=1))


def test_a_damaged_run_is_trained_anew_and_said_so(whole, tmp_path, capsys):
    store = RunStore(tmp_path / "copy")
    shutil.copytree(whole.root, store.root)
    table = store.path(Toy()) / "metrics.csv"
    table.write_bytes(table.read_bytes()[: table.stat().st_size // 2])
    ensure(store, [Toy()], train, progress=False)
    said = capsys.readouterr().err
    assert said.startswith("trained anew: toy (released), seed 0 is damaged (metrics.csv has ")
    assert said.count("\n") == 1
    unharmed(store, store.load(Toy()))


def test_a_run_without_manifest_is_of_an_earlier_version(whole, tmp_path, capsys):
    store = RunStore(tmp_path / "copy")
    shutil.copytree(whole.root, store.root)
    (store.path(Toy()) / "manifest.json").unlink()
    assert not store.has(Toy())
    ensure(store, [Toy()], train, progress=False)
    assert "was made before code was fingerprinted" in capsys.readouterr().err
    assert store.has(Toy())


# --- left-overs -------------------------------------------------------------------------------


KILLED = """\
import os, signal, sys
from pathlib import Path
from tests.test_store_damage import Toy, train
from vjepa_lib.study.ensure import ensure
from vjepa_lib.study.store import RunStore
import shutil
kill = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "before the name":
    Path.rename = kill
elif sys.argv[2] == "before the cleaning":
    shutil.rmtree = lambda path, **k: kill() if ".partial" in str(path) else None
ensure(RunStore(sys.argv[1]), [Toy()], train, progress=False)
"""


@pytest.mark.parametrize("moment", ["before the name", "before the cleaning"])
def test_what_a_kill_left_is_cleared_by_the_next_command(tmp_path, moment):
    root = Path(__file__).resolve().parent.parent
    paths = os.pathsep.join([str(root), str(root / "tests"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [warm.python(), "-c", KILLED, tmp_path, moment],
        cwd=root, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    store = RunStore(tmp_path)
    left = [p for p in tmp_path.rglob("*") if p.suffix == ".part" or p.parent.name == ".partial"]
    assert left
    ensure(store, [Toy(seed=1)], train, progress=False)  # another run
    assert not [p for p in left if p.exists()]
    unharmed(store, store.load(Toy()))  # it was whole, so it has its name now


def test_nothing_of_a_process_at_work_is_cleared(tmp_path):
    store = RunStore(tmp_path)
    name = store.path(Toy()).name
    (tmp_path / f".{name}.7.part").mkdir(parents=True)
    (tmp_path / ".locks").mkdir()
    with FileLock(tmp_path / ".locks" / name):
        store.tidy()
        assert (tmp_path / f".{name}.7.part").exists()
    store.tidy()
    assert not (tmp_path / f".{name}.7.part").exists()


def test_the_checkpoint_of_an_unfinished_run_stays(whole, tmp_path):
    store = RunStore(tmp_path / "copy")
    shutil.copytree(whole.root, store.root)
    for config, code in ((Toy(), None), (Toy(), {"step": "1"}), (Toy(seed=1), None)):
        store.partial(config, code).mkdir(parents=True)
    store.tidy()
    assert not store.partial(Toy()).exists()
    assert store.partial(Toy(seed=1)).exists() and store.partial(Toy(), {"step": "1"}).exists()


# --- a full disk ------------------------------------------------------------------------------


def full(kind, *args, **kw):
    raise kind("Error while serializing: No space left on device (os error 28)")


@pytest.mark.parametrize("kind", [SafetensorError, partial(OSError, 28)])
def test_a_full_disk_while_weights_are_written_stops_that_run_only(tmp_path, monkeypatch, kind):
    store, save = RunStore(tmp_path), resume.save_file
    calls = []

    def second_fails(*args):
        calls.append(args)
        return full(kind) if len(calls) == 2 else save(*args)

    monkeypatch.setattr(resume, "save_file", second_fails)
    with pytest.raises(RunStoreError, match=r"1 of 3 runs failed.*No space left.*free some space"):
        ensure(store, [Toy(seed=s) for s in range(3)], train, progress=False)
    assert [store.has(Toy(seed=s)) for s in range(3)] == [True, False, True]
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_a_full_disk_while_a_figure_is_written(tmp_path, monkeypatch, suffix):
    from matplotlib.figure import Figure

    from vjepa_lib.errors import DataError

    gallery, data = Gallery(tmp_path, "07_x"), pd.DataFrame({"x": [1]})
    fig = Figure()
    gallery.figure(fig, "one", data, "A figure.")
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    savefig = Figure.savefig

    def fails(self, path, **kw):
        if kw.get("format", "") == suffix[1:]:
            Path(path).write_bytes(b"half")
            full(partial(OSError, 28))
        savefig(self, path, **kw)

    monkeypatch.setattr(Figure, "savefig", fails)
    fig.text(0.5, 0.5, "changed")
    with pytest.raises(DataError, match=rf"07_one\{suffix} cannot be written .*free space"):
        gallery.figure(fig, "one", data, "A figure.")
    assert before.keys() == {p.name for p in tmp_path.iterdir()}
    assert before[f"07_one{suffix}"] == (tmp_path / f"07_one{suffix}").read_bytes()
