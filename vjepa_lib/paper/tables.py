"""What is planned, how far it is, and the table of what is finished."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from filelock import FileLock, Timeout

from vjepa_lib import study
from vjepa_lib.analysis.statistics import proportion_interval
from vjepa_lib.audit.published import load_results
from vjepa_lib.errors import CompanionError, RunStoreError
from vjepa_lib.paper.config import Settings
from vjepa_lib.paper.finetuning import finetuned_table
from vjepa_lib.paper.probing import ProbeRun, given_benchmarks, probe_run
from vjepa_lib.paper.training import TrainingRun, training_run
from vjepa_lib.study.store import RunStore, config_hash

# The names that the published table gives to our probes.
_PUBLISHED_PROBES = {"attentive_mean": "attentive_on_mean_token"}


@dataclass(frozen=True)
class Planned:
    """A row that is wanted: names as in the paper's table."""

    variant: str
    form: str
    regime: str
    seed: int


@lru_cache(maxsize=1)
def published_rows() -> pd.DataFrame:
    """Published accuracies under our names, with the epochs of their probes."""
    table = load_results().table.copy()
    name = table["variant"].str.replace(r"_seed\d+$", "", regex=True)
    ucf = (table["regime"] == "ucf101") & ("ucf_" + name).isin(study.STUDIED)
    table["variant"] = name.where(~ucf, "ucf_" + name)
    probes = {theirs: ours for ours, theirs in _PUBLISHED_PROBES.items()}
    table["probe"] = table["probe"].replace(probes)
    new = {"pretrain_seed": "seed", "top1_percent": "published", "probe_epochs": "published_epochs"}
    table = table.rename(columns=new)
    columns = ["variant", "regime", "seed", "benchmark", "probe", "published", "published_epochs"]
    return table[columns].reset_index(drop=True)


def plan(settings: Settings) -> list[Planned]:
    """What is to be trained: the variants of the settings, or every published row."""
    if not settings.variants:
        rows = published_rows()[["variant", "regime", "seed"]].drop_duplicates()
        wanted = [(r.variant, r.regime, int(r.seed)) for r in rows.itertuples()]
    else:
        wanted = [(v, None, s) for v in settings.variants for s in settings.seeds]
    rows = []
    for variant, regime, seed in wanted:
        for form in settings.forms:
            found = study.recipe(variant, form, regime)
            rows.append(Planned(variant, found.form, found.regime, seed))  # one form: 'released'
    return list(dict.fromkeys(rows))


def planned_run(settings: Settings, row: Planned) -> TrainingRun:
    return training_run(settings, row.variant, row.form, row.seed, row.regime)


def planned_runs(settings: Settings) -> list[TrainingRun]:
    """The runs behind the plan, each once."""
    return list(dict.fromkeys(planned_run(settings, row) for row in plan(settings)))


def _state(store: RunStore, run: TrainingRun | ProbeRun) -> str:
    """'finished', 'running', 'stopped ...', 'missing', or why a finished run is not used."""
    if store.has(run):
        return "finished"
    lock = store.root / ".locks" / config_hash(run)
    if lock.exists():
        try:
            with FileLock(lock, timeout=0):
                pass
        except Timeout:
            return "running"
    file = store.partial(run) / "checkpoint.pt"
    if file.exists():
        try:
            step = torch.load(file, map_location="cpu", weights_only=True, mmap=True)["trainer"][
                "step"
            ]
        except Exception:  # damaged in one of many ways; `train` says how to go on
            return "stopped, checkpoint damaged"
        return f"stopped at step {step} of {run.train.schedule.steps}"
    if store.partial(run).exists():
        return "started"
    return store.trouble(run) or "missing"


def status(settings: Settings) -> pd.DataFrame:
    """State of everything planned: a row per planned row, a column per benchmark.

    Returns
    -------
    DataFrame : variant, form, regime, seed, run, `training` and the benchmarks: 'finished',
        'running', 'stopped at step ..', 'missing', or what it waits for.
    """
    out = []
    for row in plan(settings):
        line: dict[str, object] = {
            k: getattr(row, k) for k in ("variant", "form", "regime", "seed")
        }
        try:
            run = planned_run(settings, row)
        except CompanionError as error:
            out.append(line | {"training": str(error)})
            continue
        line |= {"run": config_hash(run), "training": _state(settings.store, run)}
        names = {k: getattr(run, k) for k in ("variant", "form", "regime", "seed")}
        for name in given_benchmarks(settings):
            reading = probe_run(settings, names, config_hash(run), run.train.encoder, name)
            line[name] = _state(settings.store, reading)
        out.append(line)
    return pd.DataFrame(out)


