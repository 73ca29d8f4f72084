"""What was found, in sentences made of results: last cells of notebooks, and words to plots.

Every function takes tables of the other modules and returns a sentence, or a list of them. Nothing
is said that the table does not hold; other results give other sentences.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from vjepa_lib.analysis.ablation import clear, sentence
from vjepa_lib.analysis.selection import at_end


def listed(names: Iterable[str], values: Iterable[float], form: str = ".2f") -> str:
    """'a 1.00, b 2.00' of names and numbers."""
    return ", ".join(f"{n} {v:{form}}" for n, v in zip(names, values, strict=True))


def seeds(counts: pd.Series) -> str:
    """'5 seeds', or '3 to 5 seeds' where they differ."""
    low, high = int(counts.min()), int(counts.max())
    if low != high:
        return f"{low} to {high} seeds"
    return f"{low} seed{'s' * (low > 1)}"


# --- training -----------------------------------------------------------------------------------


def collapse_at_end(curves: pd.DataFrame) -> str:
    """Which encoders ended with the lowest and the highest effective rank and spread."""
    said = []
    for column, what, form in (("rank_me", "RankMe", ".1f"), ("feature_std", "feature std", ".3f")):
        ends = at_end(curves, [column]).sort_values(column)
        low, high = ends.iloc[0], ends.iloc[-1]
        said.append(
            f"{what} from {low[column]:{form}} ({low['name']}) to {high[column]:{form}} "
            f"({high['name']})"
        )
    return "at the end of the training: " + "; ".join(said)


def spread_at_end(curves: pd.DataFrame) -> str:
    """Spread of features over clips at the end, mean over seeds; 0 is collapse."""
    ends = at_end(curves, ["feature_std"])
    return "feature std at the end, 0 is collapse: " + listed(ends.name, ends.feature_std, ".3f")


def rank_at_end(curves: pd.DataFrame) -> str:
    """Effective rank of mean tokens at the end, mean over seeds."""
    ends = at_end(curves, ["rank_me"])
    return "RankMe at the end: " + listed(ends.name, ends.rank_me, ".1f")


def rank_and_spread_at_end(curves: pd.DataFrame) -> str:
    """Effective rank and spread of features at the end, mean over seeds."""
    ends = at_end(curves, ["rank_me", "feature_std"])
    pairs = zip(ends.name, ends.rank_me, ends.feature_std, strict=True)
    return "at the end, RankMe and feature std: " + ", ".join(
        f"{n} {rank:.1f}/{spread:.3f}" for n, rank, spread in pairs
    )


def share_of_added_terms(shares: pd.DataFrame) -> str:
    """Share of the terms beside JEPA and context in the loss, late in the training.

    Parameters
    ----------
    shares : of `ablation.late_shares`.
    """
    if shares.empty:
        return "share of the added terms in the loss: no curves are kept"
    added = shares.set_index("variant").drop(columns=["jepa", "context"], errors="ignore")
    said = []
    for variant, row in added.iterrows():
        own = row.dropna()
        said += [f"{variant}: {listed(own.index, own, '.1f')}"] if len(own) else []
    if not said:
        return "share of the added terms in the loss: none adds a term to the baseline's"
    return "share of the added terms in the loss late in the training (%): " + "; ".join(said)


def late_share(share: pd.Series) -> str:
    """Share of each weighted term in the loss late in the training, of `ablation.mean_share`."""
    if share.empty:
        return "share in the loss late in the training: no curves are kept"
    return "share in the loss late in the training (%): " + listed(share.index, share, ".1f")


# --- effects ------------------------------------------------------------------------------------


def count_clear(gains: pd.DataFrame) -> str:
    """How many effects on single benchmarks have an interval clear of 0, by source."""
    single = gains[gains.benchmark != "all"]
    said = []
    for source, part in single.groupby("source", sort=False):
        if part.low.isna().all():
            said.append(f"{source}: one seed, no intervals")
            continue
        sure = clear(part)
        up, down = (int((sure & side).sum()) for side in (part.effect > 0, part.effect < 0))
        said.append(f"{source}: {up} of {len(part)} above 0, {down} below, the rest undecided")
    return "effects on single benchmarks clear of 0 (Holm): " + "; ".join(said)


def against(gains: pd.DataFrame, reference: str) -> list[str]:
    """Mean effect over benchmarks against a reference, largest first, a sentence a source."""
    return [
        f"{source}, {seeds(part.n_seeds)}, mean over benchmarks against {reference}: "
        + sentence(part.sort_values("effect", ascending=False))
        for source, part in gains[gains.benchmark == "all"].groupby("source", sort=False)
    ]


def by_benchmark(gains: pd.DataFrame, reference: str) -> list[str]:
    """Effect on every benchmark with its interval, a sentence a source.

    Parameters
    ----------
    gains : of `ablation.gains` for one variant, with `source`.
    """
    return [
        f"{source}, {seeds(part.n_seeds)}, {part.name.iloc[0]} minus {reference}, points: "
        + ", ".join(
            f"{r.benchmark} {r.effect:+.1f} [{r.low:+.1f}, {r.high:+.1f}]"
            for r in part.itertuples()
        )
        for source, part in gains.groupby("source", sort=False)
    ]


def forms_apart(cells: pd.DataFrame) -> list[str]:
    """What the form alone decides: described minus released, mean over benchmarks.

    Parameters
    ----------
    cells : of `ablation.seed_means`, with `variant`, `form` and `source`.
    """
    said = []
    for source, part in cells.groupby("source", sort=False):
        mean = part.groupby(["variant", "form"], sort=False).top1.mean().unstack()
        both = mean.reindex(columns=["released", "described"]).dropna()
        difference = both.described - both.released
        said.append(
            f"{source}, described minus released, points on the mean over benchmarks: "
            + (listed(both.index, difference, "+.1f") or "no variant in both forms")
        )
    return said


def factorial_effects(effects: pd.DataFrame) -> list[str]:
    """Effects of a factorial on the mean over benchmarks, and how many are clear of 0.

    Parameters
    ----------
    effects : of `ablation.factorials`.
    """
    said = []
    for (source, form), part in effects.groupby(["source", "form"], sort=False):
        mean, single = part[part.benchmark == "all"], part[part.benchmark != "all"]
        columns = mean[["effect", "estimate", "low", "high"]]
        columns.columns = ["name", "effect", "low", "high"]
        said.append(
            f"{source}, {form}, {seeds(mean.n_seeds)}, effects on the mean over benchmarks: "
            + sentence(columns)
        )
        sure = clear(single)
        said.append(
            f"  {sure.sum()} of {len(single)} effects on single benchmarks have an interval clear "
            f"of 0, {(sure & (single.order > 1)).sum()} of them interactions; "
            f"{(single.p_adjusted < 0.05).sum()} survive Holm's correction within their benchmark"
        )
    return said


# --- terms at work ------------------------------------------------------------------------------


def weights_at(spread: pd.DataFrame, temperature: float, error) -> str:
    """How far hard-region weights lie from 1, beside the scatter of the errors they come from.

    Parameters
    ----------
    spread : of `at_work.weight_spread`; error : [B, M], of `at_work.prediction_errors`.
    """
    one = spread.set_index("temperature").loc[temperature]
    return (
        f"weights at temperature {temperature:g}: {one.lowest:.2f} to {one.highest:.2f}, standard "
        f"deviation {one['std']:.3f}; errors: standard deviation {float(error.std()):.3f}"
    )


def directions(pull: pd.DataFrame) -> str:
    """Cosine of each term's gradient with that of the JEPA loss, of `at_work.pulls`."""
    return "cosine with the gradient of the JEPA loss: " + _by_row(pull, "cosine", ".2f")


