"""The Python that tests start many of (`warm`) ends, listens and starts others as the plain one."""

import ast
import gc
import json
import os
import re
import select
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import conftest
import nbformat
import pytest
import warm
import warm_kernels
from nbclient import NotebookClient
from small_lab import ROOT

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="plain Python is used")


def start(*arguments, **more):
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen([warm.python(), *arguments], text=True, **pipes, **more)


@pytest.mark.parametrize(
    ("code", "status", "out", "err"),
    [
        ("import sys; print(sys.argv[1:], input())", 0, "['a'] given\n", ""),
        ("import os; print(os.getcwd(), os.environ['OWN'])", 0, "{folder} here\n", ""),
        ("raise SystemExit(3)", 3, "", ""),
        ("raise SystemExit('why')", 1, "", "why\n"),
        ("1 / 0", 1, "", "ZeroDivisionError: division by zero\n"),
        ("import atexit; atexit.register(print, 'last')", 0, "last\n", ""),
        ("import os; os.kill(os.getpid(), 9)", -9, "", ""),
        ("import sys; print('torch._dynamo' in sys.modules)", 0, "True\n", ""),
        ("import os; print(os.getppid())", 0, "{parent}\n", ""),
    ],
)
def test_a_fork_ends_as_python_would(code, status, out, err, tmp_path):
    process = start("-u", "-c", code, "a", cwd=tmp_path, env=os.environ | {"OWN": "here"})
    told, complained = process.communicate("given\n")
    assert process.returncode == status, complained
    assert told == out.format(folder=tmp_path, parent=os.getpid()) and complained.endswith(err)


def test_the_server_outlives_whoever_asked_and_was_killed():
    """A command may be killed before it has asked, or before the server answers."""
    command = shlex.split(Path(warm.python()).read_text().splitlines()[1])
    address = command[command.index(str(warm.HERE)) + 1]
    request = {"arguments": ["-c", "pass"], "folder": os.getcwd(), "files": [0]}
    text = json.dumps(request | {"environment": {}, "parent": os.getpid()}).encode()
    for asked in (b"", text, text):
        for _ in range(5):
            with socket.socket(socket.AF_UNIX) as server, open(os.devnull) as nothing:
                server.connect(f"\0{address}")
                if asked:
                    size = len(asked).to_bytes(8)
                    socket.send_fds(server, [size], [nothing.fileno()])
                    server.sendall(asked)
    process = start("-c", "print('here')")
    assert process.communicate()[0] == "here\n" and not process.returncode


