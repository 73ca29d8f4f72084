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
# # 11 · Physics-inspired objectives and the frozen target
#
# **Question.** What do kinematic, velocity-gated, Hamiltonian and SIGReg objectives do once the
# encoder they train is the one that is evaluated?
#
# Kinematic regularisation wants the target latent to move little or evenly,
# $\mathrm{mean}|h_{t+1}-h_t|$ or $\mathrm{mean}|h_{t+2}-2h_{t+1}+h_t|$, and needs EMA off, so that
# $h$ has a gradient. The velocity gate stills the context where the target is slow, the Hamiltonian
# predicts the next token by a symplectic step under a learned energy, SIGReg makes the latent an
# isotropic Gaussian.
#
# In the released code, with EMA off, nothing ever moves the target encoder, and it is what every
# probe reads: six kinematic rows and one SIGReg row are the random initialisation. As *described*
# there is one network, it is trained, and it is evaluated. The control that the paper lacks is EMA
# off and nothing else.

# %% tags=["parameters"]
PROFILE = None
SEEDS = None
JOBS = None
DEVICE = None

# %%
import inspect

import pandas as pd
import torch
from IPython.display import Code

from vjepa_lib import study
from vjepa_lib.analysis.ablation import (
    by_source,
    gains,
    mean_share,
    name,
    named,
    seed_means,
    sentence,
    term_shares,
)
from vjepa_lib.audit.released_code import variant_audit
from vjepa_lib.objectives import hamiltonian, kinematic, sigreg, velocity_gate
from vjepa_lib.show import notebook, plots, sections
from vjepa_lib.study import recorded
from vjepa_lib.training.pretrain import Trainer

nb = notebook.setup("11_physics_and_the_frozen_target", PROFILE, SEEDS, JOBS, DEVICE)
asked = study.NOTEBOOK_RUNS["11"]
configs = nb.configs(asked)
results = nb.results(configs)
sources = {s: named(r) for s, r in recorded.beside(results, asked).items()}
runs = nb.hashes(configs)
clips = nb.clips()

# %% [markdown]
# ## The terms, as they run

# %%
Code(inspect.getsource(kinematic.Kinematic.loss), language="python")

# %%
Code(inspect.getsource(velocity_gate.VelocityGate.loss), language="python")

# %%
Code(inspect.getsource(hamiltonian.Hamiltonian.step) + "\n" + inspect.getsource(hamiltonian.Hamiltonian.loss), language="python")

# %%
Code(inspect.getsource(sigreg.SIGReg.loss), language="python")

# %% [markdown]
# ## At work on one batch
#
# How fast the target latent moves at every place under the trained baseline, and which places the
# velocity gate lets through: the slower half of each time step.

# %%
trainer = Trainer(study.resolve("ucf_baseline", "released", nb.profile.name, nb.seeds[0]).train)
trainer.target_encoder.load_state_dict(study.load_encoder(study.resolve("ucf_baseline", "released", nb.profile.name, nb.seeds[0])).state_dict())
moving = clips["pre_videos"]
with torch.no_grad():
    batch = trainer.latents(moving.batch(slice(0, 8)))
    speed = batch.target_over_time.diff(dim=1).norm(dim=-1)
grid = batch.grid
slow = speed <= speed.quantile(0.5, -1, keepdim=True)
rows = []
for i in range(2):
    shown = (speed[i] - speed.min()) / (speed.max() - speed.min())
    last = torch.zeros(1, grid.h * grid.w)
    rows.append((f"clip {i + 1}", moving.frames[i].numpy(), None))
    rows.append(("|h(t+1) - h(t)|", moving.frames[i].numpy(), torch.cat([shown, last]).view(grid.shape).numpy()))
    rows.append(("gate", moving.frames[i].numpy(), torch.cat([slow[i].float(), last]).view(grid.shape).bool().numpy()))
table = pd.DataFrame({"clip": range(8), "mean speed": speed.mean((1, 2)), "fastest": speed.amax((1, 2)), "slowest": speed.amin((1, 2))})
nb.out.figure(plots.clips(rows, every=2, width=4), "at_work", table, "Speed of the target latent and the velocity gate; the last time step has no speed")

# %% [markdown]
# How Gaussian the latent is: the Epps-Pulley statistic of encoders trained with and without SIGReg,
# along random directions of their context tokens. A sample of a normal distribution gives about 1
# whatever its size.

# %%
statistic = []
for variant, form in (("random_init", "released"), ("ucf_baseline", "released"), ("sigreg", "released"), ("sigreg_no_ema", "described")):
    encoder = study.load_encoder(study.resolve(variant, form, nb.profile.name, nb.seeds[0]))
    with torch.no_grad():
        tokens = encoder(moving.batch(slice(0, 16))).flatten(0, 1)
        directions = torch.randn(tokens.shape[1], 256, generator=torch.Generator().manual_seed(0))
        value = sigreg.epps_pulley(tokens @ (directions / directions.norm(dim=0))).mean()
    statistic.append({"variant": variant, "form": form, "Epps-Pulley": float(value), "channel mean |.|": float(tokens.mean(0).abs().mean()), "channel std": float(tokens.std(0).mean())})