def lengths(pull: pd.DataFrame) -> str:
    """Length of each term's gradient, of `at_work.pulls`."""
    return "pull in lengths of the JEPA gradient: " + _by_row(pull, "pull", ".3g")


def _by_row(pull: pd.DataFrame, column: str, form: str) -> str:
    """'HW, temperature 1: 0.98; ..': these names hold commas of their own."""
    rows = pull[["name", column]].itertuples(index=False)
    return "; ".join(f"{n}: {v:{form}}" for n, v in rows)


def reach_of_term(reach: pd.DataFrame, term: str) -> str:
    """Largest gradient of one term into any part but the target encoder, by form.

    Parameters
    ----------
    reach : of `at_work.reach_of_forms`.
    """
    own = reach[(reach.term == term) & (reach.part != "target_encoder")]
    largest = own.groupby("form", sort=False)["norm"].max()
    return f"largest gradient norm of {term}: " + listed(largest.index, largest, ".3g")


def pairs_given(counts: pd.DataFrame) -> str:
    """How many pairs the mask groups give, of `at_work.pair_counts`."""
    groups = [f"group {g}" for g in counts["mask group"]]
    share = counts["of all possible pairs (%)"]
    return "share of all possible pairs (%): " + listed(groups, share, ".0f")


def moving_and_held(change: pd.DataFrame) -> str:
    """Change of the latent in moving clips and in held ones, of `encoders.change_over_time`."""
    rows = zip(change["name"], change.moving, change.held, strict=True)
    return "change of the latent, moving / held: " + ", ".join(
        f"{n} {moving:.3f} / {held:.3f}" for n, moving, held in rows
    )


