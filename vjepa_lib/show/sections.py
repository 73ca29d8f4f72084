"""Sections that all ablation notebooks share: training curves, results against the baseline, findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from vjepa_lib import study
from vjepa_lib.analysis import ablation
from vjepa_lib.analysis.ablation import (
    MOTION,
    STILLS,
    by_source,
    mean_share,
    motion_and_stills,
    named,
    seed_means,
    sentence,
    term_shares,
)
from vjepa_lib.show import plots
from vjepa_lib.show.notebook import Session


def collapse(nb: Session, curves: pd.DataFrame, runs: Sequence[str], suffix: str = "") -> None:
    """Figure: JEPA loss, RankMe and feature spread over training.

    Parameters
    ----------
    curves : of `study.curves`, with `name`.
    runs : addresses, for the provenance of the figure.
    suffix : of the artefact's name.
    """
    labels = {
        "jepa": "JEPA loss",
        "rank_me": "RankMe of mean tokens",
        "feature_std": "feature std",
    }
    nb.out.figure(
        plots.curves(curves, list(labels), by="name", ylabels=labels),
        f"curves{suffix}",
        curves[["name", "seed", "step", *labels]],
        "Loss and collapse diagnostics of the evaluated encoder over training; bands: lowest to "
        "highest seed",
        runs,
    )


def training(
    nb: Session,
    configs: Sequence[study.RunConfig],
    shares: Sequence[tuple[str, str]],
    without: Sequence[str] = (),
    suffix: str = "",
) -> pd.DataFrame:
    """Figures: loss and collapse over training, and each term's share in the loss of some variants.

    Parameters
    ----------
    configs : live runs.
    shares : (variant, form) pairs whose loss is taken apart.
    without : names that the first figure leaves out.
    suffix : of the artefacts' names, where a notebook has two baselines.

    Returns
    -------
    DataFrame: a row per variant of `shares`, the share of every term late in the training (%).
    """
    trained = [c for c in configs if study.canonical(c).pretrained]
    curves = named(study.curves(trained), None)
    collapse(nb, curves[~curves.name.isin(without)], nb.hashes(trained), suffix)
    late = []
    for variant, form in shares:
        config = study.resolve(variant, form, nb.profile.name)
        parts = term_shares(curves, config)
        title = ablation.name(variant, form)
        plain = "".join(ch if ch.isalnum() else "_" for ch in f"{variant}_{form}")
        nb.out.figure(
            plots.shares(parts),
            f"shares_{plain}",
            parts,
            f"{plots.label(title)}: the weighted loss and each term's share of it",
            nb.hashes([c for c in trained if (c.variant, c.form) == (variant, form)]),
        )
        late.append({"variant": title} | mean_share(parts).to_dict())
    table = pd.DataFrame(late)
    nb.out.table(
        table,
        f"shares{suffix}",
        "Share of each weighted term in the loss, percent, second half of the training",
        nb.hashes(trained),
        digits=1,
    )
    return table


def results(
    nb: Session,
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
    regime = study.get_variant(baseline).regime

    def own(table: pd.DataFrame) -> pd.DataFrame:
        rows = named(table)
        return rows[(rows.regime == regime) | (rows.variant == "random_init")]

    cells = by_source(sources, lambda r: seed_means(own(r)))
    wide = cells.pivot_table(
        index=["source", "name"], columns="benchmark", values="top1", sort=False
    )
    nb.out.table(
        wide.reset_index(),
        f"results{suffix}",
        "Linear probes, top-1 (%), mean over seeds",
        runs,
        digits=1,
    )
    gains = by_source(sources, lambda r: ablation.gains(own(r), baseline))
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
        f"Points against {plots.label(baseline)} of the same seed, t intervals over seeds; filled: "
        "live, hollow: recorded",
        runs,
    )
    nb.out.table(
        gains[["source", "benchmark", "name", "effect", "low", "high", "p_adjusted", "n_seeds"]],
        f"gains_table{suffix}",
        f"Differences to {plots.label(baseline)}, points",
        runs,
    )
    return gains


def found(gains: pd.DataFrame, baseline: str = "baseline") -> None:
    """Print what `results` measured: means with intervals, and where an effect is clear of 0."""
    for source, part in gains.groupby("source", sort=False):
        everywhere = part[(part.benchmark == "all") & (part.name != "random_init")]
        print(
            f"{source}, {_seeds(part.n_seeds)}, mean over six benchmarks against "
            f"{baseline}: {sentence(everywhere)}"
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
            up, down = own[own.low > 0].benchmark, own[own.high < 0].benchmark
            if name != "random_init":
                print(
                    f"  {name}: clear gain on {', '.join(up) or 'none'}; clear loss on "
                    f"{', '.join(down) or 'none'}"
                )


def _seeds(counts: pd.Series) -> str:
    """'5 seeds', or '3 to 5 seeds' where they differ."""
    low, high = int(counts.min()), int(counts.max())
    if low != high:
        return f"{low} to {high} seeds"
    return f"{low} seed{'s' * (low > 1)}"
