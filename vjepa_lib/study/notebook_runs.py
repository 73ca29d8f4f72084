"""What each notebook asks for: (variant, form) pairs, or triples with a regime."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vjepa_lib.datasets.synthetic import REGIMES
from vjepa_lib.study.configs import RunConfig, canonical, differs, resolve
from vjepa_lib.study.profiles import get_profile
from vjepa_lib.study.variants import (
    CONTRASTS,
    FACTORIAL,
    FACTORIZED,
    FORMS,
    HALVES,
    REFERENCES,
    STUDIED,
    VARIANTS,
    combined,
)


# What each notebook asks for: (variant, form) pairs, or triples with a regime, once per seed.
def _forms(*names: str) -> tuple[tuple[str, str], ...]:
    """Every form of some variants."""
    return tuple((v, f) for v in names for f in (FORMS if differs(v) else FORMS[:1]))


_KINEMATIC = tuple(n for n in STUDIED if VARIANTS[n].family == "kinematic")
# All that has a published row.
_OURS = ("fwm_hw", "hw1", "no_ema", "iic", "vclr")
_PUBLISHED = tuple(n for n in STUDIED if n not in _OURS and "+" not in n)
_COMBINATION = tuple(
    (v if c == "none" else combined(v, c), f) for v, f in FACTORIZED for c in ("none", *CONTRASTS)
)
_ON_HALVES = tuple((combined("fwm_hw_ld", c, h), "described") for c in CONTRASTS for h in HALVES)
# Every encoder of the transfer matrix, by what it was pretrained on.
TRANSFER = (
    ("baseline", "released"),
    ("vclr", "released"),
    ("fwm_hw_ld", "described"),
    ("fwm_hw_ld+vclr", "described"),
)
_TRANSFERS = tuple((v, f, r) for v, f in TRANSFER for r in REGIMES)
_RANDOM = ("random_init", "released")
# A combination is held against every part there is, and scores need a ceiling.
_PARTS = (
    *(("ld", "released"), ("hw1", "released"), ("fwm_hw", "described")),
    *(("fwm_ld", "described"), ("hw_ld", "described"), ("supervised", "released")),
)
NOTEBOOK_RUNS: dict[str, tuple[tuple[str, ...], ...]] = {
    "02": _forms(*_PUBLISHED),
    "03": tuple((v, "released") for v in (*REFERENCES, "baseline")),
    "04": (_RANDOM, *_forms("baseline", "ucf_baseline", "no_ema")),
    "05": (_RANDOM, *_forms("baseline", "hw", "hw1", "ac_hw", "combo")),
    "06": (_RANDOM, *_forms("baseline", "ld", "hw_ld", "fwm_ld")),
    "07": (_RANDOM, *_forms(*FACTORIAL.values())),
    "08": (
        _RANDOM,
        *_forms("baseline", "motion_guided", "amg"),
        *_forms("ucf_baseline", "ucf_motion_guided", "future_predictive", "motion_future"),
    ),
    "09": (_RANDOM, *_forms("baseline", "ac", "ac_hw", "fac")),
    "10": (_RANDOM, *_forms("baseline", "delta", "combo", "spectral", "ltc")),
    "11": (
        _RANDOM,
        *_forms("ucf_baseline", *_KINEMATIC, "velgate", "hamiltonian", "sigreg", "sigreg_no_ema"),
    ),
    "12": (_RANDOM, *_forms("baseline", *CONTRASTS)),
    "13": (_RANDOM, *_COMBINATION, *_PARTS, *_ON_HALVES, *_TRANSFERS),
    "14": (_RANDOM, *_COMBINATION, *_PARTS, *_TRANSFERS),
}
# What a profile leaves to the recorded runs. `mini` trains while its reader waits, so it trains one
# seed of every idea: of a term with several settings the one that has its name, of the combination
# the whole with every contrast. The rest is recorded at `small`: contrast on halves, other
# pretraining domains, further settings, and with a contrast the whole as released and FWM alone.
_SETTINGS = tuple((v, "described") for v in _KINEMATIC if v.startswith("kinematic_"))
_WITH_CONTRAST = tuple(
    (combined(v, c), f)
    for v, f in (("fwm", "described"), ("fwm_hw_ld", "released"))
    for c in CONTRASTS
)
LEFT_TO_RECORDED: dict[str, frozenset[tuple[str, ...]]] = {
    "mini": frozenset(
        (
            *_ON_HALVES,
            *(t for t in _TRANSFERS if t[2] != "mixed"),
            *_SETTINGS,
            *_WITH_CONTRAST,
        )
    ),
}


def configs_of(
    asked: Iterable[tuple[str, ...]], profile: str, seeds: Sequence[int]
) -> list[RunConfig]:
    """Runs of (variant, form) pairs, or triples with a regime; all first seeds first.

    Each once, though it be asked for by two names of its regime, and none that the profile leaves
    to the recorded runs. A supervised reference gets one seed: it shows what a benchmark takes.
    """
    left = LEFT_TO_RECORDED.get(profile, frozenset())
    found = [
        resolve(v, f, profile, s, *regime)
        for s in seeds
        for v, f, *regime in asked
        if (v, f, *regime) not in left and (s == seeds[0] or v not in REFERENCES[1:])
    ]
    return list(dict.fromkeys(found))


def runs_for(
    notebooks: Iterable[str], profile: str, seeds: Sequence[int] | None = None
) -> list[RunConfig]:
    """Runs to train for the given notebooks (by number), those that are shared once."""
    seeds = tuple(seeds) if seeds else get_profile(profile).seeds
    asked = dict.fromkeys(p for n in notebooks for p in NOTEBOOK_RUNS.get(n, ()))
    return list(dict.fromkeys(map(canonical, configs_of(asked, profile, seeds))))
