"""The report's question as tables: factorized dynamics x contrast x cross-domain transfer.

Every function takes results in the columns of `study.metrics`, live or recorded, and returns what a
figure of notebooks 13 and 14 shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from vjepa_lib import study
from vjepa_lib.analysis import statistics
from vjepa_lib.analysis.ablation import gains, name, named, over_seeds, with_mean
from vjepa_lib.errors import DataError
from vjepa_lib.evaluation.reach import term_reach
from vjepa_lib.training.pretrain import TermSpec, Trainer
from vjepa_lib.training.sources import Draw
from vjepa_lib.video.clips import ClipSet

SHIFTED = {"shift_kinetics": "actions", "shift_hacs": "fine_motion"}
"""Shifted benchmark -> the in-domain benchmark that asks the same kind of question."""


def crossed(results: pd.DataFrame, probe: str = "linear") -> pd.DataFrame:
    """The runs of the crossing {baseline, FWM, FWM-HW-LD released, described} x {none, contrasts}.

    Returns
    -------
    DataFrame, a row per run and benchmark: `base` ('baseline', 'fwm (described)', ..), `contrast`
    ('none', 'ltc', ..), `name`, `benchmark`, `seed`, `top1`, `correct`, `n_test`.
    """
    parts = []
    own = results[(results.probe == probe) & (results.regime == "mixed")]
    for base, form in study.FACTORIZED:
        for contrast in ("none", *study.CONTRASTS):
            variant = base if contrast == "none" else study.combined(base, contrast)
            rows = own[(own.variant == variant) & (own.form == form)]
            parts.append(
                rows.assign(base=name(base, form), contrast=contrast, name=name(variant, form))
            )
    columns = ["base", "contrast", "name", "benchmark", "seed", "top1", "correct", "n_test"]
    return pd.concat(parts, ignore_index=True)[columns]


def interactions(frame: pd.DataFrame) -> pd.DataFrame:
    """What a contrast adds to a factorized objective beyond what it adds to the baseline.

    Parameters
    ----------
    frame : of `crossed`; the mean over benchmarks is added.

    Returns
    -------
    DataFrame of `statistics.interaction_contrasts` by benchmark, with `pair`, 'base:contrast'.
    A negative estimate beside two positive gains says that both bring the same thing.
    """
    table = with_mean(frame, ["base", "contrast", "seed"])
    parts = [
        statistics.interaction_contrasts(
            part, "base", "contrast", "baseline", "none", "top1"
        ).assign(benchmark=benchmark)
        for benchmark, part in table.groupby("benchmark", sort=False)
    ]
    out = pd.concat(parts, ignore_index=True)
    return out.assign(pair=out.base + ":" + out.contrast)


def against_best_part(frame: pd.DataFrame) -> pd.DataFrame:
    """Each combination minus the better of its two parts, seed by seed.

    Which part is better is decided on the mean over all seeds, so the difference of a single seed
    may have either sign.

    Returns
    -------
    DataFrame: `benchmark`, `name`, `best_part`, `effect`, `low`, `high`, `p`, `n_seeds`.
    """
    table = with_mean(frame, ["base", "contrast", "name", "seed"])
    wide = table.pivot_table(
        index=["benchmark", "seed"], columns=["base", "contrast"], values="top1", sort=False
    )
    names = table.drop_duplicates("name").set_index("name")[["base", "contrast"]]
    out = []
    for benchmark, part in wide.groupby(level="benchmark", sort=False):
        for title, (base, contrast) in names.iterrows():
            if base == "baseline" or contrast == "none":
                continue
            parts = {base: (base, "none"), contrast: ("baseline", contrast)}
            best = max(parts, key=lambda k: part[parts[k]].mean())
            found = statistics.mean_interval(part[(base, contrast)] - part[parts[best]])
            out.append(
                {"benchmark": benchmark, "name": title, "best_part": best, "effect": found["mean"]}
                | {k: found[k] for k in ("low", "high", "p")}
                | {"n_seeds": found["n"]}
            )
    return pd.DataFrame(out)


def on_halves(results: pd.DataFrame, base: str = "fwm_hw_ld") -> pd.DataFrame:
    """Gain of each contrast, on all channels or on one half, over the described base alone.

    Returns
    -------
    DataFrame as of `gains`, the name being the variant's.
    """
    names = [study.combined(base, c, h) for c in study.CONTRASTS for h in ("", *study.HALVES)]
    rows = results[
        (results.probe == "linear")
        & (results.regime == "mixed")
        & (results.form == "described")
        & results.variant.isin([base, *names])
    ]
    return gains(rows.assign(name=rows.variant), base)


def answer(results: pd.DataFrame) -> pd.DataFrame:
    """The research question in one table: every cell of the crossing against the baseline.

    Returns
    -------
    DataFrame: `objective`, and for the mean over benchmarks and each shifted one the difference to
    the baseline in points with its t interval over seeds, as text.
    """
    table = gains(crossed(results))
    out = {}
    for benchmark in ("all", *SHIFTED):
        part = table[table.benchmark == benchmark]
        values = zip(part.name, part.effect, part.low, part.high, strict=True)
        out[benchmark] = {n: f"{e:+.1f} [{a:+.1f}, {b:+.1f}]" for n, e, a, b in values}
    wide = pd.DataFrame(out).rename(columns={"all": "mean of six benchmarks"})
    order = table[table.benchmark == "all"].sort_values("effect", ascending=False).name
    return wide.loc[order].rename_axis("objective").reset_index()


def verdict(frame: pd.DataFrame, benchmark: str = "all") -> str:
    """The research question in a sentence: the best combination against the best single part.

    Parameters
    ----------
    frame : of `crossed`.
    benchmark : one of its benchmarks, or 'all' for their mean.

    Both are chosen by their mean over seeds, so a small advantage of either may be luck; the
    interval is the paired t interval over seeds.
    """
    table = with_mean(frame, ["base", "contrast", "name", "seed"])
    table = table[table.benchmark == benchmark]
    wide = table.pivot_table(index="seed", columns="name", values="top1")
    kinds = table.drop_duplicates("name").set_index("name")
    both = kinds.index[(kinds.base != "baseline") & (kinds.contrast != "none")]
    means = wide.mean()
    part = means.drop([*both, "baseline"]).idxmax()
    whole = means[both].idxmax()
    found = statistics.mean_interval(wide[whole] - wide[part])
    low, high = found["low"], found["high"]
    if low > 0:
        says = "combining brings more than either part"
    elif high < 0:
        says = "combining falls short of the best part"
    else:
        says = "whether combining brings more is undecided"
    where = "the mean of all benchmarks" if benchmark == "all" else benchmark
    return (
        f"On {where} the best single part is {part} ({means[part]:.1f} %), the best combination "
        f"{whole} ({means[whole]:.1f} %): {found['mean']:+.1f} points [{low:+.1f}, {high:+.1f}] "
        f"over {found['n']} seeds; {says}."
    )


def matched_weights(
    config: study.RunConfig,
    sets: Mapping[str, ClipSet],
    steps: int = 200,
    every: int = 50,
    reference: str = "ltc",
    batches: int = 3,
) -> pd.DataFrame:
    """Weights at which contrasts pull the context encoder as hard as a reference contrast does.

    The baseline is trained; the contrasts' gradients are measured on the way and take no part.

    Parameters
    ----------
    config : a baseline's run.
    sets : embedded domains by name.
    steps, every : steps trained, and how far apart measurements are.
    reference : contrast whose weight in `study.CONTRASTS` is taken as given.
    batches : batches a measurement is averaged over.

    Returns
    -------
    DataFrame, a row per step and contrast: `norm`, length of the gradient into the context
    encoder; `relative`, the same in units of the JEPA gradient; `matched`, the weight that makes
    it as long as the reference's.
    """
    silent = tuple(TermSpec(name, 0.0) for name in study.CONTRASTS)
    setup = replace(config.train, terms=(*config.train.terms, *silent))
    trainer = Trainer(setup)
    data = study.training_clips(config, sets)
    batch, device = setup.schedule.batch, trainer.device
    out = []
    for step in range(steps + 1):
        if step % every == 0:
            for k in range(batches):
                clips = data.batch(Draw(steps + 1 + step * batches + k, batch, setup.seed), device)
                reach = term_reach(trainer, clips)
                own = reach[(reach.part == "context_encoder") & reach.term.isin(study.CONTRASTS)]
                out.append(own[["term", "norm", "relative"]].assign(step=step))
        trainer.train_step(data.batch(Draw(step, batch, setup.seed), device))
    table = pd.concat(out).groupby(["step", "term"], sort=False).mean().reset_index()
    norm = table[table.term == reference].set_index("step")["norm"]
    table["matched"] = study.CONTRASTS[reference] * table.step.map(norm) / table["norm"]
    return table


def transfer_matrix(results: pd.DataFrame, probe: str = "linear") -> pd.DataFrame:
    """Pretraining domain x downstream domain.

    Returns
    -------
    DataFrame, a row per variant of `study.TRANSFER` and pretraining domain: `name`, `regime`,
    `benchmark`, `top1` (mean over seeds), `low`, `high` (t interval over seeds), `n_seeds`.
    """
    own = results[results.probe == probe]
    out = []
    for variant, form in study.TRANSFER:
        for regime in study.REGIMES:
            # The baseline of a regime is named by it.
            asked = study.trained_as(variant, form, regime)[0]
            rows = own[
                own.variant.isin({variant, asked}) & (own.form == form) & (own.regime == regime)
            ]
            for benchmark, part in rows.groupby("benchmark", sort=False):
                out.append(
                    {"name": name(variant, form), "regime": regime, "benchmark": benchmark}
                    | over_seeds(part.drop_duplicates("seed").top1)
                )
    return pd.DataFrame(out)


def leakage(results: pd.DataFrame) -> pd.DataFrame:
    """What each half of the latent gives away of an appearance and a motion factor.

    Each variant is cut as its form cuts it; one without halves of its own is cut as 'described'.

    Returns
    -------
    DataFrame, a row per `name`, `factor` and `half`: `top1` (mean over seeds), `low`, `high` (t
    interval over seeds), `chance`, `n_seeds`.
    """
    rows = results[(results.probe == "leakage") & (results.regime == "mixed")]
    out = []
    for (variant, form), part in rows.groupby(["variant", "form"], sort=False):
        cut = form if "fwm" in variant else "described"
        shown = part[part.cut.isin([cut, "none"])]
        for (factor, half), cell in shown.groupby(["factor", "half"], sort=False):
            out.append(
                {"name": name(variant, form), "factor": factor, "half": half}
                | over_seeds(cell.drop_duplicates("seed").top1)
                | {"chance": float(cell.chance.mean())}
            )
    return pd.DataFrame(out)


def separation(leak: pd.DataFrame, appearance: str, motion: str) -> pd.DataFrame:
    """How far the halves specialise, in points; 0 where either half reads both factors alike.

    Parameters
    ----------
    leak : of `leakage`.
    appearance, motion : the factors a factorized latent would keep apart.

    Returns
    -------
    DataFrame per name: `appearance` (its half minus the other half), `motion` (likewise) and
    `separation`, their mean. A perfect split would give each its whole distance to chance.
    """
    wide = leak.pivot_table(index="name", columns=["factor", "half"], values="top1", sort=False)
    for factor in (appearance, motion):
        if factor not in wide:
            raise DataError(f"Factor {factor!r} was not read in these runs.")
    a = wide[appearance]["appearance"] - wide[appearance]["dynamics"]
    m = wide[motion]["dynamics"] - wide[motion]["appearance"]
    return pd.DataFrame({"appearance": a, "motion": m, "separation": (a + m) / 2}).reset_index()


def low_shot(results: pd.DataFrame) -> pd.DataFrame:
    """Accuracy over the share of labels the linear probe was trained on.

    Returns
    -------
    DataFrame, a row per `name`, `regime`, `seed`, `benchmark` and `share` (percent; 100 is the
    linear probe itself): `top1`, `n_train`.
    """
    rows = named(results[results.probe.str.fullmatch(r"linear(_[0-9.]+%)?")], None)
    rows["share"] = rows.probe.str.extract(r"_([0-9.]+)%")[0].astype(float).fillna(100.0)
    columns = ["name", "regime", "seed", "benchmark", "share", "n_train", "top1"]
    return rows[columns].sort_values(["benchmark", "share"], kind="stable", ignore_index=True)


def shift(frame: pd.DataFrame) -> pd.DataFrame:
    """In-domain and shifted accuracy side by side.

    Parameters
    ----------
    frame : columns `name`, `benchmark`, `seed`, `top1`.

    Returns
    -------
    DataFrame per name and shifted benchmark: `inside`, `outside` (means over seeds) with their t
    intervals, and `kept`, the share of in-domain accuracy that is left, in percent.
    """
    out = []
    for (title, benchmark), part in frame.groupby(["name", "benchmark"], sort=False):
        if benchmark not in SHIFTED:
            continue
        inside = frame[(frame.name == title) & (frame.benchmark == SHIFTED[benchmark])]
        a, b = (statistics.mean_interval(x.top1) for x in (inside, part))
        out.append(
            {"name": title, "benchmark": benchmark, "inside": a["mean"], "outside": b["mean"]}
            | {f"inside_{k}": a[k] for k in ("low", "high")}
            | {f"outside_{k}": b[k] for k in ("low", "high")}
            | {"kept": 100 * b["mean"] / a["mean"] if a["mean"] else np.nan}
        )
    return pd.DataFrame(out)
