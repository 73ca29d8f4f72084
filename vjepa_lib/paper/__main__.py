"""The profile `paper` from the command line: train, probe, finetune, status, table."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vjepa_lib import own_files
from vjepa_lib.errors import CompanionError, ConfigError, ElsewhereError, RunStoreError
from vjepa_lib.paper.restarts import end_restarts
from vjepa_lib.settings import MOST_JOBS, parse_seeds

if TYPE_CHECKING:
    from vjepa_lib.paper.config import Settings
    from vjepa_lib.paper.training import TrainingRun

# What needs torch is imported where it is used: a wrong argument is told at once.


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vjepa_lib.paper", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    helps = {
        "train": "pretrain one variant, or without --variant all that is planned",
        "probe": "read encoders on the benchmarks: one variant's, a file's, or all trained ones",
        "finetune": "train the encoder that `init` names, and a head, on a manifest with labels",
        "status": "what is finished, running, stopped, missing",
        "table": "finished readings by protocol, beside published numbers, and over seeds",
    }
    for name, text in helps.items():
        command = commands.add_parser(name, help=text)
        command.add_argument(
            "--config", type=Path, default=os.environ.get("VJEPA_PAPER", "paper.toml"),
            help="settings file (docs/paper_protocol.md, section 2); default: the file that "
            "VJEPA_PAPER names, else paper.toml",
        )  # fmt: skip
        command.add_argument(
            "--with", dest="files", action="append", default=[], metavar="FILE",
            help="a Python file of your own with terms and variants",
        )  # fmt: skip
        if name in ("train", "probe"):
            command.add_argument("--variant")
            command.add_argument("--form", default="released", help="released or described")
            command.add_argument("--seed", type=int, default=239)
            command.add_argument("--regime", help="ucf101 or mixed; default: the variant's own")
        if name == "finetune":
            command.add_argument("--seed", type=int, help="default: those of the settings")
        if name in ("train", "probe", "finetune"):
            command.add_argument("--device", help="cpu, cuda; default: that of the settings")
        if name == "train":
            command.add_argument(
                "--cluster", choices=["ray"], help="one run a task on a Ray cluster"
            )
            command.add_argument(
                "--gpus", type=float, default=1.0, help="GPUs of a run on the cluster"
            )
        if name == "probe":
            command.add_argument(
                "--encoder",
                type=Path,
                help="released weights, a file or a folder; or a run's folder",
            )
            command.add_argument(
                "--benchmarks", help="comma-separated; default: all with a manifest"
            )
        if name == "table":
            command.add_argument("--out", type=Path, default=Path("figures"))
    return parser


def _check(args: argparse.Namespace) -> None:
    """Fail on numbers that no settings could make right."""
    if getattr(args, "variant", None) or (args.command == "finetune" and args.seed is not None):
        parse_seeds([args.seed], "--seed")
    if not 0 <= getattr(args, "gpus", 0) <= MOST_JOBS:
        raise ConfigError(f"--gpus is {args.gpus:g}: give a number from 0 to {MOST_JOBS}.")


def _wanted(settings: Settings, args: argparse.Namespace) -> list[TrainingRun]:
    if args.variant:
        from vjepa_lib.paper.training import training_run

        return [training_run(settings, args.variant, args.form, args.seed, args.regime)]
    from vjepa_lib.paper.tables import planned_runs

    return planned_runs(settings)


def _other_name(variant: str, form: str, run: TrainingRun) -> list[str]:
    """A line that says why a run has another name than the one asked for; none if it has not."""
    from vjepa_lib import study

    asked = study.recipe(variant, form, run.regime)
    if (asked.variant, asked.form) == (run.variant, run.form):
        return []
    if run.variant == "random_init":
        why = "without EMA the released code evaluates the target encoder, which never moves"
    else:
        why = "what tells them apart moves no weight of the encoder, so both end with the same one"
    return [f"{variant} ({asked.form}) is trained as {run.variant} ({run.form}): {why}.", ""]


def _train_command(settings: Settings, args: argparse.Namespace) -> None:
    from vjepa_lib.paper.training import train, train_one
    from vjepa_lib.study.carried import Carried
    from vjepa_lib.study.ensure import ensure
    from vjepa_lib.training.distributed import start

    wanted = _wanted(settings, args)
    if args.variant and int(os.environ.get("RANK", 0)) == 0:
        print(*_other_name(args.variant, args.form, wanted[0]), sep="\n", end="", flush=True)
    if args.cluster:
        gpus = args.gpus if settings.device == "cuda" else 0.0
        job = Carried(partial(train_one, settings))
        ensure(settings.store, wanted, job, device=settings.device, cluster=args.cluster, gpus=gpus)
    for run in wanted:
        path = train(settings, run)
        if start(settings.device)[0].rank == 0:
            print(f"{run.variant} ({run.form}), {run.regime}, seed {run.seed}: {path}", flush=True)


def _probe_command(settings: Settings, args: argparse.Namespace) -> None:
    from vjepa_lib.paper.probing import evaluate_official, probe

    chosen = args.benchmarks.split(",") if args.benchmarks else None
    if args.encoder:
        print(evaluate_official(args.encoder, chosen, settings).to_string(index=False))
        return
    wanted = _wanted(settings, args)
    if not args.variant:
        wanted = [run for run in wanted if settings.store.has(run)]
        if not wanted:
            raise RunStoreError("Nothing planned is trained yet: run 'train' first.")
    for run in wanted:
        print(probe(settings, run, chosen).to_string(index=False), flush=True)


def _finetune_command(settings: Settings, args: argparse.Namespace) -> None:
    from vjepa_lib.paper.finetuning import finetune

    seeds = None if args.seed is None else [args.seed]
    print(finetune(settings, seeds).to_string(index=False, float_format="%.1f"))


def _act(args: argparse.Namespace) -> None:
    from vjepa_lib.paper.config import load_settings
    from vjepa_lib.training.resume import termination_raises

    with termination_raises():
        own_files.use(args.files)
        settings = load_settings(args.config)
        if getattr(args, "device", None):
            settings = replace(settings, device=args.device)
        if args.command == "train":
            _train_command(settings, args)
        elif args.command == "probe":
            _probe_command(settings, args)
        elif args.command == "finetune":
            _finetune_command(settings, args)
        else:
            from vjepa_lib.paper.tables import status, write_table

            if args.command == "status":
                print(status(settings).to_string(index=False))
            else:
                print(*write_table(settings, args.out), sep="\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    try:
        args = _parser().parse_args(argv)
    except SystemExit as stop:
        if stop.code:
            end_restarts()
        raise
    try:
        _check(args)
        _act(args)
    except ElsewhereError:
        return 2
    except CompanionError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        if isinstance(error, ConfigError):
            end_restarts()
        return 2
    except KeyboardInterrupt as stop:
        if int(os.environ.get("RANK", 0)) == 0:
            print("\nstopped: the same command goes on from the last checkpoint.", file=sys.stderr)
        from vjepa_lib.training.resume import status_of

        return status_of(stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
