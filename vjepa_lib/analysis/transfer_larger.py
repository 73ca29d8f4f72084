"""The transfer study one size up (`study.transfer_medium`): the primary contrasts, asked again.

Once at the study's weights and once at those that the small size chose, which nothing of the larger
one had a part in (docs/analysis_plan.md). Each is a Holm family of its own.
"""

from __future__ import annotations

import pandas as pd

from vjepa_lib.analysis import statistics, transfer_score
from vjepa_lib.analysis.transfer_elsewhere import settled, weights
from vjepa_lib.analysis.transfer_evidence import Evidence, judged
from vjepa_lib.analysis.transfer_score import DECISIVE, PRIMARY, TITLES
from vjepa_lib.analysis.transfer_settings import in_words
from vjepa_lib.study import transfer_medium

STUDY, CHOSEN = "as in the study", "as the small size chose"


def larger(e: Evidence) -> Evidence:
    """Evidence of the larger runs alone."""
    return Evidence(e.larger, e.margin)


def settings(e: Evidence) -> dict[str, dict[str, str]]:
    """Whose weights -> variant -> what is changed in it; '' for nothing."""
    plain = dict.fromkeys(DECISIVE, "")
    return {STUDY: plain, CHOSEN: plain | settled(weights(e))}


def scores(e: Evidence, reading: str = "zero-shot") -> pd.DataFrame:
    """Scores of the larger encoders at the study's weights and at the chosen ones.

    Parameters
    ----------
    reading : one of `transfer_score.READINGS`.

    Returns
    -------
    DataFrame of `transfer_score.scores` with `weights`; empty without recorded runs.
    """
    none = pd.DataFrame(columns=["variant", "seed", "score", "weights"])
    if e.larger.empty or not (e.larger.kind == "supervised").any():
        return none
    there, tables = larger(e), []
    for whose, changed in settings(e).items():
        for variant, words in changed.items():
            found = there.shares(reading, words)
            found = found[found.variant == variant]
            if len(found):
                tables.append(transfer_score.scores(found).assign(weights=whose))
    return pd.concat(tables, ignore_index=True) if tables else none


def contrasts(e: Evidence, reading: str = "zero-shot") -> pd.DataFrame:
    """The primary contrasts of `scores`, on all seeds that both sides have; Holm within weights.

    Returns
    -------
    DataFrame of `transfer_score.contrasts` with `weights`.
    """
    table = scores(e, reading)
    out = []
    for whose, rows in table.groupby("weights", sort=False):
        family = f"one size up, {whose}"
        found = transfer_score.contrasts(rows, PRIMARY, None, (), family, e.margin)
        out.append(found.assign(weights=whose))
    if not out:
        return pd.DataFrame(columns=["whole", "part", "weights"])
    return pd.concat(out, ignore_index=True)


def levels(e: Evidence) -> pd.DataFrame:
    """Mean scores with t intervals, a row a variant and whose weights.

    Returns
    -------
    DataFrame with `variant`, `weights`, `setting` (in words) and those of
    `transfer_score.interval`. An objective whose weights the choice left alone stands once.
    """
    table, changed = scores(e), settings(e)
    out = []
    for whose in changed:
        for variant in DECISIVE:
            words = changed[whose][variant]
            rows = table[(table.variant == variant) & (table.weights == whose)]
            if rows.empty or (whose == CHOSEN and not words):
                continue
            named = {"variant": variant, "weights": whose, "setting": in_words(words)}
            out.append(named | transfer_score.interval(rows.score))
    return pd.DataFrame(out)


def one_size_up(e: Evidence) -> str | None:
    """Whether the answer holds at the larger size, at both kinds of weights."""
    found = contrasts(e)
    said = []
    for whose, rows in found.groupby("weights", sort=False):
        if verdicts := judged(rows, e.margin):
            seeds = " to ".join(
                f"{n:.0f}" for n in sorted({rows.n_seeds.min(), rows.n_seeds.max()})
            )
            said.append(f"with weights {whose} ({seeds} seeds) {verdicts}")
    if not said:
        return None
    size, made_on = transfer_medium.PROFILE.encoder, sorted(set(e.larger.gpu) - {"none"})
    return (
        f"One size up (clips of {size.height} px and {size.frames} frames, an encoder of width "
        f"{size.width} and depth {size.depth}{', on '.join(['', *made_on])}), "
        f"{'. At the same size, '.join(said)}."
    )


def scores_one_size_up(e: Evidence) -> str | None:
    """Scores at the larger size, and the scale that they stand on."""
    table = scores(e)
    rows = table[table.weights == STUDY]
    if rows.empty:
        return None
    said = []
    for variant in DECISIVE:
        own = rows[rows.variant == variant].score
        if len(own):
            kinds = statistics.outcomes(own).text()
            said.append(f"{TITLES[variant]} {kinds or f'{own.mean():.1f}'}")
    top = transfer_score.ceilings(larger(e).readings)
    ends = ", ".join(f"{t} {top[t]:.0f} %" for t in transfer_score.chances().index)
    return (
        f"Zero-shot transfer scores there, at the study's weights: {', '.join(said)}; the "
        f"supervised network that is 100 reads its own sources at {ends}."
    )
