"""The answer to the research question in sentences, each made from results or not said at all.

A sentence is a predicate with its numbers: what it says is decided by the data, never typed. So
the README, notebooks and the report cannot go on saying what later results no longer show. A source
of results is any table in the columns of `study.metrics`; which benchmarks count as shifted, and
which reading is asked, are parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from vjepa_lib import study
from vjepa_lib.analysis import combination, statistics
from vjepa_lib.analysis.combination import GROUPS
from vjepa_lib.analysis.selection import name, named
from vjepa_lib.study.titles import spelt

MARGIN = 3.0  # points within which a difference is called none
DESCRIBED = name("fwm_hw_ld", "described")
BOTH = name(study.combined("fwm_hw_ld", "vclr"), "described")


@dataclass(frozen=True)
class Evidence:
    """What sentences may ask.

    Attributes
    ----------
    results : columns of `study.metrics`.
    runs : of `recorded.runs`, for how trainings ended; empty if unknown.
    probe : reading that is asked, e.g. 'linear'.
    groups : name -> benchmarks whose mean is asked.
    margin : points within which a difference is called none.
    """

    results: pd.DataFrame
    runs: pd.DataFrame = field(default_factory=pd.DataFrame)
    probe: str = "linear"
    groups: Mapping[str, Sequence[str]] = field(default_factory=lambda: dict(GROUPS))
    margin: float = MARGIN
    _cache: dict = field(default_factory=dict, repr=False, compare=False)

    def crossed(self) -> pd.DataFrame:
        """`combination.crossed` of the benchmarks asked."""
        if "crossed" not in self._cache:
            asked = [b for names in self.groups.values() for b in names]
            own = self.results[self.results.benchmark.isin(asked)]
            self._cache["crossed"] = combination.crossed(own, self.probe)
        return self._cache["crossed"]

    def values(self, title: str, where: str, regime: str = "mixed") -> pd.Series:
        """Accuracy of an encoder over seeds: percent, indexed by seed.

        Parameters
        ----------
        title : variant, with ' (described)' where its forms differ.
        where : a benchmark, or one of `groups` for the mean of its benchmarks.
        """
        if "wide" not in self._cache:
            rows = named(self.results, self.probe)
            self._cache["wide"] = rows.pivot_table(
                index=["name", "regime", "seed"], columns="benchmark", values="top1"
            )
        wide, names = self._cache["wide"], list(self.groups.get(where, (where,)))
        regimes = ("mixed", regime) if title == "random_init" else (regime,)
        for own in regimes:
            if (title, own) in wide.index.droplevel("seed") and set(names) <= set(wide):
                return wide.loc[(title, own), names].dropna().mean(axis=1)
        return pd.Series(dtype=float)

    def clips(self, where: str) -> float:
        """Test clips behind a number."""
        names = self.groups.get(where, (where,))
        own = self.results[(self.results.probe == self.probe) & self.results.benchmark.isin(names)]
        return float(own.groupby("benchmark").n_test.min().sum())

    def difference(self, a: str, b: str, where: str, regime: str = "mixed") -> dict | None:
        """Paired difference a minus b over seeds, with `equivalent`; None if it cannot be had.

        Where the seeds of either fall into two kinds of outcome there is no difference to speak of.
        """
        x, y = self.values(a, where, regime), self.values(b, where, regime)
        gap = (x - y).dropna()
        if len(gap) < 2 or statistics.outcomes(x).bimodal or statistics.outcomes(y).bimodal:
            return None
        least = 100 * float(statistics.least_scatter(gap.mean() / 100, self.clips(where)))
        found = statistics.mean_interval(gap, least=least)
        same = statistics.equivalence(gap, self.margin, least)
        return found | {"equivalent": same["equivalent"]}


def _number(found: Mapping[str, float]) -> str:
    return f"{found['mean']:+.1f} points [{found['low']:+.1f}, {found['high']:+.1f}]"


def _side(found: Mapping[str, float]) -> str:
    """'above', 'below', 'same' (shown to be within the margin) or 'open'."""
    if found["low"] > 0:
        return "above"
    if found["high"] < 0:
        return "below"
    return "same" if found["equivalent"] else "open"


def _where(where: str) -> str:
    return {"shifted": "under shift", "in domain": "in the domain"}.get(where, f"on {spelt(where)}")


# --- sentences: each returns its words, or None where the data do not carry them ----------------


def best(evidence: Evidence) -> str | None:
    """What transfers best, and whether a combination beats the best part."""
    frame = evidence.crossed()
    if not _has_both(frame):
        return None
    said = []
    for where in ("shifted", "in domain"):
        found = combination.best_of_both(frame, where, evidence.groups)
        if np.isnan(found["low"]):
            return None
        same = statistics.equivalence(found["values"], evidence.margin, found["least"])
        number = _number(found | {"mean": found["effect"]})
        verb = {
            "above": "beats",
            "below": "falls short of",
            "same": f"is within {evidence.margin:g} points of",
            "open": "is not told apart from",
        }[_side(found | {"equivalent": same["equivalent"]})]
        said.append(
            f"{_where(where)} the best combination, {spelt(found['whole'])} "
            f"({found['whole_mean']:.1f} %), {verb} the best single part, "
            f"{spelt(found['part'])} ({found['part_mean']:.1f} %): {number}"
        )
    return f"{said[0][0].upper()}{said[0][1:]}; {said[1]}."


def on_top_of_contrast(evidence: Evidence) -> str | None:
    """What FWM-HW-LD as described does on top of VCLR, benchmark by benchmark."""
    found = {b: evidence.difference(BOTH, "vclr", b) for b in _benchmarks(evidence)}
    found = {b: f for b, f in found.items() if f}
    if not found:
        return None
    p = statistics.adjust([f["p"] for f in found.values()])
    clear = dict(zip(found, p < statistics.ALPHA, strict=True))
    worst, top = (m(found, key=lambda b: found[b]["mean"]) for m in (min, max))
    down = [b for b, f in found.items() if clear[b] and f["mean"] < 0]
    up = [b for b, f in found.items() if clear[b] and f["mean"] > 0]
    return (
        "FWM-HW-LD as described on top of VCLR changes accuracy by between "
        f"{_number(found[worst])} on {spelt(worst)} and {_number(found[top])} on {spelt(top)}; of "
        f"{len(found)} benchmarks {len(down)} are clearly lower and {len(up)} clearly higher "
        "(Holm)."
    )


def factorized_is_ld(evidence: Evidence) -> str | None:
    """Whether FWM and HW add to LD, or LD alone is the gain of the factorized objective."""
    parts = []
    for where in ("in domain", "shifted"):
        alone = evidence.difference("ld", "baseline", where)
        more = evidence.difference(DESCRIBED, "ld", where)
        if not (alone and more):
            return None
        says = {
            "above": "adds",
            "below": "costs",
            "same": f"adds nothing (within {evidence.margin:g} points)",
            "open": "adds nothing that is clear",
        }[_side(more)]
        parts.append(
            f"{_where(where)} LD alone brings {_number(alone)} over the baseline, and FWM with HW "
            f"as described {says} on top of it: {_number(more)}"
        )
    return f"{parts[0][0].upper()}{parts[0][1:]}; {parts[1]}."


def outside_alone(evidence: Evidence) -> str | None:
    """Whether FWM-HW-LD as described helps on each shifted benchmark after Holm's correction."""
    names = evidence.groups["shifted"]
    table = evidence.crossed()
    if DESCRIBED not in set(table.name):
        return None
    found = statistics.paired_differences(
        table, "baseline", "top1", "name", by=["benchmark"], clips="n_test", two_outcomes=True
    )
    own = found[(found.name == DESCRIBED) & found.benchmark.isin(names)]
    if own.low.isna().any() or own.empty:
        return None
    cells = ", ".join(
        f"{spelt(r.benchmark)} {r.effect:+.1f} (Holm p {r.p_adjusted:.2g})"
        for r in own.itertuples()
    )
    says = "clear" if own.clear.all() else "not clear" if not own.clear.any() else "partly clear"
    return (
        f"The gain of FWM-HW-LD as described on single shifted benchmarks is {says} after "
        f"correction over all {int(found.p.notna().sum())} cells: {cells}."
    )