def table(settings: Settings) -> pd.DataFrame:
    """Every finished reading beside the published number; needs the run store and no data.

    Returns
    -------
    DataFrame : regime, variant, form, seed, benchmark, probe, `top1` in percent with its 95 %
        interval `low`, `high` (Wilson), `published`, `difference` in points, n_test, n_train,
        broken, `epochs` of the probe here and `published_epochs` there, which differ for three
        variants, extension, `init` (first digits of the weights a training began at, which has
        no published number; 'random' without), trained_as, run.

    Raises
    ------
    RunStoreError : no reading is finished.
    """
    store, parts = settings.store, []
    for file in sorted(store.root.glob("*/config.json")):
        run = store.read(file.parent.name)
        if run.config.get("kind") == "probe":
            names = {k: run.config[k] for k in ("variant", "form", "regime", "seed", "encoder")}
            began = _began_at(store, names["encoder"])
            parts.append(run.metrics.assign(**names, run=run.hash, init=began))
    if not parts:
        raise RunStoreError(f"{store.root} has no finished reading: run 'train' and 'probe' first.")
    stored = pd.concat(parts, ignore_index=True)
    keys = ["variant", "form", "regime", "seed"]
    stored["trained_as"] = stored["variant"] + " (" + stored["form"] + ")"
    # One run can stand for several rows of the paper's table; what is not planned comes as it is.
    named, unplanned = [], np.ones(len(stored), bool)
    for row in plan(settings):
        like = study.recipe(row.variant, row.form, row.regime).canonical
        own = [like.variant, like.form, like.regime, row.seed]
        here = (stored[keys] == own).all(axis=1).to_numpy()
        named.append(stored[here].assign(**{k: getattr(row, k) for k in keys}))
        unplanned &= ~here
    out = pd.concat([*named, stored[unplanned]], ignore_index=True)
    published = published_rows().drop_duplicates(
        ["variant", "regime", "seed", "benchmark", "probe"]
    )
    out = out.merge(published.assign(form="released"), how="left")
    # The published rows began at random weights.
    out.loc[out["init"] != "random", ["published", "published_epochs"]] = np.nan
    out["difference"] = out["top1"] - out["published"]
    bounds = [proportion_interval(c, n) for c, n in zip(out["correct"], out["n_test"], strict=True)]
    out["low"], out["high"] = ([100 * b[i] for b in bounds] for i in (0, 1))
    columns = (
        ["regime", "variant", "form", "seed", "benchmark", "probe", "top1", "low", "high"]
        + ["published", "difference", "n_test", "n_train", "broken", "epochs", "published_epochs"]
        + ["extension", "init", "trained_as", "run"]
    )
    order = ["regime", "variant", "form", "seed", "benchmark", "probe"]
    return out[columns].sort_values(order, ignore_index=True)


def _began_at(store: RunStore, encoder: str) -> str:
    """First digits of the checkpoint that an encoder's training began at, or 'random'."""
    try:
        config = json.loads((store.root / encoder / "config.json").read_text(encoding="utf-8"))
        return config["init"][:8]
    except (OSError, ValueError, KeyError, TypeError):
        return "random"


def has_readings(store: RunStore) -> bool:
    """Whether any reading of a frozen encoder is finished."""
    return any(
        store.read(file.parent.name).config.get("kind") == "probe"
        for file in store.root.glob("*/config.json")
    )


def _files(name: str, rows: pd.DataFrame, hidden: list[str]) -> dict[str, str]:
    """A table's file names and contents: whole as CSV, without some columns as Markdown."""
    short = rows.drop(columns=hidden).astype(object)
    short = short.where(short.notna(), None)
    return {
        f"{name}.csv": rows.to_csv(index=False),
        f"{name}.md": short.to_markdown(index=False, floatfmt=".2f", missingval="") + "\n",
    }


def write_table(settings: Settings, folder: str | Path) -> list[Path]:
    """The table as `paper_table.csv` and `.md`; fine-tunings as `finetuned_table.csv` and `.md`.

    Raises
    ------
    RunStoreError : nothing is finished, or the folder cannot be written.
    """
    folder, texts = Path(folder), {}
    tuned = finetuned_table(settings.store)
    if len(tuned):
        texts |= _files("finetuned_table", tuned, ["run", "epochs", "broken"])
    if not texts or has_readings(settings.store):
        texts = _files("paper_table", table(settings), ["run", "epochs", "broken"]) | texts
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunStoreError(
            f"The table cannot be written to {folder} ({error.strerror or error}): name another "
            "folder with --out."
        ) from None
    return [folder / name for name in texts]
