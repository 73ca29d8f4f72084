"""Tables around the crossing of notebooks 13 and 14: design, readings, labels, weights, domains."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pandas as pd

from vjepa_lib import study
from vjepa_lib.analysis import combination
from vjepa_lib.analysis.ablation import gains
from vjepa_lib.analysis.selection import matrix, name, named, pick
from vjepa_lib.analysis.transfer_tables import references
from vjepa_lib.datasets import synthetic

WHERE = ("all", *combination.SHIFTED)
"""What the question is about: the mean of all benchmarks, and the shifted ones."""


def runs_of_interest() -> dict[str, list[str]]:
    """Names of the runs that the last cells follow.

    Returns
    -------
    `few`: what is shown with few labels; `readings`, `separation`, `halves`: what notebook 13
    lists, from the untrained encoder to the combination.
    """
    factorized = name("fwm_hw_ld", "described")
    both = name(study.combined("fwm_hw_ld", "vclr"), "described")
    halves = [
        name(study.combined("fwm_hw_ld", c, half), "described")
        for half in ("", "dynamics")
        for c in study.CONTRASTS
    ]
    return {
        "few": ["random_init", "baseline", "vclr", factorized, both],
        "readings": ["baseline", "vclr", factorized, both],
        "separation": ["random_init", "baseline", factorized, both],
        "halves": [
            *("random_init", "baseline", name("fwm", "described"), "fwm_hw_ld", factorized),
            *halves,
        ],
    }


def design(profile: str) -> pd.DataFrame:
    """The crossing, a row per objective: weights of the terms beside JEPA and context loss."""
    rows = []
    for base, form in study.FACTORIZED:
        for contrast in ("none", *study.CONTRASTS):
            variant = base if contrast == "none" else study.combined(base, contrast)
            terms = study.resolve(variant, form, profile).train.terms
            added = {t.name: t.weight for t in terms if t.name not in ("jepa", "context")}
            rows.append({"objective": name(variant, form)} | added)
    return pd.DataFrame(rows)


def gains_of_crossing(results: pd.DataFrame) -> pd.DataFrame:
    """Every cell of the crossing against the baseline of the same seed: `ablation.gains`."""
    return gains(combination.crossed(results))


def interactions(results: pd.DataFrame) -> pd.DataFrame:
    """`combination.interactions` of results in the columns of `study.metrics`."""
    return combination.interactions(combination.crossed(results))


def against_best_part(results: pd.DataFrame) -> pd.DataFrame:
    """`combination.against_best_part` of results in the columns of `study.metrics`."""
    return combination.against_best_part(combination.crossed(results))


def separation(results: pd.DataFrame) -> pd.DataFrame:
    """How far the halves keep texture and camera motion apart: `combination.separation`."""
    return combination.separation(combination.leakage(results), "texture", "camera")


def readings(
    results: pd.DataFrame,
    benchmark: str = "fine_motion",
    probes: Sequence[str] = ("linear", "attentive"),
) -> pd.DataFrame:
    """One benchmark read by several probes: a row a cell of the crossing, a column a probe.

    Top-1 (%), mean over seeds.
    """
    own = results[results.benchmark == benchmark]
    parts = [combination.crossed(own, p).assign(probe=p) for p in probes]
    table = pd.concat(parts).groupby(["name", "probe"], sort=False).top1.mean().unstack()
    return table.reset_index()


def label_share(probe: str) -> float | None:
    """Share of the labels (%) that a linear probe was trained on; None for other probes."""
    found = re.fullmatch(r"linear(?:_([0-9.]+)%)?", probe)
    return None if found is None else float(found[1] or 100)


def verdicts_by_labels(sources: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The research question's sentence for every share of labels.

    Returns
    -------
    DataFrame: `source`, `probe`, `verdict` (of `combination.verdict`), `share` (percent).
    """
    return pd.DataFrame(
        [
            {
                "source": source,
                "probe": probe,
                "verdict": combination.verdict(combination.crossed(results, probe)),
                "share": label_share(probe),
            }
            for source, results in sources.items()
            for probe in results.probe.unique()
            if label_share(probe) is not None
        ]
    )


def answers(results: pd.DataFrame, benchmarks: Sequence[str] = WHERE) -> list[str]:
    """`combination.verdict` of all labels, a sentence for each benchmark ('all': their mean)."""
    frame = combination.crossed(results)
    return [combination.verdict(frame, benchmark) for benchmark in benchmarks]


