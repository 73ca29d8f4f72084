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
# # 14 · Cross-domain transfer
#
# [Map](00_map_of_the_study.ipynb) · before: [13, the combination](13_the_combination.ipynb) · next:
# [15, what the gradients reach](15_what_the_gradients_reach.ipynb) · leans on
# [03](03_data_clips_and_masks.ipynb) (the domains); with a probe that is not trained anew:
# [16](16_zero_shot_transfer.ipynb)
#
# **Question.** How much of what frozen encoders read in the pretraining domain is left under other
# cameras, textures and noise, how few labels do they need there, and how would the same be
# measured on HACS and Kinetics-400?
#
# **The idea.** Two pairs of embedded benchmarks ask the same kind of question inside and outside
# the pretraining domain: `actions` and `shift_kinetics` (hand-held camera, finer textures of lower
# contrast, another palette, twice the frame rate, a distractor), `fine_motion` and `shift_hacs`
# (oriented textures never seen moving so, stronger noise, 12 frames a second, distractors). They
# stand in for Kinetics-400 and HACS, which nobody can download here; they are not these data sets.
#
# A probe is trained anew in each domain on the same frozen encoder. Accuracy $a$ is put on the way
# from chance to the accuracy of a supervised network, and what is *kept* is the share of that score
# that is left outside:
#
# $$s = \frac{a - a_{chance}}{a_{ceiling} - a_{chance}}, \qquad
# \text{kept} = 100\,\frac{s_{outside}}{s_{inside}}\ \%.$$
#
# **Words.** FWM is the factorized world model, HW hard-region weighting, LD latent dynamics; LTC,
# IIC and VCLR are the contrasts of [12](12_contrastive_learning.ipynb): latent temporal,
# inter-intra, video-level. *Released* is what the study's published code trains, *described* what
# its text says. `smoke`, `mini` and `small` are the sizes of our runs; every output says which it
# shows.

# %% tags=["parameters"]
LIVE: bool = False  # True: train what is missing, then show it; False: read recorded runs
PROFILE: str = None  # smoke, mini or small, to train; None: read, or mini where LIVE is True
SEEDS: list = None  # [0, 1] or "0,1"; None: VJEPA_SEEDS, else the seeds of the profile
JOBS: int = None  # training processes; None: VJEPA_JOBS, else one per core
DEVICE: str = None  # cpu or cuda; None: VJEPA_DEVICE, else cpu

# %%
from vjepa_lib import paper
from vjepa_lib.analysis import combination, crossing, findings, observations, selection
from vjepa_lib.paper import settings_tables
from vjepa_lib.show import notebook, plots, strips

nb = notebook.open_notebook("14_cross_domain_transfer", PROFILE, SEEDS, JOBS, DEVICE, live=LIVE)
results = nb.results  # recorded; LIVE: what is missing is trained here, once
followed = crossing.runs_of_interest()["few"]  # named in the figures with few labels

# %% [markdown]
# ## The domains side by side
#
# Look at one clip of a benchmark and of its shifted partner: the question is the same, all else
# that the table lists is not.

# %%
caption = "What differs between a benchmark and its shifted partner"
nb.out.table(crossing.domain_differences(), "domains", caption)

# %%
domains = crossing.paired_domains()
rows = strips.first_clips(nb.clips, domains.benchmark)
caption = "One clip of every benchmark, frame by frame"
nb.out.figure(plots.clips(rows, width=5), "clips", domains, caption)

# %% [markdown]
# All that the table lists changes at once, so what is lost outside cannot be put down to one of the
# changes. And nothing here is far away: a person would call the shifted clips of a kind with their
# partners.

# %% [markdown]
# ## In the domain and outside it
#
# Each dot is an objective. To the right is better in the domain, up is better outside it; what
# lies above the baseline's horizontal line reads more outside than the baseline. Look at whether
# the dots lie along one rising line: then what is better inside is better outside, and nothing is
# told about robustness. A dot far below that line has learned what holds in its domain only.

# %%
# kept: the share of the score that is left outside, chance taken off; none where an encoder reads
# inside no more than the untrained one.
shift = selection.by_source(nb.sources, crossing.shift_of_mixture)
for outside, inside in combination.SHIFTED.items():
    # The fullest source: recorded runs where there are some, they have more seeds.
    part = selection.fullest(selection.pick(shift, "benchmark", [outside]))
    source = crossing.source_of(part)
    fig = plots.tradeoff(
        part,
        "inside",
        "outside",
        rows="name",
        xerr=("inside_low", "inside_high"),
        yerr=("outside_low", "outside_high"),
        xlabel=f"{plots.label(inside)}, in domain (%)",
        ylabel=f"{outside}, shifted (%)",
        references=["baseline"],
        width=6,
    )
    nb.out.figure(
        fig,
        f"pair_{outside}",
        part,
        f"Accuracy in the domain ({inside}) and outside it ({outside}), means and t intervals over "
        f"seeds ({source} runs); lines: baseline",
        nb.runs,
    )

# %%
columns = ["source", "benchmark", "name", "inside", "outside", "kept"]
caption = "In-domain and shifted accuracy, and the share of the score that is kept (%)"
nb.out.table(shift[columns], "shift", caption, nb.runs, digits=1)
for _, source, part in selection.each_source(shift):
    print(source, *findings.kept_outside(part, combination.SHIFTED, followed), sep="\n  ")

# %% [markdown]
# Two numbers belong together here. An encoder that reads little inside can keep much of it, and one
# that keeps a small share can still read more outside than any other: the accuracy outside is what
# a user gets, the share says how much of the work inside was lost on the way.

# %% [markdown]
# ## What the mixture of pretraining domains does to transfer
#
# A row is an objective, a column what it was pretrained on. Look at whether the mixture or one
# domain alone reads a shifted benchmark best.

