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
# # 01 · Published results
#
# **Question.** Which of the differences that arXiv 2605.17165 released are there, whichever
# baseline one subtracts, and which are within noise?
#
# The paper adds auxiliary objectives to V-JEPA 2.1, pretrains each variant once on a fixed budget,
# freezes the encoder and trains probes on it. It released 88 accuracies. All of them are shown here
# with the uncertainty their clip counts imply. Nothing is trained.
#
# - `mixed`: pretrained on UCF-101, SSv2 and ImageNet-100 (0.2 : 0.6 : 0.2). Two baselines: seed
#   42, which the paper compares with, and seed 239, the seed of all variants, without Diving-48.
# - `ucf101`: pretrained on UCF-101. One baseline, of seed 239.

# %% tags=["parameters"]
LIVE: bool = False  # True: train what is missing, then show it; False: read recorded runs
PROFILE: str = None  # smoke, mini or small, to train; None: read, or mini where LIVE is True
SEEDS: list = None  # [0, 1] or "0,1"; None: VJEPA_SEEDS, else the seeds of the profile
JOBS: int = None  # training processes; None: VJEPA_JOBS, else one per core
DEVICE: str = None  # cpu or cuda; None: VJEPA_DEVICE, else cpu
OUT: str = None  # folder of figures; None: VJEPA_FIGURES, else figures

# %%
from vjepa_lib.analysis.selection import written
from vjepa_lib.audit import published, readings
from vjepa_lib.show import look, notebook, plots
from vjepa_lib.show.look import label

nb = notebook.open_notebook(
    "01_published_results", PROFILE, SEEDS, JOBS, DEVICE, live=LIVE, out=OUT, published=True
)
gallery = nb.out
SOURCES = [published.SOURCE]  # stands under every figure and table
say = look.published  # writes a variant; the two baselines with their seeds
results = published.load_results()

# %% [markdown]
# ## What was released
# Every accuracy is top-1 on the validation clips, in percent. An empty cell was not published.

# %%
for regime in results.regimes:
    gallery.table(
        results.wide(regime).rename(index=say, columns=label).rename_axis("variant"),
        f"top1_{regime}",
        f"Published top-1 (%), regime {regime}, main probe of each benchmark.",
        sources=SOURCES,
    )

# %% [markdown]
# The table needs footnotes. Three variants were probed for 50 epochs where the others had 100, one
# file carries another variant's name, and the two rows that would make the comparison complete on
# Diving-48 are missing. Every accuracy is one that a whole number of correct clips can give.

# %%
odd = readings.footnotes(results)
gallery.table(odd, "footnotes", "Rows of the released table to read with care.", sources=SOURCES)

# %% [markdown]
# ## With intervals
# An accuracy is a proportion of $n$ clips, so its 95 % interval (Wilson) follows from $n$ alone:
# 24,777 clips of SSv2, 5,000 images of ImageNet-100, 1,970 clips of Diving-48. Look at how many
# rows lie left of the baseline's line.

# %%
for regime in results.regimes:
    data = readings.with_intervals(results, regime)
    gallery.figure(
        plots.intervals(
            data,
            "top1_percent",
            panel="benchmark",
            references=readings.baseline_lines(results, regime),
            names=look.PUBLISHED,
        ),
        f"intervals_{regime}",
        data[["variant", "benchmark", "top1_percent", "low", "high", "correct", "n_val"]],
        f"Published top-1 with 95 % Wilson intervals, regime {regime}. Lines: the baseline(s).",
        sources=SOURCES,
    )

# %% [markdown]
# ## Differences from both baselines
# The paper subtracts the baseline of seed 42 from variants of seed 239. The baseline of seed 239
# was released as well and is lower. Filled: against seed 42; hollow: against seed 239. The grey
# band is what two single runs of *one* variant would differ by in 95 % of cases if the two
# baselines showed the true spread over seeds; they are only two, so it is a rough guide. There is
# no band for Diving-48, where only one baseline was published.

# %%
differences = readings.differences_in_order(results.differences("mixed"))
noise = results.baseline_noise("mixed")
gallery.figure(
    plots.intervals(
        differences,
        "difference",
        panel="benchmark",
        series="baseline",
        zero=True,
        band=readings.bands(noise),
        xlabel="difference (points)",
        names=look.PUBLISHED,
    ),
    "differences_mixed",
    differences,
    "Variant minus baseline with 95 % intervals (Newcombe). Filled: baseline of seed 42, as in the "
    "paper; hollow: baseline of the variants' own seed 239. Grey: spread of two baseline seeds.",
    sources=SOURCES,
)

# %% [markdown]
# As a map: bold is clear of clip noise after Holm's correction over all comparisons with that
# baseline. Neighbouring columns differ in the baseline alone: cells fade or change sign.

# %%
points, clear = readings.map_of_differences(differences, label)
gallery.figure(
    plots.heatmap(points, mark=clear, bar_label="points", width=5.8, limit=10),
    "heatmap_mixed",
    points,
    "Difference from each baseline in points; bold: clear of clip noise after Holm's correction. "
    "Colours end at ±10.",
    sources=SOURCES,
)

