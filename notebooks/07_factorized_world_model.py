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
# # 07 · The factorized world model
#
# [Map](00_map_of_the_study.ipynb) · before: [06, latent dynamics](06_latent_dynamics.ipynb) · next:
# [08, motion and future masking](08_motion_and_future_masking.ipynb) · leans on
# [05](05_hard_region_weighting.ipynb) (HW) and 06 (LD)
#
# **Question.** What do the factorized world model (FWM), latent dynamics (LD) and hard-region
# weighting (HW) do, alone and in all eight combinations, as *released* (what the study's published
# code trains) and as *described* (what its text says)?
#
# **The idea.** What a scene looks like stays, what happens in it changes. FWM splits the latent
# accordingly: an appearance half $A$ that should stay still, and a dynamics half $Y$ that should be
# decorrelated from it,
#
# $$\mathcal{L}_{FWM} = 0.05\,\mathrm{mean}|A_{t+1}-A_t|
# + 0.01\,\mathrm{mean}\,\mathrm{cov}(A,Y)^2.$$
#
# The other two come from earlier notebooks: LD predicts from a token how the target moves on,
# $\mathrm{mean}|g(Z_t) - (h_{t+1}-h_t)|$; HW adds the prediction loss once more, weighted towards
# the tokens with the largest error.
#
# **Why this could go wrong.** Nothing in the formula says that $A$ must hold the appearance. A half
# that is constant meets both terms exactly.
#
# **The forms** differ in two places. *Released*: the halves are the shallow and the deep levels of
# the encoder, and LD beside HW is computed without gradient. *Described*: every level is halved,
# and LD beside HW trains its head and the encoder. `smoke`, `mini` and `small` are the sizes of our
# runs, from seconds to minutes; every output says which it shows.

# %% tags=["parameters"]
LIVE: bool = False  # True: train what is missing, then show it; False: read recorded runs
PROFILE: str = None  # smoke, mini or small, to train; None: read, or mini where LIVE is True
SEEDS: list = None  # [0, 1] or "0,1"; None: VJEPA_SEEDS, else the seeds of the profile
JOBS: int = None  # training processes; None: VJEPA_JOBS, else one per core
DEVICE: str = None  # cpu or cuda; None: VJEPA_DEVICE, else cpu

# %%
import inspect

from IPython.display import Code

from vjepa_lib import study
from vjepa_lib.analysis import ablation, at_work, findings, observations, selection
from vjepa_lib.datasets.synthetic import BENCHMARKS
from vjepa_lib.objectives.factorized import FwmOrth, FwmStatic
from vjepa_lib.objectives.latent_dynamics import LatentDynamics
from vjepa_lib.show import notebook, plots, sections, strips
from vjepa_lib.training.pretrain import Trainer

nb = notebook.open_notebook("07_factorized_world_model", PROFILE, SEEDS, JOBS, DEVICE, live=LIVE)
results = nb.results  # recorded; LIVE: what is missing is trained here, once

# %% [markdown]
# ## The terms, as they run
#
# Read from the library, so this is what was trained. `self.halves` cuts the channels in two, and is
# where the two forms part; the static term takes the first half of a token's change, the
# orthogonality term the covariance of both halves over all tokens of the batch.

# %%
Code(inspect.getsource(FwmStatic) + "\n\n" + inspect.getsource(FwmOrth), language="python")

# %% [markdown]
# LD once more, because its two forms decide much of what follows: look at `trains`.

# %%
Code(inspect.getsource(LatentDynamics), language="python")

# %% [markdown]
# ## The terms at work on one batch
#
# Hard-region weights of two clips' target tokens, and where the target latent moves, both at
# initialisation. Look at whether the two mark the same places. The weights are drawn at a
# temperature of 0.05, twenty times sharper than the study's, so that they can be seen.

# %%
config = nb.config("fwm_hw_ld", "described")
clips = nb.clips["pre_videos"]
batch = at_work.latents(Trainer(config.train), clips.batch(slice(0, 8)))
error = at_work.prediction_errors(batch)

# %%
rows = strips.weights_and_speed(clips.frames, batch, error, temperature=0.05)
nb.out.figure(
    plots.clips(rows, every=2, width=4),
    "at_work",
    at_work.weights_of_first_clip(error, 0.05),
    "Where hard-region weighting looks (temperature 0.05), and where the target latent changes",
)

