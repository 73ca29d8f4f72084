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
# # 10 · Delta, spectral and temporal-contrastive objectives
#
# [Map](00_map_of_the_study.ipynb) · before: [09, pixel targets](09_action_conditioned.ipynb) ·
# next: [11, physics and the frozen target](11_physics_and_the_frozen_target.ipynb) · leans on
# [04](04_baseline_and_collapse.ipynb) (the target encoder) and [05](05_hard_region_weighting.ipynb)
#
# **Question.** Does it help to match the target's change, its temporal spectrum, or to tell a token
# from its successor?
#
# **The idea.** A context token $Z_t$ sees its place, and so does the target $h_t$. Three terms
# compare the two over time. Delta is the plainest: what changes in the one should change in the
# other,
#
# $$\mathcal{L}_{\Delta} = \mathrm{mean}_P|(Z_{t+1}-Z_t)-(h_{t+1}-h_t)|,$$
#
# over the pairs $P$ of places that are context at $t$ and $t+1$; weight 0.5. The others:
#
# - **Spectral**: the same for frequencies, $\mathrm{mean}\,w_f|\mathcal{F}Z-\mathcal{F}h|$ over
#   places that are context at all times, $w_f$ from 0.1 to 1 with frequency; weight 1.
# - **LTC**, latent temporal contrast: a token is nearer to its own target than to the next,
#   $\mathrm{mean}_P\max(0,\,0.5-\cos(Z_t,h_t)+\cos(Z_t,h_{t+1}))$; weight 0.5.
# - **combo**: delta, hard-region weighting (HW, weight 0.3) and the stronger motion-guided masking.
#
# **Why this could go wrong.** All compare with targets *at the same place*, which the context
# encoder sees. The target encoder is its slow copy, a moving average (EMA): delta and spectral are
# met by an encoder that does not move. Whether that is what happens is measured below.
#
# What the study's code trains (*released*) and what its text says (*described*) are the same here.
# `smoke`, `mini` and `small` are the sizes of our runs; every output says which it shows.

# %% tags=["parameters"]
LIVE: bool = False  # True: train what is missing, then show it; False: read recorded runs
PROFILE: str = None  # smoke, mini or small, to train; None: read, or mini where LIVE is True
SEEDS: list = None  # [0, 1] or "0,1"; None: VJEPA_SEEDS, else the seeds of the profile
JOBS: int = None  # training processes; None: VJEPA_JOBS, else one per core
DEVICE: str = None  # cpu or cuda; None: VJEPA_DEVICE, else cpu

# %%
import inspect

from IPython.display import Code

from vjepa_lib import study
from vjepa_lib.analysis import at_work, encoders, findings, observations
from vjepa_lib.evaluation.reach import term_reach
from vjepa_lib.objectives.contrastive import LatentTemporalContrast
from vjepa_lib.objectives.delta import Delta
from vjepa_lib.objectives.spectral import Spectral
from vjepa_lib.show import notebook, plots, sections, strips

nb = notebook.open_notebook(
    "10_delta_spectral_temporal_contrast", PROFILE, SEEDS, JOBS, DEVICE, live=LIVE
)
results = nb.results  # recorded; LIVE: what is missing is trained here, once
clips = nb.clips

# %% [markdown]
# ## The terms, as they run
#
# Read from the library, so this is what was trained: delta, spectral, LTC. Look for `z` and `h` at
# one and the same place in all three; the predictor is in none of them.

# %%
source = (Delta.loss, Spectral.loss, LatentTemporalContrast.loss)
Code("\n".join(inspect.getsource(f) for f in source), language="python")

# %% [markdown]
# ## At work on one batch: which tokens count
#
# The baseline after its first 60 steps. Delta and LTC compare pairs of neighbouring time steps; the
# spectral term needs places that are context at *all* times. Look at how few those are.

# %%
baseline = nb.config("baseline")
trainer = nb.early_trainer(baseline)  # after 60 steps
sample = clips["pre_videos"]
batch = at_work.latents(trainer, sample.batch(slice(0, 16)))
counts = at_work.compared_counts(batch)

# %%
# Shown is the clip of the batch that gives the spectral term most.
nb.out.figure(
    plots.clips(strips.pairs_and_places(sample.frames, batch), every=2, width=3.8),
    "at_work",
    counts,
    "Tokens that delta and LTC compare (pairs), and places that the spectral term compares. "
    "Context is cut to the shortest of the batch, last time steps first, so few places are context "
    "at all times",
)
caption = "Tokens a clip gives to each term, mean over 16 clips"
nb.out.table(counts, "counts", caption, digits=1)

# %% [markdown]
# A term that is computed on so few tokens can still pull hard: its mean is over those it has. That
# is measured next.

# %% [markdown]
# ## How hard each term pulls
#
# The gradient of the weighted term into the context encoder, in lengths of the JEPA gradient, on
# the baseline after its first steps. For comparison LD (latent dynamics,
# [06](06_latent_dynamics.ipynb)) and AC (a target in pixels, [09](09_action_conditioned.ipynb)). A
# small share of the loss can be a long gradient. Before reading the ratios, look at what they are
# ratios *to*.

