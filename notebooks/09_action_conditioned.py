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
# tubelet and $P$ the places that are context at $t$ and at $t+1$. The paper calls the change an action;
# it is a target in pixels, which does not move with the encoder. `ac_hw` adds hard-region weighting
# (0.3), `fac` the factorized world model, where the head reads the dynamics half only.

# %% tags=["parameters"]
PROFILE = None
SEEDS = None
JOBS = None
DEVICE = None

# %%
import inspect

import numpy as np
import pandas as pd
from IPython.display import Code

from vjepa_lib import study
from vjepa_lib.analysis.ablation import name
from vjepa_lib.datasets.synthetic import REGIMES
from vjepa_lib.model import grid
from vjepa_lib.objectives.action import ActionConditioned
from vjepa_lib.show import notebook, plots, sections
from vjepa_lib.study import recorded

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
# ## At work on one batch: the target, and what of it could be foreseen
#
# The noise of the embedded clips is new in every frame. Averaged over a tubelet's pixels it leaves a
# change of colour even where camera and world stand still: nobody can foresee that, so for a
# head that has not seen $t+1$ it is a floor. A still, one frame held, has no change at all.

# %%
tokens = nb.profile.encoder.grid
camera = clips["pre_motions"].manifest["camera"] == "still"
kinds = {
    "the camera moves": ("pre_motions", np.flatnonzero(~camera)[:64]),
    "nothing moves": ("pre_motions", np.flatnonzero(camera)[:64]),
    "one frame held": ("pre_stills", np.arange(min(64, len(clips["pre_stills"])))),
}


def changes(title, index):
    """|change| of every token's colour, mean over colours: [B, T - 1, HW]."""
    rgb = grid.token_rgb(clips[title].batch(index), tokens)
    return grid.over_time(rgb, tokens).diff(dim=1).abs().mean(-1)


size = {kind: changes(*which) for kind, which in kinds.items()}
sizes = pd.DataFrame({"clips": k, "mean |change|": float(s.mean()), "largest": float(s.max())} for k, s in size.items())
nb.out.table(sizes, "targets", "Size of AC's target, in units of the normalised clip", digits=3)

# %%
largest = max(float(s[0].max()) for s in size.values())
rows = []
for kind, (title, index) in kinds.items():
    frames = clips[title].frames[int(index[0])].numpy()
    change = np.zeros(tokens.shape)
    change[:-1] = (size[kind][0] / largest).view(-1, tokens.h, tokens.w)
    rows += [(kind, frames, None), ("|change|", np.full_like(frames, 255), change)]
nb.out.figure(plots.clips(rows, every=2, opacity=1, width=3.8), "at_work", sizes, "Change of every token's mean colour up to the next time step, AC's target: white none, orange the largest of the three clips; the last time step has no next")

# %% [markdown]
# ## Training

# %%
shares = sections.training(nb, configs, [("ac", "released"), ("ac_hw", "released"), ("fac", "described")])

# %% [markdown]
# AC's loss against two marks, for the mixture of clips it is trained on. *Always 0*: what a head loses
# that knows nothing. *Noise unknown*: what a head loses that knows all but the noise of $t+1$. Of the
# change where nothing moves, half the variance is the noise of $t$, which it may know; hence $1/\sqrt 2$.

# %%
mixture = REGIMES["mixed"]
zero = sum(share * float(changes(title, slice(0, 128)).mean()) for title, share in mixture.items())
floor = (1 - mixture["pre_stills"]) * float(size["nothing moves"].mean()) / 2**0.5

# %%
curves = study.curves([c for c in configs if c.variant in ("ac", "ac_hw", "fac")])
late = curves[curves.step >= 0.9 * curves.step.max()].groupby(["variant", "form"], sort=False).ac.mean().reset_index()
late = late.assign(zero=zero, floor=floor).rename(columns={"ac": "AC's loss, last tenth", "zero": "always 0", "floor": "noise unknown"})
nb.out.table(late, "learned", "AC's loss at the end of the training beside what can be had without seeing the next time step", runs, digits=3)

# %% [markdown]
# ## Results against the baseline

# %%
gains = sections.results(nb, sources, runs)

# %% [markdown]
# ## What it means
#
# Both ends of every pair are context, so a head may subtract what it sees instead of foreseeing
# anything. A loss below the floor is proof of that: the noise of the next time step was read, not
# predicted. What AC then teaches is to keep the colour of tokens, and its change, readable in $Z$. That
# holds noise as well as motion, and says nothing on texture finer than a token; so motion is again set
# beside stills below. HW adds nothing of its own here if it adds nothing to the baseline (notebook 05).

# %% [markdown]
# ## What we found

# %%
sections.found(gains)
print(f"AC's loss at the end, against {zero:.3f} for always 0 and {floor:.3f} for noise unknown: " + ", ".join(f"{name(v, f)} {loss:.3f}" for v, f, loss in late.iloc[:, :3].itertuples(index=False)))
std = study.curves([c for c in configs if study.canonical(c).pretrained]).dropna(subset=["feature_std"]).groupby(["variant", "form"], sort=False).feature_std.last()
print("spread of features over clips at the end (last seed): " + ", ".join(f"{name(*k)} {v:.3f}" for k, v in std.items()))
