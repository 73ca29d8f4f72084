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
# [Map](00_map_of_the_study.ipynb) · before: [04, the baseline and
# collapse](04_baseline_and_collapse.ipynb) · next: [06, latent dynamics](06_latent_dynamics.ipynb)
# · leans on 04 (the JEPA loss, rank and spread)
#
# **Question.** Does it help to weight the prediction loss towards the tokens that are predicted
# worst?
#
# **The idea.** Most of a clip is easy to predict: a wall stays a wall. Hard-region weighting (HW)
# lets the hard tokens count for more. Each target token $i$ of a clip gets a weight from its own
# error $e_i = \mathrm{mean}_d|\hat z_i - h_i|$, where $\hat z$ is predicted and $h$ the target:
#
# $$\mathcal{L}_{HW} = \mathrm{mean}_i\,w_i e_i, \qquad w = K\,\mathrm{softmax}(e/\tau),$$
#
# with the weights $w$ of a clip's $K$ target tokens taken without gradient; their mean is 1. The
# temperature $\tau$ says how sharply hard tokens are preferred. $\mathcal{L}_{HW}$ is *added* to
# the JEPA loss, with weight 0.3 (`hw`, `ac_hw`, `combo`) or 1 (`hw1`; also in `hw_ld`, `fwm_hw` and
# `fwm_hw_ld`, notebooks 06 and 07).
#
# **Why this could go wrong.** A softmax of small numbers is nearly flat. How far the weights lie
# from 1 at the study's $\tau = 1$, and what that does to the gradient, is measured below.
#
# HW alone is the same as *released* (what the study's published code trains) and as *described*
# (what its text says). `smoke`, `mini` and `small` are the sizes of our runs, from seconds to
# minutes; every output says which it shows.

# %% tags=["parameters"]
LIVE: bool = False  # True: train what is missing, then show it; False: read recorded runs
PROFILE: str = None  # smoke, mini or small, to train; None: read, or mini where LIVE is True
SEEDS: list = None  # [0, 1] or "0,1"; None: VJEPA_SEEDS, else the seeds of the profile
JOBS: int = None  # training processes; None: VJEPA_JOBS, else one per core
DEVICE: str = None  # cpu or cuda; None: VJEPA_DEVICE, else cpu

# %%
import inspect

from IPython.display import Code

from vjepa_lib.analysis import at_work, findings
from vjepa_lib.objectives import hard_region
from vjepa_lib.show import notebook, plots, sections, strips
from vjepa_lib.training.pretrain import TermSpec

nb = notebook.open_notebook("05_hard_region_weighting", PROFILE, SEEDS, JOBS, DEVICE, live=LIVE)
results = nb.results  # recorded; LIVE: what is missing is trained here, once
clips = nb.clips

# %% [markdown]
# ## The term, as it runs
#
# Read from the library, so this is what was trained. `hard_weights` is the softmax; look at the
# `detach`: a weight says where to look, and is not to be made smaller itself.

# %%
source = (hard_region.hard_weights, hard_region.HardRegion.loss)
Code("\n\n".join(inspect.getsource(f) for f in source), language="python")

# %% [markdown]
# ## At work on one batch: which tokens are up-weighted
#
# Errors need a predictor that has learned something, so this is the baseline after its first 60
# steps.

# %%
baseline = nb.config("baseline")
trainer = nb.early_trainer(baseline)  # after 60 steps; kept, so nothing is trained to read this
sample = clips["pre_videos"]
batch = at_work.latents(trainer, sample.batch(slice(0, 16)))
error = at_work.prediction_errors(batch)  # [clips, target tokens] of the first mask group

# %% [markdown]
# By construction the mean weight is 1. Look at how far the lowest and the highest are from it, at
# the study's temperature and at two sharper ones. The last column says what it comes to: the share
# of the loss that is on the worst tenth of the tokens, which would be ten percent if all errors and
# weights were equal.

# %%
temperatures = (1.0, 0.1, 0.02)
spread = at_work.weight_spread(error, temperatures)
caption = "Weights of target tokens by temperature (the study uses 1); mean 1 by construction"
nb.out.table(spread, "weights", caption, digits=3)
print(findings.weights_at(spread, 1.0, error))

