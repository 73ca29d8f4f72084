"""Memory of a training: what it takes, computed, and what to change where there is too little."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from vjepa_lib.errors import OutOfMemory
from vjepa_lib.model.masking import MaskingConfig, sample_masks
from vjepa_lib.model.vit import Encoder, EncoderConfig, Predictor, PredictorConfig
from vjepa_lib.training.schedules import Schedule

TRAINING = (
    "raise accumulate (smaller parts), set activation_checkpointing = true or lower batch, all "
    "below [schedule]; the last checkpoint is kept, and a run with other settings is another run"
)
EMBEDDED = "take a smaller profile, or train with --device cpu"
FINE_TUNING = (
    "raise accumulate (smaller parts) or lower batch below [finetune], or set "
    "activation_checkpointing = true or lower the frames or size below [model]; the last "
    "checkpoint is kept, and a run with other settings is another run"
)
READING = (
    "lower batch below [probes], lower the frames or size of [model], or read with device = "
    '"cpu"; clips that are encoded are kept'
)


# How others than CUDA say it, in errors that have no type of their own: Apple's GPUs, processors.
_OTHERS_SAY = ("out of memory", "can't allocate memory", "not enough memory")


LOADING = "lower workers, or give a container more shared memory (docker run --shm-size=8g)"

# What PyTorch says when a loader process was killed, or found no place for its clips.
_LOADER_SAYS = ("is killed by signal", "exited unexpectedly", "out of shared memory")


def _short_of_memory(error: RuntimeError | MemoryError) -> str:
    """What has run out of memory, as a sentence begins; empty for another error."""
    text = str(error)
    if isinstance(error, torch.OutOfMemoryError) or "MPS backend out of memory" in text:
        return "The GPU"
    if isinstance(error, MemoryError) or any(words in text for words in _OTHERS_SAY):
        return "This machine"
    return ""


@contextmanager
def told_what_to_change(advice: str) -> Iterator[None]:
    """Turn an out-of-memory error, of a GPU or of the machine itself, into one sentence.

    Parameters
    ----------
    advice : what to change, in the imperative.

    Raises
    ------
    OutOfMemory
    """
    try:
        yield
        return
    except (RuntimeError, MemoryError) as error:
        what = _short_of_memory(error)
        if any(words in str(error) for words in _LOADER_SAYS):
            what, advice = "A loader process", LOADING
        if not what:
            raise
    # Outside the handler: the error's traceback holds what is to be freed.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    raise OutOfMemory(f"{what} has too little memory: {advice}.")


@dataclass(frozen=True)
class Memory:
    """Bytes of one process, by what they hold.

    Attributes
    ----------
    weights : context encoder, target encoder and predictor in float32, and what autocast copies.
    gradients : of the context encoder and the predictor.
    optimiser : AdamW's two moments of each trained weight.
    activations : of one part of the batch, kept for its backward pass.
    """

    weights: int
    gradients: int
    optimiser: int
    activations: int

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.optimiser + self.activations


def _block(width: int, ratio: float, low: int) -> float:
    """Bytes that a block keeps of one token; `low` is the size of a number in its products.

    The inputs of both norms in float32; both norms' outputs, query, key and value, the turned query
    and key, the attention's output, and the MLP before and after its GELU.
    """
    return width * (2 * 4 + (8 + 2 * ratio) * low)


def _kept(cfg: EncoderConfig | PredictorConfig, tokens: float, low: int, again: bool) -> float:
    """Bytes that all blocks keep; with activation checkpointing their inputs and one block."""
    one = tokens * _block(cfg.width, cfg.mlp_ratio, low)
    return tokens * cfg.width * 4 * cfg.depth + one if again else cfg.depth * one


def tokens_of(masks: list[tuple[Tensor, Tensor]]) -> tuple[int, int]:
    """Tokens of a clip over all mask groups: context alone, and context with targets."""
    context = sum(c.shape[1] for c, _ in masks)
    return context, context + sum(t.shape[1] for _, t in masks)


def memory_of(
    encoder: EncoderConfig,
    predictor: PredictorConfig,
    schedule: Schedule,
    masking: MaskingConfig | None = None,
    tokens: tuple[int, int] | None = None,
) -> Memory:
    """What a training takes in one process, computed from its shapes; nothing is measured.

    Not in it: heads of other terms than the JEPA and the context loss, and their further passes;
    the target encoder's passing activations; what a GPU's libraries and allocator take.

    Parameters
    ----------
    tokens : of a clip in all mask groups, context alone, and context with targets; None for the
        most in the masks of 16 steps.
    """
    with torch.device("meta"):  # shapes only
        sizes = [sum(p.numel() for p in m.parameters()) for m in
                 (Encoder(encoder), Predictor(encoder, predictor))]  # fmt: skip
    trained, kept = sum(sizes), sum(sizes) + sizes[0]
    half = schedule.amp == "bf16"
    low = 2 if half else 4
    again = schedule.activation_checkpointing or encoder.activation_checkpointing
    grid = encoder.grid
    if tokens is None:
        generator = torch.Generator().manual_seed(0)
        drawn = [
            sample_masks(masking or MaskingConfig(), grid, schedule.batch, generator)
            for _ in range(16)
        ]
        tokens = max(map(tokens_of, drawn), key=lambda pair: pair[1])
    context, both = tokens
    latents = len(encoder.levels) * encoder.width * 4  # bytes of a token
    clip = (
        _kept(encoder, context, low, again)
        + _kept(predictor, both, low, again)
        # Targets; context tokens out of the encoder and into the predictor; predictions and errors.
        + latents * (grid.n + 2 * context + 2 * both)
    )
    return Memory(
        weights=kept * 4 + (trained * 2 if half else 0),
        gradients=trained * 4,
        optimiser=trained * 8,
        activations=int(clip * schedule.batch // schedule.accumulate),
    )
