"""What every notebook begins with: settings, and where its figures go."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from vjepa_lib import study
from vjepa_lib.provenance import ROOT
from vjepa_lib.show.gallery import Gallery
from vjepa_lib.study.store import config_hash


@dataclass(frozen=True)
class Session:
    """A notebook's settings.

    Attributes
    ----------
    profile, seeds, jobs, device : what runs it asks for, and how missing ones are trained.
    out : where its figures and tables go.
    """

    profile: study.Profile
    seeds: tuple[int, ...]
    jobs: int
    device: str
    out: Gallery

    def configs(self, asked: Iterable[tuple[str, ...]]) -> list[study.RunConfig]:
        """Runs of (variant, form) pairs, or triples with a regime, over the session's seeds.

        Each once, though it be asked for by two names of its regime.
        """
        found = [
            study.resolve(v, f, self.profile.name, s, *regime)
            for s in self.seeds
            for v, f, *regime in asked
        ]
        return list(dict.fromkeys(found))

    def results(self, configs: Sequence[study.RunConfig]) -> pd.DataFrame:
        """Metrics of runs; finished ones are read, missing ones are trained."""
        return study.metrics(configs, self.jobs, self.device)

    def hashes(self, configs: Sequence[study.RunConfig]) -> list[str]:
        """Addresses of runs, for the provenance of a figure."""
        return [config_hash(study.canonical(c)) for c in configs]

    def clips(self):
        """The embedded domains, decoded."""
        return study.clip_sets(self.profile.data, self.jobs, True)


def figures_root() -> Path:
    """Folder of figures: VJEPA_FIGURES, or `figures` beside the package."""
    return Path(os.environ.get("VJEPA_FIGURES", ROOT / "figures"))


def setup(
    name: str,
    profile: str | None = None,
    seeds: Sequence[int] | None = None,
    jobs: int | None = None,
    device: str | None = None,
    out: str | Path | None = None,
    published: bool = False,
) -> Session:
    """Prepare a notebook.

    Parameters
    ----------
    name : of the notebook, for instance '07_factorized_world_model'.
    profile : smoke, mini or small; None for VJEPA_PROFILE, else mini.
    seeds : None for the profile's.
    jobs : training processes; None for VJEPA_JOBS, else one per core.
    device : None for VJEPA_DEVICE, else cpu.
    out : figures folder; None for VJEPA_FIGURES, else `figures`.
    published : its figures show facts of the literature, not runs.

    Raises
    ------
    ConfigError : unknown profile.
    """
    torch.set_num_threads(1)
    chosen = study.get_profile(profile or os.environ.get("VJEPA_PROFILE", "mini"))
    if seeds is None and os.environ.get("VJEPA_SEEDS"):
        seeds = [int(s) for s in os.environ["VJEPA_SEEDS"].split(",")]
    folder = Path(out) if out else figures_root()
    return Session(
        chosen,
        tuple(seeds) if seeds else chosen.seeds,
        jobs or int(os.environ.get("VJEPA_JOBS", os.cpu_count() or 1)),
        device or os.environ.get("VJEPA_DEVICE", "cpu"),
        Gallery(folder.resolve(), name, "" if published else chosen.name),
    )
