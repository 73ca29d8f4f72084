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
# $\mathcal{L} = \mathrm{mean}\,|\hat z - h| + \lambda\,\mathrm{mean}\,|\hat z_{ctx} - h_{ctx}|/\sqrt{d}$,
# with $\lambda = 0$ in the first half of the training.

# %% tags=["parameters"]
PROFILE: str = None  # smoke, mini or small; None: VJEPA_PROFILE, else mini
SEEDS: list = None  # [0, 1] or "0,1"; None: VJEPA_SEEDS, else the seeds of the profile
JOBS: int = None  # training processes; None: VJEPA_JOBS, else one per core
DEVICE: str = None  # cpu or cuda; None: VJEPA_DEVICE, else cpu

# %%
import inspect

import pandas as pd
from IPython.display import Code

from vjepa_lib import study
from vjepa_lib.analysis.ablation import by_source, gains, named, seed_means, term_shares
from vjepa_lib.evaluation.reach import snapshot, unmoved
from vjepa_lib.show import notebook, plots, sections
from vjepa_lib.study import recorded
from vjepa_lib.training.collapse import same_weights
from vjepa_lib.training.pretrain import Trainer

nb = notebook.setup("04_baseline_and_collapse", PROFILE, SEEDS, JOBS, DEVICE)
pairs = study.NOTEBOOK_RUNS["04"]
configs = nb.configs(pairs)
results = nb.results(configs)
sources = {s: named(r) for s, r in recorded.beside(results, pairs).items()}
runs = nb.hashes(configs)

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

# %%
trained = [c for c in configs if c.pretrained]
curves = named(study.curves(trained), None)
sections.collapse(nb, curves, nb.hashes(trained))

# %% [markdown]
# ## What the loss is made of

# %%
parts = term_shares(curves, study.resolve("baseline", "released", nb.profile.name))
nb.out.figure(plots.shares(parts), "shares", parts, "The baseline's loss and each term's share: the context loss enters in the second half", nb.hashes([c for c in trained if c.variant == "baseline"]))

# %% [markdown]
# ## What can be read from the encoders

# %%
table = by_source(sources, seed_means)
fig = plots.intervals(table, "top1", rows="name", panel="benchmark", series="source")
nb.out.figure(fig, "linear", table, "Linear probes on the mean token, means and t intervals over seeds; filled: live, hollow: recorded", runs)
nb.out.table(table.pivot_table(index=["source", "name"], columns="benchmark", values="top1", sort=False).reset_index(), "linear_table", "Linear probes, top-1 (%), mean over seeds", runs, digits=1)

# %% [markdown]
# ## Seed by seed: the baseline against its own initialisation

# %%
gain = by_source(sources, lambda r: gains(r[r.name.isin(["random_init", "baseline"])], "random_init"))
nb.out.table(gain[["source", "benchmark", "effect", "low", "high", "n_seeds"]], "gain", "Baseline minus random initialisation, points, t intervals over seeds", runs)

# %% [markdown]
# ## EMA off: what is evaluated never moved
#
# In the released code a run with EMA off takes its targets from the context encoder, but the
# probes still read the target encoder. We check the weights themselves after a short training.

# %%
from dataclasses import replace

from vjepa_lib.training.pretrain import pretrain

sets = nb.clips()
checks = []
for variant, form in (("ucf_baseline", "released"), ("no_ema", "released"), ("no_ema", "described")):
    c = study.resolve(variant, form, nb.profile.name, nb.seeds[0])
    short = replace(c.train, schedule=replace(c.train.schedule, steps=5))
    before = Trainer(short).evaluated
    after = pretrain(short, study.training_clips(c, sets), progress=False).encoder
    checks.append((variant, form, same_weights(before, after), len(unmoved(snapshot(before), after)), len(list(after.parameters()))))
checks = pd.DataFrame(checks, columns=["variant", "form", "equal to its initialisation bit for bit", "parameters unmoved", "parameters"])
nb.out.table(checks, "evaluated", "Is the evaluated encoder the trained one? After 5 steps")

# %% [markdown]
# ## What we found

# %%
for source, part in gain.groupby("source", sort=False):
    print(f"{source}, {int(part.n_seeds.min())} seeds, baseline minus random init, points: " + ", ".join(f"{r.benchmark} {r.effect:+.1f} [{r.low:+.1f}, {r.high:+.1f}]" for r in part.itertuples()))
last = curves.dropna(subset=["rank_me"]).groupby("name").rank_me.last()
print("RankMe at the end: " + ", ".join(f"{n} {v:.1f}" for n, v in last.items()))
for row in checks.itertuples(index=False):
    print(f"{row.variant} ({row.form}): {row[3]} of {row[4]} parameters of the evaluated encoder unmoved after 5 steps")
