"""Two kinds of outcome, told from scatter around one: 'one of five seeds escapes the collapse'."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

GAP = 5.0  # gap in standard deviations inside the clusters
APART = 10.0  # gap in points


@dataclass(frozen=True)
class Outcomes:
    """What a sample over seeds looks like.

    Attributes
    ----------
    low, high : values of the two clusters, sorted; `high` is empty where there is one.
    """

    low: tuple[float, ...]
    high: tuple[float, ...] = ()

    @property
    def bimodal(self) -> bool:
        return bool(self.high)

    def text(self, digits: int = 0) -> str:
        """'1 of 5 seeds at 72, 4 at 19 to 26'; '' where there is one kind of outcome."""
        if not self.bimodal:
            return ""
        n = len(self.low) + len(self.high)
        first = f"{len(self.high)} of {n} seeds at {_range(self.high, digits)}"
        return f"{first}, {len(self.low)} at {_range(self.low, digits)}"


def _range(values: tuple[float, ...], digits: int) -> str:
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return low if low == high else f"{low} to {high}"


def outcomes(
    values: ArrayLike,
    level: float | None = None,
    least: float = 1.0,
    gap: float = GAP,
    apart: float = APART,
) -> Outcomes:
    """Whether results over seeds fall into two clusters, of which a t interval would say nothing.

    Sorted values are cut at their largest gap. There are two clusters if that gap is at least
    `apart` points *and* at least `gap` times the standard deviation inside the clusters (pooled
    over both, S - 2 degrees of freedom, never taken below `least`); and, where a `level` of
    collapse is known, if one cluster lies at or below it and the other above. Five seeds of one
    normal distribution have a gap of five such deviations in 7.5 % of samples, so the size of the
    gap matters: with a standard deviation of three points, ten points apart, it is 0.05 %.

    Parameters
    ----------
    values : [S] percent, one a seed; fewer than four are never called bimodal.
    level : accuracy of what has collapsed, such as a random encoder's.
    least : standard deviation that clip noise alone gives, in points.
    """
    x = np.sort(np.asarray(values, float))
    x = x[~np.isnan(x)]
    one = Outcomes(tuple(x.tolist()))
    if len(x) < 4:
        return one
    steps = np.diff(x)
    cut = int(steps.argmax()) + 1
    low, high = x[:cut], x[cut:]
    square = ((low - low.mean()) ** 2).sum() + ((high - high.mean()) ** 2).sum()
    within = max(float(np.sqrt(square / (len(x) - 2))), least)
    if steps[cut - 1] < max(apart, gap * within):
        return one
    if level is not None and not low[-1] <= level < high[0]:
        return one
    return Outcomes(tuple(low.tolist()), tuple(high.tolist()))
