"""What a reading was made with: its protocol in words, beside the published one, and in groups.

A protocol is all that decides an accuracy but the objective and the seed: the clips and steps of
the training, sizes, the geometry of clips and tokens, the heads of the probes. Readings stand in
one group where they agree on every key that both have: an encoder that was never trained has no
steps, so it stands in every group of its geometry.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from vjepa_lib import study
from vjepa_lib.errors import CompanionError
from vjepa_lib.objectives import Sizes, get_term
from vjepa_lib.paper.config import Settings
from vjepa_lib.study.store import plain

Protocol = dict[str, Any]  # key -> value, as JSON has them

UNTRAINED = "random_init"
# Sizes of clips are those that an encoder is read on; the last decides memory and no number.
_NOT_OF_ENCODER = ("height", "width_px", "frames", "activation_checkpointing")
_WORDS = {
    "schedule.batch": "clips a step",
    "schedule.accumulate": "parts of a step",
    "schedule.lr": "learning rate",
    "schedule.lr_start": "first learning rate",
    "schedule.lr_end": "last learning rate",
    "schedule.weight_decay": "weight decay",
    "schedule.momentum": "EMA momentum",
    "schedule.momentum_end": "last EMA momentum",
    "schedule.amp": "precision",
    "read.frames": "frames of a clip",
    "read.size": "pixels of a frame",
    "clips.stride": "frames from one to the next",
    "clips.fps": "frames a second",
    "heads.epochs": "epochs of the attentive head",
    "heads.linear_epochs": "epochs of the linear head",
    "sizes.head_hidden": "hidden width of the terms",
    "sizes.sigreg_directions": "directions of SIGReg",
}


# --- from configurations ------------------------------------------------------------------------


def of_training(config: Mapping[str, Any]) -> Protocol:
    """Protocol of a training run, given its stored configuration; without its regime.

    Raises
    ------
    KeyError, TypeError : the configuration is not that of a training run.
    """
    train = config["train"]
    found = _flat("encoder", train["encoder"], without=_NOT_OF_ENCODER)
    found |= {"training": "known", "init": str(config.get("init") or "random")[:8]}
    if not config["data"]:
        return found
    found |= _of_setup(train) | _flat("clips", config["clip"], without=("frames", "size"))
    for part in config["data"]:
        name = part["name"]
        found |= {f"share.{name}": part["weight"], f"number.{name}": part["clips"]}
        found[f"rows.{name}"] = part["rows"][:8]
    return found | _sizes(train["terms"])


def of_reading(config: Mapping[str, Any]) -> Protocol:
    """Protocol of a reading but for its benchmark, given its stored configuration."""
    clip = _flat("read", config["clip"], without=("antialias",))
    return clip | _flat("heads", config["heads"])


def _of_setup(setup: Mapping[str, Any]) -> Protocol:
    """What a training's setup decides beside its encoder and terms."""
    found = _flat("predictor", setup["predictor"])
    found |= _flat("schedule", setup["schedule"], without=("activation_checkpointing",))
    found |= _flat("masking", setup["masking"], without=("kind",))
    return found | _flat("augmentation", setup["augmentation"])


def _flat(name: str, table: Mapping[str, Any] | None, without: Sequence[str] = ()) -> Protocol:
    return {f"{name}.{k}": v for k, v in (table or {}).items() if k not in without}


def _sizes(terms: Iterable[Mapping[str, Any]]) -> Protocol:
    """The sizes inside a run's terms, as `Sizes` calls them."""
    found = {}
    for term in terms:
        options = dict(term["options"])
        for size in vars(Sizes()):
            for option in _sized_by(term["name"], size):
                if option in options:
                    found[f"sizes.{size}"] = options[option]
    return found


@lru_cache(maxsize=64)
def _sized_by(term: str, size: str) -> tuple[str, ...]:
    """Options of a term that a size of `Sizes` decides; none of a term that nobody knows now."""
    try:
        sized = get_term(term).sized
    except CompanionError:
        return ()
    other = {size: getattr(Sizes(), size) + 1}
    usual, changed = sized(Sizes()), sized(Sizes(**other))
    return tuple(k for k in usual if usual[k] != changed[k])


