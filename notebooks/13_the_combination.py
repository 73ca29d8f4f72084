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
# [Map](00_map_of_the_study.ipynb) · before: [12, contrastive
# learning](12_contrastive_learning.ipynb) · next: [14, cross-domain
# transfer](14_cross_domain_transfer.ipynb) · leans on [07](07_factorized_world_model.ipynb) (the
# factorized part) and [12](12_contrastive_learning.ipynb) (the contrasts); the same question with a
# probe that stays as it was fitted elsewhere: [16](16_zero_shot_transfer.ipynb)
#
# **Question.** What does combining factorized latent dynamics with contrastive learning do to
# transfer, in particular across domains: does it bring more than the better of its two parts?
#
# **The idea.** The two families ask for different things. A factorized part works inside a clip:
# the factorized world model (FWM) asks one half of the channels to stay the same over time, latent
# dynamics (LD) asks how tokens move on, hard-region weighting (HW) puts weight where prediction
# fails. A contrast works between things: latent temporal contrast (LTC) tells a token from its
# successor, inter-intra contrast (IIC) a clip from other clips and from itself with its time
# broken, video-level contrast (VCLR) a video from other videos. If they fill different gaps, their
# sum should hold what either holds alone. Each objective here is the baseline's, plus a factorized
# part, plus a contrast:
#
# $$\mathcal{L} = \mathcal{L}_{JEPA} + \lambda\mathcal{L}_{ctx} + \mathcal{L}_{factorized} +
# w\,\mathcal{L}_{contrast}.$$
#
# **The design.** The rows are {baseline, FWM, FWM-HW-LD as released, FWM-HW-LD as described}, the
# columns {no contrast, LTC, IIC, VCLR}, and each cell is trained with every seed. With $y_{ij}$ the
# accuracy of row $i$ and column $j$, two questions are asked of a cell: does it beat the better of
# its two parts, $y_{ij} - \max(y_{i0}, y_{0j})$; and does the contrast add more to the factorized
# row than it adds to the baseline, the *interaction* $(y_{ij}-y_{i0})-(y_{0j}-y_{00})$.
#
# **Words.** *Released* is what the study's published code trains, *described* what its text says.
# `smoke`, `mini` and `small` are the sizes of our runs; every output says which it shows. No
# publication has these runs. They stand on small models and embedded data with known factors.

# %% tags=["parameters"]
LIVE: bool = False  # True: train what is missing, then show it; False: read recorded runs
PROFILE: str = None  # smoke, mini or small, to train; None: read, or mini where LIVE is True
SEEDS: list = None  # [0, 1] or "0,1"; None: VJEPA_SEEDS, else the seeds of the profile
JOBS: int = None  # training processes; None: VJEPA_JOBS, else one per core
DEVICE: str = None  # cpu or cuda; None: VJEPA_DEVICE, else cpu

# %%
from vjepa_lib.analysis import (
    combination,
    crossing,
    findings,
    observations,
    selection,
)
from vjepa_lib.show import notebook, plots, sections, strips

nb = notebook.open_notebook("13_the_combination", PROFILE, SEEDS, JOBS, DEVICE, live=LIVE)
results = nb.results  # recorded; LIVE: what is missing is trained here, once
followed = crossing.runs_of_interest()  # what the last cells and the leakage figure name
# How the plots of effects against a reference are drawn.
against_zero = {"panel": "benchmark", "series": "source", "zero": True}
points = against_zero | {"rows": "name", "xlabel": "points", "names": {"all": "all six"}}

# %% [markdown]
# ## The design, and what each objective is made of
#
# A row is a cell of the crossing, a column a term with its weight; a dash is a term that is not
# there. Look at how small the weights of IIC and VCLR are: they are set so that each contrast pulls
# the context encoder about as hard as LTC does ([12](12_contrastive_learning.ipynb) measures that).

# %%
caption = "The crossing: weights of the terms beside JEPA and context loss"
nb.out.table(crossing.design(nb.profile.name), "design", caption, digits=3)

# %% [markdown]
# Nothing is tuned for a combination: a cell has the terms of its row and of its column, each with
# the weight it has alone. What a combination with other weights would do is not asked here.

# %% [markdown]
# ## What the encoders make of a clip
#
# Before any number, the encoders themselves. A token's first three principal components over the
# tokens of one clip become red, green and blue: places of one colour are alike to that encoder.
# Every row has colours of its own, so only patterns can be compared, not hues. Look down the
# rows: does the combination have the pattern of one of its parts?

