"""Weights at which contrasts pull the context encoder alike, measured on a training baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from vjepa_lib import study
from vjepa_lib.evaluation.reach import term_reach
from vjepa_lib.training.pretrain import TermSpec, Trainer
from vjepa_lib.training.sources import Draw
from vjepa_lib.video.clips import ClipSet


def matched_weights(
    config: study.RunConfig,
    sets: Mapping[str, ClipSet],
    steps: int = 200,
    every: int = 50,
    reference: str = "ltc",
    batches: int = 3,
) -> pd.DataFrame:
    """Weights at which contrasts pull the context encoder as hard as a reference contrast does.

    The baseline is trained; the contrasts' gradients are measured on the way and take no part.

    Parameters
    ----------
    config : a baseline's run.
    sets : embedded domains by name.
    steps, every : steps trained, and how far apart measurements are.
    reference : contrast whose weight in `study.CONTRASTS` is taken as given.
    batches : batches a measurement is averaged over.

    Returns
    -------
    DataFrame, a row per step and contrast: `norm`, length of the gradient into the context
    encoder; `relative`, the same in units of the JEPA gradient; `matched`, the weight that makes
    it as long as the reference's.
    """
    silent = tuple(TermSpec(name, 0.0) for name in study.CONTRASTS)
    setup = replace(config.train, terms=(*config.train.terms, *silent))
    trainer = Trainer(setup)
    data = study.training_clips(config, sets)
    batch, device = setup.schedule.batch, trainer.device
    out = []
    for step in range(steps + 1):
        if step % every == 0:
            for k in range(batches):
                clips = data.batch(Draw(steps + 1 + step * batches + k, batch, setup.seed), device)
                reach = term_reach(trainer, clips)
                own = reach[(reach.part == "context_encoder") & reach.term.isin(study.CONTRASTS)]
                out.append(own[["term", "norm", "relative"]].assign(step=step))
        trainer.train_step(data.batch(Draw(step, batch, setup.seed), device))
    table = pd.concat(out).groupby(["step", "term"], sort=False).mean().reset_index()
    norm = table[table.term == reference].set_index("step")["norm"]
    table["matched"] = study.CONTRASTS[reference] * table.step.map(norm) / table["norm"]
    return table
