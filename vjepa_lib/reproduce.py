"""The main job from the command line: data, runs, notebooks, the report as pages and a PDF.

`python -m vjepa_lib.reproduce --profile mini --jobs 4`
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from vjepa_lib import own_files
from vjepa_lib.errors import CompanionError, ConfigError
from vjepa_lib.provenance import ROOT
from vjepa_lib.settings import parse_jobs, parse_seeds

NOTEBOOKS = ROOT / "notebooks"
# What takes longest begins first, so that no core waits for it at the end.
LONGEST = ("15", "12", "13", "11", "02")


def notebook_paths() -> dict[str, Path]:
    """Number -> path of every notebook, in order."""
    return {p.name[:2]: p for p in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))}


def choose(only: str | None) -> dict[str, Path]:
    """The notebooks to run: all, or one and the report.

    Raises
    ------
    ConfigError : no notebook has this number or name.
    """
    found = notebook_paths()
    if not only:
        return found
    picked = {n: p for n, p in found.items() if n == only or p.stem == only}
    if not picked:
        raise ConfigError(
            f"No notebook {only!r}: choose a number of {', '.join(p.stem for p in found.values())}."
        )
    return picked | {n: p for n, p in found.items() if n == "99"}


def side_by_side(chosen: dict[str, Path]) -> list[Path]:
    """Notebooks that share the cores, in the order they begin in; the report is none of them."""
    numbers = [n for n in LONGEST if n in chosen]
    numbers += [n for n in chosen if n not in (*LONGEST, "99")]
    return [chosen[n] for n in numbers]


def execute(path: Path, built: Path, html: Path, settings: dict) -> str | None:
    """Run one notebook and export it to HTML; a sentence if it failed."""
    import nbformat
    import papermill

    from vjepa_lib.show import exported, found

    try:
        papermill.execute_notebook(
            path,
            built / path.name,
            parameters=settings,
            cwd=str(path.parent),
            progress_bar=False,
            kernel_name="python3",
            extra_arguments=["--IPKernelApp.log_level=40"],  # no warnings of the kernel itself
        )
    except papermill.PapermillExecutionError as error:
        return f"{path.stem}: {error.ename}: {error.evalue} (see {built / path.name})"
    done = nbformat.read(built / path.name, as_version=4)
    exported.write(done, path, html)
    found.keep(done, path.stem, html)
    return None


def reproduce(
    profile: str,
    jobs: int,
    device: str,
    only: str | None,
    seeds: tuple[int, ...] | None,
    train_only: bool = False,
    cluster: str | None = None,
) -> None:
    """Train what is missing, run the notebooks side by side, then the report.

    Raises
    ------
    CompanionError : with one sentence; what is finished stays.
    """
    from joblib import Parallel, delayed
    from tqdm.auto import tqdm

    from vjepa_lib import study
    from vjepa_lib.folders import figures_root

    study.get_profile(profile)
    chosen = choose(only)
    start = time.perf_counter()
    configs = study.runs_for(chosen if only else study.NOTEBOOK_RUNS, profile, seeds)
    if configs:
        study.metrics(configs, jobs, device, cluster)
        print(f"{len(configs)} runs ready after {time.perf_counter() - start:.0f} s", flush=True)
    if train_only:
        return
    built, figures = ROOT / "build" / "notebooks", figures_root()
    for folder in (built, figures / "notebooks"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"The folder {folder} cannot be made ({error.strerror}): make its place writable "
                f"or name another with VJEPA_FIGURES."
            ) from None
    settings = {
        "PROFILE": profile,
        "SEEDS": list(seeds) if seeds else None,
        "JOBS": 1,
        "DEVICE": device,
    }
    # The notebooks train nothing more, so they can share the cores; the report comes last.
    work = side_by_side(chosen)
    done = Parallel(n_jobs=jobs, return_as="generator_unordered")(
        delayed(execute)(p, built, figures / "notebooks", settings) for p in work
    )
    failures = [f for f in tqdm(done, total=len(work), desc="notebooks") if f]
    if "99" in chosen:
        failure = execute(chosen["99"], built, figures / "notebooks", settings)
        failures += [failure] if failure else []
    if failures:
        raise CompanionError(
            f"{len(failures)} notebooks failed, the others are done: " + " | ".join(failures)
        )
    print(
        f"done after {time.perf_counter() - start:.0f} s; open {figures / 'index.html'}, or "
        f"{figures / 'report.pdf'}"
    )


def verify(profile: str, device: str, seeds: tuple[int, ...] | None, count: int = 2) -> None:
    """Retrain finished and recorded runs, chosen at random, and compare their results.

    One finished run of the profile must come out the same to the last digit on the processor it
    was trained on; `count` recorded ones within `recorded.tolerance`. One kept encoder of the
    transfer study is read again without training, within `rereading.ALLOWED`.

    Raises
    ------
    CompanionError : nothing to compare with, or results differ.
    """
    import random

    from vjepa_lib import study
    from vjepa_lib.provenance import cpu_name
    from vjepa_lib.study import kept, recorded, rereading
    from vjepa_lib.study.store import RunStore, config_hash

    store = RunStore(study.runs_root())
    configs = [c for c in study.runs_for(study.NOTEBOOK_RUNS, profile, seeds) if store.has(c)]
    wrong = []
    if configs:
        config = random.choice(configs)
        print(f"retraining {config.variant} ({config.form}), seed {config.seed} ...", flush=True)
        metrics, _ = study.train_run(config, None, device, progress=True)
        stored = store.load(config)
        worst = float((metrics.top1 - stored.metrics.top1).abs().max())
        print(f"largest difference in top-1: {worst:.4f} points over {len(metrics)} probes")
        if worst > 0 and stored.provenance["cpu"] == cpu_name() and device == "cpu":
            wrong.append(f"run {config_hash(config)} by {worst:.2f} points")
    else:
        print(f"no run of profile {profile} is finished here; comparing with recorded ones only")
    table = recorded.verify(count, device=device)
    for (variant, form, seed), part in table.groupby(["variant", "form", "seed"], sort=False):
        worst = part.loc[part.difference.abs().idxmax()]
        print(
            f"recorded {variant} ({form}), seed {seed}: largest difference {worst.difference:+.2f} "
            f"points ({worst.benchmark}, {worst.probe}; allowed {worst.allowed:.2f})"
        )
        beyond = part[part.difference.abs() > part.allowed]
        if len(beyond):
            wrong.append(f"recorded run {part.run.iloc[0]} in {len(beyond)} of {len(part)} probes")
    if len(kept.index()) and (kept.index().study == "transfer").any():
        table = rereading.verify()
        worst = table.loc[table.difference.abs().idxmax()]
        print(
            f"kept {worst.variant} ({worst.form}), seed {worst.seed}, read again: largest "
            f"difference {worst.difference:+.2f} points over {len(table)} readings "
            f"({worst['shift']} {worst.severity}, {worst.reading}; allowed {rereading.ALLOWED:.2f})"
        )
        if abs(worst.difference) > rereading.ALLOWED:
            wrong.append(f"the kept encoder of {worst.variant}, seed {worst.seed}")
    if wrong:
        raise CompanionError(
            f"Results came out differently: {'; '.join(wrong)}: compare the provenance of these "
            f"runs with this machine."
        )


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m vjepa_lib.reproduce", description=__doc__)
    parser.add_argument("--profile", default=os.environ.get("VJEPA_PROFILE", "mini"))
    parser.add_argument("--jobs", help="training processes; one a core if not given")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--with", dest="files", action="append", default=[], metavar="FILE",
        help="a Python file of your own with terms and variants",
    )  # fmt: skip
    parser.add_argument("--only", help="number or name of one notebook")
    parser.add_argument("--seeds", help="comma-separated, for instance 0,1,2")
    parser.add_argument("--cluster", choices=["ray"], help="train on a Ray cluster")
    parser.add_argument("--train-only", action="store_true", help="train, but run no notebook")
    parser.add_argument("--verify", action="store_true", help="retrain a few runs and compare")
    args = parser.parse_args(argv)
    from vjepa_lib.training.resume import status_of, termination_raises

    try:
        own_files.use(args.files)
        seeds = parse_seeds(args.seeds, "--seeds")
        jobs = parse_jobs(args.jobs, "--jobs")
        with termination_raises():
            if args.verify:
                verify(args.profile, args.device, seeds)
            else:
                reproduce(
                    args.profile,
                    jobs,
                    args.device,
                    args.only,
                    seeds,
                    args.train_only,
                    args.cluster,
                )
    except CompanionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(
            "\ninterrupted: finished runs are kept, unfinished ones go on from their checkpoints; "
            "the same command resumes.",
            file=sys.stderr,
        )
        return status_of(stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
