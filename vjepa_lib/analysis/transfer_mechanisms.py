"""Why encoders transfer as they do: kept encoders measured again, without training.

`python -m vjepa_lib.analysis.transfer_mechanisms` measures every kept encoder of the transfer study
that is not measured yet (and the untrained one), and records it at once, so that it can be stopped
and started again, and later seeds are added by the same command after they are kept
(`python -m vjepa_lib.study.kept`). Half a minute an encoder on one core. The record has three
tables: what each latent holds, what moves in each world, and by which code and commit each encoder
was measured.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from vjepa_lib.analysis import transfer_geometry as geometry
from vjepa_lib.analysis.transfer_geometry import Leading, Probe, World
from vjepa_lib.analysis.transfer_score import FARTHEST
from vjepa_lib.datasets import worlds
from vjepa_lib.errors import CompanionError, DataError
from vjepa_lib.evaluation.extract import extract, halves_of
from vjepa_lib.evaluation.transfer import SOURCE, Task
from vjepa_lib.folders import data_root
from vjepa_lib.model.vit import Encoder
from vjepa_lib.provenance import provenance
from vjepa_lib.study import fingerprint, kept, measured, transfer_recorded
from vjepa_lib.study.recorded import FOLDER
from vjepa_lib.study.transfer_runs import clips_of, transfer_run
from vjepa_lib.training.pretrain import Trainer
from vjepa_lib.video.clips import ClipSet

NAME = "transfer_mechanisms"
# Parts of a latent that factors are read from: what probes read (the mean token of the last level),
# its halves as FWM cuts them, and the mean tokens of all levels.
PARTS = ("read", "appearance", "dynamics", "levels")
# Columns that say what was measured, and by what.
ABOUT = ["encoder", "run", "variant", "form", "seed", "weights", "code", "commit", "cpu"]


# --- one encoder --------------------------------------------------------------------------------


def _rows(clips: ClipSet) -> dict[str, np.ndarray]:
    split = clips.manifest["split"].to_numpy()
    return {s: np.flatnonzero(split == s) for s in ("train", "val", "test")}


def _by_split(values: np.ndarray, rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {split: values[own] for split, own in rows.items()}


def _changes(clips: ClipSet, patch: int) -> np.ndarray:
    return geometry.amount_of_change(clips.frames.cpu().numpy(), patch)


def measure_encoder(
    encoder: Encoder, tasks: Mapping[str, Task]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What a frozen encoder holds of known factors, and what of it moves under every shift.

    Parameters
    ----------
    encoder : frozen.
    tasks : name -> task with targets of splits train, val and test and the renderer's factors in
        their manifests.

    Returns
    -------
    alignment : `task`, `factor`, and 100 R2 on test clips of the source for every part of `PARTS`.
    shifts : a row per task and target, and one per source (`shift` 'source'), with the columns of
        `transfer_geometry`: of a source `zero` (top-1 of its probe), `few` (of a probe fitted on as
        many clips as targets have), `leading`, `follows`; of a target `displacement`,
        `class_signal`, `variance_shares`, `separable`, `adapted`, `Leading.moved`,
        `without_leading` (top-1 without the leading direction), `change_moved` (amount of change,
        in deviations of the source's clips); of both `ranks` of the train clips, whole and by half.
    """
    aligned, shifts = [], []
    for name, task in tasks.items():
        places = {SOURCE: task.source, **task.targets}
        rows = {p: _rows(clips) for p, clips in places.items()}
        levels = {p: extract(encoder, clips, levels=True).numpy() for p, clips in places.items()}
        width = encoder.cfg.width
        here = {
            p: World(
                _by_split(x[:, -width:].astype(np.float64), rows[p]),
                _by_split(places[p].labels.cpu().numpy(), rows[p]),
            )
            for p, x in levels.items()
        }
        changes = {
            p: _by_split(_changes(clips, encoder.cfg.patch), rows[p]) for p, clips in places.items()
        }
        aligned += _aligned(name, task.source, levels[SOURCE], changes[SOURCE], rows[SOURCE], width)
        shifts += _shifts(name, here, changes)
    return pd.DataFrame(aligned), pd.DataFrame(shifts)


def _halves(x: np.ndarray) -> dict[str, np.ndarray]:
    """Halves of the last level, as `described` cuts every level."""
    return halves_of(x, 1, "described")


def _aligned(task, clips, levels, change, rows, width) -> list[dict]:
    known = geometry.known_factors(clips.manifest)
    values = {f: _by_split(v, rows) for f, v in known.items()}
    values["amount of change"] = {s: v[:, None] for s, v in change.items()}
    last = levels[:, -width:]
    found = {
        part: geometry.alignment(_by_split(x, rows), values)
        for part, x in {"read": last, **_halves(last), "levels": levels}.items()
    }
    return [
        {"task": task, "factor": factor} | {part: found[part][factor] for part in PARTS}
        for factor in found["read"]
    ]


