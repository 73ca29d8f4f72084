"""What the transfer study's sentences and tables stand on, and the words they say it in.

`Evidence` computes scores and contrasts of the recorded readings once; `side` and `verdict` turn a
contrast into the words of docs/analysis_plan.md ('helps', 'harms', 'no difference').
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.stats import binomtest

from vjepa_lib.analysis import statistics, transfer_score, transfer_settings
from vjepa_lib.analysis.transfer_score import DECISIVE_SEEDS, MARGIN, PRIMARY, TITLES
from vjepa_lib.study import transfer_recorded
from vjepa_lib.study.recorded import FOLDER
from vjepa_lib.study.transfer_recorded import LARGER

CLOSE = 0.01  # a p above it, though below the level, is told with the signs of the seeds


@dataclass(frozen=True)
class Evidence:
    """What sentences may ask; each part is computed once.

    Attributes
    ----------
    readings : of `transfer_recorded.load`.
    curves : of `transfer_recorded.curves`; without them no weights are chosen.
    larger : the same of the larger size (`study.transfer_medium`); None where it is not recorded.
    failed : of `transfer_recorded.failed`.
    margin : points of the score within which a difference is called none.
    """

    readings: pd.DataFrame
    margin: float = MARGIN
    curves: pd.DataFrame = field(default_factory=pd.DataFrame)
    larger: Evidence | None = None
    failed: pd.DataFrame = field(default_factory=pd.DataFrame)
    _cache: dict = field(default_factory=dict, repr=False, compare=False)

    @property
    def runs(self) -> pd.DataFrame:
        """Which runs there are, a row each: readings are thousands a run."""
        if "runs" not in self._cache:
            columns = ["run", "variant", "seed", "changed", "pretrained_on", "gpu"]
            self._cache["runs"] = self.readings.drop_duplicates("run")[columns]
        return self._cache["runs"]

    def own(self, changed: str = "", on: str = "rendered") -> pd.DataFrame:
        """`transfer_score.own_runs` of runs with a setting."""
        key = ("own", changed, on)
        if key not in self._cache:
            self._cache[key] = transfer_score.own_runs(self.readings, changed, on)
        return self._cache[key]

    def shares(self, reading: str = "zero-shot", changed: str = "", on: str = "rendered"):
        """`transfer_score.shares` of runs with a setting; empty without them."""
        key = (reading, changed, on)
        if key not in self._cache:
            self._cache[key] = transfer_score.shares(self.referred(changed, on), reading)
        return self._cache[key]

    def referred(self, changed: str = "", on: str = "rendered") -> pd.DataFrame:
        """`own`, and the supervised reference that scores need."""
        rows = self.own(changed, on)
        reference = self.readings[self.readings.kind == "supervised"]
        return pd.concat([rows[rows.kind != "supervised"], reference])

    def contrasts(
        self,
        reading: str = "zero-shot",
        by: Sequence[str] = (),
        pairs: Sequence[tuple[str, str]] = PRIMARY,
        changed: str = "",
        seeds: Sequence[int] | None = DECISIVE_SEEDS,
        on: str = "rendered",
    ) -> pd.DataFrame:
        """`transfer_score.contrasts` of a reading."""
        key = ("contrasts", reading, *by, *pairs, changed, str(seeds), on)
        if key not in self._cache:
            table = transfer_score.scores(self._with_partners(reading, changed, on), by)
            said = ", ".join(["contrasts", reading, *([changed] if changed else [])])
            family = said if (by or reading != "zero-shot" or changed) else "primary contrasts"
            self._cache[key] = transfer_score.contrasts(
                table, pairs, seeds, by, family, self.margin
            )
        return self._cache[key]

    def _with_partners(self, reading: str, changed: str, on: str) -> pd.DataFrame:
        """Shares of runs with a setting; what it does not concern stands as it is.

        VCLR alone has no weight of LD to change, so LD + VCLR with another weight of LD is
        compared with VCLR as it is.
        """
        found = self.shares(reading, changed, on)
        if found.empty:
            return found
        tables = [found]
        for variant in dict.fromkeys(v for pair in PRIMARY for v in pair):
            own = transfer_settings.for_variant(variant, changed)
            if own != changed:
                plain = self.shares(reading, own, on)
                plain = plain[(plain.variant == variant) & plain.seed.isin(found.seed)]
                tables.append(plain.assign(changed=changed))
        return pd.concat(tables, ignore_index=True)

    def crossed(self) -> pd.DataFrame:
        """`transfer_score.crossed` of the primary contrasts."""
        if "crossed" not in self._cache:
            self._cache["crossed"] = transfer_score.crossed(self.referred())
        return self._cache["crossed"]

    @property
    def has_decisive(self) -> bool:
        return not self.readings.empty and len(self.contrasts()) == len(PRIMARY)


def once(find: Callable[..., Any]) -> Callable[..., Any]:
    """A function of evidence whose results are kept with it: sentences and figures ask alike.

    Parameters
    ----------
    find : its further arguments are hashable.
    """

    @wraps(find)
    def kept(e: Evidence, *asked: Hashable) -> Any:
        key = (find.__module__, find.__name__, *asked)
        if key not in e._cache:
            e._cache[key] = find(e, *asked)
        return e._cache[key]

    return kept


def gathered(folder: Path = FOLDER) -> Evidence:
    """Evidence of everything that is recorded with the repository, at both sizes."""
    return Evidence(
        transfer_recorded.load(folder=folder),
        curves=transfer_recorded.curves(folder=folder),
        larger=one_size_up(folder),
    )


def one_size_up(folder: Path = FOLDER) -> Evidence | None:
    """Evidence of the larger size alone; None where nothing of it is recorded."""
    read = transfer_recorded.load(LARGER, folder)
    if read.empty:
        return None
    curves, failed = (
        f(LARGER, folder) for f in (transfer_recorded.curves, transfer_recorded.failed)
    )
    return Evidence(read, curves=curves, failed=failed)


def span(counts: pd.Series, word: str = "to") -> str:
    """'3' or '3 to 5': the least and the most of some counts."""
    return f" {word} ".join(f"{n:.0f}" for n in sorted({counts.min(), counts.max()}))


def number(row) -> str:
    """'+1.2 points [+0.3, +2.1]' of a row with `effect`, `low`, `high`."""
    return f"{row.effect:+.1f} points [{row.low:+.1f}, {row.high:+.1f}]"


def against(row) -> str:
    """'LD with VCLR against LD' of a contrast."""
    return f"{TITLES[row.whole]} against {TITLES[row.part]}"


def minus(row) -> str:
    """'LD with VCLR minus LD' of a contrast: its name in tables and figures."""
    return f"{TITLES[row.whole]} minus {TITLES[row.part]}"


def of_pair(table: pd.DataFrame, row) -> pd.DataFrame:
    """The rows of a table that contrast what `row` contrasts."""
    return table[(table.whole == row.whole) & (table.part == row.part)]


def ways(rows: pd.DataFrame, by: str, where: str) -> str:
    """'below on order, appearance' of the contrasts that are clear; '' where none is."""
    said = []
    for way in ("above", "below"):
        names = [getattr(r, by) for r in rows.itertuples() if side(r) == way]
        said += [f"{way} {where} {', '.join(names)}"] if names else []
    return " and ".join(said)


def told(row) -> str:
    """A contrast in words: its number, or where seeds are of two kinds, in how many it is up."""
    if not row.outcomes:
        return number(row)
    return f"above in {row.n_above:.0f} of {row.n_seeds:.0f} seeds ({row.outcomes})"


def side(row, corrected: bool = True) -> str:
    """'above', 'below', 'same' (shown to be within the margin), 'open', or 'two kinds'."""
    if row.outcomes:
        return "two kinds"
    if row.clear if corrected else (row.p < statistics.ALPHA):
        return "above" if row.effect > 0 else "below"
    return "same" if row.equivalent else "open"


def verdict(first, second) -> str:
    """What the plan says of a combination from its contrasts with VCLR and with the other part.

    'helps' above both, 'harms' below either, 'makes no difference' within the margin of both, else
    'is undecided'.
    """
    sides = {side(first), side(second)}
    if sides == {"above"}:
        return "helps"
    if "below" in sides:
        return "harms"
    return "makes no difference" if sides == {"same"} else "is undecided"


def judged(found: pd.DataFrame, margin: float) -> str:
    """Every combination with its verdict and the contrasts behind it.

    Parameters
    ----------
    found : of `transfer_score.contrasts`; combinations that lack a contrast are left out.
    margin : points within which a difference is called none.
    """
    said = []
    for whole in dict.fromkeys(found.whole):
        rows = list(found[found.whole == whole].itertuples())
        if len(rows) < 2:
            continue
        parts = " and ".join(
            f"{told(r)} against {TITLES[r.part]}"
            + ("" if r.outcomes else f" (Holm p {small(r.p_adjusted)}{_same(r, margin)})")
            for r in rows
        )
        said.append(f"{TITLES[whole]} {verdict(*rows)}: {parts}")
    return "; ".join(said)


def signs(found: pd.DataFrame) -> str:
    """Where a t test is clear and the signs of so few seeds are not; '' where nowhere."""
    said = []
    for row in found.itertuples():
        if row.outcomes or not row.clear:
            continue
        p = binomtest(int(row.n_above), int(row.n_seeds)).pvalue
        if row.p_adjusted > CLOSE:
            said.append(
                f" {against(row)} is close to the edge of chance: above in {row.n_above:.0f} of "
                f"{row.n_seeds:.0f} seeds, which an exact sign test gives p {p:.2g}."
            )
    return "".join(said)


def small(p: float) -> str:
    """A p value in words: 'below 0.001' where digits would say too much."""
    return f"{p:.2g}" if p >= 1e-3 else "below 0.001"


def _same(row, margin: float) -> str:
    if not row.equivalent:
        return ""
    return (
        f"; the same within {margin:.2g} points"
        if side(row) == "same"
        else (f"; clear, but within {margin:.2g} points")
    )
