"""Features of a frozen encoder: pooled tokens of a set of clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vjepa_lib.errors import DataError, unknown
from vjepa_lib.model.vit import Encoder
from vjepa_lib.objectives import halves
from vjepa_lib.video.clips import ClipSet

POOLS = ("mean", "tokens", "halves")


@torch.inference_mode()
def extract(
    encoder: Encoder,
    clips: ClipSet,
    pool: str = "mean",
    batch: int = 32,
    levels: bool = False,
    out: str | Path | None = None,
) -> Tensor:
    """Features of a set of clips.

    Parameters
    ----------
    encoder : frozen; evaluated as it is, in `eval` mode.
    clips : anything with a length and a `batch(index, device)`.
    pool : 'mean' for the mean token, 'tokens' for all, 'halves' for the mean tokens of the first
        and of the second half of the time steps, joined.
    batch : clips at a time.
    levels : features of every level, concatenated, instead of the last.
    out : file to write float16 features to, as a .npy array mapped into memory; for sets whose
        tokens do not fit there. None keeps float32 in memory.

    Returns
    -------
    [n, D], [n, N, D] ('tokens') or [n, 2 D] ('halves'), on the CPU

    Raises
    ------
    ConfigError : unknown pool.
    DataError : `out` cannot be written.
    """
    if pool not in POOLS:
        raise unknown("pool", pool, POOLS)
    encoder.eval()
    device = next(encoder.parameters()).device
    store: Tensor | None = None
    for first in range(0, len(clips), batch):
        rows = slice(first, min(first + batch, len(clips)))
        x = _pooled(encoder(clips.batch(rows, device), levels=levels), pool, encoder)
        if store is None:
            store = _store((len(clips), *x.shape[1:]), out)
        store[rows] = x.to(store.dtype).cpu()
    if store is None:
        raise DataError("There are no clips to encode.")
    return store


def _pooled(tokens: Tensor, pool: str, encoder: Encoder) -> Tensor:
    """Pool tokens [B, N, D] as asked."""
    if pool == "tokens":
        return tokens
    if pool == "mean":
        return tokens.mean(1)
    steps = tokens.unflatten(1, (encoder.grid.t, -1))  # [B, T, HW, D]
    early, late = steps.tensor_split(2, 1)
    return torch.cat([early.mean((1, 2)), late.mean((1, 2))], -1)


def _store(shape: tuple[int, ...], out: str | Path | None) -> Tensor:
    """Memory for features: plain, or mapped from a file."""
    if out is None:
        return torch.empty(shape)
    try:
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        return torch.from_numpy(np.lib.format.open_memmap(out, "w+", np.float16, shape))
    except OSError as error:
        raise DataError(
            f"Features cannot be written to {out} ({error.strerror or error}): free some space or "
            f"choose another folder."
        ) from error


def halves_of(
    features: np.ndarray, n_levels: int, form: str = "released", ratio: float = 0.5
) -> dict[str, np.ndarray]:
    """Appearance and dynamics half of features [n, levels * width], cut as an objective cuts."""
    appearance, dynamics = halves(torch.from_numpy(features), n_levels, form, ratio)
    return {"appearance": appearance.numpy(), "dynamics": dynamics.numpy()}
