"""The study's other single objectives in the transfer worlds: each against its own baseline.

Described, not tested (docs/analysis_plan.md). The study trains some of them on its films alone, so
what they are set against is the baseline that saw the same films.
"""

from __future__ import annotations

import pandas as pd

from vjepa_lib import study
from vjepa_lib.analysis import transfer_factorial, transfer_score
from vjepa_lib.analysis.transfer_evidence import Evidence, once, side, span
from vjepa_lib.analysis.transfer_score import TITLES
from vjepa_lib.study.titles import label

BASELINES = {"mixed": "baseline", "ucf101": "ucf_baseline"}  # by what encoders are trained on
WORDS = {"mixed": "films, motions and stills", "ucf101": "films alone"}


def _pairs() -> list[tuple[str, str]]:
    """Single objectives and maskings of the study, each with the baseline of its regime."""
    told_elsewhere = {"combination", "contrast", "baseline"}
    return [
        (v.name, BASELINES[v.regime])
        for v in study.VARIANTS.values()
        if v.family not in told_elsewhere and v.name not in study.FACTORIAL4.values()
    ]


@once
def contrasts(e: Evidence) -> pd.DataFrame:
    """What each objective brings over the baseline of its regime, on the factorial's seeds.

    Returns
    -------
    DataFrame of `transfer_score.contrasts`, the best first, with `objective` (as it is written),
    `trained` (on what, in words), `side`, not corrected; rows without two seeds, or without the
    seeds that all others have, are left out.
    """
    columns = ["whole", "part", "objective", "trained", "side", "n_seeds"]
    seeds = transfer_factorial.seeds(e)
    if not seeds or not (e.readings.kind == "supervised").any():
        return pd.DataFrame(columns=columns)
    table = transfer_score.scores(e.shares())
    found = transfer_score.contrasts(table, _pairs(), seeds, (), "single objectives", e.margin)
    if found.empty:
        return pd.DataFrame(columns=columns)
    regimes = {b: r for r, b in BASELINES.items()}
    return found.assign(
        objective=[label(v) for v in found.whole],
        trained=[WORDS[regimes[b]] for b in found.part],
        side=[side(r, corrected=False) for r in found.itertuples()],
    ).sort_values(["part", "effect"], ascending=[True, False], ignore_index=True)


def singles(e: Evidence) -> str | None:
    """Which of the study's other objectives transfer better than their baseline."""
    found = contrasts(e)
    if found.empty:
        return None
    ld = transfer_score.contrasts(
        transfer_score.scores(e.shares()), [("ld", "baseline")], transfer_factorial.seeds(e)
    )
    said = []
    for trained, rows in found.groupby("trained", sort=False):
        numbers = ", ".join(
            f"{r.objective} {r.outcomes or f'{r.effect:+.1f} [{r.low:+.1f}, {r.high:+.1f}]'}"
            for r in rows.itertuples()
        )
        above = int((rows.side == "above").sum())
        said.append(f"trained on {trained} {above} of {len(rows)} above their baseline ({numbers})")
    own = f"{TITLES['ld']}, trained on {WORDS['mixed']}, has"
    beside = f" {own} {ld.effect.iloc[0]:+.1f} over its own." if len(ld) else ""
    return (
        "The study's other single objectives, points over the baseline of the same films "
        f"(described, not tested, intervals not corrected; {span(found.n_seeds)} seeds): "
        f"{'; '.join(said)}.{beside}"
    )
