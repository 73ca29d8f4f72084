"""Read kept encoders again, without training: do their recorded accuracies come out?"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from vjepa_lib.datasets import worlds
from vjepa_lib.errors import DataError
from vjepa_lib.evaluation.transfer import SOURCE, Task, read_transfer
from vjepa_lib.folders import data_root
from vjepa_lib.study import kept, transfer_recorded
from vjepa_lib.study.recorded import FOLDER
from vjepa_lib.study.transfer_runs import clips_of, transfer_run

# Weights are kept in half precision and another processor rounds differently: a clip here and
# there changes sides, and with it the strength that a probe chooses.
ALLOWED = 4.0  # points


def reread(
    variant: str,
    form: str,
    seed: int,
    task: str = "camera",
    shifts: Sequence[str] = ("shake",),
    profile: str = "small",
    folder: Path = FOLDER,
) -> pd.DataFrame:
    """Read one kept encoder on a task's source and on some shifts at every severity.

    Renders only the worlds that it reads.

    Returns
    -------
    DataFrame, a row per world and reading (linear and neighbours): `task`, `shift`, `severity`,
    `reading`, `fitted`, `recorded`, `again` (top-1, percent), `difference`.

    Raises
    ------
    DataError : the encoder is not kept, or its run is not recorded.
    """
    readings = transfer_recorded.load(profile, folder)
    rows = kept.index(folder / "encoders")
    own = rows[(rows.variant == variant) & (rows.form == form) & (rows.seed == seed)]
    own = own[(own.study == "transfer") & (own.profile == profile) & (own.sha256 != "")]
    was = readings[readings.run.isin(own.run)]
    if was.empty:
        raise DataError(
            f"No kept encoder of {variant} ({form}), seed {seed}, has recorded readings: choose "
            f"one of {folder / 'encoders' / 'index.csv'}."
        )
    encoder = kept.load(variant, form, seed, profile, folder / "encoders")
    run = transfer_run(variant, form, profile, seed)
    places = [SOURCE, *((shift, s) for shift in shifts for s in worlds.SEVERITIES)]
    found = worlds.some(run.worlds, [(task, place) for place in places], data_root())
    clips = {place: clips_of(found[task, place], run.worlds) for place in places}
    asked = Task(task, clips.pop(SOURCE), clips)
    plain = replace(run.readings, attentive=None, shots=())
    again = read_transfer(encoder, asked, plain, seed)
    keys = ["task", "shift", "severity", "reading", "fitted"]
    both = was.merge(again, on=keys, suffixes=("", "_again"))
    table = both[keys].assign(recorded=both.top1, again=both.top1_again)
    return table.assign(difference=table.again - table.recorded)


def verify(profile: str = "small", folder: Path = FOLDER, seed: int | None = None) -> pd.DataFrame:
    """Reread one kept encoder of the transfer study, chosen at random, on a task and a shift.

    Returns
    -------
    Table of `reread` with `variant`, `form`, `seed`.

    Raises
    ------
    DataError : none is kept.
    """
    rows = kept.index(folder / "encoders")
    rows = rows[(rows.study == "transfer") & (rows.profile == profile) & (rows.sha256 != "")]
    if rows.empty:
        raise DataError(f"No encoder of the transfer study is kept in {folder / 'encoders'}.")
    draw = random.Random(seed)
    row = rows.iloc[draw.randrange(len(rows))]
    task, shift = draw.choice(list(worlds.TASKS)), draw.choice(worlds.SHIFTS)
    print(f"reading {row.variant} ({row.form}), seed {row.seed}, again: {task}, {shift} ...")
    table = reread(row.variant, row.form, int(row.seed), task, (shift,), profile, folder)
    return table.assign(variant=row.variant, form=row.form, seed=int(row.seed))