# %%
# From an encoder that nobody trained to the combination: only what is kept at one size and seed.
runs = [
    ("random_init", "released"),
    ("baseline", "released"),
    ("vclr", "released"),
    ("fwm_hw_ld", "described"),
    ("fwm_hw_ld+vclr", "described"),
]
these = nb.encoders(runs)
rows, variance = strips.encoder_maps(these, nb.clips["actions"].frames[0])
nb.out.figure(
    plots.clips(rows, every=2, width=4.6),  # one frame per time step
    "maps",
    variance,
    f"Tokens of one clip of `actions` as colours, a column per time step; encoders: {these.about}",
    nb.runs,
    digits=2,
)
print(observations.variance_over_time(variance))

# %% [markdown]
# The sentence counts what the eye can only guess at: how much of a map is not fixed to a place. It
# is one clip, and noise changes over time as well as motion does; that is why the untrained encoder
# is in the picture. What the encoders are good for, the probes below have to say.

# %% [markdown]
# ## Every cell on every benchmark
#
# Points gained over the baseline of the same seed; `all` is the mean over the six benchmarks. Look
# down a column of contrasts first, then at whether a factorized part changes it.

# %%
# A row per cell, benchmark and seed; `by_source` puts live and recorded runs under each other.
crossed = selection.by_source(nb.sources, combination.crossed)
gains = selection.by_source(nb.sources, crossing.gains_of_crossing)
sections.gain_maps(
    nb,
    gains,
    "gains",
    "Combinations against the baseline of the same seed",
    nb.runs,
    order=crossing.cells_but_baseline(crossed),
)
print(findings.count_clear(gains))

# %% [markdown]
# Most cells move, so a gain over the baseline alone decides nothing about combining. The same with
# intervals, where the question lies: on average, and on the two shifted benchmarks. Look for a
# combination whose interval lies to the right of the interval of either part.

# %%
# WHERE: the mean of all six benchmarks, and the two shifted ones.
shown = selection.pick(gains, "benchmark", crossing.WHERE)
nb.out.figure(
    plots.intervals(shown, "effect", **points),
    "gains_shifted",
    shown,
    "Gain over the baseline with t intervals over seeds, on average and on the two shifted "
    f"benchmarks{nb.marks}",
    nb.runs,
)
for _, source, part in selection.each_source(shown):
    print(source, *observations.furthest_rows(part, crossing.WHERE), sep="\n  ")

# %% [markdown]
# An interval over five seeds is wide where seeds disagree, and a cell whose seeds fall into two
# kinds of outcome has none. The accuracies behind the differences:

# %%
caption = "Linear probes of every cell, top-1 (%), mean over seeds"
nb.out.table(selection.side_by_side(crossed), "cells", caption, nb.runs, digits=1)

# %% [markdown]
# ## Does the reading favour the contrast?
#
# VCLR trains the mean of a video's tokens, and the linear probe reads the mean token. The attentive
# probe on `fine_motion` reads all tokens instead: what the contrast only moved into the mean would
# show no gain there.

# %%
# The attentive probe learns where to look; it is trained on the same labels.
readings = selection.by_source(nb.sources, crossing.readings)
nb.out.table(
    readings[["name", "linear", "attentive", "source"]],
    "readings",
    "fine_motion read from the mean token (linear) and from all tokens (attentive), top-1 (%), "
    "mean over seeds",
    nb.runs,
)
for _, source, part in selection.each_source(readings):
    print(f"{source}: {findings.read_both_ways(part, followed['readings'])}")

# %% [markdown]
# Compare a row with the baseline's in the same column. Where an encoder is far ahead in the first
# column and level with the baseline in the second, the contrast has made the answer easy to read
# from the mean; it was in the tokens before. On this benchmark the attentive probe reads nearly
# everything from many encoders, so it has little room to tell them apart.

# %% [markdown]
# ## Do the two parts work together? Interactions
#
# A dot left of 0 says that the contrast adds less to the factorized row than to the baseline. That
# is what two parts show that bring the same thing, and also what a ceiling shows. Look at one
# contrast at a time: is its sign the same in every factorized row and on every benchmark?

# %%
# simple: what the contrast adds to the row; reference: what it adds to the baseline.
interactions = selection.by_source(nb.sources, crossing.interactions)
shown = selection.pick(interactions, "benchmark", crossing.WHERE)
titles = crossing.pair_titles(interactions, plots.label) | {"all": "all six"}
nb.out.figure(
    plots.intervals(
        shown,
        "estimate",
        rows="pair",
        xlabel="interaction (points)",
        names=titles,
        **against_zero,
    ),
    "interactions",
    shown,
    "What a contrast adds to a factorized objective beyond what it adds to the baseline; intervals "
    "from the scatter over seeds, pooled over the crossing",
    nb.runs,
)