def different_things(evidence: Evidence) -> str | None:
    """Where VCLR and FWM-HW-LD differ most in what they bring."""
    gains = {
        b: (
            evidence.difference(DESCRIBED, "baseline", b),
            evidence.difference("vclr", "baseline", b),
        )
        for b in _benchmarks(evidence)
    }
    gains = {b: g for b, g in gains.items() if all(g)}
    if not gains:
        return None
    far = max(gains, key=lambda b: abs(gains[b][1]["mean"] - gains[b][0]["mean"]))
    near = min(gains, key=lambda b: abs(gains[b][1]["mean"] - gains[b][0]["mean"]))
    text = ", ".join(
        f"{spelt(b)} {gains[b][0]['mean']:+.1f} against {gains[b][1]['mean']:+.1f}"
        for b in (far, near)
    )
    return (
        "What FWM-HW-LD as described and VCLR bring over the baseline, in points, where it differs "
        f"most and least: {text}."
    )


def overlap(evidence: Evidence) -> str | None:
    """The interaction of FWM-HW-LD with each contrast, on points and on logits."""
    frame = evidence.crossed()
    if not _has_both(frame):
        return None
    both = {s: combination.interactions(frame, s, ["all"]) for s in ("points", "logits")}
    said = []
    for contrast in study.CONTRASTS:
        rows = [
            t[(t.benchmark == "all") & (t.pair == f"{DESCRIBED}:{contrast}")] for t in both.values()
        ]
        if any(r.empty or r.low.isna().any() for r in rows):
            continue
        points, odds = (r.iloc[0] for r in rows)
        agree = np.sign(points.estimate) == np.sign(odds.estimate)
        if points.clear and odds.clear and agree:
            sign = "positive" if points.estimate > 0 else "negative"
        elif points.clear != odds.clear or (points.clear and not agree):
            sign = "dependent on the scale"
        else:
            sign = "not clear"
        said.append(
            f"with {contrast.upper()} {sign} ({points.estimate:+.1f} points [{points.low:+.1f}, "
            f"{points.high:+.1f}], {odds.estimate:+.2f} logits [{odds.low:+.2f}, {odds.high:+.2f}])"
        )
    if not said:
        return None
    return "The interaction of FWM-HW-LD as described is " + ", ".join(said) + "."


