"""Figures of what is recorded beside the planned study: the larger size, other objectives."""

from __future__ import annotations

from vjepa_lib.analysis import transfer_beside, transfer_singles
from vjepa_lib.article import pictures
from vjepa_lib.article.evidence import Evidence
from vjepa_lib.show.document.blocks import Block, words
from vjepa_lib.show.gallery import Gallery
from vjepa_lib.study import transfer_medium


def beside(evidence: Evidence, gallery: Gallery) -> list[Block]:
    """One size up, and other contrasts: what is recorded beside the planned study."""
    found: list[Block] = []
    if evidence.larger is not None:
        size = transfer_medium.PROFILE.encoder
        found.append(
            pictures.larger(
                gallery,
                evidence,
                words(
                    "The larger size: clips of {px} px and {f} frames, an encoder of width {w} and "
                    "depth {d}. Zero-shot accuracy, mean over tasks, and t intervals over seeds; "
                    "hollow: with rate and weight tuned at this size, other seeds. "
                    "Runs: [@runs-larger].",
                    px=str(size.height),
                    f=str(size.frames),
                    w=str(size.width),
                    d=str(size.depth),
                ),
            )
        )
    if len(transfer_beside.contrasts(evidence.zero_shot)):
        found.append(
            pictures.beside(
                gallery,
                evidence,
                words(
                    "What contrasts (LTC, IIC, VCLR) and objectives add to each other in the "
                    "transfer score ([@eq-score]); t intervals over seeds, not corrected. "
                    "Runs: [@runs-transfer]."
                ),
            )
        )
    if len(transfer_singles.contrasts(evidence.zero_shot)):
        found.append(
            pictures.singles(
                gallery,
                evidence,
                words(
                    "The study's other single objectives, each against the baseline that was "
                    "trained on the same films, in points of the transfer score ([@eq-score]); "
                    "t intervals over seeds, not corrected. Runs: [@runs-transfer]."
                ),
            )
        )
    return found
