"""Variants from the command line: train them, and show them beside each other.

`python -m vjepa_lib train fwm ltc`, then `table` and `figure` with the same names.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from vjepa_lib import own_files
from vjepa_lib.errors import CompanionError, ConfigError

HELP = {
    "list": "the variants that can be named, with their terms",
    "train": "train variants; finished runs are kept and cost nothing",
    "table": "linear probes of variants, and differences to the last one named",
    "figure": "how variants trained: JEPA loss, RankMe, feature spread",
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vjepa_lib", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in HELP.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument(
            "--with", dest="files", action="append", default=[], metavar="FILE",
            help="a Python file of your own with terms and variants; may be given again",
        )  # fmt: skip
        if name == "list":
            continue
        command.add_argument("variants", nargs="+", metavar="VARIANT")
        command.add_argument("--form", default="released", help="released or described")
        command.add_argument("--profile", default=os.environ.get("VJEPA_PROFILE", "mini"))
        command.add_argument("--seeds", help="comma-separated, for instance 0,1")
        command.add_argument("--jobs", help="training processes; one a core if not given")
        command.add_argument("--device", default=os.environ.get("VJEPA_DEVICE", "cpu"))
        command.add_argument("--cluster", choices=["ray"], help="train on a Ray cluster")
        if name != "train":
            command.add_argument(
                "--out", type=Path, help="folder; `own` among the figures if not given"
            )
    return parser


def _configs(args: argparse.Namespace) -> list:
    """The runs that are asked for; what is missing is trained."""
    from vjepa_lib import study
    from vjepa_lib.settings import parse_jobs, parse_seeds

    seeds = parse_seeds(args.seeds, "--seeds") or study.get_profile(args.profile).seeds
    configs = [
        study.resolve(v, args.form, args.profile, s)
        for v in dict.fromkeys(args.variants)
        for s in seeds
    ]
    args.results = study.metrics(
        configs, parse_jobs(args.jobs, "--jobs"), args.device, args.cluster
    )
    return configs


def _gallery(args: argparse.Namespace):
    from vjepa_lib.show.gallery import Gallery
    from vjepa_lib.show.notebook import figures_root

    return Gallery(args.out or figures_root() / "own", "own", args.profile)


def _list() -> None:
    from vjepa_lib import study

    own_files.load()
    for row in study.VARIANTS.values():
        terms = (
            " + ".join(f"{weight:g} {term}" for term, weight, _ in row.terms) or "no further term"
        )
        print(f"{row.name}: {terms} ({row.regime}, {study.family_of(row)})")


def _train(args: argparse.Namespace) -> None:
    from vjepa_lib import study

    for config in _configs(args):
        run = study.RunStore(study.runs_root()).path(study.canonical(config))
        print(f"{config.variant} ({config.form}), seed {config.seed}: {run}")


def _table(args: argparse.Namespace) -> None:
    from vjepa_lib.analysis import ablation
    from vjepa_lib.analysis.selection import named
    from vjepa_lib.show.tables import format_table

    _configs(args)
    rows = named(args.results)
    runs = sorted(set(rows.run))
    table = ablation.seed_means(rows)
    columns = ["name", "benchmark", "top1", "low", "high", "n_seeds"]
    reference = rows.name.iloc[-1]  # rows come in the order in which variants were named
    if rows.name.nunique() > 1:
        gains = ablation.gains(rows, reference).rename(
            columns={"effect": "difference", "low": "difference_low", "high": "difference_high"}
        )
        more = ["difference", "difference_low", "difference_high"]
        table = table.merge(gains[["name", "benchmark", *more]], "left", ["name", "benchmark"])
        columns += more
    table = table[columns]
    gallery = _gallery(args)
    caption = f"Linear probes, top-1 (%), mean over seeds; differences to {reference} in points"
    gallery.table(table, "table", caption, runs, digits=1)
    print(format_table(table, 1))
    print(f"\n{gallery.folder / 'own_table.csv'}")


def _figure(args: argparse.Namespace) -> None:
    from vjepa_lib import study
    from vjepa_lib.analysis.selection import named
    from vjepa_lib.show import plots

    configs = _configs(args)
    trained = [c for c in configs if study.canonical(c).pretrained]
    if not trained:
        raise ConfigError(
            "None of these variants is trained in this form, so there is no curve to draw: name "
            "another, or add --form described."
        )
    curves = named(study.curves(trained), None)
    labels = {"jepa": "JEPA loss", "rank_me": "RankMe of mean tokens", "feature_std": "feature std"}
    gallery = _gallery(args)
    gallery.figure(
        plots.curves(curves, list(labels), by="name", ylabels=labels),
        "curves",
        curves[["name", "seed", "step", *labels]],
        "Loss and collapse diagnostics over training; bands: lowest to highest seed",
        [study.config_hash(study.canonical(c)) for c in trained],
    )
    print(gallery.folder / "own_curves.png")


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    args = _parser().parse_args(argv)
    try:
        own_files.use(args.files)
        if args.command == "list":
            _list()
        else:
            {"train": _train, "table": _table, "figure": _figure}[args.command](args)
    except CompanionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped: the same command goes on where this one was.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
