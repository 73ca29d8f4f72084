"""A Python that starts at once: forked from a process that has loaded what every command loads.

Loading torch takes 3 s of processor time, and what its optimisers want beside it another 3; tests
of several processes start dozens of them. `python()` gives an executable to use in place of
`sys.executable`. It hands arguments, folder, environment and open files to a server, which forks.
The fork runs them as Python would, with the same signals and exit statuses, and what it starts by
`sys.executable` (workers of torchrun and of joblib) starts in the same way. What is random in a
new process is random in a fork, too.
"""

from __future__ import annotations

import atexit
import fcntl
import gc
import importlib.util
import json
import os
import selectors
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
import zlib
from contextlib import suppress
from functools import cache
from pathlib import Path

LOADED = (
    "torch._dynamo",
    "torch.distributed.launcher.api",
    "vjepa_lib.paper.training",
    "vjepa_lib.study.ensure",
)
# A process with threads of its own must not be forked: no pool of torch, none of jemalloc in Arrow.
ALONE = {"OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
HERE = Path(__file__).resolve()


@cache
def python(loaded: tuple[str, ...] = LOADED) -> str:
    """An executable that behaves as `sys.executable`, which it is where forks cannot be watched.

    Its processes have the modules `loaded`. It returns before the server has them: what is started
    by then waits for it. Processes that this one starts use the same server.
    """
    if not hasattr(os, "pidfd_open"):
        return sys.executable
    shared = f"WARM_PYTHON_{zlib.crc32(' '.join(loaded).encode())}"
    if shared in os.environ:
        return os.environ[shared]
    address = f"warm-python-{os.getpid()}-{os.urandom(4).hex()}"
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name) / "python"
    command = [sys.executable, "-IS", str(HERE), address]
    path.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    path.chmod(0o755)
    server = subprocess.Popen(
        [sys.executable, str(HERE), "--serve", address, str(path), *loaded],
        env=os.environ | ALONE | {"PYTHONPATH": str(HERE.parent.parent)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    atexit.register(server.communicate)  # the end of its input ends it
    atexit.register(folder.cleanup)
    assert server.stdout.readline() == b"ready\n"
    os.environ[shared] = str(path)
    return str(path)


# --- the executable ---------------------------------------------------------------------------


def ask(address: str, arguments: list[str]) -> None:
    """Have a fork of the server run a command, and end as it ends."""
    files = sorted(
        int(n) for n in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{n}")
    )
    server = socket.socket(socket.AF_UNIX)
    server.connect(f"\0{address}")
    request = {
        "arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ),
        "files": files, "parent": os.getppid(),
    }  # fmt: skip
    text = json.dumps(request).encode()
    socket.send_fds(server, [len(text).to_bytes(8)], files)
    server.sendall(text)
    answer = server.recv(8)
    if not answer:
        raise SystemExit("The server of warm processes has ended.")
    fork = int.from_bytes(answer)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: os.kill(fork, number))
    code = int.from_bytes(server.recv(8), signed=True)
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


# --- the server -------------------------------------------------------------------------------


def serve(address: str, loaded: list[str]) -> dict:
    """Fork for every request until the input ends; returns in the forks, with their request."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(f"\0{address}")
    listening.listen(64)
    print("ready", flush=True)
    gc.disable()  # what is loaded stays: looking for what could go would take a second
    for name in loaded:
        importlib.import_module(name)
    gc.freeze()
    gc.enable()
    forks: dict[int, socket.socket] = {}  # -> connection to whoever asked
    watched = selectors.DefaultSelector()
    watched.register(0, selectors.EVENT_READ)
    watched.register(listening, selectors.EVENT_READ)
    while True:
        for key, _ in watched.select():
            if key.fd == 0:
                for fork in forks:
                    os.kill(fork, signal.SIGKILL)
                raise SystemExit
            if key.fileobj is listening:
                asking, _ = listening.accept()
                size, files, *_ = socket.recv_fds(asking, 8, 250)
                text = asking.recv(int.from_bytes(size), socket.MSG_WAITALL)
                if not text:  # whoever asked was killed before it said what
                    asking.close()
                    continue
                fork = os.fork()
                if not fork:
                    # Closed as objects: one that is collected later would close a number anew.
                    for own in (listening, asking, watched, *forks.values()):
                        own.close()
                    return _take_over(json.loads(text), files)
                for file in files:
                    os.close(file)
                # Whoever asked may be gone: the end of its line tells that below.
                with suppress(OSError):
                    asking.sendall(fork.to_bytes(8))
                ended = os.pidfd_open(fork)
                forks[fork] = asking
                watched.register(ended, selectors.EVENT_READ, fork)
                watched.register(asking, selectors.EVENT_READ, fork)
            elif isinstance(key.fileobj, int):  # a fork has ended
                fork, asking = key.data, forks.pop(key.data)
                code = os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1])
                watched.unregister(key.fd)
                os.close(key.fd)
                if asking in watched.get_map():
                    watched.unregister(asking)
                    with suppress(OSError):  # whoever asked may be gone by now
                        asking.sendall(code.to_bytes(8, signed=True))
                asking.close()
            elif key.data in forks:  # whoever asked was killed
                watched.unregister(key.fileobj)
                os.kill(key.data, signal.SIGKILL)


def _take_over(request: dict, files: list[int]) -> dict:
    """Have the files, folder and environment of whoever asked, and none of the server's."""
    own = [fcntl.fcntl(f, fcntl.F_DUPFD, 1000) for f in files]
    os.closerange(0, 1000)
    for file, number in zip(own, request["files"], strict=True):
        os.dup2(file, number)
        os.close(file)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[1:1] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    os.getppid = lambda: request["parent"]
    # `random` does so by itself.
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    if "torch" in sys.modules:
        sys.modules["torch"].seed()
    return request


def command(arguments: list[str]) -> None:
    """What Python does with its arguments."""
    while arguments[0] not in ("-c", "-m") and arguments[0].startswith("-"):
        arguments = arguments[2 if arguments[0] in ("-X", "-W") else 1 :]
    first, *rest = arguments
    # This file stays a module: torchrun asks often for the modules of all frames, and one that has
    # none is looked for in every module there is.
    sys.modules["warm"] = sys.modules["__main__"]
    sys.modules["__main__"] = main = type(sys)("__main__")
    if first == "-c":
        code, sys.argv = compile(rest[0], "<string>", "exec"), ["-c", *rest[1:]]
        sys.path[0] = ""
    elif first == "-m":
        sys.path[0] = os.getcwd()
        spec = importlib.util.find_spec(rest[0])
        if spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{rest[0]}.__main__")
        code, sys.argv = spec.loader.get_code(spec.name), [spec.origin, *rest[1:]]
        main.__spec__, main.__package__, main.__file__ = spec, spec.parent, spec.origin
    else:
        code, sys.argv = compile(Path(first).read_bytes(), first, "exec"), [first, *rest]
        sys.path[0] = os.path.dirname(os.path.abspath(first))
        main.__file__ = first
    exec(code, vars(main))


def run(arguments: list[str]) -> None:
    """Run a command and end the process; without taking a large interpreter down piece by piece."""
    code = 0
    try:
        command(arguments)
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        if not isinstance(stop.code, int | None):
            print(stop.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if not stream.closed:  # a command that was warned may have closed its own
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        _, _, address, sys.executable, *loaded = sys.argv
        run(serve(address, loaded)["arguments"])
    else:
        ask(sys.argv[1], sys.argv[2:])
