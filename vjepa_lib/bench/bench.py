"""Time what the package does fast against its plain form, side by side in one run.

`python -m vjepa_lib.bench` prints the table. Ratios hold on any machine; milliseconds do not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from tabulate import tabulate

from vjepa_lib.bench.reference import distance_by_token, epps_pulley_by_point, masks_by_loop
from vjepa_lib.model.grid import Grid, distance_to_targets
from vjepa_lib.model.masking import MaskingConfig, sample_masks
from vjepa_lib.objectives.sigreg import epps_pulley

STUDY = Grid(t=8, h=14, w=14)
CLIPS = 8


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


@contextmanager
def one_thread():
    """Time on one core, so that a busy machine shifts both sides alike."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def compare(
    what: str,
    plain: Callable[[], object],
    fast: Callable[[], object],
    aim: float | None = None,
    rounds: int = 7,
) -> Row:
    """Median times of two forms, taken in turns.

    Parameters
    ----------
    rounds : turns; in each, the fast form runs often enough to last about as long as the plain.
    """
    plain(), fast()  # caches filled, pages touched
    started = time.perf_counter()
    fast()
    once = time.perf_counter() - started
    started = time.perf_counter()
    plain()
    repeats = max(1, min(200, int((time.perf_counter() - started) / max(once, 1e-9))))
    times: dict[str, list[float]] = {"plain": [], "fast": []}
    for _ in range(rounds):
        started = time.perf_counter()
        plain()
        times["plain"].append(time.perf_counter() - started)
        started = time.perf_counter()
        for _ in range(repeats):
            fast()
        times["fast"].append((time.perf_counter() - started) / repeats)
    middle = {name: sorted(values)[rounds // 2] for name, values in times.items()}
    return Row(what, middle["plain"], middle["fast"], aim)


def masks(kind: str) -> Row:
    """Both mask groups of 8 clips on the study's grid: all clips at once against a plain loop."""
    cfg = MaskingConfig(kind)
    draw = torch.Generator().manual_seed(0)
    motion = torch.rand(CLIPS, STUDY.h, STUDY.w, generator=draw)
    return compare(
        f"masks, {kind.replace('_', '-')}",
        lambda: masks_by_loop(cfg, STUDY, CLIPS, draw, motion),
        lambda: sample_masks(cfg, STUDY, CLIPS, draw, motion),
        aim=10,
    )


def context_distances() -> Row:
    """Distances of all context tokens to their nearest target: separable against token by token."""
    drawn = sample_masks(MaskingConfig(), STUDY, CLIPS, torch.Generator().manual_seed(0))
    return compare(
        "context distance weights",
        lambda: [distance_by_token(c, t, STUDY) for c, t in drawn],
        lambda: [distance_to_targets(c, t, STUDY) for c, t in drawn],
        aim=30,
    )


def sigreg_statistic() -> Row:
    """Epps-Pulley statistic and gradient of 1000 tokens on 64 directions."""
    samples = torch.randn(1000, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    return compare(
        "SIGReg statistic and gradient",
        lambda: torch.autograd.grad(epps_pulley_by_point(samples).mean(), samples),
        lambda: torch.autograd.grad(epps_pulley(samples).mean(), samples),
    )


@dataclass(frozen=True)
class Share:
    """Speed of a training step, and its share of the measured float32 matrix peak of one core."""

    what: str
    milliseconds: float
    clips_per_second: float
    share: float


def matrix_peak(size: int = 1024, rounds: int = 7) -> float:
    """Best float32 matrix multiplication of this core, in operations a second."""
    a = torch.randn(size, size)
    best = float("inf")
    for _ in range(rounds):
        started = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best


def training_step_share(profile: str = "mini", rounds: int = 20) -> Share:
    """Time the training step of a profile's baseline on random clips.

    Operations are those of the matrix products (and attention, counted as such), from torch's own
    counter; the peak is measured right before, in the same process.
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    from vjepa_lib.study.configs import resolve
    from vjepa_lib.training.pretrain import Trainer

    setup = resolve("baseline", profile=profile).train
    trainer, cfg = Trainer(setup), setup.encoder
    draw = torch.Generator().manual_seed(0)
    clips = torch.randn(
        setup.schedule.batch, 3, cfg.frames, cfg.height, cfg.width_px, generator=draw
    )
    # The fused attention kernel of CPUs is not known to the counter; the plain one is the same sum.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        trainer.train_step(clips)
    peak = matrix_peak()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        trainer.train_step(clips)
        times.append(time.perf_counter() - started)
    middle = sorted(times)[rounds // 2]
    return Share(
        f"training step, {profile}",
        1e3 * middle,
        setup.schedule.batch / middle,
        counter.get_total_flops() / middle / peak,
    )


MEASUREMENTS: list[Callable[[], Row]] = [
    lambda: masks("multiblock"),
    lambda: masks("motion_guided"),
    context_distances,
    sigreg_statistic,
]


def run(measurements: Iterable[Callable[[], Row]] | None = None) -> list[Row]:
    """All comparisons, on one core."""
    with one_thread():
        return [measure() for measure in (MEASUREMENTS if measurements is None else measurements)]


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
