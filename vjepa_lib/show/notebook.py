"""A notebook's opening: its settings, its runs and results, and where its figures go.

A notebook *reads* unless it is told to train: its results are the recorded ones, its encoders those
that are kept (`study.kept`), and clips are rendered as it shows them. `LIVE = True` or a profile
makes it *live*: what is missing is trained here.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import torch

from vjepa_lib import study
from vjepa_lib.analysis import at_work
from vjepa_lib.analysis.ablation import name as run_name
from vjepa_lib.analysis.ablation import named
from vjepa_lib.datasets.few import few_clips
from vjepa_lib.errors import ConfigError
from vjepa_lib.folders import data_root, figures_root
from vjepa_lib.settings import measuring, parse_jobs, parse_seeds
from vjepa_lib.show.gallery import Gallery, show_text
from vjepa_lib.study import kept, measured, recorded
from vjepa_lib.study.store import config_hash
from vjepa_lib.training.pretrain import Trainer

# How papermill's own cell begins.
_INJECTED = "# Parameters\n"


@dataclass(frozen=True)
class Notebook:
    """A notebook's settings, and what follows from them.

    Runs and results are looked up when first asked for, so a notebook that trains nothing pays
    nothing.

    Attributes
    ----------
    number : of the notebook, '07'.
    profile, seeds, jobs, device : what runs it asks for, and how missing ones are trained.
    out : where its figures and tables go.
    live : whether runs are trained here; else the notebook reads, and `profile` and `seeds` are
        those of the recorded runs.
    asked : (variant, form) pairs, or triples with a regime, of `study.NOTEBOOK_RUNS`.
    configs : their runs over the session's seeds.
    runs : addresses of these runs, for the provenance of a figure.
    results : metrics of these runs: recorded ones, or live: finished ones are read, missing ones
        are trained.
    sources : results by how figures mark them: {'mini, live': .., 'small, recorded': ..}.
    linear : as `sources`, of the linear probe only and with column `name`.
    trained : those of the runs that were pretrained.
    curves : how they trained, with column `name`; reading, those whose curves are kept.
    ends : how they ended, a row per run; reading, of all recorded runs.
    clips : the embedded domains, decoded; reading, clip by clip as they are looked at.
    """

    number: str
    profile: study.Profile
    seeds: tuple[int, ...]
    jobs: int
    device: str
    out: Gallery
    live: bool = True

    @cached_property
    def asked(self) -> tuple[tuple[str, ...], ...]:
        return study.NOTEBOOK_RUNS.get(self.number, ())

    @cached_property
    def configs(self) -> list[study.RunConfig]:
        return study.configs_of(self.asked, self.profile.name, self.seeds)

    @cached_property
    def runs(self) -> list[str]:
        return self.hashes(self.configs)

    @cached_property
    def results(self) -> pd.DataFrame:
        if self.live:
            return study.metrics(self.configs, self.jobs, self.device)
        rows = recorded.load(self.asked, self.profile.name)
        return rows[rows.seed.isin(self.seeds)].reset_index(drop=True)

    @cached_property
    def sources(self) -> dict[str, pd.DataFrame]:
        if self.live:
            return recorded.beside(self.results, self.asked)
        return {f"{self.profile.name}, recorded": self.results.assign(origin="recorded")}

    @cached_property
    def linear(self) -> dict[str, pd.DataFrame]:
        return {source: named(rows) for source, rows in self.sources.items()}

    @cached_property
    def trained(self) -> list[study.RunConfig]:
        return [c for c in self.configs if study.canonical(c).pretrained]

    @cached_property
    def curves(self) -> pd.DataFrame:
        return self.curves_of(self.trained)

    @cached_property
    def ends(self) -> pd.DataFrame:
        if self.live:
            return self.curves
        table = recorded.runs(self.profile.name).set_index("run")
        rows = [
            {"name": run_name(c.variant, c.form), "variant": c.variant, "form": c.form}
            | {"seed": c.seed, "run": run, "step": c.train.schedule.steps}
            | {k: table[k][run] for k in ("jepa", "rank_me", "feature_std")}
            for c, run in zip(self.trained, self.hashes(self.trained), strict=True)
            if run in table.index
        ]
        return pd.DataFrame(rows)

    @cached_property
    def clips(self) -> Mapping:
        if self.live:
            return study.clip_sets(self.profile.data, self.jobs, True)
        return few_clips(self.profile.data, data_root())

    @property
    def marks(self) -> str:
        """How live and recorded results are told apart, for captions; empty without live ones."""
        return "; filled: live, hollow: recorded" if self.live else ""

    def config(self, variant: str, form: str = "released", *regime: str) -> study.RunConfig:
        """One run of the session's profile and first seed."""
        return study.resolve(variant, form, self.profile.name, self.seeds[0], *regime)

    def hashes(self, configs: Sequence[study.RunConfig]) -> list[str]:
        """Addresses of runs, for the provenance of a figure."""
        return [config_hash(study.canonical(c)) for c in configs]

    def curves_of(self, configs: Sequence[study.RunConfig]) -> pd.DataFrame:
        """Training curves of runs, with column `name`; reading, those that are kept, and a word.

        Kept curves have columns `profile` and `source`.
        """
        if self.live:
            _ = self.results  # whatever is missing is trained first
            return named(study.curves(configs), None)
        found, group = kept.curves_of((c.variant, c.form) for c in configs)
        if group.missing:
            names = ", ".join(run_name(*pair) for pair in group.missing)
            print(f"no training curves are kept of {names}: LIVE = True trains and draws them")
        return named(found, None)

    def size_of(self, curves: pd.DataFrame) -> str:
        """The profile whose sizes some training curves have."""
        return str(curves.profile.iloc[0]) if "profile" in curves else self.profile.name

    def encoders(self, pairs: Iterable[tuple[str, str] | str]) -> kept.Group:
        """Trained encoders to look at; reading, those that are kept, and a sentence about the rest.

        Parameters
        ----------
        pairs : (variant, form), or a variant alone, as released.
        """
        pairs = tuple((p, "released") if isinstance(p, str) else p for p in pairs)
        if self.live:
            _ = self.results
            size, seed = self.profile.name, self.seeds[0]
            return kept.Group(pairs, (), size, seed, study.load_encoder, f"{size}, live")
        found, _ = kept.group(pairs)
        print(found.sentence())
        return found

    def early_trainer(self, config: study.RunConfig, steps: int = 60) -> Trainer:
        """A run's trainer after its first steps: trained here, or reading, as it was kept."""
        name = f"{config.variant}_after_{steps}_steps_{config.profile}"
        if self.live:
            return at_work.early_trainer(config, self.clips, steps)
        if measuring():
            kept.keep_trainer(at_work.early_trainer(config, self.clips, steps), name)
        return kept.load_trainer(config, name)

    def measured(self, what: str, measure: Callable, *args: object, **options: object):
        """What a measurement gives: made here, or reading, as it was recorded under a name.

        One of runs of the recorded size is read by a live notebook of another size, too: made here
        it would be the recorded one again.

        Parameters
        ----------
        what : name of the record (`study.measured`).
        measure : function of what follows.
        """
        sizes = {a.profile for a in args if isinstance(a, study.RunConfig)}
        if self.live and sizes <= {self.profile.name}:
            return measure(*args, **options)
        if not self.live and measuring():
            return measured.record(what, self.profile.name, measure, *args, **options)
        return measured.read(what)

    def opening(self) -> str:
        """Which runs the notebook shows, in Markdown."""
        if not self.asked:
            return ""
        size, seeds = self.profile.name, ", ".join(map(str, self.seeds))
        if self.live:
            return (
                f"**Live**: profile `{size}`, seeds {seeds}. Runs that are not finished yet are "
                f"trained here, and kept."
            )
        table = recorded.runs(size)
        own = table[table.run.isin(self.runs)]
        commits = ", ".join(f"`{c}`" for c in dict.fromkeys(own.commit.str[:7]))
        return (
            f"**Reading**: {len(own)} recorded runs of profile `{size}`, seeds {seeds}, made by "
            f"commit {commits}. Nothing is trained; `LIVE = True` in the cell above trains anew."
        )


