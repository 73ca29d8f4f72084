"""Tables of the report, from results; cells that name an objective lead to its runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pandas as pd

from vjepa_lib.analysis import (
    combination,
    crossing,
    overview,
    transfer_answer,
    transfer_score,
    transfer_verdicts,
)
from vjepa_lib.article.evidence import Evidence
from vjepa_lib.audit import twelve_claims
from vjepa_lib.datasets import worlds
from vjepa_lib.datasets.domains import DOMAINS
from vjepa_lib.datasets.heldout import QUESTIONS
from vjepa_lib.datasets.synthetic import REGIMES
from vjepa_lib.objectives import TERMS
from vjepa_lib.show.document.blocks import (
    Code,
    Emphasis,
    Inline,
    Math,
    Ref,
    Row,
    Strong,
    Table,
    Text,
    words,
)
from vjepa_lib.show.look import label
from vjepa_lib.show.tables import format_cell
from vjepa_lib.study.titles import spelt_in
from vjepa_lib.study.variants import REFERENCES, VARIANTS

ADDRESS, COMMIT = 8, 7  # first digits that tell runs and commits apart


def of(cells: Sequence[object]) -> Row:
    """A row of plain cells."""
    return Row(tuple(_cell(c) for c in cells))


def _cell(value: object) -> Text:
    if isinstance(value, tuple):
        return value
    return (value,) if isinstance(value, (Code, Math, Ref, Strong, Emphasis)) else (
        format_cell(value, 1),
    )  # fmt: skip


def from_frame(key: str, frame: pd.DataFrame, caption: Text, **how) -> Table:
    """A table as it is: titles are the names of the columns, underscores are spaces."""
    header = tuple(str(c).replace("_", " ") for c in frame.columns)
    rows = tuple(of(r) for r in frame.itertuples(index=False, name=None))
    return Table(key, header, rows, caption, **how)


# --- runs: what every number leads to -----------------------------------------------------------


def _key(run: str) -> str:
    return f"run-{re.sub('[^a-z0-9]', '', run.lower())}"


def _groups(runs: pd.DataFrame) -> list[tuple[tuple, pd.DataFrame]]:
    keys = [k for k in ("variant", "form", "regime", "pretrained_on", "changed") if k in runs]
    return list(runs.groupby(keys, sort=False)) if len(runs) else []


def _order(group: tuple[tuple, pd.DataFrame]) -> tuple:
    """Place of an objective in a list: data, then references, then the order of the study."""
    (variant, form, regime, *other), _ = group
    places = [*REFERENCES, *VARIANTS]
    place = places.index(variant) if variant in places else len(places)
    data = 0 if regime == "mixed" else list(REGIMES).index(regime) + 1 if regime in REGIMES else 99
    return data, place, form != "released", *other


def _chip(name: str) -> str:
    """A processor's name without what every name has."""
    return name.replace("(R)", "").replace(" Processor", "")


def runs_table(key: str, runs: pd.DataFrame, caption: Text) -> Table:
    """Every recorded run: objective, seeds, addresses, commit, machine; a row an objective.

    Objectives stand in the order of the study, what was trained on its mixture first.
    """
    rows = []
    for (variant, form, regime, *other), part in sorted(_groups(runs), key=_order):
        part = part.sort_values("seed")
        addresses: list[Inline] = []
        for run in part.itertuples():
            addresses += [f"{run.seed} ", Code(str(run.run)[:ADDRESS]), "  "]
        commits = [Code(str(c)[:COMMIT]) for c in dict.fromkeys(part.commit)]
        machines = ", ".join(
            dict.fromkeys(f"{_chip(r.cpu)}, {r.cores} cores" for r in part.itertuples())
        )
        cells = (
            (", ".join([objective(variant), *(spelt_in(x, TERMS) for x in other[1:] if x)]),),
            (form,),
            (other[0] if other and other[0] != "rendered" else regime,),
            tuple(addresses[:-1]),
            tuple(x for c in commits for x in (c, " "))[:-1],
            (machines,),
        )
        rows.append(Row(cells, _key(str(part.run.iloc[0]))))
    header = ("objective", "form", "data", "seed and address of each run", "commit", "machine")
    widths = (3.0, 0.95, 0.9, 4.4, 0.85, 1.8)
    return Table(key, header, tuple(rows), caption, widths, small=True)


def run_refs(evidence: Evidence) -> dict[str, Ref]:
    """Name of an objective as tables write it -> a reference to the row of its runs."""
    row_of = {
        str(run): _key(str(part.run.iloc[0]))
        for _, part in _groups(evidence.runs)
        for run in part.run
    }
    return {
        title: Ref(row_of[addresses[0]], written(title))
        for title, addresses in evidence.addresses.items()
        if addresses[0] in row_of
    }


def written(title: str) -> str:
    """How an objective or a benchmark is written in a line."""
    return label(title).replace("\n", " ")


def objective(title: str) -> str:
    """How an objective is written where a cell begins with it."""
    said = written(title)
    return said[:1].upper() + said[1:]