LISTENS = """\
import os, signal, sys, time
def told(number, frame):
    print(number, flush=True)
    sys.exit(5)
signal.signal(signal.SIGTERM, told)
print(os.getpid(), flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 5), (signal.SIGKILL, -9)])
def test_a_signal_reaches_the_fork(number, status):
    process = start("-c", LISTENS)
    fork = int(process.stdout.readline())
    watched = os.pidfd_open(fork)
    process.send_signal(number)
    out, _ = process.communicate()
    assert process.returncode == status
    assert out == (f"{int(number)}\n" if status == 5 else "")
    assert select.select([watched], [], [], 60)[0]  # it has ended
    os.close(watched)


def test_what_a_fork_starts_is_a_fork(tmp_path):
    """Modules, scripts, and the workers of joblib, which get open files by number."""
    script = tmp_path / "pool.py"
    script.write_text(
        "import sys\nfrom joblib import Parallel, delayed\n"
        "def look(i):\n    import sys\n    return i, 'torch._dynamo' in sys.modules\n"
        "print(sys.argv, Parallel(2)(delayed(look)(i) for i in range(2)))\n"
    )
    out, err = start(str(script), "x", cwd=ROOT).communicate()
    assert out == f"['{script}', 'x'] [(0, True), (1, True)]\n", err
    out, err = start("-m", "vjepa_lib.paper", "train", "--help", cwd=ROOT).communicate()
    assert out.startswith("usage: python -m vjepa_lib.paper train"), err


def test_what_is_random_is_random_in_a_fork():
    code = "import random, numpy, torch; print(random.random(), numpy.random.rand(), torch.rand(1))"
    first, second = (start("-c", code).communicate()[0].split() for _ in range(2))
    assert len(first) == 3 and not set(first) & set(second)


# What a kernel could differ in: what it is and where, what libraries make of it, how it draws,
# shows tables, widgets, warnings and progress, and ends a cell.
SHOWN = """\
import os, sys, warnings, threading; print(os.path.basename(os.getcwd()), sys.argv[0])
print(__name__, sys.path[-1], [p for p in sys.path if p.endswith("tests")], sys.stdout, sys.stdin)
print(sorted(type(o).__name__ for o in threading.enumerate()), parent == os.getppid())
import matplotlib.pyplot as plt, seaborn; print(plt.get_backend(), seaborn.axes_style())
figure = plt.plot([1, 2])[0].figure
import pandas; pandas.DataFrame([[f"much of {i}" for i in range(24)]])
import ipywidgets; print(list(get_ipython().kernel.comm_manager.targets)); ipywidgets.IntSlider(7)
import tqdm.auto; print(tqdm.auto.tqdm.__module__); tqdm.auto.tqdm
import torch; print(torch.get_num_threads(), os.environ["MPLBACKEND"])
print([m for m in sys.modules if "vjepa_lib" in m]); warnings.warn("old", DeprecationWarning)
1 / 0
"""


def kernel_outputs(folder):
    """Outputs of each line of `SHOWN`, and whether the kernel had the libraries before."""
    lines = ["import sys; 'seaborn' in sys.modules", f"parent = {os.getpid()}", *SHOWN.splitlines()]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(line) for line in lines])
    where = {"metadata": {"path": str(folder)}}
    NotebookClient(book, kernel_name="python3", resources=where, allow_errors=True).execute()
    first, *others = [cell.outputs for cell in book.cells]
    for output in (o for outputs in others for o in outputs):
        output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    volatile = "ipykernel_[0-9]+|0x[0-9a-f]+"
    return first[0].data["text/plain"], [re.sub(volatile, "", str(outputs)) for outputs in others]


def test_a_kernel_that_is_a_fork_shows_what_another_shows(tmp_path, monkeypatch):
    monkeypatch.delenv("JUPYTER_PATH", raising=False)
    loaded, expected = kernel_outputs(tmp_path)
    assert loaded == "False" and len(expected) == 12
    monkeypatch.setenv("JUPYTER_PATH", "")
    warm_kernels.use()
    assert kernel_outputs(tmp_path) == ("True", expected)


def test_notebooks_are_executed_by_such_kernels_with_the_same_command_line():
    done = subprocess.run(
        [sys.executable, "-m", "tests.warm_kernels", "--only", "no such"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2 and done.stderr.startswith("error: No notebook 'no such'")
    assert "-m tests.warm_kernels --jobs" in (ROOT / "Makefile").read_text()


def test_files_that_take_longest_come_first(pytestconfig):
    assert not getattr(pytestconfig.option, "loadscopereorder", False)
    assert all((ROOT / "tests" / name).exists() for name in conftest.LONGEST)


def test_notebooks_that_take_longest_come_first(monkeypatch):
    monkeypatch.setattr(warm_kernels, "use", lambda: None)
    config = SimpleNamespace(option=SimpleNamespace(loadscopereorder=True))
    warm_kernels.pytest_configure(config)
    assert not config.option.loadscopereorder
    cells = [SimpleNamespace(path=p) for p in sorted((ROOT / "notebooks").glob("*.ipynb")) * 2]
    warm_kernels.pytest_collection_modifyitems(cells)
    numbers = [cell.path.name[:2] for cell in cells]
    assert tuple(dict.fromkeys(numbers))[: len(warm_kernels.LONGEST)] == warm_kernels.LONGEST
    assert all(a == b for a, b in zip(numbers[: 2 * len(warm_kernels.LONGEST) : 2], numbers[1::2]))


def test_what_few_files_need_is_not_loaded_by_all_workers():
    """Every worker reads every file: what takes seconds to load is loaded where it is used."""
    few = {"transformers", "sphinx", "ray", "playwright"}
    for path in (ROOT / "tests").glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not few & {name.split(".")[0] for name in names}, path.name


def test_what_workers_have_loaded_is_not_looked_through_for_garbage():
    assert gc.isenabled()
    gc.unfreeze()
    conftest.pytest_collection_finish()
    assert gc.isenabled() and gc.get_freeze_count() > 10_000
