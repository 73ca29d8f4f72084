"""What every variant of the study trains: reach, direction, movement; tables and sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from vjepa_lib import study
from vjepa_lib.analysis import statistics
from vjepa_lib.analysis.selection import matrix, named
from vjepa_lib.audit.released_code import variant_audit
from vjepa_lib.video.clips import ClipSet


def variants_without_ema() -> list[str]:
    """Names of the variants whose target encoder does not follow."""
    return [v for v in study.STUDIED if not study.VARIANTS[v].ema]


def variants_to_audit() -> list[str]:
    """Every variant; of the crossing with contrasts one cell stands for all, they add one term."""
    crossed = {
        study.combined(base, contrast, half)
        for base, _ in study.FACTORIZED
        if base != "baseline"
        for contrast in study.CONTRASTS
        for half in ("", *study.HALVES)
    }
    one = study.combined("fwm_hw_ld", "vclr")
    return [v for v in study.STUDIED if v not in crossed] + [one]


def audit_variants(
    names: Iterable[str],
    profile: str,
    sets: Mapping[str, ClipSet],
    steps: int,
    looks: Iterable[int] = (0,),
    every_form: bool = False,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`released_code.variant_audit` of several variants in both forms: (reach, moved).

    Parameters
    ----------
    sets : the embedded domains.
    steps, looks : of `variant_audit`.
    every_form : both forms even where they train the same.
    """
    reach, moved = [], []
    for variant in names:
        both = every_form or study.differs(variant)
        for form in study.FORMS if both else study.FORMS[:1]:
            r, m = variant_audit(variant, form, profile, sets, steps, looks)
            reach.append(r)
            moved.append(m)
    return pd.concat(reach, ignore_index=True), pd.concat(moved, ignore_index=True)


def evaluated_moved(moved: pd.DataFrame) -> pd.DataFrame:
    """Whether the evaluated encoder was trained, a row per variant and form.

    Parameters
    ----------
    moved : of `audit_variants`.
    """
    return moved.drop_duplicates(["variant", "form"])[["variant", "form", "evaluated_trained"]]


def in_encoder(reach: pd.DataFrame) -> pd.DataFrame:
    """Gradients of the terms beside JEPA in the context encoder, with `name`.

    Parameters
    ----------
    reach : of `audit_variants`.
    """
    own = reach[(reach.part == "context_encoder") & (reach.term != "jepa")]
    return named(own, None)


def alignment(reach: pd.DataFrame) -> pd.DataFrame:
    """Relative norm and cosine of every term beside the JEPA gradient, a column per look.

    Parameters
    ----------
    reach : of `audit_variants`.
    """
    inside, keys = in_encoder(reach), ["variant", "form", "term"]
    tables = {
        "relative norm": matrix(inside, "relative", keys, "step"),
        "cosine": matrix(inside, "cosine", keys, "step"),
    }
    both = pd.concat(tables, axis=1)
    both.columns = [f"{what}, step {step}" for what, step in both.columns]
    return both.reset_index()


def terms_alone(reach: pd.DataFrame, variants: Sequence[str]) -> pd.DataFrame:
    """The same for variants that add one idea, as released, without the context loss."""
    inside = in_encoder(reach)
    return inside[
        inside.variant.isin(list(variants))
        & (inside.term != "context")
        & (inside.form == "released")
    ]


def cosine_map(alone: pd.DataFrame) -> pd.DataFrame:
    """Cosine with the JEPA gradient, terms x looks, of `terms_alone`."""
    wide = matrix(alone, "cosine", "term", "step")
    wide.columns = [f"step {step}" for step in wide.columns]
    return wide


def one_proportion(main: pd.DataFrame, benchmarks: Sequence[str]) -> pd.DataFrame:
    """Whether published EMA-off rows are indistinguishable, as results of one encoder must be.

    Parameters
    ----------
    main : published results: `ema`, `benchmark`, `top1_percent`, `n_val`.

    Returns
    -------
    DataFrame, a row per benchmark: `rows`, `lowest`, `highest`, `p` of `statistics.homogeneity`.
    """
    frozen = main[~main.ema.astype(bool) & main.benchmark.isin(list(benchmarks))]
    rows = []
    for benchmark, part in frozen.groupby("benchmark", sort=False):
        right = statistics.correct_count(part.top1_percent, part.n_val)
        rows.append(
            {
                "benchmark": benchmark,
                "rows": len(part),
                "lowest": part.top1_percent.min(),
                "highest": part.top1_percent.max(),
                "p": statistics.homogeneity(right, part.n_val)["p"],
            }
        )
    return pd.DataFrame(rows)


# --- in sentences -------------------------------------------------------------------------------


def facts_found(facts: pd.DataFrame) -> list[str]:
    """Every measured fact and whether it was confirmed, of `released_code.implementation_facts`."""
    rows = facts[["measured", "confirmed"]].itertuples(index=False)
    return [f"{'confirmed' if yes else 'NOT confirmed'}: {measured}" for measured, yes in rows]


def proportions_found(frozen: pd.DataFrame) -> list[str]:
    """How alike published EMA-off rows are, of `one_proportion`."""
    return [
        f"EMA-off rows on {row.benchmark}: {row.rows} results, {row.lowest:.2f}-{row.highest:.2f} "
        f"%, p = {row.p:.2f}"
        for row in frozen.itertuples()
    ]


def nothing_trained(summary: pd.DataFrame) -> list[str]:
    """Terms that reach nothing, and encoders that never moved, of `released_code.summary`."""

    def listed(rows: pd.DataFrame) -> str:
        pairs = rows[["variant", "form"]].itertuples(index=False)
        return ", ".join(f"{v} ({f})" for v, f in pairs) or "none"

    dead = summary[summary["terms reaching nothing"] != "–"]
    still = summary[~summary["evaluated encoder trained"].astype(bool)]
    return [
        f"terms that train nothing: {listed(dead)}",
        f"evaluated encoder is its initialisation: {listed(still)}",
    ]


def against_jepa(alone: pd.DataFrame) -> str:
    """Terms whose first gradient points against JEPA's, of `terms_alone`."""
    first = alone[alone.step == alone.step.min()].groupby("term", sort=False).cosine.mean()
    against, along = first[first < 0], first[first > 0.5]
    return (
        f"at the first look {len(against)} of {len(first)} terms point against the JEPA gradient "
        f"({', '.join(against.index) or 'none'}), {len(along)} along it with a cosine above 0.5 "
        f"({', '.join(along.index) or 'none'})"
    )
