"""Take forms of one computation in turns, so that a busy machine slows all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch

Clock = Callable[[], float]

MATRIX = 1024  # rows and columns of the product that stands for the machine's peak
BURST = 0.2  # seconds a short form is repeated for in a round, at most


@dataclass(frozen=True)
class Row:
    """One comparison: seconds of the plain and of the fast form, and the speed-up aimed at."""

    what: str
    plain: float
    fast: float
    aim: float | None = None

    @property
    def ratio(self) -> float:
        return self.plain / self.fast


@dataclass(frozen=True)
class Share:
    """Speed of a training step, and its share of the matrix peak measured in turns with it.

    Attributes
    ----------
    milliseconds, clips_per_second : of a whole step.
    share : of the peak, from 0 to 1.
    aim : the share aimed at.
    """

    what: str
    milliseconds: float
    clips_per_second: float
    share: float
    aim: float | None = None

    def __str__(self) -> str:
        aim = f" (aim {100 * self.aim:.0f} %)" if self.aim else ""
        return (
            f"{self.what}: {self.milliseconds:.1f} ms, {self.clips_per_second:.1f} clips/s, "
            f"{100 * self.share:.0f} % of the matrix peak measured beside it{aim}"
        )


def gpu_clock() -> float:
    """Seconds when everything asked of the GPU so far is done."""
    torch.cuda.synchronize()
    return time.perf_counter()


@contextmanager
def one_thread():
    """Time on one core, so that a busy machine shifts both sides alike."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def in_turns(
    forms: Mapping[str, Callable[[], object]],
    rounds: int,
    clock: Clock = time.process_time,
    warm: int = 1,
) -> dict[str, float]:
    """Shortest time of every form, one after the other in each round.

    Other programs can only make a form slower, so its shortest time says most about the form.

    Parameters
    ----------
    forms : name -> form; a short one is repeated in a round until it lasts about as long as the
        longest, but `BURST` seconds at most.
    rounds : turns, at least 1.
    clock : seconds; the processor time of this process, unless something else does the work.
    warm : calls of each form beforehand: caches filled, pages touched, kernels compiled.

    Returns
    -------
    dict of seconds
    """
    for form in forms.values():
        for _ in range(warm):
            form()

    def timed(form: Callable[[], object], repeats: int) -> float:
        started = clock()
        for _ in range(repeats):
            form()
        return (clock() - started) / repeats

    best = {name: timed(form, 1) for name, form in forms.items()}
    longest = min(max(best.values()), BURST)
    repeats = {name: max(1, min(200, int(longest / max(t, 1e-9)))) for name, t in best.items()}
    if rounds > 1:  # one call of a short form is little to go by
        best = dict.fromkeys(forms, float("inf"))
    for _ in range(rounds - 1):
        for name, form in forms.items():
            best[name] = min(best[name], timed(form, repeats[name]))
    return best


def compare(
    what: str,
    plain: Callable[[], object],
    fast: Callable[[], object],
    aim: float | None = None,
    rounds: int = 8,
    clock: Clock = time.process_time,
) -> Row:
    """A plain form against a fast one, taken in turns (`in_turns`)."""
    times = in_turns({"plain": plain, "fast": fast}, rounds, clock)
    return Row(what, times["plain"], times["fast"], aim)


def matrix_product(
    size: int = MATRIX, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> tuple[Callable[[], object], int]:
    """A square matrix product, and the operations in it: the peak that steps are measured by."""
    a = torch.randn(size, size, device=device).to(dtype)
    return lambda: a @ a, 2 * size**3
