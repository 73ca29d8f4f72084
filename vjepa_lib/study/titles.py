"""How variants and benchmarks are written: in figures and tables, and in sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable

from vjepa_lib.study.variants import HALVES, find_variant

DESCRIBED = " (described)"  # ends the name of a variant trained in its described form
_ACRONYMS = ("fwm", "hw", "ld", "ac", "fac", "amg", "ltc", "iic", "vclr", "ema", "jepa", "ucf")
_WORDS = {w: w.upper() for w in _ACRONYMS}
_WORDS |= {"sigreg": "SIGReg", "velgate": "VelGate", "accel": "acceleration", "huber": "Huber"}
_LABELS = {
    "baseline_seed42": "Baseline (seed 42)",
    "random_init": "Random init",
    "kinematic_0_1": "Kinematic 0.1",
    "no_ema": "EMA off only",
    "hw1": "HW (weight 1)",
    "ac_hw": "AC+HW",
    "sigreg_no_ema": "SIGReg, no EMA",
    "imagenet100": "ImageNet-100",
    "ssv2": "SSv2",
    "diving48": "Diving-48",
    "ucf101": "UCF-101",
    "ucf101_subset": "UCF-101 subset",
    "synthetic_motion": "synthetic motion",
    "hacs": "HACS",
    "kinetics400": "Kinetics-400",
    "fine_motion": "fine motion",
    "shift_kinetics": "shift\n(Kinetics)",
    "shift_hacs": "shift\n(HACS)",
}


def label(name: str) -> str:
    """How a variant or benchmark is written: 'fwm_hw_ld' -> 'FWM-HW-LD'."""
    if name.endswith(DESCRIBED):
        return label(name.removesuffix(DESCRIBED)) + DESCRIBED
    if name in _LABELS:
        return _LABELS[name]
    if ", " in name:  # a variant and what it was trained on
        return ", ".join([label(name.split(", ")[0]), *name.split(", ")[1:]])
    if "+" in name:
        return " + ".join(label(part) for part in name.split("+"))
    words = name.split("_")
    if all(w in _WORDS for w in words):
        return "-".join(_WORDS[w] for w in words)
    text = " ".join(_WORDS.get(w, w) for w in words)
    return text[:1].upper() + text[1:] if find_variant(name) else text


def spelt(name: str) -> str:
    """A variant or benchmark in a sentence: 'fwm+vclr (described)' -> 'FWM as described with VCLR'.

    Only the factorized part has two forms, so the form is said behind it.
    """
    form = " as described" if name.endswith(DESCRIBED) else ""
    part, _, contrast = name.removesuffix(DESCRIBED).partition("+")
    said = " ".join(label(part).split()) + form
    if not contrast:
        return said
    half = next((h for h in HALVES if contrast.endswith(f"_{h}")), "")
    where = f" on its {half} half" if half else ""
    return f"{said} with {label(contrast.removesuffix(f'_{half}'))}{where}"


def spelt_in(text: str, names: Iterable[str]) -> str:
    """A text in which some names stand as they are written; names that are plain words stay.

    Parameters
    ----------
    names : of variants and benchmarks, as tables key them.
    """
    known = sorted((n for n in names if label(n) not in (n, n.capitalize())), key=len, reverse=True)
    if not known:
        return text
    found = re.compile(rf"(?<!\w)({'|'.join(map(re.escape, known))})(?!\w)")
    return found.sub(lambda m: spelt(m[1]), text)