def hiding_and_motion(follow: pd.DataFrame) -> str:
    """Whether each kind of mask follows motion, and how much it hides, mean over clips.

    Parameters
    ----------
    follow : of `masks.hiding_follows_motion`.
    """
    columns = ["correlation with motion", "hidden (%)"]
    mean = follow.groupby("masking", sort=False)[columns].mean()
    rows = zip(mean.index, mean[columns[0]], mean[columns[1]], strict=True)
    return "correlation of hiding with motion, and places hidden: " + ", ".join(
        f"{kind} {r:.2f}, {hidden:.0f} %" for kind, r, hidden in rows
    )


def loss_beside_marks(late: pd.DataFrame, marks: Mapping[str, float]) -> list[str]:
    """AC's loss at the end beside what can be had without seeing the next time step.

    Parameters
    ----------
    late : of `ablation.loss_at_end`; marks : of `colours.loss_without_seeing`.
    """
    zero, floor = marks["always 0"], marks["noise unknown"]
    below = late[late.loss < floor].name
    return [
        f"AC's loss at the end, against {zero:.3f} for always 0 and {floor:.3f} for noise unknown: "
        + listed(late.name, late.loss, ".3f"),
        f"below what noise leaves to be foreseen: {', '.join(below) or 'none'}",
    ]


def near_initialisation(moved: pd.DataFrame) -> str:
    """How alike evaluated encoders are to their initialisation, of `encoders.mean_moved`."""
    return "cosine of tokens with the initialisation: " + listed(
        moved.name, moved["cosine of tokens"], ".3f"
    )


def neighbouring_steps(spectra: pd.DataFrame, column: str) -> str:
    """Cosine of neighbouring time steps, of `encoders.temporal_spectra`."""
    return "cosine of neighbouring time steps: " + listed(spectra.variant, spectra[column], ".3f")


def moved_by_form(evaluated: pd.DataFrame) -> str:
    """Of how many variants the evaluated encoder moved, by form.

    Parameters
    ----------
    evaluated : columns `form`, `evaluated_trained`, a row a variant and form.
    """
    moved = evaluated.groupby("form", sort=False).evaluated_trained.agg(["sum", "size"])
    return "variants without EMA whose evaluated encoder moved: " + ", ".join(
        f"{form} {n} of {of}" for form, n, of in moved.itertuples()
    )


def unmoved(checks: pd.DataFrame) -> list[str]:
    """How many parameters of each evaluated encoder did not move, of `at_work.evaluated_after`."""
    return [
        f"{row['variant']} ({row['form']}): {row['parameters unmoved']} of {row['parameters']} "
        "parameters of the evaluated encoder unmoved after a few steps"
        for _, row in checks.iterrows()
    ]


def within_margin(margins: pd.DataFrame) -> str:
    """Share of pairs that LTC's margin still counts, of `at_work.ltc_margins`."""
    return "pairs within LTC's margin (%): " + listed(
        margins.encoder, margins["pairs within the margin (%)"], ".0f"
    )


def matched_and_used(used: pd.DataFrame) -> str:
    """Weights that match a reference's pull over the training, and the weights used.

    Parameters
    ----------
    used : of `crossing.weights_used`.
    """
    rows = zip(used.term, used["min"], used["max"], used["used"], strict=True)
    return "weights that match LTC's pull (min to max over the training): " + ", ".join(
        f"{term} {low:.4f} to {high:.4f}, used {weight:g}" for term, low, high, weight in rows
    )


# --- the combination ----------------------------------------------------------------------------


