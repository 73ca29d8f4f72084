"""Implementation audit: what the objectives of a study really train, measured by running them.

`variant_audit` looks at any variant; `implementation_facts` turns the measurements into the facts
that `twelve_claims` ties to the report's claims.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F

from vjepa_lib import study
from vjepa_lib.analysis.statistics import paired_differences
from vjepa_lib.evaluation.probes import AttentiveHead
from vjepa_lib.evaluation.reach import moved_parameters, term_reach
from vjepa_lib.training.collapse import same_weights
from vjepa_lib.training.pretrain import Trainer, pretrain
from vjepa_lib.training.sources import Draw
from vjepa_lib.video.clips import ClipSet


def _trainer(
    variant: str, form: str, profile: str, sets: Mapping[str, ClipSet], steps: int
) -> tuple[Trainer, list[torch.Tensor]]:
    """A fresh trainer of a variant, and the clips of its first steps."""
    config = study.resolve(variant, form, profile)
    data = study.training_clips(config, sets)
    seed, size = config.train.seed, config.train.schedule.batch
    return Trainer(config.train), [data.batch(Draw(i, size, seed)) for i in range(steps)]


def variant_audit(
    variant: str,
    form: str,
    profile: str,
    sets: Mapping[str, ClipSet],
    steps: int = 5,
    looks: Iterable[int] = (0,),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train a variant for a few steps and look at what its terms reach and what moved.

    Parameters
    ----------
    sets : the embedded domains, from `study.clip_sets`.
    steps : optimiser steps of the short run.
    looks : steps before which the gradient of every term is measured; () leaves it out.

    Returns
    -------
    reach : rows of `reach.term_reach` with `variant`, `form` and `step`.
    moved : rows of `reach.moved_parameters` with `variant`, `form`, and `evaluated_trained`,
        whether the encoder that the probes see differs from its initialisation.
    """
    label = {"variant": variant, "form": form}
    trainer, batches = _trainer(variant, form, profile, sets, steps)
    start = copy.deepcopy(trainer.evaluated)
    reach, parts = [], []
    looks = sorted({0, *looks, steps} & {*looks})
    done = 0
    for look in [*looks, steps]:
        if look > done:
            parts.append(moved_parameters(trainer, batches[done:look]))
            done = look
        if look in looks:
            reach.append(term_reach(trainer, batches[0]).assign(**label, step=look))
    # A part has moved if it did between any two looks.
    moved = pd.concat(parts).groupby("part", sort=False).agg({"parameters": "max", "moved": "max"})
    moved = moved.reset_index().assign(
        **label, evaluated_trained=not same_weights(start, trainer.evaluated)
    )
    return pd.concat(reach, ignore_index=True) if reach else pd.DataFrame(), moved


def levels_touched(
    variant: str, form: str, term: str, profile: str, sets: Mapping[str, ClipSet]
) -> list[int]:
    """Encoder levels (1 = shallowest) whose channels get gradient from a term."""
    trainer, batches = _trainer(variant, form, profile, sets, 1)
    batch = trainer.latents(batches[0])
    value = next(t for t in trainer.objective.terms if t.name == term)(batch)
    grads = torch.autograd.grad(value, batch.z, allow_unused=True)
    total = sum(g.abs().sum((0, 1)) for g in grads if g is not None)
    per_level = total.unflatten(-1, (batch.n_levels, -1)).sum(-1)
    return [i + 1 for i, g in enumerate(per_level) if float(g) > 0]


def first_context_step(
    profile: str, sets: Mapping[str, ClipSet], steps: int = 8
) -> tuple[int, int]:
    """First step of a run of `steps` in which the context loss is part of the total."""
    config = study.resolve("baseline", profile=profile)
    schedule = replace(config.train.schedule, steps=steps, log_every=1, warmup=1)
    data = study.training_clips(config, sets)
    curves = pretrain(replace(config.train, schedule=schedule), data, progress=False).curves
    if "context" not in curves:
        return steps, steps
    active = curves.context.notna() & (curves.context != 0)
    return int(curves.step[active].min()), steps


def tokens_read(profile: str) -> tuple[int, int]:
    """Tokens of a clip that the attentive probe's output depends on, and tokens there are."""
    cfg = study.get_profile(profile)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        head = AttentiveHead(cfg.encoder.width, 3, 1)
        tokens = torch.randn(1, cfg.encoder.grid.n, cfg.encoder.width, requires_grad=True)
    F.cross_entropy(head(tokens), torch.zeros(1, dtype=torch.long)).backward()
    return int((tokens.grad.abs().sum(-1) > 0).sum()), cfg.encoder.grid.n


