"""Settings: what a field may hold, and dataclasses from a TOML file.

A dataclass of settings declares the domain of each field in its annotation (`lr: Positive`) and
calls `check_domains` first in `__post_init__`. It also holds the defaults, so a file says only
what differs from them.
"""

from __future__ import annotations

import os
import tomllib
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from vjepa_lib.errors import CompanionError, ConfigError, shown

T = TypeVar("T")

# What torch, numpy and file formats hold as a size everywhere.
LARGEST = 2**31 - 1
# What a generator of numpy or scikit-learn takes as a seed.
LARGEST_SEED = 2**32 - 1
# More processes than any one machine runs side by side.
MOST_JOBS = 4096


@dataclass(frozen=True)
class Domain:
    """Finite numbers between two bounds.

    Attributes
    ----------
    says : the domain as a message names it.
    low, high : the bounds; they belong to it unless `above` and `below` leave them out.
    """

    says: str
    low: float
    high: float
    above: bool = False
    below: bool = False

    def holds(self, value: float) -> bool:
        # nan fails every comparison; whole numbers may be too large for a float.
        low = self.low < value if self.above else self.low <= value
        return low and (value < self.high if self.below else value <= self.high)


Count = Annotated[int, Domain(f"a whole number from 1 to {LARGEST}", 1, LARGEST)]
Whole = Annotated[int, Domain(f"a whole number from 0 to {LARGEST}", 0, LARGEST)]
Seed = Annotated[int, Domain(f"a whole number from 0 to {LARGEST_SEED}", 0, LARGEST_SEED)]
# No further than single precision goes: networks and optimisers compute in it.
_LARGE = 1e38
Positive = Annotated[float, Domain("a finite number above 0", 0, _LARGE, above=True)]
NonNegative = Annotated[float, Domain("a finite number of at least 0", 0, _LARGE)]
Share = Annotated[float, Domain("a number from 0 to 1", 0, 1)]
PositiveShare = Annotated[float, Domain("a number above 0 and at most 1", 0, 1, above=True)]
ShareBelowOne = Annotated[float, Domain("a number of at least 0 and below 1", 0, 1, below=True)]
InnerShare = Annotated[float, Domain("a number above 0 and below 1", 0, 1, above=True, below=True)]


def check_domains(settings: Any, domains: Mapping[str, Any] | None = None) -> None:
    """Fail on the first field of a dataclass that holds what its annotation does not allow.

    Parameters
    ----------
    domains : field -> annotation, in place of the class's own.

    Raises
    ------
    ConfigError : it names the field, its value and what is allowed.
    """
    for name, hint in (domains or _hints(type(settings))).items():
        check_value(name, getattr(settings, name), hint)


def check_value(name: str, value: Any, hint: Any) -> None:
    """Fail on a value that an annotation does not allow.

    Raises
    ------
    ConfigError : it gives the name, the value and what is allowed.
    """
    if not _fits(value, hint):
        raise ConfigError(f"{name} is {shown(value)}: it must be {_says(hint)}.")


@cache
def _hints(cls: type) -> dict[str, Any]:
    """Field -> annotation, with its domain."""
    hints = get_type_hints(cls, include_extras=True)
    return {f.name: hints[f.name] for f in fields(cls)}


def _fits(value: Any, hint: Any) -> bool:
    """Whether an annotation allows a value."""
    kind = get_origin(hint)
    if kind is Annotated:
        plain, *domains = get_args(hint)
        return _fits(value, plain) and all(d.holds(value) for d in domains)
    if kind in (Union, types.UnionType):
        return any(_fits(value, h) for h in get_args(hint))
    if kind is tuple:
        first, *rest = get_args(hint)
        if not isinstance(value, (tuple, list)) or (rest != [...] and len(value) != 1 + len(rest)):
            return False
        each = [first] * len(value) if rest == [...] else [first, *rest]
        return all(_fits(v, h) for v, h in zip(value, each, strict=True))
    if hint in (int, float):  # True is a whole number to Python, not to a reader
        return isinstance(value, (int, hint)) and not isinstance(value, bool)
    return isinstance(value, hint)


def _says(hint: Any) -> str:
    """What an annotation allows, in words."""
    kind = get_origin(hint)
    if kind is Annotated:
        return ", ".join(d.says for d in get_args(hint)[1:])
    if kind in (Union, types.UnionType):
        return " or ".join(_says(h) for h in get_args(hint))
    if kind is tuple:
        first, *rest = get_args(hint)
        same = rest == [...] or all(h == first for h in rest)
        what = _says(first) if same else " and ".join(_says(h) for h in (first, *rest))
        return f"{'a list' if rest == [...] else f'{1 + len(rest)} values'}, each {what}"
    return "None" if hint is type(None) else _TOML.get(hint, f"a {hint.__name__}")


_TOML = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
}


