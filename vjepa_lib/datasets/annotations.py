"""Annotation files as their owners publish them, read strictly: a right value or one sentence.

Every reader names the file, and the line or entry where there is one, and says what to do; nothing
of what a file holds reaches a builder unchecked.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vjepa_lib.errors import DataError, shown

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}(\.0*)?", re.ASCII)


def find_annotation(folder: Path, *names: str, needed: bool = True) -> Path | None:
    """The first of several file names that exists in a folder or below it."""
    if not folder.exists():
        raise DataError(f"The annotation folder {folder} does not exist; correct --annotations.")
    if not folder.is_dir():
        raise DataError(f"{folder} is a file; give --annotations the folder that holds it.")
    for name in names:
        direct = folder / name
        if direct.is_file():
            return direct
        below = sorted(path for path in folder.rglob(name) if path.is_file())
        if below:
            return below[0]
    if needed:
        raise DataError(f"{folder} holds no {' or '.join(names)}; correct --annotations.")
    return None


def read_text(path: Path) -> str:
    """A text file in UTF-8, with or without a byte order mark.

    Raises
    ------
    DataError
        The file cannot be opened or is in another encoding.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror or error}); correct --annotations."
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8 or download it again."
        ) from error
    if "\0" in text:
        raise DataError(f"{path} holds NUL characters, so it is no text; download it again.")
    return text


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of the lines of a file, without blank ones and `#` comments."""
    for number, line in enumerate(re.split(r"\r\n|\n|\r", read_text(path)), start=1):
        line = line.strip()
        if line and not line.startswith("#"):
            yield number, line


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {shown(twice)} is there twice in one object")
    return content


def read_json(path: Path) -> Any:
    """The content of a JSON file; a name that is there twice in an object is an error."""
    text = read_text(path)
    try:
        return json.loads(text, object_pairs_hook=_once)
    except RecursionError as error:
        raise DataError(f"{path} is nested too deeply to be such a list; download it again.") from (
            error
        )
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON ({error}); download it again.") from error


def read_records(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Place and record of every entry of a JSON list of objects."""
    content = read_json(path)
    if not isinstance(content, list):
        raise DataError(
            f"{path} holds {_kind(content)} where a list of entries is expected; give the official"
            " file."
        )
    for number, record in enumerate(content, start=1):
        place = f"{path}, entry {number}"
        if not isinstance(record, dict):
            raise DataError(
                f"{place}: {_kind(record)} where an object with named values is expected; give the"
                " official file."
            )
        yield place, record


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Place and cells of every row of a CSV file that must have the named columns."""
    reader = csv.reader(io.StringIO(read_text(path), newline=""))
    try:
        header = next(reader, [])
        for name in columns:
            if header.count(name) != 1:
                problem = "lacks" if name not in header else "has twice"
                raise DataError(
                    f"{path} {problem} the column {name!r}; expected {', '.join(columns)}."
                )
        for cells in reader:
            if not cells:  # an empty line
                continue
            place = f"{path}, line {reader.line_num}"
            if len(cells) != len(header):
                raise DataError(
                    f"{place}: {len(cells)} cells where the header names {len(header)}; correct the"
                    " line or download the file again."
                )
            yield place, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise DataError(
            f"{path}, line {reader.line_num}: not a row of a CSV file ({error}); download it again."
        ) from error


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    return "nothing" if value is None else kinds.get(type(value), "a number")


def as_text(value: Any, place: str, what: str) -> str:
    """Text of at least one visible character, without the blanks around it."""
    if isinstance(value, str) and value.strip():
        try:
            value.encode()
            return value.strip()
        except UnicodeEncodeError:  # half of a pair, which JSON can write and no file can hold
            pass
    raise DataError(f"{place}: {what} {shown(value)} is not text; correct the entry.")


def as_seconds(value: Any, place: str, what: str) -> float:
    """A time in seconds from a cell or a JSON number."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if math.isnan(number):
        raise DataError(f"{place}: {what} {shown(value)} is not a number; correct it.")
    if not 0 <= number < 1e7:
        raise DataError(f"{place}: {what} {shown(value)} is no time in a video; correct it.")
    return number


def as_stretch(start: Any, end: Any, place: str, prefix: str = "") -> tuple[float, float]:
    """Start and end in seconds, the end later than the start; `prefix` is that of the columns."""
    first = as_seconds(start, place, f"{prefix}start")
    last = as_seconds(end, place, f"{prefix}end")
    if last <= first:
        raise DataError(f"{place}: the clip ends at {last} s, before it starts at {first} s.")
    return first, last


def as_whole(value: Any, place: str, what: str) -> int:
    """A whole number: 3, 3.0, '3' or '3.0', as tables are written again by many programs."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value.strip().partition(".")[0])
    raise DataError(f"{place}: {what} {shown(value)} is not a whole number; correct it.")


def in_order(
    numbers: Mapping[str, int], path: Path, least: int
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Labels 0, 1, ... in the order of the official class numbers.

    A list of only the classes one has keeps their official numbers; the gaps are closed, because a
    class without a clip would only take a place in a probe.

    Parameters
    ----------
    numbers : mapping of str to int
        Class name -> number in the file.
    path : Path
        The file, for messages.
    least : int
        Number of the first class in the official list.

    Returns
    -------
    labels : dict of str to int
    notes : tuple of str
        Says so where labels differ from the official numbers.
    """
    if not numbers:
        raise DataError(f"{path} names no class; give the official list.")
    names: dict[int, str] = {}
    for name, number in numbers.items():
        if number < least:
            raise DataError(f"{path}: class {shown(name)} has number {number}; the first {least}.")
        if number in names:
            raise DataError(
                f"{path}: {shown(names[number])} and {shown(name)} both have number {number}; give"
                " each class its own."
            )
        names[number] = name
    labels = {names[number]: label for label, number in enumerate(sorted(names))}
    if max(names) - least + 1 == len(names):
        return labels, ()
    return labels, (
        f"{path.name} names {len(names)} classes with numbers up to {max(names)}; labels count them"
        f" from 0 to {len(names) - 1} in that order.",
    )
