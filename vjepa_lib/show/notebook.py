"""A notebook's opening: its settings, its runs and results, and where its figures go."""

from __future__ import annotations

import ast
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import torch

from vjepa_lib import study
from vjepa_lib.analysis.ablation import named
from vjepa_lib.errors import ConfigError
from vjepa_lib.folders import figures_root
from vjepa_lib.settings import parse_jobs, parse_seeds
from vjepa_lib.show.gallery import Gallery
from vjepa_lib.study import recorded
from vjepa_lib.study.store import config_hash

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
    asked : (variant, form) pairs, or triples with a regime, of `study.NOTEBOOK_RUNS`.
    configs : their runs over the session's seeds.
    runs : addresses of these runs, for the provenance of a figure.
    results : metrics of these runs; finished ones are read, missing ones are trained.
    sources : results by how figures mark them: {'mini, live': .., 'small, recorded': ..}.
    linear : as `sources`, of the linear probe only and with column `name`.
    trained : those of the runs that were pretrained.
    curves : how they trained, with column `name`.
    clips : the embedded domains, decoded.
    """

    number: str
    profile: study.Profile
    seeds: tuple[int, ...]
    jobs: int
    device: str
    out: Gallery

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
        return study.metrics(self.configs, self.jobs, self.device)

    @cached_property
    def sources(self) -> dict[str, pd.DataFrame]:
        return recorded.beside(self.results, self.asked)

    @cached_property
    def linear(self) -> dict[str, pd.DataFrame]:
        return {source: named(rows) for source, rows in self.sources.items()}

    @cached_property
    def trained(self) -> list[study.RunConfig]:
        return [c for c in self.configs if study.canonical(c).pretrained]

    @cached_property
    def curves(self) -> pd.DataFrame:
        _ = self.results  # whatever is missing is trained first
        return named(study.curves(self.trained), None)

    @cached_property
    def clips(self) -> dict:
        return study.clip_sets(self.profile.data, self.jobs, True)

    def config(self, variant: str, form: str = "released", *regime: str) -> study.RunConfig:
        """One run of the session's profile and first seed."""
        return study.resolve(variant, form, self.profile.name, self.seeds[0], *regime)

    def hashes(self, configs: Sequence[study.RunConfig]) -> list[str]:
        """Addresses of runs, for the provenance of a figure."""
        return [config_hash(study.canonical(c)) for c in configs]


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
    out: str | Path | None = None,
    published: bool = False,
) -> Notebook:
    """Prepare a notebook.

    Parameters
    ----------
    name : of the notebook, for instance '07_factorized_world_model'.
    profile : smoke, mini or small; None for VJEPA_PROFILE, else mini.
    seeds : list or text, [0, 1] or '0,1'; None for VJEPA_SEEDS, else the profile's.
    jobs : training processes; None for VJEPA_JOBS, else one per core.
    device : None for VJEPA_DEVICE, else cpu.
    out : figures folder; None for VJEPA_FIGURES, else `figures`.
    published : its figures show facts of the literature, not runs.

    Raises
    ------
    ConfigError : unknown profile or parameter, or a seed or number of processes that is none.
    """
    unknown, known = undeclared(_cells_so_far())
    if unknown:
        raise ConfigError(
            f"Unknown parameter {', '.join(unknown)}: notebook {name} has {', '.join(known)}."
        )
    torch.set_num_threads(1)
    chosen = study.get_profile(profile or os.environ.get("VJEPA_PROFILE", "mini"))
    seeds = parse_seeds(os.environ.get("VJEPA_SEEDS") if seeds is None else seeds)
    folder = Path(out) if out else figures_root()
    return Notebook(
        name[:2],
        chosen,
        seeds or chosen.seeds,
        parse_jobs(os.environ.get("VJEPA_JOBS") if jobs is None else jobs),
        device or os.environ.get("VJEPA_DEVICE", "cpu"),
        Gallery(folder.resolve(), name, "" if published else chosen.name),
    )
