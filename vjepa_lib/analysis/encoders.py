"""Trained encoders looked at: change over time, distance from a Gaussian and from the start."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from vjepa_lib import study
from vjepa_lib.analysis.selection import name
from vjepa_lib.model.vit import Encoder
from vjepa_lib.objectives.sigreg import epps_pulley
from vjepa_lib.objectives.views import repeated, residual

Pairs = Sequence[tuple[str, str]]
# Gives the encoder of a run; kept ones come with a function of their own (`study.kept.Group`).
Load = Callable[[study.RunConfig], Encoder]


def tokens(config: study.RunConfig, clips: Tensor, load: Load | None = None) -> Tensor:
    """Tokens [B, N, D] of a run's evaluated encoder.

    Parameters
    ----------
    clips : [B, 3, F, H, W], normalised.
    load : where encoders come from; None for finished runs, as everywhere below.
    """
    with torch.no_grad():
        return (load or study.load_encoder)(config)(clips)


def moved_from_start(
    configs: Sequence[study.RunConfig], clips: Tensor, load: Load | None = None
) -> pd.DataFrame:
    """How far training has taken the evaluated encoder from its initialisation of the same seed.

    Parameters
    ----------
    configs : finished runs; untrained ones are left out. The random initialisation must be there.
    clips : [B, 3, F, H, W], normalised.

    Returns
    -------
    DataFrame, a row per run: `name`, `seed`, `cosine` of its tokens with the initial encoder's
    (1: as initialised), and `weights`, the distance of the weights in lengths of the initial ones.
    """
    start = {}
    for c in configs:
        if c.seed not in start:
            first = study.resolve("random_init", "released", c.profile, c.seed)
            start[c.seed] = _tokens_and_weights(first, clips, load)
    out = []
    for c in configs:
        if not study.canonical(c).pretrained:
            continue
        (before, w0), (after, w1) = start[c.seed], _tokens_and_weights(c, clips, load)
        out.append(
            {"name": name(c.variant, c.form), "seed": c.seed}
            | {"cosine": float(F.cosine_similarity(before, after, dim=-1).mean())}
            | {"weights": float((w1 - w0).norm() / w0.norm())}
        )
    return pd.DataFrame(out)


def _tokens_and_weights(
    config: study.RunConfig, clips: Tensor, load: Load | None = None
) -> tuple[Tensor, Tensor]:
    encoder = (load or study.load_encoder)(config)
    with torch.no_grad():
        return encoder(clips), torch.cat([p.flatten() for p in encoder.parameters()])


def mean_moved(
    configs: Sequence[study.RunConfig], clips: Tensor, load: Load | None = None
) -> pd.DataFrame:
    """`moved_from_start`, mean over seeds, a row per `name`."""
    table = moved_from_start(configs, clips, load)
    means = table.groupby("name", sort=False)[["cosine", "weights"]].mean().reset_index()
    return means.rename(columns={"cosine": "cosine of tokens", "weights": "distance of weights"})


def change_over_time(
    pairs: Pairs,
    profile: str,
    seed: int,
    clips: Mapping[str, Tensor],
    load: Load | None = None,
) -> pd.DataFrame:
    """Mean `|h_{t+1} - h_t|` of evaluated encoders, relative to mean `|h|`.

    Parameters
    ----------
    pairs : (variant, form) of finished runs.
    clips : column -> [B, 3, F, H, W], normalised.

    Returns
    -------
    DataFrame, a row per run: `name`, and a column for each kind of clips.
    """
    rows = []
    for variant, form in pairs:
        config = study.resolve(variant, form, profile, seed)
        row = {"name": name(variant, form)}
        for title, kind in clips.items():
            h = tokens(config, kind, load).unflatten(1, (config.train.encoder.grid.t, -1))
            row[title] = float(h.diff(dim=1).abs().mean() / h.abs().mean())
        rows.append(row)
    return pd.DataFrame(rows)


NEIGHBOURS = "cos(h_t, h_t+1)"


def temporal_spectra(
    variants: Sequence[str],
    profile: str,
    seed: int,
    clips: Tensor,
    load: Load | None = None,
) -> pd.DataFrame:
    """Temporal spectrum of encoders' tokens, and the cosine of neighbouring time steps.

    Returns
    -------
    DataFrame, a row per variant: amplitude of each frequency relative to frequency 0, and
    `NEIGHBOURS`.
    """
    rows = []
    for variant in variants:
        config = study.resolve(variant, "released", profile, seed)
        h = tokens(config, clips, load).unflatten(1, (config.train.encoder.grid.t, -1))
        # h: [B, T, HW, D]
        power = torch.fft.rfft(h, dim=1).abs().mean((0, 2, 3))
        near = float(F.cosine_similarity(h[:, :-1], h[:, 1:], dim=-1).mean())
        row = {f"frequency {k}": float(p / power[0]) for k, p in enumerate(power) if k}
        rows.append({"variant": variant} | row | {NEIGHBOURS: near})
    return pd.DataFrame(rows)


def normality(
    pairs: Pairs,
    profile: str,
    seed: int,
    clips: Tensor,
    load: Load | None = None,
    directions: int = 256,
) -> pd.DataFrame:
    """How far encoders' tokens are from an isotropic Gaussian.

    Returns
    -------
    DataFrame, a row per (variant, form): the Epps-Pulley statistic along random directions, mean
    `|mean|` and mean standard deviation of the channels.
    """
    rows = []
    for variant, form in pairs:
        h = tokens(study.resolve(variant, form, profile, seed), clips, load).flatten(0, 1)
        u = torch.randn(h.shape[1], directions, generator=torch.Generator().manual_seed(0))
        rows.append(
            {
                "variant": variant,
                "form": form,
                "Epps-Pulley": float(epps_pulley(h @ (u / u.norm(dim=0))).mean()),
                "channel mean |.|": float(h.mean(0).abs().mean()),
                "channel std": float(h.std(0).mean()),
            }
        )
    return pd.DataFrame(rows)


def view_similarities(
    variants: Sequence[str],
    profile: str,
    seed: int,
    clips: Tensor,
    load: Load | None = None,
) -> pd.DataFrame:
    """Cosine of a clip's mean token to its views and to other clips, a row per variant.

    Parameters
    ----------
    clips : [B, 3, F, H, W], normalised; B >= 2.
    """
    broken = repeated(clips, torch.Generator().manual_seed(0))
    rows = []
    for variant in variants:
        config = study.resolve(variant, "released", profile, seed)
        z, r, b = (
            F.normalize(tokens(config, c, load).mean(1), dim=-1)
            for c in (clips, residual(clips), broken)
        )
        others = (z @ z.T)[~torch.eye(len(z), dtype=torch.bool)]
        rows.append(
            {
                "variant": variant,
                "to its residual view": float((z * r).sum(-1).mean()),
                "to itself, time broken": float((z * b).sum(-1).mean()),
                "to other clips": float(others.mean()),
            }
        )
    return pd.DataFrame(rows)
