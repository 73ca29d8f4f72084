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
# # 08 · Motion-guided and future-predictive masking
#
# **Question.** Does it help to hide what moves, or to hide the future?
#
# *Motion-guided*: a block's place is drawn with probability proportional to
# $(\mathrm{mean\ frame\ difference\ in\ the\ block})^s$, with $s=2$ and 10 % of the blocks drawn
# evenly (`motion_guided`), or $s=5$ and none (`amg`). *Future-predictive*: context comes from the
# first half of the time steps only, and everything else is predicted, with 4 and 1 blocks instead
# of 8 and 2. `motion_future` does both. The objective stays the baseline's.

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

from vjepa_lib import masking, notebook, plots, recorded, sections, study

nb = notebook.setup("08_motion_and_future_masking", PROFILE, SEEDS, JOBS, DEVICE)
asked = study.NOTEBOOK_RUNS["08"]
configs = nb.configs(asked)
sources = recorded.beside(nb.results(configs), asked)
runs = nb.hashes(configs)
clips = nb.clips()

# %% [markdown]
# ## The masks, as they are drawn

# %%
Code(inspect.getsource(masking.position_chances), language="python")

# %%
Code(inspect.getsource(masking.sample_masks), language="python")

# %% [markdown]
# ## At work: what the masks follow
#
# Two clips with a moving object or a moving camera; how often each place is hidden over 300 draws.

# %%
grid = nb.profile.encoder.grid
sample = clips["pre_videos"]
moving = [i for i in range(len(sample)) if sample.manifest["shape"].iloc[i] != "none"][:2]
batch = sample.batch(torch.tensor(moving))
motion = masking.motion_map(batch, grid)
rows, follow = [], []
for k, i in enumerate(moving):
    m = motion[k]
    rows.append((f"clip {k + 1}: motion", sample.frames[i].numpy(), ((m - m.min()) / (m.max() - m.min())).numpy()))
    for kind in ("multiblock", "motion_guided", "amg"):
        hits = torch.zeros(grid.h * grid.w)
        for s in range(300):
            (_, target), *_ = masking.sample_masks(masking.MaskingConfig(kind), grid, 1, torch.Generator().manual_seed(s), m[None])
            hits[target[0][target[0] < grid.h * grid.w]] += 1 / 300
        rows.append((kind, sample.frames[i].numpy(), hits.view(grid.h, grid.w).numpy()))
        follow.append({"clip": k + 1, "masking": kind, "correlation with motion": float(torch.corrcoef(torch.stack([m.flatten(), hits]))[0, 1]), "hidden (%)": 100 * float(hits.mean())})
follow = pd.DataFrame(follow)
nb.out.figure(plots.clips(rows, every=2, width=3.8), "at_work", follow, "Where a clip moves, and how often each kind of mask hides each place (first mask group)")
nb.out.table(follow, "follow", "Correlation over places between motion and the frequency of being hidden", digits=2)

# %%
rows, sizes = [], []
for kind in ("multiblock", "future_predictive", "motion_future"):
    masks = masking.sample_masks(masking.MaskingConfig(kind), grid, 1, torch.Generator().manual_seed(1), motion[:1])
    for group, (context, target) in enumerate(masks):
        shown = torch.zeros(grid.n, dtype=torch.bool).scatter(0, target[0], True)
        rows.append((f"{kind}, {group + 1}", sample.frames[moving[0]].numpy(), shown.view(grid.shape).numpy()))
        sizes.append({"masking": kind, "group": group + 1, "context": context.shape[1], "predicted": target.shape[1], "tokens": grid.n})
sizes = pd.DataFrame(sizes)
nb.out.figure(plots.clips(rows, every=2, width=3.8), "future", sizes, "What is predicted (orange) by each kind and mask group, one frame per time step")
nb.out.table(sizes, "sizes", "Tokens of context and of prediction in one draw")

# %% [markdown]
# ## Training
#
# Losses of different masks are not comparable: they predict other tokens from other contexts.

# %%
shares = sections.training(nb, configs, [("motion_guided", "released"), ("future_predictive", "released")])

# %% [markdown]
# ## Results, mixed data: against the baseline

# %%
mixed = sections.results(nb, sources, runs)

# %% [markdown]
# ## Results, one data set: against its baseline

# %%
single = sections.results(nb, sources, runs, "ucf_baseline", "_ucf101")

# %% [markdown]
# ## What we found

# %%
sections.found(mixed)
sections.found(single, "ucf_baseline")
print("correlation of hiding with motion: " + ", ".join(f"{k} {v:.2f}" for k, v in follow.groupby("masking", sort=False)["correlation with motion"].mean().items()))
