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
# [Map](00_map_of_the_study.ipynb) · before: [05, hard-region
# weighting](05_hard_region_weighting.ipynb) · next: [07, the factorized world
# model](07_factorized_world_model.ipynb) · leans on [04](04_baseline_and_collapse.ipynb) (the JEPA
# loss) and 05 (HW)
#
# **Question.** What does predicting the change of the target latent from one time step to the next
# bring, alone, beside hard-region weighting (HW) and beside the factorized world model (FWM)?
#
# **The idea.** Much of the JEPA loss can be met by what stays the same over time: the background,
# the texture, the light. Latent dynamics (LD) adds a loss that this cannot meet. A small head $g$
# (Linear-GELU-Linear) reads a context token $Z_t$ and has to say how the target $h$ at its place
# moves on:
#
# $$\mathcal{L}_{LD} = \mathrm{mean}_P\,|g(Z_t) - (h_{t+1} - h_t)|.$$
#
# Only pairs $P$ count whose place is context at $t$ and at $t+1$, so the context encoder has seen
# both ends of the change. The difference is taken in the latent, not in pixels; for the same in
# pixels see [09](09_action_conditioned.ipynb).
#
# **Two forms.** *Released* is what the study's published code trains, *described* what its text
# says. Beside HW the pairs are weighted by their own error. As released that sum is taken without
# gradient, so `hw_ld` trains what `hw1` trains and shares its run; as described it trains. `smoke`,
# `mini` and `small` are the sizes of our runs, from seconds to minutes; every output says which it
# shows.

# %% tags=["parameters"]
LIVE: bool = False  # True: train what is missing, then show it; False: read recorded runs
PROFILE: str = None  # smoke, mini or small, to train; None: read, or mini where LIVE is True
SEEDS: list = None  # [0, 1] or "0,1"; None: VJEPA_SEEDS, else the seeds of the profile
JOBS: int = None  # training processes; None: VJEPA_JOBS, else one per core
DEVICE: str = None  # cpu or cuda; None: VJEPA_DEVICE, else cpu

# %%
import inspect

from IPython.display import Code

from vjepa_lib.analysis import at_work, encoders, findings, observations
from vjepa_lib.objectives.latent_dynamics import LatentDynamics
from vjepa_lib.show import notebook, plots, sections, strips
from vjepa_lib.training.pretrain import Trainer

nb = notebook.open_notebook("06_latent_dynamics", PROFILE, SEEDS, JOBS, DEVICE, live=LIVE)
results = nb.results  # recorded; LIVE: what is missing is trained here, once
clips = nb.clips

# %% [markdown]
# ## The term, as it runs
#
# Read from the library, so this is what was trained. `loss` takes the errors of every mask group
# over the pairs that follow each other (`batch.following`); `_errors` is the formula above for one
# group. Look at `self.learns`: it is the one line that tells the two forms apart.

# %%
source = (LatentDynamics.loss, LatentDynamics._errors)
Code("\n".join(inspect.getsource(f) for f in source), language="python")

# %% [markdown]
# ## At work on one batch: which pairs count
#
# A clip has two mask groups: two ways to hide parts of it. Orange are the context tokens of one
# clip, and under them those that are context one time step later too. Look at how many of the
# former are left in the latter: the rest teaches LD nothing.

# %%
trainer = Trainer(nb.config("ld").train)  # not trained yet: masks need no trained network
sample = clips["pre_videos"]
batch = at_work.latents(trainer, sample.batch(slice(0, 16)))
counts = at_work.pair_counts(batch)

# %%
# Context is cut to the shortest of the batch, so that it fits one tensor; last time steps go first.
fig = plots.clips(strips.context_and_pairs(sample.frames, batch), every=2, width=3.8)
nb.out.figure(
    fig,
    "pairs",
    counts,
    "Context tokens (orange), and those among them that are context one time step later too: the "
    "pairs LD learns from. Context is cut to the shortest of the batch, last time steps first",
)
nb.out.table(counts, "pair_counts", "How many pairs a clip gives, mean over 16 clips", digits=1)
print(findings.pairs_given(counts))

# %% [markdown]
# The line above is the size of LD's classroom: of all places and steps of a clip, so many give a
# pair. The masks were made for the JEPA loss, which wants much to be hidden; LD gets what they
# leave.

# %% [markdown]
# ## What the encoders make of a clip
#
# A token is a vector of dozens of numbers. Its first three principal components over the tokens of
# one clip become red, green and blue, a square each: places of one colour are alike to that
# encoder. Every row has colours of its own, so only patterns can be compared, not hues. Look along
# a row: does the pattern move with what moves in the clip, or does it stand still?

# %%
# From an encoder that nobody trained to one with LD; each is read as its probes read it.
runs = [
    ("random_init", "released"),
    ("baseline", "released"),
    ("ld", "released"),
    ("fwm_ld", "described"),
]
these = nb.encoders(runs)
rows, variance = strips.encoder_maps(these, clips["actions"].frames[0])

