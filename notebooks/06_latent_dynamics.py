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
# # 06 · Latent dynamics
#
# **Question.** What does predicting the change of the target latent from one time step to the next
# bring, alone, beside hard-region weighting and beside the factorized world model?
#
# A head $g$ (Linear-GELU-Linear) reads a context token and predicts how the target at its place
# moves on: $\mathcal{L}_{LD} = \mathrm{mean}_P\,|g(Z_t) - (h_{t+1} - h_t)|$. Only pairs $P$ count whose
# place is context at $t$ and at $t+1$, so the context encoder has seen both ends of the change. Much
# of the JEPA loss can be met by what stays the same over time; this one cannot.
#
# Beside HW the pairs are weighted by their own error. As *released* that sum is taken without
# gradient, so `hw_ld` trains what `hw1` trains and shares its run; as *described* it trains.

# %% tags=["parameters"]
PROFILE = None
SEEDS = None
JOBS = None
DEVICE = None

# %%
import inspect

import pandas as pd
import torch
from IPython.display import Code

from vjepa_lib import study
from vjepa_lib.analysis.ablation import name
from vjepa_lib.analysis.at_work import on_grid
from vjepa_lib.evaluation.reach import term_reach
from vjepa_lib.objectives.latent_dynamics import LatentDynamics
from vjepa_lib.show import notebook, plots, sections
from vjepa_lib.study import recorded
from vjepa_lib.training.pretrain import Trainer

nb = notebook.setup("06_latent_dynamics", PROFILE, SEEDS, JOBS, DEVICE)
asked = study.NOTEBOOK_RUNS["06"]
configs = nb.configs(asked)
sources = recorded.beside(nb.results(configs), asked)
runs = nb.hashes(configs)
clips = nb.clips()

# %% [markdown]
# ## The term, as it runs

# %%
source = (LatentDynamics.loss, LatentDynamics._errors)
Code("\n".join(inspect.getsource(f) for f in source), language="python")

# %% [markdown]
# ## At work on one batch: which pairs count

# %%
trainer = Trainer(study.resolve("ld", "released", nb.profile.name, nb.seeds[0]).train)
sample = clips["pre_videos"]
with torch.no_grad():
    batch = trainer.latents(sample.batch(slice(0, 16)))
grid, frames = batch.grid, sample.frames[0].numpy()
possible = grid.n - grid.h * grid.w  # the last time step has no successor

# %%
rows, counts = [], []
for g in batch.groups:
    context = batch.valid[g].view(-1, *grid.shape)
    pair = on_grid(batch.following[g], batch.context_index[g], grid)
    rows.append((f"context, group {g + 1}", frames, context[0].numpy()))
    rows.append(("pairs", frames, pair[0].numpy()))
    n = float(batch.following[g].sum(1).float().mean())
    counts.append({"mask group": g + 1, "context tokens": batch.z[g].shape[1], "pairs": n, "of all possible pairs (%)": 100 * n / possible})
counts = pd.DataFrame(counts)
nb.out.figure(plots.clips(rows, every=2, width=3.8), "pairs", counts, "Context tokens (orange), and those among them that are context one time step later too: the pairs LD learns from. Context is cut to the shortest of the batch, last time steps first")
nb.out.table(counts, "pair_counts", "How many pairs a clip gives, mean over 16 clips", digits=1)

# %% [markdown]
# ## How much of the change an encoder carries
#
# $|h_{t+1}-h_t|$ of the evaluated encoders, relative to $|h|$, in moving clips and in stills (one
# frame, held). What changes from frame to frame is motion, but also noise, which is new in every
# frame: an encoder may carry either.

# %%
change = []
for variant, form in (("random_init", "released"), ("baseline", "released"), ("ld", "released"), ("fwm_ld", "described")):
    encoder = study.load_encoder(study.resolve(variant, form, nb.profile.name, nb.seeds[0]))
    row = {"name": name(variant, form)}
    for title, kind in (("pre_videos", "moving"), ("pre_stills", "held")):
        with torch.no_grad():
            h = encoder(clips[title].batch(slice(0, 32))).unflatten(1, (grid.t, -1))
        row[kind] = float(h.diff(dim=1).abs().mean() / h.abs().mean())
    change.append(row)
change = pd.DataFrame(change)
nb.out.table(change, "change", "Mean change of the latent from step to step, relative to its size (first seed)", runs, digits=3)

# %% [markdown]
# ## Does it train? Gradient reach in both forms beside HW

# %%
reach = []
for form in study.FORMS:
    trainer = Trainer(study.resolve("hw_ld", form, nb.profile.name, nb.seeds[0]).train)
    reach.append(term_reach(trainer, sample.batch(slice(0, 8))).assign(form=form))
reach = pd.concat(reach, ignore_index=True)
shown = reach[reach.term.isin(["jepa", "hw", "ld"]) & (reach.part != "target_encoder")]
nb.out.table(shown[["form", "term", "part", "reaches", "norm", "relative"]].reset_index(drop=True), "reach", "What the terms of HW-LD reach at the first step; relative: in lengths of the JEPA gradient", digits=4)

# %% [markdown]
# ## Training

# %%
shares = sections.training(nb, configs, [("ld", "released"), ("hw_ld", "described"), ("fwm_ld", "described")])

# %% [markdown]
# ## Results against the baseline
#
# `hw_ld` without a note is the released form: HW at weight 1 and nothing of LD.

# %%
gains = sections.results(nb, sources, runs)

# %% [markdown]
# ## What it means
#
# LD foresees nothing: both ends of every pair are context. It asks that a token *hold* how its place
# changes, and a mean-token probe can then read it. So its effect is looked for on the benchmarks
# whose answer is a motion, and `appearance`, which shows stills, is the control: an effect of the same
# size there would be a better encoder in general, not dynamics. `hw_ld` in its two forms is the same
# question without a change of design: one line of code decides whether LD learns.

# %% [markdown]
# ## What we found

# %%
sections.found(gains)
ld = reach[(reach.term == "ld") & (reach.part != "target_encoder")].groupby("form", sort=False)["norm"].max()
print("largest gradient of LD beside HW: " + ", ".join(f"{f} {v:.3g}" for f, v in ld.items()))
print("change of the latent, moving / held: " + ", ".join(f"{r.title} {r.moving:.3f} / {r.held:.3f}" for r in change.rename(columns={"name": "title"}).itertuples()))