# %% [markdown]
# HW asks where the predictor errs, LD where the target changes. At initialisation neither has
# learned anything, so what is drawn is what random networks make of the pixels. FWM has no place in
# this figure: it asks for the same stillness everywhere.

# %% [markdown]
# ## What is left of time in a trained latent
#
# FWM's demand for stillness is better looked for after training. A token's first three principal
# components over the tokens of one clip become red, green and blue: places of one colour are alike
# to that encoder. Every row has colours of its own, so only patterns can be compared, not hues.
# Look along a row: where every column is the same, time has gone from the latent's main directions.

# %%
described = [(variant, "described") for variant in ("fwm", "fwm_ld", "fwm_hw_ld")]
seen = nb.encoders(["baseline", "ld", "fwm", *described])
rows, variance = strips.encoder_maps(seen, nb.clips["actions"].frames[0])

# %%
nb.out.figure(
    plots.clips(rows, every=2, width=4.4),  # one frame per time step
    "maps",
    variance,
    f"Tokens of one clip of `actions` as colours, a column per time step; encoders: {seen.about}",
    nb.runs,
    digits=2,
)
print(observations.variance_over_time(variance))

# %% [markdown]
# The colours are scaled to each encoder's own variance, so a latent that has almost none still
# looks colourful: the map, and the shares in the line above, say how tokens of one clip differ, not
# how much. A share that rises beside FWM does not speak against its stillness: where the part that
# is fixed to places shrinks too, what is left of change weighs more. How much a latent changes
# relative to its size is measured in [06](06_latent_dynamics.ipynb), how far *clips* differ is the
# spread of features, further down.

# %% [markdown]
# ## What each term's gradient reaches
#
# One batch at initialisation. Look at LD in the two forms: a row that reaches nothing is a term
# that trains nothing. Look at the two terms of FWM too: beside the JEPA gradient, how long are
# theirs? They are shown without their weights.

# %%
# `relative` and `cosine` compare with the JEPA gradient in the same part of the network.
reach = at_work.reach_of_forms("fwm_hw_ld", nb.profile.name, nb.seeds[0], clips.batch(slice(0, 8)))
nb.out.table(
    reach[["form", "term", "part", "reaches", "norm", "relative", "cosine"]],
    "reach",
    "Gradient of each term of FWM-HW-LD: what it reaches, beside the JEPA gradient",
    digits=2,
)
print(findings.reach_of_term(reach, "ld"))

# %% [markdown]
# ## Every combination, both forms
#
# LD beside HW as released trains what HW trains without it, so `hw_ld` and `fwm_hw_ld` as released
# share the runs of `hw1` and `fwm_hw` (notebook 15 trains them side by side). Look at the distance
# between a filled and a hollow dot: it is what the form alone decides. A dot left of the line is a
# combination that reads worse than the baseline.

# %%
# A row per run and benchmark, mean over seeds, live and recorded runs under each other.
cells = selection.by_source(nb.linear, ablation.seed_means)
for tag, source, part in selection.each_source(cells):
    fig = plots.intervals(
        ablation.released_then_described(part, without=["baseline"]),
        "top1",
        panel="benchmark",
        series="form",
        references=ablation.baseline_lines(part),
    )
    nb.out.figure(
        fig,
        f"combinations_{tag}",
        part,
        f"Linear probes ({source} runs): filled as released, hollow as described, line: baseline; "
        "t intervals over seeds",
        nb.runs,
    )

# %%
caption = "Linear probes, top-1 (%), mean over seeds"
nb.out.table(selection.side_by_side(cells), "combinations_table", caption, nb.runs, digits=1)
print(*findings.forms_apart(cells), sep="\n")

# %% [markdown]
# ## Differences to the baseline, seed by seed
#
# Gains and losses have a colour each; the bar says which. Look first at the bold numbers: with few
# seeds, the others say little.

# %%
# The untrained encoder is no objective; it is in the table above.
gains = selection.by_source(nb.linear, ablation.gains, without=["random_init"])
sections.gain_maps(
    nb,
    gains,
    "differences",
    "Points gained or lost against the baseline of the same seed",
    nb.runs,
    benchmarks=[*BENCHMARKS, "all"],
)

