"""Recorded runs: results of a larger profile, trained once and committed as tables.

`data_manifests/recorded/<profile>_results.csv` has a row per run, benchmark and probe;
`<profile>_runs.csv` a row per run: names, address, commit and digests of the code that made it,
versions, machine, date, duration, and how the training ended; `<profile>_configs.json` every
configuration in full. `load` returns what `study.metrics` would, had it trained them here.

`python -m vjepa_lib.study.recorded export --profile small` writes them from the run store;
`python -m vjepa_lib.study.recorded code` says which were made by other code than today's.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vjepa_lib.errors import CompanionError, DataError
from vjepa_lib.provenance import ROOT, cpu_name
from vjepa_lib.study.configs import canonical, resolve
from vjepa_lib.study.fingerprint import changed, code_of
from vjepa_lib.study.notebook_runs import NOTEBOOK_RUNS, runs_for
from vjepa_lib.study.results import clip_sets, runs_root, train_run
from vjepa_lib.study.store import Run, RunStore, config_hash, plain

FOLDER = ROOT / "data_manifests" / "recorded"
PROFILE = "small"
NAMES = ("variant", "form", "regime", "seed")
_METRICS = (
    "benchmark", "probe", "top1", "correct", "n_test", "n_train", "n_val",
    "factor", "cut", "half", "chance",
)  # fmt: skip
_COLUMNS = (*_METRICS, *NAMES, "run", "commit", "profile", "code", "trained_as")
# How a training ended: what the curves' last rows say.
_ENDS = ("total", "jepa", "rank_me", "token_rank_me", "feature_std")


def facts_of(run: Run, names: Sequence[str] = (*NAMES, "kind", "profile")) -> dict:
    """Everything about one run but its metrics: address, names, provenance, how training ended."""
    facts = dict(run.provenance)
    versions = facts.pop("versions")
    facts.pop("hash", None)
    facts["code"] = " ".join(f"{part}={digest}" for part, digest in facts["code"].items())
    ends = {}
    for name in _ENDS:
        if name in run.curves and run.curves[name].notna().any():
            ends[name] = float(run.curves[name].dropna().iloc[-1])
    return {"run": run.hash} | {k: run.config[k] for k in names} | facts | versions | ends


def export(profile: str = PROFILE, folder: Path = FOLDER, store: RunStore | None = None) -> int:
    """Write the tables from the finished runs of a profile; returns their number.

    Raises
    ------
    DataError : no run is finished.
    """
    store = store or RunStore(runs_root())
    configs = runs_for(NOTEBOOK_RUNS, profile)
    done = [(c, store.load(c)) for c in configs if store.has(c)]
    if not done:
        raise DataError(
            f"No run of profile {profile} is finished in {store.root}: train them first."
        )
    folder.mkdir(parents=True, exist_ok=True)
    metrics = pd.concat([run.metrics.assign(run=run.hash) for _, run in done], ignore_index=True)
    metrics = metrics.reindex(columns=["run", *_METRICS])
    metrics.to_csv(folder / f"{profile}_results.csv", index=False, float_format="%.6g")
    table = pd.DataFrame([facts_of(run) for _, run in done])
    table.to_csv(folder / f"{profile}_runs.csv", index=False, float_format="%.6g")
    # A configuration is that of another seed but for the seed.
    full = {}
    for config, _ in done:
        key = f"{config.variant} ({config.form}), {config.regime}"
        if key not in full:
            full[key] = plain(config) | {"seed": "see runs"}
            full[key]["train"]["seed"] = "see runs"
    lines = [f"{json.dumps(k)}: {json.dumps(v, sort_keys=True)}" for k, v in full.items()]
    text = "{\n" + ",\n".join(lines) + "\n}\n"  # one configuration a line
    (folder / f"{profile}_configs.json").write_text(text)
    return len(done)


def read_table(path: Path, **options: Any) -> pd.DataFrame:
    """A recorded table, CSV or Parquet.

    Parameters
    ----------
    options : of pandas' reader.

    Raises
    ------
    DataError : it is damaged or cannot be read.
    """
    read = pd.read_parquet if path.suffix == ".parquet" else pd.read_csv
    try:
        return read(path, **options)
    except (OSError, ValueError) as error:  # those of pandas and pyarrow are ValueErrors
        raise DataError(
            f"{path} is damaged or cannot be read ({str(error).splitlines()[0][:120]}): take it "
            f"from the repository again."
        ) from None


def runs(profile: str = PROFILE, folder: Path = FOLDER) -> pd.DataFrame:
    """Provenance of every recorded run, and how its training ended; empty without records."""
    path = folder / f"{profile}_runs.csv"
    return read_table(path) if path.exists() else pd.DataFrame(columns=["run", *NAMES])


def made_by(profile: str = PROFILE, folder: Path = FOLDER) -> pd.DataFrame:
    """Which code made the recorded runs.

    Returns
    -------
    DataFrame, a row per run: `run`, names, `commit`; `code`, which is 'today' if the code that
    decides the run is that of now, else 'commit' and the first digits of the one that made it;
    `differs`, what has changed since, in words.
    """
    table = runs(profile, folder)
    kept = table["code"] if "code" in table else pd.Series("", table.index)
    differs, today = [], {}
    for row, code in zip(table.itertuples(), kept.fillna(""), strict=True):
        then = dict(part.split("=") for part in code.split())
        names = (row.variant, row.form, row.profile, int(row.seed), row.regime)
        key = (*names[:3], row.regime)  # the code of a run does not depend on its seed
        if key not in today:
            today[key] = code_of(resolve(*names))
        differs.append(changed(then, today[key]) if then else "code before it was fingerprinted")
    made = [
        f"commit {commit[:7]}" if what else "today"
        for commit, what in zip(table.get("commit", ()), differs, strict=True)
    ]
    names = table.reindex(columns=["run", *NAMES, "commit"])
    return names.assign(code=made, differs=differs)


def made_by_whom(profile: str = PROFILE, folder: Path = FOLDER) -> str:
    """`made_by` in a few words for captions: 'today', or the commits whose code was another."""
    path = folder / f"{profile}_runs.csv"
    return _by_whom(profile, folder, path.stat().st_mtime_ns if path.exists() else 0)


@lru_cache(maxsize=8)
def _by_whom(profile: str, folder: Path, _changed: int) -> str:
    """`made_by_whom`, once as long as the table is the same: every caption asks."""
    code = made_by(profile, folder).code.unique()
    return ", ".join(sorted(set(code) - {"today"})) or "today"


def load(
    asked: Iterable[tuple[str, ...]] | None = None,
    profile: str = PROFILE,
    folder: Path = FOLDER,
) -> pd.DataFrame:
    """Recorded results in the columns of `study.metrics`.

    Parameters
    ----------
    asked : (variant, form) pairs or triples with a regime, as in `study.NOTEBOOK_RUNS`; None for
        all of them. What was not recorded is left out.

    Returns
    -------
    DataFrame, a row per run, benchmark and probe; empty if nothing is recorded.

    Raises
    ------
    DataError : the tables do not fit together.
    """
    path = folder / f"{profile}_results.csv"
    if not path.exists():
        return pd.DataFrame(columns=list(_COLUMNS))
    metrics, table = read_table(path), runs(profile, folder)
    table = table.assign(code=made_by(profile, folder).code)
    unknown = set(metrics.run) - set(table.run)
    if unknown:
        raise DataError(
            f"{path} has results of runs that {profile}_runs.csv does not list "
            f"({', '.join(sorted(unknown)[:3])}): export both anew."
        )
    # References are trained once, whatever regime asks for them.
    found = {key: set(rows.run) for key, rows in table.groupby(["variant", "form", "regime"])}
    facts = table[["run", "seed", "commit", "profile", "code"]]
    metrics = metrics.merge(facts, on="run")
    of_run = metrics.groupby("run").indices
    if asked is None:
        asked = dict.fromkeys(p for pairs in NOTEBOOK_RUNS.values() for p in pairs)
    parts = []
    wanted = dict.fromkeys(resolve(v, f, profile, 0, *regime) for v, f, *regime in asked)
    for want in wanted:
        have = canonical(want)
        own = found.get((have.variant, have.form, have.regime))
        if own is None:
            continue
        places = [of_run[run] for run in own if run in of_run] or [np.array([], int)]
        parts.append(
            metrics.iloc[np.sort(np.concatenate(places))].assign(
                variant=want.variant,
                form=want.form,
                regime=want.regime,
                trained_as=f"{have.variant} ({have.form})",
            )
        )
    if not parts:
        return pd.DataFrame(columns=list(_COLUMNS))
    return pd.concat(parts, ignore_index=True)[list(_COLUMNS)]


def beside(
    live: pd.DataFrame,
    asked: Iterable[tuple[str, ...]] | None = None,
    profile: str = PROFILE,
    folder: Path = FOLDER,
) -> dict[str, pd.DataFrame]:
    """Live results and recorded ones of the same variants, by how they are marked in figures.

    Parameters
    ----------
    live : of `study.metrics`.
    asked : as in `load`.

    Returns
    -------
    {'mini, live': .., 'small, recorded': ..}; the second is absent if nothing is recorded. Column
    `origin` says 'live' or 'recorded', beside `profile`.
    """
    found = {f"{live.profile.iloc[0]}, live": live.assign(origin="live")}
    rows = load(asked, profile, folder)
    if rows.empty:
        return found
    return found | {f"{profile}, recorded": rows.assign(origin="recorded")}


# --- checking -----------------------------------------------------------------------------------


def tolerance(recorded: pd.DataFrame, same_machine: bool) -> pd.Series:
    """Points by which a retrained run may differ, by benchmark and probe.

    On the same processor nothing but the last digit of a float may differ, and a clip that is
    classified otherwise by it: half a point. On another one, sums are rounded differently and
    training amplifies that until the run is as good as one with another seed: three standard
    deviations over the recorded seeds, pooled over variants, times the square root of two.
    """
    cells = recorded.groupby(["benchmark", "probe", "variant", "form", "regime"]).top1
    pooled = (
        cells.agg(["var", "size"])
        .dropna()
        .groupby(["benchmark", "probe"])
        .apply(lambda c: np.average(c["var"], weights=c["size"] - 1))
    )
    if same_machine:
        return pooled * 0 + 0.5
    return 3 * np.sqrt(2 * pooled)


def verify(
    count: int = 2,
    profile: str = PROFILE,
    device: str = "cpu",
    folder: Path = FOLDER,
    seed: int | None = None,
    variants: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Retrain recorded runs, chosen at random, and compare.

    Parameters
    ----------
    count : runs to retrain.
    seed : of the choice; None for another one each time.
    variants : choose among these; None for all pretrained ones.

    Returns
    -------
    DataFrame, a row per run, benchmark and probe: `recorded`, `retrained`, `difference`,
    `allowed`, in points.

    Raises
    ------
    DataError : nothing is recorded, or the records belong to other settings than the code's.
    """
    table, metrics = runs(profile, folder), load(profile=profile, folder=folder)
    chosen = table[table.kind == "pretrain"] if len(table) else table
    if variants is not None:
        chosen = chosen[chosen.variant.isin(variants)]
    if chosen.empty:
        raise DataError(f"No recorded runs of profile {profile} are in {folder} to compare with.")
    linear = metrics[metrics.probe != "leakage"]
    out = []
    for row in chosen.sample(
        min(count, len(chosen)), random_state=seed or random.randrange(2**31)
    ).itertuples():
        config = resolve(row.variant, row.form, profile, int(row.seed), row.regime)
        if config_hash(config) != row.run:
            raise DataError(
                f"The recorded run {row.run} ({row.variant}) was made with other settings than "
                f"those of profile {profile} now: train and export the profile again."
            )
        print(f"retraining {row.variant} ({row.form}), seed {row.seed} ...", flush=True)
        clip_sets(config.data)
        again, _ = train_run(config, None, device, progress=True)
        allowed = tolerance(linear, row.cpu == cpu_name() and row.gpu == "none" and device == "cpu")
        was = linear[linear.run == row.run].drop_duplicates(["benchmark", "probe"])
        both = was.merge(
            again[again.probe != "leakage"], on=["benchmark", "probe"], suffixes=("", "_again")
        )
        out.append(
            pd.DataFrame(
                {
                    "variant": row.variant,
                    "form": row.form,
                    "seed": row.seed,
                    "run": row.run,
                    "benchmark": both.benchmark,
                    "probe": both.probe,
                    "recorded": both.top1,
                    "retrained": both.top1_again,
                    "difference": both.top1_again - both.top1,
                    "allowed": [allowed[k] for k in zip(both.benchmark, both.probe, strict=True)],
                }
            )
        )
    return pd.concat(out, ignore_index=True)


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m vjepa_lib.study.recorded", description=__doc__)
    parser.add_argument(
        "action",
        choices=["export", "code"],
        help="write the tables from the run store; or say which code made the recorded runs",
    )
    parser.add_argument("--profile", default=PROFILE)
    parser.add_argument("--out", type=Path, default=FOLDER)
    args = parser.parse_args(argv)
    try:
        if args.action == "code":
            table = made_by(args.profile, args.out)
            print(table.value_counts(["code", "differs"], dropna=False).to_string())
            return 0
        count = export(args.profile, args.out)
    except CompanionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{count} runs written to {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
