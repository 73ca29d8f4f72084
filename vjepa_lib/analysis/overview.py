"""The study as tables: its terms, its variants, its profiles."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from vjepa_lib import study
from vjepa_lib.objectives import TERMS


def terms() -> pd.DataFrame:
    """Every term with its formula and where it is from."""
    rows = [
        {"term": n, "formula": f"${_without_bars(t.formula)}$", "source": t.source}
        for n, t in TERMS.items()
    ]
    return pd.DataFrame(rows)


def _said(options: Mapping[str, object]) -> str:
    """Options of a term in words: ' (on the dynamics channels, hard weighted)'."""
    said = []
    for name, value in options.items():
        if name == "channels":
            said.append(f"on the {value} channels")
        elif isinstance(value, bool):
            said.append(("" if value else "not ") + name.replace("_", " "))
        else:
            said.append(f"{name.replace('_', ' ')} {value}")
    return f" ({', '.join(said)})" if said else ""


def _without_bars(formula: str) -> str:
    """A formula without the sign that ends a cell of a Markdown table."""
    return formula.replace(r"\|", r"\Vert ").replace("|", r"\vert ")


def variants() -> pd.DataFrame:
    """Every variant: its regime, terms, masks; 'both' forms where they train different things."""
    rows = []
    for v in study.VARIANTS.values():
        added = [f"{w:g} {n}{_said(options)}" for n, w, options in v.terms]
        rows.append(
            {
                "variant": v.name,
                "regime": v.regime,
                "terms beside JEPA and context": " + ".join(added) or "-",
                "masking": v.masking,
                "EMA": "on" if v.ema else "off",
                "forms": "both" if study.differs(v.name) else "one",
            }
        )
    return pd.DataFrame(rows)


def profiles() -> pd.DataFrame:
    """Every profile: size of encoder, training and data."""
    return pd.DataFrame(
        [
            {
                "profile": p.name,
                "width": p.encoder.width,
                "depth": p.encoder.depth,
                "tokens": "x".join(map(str, p.encoder.grid.shape)),
                "steps": p.schedule.steps,
                "batch": p.schedule.batch,
                "seeds": len(p.seeds),
                "data": "embedded" if p.data else "the user's",
            }
            for p in study.PROFILES.values()
        ]
    )


def size_of_study() -> list[str]:
    """How many terms and variants there are, and which variants come in two forms."""
    two = [v for v in study.VARIANTS if study.differs(v)]
    return [
        f"{len(TERMS)} terms, {len(study.VARIANTS)} variants; {len(two)} variants train something "
        "else as released than as described:",
        ", ".join(two),
    ]
