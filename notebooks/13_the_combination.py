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
# # 13 · The combination
#
# **Question.** What does combining factorized latent dynamics with contrastive learning do to
# transfer, in particular across domains: does it bring more than the better of its two parts?
#
# Each objective is the baseline's, plus a factorized part, plus a contrast:
# $\mathcal{L} = \mathcal{L}_{JEPA} + \lambda\mathcal{L}_{ctx} + \mathcal{L}_{factorized} + w\,\mathcal{L}_{contrast}$.
# The rows are {baseline, FWM, FWM-HW-LD as released, FWM-HW-LD as described}, the columns
# {no contrast, LTC, IIC, VCLR}, and each cell is trained with every seed. An *interaction* is what
# the contrast adds to a factorized row beyond what it adds to the baseline: with
# $y_{ij}$ the accuracy of row $i$ and column $j$, $(y_{ij}-y_{i0})-(y_{0j}-y_{00})$.
# No publication has these runs. They stand on small models and embedded data with known factors.

# %% tags=["parameters"]
PROFILE = None
SEEDS = None
JOBS = None
DEVICE = None

# %%
import pandas as pd

from vjepa_lib import study
from vjepa_lib.analysis import ablation, combination
from vjepa_lib.analysis.ablation import by_source, name, named
from vjepa_lib.show import notebook, plots, sections
from vjepa_lib.study import recorded

nb = notebook.setup("13_the_combination", PROFILE, SEEDS, JOBS, DEVICE)
asked = study.NOTEBOOK_RUNS["13"]
configs = nb.configs(asked)
results = nb.results(configs)
sources = recorded.beside(results, asked)
runs = nb.hashes(configs)
last = list(sources)[-1]  # recorded runs where there are some

# %% [markdown]
# ## The design, and what each objective is made of

# %%
design = []
for base, form in study.FACTORIZED:
    for contrast in ("none", *study.CONTRASTS):
        variant = base if contrast == "none" else study.combined(base, contrast)
        terms = study.resolve(variant, form, nb.profile.name).train.terms
        design.append({"objective": name(variant, form)} | {t.name: t.weight for t in terms if t.name not in ("jepa", "context")})
nb.out.table(pd.DataFrame(design), "design", "The crossing: weights of the terms beside JEPA and context loss", digits=3)

# %% [markdown]
# ## Every cell on every benchmark
#
# Points gained over the baseline of the same seed. `all` is the mean over the six benchmarks.

# %%
crossed = by_source(sources, combination.crossed)
gains = by_source(sources, lambda r: ablation.gains(combination.crossed(r)))
order = list(dict.fromkeys(crossed.name))
for source, part in gains.groupby("source", sort=False):
    heat = part.pivot_table(index="name", columns="benchmark", values="effect", sort=False).reindex(order[1:])
    clear = part.assign(clear=ablation.clear(part)).pivot_table(index="name", columns="benchmark", values="clear", sort=False).reindex(order[1:])
    nb.out.figure(
        plots.heatmap(heat, mark=clear.fillna(0).astype(bool), bar_label="points against the baseline", width=7), f"gains_{source.split(',')[0]}", part,
        f"Combinations against the baseline of the same seed ({source} runs); bold: the 95 % t interval over seeds is clear of 0", runs,
    )

# %%
shown = gains[gains.benchmark.isin(["all", *combination.SHIFTED])]
fig = plots.intervals(shown, "effect", rows="name", panel="benchmark", series="source", zero=True, xlabel="points", names={"all": "all six"})
nb.out.figure(fig, "gains_shifted", shown, "Gain over the baseline with t intervals over seeds, on average and on the two shifted benchmarks; filled: live, hollow: recorded", runs)
cells = crossed.groupby(["source", "name", "benchmark"], sort=False).top1.mean().unstack().reset_index()
nb.out.table(cells, "cells", "Linear probes of every cell, top-1 (%), mean over seeds", runs, digits=1)

