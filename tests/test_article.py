"""The report as a paper: its numbers come from results, and both of its forms say the same."""

import ast
import html
import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pypdf
import pytest
import yaml
from test_transfer_answer import LEVELS, study_of

from vjepa_lib import article
from vjepa_lib.analysis import transfer_score
from vjepa_lib.analysis.combination import GROUPS
from vjepa_lib.article import sources, statements, tables, write
from vjepa_lib.article.evidence import Evidence
from vjepa_lib.article.tables import written
from vjepa_lib.audit import published
from vjepa_lib.audit.findings import Verdict
from vjepa_lib.audit.twelve_claims import FACTS, REFERENCES
from vjepa_lib.show import report
from vjepa_lib.show.document.blocks import (
    Bullets,
    Document,
    Picture,
    Ref,
    Section,
    Table,
    inlines,
    plain,
)
from vjepa_lib.show.document.numbering import number
from vjepa_lib.show.gallery import Gallery

ROOT = Path(__file__).parent.parent
ARTICLE = sorted((ROOT / "vjepa_lib" / "article").glob("*.py"))
BENCHMARKS = [b for group in GROUPS.values() for b in group]
LABELLED = {
    ("baseline", "released"): 40.0,
    ("ld", "released"): 55.0,
    ("vclr", "released"): 70.0,
    ("fwm_hw_ld", "described"): 56.0,
    ("fwm_hw_ld+vclr", "described"): 62.0,
}


def results_of(levels):
    """Results as recorded: percent by (variant, form), a few clips apart between seeds."""
    rows = []
    for k, ((variant, form), level) in enumerate(levels.items()):
        for seed in range(3):
            for probe, lost in (("linear", 0.0), ("linear_1%", 20.0)):
                for b in BENCHMARKS:
                    top1 = level - lost + (0.0, 0.4, -0.3)[(seed + k) % 3]
                    rows.append((variant, form, seed, b, probe, top1, round(10 * top1)))
    columns = ["variant", "form", "seed", "benchmark", "probe", "top1", "correct"]
    table = pd.DataFrame(rows, columns=columns)
    run = table.variant + table.form + table.seed.astype(str)
    return table.assign(
        regime="mixed", n_test=1000, profile="small", run=run.map(lambda r: f"{abs(hash(r)):016x}")
    )


KEPT = ("run", "variant", "form", "regime", "seed", "pretrained_on", "changed")


def runs_of(rows):
    table = rows.drop_duplicates("run")[[c for c in KEPT if c in rows]]
    facts = {"kind": "pretrain", "commit": "c0ffee0" * 5, "cpu": "A chip", "cores": 2}
    return table.assign(**facts, seconds=60.0, python="3.11", torch="2.13", feature_std=0.1)


@pytest.fixture(scope="module")
def evidence():
    rows = results_of(LABELLED)
    readings = study_of(LEVELS, seeds=(10, 11))
    transfer = runs_of(readings.assign(regime="mixed"))
    measured = pd.DataFrame({"fact": list(FACTS), "measured": "seen", "confirmed": True})
    return Evidence(
        rows, runs_of(rows), readings, transfer, published.load_results(),
        published.load_claims(), measured, curves=curves_falling(),
    )  # fmt: skip


