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
# # 09 · Action-conditioned: pixel targets
#
# **Question.** What does it bring to predict, from a context token, how the mean colour at its
# place changes?
#
# $\mathcal{L}_{AC} = \mathrm{mean}_P\,|g(Z_t) - (c_{t+1} - c_t)|$ with $c$ the mean RGB of a token's
# tubelet. The paper calls it an action; it is a target in pixels, which does not move with the
# encoder and cannot collapse. `ac_hw` adds hard-region weighting (0.3), `fac` the factorized world
# model, where the head reads the dynamics half only.

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

from vjepa_lib import notebook, plots, recorded, sections, study
from vjepa_lib.objectives.action import ActionConditioned
from vjepa_lib.pretrain import Trainer

nb = notebook.setup("09_action_conditioned", PROFILE, SEEDS, JOBS, DEVICE)
asked = study.NOTEBOOK_RUNS["09"]
configs = nb.configs(asked)
sources = recorded.beside(nb.results(configs), asked)
runs = nb.hashes(configs)
clips = nb.clips()

# %% [markdown]
# ## The term, as it runs

# %%
Code(inspect.getsource(ActionConditioned.loss), language="python")

# %% [markdown]
# ## At work on one batch: the target, and what of it can be known
#
# The change of a token's mean colour in a moving clip and in a still one. The noise of every pixel
# averages out over a tubelet's pixels but not wholly: what it leaves is a floor that nobody can
# predict. In the embedded world that floor is known: 0.2 of the pixel range over
# $\sqrt{n}$ pixels, twice.

# %%
trainer = Trainer(study.resolve("ac", "released", nb.profile.name, nb.seeds[0]).train)
grid = nb.profile.encoder.grid
rows, sizes = [], []
for title in ("pre_videos", "pre_motions", "pre_stills"):
    with torch.no_grad():
        batch = trainer.latents(clips[title].batch(slice(0, 32)))
    change = batch.rgb.unflatten(1, (grid.t, -1)).diff(dim=1)  # [B, T - 1, HW, 3]
    size = change.abs().mean(-1)
    sizes.append({"clips": title, "mean |change|": float(size.mean()), "largest": float(size.max()), "of the colour's std": float(size.mean() / batch.rgb.std())})
    shown = torch.cat([size[0] / size.max(), torch.zeros(1, grid.h * grid.w)]).view(grid.shape)
    rows += [(title, clips[title].frames[0].numpy(), None), ("|change|", clips[title].frames[0].numpy(), shown.numpy())]
sizes = pd.DataFrame(sizes)
nb.out.figure(plots.clips(rows, every=2, width=3.8), "at_work", sizes, "Change of every token's mean colour to the next time step, the target of AC; brightest is largest within a clip's row")
nb.out.table(sizes, "targets", "Size of AC's target (normalised units)", digits=3)

# %% [markdown]
# ## Training

# %%
shares = sections.training(nb, configs, [("ac", "released"), ("ac_hw", "released"), ("fac", "described")])

# %%
curves = study.curves([c for c in configs if c.variant in ("ac", "ac_hw", "fac")])
first, last = (curves[curves.step.between(*s)].groupby(["variant", "form"], sort=False).ac.mean() for s in ((0, curves.step.max() * 0.1), (curves.step.max() * 0.9, curves.step.max())))
learned = pd.DataFrame({"first tenth": first, "last tenth": last, "kept (%)": 100 * last / first}).reset_index()
nb.out.table(learned, "learned", "AC's loss at the start and the end of the training", runs, digits=3)

# %% [markdown]
# ## Results against the baseline

# %%
gains = sections.results(nb, sources, runs)

# %% [markdown]
# ## What we found

# %%
sections.found(gains)
print("AC's loss, last tenth of the training beside the first: " + ", ".join(f"{r.variant} ({r.form}) {r.keeps:.0f} %" for r in learned.rename(columns={"kept (%)": "keeps"}).itertuples()))
