"""Sections before the results: question and related work, the study, its worlds, its readings."""

from __future__ import annotations

from vjepa_lib import study
from vjepa_lib.analysis import answer, statistics
from vjepa_lib.article import pictures, statements, tables
from vjepa_lib.article.evidence import Evidence
from vjepa_lib.article.sources import BACKGROUND, REPORT
from vjepa_lib.audit import twelve_claims
from vjepa_lib.datasets import worlds
from vjepa_lib.datasets.domains import DOMAINS
from vjepa_lib.evaluation.transfer import TransferConfig
from vjepa_lib.objectives import TERMS
from vjepa_lib.show.document.blocks import (
    Block,
    Bullets,
    Code,
    Formula,
    Section,
    paragraph,
    words,
)
from vjepa_lib.show.gallery import Gallery

TOTAL = (
    r"\mathcal{L} = \mathcal{L}_{JEPA} + \lambda\,\mathcal{L}_{context}"
    r" + \mathcal{L}_{factorized} + w\,\mathcal{L}_{contrast}"
)
SCORE = r"s = 100\,\frac{a - a_{chance}}{a_{ceiling} - a_{chance}}"
# The terms of the question, in the order of the text: what each asks of the latent.
INTRODUCED = {
    "jepa": "**Prediction.** The predictor gives the target encoder's tokens at masked places:",
    "context": "**Context loss.** Predictions at visible places are held to their targets too, the "
    "less the farther they lie from the nearest masked one. It acts only in the later part of the "
    "training:",
    "hw": "**Hard-region weighting (HW).** Tokens that are predicted worst count most; the weights "
    "are taken without gradient:",
    "ld": "**Latent dynamics (LD).** A head reads from a context token how its target changes to "
    "the next time step:",
    "fwm_static": "**Factorized world model (FWM).** Channels are cut into an appearance half $A$, "
    "which is asked to stay, and a dynamics half $Y$:",
    "fwm_orth": "and the halves are asked to be uncorrelated:",
    "ltc": "**Latent temporal contrast (LTC).** A context token is to be nearer to its target than "
    "to that target's successor:",
    "iic": "**Inter-intra contrast (IIC).** A clip's other view is told from other clips and from "
    "the clip itself with its time broken:",
    "vclr": "**Video-level contrast (VCLR).** The mean embedding of a video's segments is told "
    "from those of other videos, with a term on single clips and one on the order of segments:",
}
_NAMES = {"jepa": "JEPA", "context": "context", "fwm_static": "static", "fwm_orth": "orth"}


def percent(share: float) -> str:
    """0.5 -> '50 %'."""
    return f"{100 * share:g} %"


def question(evidence: Evidence) -> Section:
    """What is asked, and what is taken from where."""
    counts = twelve_claims.REPORT_COUNTS
    results = evidence.published.table
    blocks: list[Block] = [
        paragraph(
            "What does combining *factorized latent dynamics* objectives with *contrastive "
            "learning* in Video-JEPA do to *cross-domain transfer*, measured as accuracy on "
            "downstream benchmarks? The report that this work accompanies answers from the "
            "literature: it counts {papers} papers and {claims} claims, calls {verified} of the "
            "claims verified, and rates its own quality {quality}. It names {named} papers:",
            papers=counts["papers"],
            claims=counts["claims"],
            verified=counts["verified"],
            quality=str(counts["quality"]),
            named=len(twelve_claims.REFERENCES),
        ),
        Bullets(
            (
                words(
                    "[#auxiliary] adds auxiliary objectives to a small V-JEPA 2.1 and reads frozen "
                    "encoders by probes. All claims come from it. Taken from it: every objective "
                    "but the contrasts over videos, the masks, the model, the protocol, and its "
                    "{rows} released accuracies, which stand here as facts. What its released code "
                    "trains is shown by running the same steps.",
                    rows=len(results),
                ),
                words(
                    "[#vclr] contrasts whole videos: the mean over segments against a queue of a "
                    "slowly moving encoder, a term on single clips, and a term that tells the "
                    "order of segments. Taken from it: the contrast called VCLR here."
                ),
                words(
                    "[#iic] contrasts views of a clip, with negatives from other clips (inter) and "
                    "from the same clip with its frames shuffled or repeated (intra). Taken from "
                    "it: the contrast called IIC here."
                ),
            )
        ),
        paragraph(
            "None of them combines the factorized objectives with a contrast over videos, and none "
            "measures that combination across domains. Behind them stand V-JEPA [#vjepa], which "
            "predicts in latent space instead of in pixels, V-JEPA 2 [#vjepa2], whose encoder and "
            "context loss are used here, and LeJEPA [#lejepa], whose SIGReg is one of the "
            "objectives beside the question."
        ),
    ]
    return Section("question", "Question and related work", tuple(blocks))


