"""The report's question as tables: factorized dynamics x contrast x cross-domain transfer.

Every function takes results in the columns of `study.results`, live or recorded, and returns what a
figure of notebooks 13 and 14 shows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from vjepa_lib import statistics, study
from vjepa_lib.errors import DataError

SHIFTED = {"shift_kinetics": "actions", "shift_hacs": "fine_motion"}
"""Shifted benchmark -> the in-domain benchmark that asks the same kind of question."""


def name(variant: str, form: str) -> str:
    """How a run is called in figures: the form is said where it is 'described'."""
    return variant if form == "released" else f"{variant} ({form})"


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


def with_mean(frame: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """A table with the mean over benchmarks added as one more benchmark, 'all'.

    Parameters
    ----------
    frame : columns `keys`, `benchmark`, `top1`.
    """
    mean = frame.groupby(list(keys), sort=False).top1.mean().reset_index().assign(benchmark="all")
    return pd.concat([frame, mean], ignore_index=True)


def gains(frame: pd.DataFrame, reference: str = "baseline") -> pd.DataFrame:
    """Each `name` minus the reference of the same seed: `statistics.paired_differences`.

    Parameters
    ----------
    frame : columns `name`, `benchmark`, `seed`, `top1`; the mean over benchmarks is added.
    """
    table = with_mean(frame, ["name", "seed"])
    return statistics.paired_differences(table, reference, "top1", "name", by=["benchmark"])


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
                values = part.drop_duplicates("seed").top1
                found = statistics.mean_interval(values)
                out.append(
                    {"name": name(variant, form), "regime": regime, "benchmark": benchmark}
                    | {"top1": found["mean"], "low": found["low"], "high": found["high"]}
                    | {"n_seeds": found["n"]}
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
            found = statistics.mean_interval(cell.drop_duplicates("seed").top1)
            out.append(
                {"name": name(variant, form), "factor": factor, "half": half}
                | {"top1": found["mean"], "low": found["low"], "high": found["high"]}
                | {"chance": float(cell.chance.mean()), "n_seeds": found["n"]}
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
    rows = results[results.probe.str.fullmatch(r"linear(_[0-9.]+%)?")].copy()
    share = rows.probe.str.extract(r"_([0-9.]+)%")[0].astype(float).fillna(100.0)
    rows["share"] = share
    rows["name"] = [name(v, f) for v, f in zip(rows.variant, rows.form, strict=True)]
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
