"""The first page: what the README shows of the recorded results, and its pictures.

`python -m vjepa_lib.show.front` writes both anew (`make notebooks` does it as well). In the README
each piece stands between `<!-- made: NAME -->` and `<!-- end -->`; pictures are in
`docs/pictures/`, and `index.json` there keeps a digest of the tables they were drawn from, so that
a picture older than the records is found.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from vjepa_lib import study
from vjepa_lib.analysis import (
    answer,
    combination,
    transfer_answer,
    transfer_evidence,
    transfer_verdicts,
    transfer_views,
)
from vjepa_lib.audit import published, twelve_claims
from vjepa_lib.audit.released_code import own_effects
from vjepa_lib.audit.verdicts import Audit
from vjepa_lib.datasets import worlds
from vjepa_lib.errors import CompanionError, DataError
from vjepa_lib.provenance import ROOT
from vjepa_lib.show import plots
from vjepa_lib.show.gallery import write_picture, write_text
from vjepa_lib.show.look import label, style
from vjepa_lib.show.tables import format_table
from vjepa_lib.study import measured, recorded

README = ROOT / "README.md"
PICTURES = ROOT / "docs" / "pictures"
# What stands before the table of verdicts, which has the numbers.
FIRST = (transfer_answer.in_short, transfer_answer.with_care)
_PIECE = re.compile(r"(<!-- made: (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.S)


@lru_cache(maxsize=1)
def evidence() -> transfer_answer.Evidence:
    """Recorded runs of the transfer study."""
    return transfer_evidence.gathered()


@lru_cache(maxsize=1)
def audit() -> Audit:
    """The twelve claims against published numbers, recorded measurements and recorded runs."""
    rows = recorded.load(study.NOTEBOOK_RUNS["02"], recorded.PROFILE)
    return twelve_claims.audit(
        published.load_claims(),
        published.load_results(),
        measured.read("implementation_facts"),
        own_effects(rows),
    )


# --- pieces of text -----------------------------------------------------------------------------


def _bullets(sentences: list[str]) -> str:
    return "".join(f"- {s}\n" for s in sentences)


def short_answer() -> str:
    """The answer in short, and what to know beside it."""
    return "\n\n".join(transfer_answer.answered(evidence(), FIRST)) + "\n"


def verdict_table() -> str:
    """What is said of each combination, by size and way of tuning."""
    table = transfer_verdicts.verdicts(evidence())
    names = {"against_vclr": "against VCLR", "against_other": "against the other part"}
    names |= {"levels": "means: combination, VCLR, other part", "n_seeds": "seeds"}
    return format_table(table.drop(columns="open").rename(columns=names), 0)


def long_answer() -> str:
    """Everything else that the transfer study shows."""
    said = transfer_answer.answered(
        evidence(), [ask for ask in transfer_answer.SENTENCES if ask not in FIRST]
    )
    return _bullets(said)


def accuracies() -> str:
    """Plain accuracies beside the score."""
    table = transfer_views.accuracies(evidence())
    table = table.assign(variant=table.variant.map(label)).rename(
        columns={str(s): f"severity {s}" for s in worlds.SEVERITIES}
        | {"variant": "objective", "n_seeds": "seeds"}
    )
    return format_table(table, 1)


def retrained() -> str:
    """What probes say that are trained anew in every domain."""
    return _bullets(answer.sentences(recorded.load(), recorded.runs()))


def retrained_table() -> str:
    """Every combination and part against the baseline, with probes trained anew."""
    return format_table(combination.answer(recorded.load()))


def verdicts() -> str:
    """How many claims got which verdict."""
    counts = audit().verdicts.verdict.value_counts()
    said = ", ".join(f"{n} *{v}*" for v, n in counts.items())
    return f"Of the report's {int(counts.sum())} claims: {said}.\n"


PIECES: dict[str, Callable[[], str]] = {
    "answer": short_answer,
    "answer-table": verdict_table,
    "accuracies": accuracies,
    "more": long_answer,
    "retrained": retrained,
    "retrained-table": retrained_table,
    "verdicts": verdicts,
}


def fill(text: str) -> str:
    """A text with every piece made anew.

    Raises
    ------
    DataError : a piece that nobody makes.
    """

    def piece(found: re.Match) -> str:
        name = found["name"]
        if name not in PIECES:
            raise DataError(f"No piece {name!r}: there are {', '.join(PIECES)}.")
        return f"{found[1]}\n{PIECES[name]().strip()}\n\n{found[3]}"

    return _PIECE.sub(piece, text)


# --- pictures -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Picture:
    """A picture of the README: the table it shows, how it is drawn."""

    data: Callable[[], pd.DataFrame]
    draw: Callable[[pd.DataFrame], Figure]

    def digest(self) -> str:
        """Of the numbers drawn, to six digits."""
        text = self.data().to_csv(float_format="%.6g", lineterminator="\n")
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _draw_answer(table: pd.DataFrame) -> Figure:
    return plots.intervals(table, "score", panel="reading", xlabel="score (0 chance, 100 ceiling)")


DRAWN: dict[str, Picture] = {
    "answer": Picture(lambda: transfer_views.answer(evidence()), _draw_answer),
    "verdicts": Picture(
        lambda: audit().verdicts[["claim", "published_verdict", "verdict"]], plots.verdict_table
    ),
}


def stale(folder: Path = PICTURES) -> list[str]:
    """Pictures that are missing, or drawn from other numbers than those recorded today."""
    try:
        kept = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not there, or half of it
        kept = {}
    return [
        name
        for name, picture in DRAWN.items()
        if kept.get(name) != picture.digest() or not (folder / f"{name}.png").exists()
    ]


def write(readme: Path = README, folder: Path = PICTURES) -> list[str]:
    """Draw what is stale and fill the README; returns what was drawn.

    Raises
    ------
    DataError : a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawn = stale(folder)
    for name in drawn:
        picture = DRAWN[name]
        with style():
            # On white, so that it reads on a dark page too.
            figure = picture.draw(picture.data())
            how = {"dpi": 150, "facecolor": "white", "metadata": {"Software": None}}
            write_picture(figure, folder / f"{name}.png", **how)
    index = {name: picture.digest() for name, picture in DRAWN.items()}
    write_text(folder / "index.json", json.dumps(index, indent=1) + "\n")
    text = readme.read_text(encoding="utf-8")
    if (filled := fill(text)) != text:
        write_text(readme, filled)
    return drawn


def main() -> int:
    """Command line; returns the exit status."""
    try:
        print(f"drawn: {', '.join(write()) or 'nothing, all pictures are up to date'}")
    except CompanionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
