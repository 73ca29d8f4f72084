"""The study as a table: a variant is a sum of named terms. Plain data; nothing here needs torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vjepa_lib import own_files
from vjepa_lib.errors import ConfigError, shown, unknown
from vjepa_lib.settings import Positive, check_domains, check_value

FORMS = ("released", "described")
# The ideas that variants belong to, as legends name them; `show.look` gives each its colour.
FAMILIES = {
    "baseline": "V-JEPA baseline",
    "fwm": "factorized world model",
    "ld": "latent dynamics",
    "hw": "hard-region weighting",
    "masking": "masking",
    "temporal": "delta, spectral",
    "contrast": "contrastive",
    "action": "action-conditioned",
    "kinematic": "kinematic (EMA off)",
    "dynamics": "physics, SIGReg",
    "combination": "combination",
    "untrained": "untrained",
    "other": "other",
}


@dataclass(frozen=True)
class Variant:
    """One row of the study's table.

    Attributes
    ----------
    name, regime : key, and the pretraining data it was published with.
    terms : (term, weight, options) added to the JEPA and context losses.
    masking : kind of mask.
    ema : whether the target encoder follows.
    family : the idea it belongs to, a key of `FAMILIES`; decides its colour in figures. Left out,
        it is that of its first term (`family_of`); the rows below give it, so that naming and
        colouring them does not load the terms, and torch with them.

    Raises
    ------
    ConfigError : a field of another type, a weight that is not finite and above 0, or an option
        that is not finite.
    """

    name: str
    regime: str
    terms: tuple[tuple[str, float, dict], ...] = ()
    masking: str = "multiblock"
    ema: bool = True
    family: str | None = None

    def __post_init__(self) -> None:
        check_domains(self, _FIELDS)
        for term in self.terms:
            _check_term(self.name, term)


_FIELDS = {"name": str, "regime": str, "terms": tuple | list, "masking": str, "ema": bool}
_FIELDS |= {"family": str | None}


def _check_term(variant: str, term: Any) -> None:
    plain = isinstance(term, (tuple, list)) and len(term) == 3
    if not plain or not isinstance(term[0], str) or not isinstance(term[2], Mapping):
        raise ConfigError(
            f"The variant {shown(variant)} has the term {shown(term)}: write (name, weight, "
            "options), the options as a dictionary."
        )
    name, weight, options = term
    check_value(f"The weight of {name} in the variant {variant}", weight, Positive)
    for key, value in options.items():
        if not _finite(value):
            raise ConfigError(
                f"The option {key} of {name} in the variant {variant} is {shown(value)}: give "
                "finite numbers."
            )


def _finite(value: Any) -> bool:
    """Whether no number in an option, or in what it holds, is infinite or none."""
    if isinstance(value, (list, tuple)):
        return all(map(_finite, value))
    return math.isfinite(value) if isinstance(value, float) else True


_FWM = (("fwm_static", 0.05, {}), ("fwm_orth", 0.01, {}))
_Y = {"channels": "dynamics"}
_HARD = {"hard_weighted": True}


def _kinematic(name: str, weight: float = 0.1, **options) -> Variant:
    return Variant(name, "ucf101", (("kinematic", weight, options),), ema=False, family="kinematic")


VARIANTS: dict[str, Variant] = {
    v.name: v
    for v in (
        Variant("baseline", "mixed", family="baseline"),
        Variant("hw", "mixed", (("hw", 0.3, {}),), family="hw"),
        Variant("ld", "mixed", (("ld", 1.0, {}),), family="ld"),
        Variant("fwm", "mixed", _FWM, family="fwm"),
        Variant("fwm_ld", "mixed", (*_FWM, ("ld", 1.0, _Y)), family="fwm"),
        Variant("hw_ld", "mixed", (("hw", 1.0, {}), ("ld", 1.0, _HARD)), family="ld"),
        # Not in the paper: the cell its factorial lacks. Weight 1, as in its other combinations.
        Variant("fwm_hw", "mixed", (*_FWM, ("hw", 1.0, {})), family="fwm"),
        Variant(
            "fwm_hw_ld",
            "mixed",
            (*_FWM, ("hw", 1.0, {}), ("ld", 1.0, _Y | _HARD)),
            family="fwm",
        ),
        Variant("motion_guided", "mixed", masking="motion_guided", family="masking"),
        Variant("amg", "mixed", masking="amg", family="masking"),
        Variant("delta", "mixed", (("delta", 0.5, {}),), family="temporal"),
        Variant(
            "combo",
            "mixed",
            (("delta", 0.5, {}), ("hw", 0.3, {})),
            masking="amg",
            family="temporal",
        ),
        Variant("spectral", "mixed", (("spectral", 1.0, {}),), family="temporal"),
        Variant("ltc", "mixed", (("ltc", 0.5, {}),), family="contrast"),
        Variant("ac", "mixed", (("ac", 1.0, {}),), family="action"),
        Variant("ac_hw", "mixed", (("ac", 1.0, {}), ("hw", 0.3, {})), family="action"),
        Variant("fac", "mixed", (*_FWM, ("ac", 1.0, _Y)), family="action"),
        Variant("ucf_baseline", "ucf101", family="baseline"),
        _kinematic("kinematic", 1.0),
        _kinematic("kinematic_0_1"),
        _kinematic("kinematic_accel", kind="acceleration"),
        _kinematic("kinematic_anneal", kind="acceleration", anneal=True),
        _kinematic("kinematic_huber", kind="huber"),
        _kinematic("kinematic_split", kind="acceleration", ratio=0.5),
        Variant("sigreg", "ucf101", (("sigreg", 1.0, {}),), family="dynamics"),
        Variant("sigreg_no_ema", "ucf101", (("sigreg", 1.0, {}),), ema=False, family="dynamics"),
        # The control the paper lacks: EMA off and nothing else.
        Variant("no_ema", "ucf101", ema=False, family="kinematic"),
        Variant("hamiltonian", "ucf101", (("hamiltonian", 1.0, {}),), family="dynamics"),
        Variant("velgate", "ucf101", (("velgate", 1.0, {}),), family="dynamics"),
        Variant("ucf_motion_guided", "ucf101", masking="motion_guided", family="masking"),
        Variant("future_predictive", "ucf101", masking="future_predictive", family="masking"),
        Variant("motion_future", "ucf101", masking="motion_future", family="masking"),
    )
}

# --- the combination: factorized dynamics x contrastive learning --------------------------------

# LTC has its published weight. IIC and VCLR get the weight at which their gradient into the context
# encoder is about as long as LTC's, over the first 200 steps of the baseline at the size of `small`
# (notebook 12 measures it): no benchmark was looked at.
CONTRASTS = {"ltc": 0.5, "iic": 0.003, "vclr": 0.006}
HALVES = ("appearance", "dynamics")
# Rows of the combination, each with the form it is trained in.
FACTORIZED = (
    ("baseline", "released"),
    ("fwm", "described"),
    ("fwm_hw_ld", "released"),
    ("fwm_hw_ld", "described"),
)


def combined(base: str, contrast: str, half: str = "") -> str:
    """Name of a variant with a contrastive term beside its own, on all channels or on one half."""
    name = contrast if base == "baseline" else f"{base}+{contrast}"
    return f"{name}_{half}" if half else name


def _combination(base: str, contrast: str, half: str = "") -> Variant:
    options = {"channels": half} if half else {}
    terms = (*VARIANTS[base].terms, (contrast, CONTRASTS[contrast], options))
    family = "contrast" if base == "baseline" else "combination"
    return Variant(combined(base, contrast, half), "mixed", terms, family=family)


for _base in dict.fromkeys(v for v, _ in FACTORIZED):
    for _contrast in CONTRASTS:
        for _half in ("", *HALVES) if _base == "fwm_hw_ld" else ("",):
            _row = _combination(_base, _contrast, _half)
            VARIANTS.setdefault(_row.name, _row)

# What a pretrained encoder is measured against: the encoder as it was initialised, the same encoder
# trained end to end with labels, and the same with one frame of every clip shown all the time.
REFERENCES = ("random_init", "supervised", "single_frame")

FACTORS = ("fwm", "hw", "ld")
FACTORIAL: dict[tuple[int, int, int], str] = {
    (0, 0, 0): "baseline",
    (1, 0, 0): "fwm",
    (0, 1, 0): "hw1",
    (0, 0, 1): "ld",
    (1, 1, 0): "fwm_hw",
    (1, 0, 1): "fwm_ld",
    (0, 1, 1): "hw_ld",
    (1, 1, 1): "fwm_hw_ld",
}
# The published hw row has weight 0.3 and the published combinations weight 1: a factorial needs
# one weight, so its hw cell is trained at 1.
VARIANTS["hw1"] = Variant("hw1", "mixed", (("hw", 1.0, {}),), family="hw")

# The same with video-level contrast as a fourth factor: VCLR on each of the eight cells.
FACTORS4 = (*FACTORS, "vclr")
FACTORIAL4: dict[tuple[int, int, int, int], str] = {
    (*key, vclr): combined(base, "vclr") if vclr else base
    for key, base in FACTORIAL.items()
    for vclr in (0, 1)
}
# LTC and IIC stand beside it with none, LD, FWM and FWM-HW-LD.
for _base, _contrast in [(b, "vclr") for b in FACTORIAL.values()] + [
    (b, c) for b in ("ld", "fwm", "fwm_hw_ld") for c in ("ltc", "iic")
]:
    _row = _combination(_base, _contrast)
    VARIANTS.setdefault(_row.name, _row)


# The rows of the study itself; a reader's own come after them.
STUDIED = tuple(VARIANTS)


def add_variant(row: Variant, replace: bool = False) -> Variant:
    """Put a row of the reader's own into the table.

    Parameters
    ----------
    replace : take the place of another row of this name, unless it is one of the study's.

    Raises
    ------
    ConfigError : the name is taken by another row, or cannot be a name, or the family is unknown.
    """
    old = VARIANTS.get(row.name)
    if not row.name or row.name in REFERENCES or any(c in row.name for c in ", \t\n/"):
        raise ConfigError(
            f"{row.name!r} cannot be the name of a variant: choose one without spaces, commas and "
            f"slashes that is none of {', '.join(REFERENCES)}."
        )
    if old is not None and old != row and (row.name in STUDIED or not replace):
        way_out = "" if row.name in STUDIED else ", or put this row in its place with replace=True"
        raise ConfigError(f"There is a variant {row.name!r} already: choose another name{way_out}.")
    if row.family is not None and row.family not in FAMILIES:
        raise unknown("family", row.family, FAMILIES)
    VARIANTS[row.name] = row
    if old is None:
        own_files.taken_back_by(lambda: VARIANTS.pop(row.name, None))
    return row


def find_variant(name: str) -> Variant | None:
    """The row of a name, in the readers' own files too; None if there is none."""
    own_files.load()
    return VARIANTS.get(name)


def get_variant(name: str) -> Variant:
    """Look a variant up, in the readers' own files too.

    Raises
    ------
    ConfigError : unknown name; the message lists the known ones.
    """
    if find_variant(name) is None:
        raise unknown("variant", name, VARIANTS)
    return VARIANTS[name]


def family_of(variant: Variant) -> str:
    """The family of a row: its own, else that of its first term, else the baseline's.

    Raises
    ------
    ConfigError : the term is unknown, or its family is none of `FAMILIES`.
    """
    family = variant.family
    if family is None and variant.terms:
        from vjepa_lib.objectives import get_term  # loads torch: only where a row leaves it open

        family = get_term(variant.terms[0][0]).family
    family = family or "baseline"
    if family not in FAMILIES:
        raise unknown("family", family, FAMILIES)
    return family