def collapse(evidence: Evidence) -> str | None:
    """Which contrasts keep FWM-HW-LD as released from collapse, a tenth of the usual spread."""
    runs = evidence.runs
    if runs.empty or "feature_std" not in runs:
        return None
    runs = runs[runs.regime == "mixed"]
    base = runs[runs.variant == "baseline"].feature_std.median()
    if not base > 0:
        return None
    made = runs[runs.form == "released"].groupby("variant").feature_std
    said = []
    for contrast in ("none", *study.CONTRASTS):
        variant = "fwm_hw" if contrast == "none" else study.combined("fwm_hw_ld", contrast)
        if contrast == "none" and "fwm_hw_ld" in made.groups:
            variant = "fwm_hw_ld"
        if variant not in made.groups:
            continue
        spread = made.get_group(variant).dropna()
        fallen = int((spread < base / 10).sum())
        label = "without contrast" if contrast == "none" else f"with {contrast.upper()}"
        said.append(f"{label} {fallen} of {len(spread)} (median {spread.median():.3f})")
    if len(said) < 2:
        return None
    return (
        "Seeds of FWM-HW-LD as released whose features collapse to less than a tenth of the "
        f"baseline's spread ({base:.3f}): " + ", ".join(said) + "."
    )


def halves(evidence: Evidence) -> str | None:
    """Whether it matters on which half of the latent VCLR acts."""
    said = []
    for half in study.HALVES:
        title = name(study.combined("fwm_hw_ld", "vclr", half), "described")
        for where in ("in domain", "shifted"):
            found = evidence.difference(title, BOTH, where)
            if found is None:
                return None
            says = {"above": "gains", "below": "loses", "open": "is undecided"}.get(
                _side(found), f"makes no difference (within {evidence.margin:g} points)"
            )
            said.append(f"the {half} half {says} {_where(where)}, {_number(found)}")
    return (
        "VCLR on one half of FWM-HW-LD as described, against all channels: " + "; ".join(said) + "."
    )


