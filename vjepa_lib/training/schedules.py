"""How the settings of the optimisation change over a training run: all a function of the step."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vjepa_lib.errors import ConfigError, shown
from vjepa_lib.settings import (
    Count,
    NonNegative,
    Positive,
    Share,
    ShareBelowOne,
    Whole,
    check_domains,
)


@dataclass(frozen=True)
class Schedule:
    """Optimisation of one run; the defaults are those of the study (arXiv 2605.17165, section 2).

    Attributes
    ----------
    steps, batch : optimiser steps, and clips in each, over all processes.
    accumulate : parts a batch is cut into. Each part has a loss of its own and the mean is
        trained, so terms that compare clips compare them within a part. Parts are what several
        processes share out; their number decides the result, the number of processes does not.
    lr_start, lr, warmup : the learning rate rises linearly over `warmup` steps, then stays.
    lr_end : if given, it falls to this by half a cosine instead of staying.
    weight_decay, betas : of AdamW; biases and norms do not decay.
    momentum : of the target encoder's moving average.
    momentum_end : if given, the momentum moves there linearly over the training.
    context_weight : of the dense context loss: 0 until the share `context_start` of the training
        is done, then linear, reached at `context_end`.
    grad_clip : longest gradient (Euclidean norm over all parameters), or None.
    amp : 'off' or 'bf16': bfloat16 autocast, on a GPU only, as a CPU gains little from it.
    compile : compile both networks with torch.compile.
    activation_checkpointing : keep no activations inside a block but compute them again.
    log_every, probe_every : steps between logged losses and between collapse measurements.
    watched : clips of the fixed batch that collapse is measured on.

    Raises
    ------
    ConfigError : a setting that makes no sense, or a batch that cannot be cut into its parts.
    """

    steps: Whole = 30_000
    batch: Count = 32
    accumulate: Count = 1
    lr_start: NonNegative = 1e-4
    lr: Positive = 6e-4
    lr_end: NonNegative | None = None
    warmup: Whole = 300
    weight_decay: NonNegative = 0.04
    betas: tuple[ShareBelowOne, ShareBelowOne] = (0.9, 0.999)
    momentum: Share = 0.99925
    momentum_end: Share | None = None
    context_weight: NonNegative = 0.5
    context_start: NonNegative = 0.5
    context_end: NonNegative = 1.0
    grad_clip: Positive | None = None
    amp: str = "off"
    compile: bool = False
    activation_checkpointing: bool = False
    log_every: Count = 10
    probe_every: Count = 100
    watched: Count = 64

    def __post_init__(self) -> None:
        check_domains(self)
        if self.amp not in ("off", "bf16"):
            raise ConfigError(f"Unknown amp {shown(self.amp)}: choose 'off' or 'bf16'.")
        if self.batch % self.accumulate:
            raise ConfigError(
                f"A batch of {self.batch} clips cannot be cut into accumulate={self.accumulate} "
                f"equal parts: choose a divisor of the batch."
            )
        if not self.context_start <= self.context_end:
            raise ConfigError(
                f"context_start={self.context_start} must lie between 0 and "
                f"context_end={self.context_end}."
            )

    def learning_rate(self, step: int) -> float:
        """Learning rate of step 0, 1, .."""
        if step < self.warmup:
            return self.lr_start + (step + 1) / self.warmup * (self.lr - self.lr_start)
        if self.lr_end is None:
            return self.lr
        share = (step + 1 - self.warmup) / max(self.steps - self.warmup, 1)
        return self.lr_end + 0.5 * (1 + math.cos(math.pi * share)) * (self.lr - self.lr_end)

    def ema_momentum(self, step: int) -> float:
        """Momentum of the target encoder in step 0, 1, .."""
        if self.momentum_end is None:
            return self.momentum
        return self.momentum + step / max(self.steps - 1, 1) * (self.momentum_end - self.momentum)

    def context_lambda(self, progress: float) -> float:
        """Weight of the context loss when a share `progress` of the training is done."""
        if progress <= self.context_start:
            return 0.0
        span = max(self.context_end - self.context_start, 1e-12)
        return self.context_weight * min(1.0, (progress - self.context_start) / span)