# %% [markdown]
# ## Does the reading favour the contrast?
#
# VCLR trains the mean of a video's tokens, and the linear probe reads the mean token. The attentive
# probe on `fine_motion` reads all tokens instead: what the contrast only moved into the mean would
# show no gain there.

# %%
readings = by_source(
    sources,
    lambda r: pd.concat([combination.crossed(r[r.benchmark == "fine_motion"], p).assign(probe=p) for p in ("linear", "attentive")]).groupby(["name", "probe"], sort=False).top1.mean().unstack().reset_index(),
)
nb.out.table(readings, "readings", "fine_motion read from the mean token (linear) and from all tokens (attentive), top-1 (%), mean over seeds", runs, digits=1)

# %% [markdown]
# ## Do the two parts work together? Interactions

# %%
interactions = by_source(sources, lambda r: combination.interactions(combination.crossed(r)))
names = {p: f"{b} × {c}" for p, b, c in zip(interactions.pair, interactions.base.map(plots.label), interactions.contrast.map(plots.label))} | {"all": "all six"}
shown = interactions[interactions.benchmark.isin(["all", *combination.SHIFTED])].assign(variant=lambda t: t.pair)
nb.out.figure(
    plots.intervals(shown, "estimate", panel="benchmark", series="source", zero=True, xlabel="interaction (points)", names=names), "interactions", shown,
    "What a contrast adds to a factorized objective beyond what it adds to the baseline; intervals from the scatter over seeds, pooled over the crossing", runs,
)
nb.out.table(interactions[["source", "benchmark", "base", "contrast", "simple", "reference", "estimate", "low", "high", "p_adjusted"]], "interactions_table", "Gain of the contrast on the row (simple), on the baseline (reference), and their difference, points", runs)

# %% [markdown]
# ## Is the whole more than its better part?

# %%
whole = by_source(sources, lambda r: combination.against_best_part(combination.crossed(r)))
shown = whole[whole.benchmark.isin(["all", *combination.SHIFTED])]
nb.out.figure(
    plots.intervals(shown, "effect", rows="name", panel="benchmark", series="source", zero=True, xlabel="points", names={"all": "all six"}), "best_part", shown,
    "Each combination minus the better of its two parts, t intervals over seeds", runs,
)
nb.out.table(whole[["source", "benchmark", "name", "best_part", "effect", "low", "high"]], "best_part_table", "Each combination minus the better of its two parts, points", runs)

# %% [markdown]
# ## Is it the ceiling? The same with few labels
#
# Where the best part already reads nearly everything, a combination has no room to gain. With few
# labels everything reads less, and the same comparison has room.

# %%
few = [
    {"source": s, "probe": p, "verdict": combination.verdict(combination.crossed(r, p))}
    for s, r in sources.items()
    for p in r.probe.unique() if p.startswith("linear")
]
few = pd.DataFrame(few)
nb.out.table(few, "few_labels", "Best combination against best part, by the share of labels the probe was trained on (linear: all)", runs)

# %% [markdown]
# ## Where the contrast acts: all channels, the appearance half, the dynamics half

# %%
halves = by_source(sources, combination.on_halves)
shown = halves[halves.benchmark.isin(["all", *combination.SHIFTED])]
nb.out.figure(
    plots.intervals(shown, "effect", rows="name", panel="benchmark", series="source", zero=True, xlabel="points", names={"all": "all six"}), "halves", shown,
    "The contrast on all channels or on one half of the latent, against FWM-HW-LD as described without contrast", runs,
)

# %% [markdown]
# ## Transfer matrix: pretraining domain × downstream domain
#
# Four objectives, each pretrained on one domain alone and on the mixture.

# %%
transfer = by_source(sources, combination.transfer_matrix)
for source, part in transfer.groupby("source", sort=False):
    part = part.assign(row=part.name + ", " + part.regime)
    heat = part.pivot_table(index="row", columns="benchmark", values="top1", sort=False)
    nb.out.figure(
        plots.heatmap(heat, centre=None, fmt="{:.0f}", bar_label="top-1 (%)", width=7), f"transfer_{source.split(',')[0]}", part,
        f"Transfer: what an encoder pretrained on one domain (ucf101: general clips, motions, stills) or on the mixture reads downstream ({source} runs)", runs,
    )