def others_as_large(evidence: Evidence) -> str | None:
    """Objectives outside the question that gain as much as LD does."""
    r = evidence.results
    every = tuple(_benchmarks(evidence))
    wide = Evidence(
        r, evidence.runs, evidence.probe, {**evidence.groups, "all": every}, evidence.margin
    )
    ld = wide.difference("ld", "baseline", "all")
    if ld is None:
        return None
    rows = r[(r.regime == "ucf101") & (r.probe == evidence.probe)]
    asked = {"ucf_baseline", "random_init", *study.FACTORIAL.values(), *study.CONTRASTS}
    found = {}
    for variant, form in dict.fromkeys(
        rows[["variant", "form"]].itertuples(index=False, name=None)
    ):
        if variant in asked or "+" in variant:
            continue
        gap = wide.difference(name(variant, form), "ucf_baseline", "all", "ucf101")
        if gap and gap["low"] > 0 and gap["high"] > ld["low"]:
            found[name(variant, form)] = gap
    if not found:
        return None
    text = ", ".join(
        f"{spelt(n)} {_number(f)}" for n, f in sorted(found.items(), key=lambda x: -x[1]["mean"])
    )
    return (
        "Objectives outside this question gain as much over the baseline of their own pretraining "
        f"data as LD does ({_number(ld)}): {text}."
    )


def few_labels(evidence: Evidence) -> str | None:
    """The same comparison with the fewest labels, where there is room at the top."""
    shares = evidence.results.probe.str.extract(r"^linear_([0-9.]+)%$")[0].dropna().astype(float)
    if shares.empty or evidence.probe != "linear":
        return None
    probe = f"linear_{shares.min():g}%"
    frame = combination.crossed(evidence.results, probe)
    if not _has_both(frame):
        return None
    found = combination.best_of_both(frame, "shifted", evidence.groups)
    if np.isnan(found["low"]):
        return None
    same = statistics.equivalence(found["values"], evidence.margin, found["least"])
    verb = {
        "above": "beats",
        "below": "falls short of",
        "same": f"is within {evidence.margin:g} points of",
        "open": "is not told apart from",
    }[_side(found | {"equivalent": same["equivalent"]})]
    return (
        f"With {shares.min():g} % of the labels, under shift, the best combination, "
        f"{spelt(found['whole'])} ({found['whole_mean']:.1f} %), {verb} the best single part, "
        f"{spelt(found['part'])} ({found['part_mean']:.1f} %): "
        f"{_number(found | {'mean': found['effect']})}."
    )


def escapes(evidence: Evidence) -> str | None:
    """Encoders whose seeds fall into two kinds of outcome, as counts."""
    said = []
    frame = evidence.crossed()
    for title in dict.fromkeys(frame.name):
        text = statistics.outcomes(evidence.values(title, "shifted")).text()
        if text:
            said.append(f"{spelt(title)}: {text} %")
    if not said:
        return None
    return (
        "Seeds fall into two kinds of outcome under shift, and are counted, for "
        + "; ".join(said)
        + "."
    )


SENTENCES: tuple[Callable[[Evidence], str | None], ...] = (
    best,
    few_labels,
    factorized_is_ld,
    outside_alone,
    on_top_of_contrast,
    different_things,
    overlap,
    halves,
    collapse,
    escapes,
    others_as_large,
)


def sentences(
    results: pd.DataFrame,
    runs: pd.DataFrame | None = None,
    probe: str = "linear",
    groups: Mapping[str, Sequence[str]] | None = None,
    margin: float = MARGIN,
    asked: Sequence[Callable[[Evidence], str | None]] = SENTENCES,
) -> list[str]:
    """Every sentence of the answer that the results carry.

    Parameters
    ----------
    results : columns of `study.metrics`, live or recorded.
    runs : of `recorded.runs`: how trainings ended; None leaves out what needs it.
    probe : reading that is asked.
    groups : 'in domain' and 'shifted' -> benchmarks; None for those of the embedded data.
    margin : points within which a difference is called none.
    asked : the sentences.
    """
    table = pd.DataFrame() if runs is None else runs
    evidence = Evidence(results, table, probe, dict(groups or GROUPS), margin)
    return [said for ask in asked if (said := ask(evidence)) is not None]


def _benchmarks(evidence: Evidence) -> list[str]:
    return [b for names in evidence.groups.values() for b in names]


def _has_both(frame: pd.DataFrame) -> bool:
    """Whether there are parts, combinations and a baseline, with more than one seed."""
    both = (frame.base != "baseline") & (frame.contrast != "none")
    parts = ~both & (frame.name != "baseline")
    return bool(both.any() and parts.any() and frame.seed.nunique() > 1)
