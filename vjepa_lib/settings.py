"""Settings from a TOML file into dataclasses: typed, complete, and strict about names.

The dataclasses hold the defaults, so a file says only what differs from them.
"""

from __future__ import annotations

import tomllib
import types
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from vjepa_lib.errors import CompanionError, ConfigError

T = TypeVar("T")

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
    for key, value in table.items():
        where = f"{source}: {key}"
        if key not in known:
            raise ConfigError(f"{source}: unknown key {key!r}; known: {', '.join(known)}.")
        current = getattr(defaults, key)
        if is_dataclass(current):
            if not isinstance(value, dict):
                raise ConfigError(f"{where} is a table: write [{key}] and its keys below.")
            values[key] = override(current, value, f"{source}, [{key}]", folder)
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
            raise ConfigError(f"{where} must be a list, not {value!r}.")
        first, *rest = get_args(hint)
        each = [first] * len(value) if rest in ([], [...]) else [first, *rest]
        if len(each) != len(value):
            raise ConfigError(f"{where} must be a list of {len(each)}, not {value!r}.")
        return tuple(_typed(v, h, where, folder) for v, h in zip(value, each, strict=True))
    if hint is float and type(value) is int:
        return float(value)
    if hint is Path and isinstance(value, str):
        return folder / Path(value).expanduser()
    if type(value) is not hint:
        raise ConfigError(f"{where} must be {_TOML.get(hint, 'of another type')}, not {value!r}.")
    return value
