"""Why encoders transfer as they do, in sentences from what kept encoders were measured at.

As in `transfer_answer`, a sentence is a predicate with its numbers, or nothing. All of it compares
encoders that were trained anyway, so it is correlational: what goes with a loss need not cause it.
Explanations are put to a test that could have killed them (centring, taking a direction away).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vjepa_lib.analysis import statistics
from vjepa_lib.analysis.transfer_geometry import FACTORS
from vjepa_lib.analysis.transfer_reasons import (
    CUT,
    PAIRS,
    PREDICTORS,
    WAYS,
    Mechanisms,
    leading,
    rank_says,
)
from vjepa_lib.analysis.transfer_score import DECISIVE, FARTHEST, TITLES


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def at_home(m: Mechanisms) -> str:
    """How much of what a combination lacks against VCLR is lacking on the source already."""
    means = m.shifts.groupby(["variant", "seed"])[["home", "zero"]].mean()
    said = []
    for whole in ("ld+vclr", "fwm_hw_ld+vclr"):
        gap = (means.loc["vclr"] - means.loc[whole]).dropna()
        found = {k: statistics.mean_interval(gap[k]) for k in ("home", "zero")}
        more = statistics.mean_interval(gap.zero - gap.home)
        said.append(
            f"{TITLES[whole]} lacks {found['zero']['mean']:.1f} points against VCLR in the worlds "
            f"of severity {FARTHEST} and {found['home']['mean']:.1f} on their sources, so that the "
            f"shift itself adds {more['mean']:+.1f} [{more['low']:+.1f}, {more['high']:+.1f}]"
        )
    return f"Zero-shot accuracy: {'; '.join(said)}."


def content(m: Mechanisms) -> str:
    """Which known factors a latent holds clearly less or more of than another."""
    said = []
    for whole, part in PAIRS:
        words = []
        for less in (True, False):
            clear = []
            for factor in (f for f, kind in FACTORS.items() if kind != "nuisance"):
                row = m.row(factor, whole, part)
                if row.clear and (row.effect < 0) == less:
                    clear.append(f"{factor} ({round(row.mean_part)} to {round(row.mean_whole)})")
            if clear:
                words.append(f"{'less' if less else 'more'} of {_listed(clear)}")
        said.append(
            f"against {TITLES[part]}, {TITLES[whole]} "
            + (
                f"holds clearly {_listed(words)}"
                if words
                else "holds no factor clearly less or more"
            )
        )
    return (
        "Known factors read from the mean token on the sources (100 R2 on test clips, mean over "
        f"tasks; Holm over {len(m.tests())} comparisons): {'; '.join(said)}."
    )


def one_direction(m: Mechanisms) -> str:
    """How much of the variance one direction carries, and what it goes with."""
    means = leading(m).groupby("variant")[["share", "follows", "tracks", "change"]].mean()
    said = ", ".join(
        f"{TITLES[v]} {means.share[v]:.0f} %, r {means.follows[v]:.2f}, rho {means.tracks[v]:.2f}"
        for v in DECISIVE
    )
    clear = [
        f"{TITLES[w]} against {TITLES[p]}"
        for w, p in PAIRS
        if (row := m.row("follows", w, p)).clear and row.effect > 0
    ]
    return (
        "The direction of most variance: its share, its correlation r with how much the picture "
        "changes from frame to frame, and the rank correlation rho, over 24 shifted worlds, of how "
        f"far the mean latent moves along it with how far the amount of change does: {said}; r is "
        f"clearly higher in {_listed(clear) or 'none of the pairs compared'} (Holm)."
    )


def not_displaced(m: Mechanisms) -> str:
    """Whether alignment without labels, or taking the leading direction away, undoes the loss."""
    said = []
    for way, words in WAYS.items():
        rows = [m.row(way, v, "zero-shot") for v in DECISIVE]
        each = ", ".join(
            f"{TITLES[r.whole]} {r.effect:+.1f}{' (clear)' if r.clear else ''}" for r in rows
        )
        said.append(f"{words}: {each}")
    gap = m.shifts.groupby("variant").zero.mean()
    best = max(
        m.row(way, v, "zero-shot").mean_whole for way in WAYS for v in ("ld+vclr", "fwm_hw_ld+vclr")
    )
    lacking = gap["vclr"] - max(gap["ld+vclr"], gap["fwm_hw_ld+vclr"])
    verdict = "no way brings a combination as far" if best < lacking else "one way brings it as far"
    return (
        f"Points added to zero-shot accuracy at severity {FARTHEST}, with {'; '.join(said)}. VCLR "
        f"as it is reads {lacking:.1f} points more than the better combination: {verdict}."
    )


def predicted(m: Mechanisms) -> str:
    """How well the displacement of a world predicts what zero-shot reading loses."""
    found = m.predicts()
    said = "; ".join(
        f"{PREDICTORS[r.what]} {r.rho:+.2f} [{r.low:+.2f}, {r.high:+.2f}], within worlds "
        f"{r.within:+.2f} [{r.within_low:+.2f}, {r.within_high:+.2f}]"
        for r in found.itertuples()
    )
    return (
        "Rank correlation with what a probe trained anew adds to zero-shot, over "
        f"{found.cells.iloc[0]} cells of objective, task and shift (crossed bootstrap over seeds "
        f"and worlds): {said}."
    )


def ranks_mislead(m: Mechanisms) -> str:
    """Whether a measure of rank orders the objectives as zero-shot accuracy does."""
    names = {"rank_me": "RankMe", "participation": "the participation ratio"}
    said = "; ".join(
        f"{names[r.what]} rho {r.rho:+.2f} (single seeds {r.lowest:+.2f} to {r.highest:+.2f}), "
        f"{r.best:.1f} in {TITLES[r.top]}, which transfers best, {r.rest:.1f} on average elsewhere"
        for r in rank_says(m).itertuples()
    )
    return f"Rank of the source's latent and zero-shot accuracy, over six objectives: {said}."


def contest(m: Mechanisms) -> str:
    """What becomes of the losses of LD and of VCLR when both are trained together."""
    ld = m.row("ld", "ld+vclr", "ld")
    words = [f"that of LD ends at {ld.mean_whole:.3f} with VCLR, {ld.mean_part:.3f} alone"]
    for whole in ("ld+vclr", "fwm_hw_ld+vclr"):
        row = m.row("vclr", whole, "vclr")
        words.append(
            f"that of VCLR at {row.mean_whole:.1f} in {TITLES[whole]}, {row.mean_part:.1f} alone"
            f"{' (clearly higher)' if row.clear and row.effect > 0 else ''}"
        )
    return f"Losses over the last tenth of the training: {'; '.join(words)}."


def by_half(m: Mechanisms) -> str:
    """Whether the halves that FWM cuts hold what they are named after."""
    said = []
    for variant in CUT:
        words = []
        for kind, title in (("appearance", "what stays"), ("motion", "what moves")):
            row = m.row(kind, variant, "its dynamics half")
            side = "not told apart"
            if row.clear:
                side = f"clearly more in the {'appearance' if row.effect > 0 else 'dynamics'} half"
            words.append(f"{title} {row.mean_whole:.0f} against {row.mean_part:.0f} ({side})")
        said.append(f"{TITLES[variant]} {_listed(words)}")
    return (
        "100 R2 from the appearance half against the dynamics half, mean over factors: "
        f"{'; '.join(said)}."
    )


SENTENCES: tuple[Callable[[Mechanisms], str], ...] = (
    at_home,
    content,
    contest,
    one_direction,
    not_displaced,
    predicted,
    ranks_mislead,
    by_half,
)


def answered(m: Mechanisms, asked: Sequence[Callable[[Mechanisms], str]] = SENTENCES) -> list[str]:
    """Every sentence that the recorded measurements carry; none before two seeds of each variant
    are measured."""
    return [ask(m) for ask in asked] if m.enough else []
