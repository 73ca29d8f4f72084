"""A plugin of pytest: kernels of notebooks start as forks (`warm`) that have loaded the libraries.

A new kernel takes 7 s of processor time before it shows a first figure, nearly all of it for torch,
pandas and seaborn. With `-p tests.warm_kernels` it is the same ipykernel, by the same command, on
another Python; Jupyter finds it before the installed one, by `JUPYTER_PATH`. The library of this
repository is not loaded in advance: a kernel reads what stands in the files.

`python -m tests.warm_kernels` is `python -m vjepa_lib.show.executed` with such kernels.
"""

import atexit
import json
import os
import sys
import tempfile
from pathlib import Path

from jupyter_client.kernelspec import NoSuchKernel, get_kernel_spec

sys.path.insert(0, str(Path(__file__).parent))  # as pytest does where it collects this folder
import warm

# Where the schema of notebooks is loaded after this, it does without a grammar of international
# addresses, which takes 2 s of each process and which no notebook needs.
sys.modules.setdefault("rfc3987_syntax", None)

NAME = "python3"
# Notebooks stay on one worker each, and one that begins last is waited for: so these come first.
LONGEST = ("16", "07", "13", "09")
# The words that Jupyter replaces by the Python it runs on.
OWN = ("python", f"python{sys.version_info[0]}", "python{}.{}".format(*sys.version_info))


def pytest_configure(config):
    # xdist would begin with the notebooks of the most cells.
    config.option.loadscopereorder = False
    if not hasattr(config, "workerinput"):  # workers of xdist have the environment of who starts
        use()


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: place(item.path.name[:2], LONGEST))


def place(name: str, first: tuple[str, ...]) -> int:
    """Where a name comes that others may come before: all that are not named come last."""
    return first.index(name) if name in first else len(first)


def use() -> None:
    """Have every kernel of this process, and of those it starts, be a fork from now on."""
    try:
        found = get_kernel_spec(NAME)
    except NoSuchKernel:
        return
    spec = found.to_dict()
    if spec["argv"][0] not in (*OWN, sys.executable):  # another Python's, or already a fork's
        return
    # What a kernel has in its environment when it loads matplotlib.
    before = os.environ.get("MPLBACKEND")
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    program = warm.python(("kernel_libraries",))
    if before is None:
        del os.environ["MPLBACKEND"]
    if program == sys.executable:
        return
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    kernel = Path(folder.name) / "kernels" / NAME
    kernel.mkdir(parents=True)
    spec["argv"][0] = program
    spec["argv"].append("--ext=ipywidgets")  # which tells a kernel of itself when it is loaded
    (kernel / "kernel.json").write_text(json.dumps(spec))
    paths = [folder.name, *filter(None, [os.environ.get("JUPYTER_PATH")])]
    os.environ["JUPYTER_PATH"] = os.pathsep.join(paths)


if __name__ == "__main__":  # `make notebooks`: executing them, too
    use()
    from vjepa_lib.show import executed

    sys.exit(executed.main())