def read_settings(path: str | Path, defaults: T) -> T:
    """Defaults with what a TOML file says in their place.

    Parameters
    ----------
    path : file; relative paths in it are below its own folder.
    defaults : a dataclass; its dataclass fields are the file's tables.

    Raises
    ------
    ConfigError : no such file, not TOML, an unknown key (the known ones are listed), a value of
        the wrong type, or one that its dataclass refuses.
    """
    path = Path(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"The settings {path} cannot be read ({error.strerror or error}): name another file "
            "with --config."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML ({error}): correct it.") from None
    # Absolute: a cluster's workers have working directories of their own.
    return override(defaults, table, str(path), path.absolute().parent)


def override(defaults: T, table: dict[str, Any], source: str, folder: Path = Path(".")) -> T:
    """A dataclass with some fields replaced; nested tables go into nested dataclasses.

    Parameters
    ----------
    table : field -> value, as `tomllib` gives them.
    source : what to call the file in messages.
    folder : of relative paths.

    Raises
    ------
    ConfigError : as `read_settings`.
    """
    known = [f.name for f in fields(defaults)]
    hints = get_type_hints(type(defaults))
    values = {}
    # What a file gives of these replaces the other's default; TOML has no word for None.
    one_of = getattr(defaults, "ONE_OF", ())
    if set(one_of) & set(table):
        values = dict.fromkeys(one_of)
    for key, value in table.items():
        where = f"{source}: {key}"
        if key not in known:
            raise ConfigError(f"{source}: unknown key {key!r}; known: {', '.join(known)}.")
        current = getattr(defaults, key)
        if is_dataclass(current):
            if not isinstance(value, dict):
                raise ConfigError(f"{where} is a table: write [{key}] and its keys below.")
            inner = f"{source}, [{key}]"
            values[key] = override(current, value, inner, folder)
            try:
                check_domains(values[key], getattr(defaults, "NARROWER", {}).get(key))
            except ConfigError as error:
                raise ConfigError(f"{inner}: {error}") from None
        else:
            values[key] = _typed(value, hints[key], where, folder)
    try:
        return replace(defaults, **values)
    except CompanionError as error:
        raise ConfigError(f"{source}: {error}") from None


def _typed(value: Any, hint: Any, where: str, folder: Path) -> Any:
    """The value as its field's type."""
    if get_origin(hint) in (Union, types.UnionType):  # X | None; TOML has no null
        hint = next(h for h in get_args(hint) if h is not type(None))
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise ConfigError(f"{where} must be a list, not {shown(value)}.")
        first, *rest = get_args(hint)
        each = [first] * len(value) if rest in ([], [...]) else [first, *rest]
        if len(each) != len(value):
            raise ConfigError(f"{where} must be a list of {len(each)}, not {shown(value)}.")
        return tuple(_typed(v, h, where, folder) for v, h in zip(value, each, strict=True))
    if hint is float and type(value) is int:
        return float(value) if abs(value) < LARGEST else value  # some are too large for a float
    if hint is Path and isinstance(value, str):
        return folder / Path(value).expanduser()
    if type(value) is not hint:
        raise ConfigError(
            f"{where} must be {_TOML.get(hint, 'of another type')}, not {shown(value)}."
        )
    return value


# --- seeds and processes, from notebooks and command lines -------------------------------------


def parse_seeds(
    given: str | int | Iterable[int] | None, name: str = "SEEDS"
) -> tuple[int, ...] | None:
    """Seeds from a list, one number, or text as make takes it: '0,1'; None for the profile's.

    Parameters
    ----------
    name : what a message calls them: a notebook's SEEDS, or a command's --seeds.

    Raises
    ------
    ConfigError : not whole numbers from 0 to `LARGEST_SEED`.
    """
    if given is None or given == "" or given == []:
        return None
    parts = given.split(",") if isinstance(given, str) else given
    try:
        parts = [parts] if isinstance(parts, int) else list(parts)
        # A float or a truth value would become a number silently.
        fit = all(isinstance(p, str) or type(p) is int for p in parts)
        seeds = tuple(dict.fromkeys(int(p) for p in parts)) if fit else ()
    except (TypeError, ValueError):
        seeds = ()
    if not seeds or min(seeds) < 0 or max(seeds) > LARGEST_SEED:
        raise ConfigError(
            f"{name} is {shown(given)}: give whole numbers from 0 to {LARGEST_SEED}, for instance "
            f"[0, 1] or '0,1'."
        )
    return seeds


def parse_jobs(given: str | int | None, name: str = "JOBS") -> int:
    """Number of training processes; None for one per core.

    Parameters
    ----------
    name : what a message calls it.

    Raises
    ------
    ConfigError : not a whole number above 0.
    """
    if given is None or given == "":
        return os.cpu_count() or 1
    try:
        jobs = int(given) if isinstance(given, str) or type(given) is int else 0
    except ValueError:
        jobs = 0
    if not 1 <= jobs <= MOST_JOBS:
        raise ConfigError(
            f"{name} is {shown(given)}: give a whole number of processes, 1 to {MOST_JOBS}."
        )
    return jobs


def measuring() -> bool:
    """Whether measurements are to be made anew (`make notebooks MEASURE=1`)."""
    return os.environ.get("VJEPA_MEASURE", "") not in ("", "0")
