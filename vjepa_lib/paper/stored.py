"""Runs of a store by their kind; one that cannot be read is named, and the others are used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vjepa_lib.errors import RunStoreError
from vjepa_lib.study.store import Run, RunStore


def run_config(file: Path) -> dict[str, Any]:
    """What a run's `config.json` holds; empty if that is no table.

    Raises
    ------
    RunStoreError : it cannot be read.
    """
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunStoreError(
            f"The run {file.parent} cannot be read ({error}): delete this folder and train it "
            "again."
        ) from None
    return config if isinstance(config, dict) else {}


def runs_of_kind(store: RunStore, kind: str) -> tuple[list[Run], list[str]]:
    """The whole runs of a kind, and a sentence for each run that cannot be read.

    Parameters
    ----------
    kind : 'pretraining', 'probe' or 'finetuning'.
    """
    found, left_out = [], []
    for file in sorted(store.root.glob("[!.]*/config.json")):
        try:
            if run_config(file).get("kind") == kind:
                found.append(store.read(file.parent.name))
        except RunStoreError as error:
            left_out.append(str(error))
    return found, left_out