# %%
nb.out.figure(
    plots.clips(rows, every=2, width=4.4),  # one frame per time step
    "maps",
    variance,
    f"Tokens of one clip of `actions` as colours, a column per time step; encoders: {these.about}",
    nb.runs,
    digits=2,
)
print(observations.variance_over_time(variance))

# %% [markdown]
# The line puts a number to the picture. What is fixed to a place could be told from one frame; the
# rest is what the encoder keeps of time, on this one clip. An untrained encoder passes on whatever
# flickers, so a large share alone is no proof of motion. The next table sets moving clips beside
# held ones for that reason.

# %% [markdown]
# ## How much of the change an encoder carries
#
# $|h_{t+1}-h_t|$ of the same encoders, relative to $|h|$, in moving clips and in stills (one frame,
# held). What changes from frame to frame is motion, but also noise, which is new in every frame: an
# encoder may carry either. Look at both columns: an encoder that carries motion is high in the
# first, and one that carries little noise is low in the second.

# %%
kinds = {
    "moving": clips["pre_videos"].batch(slice(0, 32)),
    "held": clips["pre_stills"].batch(slice(0, 32)),
}
change = encoders.change_over_time(these.pairs, these.profile, these.seed, kinds, these.load)
caption = "Mean change of the latent from step to step, relative to its size (first seed)"
nb.out.table(change, "change", caption, nb.runs, digits=3)
print(findings.moving_and_held(change))

# %% [markdown]
# ## Does it train? Gradient reach in both forms beside HW
#
# Before a curve is looked at, one batch tells whether a term can train at all: how long is its
# gradient in each part of the network? Look at the rows of LD: a norm of 0 is a term that is
# computed, logged and never learned from. [15](15_what_the_gradients_reach.ipynb) asks this of
# every variant.

# %%
reach = at_work.reach_of_forms(
    "hw_ld",
    nb.profile.name,
    nb.seeds[0],
    sample.batch(slice(0, 8)),
    terms=("jepa", "hw", "ld"),
    without=("target_encoder",),
)
nb.out.table(
    reach[["form", "term", "part", "reaches", "norm", "relative"]],
    "reach",
    "What the terms of HW-LD reach at the first step; relative: in lengths of the JEPA gradient",
    digits=2,
)
print(findings.reach_of_term(reach, "ld"))

# %% [markdown]
# ## Training
#
# *RankMe* is the effective rank of clips' mean tokens, *feature std* their spread over clips; a
# rank of 1 or a spread of 0 is collapse ([04](04_baseline_and_collapse.ipynb)). Look for curves
# that leave the baseline's, and for a rank or a spread that falls to the floor. A spread that
# *rises* is worth a look too. The figures after it show how much of the loss is LD's.

# %%
# hw_ld as released trains what hw1 trains (notebook 05), so only its described form is shown.
pairs = [("ld", "released"), ("hw_ld", "described"), ("fwm_ld", "described")]
shares = sections.training(nb, nb.configs, pairs)

# %% [markdown]
# ## Results against the baseline
#
# A linear probe reads a frozen encoder's mean token. Every dot is a variant minus the baseline of
# the same seed, with its 95 % interval over seeds; an interval that holds 0 decides nothing.
# `hw_ld` without a note is the released form: HW at weight 1 and nothing of LD. Look at whether its
# two forms differ, and whether what LD gains, it gains where the answer is a motion.

# %%
gains = sections.results(nb, nb.sources, nb.runs)

# %% [markdown]
# ## What it means
#
# **The mechanism.** LD foresees nothing: both ends of every pair are context. It asks that a token
# *hold* how its place changes, and a mean-token probe can then read it. So its effect is looked for
# on the benchmarks whose answer is a motion, and `appearance`, which shows stills, is the control:
# an effect of the same size there would be a better encoder in general, not dynamics. The last cell
# sets the two side by side.
#
# **The cleanest comparison** is `hw_ld` in its two forms. It is the same question without a change
# of design: one line of code decides whether LD learns, the table of gradients above measures that,
# and the results show what follows.
#
# **Not expected.** Rank and spread need not move together: the ends of the trainings above show how
# LD's clips lie in fewer or more directions than the baseline's, and how far apart. A low rank is
# therefore no verdict by itself.
#
# **What remains open.** The held clips tell how much of the change is noise, not how much of the
# motion is understood. All results are of linear probes trained anew on each benchmark; what is
# left when the probe comes from elsewhere is asked in [16](16_zero_shot_transfer.ipynb). What LD
# does beside FWM is taken apart in [07](07_factorized_world_model.ipynb), beside the contrasts in
# [13](13_the_combination.ipynb).

# %% [markdown]
# ## What we found

# %%
sections.found(gains)
print(findings.reach_of_term(reach, "ld"))
print(findings.moving_and_held(change))
