"""Sections from the results on: answer, published numbers, claims, limits, reproduction, runs."""

from __future__ import annotations

from vjepa_lib.analysis import (
    transfer_elsewhere,
    transfer_factorial,
    transfer_learned,
    transfer_tuned,
    transfer_verdicts,
)
from vjepa_lib.analysis.statistics import ALPHA
from vjepa_lib.article import pictures, statements, tables
from vjepa_lib.article.beside import beside
from vjepa_lib.article.evidence import Evidence
from vjepa_lib.article.setting import percent
from vjepa_lib.audit import readings
from vjepa_lib.show.document.blocks import (
    Block,
    Bullets,
    Code,
    Paragraph,
    Section,
    paragraph,
    words,
)
from vjepa_lib.show.gallery import Gallery

IN_ABSTRACT = 2  # sentences of the answer: in short, and the contrasts that were planned


def abstract(evidence: Evidence) -> tuple[Block, ...]:
    """The paper in a few sentences, the answer first among its results."""
    blocks: list[Block] = [
        paragraph(
            "Does combining factorized latent dynamics objectives with contrastive learning in "
            "Video-JEPA help transfer across domains? A report collected {claims} claims about it "
            "from the literature. The factorized part is latent dynamics (LD), alone or with "
            "hard-region weighting (HW) and a factorized world model (FWM); the contrast is "
            "video-level (VCLR). This companion trains every objective from one library on small "
            "rendered worlds, reads the frozen encoders with the uncertainty of seeds and clips, "
            "and checks the claims against the published numbers and against the released code.",
            claims=len(evidence.claims),
        )
    ]
    if said := evidence.answers(evidence)[:IN_ABSTRACT]:
        blocks.append(Paragraph((" ".join(said),)))
    said = [statements.claims_held(evidence), *statements.missing(evidence)]
    blocks.append(Paragraph((" ".join(said),)))
    return tuple(blocks)


def zero_shot(evidence: Evidence, gallery: Gallery) -> Section:
    """The answer by the plan: probes fitted in one world, read in another."""
    blocks: list[Block] = [
        paragraph("{x} Runs: [@runs-transfer].", x=" ".join(statements.recorded_transfer(evidence)))
    ]
    short = evidence.answers(evidence)
    answer = tuple((said,) for said in evidence.said_zero_shot if said in short)
    detail = tuple((said,) for said in evidence.said_zero_shot if said not in short)
    if answer:
        blocks.append(Bullets(answer))
    if len(evidence.contrasts) and len(transfer_verdicts.verdicts(evidence.zero_shot)):
        blocks.append(
            tables.outcomes(
                "tab-outcomes",
                evidence,
                words(
                    "What is said of each combination, by size and way of tuning: points of the "
                    "score at the size of the study, of accuracy one size up, with t intervals "
                    "over seeds; means of the combination, of VCLR and of the other part."
                ),
            )
        )
    if len(evidence.contrasts):
        margin = f"{evidence.zero_shot.margin:g}"
        blocks += [
            paragraph(
                "[@fig-scores] shows the scores of the objectives and of the untrained encoder, "
                "[@fig-contrasts] what each combination has over its parts, and [@tab-contrasts] "
                "the same in numbers."
            ),
            pictures.scores(
                gallery,
                evidence,
                words(
                    "Transfer scores ([@eq-score]) on the source, zero-shot in the shifted worlds "
                    "and with probes trained anew there; mean and t interval over seeds. "
                    "Runs: [@runs-transfer]."
                ),
            ),
            pictures.contrasts(
                gallery,
                evidence,
                words(
                    "The primary contrasts: each combination minus each of its parts, in points of "
                    "the transfer score ([@eq-score]), t intervals over seeds. Grey: within {m} "
                    "points. Runs: [@runs-transfer].",
                    m=margin,
                ),
            ),
            tables.contrasts("tab-contrasts", evidence, words("The primary contrasts in numbers.")),
        ]
    if transfer_elsewhere.settings(evidence.zero_shot) and len(evidence.contrasts):
        blocks.append(
            pictures.settings(
                gallery,
                evidence,
                words(
                    "The primary contrasts with other settings: length of the training, width, "
                    "rate, VCLR without a part, weights; t intervals over seeds, not corrected for "
                    "the number of settings. Runs: [@runs-transfer]."
                ),
            )
        )
    if len(evidence.contrasts) and len(transfer_tuned.contrasts(evidence.zero_shot)):
        blocks.append(
            pictures.ways(
                gallery,
                evidence,
                words(
                    "The primary contrasts by way of tuning: as in the study, with the learning "
                    "rate or the weight chosen on the sources, and with both tuned together on "
                    "seeds that had no part in it; t intervals over seeds, not corrected. "
                    "Runs: [@runs-transfer]."
                ),
            )
        )
    if transfer_learned.contrast_learned(evidence.zero_shot):
        blocks.append(
            pictures.learned(
                gallery,
                evidence,
                words(
                    "How far the contrast is learned and what transfers: VCLR's own loss at the "
                    "end of the training against the zero-shot score. Large: an objective at one "
                    "setting, mean over seeds; small: runs. Dotted: what guessing costs. "
                    "Runs: [@runs-transfer]."
                ),
            )
        )
    if transfer_factorial.seeds(evidence.zero_shot):
        blocks += [
            pictures.sixteen(
                gallery,
                evidence,
                words(
                    "The factorial of FWM, HW, LD and VCLR: transfer scores ([@eq-score]) of all "
                    "sixteen cells, mean and t interval over seeds that the planned contrasts do "
                    "not use. Runs: [@runs-transfer]."
                ),
            ),
            pictures.effects(
                gallery,
                evidence,
                words(
                    "Effects of the factorial on the score and on log odds: main effects and "
                    "interactions with t intervals over seeds, not corrected. "
                    "Runs: [@runs-transfer]."
                ),
            ),
        ]
    blocks += beside(evidence, gallery)
    if detail:
        blocks += [paragraph("In detail, each sentence made from the recorded runs:")]
        blocks += [Bullets(detail)]
    if len(evidence.over_training):
        blocks.append(
            tables.over_training(
                "tab-training",
                evidence,
                words(
                    "What a longer training changes: source accuracy by task (top-1, %, read "
                    "while the encoders trained) and RankMe, the effective rank of the mean "
                    "tokens, after a quarter of the training → at its end; mean over seeds. Bold: "
                    "clear after Holm's correction over the table. Runs: [@runs-transfer]."
                ),
            )
        )
    if len(evidence.readings):
        blocks.append(
            tables.zero_shot(
                "tab-zero-shot",
                evidence,
                words(
                    "Zero-shot readings as far as they are recorded: accuracy at the source → "
                    "under shift, mean over shifts, severities and seeds, top-1 (%)."
                ),
            )
        )
    if evidence.said_why:
        blocks.append(
            paragraph(
                "Why is measured on the encoders that were kept, without training any: what they "
                "hold, and what of it a shift moves. These are comparisons of finished encoders, "
                "not of causes."
            )
        )
        blocks.append(Bullets(tuple((said,) for said in evidence.said_why)))
    return Section("zero-shot", "Results: transfer without training anew", tuple(blocks))


