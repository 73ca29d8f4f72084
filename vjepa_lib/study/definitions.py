"""Definitions that an object depends on, found by following names, and digests of their trees.

From a class, say, to its helper functions and constants, wherever they stand: in the library, in a
reader's own file or in a notebook cell. What is digested is the syntax tree without comments,
docstrings, annotations and words meant for readers, in a form that is the same in every version of
Python. Only the standard library is needed.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
import inspect
import linecache
import pickle
import sys
import sysconfig
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from vjepa_lib.errors import RunStoreError

LIBRARY = Path(__file__).resolve().parent.parent
Digests = dict[tuple[str, str], str]  # (file, name) of a definition -> digest of its own tree

# No result depends on these: they tell users what is wrong, keep files, stop in order, or resolve
# names to the configuration, which is hashed itself. What is read from video files is kept in
# caches with a number of their own, `_CACHE_FORMAT`.
_WITHOUT_EFFECT = (
    "errors.py",
    "own_files.py",
    "provenance.py",
    "folders.py",
    "settings.py",
    "training/resume.py",
    "study/configs.py",
    "study/profiles.py",
    "study/variants.py",
    "study/store.py",
    "study/fingerprint.py",
    "paper/config.py",
    "paper/rows.py",
    "video/decode.py",
    "video/manifests.py",
)
# Tables that are filled from many places; a run depends on the entries that it names.
_REGISTRIES = ("TERMS", "VIEWS", "VARIANTS")
# Attributes of a term that are read by people.
_WORDS = ("formula", "source", "family", "title", "label", "colour", "color")
_LOADED = time.time()
# What was found for the library's own code, which stays as this process has loaded it.
_kept: dict[Any, Digests] = {}


# --- following names --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Place:
    """A name in a namespace, and the file in which its definition is looked for."""

    namespace: dict
    file: str
    name: str

    @property
    def key(self) -> tuple[str, str]:
        return self.file, self.name


def reached(roots: Iterable[Any]) -> Digests:
    """Digests of all definitions that some objects depend on, other packages' left out.

    Parameters
    ----------
    roots : functions, classes, or 'module:name' of values.

    Raises
    ------
    RunStoreError : a file was edited after this process had loaded it.
    """
    found: Digests = {}
    for root in roots:
        own = _kept.get(root) or _follow(root)
        if all(file.startswith(str(LIBRARY)) for file, _ in own):  # a cell may be run again
            _kept[root] = own
        found |= own
    return found


def is_kept(root: Any) -> bool:
    """Whether what an object depends on cannot change any more in this process."""
    return root in _kept


def _follow(root: Any) -> Digests:
    found: Digests = {}
    if isinstance(root, str):
        module, name = root.split(":")
        namespace = vars(importlib.import_module(module))
        first = _constant(namespace, namespace["__file__"], name)
    else:
        first = _home(root)
    todo = [first] if first else []
    while todo:
        place = todo.pop()
        if place.key in found:
            continue
        found[place.key], names = _definition(place)
        todo += [p for chain in names if (p := _resolve(place, chain))]
    return found


def _resolve(place: _Place, chain: tuple[str, ...]) -> _Place | None:
    """Where the definition stands that a dotted name means; None for what is not ours."""
    namespace, file = place.namespace, place.file
    name, *rest = chain
    if name not in namespace:
        return None  # a builtin or a local variable
    value = namespace[name]
    while isinstance(value, ModuleType) and rest:
        if not _ours(getattr(value, "__file__", None) or ""):
            return None
        namespace, file = vars(value), value.__file__
        name, *rest = rest
        value = namespace.get(name, getattr(value, name, None))
    if isinstance(value, ModuleType) or name in _REGISTRIES:
        return None
    if inspect.isclass(value) or inspect.isroutine(value) or hasattr(value, "__wrapped__"):
        return _home(value)
    return _constant(namespace, file, name)


def _constant(namespace: dict, file: str, name: str) -> _Place | None:
    """Where a value that is neither function nor class was given its name."""
    if not _ours(file):
        return None
    for statement in _source(file).get(name, ()):
        if isinstance(statement, ast.ImportFrom) and not statement.level:
            module = sys.modules.get(statement.module or "")
            first = next((a.name for a in statement.names if (a.asname or a.name) == name), name)
            home = getattr(module, "__file__", None)
            return _constant(vars(module), home, first) if home and home != file else None
    return _Place(namespace, file, name)


def _home(value: Any) -> _Place | None:
    """Where a function or class is defined; None if that is not our code."""
    value = inspect.unwrap(value)
    functions: Iterable[FunctionType] = [value] if isinstance(value, FunctionType) else []
    if inspect.isclass(value):
        functions = _methods(value)
    name = getattr(value, "__qualname__", "").split(".")[0]
    for function in functions:
        file = function.__code__.co_filename
        if _ours(file):
            _check_loaded(file, function)
            return _Place(function.__globals__, file, name)
    module = sys.modules.get(getattr(value, "__module__", None) or "")
    file = getattr(module, "__file__", None) or ""
    return _Place(vars(module), file, name) if name and module and _ours(file) else None


def _methods(cls: type) -> Iterator[FunctionType]:
    """Functions written in a class; neither generated ones nor ones put in from elsewhere."""
    for value in vars(cls).values():
        value = getattr(value, "fget", None) or getattr(value, "func", None) or value
        value = inspect.unwrap(getattr(value, "__func__", value))
        if isinstance(value, FunctionType) and value.__qualname__.startswith(cls.__qualname__):
            yield value


@functools.cache
def _elsewhere() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple({paths[k] for k in ("stdlib", "platstdlib", "purelib", "platlib")})


@functools.cache
def _ours(file: str) -> bool:
    """Whether a file's code counts: the library, a reader's own files, notebook cells."""
    if not file or (file.startswith("<") and file not in linecache.cache):
        return False
    if file.startswith(str(LIBRARY)):
        return not file.endswith(_WITHOUT_EFFECT)
    return not file.startswith(_elsewhere())


# --- digests of definitions -------------------------------------------------------------------


def _text(file: str) -> str:
    linecache.checkcache(file)
    return "".join(linecache.getlines(file))


@functools.lru_cache(maxsize=512)
def _parsed(text: str) -> dict[str, list[ast.stmt]]:
    """Statements at the top level of a source text, by the names they bind."""
    found: dict[str, list[ast.stmt]] = {}
    try:
        body = ast.parse(text).body
    except SyntaxError:  # a cell with magics, a file that is being edited
        return found
    while body:
        statement, *body = body
        if isinstance(statement, (ast.If, ast.Try, ast.With)):
            blocks = ("body", "orelse", "finalbody")
            body = [s for b in blocks for s in getattr(statement, b, [])] + body
            body = [s for h in getattr(statement, "handlers", []) for s in h.body] + body
            continue
        for name in _bound(statement):
            found.setdefault(name, []).append(statement)
    return found


def _bound(statement: ast.stmt) -> set[str]:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {statement.name}
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return {a.asname or a.name.split(".")[0] for a in statement.names}
    stored = (n for n in ast.walk(statement) if isinstance(n, ast.Name))
    return {n.id for n in stored if isinstance(n.ctx, ast.Store)}


def _source(file: str) -> dict[str, list[ast.stmt]]:
    return _parsed(_text(file))


def _definition(place: _Place) -> tuple[str, frozenset]:
    """Digest of a definition's own tree, and the dotted names in it."""
    statements = _source(place.file).get(place.name, [])
    if not statements:
        # Made at run time, or in another cell of a notebook: its value is what can be known.
        value = place.namespace.get(place.name)
        plain = isinstance(value, (bool, int, float, complex, str, bytes, tuple, list, dict))
        return short(f"{place.name} = {value!r}" if plain else place.name), frozenset()
    done = [_stripped(s) for s in statements]
    return short("\n".join(text for text, _ in done)), frozenset().union(*(n for _, n in done))


