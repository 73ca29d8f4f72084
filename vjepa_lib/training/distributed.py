"""Several processes, one training: `torchrun` starts them, this module lets them act as one.

Every random draw is made for the whole batch on every process, which then works on its share. A
part of the batch that spans several processes is put together again before the loss: latents are
gathered, with their gradient, so that a term sees exactly what it sees with one process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

from vjepa_lib.errors import CompanionError, ConfigError, ElsewhereError

T = TypeVar("T")


class _Gather(torch.autograd.Function):
    """Rows of all processes, in their order; the gradient goes back to the rows' own process."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        parts = [torch.empty_like(x) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, x.contiguous())
        ctx.rows = len(x)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        # Every process computes the same loss, so each has the whole gradient of its own rows.
        # Times the number of processes, because `average` divides by it.
        start = dist.get_rank() * ctx.rows
        return grad[start : start + ctx.rows] * dist.get_world_size()


@dataclass(frozen=True)
class World:
    """This process among all: `rank` of `size`."""

    rank: int = 0
    size: int = 1

    def share(self, rows: int) -> slice:
        """This process's rows of something that all of them share."""
        each = rows // self.size
        return slice(self.rank * each, (self.rank + 1) * each)

    def gather(self, x: Tensor) -> Tensor:
        """Rows [n, ...] of all processes, [size * n, ...], with gradient to the own rows."""
        return x if self.size == 1 else _Gather.apply(x)

    @torch.no_grad()
    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors, in place, by their means over all processes, in one message."""
        tensors = list(tensors)
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([t.flatten() for t in tensors])
        dist.all_reduce(flat)
        flat /= self.size
        for t, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            t.copy_(part.view_as(t))

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            dist.barrier()

    def largest(self, number: int) -> int:
        """The largest of the processes' numbers; so all of them stop when one was asked to."""
        if self.size == 1:
            return number
        found = torch.tensor(number, device="cuda" if dist.get_backend() == "nccl" else "cpu")
        dist.all_reduce(found, dist.ReduceOp.MAX)
        return int(found)

    def once(self, act: Callable[[], T]) -> T:
        """What `act` returns on the first process, for all of them; the others do not call it.

        Raises
        ------
        CompanionError : the first process's own there, `ElsewhereError` on the others.
        """
        if self.size == 1:
            return act()
        error, told = None, [None, ""]
        if self.rank == 0:
            try:
                told = [act(), ""]
            except CompanionError as caught:
                error, told = caught, [None, str(caught)]
        dist.broadcast_object_list(told)
        if error is not None:
            raise error
        if told[1]:
            raise ElsewhereError(told[1])
        return told[0]

    def same(self, value: str) -> bool:
        """Whether all processes have the same text."""
        if self.size == 1:
            return True
        values: list[str | None] = [None] * self.size
        dist.all_gather_object(values, value)
        return len(set(values)) == 1