def spelt(text: str, evidence: Evidence) -> str:
    """What the audit says of published rows, with their names as tables write them."""
    rows = evidence.published.table
    return spelt_in(text, {*rows.variant, *rows.benchmark} - {"baseline"})


# --- setting ------------------------------------------------------------------------------------


def other_terms(key: str, shown: Sequence[str], caption: Text) -> Table:
    """The terms that the text does not introduce itself."""
    rows = [of((Code(n), (Math(t.formula),), t.source)) for n, t in TERMS.items() if n not in shown]
    return Table(key, ("term", "formula", "from"), tuple(rows), caption, (1.3, 3.4, 2.6))


def profiles(key: str, caption: Text) -> Table:
    """The sizes of everything."""
    table = overview.profiles()
    rows = [of([Code(str(r[0])), *map(str, r[1:])]) for r in table.itertuples(index=False)]
    return Table(key, tuple(table.columns), tuple(rows), caption)


def benchmarks(key: str, caption: Text) -> Table:
    """The embedded benchmarks: what each stands for and asks."""
    rows = [of((Code(d.name), d.role, words(d.question))) for d in DOMAINS.values() if d.label]
    return Table(key, ("benchmark", "stands for", "asks"), tuple(rows), caption, (1.2, 1.6, 3.4))


def questions(key: str, caption: Text) -> Table:
    """The tasks of the transfer study, those of the held-out world among them."""
    rows = [
        of((Code(n), world.question, str(len(worlds.classes(n)))))
        for n, world in worlds.TASKS.items()
    ]
    rows += [of((Code(n), asks, "held out")) for n, asks in QUESTIONS.items()]
    return Table(key, ("task", "asks", "classes"), tuple(rows), caption, (1.3, 4.2, 0.8))


# --- results ------------------------------------------------------------------------------------


def answer(key: str, evidence: Evidence, caption: Text) -> Table:
    """Points against the baseline for every objective of the crossing."""
    table = combination.answer(evidence.results)
    refs = run_refs(evidence)
    rows = []
    for title, *values in table.itertuples(index=False):
        cells = [_marked(v) for v in values]
        rows.append(Row(((refs.get(title, written(title)),), *cells)))
    header = ("objective", *(written(str(c)) for c in table.columns[1:]))
    return Table(key, header, tuple(rows), caption, (2.4, 1.7, 1.7, 1.7, 1.7), small=True)


def _marked(text: str) -> Text:
    """What `combination.answer` writes in bold, in bold."""
    found = re.fullmatch(r"\*\*(.+)\*\*", text)
    return (Strong(found[1]),) if found else (text,)


def accuracies(key: str, evidence: Evidence, caption: Text) -> Table:
    """Absolute accuracies behind the differences, by benchmark."""
    frame = combination.crossed(evidence.results)
    wide = frame.pivot_table(index="name", columns="benchmark", values="top1", sort=False)
    refs = run_refs(evidence)
    # The baseline, then in the order of the table of differences.
    order = ["baseline", *combination.answer(evidence.results).iloc[:, 0]]
    wide = wide.reindex([n for n in order if n in wide.index])
    rows = [
        Row(((refs.get(n, written(n)),), *((f"{v:.1f}",) for v in values)))
        for n, values in zip(wide.index, wide.to_numpy(), strict=True)
    ]
    header = ("objective", *(written(str(c)) for c in wide.columns))
    return Table(key, header, tuple(rows), caption, small=True)


def few_labels(key: str, evidence: Evidence, caption: Text) -> Table:
    """The best combination against the best part, by the share of labels."""
    table = crossing.verdicts_by_labels({evidence.mark: evidence.results})
    table = table.sort_values("share", ascending=False)
    where = "On the mean of all benchmarks the "
    rows = [of((f"{r.share:g} %", r.verdict.replace(where, "The ", 1))) for r in table.itertuples()]
    return Table(key, ("labels", "on the mean of all benchmarks"), tuple(rows), caption, (1, 8))


def zero_shot(key: str, evidence: Evidence, caption: Text) -> Table:
    """Zero-shot linear readings of the transfer study: at the source, and under shift by task.

    Accuracy in percent, means over shifts, severities and seeds, as far as runs are recorded.
    """
    own = transfer_score.own_runs(evidence.readings)
    linear = own[(own.fitted == "source") & own.reading.isin(["linear", *own.kind.unique()])]
    at = linear.severity.eq(0).map({True: "source", False: "shifted"})
    keys = ["variant", "form"]
    wide = linear.assign(at=at).pivot_table(
        index=keys, columns=["task", "at"], values="top1", sort=False
    )
    seeds = linear.groupby(keys).seed.nunique()
    tasks = [t for t in dict.fromkeys(linear.task) if (t, "shifted") in wide]
    rows = []
    places = [v for v in ("random_init", *transfer_score.DECISIVE) if v in wide.index]
    places += [v for v in dict.fromkeys(wide.index.get_level_values(0)) if v not in places]
    for index, values in sorted(wide.iterrows(), key=lambda row: places.index(row[0][0])):
        cells = [
            f"{format_cell(values.get((t, 'source')), 1)} → {format_cell(values[t, 'shifted'], 1)}"
            for t in tasks
        ]
        rows.append(of((objective(index[0]), index[1], str(seeds[index]), *cells)))
    header = ("encoder", "form", "seeds", *(t.replace("_", " ") for t in tasks))
    return Table(key, header, tuple(rows), caption, small=True)