def the_study(evidence: Evidence) -> Section:
    """Models, objectives, protocol."""
    profile = study.get_profile(evidence.profile)
    encoder, schedule = profile.encoder, profile.schedule
    two = [v for v in study.STUDIED if study.differs(v)]
    blocks: list[Block] = [
        paragraph(
            "**Model.** The recorded encoders have the form of V-JEPA 2.1 at a small size: "
            "{width} channels, {depth} blocks, {heads} heads, a clip of {frames} frames of "
            "{size} px as a grid of {grid} tokens, and the outputs of {levels} blocks side by side "
            "as the latent. The target encoder is a moving average with momentum {momentum}; at "
            "evaluation its last level is read, frozen.",
            width=encoder.width,
            depth=encoder.depth,
            heads=encoder.heads,
            frames=encoder.frames,
            size=f"{encoder.width_px} × {encoder.height}",
            grid=" × ".join(map(str, encoder.grid.shape)),
            levels=len(encoder.levels),
            momentum=f"{schedule.momentum:g}",
        ),
        paragraph(
            "**Objectives.** Every objective is the baseline's, plus a factorized part, plus a "
            "contrast ([@eq-total]). Below, $h$ are target tokens, $\\hat z$ predictions, $Z_t$ "
            "context tokens at time step $t$ put back on the grid, $P$ the places that are context "
            "at $t$ and at $t+1$, bars element-wise absolute values, $g$ a small head."
        ),
        Formula("eq-total", TOTAL),
    ]
    for name, says in INTRODUCED.items():
        left = _NAMES.get(name, name.upper())
        formula = rf"\mathcal{{L}}_{{\mathrm{{{left}}}}} = {TERMS[name].formula}"
        blocks += [paragraph(says), Formula(f"eq-{name.replace('_', '-')}", formula)]
    blocks += [
        paragraph(
            "The other terms of [#auxiliary] were run as well ([@tab-terms]). {two} of {all} "
            "variants train something else in the released code than the paper's text says; they "
            "have two forms here, *released* and *described*, and both are shown. Weights are "
            "those published; IIC and VCLR have the weight at which their gradient into the "
            "context encoder is about as long as LTC's, measured on the baseline without looking "
            "at a benchmark.",
            two=len(two),
            all=len(study.STUDIED),
        ),
        tables.other_terms(
            "tab-terms", tuple(INTRODUCED), words("Terms beside those of the question.")
        ),
        paragraph(
            "**Protocol.** {steps} steps of {batch} clips with AdamW; the context loss is off for "
            "the first {late} of a training. All runs of a seed share initial weights, clips and "
            "masks, so contrasts are formed seed by seed. Sizes are kept in profiles "
            "([@tab-profiles]); *paper* is the protocol of [#auxiliary] for a reader's own data. "
            "No checkpoint is chosen: the last one is read.",
            steps=schedule.steps,
            batch=schedule.batch,
            late=percent(schedule.context_start),
        ),
        tables.profiles("tab-profiles", words("Profiles: one recipe, several sizes.")),
    ]
    return Section("study", "The study", tuple(blocks))