def objective(config: Mapping[str, Any]) -> str:
    """What a run adds to the JEPA and context losses, in words; sizes left out."""
    train, parts = config["train"], []
    for term in train["terms"]:
        sized = {o for size in vars(Sizes()) for o in _sized_by(term["name"], size)}
        options = [f"{k}={v}" for k, v in term["options"] if k not in sized]
        if term["name"] not in ("jepa", "context"):
            inner = f" ({', '.join([term['form'], *options])})"
            parts.append(f"{term['weight']:g} {term['name']}{inner}")
    if train["masking"]["kind"] != "multiblock":
        parts.append(f"{train['masking']['kind']} masks")
    if not train["ema"]:
        parts.append(f"without EMA, the {train['evaluate']} encoder is read")
    return " + ".join(parts) or "no further term"


# --- beside the published protocol ----------------------------------------------------------------


@lru_cache(maxsize=4)
def published(regime: str) -> Protocol:
    """The protocol of arXiv 2605.17165 in one of its regimes; of reading alone for any other."""
    usual = Settings()
    found = _flat("heads", plain(usual.probes))
    size = [usual.model.height, usual.model.width_px]
    found |= {"read.frames": usual.model.frames, "read.size": size}
    found |= _flat("encoder", plain(usual.model), without=_NOT_OF_ENCODER)
    mix = getattr(usual.regimes, regime, None)
    if mix is None:
        return found
    setup = plain(study.recipe("baseline").setup(usual.profile, 0))
    found |= _of_setup(setup) | {"clips.stride": mix.frame_step, "clips.fps": mix.fps}
    found |= {f"share.{n}": w for n in ("ucf101", "ssv2", "imagenet100") if (w := getattr(mix, n))}
    return found | _flat("sizes", plain(usual.terms))


def differences(protocol: Protocol) -> list[str]:
    """What of a protocol is not as published, in words, each with the published value."""
    regime = protocol.get("regime", "mixed")
    want = published(regime)
    said = [
        f"{_name(k)} {_value(protocol[k])} (published {_value(want[k])})"
        for k in sorted(want, key=_order)
        if k in protocol and protocol[k] != want[k]
    ]
    others = [k for k in protocol if k.startswith("share.") and k not in want]
    said += [f"{_name(k)} {_value(protocol[k])} (published none)" for k in sorted(others)]
    if protocol.get("training") == "unknown":
        said.append("training unknown")
    if protocol.get("init", "random") != "random":
        said.append(f"begun at the weights {protocol['init']} (published random ones)")
    if protocol.get("code", "today") != "today":
        said.append(f"made with another version of {protocol['code']}")
    return said


_SECTIONS = ("schedule", "share", "clips", "read", "encoder", "predictor", "sizes")


def _order(key: str) -> tuple[int, bool]:
    """Steps and batch first, then data, geometry and sizes."""
    section = key.split(".")[0]
    place = _SECTIONS.index(section) if section in _SECTIONS else len(_SECTIONS)
    return place, key not in ("schedule.steps", "schedule.batch")


def _name(key: str) -> str:
    section, _, field = key.partition(".")
    if section == "share":
        return f"share of {field}"
    known = "steps" if key == "schedule.steps" else _WORDS.get(key)
    return known or f"{section} {field.replace('_', ' ')}"


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return " x ".join(map(_value, value))
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)