def contrasts(key: str, evidence: Evidence, caption: Text) -> Table:
    """The primary contrasts of the transfer score."""
    rows = []
    for r in evidence.contrasts.itertuples():
        said = r.outcomes or transfer_answer.number(r)
        p = "–" if pd.isna(r.p_adjusted) else _p(r.p_adjusted)
        pair = f"{transfer_answer.TITLES[r.whole]} − {transfer_answer.TITLES[r.part]}"
        rows.append(
            of((pair, f"{r.mean_whole:.1f}", f"{r.mean_part:.1f}", said, p, f"{r.n_seeds:.0f}"))
        )
    header = ("contrast", "score", "score of the part", "difference", "Holm p", "seeds")
    return Table(key, header, tuple(rows), caption, (3.2, 0.8, 1.1, 2.6, 0.8, 0.7))


def outcomes(key: str, evidence: Evidence, caption: Text) -> Table:
    """What is said of each combination, by size and way of tuning."""
    rows = []
    for r in transfer_verdicts.verdicts(evidence.zero_shot).itertuples():
        where = f"{r.size}, {r.settings}"
        numbers = (r.against_vclr, r.against_other, r.levels or "–", r.n_seeds)
        rows.append(of((r.combination, where, Strong(r.verdict), *numbers)))
    header = ("combination", "where", "verdict", "against VCLR", "against the other part",
              "means", "seeds")  # fmt: skip
    return Table(key, header, tuple(rows), caption, (1.5, 2.2, 1.0, 1.6, 1.6, 1.3, 0.5), small=True)


def _p(p: float, least: float = 1e-3) -> str:
    return f"{p:.2g}" if p >= least else f"< {least:g}"


def over_training(key: str, evidence: Evidence, caption: Text) -> Table:
    """What a longer training changes: sources and rank after a quarter and at the end."""
    table = evidence.over_training
    looked = list(dict.fromkeys(table.what))
    cells = {
        (r.variant, r.what): (_strong if r.clear else _plain)(f"{r.early:.1f} → {r.late:.1f}")
        for r in table.itertuples()
    }
    rows = [
        of((transfer_answer.TITLES[v], *(cells[v, what] for what in looked)))
        for v in dict.fromkeys(table.variant)
    ]
    names = ["RankMe" if w == "rank_me" else w.removeprefix("source_") for w in looked]
    return Table(key, ("objective", *names), tuple(rows), caption, small=True)


def _plain(text: str) -> Text:
    return (text,)


def _strong(text: str) -> Text:
    return (Strong(text),)


# --- claims -------------------------------------------------------------------------------------


def verdicts(key: str, evidence: Evidence, caption: Text) -> Table:
    """Each claim, with its verdict from published numbers alone and in the end."""
    rows = []
    for claim, r in evidence.audit.verdicts.iterrows():
        cells = ((Strong(claim),), (r.claim,), (r.published_verdict,), (Strong(r.verdict),))
        rows.append(Row(cells, f"claim-{claim.lower()}"))
    header = ("", "claim", "from published numbers alone", "verdict")
    return Table(key, header, tuple(rows), caption, (0.5, 4.4, 1.8, 1.8))


def parts(key: str, evidence: Evidence, caption: Text) -> Table:
    """Every part of every claim: the number stated, the number found."""
    rows = [
        of(
            (
                Ref(f"claim-{r.id.lower()}", r.id),
                spelt(r.statement, evidence),
                r.stated,
                spelt(r.recomputed, evidence),
                r.verdict,
            )
        )
        for r in evidence.audit.findings.itertuples()
    ]
    header = ("", "part", "stated", "found", "verdict")
    return Table(key, header, tuple(rows), caption, (0.5, 2.6, 0.9, 2.6, 1.6), small=True)


def facts(key: str, evidence: Evidence, caption: Text) -> Table:
    """What running the code showed."""
    known: Mapping = twelve_claims.FACTS
    rows = [
        of(
            (
                spelt(known[r.fact].sentence, evidence),
                spelt(r.measured, evidence),
                "yes" if r.confirmed else "no",
            )
        )
        for r in evidence.measured.itertuples()
    ]
    header = ("what it would mean", "measured", "confirmed")
    return Table(key, header, tuple(rows), caption, (3, 4, 0.9), small=True)


def report_counts(key: str, evidence: Evidence) -> Table:
    """The report's own counts, counted again."""
    table = twelve_claims.report_counts(evidence.claims, evidence.audit)
    caption = words("Counts that the report gives of itself, beside the same counts made here.")
    return from_frame(key, table, caption, widths=(1.2, 0.8, 1.1, 4))
