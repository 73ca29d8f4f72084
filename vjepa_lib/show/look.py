"""How variants look in every figure: colour, marker, line, label; and the style of a figure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_hex, to_rgb

from vjepa_lib.study.titles import DESCRIBED, label
from vjepa_lib.study.variants import STUDIED, VARIANTS, family_of, find_variant

COLUMN, PAGE = 3.4, 7.0  # inches: one column and the full width of a two-column page

# Dark to light within a colour-blind safe set (Paul Tol's 'muted' with two additions); a marker
# always goes with the colour, so that nothing rests on hue alone.
FAMILIES: dict[str, str] = {
    "baseline": "#222222",
    "fwm": "#332288",
    "ld": "#117733",
    "hw": "#DDAA33",
    "masking": "#66BBDD",
    "temporal": "#44AA99",
    "contrast": "#AA4499",
    "action": "#CC6677",
    "kinematic": "#8C8C1E",
    "dynamics": "#882255",
    "combination": "#F2692E",
    "untrained": "#AAAAAA",
    "other": "#777777",
}
MARKERS = "osD^vP<>XpH*"
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
_SPECIAL = {
    "random_init": "untrained",
    "no_ema": "kinematic",
    "supervised": "other",
    "single_frame": "other",
    "baseline_seed42": "baseline",
}
# How the two baselines of the published table are told apart.
PUBLISHED = {"baseline": "Baseline (seed 239)", "baseline_seed42": "Baseline (seed 42)"}


def family(variant: str) -> str:
    """The idea a variant belongs to: its `family` in the study, else by name, else 'other'."""
    variant = variant.removesuffix(DESCRIBED)
    row = find_variant(variant)
    if row is not None:
        return family_of(row)
    if variant in _SPECIAL:
        return _SPECIAL[variant]
    return "combination" if "+" in variant else "other"


def term_colour(term: str) -> str:
    """Hex colour of a term: that of its family."""
    from vjepa_lib.objectives import TERMS  # loads torch; the look of a variant must not

    return FAMILIES[TERMS[term].family if term in TERMS else "other"]


def _members(name: str) -> tuple[str, ...]:
    """The names of a family, the study's first: a reader's row must not move their looks."""
    studied = (v for v in STUDIED if VARIANTS[v].family == name)
    special = (v for v, f in _SPECIAL.items() if f == name and v not in STUDIED)
    own = (v for v, row in list(VARIANTS.items())[len(STUDIED) :] if family_of(row) == name)
    return (*studied, *special, *own)


def _position(variant: str) -> int:
    variant, members = variant.removesuffix(DESCRIBED), _members(family(variant))
    # A name from outside the study gets a place that depends on nothing but the name.
    return members.index(variant) if variant in members else len(members) + sum(variant.encode())


def colour(variant: str) -> str:
    """Hex colour of a variant: the hue of its family, lighter from member to member."""
    base = np.array(to_rgb(FAMILIES[family(variant)]))
    pale = 0.15 * (_position(variant) % 4)
    return to_hex(base + (1 - base) * pale)


def ink(variant: str) -> str:
    """Colour of text about a variant: that of its family, dark enough to read on white."""
    base = np.array(to_rgb(FAMILIES[family(variant)]))
    light = base @ (0.299, 0.587, 0.114)
    return to_hex(base * min(1.0, 0.38 / max(light, 1e-6)))


def marker(variant: str) -> str:
    """Marker of a variant, different for the members of a family."""
    # Tints repeat every four members: each further round of markers is moved by one, so that no
    # marker meets the same tint again before the forty-ninth member.
    around, place = divmod(_position(variant), len(MARKERS))
    return MARKERS[(place + around) % len(MARKERS)]


def line(variant: str) -> str | tuple:
    """Line style of a variant, different for the first members of a family and for its forms."""
    return LINES[(_position(variant) + variant.endswith(DESCRIBED)) % len(LINES)]


def published(name: str) -> str:
    """How a variant of the published table is written: as `label`, baselines with their seed."""
    return PUBLISHED.get(name, label(name))


@contextmanager
def style() -> Iterator[None]:
    """Settings of every figure: 8-point text, thin lines, light grid, the same SVG each time."""
    with mpl.rc_context(
        {
            "font.family": "DejaVu Sans",
            "font.size": 8,
            "axes.titlesize": 8,
            "axes.labelsize": 8,
            "xtick.labelsize": 7,
            "ytick.labelsize": 7,
            "legend.fontsize": 7,
            "legend.frameon": False,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.linewidth": 0.6,
            "axes.grid": False,
            "grid.color": "#dddddd",
            "grid.linewidth": 0.5,
            "lines.linewidth": 1.1,
            "lines.markersize": 4,
            "xtick.major.width": 0.6,
            "ytick.major.width": 0.6,
            "figure.constrained_layout.use": True,
            "svg.hashsalt": "vjepa",
            "svg.fonttype": "path",
        }
    ):
        yield
