"""What a figure shows, in sentences made of the table behind it: the words after a picture.

`findings` says what was found in the end; these say what was seen on the way there. Every function
takes a table and returns a sentence, or a list of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from vjepa_lib.analysis.findings import listed
from vjepa_lib.study.titles import spelt


def variance_over_time(shares: pd.DataFrame) -> str:
    """How much of an encoder's map changes from one time step to the next.

    Parameters
    ----------
    shares : of `maps.compare_maps`.
    """
    time = 100 - shares["between places"]
    return "share of the tokens' variance that is not fixed to a place (%): " + listed(
        shares.encoder, time, ".0f"
    )


def ends_compared(ends: pd.DataFrame, name: str, reference: str) -> str:
    """How one training ended beside another: mean over seeds, and the lowest and highest seed.

    Parameters
    ----------
    ends : `Notebook.ends`, with `jepa`, `rank_me` and `feature_std`.
    """
    columns = {"jepa": ("JEPA loss", ".3f"), "rank_me": ("RankMe", ".1f")}
    columns["feature_std"] = ("feature std", ".3f")
    measured = ends.dropna(subset=list(columns))
    last = measured.groupby(["name", "seed"], sort=False)[list(columns)].last()
    if not {name, reference} <= set(last.index.get_level_values("name")):
        return f"how {name} and {reference} ended is not recorded"

    def values(who: str, column: str, form: str) -> str:
        one = last.loc[who, column]
        return f"{one.mean():{form}} ({one.min():{form}} to {one.max():{form}})"

    said = ", ".join(
        f"{what} {values(name, c, form)} against {values(reference, c, form)}"
        for c, (what, form) in columns.items()
    )
    return f"{name} beside {reference}, mean and range over seeds: {said}"


def most_and_least(gains: pd.DataFrame) -> list[str]:
    """On which benchmark an effect is largest and on which smallest, a sentence a source.

    Parameters
    ----------
    gains : of `ablation.gains` for one variant, with `source`.
    """
    said = []
    for source, part in gains[gains.benchmark != "all"].groupby("source", sort=False):
        high, low = (part.loc[pick] for pick in (part.effect.idxmax(), part.effect.idxmin()))
        said.append(
            f"{source}, {part.name.iloc[0]}: most on {high.benchmark} ({high.effect:+.1f} points), "
            f"least on {low.benchmark} ({low.effect:+.1f})"
        )
    return said


def extremes_of_each(gains: pd.DataFrame, without: Collection[str] = ()) -> list[str]:
    """`most_and_least` of every variant among some gains.

    Parameters
    ----------
    gains : of `ablation.gains`, with `source`.
    without : names that are left out.
    """
    kept = gains[~gains.name.isin(without)]
    return [line for _, part in kept.groupby("name", sort=False) for line in most_and_least(part)]


def one_frame(wide: pd.DataFrame, chance: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Which benchmarks a single frame tells, and which it tells little of.

    A frame tells a benchmark where the single-frame model closes at least half of the distance from
    chance to the supervised one.

    Parameters
    ----------
    wide : of `benchmarks.readings_side_by_side`; chance : of `benchmarks.chance`.
    """
    floor = wide.benchmark.map({b: c["chance"] for b, c in chance.items()})
    closed = 100 * (wide.single_frame - floor) / (wide.supervised - floor)
    told = closed >= 50
    names = [wide.benchmark[told], wide.benchmark[~told]]
    return [
        "of the way from chance to the supervised model, a single frame goes (%): "
        + listed(wide.benchmark, closed, ".0f"),
        f"told by one frame: {', '.join(names[0]) or 'none'}; told by motion: "
        f"{', '.join(names[1]) or 'none'}",
    ]


def context_left(sizes: pd.DataFrame) -> str:
    """How much each kind of mask leaves to be seen, of `masks.mask_sizes`."""
    share = (100 * sizes.context / sizes.tokens).groupby(sizes.masking, sort=False)
    rows = zip(share.min().index, share.min(), share.max(), strict=True)
    return "tokens left as context, smaller and larger mask group (%): " + ", ".join(
        f"{kind} {low:.0f} and {high:.0f}" for kind, low, high in rows
    )


def where_jepa_pulls(reach: pd.DataFrame) -> str:
    """How much of the JEPA loss's gradient arrives in the context encoder, behind the predictor.

    Parameters
    ----------
    reach : of `reach.term_reach`.
    """
    norm = reach[reach.term == "jepa"].set_index("part").norm
    predictor, encoder = norm["predictor"], norm["context_encoder"]
    return (
        f"The JEPA gradient has length {predictor:.2g} in the predictor and {encoder:.2g} in the "
        f"context encoder behind it: {predictor / encoder:.0f} to 1."
    )


def furthest_rows(table: pd.DataFrame, benchmarks: Sequence[str]) -> list[str]:
    """Which row is furthest above and furthest below 0 on some benchmarks, and how many are clear.

    Parameters
    ----------
    table : effects with `name`, `benchmark`, `effect`, `low`, `high`, and `p_adjusted` or `p`;
        from one source.
    benchmarks : 'all' for the mean.
    """
    said = []
    for benchmark in benchmarks:
        own = table[table.benchmark == benchmark]
        if own.empty:
            continue
        where = "the mean of all benchmarks" if benchmark == "all" else spelt(benchmark)
        high, low = (own.loc[pick] for pick in (own.effect.idxmax(), own.effect.idxmin()))
        said.append(
            f"on {where}: furthest up {_with_interval(high)}, furthest down {_with_interval(low)}; "
            f"{int((own.low > 0).sum())} of {len(own)} intervals lie above 0, "
            f"{int((own.high < 0).sum())} below"
        )
    return said


def _with_interval(row: pd.Series) -> str:
    interval = "" if pd.isna(row.low) else f" [{row.low:+.1f}, {row.high:+.1f}]"
    return f"{spelt(row['name'])} {row.effect:+.1f}{interval}"


def mixture_or_one(transfer: pd.DataFrame) -> list[str]:
    """Whether the mixture or one pretraining domain alone is read best, objective by objective.

    Parameters
    ----------
    transfer : of `combination.transfer_matrix`, with the benchmarks that are asked; one source.
    """
    said = []
    for name, part in transfer.groupby("name", sort=False):
        best = part.loc[part.groupby("benchmark", sort=False).top1.idxmax()]
        each = ", ".join(
            f"{spelt(r.benchmark)}: {'mixture' if r.regime == 'mixed' else r.regime}"
            for r in best.itertuples()
        )
        mixed = int((best.regime == "mixed").sum())
        said.append(f"{spelt(name)}: the mixture is best on {mixed} of {len(best)} ({each})")
    return said


def by_labels(verdicts: pd.DataFrame) -> list[str]:
    """At how many shares of labels combining brings more, or falls short, a sentence a source.

    Parameters
    ----------
    verdicts : of `crossing.verdicts_by_labels`.
    """
    ends = {
        "combining brings more": "brings more than either part",
        "combining falls short": "falls short of the best part",
        "is undecided": "is undecided",
    }
    said = []
    for source, part in verdicts.groupby("source", sort=False):
        counts = [
            f"{words} at {int(part.verdict.str.contains(mark).sum())}"
            for mark, words in ends.items()
        ]
        shares = ", ".join(f"{s:g}" for s in sorted(part.share))
        said.append(
            f"{source}: of {len(part)} shares of labels ({shares} %), combining "
            f"{', '.join(counts[:-1])} and {counts[-1]}"
        )
    return said
