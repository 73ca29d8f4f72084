"""The readings of a store, each with its protocol; what cannot be read is named, not fatal."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import pandas as pd

from vjepa_lib.errors import CompanionError, RunStoreError
from vjepa_lib.paper import protocols
from vjepa_lib.paper.probing import ProbeRun
from vjepa_lib.paper.stored import run_config, runs_of_kind
from vjepa_lib.study.fingerprint import changed, code_of
from vjepa_lib.study.store import RunStore

NAMES = ("variant", "form", "regime", "seed")
_METRICS = ("benchmark", "probe", "top1", "correct", "n_test", "n_train", "broken", "epochs")


@dataclass(frozen=True)
class Readings:
    """Finished readings of a store.

    Attributes
    ----------
    table : a row per reading and probe: the metrics, the names of the encoder, its hash `hashed`,
        `run`, `init`, `objective` (terms in words, '' where unknown), and what was read:
        `train_per_class`, `split`, `antialias`, `rows`.
    protocols : hash of a reading -> its protocol, without its regime.
    left_out : what could not be read, a sentence a run.
    """

    table: pd.DataFrame
    protocols: dict[str, protocols.Protocol]
    left_out: list[str] = field(default_factory=list)


def readings_of(store: RunStore) -> Readings:
    """All whole readings of a store.

    Raises
    ------
    RunStoreError : there is none.
    """
    parts, known = [], {}
    runs, left_out = runs_of_kind(store, "probe")
    for run in runs:
        try:
            part, protocol = _reading(store, run.config, run.provenance, run.metrics)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            left_out.append(
                f"The run {run.path} is not a reading as this version writes them "
                f"({type(error).__name__}: {error}): delete this folder and read again."
            )
            continue
        known[run.hash] = protocol
        parts.append(part.assign(run=run.hash))
    if not parts:
        others = f" {left_out[0]}" if left_out else ""
        raise RunStoreError(
            f"{store.root} has no finished reading: run 'train' and 'probe' first.{others}"
        )
    return Readings(pd.concat(parts, ignore_index=True), known, left_out)


def _reading(
    store: RunStore, config: dict, facts: dict, metrics: pd.DataFrame
) -> tuple[pd.DataFrame, protocols.Protocol]:
    """Rows of one reading, and its protocol."""
    lacking = [c for c in _METRICS if c not in metrics]
    if lacking or not len(metrics):
        raise ValueError(f"metrics.csv lacks {', '.join(lacking) or 'rows'}")
    names, hashed = {k: config[k] for k in NAMES}, config["encoder"]
    if not all(isinstance(v, str) for k, v in [*names.items(), ("encoder", hashed)] if k != "seed"):
        raise ValueError("its names are not text")
    protocol = protocols.of_reading(config) | {"code": _code(names["variant"], facts)}
    objective = ""
    if names["variant"] == "official":
        protocol["training"] = "given weights"
    else:
        try:
            trained = run_config(store.root / hashed / "config.json")
            protocol |= protocols.of_training(trained)
            objective = protocols.objective(trained)
        except (RunStoreError, KeyError, TypeError, ValueError, AttributeError):
            protocol["training"] = "unknown"
    read = {
        "train_per_class": config["train_per_class"],
        "split": config["protocol"]["split"],
        "antialias": config["clip"]["antialias"],
        "rows": config["rows"],
    }
    more = {"hashed": hashed, "init": protocol.get("init", "random"), "objective": objective}
    if "weights" not in metrics:
        more["weights"] = ""
    return metrics.assign(**names, **read, **more), protocol


def _code(variant: str, facts: dict) -> str:
    """'today' if a reading was made by the code of today, else what has changed since."""
    try:
        like = SimpleNamespace(variant=variant, code=lambda: ProbeRun.code(like))
        return changed(facts["code"], code_of(like)) or "today"
    except CompanionError:  # a variant of a reader's file that is not named now
        return "today"