def answers_with_few_labels(verdicts: pd.DataFrame, source: str) -> list[str]:
    """What `verdicts_by_labels` says of one source where less than all labels are used."""
    few = verdicts[(verdicts.share < 100) & (verdicts.source == source)]
    return [f"{probe}: {said}" for probe, said in few[["probe", "verdict"]].itertuples(index=False)]


def cells_but_baseline(crossed: pd.DataFrame) -> list[str]:
    """Names of the crossing's cells in the order of the design, without the baseline.

    Parameters
    ----------
    crossed : of `combination.crossed`.
    """
    return [n for n in dict.fromkeys(crossed.name) if n != "baseline"]


def by_pretraining(transfer: pd.DataFrame) -> pd.DataFrame:
    """Accuracy laid out: objective and pretraining data x benchmarks.

    Parameters
    ----------
    transfer : of `combination.transfer_matrix`, from one source.
    """
    rows = transfer.assign(row=transfer["name"] + ", " + transfer.regime)
    return matrix(rows, "top1", "row")


def source_of(table: pd.DataFrame) -> str:
    """The one source of a table's rows."""
    (source,) = table.source.unique()
    return source


def pair_titles(interactions: pd.DataFrame, write) -> dict[str, str]:
    """How pairs of a factorized part and a contrast are written in a figure.

    Parameters
    ----------
    write : name of a variant -> its label (`look.label`).
    """
    pairs = interactions.drop_duplicates("pair")
    rows = pairs[["pair", "base", "contrast"]].itertuples(index=False)
    return {pair: f"{write(base)} × {write(contrast)}" for pair, base, contrast in rows}


def weights_used(matched: pd.DataFrame) -> pd.DataFrame:
    """Weights that match the reference's pull over a training, beside those of the study.

    Parameters
    ----------
    matched : of `combination.matched_weights`.

    Returns
    -------
    DataFrame, a row per term: `min`, `median`, `max`, `used`.
    """
    table = matched.groupby("term", sort=False).matched.agg(["min", "median", "max"]).reset_index()
    return table.assign(used=table.term.map(study.CONTRASTS))


# --- domains ------------------------------------------------------------------------------------

_FIELDS = (
    "textures", "cameras", "palettes", "fps", "noise", "shake", "contrast", "distractors",
    "frequency",
)  # fmt: skip


def domain_differences() -> pd.DataFrame:
    """What differs between a benchmark and its shifted partner, a row per property and pair."""
    rows = []
    for outside, inside in combination.SHIFTED.items():
        a, b = synthetic.DOMAINS[inside], synthetic.DOMAINS[outside]
        rows += [
            {"what": field, "pair": f"{inside} → {outside}"}
            | {"in domain": str(getattr(a, field)), "shifted": str(getattr(b, field))}
            for field in _FIELDS
            if getattr(a, field) != getattr(b, field)
        ]
    return pd.DataFrame(rows)


def paired_domains() -> pd.DataFrame:
    """The benchmarks in pairs, each in-domain one before its shifted partner, with their roles."""
    names = [n for outside, inside in combination.SHIFTED.items() for n in (inside, outside)]
    return pd.DataFrame({"benchmark": names, "role": [synthetic.DOMAINS[n].role for n in names]})


def shift_of_mixture(results: pd.DataFrame) -> pd.DataFrame:
    """`combination.shift` of the linear probes of runs trained on the mixture."""
    own = results[results.regime == "mixed"]
    return combination.shift(named(own), references(results))


def few_labels_of_mixture(results: pd.DataFrame) -> pd.DataFrame:
    """`combination.low_shot` of runs trained on the mixture."""
    return combination.low_shot(results[results.regime == "mixed"])


def transfer_to_shifted(transfer: pd.DataFrame) -> pd.DataFrame:
    """Rows of `combination.transfer_matrix` on the shifted benchmarks."""
    return pick(transfer, "benchmark", combination.SHIFTED)


def labelled_clips(few: pd.DataFrame) -> pd.DataFrame:
    """Labelled clips behind each share of labels, a row per source and benchmark.

    Parameters
    ----------
    few : of `combination.low_shot`, with `source`.
    """
    counts = few.groupby(["source", "benchmark", "share"]).n_train.first().unstack()
    return counts.reset_index()
