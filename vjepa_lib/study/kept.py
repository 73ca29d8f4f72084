"""Kept encoders: a few finished runs' encoders and training curves, committed in half precision.

`data_manifests/recorded/encoders/index.csv` has a row per run; `<run>.safetensors` is its evaluated
encoder in float16, `<run>.csv` its curves. A notebook that only reads takes encoders from here.
Encoders are compared within one group only: same profile, same study, same seed.

`python -m vjepa_lib.study.kept --profile small --variants baseline ld vclr --seeds 10` keeps those
of the transfer study's finished runs in the store.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from vjepa_lib.errors import CompanionError, DataError
from vjepa_lib.folders import runs_root
from vjepa_lib.model.vit import Encoder, EncoderConfig
from vjepa_lib.study import configs
from vjepa_lib.study.integrity import check_file
from vjepa_lib.study.recorded import FOLDER as RECORDED
from vjepa_lib.study.recorded import read_table
from vjepa_lib.study.results import ENCODER_FILE, untrained
from vjepa_lib.study.store import Run, RunStore, config_hash
from vjepa_lib.training.pretrain import Trainer

FOLDER = RECORDED / "encoders"
LIMIT = 30 * 10**6  # bytes of all encoders together: they are committed
STUDIES = ("transfer", "ablation")  # the first is taken where two would do
PROFILES = ("small", "mini", "smoke")  # likewise
COLUMNS = (
    "run", "variant", "form", "regime", "seed", "profile", "study", "pretrained_on", "steps",
    "geometry", "commit", "sha256", "bytes",
)  # fmt: skip
_GROUP = ["profile", "study", "pretrained_on", "seed"]


# --- keeping ------------------------------------------------------------------------------------


def index(folder: Path = FOLDER) -> pd.DataFrame:
    """What is kept, a row per run; `sha256` is empty where only its curves are.

    Raises
    ------
    DataError : the table is damaged.
    """
    path = folder / "index.csv"
    if not path.exists():
        return pd.DataFrame(columns=list(COLUMNS))
    table = read_table(
        path, keep_default_na=False, dtype=dict.fromkeys(("run", "commit", "sha256"), str)
    )
    if tuple(table.columns) != COLUMNS:
        raise DataError(f"{path} is not the index of kept encoders: take it from the repository.")
    return table


def _row(run: Run, digest: str, size: int) -> dict[str, Any]:
    """A run in the columns of the index."""
    encoder = run.config["train"]["encoder"]
    geometry = (
        f"{encoder['frames']} frames of {encoder['height']} x {encoder['width_px']} px, patch "
        f"{encoder['patch']}, width {encoder['width']}, depth {encoder['depth']}"
    )
    names = {k: run.config[k] for k in ("variant", "form", "regime", "seed", "profile")}
    return {
        "run": run.hash,
        **names,
        "study": STUDIES[0] if "pretrained_on" in run.config else STUDIES[1],
        "pretrained_on": run.config.get("pretrained_on", "rendered"),
        "steps": run.config["train"]["schedule"]["steps"],
        "geometry": geometry,
        "commit": run.provenance["commit"],
        "sha256": digest,
        "bytes": size,
    }


def _halved(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in state.items()}


def _write_table(path: Path, rows: Sequence[dict]) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(part, path)


def keep(
    runs: Iterable[Any],
    store: RunStore | None = None,
    folder: Path = FOLDER,
    curves_only: bool = False,
) -> int:
    """Keep the encoders and curves of finished runs; returns how many runs the folder holds.

    A run of the same names, profile, study and seed that is there already is replaced.

    Parameters
    ----------
    runs : configurations (`study.RunConfig`, `transfer_runs.TransferRun`) or addresses.
    store : where they are; None for that of `VJEPA_RUNS`.
    curves_only : leave the weights out.

    Raises
    ------
    RunStoreError : a run is not finished or damaged.
    DataError : there would be more than `LIMIT` bytes, and nothing is written then; or the folder
        cannot be written. The index is written last, so it lists nothing that is not there.
    """
    store = store or RunStore(runs_root())
    have = index(folder).to_dict("records")
    made: dict[str, tuple[dict, Run, bytes]] = {}
    for wanted in runs:
        run = store.read(wanted if isinstance(wanted, str) else config_hash(wanted))
        state = {} if curves_only else load_file(check_file(run.path, ENCODER_FILE))
        data = _as_file(_halved(state), run) if state else b""
        digest = hashlib.sha256(data).hexdigest() if data else ""
        made[run.hash] = (_row(run, digest, len(data)), run, data)

    def key(row: dict) -> tuple:
        return tuple(row[k] for k in ("variant", "form", "regime", *_GROUP))

    new = {key(row) for row, _, _ in made.values()}
    stay = [row for row in have if key(row) not in new]
    rows = [*stay, *(row for row, _, _ in made.values())]
    total = sum(int(row["bytes"] or 0) for row in rows)
    if total > LIMIT:
        raise DataError(
            f"The kept encoders would take {total / 1e6:.1f} MB and may take {LIMIT / 1e6:.0f}: "
            f"keep fewer seeds or variants."
        )
    rows.sort(
        key=lambda r: (*(str(r[k]) for k in _GROUP[:3]), int(r["seed"]), r["variant"], r["form"])
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for row, run, data in made.values():
            if data:
                (folder / f"{row['run']}.safetensors").write_bytes(data)
            if len(run.curves):
                path = folder / f"{row['run']}.csv"
                run.curves.to_csv(path, index=False, float_format="%.5g")
        _write_table(folder / "index.csv", rows)
    except OSError as error:
        raise DataError(
            f"{folder} cannot be written ({error.strerror or error}): free some space or keep the "
            f"encoders elsewhere with --out."
        ) from None
    listed = {row["run"] for row in rows}
    for gone in {row["run"] for row in have} - listed:
        for suffix in (".safetensors", ".csv"):
            (folder / f"{gone}{suffix}").unlink(missing_ok=True)
    return len(rows)


def _as_file(state: dict[str, Tensor], run: Run) -> bytes:
    """Weights as a safetensors file that says which geometry they have."""
    from safetensors.torch import save

    about = {"encoder": json.dumps(run.config["train"]["encoder"], sort_keys=True)}
    return save(state, about | {"run": run.hash})


# --- taking -------------------------------------------------------------------------------------


def _named(variant: str, form: str) -> tuple[str, str, str]:
    """Names of the run that trains the encoder of a variant and form."""
    asked = configs.recipe(variant, form)
    name, of_form, regime = configs.trained_as(asked.variant, asked.form, asked.regime)
    return name, of_form, regime or asked.regime


def _untrained(variant: str, form: str) -> bool:
    return _named(variant, form)[0] == "random_init"


def _rows(table: pd.DataFrame, variant: str, form: str) -> pd.DataFrame:
    name, of_form, regime = _named(variant, form)
    return table[(table.variant == name) & (table.form == of_form) & (table.regime == regime)]


def load(
    variant: str,
    form: str = "described",
    seed: int | None = None,
    profile: str | None = None,
    folder: Path = FOLDER,
) -> Encoder:
    """A kept encoder, frozen.

    Parameters
    ----------
    variant, form : as in `study.resolve`; forms that train the same encoder share one.
    seed, profile : None for what `STUDIES` and `PROFILES` name first among what is kept.

    Raises
    ------
    ConfigError : unknown variant or form.
    DataError : none is kept, or its file is damaged.
    """
    table = index(folder)
    rows = _in_order(_rows(table[table.sha256 != ""], variant, form))
    if seed is not None:
        rows = rows[rows.seed == seed]
    if profile is not None:
        rows = rows[rows.profile == profile]
    if rows.empty:
        which = "" if seed is None else f", seed {seed}"
        raise DataError(
            f"No encoder of {variant} ({form}){which} is kept: set LIVE = True to train it, or "
            f"keep one with 'python -m vjepa_lib.study.kept'."
        )
    return _read(rows.iloc[0], folder)


def _in_order(rows: pd.DataFrame) -> pd.DataFrame:
    place = rows.assign(
        _study=rows.study.map(STUDIES.index), _profile=rows.profile.map(PROFILES.index)
    )
    return place.sort_values(["_study", "_profile", "seed"], kind="stable")


def _read(row: Any, folder: Path) -> Encoder:
    path = folder / f"{row.run}.safetensors"
    hint = "take it from the repository again"
    try:
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != row.sha256:
            raise DataError(f"The kept encoder {path} is not the one that was kept: {hint}.")
        with safe_open(path, "pt") as file:
            shape = json.loads(file.metadata()["encoder"])
            state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        shape["levels"] = tuple(shape["levels"])
        encoder = Encoder(EncoderConfig(**shape))
        encoder.load_state_dict(state)
    except OSError as error:
        raise DataError(
            f"The kept encoder {path} cannot be read ({error.strerror}): {hint}."
        ) from None
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        if isinstance(error, CompanionError):
            raise
        raise DataError(f"The kept encoder {path} is damaged: {hint}.") from None
    return encoder.requires_grad_(False).eval()


@dataclass(frozen=True)
class Group:
    """Encoders that may be compared: of one profile, one study and one seed.

    Attributes
    ----------
    pairs : (variant, form) that are there, in the order they were asked for.
    missing : those that are not.
    profile, seed : theirs.
    load : configuration -> its encoder, as `study.load_encoder`.
    about : which runs these are, as figures mark them: 'mini, recorded'.
    """

    pairs: tuple[tuple[str, str], ...]
    missing: tuple[tuple[str, str], ...]
    profile: str
    seed: int
    load: Callable[[configs.RunConfig], Encoder]
    about: str
    commits: tuple[str, ...] = ()

    @property
    def variants(self) -> list[str]:
        """Variants that are there."""
        return [variant for variant, _ in self.pairs]

    @property
    def configs(self) -> list[configs.RunConfig]:
        """Configurations of what is there."""
        return [configs.resolve(v, f, self.profile, self.seed) for v, f in self.pairs]

    def config(self, variant: str, form: str = "released") -> configs.RunConfig:
        """A configuration of the group's profile and seed."""
        return configs.resolve(variant, form, self.profile, self.seed)

    def only(self, titles: Mapping[str, str]) -> dict[str, str]:
        """Those of some titled variants that are there."""
        return {title: variant for title, variant in titles.items() if variant in self.variants}

    def sentence(self) -> str:
        """What is shown, and what would have to be trained."""
        said = f"encoders of {self.about}, seed {self.seed}"
        if self.missing:
            names = ", ".join(f"{v} ({f})" for v, f in self.missing)
            said += f"; none is kept of {names}: set LIVE = True to train and see them too"
        return said