def curves_falling():
    """Two seeds of LD that lose the camera on the way and keep the other tasks."""
    return pd.DataFrame(
        {
            "run": f"ld-{seed}-", "variant": "ld", "form": "released", "seed": seed, "step": step,
            "pretrained_on": "rendered", "changed": "", "rank_me": 6.0 - step * seed / 2000,
            "source_camera": 60.3 - step * (0.08 + seed / 500), "source_trajectory": 30.0 + seed,
            "source_order": 40.0 + seed, "source_appearance": 50.0 + seed,
        }
        for seed in (10, 11) for step in (0, 100, 200, 400)
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(evidence, tmp_path_factory):
    """The report, written once: its folder and its document."""
    gallery = Gallery(tmp_path_factory.mktemp("report") / "figures", "99_report", "smoke", "c0ffee")
    return gallery.folder, article.publish(evidence, gallery)


def plain_page(path):
    """Text of a page without its look."""
    text = re.sub(r"(?s)<style>.*?</style>", "", path.read_text())
    return html.unescape(re.sub(r"<[^>]+>", " ", text))


@pytest.fixture(scope="module")
def texts(made):
    """What stands in the PDF and on the page, as plain letters."""
    pdf = " ".join(p.extract_text() for p in pypdf.PdfReader(made[0] / write.PDF).pages)
    both = (pdf, plain_page(made[0] / write.PAGE))
    both = (unicodedata.normalize("NFKD", t).replace("\u2010", "-") for t in both)
    return [re.sub(r"\s+", " ", t) for t in both]


def squeezed(text):
    """Letters and digits alone: lines and hyphens fall differently in the two."""
    return re.sub(r"[^\w.%+]", "", unicodedata.normalize("NFKD", text))


def test_the_answer_stands_in_both_forms(evidence, texts):
    said = article.headline(evidence)
    assert "FWM-HW-LD with VCLR harms" in said[0] and "LD with VCLR helps" in said[0]
    more = (*evidence.said, *evidence.said_zero_shot, statements.claims_held(evidence))
    for sentence in (*said, *more):
        for text in texts:
            assert squeezed(sentence) in squeezed(text), sentence


def test_what_falls_while_training_is_told_with_its_table(evidence, made, texts):
    said = evidence.said_zero_shot[-1]
    assert said.startswith("Clearly read worse at the end") and "LD (camera from 50 to 20 %" in said
    shown = next(b for b in made[1].blocks() if getattr(b, "key", "") == "tab-training")
    (row,) = shown.rows
    assert [plain(c) for c in row.cells][:3] == ["LD", "50.2 → 19.9", "40.5 → 40.5"]
    assert all("RankMe" in text for text in texts)
    assert replace(evidence, curves=None).said_zero_shot == evidence.said_zero_shot[:-1]


def numbers(text):
    return re.findall(r"\d+(?:\.\d+)?", text)


def test_the_same_numbers_stand_in_both_forms(made, texts):
    """Every number of every paragraph, caption and cell, as often or more often in each."""
    inside = [n for b in made[1].blocks() for x in inlines(b) if isinstance(x, str)
              for n in numbers(x)]  # fmt: skip
    assert len(inside) > 400
    counts = [pd.Series(numbers(t)).value_counts() for t in texts]
    for value, times in pd.Series(inside).value_counts().items():
        if "." in value:  # whole ones may be parts of broken words
            assert [c.get(value, 0) >= times for c in counts] == [True, True], value


def test_the_whole_text_is_in_both_forms(made, texts):
    for block in made[1].blocks():
        if isinstance(block, (Picture, Table)):
            name = number(made[1]).names[block.key]
            start = squeezed(f"{name}. {block.caption[0]}")
            assert all(start in squeezed(t) for t in texts), start


def test_every_reference_leads_to_its_place(made):
    page = (made[0] / write.PAGE).read_text()
    ids = re.findall(r'\bid="([^"]+)"', page)
    inside = re.findall(r'href="#([^"]+)"', page)
    assert len(ids) == len(set(ids)) and set(inside) <= set(ids) and len(inside) > 40
    links = [a.get_object() for p in pypdf.PdfReader(made[0] / write.PDF).pages
             for a in p.get("/Annots", [])]  # fmt: skip
    assert len(links) >= 40
    refs = {x.key for b in made[1].blocks() for x in inlines(b) if isinstance(x, Ref)}
    assert {"fig-worlds", "fig-interactions", "eq-score", "runs-small", "runs-transfer"} <= refs


def test_a_changed_result_changes_the_text(evidence):
    other = results_of(LABELLED | {("fwm_hw_ld+vclr", "described"): 81.0})
    changed = replace(evidence, results=other)
    assert "falls short of" in evidence.said[0] and "beats" in changed.said[0]
    turned = replace(
        evidence, readings=study_of(LEVELS | {"ld+vclr": 40, "fwm_hw_ld+vclr": 75}, seeds=(10, 11))
    )
    said = article.headline(turned)[0]
    assert "FWM-HW-LD with VCLR helps" in said and "LD with VCLR harms" in said


def test_what_is_not_recorded_is_said(evidence, tmp_path):
    """References alone, then nothing at all: the text says so, and is written all the same."""
    references = evidence.readings[evidence.readings.variant.isin(["supervised", "random_init"])]
    runs = evidence.transfer_runs[evidence.transfer_runs.run.isin(references.run)]
    early = replace(evidence, readings=references, transfer_runs=runs)
    said = statements.recorded_transfer(early)
    assert said[0] == (
        "Of the transfer study 2 references are recorded (supervised and random init)."
    )
    assert said[1].startswith("No encoder trained with an objective is recorded")
    assert article.headline(early) == early.said[:2]
    bare = replace(
        evidence, results=evidence.results.head(0), runs=evidence.runs.head(0),
        readings=references.head(0), transfer_runs=runs.head(0), measured=None,
    )  # fmt: skip
    document = article.article(bare, Gallery(tmp_path, "99_report", "smoke", "c0ffee"))
    assert not {"fig-answer", "fig-scores", "fig-contrasts", "fig-severities"} & set(
        number(document).names
    )
    text = " ".join(plain(t.text) for t in document.abstract)
    assert "No run on the embedded benchmarks is recorded yet." in text
    assert "No run of the transfer study is recorded yet." in text
    assert "the verdicts rest on the published numbers alone" in statements.implementation(bare)


def test_counts_of_runs_are_said_once(evidence, made):
    """In the section they belong to; the abstract and the limits say only what is missing."""
    text = " ".join(plain(t) for b in made[1].blocks() for t in [getattr(b, "text", ())])
    text += " ".join(
        plain(i) for b in made[1].blocks() for i in (b.items if isinstance(b, Bullets) else ())
    )
    for said in (statements.recorded_runs(evidence), *statements.recorded_transfer(evidence)):
        assert text.count(said) == 1, said


def test_tables_are_in_the_order_of_the_study(made):
    keyed = {b.key: b for b in made[1].blocks() if isinstance(b, Table)}
    first = [plain(r.cells[0]) for r in keyed["tab-zero-shot"].rows]
    order = ["Random init", *(written(v) for v in transfer_score.DECISIVE), "Supervised"]
    assert first == [name for name in order if name in first] and first[-1] == "Supervised"
    listed = [plain(r.cells[0]) for r in keyed["runs-transfer"].rows]
    assert listed[:2] == ["Random init", "Supervised"] and set(listed) == set(first)
    by_gain = [plain(r.cells[0]) for r in keyed["tab-answer"].rows]
    assert [plain(r.cells[0]) for r in keyed["tab-accuracies"].rows] == ["Baseline", *by_gain]


def test_no_name_of_a_table_stands_in_the_text(made):
    """Objectives and benchmarks are written as in the figures, not as tables key them."""
    raw = re.compile(r"(?<!\w)(?:[a-z]+_[a-z_0-9]+|[a-z_]+\+[a-z_]+|ld|vclr|ssv2)(?!\w)")
    spoken = (
        x for b in made[1].blocks() for x in inlines(b) if isinstance(x, str) and "/" not in x
    )
    assert {hit for x in spoken for hit in raw.findall(x)} == set()


def test_runs_are_counted_in_ranges():
    assert statements.spread([3, 0, 1, 2, 10, 12, 11, 20]) == "0 to 3, 10 to 12, 20"
    assert statements.listed(["a"]) == "a" and statements.listed(["a", "b", "c"]) == "a, b and c"
    assert statements.counted(1, "run") == "1 run" and statements.counted(2, "run") == "2 runs"


def test_numbers_lead_to_runs_and_commits(evidence, made):
    """Each objective of the answer's table leads to a row with addresses, commit and machine."""
    keyed = {b.key: b for b in made[1].blocks() if isinstance(b, Table)}
    rows = {r.key: r for r in keyed["runs-small"].rows}
    first = [r.cells[0][0] for r in keyed["tab-answer"].rows]
    assert len(first) == len(LABELLED) - 1 and all(isinstance(x, Ref) for x in first)
    for ref in first:
        text = " ".join(plain(c) for c in rows[ref.key].cells)
        title = next(n for n, r in tables.run_refs(evidence).items() if r == ref)
        assert all(run[: tables.ADDRESS] in text for run in evidence.addresses[title])
        assert "c0ffee0" in text and "A chip, 2 cores" in text


def test_verdicts_are_those_of_the_audit(evidence, texts):
    ends = evidence.audit.verdicts.verdict
    assert len(ends) == 12
    held = statements.claims_held(evidence)
    for verdict in set(ends) - {Verdict.HOLDS}:
        assert f"{verdict} ({(ends == verdict).sum()})" in held
    assert "none hold" in held and (ends == Verdict.HOLDS).sum() == 0


# --- nothing is typed -----------------------------------------------------------------------------

# Names with digits in them, the way mathematics counts, and words that are no number.
NAMED = re.compile(
    r"V-JEPA 2(?:\.1)?|arXiv \d+\.\d+|https://arxiv\.org/\S+|H\.264|Kinetics-400|t\+1|ONLY=02|"
    r"99_report|notebook 99|one-sided|two one-sided tests|two kinds of outcome|"
    r"tells two questions|Two families serve two questions|two single runs|"
    r"top-1|s = 100|\[[@#][a-z0-9-]+\]|<[^>]+>"
)
NUMBER = re.compile(r"\d|\b(?:three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b", re.I)


def prose(path):
    """Texts of a module that a reader may come to see: no docstrings, no formats of numbers."""
    tree = ast.parse(path.read_text())
    hidden = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FormattedValue) and node.format_spec is not None:
            hidden |= set(map(id, ast.walk(node.format_spec)))
        body = getattr(node, "body", None)
        for k in body if isinstance(body, list) else ():
            if isinstance(k, ast.Expr) and isinstance(k.value, ast.Constant):
                hidden.add(id(k.value))
    texts = (n for n in ast.walk(tree) if isinstance(n, ast.Constant) and id(n) not in hidden)
    yield from ((n.lineno, n.value) for n in texts if isinstance(n.value, str) and " " in n.value)