# %% [markdown]
# The line compares two widths, that of the weights and that of the errors. At $\tau = 1$ a weight
# is about $1 + (e_i - \bar e)$, so the two are nearly the same number, and small errors give nearly
# equal weights.

# %% [markdown]
# The same on three clips: the target tokens, and under them their weights. It is drawn at
# temperature 0.1; where the weights of the table's first row are all near 1, nothing could be seen
# at temperature 1.

# %%
rows = strips.targets_and_weights(sample.frames, batch, error, temperature=0.1)
nb.out.figure(
    plots.clips(rows, every=2, width=3.8),
    "at_work",
    at_work.token_weights(error, temperatures),
    "Target tokens of three clips, and their weights from 0 (white) to the clip's largest",
)

# %% [markdown]
# The weight follows the error and nothing else: it does not know whether a token is hard because
# something moves there or because its noise cannot be foreseen.

# %% [markdown]
# ## Another direction, or the JEPA loss again?
#
# The gradient of HW into the context encoder beside that of the JEPA loss, on the same batch. A
# cosine of 1 says that HW only makes the JEPA loss larger. Look at how it falls as the softmax gets
# colder.

# %%
terms = {
    # A colder softmax is tried beside the study's, to see when HW becomes a loss of its own.
    f"HW, temperature {tau:g}": TermSpec("hw", 0.3, options=(("temperature", tau),))
    for tau in temperatures
}
pull = at_work.pulls(trainer, sample.batch(slice(0, 64)), terms)
nb.out.table(
    pull,
    "pull",
    "HW at weight 0.3: length of its gradient into the context encoder, in lengths of the JEPA "
    "gradient, and the cosine between the two",
    digits=3,
)
print(findings.directions(pull))

# %% [markdown]
# ## Training
#
# *RankMe* is the effective rank of clips' mean tokens, *feature std* their spread over clips. Look
# first at `hw` and `hw1`: whether they leave the baseline's curves at all. Losses are those of the
# JEPA term alone, so that they can be compared; the weighted term's part of the whole loss is in
# the figures after it. `ac_hw` and `combo` have other terms beside HW.

# %%
shares = sections.training(nb, nb.configs, [("hw", "released"), ("hw1", "released")])

# %% [markdown]
# ## Results against the baseline
#
# A linear probe reads a frozen encoder's mean token. Every dot is a variant minus the baseline of
# the same seed. An interval that holds 0 decides nothing; a variant that helps is to the right of 0
# on most benchmarks. Look at `hw` and `hw1` for HW itself, at the other two for HW beside other
# terms.

# %%
gains = sections.results(nb, nb.sources, nb.runs)

# %% [markdown]
# ## What it means
#
# **The mechanism.** The softmax runs over differences of errors, and where these are small against
# $\tau$ it hardly sees them. As far as the cosine above is near 1, HW is a larger factor before the
# JEPA loss, and AdamW divides such a factor out again: what remains is a smaller part for the other
# terms. To weight hard regions for good, $\tau$ has to be of the size of the errors' spread.
#
# **What supports it.** The table of weights measures the first step of this argument, the cosines
# the second. The results of `hw` and `hw1` are the third: if HW is the JEPA loss again, they should
# lie about where the baseline lies, and the last cell says whether they do.
#
# **Not expected.** A term can take up a large share of the loss, as HW does in the figures above,
# and add next to no direction of its own. A share of the loss is no measure of what a term does.
#
# **What remains open.** The colder softmax was tried on one batch and not in a training, so nothing
# here says that it would help: the tokens with the largest errors may be those whose noise cannot
# be foreseen. `ac_hw` and `combo` have to be read beside the same variants without HW: AC, a pixel
# target, in [09](09_action_conditioned.ipynb), delta in
# [10](10_delta_spectral_temporal_contrast.ipynb). HW as one of three in
# [07](07_factorized_world_model.ipynb) shows whether it takes from the others.

# %% [markdown]
# ## What we found

# %%
sections.found(gains)
print(findings.weights_at(spread, 1.0, error))
print(findings.directions(pull))
print(findings.share_of_added_terms(shares))
