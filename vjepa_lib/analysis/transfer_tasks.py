"""A contrast taken apart by task: whether one task makes it, and what is left without that task."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from vjepa_lib.analysis import statistics


@dataclass(frozen=True)
class ByTask:
    """A contrast's mean over seeds on every task, the largest in its own direction first.

    Attributes
    ----------
    effects : task -> points.
    without : mean of the other tasks, with `mean`, `low`, `high` (t interval over seeds).
    n_seeds : that have both sides on all tasks.
    """

    effects: dict[str, float]
    without: dict[str, float]
    n_seeds: int

    @property
    def leader(self) -> str:
        return next(iter(self.effects))

    def text(self) -> str:
        """'trajectory +16.9, order +6.4, ..; without trajectory +0.7 [-2.9, +4.2]'."""
        said = ", ".join(f"{task} {points:+.1f}" for task, points in self.effects.items())
        rest = self.without
        left = f"{rest['mean']:+.1f} [{rest['low']:+.1f}, {rest['high']:+.1f}]"
        return f"{said}; without {self.leader} {left}"


def by_task(table: pd.DataFrame, pair: tuple[str, str]) -> ByTask | None:
    """Take a contrast apart.

    Parameters
    ----------
    table : a row an objective, seed and task: `variant`, `seed`, `task`, `score`.
    pair : (variant, variant that is subtracted).

    Returns
    -------
    None without two seeds that have both sides on two tasks or more.
    """
    if table.empty:
        return None
    wide = table.pivot_table(index="seed", columns=["variant", "task"], values="score", sort=False)
    if not set(pair) <= set(wide.columns.get_level_values("variant")):
        return None
    gap = (wide[pair[0]] - wide[pair[1]]).dropna()
    if len(gap) < 2 or gap.shape[1] < 2:
        return None
    means = gap.mean()
    means = means.sort_values(ascending=bool(means.mean() < 0))
    rest = statistics.mean_interval(gap.drop(columns=means.index[0]).mean(axis=1))
    return ByTask(means.to_dict(), {k: rest[k] for k in ("mean", "low", "high")}, len(gap))