@pytest.mark.parametrize(
    "path", [p for p in ARTICLE if p.name != "sources.py"], ids=lambda p: p.stem
)
def test_no_number_is_typed(path):
    typed = [
        (line, text) for line, text in prose(path) if NUMBER.search(NAMED.sub("", text))
    ]  # fmt: skip
    assert not typed


def test_a_typed_number_would_be_seen(tmp_path):
    path = tmp_path / "x.py"
    path.write_text('"""7 of them."""\nA = f"gains {x:.1f} points"\nB = "gains 12.5 points"\n')
    found = [text for _, text in prose(path) if NUMBER.search(NAMED.sub("", text))]
    assert found == ["gains 12.5 points"]


def test_the_reports_references_are_those_of_the_citation_file():
    known = yaml.safe_load((ROOT / "CITATION.cff").read_text())["references"]
    assert [s.url for s in sources.REPORT] == [r["url"] for r in known]
    for source, entry, name in zip(sources.REPORT, known, REFERENCES, strict=True):
        assert entry["title"] in source.text and str(entry["year"]) in source.text
        assert source.url.endswith(name.removeprefix("arXiv "))
        assert all(a["family-names"] in source.text for a in entry["authors"])


# --- the page that opens with it ------------------------------------------------------------------


def test_the_first_page_opens_with_abstract_answer_and_verdicts(evidence, made, tmp_path):
    folder, document = made
    page = report.build(folder, tmp_path / "runs", article.opening(document)).read_text()
    order = [page.index(x) for x in ('class="abstract"', 'src="99_scores.svg"', "claim-c12",
                                     "id='notebooks'", 'src="99_answer.png"')]  # fmt: skip
    assert order == sorted(order)
    assert article.headline(evidence)[0][:60] in html.unescape(page)
    outside = set(re.findall(r'(?:href|src)="([^"#]+)', page))
    assert {"report.html", "report.pdf"} <= outside
    for target in outside - {"report.html"}:
        # What an opening leads to on the other page is there.
        assert (folder / target).exists() or target.startswith(("https://arxiv.org/", "../")), (
            target
        )
    there = set(re.findall(r'\bid="([^"]+)"', (folder / "report.html").read_text()))
    assert set(re.findall(r'href="report.html#([^"]+)"', page)) <= there


