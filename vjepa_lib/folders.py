"""Where runs, data and figures lie: environment variables for folders, read in one place."""

from __future__ import annotations

import os
from pathlib import Path

from vjepa_lib.errors import ConfigError
from vjepa_lib.provenance import ROOT

VARIABLES = {"VJEPA_RUNS": "runs", "VJEPA_DATA": "data", "VJEPA_FIGURES": "figures"}


def folder(variable: str) -> Path:
    """The folder that a variable names, or the usual one beside the package.

    Raises
    ------
    ConfigError : the variable is set and names no folder: empty, too long, or a file.
    """
    text = os.environ.get(variable)
    if text is None:
        return ROOT / VARIABLES[variable]
    hint = f"name a folder or unset it, for {ROOT / VARIABLES[variable]}"
    if not text.strip():
        raise ConfigError(f"{variable} is set and empty: {hint}.")
    path = Path(text)
    try:
        # A run's files lie a few levels deeper and have names of up to 60 characters.
        os.lstat(path / ("x" * 60))
    except (FileNotFoundError, PermissionError):
        pass  # not made yet, or told when something is written there
    except NotADirectoryError:
        raise ConfigError(f"{variable} names a file, {path}: {hint}.") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"{variable} names no folder ({why}; {len(text)} characters): {hint}."
        ) from None
    return path


def runs_root() -> Path:
    """Folder of runs: VJEPA_RUNS, or `runs` beside the package."""
    return folder("VJEPA_RUNS")


def data_root() -> Path:
    """Folder of rendered and decoded data: VJEPA_DATA, or `data` beside the package."""
    return folder("VJEPA_DATA")


def figures_root() -> Path:
    """Folder of figures: VJEPA_FIGURES, or `figures` beside the package."""
    return folder("VJEPA_FIGURES")
