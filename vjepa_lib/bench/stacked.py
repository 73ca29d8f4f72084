"""Networks of one shape trained as one on a GPU: stacked weights, one dispatch for all of them.

Variants of one seed are shown the same clips behind the same masks. Only their weights differ, so a
step of all of them can be one step whose every weight has a leading axis of networks.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional as F

from vjepa_lib.bench.steps import in_second_half, profile_setup, random_clips
from vjepa_lib.bench.timing import Clock, Row, gpu_clock, in_turns
from vjepa_lib.training.devices import trains_on
from vjepa_lib.training.trainer import Trainer, TrainSetup

COUNTS = (1, 4, 16)  # networks
PRECISIONS = {"float32": "off", "bfloat16": "bf16"}
WARM = 5

_attention = F.scaled_dot_product_attention


class Networks(nn.Module):
    """A training's networks and its loss, so that `functional_call` can lend them other weights."""

    def __init__(self, trainer: Trainer) -> None:
        super().__init__()
        self.trainer = trainer
        for name, module in trainer.modules().items():
            self.add_module(name, module)

    def forward(self, clips: Tensor) -> Tensor:
        with self.trainer._autocast():
            return self.trainer.objective(self.trainer.latents(clips))[0]


class _Folded(torch.autograd.Function):
    """Attention that takes the networks it is mapped over as more clips.

    The kernel and its gradient are those of a network alone. PyTorch's own mapping takes the fused
    attention of a CPU one network at a time.
    """

    @staticmethod
    def forward(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return _attention(query, key, value)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        """Nothing: autograd records what `vmap` does."""

    @staticmethod
    def vmap(info, in_dims, *qkv: Tensor) -> tuple[Tensor, int]:
        folded = [x.movedim(dim, 0).flatten(0, 1) for x, dim in zip(qkv, in_dims, strict=True)]
        return _attention(*folded).unflatten(0, (info.batch_size, -1)), 0


class Stacked:
    """Trainings of one setup but for their weights, in one step.

    For a setup with a moving-average target, without a longest gradient, and whose terms keep no
    memory of earlier batches.

    Parameters
    ----------
    trainers : their weights are copied. The first computes for all, and counts the steps.
    """

    def __init__(self, trainers: Sequence[Trainer]) -> None:
        self.first = trainers[0]
        self._networks = Networks(self.first)
        # Rotary tables are the same for all; they stay the first network's own.
        self.weights, _ = stack_module_state([Networks(t) for t in trainers])  # name -> [K, ...]
        names = {p: name for name, p in self._networks.named_parameters()}
        self.optimizer = torch.optim.AdamW(
            group | {"params": [self.weights[names[p]] for p in group["params"]]}
            for group in self.first.optimizer.param_groups
        )
        self._slow, self._fast = (
            [weight for name, weight in self.weights.items() if name.startswith(f"{encoder}.")]
            for encoder in ("target_encoder", "context_encoder")
        )

    def losses(self, clips: Tensor) -> Tensor:
        """Loss of every network, [K]."""
        F.scaled_dot_product_attention = _Folded.apply
        try:
            return vmap(lambda own: functional_call(self._networks, own, (clips,)))(self.weights)
        finally:
            F.scaled_dot_product_attention = _attention

    def train_step(self, clips: Tensor) -> Tensor:
        """One step of every network on the same clips; losses before it, [K]."""
        schedule = self.first.setup.schedule
        for group in self.optimizer.param_groups:
            group["lr"] = schedule.learning_rate(self.first.step)
        self.optimizer.zero_grad(set_to_none=True)
        losses = self.losses(clips)
        losses.sum().backward()  # a network's weights are in its own loss only
        self.optimizer.step()
        with torch.no_grad():
            momentum = schedule.ema_momentum(self.first.step)
            torch._foreach_lerp_(self._slow, self._fast, 1 - momentum)
        self.first.step += 1
        return losses.detach()


def trainings(setup: TrainSetup, count: int, clips: Tensor) -> list[Trainer]:
    """So many trainings with weights of their own, behind the same masks, in their second half."""
    setups = [replace(setup, seed=setup.seed + number) for number in range(count)]
    made = [in_second_half(Trainer(own, clips.device)) for own in setups]
    masks = made[0].draw_masks(clips)
    for trainer in made:
        trainer.draw_masks = lambda clips: masks
    return made


def in_stack(
    setup: TrainSetup, count: int, rounds: int, device: str, clock: Clock = time.process_time
) -> tuple[float, float]:
    """Seconds of a step of so many networks: one after the other, and stacked."""
    clips = random_clips(setup, device)
    alone, stack = trainings(setup, count, clips), Stacked(trainings(setup, count, clips))
    forms = {
        "alone": lambda: [trainer.train_step(clips) for trainer in alone],
        "stacked": lambda: stack.train_step(clips),
    }
    times = in_turns(forms, rounds, clock, WARM)
    return times["alone"], times["stacked"]


def stacked_on_gpu(
    rounds: int = 5,
    setup: TrainSetup | None = None,
    device: str = "cuda",
    counts: Sequence[int] = COUNTS,
) -> list[Row | str]:
    """Steps of networks one after the other against those of one stack, in clock time.

    Parameters
    ----------
    setup : None for the study's own geometry.
    counts : how many networks are stacked.

    Returns
    -------
    For every count and precision a row of seconds and a sentence of steps a second, or why there
    are none; one sentence alone where there is no GPU.
    """
    if not torch.cuda.is_available():
        return ["stacked networks on a GPU: not measured, PyTorch finds none here"]
    setup = setup or profile_setup("small")
    found: list[Row | str] = []
    for said, amp in PRECISIONS.items():
        # The norm of the gradients belongs to logged steps, and a stack takes none.
        schedule = replace(setup.schedule, amp=amp, log_every=setup.schedule.steps)
        own = replace(setup, schedule=schedule)
        for count in counts:
            what = f"steps on a GPU, {count} x {said}: one after the other, stacked"
            try:
                with trains_on(device):
                    plain, fast = in_stack(own, count, rounds, device, gpu_clock)
            except torch.OutOfMemoryError:
                found.append(f"{what}: not measured, this GPU has too little memory")
            except RuntimeError as error:  # such as an operation that `vmap` does not know
                reason = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:80]}"
                found.append(f"{what}: not measured, {reason}")
            else:
                rates = f"{count / plain:.0f} and {count / fast:.0f} steps a second together"
                found += [Row(what, plain, fast), f"{what}: {rates}"]
            torch.cuda.empty_cache()  # outside the handlers: a traceback holds what is to be freed
    return found