def embedded(evidence: Evidence, gallery: Gallery) -> Section:
    """What the embedded benchmarks say, read by probes that are trained anew."""
    blocks: list[Block] = [
        paragraph("{x} They are listed in [@runs-small].", x=statements.recorded_runs(evidence))
    ]
    if not evidence.said:
        return Section("embedded", "Results: embedded benchmarks", tuple(blocks))
    blocks += [
        paragraph(
            "Probes are trained anew on each benchmark here. Each sentence is made from the "
            "recorded runs and left out where they do not carry it:"
        ),
        Bullets(tuple((said,) for said in evidence.said)),
        pictures.answer(
            gallery,
            evidence,
            words(
                "What every objective brings over the baseline of the same seed, mean of the "
                "benchmarks in the pretraining domain and of the shifted ones; t intervals over "
                "seeds, none where seeds fall into two kinds of outcome. Runs: [@runs-small]."
            ),
        ),
        tables.answer(
            "tab-answer",
            evidence,
            words(
                "Points against the baseline with {level} t intervals over seeds. Bold: clear of "
                "no effect after Holm's correction over the whole table. Each name leads to its "
                "runs.",
                level=percent(1 - ALPHA),
            ),
        ),
        tables.accuracies(
            "tab-accuracies",
            evidence,
            words("Accuracies behind [@tab-answer]: linear probe, top-1 (%), mean over seeds."),
        ),
        paragraph(
            "Parts that bring the same thing cannot add up. [@fig-interactions] shows what each "
            "contrast adds to a factorized objective beyond what it adds to the baseline; where "
            "labels are few there is room at the top ([@tab-labels])."
        ),
        pictures.interactions(
            gallery,
            evidence,
            words(
                "Interactions of factorized objectives and contrasts, on the mean of all "
                "benchmarks and on the shifted ones; intervals over seeds. Runs: [@runs-small]."
            ),
        ),
        tables.few_labels(
            "tab-labels",
            evidence,
            words("The best combination against the best part, by the share of labels."),
        ),
    ]
    return Section("embedded", "Results: embedded benchmarks", tuple(blocks))


def published_numbers(evidence: Evidence, gallery: Gallery) -> Section:
    """What the published accuracies carry."""
    blocks: list[Block] = [
        paragraph(
            "[#auxiliary] released {rows} accuracies. Read with the uncertainty of their clip "
            "counts, and against both of the baselines that were released:",
            rows=len(evidence.published.table),
        ),
        Bullets(tuple((said,) for said in statements.published_numbers(evidence))),
        pictures.published_differences(
            gallery,
            evidence,
            words(
                "Published differences with {level} intervals. Filled: against the baseline that "
                "the paper subtracts; hollow: against the baseline of the variants' own seed. "
                "Grey: what two single runs of one variant would differ by, judged by the two "
                "baselines.",
                level=percent(1 - ALPHA),
            ),
        ),
    ]
    return Section("published", "What the published numbers say", tuple(blocks))


