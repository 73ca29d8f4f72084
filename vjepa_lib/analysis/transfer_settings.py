"""What is not as in the study in a run of another setting: its parts, whom they concern, in words.

A setting is the text of `TransferRun.changed`, parts joined by commas: 'steps 2400', 'lr 0.002',
'width 256', 'ld x0.1', 'without order'.
"""

from __future__ import annotations

import re

from vjepa_lib import study

_WEIGHT = re.compile(r"(\w+) x([\d.]+)")
HALF_AND_TWICE = ("lr 0.002", "lr 0.008")  # rates that all objectives were trained with
_FWM = ("fwm_static", "fwm_orth")  # the two weights of one world model, changed together


def parts(changed: str) -> list[str]:
    """The parts of a setting; none for the study itself."""
    return [p for p in changed.split(", ") if p]


def only_weights(changed: str) -> bool:
    """Whether nothing but weights of terms differs from the study, or nothing at all."""
    return all(_WEIGHT.fullmatch(p) for p in parts(changed))


def chosen_among(changed: str) -> bool:
    """Whether a setting is one of the weights that sources choose from.

    FWM's were changed after that choice had been told: they are a setting as others are.
    """
    return only_weights(changed) and not any(p.startswith(_FWM) for p in parts(changed))


def only_rate(changed: str) -> bool:
    """Whether nothing but the learning rate differs, by half or twice, or nothing at all."""
    return all(p in HALF_AND_TWICE for p in parts(changed))


def rate_and_weight(changed: str) -> bool:
    """Whether the learning rate and the weight of a term are changed together."""
    found = parts(changed)
    return any(p.startswith("lr ") for p in found) and any(_WEIGHT.fullmatch(p) for p in found)


def for_variant(variant: str, changed: str) -> str:
    """The parts of a setting that mean something to a variant.

    VCLR alone has no weight of LD to change, and LD no part of VCLR to leave out: of such a setting
    they are run as they are in the study.
    """
    terms = {t[0] for t in study.VARIANTS[variant].terms}

    def concerns(part: str) -> bool:
        if weight := _WEIGHT.fullmatch(part):
            return weight[1] in terms
        return not part.startswith("without ") or "vclr" in terms

    return ", ".join(p for p in parts(changed) if concerns(p))


def in_words(changed: str) -> str:
    """A setting as it is written: 'LD x0.1', '2400 steps'; 'as in the study' of nothing changed."""
    said: list[str] = []
    for part in parts(changed):
        name, _, value = part.partition(" ")
        if weight := _WEIGHT.fullmatch(part):
            term = "FWM" if weight[1] in _FWM else weight[1].upper()
            words = f"{term} x{weight[2]}"
        elif name == "steps":
            words = f"{value} steps"
        elif name == "lr":
            words = f"learning rate {value}"
        elif name == "without":
            words = f"VCLR without its {value} part"
        else:
            words = part
        if words not in said:
            said.append(words)
    return " and ".join(said) or "as in the study"


def order(changed: str) -> tuple:
    """Sorting key: the study, then lengths, widths, rates, parts of VCLR, weights; by size."""
    kinds = ("steps", "width", "lr", "without")
    found = parts(changed)
    if not found:
        return (-1,)
    name, _, value = found[0].partition(" ")
    kind = kinds.index(name) if name in kinds else len(kinds)
    number = float(value) if kind < 3 else float(value.removeprefix("x") or 0) if kind > 3 else 0.0
    return (kind, len(found), "" if kind < 3 else found[0].split(" x")[0], number)
