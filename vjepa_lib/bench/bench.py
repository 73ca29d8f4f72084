"""All figures of `make bench` by name, measured in one run and printed as ratios.

Ratios hold on any machine; milliseconds do not.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence

from tabulate import tabulate

from vjepa_lib.bench import pieces
from vjepa_lib.bench.decoding import decoding
from vjepa_lib.bench.gpu import on_gpu
from vjepa_lib.bench.probing import probe
from vjepa_lib.bench.processes import shared_gpu
from vjepa_lib.bench.stacked import stacked_on_gpu
from vjepa_lib.bench.steps import against_plain, against_published
from vjepa_lib.bench.timing import Row, Share, one_thread

Result = Row | Share | str
Figure = Callable[..., Result | Sequence[Result]]

FIGURES: dict[str, Figure] = {
    "masks": lambda **given: [pieces.masks(k, **given) for k in ("multiblock", "motion_guided")],
    "distances": pieces.context_distances,
    "sigreg": pieces.sigreg_statistic,
    "step-mini": lambda **given: against_plain("mini", **given),
    "step-small": lambda **given: against_plain("small", **given),
    "step-vitb": against_published,
    "decoding": decoding,
    "probe": probe,
    "gpu": on_gpu,
    "gpu-shared": shared_gpu,
    "gpu-stacked": stacked_on_gpu,
}
"""Each takes `rounds`, the turns its forms take, and has a default of its own."""


def run(names: Iterable[str] | None = None, rounds: int | None = None) -> Iterator[Result]:
    """Measure figures, on one core.

    Parameters
    ----------
    names : keys of `FIGURES`; None for all.
    rounds : turns; None for each figure's own number.
    """
    given = {} if rounds is None else {"rounds": rounds}
    with one_thread():
        for name in FIGURES if names is None else names:
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
            found = FIGURES[name](**given)
            yield from [found] if isinstance(found, (Row, Share, str)) else found


def table(rows: Iterable[Row]) -> str:
    """Rows as a Markdown table."""
    return tabulate(
        [
            [
                r.what,
                1e3 * r.plain,
                1e3 * r.fast,
                f"{r.ratio:.1f}",
                f">= {r.aim:g}" if r.aim else "",
            ]
            for r in rows
        ],
        headers=["what", "plain, ms", "fast, ms", "times faster", "aim"],
        tablefmt="github",
        floatfmt=".2f",
        disable_numparse=[3],
    )


def load() -> str:
    """How busy the machine is, a line for the reader of the numbers."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    busy = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return f"one of {cores} cores; programs running or waiting in the last minute: {busy}"


def report(results: Sequence[Result]) -> str:
    """The table of all rows, then a line for everything else."""
    rows = [r for r in results if isinstance(r, Row)]
    lines = [str(r) for r in results if not isinstance(r, Row)]
    return "\n".join([*([table(rows), ""] if rows else []), *lines, load()])
