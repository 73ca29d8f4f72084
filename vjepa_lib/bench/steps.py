"""Training steps at three geometries: against a plain form, and against the matrix peak."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from vjepa_lib.bench.plain_networks import PLAIN, rewrite
from vjepa_lib.bench.published_step import PublishedTrainer
from vjepa_lib.bench.reference import step_by_group
from vjepa_lib.bench.timing import Row, Share, in_turns, matrix_product
from vjepa_lib.study.configs import recipe
from vjepa_lib.study.profiles import get_profile
from vjepa_lib.training.trainer import Trainer, TrainSetup


def profile_setup(profile: str, variant: str = "baseline") -> TrainSetup:
    """The training of a variant in a profile's sizes."""
    return recipe(variant).setup(get_profile(profile), seed=0)


def shrunk_paper(variant: str = "fwm_ld") -> TrainSetup:
    """ViT-B of the published protocol on 2 clips of 8 frames of 64 x 64 px, in float32.

    The variant has terms over time, which published code computes on the whole grid.
    """
    setup = profile_setup("paper", variant)
    return replace(
        setup,
        encoder=replace(setup.encoder, height=64, width_px=64, frames=8),
        schedule=replace(setup.schedule, batch=2, accumulate=1, amp="off"),
        augmentation=None,
    )


def random_clips(setup: TrainSetup, device: str = "cpu") -> Tensor:
    """A batch of noise [B, 3, F, H, W]; a step takes as long on it as on a video."""
    cfg = setup.encoder
    size = (setup.schedule.batch, 3, cfg.frames, cfg.height, cfg.width_px)
    return torch.randn(size, generator=torch.Generator().manual_seed(0)).to(device)


def in_second_half(trainer: Trainer) -> Trainer:
    """Go to three quarters of the training, where the context loss has weight too; the trainer."""
    trainer.step = 3 * trainer.setup.schedule.steps // 4
    return trainer


def operations(trainer: Trainer, clips: Tensor) -> int:
    """Operations of one step, which is taken: those of matrix products and attention."""
    # The fused attention kernel of CPUs is not known to the counter; the plain one is the same sum.
    plain = sdpa_kernel(SDPBackend.MATH) if clips.device.type == "cpu" else nullcontext()
    with FlopCounterMode(display=False) as counter, plain:
        trainer.train_step(clips)
    return counter.get_total_flops()


def _against(
    what: str,
    setup: TrainSetup,
    plain: Callable[[Tensor], object],
    rounds: int,
    ratio: float | None,
    share: float | None,
) -> tuple[Row, Share]:
    """Our step, a plain one and a matrix product in turns.

    Parameters
    ----------
    plain : takes a step of the same setup on a batch of clips.
    ratio, share : what is aimed at.
    """
    ours, clips = in_second_half(Trainer(setup)), random_clips(setup)
    count = operations(ours, clips)
    product, of_product = matrix_product()
    forms = {
        "plain": lambda: plain(clips),
        "ours": lambda: ours.train_step(clips),
        "product": product,
    }
    times = in_turns(forms, rounds)
    peak = of_product / times["product"]
    return (
        Row(what, times["plain"], times["ours"], ratio),
        Share(
            what,
            1e3 * times["ours"],
            setup.schedule.batch / times["ours"],
            count / times["ours"] / peak,
            share,
        ),
    )


def plain_trainer(setup: TrainSetup) -> Trainer:
    """What `step_by_group` takes a wholly plain step with."""
    return rewrite(Trainer(setup), PLAIN)


def against_plain(profile: str, rounds: int = 8) -> tuple[Row, Share]:
    """The step of a profile's baseline against the one written out from the formulas."""
    setup = profile_setup(profile)
    trainer = in_second_half(plain_trainer(setup))
    what = f"training step, {profile}"
    return _against(what, setup, lambda x: step_by_group(trainer, x), rounds, None, None)


def against_published(
    rounds: int = 4, setup: TrainSetup | None = None, what: str = "training step, ViT-B shrunk"
) -> tuple[Row, Share]:
    """The step of ViT-B on small clips against one that loops as published code does."""
    setup = setup or shrunk_paper()
    trainer = in_second_half(PublishedTrainer(setup))
    return _against(what, setup, trainer.train_step, rounds, ratio=2, share=0.6)