# %%
columns = ["simple", "reference", "estimate", "low", "high", "p_adjusted"]
nb.out.table(
    interactions[["source", "benchmark", "base", "contrast", *columns]],
    "interactions_table",
    "Gain of the contrast on the row (simple), on the baseline (reference), and their difference, "
    "points",
    nb.runs,
)
for _, source, part in selection.each_source(interactions):
    print(f"{source}: {findings.interactions_on_mean(part)}")

# %% [markdown]
# An interaction is about sums, not about winners: it can be positive where the combination is
# worse than its better part, for instance where a contrast only repairs what a factorized row had
# broken. In the table, `simple` says what the contrast does to the row itself. So the next question
# is asked apart.

# %% [markdown]
# ## Is the whole more than its better part?
#
# To the right of 0 the combination beats the better of its two parts. Look at what stands to the
# right at all, and at which part it had to beat (column `best_part` of the table).

# %%
# Which part is better is decided on the mean over seeds, the difference is taken seed by seed.
whole = selection.by_source(nb.sources, crossing.against_best_part)
shown = selection.pick(whole, "benchmark", crossing.WHERE)
nb.out.figure(
    plots.intervals(shown, "effect", **points),
    "best_part",
    shown,
    "Each combination minus the better of its two parts, t intervals over seeds",
    nb.runs,
)

# %%
nb.out.table(
    whole[["source", "benchmark", "name", "best_part", "effect", "low", "high"]],
    "best_part_table",
    "Each combination minus the better of its two parts, points",
    nb.runs,
)
for _, source, part in selection.each_source(whole):
    print(source, *findings.above_and_below(part, crossing.WHERE), sep="\n  ")

# %% [markdown]
# The better part is chosen by its mean over the same seeds, so luck favours it a little. Many
# combinations are undecided, which is not the same as no difference: five seeds cannot tell a small
# effect from none.

# %% [markdown]
# ## Is it the ceiling? The same with few labels
#
# Where the best part already reads nearly everything, a combination has no room to gain. With few
# labels everything reads less, and the same comparison has room. If the ceiling were all that holds
# combinations back, the sentences would turn as the share of labels falls; look whether they do.

# %%
# A verdict is a sentence: it chooses the best part and the best combination of its row anew.
few = crossing.verdicts_by_labels(nb.sources)
nb.out.table(
    few[["source", "probe", "verdict"]],
    "few_labels",
    "Best combination against best part, by the share of labels the probe was trained on (linear: "
    "all)",
    nb.runs,
)
print(*observations.by_labels(few), sep="\n")

# %% [markdown]
# ## Where the contrast acts: all channels, the appearance half, the dynamics half
#
# FWM cuts the channels into a half that is asked to stay the same (appearance) and one that may
# move (dynamics). A contrast on all channels asks both halves to tell clips apart; on one half it
# leaves the other alone. If the two parts get in each other's way, keeping them apart should help.
# Look at whether the three rows of a contrast differ by more than their intervals.

# %%
# The reference is FWM-HW-LD without contrast here, not the baseline.
halves = selection.by_source(nb.sources, combination.on_halves)
shown = selection.pick(halves, "benchmark", crossing.WHERE)
nb.out.figure(
    plots.intervals(shown, "effect", **points),
    "halves",
    shown,
    "The contrast on all channels or on one half of the latent, against FWM-HW-LD as described "
    "without contrast",
    nb.runs,
)
print(findings.count_clear(halves))
for _, source, part in selection.each_source(shown):
    print(source, *observations.furthest_rows(part, crossing.WHERE), sep="\n  ")

# %% [markdown]
# These differences are against FWM-HW-LD *without* a contrast. What a half has over all channels is
# the distance between two rows of the picture; the report tests it as a difference of its own.

# %% [markdown]
# ## Transfer matrix: pretraining domain × downstream domain
#
# Four objectives, each pretrained on one domain alone and on the mixture. Look along the rows of
# one objective: what the mixture brings, and on which benchmarks one domain is enough.

# %%
# A baseline that was trained on one domain is another run than that of the mixture.
transfer = selection.by_source(nb.sources, combination.transfer_matrix)
for tag, source, part in selection.each_source(transfer):
    nb.out.figure(
        plots.heatmap(
            crossing.by_pretraining(part),
            centre=None,
            fmt="{:.0f}",
            bar_label="top-1 (%)",
            width=7,
        ),
        f"transfer_{tag}",
        part,
        "Transfer: what an encoder pretrained on one domain (ucf101: general clips, motions, "
        f"stills) or on the mixture reads downstream ({source} runs)",
        nb.runs,
    )
    print(f"{source}: {findings.best_pretraining(part)}")
    print("", *observations.mixture_or_one(part), sep="\n  ")