statistic = pd.DataFrame(statistic)
nb.out.table(statistic, "normality", "How far context tokens are from an isotropic Gaussian", runs, digits=3)

# %% [markdown]
# ## The artefact, shown on weights
#
# Every variant with EMA off is trained for a few steps in both forms. Does the evaluated encoder
# move away from its initialisation?

# %%
steps = 3
off = [v for v, row in study.VARIANTS.items() if not row.ema]
checks = pd.concat([variant_audit(v, f, nb.profile.name, clips, steps, (0,))[1].assign(variant=v, form=f) for v in off for f in study.FORMS])
evaluated = checks.drop_duplicates(["variant", "form"])[["variant", "form", "evaluated_trained"]]
nb.out.table(evaluated, "evaluated", f"Did the evaluated encoder move in {steps} steps?")

# %% [markdown]
# ## Results: released, described, and the control
#
# As released every EMA-off row is the random encoder, so they share its run (`trained_as`).

# %%
cells = by_source(sources, seed_means)
described = cells[cells.name.isin(["random_init", "ucf_baseline", "no_ema (described)", *(f"{v} (described)" for v in off), "velgate", "hamiltonian", "sigreg"])]
nb.out.figure(
    plots.intervals(described, "top1", rows="name", panel="benchmark", series="source"), "results", described,
    "Linear probes as described (EMA-off rows: the trained network is evaluated), means and t intervals over seeds; filled: live, hollow: recorded. As released the EMA-off rows equal random init", runs,
)
nb.out.table(cells.pivot_table(index=["source", "name"], columns="benchmark", values="top1", sort=False).reset_index(), "results_table", "Linear probes, top-1 (%), mean over seeds, both forms", runs, digits=1)

# %%
against = []
for source, r in sources.items():
    against.append(gains(r[~r.name.isin(["random_init"]) & r.regime.eq("ucf101")], "ucf_baseline").assign(source=source, against="baseline"))
    part = r[r.name.isin(["no_ema (described)", *(f"{v} (described)" for v in off)])]
    against.append(gains(part, "no_ema (described)").assign(source=source, against="EMA off only"))
against = pd.concat(against, ignore_index=True)
control = against[(against.against == "EMA off only")]
nb.out.figure(
    plots.intervals(control, "effect", rows="name", panel="benchmark", series="source", zero=True, xlabel="points", names={"all": "all six"}), "control", control,
    "Against the control: what each term adds to switching EMA off, t intervals over seeds", runs,
)
nb.out.table(against[["source", "against", "benchmark", "name", "effect", "low", "high", "p_adjusted", "n_seeds"]], "differences", "Differences to the baseline and to the control, points", runs)

# %% [markdown]
# ## Loss and collapse over training
#
# A term that wants no motion has an easy way out: a latent that says nothing. RankMe and feature
# spread of the evaluated encoder show who takes it.

# %%
trained = [c for c in configs if c.pretrained and (c.form == "described" or study.VARIANTS[c.variant].ema)]
curves = named(study.curves(trained), None)
shown = curves[curves.name.isin(["ucf_baseline", "no_ema (described)", "kinematic (described)", "kinematic_0_1 (described)", "kinematic_accel (described)", "hamiltonian", "velgate", "sigreg", "sigreg_no_ema (described)"])]
sections.collapse(nb, shown, nb.hashes(trained))
shares = []
for variant, form in (("kinematic", "described"), ("velgate", "released"), ("hamiltonian", "released"), ("sigreg", "released")):
    share = mean_share(term_shares(curves, study.resolve(variant, form, nb.profile.name)))
    shares.append({"variant": name(variant, form)} | share.to_dict())
nb.out.table(pd.DataFrame(shares), "shares", "Share of each weighted term in the loss (%), second half of the training", nb.hashes(trained), digits=1)

# %% [markdown]
# ## What we found

# %%
moved = evaluated.groupby("form", sort=False).evaluated_trained.agg(["sum", "size"])
print("EMA-off variants whose evaluated encoder moved: " + ", ".join(f"{f} {r['sum']} of {r['size']}" for f, r in moved.iterrows()))
for source in sources:
    a = against[(against.source == source) & (against.benchmark == "all")]
    b, c = (a[a.against == k].set_index("name") for k in ("baseline", "EMA off only"))
    trained_one = b[b.index.str.contains("described") | b.index.isin(["velgate", "hamiltonian", "sigreg"])]
    print(f"{source}, {int(b.n_seeds.min())} seeds, mean over six benchmarks against the baseline: {sentence(trained_one.reset_index())}")
    print(f"  against EMA off alone: {sentence(c.reset_index())}")
ends = curves.dropna(subset=["feature_std"]).groupby("name", sort=False)[["rank_me", "feature_std"]].last()
print("at the end, RankMe and feature std: " + ", ".join(f"{n} {r.rank_me:.1f}/{r.feature_std:.3f}" for n, r in ends.iterrows()))
