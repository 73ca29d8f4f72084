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
# # 03 · Data, clips and masks
#
# [Map](00_map_of_the_study.ipynb) · before: [02, claims audit](02_claims_audit.ipynb) · next: [04,
# the baseline and collapse](04_baseline_and_collapse.ipynb)
#
# **Question.** What does the encoder see, what is hidden from it, and does each embedded benchmark
# measure the *encoder* rather than the probe?
#
# **The idea.** The study trains on films nobody may pass on, for longer than a laptop is patient.
# So the clips here are rendered, from factors that are known: texture, palette, camera motion,
# shape, trajectory and its direction (`vjepa_lib/datasets/synthetic.py`). They are written as H.264
# files of one second, 32 x 32 px, and decoded like any video. A surface is a sum of plane waves
#
# $$s(x, t) = \sum_k a_k \cos\big(\kappa_k \cdot (x - c(t)) + \varphi_k\big) + \varepsilon(x, t).$$
#
# The wave vectors $\kappa_k$ are the texture, the camera $c(t)$ carries the surface along (here it
# only shifts), the phases $\varphi_k$ are random, and the noise $\varepsilon$ is new in every
# frame. So neither the colour of a pixel nor one patch says which texture it is or how it moves;
# that takes comparing places and frames, which is what an encoder is to learn.
#
# `smoke`, `mini` and `small` are the sizes of our runs, from seconds to minutes.

# %% tags=["parameters"]
LIVE: bool = False  # True: train what is missing, then show it; False: read recorded runs
PROFILE: str = None  # smoke, mini or small, to train; None: read, or mini where LIVE is True
SEEDS: list = None  # [0, 1] or "0,1"; None: VJEPA_SEEDS, else the seeds of the profile
JOBS: int = None  # training processes; None: VJEPA_JOBS, else one per core
DEVICE: str = None  # cpu or cuda; None: VJEPA_DEVICE, else cpu

# %%
from vjepa_lib.analysis import benchmarks, findings, masks, observations
from vjepa_lib.model.masking import KINDS, motion_map
from vjepa_lib.show import notebook, plots, strips
from vjepa_lib.show.scrub import Scrubber

nb = notebook.open_notebook("03_data_clips_and_masks", PROFILE, SEEDS, JOBS, DEVICE, live=LIVE)
sets = nb.clips  # domain -> its clips, decoded
grid = nb.profile.encoder.grid  # time steps x rows x columns of tokens

# %% [markdown]
# ## The domains and the data sets they stand in for
#
# Domains beginning with `pre` are for pretraining and have no labels. The others are benchmarks,
# each with a train, a validation and a test split. They stand for the *roles* of the named data
# sets, not for their content.

# %%
nb.out.table(benchmarks.domains(sets), "domains", "The embedded domains", digits=0)

# %% [markdown]
# The first clip of every domain, with its label. Look at what changes from frame to frame, and at
# what could be told from one frame alone: cover all but one column with your hand.

# %%
nb.out.figure(
    plots.clips(strips.labelled_first_clips(sets)),
    "clips",
    benchmarks.first_scenes(sets),
    "The first clip of every domain, frame by frame",
)

# %% [markdown]
# In `pre_stills` and `appearance` one image is repeated; in `order` every single frame could come
# from a motion or from its reverse. The last two rows ask the like of `actions` and `fine_motion`
# under other cameras and surfaces. Their shifts are mild; those of the transfer study are graded
# (`docs/analysis_plan.md`).

# %% [markdown]
# ## Factors are independent and splits share no scene
#
# If two factors went together, one could be read from the other; if a scene were in two splits, a
# probe could know it by heart. The first number should be near 0, the second has to be 0.

# %%
correlation = benchmarks.largest_correlation(sets["pre_videos"])
shared = benchmarks.scenes_in_several_splits(sets)
print(f"largest correlation between two factors of pre_videos: {correlation:.3f}")
print(f"scenes that occur in more than one split of a benchmark: {shared}")

# %% [markdown]
# ## Masks
#
# A *token* is what the encoder makes of a small cube of pixels: 8 x 8 px over two frames here.
# Hatched tokens are hidden from the context encoder and must be predicted. Every clip gets two mask
# groups: 8 blocks of 15 % of the area and 2 blocks of 70 %, both lasting the whole clip, so that a
# hidden place cannot be copied from the frame before. Kinds named after motion put the blocks where
# the clip moves; those named after the future hide its end, and take 4 blocks and 1.
#
# Look down one column for how much is left to be seen, and along a row for whether that changes
# with time.

# %%
clips = sets["shift_kinetics"]
frames = clips.frames[0]  # [F, H, W, 3], uint8
drawn = masks.draw_masks(KINDS, grid, clips.batch(slice(0, 1)), seed=3)
hidden = strips.hidden_tokens(drawn, grid)  # what is not context, [T, h, w] bool
sizes = masks.mask_sizes(drawn, grid)
nb.out.figure(
    plots.clips(strips.hidden(frames, hidden), every=2, width=3.4, hatched=True),
    "masks",
    sizes,
    "What each kind of mask hides (hatched), one frame per time step",
)
print(observations.context_left(sizes))

