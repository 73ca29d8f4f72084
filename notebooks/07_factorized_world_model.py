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
# # 07 · The factorized world model
#
# **Question.** What do the factorized world model (FWM), latent dynamics (LD) and hard-region
# weighting (HW) do, alone and in all eight combinations, as *released* and as *described*?
#
# FWM splits the latent in an appearance half $A$ that stays still and a dynamics half $Y$ that is
# decorrelated from it: $0.05\,\mathrm{mean}|A_{t+1}-A_t| + 0.01\,\mathrm{mean}\,\mathrm{cov}(A,Y)^2$.
# LD predicts from a token how the target moves on: $\mathrm{mean}|g(Z_t) - (h_{t+1}-h_t)|$.
# HW adds the prediction loss once more, weighted towards the tokens with the largest error.
#
# The forms differ in two places. *Released*: the halves are the shallow and the deep levels, and
# LD beside HW is computed without gradient. *Described*: every level is halved, and LD beside HW
# trains its head and the encoder.

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
from vjepa_lib.objectives.factorized import FwmOrth, FwmStatic
from vjepa_lib.objectives.latent_dynamics import LatentDynamics
from vjepa_lib.synthetic import BENCHMARKS

nb = notebook.setup("07_factorized_world_model", PROFILE, SEEDS, JOBS, DEVICE)
configs = nb.configs(study.NOTEBOOK_RUNS["07"])
results = nb.results(configs)
linear = results[results.probe == "linear"]

# %% [markdown]
# ## The terms, as they run

# %%
Code(inspect.getsource(FwmStatic) + "\n\n" + inspect.getsource(FwmOrth), language="python")

# %%
Code(inspect.getsource(LatentDynamics), language="python")

# %% [markdown]
# ## The terms at work on one batch
#
# Hard-region weights of one clip's target tokens, and where the target latent moves.

# %%
import torch

from vjepa_lib.objectives.hard_region import hard_weights
from vjepa_lib.pretrain import Trainer

c = study.resolve("fwm_hw_ld", "described", nb.profile.name, nb.seeds[0])
trainer = Trainer(c.train)
clips = nb.clips()["pre_videos"]
with torch.no_grad():
    batch = trainer.latents(clips.batch(slice(0, 8)))
    error = (batch.zhat[0] - batch.h_target[0]).abs().mean(-1)
    weight = hard_weights(error, 0.05)
    grid = batch.grid
    spread = torch.zeros(8, grid.n).scatter(1, batch.target_index[0], weight)
    speed = batch.target_over_time.diff(dim=1).norm(dim=-1)
rows = []
for i in range(2):
    rows.append((f"clip {i + 1}", clips.frames[i].numpy(), None))
    rows.append(("HW weight", clips.frames[i].numpy(), (spread[i] / spread[i].max()).view(grid.shape).numpy()))
    v = torch.zeros(grid.shape)
    v[:-1] = ((speed[i] - speed[i].min()) / (speed[i].max() - speed[i].min())).view(grid.t - 1, grid.h, grid.w)
    rows.append(("|h(t+1) - h(t)|", clips.frames[i].numpy(), v.numpy()))
nb.out.figure(
    plots.clips(rows, every=2, width=4), "at_work",
    pd.DataFrame({"error": error[0].numpy(), "weight": weight[0].numpy()}),
    "Where hard-region weighting looks (temperature 0.05, for the eye), and where the target latent changes",
)

# %% [markdown]
# ## What each term's gradient reaches
#
# One batch at initialisation. The row that reaches nothing is the point: LD beside HW, as released.

# %%
reach = []
for form in study.FORMS:
    c = study.resolve("fwm_hw_ld", form, nb.profile.name, nb.seeds[0])
    reach.append(diagnostics.term_reach(Trainer(c.train), clips.batch(slice(0, 8))).assign(form=form))
reach = pd.concat(reach)
nb.out.table(reach[["form", "term", "part", "reaches", "norm", "relative", "cosine"]], "reach", "Gradient of each term of FWM-HW-LD: what it reaches, beside the JEPA gradient", digits=4)

# %% [markdown]
# ## All eight combinations, both forms

# %%
table = []
for (variant, form, benchmark), part in linear.groupby(["variant", "form", "benchmark"], sort=False):
    low, high = statistics.proportion_interval(part.correct.sum(), part.n_test.sum())
    spread = statistics.mean_interval(part.top1)
    table.append({"variant": variant, "form": form, "benchmark": benchmark, "top1": part.top1.mean(), "low": 100 * float(low), "high": 100 * float(high), "low_seeds": spread["low"], "high_seeds": spread["high"], "seeds": len(part)})
table = pd.DataFrame(table)
base = {b: {"baseline": table[(table.variant == "baseline") & (table.benchmark == b)].top1.iloc[0]} for b in BENCHMARKS}
shown = table[table.variant != "baseline"].sort_values("form", ascending=False, kind="stable")
fig = plots.intervals(shown, "top1", panel="benchmark", series="form", references=base)
nb.out.figure(fig, "combinations", table, "Linear probes: filled as released, hollow as described, line: baseline; 95 % Wilson intervals over test clips, seeds pooled", nb.hashes(configs))
wide = table.pivot_table(index=["variant", "form"], columns="benchmark", values="top1", sort=False)
nb.out.table(wide.reset_index(), "combinations_table", "Linear probes, top-1 (%), mean over seeds", nb.hashes(configs), digits=1)

