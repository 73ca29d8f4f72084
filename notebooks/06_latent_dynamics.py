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
# moves on: $\mathcal{L}_{LD} = \mathrm{mean}_P\,|g(Z_t) - (h_{t+1} - h_t)|$. Only pairs count whose
# place is context at $t$ and at $t+1$. The JEPA loss can be met by what stays the same over time;
# this one cannot.
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

from vjepa_lib import diagnostics, notebook, plots, recorded, sections, study
from vjepa_lib.objectives.latent_dynamics import LatentDynamics
from vjepa_lib.pretrain import Trainer

nb = notebook.setup("06_latent_dynamics", PROFILE, SEEDS, JOBS, DEVICE)
asked = study.NOTEBOOK_RUNS["06"]
configs = nb.configs(asked)
sources = recorded.beside(nb.results(configs), asked)
runs = nb.hashes(configs)
clips = nb.clips()

# %% [markdown]
# ## The term, as it runs

# %%
Code(inspect.getsource(LatentDynamics.loss) + "\n" + inspect.getsource(LatentDynamics._errors), language="python")

# %% [markdown]
# ## At work on one batch: which pairs count

# %%
trainer = Trainer(study.resolve("ld", "released", nb.profile.name, nb.seeds[0]).train)
sample = clips["pre_videos"]
with torch.no_grad():
    batch = trainer.latents(sample.batch(slice(0, 16)))
grid, rows, counts = batch.grid, [], []
for group in batch.groups:
    pair = torch.zeros(16, grid.n, dtype=torch.bool).scatter(1, batch.context_index[group], batch.following[group])
    context = batch.valid[group]
    counts.append({"mask group": group + 1, "context tokens": int(context[0].sum()), "pairs": float(pair.float().sum(1).mean()), "of all possible pairs (%)": 100 * float(pair.float().sum(1).mean()) / (grid.n - grid.h * grid.w)})
    rows += [(f"context, group {group + 1}", sample.frames[0].numpy(), context[0].view(grid.shape).numpy()), ("pairs", sample.frames[0].numpy(), pair[0].view(grid.shape).numpy())]
counts = pd.DataFrame(counts)
nb.out.figure(plots.clips(rows, every=2, width=3.8), "pairs", counts, "Context tokens (orange) and those among them that are context one time step later too: the pairs LD learns from")
nb.out.table(counts, "pair_counts", "How many pairs a clip gives", digits=1)

# %% [markdown]
# How much of the target's change each encoder carries: $|h_{t+1}-h_t|$ of trained target encoders in
# moving and in still clips. An encoder that ignores motion has little of it, and nothing that tells
# the two apart.

# %%
change = []
for variant, form in (("random_init", "released"), ("baseline", "released"), ("ld", "released"), ("fwm_ld", "described")):
    encoder = study.load_encoder(study.resolve(variant, form, nb.profile.name, nb.seeds[0]))
    row = {"variant": variant, "form": form}
    for title in ("pre_videos", "pre_stills"):
        with torch.no_grad():
            h = encoder(clips[title].batch(slice(0, 32))).unflatten(1, (grid.t, -1))
        row[title] = float(h.diff(dim=1).abs().mean() / h.abs().mean())
    change.append(row)
change = pd.DataFrame(change)
nb.out.table(change, "change", "Mean change of the latent from step to step, relative to its size", runs, digits=3)

# %% [markdown]
# ## Does it train? Gradient reach in both forms beside HW

# %%
reach = pd.concat([diagnostics.term_reach(Trainer(study.resolve("hw_ld", f, nb.profile.name, nb.seeds[0]).train), sample.batch(slice(0, 8))).assign(form=f) for f in study.FORMS])
nb.out.table(reach[reach.term.isin(["jepa", "hw", "ld"])][["form", "term", "part", "reaches", "norm", "relative"]], "reach", "What the terms of HW-LD reach at the first step", digits=4)

# %% [markdown]
# ## Training

# %%
shares = sections.training(nb, configs, [("ld", "released"), ("hw_ld", "described"), ("fwm_ld", "described")])

# %% [markdown]
# ## Results against the baseline

# %%
gains = sections.results(nb, sources, runs)

# %% [markdown]
# ## What we found

# %%
sections.found(gains)
dead = reach[(reach.term == "ld") & (reach.part != "target_encoder")].groupby("form", sort=False)["norm"].max()
print("largest gradient of LD beside HW: " + ", ".join(f"{f} {v:.3g}" for f, v in dead.items()))
print("change of the latent, moving against still clips: " + ", ".join(f"{r.variant} {r.pre_videos:.3f}/{r.pre_stills:.3f}" for r in change.itertuples()))