# %%
terms = {
    # The term that a variant adds comes last, after the JEPA and the context loss.
    variant: study.resolve(variant, "released", nb.profile.name).train.terms[-1]
    for variant in ("delta", "spectral", "ltc", "ld", "ac")
}
pull = at_work.pulls(trainer, sample.batch(slice(0, 64)), terms)
nb.out.table(
    pull,
    "pull",
    "Length of each term's weighted gradient into the context encoder, in lengths of the JEPA "
    "gradient, and the cosine between the two",
    digits=2,
)
print(findings.lengths(pull))
jepa = observations.where_jepa_pulls(term_reach(trainer, sample.batch(slice(0, 64))))
print(jepa)

# %% [markdown]
# What these are ratios *to* is short: the JEPA loss reaches the context encoder through the
# predictor alone, and early in a training nearly all of its gradient stays there, as the second
# sentence measures. The terms compare $Z$ itself, with nothing between them and the encoder (LD and
# AC only a head). How much of a ratio is a short JEPA gradient and how much a strong term is not
# taken apart here. Nor is it measured why so little passes the predictor: one that still gives much
# the same token whatever it is shown would have little to pass on, which is a guess.
#
# A ratio far above 1 does say that in these first steps the gradient of the sum is nearly that of
# the term. It does not say how far the encoder goes: Adam scales every step by the length of past
# gradients, and a long one moves the weights no farther than a short one. What the predictor lets
# through later is not measured either.

# %% [markdown]
# ## Training
#
# *RankMe* is the effective rank of clips' mean tokens, *feature std* their spread over clips. Look
# for curves that end where they began: a spread or a rank that does not leave its first value
# belongs to an encoder that has not moved much.

# %%
pairs = [(variant, "released") for variant in ("delta", "spectral", "ltc", "combo")]
shares = sections.training(nb, nb.configs, pairs)

# %% [markdown]
# ## How far training goes from the initialisation
#
# Tokens of the evaluated encoder beside those of the random encoder it began as: a cosine of 1 is
# an encoder that sees as it did at the start. Look at the cosine, and not only at the weights:
# weights can move without a token changing.

# %%
# Every run is compared with the random encoder of its own seed.
these = nb.encoders((c.variant, c.form) for c in nb.configs)
moved = encoders.mean_moved(these.configs, sample.batch(slice(0, 64)), these.load)
nb.out.table(
    moved,
    "moved",
    "Evaluated encoder against its own initialisation, mean over seeds; distance in lengths of the "
    "initial weights",
    nb.runs,
    digits=3,
)
print(findings.near_initialisation(moved))

# %% [markdown]
# What its tokens do over time, on clips with a moving camera: amplitudes of the temporal spectrum
# relative to frequency 0, and the cosine of neighbouring time steps. A cosine near 1 is a token
# that stays as it is. Look at whose row is like that of `random_init`.

# %%
variants = ("random_init", "baseline", "delta", "spectral", "ltc")
moving = clips["pre_motions"].batch(slice(0, 32))
these = nb.encoders(variants)
spectra = encoders.temporal_spectra(these.variants, these.profile, these.seed, moving, these.load)
nb.out.table(
    spectra,
    "spectra",
    "Temporal spectrum of the evaluated encoder's tokens, and the cosine of neighbouring time "
    "steps (first seed)",
    nb.runs,
    digits=3,
)

# %% [markdown]
# ## Results against the baseline
#
# Look at `random_init` beside the terms: a term that holds the encoder at its start should land
# near it, on whichever side of the baseline that is. Every dot is a variant minus the baseline of
# the same seed, read by a linear probe; an interval that holds 0 decides nothing.

# %%
gains = sections.results(nb, nb.sources, nb.runs)

# %% [markdown]
# ## What it means
#
# **The mechanism, as we read it.** At a place it can see, the target is what the context encoder
# itself said there a moment ago. A term that wants $Z$ to equal it, in differences or in
# frequencies, is met by an encoder that stays where it is, and the EMA copy can only follow. LTC
# also wants $Z_t$ to differ from $h_{t+1}$. That asks for tokens that change from step to step, and
# new noise in every frame would serve that as well as motion.
#
# **What supports it.** The cosine with the initialisation measures the hold. Where it stays near 1,
# what the probes read is the random encoder, and the result has to be compared with `random_init`
# and not only with the baseline; the last cell does both. The cosine of neighbouring time steps
# measures which way LTC goes.
#
# **Not expected.** A term's share of the loss says little about its hold: the gradient of an
# absolute value is as long for a small gap as for a large one. Nor is a long gradient the point:
# AC's target, in pixels, lies outside the encoder and does not hold it
# ([09](09_action_conditioned.ipynb)). LD compares at the same places too, but through a head, and
# what it asks is a change ([06](06_latent_dynamics.ipynb)).
#
# **What remains open.** `combo` contains delta, so the same reading holds for it, whatever its
# masks and weights add; they are not taken apart here. How strong the hold is depends on the weight
# and on how fast the target follows; at the paper's scale, with a longer schedule, it may be
# another balance. LTC is taken up beside other contrasts in [12](12_contrastive_learning.ipynb).

# %% [markdown]
# ## What we found

# %%
sections.found(gains)
# The same differences, taken from the encoder as it was initialised.
own = sections.gains_over(nb.sources, "random_init", baseline="baseline")
print(*findings.against(own, "random_init"), sep="\n")
print(findings.lengths(pull))
print(jepa)
print(findings.near_initialisation(moved))
print(findings.neighbouring_steps(spectra, encoders.NEIGHBOURS))
print(findings.share_of_added_terms(shares))
