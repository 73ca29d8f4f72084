"""Stopping and going on: state files that are whole or absent, interrupts that wait for a step."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
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


def save_weights(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write a safetensors file under a temporary name, then rename it.

    Raises
    ------
    RunStoreError : the disk is full or the folder read-only.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({k: v.contiguous() for k, v in tensors.items()}, part)
        part.chmod(0o644)  # safetensors writes for the owner alone
        os.replace(part, path)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            part.unlink()
        raise RunStoreError(
            f"{path} could not be written ({getattr(error, 'strerror', None) or error}): free some "
            f"space or choose another runs folder; finished runs and the last checkpoint are kept."
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


class Terminated(KeyboardInterrupt):
    """SIGTERM, by which a cluster warns a process before it is killed."""


def status_of(stop: KeyboardInterrupt) -> int:
    """Exit status of a command that a signal has ended, 128 and its number."""
    return 128 + (signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT)


def stop_by(number: int) -> KeyboardInterrupt:
    """The exception for a signal."""
    return Terminated() if number == signal.SIGTERM else KeyboardInterrupt()


_STOPS = (signal.SIGINT, signal.SIGTERM)
_stop_files: list[Path] = []


@contextmanager
def handled(act: Callable[[int], None], numbers: Sequence[int] = _STOPS) -> Iterator[None]:
    """Let a function handle signals for a while; without effect outside the main thread."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {n: signal.signal(n, lambda number, frame: act(number)) for n in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _raise(number: int) -> None:
    raise stop_by(number)


def termination_raises():
    """Context in which SIGTERM raises `Terminated`, as Ctrl-C raises KeyboardInterrupt."""
    return handled(_raise, [signal.SIGTERM])


@contextmanager
def stopped_by_file(file: Path | None) -> Iterator[None]:
    """Let trainings end after their step when a file appears: other processes are told so."""
    _stop_files.extend([file] if file else [])
    try:
        yield
    finally:
        if file:
            _stop_files.remove(file)


@contextmanager
def interrupts_between_steps() -> Iterator[Callable[[], int]]:
    """Hold Ctrl-C and SIGTERM back until the step is done; a second one stops at once.

    A step that stops half-way leaves weights that belong to no step, which cannot be resumed from.

    Yields
    ------
    Function that gives the signal that asks for a stop, or 0.
    """
    came: list[int] = []

    def note(number: int) -> None:
        if came:
            raise stop_by(number)
        came.append(number)

    def asked() -> int:
        if came:
            return came[0]
        return signal.SIGTERM if any(f.exists() for f in _stop_files) else 0

    with handled(note):
        yield asked


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
