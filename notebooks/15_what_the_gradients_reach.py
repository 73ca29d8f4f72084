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
# **Question.** Which part of the network does each term really train, how strongly and in which
# direction beside the JEPA loss, what never moves, and is the evaluated encoder the trained one?
#
# Every variant is trained for a few steps in both forms, *released* and *described*, and looked at.
# `evaluation.term_reach` and `evaluation.gradient_reach` do the same for your own objective.

# %% tags=["parameters"]
LIVE: bool = False  # True: train what is missing, then show it; False: read recorded runs
PROFILE: str = None  # smoke, mini or small, to train; None: read, or mini where LIVE is True
SEEDS: list = None  # [0, 1] or "0,1"; None: VJEPA_SEEDS, else the seeds of the profile
JOBS: int = None  # training processes; None: VJEPA_JOBS, else one per core
DEVICE: str = None  # cpu or cuda; None: VJEPA_DEVICE, else cpu

# %%
from vjepa_lib import study
from vjepa_lib.analysis import selection
from vjepa_lib.audit import published, reach_of_variants
from vjepa_lib.audit.released_code import implementation_facts, summary
from vjepa_lib.evaluation.reach import term_reach
from vjepa_lib.show import notebook, plots
from vjepa_lib.training.pretrain import Trainer

nb = notebook.open_notebook("15_what_the_gradients_reach", PROFILE, SEEDS, JOBS, DEVICE, live=LIVE)
sets = nb.clips
steps = 4 if nb.profile.name == "smoke" else 10
looks = (0, steps // 2, steps)

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

# %%
nb.out.table(
    reach_of_variants.alignment(reach),
    "alignment",
    "Gradient of each term in the context encoder beside the JEPA gradient, over training",
    digits=3,
)

# %% [markdown]
# The cosines of variants that add one idea, as a picture. A row of one strong colour is a term that
# does the JEPA loss's work once more, a row of the other one that undoes it.

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
# ## Your own objective
#
# Any function of a `LatentBatch` can be put beside the terms of a run.


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
# Five by running the code, two from the published numbers.

# %%
few = 3 if nb.profile.name == "smoke" else 5
facts = nb.measured("implementation_facts", implementation_facts, nb.profile.name, sets, few)
nb.out.table(facts, "facts", "Facts about the released code, each with its control")

# %% [markdown]
# **Frozen rows are one encoder.** If the EMA-off rows are the same random-initialised encoder,
# their published accuracies must be indistinguishable, on every benchmark.

# %%
benchmarks = ("diving48", "imagenet100", "ssv2")
frozen = reach_of_variants.one_proportion(published.load_results().main, benchmarks)
caption = "EMA-off rows: chi-square test that they are one proportion"
nb.out.table(frozen, "frozen_rows", caption, sources=[published.SOURCE], digits=3)

# %% [markdown]
# ## What it means
#
# A loss has two ways not to train: it has no gradient (computed, logged, without effect), or its
# gradient ends in a network that nobody evaluates. Neither shows in a loss curve, both show here.
# A term that does reach the encoder can still be the JEPA loss in other words (a cosine near 1),
# or pull against it; only what lies between adds a direction of its own.

# %% [markdown]
# ## What we found

# %%
print(*reach_of_variants.facts_found(facts), sep="\n")
print(*reach_of_variants.proportions_found(frozen), sep="\n")
print(*reach_of_variants.nothing_trained(table), sep="\n")
print(reach_of_variants.against_jepa(alone))