# %% [markdown]
# ## Factor leakage: what each half of the latent gives away
#
# On `actions`, texture (an appearance factor) and camera motion are drawn independently. A linear
# probe reads each from each half. Chance is 33 % and 25 %. A factorized latent would give motion
# away in its dynamics half alone.

# %%
leak = by_source(sources, combination.leakage)
pick = ["random_init", "baseline", "fwm (described)", "fwm_hw_ld", "fwm_hw_ld (described)", *(f"fwm_hw_ld+{c} (described)" for c in study.CONTRASTS), *(f"fwm_hw_ld+{c}_dynamics (described)" for c in study.CONTRASTS)]
shown = leak[leak.name.isin(pick) & (leak.half != "all") & (leak.source == last)]
nb.out.figure(
    plots.intervals(shown, "top1", rows="name", panel="factor", series="half", names={"appearance": "appearance half", "dynamics": "dynamics half", "texture": "texture (appearance)", "camera": "camera motion"}), "leakage", shown,
    f"Read from the appearance half (filled) and the dynamics half (hollow) of the latent, t intervals over seeds ({last} runs)", runs,
)
separation = by_source(sources, lambda r: combination.separation(combination.leakage(r), "texture", "camera"))
nb.out.table(separation, "separation", "How far the halves specialise: each factor read from its own half minus from the other, points", runs, digits=1)

# %% [markdown]
# ## Loss and collapse over training

# %%
trained = [c for c in configs if c.pretrained and c.variant in ("baseline", "vclr", "fwm_hw_ld", "fwm_hw_ld+vclr") and c.regime == "mixed"]
curves = named(study.curves(trained), None)
sections.collapse(nb, curves, nb.hashes(trained))

# %% [markdown]
# ## What we found

# %%
for source in sources:
    g, i, w = (t[(t.source == source) & (t.benchmark == "all")] for t in (gains, interactions, whole))
    n = int(g.n_seeds.min())
    print(f"{source} runs, {n} seeds; mean over six benchmarks, points against the baseline:")
    crossing = combination.crossed(sources[source])
    for benchmark in ("all", *combination.SHIFTED):
        print("  " + combination.verdict(crossing, benchmark))
    for row in few[(few.source == source) & (few.probe != "linear")].itertuples():
        print(f"  {row.probe}: {row.verdict}")
    best = g.sort_values("effect", ascending=False)
    print("  " + ", ".join(f"{v} {e:+.1f}" for v, e in zip(best.name, best.effect)))
    print("  interactions: " + ", ".join(f"{p} {e:+.1f} [{a:+.1f}, {b:+.1f}]" for p, e, a, b in zip(i.pair, i.estimate, i.low, i.high)))
    print(f"  {(w.low > 0).sum()} of {len(w)} combinations beat their better part with an interval clear of 0, {(w.high < 0).sum()} fall short of it: " + ", ".join(f"{p} {e:+.1f}" for p, e in zip(w.name, w.effect)))
    for b in combination.SHIFTED:
        s = whole[(whole.source == source) & (whole.benchmark == b)]
        print(f"  {b}: {(s.low > 0).sum()} above, {(s.high < 0).sum()} below their better part, {((s.low <= 0) & (s.high >= 0)).sum()} undecided")
    r = readings[readings.source == source].set_index("name")
    print("  fine_motion, linear / attentive: " + ", ".join(f"{k} {r.linear[k]:.0f}/{r.attentive[k]:.0f}" for k in ("baseline", "vclr", "fwm_hw_ld (described)", "fwm_hw_ld+vclr (described)")))
    s = separation[separation.source == source].set_index("name").separation
    print("  separation of the halves, points: " + ", ".join(f"{k} {s[k]:+.1f}" for k in ("random_init", "baseline", "fwm_hw_ld (described)", "fwm_hw_ld+vclr (described)") if k in s))
