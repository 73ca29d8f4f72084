"""Processes that share one GPU: small networks leave it idle, several trainings fill it."""

from __future__ import annotations

import multiprocessing
import queue
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import torch

from vjepa_lib.bench.steps import in_second_half, profile_setup, random_clips
from vjepa_lib.bench.timing import Row, gpu_clock
from vjepa_lib.training.trainer import Trainer, TrainSetup

WARM = 5  # steps of every process beforehand, and between two looks at the clock
PATIENCE = 300.0  # seconds until all processes have loaded PyTorch and taken these
SERVICE = "nvidia-cuda-mps"  # what the names of its processes begin with


def service_runs(processes: Path = Path("/proc")) -> bool:
    """Whether NVIDIA's Multi-Process Service runs on this machine, as Linux lists processes."""
    for name in processes.glob("[0-9]*/comm"):
        try:
            if name.read_text().startswith(SERVICE):
                return True
        except OSError:  # it has ended meanwhile
            continue
    return False


def _take_steps(
    setup: TrainSetup, device: str, seconds: float, together: Barrier, answers: Queue
) -> None:
    """Steps a second of one process, or why it has none, into `answers`."""
    try:
        torch.set_num_threads(1)
        trainer, clips = in_second_half(Trainer(setup, device)), random_clips(setup, device)
        for _ in range(WARM):
            trainer.train_step(clips)
        together.wait(PATIENCE)
        started, steps = gpu_clock(), 0
        while (now := gpu_clock()) < started + seconds:
            for _ in range(WARM):  # a look at the clock waits for the GPU
                trainer.train_step(clips)
            steps += WARM
        answers.put(steps / (now - started))
    except Exception as error:
        together.abort()  # the others would wait for this one
        lines = str(error).splitlines() or [""]
        answers.put(f"{type(error).__name__}: {lines[0][:80]}")


def steps_a_second(
    setup: TrainSetup, device: str, processes: int, seconds: float, start: str = "spawn"
) -> float | str:
    """Steps a second of so many trainings at once, added up; a few words where one failed.

    Parameters
    ----------
    start : how Python begins a process; CUDA needs 'spawn'.
    """
    context = multiprocessing.get_context(start)
    together, answers = context.Barrier(processes), context.Queue()
    arguments = (setup, device, seconds, together, answers)
    begun = [context.Process(target=_take_steps, args=arguments) for _ in range(processes)]
    try:
        for process in begun:
            process.start()
        said = [answers.get(timeout=PATIENCE + seconds) for _ in begun]
    except queue.Empty:
        return "a process did not answer"
    finally:
        for process in begun:
            if process.pid is not None:
                process.terminate()
                process.join()
    # A broken barrier is what the others say when one of them fails.
    failed = [s for s in said if isinstance(s, str)]
    return min(failed, key=lambda s: s.startswith("BrokenBarrier")) if failed else sum(said)


def shared_gpu(
    rounds: int = 5,
    setup: TrainSetup | None = None,
    device: str = "cuda",
    processes: int = 4,
    start: str = "spawn",
) -> list[Row | str]:
    """Steps of one process alone against those of several that share the GPU, in clock time.

    Parameters
    ----------
    rounds : seconds that steps are taken for.
    setup : None for the study's own geometry.

    Returns
    -------
    A row of seconds a step over all processes, and whether the Multi-Process Service runs; one
    sentence alone where nothing was measured.
    """
    if not torch.cuda.is_available():
        return ["processes on a GPU: not measured, PyTorch finds none here"]
    setup = setup or profile_setup("small")
    what = f"step on a GPU: 1 process, {processes} that share it"
    found = []
    for count in (1, processes):
        found.append(steps_a_second(setup, device, count, rounds, start))
        if isinstance(found[-1], str):
            return [f"{what}: not measured, {found[-1]}"]
    service = (
        "runs"
        if service_runs()
        else "does not run: `nvidia-cuda-mps-control -d` starts it, and processes share better"
    )
    return [Row(what, *(1 / rate for rate in found)), f"NVIDIA's Multi-Process Service {service}"]
