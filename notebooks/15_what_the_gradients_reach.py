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
# # 15 · What the gradients reach
#
# [Map](00_map_of_the_study.ipynb) · before: [14, cross-domain
# transfer](14_cross_domain_transfer.ipynb) · next: [16, zero-shot
# transfer](16_zero_shot_transfer.ipynb) · leans on [04](04_baseline_and_collapse.ipynb) (the three
# networks) and explains results of [06](06_latent_dynamics.ipynb),
# [07](07_factorized_world_model.ipynb) and [11](11_physics_and_the_frozen_target.ipynb)
#
# **Question.** Which part of the network does each term really train, how strongly and in which
# direction beside the JEPA loss, what never moves, and is the evaluated encoder the trained one?
#
# **The idea.** A term $\mathcal{L}_k$ can be computed, logged and even fall without training
# anything. Whether it trains is seen in its gradient with respect to each part $\theta_p$ of the
# network:
#
# $$g_{k,p} = \nabla_{\theta_p}\mathcal{L}_k, \qquad
# \mathrm{reach} = \|g_{k,p}\|, \qquad
# \mathrm{direction} = \cos(g_{k,p},\, g_{JEPA,p}).$$
#
# Reach 0 is a term without effect there. A direction near 1 is the JEPA loss in other words.
#
# Every variant is trained for a few steps in both forms, *released* (what the study's published
# code trains) and *described* (what its text says), and looked at. In the names: HW hard-region
# weighting, LD latent dynamics, FWM the factorized world model, LTC, IIC and VCLR the contrasts
# over time, between views and over videos; `ac` has a target in pixels, `no_ema` has no moving
# average (EMA). `smoke`, `mini` and `small` are the sizes of our runs. `evaluation.term_reach` and
# `evaluation.gradient_reach` do the same for your own objective.

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
from vjepa_lib.analysis import selection
from vjepa_lib.audit import published, reach_of_variants
from vjepa_lib.audit.released_code import implementation_facts, summary
from vjepa_lib.evaluation.reach import term_reach
from vjepa_lib.show import notebook, plots
from vjepa_lib.training.pretrain import Trainer

