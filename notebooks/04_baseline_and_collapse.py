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
# # 04 · The baseline and collapse
#
# [Map](00_map_of_the_study.ipynb) · before: [03, data, clips and
# masks](03_data_clips_and_masks.ipynb) · next: [05, hard-region
# weighting](05_hard_region_weighting.ipynb)
#
# **Question.** Does the V-JEPA baseline learn something that its random initialisation does not
# have, and what does collapse look like when the safeguards are taken away?
#
# **The idea.** Three networks share a clip. The *context encoder* sees only the tokens that the
# mask leaves. The *predictor* gets what it made of them, and guesses the tokens at the hidden
# places. What it should have guessed comes from the *target encoder*, which sees the whole clip.
# Nothing is rebuilt in pixels: prediction and target are both latents,
#
# $$\mathcal{L} = \mathrm{mean}\,|\hat z - h|
# + \lambda\,\mathrm{mean}\,\frac{|\hat z_{ctx} - h_{ctx}|}{\sqrt{\mathrm{dist}}}.$$
#
# $\hat z$ is predicted and $h$ is the target, at the hidden places; with index $ctx$, at the places
# that were seen. $\mathrm{dist}$ is how many tokens a seen place lies from the nearest hidden one.
# The weight $\lambda$ is 0 in the first half of the training.
#
# **Why this could go wrong.** Two networks that map every clip to one point predict each other
# without error. That is *collapse*. The safeguard is that the target encoder gets no gradient: its
# weights follow those of the context encoder slowly, as an exponential moving average (EMA). Below,
# EMA is on, and then off.
#
# *Released* is what the study's published code trains, *described* what its text says; without EMA
# the two differ, and both are run. `smoke`, `mini` and `small` are the sizes of our runs, from
# seconds to minutes; every figure says which it shows.

# %% tags=["parameters"]
LIVE: bool = False  # True: train what is missing, then show it; False: read recorded runs
PROFILE: str = None  # smoke, mini or small, to train; None: read, or mini where LIVE is True
SEEDS: list = None  # [0, 1] or "0,1"; None: VJEPA_SEEDS, else the seeds of the profile
JOBS: int = None  # training processes; None: VJEPA_JOBS, else one per core
DEVICE: str = None  # cpu or cuda; None: VJEPA_DEVICE, else cpu

# %%
import inspect

from IPython.display import Code

from vjepa_lib.analysis import ablation, at_work, findings, observations, selection
from vjepa_lib.objectives.jepa import Context, Jepa
from vjepa_lib.show import notebook, plots, sections, strips
from vjepa_lib.training.pretrain import Trainer

nb = notebook.open_notebook("04_baseline_and_collapse", PROFILE, SEEDS, JOBS, DEVICE, live=LIVE)
results = nb.results  # recorded; LIVE: what is missing is trained here, once

# %% [markdown]
# ## The loss, as it runs
#
# The code below is read from the library, so it is what was trained. The first term of the formula
# is one line. `batch.zhat` holds a tensor for each mask group of a clip (notebook 03 draws them).

# %%
Code(inspect.getsource(Jepa.loss), language="python")

# %% [markdown]
# The second term asks for the latents of places the encoder has seen. That sounds easy, but nothing
# in the first term asks a seen token to say what is at its own place.

# %%
Code(inspect.getsource(Context.loss), language="python")

# %% [markdown]
# ## The training step, as it runs
#
# `latents` is one pass through the three networks. Look for the two calls that differ: the targets
# see all `patches`, the context encoder only those of `contexts`.

# %%
Code(inspect.getsource(Trainer.latents), language="python")

# %% [markdown]
# The step itself adds the gradient, and then, in `_follow`, moves the target encoder a little
# towards the context encoder. That call is the safeguard: with EMA off it does not happen.

# %%
Code(inspect.getsource(Trainer.train_step), language="python")

# %% [markdown]
# ## What the encoders make of a clip
#
# A token is a vector of dozens of numbers. Its first three principal components over the tokens of
# one clip become red, green and blue: places of one colour are alike to that encoder. Every row has
# colours of its own, so only patterns can be compared, not hues. Look at two things: whether the
# pattern follows what is in the picture, and whether it changes from one time step to the next.

# %%
found = nb.encoders(("random_init", "baseline", "ucf_baseline"))
# Reads the kept encoders, and builds the untrained one.
rows, variance = strips.encoder_maps(found, nb.clips["actions"].frames[0])

# %%
nb.out.figure(
    plots.clips(rows, every=2),  # one frame per time step
    "maps",
    variance,
    f"Tokens of one clip of `actions` as colours, a column per time step; encoders: {found.about}",
    nb.runs,
    digits=2,
)
print(observations.variance_over_time(variance))

# %% [markdown]
# The line above puts a number to the second question. What is fixed to a place could be told from a
# still image; the rest of the variance is what the encoder keeps of time, noise of single frames
# included. An untrained encoder passes on that noise too, and every encoder is told where a token
# stands (rotary positions), which colours the map as well. So the share alone does not say that
# motion was *learned*. That is what the probes further down measure.

# %% [markdown]
# ## Loss and collapse diagnostics over training
#
# *RankMe* is the effective rank of mean tokens of 64 fixed clips (Garrido et al., arXiv
# 2210.02885): in how many directions clips differ. *Feature std* is how far they are spread. A
# collapsed encoder has rank 1 or spread 0. Look at whether the loss falls while rank and spread
# stay, or falls *because* they fall. The table has the ends of all recorded runs, those with EMA
# off included.

# %%
sections.collapse(nb, nb.curves, nb.hashes(nb.trained))
print(observations.ends_compared(nb.ends, "no_ema (described)", "ucf_baseline"))

