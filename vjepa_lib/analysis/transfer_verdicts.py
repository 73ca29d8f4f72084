"""The answer in one table: what the plan says of each combination, by size and way of tuning."""

from __future__ import annotations

import pandas as pd

from vjepa_lib.analysis import (
    transfer_larger,
    transfer_larger_tuned,
    transfer_repeats,
    transfer_tuned,
)
from vjepa_lib.analysis.transfer_evidence import Evidence, of_pair, side, told, verdict
from vjepa_lib.analysis.transfer_score import PRIMARY, TITLES

SMALL, LARGER = "the size of the study", "one size up"
STUDY, TUNED = "at the study's settings", "with rate and weight tuned"
UNITS = {SMALL: "points of the score", LARGER: "points of accuracy"}


def _tables(e: Evidence) -> dict[tuple[str, str], pd.DataFrame]:
    """Size and settings -> the primary contrasts there; empty ones are left out."""
    larger = transfer_larger.contrasts(e)
    tables = {
        (SMALL, STUDY): e.contrasts() if e.has_decisive else pd.DataFrame(),
        (SMALL, TUNED): transfer_tuned.contrasts(e),
        (LARGER, STUDY): larger[larger.weights == transfer_larger.STUDY],
        (LARGER, TUNED): transfer_larger_tuned.contrasts(e),
    }
    return {place: table for place, table in tables.items() if len(table)}


def verdicts(e: Evidence) -> pd.DataFrame:
    """What is said of every combination at each size, untuned and tuned.

    Returns
    -------
    DataFrame, a row a combination, size and kind of settings: `combination`, `size`, `settings`,
    `verdict` ('helps', 'harms', 'makes no difference', 'is undecided'), `against_vclr` and
    `against_other` (the other part), in words, `unit`, `n_seeds`. Combinations that lack a contrast
    are left out.
    """
    rows = []
    for (size, settings), table in _tables(e).items():
        for whole in dict.fromkeys(w for w, _ in PRIMARY):
            own = list(table[table.whole == whole].itertuples())
            if len(own) < 2:
                continue
            with_vclr, other = sorted(own, key=lambda r: r.part != "vclr")
            rows.append(
                {
                    "combination": TITLES[whole],
                    "size": size,
                    "settings": settings,
                    "verdict": verdict(*own),
                    "against_vclr": _brief(with_vclr),
                    "against_other": _brief(other),
                    "unit": UNITS[size],
                    "n_seeds": int(min(r.n_seeds for r in own)),
                }
            )
    columns = ["combination", "size", "settings", "verdict", "against_vclr", "against_other"]
    return pd.DataFrame(rows, columns=[*columns, "unit", "n_seeds"])


def _brief(row) -> str:
    """A contrast in a cell: its number, or in how many seeds of two kinds it is up."""
    if row.outcomes:
        return f"above in {row.n_above:.0f} of {row.n_seeds:.0f} seeds of two kinds"
    return f"{row.effect:+.1f} [{row.low:+.1f}, {row.high:+.1f}]"


def in_short(e: Evidence) -> str | None:
    """The answer in a sentence for each combination: how it comes out where, and what depends."""
    table = verdicts(e)
    if table["size"].nunique() < 2 or table.settings.nunique() < 2:
        return None
    said = []
    for name, rows in table.groupby("combination", sort=False):
        words = []
        for size, own in rows.groupby("size", sort=False):
            found = dict(zip(own.settings, own.verdict, strict=True))
            if len(set(found.values())) == 1 and len(found) > 1:
                outcome = f"{next(iter(found.values()))} both {STUDY} and {TUNED}"
            else:
                outcome = " and ".join(f"{v} {where}" for where, v in found.items())
            words.append(f"at {size} it {outcome}" if size == SMALL else f"{size} it {outcome}")
            words[-1] += _further(e, name) if size == SMALL else ""
        said.append(f"{name}: {'; '.join(words)}")
    return f"In short (*helps* is said only above both parts). {'. '.join(said)}."


def _further(e: Evidence, name: str) -> str:
    """On which side of VCLR the further seeds put a tuned combination; '' where they are few."""
    found = transfer_repeats.contrasts(e)
    if found.empty or TITLES[transfer_repeats.AGAIN[0]] != name:
        return ""
    rows = found[found.seeds == transfer_repeats.FURTHER]
    if rows.empty or rows.n_seeds.iloc[0] < len(transfer_repeats.FURTHER_SEEDS):
        return ""
    row = next(rows.itertuples())
    where = side(row, corrected=False)
    first = of_pair(transfer_tuned.contrasts(e), row)
    if first.empty or where not in ("above", "below"):
        return ""
    return f", where {row.n_seeds:.0f} further seeds put it {where} VCLR ({told(row)})"