def _stripped(statement: ast.stmt) -> tuple[str, frozenset]:
    """A statement's tree as text, and the names in it; kept with the tree."""
    if not hasattr(statement, "digested"):
        copied = pickle.loads(pickle.dumps(statement))  # six times as fast as copy.deepcopy
        tree = _Strip().visit(copied)
        statement.digested = _dump(tree), frozenset(_names(statement))
    return statement.digested


def _names(tree: ast.AST) -> Iterator[tuple[str, ...]]:
    """Dotted names that a tree reads; not those of its error messages and of `register`."""
    if isinstance(tree, ast.Raise) or _registers(tree):
        return
    chain, node = [], tree
    while isinstance(node, ast.Attribute):
        chain.insert(0, node.attr)
        node = node.value
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield node.id, *chain
    for child in ast.iter_child_nodes(tree):
        yield from _names(child)


def _registers(node: ast.AST) -> bool:
    """Whether it is the call that puts a term into the table: name, formula and source."""
    called = getattr(node, "func", None)
    return getattr(called, "id", getattr(called, "attr", None)) == "register"


def mention(classes: Iterable[type], word: str) -> bool:
    """Whether the code of one of some classes has a word in it."""
    places = [p for c in classes if (p := _home(c))]
    statements = (s for p in places for s in _source(p.file).get(p.name, ()))
    return any(word in _stripped(s)[0] for s in statements)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


