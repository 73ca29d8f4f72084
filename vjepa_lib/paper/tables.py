"""What is planned, how far it is, and the table of what is finished."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from filelock import FileLock, Timeout

from vjepa_lib import study
from vjepa_lib.analysis import selection
from vjepa_lib.analysis.statistics import proportion_interval
from vjepa_lib.audit.published import load_results
from vjepa_lib.errors import CompanionError, RunStoreError
from vjepa_lib.paper import wide
from vjepa_lib.paper.config import Settings
from vjepa_lib.paper.finetuning import finetuned_table
from vjepa_lib.paper.probing import ProbeRun, given_benchmarks, probe_run
from vjepa_lib.paper.protocols import UNTRAINED, Group, differences, grouped
from vjepa_lib.paper.readings import readings_of
from vjepa_lib.paper.stored import runs_of_kind
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
    """Published accuracies under our names, with the epochs and clips of their probes."""
    table = load_results().table.copy()
    name = table["variant"].str.replace(r"_seed\d+$", "", regex=True)
    ucf = (table["regime"] == "ucf101") & ("ucf_" + name).isin(study.STUDIED)
    table["variant"] = name.where(~ucf, "ucf_" + name)
    probes = {theirs: ours for ours, theirs in _PUBLISHED_PROBES.items()}
    table["probe"] = table["probe"].replace(probes)
    new = {"pretrain_seed": "seed", "top1_percent": "published", "probe_epochs": "published_epochs"}
    new |= {"n_val": "published_n_test", "n_train": "published_n_train"}
    table = table.rename(columns=new)
    columns = ["variant", "regime", "seed", "benchmark", "probe", "published", "published_epochs"]
    columns += ["published_n_test", "published_n_train"]
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


_KEYS = ["variant", "form", "regime", "seed"]
AS_PUBLISHED = "settings as published"


def table(settings: Settings) -> pd.DataFrame:
    """Every finished reading beside the published number; needs the run store and no data.

    Returns
    -------
    DataFrame : `group` of one protocol (`table_and_groups` has them in words; an encoder that was
        never trained stands in every group of its geometry), regime, variant, form, seed,
        benchmark, probe, `top1` in percent with its 95 % interval `low`, `high` (Wilson),
        `published`, `difference` in points, `differs` (what is not as published; empty without a
        published number), n_test, n_train, broken, `epochs` of the probe here and
        `published_epochs` there, which differ for three variants, extension, `init` (first digits
        of the weights a training began at, which has no published number; 'random' without),
        trained_as, `encoder` (one name a run, whatever names it stands for: `also`), `reading`
        (benchmark and probe, and what was read where a group has several), run.

    Raises
    ------
    RunStoreError : no reading is finished.
    """
    return table_and_groups(settings)[0]


def table_and_groups(settings: Settings) -> tuple[pd.DataFrame, list[Group], list[str]]:
    """`table`, its groups, and a sentence for every run that could not be read."""
    found = readings_of(settings.store)
    untrained = found.table["variant"] == UNTRAINED
    known = found.table["run"].map(lambda run: found.protocols[run]["training"] == "known")
    out = _named(settings, found.table, keep=(untrained & known).to_numpy())
    protocols = []
    for row in out.itertuples():
        protocol = found.protocols[row.run]
        # Whatever regime an untrained encoder was asked for with, it is the same one.
        free = row.variant == UNTRAINED and protocol["training"] == "known"
        protocols.append(protocol if free else protocol | {"regime": row.regime})
    groups, numbers = grouped(protocols)
    out["differs"] = ["; ".join(differences(p)) for p in protocols]
    out = out.assign(group=numbers).explode("group", ignore_index=True)
    out["group"] = out["group"].astype(int)
    out = _beside_published(out)
    bounds = [proportion_interval(c, n) for c, n in zip(out["correct"], out["n_test"], strict=True)]
    out["low"], out["high"] = ([100 * b[i] for b in bounds] for i in (0, 1))
    out["encoder"], out["reading"] = _encoder_names(out), _reading_names(out)
    out["also"] = _other_names(out)
    columns = (
        ["group", "regime", "variant", "form", "seed", "benchmark", "probe", "top1", "low", "high"]
        + ["published", "difference", "differs", "n_test", "n_train", "broken", "epochs"]
        + ["published_epochs", "extension", "init", "trained_as", "encoder", "also", "reading"]
        + ["run"]
    )
    order = ["group", "regime", "variant", "form", "seed", "benchmark", "probe", "run"]
    return out[columns].sort_values(order, ignore_index=True), groups, found.left_out


def _named(settings: Settings, stored: pd.DataFrame, keep: np.ndarray) -> pd.DataFrame:
    """Rows under the names of the plan; one run can stand for several rows of the paper's table.

    Parameters
    ----------
    keep : rows that come under their own names too.
    """
    stored = stored.assign(trained_as=stored["variant"] + " (" + stored["form"] + ")")
    named, unplanned = [], np.ones(len(stored), bool)
    for row in plan(settings):
        like = study.recipe(row.variant, row.form, row.regime).canonical
        own = [like.variant, like.form, like.regime, row.seed]
        here = (stored[_KEYS] == own).all(axis=1).to_numpy()
        named.append(stored[here].assign(**{k: getattr(row, k) for k in _KEYS}))
        own_name = (row.variant, row.form, row.regime) == tuple(own[:3])
        unplanned &= ~(here & (own_name | ~keep))
    # What is not planned comes as it is.
    out = pd.concat([*named, stored[unplanned]], ignore_index=True)
    return out.drop_duplicates([*_KEYS, "run", "probe"], ignore_index=True)


def _beside_published(out: pd.DataFrame) -> pd.DataFrame:
    """The published numbers of the same names, and in `differs` what is not like them."""
    keys = ["variant", "regime", "seed", "benchmark", "probe"]
    published = published_rows().drop_duplicates(keys)
    out = out.merge(published.assign(form="released"), how="left")
    # The published rows began at random weights.
    shown = [c for c in published if c.startswith("published")]
    out.loc[out["init"] != "random", shown] = np.nan
    out["difference"] = out["top1"] - out["published"]
    said = []
    for row in out.itertuples():
        own = [row.differs] if row.differs else []
        for name, have, want in (
            ("epochs of this probe", row.epochs, row.published_epochs),
            ("test clips", row.n_test, row.published_n_test),
            ("training clips of the probe", row.n_train, row.published_n_train),
        ):
            if not pd.isna(want) and have != want:
                own.append(f"{have:,.0f} {name} (published {want:,.0f})")
        said.append(("; ".join(own) or AS_PUBLISHED) if not pd.isna(row.published) else np.nan)
    return out.assign(differs=pd.Series(said, out.index, dtype=object))


# --- names that tell apart ------------------------------------------------------------------------


def _encoder_names(out: pd.DataFrame) -> list[str]:
    """One name a run: of its objective and form; of released weights their file and digest."""
    names = []
    for row in out.itertuples():
        if row.variant == "official":
            kind = f"{row.weights}, " if isinstance(row.weights, str) and row.weights else ""
            names.append(f"{row.form} ({kind}{row.hashed[:8]})")
        else:
            variant, _, form = row.trained_as.partition(" (")
            names.append(selection.name(variant, form.rstrip(")")))
    keys = [out["group"], pd.Series(names, out.index)]
    # A reader's row may have been changed between runs; then its terms are named too.
    several = out["objective"].groupby(keys).transform("nunique") > 1
    names = [
        f"{name}: {objective or 'objective unknown'}" if more else name
        for name, objective, more in zip(names, out["objective"], several, strict=True)
    ]
    keys = [out["group"], pd.Series(names, out.index), out["seed"]]
    several = out["hashed"].groupby(keys).transform("nunique") > 1
    return [
        f"{name} [{hashed[:8]}]" if more else name
        for name, hashed, more in zip(names, out["hashed"], several, strict=True)
    ]


def _other_names(out: pd.DataFrame) -> pd.Series:
    """Names other than `encoder` that the plan has for the same runs of a group; '-' for none."""
    called = pd.Series(
        [selection.name(v, f) for v, f in zip(out["variant"], out["form"], strict=True)], out.index
    )
    called = called.where((out["variant"] != "official") & (called != _plain(out)))
    return called.groupby([out["group"], out["encoder"]]).transform(
        lambda names: ", ".join(sorted(set(names.dropna()))) or "-"
    )


def _plain(out: pd.DataFrame) -> pd.Series:
    parts = out["trained_as"].str.rstrip(")").str.split(" (", n=1, regex=False)
    return parts.map(lambda p: selection.name(p[0], p[-1]))


_READ = {
    "split": "split {}".format,
    "antialias": lambda v: "with a low-pass" if v else "without a low-pass",
    "train_per_class": lambda v: f"{v} training clips a class" if v else "all training clips",
    "rows": lambda v: f"rows {v[:8]}",
}


def _reading_names(out: pd.DataFrame) -> list[str]:
    """Benchmark and probe; where a group has several readings of that name, what was read."""
    names = out["benchmark"] + ", " + out["probe"]
    for column, words in _READ.items():
        values = out[column].astype(str)
        # The rows differ with the limit anyway: they are named only where nothing else does.
        several = values.groupby([out["group"], names]).transform("nunique") > 1
        told = ", " + out[column].map(words)
        names = names.where(~several, names + told)
    return names.tolist()


# --- files ----------------------------------------------------------------------------------------

_SHOWN = ["regime", "variant", "form", "seed", "benchmark", "probe", "top1", "low", "high"]
_SHOWN += ["published", "difference", "n_test", "n_train", "epochs", "trained_as"]


def _readings_text(rows: pd.DataFrame, groups: Sequence[Group]) -> str:
    """The long table in Markdown, a heading a group; marks lead to what is not as published."""
    lines = []
    for group in groups:
        own = rows[rows["group"] == group.number]
        notes: dict[str, str] = {}
        marks = []
        for said in own["differs"]:
            differs = isinstance(said, str) and said != AS_PUBLISHED
            marks.append(notes.setdefault(said, f"({len(notes) + 1})") if differs else "")
        short = own[_SHOWN].copy()
        several = own.groupby("benchmark")["reading"].transform("nunique")
        several = several > own.groupby("benchmark")["probe"].transform("nunique")
        short["benchmark"] = own["benchmark"].where(
            ~several, own["reading"].str.split(", ").map(lambda p: ", ".join([p[0], *p[2:]]))
        )
        official = own["variant"] == "official"
        told = official | own["encoder"].str.contains(r"[:\[]")
        short["form"] = own["form"].where(~told, own["encoder"])
        for column, places in (("published", ".2f"), ("difference", "+.2f")):
            short[column] = [
                "" if pd.isna(v) else f"{v:{places}} {m}".rstrip()
                for v, m in zip(own[column], marks, strict=True)
            ]
        short = short.astype(object).where(short.notna(), None)
        text = short.map(lambda v: v.replace("|", "\\|") if isinstance(v, str) else v)
        lines += [f"## {group.title}", "", group.says, ""]
        words = [_SHOWN.index(c) for c in _SHOWN if short[c].map(type).eq(str).any()]
        lines += [
            text.to_markdown(index=False, floatfmt=".2f", missingval="", disable_numparse=words)
        ]
        shared = "; ".join(differences(group.protocol))
        for said, mark in notes.items():
            own_part = said.removeprefix(shared) if shared else said
            if own_part != said:
                said = f"what the heading of the group says{own_part}"
            lines += ["", f"{mark} Not as published: {said}."]
        lines += [""]
    return "\n".join(lines)


def write_table(settings: Settings, folder: str | Path) -> list[Path]:
    """The tables of all that is finished, as files.

    `paper_table` has every reading (CSV, Markdown), `paper_wide` encoders over seeds (CSV,
    Markdown, LaTeX), `finetuned_table` fine-tunings (CSV, Markdown). What cannot be read is named
    in the tables and told.

    Raises
    ------
    RunStoreError : nothing is finished, or the folder cannot be written.
    """
    folder, store, texts = Path(folder), settings.store, {}
    tuned = finetuned_table(store)
    if len(tuned):
        short = tuned.drop(columns=["run", "epochs", "broken"]).astype(object)
        short = short.where(short.notna(), None)
        text = short.to_markdown(index=False, floatfmt=".2f", missingval="") + "\n"
        texts |= {"finetuned_table.csv": tuned.to_csv(index=False), "finetuned_table.md": text}
    _, left_out = runs_of_kind(store, "finetuning")
    try:
        done, groups, more = table_and_groups(settings)
    except RunStoreError:
        if not texts:
            raise
        left_out += runs_of_kind(store, "probe")[1]
    else:
        left_out = list(dict.fromkeys(more + left_out))
        tidy = wide.over_seeds(done, groups)
        gone = "".join(f"Left out: {said}\n\n" for said in left_out)
        texts |= {
            "paper_table.csv": done.to_csv(index=False),
            "paper_table.md": f"# Readings\n\n{gone}{_readings_text(done, groups)}",
            "paper_wide.csv": wide.wide(tidy).to_csv(index=False),
            "paper_wide.md": f"# Encoders over seeds\n\n{gone}{wide.as_text(tidy, groups)}",
            "paper_wide.tex": wide.as_text(tidy, groups, "latex"),
        }
    for said in dict.fromkeys(left_out):
        print(f"left out of the table: {said}", file=sys.stderr, flush=True)
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
