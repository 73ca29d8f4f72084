"""Figures of the report: drawn from recorded and published tables, kept by a gallery."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
from matplotlib.figure import Figure

from vjepa_lib.analysis import (
    combination,
    crossing,
    selection,
    statistics,
    transfer_answer,
    transfer_beside,
    transfer_factorial,
    transfer_larger_tuned,
    transfer_learned,
    transfer_repeats,
    transfer_score,
    transfer_singles,
    transfer_views,
)
from vjepa_lib.article.evidence import Evidence
from vjepa_lib.audit import published, readings
from vjepa_lib.datasets import worlds
from vjepa_lib.show import look, plots, transfer
from vjepa_lib.show.document.blocks import Picture, Text, plain
from vjepa_lib.show.gallery import RECORDED, Gallery
from vjepa_lib.show.worlds import contact_sheet
from vjepa_lib.study import transfer_recorded

WORLD = "camera"  # the task whose worlds are shown


def _kept(
    gallery: Gallery, key: str, fig: Figure, data: pd.DataFrame, caption: Text, **origin
) -> Picture:
    """Keep a figure, and the block that shows it at its size on a page of text."""
    name = key.removeprefix("fig-")
    gallery.figure(fig, name, data, plain(caption), **origin)
    width = min(1.0, float(fig.get_size_inches()[0]) / look.PAGE)
    return Picture(key, f"{gallery.notebook.split('_')[0]}_{name}", caption, width)


def gains(evidence: Evidence) -> pd.DataFrame:
    """Points against the baseline, in domain and under shift: what the answer's figure draws.

    Returns
    -------
    DataFrame of `statistics.paired_differences` with `source`, a row per objective and group of
    benchmarks, the largest gains under shift first.
    """
    table = combination.with_groups(combination.crossed(evidence.results), ["name", "seed"])
    found = statistics.paired_differences(
        table[table.benchmark.isin(combination.GROUPS)],
        "baseline",
        "top1",
        "name",
        by=["benchmark"],
        clips="n_test",
        two_outcomes=True,
    )
    order = found[found.benchmark == "shifted"].sort_values("effect", ascending=False).name
    rank = {n: k for k, n in enumerate(order)}
    by_size = found.name.map(rank)
    found = found.assign(rank=by_size).sort_values(["benchmark", "rank"], ignore_index=True)
    return found.drop(columns="rank").assign(source=evidence.mark)


def answer(gallery: Gallery, evidence: Evidence, caption: Text) -> Picture:
    """What every objective brings over the baseline, in domain and under shift."""
    data = gains(evidence)
    fig = plots.intervals(
        data, "effect", rows="name", panel="benchmark", zero=True,
        xlabel="points against the baseline",
    )  # fmt: skip
    return _kept(gallery, "fig-answer", fig, data, caption, runs=_runs(evidence, data.name))


def scores(gallery: Gallery, evidence: Evidence, caption: Text) -> Picture:
    """Transfer scores of the decisive encoders, on the source, zero-shot and re-trained."""
    data = transfer_views.answer(evidence.zero_shot)
    fig = plots.intervals(data, "score", panel="reading", xlabel="score (chance to ceiling)")
    return _recorded(gallery, evidence, "fig-scores", fig, data, caption, runs=_decisive(evidence))


def _recorded(
    gallery: Gallery,
    evidence: Evidence,
    key: str,
    fig: Figure,
    data: pd.DataFrame,
    caption: Text,
    **origin,
) -> Picture:
    """`_kept` of a figure of the recorded transfer study."""
    own = replace(gallery, profile=evidence.mark)  # figures are marked as recorded ones
    return _kept(own, key, fig, data, caption, sources=[RECORDED], **origin)


def _decisive(evidence: Evidence) -> list[str]:
    """Addresses of the decisive runs of the transfer study."""
    own = transfer_score.own_runs(evidence.readings)
    return sorted(set(own[own.variant.isin(transfer_score.DECISIVE)].run))


def contrasts(gallery: Gallery, evidence: Evidence, caption: Text) -> Picture:
    """The primary contrasts of zero-shot transfer: each combination minus each of its parts."""
    found = evidence.contrasts
    data = found.assign(pair=found.whole + " − " + found.part)
    titles = {
        r.pair: f"{transfer_answer.TITLES[r.whole]} − {transfer_answer.TITLES[r.part]}"
        for r in data.itertuples()
    }
    fig = plots.intervals(
        data, "effect", rows="pair", zero=True, names=titles,
        band={None: transfer_score.MARGIN}, xlabel="points of the transfer score", width=5.0,
    )  # fmt: skip
    return _recorded(
        gallery, evidence, "fig-contrasts", fig, data, caption, runs=_decisive(evidence)
    )


def settings(gallery: Gallery, evidence: Evidence, caption: Text) -> Picture:
    """The primary contrasts with other lengths, widths, weights and parts of VCLR."""
    data = transfer_views.other_settings(evidence.zero_shot)
    return _recorded(gallery, evidence, "fig-settings", transfer.settings(data), data, caption)


def ways(gallery: Gallery, evidence: Evidence, caption: Text) -> Picture:
    """The primary contrasts untuned, with rate or weight chosen, and with both tuned together."""
    data = transfer_repeats.ways(evidence.zero_shot)
    return _recorded(gallery, evidence, "fig-ways", transfer.settings(data), data, caption)


def learned(gallery: Gallery, evidence: Evidence, caption: Text) -> Picture:
    """VCLR's own loss and the transfer score, run by run."""
    data = transfer_learned.learned(evidence.zero_shot)
    return _recorded(gallery, evidence, "fig-learned", transfer.learned(data), data, caption)


