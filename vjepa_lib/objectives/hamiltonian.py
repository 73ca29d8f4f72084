"""Hamiltonian dynamics: the latent moves along the flow of a learned energy."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vjepa_lib.errors import ConfigError
from vjepa_lib.objectives.base import Term, mean_over_pairs, register
from vjepa_lib.objectives.batch import LatentBatch


def gelu_slope(x: Tensor) -> Tensor:
    """Derivative of GELU: Phi(x) + x phi(x), Phi and phi of the standard normal."""
    cumulative = 0.5 * (1 + torch.erf(x / math.sqrt(2)))
    return cumulative + x * torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)


class Energy(nn.Module):
    """Scalar energy H(x) = w3 . gelu(W2 gelu(W1 x + b1) + b2), known by its gradient alone.

    The gradient is written out, so that a training step differentiates once, and an evaluation
    without autograd can use it too. A last bias would not move anything and is left out.
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.first = nn.Linear(dim, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """H of tokens [..., D]: [..., 1]."""
        return self.last(F.gelu(self.second(F.gelu(self.first(x)))))

    def slope(self, x: Tensor, part: slice) -> Tensor:
        """dH/dx at tokens x [..., D], its channels `part` only."""
        a1 = self.first(x)
        a2 = self.second(F.gelu(a1))
        back = gelu_slope(a2) * self.last.weight[0]  # dH/da2
        back = gelu_slope(a1) * (back @ self.second.weight)  # dH/da1
        return back @ self.first.weight[:, part]


@register(
    "hamiltonian",
    r"|q_t + \epsilon\,\partial_p H - h^q_{t+1}| + |p_t - \epsilon\,\partial_q H - h^p_{t+1}|",
    "arXiv 2605.17165, Hamiltonian-JEPA; Greydanus et al., arXiv 1906.01563",
    family="dynamics",
)
class Hamiltonian(Term):
    """One symplectic Euler step from the halves q, p of a token towards the next target.

    Parameters
    ----------
    hidden : width of the two hidden layers of the energy H.
    dt : step length.
    """

    min_steps = 2

    def __init__(self, *, hidden: int = 256, dt: float = 0.1, **common) -> None:
        super().__init__(**common)
        if self.dim % 2:
            raise ConfigError(
                f"The hamiltonian term halves the latent, so {self.dim} channels do not do: "
                f"choose an even width."
            )
        self.energy = Energy(self.dim, hidden)
        self.dt = dt

    def step(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Symplectic Euler: q moves first, p feels the energy at the new q. x = [q, p] [..., D]."""
        half = self.dim // 2
        q, p = x[..., :half], x[..., half:]
        q = q + self.dt * self.energy.slope(x, slice(half, None))
        p = p - self.dt * self.energy.slope(torch.cat([q, p], -1), slice(None, half))
        return q, p

    def loss(self, batch: LatentBatch) -> Tensor:
        errors = []
        for z, following in zip(batch.z, batch.h_next, strict=True):
            # q and p have equally many channels: the sum of their means is twice the joint mean.
            errors.append(2 * (torch.cat(self.step(z), -1) - following).abs())
        return mean_over_pairs(errors, batch.following)