# %% [markdown]
# `ucf101`, `motions` and `stills` are parts of the mixture, and all runs have equally many steps:
# where one of them alone reads better, the steps spent on the others may have been missed there.
# The two shifted columns are taken up in [14](14_cross_domain_transfer.ipynb).

# %% [markdown]
# ## Factor leakage: what each half of the latent gives away
#
# On `actions`, texture (an appearance factor) and camera motion are drawn independently. A linear
# probe reads each from each half; chance is one over the number of textures and of motions. A
# factorized latent would give motion away in its dynamics half alone. Look at the distance between
# the filled and the hollow dot of a row, and at its sign in each panel.

# %%
leak = selection.by_source(nb.sources, combination.leakage)
# The fullest source: recorded runs where there are some, they have more seeds.
shown = selection.fullest(selection.pick(leak, "name", followed["halves"]))
shown = selection.drop(shown, "half", ["all"])  # the whole latent is no half
written = {
    "appearance": "appearance half",
    "dynamics": "dynamics half",
    "texture": "texture (appearance)",
    "camera": "camera motion",
}
nb.out.figure(
    plots.intervals(shown, "top1", rows="name", panel="factor", series="half", names=written),
    "leakage",
    shown,
    "Read from the appearance half (filled) and the dynamics half (hollow) of the latent, t "
    f"intervals over seeds ({crossing.source_of(shown)} runs)",
    nb.runs,
)

# %%
# 0: either half reads both factors alike. Negative: the halves have changed places.
separation = selection.by_source(nb.sources, crossing.separation)
nb.out.table(
    separation[["name", "appearance", "motion", "separation", "source"]],
    "separation",
    "How far the halves specialise: each factor read from its own half minus from the other, "
    "points",
    nb.runs,
    digits=2,
)
for _, source, part in selection.each_source(separation):
    print(f"{source}: {findings.separation_of_halves(part, followed['separation'])}")

# %% [markdown]
# `separation` is the mean of the two columns before it. A half that is better at its own factor and
# as much worse at the other's has not separated anything: then one half is simply the better one
# to read, and the two columns have opposite signs.

# %% [markdown]
# ## Loss and collapse over training
#
# Look at FWM-HW-LD as released, whose dynamics term has no gradient, with and without the contrast:
# does the spread of its features fall to the floor, and does the contrast hold it up?

# %%
names = ("baseline", "vclr", "fwm_hw_ld", "fwm_hw_ld+vclr")
# Curves are those of live runs; of recorded ones only the last row is kept.
own = [c for c in nb.configs if c.variant in names and c.regime == "mixed"]
sections.collapse(nb, sections.curves_of(nb, own), nb.hashes(sections.trained(own)))

# %% [markdown]
# ## What it means
#
# **Mechanism.** An interaction is an arithmetic remainder and has no cause of its own. It is
# negative when two parts bring the same thing, when the better one leaves no room, or when one part
# undoes the other's work.
#
# **What supports which.** The comparison with few labels tells the second reason from the others:
# there is room, so a ceiling cannot be what holds a combination back. The rows on single benchmarks
# show where a part undoes the other. The separation of the halves tells whether a factorized latent
# has come about at all: a half that gives away both factors is a half in name only. Why the parts
# meet as they do is not measured here; [16](16_zero_shot_transfer.ipynb) compares the losses that
# both end with and looks at what kept encoders hold.
#
# **Not expected.** Interactions with the three contrasts need not agree in sign: a contrast over
# time within a place and one over whole clips ask for different things of the same latent. And
# FWM-HW-LD as released has a dynamics term without gradient, so what it does beside a contrast says
# nothing of dynamics ([07](07_factorized_world_model.ipynb)).
#
# **What remains open.** Every probe here is trained anew where it is read. What a probe from the
# source still reads in a shifted world, with a training that settles and worlds shifted one way at
# a time, is asked in [16](16_zero_shot_transfer.ipynb), and the README's answer stands on that.

# %% [markdown]
# ## What we found

# %%
# One sentence for the mean and for each shifted benchmark, then the same with few labels.
for source, results in nb.sources.items():
    print(f"{source} runs:")
    print("", *crossing.answers(results), sep="\n  ")
    print("", *crossing.answers_with_few_labels(few, source), sep="\n  ")
print(*findings.against(gains, "the baseline"), sep="\n")

# %%
for tables in selection.together(whole, interactions, readings, separation):
    source, whole_, interactions_, readings_, separation_ = tables
    print(f"{source} runs:")
    print("", *findings.above_and_below(whole_, crossing.WHERE), sep="\n  ")
    print(f"  {findings.interactions_on_mean(interactions_)}")
    print(f"  {findings.read_both_ways(readings_, followed['readings'])}")
    print(f"  {findings.separation_of_halves(separation_, followed['separation'])}")
