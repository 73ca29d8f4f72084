"""Tables of transfer: by pretraining data, share of labels, under shift, by half of the latent.

Every function takes results in the columns of `study.metrics`, live or recorded.
"""

from __future__ import annotations

import math

import pandas as pd

from vjepa_lib import study
from vjepa_lib.analysis import statistics
from vjepa_lib.analysis.ablation import name, named, over_seeds
from vjepa_lib.datasets.domains import DOMAINS
from vjepa_lib.errors import DataError

SHIFTED = {"shift_kinetics": "actions", "shift_hacs": "fine_motion"}
"""Shifted benchmark -> the in-domain benchmark that asks the same kind of question."""


def _once_a_seed(rows: pd.DataFrame) -> dict[str, float]:
    rows = rows.drop_duplicates("seed")
    return over_seeds(rows.top1, rows.get("n_test"))


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
                    | _once_a_seed(part)
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
                | _once_a_seed(cell)
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


def classes_of(benchmark: str) -> int:
    """Classes of an embedded benchmark, from the factors that make its label."""
    domain = DOMAINS[benchmark]
    sizes = {
        "texture": len(set(domain.textures)),
        "orientation": len({t.split("_")[0] for t in domain.textures}),
        "camera": len({a for a, _ in domain.orders} or set(domain.cameras)),
        "then": 1,  # a reversed motion is known by its first half
    }
    return math.prod(sizes[factor] for factor in domain.label)


def references(results: pd.DataFrame) -> pd.DataFrame:
    """What accuracies are scored against: chance, and the accuracy of a supervised model.

    Parameters
    ----------
    results : columns of `study.metrics`; where no supervised model was run, the ceiling is 100 %.

    Returns
    -------
    DataFrame indexed by benchmark: `chance`, `ceiling` (percent); no ceiling (NaN, and so no score)
    where the supervised model was trained too shortly to read above chance, as in profile `smoke`.
    """
    top = results[results.probe == "supervised"]
    top = top[top.variant == "supervised"].groupby("benchmark").top1.mean()
    names = [b for b in dict.fromkeys(results.benchmark) if b in DOMAINS]
    chance = [100 / classes_of(b) for b in names]
    table = pd.DataFrame(
        {"chance": chance, "ceiling": [float(top.get(b, 100.0)) for b in names]}, index=names
    )
    return table.assign(ceiling=table.ceiling.where(table.ceiling > table.chance))


def shift(frame: pd.DataFrame, scale: pd.DataFrame | None = None) -> pd.DataFrame:
    """In-domain and shifted accuracy side by side.

    Parameters
    ----------
    frame : columns `name`, `benchmark`, `seed`, `top1`.
    scale : of `references`; None for chance, and a ceiling of 100 %.

    Returns
    -------
    DataFrame per name and shifted benchmark: `inside`, `outside` (means over seeds, percent) with
    their t intervals; `inside_score`, `outside_score`, the same as shares of the way from chance to
    the ceiling; and `kept`, the share of the score inside that is left outside, in percent
    (`statistics.kept_share`: NaN for an encoder that reads inside less than a tenth of the way, or
    less than the untrained encoder, if that is among the rows).
    """
    if scale is None:
        scale = references(frame.assign(probe="linear", variant=frame.name))
    out = []
    for (title, benchmark), part in frame.groupby(["name", "benchmark"], sort=False):
        if benchmark not in SHIFTED:
            continue
        inside = frame[(frame.name == title) & (frame.benchmark == SHIFTED[benchmark])]
        if inside.empty:
            continue
        a, b = (over_seeds(x.top1, x.get("n_test")) for x in (inside, part))
        at = {"inside": SHIFTED[benchmark], "outside": benchmark}
        scores = {
            k: float(statistics.normalised(v["top1"], *scale.loc[at[k], ["chance", "ceiling"]]))
            for k, v in (("inside", a), ("outside", b))
        }
        untrained = frame[(frame.name == "random_init") & (frame.benchmark == at["inside"])].top1
        # Below the untrained encoder, which nothing has taught anything, there is nothing to keep.
        least = 10.0
        if len(untrained):
            mark = statistics.normalised(
                untrained.mean(), *scale.loc[at["inside"], ["chance", "ceiling"]]
            )
            least = max(least, float(mark))
        out.append(
            {"name": title, "benchmark": benchmark, "inside": a["top1"], "outside": b["top1"]}
            | {f"inside_{k}": a[k] for k in ("low", "high")}
            | {f"outside_{k}": b[k] for k in ("low", "high")}
            | {f"{k}_score": v for k, v in scores.items()}
            | {"kept": statistics.kept_share(scores["inside"], scores["outside"], least)}
        )
    return pd.DataFrame(out)