# %%
# Four objectives, each trained on every domain alone and on the mixture.
transfer = selection.by_source(nb.sources, combination.transfer_matrix)
to_shifted = crossing.transfer_to_shifted(transfer)
for benchmark in combination.SHIFTED:
    part = selection.fullest(selection.pick(to_shifted, "benchmark", [benchmark]))
    wide = selection.matrix(part, "top1", "name", "regime")
    nb.out.figure(
        plots.heatmap(wide, centre=None, fmt="{:.1f}", bar_label="top-1 (%)", width=6),
        f"pretraining_{benchmark}",
        part,
        f"{benchmark}: top-1 by objective and pretraining data ({crossing.source_of(part)} runs)",
        nb.runs,
    )

# %%
columns = ["source", "name", "regime", "benchmark", "top1", "low", "high", "n_seeds"]
caption = "Transfer by pretraining data, t intervals over seeds"
nb.out.table(transfer[columns], "pretraining_table", caption, nb.runs, digits=1)
for _, source, part in selection.each_source(to_shifted):
    print(f"{source}: {findings.best_pretraining(part)}")
    print("", *observations.mixture_or_one(part), sep="\n  ")

# %% [markdown]
# `ucf101` are general clips, `motions` clips whose camera moves in one way, `stills` single
# pictures; the mixture has all three and equally many steps. Where one of them alone is best, the
# steps spent on the others may have been missed. A difference between two cells of the maps is one
# of means; their intervals stand in the table.

# %% [markdown]
# ## Few labels
#
# Linear probes trained on 1, 5, 10, 50 and 100 % of the labels, at least one of every class, the
# same ones for every encoder of a seed. Look at the left end: an encoder that already has the
# answer in its latent needs few labels to give it away.

# %%
few = selection.by_source(nb.sources, crossing.few_labels_of_mixture)
for tag, source, part in selection.each_source(selection.pick(few, "name", followed)):
    # A panel a benchmark: the plot wants a column for each.
    wide = selection.matrix(part, "top1", ["name", "seed", "share"]).reset_index()
    fig = plots.curves(
        wide,
        domains.benchmark,
        x="share",
        by="name",
        logx=True,
        columns=2,
        ylabels={b: f"{b}, top-1 (%)" for b in domains.benchmark},
    )
    nb.out.figure(
        fig,
        f"low_shot_{tag}",
        part,
        f"Accuracy over the share of labels in percent ({source} runs); bands: lowest to highest "
        "seed",
        nb.runs,
    )

# %%
nb.out.table(
    crossing.labelled_clips(few),
    "labels",
    "Labelled clips behind each share: small shares are rounded up to one clip of every class",
)
for _, source, part in selection.each_source(few):
    print(source, *findings.fewest_labels(part, combination.SHIFTED, followed), sep="\n  ")

# %% [markdown]
# With a clip or two of each class a probe can only use what already lies apart in the latent.
# Compare what an objective has over the baseline at the left end with what it has with all labels:
# a lead that grows towards the left is an answer that lies open, one that is there only on the
# right is an answer that had to be dug out.

# %% [markdown]
# ## The exact protocol on HACS and Kinetics-400
#
# With the data sets on disk the `paper` profile trains the primary source's model as it did and
# reads it on its three benchmarks, and on HACS and Kinetics-400 beside them.
# `docs/paper_protocol.md` has the commands, from the annotations to the table; these are the
# settings they use.

# %%
# Only settings are read here; nothing is trained.
nb.out.table(
    settings_tables.protocol_table(),
    "protocol",
    "How a frozen ViT-B is read: 16 evenly spread frames, centre crop, target encoder, last level",
    sources=["arXiv 2605.17165"],
)
nb.out.table(
    settings_tables.settings_table(paper.Settings()),
    "protocol_sizes",
    "Settings of the paper profile",
    sources=["arXiv 2605.17165"],
)

# %% [markdown]
# ## What it means
#
# **Mechanism.** A frozen encoder transfers if what it keeps of a clip does not depend on what has
# changed. The probe is trained anew in each domain, so what is lost outside is content, as far as a
# linear probe finds it, and not a probe that was fitted elsewhere. It has two parts: the shifted
# benchmark may be harder for any encoder (the untrained one shows how much), and the encoder may
# have learned what only holds in its domain. An objective that is better outside by as much as it
# is better inside has not become more robust, it has become better.
#
# **What supports it.** The share that is kept, beside that of the untrained encoder and of the
# baseline, in the lines under the scatter; and the curves over labels, which show whether an
# objective's lead outside needs many labels to appear.
#
# **How to read the shares.** These two benchmarks are shifted mildly and in several ways at once,
# so shares that lie close together say little. A share has no interval here, and one of a low score
# is a quotient of two small numbers.
#
# **Not expected.** The mixture is made of all three domains, and yet it need not be the best to
# pretrain on, not even for benchmarks that none of the three resembles: the lines under the maps
# say for which objectives it is.
#
# **What remains open.** Which of the changes costs what cannot be told from benchmarks that change
# everything at once. [16](16_zero_shot_transfer.ipynb) takes them one by one, at four severities,
# with a probe that stays as it was fitted in the source.

# %% [markdown]
# ## What we found

# %%
# Live runs first, then recorded ones.
for tables in selection.together(shift, to_shifted, few):
    source, shift_, transfer_, few_ = tables
    print(f"{source} runs:")
    print("", *findings.kept_outside(shift_, combination.SHIFTED, followed), sep="\n  ")
    print(f"  {findings.best_pretraining(transfer_)}")
    print("", *findings.fewest_labels(few_, combination.SHIFTED, followed), sep="\n  ")