def implementation_facts(profile: str, sets: Mapping[str, ClipSet], steps: int = 5) -> pd.DataFrame:
    """Measure what `twelve_claims.FACTS` says about arXiv 2605.17165; a row per measurement.

    Every measurement has its control, so that it could come out the other way.

    Returns
    -------
    DataFrame: fact, measured (in words), confirmed.
    """
    rows: list[tuple[str, str, bool]] = []

    @cache
    def movement(variant: str, form: str) -> pd.DataFrame:
        return variant_audit(variant, form, profile, sets, steps, looks=())[1]

    def head(variant: str, form: str) -> int:
        moved = movement(variant, form)
        return int(moved.loc[moved.part == "head of ld", "moved"].iloc[0])

    control = head("ld", "released")
    for variant in ("hw_ld", "fwm_hw_ld"):
        still, described = head(variant, "released"), head(variant, "described")
        rows.append(
            (
                "ld_head_untrained",
                f"{variant}: {still} tensors of the dynamics head moved in {steps} steps as "
                f"released, {described} as described, {control} in ld without hard weighting",
                still == 0 and described > 0 and control > 0,
            )
        )

    def moved(variant: str, form: str) -> bool:
        return bool(movement(variant, form).evaluated_trained.iloc[0])

    off = [v for v in study.STUDIED if not study.VARIANTS[v].ema]
    frozen = [v for v in off if not moved(v, "released")]
    trained = [v for v in off if moved(v, "described")]
    rows.append(
        (
            "target_frozen_ema_off",
            f"the evaluated encoder equals its initialisation bit for bit after {steps} steps in "
            f"{len(frozen)} of {len(off)} EMA-off variants as released, in "
            f"{len(off) - len(trained)} as described; with EMA on it moves: "
            f"{'yes' if moved('ucf_baseline', 'released') else 'no'}",
            len(frozen) == len(off) == len(trained) and moved("ucf_baseline", "released"),
        )
    )
    released = levels_touched("fwm", "released", "fwm_static", profile, sets)
    described = levels_touched("fwm", "described", "fwm_static", profile, sets)
    n = len(study.get_profile(profile).encoder.levels)
    rows.append(
        (
            "halves_are_levels",
            f"the static term reaches levels {released} of {n} as released and {described} as "
            f"described",
            released == list(range(1, n // 2 + 1)) and described == list(range(1, n + 1)),
        )
    )
    first, total = first_context_step(profile, sets)
    rows.append(
        (
            "context_loss_late",
            f"in a run of {total} steps the context loss is in the total from step {first} on",
            total > first >= total // 2,
        )
    )
    read, there = tokens_read(profile)
    rows.append(
        (
            "probe_sees_tokens",
            f"the probe's loss depends on {read} of {there} tokens",
            read == there,
        )
    )
    return pd.DataFrame(rows, columns=["fact", "measured", "confirmed"])


def summary(reach: pd.DataFrame, moved: pd.DataFrame) -> pd.DataFrame:
    """One row per variant and form: what the terms reach and what stood still.

    Parameters
    ----------
    reach, moved : tables of `variant_audit`, of any number of variants.
    """
    rows = []
    for (variant, form), part in moved.groupby(["variant", "form"], sort=False):
        own = reach[
            (reach.variant == variant) & (reach.form == form) & (reach.step == reach.step.min())
        ]
        extra = own[~own.term.isin(["jepa", "context"])]
        to = extra[(extra.part == "context_encoder")]
        dead = sorted(set(extra.term) - set(extra[extra.reaches].term))
        heads = part[part.part.str.startswith("head of ")]
        rows.append(
            {
                "variant": variant,
                "form": form,
                "terms reaching the encoder": ", ".join(to.term[to.reaches]) or "–",
                "terms reaching nothing": ", ".join(dead) or "–",
                "largest gradient beside JEPA": float(to.relative.max()) if len(to) else np.nan,
                "heads that never move": ", ".join(
                    heads.part[heads.moved == 0].str.removeprefix("head of ")
                )
                or "–",
                "evaluated encoder trained": bool(part.evaluated_trained.iloc[0]),
            }
        )
    return pd.DataFrame(rows)


def own_effects(results: pd.DataFrame) -> pd.DataFrame:
    """Effects of own runs against the baseline of their regime and seed, for `claims`.

    Parameters
    ----------
    results : of `study.metrics`; linear probes are used.

    Returns
    -------
    Rows of `statistics.paired_differences` by benchmark, with `form`.
    """
    linear = results[(results.probe == "linear") & (results.variant != "random_init")]
    parts = []
    for regime, baseline in (("mixed", "baseline"), ("ucf101", "ucf_baseline")):
        rows = linear[linear.regime == regime]
        base = rows[rows.variant == baseline]
        for form, part in rows[rows.variant != baseline].groupby("form", sort=False):
            both = pd.concat([base, part], ignore_index=True)
            found = paired_differences(
                both, baseline, "top1", by=["benchmark"], clips="n_test", two_outcomes=True
            )
            parts.append(found.assign(form=form))
    return pd.concat(parts, ignore_index=True)