def undeclared(cells: Sequence[str]) -> tuple[list[str], list[str]]:
    """Parameters that papermill was given but the notebook does not have, and those it has.

    papermill only logs a warning about them and runs the notebook with its defaults.

    Parameters
    ----------
    cells : source of the cells run so far.

    Returns
    -------
    names papermill's cell assigns and no other does; names the parameters cell assigns.
    """
    injected, declared = [], []
    for source in cells:
        names = injected if source.startswith(_INJECTED) else declared
        try:
            body = ast.parse(source).body
        except SyntaxError:  # a cell of magics
            continue
        for node in body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
            names += [t.id for t in targets if isinstance(t, ast.Name)]
    known = dict.fromkeys(n for n in declared if n.isupper())
    return [n for n in injected if n not in declared], list(known)


def _cells_so_far() -> list[str]:
    """Source of the cells run before this one, if a notebook is running."""
    try:
        from IPython import get_ipython
    except ImportError:  # the library itself does not need IPython
        return []
    shell = get_ipython()
    return list(shell.user_ns.get("In", []))[:-1] if shell else []


def open_notebook(
    name: str,
    profile: str | None = None,
    seeds: str | int | Sequence[int] | None = None,
    jobs: int | None = None,
    device: str | None = None,
    live: bool = False,
    out: str | Path | None = None,
    published: bool = False,
) -> Notebook:
    """Prepare a notebook, and say which runs it shows.

    Parameters
    ----------
    name : of the notebook, for instance '07_factorized_world_model'.
    profile : smoke, mini or small, to train; None for VJEPA_PROFILE, else nothing is trained.
    seeds : list or text, [0, 1] or '0,1'; None for VJEPA_SEEDS, else the profile's.
    jobs : training processes; None for VJEPA_JOBS, else one per core.
    device : None for VJEPA_DEVICE, else cpu.
    live : train what is missing, at `mini` if no profile is named; else recorded runs are read.
    out : figures folder; None for VJEPA_FIGURES, else `figures`. A notebook that reads shows its
        figures and writes none, unless a folder is named here.
    published : its figures show facts of the literature, not runs.

    Raises
    ------
    ConfigError : unknown profile or parameter, or a seed or number of processes that is none, or a
        seed of which nothing is recorded where nothing is to be trained.
    """
    unknown, known = undeclared(_cells_so_far())
    if unknown:
        raise ConfigError(
            f"Unknown parameter {', '.join(unknown)}: notebook {name} has {', '.join(known)}."
        )
    torch.set_num_threads(1)
    profile = profile or os.environ.get("VJEPA_PROFILE")
    live = bool(live or profile)
    chosen = study.get_profile(profile or ("mini" if live else recorded.PROFILE))
    seeds = parse_seeds(os.environ.get("VJEPA_SEEDS") if seeds is None else seeds)
    if seeds and not live:
        there = sorted({int(s) for s in recorded.runs().seed})
        if not set(seeds) <= set(there):
            raise ConfigError(
                f"SEEDS is {', '.join(map(str, seeds))}, and seeds {', '.join(map(str, there))} "
                f"are recorded: choose among them, or set LIVE = True to train others."
            )
    folder = Path(out) if out else figures_root()
    notebook = Notebook(
        name[:2],
        chosen,
        seeds or chosen.seeds,
        parse_jobs(os.environ.get("VJEPA_JOBS") if jobs is None else jobs),
        device or os.environ.get("VJEPA_DEVICE", "cpu"),
        Gallery(folder.resolve(), name, "" if published else chosen.name, keep=live or bool(out)),
        live,
    )
    show_text(notebook.opening())
    return notebook
