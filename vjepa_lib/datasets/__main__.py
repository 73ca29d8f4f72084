"""Command line: `python -m vjepa_lib.datasets {list,build,health,convert}`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from vjepa_lib.datasets import REGISTRY, build, health
from vjepa_lib.datasets.health import DEPTHS
from vjepa_lib.errors import CompanionError, ConfigError, shown
from vjepa_lib.settings import LARGEST, parse_jobs
from vjepa_lib.video.manifests import (
    SPLITS,
    Manifest,
    read_manifest,
    read_path_label,
    write_atomic,
    write_manifest,
    write_path_label,
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vjepa_lib.datasets", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    commands.add_parser("list", help="known data sets with their official sizes")

    made = commands.add_parser("build", help="official annotations + a folder -> manifest")
    made.add_argument("name", choices=sorted(REGISTRY))
    made.add_argument("--annotations", type=Path, help="folder (or file) of official annotations")
    made.add_argument("--videos", type=Path, required=True, help="folder of videos or images")
    made.add_argument("--out", type=Path, required=True, help="manifest, .csv or .parquet")
    made.add_argument("--split-number", type=int, help="ucf101: official split 1, 2 or 3")
    made.add_argument("--class-list", type=Path, help="imagenet100: file of WordNet ids")
    made.add_argument("--val-fraction", type=float, help="folder: share of files held out")

    check = commands.add_parser("health", help="missing, unreadable, short, in two splits")
    check.add_argument("manifest", type=Path)
    check.add_argument("--root", type=Path, help="folder of relative paths")
    check.add_argument("--min-frames", type=int, default=1)
    check.add_argument("--depth", choices=DEPTHS, default="full")
    check.add_argument("--no-checksums", action="store_true", help="do not read every byte")
    check.add_argument("--workers", type=int)
    check.add_argument("--state", type=Path, help="file of findings; makes the check resumable")
    check.add_argument("--report", type=Path, help="write the status of every row (.csv)")
    check.add_argument("--usable", type=Path, help="write a manifest of the usable rows")
    check.add_argument("--quiet", action="store_true", help="no progress bar")

    turned = commands.add_parser("convert", help="CSV, Parquet and `path label` text (.txt)")
    turned.add_argument("source", type=Path)
    turned.add_argument("target", type=Path)
    turned.add_argument("--split", choices=SPLITS, help="from or to .txt: the split it stands for")
    turned.add_argument("--root", type=Path, help="folder of relative paths")
    return parser


def _list() -> int:
    for name in sorted(REGISTRY):
        info = REGISTRY[name]
        sizes = ", ".join(f"{split} {count:,}" for split, count in info.sizes.items()) or "any"
        print(f"{name:<12} {info.title}: {info.classes or 'any'} classes; {sizes}")
        print(f"{'':<12} annotations: {info.needs}")
    return 0


def _build(args: argparse.Namespace) -> int:
    names = ("split_number", "class_list", "val_fraction")
    options = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    result = build(args.name, args.annotations, args.videos, **options)
    write_manifest(result.manifest, args.out)
    print(result.counts.to_string(index=False))
    for note in result.notes:
        print(f"note: {note}")
    for warning in result.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if len(result.missing):
        listed = args.out.with_name(f"{args.out.stem}.missing.csv")
        write_atomic(listed, result.missing.to_csv(index=False, lineterminator="\n"))
        print(f"missing files are listed in {listed}")
    print(f"{len(result.manifest):,} clips written to {args.out}")
    return 0


def _health(args: argparse.Namespace) -> int:
    if args.workers is not None:
        parse_jobs(args.workers, "--workers")
    if not 1 <= args.min_frames <= LARGEST:
        raise ConfigError(
            f"--min-frames is {shown(args.min_frames)}: give a whole number from 1 to {LARGEST}."
        )
    report = health(
        read_manifest(args.manifest, root=args.root),
        min_frames=args.min_frames,
        depth=args.depth,
        checksums=not args.no_checksums,
        workers=args.workers,
        state=args.state,
        progress=not args.quiet,
    )
    print(report.summary())
    if args.report is not None:
        write_atomic(args.report, report.table.to_csv(index=False, lineterminator="\n"))
    if args.usable is not None:
        write_manifest(report.usable(), args.usable)
    return 0 if report.ok else 1


def _convert(args: argparse.Namespace) -> int:
    manifest: Manifest
    if args.source.suffix.lower() == ".txt":
        manifest = read_path_label(args.source, args.split or "train", root=args.root)
    else:
        manifest = read_manifest(args.source, root=args.root)
    if args.target.suffix.lower() == ".txt":
        write_path_label(manifest, args.target, args.split)
    else:
        write_manifest(manifest, args.target)
    print(f"{args.source} -> {args.target}")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 on success, 1 for an unhealthy manifest, 2 for a user's error."""
    args = _parser().parse_args(arguments)
    try:
        if args.command == "list":
            return _list()
        return {"build": _build, "health": _health, "convert": _convert}[args.command](args)
    except CompanionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        place = error.filename or "the result"
        print(
            f"error: {place} cannot be read or written ({error.strerror or error}); choose another"
            " file or free some space.",
            file=sys.stderr,
        )
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
