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
# $\mathcal{L}_{AC} = \mathrm{mean}_P\,|g(Z_t) - (c_{t+1} - c_t)|$ with $c$ the mean RGB of a
# token's tubelet and $P$ the places that are context at $t$ and at $t+1$. The paper calls the
# change an action; it is a target in pixels, which does not move with the encoder. `ac_hw` adds
# hard-region weighting (0.3), `fac` the factorized world model, where the head reads the dynamics
# half only.

# %% tags=["parameters"]
LIVE: bool = False  # True: train what is missing, then show it; False: read recorded runs
PROFILE: str = None  # smoke, mini or small, to train; None: read, or mini where LIVE is True
SEEDS: list = None  # [0, 1] or "0,1"; None: VJEPA_SEEDS, else the seeds of the profile
JOBS: int = None  # training processes; None: VJEPA_JOBS, else one per core
DEVICE: str = None  # cpu or cuda; None: VJEPA_DEVICE, else cpu

# %%
import inspect

from IPython.display import Code

from vjepa_lib.analysis import ablation, colours, findings
from vjepa_lib.datasets.synthetic import REGIMES
from vjepa_lib.objectives.action import ActionConditioned
from vjepa_lib.show import notebook, plots, sections, strips

nb = notebook.open_notebook("09_action_conditioned", PROFILE, SEEDS, JOBS, DEVICE, live=LIVE)
results = nb.results  # recorded; LIVE: what is missing is trained here, once
clips = nb.clips

# %% [markdown]
# ## The term, as it runs

# %%
Code(inspect.getsource(ActionConditioned.loss), language="python")

# %% [markdown]
# ## At work on one batch: the target, and what of it could be foreseen
#
# The noise of the embedded clips is new in every frame. Averaged over a tubelet's pixels it leaves
# a change of colour even where camera and world stand still: nobody can foresee that, so for a
# head that has not seen $t+1$ it is a floor. A still, one frame held, has no change at all.

# %%
grid = nb.profile.encoder.grid
kinds = colours.clips_by_movement(clips)
changes = {
    kind: colours.colour_change(clips[domain].batch(index), grid)
    for kind, (domain, index) in kinds.items()
}
sizes = colours.change_sizes(changes)
caption = "Size of AC's target, in units of the normalised clip"
nb.out.table(sizes, "targets", caption, digits=3)

# %% [markdown]
# One clip of each kind, and under it AC's target. Look at the second one: whatever is orange there
# is noise.

# %%
nb.out.figure(
    plots.clips(strips.colour_changes(clips, kinds, changes, grid), every=2, opacity=1, width=3.8),
    "at_work",
    sizes,
    "Change of every token's mean colour up to the next time step, AC's target: white none, orange "
    "the largest of the three clips; the last time step has no next",
)

# %% [markdown]
# How much of the target is noise is the ratio of the table's second row to its first.

# %% [markdown]
# ## Training
#
# Look for curves that leave the baseline's, and in the figures after it for how much of the loss
# is AC's.

# %%
pairs = [("ac", "released"), ("ac_hw", "released"), ("fac", "described")]
shares = sections.training(nb, nb.configs, pairs)

# %% [markdown]
# AC's loss against two marks, for the mixture of clips it is trained on. *Always 0*: what a head
# loses that knows nothing. *Noise unknown*: what a head loses that knows all but the noise of
# $t+1$. Of the change where nothing moves, half the variance is the noise of $t$, which it may
# know; hence
# $1/\sqrt 2$.

# %%
noise = float(changes["nothing moves"].mean())
marks = colours.loss_without_seeing(clips, REGIMES["mixed"], grid, noise)
with_ac = [c for c in nb.configs if c.variant in ("ac", "ac_hw", "fac")]
late = ablation.loss_at_end(nb.curves_of(with_ac), "ac")
nb.out.table(
    colours.loss_and_marks(late, marks),
    "learned",
    "AC's loss at the end of the training beside what can be had without seeing the next time step",
    nb.runs,
    digits=3,
)
print(*findings.loss_beside_marks(late, marks), sep="\n")

# %% [markdown]
# ## Results against the baseline
#
# Look at motion and stills apart: a target that changes with the pixels may help the one and cost
# the other.

# %%
gains = sections.results(nb, nb.sources, nb.runs)

# %% [markdown]
# ## What it means
#
# Both ends of every pair are context, so a head may subtract what it sees instead of foreseeing
# anything. A loss below the floor is proof of that: the noise of the next time step was read, not
# predicted. What AC then teaches is to keep the colour of tokens, and its change, readable in $Z$.
# That holds noise as well as motion, and says nothing on texture finer than a token; so motion is
# again set beside stills below. HW adds nothing of its own here if it adds nothing to the baseline
# (notebook 05).

# %% [markdown]
# ## What we found

# %%
sections.found(gains)
print(*findings.loss_beside_marks(late, marks), sep="\n")
print(findings.spread_at_end(nb.ends))
