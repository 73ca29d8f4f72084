"""Readers' own files: Python files that add terms and variants from outside the library.

A file is named on the command line (`--with my_terms.py`) or in the variable VJEPA_WITH. Wherever a
term or a variant is looked up, `load` is called first; so the files reach the kernels of notebooks
and the workers of a sweep, which inherit the variable.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import traceback
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

from vjepa_lib.errors import CompanionError, ConfigError

VARIABLE = "VJEPA_WITH"
MODULES = "vjepa_with_"  # how the names of loaded modules begin

_loaded: dict[Path, tuple[int, int]] = {}  # path -> modification time and size when it was loaded
_undo: dict[Path, list[Callable[[], object]]] = {}
_at_work: list[Path] = []  # the file being loaded; it may look names up itself


def paths() -> list[Path]:
    """The files that VJEPA_WITH names, separated as PATH is."""
    return [Path(p) for p in os.environ.get(VARIABLE, "").split(os.pathsep) if p]


def use(files: Iterable[str | Path]) -> None:
    """Name further files, for this process and those it starts, and load them.

    Raises
    ------
    ConfigError : as `load`.
    """
    # Absolute: a kernel and a worker have working directories of their own.
    named = [*paths(), *(Path(f).expanduser().absolute() for f in files)]
    if named:
        os.environ[VARIABLE] = os.pathsep.join(dict.fromkeys(map(str, named)))
    load()


def load() -> None:
    """Load every named file that is not loaded yet, or was changed since.

    Raises
    ------
    ConfigError : a file is missing or fails; the message names the line.
    """
    for path in paths():
        if path not in _at_work:
            _load(path)


def taken_back_by(undo: Callable[[], object]) -> None:
    """Remember how to take back what the file being loaded has added, if one is being loaded.

    It is taken back when the file fails half-way, or is loaded again after a change.
    """
    if _at_work:
        _undo.setdefault(_at_work[-1], []).append(undo)


def _take_back(path: Path) -> None:
    _loaded.pop(path, None)
    for undo in reversed(_undo.pop(path, [])):
        undo()


def _load(path: Path) -> None:
    try:
        facts = path.stat()
        state = facts.st_mtime_ns, facts.st_size
        text = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{path}, named by --with or {VARIABLE}, cannot be read ({error.strerror or error}): "
            f"name a Python file."
        ) from None
    if _loaded.get(path) == state:
        return
    _take_back(path)
    # Two files may have the same name in different folders.
    name = f"{MODULES}{zlib.crc32(str(path).encode()):08x}_{path.stem}"
    spec = importlib.util.spec_from_loader(name, None, origin=str(path))
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(path)  # where `inspect` finds the source of its classes
    sys.modules[name] = module
    _at_work.append(path)
    try:
        exec(compile(text, str(path), "exec"), module.__dict__)
    except CompanionError as error:
        _take_back(path)
        raise ConfigError(f"{path}: {error}") from None
    except (Exception, SystemExit) as error:
        _take_back(path)
        raise ConfigError(
            f"{path}{_line(error, path)} cannot be used, {type(error).__name__}: {error}; correct "
            f"it and give the command again."
        ) from None
    finally:
        _at_work.pop()
    _loaded[path] = state


def _line(error: BaseException, path: Path) -> str:
    """', line 7' where the error is known to come from a line of the file."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f", line {error.lineno}"
    own = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    return f", line {own[-1]}" if own else ""
