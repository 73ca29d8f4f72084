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
# moves on: $\mathcal{L}_{LD} = \mathrm{mean}_P\,|g(Z_t) - (h_{t+1} - h_t)|$. Only pairs $P$ count
# whose place is context at $t$ and at $t+1$, so the context encoder has seen both ends of the
# change. Much of the JEPA loss can be met by what stays the same over time; this one cannot.
#
# Beside HW the pairs are weighted by their own error. As *released* that sum is taken without
# gradient, so `hw_ld` trains what `hw1` trains and shares its run; as *described* it trains.

# %% tags=["parameters"]
LIVE: bool = False  # True: train what is missing, then show it; False: read recorded runs
PROFILE: str = None  # smoke, mini or small, to train; None: read, or mini where LIVE is True
SEEDS: list = None  # [0, 1] or "0,1"; None: VJEPA_SEEDS, else the seeds of the profile
JOBS: int = None  # training processes; None: VJEPA_JOBS, else one per core
DEVICE: str = None  # cpu or cuda; None: VJEPA_DEVICE, else cpu

# %%
import inspect

from IPython.display import Code

from vjepa_lib.analysis import at_work, encoders, findings
from vjepa_lib.objectives.latent_dynamics import LatentDynamics
from vjepa_lib.show import notebook, plots, sections, strips
from vjepa_lib.training.pretrain import Trainer

nb = notebook.open_notebook("06_latent_dynamics", PROFILE, SEEDS, JOBS, DEVICE, live=LIVE)
results = nb.results  # recorded; LIVE: what is missing is trained here, once
clips = nb.clips

# %% [markdown]
# ## The term, as it runs

# %%
source = (LatentDynamics.loss, LatentDynamics._errors)
Code("\n".join(inspect.getsource(f) for f in source), language="python")

# %% [markdown]
# ## At work on one batch: which pairs count
#
# Orange are the context tokens of one clip, and under them those that are context one time step
# later too. Look at how many of the former are left in the latter: the rest teaches LD nothing.

# %%
trainer = Trainer(nb.config("ld").train)
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
# ## How much of the change an encoder carries
#
# $|h_{t+1}-h_t|$ of the evaluated encoders, relative to $|h|$, in moving clips and in stills (one
# frame, held). What changes from frame to frame is motion, but also noise, which is new in every
# frame: an encoder may carry either.

# %%
# From an encoder that nobody trained to one with LD; each is read as its probes read it.
runs = [
    ("random_init", "released"),
    ("baseline", "released"),
    ("ld", "released"),
    ("fwm_ld", "described"),
]
kinds = {
    "moving": clips["pre_videos"].batch(slice(0, 32)),
    "held": clips["pre_stills"].batch(slice(0, 32)),
}
these = nb.encoders(runs)
change = encoders.change_over_time(these.pairs, these.profile, these.seed, kinds, these.load)
caption = "Mean change of the latent from step to step, relative to its size (first seed)"
nb.out.table(change, "change", caption, nb.runs, digits=3)

# %% [markdown]
# ## Does it train? Gradient reach in both forms beside HW
#
# Look at the rows of LD: a norm of 0 is a term that is computed, logged and never learned from.

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
# Look for curves that leave the baseline's, and for a rank or a spread that falls to the floor. The
# figures after it show how much of the loss is LD's.

# %%
# hw_ld as released trains what hw1 trains (notebook 05), so only its described form is shown.
pairs = [("ld", "released"), ("hw_ld", "described"), ("fwm_ld", "described")]
shares = sections.training(nb, nb.configs, pairs)

# %% [markdown]
# ## Results against the baseline
#
# `hw_ld` without a note is the released form: HW at weight 1 and nothing of LD. Look at whether its
# two forms differ, and whether what LD gains, it gains where the answer is a motion.

# %%
gains = sections.results(nb, nb.sources, nb.runs)

# %% [markdown]
# ## What it means
#
# LD foresees nothing: both ends of every pair are context. It asks that a token *hold* how its
# place changes, and a mean-token probe can then read it. So its effect is looked for on the
# benchmarks whose answer is a motion, and `appearance`, which shows stills, is the control: an
# effect of the same size there would be a better encoder in general, not dynamics. `hw_ld` in its
# two forms is the same question without a change of design: one line of code decides whether LD
# learns.

# %% [markdown]
# ## What we found

# %%
sections.found(gains)
print(findings.reach_of_term(reach, "ld"))
print(findings.moving_and_held(change))