def above_and_below(whole: pd.DataFrame, benchmarks: Sequence[str]) -> list[str]:
    """How many combinations beat their better part, fall short of it, or are undecided.

    Parameters
    ----------
    whole : of `combination.against_best_part`, from one source.
    benchmarks : 'all' for the mean.
    """
    said = []
    for benchmark in benchmarks:
        own = whole[whole.benchmark == benchmark]
        sure = clear(own)
        above, below = (int((sure & side).sum()) for side in (own.effect > 0, own.effect < 0))
        where = "mean of all benchmarks" if benchmark == "all" else benchmark
        said.append(
            f"{where}: {above} of {len(own)} combinations beat their better part clear of "
            f"0 (Holm), {below} fall short of it, {len(own) - above - below} are undecided: "
            + listed(own.name, own.effect, "+.1f")
        )
    return said


def interactions_on_mean(interactions: pd.DataFrame) -> str:
    """Interactions on the mean over benchmarks, of `combination.interactions`, from one source."""
    own = interactions[interactions.benchmark == "all"]
    columns = own[["pair", "estimate", "low", "high"]]
    columns.columns = ["name", "effect", "low", "high"]
    return "interactions: " + sentence(columns)


def read_both_ways(readings: pd.DataFrame, names: Sequence[str]) -> str:
    """A benchmark read from the mean token and from all tokens, of `crossing.readings`."""
    own = readings.set_index("name")
    return "fine_motion, linear / attentive: " + ", ".join(
        f"{n} {own.linear[n]:.0f}/{own.attentive[n]:.0f}" for n in names if n in own.index
    )


def separation_of_halves(separation: pd.DataFrame, names: Sequence[str]) -> str:
    """How far the halves of the latent specialise, of `combination.separation`."""
    own = separation.set_index("name").separation
    known = [n for n in names if n in own]
    return "separation of the halves, points: " + listed(known, own[known], "+.1f")


# --- transfer -----------------------------------------------------------------------------------


def kept_outside(shift: pd.DataFrame, inside: Mapping[str, str], names: Sequence[str]) -> list[str]:
    """What is left of the in-domain accuracy outside the domain, a sentence a shifted benchmark.

    Parameters
    ----------
    shift : of `combination.shift`, from one source.
    inside : shifted benchmark -> its partner in the domain.
    names : runs listed beside the baseline and the best.
    """
    said = []
    for benchmark, part in shift.groupby("benchmark", sort=False):
        part = part.set_index("name")
        base, best = part.loc["baseline"], part.outside.idxmax()
        others = ", ".join(
            f"{n} {part.inside[n]:.1f} → {part.outside[n]:.1f}"
            for n in names
            if n in part.index and n != "baseline"
        )
        said.append(
            f"{inside[benchmark]} → {benchmark}: baseline {base.inside:.1f} → {base.outside:.1f} "
            f"({_keeps(base.kept)}), best outside {best} {part.outside[best]:.1f} "
            f"({_keeps(part.kept[best])}); {others}"
        )
    return said


def _keeps(kept: float) -> str:
    return (
        "reads no more inside than an untrained encoder"
        if kept != kept
        else f"keeps {kept:.0f} % of its score"
    )


def best_pretraining(transfer: pd.DataFrame) -> str:
    """The objective and pretraining data that read each benchmark best, from one source.

    Parameters
    ----------
    transfer : of `combination.transfer_matrix`.
    """
    best = transfer.loc[transfer.groupby("benchmark", sort=False).top1.idxmax()]
    columns = ("benchmark", "name", "regime", "top1")
    rows = zip(*(best[c] for c in columns), strict=True)
    return "best pretraining for " + ", ".join(
        f"{benchmark}: {n} on {regime} ({top1:.1f})" for benchmark, n, regime, top1 in rows
    )


def fewest_labels(few: pd.DataFrame, benchmarks: Sequence[str], names: Sequence[str]) -> list[str]:
    """Accuracy with the fewest labels beside that with all of them, from one source.

    Parameters
    ----------
    few : of `combination.low_shot`, of one regime.
    """
    mean = few.groupby(["benchmark", "name", "share"], sort=False).top1.mean()
    low, said = few.share.min(), []
    for benchmark in benchmarks:
        own = mean[benchmark]
        said.append(
            f"{benchmark} with {low:g} % of the labels: "
            + ", ".join(f"{n} {own[n, low]:.1f} (all labels {own[n, 100.0]:.1f})" for n in names)
        )
    return said
