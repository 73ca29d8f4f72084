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
PROFILE = None
SEEDS = None
JOBS = None
DEVICE = None

# %%
import inspect

import pandas as pd
from IPython.display import Code

from vjepa_lib import diagnostics, notebook, plots, statistics, study
from vjepa_lib.pretrain import Trainer

nb = notebook.setup("04_baseline_and_collapse", PROFILE, SEEDS, JOBS, DEVICE)
pairs = study.NOTEBOOK_RUNS["04"]
configs = nb.configs(pairs)
results = nb.results(configs)
results["name"] = results.variant + results.form.map({"released": "", "described": " (described)"})

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
curves = study.curves(trained)
curves["name"] = curves.variant + curves.form.map({"released": "", "described": " (described)"})
full = float(nb.profile.encoder.width)
fig = plots.curves(
    curves, ["jepa", "rank_me", "feature_std"], by="name",
    ylabels={"jepa": "JEPA loss", "rank_me": "RankMe of mean tokens", "feature_std": "feature std"},
)
nb.out.figure(fig, "curves", curves[["name", "seed", "step", "jepa", "rank_me", "feature_std"]], "Loss and collapse diagnostics of the evaluated encoder; bands: lowest to highest seed", nb.hashes(trained))

# %% [markdown]
# ## What the loss is made of

# %%
one = curves[curves.variant == "baseline"]
weight = one.step.map(lambda s: nb.profile.schedule.context_lambda(s / nb.profile.schedule.steps))
parts = pd.concat([
    pd.DataFrame({"step": one.step, "term": "jepa", "value": one.jepa}),
    pd.DataFrame({"step": one.step, "term": "context", "value": (one.get("context", 0.0) * weight)}),
]).fillna(0.0)
nb.out.figure(plots.shares(parts), "shares", parts, "The baseline's loss and each term's share: the context loss enters in the second half", nb.hashes([c for c in trained if c.variant == "baseline"]))

# %% [markdown]
# ## What can be read from the encoders

# %%
linear = results[results.probe == "linear"]
rows = []
for (name, benchmark), part in linear.groupby(["name", "benchmark"], sort=False):
    low, high = statistics.proportion_interval(part.correct.sum(), part.n_test.sum())
    rows.append({"name": name, "variant": name, "benchmark": benchmark, "top1": part.top1.mean(), "low": 100 * float(low), "high": 100 * float(high), "seeds": len(part)})
table = pd.DataFrame(rows)
fig = plots.intervals(table, "top1", panel="benchmark")
nb.out.figure(fig, "linear", table, "Linear probes on the mean token; 95 % Wilson intervals over test clips, seeds pooled", nb.hashes(configs))
nb.out.table(table.pivot(index="name", columns="benchmark", values="top1").reset_index(), "linear_table", "Linear probes, top-1 (%), mean over seeds", nb.hashes(configs), digits=1)

# %% [markdown]
# ## Seed by seed: the baseline against its own initialisation

# %%
diff = statistics.paired_differences(linear[linear.variant.isin(["random_init", "baseline"])], "random_init", "top1", by=["benchmark"])
nb.out.table(diff[["benchmark", "effect", "low", "high", "n_seeds"]], "gain", "Baseline minus random initialisation, points, t intervals over seeds", nb.hashes(configs))

# %% [markdown]
# ## EMA off: what is evaluated never moved
#
# In the released code a run with EMA off takes its targets from the context encoder, but the
# probes still read the target encoder. We check the weights themselves after a short training.

# %%
from dataclasses import replace

from vjepa_lib.pretrain import ClipMixture, pretrain
from vjepa_lib.synthetic import REGIMES

sets = nb.clips()
checks = []
for variant, form in (("ucf_baseline", "released"), ("no_ema", "released"), ("no_ema", "described")):
    c = study.resolve(variant, form, nb.profile.name, nb.seeds[0])
    short = replace(c.train, schedule=replace(c.train.schedule, steps=5))
    before = Trainer(short).evaluated
    after = pretrain(short, ClipMixture(sets, REGIMES[c.regime]), progress=False).encoder
    checks.append((variant, form, diagnostics.same_weights(before, after), len(diagnostics.unmoved(diagnostics.snapshot(before), after)), len(list(after.parameters()))))
checks = pd.DataFrame(checks, columns=["variant", "form", "equal to its initialisation bit for bit", "parameters unmoved", "parameters"])
nb.out.table(checks, "evaluated", "Is the evaluated encoder the trained one? After 5 steps")

# %% [markdown]
# ## What we found

# %%
mean = table.pivot(index="name", columns="benchmark", values="top1")
gain = mean.loc["baseline"] - mean.loc["random_init"]
print("baseline minus random init, points: " + ", ".join(f"{b} {g:+.1f}" for b, g in gain.items()))
last = curves.dropna(subset=["rank_me"]).groupby("name").rank_me.last()
print("RankMe at the end: " + ", ".join(f"{n} {v:.1f}" for n, v in last.items()))
same = linear[linear.name == "no_ema"].set_index(["seed", "benchmark"]).correct
init = linear[linear.name == "random_init"].set_index(["seed", "benchmark"]).correct
print(f"EMA off as released gives the random initialisation's result in {(same == init.loc[same.index]).sum()} of {len(same)} readings")
