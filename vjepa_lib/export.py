"""A run's encoder as a folder to give away: `python -m vjepa_lib.export RUN OUT [--layout ...]`.

The folder holds safetensors, `config.json` and a model card, `README.md`, filled in from the run.
The layout `vjepa2` adds `checkpoint.pt`, the dictionary that the `vjepa2` repository's code loads.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from vjepa_lib.errors import CompanionError, ConfigError, RunStoreError, unknown
from vjepa_lib.folders import runs_root
from vjepa_lib.model.checkpoint_files import PREDICTOR_FILE
from vjepa_lib.model.export import (
    hugging_face_state,
    repository_config,
    repository_predictor_state,
    repository_state,
)
from vjepa_lib.model.vit import Encoder, PredictorConfig
from vjepa_lib.study.run_folders import (
    ENCODER_FILE,
    is_run_folder,
    keeps_predictor,
    open_predictor,
    open_run,
)

LAYOUTS = ("vjepa2", "huggingface")


_WITH_PREDICTOR = (
    "The predictor is in it: `predictor.safetensors`, and `predictor` of `checkpoint.pt`. Training "
    "can begin at both, with `init` and these sizes below [predictor]."
)


def find_run(run: str | Path) -> Path:
    """The folder of a run: a path, or a hash within the run stores.

    Raises
    ------
    RunStoreError : there is none.
    """
    places = [Path(run), runs_root() / run, runs_root() / "paper" / run]
    for path in places:
        if is_run_folder(path):
            return path.parent if path.name == ENCODER_FILE else path
    raise RunStoreError(
        f"{run} is no folder of a finished run with an encoder, and no hash of one in "
        f"{runs_root()}: name its folder."
    )


def export(run: str | Path, out: str | Path, layout: str = "vjepa2") -> Path:
    """Write a run's encoder in another's layout, and its predictor where the run has kept it.

    The predictor goes into the layout 'vjepa2' alone: `transformers` has one mask token for all
    mask groups.

    Parameters
    ----------
    run : folder or hash of a finished run.
    out : folder, which must be empty or not exist.
    layout : 'vjepa2' or 'huggingface'.

    Raises
    ------
    ConfigError : unknown layout, or the layout has no place for this geometry.
    DataError : the run's files are damaged.
    RunStoreError : no such run, or the folder cannot be written.
    """
    if layout not in LAYOUTS:
        raise unknown("layout", layout, LAYOUTS)
    folder, out = find_run(run), Path(out)
    encoder, config = open_run(folder)
    predictor: dict[str, Tensor] = {}
    if layout == "vjepa2":
        predictor, sizes, missing = _predictor(folder, encoder)
        state, model_config = repository_state(encoder), repository_config(encoder.cfg, sizes)
    else:
        missing = "There is no predictor in it"
        state, model_config = hugging_face_state(encoder)
    card = model_card(folder, config, encoder, layout, missing)
    part = out.absolute().with_name(f".{out.absolute().name}.{os.getpid()}.part")
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise RunStoreError(f"{out} is there and not empty: name another folder.")
        part.mkdir(parents=True)
        for name, tensors in (("model.safetensors", state), (PREDICTOR_FILE, predictor)):
            if tensors:
                save_file(tensors, part / name, metadata={"format": "pt"})
                (part / name).chmod(0o644)  # safetensors writes for the owner alone
        if layout == "vjepa2":
            parts = {"target_encoder": state} | ({"predictor": predictor} if predictor else {})
            with open(part / "checkpoint.pt", "wb") as file:
                torch.save({name: _wrapped(tensors) for name, tensors in parts.items()}, file)
        text = json.dumps(model_config, indent=2, sort_keys=True) + "\n"
        (part / "config.json").write_text(text, encoding="utf-8")
        (part / "README.md").write_text(card, encoding="utf-8")
        if out.exists():
            out.rmdir()
        part.rename(out)
    except (OSError, RuntimeError, SafetensorError) as error:
        why = getattr(error, "strerror", None) or error
        raise RunStoreError(
            f"The encoder cannot be written to {out} ({why}): free some space or name another "
            "folder; the run is not touched."
        ) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return out


def _wrapped(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"module.backbone.{k}": v for k, v in state.items()}


def _predictor(
    folder: Path, encoder: Encoder
) -> tuple[dict[str, Tensor], PredictorConfig | None, str]:
    """A run's predictor as the repository has it, its sizes, and in words why there is none."""
    if not keeps_predictor(folder):
        return {}, None, "There is no predictor in it: the run kept its encoder alone."
    predictor = open_predictor(folder)
    try:
        return repository_predictor_state(predictor, encoder.cfg), predictor.cfg, ""
    except ConfigError as error:
        return {}, None, f"There is no predictor in it. {error}"


# --- the card -----------------------------------------------------------------------------------


def _readings(folder: Path, config: dict) -> pd.DataFrame:
    """What frozen probes read: the run's own table, or the readings of it beside it."""
    tables = []
    if config.get("profile") != "paper" or _is_fine_tuned(config):
        tables.append(folder / "metrics.csv")
    else:
        for path in sorted(folder.parent.glob("*/config.json")):
            try:
                other = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            if isinstance(other, dict) and other.get("encoder") == folder.name:
                tables.append(path.with_name("metrics.csv"))
    found = []
    for table in tables:
        try:
            rows = pd.read_csv(table)
            rows = rows[rows["probe"] != "leakage"]  # of factors, not of classes
            found.append(rows[["benchmark", "probe", "top1", "n_test"]])
        except (OSError, ValueError, KeyError):
            continue
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def _is_fine_tuned(config: dict) -> bool:
    return config.get("kind") == "finetuning"