@pytest.mark.parametrize("name", ["index.html", "report.html"])
def test_a_page_loads_nothing_from_outside_and_fits_a_phone(made, tmp_path, name):
    folder, document = made
    report.build(folder, tmp_path / "runs", article.opening(document))
    page = (folder / name).read_text()
    assert not re.search(r"<(?:script|link|iframe|object|embed)\b|@import|url\(", page)
    assert not re.search(r'(?:src|srcset|poster)="(?:https?:)?//', page)
    assert 'content="width=device-width, initial-scale=1"' in page
    assert "prefers-color-scheme: dark" in page and "color-scheme: light dark" in page
    # Whatever may be wider than a phone scrolls inside its own box.
    assert page.count("<table>") == len(re.findall(r'<div class="scroll"[^>]*><table>', page)) > 0
    blocks = page.count('<math display="block"')
    assert blocks == page.count('<div class="scroll"><math display="block"')
    assert re.search(r"img \{[^}]*max-width: 100%", page) and "overflow-wrap: anywhere" in page
    assert not re.search(r"(?<!max-)(?<!min-)width: *[\d.]+(?:px|rem|em)|white-space: pre\b", page)


def test_a_document_without_figures_opens_too(tmp_path, evidence):
    table = tables.verdicts("tab-verdicts", evidence, ("x",))
    document = Document("T", "S", (), (Section("claims", "Claims", (table,)),))
    assert "<img" not in article.opening(document) and "claim-c01" in article.opening(document)
