"""The answer to the research question, from zero-shot transfer: sentences made from recorded runs.

As in `answer`, a sentence is a predicate with its numbers, or nothing. The primary contrasts, their
seeds, tests and words ('helps', 'harms', 'no difference') are those of docs/analysis_plan.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from vjepa_lib.analysis import statistics, transfer_score, transfer_views
from vjepa_lib.analysis.transfer_again import machines
from vjepa_lib.analysis.transfer_beside import above_both, halves_and_forms, other_contrasts
from vjepa_lib.analysis.transfer_elsewhere import (
    on_other_seeds,
    other_direction,
    settings_that_turn,
    with_chosen_rates,
    with_chosen_weights,
)
from vjepa_lib.analysis.transfer_evidence import (
    Evidence,
    against,
    judged,
    number,
    of_pair,
    told,
    ways,
)
from vjepa_lib.analysis.transfer_factorial import combined, factorial, learned_again, one_beside
from vjepa_lib.analysis.transfer_larger import (
    accuracies_one_size_up,
    at_edges,
    one_size_up,
    readings_one_size_up,
    settled_one_size_up,
    tasks_one_size_up,
    turned,
)
from vjepa_lib.analysis.transfer_larger import contrast_learned as learned_one_size_up
from vjepa_lib.analysis.transfer_larger_tuned import (
    brought_one_size_up,
    elsewhere_one_size_up,
    learned_tuned,
    tasks_tuned,
    tuned_one_size_up,
)
from vjepa_lib.analysis.transfer_learned import contrast_learned
from vjepa_lib.analysis.transfer_repeats import asked_again
from vjepa_lib.analysis.transfer_score import (
    DECISIVE,
    DECISIVE_SEEDS,
    MARGIN,
    PRIMARY,
    TITLES,
)
from vjepa_lib.analysis.transfer_singles import singles
from vjepa_lib.analysis.transfer_tuned import (
    at_each_rate,
    best_in_targets,
    brought,
    tuned,
)
from vjepa_lib.analysis.transfer_tuned import elsewhere as tuned_elsewhere
from vjepa_lib.analysis.transfer_verdicts import in_short, with_care


def recorded(e: Evidence) -> str | None:
    """How much of the plan the sentences stand on."""
    rows = e.own()
    rows = rows[rows.variant.isin(DECISIVE) & rows.seed.isin(DECISIVE_SEEDS)]
    if rows.empty:
        return None
    counts = rows.groupby("variant").seed.nunique()
    have, planned = int(counts.sum()), len(DECISIVE) * len(DECISIVE_SEEDS)
    seeds = sorted(set.intersection(*(set(r.seed) for _, r in rows.groupby("variant"))))
    return (
        f"Of the {planned} decisive runs planned {have} are recorded; {len(seeds)} seeds have all "
        f"of the {len(counts)} variants recorded so far."
        + (" Until all are, every test here is an interim look." if have < planned else "")
    )


def levels(e: Evidence) -> str | None:
    """Transfer scores of the decisive variants and of the untrained encoder."""
    table = transfer_score.of_study(transfer_score.scores(e.shares()))
    said = []
    for variant in ("random_init", *DECISIVE):
        rows = table[table.variant == variant]
        if rows.empty:
            continue
        kinds = statistics.outcomes(rows.score).text()
        said.append(f"{TITLES[variant]} {kinds or f'{rows.score.mean():.1f}'}")
    if len(said) < 2:
        return None
    return (
        "Zero-shot transfer score (0 is chance, 100 a supervised network on its own source; mean "
        f"over seeds): {', '.join(said)}."
    )


def combination(e: Evidence) -> str | None:
    """Whether a combination beats both of its parts, in the words of the plan."""
    found = e.contrasts()
    if len(found) < len(PRIMARY):
        return None
    said = judged(found, e.margin)
    return f"Zero-shot transfer to shifted worlds, at the study's weights: {said}."


def new_clips(e: Evidence) -> str | None:
    """Whether the primary contrasts answer for new test clips as well."""
    if not e.has_decisive:
        return None
    wide, found = e.crossed(), e.contrasts()
    other = [
        f"{against(a)} {number(b)}"
        for a, b in zip(found.itertuples(), wide.itertuples(), strict=True)
        if not a.outcomes and (a.low > 0 or a.high < 0) != (b.low > 0 or b.high < 0)
    ]
    if not other:
        usual = [r for r in found.itertuples() if not r.outcomes]
        clear = sum(r.low > 0 or r.high < 0 for r in usual)
        return (
            "Counting new test clips as well as new seeds (a crossed bootstrap) changes nothing: "
            f"zero is left out of {clear} of {len(usual)} intervals, as it is for seeds alone."
        )
    return (
        "Counting new test clips as well as new seeds (a crossed bootstrap) decides differently "
        f"for {'; '.join(other)}."
    )


def parts(e: Evidence) -> str | None:
    """What each part brings alone over the baseline."""
    pairs = [(v, "baseline") for v in ("ld", "vclr", "fwm_hw_ld")]
    found = e.contrasts(pairs=pairs)
    if len(found) < len(pairs):
        return None
    said = ", ".join(f"{TITLES[r.whole]} {told(r)}" for r in found.itertuples())
    return f"Over the baseline, alone: {said}."


def by_shift(e: Evidence) -> str | None:
    """Where the combination of the paper's row with VCLR differs from VCLR, shift by shift."""
    return _apart(e, "shift")


def by_task(e: Evidence) -> str | None:
    """The same, task by task."""
    return _apart(e, "task")