def claims(evidence: Evidence) -> Section:
    """The report's claims and what becomes of them."""
    blocks: list[Block] = [
        paragraph(
            "Each claim is cut into parts, and each part is a predicate over the published table. "
            "A part is asked: is its number the one that the table gives; does the "
            "difference survive clips, seeds and the number of comparisons against every baseline; "
            "did the released code do what the claim says; and do own runs point the same way, "
            "which is shown beside and decides nothing. A claim gets the worst verdict of its "
            "parts. {x}",
            x=statements.implementation(evidence),
        ),
        paragraph("{x}", x=statements.claims_held(evidence)),
        tables.verdicts("tab-verdicts", evidence, words("The claims and their verdicts.")),
        Bullets(
            tuple(
                (tables.spelt(said, evidence),)
                for said in (
                    readings.numbers_recomputed(evidence.audit),
                    *readings.said_verified(evidence.claims, evidence.audit),
                )
            )
        ),
        tables.parts(
            "tab-parts", evidence, words("Every part: the number stated and the number found.")
        ),
    ]  # fmt: skip
    if evidence.measured is not None:
        blocks.append(
            tables.facts(
                "tab-facts",
                evidence,
                words("What running the code showed; each measurement has its control."),
            )
        )
    blocks.append(tables.report_counts("tab-counts", evidence))
    return Section("claims", "The claims", tuple(blocks))


def limits(evidence: Evidence) -> Section:
    """How far the results carry."""
    points = [
        words(
            "Models and worlds are small. Effects say what objectives do to each other here, not "
            "what they score on HACS or Kinetics-400; for those there is the protocol in "
            "`docs/paper_protocol.md`."
        ),
        words(
            "On the embedded benchmarks a probe is trained anew in each shifted world, which asks "
            "what a latent still holds there, not whether a probe can be taken along. Their shifts "
            "are mild."
        ),
        words(
            "The recorded probes could choose no weaker regularisation than their grid has, which "
            "matters more for some latents than for others."
        ),
        words(
            "The ranking moves with the length of the training; the schedule of the recorded runs "
            "was chosen on the baseline while the benchmarks were made, and no log of it was kept. "
            "The transfer study has a log."
        ),
        words(
            "On the embedded benchmarks weights of the published terms were not tuned, and those "
            "of the contrasts were matched to gradient length: another weight may give another "
            "answer. What other weights do in the transfer study stands in [@zero-shot]."
        ),
    ]
    if evidence.larger is not None:
        points.append(
            words(
                "For the larger size no network was trained with labels, and accuracies stand in "
                "the place of scores. Its planned runs have a rate and a length that nobody chose "
                "and the weight of the contrast that suits the small size; rate and weight were "
                "tuned there afterwards, on one seed, and an edge of that grid is not a best "
                "place. Its runs have less precision, a GPU, fewer labels and fewer test clips."
            )
        )
    points += [(said,) for said in statements.missing(evidence)]
    return Section("limits", "Limits", (Bullets(tuple(points)),))


def reproduction(evidence: Evidence) -> Section:
    """How every number is made again."""
    blocks: list[Block] = [
        paragraph(
            "`make reproduce` renders the videos, trains, probes, runs the notebooks and ends with "
            "this text as `figures/report.pdf` and as a page. It needs Python and a package index: "
            "no GPU, no data sets, no TeX. `make verify` retrains a finished run and recorded "
            "ones, chosen at random, and compares; `make test` runs the tests."
        ),
        paragraph(
            "A run's address is the hash of its full configuration. Every recorded run is listed "
            "below with its addresses, the commit of the code that made it and its machine; the "
            "full rows, with versions, date and duration, lie in `data_manifests/recorded/`. "
            "Figures have the data behind them beside them, as CSV. {x}",
            x=statements.made_where(evidence.runs),
        ),
        Bullets(
            (
                words("{x} and its recorded tables: the embedded benchmarks.",
                      x=[Code("make reproduce PROFILE=" + evidence.profile)]),
                words("{x}: the claims, part by part.", x=[Code("make reproduce ONLY=02")]),
                words("{x}: the protocol of the source on own data.",
                      x=[Code("python -m vjepa_lib.paper")]),
            )
        ),
    ]  # fmt: skip
    return Section("reproduce", "How to reproduce", tuple(blocks))


def runs(evidence: Evidence) -> Section:
    """The runs behind every number."""
    caption = "Recorded runs of the {what}: seed and first digits of the address of each."
    blocks: list[Block] = [
        tables.runs_table(
            "runs-small", evidence.runs, words(caption, what="embedded benchmarks")
        ),
        tables.runs_table(
            "runs-transfer", evidence.transfer_runs, words(caption, what="transfer study")
        ),
    ]  # fmt: skip
    if evidence.larger is not None:
        told = words(caption, what="transfer study one size up")
        blocks.append(tables.runs_table("runs-larger", evidence.larger_runs, told))
    return Section("runs", "Runs", tuple(blocks))
