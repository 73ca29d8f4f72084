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
# # 08 · Motion-guided and future-predictive masking
#
# **Question.** Does it help to hide what moves, or to hide the future?
#
# *Motion-guided*: a block's place is drawn with probability proportional to
# $(\mathrm{mean\ frame\ difference\ in\ the\ block})^s$, with $s=2$ and 10 % of the blocks drawn
# evenly (`motion_guided`), or $s=5$ and none (`amg`). *Future-predictive*: context comes from the
# first half of the time steps only, and everything else is predicted, with 4 and 1 blocks instead
# of 8 and 2. `motion_future` does both. The objective stays the baseline's.

# %% tags=["parameters"]
LIVE: bool = False  # True: train what is missing, then show it; False: read recorded runs
PROFILE: str = None  # smoke, mini or small, to train; None: read, or mini where LIVE is True
SEEDS: list = None  # [0, 1] or "0,1"; None: VJEPA_SEEDS, else the seeds of the profile
JOBS: int = None  # training processes; None: VJEPA_JOBS, else one per core
DEVICE: str = None  # cpu or cuda; None: VJEPA_DEVICE, else cpu

# %%
import inspect

from IPython.display import Code

from vjepa_lib.analysis import findings, masks
from vjepa_lib.model import masking
from vjepa_lib.show import notebook, plots, sections, strips

nb = notebook.open_notebook("08_motion_and_future_masking", PROFILE, SEEDS, JOBS, DEVICE, live=LIVE)
results = nb.results  # recorded; LIVE: what is missing is trained here, once
clips = nb.clips

# %% [markdown]
# ## The masks, as they are drawn

# %%
Code(inspect.getsource(masking.position_chances), language="python")

# %%
Code(inspect.getsource(masking.sample_masks), language="python")

# %% [markdown]
# ## At work: what the masks follow
#
# Three clips in which an object moves; how often each place is hidden over 300 draws of the first
# mask group. Motion is the mean absolute difference of neighbouring frames, noise included. Look at
# whether the maps on the right resemble the motion beside the frame.

# %%
grid = nb.profile.encoder.grid
sample = clips["pre_videos"]
chosen = masks.clips_with_object(sample, 3)
motion = masking.motion_map(sample.batch(chosen), grid)  # [3, h, w]
hidden = masks.hidden_by_kind(("multiblock", "motion_guided", "amg"), motion, grid)
follow = masks.hiding_follows_motion(motion, hidden)

# %%
nb.out.figure(
    strips.motion_and_hiding(sample.frames[chosen], motion, hidden),
    "at_work",
    masks.hidden_places(motion, hidden),
    "Where a clip moves (white: least, orange: most), and how often each kind of mask hides each "
    "place (white: never, orange: always)",
)
caption = "Correlation over places between motion and the frequency of being hidden"
nb.out.table(follow, "follow", caption, digits=2)
print(findings.hiding_and_motion(follow))

# %% [markdown]
# One draw of the masks that hide the future, in one clip. Orange is what has to be predicted; look
# at the second half of the time steps.

# %%
frames = sample.frames[chosen[0]]
kinds = ("multiblock", "future_predictive", "motion_future")
drawn = masks.draw_masks(kinds, grid, sample.batch(chosen[:1]))
sizes = masks.mask_sizes(drawn, grid)
nb.out.figure(
    plots.clips(strips.predicted(frames, drawn, grid), every=2, width=3.8),
    "future",
    sizes,
    "What is predicted (orange) by each kind and mask group, one frame per time step",
)
nb.out.table(sizes, "sizes", "Tokens of context and of prediction in one draw")

# %% [markdown]
# The table counts what the picture shows: how much each kind leaves to be seen, and how much it
# asks to be predicted from that.

# %% [markdown]
# ## Training
#
# Losses of different masks are not comparable: they predict other tokens from other contexts. Rank
# and spread are those of the same fixed clips and can be compared.

# %%
mixed = [c for c in nb.configs if c.regime == "mixed"]
shares = sections.training(nb, mixed, [("motion_guided", "released")])

# %%
single = [c for c in nb.configs if c.regime == "ucf101"]
single_pairs = [("future_predictive", "released")]
single_shares = sections.training(nb, single, single_pairs, suffix="_ucf101")

# %% [markdown]
# ## Results, mixed data: against the baseline
#
# A mask that helps by hiding motion should help on the benchmarks whose answer is a motion.

# %%
mixed_gains = sections.results(nb, nb.sources, nb.runs)

# %% [markdown]
# ## Results, one data set: against its baseline
#
# The same for the masks that hide the future; they were published with pretraining on one data set.

# %%
single_gains = sections.results(nb, nb.sources, nb.runs, "ucf_baseline", "_ucf101")

# %% [markdown]
# ## What it means
#
# A motion-guided mask does two things at once: it hides what moves, and because its blocks fall on
# the same places it hides fewer of them. The first makes prediction harder, the second easier, and
# the results are those of both. In the embedded clips a moving camera moves every place, so that
# there is less to follow than in a film of a diver.
#
# A future-predictive mask changes the task: nothing of the second half is seen, so that no place
# can be filled in from its neighbours in time on both sides. If that teaches motion, it shows on
# the benchmarks whose answer is a motion and not on `appearance`.

# %% [markdown]
# ## What we found

# %%
sections.found(mixed_gains)
sections.found(single_gains, "ucf_baseline")
print(findings.hiding_and_motion(follow))
