# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags
#     formats: ipynb,py:percent
#     notebook_metadata_filter: kernelspec,jupytext
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 07 · The factorized world model
#
# **Question.** What do the factorized world model (FWM), latent dynamics (LD) and hard-region
# weighting (HW) do, alone and in all eight combinations, as *released* and as *described*?
#
# FWM splits the latent in an appearance half $A$ that stays still and a dynamics half $Y$ that is
# decorrelated from it: $0.05\,\mathrm{mean}|A_{t+1}-A_t| + 0.01\,\mathrm{mean}\,\mathrm{cov}(A,Y)^2$.
# LD predicts from a token how the target moves on: $\mathrm{mean}|g(Z_t) - (h_{t+1}-h_t)|$.
# HW adds the prediction loss once more, weighted towards the tokens with the largest error.
#
# The forms differ in two places. *Released*: the halves are the shallow and the deep levels, and
# LD beside HW is computed without gradient. *Described*: every level is halved, and LD beside HW
# trains its head and the encoder.

# %% tags=["parameters"]
PROFILE = None
SEEDS = None
JOBS = None
DEVICE = None

# %%
import inspect

import pandas as pd
from IPython.display import Code

from vjepa_lib import study
from vjepa_lib.analysis import ablation
from vjepa_lib.analysis.ablation import (
    by_source,
    factorial,
    gains,
    named,
    seed_means,
    sentence,
    term_shares,
)
from vjepa_lib.datasets.synthetic import BENCHMARKS
from vjepa_lib.evaluation.reach import term_reach
from vjepa_lib.objectives.factorized import FwmOrth, FwmStatic
from vjepa_lib.objectives.latent_dynamics import LatentDynamics
from vjepa_lib.show import notebook, plots, sections
from vjepa_lib.study import recorded

nb = notebook.setup("07_factorized_world_model", PROFILE, SEEDS, JOBS, DEVICE)
asked = study.NOTEBOOK_RUNS["07"]
configs = nb.configs(asked)
results = nb.results(configs)
sources = {s: named(r) for s, r in recorded.beside(results, asked).items()}
runs = nb.hashes(configs)

# %% [markdown]
# ## The terms, as they run

# %%
Code(inspect.getsource(FwmStatic) + "\n\n" + inspect.getsource(FwmOrth), language="python")

# %%
Code(inspect.getsource(LatentDynamics), language="python")

# %% [markdown]
# ## The terms at work on one batch
#
# Hard-region weights of one clip's target tokens, and where the target latent moves.

# %%
import torch

from vjepa_lib.objectives.hard_region import hard_weights
from vjepa_lib.training.pretrain import Trainer

c = study.resolve("fwm_hw_ld", "described", nb.profile.name, nb.seeds[0])
trainer = Trainer(c.train)
clips = nb.clips()["pre_videos"]
with torch.no_grad():
    batch = trainer.latents(clips.batch(slice(0, 8)))
    error = (batch.zhat[0] - batch.h_target[0]).abs().mean(-1)
    weight = hard_weights(error, 0.05)
    grid = batch.grid
    spread = torch.zeros(8, grid.n).scatter(1, batch.target_index[0], weight)
    speed = batch.target_over_time.diff(dim=1).norm(dim=-1)
rows = []
for i in range(2):
    rows.append((f"clip {i + 1}", clips.frames[i].numpy(), None))
    rows.append(("HW weight", clips.frames[i].numpy(), (spread[i] / spread[i].max()).view(grid.shape).numpy()))
    v = torch.zeros(grid.shape)
    v[:-1] = ((speed[i] - speed[i].min()) / (speed[i].max() - speed[i].min())).view(grid.t - 1, grid.h, grid.w)
    rows.append(("|h(t+1) - h(t)|", clips.frames[i].numpy(), v.numpy()))
nb.out.figure(
    plots.clips(rows, every=2, width=4), "at_work",
    pd.DataFrame({"error": error[0].numpy(), "weight": weight[0].numpy()}),
    "Where hard-region weighting looks (temperature 0.05, for the eye), and where the target latent changes",
)

# %% [markdown]
# ## What each term's gradient reaches
#
# One batch at initialisation. The row that reaches nothing is the point: LD beside HW, as released.

# %%
reach = []
for form in study.FORMS:
    c = study.resolve("fwm_hw_ld", form, nb.profile.name, nb.seeds[0])
    reach.append(term_reach(Trainer(c.train), clips.batch(slice(0, 8))).assign(form=form))
reach = pd.concat(reach)
nb.out.table(reach[["form", "term", "part", "reaches", "norm", "relative", "cosine"]], "reach", "Gradient of each term of FWM-HW-LD: what it reaches, beside the JEPA gradient", digits=4)

# %% [markdown]
# ## All eight combinations, both forms
#
# LD beside HW as released trains what HW trains without it, so `hw_ld` and `fwm_hw_ld` as released
# share the runs of `hw1` and `fwm_hw` (notebook 15 trains them side by side).

