"""Errors a user can cause, each told in one sentence that says what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class CompanionError(Exception):
    """Base of every error this package raises on purpose.

    The message is one sentence that names the file, key or shape at fault and the way out;
    the command line and the notebooks print it without a traceback.
    """

    def _render_traceback_(self) -> list[str]:
        """What IPython shows instead of a traceback; the error itself goes on as any other."""
        return [f"{type(self).__name__}: {self}"]


class ConfigError(CompanionError, ValueError):
    """A setting, variant, profile or term name that does not exist or does not fit."""


def unknown(what: str, value: object, known: Iterable[object], where: str = "") -> ConfigError:
    """The error of a name that does not exist; it lists those that do.

    Parameters
    ----------
    what : kind of name, as the sentence calls it: 'variant', 'profile', 'form'.
    value : what was given.
    known : what can be given.
    where : words after the name, such as "in regime 'mixed'".
    """
    place = f" {where}" if where else ""
    return ConfigError(
        f"Unknown {what} {value!r}{place}: choose one of {', '.join(map(str, known))}."
    )


class DataError(CompanionError):
    """A manifest, video or image that is missing, broken or too short."""


class ShapeError(CompanionError, ValueError):
    """A tensor whose shape does not match the token grid or the configuration."""


class RunStoreError(CompanionError):
    """A results folder or a stored run that cannot be read, written or locked."""


class ElsewhereError(CompanionError):
    """The first of several processes failed; it tells why, the others only stop."""


class OutOfMemory(CompanionError):
    """A GPU, or the machine, has too little memory for what was asked of it."""


def shown(value: Any) -> str:
    """A value as a message shows it: on one line, and no longer than 60 characters."""
    value = getattr(value, "item", lambda: value)()  # 1.5, not np.float64(1.5)
    try:
        text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    except ValueError:  # Python writes no whole number of more than some thousand digits
        text = f"a {type(value).__name__} too long to show"
    text = " ".join(text.split("\n"))
    return text if len(text) <= 60 else f"{text[:57]}..."
