"""Print how fast the package is against plain forms of the same computations, as ratios."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from vjepa_lib.bench.bench import FIGURES, Result, report, run
from vjepa_lib.errors import CompanionError


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}; `{self.prog} --help` lists all options.\n")


def _rounds(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 on success, 2 for a user's error, 130 if interrupted."""
    parser = _Parser(prog="python -m vjepa_lib.bench", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=FIGURES, metavar="FIGURE",
        help=f"measure this alone, may be given again: {', '.join(FIGURES)}",
    )  # fmt: skip
    parser.add_argument(
        "--rounds", type=_rounds, help="turns that the forms of each figure take (its own number)"
    )
    args = parser.parse_args(arguments)
    results: list[Result] = []
    status = 0
    try:
        results.extend(run(args.only, args.rounds))  # keeps what came before an error
    except CompanionError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print("\ninterrupted: what was measured so far follows.", file=sys.stderr)
        status = 130
    if results:
        print(report(results))
    return status


if __name__ == "__main__":
    raise SystemExit(main())
