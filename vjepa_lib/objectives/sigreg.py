"""SIGReg: context tokens are pushed towards an isotropic normal distribution."""

from __future__ import annotations

import torch
from torch import Tensor

from vjepa_lib.objectives.base import Sizes, Term, register
from vjepa_lib.objectives.batch import LatentBatch


class _EppsPulley(torch.autograd.Function):
    """Epps-Pulley statistics of the columns of samples [n, S]: [S], with their exact gradient.

    The points t_k = k dt are evenly spaced, so cos(t_k x) and sin(t_k x) are powers of one
    rotation by dt x: one sine and cosine a sample instead of one a point. The gradient is a
    polynomial in the same rotation, summed by Horner's rule; nothing but the samples is kept.
    """

    @staticmethod
    def forward(ctx, samples: Tensor, t_max: float, points: int) -> Tensor:
        n = len(samples)
        dt = t_max / (points - 1)
        t = torch.arange(points, device=samples.device) * dt
        normal = torch.exp(-(t**2) / 2)
        weight = 2 * dt * normal  # the integrand is even: twice its half from 0 on
        weight[[0, -1]] /= 2
        cos1, sin1 = torch.cos(dt * samples), torch.sin(dt * samples)
        cos, sin = cos1, sin1
        mean_cos, mean_sin = [cos.mean(0)], [sin.mean(0)]
        for _ in range(2, points):
            cos, sin = (
                torch.addcmul(cos * cos1, sin, sin1, value=-1),
                torch.addcmul(sin * cos1, cos, sin1),
            )
            mean_cos.append(cos.mean(0))
            mean_sin.append(sin.mean(0))
        # t = 0 adds nothing: both characteristic functions are 1 there.
        gap = torch.stack(mean_cos) - normal[1:, None]  # [points - 1, S]
        odd = torch.stack(mean_sin)
        # d statistic / d x = sum_k slope_k (odd_k cos(t_k x) - gap_k sin(t_k x))
        slope = (2 * weight * t)[1:, None]
        ctx.save_for_backward(cos1, sin1, slope * odd, slope * gap)
        return n * (weight[1:, None] * (gap**2 + odd**2)).sum(0)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:
        cos1, sin1, a, b = ctx.saved_tensors
        # Real part of sum_k (a_k + i b_k) e^{i k x dt}, highest power first.
        re, im = a[-1].expand_as(cos1), b[-1].expand_as(cos1)
        for k in range(len(a) - 2, -1, -1):
            re, im = (
                torch.addcmul(torch.addcmul(a[k], re, cos1), im, sin1, value=-1),
                torch.addcmul(torch.addcmul(b[k], re, sin1), im, cos1),
            )
        return grad * torch.addcmul(re * cos1, im, sin1, value=-1), None, None


def epps_pulley(samples: Tensor, t_max: float = 3.0, points: int = 17) -> Tensor:
    """Epps-Pulley distance of each column of samples [n, S] from the standard normal: [S].

    n * integral over t in [-t_max, t_max] of `|phi(t) - exp(-t^2 / 2)|^2 exp(-t^2 / 2)`, phi the
    empirical characteristic function; the integrand is even, so half of it is summed by the
    trapezoid rule over `points` points (LeJEPA, arXiv 2511.08544, section 4).
    """
    return _EppsPulley.apply(samples, t_max, points)


@register(
    "sigreg",
    r"\mathrm{mean}_u\; \mathrm{EP}(\langle z, u\rangle),\quad u \in S^{D-1}",
    "LeJEPA, arXiv 2511.08544; arXiv 2605.17165, SIGReg",
    family="dynamics",
)
class SIGReg(Term):
    """Sliced normality test on context tokens along random directions, new ones every step.

    The statistic grows with the number of tokens, as in the released code.

    Parameters
    ----------
    directions : number of slices.
    chunk : samples x slices worked on at a time, so that they stay in a processor's cache.
    """

    def __init__(self, *, directions: int = 1024, chunk: int = 2**17, **common) -> None:
        super().__init__(**common)
        self.directions, self.chunk = directions, chunk

    @classmethod
    def sized(cls, sizes: Sizes) -> dict[str, object]:
        return {"directions": sizes.sigreg_directions}

    def loss(self, batch: LatentBatch) -> Tensor:
        z = torch.cat([z.flatten(0, 1) for z in batch.z]).float()  # [tokens, D]
        u = torch.randn(z.shape[1], self.directions, generator=batch.generator).to(z.device)
        with torch.autocast(z.device.type, enabled=False):
            sliced = z @ (u / u.norm(dim=0))  # [tokens, directions]
        width = max(1, self.chunk // len(z)) if z.device.type == "cpu" else self.directions
        return torch.cat([epps_pulley(part) for part in sliced.split(width, 1)]).mean()