def _shifts(task: str, here: Mapping[tuple, World], changes: Mapping[tuple, Mapping]) -> list[dict]:
    source = here[SOURCE]
    probe, leading = Probe.fit(source), Leading.of(source, changes[SOURCE])
    bare = Probe.fit(source.of(leading.without))
    at_home = source.of(probe.scale)
    count = min(len(w.x["train"]) for w in here.values())
    few = Probe.fit(source, count=count)
    amount = changes[SOURCE]["train"]
    out = []
    for place, world in here.items():
        row = {"task": task, "shift": place[0]}
        if place == SOURCE:
            row |= {"zero": probe.accuracy(at_home.x["test"], at_home.y["test"])}
            row |= {"few": few.accuracy(few.scale(source.x["test"]), source.y["test"])}
            row |= {"leading": leading.share, "follows": leading.follows}
        else:
            there = world.of(probe.scale)
            row |= geometry.displacement(probe, at_home, there)
            row |= geometry.class_signal(probe, at_home, there)
            row |= geometry.variance_shares(at_home, there)
            row |= {"separable": geometry.separable(at_home, there)}
            row |= geometry.adapted(probe, at_home, there)
            row |= leading.moved(world)
            row["change_moved"] = (changes[place]["train"].mean() - amount.mean()) / amount.std()
        x = bare.scale(leading.without(world.x["test"]))
        row["without_leading"] = bare.accuracy(x, world.y["test"])
        for part, x in {"read": world.x["train"], **_halves(world.x["train"])}.items():
            ending = "" if part == "read" else f"_{part}"
            row |= {f"{k}{ending}": v for k, v in geometry.ranks(x).items()}
        out.append(row)
    return out


# --- all of them --------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def tasks_of(profile: str = "small") -> dict[str, Task]:
    """The rendered tasks with their targets at the last severity; renders what is missing."""
    spec = transfer_run("baseline", "described", profile, 0).worlds
    places = [SOURCE, *((shift, FARTHEST) for shift in worlds.SHIFTS)]
    found = worlds.some(spec, [(t, p) for t in worlds.TASKS for p in places], data_root())
    out = {}
    for task in worlds.TASKS:
        clips = {p: clips_of(found[task, p], spec) for p in places}
        out[task] = Task(task, clips.pop(SOURCE), clips)
    return out


def wanted(profile: str = "small", folder: Path = FOLDER) -> pd.DataFrame:
    """Encoders that can be measured, as `encoder` names them: 'vclr-10' (variant and seed).

    Those kept of the transfer study, and the untrained one whose readings are recorded.

    Returns
    -------
    DataFrame of `encoder`, `run`, `variant`, `form`, `seed`, `weights` (their checksum).
    """
    rows = kept.index(folder / "encoders")
    own = rows[(rows.study == "transfer") & (rows.profile == profile) & (rows.sha256 != "")]
    own = own.assign(weights="sha256:" + own.sha256.str[:12])
    runs = transfer_recorded.runs(profile, folder)
    start = runs[(runs.variant == "random_init") & (runs.pretrained_on == "rendered")]
    out = pd.concat([start.assign(weights="untrained"), own], ignore_index=True)
    out["encoder"] = [f"{v}-{s}" for v, s in zip(out.variant, out.seed, strict=True)]
    return out[ABOUT[:-3]]


def code() -> str:
    """Digest of the code that a measurement depends on, 'code:' before it."""
    return "code:" + fingerprint.code_key(fingerprint.parts({"readings": [measure_encoder]}))


def _encoder(row, profile: str, folder: Path) -> Encoder:
    if row.variant == "random_init":
        run = transfer_run(row.variant, row.form, profile, int(row.seed))
        return Trainer(run.train, "cpu").evaluated.requires_grad_(False).eval()
    return kept.load(row.variant, row.form, int(row.seed), profile, folder / "encoders")


Tables = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def load(folder: Path = FOLDER) -> Tables:
    """What is recorded: alignment, shifts, encoders; empty tables where nothing is.

    Raises
    ------
    DataError : a damaged table.
    """
    place = folder / "measured"
    if NAME not in set(measured.index(place).name):
        return (
            pd.DataFrame(columns=["encoder", "task", "factor", *PARTS]),
            pd.DataFrame(columns=["encoder", "task", "shift"]),
            pd.DataFrame(columns=list(ABOUT)),
        )
    return measured.read(NAME, place)


def measure_missing(
    profile: str = "small", folder: Path = FOLDER, tasks: Mapping[str, Task] | None = None
) -> int:
    """Measure and record what is not there, one encoder after another; returns how many.

    An encoder is measured again where its weights or the code of the measurement have changed;
    what is no longer kept is left out.

    Parameters
    ----------
    tasks : where to measure; None for `tasks_of` the profile.
    """
    now, asked = code(), wanted(profile, folder)
    done = 0
    for row in asked.itertuples():
        aligned, shifts, known = load(folder)
        same = known.merge(asked[["encoder", "weights"]], on=["encoder", "weights"])
        same = same[same.code == now]
        if row.encoder in set(same.encoder):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a weak probe of separable clips does not converge
            new = measure_encoder(_encoder(row, profile, folder), tasks or tasks_of(profile))
        facts = provenance()
        about = {k: getattr(row, k) for k in ABOUT[:-3]}
        about |= {"code": now, "commit": facts["commit"], "cpu": facts["cpu"]}
        fresh = (*(t.assign(encoder=row.encoder) for t in new), pd.DataFrame([about]))
        tables = tuple(
            _joined(old[old.encoder.isin(same.encoder)], more)
            for old, more in zip((aligned, shifts, same), fresh, strict=True)
        )
        measured.record(NAME, profile, lambda t=tables: t, folder=folder / "measured")
        done += 1
        print(f"measured {row.encoder}", flush=True)
    return done


def _joined(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Both tables, the encoder's name first."""
    columns = ["encoder", *(c for c in new if c != "encoder")]
    return pd.concat([t for t in (old, new) if len(t)], ignore_index=True)[columns]


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m vjepa_lib.analysis.transfer_mechanisms", description=__doc__
    )
    parser.add_argument("--profile", default="small")
    args = parser.parse_args(argv)
    try:
        done = measure_missing(args.profile)
        known = load()[2]
        if known.empty:
            raise DataError(
                f"No encoder of the transfer study is kept in {FOLDER / 'encoders'}: keep one with "
                f"'python -m vjepa_lib.study.kept'."
            )
        print(f"{done} measured now, {len(known)} in all, in {FOLDER / 'measured'}")
    except CompanionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
