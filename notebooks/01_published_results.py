# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 01 · Published results
#
# **Question.** What do the 88 results released with arXiv 2605.17165 say once every accuracy
# carries its interval and every variant is compared with *both* baselines of its regime?
#
# The source compares every `mixed` variant with the baseline of seed 42. The variants were trained
# with seed 239, for which a baseline was released too (without a Diving-48 result).

# %% tags=["parameters"]
PROFILE = None
SEEDS = None
JOBS = None
DEVICE = None

# %%
from vjepa_lib import figures, notebook, published, statistics

nb = notebook.setup("01_published_results", PROFILE, SEEDS, JOBS, DEVICE, published=True)
results = published.results()
print(f"{len(results)} results: {results.variant.nunique()} names, {results.benchmark.nunique()} benchmarks")

# %% [markdown]
# ## Every table, with 95 % Wilson intervals

# %%
main = published.main_results(results)
columns = ["variant", "benchmark", "pretrain_seed", "ema", "probe_epochs", "n_val", "top1_percent", "low", "high"]
mixed = nb.out.table(
    main[main.regime == "mixed"][columns].sort_values(["benchmark", "top1_percent"], ascending=[True, False]),
    "01_mixed", "Published results, mixed regime, with 95 % Wilson intervals",
)
mixed

# %%
ucf = nb.out.table(
    main[main.regime == "ucf101"][columns].sort_values(["benchmark", "top1_percent"], ascending=[True, False]),
    "01_ucf101", "Published results, UCF-101 regime, with 95 % Wilson intervals",
)
ucf

# %% [markdown]
# The UCF-101 baseline was read with eight other probes on Diving-48; the encoder is the same.

# %%
routers = results[(results.benchmark == "diving48") & (results.variant == "baseline") & (results.regime == "ucf101")]
nb.out.table(
    routers[["probe", "name_in_source", "top1_percent", "low", "high"]].sort_values("top1_percent", ascending=False),
    "01_probes", "One encoder, eight probes: UCF-101 baseline on Diving-48",
)

# %% [markdown]
# ## Intervals at a glance

# %%
fig, axes = figures.new(figures.PAGE, 3.6, 1, 3)
for ax, benchmark in zip(axes, ("diving48", "ssv2", "imagenet100")):
    part = main[(main.regime == "mixed") & (main.benchmark == benchmark)].sort_values("top1_percent", ascending=False)
    figures.intervals(ax, part, "variant", "top1_percent", colours=[figures.colour(v) for v in part.variant])
    ax.set(title=published.BENCHMARK_NAMES[benchmark], xlabel="top-1, %")
nb.out.figure(fig, "01_intervals_mixed", "Mixed regime, 95 % Wilson intervals; black: baselines", main[main.regime == "mixed"]);

# %%
fig, axes = figures.new(figures.PAGE, 3.2, 1, 3)
for ax, benchmark in zip(axes, ("diving48", "ssv2", "imagenet100")):
    part = main[(main.regime == "ucf101") & (main.benchmark == benchmark)].sort_values("top1_percent", ascending=False)
    figures.intervals(ax, part, "variant", "top1_percent", colours=[figures.colour(v if v != "baseline" else "ucf_baseline") for v in part.variant])
    ax.set(title=published.BENCHMARK_NAMES[benchmark], xlabel="top-1, %")
nb.out.figure(fig, "01_intervals_ucf101", "UCF-101 regime, 95 % Wilson intervals; brown: EMA off", main[main.regime == "ucf101"]);

# %% [markdown]
# ## Differences to both baselines
#
# Newcombe intervals, score tests, Holm's correction over all comparisons with one baseline.
# `same_epochs` is false where the probe of the variant was trained for 50 epochs and that of the
# baseline for 100.

# %%
diff = published.differences("mixed", results)
nb.out.table(diff.sort_values(["baseline", "benchmark", "difference"]), "01_differences_mixed", "Mixed regime: differences to both baselines, points")

# %%
both = published.differences("ucf101", results)
nb.out.table(both, "01_differences_ucf101", "UCF-101 regime: differences to the baseline, points")

# %%
fig, axes = figures.new(figures.PAGE, 3.9, 1, 2)
order = diff[diff.baseline == "baseline_seed42"].groupby("variant").difference.mean().sort_values(ascending=False).index
for ax, baseline, seed in zip(axes, published.BASELINES["mixed"], (42, 239)):
    wide = diff[diff.baseline == baseline].pivot(index="variant", columns="benchmark", values="difference").loc[order]
    figures.heat_map(ax, wide.rename(columns=published.BENCHMARK_NAMES), f"against the seed-{seed} baseline", span=18)
    ax.tick_params(axis="x", rotation=0)
nb.out.figure(fig, "01_heat_map", "Mixed regime: points gained or lost against either baseline", diff);

# %% [markdown]
# ## Is there a motion-appearance trade-off?

# %%
wide = main[main.regime == "mixed"].pivot(index="variant", columns="benchmark", values="top1_percent")
fig, axes = figures.new(figures.PAGE, 2.9, 1, 2)
for ax, motion in zip(axes, ("ssv2", "diving48")):
    part = wide[["imagenet100", motion]].dropna()
    for name, row in part.iterrows():
        ax.plot(row.imagenet100, row[motion], "o", color=figures.colour(name), ms=4)
        ax.annotate(name, (row.imagenet100, row[motion]), fontsize=5, xytext=(3, 2), textcoords="offset points")
    r, p = __import__("scipy.stats", fromlist=["spearmanr"]).spearmanr(part.imagenet100, part[motion])
    ax.set(xlabel="ImageNet-100 top-1, %", ylabel=f"{published.BENCHMARK_NAMES[motion]} top-1, %", title=f"Spearman {r:+.2f} (p = {p:.3f}, n = {len(part)})")
    ax.margins(x=0.15)
nb.out.figure(fig, "01_trade_off", "Appearance against motion, mixed regime", wide.reset_index());

# %% [markdown]
# ## What we found

# %%
def worse(baseline):
    d = diff[(diff.baseline == baseline) & (diff.benchmark == "imagenet100")]
    return (d.difference < -5).sum(), len(d)

base = wide.loc["baseline_seed42"] - wide.loc["baseline"]
significant = diff.assign(s=diff.p_holm < 0.05).groupby(["baseline", "benchmark"]).s.agg(["sum", "count"])
frozen = results[(results.ema == "no") & (results.benchmark == "diving48")]
p = statistics.homogeneity(frozen.correct, frozen.n_val)
print(f"two seeds of one baseline differ by {base.imagenet100:.2f} points on ImageNet-100 and {base.ssv2:.2f} on SSv2")
for b in published.BASELINES["mixed"]:
    print(f"against {b}: {worse(b)[0]} of {worse(b)[1]} variants lose more than 5 points on ImageNet-100")
print("differences that survive Holm's correction:")
print(significant.to_string())
print(f"the {len(frozen)} EMA-off rows on Diving-48 are one proportion, chi-square p = {p:.2f}")
print(f"least difference Diving-48 tells with power 0.8: {statistics.detectable_difference(0.087, 1970):.2f} points")