@dataclass(frozen=True)
class Sharing:
    """How the processes of one training share out a batch.

    A batch is cut into parts with a loss of their own. Where the parts divide by the number of
    processes they are *dealt out*: each process holds the clips of its own parts and needs nothing
    of the others until gradients are averaged. Otherwise every part is *spread*: each process holds
    the whole batch, encodes its rows of every part, and gathers the latents of the others before
    the loss.

    Attributes
    ----------
    world : this process among all.
    batch : clips of the whole batch.
    parts : it is cut into.

    Raises
    ------
    ConfigError : neither the parts nor the clips of a part divide by the number of processes.
    """

    world: World
    batch: int
    parts: int = 1

    def __post_init__(self) -> None:
        if self.spread and (self.batch // self.parts) % self.world.size:
            raise ConfigError(
                f"{self.world.size} processes can share neither {self.parts} parts of a batch nor "
                f"the {self.batch // self.parts} clips of a part: change batch, accumulate or the "
                f"number of processes."
            )

    @property
    def spread(self) -> bool:
        """Whether a part is spread over processes, instead of parts being dealt out."""
        return self.parts % self.world.size != 0

    @property
    def part_numbers(self) -> range:
        """The parts that this process computes losses of."""
        numbers = range(self.parts)
        return numbers if self.spread else numbers[self.world.share(self.parts)]

    def held(self, batch: int) -> slice:
        """The rows of a batch that this process holds."""
        return slice(None) if self.spread else self.world.share(batch)

    def whole_batch(self, rows: Tensor) -> Tensor:
        """Rows of the clips that all processes hold, from those of this one's clips."""
        return rows if self.spread else self.world.gather(rows)

    def encoded(self, clips: int) -> slice:
        """The rows of a part that this process encodes."""
        return self.world.share(clips) if self.spread else slice(None)

    def whole_part(self, latents: Tensor) -> Tensor:
        """Latents of a whole part, from those that this process encoded; with gradient to these."""
        return self.world.gather(latents) if self.spread else latents


def check_device(device: str | torch.device, reading: bool = False) -> None:
    """Fail with a sentence before PyTorch fails with a traceback.

    Parameters
    ----------
    reading : a frozen encoder is only read, which Apple's GPUs ('mps') do too.

    Raises
    ------
    ConfigError : no such kind of device, or a GPU is asked for and PyTorch sees none.
    """
    kind = str(device).split(":")[0]
    if kind == "mps" and not reading:
        raise ConfigError(
            "Training on 'mps' would not repeat a run's numbers: choose 'cpu' or 'cuda'; frozen "
            "encoders are read on 'mps' too."
        )
    if kind not in ("cpu", "cuda", "mps"):
        more = ", or 'mps'" if reading else ""
        raise ConfigError(f"Unknown device {str(device)!r}: choose 'cpu' or 'cuda'{more}.")
    seen = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if kind in seen and not seen[kind]():
        raise ConfigError(
            f"The device is {kind!r} and PyTorch sees no GPU on this machine: choose 'cpu', or "
            "install a PyTorch for its GPU."
        )


def _meeting_point() -> dict:
    """Where the processes of one attempt find each other: arguments of `init_process_group`.

    `torchrun` keeps one store over all restarts, in which a new attempt can read the addresses of
    dead processes and wait for them (pytorch/pytorch issue 135712). On one machine the number of
    the restart keeps attempts apart; several machines count their restarts each for themselves.
    """
    get = os.environ.get
    if get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return {}
    if int(get("GROUP_WORLD_SIZE", 1)) > 1 and int(get("TORCHELASTIC_MAX_RESTARTS", 0)) > 0:
        raise ConfigError(
            "Restarts on several machines need TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 in front of "
            "torchrun on each of them: set it, or leave --max-restarts out."
        )
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    store = dist.TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), size, False)
    attempt = f"attempt_{get('TORCHELASTIC_RESTART_COUNT', 0)}"
    return {"store": dist.PrefixStore(attempt, store), "rank": rank, "world_size": size}


def start(device: str | torch.device) -> tuple[World, torch.device]:
    """Join the processes that `torchrun` started; alone if it did not.

    Parameters
    ----------
    device : 'cpu' or 'cuda'; with 'cuda' every process takes the GPU of its local rank.

    Returns
    -------
    (World, device of this process)

    Raises
    ------
    ConfigError : `torchrun` may restart several machines, but would not survive it.
    """
    device = torch.device(device)
    if int(os.environ.get("WORLD_SIZE", 1)) > 1 and dist.is_available():
        if device.type == "cuda" and device.index is None:
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
            torch.cuda.set_device(device)
        if not dist.is_initialized():
            backend = "nccl" if device.type == "cuda" else "gloo"
            dist.init_process_group(backend, **_meeting_point())
    if dist.is_available() and dist.is_initialized():
        return World(dist.get_rank(), dist.get_world_size()), device
    return World(), device