# %%
flips = readings.sign_changes(differences).rename(columns=look.PUBLISHED)
gallery.table(
    written(flips, variant=say, benchmark=label),
    "sign_changes",
    "Differences whose sign depends on which baseline is subtracted (points).",
    sources=SOURCES,
)

# %% [markdown]
# ## How small a difference could have been seen?
# With 80 % power at the 5 % level, for one comparison and for as many as there are variants.

# %%
detectable = readings.detectable(results)
caption = (
    "Half width of the baseline's 95 % interval and the smallest detectable fall and rise (points)."
)
shown = written(detectable, baseline=say, benchmark=label)
gallery.table(shown, "detectable", caption, sources=SOURCES)

# %%
gallery.table(
    written(noise, benchmark=label),
    "seed_noise",
    "Spread of the mixed baselines over their seeds (points): standard deviation with its 95 % "
    "interval; band of a difference of two single runs by Student's t (one degree of freedom) and "
    "as if the spread were known.",
    sources=SOURCES,
)

# %% [markdown]
# ## Is there a trade-off between motion and appearance?
# If objectives on motion cost appearance, variants lie along a falling line.

# %%
ends = readings.with_ends(results, "mixed")
correlations = readings.motion_against_appearance(results)
for row in correlations.itertuples():
    motion = row.benchmark
    gallery.figure(
        plots.tradeoff(
            ends,
            "imagenet100",
            motion,
            xerr=("imagenet100_low", "imagenet100_high"),
            yerr=(f"{motion}_low", f"{motion}_high"),
            xlabel="ImageNet-100 top-1 (%)",
            ylabel=f"{label(motion)} top-1 (%)",
            references=results.baselines["mixed"],
            names=look.PUBLISHED,
            width=5.2,
        ),
        f"tradeoff_{motion}",
        ends,
        f"{label(motion)} against ImageNet-100, regime mixed, with 95 % intervals. Rank "
        f"correlation over {row.n} variants: {row.rho:+.2f} (p = {row.p:.2g}).",
        sources=SOURCES,
    )

# %% [markdown]
# ## Rows with EMA off
# Seven variants of the `ucf101` regime were trained without EMA: six kinematic ones and SIGReg.
# Their objectives differ in kind and weight. If their rows could all be samples of one proportion,
# the objective is not needed to explain them. `p_alike` is the other tail: small means more alike
# than independent samples, as one encoder probed several times is.

# %%
homogeneity = readings.one_proportion(results)
gallery.table(
    written(homogeneity, benchmark=label),
    "ema_off_homogeneity",
    "Chi-square test that all EMA-off rows of a benchmark are one proportion.",
    digits={"p": 3, "p_alike": 3, "p_holm": 3},
    sources=SOURCES,
)

# %% [markdown]
# The rows on Diving-48: the hollow dots were all read from encoders without EMA.

# %%
diving = readings.by_ema(results, "diving48")
baseline = results.row("ucf101", "baseline", "diving48")["top1_percent"]
gallery.figure(
    plots.intervals(
        diving,
        "top1_percent",
        series="ema",
        references={None: {"baseline": baseline}},
        names={"EMA on": "EMA on", "EMA off": "EMA off"} | look.PUBLISHED,
        xlabel="Diving-48 top-1 (%)",
        width=4.6,
    ),
    "ema_off_diving48",
    diving[["variant", "ema", "top1_percent", "low", "high"]],
    "Diving-48 in the ucf101 regime. Filled: EMA on; hollow: EMA off.",
    sources=SOURCES,
)

# %% [markdown]
# ## Forty clips
# The paper's synthetic-motion benchmark has 40 validation clips. UCF-101 of the same three encoders
# is shown beside: look at the length of the bars.

# %%
few = readings.few_clips(results)
gallery.figure(
    plots.intervals(few, "top1_percent", panel="benchmark", names=look.PUBLISHED, width=4.6),
    "synthetic_motion",
    few[["variant", "benchmark", "top1_percent", "low", "high", "correct", "n_val"]],
    "Synthetic motion (40 clips) and UCF-101 (3,783 clips) with 95 % intervals.",
    sources=SOURCES,
)

# %% [markdown]
# ## One encoder, eight probes
# The `ucf101` baseline was read on Diving-48 by eight probes. The choice of probe moves the number
# more than most objectives do.

# %%
probes = readings.probes_of_baseline(results, "diving48")
gallery.table(
    probes,
    "probes_diving48",
    "Diving-48 top-1 (%) of the ucf101 baseline under eight probes, with 95 % intervals.",
    sources=SOURCES,
)

# %% [markdown]
# ## What we found

# %%
print(readings.between_baselines(noise))
print(*readings.losses_on_imagenet(results, differences, say), sep="\n")
print(readings.steady_differences(differences, label))
print(readings.seen_on_diving48(differences, detectable))
print(*readings.correlations(correlations, label), sep="\n")
print(*readings.alike_without_ema(homogeneity, label), sep="\n")
print(*readings.gains_on_forty_clips(few, ("kinematic", "kinematic_0_1"), label), sep="\n")
print(readings.span_of_probes(probes))