def the_worlds(evidence: Evidence, gallery: Gallery) -> Section:
    """What clips there are, and how far the shifted ones are shifted."""
    labelled = [d for d in DOMAINS.values() if d.label]
    blocks: list[Block] = [
        paragraph(
            "Clips are rendered from known, independent factors and encoded as H.264 video, so "
            "that nothing has to be downloaded and every factor can be asked for. Two families "
            "serve two questions."
        ),
        paragraph(
            "**Embedded benchmarks.** {n} benchmarks stand in for the roles of public data sets "
            "([@tab-benchmarks]). They are stand-ins: an effect measured on them says what an "
            "objective does at this scale and in this world, not what it does on the data set they "
            "stand for.",
            n=len(labelled),
        ),
        tables.benchmarks("tab-benchmarks", words("The embedded benchmarks.")),
        paragraph(
            "**Worlds of the transfer study.** {tasks} tasks have a source world, which is none of "
            "the pretraining sets, and targets with the same classes: shifted in one way "
            "({shifts}) or in all ways together, at severities {low} to {high} ([@tab-questions], "
            "[@fig-worlds]). A held-out world, digits moving over photographs, was written down "
            "before anything was read on it and is never changed.",
            tasks=len(worlds.TASKS),
            shifts=statements.listed([s for s in worlds.SHIFTS if s != "all"], "or"),
            low=min(worlds.SEVERITIES),
            high=max(worlds.SEVERITIES),
        ),
        tables.questions("tab-questions", words("Tasks of the transfer study.")),
        pictures.sheet(
            gallery,
            words(
                "One class of the task {task} in its source and under every shift, by severity; "
                "moments of each clip side by side.",
                task=Code(pictures.WORLD),
            ),
        ),
    ]
    if (evidence.readings.variant == "supervised").any():
        blocks += [
            paragraph(
                "Worlds were shaped by looking at supervised networks, the untrained encoder and "
                "the baseline alone (`docs/design_log.md`). [@fig-severities] shows what a "
                "supervised network reads."
            ),
            pictures.severities(
                gallery,
                evidence,
                words(
                    "A network trained with the source's labels, read at the source and at every "
                    "severity of every shift; top-1 in percent. Runs: [@runs-transfer]."
                ),
            ),
        ]
    return Section("worlds", "Worlds", tuple(blocks))


def the_readings(evidence: Evidence) -> Section:
    """How frozen encoders are read, and how differences are tested."""
    config = TransferConfig()
    shots = statements.listed([str(s) for s in config.shots], "or")
    blocks: list[Block] = [
        paragraph(
            "On the embedded benchmarks a linear probe on the mean token is trained anew on each "
            "benchmark, with all labels and with few. The transfer study tells two questions "
            "apart: *zero-shot* readings are fitted in the source and read in a target, and ask "
            "what of the latent's meaning moves along; *re-trained* readings are fitted in the "
            "target, and ask what the latent still holds. Beside linear readings stand {k} nearest "
            "neighbours, readings with {shots} labels a class, and an attentive probe over all "
            "tokens.",
            k=config.neighbours,
            shots=shots,
        ),
        paragraph(
            "Where tasks are averaged, accuracy $a$ is put on the way from chance to the accuracy "
            "of a supervised network of the same size at the source:"
        ),
        Formula("eq-score", SCORE),
        paragraph(
            "Scores above the ceiling and below chance stay as they are. Differences are paired by "
            "seed; intervals are {level} t intervals over seeds, never narrower than the clips "
            "allow; families of tests are corrected by Holm's method. *No difference* is said only "
            "where two one-sided tests exclude {margin} points in either direction. Where seeds "
            "fall into two kinds of outcome, they are counted instead of averaged. The plan of the "
            "transfer study was written before its objectives were trained "
            "(`docs/analysis_plan.md`).",
            level=percent(1 - statistics.ALPHA),
            margin=f"{answer.MARGIN:g}",
        ),
    ]
    return Section("readings", "Readings and tests", tuple(blocks))


SOURCES = (*REPORT, *BACKGROUND)
