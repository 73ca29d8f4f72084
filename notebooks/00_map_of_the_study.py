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
# # 00 · Map of the study
#
# **Question.** What does combining *factorized latent dynamics objectives* with *contrastive
# learning* in Video-JEPA do to *cross-domain transfer*? The report this repository accompanies
# lists 12 claims and could verify one. Its primary source, arXiv 2605.17165, studies auxiliary
# objectives for a small V-JEPA 2.1.
#
# **The idea.** A *joint-embedding predictive architecture* (JEPA) learns from films without labels:
# it hides a part of a clip and predicts what an encoder would make of it. To that prediction loss
# one can add terms that ask for more. Two families are combined here:
#
# - *Factorized dynamics*: FWM (factorized world model) gives one half of the latent to what stays
#   and the other to what changes; LD (latent dynamics) predicts how the latent changes from one
#   time step to the next; HW (hard-region weighting) weighs a loss towards the tokens predicted
#   worst.
# - *Contrast*: LTC (latent temporal contrast), IIC (inter-intra contrast) and VCLR (video-level
#   contrast) pull together what belongs together and push apart what does not.
#
# A study is a table of variants; a variant is a sum of named terms,
#
# $$\mathcal{L} = \mathcal{L}_\mathrm{JEPA} + \lambda(t)\,\mathcal{L}_\mathrm{context}
# + \sum_k w_k\,\mathcal{L}_k;$$
#
# a run is one variant with one seed; everything shown is computed from runs or from published
# facts.
#
# **How to read.** The notebooks are in order, and each says at its top which it follows and leads
# to. In a hurry: [04](04_baseline_and_collapse.ipynb) for what a JEPA does,
# [06](06_latent_dynamics.ipynb) and [12](12_contrastive_learning.ipynb) for the two families,
# [13](13_the_combination.ipynb) and [16](16_zero_shot_transfer.ipynb) for the answer. All of them
# read recorded runs unless told to train.
#
# - [01](01_published_results.ipynb): What do the published numbers say, with intervals and against
#   both baselines?
# - [02](02_claims_audit.ipynb): Do the report's twelve claims hold?
# - [03](03_data_clips_and_masks.ipynb): What does the encoder see, and does each benchmark measure
#   the encoder?
# - [04](04_baseline_and_collapse.ipynb): Does the baseline learn, and what does collapse look
#   like?
# - [05](05_hard_region_weighting.ipynb): Does it help to weight the prediction loss towards the
#   tokens predicted worst?
# - [06](06_latent_dynamics.ipynb): What does predicting the change of the target latent bring, and
#   does it train as released?
# - [07](07_factorized_world_model.ipynb): What do FWM, HW and LD do, alone and together, as
#   released and as described?
# - [08](08_motion_and_future_masking.ipynb): Does it help to hide what moves, or to hide the
#   future?
# - [09](09_action_conditioned.ipynb): What does predicting a token's change of colour bring?
# - [10](10_delta_spectral_temporal_contrast.ipynb): Does it help to match the target's change or
#   its temporal spectrum, or to tell a token from its successor?
# - [11](11_physics_and_the_frozen_target.ipynb): What do kinematic, velocity-gated, Hamiltonian
#   and SIGReg objectives do once the trained encoder is evaluated?
# - [12](12_contrastive_learning.ipynb): What do three contrasts bring beside the JEPA loss: LTC,
#   IIC, VCLR?
# - [13](13_the_combination.ipynb): **The research question**: does combining factorized dynamics
#   with contrast bring more than the better part?
# - [14](14_cross_domain_transfer.ipynb): What is left under domain shift, with how few labels, and
#   how is the same measured on HACS and Kinetics-400?
# - [15](15_what_the_gradients_reach.ipynb): What does each term really train?
# - [16](16_zero_shot_transfer.ipynb): What does the combination do to *zero-shot* transfer, a probe
#   fitted in one world and read in another?
# - [99](99_report.ipynb): Where does every figure and table come from?
#
# *Released* is what the source's published code trains, *described* what its text says. Where the
# two differ, both are run. `smoke`, `mini` and `small` are the sizes of our runs, from seconds to
# minutes; `paper` is the published one.

# %% tags=["parameters"]
LIVE: bool = False  # True: train what is missing, then show it; False: read recorded runs
PROFILE: str = None  # smoke, mini or small, to train; None: read, or mini where LIVE is True
SEEDS: list = None  # [0, 1] or "0,1"; None: VJEPA_SEEDS, else the seeds of the profile
JOBS: int = None  # training processes; None: VJEPA_JOBS, else one per core
DEVICE: str = None  # cpu or cuda; None: VJEPA_DEVICE, else cpu

# %%
import inspect

from IPython.display import Code

from vjepa_lib.analysis import overview
from vjepa_lib.objectives import Objective
from vjepa_lib.show import notebook

nb = notebook.open_notebook(
    "00_map_of_the_study", PROFILE, SEEDS, JOBS, DEVICE, live=LIVE, published=True
)

# %% [markdown]
# ## The sum, as it runs
#
# The formula above is this function. Every term looks at the same `batch` of latents; the returned
# values are what training curves show.

# %%
Code(inspect.getsource(Objective.forward), language="python")

# %% [markdown]
# ## The terms
#
# Every term is one class in `vjepa_lib/objectives`; `help(TERMS["ld"])` shows its text. In the
# formulas $\hat z$ is a prediction and $h$ its target, $Z$ are context tokens put back on the grid,
# and $t$ counts time steps. Look at which terms compare a latent with one a step later, and which
# compare clips with each other.

# %%
nb.out.table(overview.terms(), "terms", "The objective's terms")

# %% [markdown]
# ## The variants
#
# Every variant also has the JEPA loss and, from the middle of the training on, the context loss.
# The numbers are the weights $w_k$ of the formula. Weights of the factorized terms and of LTC are
# the published ones; those of IIC and VCLR, which the paper does not have, were matched to LTC's
# pull on the baseline ([12](12_contrastive_learning.ipynb)).
#
# Look at the last two columns. *EMA* says whether the target encoder follows the trained one by an
# exponential moving average; *forms* says where code and text part.

# %%
caption = "The variants; 'both': released and described forms train different things"
nb.out.table(overview.variants(), "variants", caption)

# %% [markdown]
# ## The profiles
#
# The same study in four sizes; `PROFILE` chooses one, and everything else stays as it is. Figures
# of recorded runs show `small`; `mini` is what a laptop trains while one reads.

# %%
nb.out.table(overview.profiles(), "profiles", "The profiles")

# %% [markdown]
# ## What it means
#
# Three things of this map come back everywhere. A comparison is one of runs that differ in their
# terms alone, or in [08](08_motion_and_future_masking.ipynb) in their masks: clips and seeds are
# the same. Where *forms* says "both", a published number may belong to another objective than the
# one in the text, so neither name nor formula says which was trained;
# [15](15_what_the_gradients_reach.ipynb) measures it. And `small` is small: what is found holds for
# encoders of this size on rendered clips, and says what an objective can do there, not what it does
# on films.

# %% [markdown]
# ## What we found

# %%
print(*overview.size_of_study(), sep="\n")