# %%
columns = ["source", "benchmark", "name", "effect", "low", "high", "n_seeds"]
caption = "Differences to the baseline with t intervals over seeds, points"
nb.out.table(gains[columns], "differences_table", caption, nb.runs)
print(findings.count_clear(gains))

# %% [markdown]
# ## Main effects and interactions
#
# A full 2 x 2 x 2 factorial per form. A main effect is what a term does on average over the
# presence and absence of the others, an interaction is what is left over when two are together.
# Intervals use the scatter over seeds, pooled over the eight cells. `HW` has weight 1 in all its
# cells (the paper's HW alone has 0.3).
#
# Look at LD's main effect in the two forms, and at whether LD's interaction with HW is its mirror
# image as released: a term that trains nothing beside HW must lose there what it gains alone.

# %%
effects = ablation.factorials(nb.sources)
for form in study.FORMS:
    # Each form is a factorial of its own: other runs, where the forms differ.
    of_form = selection.pick(effects, "form", [form])
    for tag, source, part in selection.each_source(of_form):
        nb.out.figure(
            plots.effects(part, panel="benchmark", xlabel="points", names={"all": "all six"}),
            f"effects_{form}_{tag}",
            part,
            f"Main effects and interactions, {form} form ({source} runs), 95 % intervals over "
            "seeds; filled: clear of 0",
            nb.runs,
        )

# %%
columns = ["effect", "estimate", "low", "high", "p_adjusted", "n_seeds"]
nb.out.table(
    effects[["source", "form", "benchmark", *columns]],
    "effects_table",
    "Main effects and interactions in points",
    nb.runs,
)
print(*findings.factorial_effects(effects), sep="\n")

# %% [markdown]
# ## Loss curves and each term's share
#
# *Feature std* is the spread of clips' mean tokens, 0 is collapse; *RankMe* is their effective
# rank. Look at the spread: terms that want stillness can be met by a latent that says nothing. Look
# at the JEPA loss beside it: a low loss with a low spread is a latent that is easy to predict
# because little is in it.

# %%
# Both forms of these; the legend says which is which.
shown = ["baseline", "fwm", "ld", "fwm_ld", "fwm_hw_ld"]
sections.collapse(nb, selection.pick(nb.curves, "variant", shown), nb.hashes(nb.trained))

# %% [markdown]
# What a term adds to the loss says how large its number is, not how hard it pulls; for that see the
# gradients above.

# %%
# The terms of the described form, at their weights in the loss.
own = [c for c in nb.trained if c.variant == "fwm_hw_ld"]
share = sections.shares(nb, nb.curves, config, nb.hashes(own))
print(findings.late_share(share))

# %% [markdown]
# ## What it means
#
# **The mechanism.** The static term of FWM is smallest where the appearance half does not change at
# all, and nothing in it asks that half to say anything; what keeps it informative is the JEPA loss,
# and the spread of features above shows whether that was enough. LD pulls the other way, it wants
# change to be readable. Beside HW as released it has no gradient and cannot. So the two forms of
# the whole combination differ in more than a detail: the one has a term against stillness, the
# other has not.
#
# **What supports it.** The gradients show which terms can act, the spread at the end shows which
# trainings kept a latent that tells clips apart, and the factorial shows what each term brought to
# the probes. The last cell lists the three under each other: where FWM stands without a working LD,
# compare its spread with the baseline's; where LD works beside it, compare again.
#
# **Not expected.** From the names one would expect FWM to be the base and LD its refinement. The
# main effects let the two be weighed against each other: which of them carries the combination, and
# whether the other adds anything clear to it.
#
# **What remains open.** Intervals are over seeds alone, all of them from one design of data and one
# schedule. That a half of the latent holds appearance, as its name says, is not measured here;
# [13](13_the_combination.ipynb) asks which half carries what. The weights are the paper's; none was
# varied.

# %% [markdown]
# ## What we found

# %%
print(*findings.factorial_effects(effects), sep="\n")
print(*findings.against(gains, "the baseline"), sep="\n")
print(findings.spread_at_end(nb.ends))
print(findings.reach_of_term(reach, "ld"))