def sixteen(gallery: Gallery, evidence: Evidence, caption: Text) -> Picture:
    """Scores of the factorial's cells, without and with VCLR."""
    data = transfer_factorial.cells(evidence.zero_shot)
    return _recorded(gallery, evidence, "fig-sixteen", transfer.sixteen(data), data, caption)


def effects(gallery: Gallery, evidence: Evidence, caption: Text) -> Picture:
    """The fifteen effects of the factorial, on the score and on log odds."""
    data = transfer_factorial.effects(evidence.zero_shot)
    return _recorded(gallery, evidence, "fig-effects", transfer.effects(data), data, caption)


def larger(gallery: Gallery, evidence: Evidence, caption: Text) -> Picture:
    """Accuracies one size up, untuned and tuned."""
    data = transfer_larger_tuned.levels(evidence.zero_shot)
    own = replace(gallery, profile=f"{transfer_recorded.LARGER}, recorded")
    return _kept(
        own, "fig-larger", transfer.larger(data), data, caption,
        sources=[RECORDED], runs=sorted(evidence.larger_runs.run),
    )  # fmt: skip


def beside(gallery: Gallery, evidence: Evidence, caption: Text) -> Picture:
    """What contrasts and objectives add to each other."""
    data = transfer_beside.contrasts(evidence.zero_shot)
    return _recorded(gallery, evidence, "fig-beside", transfer.beside(data), data, caption)


def singles(gallery: Gallery, evidence: Evidence, caption: Text) -> Picture:
    """What the study's other single objectives bring over their baselines."""
    data = transfer_singles.contrasts(evidence.zero_shot)
    return _recorded(gallery, evidence, "fig-singles", transfer.singles(data), data, caption)


def interactions(gallery: Gallery, evidence: Evidence, caption: Text) -> Picture:
    """What a contrast adds to a factorized objective beyond what it adds to the baseline."""
    table = selection.by_source({evidence.mark: evidence.results}, crossing.interactions)
    data = selection.pick(table, "benchmark", crossing.WHERE)
    together = f"all {sum(map(len, combination.GROUPS.values()))} benchmarks"
    titles = crossing.pair_titles(data, plots.label) | {"all": together}
    fig = plots.intervals(
        data, "estimate", rows="pair", panel="benchmark", zero=True, names=titles,
        xlabel="interaction (points)",
    )  # fmt: skip
    return _kept(gallery, "fig-interactions", fig, data, caption, runs=_runs(evidence))


def _runs(evidence: Evidence, names: pd.Series | None = None) -> list[str]:
    """Addresses of the runs of some objectives and of the baseline; None for the whole crossing."""
    wanted = set(combination.crossed(evidence.results).name if names is None else names)
    known = evidence.addresses
    return [run for n in (*sorted(wanted), "baseline") for run in known.get(n, ())]


def published_differences(gallery: Gallery, evidence: Evidence, caption: Text) -> Picture:
    """The published differences, against both baselines."""
    data = evidence.differences
    noise = evidence.published.baseline_noise("mixed")
    fig = plots.intervals(
        data, "difference", panel="benchmark", series="baseline", zero=True,
        band=readings.bands(noise), xlabel="difference (points)", names=look.PUBLISHED,
    )  # fmt: skip
    facts = replace(gallery, profile="")  # of the literature, not of runs
    return _kept(facts, "fig-published", fig, data, caption, sources=[published.SOURCE])


def sheet(gallery: Gallery, caption: Text) -> Picture:
    """A clip of every world of one task."""
    data = pd.DataFrame([{"task": WORLD, "shift": s, "severity": k} for s, k in worlds.places()])
    sources = ["rendered, vjepa_lib/datasets/worlds.py"]
    return _kept(gallery, "fig-worlds", contact_sheet(WORLD), data, caption, sources=sources)


def severities(gallery: Gallery, evidence: Evidence, caption: Text) -> Picture:
    """How a supervised network reads every shift at every severity."""
    graded = transfer_recorded.graded(evidence.readings)
    data = graded[graded.variant == "supervised"].drop(columns="variant")
    points = data.assign(world=data.task + ", " + data["shift"]).set_index("world")
    points = points.drop(columns=["task", "shift"])
    fig = plots.heatmap(points, centre=None, fmt="{:.0f}", bar_label="top-1 (%)", width=5.2)
    own = evidence.readings[evidence.readings.variant == "supervised"]
    runs = sorted(set(own.run))
    return _recorded(gallery, evidence, "fig-severities", fig, data, caption, runs=runs)