# %% [markdown]
# A low loss alone is no good sign: a target with fewer directions is easier to predict. Losses of
# runs whose targets differ do not say which encoder is better, only how well each network guesses
# its own targets. The last line also has the lowest and the highest seed: where they lie far apart,
# seeds ended differently, and a mean over them describes none.
#
# Nor is a falling rank alone collapse. Follow the *baseline* from step 0, the random
# initialisation, to the end, and hold that against what the probes further down read from the two:
# an encoder that has learned what clips have in common needs fewer directions than one that passes
# everything on.

# %% [markdown]
# ## What the loss is made of
#
# Look at the middle of the left panel, where the context loss enters, and at how much of the loss
# it makes up afterwards.

# %%
baselines = [c for c in nb.trained if c.variant == "baseline"]
share = sections.shares(nb, nb.curves, nb.config("baseline"), nb.hashes(baselines))
print(findings.late_share(share))

# %% [markdown]
# The share of a term in the *loss* is not its share in the gradient. How hard each term pulls is
# measured in [15](15_what_the_gradients_reach.ipynb).

# %% [markdown]
# ## What can be read from the encoders
#
# A linear classifier on the mean token of the frozen encoder (a *linear probe*) tells how plainly
# an answer lies in the latent. Look at the distance from `random_init` to `baseline` on each
# benchmark, and at which rows coincide. Where live runs are shown, they are filled; recorded ones,
# which are larger and have more seeds, are hollow.

# %%
cells = selection.by_source(nb.linear, ablation.seed_means)
nb.out.figure(
    plots.intervals(cells, "top1", rows="name", panel="benchmark", series="source"),
    "linear",
    cells,
    f"Linear probes on the mean token, means and t intervals over seeds{nb.marks}",
    nb.runs,
)
caption = "Linear probes, top-1 (%), mean over seeds"
nb.out.table(selection.side_by_side(cells), "linear_table", caption, nb.runs, digits=1)

# %% [markdown]
# `no_ema` as released has the row of the random initialisation. That is no chance: what its probes
# read is the random initialisation, as the last section shows. `no_ema` as described is a trained
# encoder, and is to be compared with `ucf_baseline`, which saw the same clips.

# %% [markdown]
# ## Seed by seed: the baseline against its own initialisation
#
# Every seed has its own initial weights, so each baseline is compared with what it started from.
# Look at which intervals hold 0.

# %%
pair = (("random_init", "released"), ("baseline", "released"))
gains = selection.by_source(nb.linear, ablation.gains_among, pair, "random_init")
nb.out.table(
    gains[["source", "benchmark", "effect", "low", "high", "n_seeds"]],
    "gain",
    "Baseline minus random initialisation, points, t intervals over seeds",
    nb.runs,
)
print(*observations.most_and_least(gains), sep="\n")

# %% [markdown]
# The same for EMA: trained without it, and evaluated as the text describes, against the baseline of
# the same clips and seeds. Look at the length of the intervals beside those of the table above.

# %%
pair = (("ucf_baseline", "released"), ("no_ema", "described"))
without = selection.by_source(nb.linear, ablation.gains_among, pair, "ucf_baseline")
print(*findings.by_benchmark(without, "ucf_baseline"), sep="\n")

# %% [markdown]
# ## EMA off: what is evaluated never moved
#
# In the released code a run with EMA off takes its targets from the context encoder, but the
# probes still read the target encoder. If that is so, its weights are those of the initialisation
# after any number of steps. We train a few steps and compare bit for bit; look at the second row.

# %%
forms = (("ucf_baseline", "released"), ("no_ema", "released"), ("no_ema", "described"))
configs = [nb.config(variant, form) for variant, form in forms]
checks = nb.measured("evaluated_after", at_work.evaluated_after, configs, nb.clips, steps=5)
caption = "Is the evaluated encoder the trained one? After 5 steps"
nb.out.table(checks, "evaluated", caption)

# %% [markdown]
# Where everything is unmoved, no objective can have had any effect on what was evaluated: the row
# of a table then holds the probe of a random encoder under the objective's name.
# [11](11_physics_and_the_frozen_target.ipynb) follows this through the objectives that were
# published with EMA off, and [02](02_claims_audit.ipynb) through the claims that rest on them.

# %% [markdown]
# ## What it means
#
# **Mechanism.** The baseline learns by predicting latents of what it cannot see, so it keeps what
# can be foreseen from the rest of the clip. A texture can: it fills the frame and lasts the whole
# clip. Noise that is new in every frame cannot. The gains above, seed by seed, support this: they
# can be held against what each benchmark asks, which
# [03](03_data_clips_and_masks.ipynb) lists.
#
# **Not expected.** Switching EMA off was to bring collapse. Whether it did is in the table of ends:
# a rank of 1 or a spread of 0 is complete collapse, and a lower rank than with EMA a loss of
# directions. The targets carry no gradient in the prediction loss even when EMA is off, and
# stopping that gradient is a safeguard of its own (SimSiam, Chen and He, arXiv 2011.10566). What
# did not move at all was the *evaluated* encoder of the released code, and that is an error, not a
# property of the objective.
#
# **Open.** The runs are short, and nothing here shows that they had settled when they ended: a
# longer training could change the distances between rows. Whether the loss of the context places
# matters is not measured; no run leaves it out.

# %% [markdown]
# ## What we found

# %%
print(*findings.by_benchmark(gains, "random init"), sep="\n")
print(findings.rank_at_end(nb.ends))
print(*findings.unmoved(checks), sep="\n")
