"""Change of a token's mean colour, the target of AC, and what of it could be foreseen."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from torch import Tensor

from vjepa_lib.model.grid import Grid, over_time, token_rgb
from vjepa_lib.video.clips import ClipSet


def clips_by_movement(sets: Mapping[str, ClipSet], count: int = 64) -> dict[str, tuple]:
    """Clips whose colour changes for different reasons: name -> (domain, rows).

    In 'nothing moves' camera and world stand still and only the noise is new in every frame; in
    'one frame held' not even that.
    """
    still = (sets["pre_motions"].manifest["camera"] == "still").to_numpy()
    return {
        "the camera moves": ("pre_motions", np.flatnonzero(~still)[:count]),
        "nothing moves": ("pre_motions", np.flatnonzero(still)[:count]),
        "one frame held": ("pre_stills", np.arange(min(count, len(sets["pre_stills"])))),
    }


def colour_change(clips: Tensor, grid: Grid) -> Tensor:
    """Size of AC's target: `|change|` of every token's mean colour, mean over colours.

    Parameters
    ----------
    clips : [B, 3, F, H, W], normalised.

    Returns
    -------
    [B, T - 1, HW]
    """
    return over_time(token_rgb(clips, grid), grid).diff(dim=1).abs().mean(-1)


def change_sizes(changes: Mapping[str, Tensor]) -> pd.DataFrame:
    """Mean and largest of `colour_change`, a row per kind of clips."""
    return pd.DataFrame(
        {"clips": kind, "mean |change|": float(c.mean()), "largest": float(c.max())}
        for kind, c in changes.items()
    )


def loss_and_marks(late: pd.DataFrame, marks: Mapping[str, float]) -> pd.DataFrame:
    """AC's loss at the end of the training beside the marks of `loss_without_seeing`.

    Parameters
    ----------
    late : of `ablation.loss_at_end`.
    """
    table = late[["variant", "form", "loss"]].rename(columns={"loss": "AC's loss, last tenth"})
    return table.assign(**marks)


def loss_without_seeing(
    sets: Mapping[str, ClipSet], regime: Mapping[str, float], grid: Grid, noise: float
) -> dict[str, float]:
    """AC's loss for heads that do not see the next time step, on a mixture of clips.

    Parameters
    ----------
    regime : domain -> share of the mixture.
    noise : mean `|change|` of colour where nothing moves.

    Returns
    -------
    `always 0`: what a head loses that knows nothing. `noise unknown`: what a head loses that knows
    all but the noise of t + 1; half the variance of the change is the noise of t, which it may
    know, hence 1 / sqrt(2). Stills are held and have no noise that changes.
    """
    sizes = {
        title: float(colour_change(sets[title].batch(slice(0, 128)), grid).mean())
        for title in regime
    }
    return {
        "always 0": sum(share * sizes[title] for title, share in regime.items()),
        "noise unknown": (1 - regime["pre_stills"]) * noise / 2**0.5,
    }