def group(
    pairs: Iterable[tuple[str, str]], folder: Path = FOLDER, curves: bool = False
) -> tuple[Group, pd.DataFrame]:
    """The group that has the most of some variants, and its rows of the index.

    The random initialisation needs no file: it follows from profile and seed.

    Parameters
    ----------
    pairs : (variant, form).
    curves : curves are wanted, not encoders.
    """
    pairs, table = tuple(dict.fromkeys(pairs)), index(folder)
    rows = _in_order(table if curves else table[table.sha256 != ""])
    best: tuple[list, pd.DataFrame] = ([], rows.iloc[:0])
    for _, part in rows.groupby(_GROUP, sort=False):
        found = [p for p in pairs if not _untrained(*p) and len(_rows(part, *p))]
        if len(found) > len(best[0]):
            best = (found, part)
    found, part = best
    profile = part.profile.iloc[0] if len(part) else PROFILES[0]
    seed = int(part.seed.iloc[0]) if len(part) else 0
    there = tuple(p for p in pairs if p in found or (_untrained(*p) and not curves))

    def take(config: configs.RunConfig) -> Encoder:
        if configs.canonical(config).kind == "random_init":
            return untrained(configs.canonical(config).train)
        return _read(_rows(part, config.variant, config.form).iloc[0], folder)

    about = f"{profile}, recorded"
    if len(part) and part.study.iloc[0] == "transfer":
        about = f"{profile} (transfer study), recorded"
    commits = tuple(dict.fromkeys(part.commit.str[:7])) if len(part) else ()
    missing = tuple(p for p in pairs if p not in there)
    return Group(there, missing, profile, seed, take, about, commits), part


