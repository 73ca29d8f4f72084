"""Training on a GPU: attention of any length without a wait, a failing compiler in a sentence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from vjepa_lib.errors import ConfigError

KEEP_CUDNN = "VJEPA_CUDNN_ATTENTION"  # 1 leaves the kernel of attention to PyTorch

# Packages whose own errors say that compiling failed, not that a computation did.
_COMPILERS = ("torch._dynamo.", "torch._inductor.", "triton.")


def compiler_failure(error: BaseException) -> str:
    """What `torch.compile` failed with, in a few words on one line; empty for another error."""
    if not type(error).__module__.startswith(_COMPILERS):
        return ""
    # What follows the first line is advice for those who debug the compiler.
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:80]}".strip().strip(":")


@contextmanager
def trains_on(device: str | torch.device) -> Iterator[None]:
    """Prepare PyTorch for a training on a device, and give its settings back afterwards.

    On CUDA, attention leaves cuDNN's kernels out, unless the environment has
    `VJEPA_CUDNN_ATTENTION=1`; a processor's attention has no such choice.

    Raises
    ------
    ConfigError : `torch.compile` failed; the message says what to change.
    """
    # On Hopper and Blackwell PyTorch takes cuDNN's attention first in half precision. That builds
    # an execution plan on the host for every length of a sequence it has not met, and masks give
    # contexts of other lengths in every step: the GPU waits. Flash and memory-efficient attention
    # take any length. See docs/speed.md.
    kept = torch.backends.cuda.cudnn_sdp_enabled()
    # By name: a device that PyTorch does not know is told where it is used.
    if str(device).startswith("cuda") and os.environ.get(KEEP_CUDNN) != "1":
        torch.backends.cuda.enable_cudnn_sdp(False)
    try:
        yield
        return
    except Exception as error:
        failed = compiler_failure(error)
        if not failed:
            raise
    finally:
        torch.backends.cuda.enable_cudnn_sdp(kept)
    raise ConfigError(
        f"torch.compile of PyTorch {torch.__version__} cannot compile these networks ({failed}): "
        "set compile = false below [schedule]; a run with other settings is another run."
    )
