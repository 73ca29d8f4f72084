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

import numpy as np
import pandas as pd
import torch
from IPython.display import Code

from vjepa_lib import study
from vjepa_lib.analysis.at_work import hidden_share
from vjepa_lib.model import masking
from vjepa_lib.show import notebook, plots, sections
from vjepa_lib.study import recorded

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
# Three clips in which an object moves; how often each place is hidden over 300 draws of the first mask
# group. Motion is the mean absolute difference of neighbouring frames, noise included.

# %%
grid = nb.profile.encoder.grid
sample = clips["pre_videos"]
with_object = np.flatnonzero(sample.manifest["shape"] != "none")[:3]
motion = masking.motion_map(sample.batch(with_object), grid)  # [3, h, w]

# %%
kinds = ("multiblock", "motion_guided", "amg")
rows, follow, places = [], [], []
for k, i in enumerate(with_object):
    m = motion[k]
    found = {kind: hidden_share(kind, m, grid) for kind in kinds}
    maps = [torch.zeros_like(m), (m - m.min()) / (m.max() - m.min()), *found.values()]
    frame = sample.frames[i, 0].numpy()
    rows.append((f"clip {k + 1}", np.stack([frame] + 4 * [np.full_like(frame, 255)]), torch.stack(maps).numpy()))
    for kind, often in found.items():
        both = torch.stack([m.flatten(), often.flatten()])
        follow.append({"clip": k + 1, "masking": kind, "correlation with motion": float(torch.corrcoef(both)[0, 1]), "hidden (%)": 100 * float(often.mean())})
        places += [{"clip": k + 1, "masking": kind, "place": j, "motion": float(a), "hidden": float(b)} for j, (a, b) in enumerate(both.T)]
follow = pd.DataFrame(follow)
fig = plots.clips(rows, tubelet=1, opacity=1, width=4.4)
for ax, title in zip(fig.axes, ("first frame", "motion", *kinds)):
    ax.set_title(title, fontsize=6)
nb.out.figure(fig, "at_work", pd.DataFrame(places), "Where a clip moves (white: least, orange: most), and how often each kind of mask hides each place (white: never, orange: always)")
nb.out.table(follow, "follow", "Correlation over places between motion and the frequency of being hidden", digits=2)

# %%
kinds = ("multiblock", "future_predictive", "motion_future")
frames = sample.frames[with_object[0]].numpy()
rows, sizes = [], []
for kind in kinds:
    masks = masking.sample_masks(masking.MaskingConfig(kind), grid, 1, torch.Generator().manual_seed(1), motion[:1])
    for group, (context, target) in enumerate(masks, 1):
        shown = torch.zeros(grid.n, dtype=torch.bool).scatter(0, target[0], True).view(grid.shape)
        rows.append((f"{kind.replace('_', ' ')}, {group}", frames, shown.numpy()))
        sizes.append({"masking": kind, "group": group, "context": context.shape[1], "predicted": target.shape[1], "tokens": grid.n})
sizes = pd.DataFrame(sizes)
nb.out.figure(plots.clips(rows, every=2, width=3.8), "future", sizes, "What is predicted (orange) by each kind and mask group, one frame per time step")
nb.out.table(sizes, "sizes", "Tokens of context and of prediction in one draw")

# %% [markdown]
# ## Training
#
# Losses of different masks are not comparable: they predict other tokens from other contexts.

# %%
mixed, single = ([c for c in configs if c.regime == r] for r in ("mixed", "ucf101"))
shares = sections.training(nb, mixed, [("motion_guided", "released")])

# %%
single_shares = sections.training(nb, single, [("future_predictive", "released")], suffix="_ucf101")

# %% [markdown]
# ## Results, mixed data: against the baseline

# %%
mixed_gains = sections.results(nb, sources, runs)

# %% [markdown]
# ## Results, one data set: against its baseline

# %%
single_gains = sections.results(nb, sources, runs, "ucf_baseline", "_ucf101")

# %% [markdown]
# ## What it means
#
# A motion-guided mask does two things at once: it hides what moves, and because its blocks fall on the
# same places it hides fewer of them. The first makes prediction harder, the second easier, and the
# results are those of both. In the embedded clips a moving camera moves every place, so that there is
# less to follow than in a film of a diver.
#
# A future-predictive mask changes the task: nothing of the second half is seen, so that no place can be
# filled in from its neighbours in time on both sides. If that teaches motion, it shows on the benchmarks
# whose answer is a motion and not on `appearance`.

# %% [markdown]
# ## What we found

# %%
sections.found(mixed_gains)
sections.found(single_gains, "ucf_baseline")
mean = follow.groupby("masking", sort=False)[["correlation with motion", "hidden (%)"]].mean()
print("correlation of hiding with motion, and places hidden: " + ", ".join(f"{k} {r.iloc[0]:.2f}, {r.iloc[1]:.0f} %" for k, r in mean.iterrows()))
