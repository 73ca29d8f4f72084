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
# # 09 · Action-conditioned: pixel targets
#
# [Map](00_map_of_the_study.ipynb) · before: [08, motion and future
# masking](08_motion_and_future_masking.ipynb) · next: [10, delta, spectral and temporal
# contrast](10_delta_spectral_temporal_contrast.ipynb) · leans on [06](06_latent_dynamics.ipynb)
# (the same question in the latent) and [05](05_hard_region_weighting.ipynb) (HW)
#
# **Question.** What does it bring to predict, from a context token, how the mean colour at its
# place changes?
#
# **The idea.** A latent target moves with the encoder that makes it. A colour does not. The
# action-conditioned term (AC) lets a small head $g$ read from a context token $Z_t$ how the mean
# colour $c$ of its tubelet (a patch over two frames) moves on:
#
# $$\mathcal{L}_{AC} = \mathrm{mean}_P\,|g(Z_t) - (c_{t+1} - c_t)|,$$
#
# over the places $P$ that are context at $t$ and at $t+1$. The paper calls the change an action; it
# is a target in pixels. `ac_hw` adds hard-region weighting (HW, weight 0.3), `fac` the factorized
# world model (FWM), where the head reads the dynamics half only; that half differs between what the
# study's code trains (*released*) and what its text says (*described*). `smoke`, `mini` and `small`
# are the sizes of our runs; every output says which it shows.

# %% tags=["parameters"]
LIVE: bool = False  # True: train what is missing, then show it; False: read recorded runs
PROFILE: str = None  # smoke, mini or small, to train; None: read, or mini where LIVE is True
SEEDS: list = None  # [0, 1] or "0,1"; None: VJEPA_SEEDS, else the seeds of the profile
JOBS: int = None  # training processes; None: VJEPA_JOBS, else one per core
DEVICE: str = None  # cpu or cuda; None: VJEPA_DEVICE, else cpu

# %%
import inspect

from IPython.display import Code

from vjepa_lib.analysis import ablation, colours, findings
from vjepa_lib.datasets.synthetic import REGIMES
from vjepa_lib.objectives.action import ActionConditioned
from vjepa_lib.show import notebook, plots, sections, strips

nb = notebook.open_notebook("09_action_conditioned", PROFILE, SEEDS, JOBS, DEVICE, live=LIVE)
results = nb.results  # recorded; LIVE: what is missing is trained here, once
clips = nb.clips

# %% [markdown]
# ## The term, as it runs
#
# Read from the library, so this is what was trained. The target is a difference of colours and has
# no gradient; only the head and the context encoder learn.

# %%
Code(inspect.getsource(ActionConditioned.loss), language="python")

# %% [markdown]
# ## At work on one batch: the target, and what of it could be foreseen
#
# The noise of the embedded clips is new in every frame. Averaged over a tubelet's pixels it leaves
# a change of colour even where camera and world stand still: nobody can foresee that, so for a
# head that has not seen $t+1$ it is a floor. A still, one frame held, has hardly any change. Look
# at the second row: it is the floor.

# %%
grid = nb.profile.encoder.grid
kinds = colours.clips_by_movement(clips)
changes = {
    kind: colours.colour_change(clips[domain].batch(index), grid)
    for kind, (domain, index) in kinds.items()
}
sizes = colours.change_sizes(changes)
caption = "Size of AC's target, in units of the normalised clip"
nb.out.table(sizes, "targets", caption, digits=3)

# %% [markdown]
# One clip of each kind, and under it AC's target. Look at the second one: whatever is orange there
# is noise. In the first, look at whether the target is large everywhere or at edges.

# %%
nb.out.figure(
    plots.clips(strips.colour_changes(clips, kinds, changes, grid), every=2, opacity=1, width=3.8),
    "at_work",
    sizes,
    "Change of every token's mean colour up to the next time step, AC's target: white none, orange "
    "the largest of the three clips; the last time step has no next",
)

# %% [markdown]
# How much of the target is noise is the ratio of the table's second row to its first. Where the
# camera moves, colour changes most where neighbouring tokens differ: the target says that something
# moved over an edge, and little about which way.

# %% [markdown]
# ## Training
#
# *RankMe* is the effective rank of clips' mean tokens, *feature std* their spread over clips. Look
# for curves that leave the baseline's, at whether rank and spread go the same way, and in the
# figures after it for how much of the loss is AC's.

# %%
pairs = [("ac", "released"), ("ac_hw", "released"), ("fac", "described")]
shares = sections.training(nb, nb.configs, pairs)

# %% [markdown]
# AC's loss against two marks, for the mixture of clips it is trained on. *Always 0*: what a head
# loses that knows nothing. *Noise unknown*: what a head loses that knows all but the noise of
# $t+1$. Of the change where nothing moves, half the variance is the noise of $t$, which it may
# know; hence
# $1/\sqrt 2$.

# %%
noise = float(changes["nothing moves"].mean())
marks = colours.loss_without_seeing(clips, REGIMES["mixed"], grid, noise)
with_ac = [c for c in nb.configs if c.variant in ("ac", "ac_hw", "fac")]
late = ablation.loss_at_end(nb.curves_of(with_ac), "ac")
nb.out.table(
    colours.loss_and_marks(late, marks),
    "learned",
    "AC's loss at the end of the training beside what can be had without seeing the next time step",
    nb.runs,
    digits=3,
)
print(*findings.loss_beside_marks(late, marks), sep="\n")

# %% [markdown]
# ## Results against the baseline
#
# Every dot is a variant minus the baseline of the same seed, read by a linear probe; an interval
# that holds 0 decides nothing. Look at motion and stills (`appearance`) apart: a target that
# changes with the pixels may help the one and cost the other.

# %%
gains = sections.results(nb, nb.sources, nb.runs)

# %% [markdown]
# ## What it means
#
# **The mechanism.** Both ends of every pair are context, so a head may subtract what it sees
# instead of foreseeing anything. What AC then teaches is to keep the colour of tokens, and its
# change, readable in $Z$. That holds noise as well as motion, and says nothing on texture finer
# than a token.
#
# **What supports it.** A loss below the floor can only be had by reading the noise of the next time
# step, as far as the floor, an estimate from a few clips, is right. A loss above it proves neither.
# The results set motion beside stills; a gain on the
# one with a loss on the other is what a target made of coarse colour would do.
#
# **Not expected.** [10](10_delta_spectral_temporal_contrast.ipynb) measures a gradient of AC beside
# those of terms with latent targets, which hold an encoder near its start. Compare AC's row above
# with that of `random_init`: how hard a term pulls is one thing, whether what it pulls to lies in
# the encoder's own past is another.
#
# **What remains open.** The embedded clips have strong noise that is new in every frame; on cleaner
# video the floor is lower and AC's target says more. HW adds nothing of its own here if it adds
# nothing to the baseline ([05](05_hard_region_weighting.ipynb)); `ac_hw` beside `ac` shows it. What
# FWM takes or gives in `fac` cannot be told from one combination; see
# [07](07_factorized_world_model.ipynb).

# %% [markdown]
# ## What we found

# %%
sections.found(gains)
print(*findings.loss_beside_marks(late, marks), sep="\n")
print(findings.spread_at_end(nb.ends))