def curves_of(
    pairs: Iterable[tuple[str, str]], folder: Path = FOLDER
) -> tuple[pd.DataFrame, Group]:
    """Kept training curves of some variants, in the columns of `study.curves`.

    Returns
    -------
    the curves of one group's runs, with `source`, empty if none is kept; the group.
    """
    asked = [p for p in pairs if not _untrained(*p)]
    chosen, rows = group(asked, folder, curves=True)
    parts = []
    for variant, form in chosen.pairs:
        row = _rows(rows, variant, form).iloc[0]
        path = folder / f"{row.run}.csv"
        if not path.exists():
            raise DataError(f"The curves {path} are missing: take them from the repository again.")
        names = {"variant": variant, "form": form, "regime": row.regime, "seed": row.seed}
        names |= {"profile": row.profile, "source": chosen.about}
        parts.append(read_table(path).assign(**names))
    empty = pd.DataFrame(columns=["step", *("variant", "form", "regime", "seed", "source")])
    return (pd.concat(parts, ignore_index=True) if parts else empty), chosen


# --- a training that has only begun -------------------------------------------------------------

_NETWORKS = ("context_encoder", "target_encoder", "predictor")


def keep_trainer(trainer: Trainer, name: str, folder: Path = FOLDER) -> Path:
    """Keep the networks of a training that has taken a few steps."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        f"{part}.{key}": value
        for part in _NETWORKS
        for key, value in trainer.modules()[part].state_dict().items()
    }
    path = folder / f"{name}.safetensors"
    save_file(_halved(state), path)
    return path


def load_trainer(config: configs.RunConfig, name: str, folder: Path = FOLDER) -> Trainer:
    """The trainer of a configuration with the networks that `keep_trainer` kept.

    Raises
    ------
    DataError : it is not there, or belongs to another geometry.
    """
    path, trainer = folder / f"{name}.safetensors", Trainer(config.train)
    try:
        state = {key: value.float() for key, value in load_file(path).items()}
        for part in _NETWORKS:
            own = {k.removeprefix(f"{part}."): v for k, v in state.items() if k.startswith(part)}
            trainer.modules()[part].load_state_dict(own)
    except (OSError, SafetensorError, RuntimeError):
        raise DataError(
            f"The kept networks {path} cannot be used: take them from the repository again."
        ) from None
    return trainer


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    from vjepa_lib.study.transfer_runs import transfer_run

    parser = argparse.ArgumentParser(prog="python -m vjepa_lib.study.kept", description=__doc__)
    parser.add_argument("--profile", default="small")
    parser.add_argument("--variants", nargs="+", required=True, metavar="VARIANT")
    parser.add_argument("--seeds", nargs="+", type=int, default=[10], metavar="SEED")
    parser.add_argument("--form", default="described", choices=["released", "described"])
    parser.add_argument("--study", default=STUDIES[0], choices=STUDIES)
    parser.add_argument("--curves-only", action="store_true", help="leave the weights out")
    parser.add_argument("--runs", type=Path, help="run store; VJEPA_RUNS if not given")
    parser.add_argument("--out", type=Path, default=FOLDER)
    args = parser.parse_args(argv)
    make = transfer_run if args.study == STUDIES[0] else _canonical_run
    try:
        runs = [make(v, args.form, args.profile, s) for s in args.seeds for v in args.variants]
        store = RunStore(args.runs) if args.runs else None
        count = keep(runs, store, args.out, args.curves_only)
        size = index(args.out)["bytes"].astype(int).sum() / 1e6
    except CompanionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{count} runs are kept in {args.out}, encoders of {size:.1f} MB")
    return 0


def _canonical_run(variant: str, form: str, profile: str, seed: int) -> configs.RunConfig:
    return configs.canonical(configs.resolve(variant, form, profile, seed))


if __name__ == "__main__":
    sys.exit(main())
