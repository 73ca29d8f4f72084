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
# (`hw`, `ac_hw`, `combo`) or 1 (`hw1`; also in `hw_ld`, `fwm_hw` and `fwm_hw_ld`, notebooks 06 and
# 07). With $\tau = 1$ and errors that differ by a few tenths, the weights stay close to 1: how far
# from it, and what that does to the gradient, is measured below.

# %% tags=["parameters"]
PROFILE = None
SEEDS = None
JOBS = None
DEVICE = None

# %%
import inspect

import numpy as np
import pandas as pd
import torch
from IPython.display import Code

from vjepa_lib import study
from vjepa_lib.analysis.at_work import early_trainer, on_grid, pulls
from vjepa_lib.objectives import hard_region
from vjepa_lib.show import notebook, plots, sections
from vjepa_lib.study import recorded
from vjepa_lib.training.pretrain import TermSpec

nb = notebook.setup("05_hard_region_weighting", PROFILE, SEEDS, JOBS, DEVICE)
asked = study.NOTEBOOK_RUNS["05"]
configs = nb.configs(asked)
sources = recorded.beside(nb.results(configs), asked)
runs = nb.hashes(configs)
clips = nb.clips()

# %% [markdown]
# ## The term, as it runs

# %%
source = (hard_region.hard_weights, hard_region.HardRegion.loss)
Code("\n\n".join(inspect.getsource(f) for f in source), language="python")

# %% [markdown]
# ## At work on one batch: which tokens are up-weighted
#
# Errors need a predictor that has learned something, so the baseline is trained here for a moment.

# %%
baseline = study.resolve("baseline", "released", nb.profile.name, nb.seeds[0])
trainer = early_trainer(baseline, clips)
sample = clips["pre_videos"]
with torch.no_grad():
    batch = trainer.latents(sample.batch(slice(0, 16)))
error = (batch.zhat[0] - batch.h_target[0]).abs().mean(-1)  # [B, M]
weights = {tau: hard_region.hard_weights(error, tau) for tau in (1.0, 0.1, 0.02)}

# %%
worst = max(1, error.shape[1] // 10)
spread = pd.DataFrame(
    {
        "temperature": tau,
        "lowest": float(w.min()),
        "highest": float(w.max()),
        "std": float(w.std()),
        "loss on the worst tenth (%)": 100 * float((w * error).topk(worst).values.sum() / (w * error).sum()),
    }
    for tau, w in weights.items()
)
nb.out.table(spread, "weights", "Weights of target tokens by temperature (the study uses 1); mean 1 by construction", digits=3)

# %%
targets = on_grid(torch.ones_like(error, dtype=torch.bool), batch.target_index[0], batch.grid)
drawn = on_grid(weights[0.1], batch.target_index[0], batch.grid)
rows = []
for i in range(3):
    frames = sample.frames[i].numpy()
    rows.append((f"clip {i + 1}: targets", frames, targets[i].numpy()))
    rows.append(("weight", np.full_like(frames, 255), (drawn[i] / drawn[i].max()).numpy()))
data = pd.DataFrame({"error": error.flatten().numpy()} | {f"weight, temperature {t}": w.flatten().numpy() for t, w in weights.items()})
nb.out.figure(plots.clips(rows, every=2, width=3.8), "at_work", data, "Target tokens of three clips, and their weights from 0 (white) to the clip's largest; drawn at temperature 0.1, as at 1 hardly a difference could be seen")

# %% [markdown]
# ## Another direction, or the JEPA loss again?
#
# The gradient of HW into the context encoder beside that of the JEPA loss, on the same batch. A
# cosine of 1 says that HW only makes the JEPA loss larger.

# %%
terms = {f"HW, temperature {tau:g}": TermSpec("hw", 0.3, options=(("temperature", tau),)) for tau in weights}
pull = pulls(trainer, sample.batch(slice(0, 64)), terms)
nb.out.table(pull, "pull", "HW at weight 0.3: length of its gradient into the context encoder, in lengths of the JEPA gradient, and the cosine between the two", digits=3)

# %% [markdown]
# ## Training

# %%
shares = sections.training(nb, configs, [("hw", "released"), ("hw1", "released")])

# %% [markdown]
# ## Results against the baseline

# %%
gains = sections.results(nb, sources, runs)

# %% [markdown]
# ## What it means
#
# The softmax runs over differences of errors, and where these are small against $\tau$ it hardly sees
# them. As far as the cosine above is near 1, HW is a larger factor before the JEPA loss, and AdamW divides such a factor
# out again: what remains is a smaller part for the other terms. To weight hard regions for good,
# $\tau$ has to be of the size of the errors' spread. So `hw` and `hw1` are a test of how much two
# nearly equal trainings differ, and `ac_hw` and `combo` have to be read beside the same variants
# without HW: AC in notebook 09, delta in notebook 10.

# %% [markdown]
# ## What we found

# %%
sections.found(gains)
one = spread.set_index("temperature").loc[1.0]
print(f"weights at temperature 1: {one.lowest:.2f} to {one.highest:.2f}, standard deviation {one['std']:.3f}; errors: standard deviation {float(error.std()):.3f}")
print("cosine of HW's gradient with that of the JEPA loss: " + ", ".join(f"{r.name[4:]} {r.cosine:.2f}" for r in pull.set_index("name", drop=False).itertuples(index=False)))
print(f"share of HW in the loss late in the training (%): {', '.join(f'{v} {s:.0f}' for v, s in zip(shares.variant, shares.hw))}")