def _apart(e: Evidence, by: str) -> str | None:
    if not e.has_decisive:
        return None
    found = e.contrasts(by=[by])
    said = []
    for row in e.contrasts().itertuples():
        rows = of_pair(found, row)
        said.append(f"{against(row)} {ways(rows, by, 'on') or 'nowhere'}")
    return f"Clear after Holm over all {len(found)} contrasts by {by}: {'; '.join(said)}."


def other_readings(e: Evidence) -> str | None:
    """What other readings say of the primary contrasts: the same side, none, or the other."""
    if not e.has_decisive:
        return None
    others = [r for r in transfer_score.READINGS if r != "zero-shot"]
    found = pd.concat([e.contrasts(r).assign(asked=r) for r in others], ignore_index=True)
    said = []
    for row in e.contrasts().itertuples():
        rows = of_pair(found, row)
        said.append(f"{against(row)} {ways(rows, 'asked', 'under') or 'clear under none'}")
    return f"Under the other readings (each corrected by Holm): {'. '.join(said)}."


def in_held_out(e: Evidence) -> str | None:
    """The primary contrasts in the world of digits that nobody shaped."""
    if not e.has_decisive:
        return None
    table = transfer_score.held_out(e.own())
    found = transfer_score.contrasts(table, family="contrasts, held-out", margin=e.margin)
    if len(found) < len(PRIMARY):
        return None
    said = ", ".join(
        f"{against(r)} {told(r)}" + ("" if r.outcomes or not r.clear else " (clear)")
        for r in found.itertuples()
    )
    return f"In the held-out world (accuracy, mean of three tasks): {said}."


def keeps(e: Evidence) -> str | None:
    """What the decisive variants keep of the source's score zero-shot, and re-trained."""
    if not e.has_decisive:
        return None
    found = [
        transfer_score.of_study(transfer_score.scores(e.shares(reading)))
        for reading in ("source", "zero-shot", "zero-shot farthest", "re-trained")
    ]
    said = []
    for variant in DECISIVE:
        means = [t[t.variant == variant].score.mean() for t in found]
        kept = statistics.kept_share(means[0], means[1])
        share = "" if pd.isna(kept) else f" ({kept:.0f} % kept)"
        said.append(
            f"{TITLES[variant]} {means[0]:.0f} on the source, {means[1]:.0f} zero-shot{share}, at "
            f"severity 4 {means[2]:.0f} zero-shot and {means[3]:.0f} re-trained"
        )
    return f"Scores: {'; '.join(said)}."


def fallen(table: pd.DataFrame) -> str | None:
    """Which sources are read worse at the end of the training than after a quarter of it.

    Parameters
    ----------
    table : of `transfer_views.over_training`.
    """
    if table.empty or table.p.isna().all():
        return None
    ranks = table[table.what == "rank_me"].set_index("variant")
    said = []
    for variant, rows in table[table.what != "rank_me"].groupby("variant", sort=False):
        down = rows[rows.clear & (rows.effect < 0)]
        if down.empty:
            continue
        falls = ", ".join(
            f"{r.what.removeprefix('source_')} from {r.early:.0f} to {r.late:.0f} %"
            for r in down.itertuples()
        )
        rank = ranks.loc[variant]
        said.append(f"{TITLES[variant]} ({falls}; RankMe from {rank.early:.1f} to {rank.late:.1f})")
    if not said:
        return (
            "No fall of a source's accuracy from a quarter of the training to its end is clear "
            f"(Holm over {len(table)} comparisons)."
        )
    return (
        "Clearly read worse at the end of the training than after a quarter of it (Holm): "
        f"{'; '.join(said)}."
    )


def falls(e: Evidence) -> str | None:
    """`fallen` of the recorded curves."""
    return None if e.curves.empty else fallen(transfer_views.over_training(e.curves))


SENTENCES: tuple[Callable[[Evidence], str | None], ...] = (
    in_short,
    with_care,
    combination,
    tuned,
    asked_again,
    tuned_one_size_up,
    contrast_learned,
    with_chosen_weights,
    with_chosen_rates,
    at_each_rate,
    tuned_elsewhere,
    brought,
    best_in_targets,
    levels,
    on_other_seeds,
    factorial,
    combined,
    one_beside,
    learned_again,
    one_size_up,
    turned,
    tasks_one_size_up,
    readings_one_size_up,
    accuracies_one_size_up,
    learned_one_size_up,
    settled_one_size_up,
    at_edges,
    brought_one_size_up,
    learned_tuned,
    tasks_tuned,
    elsewhere_one_size_up,
    other_contrasts,
    above_both,
    halves_and_forms,
    singles,
    parts,
    recorded,
    new_clips,
    by_shift,
    by_task,
    keeps,
    other_readings,
    in_held_out,
    other_direction,
    settings_that_turn,
    machines,
    falls,
)
# The answer in a few sentences, for a first screen.
SHORT = SENTENCES[:7]


def sentences(
    readings: pd.DataFrame,
    asked: Sequence[Callable[[Evidence], str | None]] = SENTENCES,
    margin: float = MARGIN,
) -> list[str]:
    """Every sentence that the recorded readings carry.

    Parameters
    ----------
    readings : of `transfer_recorded.load`.
    asked : the sentences; `SHORT` for the answer in a few.
    margin : points of the score within which a difference is called none.
    """
    return answered(Evidence(readings, margin), asked)


def answered(
    e: Evidence, asked: Sequence[Callable[[Evidence], str | None]] = SENTENCES
) -> list[str]:
    """`sentences` of evidence that is there already, so that nothing is computed twice."""
    if e.readings.empty or not (e.readings.kind == "supervised").any():
        return []
    return [said for ask in asked if (said := ask(e)) is not None]
