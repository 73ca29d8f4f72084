"""Sections that all ablation notebooks share: training, results against the baseline, findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from vjepa_lib import study
from vjepa_lib.analysis import ablation, findings
from vjepa_lib.analysis.ablation import MOTION, STILLS, mean_share, motion_and_stills, term_shares
from vjepa_lib.analysis.selection import (
    at_end,
    by_source,
    drop,
    each_source,
    of_forms,
    side_by_side,
)
from vjepa_lib.show import plots
from vjepa_lib.show.notebook import Notebook


def curves_of(nb: Notebook, configs: Sequence[study.RunConfig]) -> pd.DataFrame:
    """Training curves of the trained ones among some runs, `named`."""
    return nb.curves_of(trained(configs))


def trained(configs: Sequence[study.RunConfig]) -> list[study.RunConfig]:
    """Runs whose evaluated encoder was trained; as released, those without EMA were not."""
    return [c for c in configs if study.canonical(c).pretrained]


def collapse(nb: Notebook, curves: pd.DataFrame, runs: Sequence[str], suffix: str = "") -> None:
    """Figure: JEPA loss, RankMe and feature spread over training; reading, how it ended too.

    Parameters
    ----------
    curves : of `Notebook.curves_of`.
    runs : addresses, for the provenance of the figure.
    suffix : of the artefact's name.
    """
    labels = {
        "jepa": "JEPA loss",
        "rank_me": "RankMe of mean tokens",
        "feature_std": "feature std",
    }
    if len(curves):
        marks = [c for c in ("source",) if c in curves]
        nb.out.figure(
            plots.curves(curves, list(labels), by="name", ylabels=labels),
            f"curves{suffix}",
            curves[["name", "seed", "step", *labels, *marks]],
            "Loss and collapse diagnostics of the evaluated encoder over training; bands: lowest "
            "to highest seed",
            runs,
        )
    if nb.live:
        print(findings.collapse_at_end(curves))
        return
    ends = nb.ends[nb.ends.run.isin(runs)]
    if len(ends):
        table = at_end(ends, list(labels)).rename(columns=labels)
        caption = "How the trainings ended, mean over seeds"
        table = table.assign(source=f"{nb.profile.name}, recorded")
        nb.out.table(table, f"ends{suffix}", caption, runs, digits=3)
        print(findings.collapse_at_end(ends))


def shares(
    nb: Notebook,
    curves: pd.DataFrame,
    config: study.RunConfig,
    runs: Sequence[str],
    artefact: str = "shares",
) -> pd.Series:
    """Figure: a run's weighted loss over training, and what each of its terms adds to it.

    Parameters
    ----------
    curves : of `study.curves`.
    runs : addresses, for the provenance of the figure.

    Returns
    -------
    Series: the share of every term late in the training (%); empty where a notebook reads and the
    run's curves are not kept.
    """
    if not len(curves) or not len(of_forms(curves, [(config.variant, config.form)])):
        return pd.Series(dtype=float)
    form, regime = config.form, config.regime
    config = study.resolve(config.variant, form, nb.size_of(curves), config.seed, regime)
    parts = term_shares(curves, config)
    if "source" in curves:
        parts = parts.assign(source=curves.source.iloc[0])
    title = plots.label(ablation.name(config.variant, config.form))
    caption = f"{title}: the weighted loss and each term's share of it"
    nb.out.figure(plots.shares(parts), artefact, parts, caption, runs)
    return mean_share(parts)


def training(
    nb: Notebook,
    configs: Sequence[study.RunConfig],
    pairs: Sequence[tuple[str, str]],
    without: Sequence[str] = (),
    suffix: str = "",
) -> pd.DataFrame:
    """Figures: loss and collapse over training, and each term's share in the loss of some variants.

    Parameters
    ----------
    configs : live runs.
    pairs : (variant, form) of the runs whose loss is taken apart.
    without : names that the first figure leaves out.
    suffix : of the artefacts' names, where a notebook has two baselines.

    Returns
    -------
    DataFrame: a row per pair, the share of every term late in the training (%).
    """
    own, curves = trained(configs), curves_of(nb, configs)
    collapse(nb, drop(curves, "name", without), nb.hashes(own), suffix)
    late = []
    for variant, form in pairs:
        config = study.resolve(variant, form, nb.profile.name)
        plain = "".join(ch if ch.isalnum() else "_" for ch in f"{variant}_{form}")
        runs = nb.hashes([c for c in own if (c.variant, c.form) == (variant, form)])
        share = shares(nb, curves, config, runs, f"shares_{plain}")
        if len(share):
            late.append({"variant": ablation.name(variant, form)} | share.to_dict())
    table = pd.DataFrame(late)
    if late:
        nb.out.table(
            table,
            f"shares{suffix}",
            "Share of each weighted term in the loss, percent, second half of the training",
            nb.hashes(own),
            digits=1,
        )
    print(findings.share_of_added_terms(table))
    return table


def gains_over(
    sources: Mapping[str, pd.DataFrame],
    reference: str,
    without: Sequence[str] = (),
    baseline: str | None = None,
) -> pd.DataFrame:
    """`ablation.gains` over a reference among the runs of one regime, live and recorded.

    Parameters
    ----------
    sources : of `recorded.beside`.
    without : names that are left out.
    baseline : variant that names the regime; None for the reference itself.
    """

    def gains(rows: pd.DataFrame) -> pd.DataFrame:
        own = ablation.of_regime(rows, baseline or reference)
        return ablation.gains(own, reference, without)

    return by_source(sources, gains)


def results(
    nb: Notebook,
    sources: Mapping[str, pd.DataFrame],
    runs: Sequence[str],
    baseline: str = "baseline",
    suffix: str = "",
) -> pd.DataFrame:
    """Figures and tables: linear probes, and differences to the baseline seed by seed.

    Parameters
    ----------
    sources : of `recorded.beside`; variants of other regimes than the baseline's are left out.
    runs : addresses, for the provenance of the figures.
    suffix : of the artefacts' names, where a notebook has two baselines.

    Returns
    -------
    DataFrame of `ablation.gains` with column `source`.
    """
    cells = by_source(sources, lambda r: ablation.seed_means(ablation.of_regime(r, baseline)))
    nb.out.table(
        side_by_side(cells),
        f"results{suffix}",
        "Linear probes, top-1 (%), mean over seeds",
        runs,
        digits=1,
    )
    gains = gains_over(sources, baseline)
    nb.out.figure(
        plots.intervals(
            gains,
            "effect",
            rows="name",
            panel="benchmark",
            series="source",
            zero=True,
            xlabel="points",
            names={"all": "all six"},
        ),
        f"gains{suffix}",
        gains,
        f"Points against {plots.label(baseline)} of the same seed, t intervals over seeds"
        f"{nb.marks}",
        runs,
    )
    nb.out.table(
        gains[["source", "benchmark", "name", "effect", "low", "high", "p_adjusted", "n_seeds"]],
        f"gains_table{suffix}",
        f"Differences to {plots.label(baseline)}, points",
        runs,
    )
    print(findings.count_clear(gains))
    return gains


def gain_maps(
    nb: Notebook,
    gains: pd.DataFrame,
    artefact: str,
    what: str,
    runs: Sequence[str],
    order: Sequence[str] | None = None,
    benchmarks: Sequence[str] | None = None,
) -> None:
    """Figures: a heat map of points against the baseline for each source.

    Parameters
    ----------
    gains : of `ablation.gains`, with the columns of `selection.by_source`.
    artefact : name of the figures; the source's tag is added.
    what : beginning of the caption.
    order, benchmarks : of rows and columns; None for that of appearance.
    """
    for tag, source, part in each_source(gains):
        effects, sure = ablation.effect_maps(part, order, benchmarks)
        nb.out.figure(
            plots.heatmap(effects, mark=sure, bar_label="points against the baseline", width=7),
            f"{artefact}_{tag}",
            part,
            f"{what} ({source} runs); bold: the 95 % t interval over seeds is clear of 0",
            runs,
        )


def found(gains: pd.DataFrame, baseline: str = "baseline") -> None:
    """Print what `results` measured: means with intervals, and where an effect is clear of 0."""
    for source, part in gains.groupby("source", sort=False):
        everywhere = part[(part.benchmark == "all") & (part.name != "random_init")]
        print(
            f"{source}, {findings.seeds(part.n_seeds)}, mean over six benchmarks against "
            f"{baseline}: {ablation.sentence(everywhere)}"
        )
        halves = motion_and_stills(part[part.name != "random_init"]).dropna()
        if len(halves):
            said = (
                f"{name} {motion:+.1f} / {stills:+.1f}"
                for name, motion, stills in halves.itertuples(index=False)
            )
            print(f"  motion (mean of {', '.join(MOTION)}) / stills ({STILLS}): {', '.join(said)}")
        if part.low.isna().all():
            print("  one seed gives no interval: which effects are clear cannot be said")
            continue
        for name, own in part[part.benchmark != "all"].groupby("name", sort=False):
            sure = ablation.clear(own)
            up, down = (own[sure & side].benchmark for side in (own.effect > 0, own.effect < 0))
            if name != "random_init":
                print(
                    f"  {name}: clear gain on {', '.join(up) or 'none'}; clear loss on "
                    f"{', '.join(down) or 'none'}"
                )
