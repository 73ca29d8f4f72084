"""Transfer: readers fitted in a source world, read in worlds shifted away from it.

*Zero-shot* readings fit in the source and read in a target: what of the latent's meaning moves
along. *Re-trained* readings fit in the target: what its latent still holds. A latent can keep the
second and lose the first, so they are told apart everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from vjepa_lib.errors import ConfigError, DataError
from vjepa_lib.evaluation.extract import extract
from vjepa_lib.evaluation.probes import ProbeConfig, attentive_reader
from vjepa_lib.evaluation.readers import (
    NEIGHBOURS,
    STRENGTHS,
    Reader,
    few,
    few_rows,
    logistic,
    neighbours,
)
from vjepa_lib.model.vit import Encoder
from vjepa_lib.settings import Count, Positive, check_domains
from vjepa_lib.video.clips import ClipSet

SOURCE = ("source", 0)  # shift and severity of the source itself


@dataclass(frozen=True)
class Task:
    """One question, asked in a source world and in worlds shifted away from it.

    Attributes
    ----------
    name : of the question.
    source : clips with splits train, val and test.
    targets : (shift, severity) -> clips with a split test and the same classes; with train and val
        where readers are to be fitted there too.
    """

    name: str
    source: ClipSet
    targets: Mapping[tuple[str, int], ClipSet] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for (shift, severity), clips in self.targets.items():
            if clips.label_names != self.source.label_names:
                raise DataError(
                    f"Task {self.name!r}: the classes of {shift} {severity} are not those of the "
                    f"source: transfer needs the same classes in the same order."
                )


@dataclass(frozen=True)
class TransferConfig:
    """How a frozen encoder is read.

    Attributes
    ----------
    strengths : inverse strengths of the linear readers.
    neighbours : k of the nearest-neighbour reading.
    shots : labels a class of the few-label readings.
    subsets : draws of the few labels.
    attentive : the attentive reader's settings; None leaves it out.
    """

    strengths: tuple[Positive, ...] = STRENGTHS
    neighbours: Count = NEIGHBOURS
    shots: tuple[Count, ...] = (1, 2, 5, 10)
    subsets: Count = 20
    attentive: ProbeConfig | None = field(default_factory=ProbeConfig)

    def __post_init__(self) -> None:
        check_domains(self)
        if len(self.strengths) < 3:
            raise ConfigError("The linear readers need three positive strengths or more.")


@dataclass(frozen=True)
class _World:
    """Features of one world: mean tokens [n, D], all tokens (or None), labels, rows by split."""

    mean: np.ndarray
    tokens: Tensor | None
    labels: np.ndarray
    rows: dict[str, np.ndarray]

    @property
    def labelled(self) -> bool:
        return "train" in self.rows and "val" in self.rows

    def part(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        return self.mean[self.rows[split]], self.labels[self.rows[split]]


def _world(encoder: Encoder, clips: ClipSet, with_tokens: bool, where: str) -> _World:
    split = clips.manifest["split"].to_numpy()
    rows = {s: np.flatnonzero(split == s) for s in ("train", "val", "test")}
    rows = {s: r for s, r in rows.items() if len(r)}
    if "test" not in rows:
        raise DataError(f"{where} has no clips of split test: give it some.")
    if with_tokens:
        tokens = extract(encoder, clips, "tokens")
        mean = torch.cat([t.mean(1) for t in tokens.split(256)])
    else:
        tokens, mean = None, extract(encoder, clips)
    return _World(mean.numpy(), tokens, clips.labels.cpu().numpy(), rows)


def read_transfer(
    encoder: Encoder, task: Task, cfg: TransferConfig | None = None, seed: int = 0
) -> pd.DataFrame:
    """Every reading of one task, from one pass over its clips.

    Parameters
    ----------
    encoder : frozen.
    seed : of the attentive head and its batches.

    Returns
    -------
    DataFrame, a row per target and reading: `task`, `shift`, `severity`; `reading` ('linear',
    'neighbours', 'attentive', 'few_1' ..); `fitted` ('source' for zero-shot, 'target' for
    re-trained; on the source itself they are the same and it is 'source'); `top1` in percent, for
    the few-label readings a mean over subsets with standard deviation `spread` (else 0);
    `n_test`, `n_train`; `strength`, `at_edge` of the reader; `right`, bool [n_test], whether each
    test clip is classified right, in the order of the manifest (None for few labels).
    """
    cfg = cfg or TransferConfig()
    with_tokens = cfg.attentive is not None
    out: list[dict] = []

    source = _world(encoder, task.source, with_tokens, f"The source of task {task.name!r}")
    if not source.labelled:
        raise DataError(f"The source of task {task.name!r} needs the splits train, val and test.")
    fitted = _fit(source, cfg, seed)
    for place in (SOURCE, *task.targets):
        shift, severity = place
        if place == SOURCE:
            world = source
        else:
            world = _world(encoder, task.targets[place], with_tokens, f"{shift} {severity}")
        names = {"task": task.name, "shift": shift, "severity": severity}
        out += [names | {"fitted": "source"} | row for row in _read(fitted, world)]
        if world is not source and world.labelled:
            again = _fit(world, cfg, seed)
            out += [names | {"fitted": "target"} | row for row in _read(again, world)]
    return pd.DataFrame(out)


class _Rows:
    """Some clips of a set."""

    def __init__(self, clips: ClipSet, rows: np.ndarray) -> None:
        self.clips, self.rows = clips, rows

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, index: slice, device: str | torch.device = "cpu") -> Tensor:
        return self.clips.batch(torch.from_numpy(self.rows[index]), device)


def source_accuracy(encoder: Encoder, task: Task, strength: float = 1.0) -> float:
    """How well the source of a task is read, quickly: for looking on while an encoder trains.

    A linear reader of one strength, fitted on `train` and read on `val`: no test clip takes part.

    Returns
    -------
    Top-1 in percent.
    """
    split = task.source.manifest["split"].to_numpy()
    rows = {s: np.flatnonzero(split == s) for s in ("train", "val")}
    x = {s: extract(encoder, _Rows(task.source, r)).numpy() for s, r in rows.items()}
    y = {s: task.source.labels.cpu().numpy()[r] for s, r in rows.items()}
    reader = logistic(x["train"], y["train"], x["val"], y["val"], (strength,))
    return 100 * float((reader.predict(x["val"]) == y["val"]).mean())


@dataclass(frozen=True)
class _Fitted:
    """Readers fitted in one world, and how many labelled clips they saw.

    Attributes
    ----------
    readers : 'linear', 'neighbours'.
    few : labels a class -> a reader a subset.
    attentive : (tokens, row numbers) -> class numbers, or None.
    """

    readers: dict[str, Reader]
    few: dict[int, list[Reader]]
    attentive: Callable[[Tensor, np.ndarray], np.ndarray] | None
    n_train: int
    n_classes: int


def _fit(world: _World, cfg: TransferConfig, seed: int) -> _Fitted:
    (x, y), (x_val, y_val) = world.part("train"), world.part("val")

    def few_reader(count: int, subset: int) -> Reader:
        rows = few_rows(world.labels, world.rows["train"], count, subset)
        return few(world.mean[rows], world.labels[rows], cfg.strengths)

    attentive = None
    if cfg.attentive is not None:
        attentive = attentive_reader(world.tokens, world.labels, world.rows, cfg.attentive, seed)
    return _Fitted(
        {
            "linear": logistic(x, y, x_val, y_val, cfg.strengths),
            "neighbours": neighbours(x, y, cfg.neighbours),
        },
        {k: [few_reader(k, subset) for subset in range(cfg.subsets)] for k in cfg.shots},
        attentive,
        len(y),
        len(np.unique(y)),
    )


def _read(fitted: _Fitted, world: _World) -> list[dict]:
    """A row per reading of the test clips of a world."""
    x, y = world.part("test")

    def row(reading: str, scores: list[float], n_train: int, **rest) -> dict:
        blank = {"strength": np.nan, "at_edge": False, "right": None}
        score = {"top1": float(np.mean(scores)), "spread": float(np.std(scores))}
        return {"reading": reading} | score | {"n_test": len(y), "n_train": n_train} | blank | rest

    def score(predicted: np.ndarray) -> float:
        return 100 * float((predicted == y).mean())

    out = []
    for reading, reader in fitted.readers.items():
        predicted = reader.predict(x)
        known = {"strength": reader.strength, "at_edge": reader.at_edge, "right": predicted == y}
        out.append(row(reading, [score(predicted)], fitted.n_train, **known))
    if fitted.attentive is not None:
        predicted = fitted.attentive(world.tokens, world.rows["test"])
        out.append(row("attentive", [score(predicted)], fitted.n_train, right=predicted == y))
    for count, readers in fitted.few.items():
        scores = [score(r.predict(x)) for r in readers]
        often = sum(r.at_edge for r in readers) > len(readers) / 2
        out.append(row(f"few_{count}", scores, count * fitted.n_classes, at_edge=often))
    return out
