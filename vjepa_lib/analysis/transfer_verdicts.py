"""The answer in one table: what the plan says of each combination, by size and way of tuning."""

from __future__ import annotations

import pandas as pd

from vjepa_lib.analysis import (
    transfer_larger,
    transfer_larger_tuned,
    transfer_repeats,
    transfer_tuned,
)
from vjepa_lib.analysis.transfer_evidence import Evidence, side, told, verdict
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
    `against_other` (the other part), in words, `levels` (means of the combination, VCLR and the
    other part), `open` (on which side of each part it is, in words), `unit`, `n_seeds`.
    Combinations that lack a contrast are left out.
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
                    "levels": _levels(with_vclr, other),
                    "open": _sides(own),
                    "unit": UNITS[size],
                    "n_seeds": int(min(r.n_seeds for r in own)),
                }
            )
    columns = ["combination", "size", "settings", "verdict", "against_vclr", "against_other"]
    return pd.DataFrame(rows, columns=[*columns, "levels", "open", "unit", "n_seeds"])


def _brief(row) -> str:
    """A contrast in a cell: its number, or in how many seeds of two kinds it is up."""
    if row.outcomes:
        return f"above in {row.n_above:.0f} of {row.n_seeds:.0f} seeds of two kinds"
    return f"{row.effect:+.1f} [{row.low:+.1f}, {row.high:+.1f}]"


def _levels(with_vclr, other) -> str:
    """Means of the combination, VCLR and the other part; '' where seeds are of two kinds."""
    if with_vclr.outcomes or other.outcomes:
        return ""
    return f"{with_vclr.mean_whole:.1f}, {with_vclr.mean_part:.1f}, {other.mean_part:.1f}"


_SIDES = {
    "above": "above {}",
    "below": "below {}",
    "same": "level with {}",
    "open": "open against {}",
    "two kinds": "of two kinds of seeds against {}",
}


def _sides(rows: list) -> str:
    if len({side(r) for r in rows}) == 1:
        return _SIDES[side(rows[0])].format("both parts")
    return ", ".join(_SIDES[side(r)].format(TITLES[r.part]) for r in rows)


def in_short(e: Evidence) -> str | None:
    """The answer in a sentence for each combination: how it comes out where, and what depends."""
    table = verdicts(e)
    if table["size"].nunique() < 2 or table.settings.nunique() < 2:
        return None
    said = []
    for name, rows in table.groupby("combination", sort=False):
        words = []
        for size, own in rows.groupby("size", sort=False):
            found = {
                r.settings: f"{r.verdict} ({r.open})" if "undecided" in r.verdict else r.verdict
                for r in own.itertuples()
            }
            if len(set(found.values())) == 1 and len(found) > 1:
                outcome = f"{next(iter(found.values()))} both {STUDY} and {TUNED}"
            else:
                outcome = " and ".join(f"{v} {where}" for where, v in found.items())
            words.append(f"at {size} it {outcome}" if size == SMALL else f"{size} it {outcome}")
            words[-1] += _all_seeds(e, name) if size == SMALL else ""
        said.append(f"{name}: {'; '.join(words)}")
    return f"In short (*helps* is said only above both parts). {'. '.join(said)}."


def _all_seeds(e: Evidence, name: str) -> str:
    """Where all seeds without a part in the choice put a tuned combination; '' where few do."""
    found = transfer_repeats.contrasts(e)
    if found.empty or TITLES[transfer_repeats.AGAIN[0]] != name:
        return ""
    rows = {r.seeds: r for r in found.itertuples()}
    if transfer_repeats.FURTHER not in rows:
        return ""
    whole, test = rows[transfer_repeats.ALL], rows[transfer_repeats.FURTHER]
    return (
        f"; on all {whole.n_seeds:.0f} seeds that had no part in tuning {told(whole)} against "
        f"{TITLES[whole.part]}, on {test.n_seeds:.0f} of them kept for one test {told(test)}"
    )


def with_care(e: Evidence) -> str | None:
    """What the verdicts on tuned combinations rest on that a reader should know beside them."""
    said = []
    apart = transfer_repeats.by_task(e)
    if apart and apart.without["low"] < 0 < apart.without["high"]:
        said.append(
            f"at {SMALL} what tuned {TITLES[transfer_repeats.AGAIN[0]]} has over "
            f"{TITLES[transfer_repeats.AGAIN[1]]} is one task's: {apart.text()}"
        )
    said += transfer_larger_tuned.reserves(e)
    return f"To be read with care: {'; '.join(said)}." if said else None