# %% [markdown]
# Either group of every kind leaves little: the predictor has to fill in most of the clip. In a
# batch, context and targets need not add up to all tokens: all clips are cut to the smallest count
# among them, so that a group is one dense tensor.
#
# The same masks, one frame at a time: move the slider, choose a kind and a mask group. This needs a
# running kernel; without one, the figure above shows all that can be chosen here.

# %%
Scrubber(frames.numpy(), hidden)

# %% [markdown]
# Motion-guided masks follow the motion of the clip: the mean difference of neighbouring frames in a
# place, noise included. From the left: the first frame, where the clip moves, and how often `amg`
# hides each place over 200 draws of its first mask group. Look at whether the two maps resemble
# each other.

# %%
motion = motion_map(clips.batch(slice(0, 1)), grid)  # [1, h, w]
often = masks.hidden_by_kind(("amg",), motion, grid, draws=200)
nb.out.figure(
    strips.motion_and_hiding(clips.frames[:1], motion, often),
    "motion",
    masks.hidden_places(motion, often),
    "Where a clip moves (white: least, orange: most), and how often motion-guided masking hides "
    "each place (white: never, orange: always)",
)
print(findings.hiding_and_motion(masks.hiding_follows_motion(motion, often)))

# %% [markdown]
# ## Does a benchmark measure the encoder?
#
# A probe is a classifier trained on the outputs of a frozen encoder. If it is strong, it may solve
# the benchmark itself, whatever the encoder; if the benchmark can be solved from one frame, it says
# nothing about motion. So each benchmark is read in four ways:
#
# - *supervised*: a model of the same architecture, trained on the labels. Can it be solved at all?
# - *single frame*: the same, shown one frame all the time. Does it take motion?
# - *random init*: a linear probe on the mean token of an untrained encoder. What comes for free?
# - *pretrained baseline*: the same probe after pretraining without labels.
#
# Look at the distance from random init to pretrained: that is what the encoder learned. Then look
# at where the single frame lies.

# %%
readings = benchmarks.readings(nb.results)
wide = benchmarks.readings_side_by_side(readings)
chance = benchmarks.chance(sets)

# %%
names = {"baseline": "pretrained baseline", "single_frame": "single frame"}
nb.out.figure(
    plots.intervals(readings, "top1", panel="benchmark", references=chance, names=names),
    "informative",
    readings,
    "What each benchmark takes: 95 % intervals over seeds and test clips; line: chance",
    nb.runs,
)
caption = "Top-1 (%) of four readings of every benchmark"
nb.out.table(wide, "readings", caption, nb.runs, digits=1)
print(*observations.one_frame(wide, chance), sep="\n")

# %% [markdown]
# A distance from random init to pretrained is the room in which objectives can be told apart; the
# distance from pretrained to supervised is what is left to be gained.
#
# The paper reads Diving-48 with an *attentive* probe: one layer of attention over all tokens, with
# weights of its own. Here it is shown beside the linear one on `fine_motion`; `linear_5%` is a
# linear probe with 5 % of the labels. Look at the last column: is the random encoder read worse
# than the pretrained one?

# %%
probes = benchmarks.probes_of_encoders(nb.results, "fine_motion")
caption = "fine_motion: linear against attentive probe, top-1 (%)"
nb.out.table(probes, "probe_matters", caption, nb.runs, digits=1)

# %% [markdown]
# On small clips a probe over all tokens can learn the motion itself: an untrained encoder still
# passes on where things are at each time. Such a probe measures what is *kept*, a linear one on the
# mean token what is laid out *plainly*. This is why linear probes lead in all notebooks.

# %% [markdown]
# ## What it means
#
# **Mechanism.** The mean token averages over places and times. Whatever has a random phase, or is
# new in every frame, is averaged away unless the encoder has turned it into something that adds up,
# such as "stripes of this kind" or "moves to the left". If an untrained encoder is read far below
# the supervised model, there is something for an encoder to add; the figure above shows on which
# benchmarks there is more of it and on which less.
#
# **Not expected.** How far from chance a random encoder can be read. Gains are always to be held
# against that row, not against chance. And that one more layer in the probe can hide what
# pretraining did, as the attentive column shows.
#
# **Open.** These worlds were shaped, with the baseline in sight, until pretraining could be seen
# under a linear probe, and no log of that was kept. So the size of the baseline's own gain is
# partly a choice. The transfer study has worlds that were held out, and a plan written before
# anything but references was trained on them (`docs/analysis_plan.md`).

# %% [markdown]
# ## What we found

# %%
print(*benchmarks.what_readings_say(wide, chance), sep="\n")
print(benchmarks.attentive_probe(probes, "fine_motion"))