nb = notebook.open_notebook("15_what_the_gradients_reach", PROFILE, SEEDS, JOBS, DEVICE, live=LIVE)
sets = nb.clips
steps = 1 if nb.profile.name == "smoke" else 10
looks = (0, steps // 2, steps)

# %% [markdown]
# ## The measurement, as it runs
#
# One batch, and a gradient for each term on its own. A term is a function of the batch's latents,
# so nothing has to be trained to ask what it would do; weights stay as they are.

# %%
Code(inspect.getsource(term_reach), language="python")

# %% [markdown]
# ## Every variant, both forms
#
# Look for terms that reach nothing, heads that never move, and encoders that are evaluated without
# having been trained.

# %%
# Of the crossing with contrasts one cell stands for all: they add one more term.
names = reach_of_variants.variants_to_audit()
reach, moved = nb.measured(
    "every_variant",
    reach_of_variants.audit_variants,
    names,
    nb.profile.name,
    sets,
    steps,
    looks,
)
table = summary(reach, moved)
caption = f"What each variant trains, measured at its first step and after {steps} steps"
nb.out.table(table, "summary", caption)
print(*reach_of_variants.nothing_trained(table), sep="\n")

# %% [markdown]
# ## How strong, and in which direction
#
# Norm of each term's gradient in the context encoder relative to the JEPA gradient, and the cosine
# between them: 1 is the same direction, 0 is unrelated, -1 is against it. Terms are unweighted.
#
# Lengths are relative to a gradient that itself changes: where the JEPA gradient becomes short in
# the first steps, all others become long beside it. So compare the terms of one column with each
# other, and look along a row only for the cosine.

# %%
nb.out.table(
    reach_of_variants.alignment(reach),
    "alignment",
    "Gradient of each term in the context encoder beside the JEPA gradient, over training",
    digits=3,
)

# %% [markdown]
# The cosines of variants that add one idea, as a picture. A row of one strong colour is a term that
# does the JEPA loss's work once more, a row of the other one that undoes it. Pale rows add
# something of their own, good or bad.

# %%
ideas = ("hw", "ld", "delta", "spectral", "ltc", "ac", "fwm", "hamiltonian", "velgate", "sigreg")
alone = reach_of_variants.terms_alone(reach, ideas)
fig = plots.heatmap(
    reach_of_variants.cosine_map(alone),
    fmt="{:+.2f}",
    bar_label="cosine with JEPA",
    limit=1.0,
)
caption = "Direction of each term's gradient in the context encoder beside JEPA's"
nb.out.figure(fig, "cosine", alone, caption)
print(reach_of_variants.against_jepa(alone))

# %% [markdown]
# The count above is for one batch of an untrained network, where directions in so many dimensions
# are mostly near 0 anyway. A sign there is a hint; that a term pulls against the JEPA loss for good
# would have to be seen at all looks of the table.

# %% [markdown]
# ## Your own objective
#
# Any function of a `LatentBatch` can be put beside the terms of a run. Look at the rows of the new
# objective: it should reach what its formula uses, here the predictor and through it the context
# encoder, and not the target encoder.


# %%
def small_predictions(batch):
    return sum(z.abs().mean() for z in batch.zhat) / len(batch.zhat)


trainer = Trainer(study.resolve("baseline", profile=nb.profile.name).train)
sample = sets["pre_videos"].batch(slice(0, 8))
# The context loss is still asleep at the first step and says nothing here.
mine = term_reach(trainer, sample, {"small predictions": small_predictions})
mine = selection.drop(mine, "term", ["context"])
nb.out.table(mine, "own", "Reach of an objective of one's own", digits=3)

# %% [markdown]
# ## The seven facts, each measured
#
# Five by running the code, two from the published numbers. Look at the control in each sentence:
# the same measurement where the fact should *not* hold. A fact without it could be a fault of the
# measurement.

# %%
few = 2 if nb.profile.name == "smoke" else 5
facts = nb.measured("implementation_facts", implementation_facts, nb.profile.name, sets, few)
nb.out.table(facts, "facts", "Facts about the released code, each with its control")

# %% [markdown]
# **Frozen rows are one encoder.** If the EMA-off rows are the same random-initialised encoder,
# their published accuracies must be indistinguishable, on every benchmark. Look at the last column:
# a small p would speak against one encoder; a large one cannot prove it, the code above does.

# %%
benchmarks = ("diving48", "imagenet100", "ssv2")
frozen = reach_of_variants.one_proportion(published.load_results().main, benchmarks)
caption = "EMA-off rows: chi-square test that they are one proportion"
nb.out.table(frozen, "frozen_rows", caption, sources=[published.SOURCE], digits=3)

# %% [markdown]
# ## What it means
#
# **The mechanism.** A loss has two ways not to train: it has no gradient (computed, logged, without
# effect), or its gradient ends in a network that nobody evaluates. Neither shows in a loss curve,
# both show here. A term that does reach the encoder can still be the JEPA loss in other words (a
# cosine near 1), or pull against it; only what lies between adds a direction of its own.
#
# **What supports it.** Where nothing reaches the encoder, the trainings must come out the same, and
# they do, bit by bit: the library lets such forms share one run, and its tests train both and
# compare. [06](06_latent_dynamics.ipynb) shows what the other form of the same variant gains, and
# [11](11_physics_and_the_frozen_target.ipynb) what the frozen rows become when the trained network
# is the one that is read.
#
# **Not expected.** Two tests of the same fact need not be equally strong: equal published
# accuracies fit many explanations, one line of code has one.
#
# **What remains open.** A gradient at the first steps is not the whole training: terms that start
# in one direction may turn. The table has three looks, all early; the shares of each term late in a
# training are in the notebooks of the terms. And that a term *reaches* the encoder does not say
# that it helps.

# %% [markdown]
# ## What we found

# %%
print(*reach_of_variants.facts_found(facts), sep="\n")
print(*reach_of_variants.proportions_found(frozen), sep="\n")
print(*reach_of_variants.nothing_trained(table), sep="\n")
print(reach_of_variants.against_jepa(alone))
