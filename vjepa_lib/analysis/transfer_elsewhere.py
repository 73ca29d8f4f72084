"""The primary contrasts with other settings, and after a pretraining in another world.

What is varied here is looked at with seeds that the planned contrasts do not use, and is not part
of their family: it says whether the answer depends on a choice that was made for it.
"""

from __future__ import annotations

from vjepa_lib.analysis.transfer_evidence import Evidence, against, number, side, told

OTHER_WORLD = "digits"


def settings(e: Evidence) -> list[str]:
    """What was changed in runs beside the study's own, in words."""
    return sorted(set(e.readings.changed) - {""})


def settings_that_turn(e: Evidence) -> str | None:
    """Under which settings a primary contrast changes its side, and what becomes of clear ones."""
    if not e.has_decisive:
        return None
    tried, turned, kept, lost = [], [], {}, {}
    for changed in settings(e):
        found = e.contrasts(changed=changed, seeds=None)
        if found.empty:
            continue
        tried.append(changed)
        for row in found.itertuples():
            first = next(
                r for r in e.contrasts().itertuples() if (r.whole, r.part) == (row.whole, row.part)
            )
            now, then = side(row, corrected=False), side(first)
            if {now, then} == {"above", "below"}:
                turned.append(f"{against(row)} at {changed} ({number(row)})")
            elif then in ("above", "below"):
                where = kept if now == then else lost
                where.setdefault(f"{against(row)} {then}", []).append(f"{changed} ({told(row)})")
    if not tried:
        return None
    said = f"turn round: {'; '.join(turned)}" if turned else "are clearly turned round under none"
    for where, words in ((kept, "stays clearly"), (lost, "is no longer clearly")):
        for contrast, places in where.items():
            name, way = contrast.rsplit(" ", 1)
            said += f"; {name} {words} {way} at {', '.join(places)}"
    return f"With other settings ({', '.join(tried)}), primary contrasts {said}."


def other_direction(e: Evidence) -> str | None:
    """The primary contrasts of encoders that were pretrained on digits over photographs."""
    found = e.contrasts(seeds=None, on=OTHER_WORLD)
    if found.empty:
        return None
    said = ", ".join(f"{against(r)} {told(r)}" for r in found.itertuples())
    return (
        f"Pretrained on the held-out world's digits and read in the rendered worlds "
        f"({found.n_seeds.min():.0f} seeds, not corrected): {said}."
    )