# --- groups ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Group:
    """Readings of one protocol.

    Attributes
    ----------
    number : from 1, as the tables name it.
    protocol : all keys that one of its readings has.
    """

    number: int
    protocol: Protocol

    @property
    def title(self) -> str:
        """A heading: what tells most groups apart at once."""
        p = self.protocol
        if p["training"] == "given weights":
            made = "given weights"
        elif p["training"] == "unknown":
            made = f"{p['regime']}, training unknown"
        elif "schedule.steps" in p:
            batch = p["schedule.batch"]
            made = f"{p['regime']}, {_value(p['schedule.steps'])} steps of {batch} clips"
        else:
            made = "encoders that were not trained"
        clip = f"{p['read.frames']} frames of {_value(p['read.size'])} px"
        begun = f", begun at {p['init']}" if p.get("init", "random") != "random" else ""
        return f"Group {self.number}: {made}{begun}, read on {clip}"

    @property
    def says(self) -> str:
        """The protocol in a few sentences, and what of it is not as published."""
        p = self.protocol
        parts = [self._training(), self._reading()]
        if "encoder.width" in p:
            cube = [p[f"encoder.{k}"] for k in ("tubelet", "patch", "patch")]
            parts.insert(
                1,
                f"Encoder of width {p['encoder.width']}, depth {p['encoder.depth']}, "
                f"{p['encoder.heads']} heads, tokens of {_value(cube)}.",
            )
        other = "; ".join(differences(p))
        parts.append(
            f"Not as published: {other}." if other else "All these settings are published."
        )
        return " ".join(parts)

    def _training(self) -> str:
        p = self.protocol
        if p["training"] == "given weights":
            return "Weights given as a file or folder; how they were trained is not known here."
        if p["training"] == "unknown":
            return "The store has no whole run of how these encoders were trained."
        if "schedule.steps" not in p:
            return "Not trained."
        shares = [k.partition(".")[2] for k in p if k.startswith("share.")]
        drawn = ", ".join(
            f"{p[f'share.{n}']:g} {n} ({_value(p[f'number.{n}'])} clips, rows {p[f'rows.{n}']})"
            for n in sorted(shares)
        )
        step, fps = p.get("clips.stride"), p.get("clips.fps")
        pace = f"frames {step} apart" if fps is None else f"{fps:g} frames a second"
        at_once = p["schedule.batch"] // p["schedule.accumulate"]
        return (
            f"Trained {_value(p['schedule.steps'])} steps of {p['schedule.batch']} clips (losses "
            f"of {at_once}) at a learning rate of {p['schedule.lr']:g}, from "
            f"{'random weights' if p['init'] == 'random' else 'the weights ' + p['init']}, on "
            f"{drawn}, {pace}."
        )

    def _reading(self) -> str:
        p = self.protocol
        return (
            f"Read on {p['read.frames']} frames of {_value(p['read.size'])} px; attentive heads "
            f"{p['heads.epochs']} epochs of batches of {p['heads.batch']}, linear ones "
            f"{p['heads.linear_epochs']} of {p['heads.linear_batch']}, at a learning rate of "
            f"{p['heads.lr']:g}."
        )


def agree(one: Protocol, other: Protocol) -> bool:
    """Whether two protocols have the same value under every key that both have."""
    return all(other[k] == v for k, v in one.items() if k in other)


def grouped(protocols: Sequence[Protocol]) -> tuple[list[Group], list[list[int]]]:
    """Groups of readings, and for every reading the numbers of those it stands in.

    Each reading stands in one group or more: in several where it lacks what tells them apart.
    Groups with the least that is not as published come first.
    """
    distinct = {json.dumps(p, sort_keys=True): p for p in protocols}
    wholes: list[Protocol] = []
    for _, protocol in sorted(distinct.items(), key=lambda item: (-len(item[1]), item[0])):
        fitting = [w for w in wholes if agree(w, protocol)]
        if not fitting:
            wholes.append(dict(protocol))
        elif not any(_within(protocol, w) for w in fitting):
            fitting[0].update(protocol)
    wholes.sort(key=lambda w: (w["training"] != "known", len(differences(w)), json.dumps(w)))
    groups = [Group(i, w) for i, w in enumerate(wholes, 1)]
    return groups, [[g.number for g in groups if _within(p, g.protocol)] for p in protocols]


def _within(one: Protocol, other: Protocol) -> bool:
    """Whether all that a protocol says is in another one too."""
    return all(k in other and other[k] == v for k, v in one.items())
