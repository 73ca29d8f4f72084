"""Stopping and going on: state files that are whole or absent, interrupts that wait for a step."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from torch import Tensor

from vjepa_lib.errors import RunStoreError


def save_state(path: Path, state: dict) -> None:
    """Write under a temporary name, then rename: the last good checkpoint is never lost.

    Raises
    ------
    RunStoreError : the disk is full or the folder read-only.
    """
    part = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except (OSError, RuntimeError) as error:
        with suppress(OSError):
            part.unlink()
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "disk full"
        raise RunStoreError(
            f"The checkpoint {path} could not be written ({reason}): free some space or choose "
            f"another runs folder; finished runs and the last checkpoint are kept."
        ) from error


def load_state(path: Path, owner: str) -> dict:
    """Read a checkpoint back.

    Parameters
    ----------
    owner : what the state must have under 'setup'.

    Raises
    ------
    RunStoreError : it is damaged, or belongs to another configuration.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        found = state["setup"]
    except Exception as error:  # a damaged file fails in as many ways as there are bytes
        raise RunStoreError(
            f"The checkpoint {path} cannot be read back ({type(error).__name__}): delete it and "
            f"the run starts anew."
        ) from error
    if found != owner:
        raise RunStoreError(
            f"The checkpoint {path} belongs to another configuration: delete it or give this run "
            f"a folder of its own."
        )
    return state


@contextmanager
def interrupts_between_steps() -> Iterator[Callable[[], bool]]:
    """Hold Ctrl-C back until the step is done; a second one stops at once.

    A step that stops half-way leaves weights that belong to no step, which cannot be resumed from.

    Yields
    ------
    Function that says whether Ctrl-C was pressed.
    """
    pressed = False

    def note(signum, frame) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True

    # Only the main thread may set handlers; elsewhere interrupts arrive as they always do.
    usual = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, note) if usual else None
    try:
        yield lambda: pressed
    finally:
        if usual:
            signal.signal(signal.SIGINT, before)


def random_state(device: torch.device) -> dict[str, Tensor]:
    """States of the global generators."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def set_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    """Put the global generators back."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