# %%
cells = by_source(sources, seed_means)
for source, part in cells.groupby("source", sort=False):
    base = {b: {"baseline": float(rows[rows.name == "baseline"].top1.iloc[0])} for b, rows in part.groupby("benchmark", sort=False)}
    parts = part[part.name != "baseline"].assign(variant=lambda t: t.name.str.removesuffix(" (described)"), form=lambda t: t.name.str.endswith("(described)").map({True: "described", False: "released"}))
    fig = plots.intervals(parts.sort_values("form", ascending=False, kind="stable"), "top1", panel="benchmark", series="form", references=base)
    nb.out.figure(fig, f"combinations_{source.split(',')[0]}", part, f"Linear probes ({source} runs): filled as released, hollow as described, line: baseline; t intervals over seeds", runs)
wide = cells.pivot_table(index=["source", "name"], columns="benchmark", values="top1", sort=False)
nb.out.table(wide.reset_index(), "combinations_table", "Linear probes, top-1 (%), mean over seeds", runs, digits=1)

# %% [markdown]
# ## Differences to the baseline, seed by seed

# %%
diff = by_source(sources, lambda r: gains(r[r.name != "random_init"]))
for source, part in diff.groupby("source", sort=False):
    heat = part.pivot_table(index="name", columns="benchmark", values="effect", sort=False)[[*BENCHMARKS, "all"]]
    clear = part.assign(clear=ablation.clear(part)).pivot_table(index="name", columns="benchmark", values="clear", sort=False)[[*BENCHMARKS, "all"]]
    nb.out.figure(plots.heatmap(heat, mark=clear.fillna(0).astype(bool), bar_label="points against the baseline", width=7), f"differences_{source.split(',')[0]}", part, f"Points gained or lost against the baseline of the same seed ({source} runs); bold: the t interval over seeds is clear of 0", runs)
nb.out.table(diff[["source", "benchmark", "name", "effect", "low", "high", "n_seeds"]], "differences_table", "Differences to the baseline with t intervals over seeds, points", runs)

# %% [markdown]
# ## Main effects and interactions
#
# A full 2 x 2 x 2 factorial per form. Intervals use the scatter over seeds, pooled over the eight
# cells. `HW` has weight 1 in all its cells (the paper's HW alone has 0.3).

# %%
effects = pd.concat([factorial(r, form).assign(source=s, form=form) for s, r in sources.items() for form in study.FORMS], ignore_index=True)
for (source, form), part in effects.groupby(["source", "form"], sort=False):
    fig = plots.effects(part, panel="benchmark", xlabel="points", names={"all": "all six"})
    nb.out.figure(fig, f"effects_{form}_{source.split(',')[0]}", part, f"Main effects and interactions, {form} form ({source} runs), 95 % intervals over seeds; filled: clear of 0", runs)
nb.out.table(effects[["source", "form", "benchmark", "effect", "estimate", "low", "high", "p_adjusted", "n_seeds"]], "effects_table", "Main effects and interactions in points", runs)

# %% [markdown]
# ## Loss curves and each term's share

# %%
trained = [c for c in configs if c.pretrained]
curves = named(study.curves(trained), None)
pick = curves[curves.variant.isin(["baseline", "fwm", "ld", "fwm_ld", "fwm_hw_ld"])]
sections.collapse(nb, pick, nb.hashes(trained))

# %%
parts = term_shares(curves, study.resolve("fwm_hw_ld", "described", nb.profile.name))
nb.out.figure(plots.shares(parts), "shares", parts, "FWM-HW-LD as described: the loss and each term's share", nb.hashes([c for c in trained if c.variant == "fwm_hw_ld"]))

# %% [markdown]
# ## What we found

# %%
for (source, form), part in effects.groupby(["source", "form"], sort=False):
    all_six = part[part.benchmark == "all"]
    print(f"{source}, {form}, {int(all_six.n_seeds.iloc[0])} seeds, effects on the mean over benchmarks: " + sentence(all_six.rename(columns={"effect": "name", "estimate": "effect"})))
    own = part[part.benchmark != "all"]
    print(f"  {ablation.clear(own).sum()} of {len(own)} effects on single benchmarks have an interval clear of 0, {(ablation.clear(own) & (own.order > 1)).sum()} of them interactions; {(own.p_adjusted < 0.05).sum()} survive Holm's correction within their benchmark")
for source, part in diff[diff.benchmark == "all"].groupby("source", sort=False):
    print(f"{source}, against the baseline: {sentence(part.sort_values('effect', ascending=False))}")
std = curves.dropna(subset=["feature_std"]).groupby("name", sort=False).feature_std.last()
print("feature std at the end, 0 is collapse: " + ", ".join(f"{n} {v:.3f}" for n, v in std.items()))
dead = reach[(reach.term == "ld") & (reach.form == "released") & (reach.part != "target_encoder")]
print(f"LD beside HW as released: gradient norm {dead.norm.max():g} into {', '.join(dead.part)}")