class _Strip(ast.NodeTransformer):
    """Leave of a tree what decides a result."""

    def __init__(self) -> None:
        self.in_class = False

    def visit_Expr(self, node):  # a string on its own is a docstring
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_Pass(self, node):
        return None

    def visit_FunctionDef(self, node):
        node.returns = None
        outer, self.in_class = self.in_class, False
        node = self.generic_visit(node)
        self.in_class = outer
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_arg(self, node):
        node.annotation = None
        return node

    def visit_ClassDef(self, node):
        # Name, formula and source given to `register`: the name is in the configuration already.
        node.decorator_list = [d for d in node.decorator_list if not _registers(d)]
        outer, self.in_class = self.in_class, True
        node = self.generic_visit(node)
        self.in_class = outer
        return node

    def visit_AnnAssign(self, node):
        if self.in_class:  # a field of a dataclass
            words = isinstance(node.target, ast.Name) and node.target.id in _WORDS
            return None if words else self.generic_visit(node)
        if node.value is None:
            return None
        return self.generic_visit(ast.Assign([node.target], node.value))

    def visit_Assign(self, node):
        names = {t.id for t in node.targets if isinstance(t, ast.Name)}
        if self.in_class and names and names <= set(_WORDS) and _is_text(node.value):
            return None
        return self.generic_visit(node)

    def visit_Raise(self, node):
        kind = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return ast.Raise(kind)

    def visit_Assert(self, node):
        node.msg = None
        return self.generic_visit(node)

    def visit_JoinedStr(self, node):
        """Neighbouring texts of an f-string as one: versions of Python cut them differently."""
        node, values = self.generic_visit(node), []
        for value in node.values:
            if _is_text(value) and values and _is_text(values[-1]):
                values[-1] = ast.Constant(values[-1].value + value.value)
            elif not (_is_text(value) and not value.value):
                values.append(value)
        node.values = values
        return node


_UNSEEN = ("ctx", "kind", "type_comment", "type_ignores")


def _dump(node: Any) -> str:
    """A tree as text, the same in every version of Python: empty fields are left out."""
    if isinstance(node, list):
        return f"[{','.join(map(_dump, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    inner = (
        f"{k}={_dump(v)}"
        for k, v in ast.iter_fields(node)
        if k not in _UNSEEN and v != [] and (v is not None or isinstance(node, ast.Constant))
    )
    return f"{type(node).__name__}({','.join(inner)})"


def short(text: str) -> str:
    """First 12 hexadecimal digits of the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def joined(digests: Iterable[str]) -> str:
    """One digest of several, whatever their order."""
    return short(" ".join(sorted(digests)))


# --- loaded code and files --------------------------------------------------------------------


def _check_loaded(file: str, function: FunctionType) -> None:
    """Fail if a file no longer holds a function as this process has loaded it.

    Raises
    ------
    RunStoreError : the results would be those of the old code, and be marked as those of the new.
    """
    path = Path(file)
    if file.startswith("<") or not path.exists() or path.stat().st_mtime < _LOADED:
        return
    text = _text(file)
    now = _compiled(text, file).get(function.__code__.co_qualname)
    if now is not None and not any(_same(function.__code__, code) for code in now):
        raise RunStoreError(
            f"{path} was edited after this session had loaded it, so results would be those of the "
            f"code before: restart the kernel or the command."
        )


@functools.lru_cache(maxsize=512)
def _compiled(text: str, file: str) -> dict[str, list[CodeType]]:
    """Code objects of a source text by qualified name."""
    found: dict[str, list[CodeType]] = {}
    try:
        todo = [compile(text, file, "exec", dont_inherit=True)]
    except (SyntaxError, ValueError):
        return found
    while todo:
        code = todo.pop()
        found.setdefault(code.co_qualname, []).append(code)
        todo += [c for c in code.co_consts if isinstance(c, CodeType)]
    return found


def _same(loaded: CodeType, written: CodeType) -> bool:
    """Whether two code objects compute the same; texts (docstrings, messages) may differ."""
    if "@py" in " ".join(loaded.co_names + loaded.co_varnames):  # rewritten by pytest
        return True

    def numbers(code: CodeType) -> list:
        return [c for c in code.co_consts if isinstance(c, (int, float, complex))]

    return (
        loaded.co_code == written.co_code
        and loaded.co_names == written.co_names
        and numbers(loaded) == numbers(written)
    )
