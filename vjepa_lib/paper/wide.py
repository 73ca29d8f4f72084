"""The table that answers the question: every encoder on every benchmark, over seeds.

Means with their intervals, and differences to the baseline of the same group and seed, are those
of `analysis`; nothing is computed across groups, since their protocols differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from vjepa_lib import study
from vjepa_lib.analysis import ablation, statistics
from vjepa_lib.paper.protocols import Group
from vjepa_lib.show.tables import format_table

NO_INTERVAL = "One seed has no interval."
_VALUES = ("top1", "low", "high", "n_seeds", "seeds")
_GAINS = ("difference", "difference_low", "difference_high", "n_pairs", "p_holm", "outcomes")


def baseline_of(regime: str) -> str | None:
    """The variant with no further term that was published with a regime; None if there is none."""
    for name in study.STUDIED:
        row = study.VARIANTS[name]
        if row.regime == regime and not row.terms and row.ema and row.masking == "multiblock":
            return name
    return None


def over_seeds(rows: pd.DataFrame, groups: Sequence[Group]) -> pd.DataFrame:
    """Means over seeds and differences to the baseline, a row per group, encoder and reading.

    Parameters
    ----------
    rows : of `tables.table`.

    Returns
    -------
    DataFrame : group, encoder, also (other names of the same runs), reading, `top1` in percent
        with its 95 % t interval `low`, `high` over `n_seeds` (NaN for one), seeds; `difference`
        in points to the baseline of the group, paired by seed, with its interval, `n_pairs`, and
        `p_holm`, corrected over the whole group; `outcomes` where seeds fall into two kinds.
    """
    parts = []
    for group in groups:
        own = rows[rows["group"] == group.number].copy()
        own["name"] = own["encoder"]
        own = _one_a_seed(own)
        means = ablation.seed_means(
            own[["name", "reading", "seed", "top1", "n_test"]].rename(
                columns={"reading": "benchmark"}
            )
        ).rename(columns={"benchmark": "reading"})
        seeds = own.groupby(["name", "reading"])["seed"].agg(
            lambda s: ", ".join(map(str, sorted(s)))
        )
        means = means.merge(seeds.rename("seeds").reset_index(), on=["name", "reading"])
        also = own.groupby("name")["also"].first().reset_index()
        means = means.merge(also, on="name").merge(_gains(own, group), "left", ["name", "reading"])
        parts.append(means.assign(group=group.number))
    out = pd.concat(parts, ignore_index=True).rename(columns={"name": "encoder"})
    return out[["group", "encoder", "also", "reading", *_VALUES, *_GAINS]]


def _one_a_seed(own: pd.DataFrame) -> pd.DataFrame:
    """One row an encoder, reading and seed; a run with several names counts once."""
    own = own.sort_values(["name", "reading", "seed"], kind="stable")
    return own.drop_duplicates(["name", "reading", "seed"])


def _gains(own: pd.DataFrame, group: Group) -> pd.DataFrame:
    reference = baseline_of(group.protocol.get("regime", ""))
    base = own[own["name"] == reference]
    pairs = own.merge(base[["reading", "seed"]], on=["reading", "seed"])
    columns = ["name", "reading", *_GAINS]
    if reference is None or not (pairs["name"] != reference).any():
        return pd.DataFrame(columns=columns)
    found = statistics.paired_differences(
        pairs, reference, "top1", "name", by=["reading"], clips="n_test", two_outcomes=True
    )
    new = {"effect": "difference", "low": "difference_low", "high": "difference_high"}
    new |= {"n_seeds": "n_pairs", "p_adjusted": "p_holm"}
    return found.rename(columns=new)[columns]


def wide(tidy: pd.DataFrame) -> pd.DataFrame:
    """A row per group and encoder, for every reading columns such as 'ssv2, linear: top1'."""
    keys = ["group", "encoder", "also"]
    readings = list(dict.fromkeys(tidy["reading"]))
    out = tidy[keys].drop_duplicates().reset_index(drop=True)
    for reading in readings:
        part = tidy[tidy["reading"] == reading].drop(columns="reading")
        names = {c: f"{reading}: {c}" for c in part if c not in keys}
        out = out.merge(part.rename(columns=names), how="left", on=keys)
    return out


# --- as text --------------------------------------------------------------------------------------


def _cell(value: float, low: float, high: float, n: float, sign: str = "") -> str:
    if pd.isna(value):
        return "–"
    seeds = f"{n:.0f} seed{'s' if n != 1 else ''}"
    inner = "" if pd.isna(low) else f" [{low:{sign}.1f}, {high:{sign}.1f}]"
    return f"{value:{sign}.1f}{inner} ({seeds})"


def _block(part: pd.DataFrame, values: Sequence[str], sign: str = "") -> pd.DataFrame:
    readings = list(dict.fromkeys(part["reading"]))
    rows = []
    for encoder, own in part.groupby("encoder", sort=False):
        cells = {"encoder": encoder}
        by_reading = own.set_index("reading")
        for reading in readings:
            text = "–"
            if reading in by_reading.index:
                r = by_reading.loc[reading]
                text = _cell(*(r[v] for v in values), sign)
                if sign and r["p_holm"] < statistics.ALPHA:
                    text += " *"
                if sign and isinstance(r["outcomes"], str) and r["outcomes"]:
                    text += f"; {r['outcomes']}"
            cells[reading] = text
        rows.append(cells)
    return pd.DataFrame(rows)


def blocks(
    tidy: pd.DataFrame, groups: Sequence[Group]
) -> Iterator[tuple[Group, str, pd.DataFrame | None]]:
    """Group by group a sentence and a table of text: accuracies, then differences (None: none)."""
    for group in groups:
        part = tidy[tidy["group"] == group.number]
        said = "Top-1 in percent, mean over seeds with its 95 % t interval."
        if (part["n_seeds"] == 1).any():
            said += f" {NO_INTERVAL}"
        yield group, said, _block(part, _VALUES[:4])
        reference = baseline_of(group.protocol.get("regime", ""))
        compared = part[part["encoder"] != reference]
        if reference is None or compared["difference"].isna().all():
            why = f"has no {reference}" if reference else "is of no regime of the study"
            if reference and (part["encoder"] == reference).any():
                why = f"has no encoder that shares a seed and a reading with {reference}"
            yield group, f"The group {why}, so nothing is compared.", None
            continue
        said = (
            f"Points over {reference} of the same seed, reading and group, mean with its 95 % t "
            "interval; *: clear of 0 after Holm's correction over this table."
        )
        if (compared["n_pairs"] == 1).any():
            said += f" {NO_INTERVAL}"
        yield group, said, _block(compared, _GAINS[:4], "+")


def as_text(tidy: pd.DataFrame, groups: Sequence[Group], kind: str = "markdown") -> str:
    """All blocks below each other, as Markdown or LaTeX."""
    lines: list[str] = []
    last = None
    for group, said, table in blocks(tidy, groups):
        if group is not last:
            lines += _heading(group, kind)
            names = tidy[(tidy["group"] == group.number) & (tidy["also"] != "-")]
            also = names.drop_duplicates("encoder")
            if len(also):
                same = "; ".join(f"{r.encoder} is also {r.also}" for r in also.itertuples())
                lines += [_escaped(f"Runs with several names: {same}.", kind), ""]
        last = group
        lines += [_escaped(said, kind), ""]
        if table is not None:
            lines += [format_table(table, 1, kind), ""]
    return "\n".join(lines)


def _heading(group: Group, kind: str) -> list[str]:
    if kind == "latex":
        return [
            rf"\subsection*{{{_escaped(group.title, kind)}}}",
            _escaped(group.says, kind),
            "",
        ]
    return [f"## {group.title}", "", group.says, ""]


def _escaped(text: str, kind: str) -> str:
    if kind != "latex":
        return text.replace("; *:", "; \\*:")
    special = {c: f"\\{c}" for c in "#%&_${}"} | {c: f"\\{c}{{}}" for c in "^~"}
    return text.translate(str.maketrans(special | {"\\": r"\textbackslash{}"}))
