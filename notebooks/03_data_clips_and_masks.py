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
# **Question.** What does the encoder see, what is hidden from it, and does each embedded benchmark
# measure the *encoder* rather than the probe?
#
# The embedded data are H.264 files of one second, 32 x 32 px, rendered from known factors
# (`vjepa_lib/datasets/synthetic.py`) and decoded like any video. Surfaces are sums of plane waves:
# their wave vectors are the appearance, the camera carries them along, and noise that is new in
# every frame hides both from raw patches.

# %% tags=["parameters"]
LIVE: bool = False  # True: train what is missing, then show it; False: read recorded runs
PROFILE: str = None  # smoke, mini or small, to train; None: read, or mini where LIVE is True
SEEDS: list = None  # [0, 1] or "0,1"; None: VJEPA_SEEDS, else the seeds of the profile
JOBS: int = None  # training processes; None: VJEPA_JOBS, else one per core
DEVICE: str = None  # cpu or cuda; None: VJEPA_DEVICE, else cpu

# %%
from vjepa_lib.analysis import benchmarks, masks
from vjepa_lib.model.masking import KINDS, motion_map
from vjepa_lib.show import notebook, plots, strips
from vjepa_lib.show.scrub import Scrubber

nb = notebook.open_notebook("03_data_clips_and_masks", PROFILE, SEEDS, JOBS, DEVICE, live=LIVE)
sets = nb.clips  # domain -> its clips, decoded
grid = nb.profile.encoder.grid  # time steps x rows x columns of tokens

# %% [markdown]
# ## The domains and the data sets they stand in for

# %%
nb.out.table(benchmarks.domains(sets), "domains", "The embedded domains", digits=0)

# %% [markdown]
# The first clip of every domain, with its label. Look at what changes from frame to frame, and at
# what could be told from one frame alone.

# %%
nb.out.figure(
    plots.clips(strips.labelled_first_clips(sets)),
    "clips",
    benchmarks.first_scenes(sets),
    "The first clip of every domain, frame by frame",
)

# %% [markdown]
# ## Factors are independent and splits share no scene
#
# If two factors went together, one could be read from the other; if a scene were in two splits, a
# probe could know it by heart.

# %%
correlation = benchmarks.largest_correlation(sets["pre_videos"])
shared = benchmarks.scenes_in_several_splits(sets)
print(f"largest correlation between two factors of pre_videos: {correlation:.3f}")
print(f"scenes that occur in more than one split of a benchmark: {shared}")

# %% [markdown]
# ## Masks
#
# Orange tokens are hidden from the context encoder and must be predicted. Every clip gets two mask
# groups: 8 blocks of 15 % of the area and 2 blocks of 70 %, both lasting the whole clip. Kinds
# named after motion put the blocks where the clip moves; those named after the future hide its
# end.

# %%
clips = sets["shift_kinetics"]
frames = clips.frames[0]  # [F, H, W, 3], uint8
drawn = masks.draw_masks(KINDS, grid, clips.batch(slice(0, 1)), seed=3)
hidden = strips.hidden_tokens(drawn, grid)
nb.out.figure(
    plots.clips(strips.hidden(frames, hidden), every=2, width=3.4),
    "masks",
    masks.mask_sizes(drawn, grid),
    "What each kind of mask hides (orange), one frame per time step",
)

# %% [markdown]
# The same masks, one frame at a time: move the slider, choose a kind and a mask group. This needs a
# running kernel; without one, the figure above shows all that can be chosen here.

# %%
Scrubber(frames.numpy(), hidden)

# %% [markdown]
# Motion-guided masks follow the motion of the clip. From the left: the first frame, where the clip
# moves, and how often `amg` hides each place over 200 draws of its first mask group.

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

# %% [markdown]
# ## Does a benchmark measure the encoder?
#
# Four readings of each benchmark. A *supervised* model of the same architecture shows that it can
# be solved; the same model shown a single frame all the time shows what needs no motion; linear
# probes on the mean token compare the *pretrained* baseline with the *random-initialised* encoder.
# Look at the distance from random init to pretrained: that is what the encoder learned.

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

# %% [markdown]
# An attentive probe over all tokens of `fine_motion` is shown beside the linear one: on small
# clips it learns the motion itself, and then says little about the encoder.

# %%
probes = benchmarks.probes_of_encoders(nb.results, "fine_motion")
caption = "fine_motion: linear against attentive probe, top-1 (%)"
nb.out.table(probes, "probe_matters", caption, nb.runs, digits=1)

# %% [markdown]
# ## What we found

# %%
print(*benchmarks.what_readings_say(wide, chance), sep="\n")
print(benchmarks.attentive_probe(probes, "fine_motion"))
