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
# **Question.** Does the V-JEPA baseline learn something that its random initialisation does not
# have, and what does collapse look like when the safeguards are taken away?
#
# A context encoder sees the unmasked tokens, a predictor guesses the rest, and the targets come
# from a slowly following copy, the target encoder (EMA). The loss is
#
# $$\mathcal{L} = \mathrm{mean}\,|\hat z - h|
# + \lambda\,\mathrm{mean}\,|\hat z_{ctx} - h_{ctx}|/\sqrt{d},$$
#
# with $\lambda = 0$ in the first half of the training.

# %% tags=["parameters"]
LIVE: bool = False  # True: train what is missing, then show it; False: read recorded runs
PROFILE: str = None  # smoke, mini or small, to train; None: read, or mini where LIVE is True
SEEDS: list = None  # [0, 1] or "0,1"; None: VJEPA_SEEDS, else the seeds of the profile
JOBS: int = None  # training processes; None: VJEPA_JOBS, else one per core
DEVICE: str = None  # cpu or cuda; None: VJEPA_DEVICE, else cpu

# %%
import inspect

from IPython.display import Code

from vjepa_lib.analysis import ablation, at_work, findings, selection
from vjepa_lib.show import notebook, plots, sections
from vjepa_lib.training.pretrain import Trainer

nb = notebook.open_notebook("04_baseline_and_collapse", PROFILE, SEEDS, JOBS, DEVICE, live=LIVE)
results = nb.results  # recorded; LIVE: what is missing is trained here, once

# %% [markdown]
# ## The training step, as it runs

# %%
Code(inspect.getsource(Trainer.latents), language="python")

# %%
Code(inspect.getsource(Trainer.train_step), language="python")

# %% [markdown]
# ## Loss and collapse diagnostics over training
#
# *RankMe* is the effective rank of mean tokens of 64 fixed clips (Garrido et al., arXiv
# 2210.02885); *feature std* is their spread over clips. A collapsed encoder has rank 1 or spread 0.
# Look at where the lines with EMA off part from the others.

# %%
sections.collapse(nb, nb.curves, nb.hashes(nb.trained))

# %% [markdown]
# ## What the loss is made of
#
# The context loss enters in the second half of the training; look at the step in the left panel.

# %%
baselines = [c for c in nb.trained if c.variant == "baseline"]
share = sections.shares(nb, nb.curves, nb.config("baseline"), nb.hashes(baselines))
print(findings.late_share(share))

# %% [markdown]
# ## What can be read from the encoders
#
# Filled: live runs; hollow: recorded ones, which are larger and have more seeds.

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
# ## Seed by seed: the baseline against its own initialisation

# %%
pair = (("random_init", "released"), ("baseline", "released"))
gains = selection.by_source(nb.linear, ablation.gains_among, pair, "random_init")
nb.out.table(
    gains[["source", "benchmark", "effect", "low", "high", "n_seeds"]],
    "gain",
    "Baseline minus random initialisation, points, t intervals over seeds",
    nb.runs,
)

# %% [markdown]
# ## EMA off: what is evaluated never moved
#
# In the released code a run with EMA off takes its targets from the context encoder, but the
# probes still read the target encoder. We check the weights themselves after a short training.

# %%
forms = (("ucf_baseline", "released"), ("no_ema", "released"), ("no_ema", "described"))
configs = [nb.config(variant, form) for variant, form in forms]
checks = nb.measured("evaluated_after", at_work.evaluated_after, configs, nb.clips, steps=5)
caption = "Is the evaluated encoder the trained one? After 5 steps"
nb.out.table(checks, "evaluated", caption)

# %% [markdown]
# ## What we found

# %%
print(*findings.by_benchmark(gains, "random init"), sep="\n")
print(findings.rank_at_end(nb.ends))
print(*findings.unmoved(checks), sep="\n")
