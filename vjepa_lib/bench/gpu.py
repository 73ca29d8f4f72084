"""Training steps on a GPU: eager and compiled, in float32 and in bfloat16."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

import torch

from vjepa_lib.bench.steps import in_second_half, operations, profile_setup, random_clips
from vjepa_lib.bench.timing import Row, Share, in_turns, matrix_product
from vjepa_lib.training.trainer import Trainer, TrainSetup

# Context lengths differ from step to step; after so many steps the compiled kernels are general.
WARM = 5
MATRIX = 4096


def geometries() -> dict[str, TrainSetup]:
    """The study's own geometry, and the published one with the 8 clips of one of its GPUs."""
    paper = profile_setup("paper")
    schedule = replace(paper.schedule, batch=8, accumulate=1)
    return {
        "small": profile_setup("small"),
        "paper": replace(paper, schedule=schedule, augmentation=None),
    }


def gpu_clock() -> float:
    """Seconds when everything asked of the GPU so far is done."""
    torch.cuda.synchronize()
    return time.perf_counter()


def on_gpu(
    rounds: int = 5,
    setups: Mapping[str, TrainSetup] | None = None,
    device: str = "cuda",
    matrix: int = MATRIX,
) -> list[Row | Share | str]:
    """Steps in float32, in bfloat16, and compiled in bfloat16, with a matrix product in turns.

    Time is the clock's, as the processor only waits; a GPU is rarely shared.

    Parameters
    ----------
    setups : name -> training; None for `geometries`.
    matrix : rows and columns of the product that stands for the peak in bfloat16.

    Returns
    -------
    list of rows and shares, or one sentence where there is no GPU.
    """
    if not torch.cuda.is_available():
        return ["on a GPU: not measured, PyTorch finds none here"]
    found: list[Row | Share | str] = [f"on a GPU: {torch.cuda.get_device_name()}"]
    for name, setup in (geometries() if setups is None else setups).items():
        try:
            found += _steps(name, setup, rounds, device, matrix)
        except torch.OutOfMemoryError:
            found.append(f"step on a GPU, {name}: not measured, this GPU has too little memory")
            torch.cuda.empty_cache()
    return found


def _steps(
    name: str, setup: TrainSetup, rounds: int, device: str, matrix: int
) -> list[Row | Share]:
    clips = random_clips(setup, device)
    trainers = {
        form: in_second_half(
            Trainer(replace(setup, schedule=replace(setup.schedule, **options)), device)
        )
        for form, options in (
            ("float32", {"amp": "off", "compile": False}),
            ("bfloat16", {"amp": "bf16", "compile": False}),
            ("compiled", {"amp": "bf16", "compile": True}),
        )
    }
    count = operations(trainers["bfloat16"], clips)
    product, of_product = matrix_product(matrix, device, torch.bfloat16)
    forms = {
        form: lambda trainer=trainer: trainer.train_step(clips)
        for form, trainer in trainers.items()
    }
    times = in_turns(forms | {"product": product}, rounds, gpu_clock, WARM)
    peak = of_product / times["product"]
    what = f"step on a GPU, {name}"
    return [
        Row(f"{what}: float32, bfloat16", times["float32"], times["bfloat16"]),
        Row(f"{what}, bfloat16: eager, compiled", times["bfloat16"], times["compiled"]),
        *(
            Share(
                f"{what}, bfloat16, {said}",
                1e3 * times[form],
                len(clips) / times[form],
                count / times[form] / peak,
            )
            for form, said in (("bfloat16", "eager"), ("compiled", "compiled"))
        ),
    ]
