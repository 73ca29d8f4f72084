"""Rows of the transfer study beside its factorial: LTC and IIC, VCLR on a half, forms as released.

They are described, not tested (docs/analysis_plan.md): contrasts on the factorial's seeds, with
intervals that no correction widens.
"""

from __future__ import annotations

import pandas as pd

from vjepa_lib import study
from vjepa_lib.analysis import transfer_factorial, transfer_score
from vjepa_lib.analysis.transfer_evidence import Evidence, once, side, span, told
from vjepa_lib.analysis.transfer_score import TITLES
from vjepa_lib.study.variants import HALVES, combined

CONTRASTS = ("ltc", "iic", "vclr")
OBJECTIVES = ("baseline", "ld", "fwm", "fwm_hw_ld")
WHOLE = "fwm_hw_ld+vclr"  # what halves and forms are set against
RELEASED = ("fwm_hw_ld", WHOLE)
_AS_RELEASED = " as released"
_ALONE, _WITHOUT = "minus the contrast alone", "minus the same without it"


def title(variant: str) -> str:
    """A row of this table as it stands in sentences: 'FWM with LTC', 'FWM-HW-LD as released'."""
    if variant.endswith(_AS_RELEASED):
        return f"{TITLES[variant.removesuffix(_AS_RELEASED)]}{_AS_RELEASED}"
    for half in HALVES:
        if variant.endswith(f"_{half}"):
            return f"{TITLES[variant.removesuffix(f'_{half}')]} on the {half} half"
    if variant in TITLES:
        return TITLES[variant]
    objective, _, contrast = variant.rpartition("+")
    return f"{TITLES[objective]} with {contrast.upper()}" if objective else contrast.upper()


@once
def _scores(e: Evidence) -> pd.DataFrame:
    """Scores of all rows on the factorial's seeds; forms as released under names of their own."""
    seeds = transfer_factorial.seeds(e)
    if not seeds or not (e.readings.kind == "supervised").any():
        columns = ["variant", "seed", "score", "clips", "points"]
        return pd.DataFrame(columns=columns, dtype=float)
    tables = [transfer_score.scores(e.shares())]
    plain = e.readings[(e.readings.changed == "") & (e.readings.pretrained_on == "rendered")]
    reference = plain[plain.kind == "supervised"]
    for variant in RELEASED:
        # Two forms that train the same share a run, which bears the name of one of them.
        name, form, _ = study.trained_as(variant, "released")
        rows = plain[(plain.variant == name) & (plain.form == form)]
        if len(rows):
            found = transfer_score.shares(pd.concat([rows, reference]))
            scored = transfer_score.scores(found[found.variant == name])
            tables.append(scored.assign(variant=variant + _AS_RELEASED))
    found = pd.concat(tables, ignore_index=True)
    return found[found.seed.isin(seeds)]


def _named(e: Evidence, pairs: list[tuple[str, str]], family: str) -> pd.DataFrame:
    found = transfer_score.contrasts(_scores(e), pairs, None, (), family, e.margin)
    sides = [side(r, corrected=False) for r in found.itertuples()]
    return found.assign(side=sides)


@once
def contrasts(e: Evidence) -> pd.DataFrame:
    """What each contrast brings an objective, and what the objective brings the contrast.

    Returns
    -------
    DataFrame of `transfer_score.contrasts` with `contrast` ('LTC', ..), `variant` (the objective),
    `against` ('minus the contrast alone', 'minus the same without it') and `side`, not corrected;
    contrasts that lack rows are left out, so that it is empty before any is recorded.
    """
    pairs, names = [], {}
    for contrast in CONTRASTS:
        for objective in OBJECTIVES:
            whole = combined(objective, contrast)
            for part, against in ((objective, _WITHOUT), (contrast, _ALONE)):
                if part != whole:
                    pairs.append((whole, part))
                    names[whole, part] = (contrast.upper(), objective, against)
    found = _named(e, pairs, "other contrasts")
    told_names = [names[r.whole, r.part] for r in found.itertuples()]
    columns = pd.DataFrame(told_names, columns=["contrast", "variant", "against"])
    return pd.concat([columns, found], axis=1)


@once
def variations(e: Evidence) -> pd.DataFrame:
    """VCLR on either half minus VCLR on the whole latent; released forms minus described ones.

    Returns
    -------
    DataFrame of `transfer_score.contrasts` with `side`, not corrected.
    """
    pairs = [(f"{WHOLE}_{half}", WHOLE) for half in HALVES]
    pairs += [(variant + _AS_RELEASED, variant) for variant in RELEASED]
    return _named(e, pairs, "halves and forms")


def other_contrasts(e: Evidence) -> str | None:
    """What LTC and IIC do alone and beside factorized objectives."""
    found = contrasts(e)
    found = found[found.contrast != "VCLR"]  # told by the factorial
    said = []
    for contrast, rows in found.groupby("contrast", sort=False):
        alone = [r for r in rows.itertuples() if r.variant == "baseline"]
        words = [f"{contrast} alone {told(r)} against the baseline" for r in alone]
        for whole, pair in rows[rows.variant != "baseline"].groupby("whole", sort=False):
            both = " and ".join(f"{told(r)} against {title(r.part)}" for r in pair.itertuples())
            words.append(f"{title(whole)} {both}")
        said.append("; ".join(words))
    if not said:
        return None
    return (
        "With other contrasts in the place of VCLR (described, not tested; "
        f"{span(found.n_seeds)} seeds): {'. '.join(said)}."
    )


def above_both(e: Evidence) -> str | None:
    """How many combinations with LTC and IIC lie above both parts, and below one."""
    found = contrasts(e)
    rows = found[(found.contrast != "VCLR") & (found.variant != "baseline")]
    pairs = [set(r.side) for _, r in rows.groupby("whole", sort=False) if len(r) > 1]
    if not pairs:
        return None
    above = sum(sides == {"above"} for sides in pairs)
    below = sum("below" in sides for sides in pairs)
    return (
        f"Of these {len(pairs)} combinations, above both parts: {above}; below one of them: "
        f"{below}; by intervals of {span(rows.n_seeds)} seeds that are not corrected."
    )


def halves_and_forms(e: Evidence) -> str | None:
    """Whether it matters which half VCLR is asked of, and in which form the objectives are."""
    found = variations(e)
    if found.empty:
        return None
    said = "; ".join(f"{title(r.whole)} {told(r)} against {_short(r)}" for r in found.itertuples())
    return f"Halves and forms (described, not tested; {span(found.n_seeds)} seeds): {said}."


def _short(row) -> str:
    return "the form as described" if row.whole.endswith(_AS_RELEASED) else "the whole latent"
