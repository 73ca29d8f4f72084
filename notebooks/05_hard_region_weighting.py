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
# # 05 · Hard-region weighting
#
# **Question.** Does it help to weight the prediction loss towards the tokens that are predicted
# worst?
#
# Each target token $i$ of a clip gets a weight from its own error
# $e_i = \mathrm{mean}_d|\hat z_i - h_i|$: $w = K\,\mathrm{softmax}(e/\tau)$, without gradient, with
# mean 1. The weighted loss $\mathrm{mean}\,w_i e_i$ is *added* to the JEPA loss, with weight 0.3
# (`hw`, `ac_hw`, `combo`) or 1 (`hw1`, and beside latent dynamics). With $\tau = 1$ and errors that
# differ by a few tenths, the weights stay close to 1: how far from it is measured below.

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
from vjepa_lib.objectives import hard_region
from vjepa_lib.pretrain import Trainer

nb = notebook.setup("05_hard_region_weighting", PROFILE, SEEDS, JOBS, DEVICE)
asked = study.NOTEBOOK_RUNS["05"]
configs = nb.configs(asked)
sources = recorded.beside(nb.results(configs), asked)
runs = nb.hashes(configs)
clips = nb.clips()

# %% [markdown]
# ## The term, as it runs

# %%
Code(inspect.getsource(hard_region.hard_weights) + "\n\n" + inspect.getsource(hard_region.HardRegion.loss), language="python")

# %% [markdown]
# ## At work on one batch: which tokens are up-weighted
#
# Errors need a trained predictor, so the baseline is trained here for a moment.

# %%
config = study.resolve("baseline", "released", nb.profile.name, nb.seeds[0])
trainer = Trainer(config.train)
data = study.training_clips(config, clips)
for step in range(min(60, config.train.schedule.steps)):
    trainer.train_step(data.batch(step, config.train.schedule.batch, config.seed, trainer.device))
sample = clips["pre_videos"]
with torch.no_grad():
    batch = trainer.latents(sample.batch(slice(0, 16)))
error = (batch.zhat[0] - batch.h_target[0]).abs().mean(-1)
weights = {tau: hard_region.hard_weights(error, tau) for tau in (1.0, 0.1, 0.02)}
spread = pd.DataFrame([{"temperature": tau, "lowest": float(w.min()), "highest": float(w.max()), "std": float(w.std()), "share of the loss on the worst tenth (%)": 100 * float((w * error).topk(max(1, error.shape[1] // 10), dim=1).values.sum() / (w * error).sum())} for tau, w in weights.items()])
nb.out.table(spread, "weights", "Weights of target tokens by temperature (the study uses 1); mean 1 by construction", digits=3)

# %%
grid = batch.grid
rows = []
for i in range(3):
    place = torch.zeros(grid.n).scatter(0, batch.target_index[0][i], weights[0.02][i])
    hidden = torch.zeros(grid.n).scatter(0, batch.target_index[0][i], 1.0).bool()
    rows += [(f"clip {i + 1}", sample.frames[i].numpy(), None), ("targets", sample.frames[i].numpy(), hidden.view(grid.shape).numpy()), ("weight", sample.frames[i].numpy(), (place / place.max()).view(grid.shape).numpy())]
nb.out.figure(
    plots.clips(rows, every=2, width=3.8), "at_work", pd.DataFrame({"error": error.flatten().numpy(), **{f"weight, temperature {t}": w.flatten().numpy() for t, w in weights.items()}}),
    "Target tokens of three clips and their weights; drawn at temperature 0.02, as at 1 no difference could be seen",
)

# %% [markdown]
# ## Training

# %%
shares = sections.training(nb, configs, [("hw", "released"), ("hw1", "released")])

# %% [markdown]
# ## Results against the baseline

# %%
gains = sections.results(nb, sources, runs)

# %% [markdown]
# ## What we found
#
# At the published temperature the weights are nearly even, so the term is close to training the
# JEPA loss with a larger factor. Whether it does more is what the intervals say.

# %%
sections.found(gains)
one = spread.set_index("temperature").loc[1.0]
print(f"weights at temperature 1: {one.lowest:.2f} to {one.highest:.2f}, standard deviation {one['std']:.3f}")
print(shares.round(1).to_string(index=False))