# %% [markdown]
# ## Differences to the baseline, seed by seed

# %%
paired = linear.assign(run_name=linear.variant + linear.form.map({"released": "", "described": " (described)"}))
diff = statistics.paired_differences(paired[paired.variant != "random_init"], "baseline", "top1", variant="run_name", by=["benchmark"])
heat = diff.pivot_table(index="run_name", columns="benchmark", values="effect", sort=False)[list(BENCHMARKS)]
nb.out.figure(plots.heatmap(heat, bar_label="points against the baseline", width=7), "differences", diff, "Points gained or lost against the baseline of the same seed", nb.hashes(configs))
nb.out.table(diff[["benchmark", "run_name", "effect", "low", "high", "n_seeds"]], "differences_table", "Differences to the baseline with t intervals over seeds, points", nb.hashes(configs))

# %% [markdown]
# ## Main effects and interactions
#
# A full 2 x 2 x 2 factorial per form. Intervals use the scatter over seeds, pooled over the eight
# cells. `HW` has weight 1 in all its cells (the paper's HW alone has 0.3).

# %%
cells = pd.DataFrame([(v, *k) for k, v in study.FACTORIAL.items()], columns=["variant", *study.FACTORS])
effects = []
for form in study.FORMS:
    # A variant whose forms do not differ stands in both factorials with the same runs.
    part = linear[(linear.form == form) | ~linear.variant.map(lambda v: v != "random_init" and study.differs(v))]
    part = part.merge(cells, on="variant")
    for benchmark, rows in part.groupby("benchmark", sort=False):
        effects.append(statistics.factorial_effects(rows, study.FACTORS, "top1").assign(form=form, benchmark=benchmark))
effects = pd.concat(effects, ignore_index=True)
for form in study.FORMS:
    fig = plots.effects(effects[effects.form == form], panel="benchmark", xlabel="points")
    nb.out.figure(fig, f"effects_{form}", effects[effects.form == form], f"Main effects and interactions, {form} form, 95 % intervals over seeds; filled: clear of 0", nb.hashes(configs))
nb.out.table(effects[["form", "benchmark", "effect", "estimate", "low", "high", "p_adjusted", "n_seeds"]], "effects_table", "Main effects and interactions in points", nb.hashes(configs))

# %% [markdown]
# ## Loss curves and each term's share

# %%
trained = [c for c in configs if c.pretrained]
curves = study.curves(trained)
curves["name"] = curves.variant + curves.form.map({"released": "", "described": " (described)"})
pick = curves[curves.variant.isin(["baseline", "fwm", "ld", "fwm_ld", "fwm_hw_ld"])]
nb.out.figure(plots.curves(pick, ["jepa", "rank_me", "feature_std"], by="name", ylabels={"jepa": "JEPA loss", "rank_me": "RankMe of mean tokens", "feature_std": "feature std"}), "curves", pick[["name", "seed", "step", "jepa", "rank_me", "feature_std"]], "Loss and collapse diagnostics over training", nb.hashes(trained))

# %%
one = curves[(curves.variant == "fwm_hw_ld") & (curves.form == "described")]
spec = study.resolve("fwm_hw_ld", "described", nb.profile.name, nb.seeds[0]).train
parts = []
for term in spec.terms:
    w = one.step.map(lambda s: spec.schedule.context_lambda(s / spec.schedule.steps)) if term.name == "context" else term.weight
    if term.name in one:
        parts.append(pd.DataFrame({"step": one.step, "term": term.name, "value": one[term.name] * w}))
parts = pd.concat(parts).fillna(0.0)
nb.out.figure(plots.shares(parts), "shares", parts, "FWM-HW-LD as described: the loss and each term's share", nb.hashes([c for c in trained if c.variant == "fwm_hw_ld"]))

# %% [markdown]
# ## What we found

# %%
main = effects[effects.order == 1].pivot_table(index=["form", "effect"], columns="benchmark", values="estimate", sort=False)[list(BENCHMARKS)]
print("main effects, points:")
print(main.round(1).to_string())
clear = effects[(effects.low > 0) | (effects.high < 0)]
print(f"{len(clear)} of {len(effects)} effects have an interval clear of 0, {(clear.order > 1).sum()} of them interactions; {(effects.p_adjusted < 0.05).sum()} survive Holm's correction within their benchmark")
best = wide.mean(axis=1).drop(("random_init", "released")).sort_values(ascending=False)
print("mean over benchmarks: " + ", ".join(f"{v} ({f}) {x:.1f}" for (v, f), x in best.items()))
std = curves.dropna(subset=["feature_std"]).groupby("name", sort=False).feature_std.last()
print("feature std at the end, 0 is collapse: " + ", ".join(f"{n} {v:.3f}" for n, v in std.items()))
dead = reach[(reach.term == "ld") & (reach.form == "released") & (reach.part != "target_encoder")]
print(f"LD beside HW as released: gradient norm {dead.norm.max():g} into {', '.join(dead.part)}")
