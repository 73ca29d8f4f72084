"""Recorded runs of the transfer study: readings with what was right, and where they came from.

`data_manifests/recorded/transfer_<profile>_readings.parquet` has a row per run and reading in the
columns of `evaluation.transfer.read_transfer`, `right` as text (`transfer_runs.unpack`);
`transfer_<profile>_curves.parquet` a row per run and logged step (losses, RankMe, sources);
`transfer_<profile>_runs.csv` a row per run, as `recorded` keeps them; and
`transfer_<profile>_failed.csv` a row per run whose loss did not stay finite, if there are any.

`python -m vjepa_lib.study.transfer_recorded --profile small` adds the finished runs of the store.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd

from vjepa_lib.errors import CompanionError, DataError
from vjepa_lib.folders import runs_root
from vjepa_lib.study.recorded import FOLDER, facts_of, read_table
from vjepa_lib.study.store import RunStore

LARGER = "medium"  # the profile of `transfer_medium`
NAMES = ("variant", "form", "regime", "seed", "kind", "pretrained_on", "changed")


def _file(profile: str, folder: Path, what: str) -> Path:
    return folder / f"transfer_{profile}_{what}"


def runs(profile: str = "small", folder: Path = FOLDER) -> pd.DataFrame:
    """Provenance of every recorded transfer run; empty without records."""
    path = _file(profile, folder, "runs.csv")
    if not path.exists():
        return pd.DataFrame(columns=["run", *NAMES])
    return read_table(path, dtype={"changed": str}).fillna({"changed": ""})


def load(profile: str = "small", folder: Path = FOLDER) -> pd.DataFrame:
    """Recorded readings with the names of their runs; empty without records.

    Raises
    ------
    DataError : readings of a run that the table of runs does not list, or a damaged table.
    """
    return _named(_file(profile, folder, "readings.parquet"), profile, folder)


def curves(profile: str = "small", folder: Path = FOLDER) -> pd.DataFrame:
    """Recorded curves of training with the names of their runs; empty without records.

    Returns
    -------
    Columns of `training.pretrain`'s curves, among them `step`, `total`, `rank_me`,
    `source_<task>`.
    """
    return _named(_file(profile, folder, "curves.parquet"), profile, folder)


def failed(profile: str = "small", folder: Path = FOLDER) -> pd.DataFrame:
    """Runs that came to no end because their loss was not finite; empty where all did.

    Returns
    -------
    DataFrame with `variant`, `form`, `seed`, `changed`, `step` (at which it was noticed), `commit`,
    `gpu`, `torch`.

    Raises
    ------
    DataError : a damaged table.
    """
    path = _file(profile, folder, "failed.csv")
    columns = ["variant", "form", "seed", "changed", "step", "commit", "gpu", "torch"]
    if not path.exists():
        return pd.DataFrame(columns=columns)
    return read_table(path, usecols=columns, dtype={"changed": str}).fillna({"changed": ""})


def _named(path: Path, profile: str, folder: Path) -> pd.DataFrame:
    if not path.exists():
        return pd.DataFrame(columns=["run", *NAMES])
    read, table = read_table(path), runs(profile, folder)
    unknown = sorted(set(read.run) - set(table.run))
    if unknown:
        raise DataError(
            f"{path} has rows of runs that its table of runs does not list "
            f"({', '.join(unknown[:3])}): export both anew."
        )
    return read.merge(table[["run", *NAMES, "commit", "gpu"]], on="run")


def export(profile: str = "small", folder: Path = FOLDER, store: RunStore | None = None) -> int:
    """Add the store's finished transfer runs of a profile to the record; returns how many it holds.

    A run that is recorded already is replaced, so a sweep can be exported in parts.

    Raises
    ------
    DataError : the store has none.
    """
    store = store or RunStore(runs_root())
    found = [store.read(p.parent.name) for p in sorted(store.root.glob("[0-9a-f]*/config.json"))]
    own = [r for r in found if r.config.get("profile") == profile and "pretrained_on" in r.config]
    if not own:
        raise DataError(
            f"No transfer run of profile {profile} is finished in {store.root}: train one first "
            f"(docs/analysis_plan.md)."
        )
    new = {run.hash for run in own}
    rows = [facts_of(run, NAMES) for run in own]
    parts = {
        "readings.parquet": [run.metrics.assign(run=run.hash) for run in own],
        "curves.parquet": [c.assign(run=r.hash) for r in own if len(c := r.curves)],
    }
    table = _file(profile, folder, "runs.csv")
    if table.exists():
        old = runs(profile, folder)
        rows = [*old[~old.run.isin(new)].to_dict("records"), *rows]
    folder.mkdir(parents=True, exist_ok=True)
    for name, read in parts.items():
        path = _file(profile, folder, name)
        if path.exists():
            before = read_table(path)
            read = [before[~before.run.isin(new)], *read]
        if read:
            everything = pd.concat(read, ignore_index=True)
            if "right" in everything:
                everything["right"] = everything["right"].fillna("")
            everything.to_parquet(path, index=False, compression="zstd")
    pd.DataFrame(rows).to_csv(table, index=False, float_format="%.6g")
    return len(rows)


def severities(profile: str = "small", folder: Path = FOLDER) -> pd.DataFrame:
    """`graded` of what is recorded."""
    return graded(load(profile, folder))


def graded(read: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of the references by severity, zero-shot: whether the worlds are graded.

    Parameters
    ----------
    read : of `load`.

    Returns
    -------
    DataFrame, a row per kind of reference ('supervised', 'random_init', ..; 'baseline' among the
    encoders), task and shift: `source`, then severities `1` to `4`, top-1 in percent, means over
    seeds.
    """
    read = read[(read.fitted == "source") & (read.changed == "")]
    read = read[read.reading.isin(["linear", *read.kind.unique()])]
    read = read[read.variant.isin(["supervised", "single_frame", "random_init", "baseline"])]
    wide = read.pivot_table(
        index=["variant", "task", "shift"], columns="severity", values="top1", sort=False
    )
    source = wide.xs("source", level="shift")[0]
    wide = wide.drop(index="source", level="shift").drop(columns=0).reset_index()
    keys = zip(wide.variant, wide.task, strict=True)
    wide.insert(3, "source", [source.loc[key] for key in keys])
    return wide.rename(columns=str).rename_axis(columns=None)


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m vjepa_lib.study.transfer_recorded", description=__doc__
    )
    parser.add_argument("--profile", default="small")
    args = parser.parse_args(argv)
    try:
        print(f"{export(args.profile)} transfer runs are recorded in {FOLDER}")
    except CompanionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
