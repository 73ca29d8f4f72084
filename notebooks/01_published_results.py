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
# [Map](00_map_of_the_study.ipynb) · next: [02, claims audit](02_claims_audit.ipynb), which rests on
# this one
#
# **Question.** Which of the differences that arXiv 2605.17165 released are there, whichever
# baseline one subtracts, and which are within noise?
#
# The paper adds auxiliary objectives to V-JEPA 2.1, pretrains each variant once on a fixed budget,
# freezes the encoder and trains probes on it. It released 88 accuracies. All of them are shown here
# with the uncertainty their clip counts imply. Nothing is trained. Of the names, FWM is the
# factorized world model, HW hard-region weighting, LD latent dynamics, LTC latent temporal
# contrast, AC action-conditioned prediction of colour and FAC its factorized form;
# [00](00_map_of_the_study.ipynb) has all formulas.
#
# **The idea.** Two kinds of chance stand between an accuracy and the objective it is to speak for.
# The first is which clips were in the validation set. With $\hat p$ right of $n$ clips the Wilson
# interval is
#
# $$\frac{1}{1 + z^2/n}\Big(\hat p + \frac{z^2}{2n} \pm
# z\sqrt{\frac{\hat p(1 - \hat p)}{n} + \frac{z^2}{4n^2}}\Big), \qquad z = 1.96,$$
#
# and follows from the published numbers alone. The second is the seed of the training. Each variant
# has one, so nothing in its own row tells how much another would have changed; only the baseline
# was trained twice.
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
import inspect

from IPython.display import Code

from vjepa_lib.analysis.selection import written
from vjepa_lib.analysis.statistics import proportion_interval
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
#
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
#
# SSv2 has 24,777 validation clips, ImageNet-100 5,000 images, Diving-48 1,970 clips. Look at two
# things: how the length of the bars goes with these numbers, and how many rows lie left of the
# baseline's line.

# %%
# The interval of the formula above, as the library computes it.
Code(inspect.getsource(proportion_interval), language="python")

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
# Many bars are short and far from the line, so clip noise alone does not explain them. It leaves
# the second kind of chance.

# %% [markdown]
# ## Differences from both baselines
#
# The paper subtracts the baseline of seed 42 from variants of seed 239. The baseline of seed 239
# was released as well and is lower. Filled: against seed 42; hollow: against seed 239. The grey
# band is what two single runs of *one* variant would differ by in 95 % of cases if the two
# baselines showed the true spread over seeds; they are only two, so it is a rough guide. There is
# no band for Diving-48, where only one baseline was published. Look for pairs of marks that lie on
# one side of zero and outside the band.

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
# All hollow marks of a benchmark lie to the right of their filled partners by one and the same
# distance, the distance between the two baselines. A claim that needs the filled mark is a claim
# about seed 42.
#
# As a map: bold is clear of clip noise after Holm's correction over all comparisons with that
# baseline. Neighbouring columns differ in the baseline alone: look for cells that fade or change
# sign from one to the next.

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

# %% [markdown]
# The cells that change sign, in numbers. For these, whether the objective helped or hurt was
# decided by a seed of the baseline.

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
# A benchmark with few clips can hide a real effect. These are the smallest differences that would
# have been found in 80 % of cases at the 5 % level, for one comparison and for as many as there are
# variants. Look at `fall_all`: an objective that costs less than this cannot have been caught.

# %%
detectable = readings.detectable(results)
caption = (
    "Half width of the baseline's 95 % interval and the smallest detectable fall and rise (points)."
)
shown = written(detectable, baseline=say, benchmark=label)
gallery.table(shown, "detectable", caption, sources=SOURCES)
print(readings.seen_on_diving48(differences, detectable))

# %% [markdown]
# The same for seeds, from the two baselines. `band_plugin` is the grey band of the figure; `band`
# allows for the fact that a standard deviation from two values is itself hardly known. The truth
# lies between them, and two seeds cannot say where.

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
# If objectives on motion cost appearance, variants lie along a falling line. Look at the direction
# of the cloud, and at whether one or two far points make it.

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
#
# The target encoder follows the trained one by an exponential moving average (EMA). Seven variants
# of the `ucf101` regime were trained without EMA: six kinematic ones and SIGReg. Their objectives
# differ in kind and weight. If their rows could all be samples of one proportion, the objective is
# not needed to explain them. `p_alike` is the other tail: small means more alike than independent
# samples, as one encoder probed several times is. The columns beginning with `on` are the control:
# the same test for rows with EMA on, which should differ.

# %%
homogeneity = readings.one_proportion(results)
gallery.table(
    written(homogeneity, benchmark=label),
    "ema_off_homogeneity",
    "Chi-square test that all EMA-off rows of a benchmark are one proportion.",
    digits={"p": 3, "p_alike": 3, "p_holm": 3},
    sources=SOURCES,
)
print(*readings.alike_without_ema(homogeneity, label), sep="\n")

# %% [markdown]
# The rows on Diving-48: the hollow dots were all read from encoders without EMA. Look at how far
# they spread, beside the filled ones.

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
# Being alike does not prove that the encoders are one. [04](04_baseline_and_collapse.ipynb) and
# [11](11_physics_and_the_frozen_target.ipynb) run the code with EMA off and look at the weights.

# %% [markdown]
# ## Forty clips
#
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
# On 40 clips one clip is 2.5 points. A bar that long allows a large gain and a small one alike.

# %% [markdown]
# ## One encoder, eight probes
#
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
# ## What it means
#
# **Mechanism.** Clip noise shrinks with the number of clips; noise of seeds does not. On benchmarks
# with thousands of clips it is the seed that limits what can be said, on those with forty it is the
# clips. The last cell counts how many differences are clear of clip noise against both baselines:
# only these do not depend on which baseline is subtracted, and even they rest on one training each.
#
# **Not expected.** The choice of the baseline is as large a lever as most objectives: it moves
# every difference of a benchmark at once. The choice of the probe is another.
#
# **Open.** How far seeds scatter. Two baselines give one degree of freedom; five trainings of one
# variant would settle more than another variant does. Our own runs have five seeds each, on other
# data ([02](02_claims_audit.ipynb) shows their spread). Which clips were right was not published,
# so no paired test is possible, and the unpaired ones used here err on the side of no difference.

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