def _objective(config: dict) -> list[str]:
    """Lines about what it was trained for, and for how long."""
    if _is_fine_tuned(config):
        r = config["train"]["recipe"]
        return [
            f"- cross-entropy with labels, all layers, rate times {r['layer_decay']:g} from layer "
            f"to layer; the {r['head']} head is not in this folder",
            "",
            f"{r['epochs']} epochs, {r['batch']} clips a step.",
        ]
    terms = config["train"].get("terms") or []
    lines = []
    for t in terms:
        weight = "the schedule's" if t["name"] == "context" else f"{t['weight']:g}"
        lines.append(f"- `{t['name']}`, weight {weight}, {t['form']}")
    s = config["train"].get("schedule", {})
    last = f"{s.get('steps', '?')} steps of {s.get('batch', '?')} clips."
    return [*(lines or ["- none: initial weights"]), "", f"Form: {config.get('form')}. {last}"]


def _data(config: dict) -> tuple[list[str], str, str]:
    """Lines about the data, the card's licence, and a sentence about it."""
    started = config.get("init")
    if isinstance(config.get("data"), dict):
        line = f"- videos rendered by this project, key `{config.get('data_key')}`"
        lines, licence = [line], "mit"
        say = "MIT, as the code and the rendered videos it was trained on."
    else:
        lines = [
            f"- {d['name']}: share {d['weight']:g}, {d['clips']} clips, rows `{d['rows']}`"
            for d in config.get("data") or []
        ] or ["- none: initial weights"]
        licence = "other"
        say = (
            "The code is MIT. Weights: the terms of the data sets above apply, check them before "
            "you pass the weights on."
        )
    if started:
        lines.append(f"- begun from given weights, SHA-256 `{started}`")
        say += " It began at other weights; the terms of the released weights apply too."
    return lines, licence, say


def model_card(folder: Path, config: dict, encoder: Encoder, layout: str, missing: str) -> str:
    """A model card in Markdown, filled in from a run's own files.

    Parameters
    ----------
    missing : why the folder has no predictor, in a sentence; empty where it has one.
    """
    c = encoder.cfg
    try:
        facts = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
        run_hash, commit, date = facts["hash"], facts["commit"], facts["date"]
    except (OSError, ValueError, KeyError, TypeError):
        run_hash, commit, date = folder.name, "not recorded", "not recorded"
    data, licence, say = _data(config)
    names = {k: config.get(k) for k in ("variant", "form", "regime", "profile", "seed")}
    library = "transformers" if layout == "huggingface" else "pytorch"
    use = (
        [
            "from transformers import VJEPA2Model",
            "model = VJEPA2Model.from_pretrained(FOLDER).eval()",
            "tokens = model(clips, skip_predictor=True).last_hidden_state  # clips [B, F, 3, H, W]",
        ]
        if layout == "huggingface"
        else [
            "from vjepa_lib.model import open_encoder",
            f"encoder, _ = open_encoder(FOLDER, {c.height}, {c.frames})",
            "tokens = encoder(clips, levels=False)  # clips [B, 3, F, H, W]",
        ]
    )
    inside = (
        f"`model.safetensors` and `config.json`. {missing}: `transformers` says so and makes a "
        "random one, which `skip_predictor=True` leaves unused."
        if layout == "huggingface"
        else "`model.safetensors` and, with the same weights, `checkpoint.pt`, whose "
        "`target_encoder` the vjepa2 repository loads; `config.json` says what the model is to be "
        f"built with. {missing or _WITH_PREDICTOR}"
    )
    readings = _readings(folder, config)
    table = ["No reading of this encoder is stored beside its run."]
    if len(readings):
        table = ["| benchmark | probe | top-1 (%) | test clips |", "| --- | --- | --- | --- |"]
        table += [
            f"| {r.benchmark} | {r.probe} | {r.top1:.1f} | {r.n_test} |"
            for r in readings.itertuples()
        ]
    size = sum(p.numel() for p in encoder.parameters())
    lines = [
        "---",
        f"license: {licence}",
        f"library_name: {library}",
        "pipeline_tag: video-classification",
        "tags: [video, v-jepa, self-supervised]",
        "---",
        "",
        f"# {names['variant']} ({names['form']}), seed {names['seed']}",
        "",
        f"Encoder of a Video-JEPA, {size:,} parameters: {c.depth} blocks of width {c.width}, "
        f"{c.heads} heads, clips of {c.frames} frames of {c.height} x {c.width_px} px, tokens of "
        f"{c.tubelet} frames of {c.patch} x {c.patch} px. Frames are RGB in 0 .. 1, less "
        "(0.485, 0.456, 0.406), divided by (0.229, 0.224, 0.225).",
        "",
        f"The folder holds {inside}",
        "",
        "```python",
        *use,
        "```",
        "",
        "## Objective",
        "",
        *_objective(config),
        "",
        f"## Data (regime {names['regime']})",
        "",
        *data,
        "",
        "## Readings",
        "",
        "Encoder and head trained together, on the clips above."
        if _is_fine_tuned(config)
        else "Frozen encoder, last level; heads trained on the benchmark's training split.",
        "",
        *table,
        "",
        "## Where it comes from",
        "",
        f"- run `{run_hash}`, profile {names['profile']}",
        f"- commit `{commit}`, {date}",
        "",
        "## Licence",
        "",
        say,
    ]
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m vjepa_lib.export", description=__doc__)
    parser.add_argument("run", help="folder of a finished run, or its hash")
    parser.add_argument("out", type=Path, help="folder to make")
    parser.add_argument("--layout", choices=LAYOUTS, default="vjepa2")
    args = parser.parse_args(argv)
    try:
        print(export(args.run, args.out, args.layout))
    except CompanionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
