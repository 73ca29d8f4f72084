"""Training steps on a GPU: float32 and bfloat16, two kernels of attention, eager and compiled.

Every form is measured by itself, so one that a GPU or a compiler cannot take costs no other.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from vjepa_lib.bench.kernels import kernel_seconds
from vjepa_lib.bench.steps import in_second_half, operations, profile_setup, random_clips
from vjepa_lib.bench.timing import Row, Share, gpu_clock, in_turns, matrix_product
from vjepa_lib.training.devices import compiler_failure
from vjepa_lib.training.trainer import Trainer, TrainSetup

# Context lengths differ from step to step; after so many steps the compiled kernels are general.
WARM = 5
MATRIX = 4096

_ANY_LENGTH = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]


@dataclass(frozen=True)
class Form:
    """One way to take a training step.

    Attributes
    ----------
    amp, compile : of the schedule.
    cudnn : attention by cuDNN where it can; else by flash attention, as `trains_on` has it.
    """

    amp: str = "bf16"
    compile: bool = False
    cudnn: bool = False

    def attention(self) -> AbstractContextManager:
        first = [SDPBackend.CUDNN_ATTENTION] if self.cudnn else []
        return sdpa_kernel([*first, *_ANY_LENGTH], set_priority=True)


FLOAT32, BFLOAT16 = "float32, eager", "bfloat16, eager"
CUDNN, COMPILED = "bfloat16, cuDNN's attention", "bfloat16, compiled"
FORMS = {
    FLOAT32: Form(amp="off"),
    BFLOAT16: Form(),
    CUDNN: Form(cudnn=True),
    COMPILED: Form(compile=True),
}


@dataclass(frozen=True)
class Taken:
    """Seconds of a step, of its kernels alone and of a matrix product beside it; operations."""

    step: float
    kernels: float
    product: float
    operations: int  # 0 for a compiled step, whose operations the counter does not see


def geometries() -> dict[str, TrainSetup]:
    """The study's own geometry, and the published one with the 8 clips of one of its GPUs."""
    paper = profile_setup("paper")
    schedule = replace(paper.schedule, batch=8, accumulate=1)
    return {
        "small": profile_setup("small"),
        "paper": replace(paper, schedule=schedule, augmentation=None),
    }


def on_gpu(
    rounds: int = 5,
    setups: Mapping[str, TrainSetup] | None = None,
    device: str = "cuda",
    matrix: int = MATRIX,
) -> list[Row | Share | str]:
    """Steps in all `FORMS`, each in turns with a matrix product.

    Time is the clock's, as host and GPU wait for each other; a GPU is rarely shared.

    Parameters
    ----------
    setups : name -> training; None for `geometries`.
    matrix : rows and columns of the product that stands for the peak in bfloat16.

    Returns
    -------
    list of rows and shares, and of sentences: how long the GPU itself works in a step, and why a
    form was not measured; one sentence alone where there is no GPU.
    """
    if not torch.cuda.is_available():
        return ["on a GPU: not measured, PyTorch finds none here"]
    found: list[Row | Share | str] = [f"on a GPU: {torch.cuda.get_device_name()}"]
    for name, setup in (geometries() if setups is None else setups).items():
        taken: dict[str, Taken] = {}
        failed: dict[str, list[str]] = {}  # reason -> forms
        for said, form in FORMS.items():
            one = _tried(setup, form, rounds, device, matrix)
            # At once: a compiler may take longer than one waits for it.
            how = f"{1e3 * one.step:.1f} ms" if isinstance(one, Taken) else f"not measured, {one}"
            print(f"{name}, {said}: {how}", file=sys.stderr, flush=True)
            if isinstance(one, Taken):
                taken[said] = one
            else:
                failed.setdefault(one, []).append(said)
        found += _results(f"step on a GPU, {name}", taken, setup.schedule.batch, matrix)
        for reason, forms in failed.items():
            which = "" if len(forms) == len(FORMS) else f", {'; '.join(forms)}"
            found.append(f"step on a GPU, {name}{which}: not measured, {reason}")
    return found


def _tried(setup: TrainSetup, form: Form, rounds: int, device: str, matrix: int) -> Taken | str:
    """Steps of one form, or why there are none."""
    try:
        return _taken(setup, form, rounds, device, matrix)
    except torch.OutOfMemoryError:
        reason = "this GPU has too little memory"
    except Exception as error:
        failure = compiler_failure(error)
        if not failure:
            raise
        reason = f"torch.compile of PyTorch {torch.__version__} failed ({failure})"
    torch.cuda.empty_cache()  # outside the handler: the traceback holds what is to be freed
    return reason


def _taken(setup: TrainSetup, form: Form, rounds: int, device: str, matrix: int) -> Taken:
    schedule = replace(setup.schedule, amp=form.amp, compile=form.compile)
    clips = random_clips(setup, device)
    trainer = in_second_half(Trainer(replace(setup, schedule=schedule), device))
    product, _ = matrix_product(matrix, device, torch.bfloat16)

    def step() -> None:
        trainer.train_step(clips)

    with form.attention():
        count = 0 if form.compile else operations(trainer, clips)
        times = in_turns({"step": step, "product": product}, rounds, gpu_clock, WARM)
        return Taken(times["step"], kernel_seconds(step), times["product"], count)


def _results(
    what: str, taken: Mapping[str, Taken], clips: int, matrix: int
) -> Iterator[Row | Share | str]:
    """What the forms that were measured say about one another, about the peak and the host."""
    for title, plain, fast in (
        ("float32, bfloat16", FLOAT32, BFLOAT16),
        ("bfloat16: cuDNN's attention, flash attention", CUDNN, BFLOAT16),
        ("bfloat16: eager, compiled", BFLOAT16, COMPILED),
    ):
        if plain in taken and fast in taken:
            yield Row(f"{what}, {title}", taken[plain].step, taken[fast].step)
    if not taken:
        return
    count = max(t.operations for t in taken.values())
    peak = 2 * matrix**3 / min(t.product for t in taken.values())
    for said in (BFLOAT16, COMPILED):
        if count and said in taken:
            t = taken[said].step
            yield Share(f"{what}, {said}", 1e3 * t, clips / t, count / t / peak)
    for said, t in taken.items():
        if t.kernels:
            yield (
                f"{what}, {said}: the GPU works {1e3 * t.kernels:.1f} of {1e3 * t.step:.1f} ms "
                f"({100 * t.kernels / t.step:.0f} %) and waits for the host in the rest"
            )
