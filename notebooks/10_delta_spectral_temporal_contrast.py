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
# # 10 · Delta, spectral and temporal-contrastive objectives
#
# **Question.** Does it help to match the target's change, its temporal spectrum, or to tell a token
# from its successor?
#
# - **Delta**: $\mathrm{mean}_P|(Z_{t+1}-Z_t)-(h_{t+1}-h_t)|$, weight 0.5.
# - **Spectral**: $\mathrm{mean}\,w_f|\mathcal{F}Z-\mathcal{F}h|$ over places that are context at all
#   times, $w_f$ from 0.1 to 1 with frequency, weight 1.
# - **LTC**: $\mathrm{mean}_P\max(0,\,0.5-\cos(Z_t,h_t)+\cos(Z_t,h_{t+1}))$, weight 0.5.
# - **combo**: delta, hard-region weighting (0.3) and the stronger motion-guided masking.
#
# All three compare context tokens $Z$ with targets $h$ *at the same place*. The context encoder sees
# that place, so its copy, the target encoder, can be matched there without predicting anything.

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
from torch.nn import functional as F

from vjepa_lib import notebook, plots, recorded, sections, study
from vjepa_lib.objectives.contrastive import LatentTemporalContrast
from vjepa_lib.objectives.delta import Delta
from vjepa_lib.objectives.spectral import Spectral
from vjepa_lib.pretrain import Trainer

nb = notebook.setup("10_delta_spectral_temporal_contrast", PROFILE, SEEDS, JOBS, DEVICE)
asked = study.NOTEBOOK_RUNS["10"]
configs = nb.configs(asked)
sources = recorded.beside(nb.results(configs), asked)
runs = nb.hashes(configs)
clips = nb.clips()

# %% [markdown]
# ## The terms, as they run

# %%
Code("\n".join(inspect.getsource(t.loss) for t in (Delta, Spectral, LatentTemporalContrast)), language="python")

# %% [markdown]
# ## At work on one batch: which tokens count

# %%
trainer = Trainer(study.resolve("delta", "released", nb.profile.name, nb.seeds[0]).train)
sample = clips["pre_videos"]
with torch.no_grad():
    batch = trainer.latents(sample.batch(slice(0, 16)))
grid, rows, counts = batch.grid, [], []
always = [v.unflatten(1, (grid.t, -1)).all(1) for v in batch.valid]  # [B, HW]
example = int(sum(a.sum(1) for a in always).argmax())  # the clip that gives the spectral term most
for group in batch.groups:
    valid = batch.valid[group]
    pair = torch.zeros_like(valid).scatter(1, batch.context_index[group], batch.following[group])
    counts.append({"mask group": group + 1, "context": int(valid[0].sum()), "pairs (delta, LTC)": float(pair.float().sum(1).mean()), "places always context (spectral)": float(always[group].float().sum(1).mean()), "places": grid.h * grid.w})
    rows += [(f"pairs, group {group + 1}", sample.frames[example].numpy(), pair[example].view(grid.shape).numpy()), ("always context", sample.frames[example].numpy(), always[group][example].view(grid.h, grid.w).numpy())]
counts = pd.DataFrame(counts)
nb.out.figure(plots.clips(rows, every=2, width=3.8), "at_work", counts, "Tokens that delta and LTC compare (pairs), and places that the spectral term compares. Context is cut to the shortest of the batch, last time steps first, so few places are context at all times")
nb.out.table(counts, "counts", "Tokens a clip gives to each term", digits=1)

# %% [markdown]
# How temporal change is spread over frequencies in trained encoders: mean amplitude of the latent's
# temporal spectrum, relative to the constant part, on moving clips.

# %%
spectra, cosines = [], []
for variant in ("random_init", "baseline", "delta", "spectral", "ltc"):
    encoder = study.load_encoder(study.resolve(variant, "released", nb.profile.name, nb.seeds[0]))
    with torch.no_grad():
        h = encoder(clips["pre_motions"].batch(slice(0, 32))).unflatten(1, (grid.t, -1))
    power = torch.fft.rfft(h, dim=1).abs().mean((0, 2, 3))
    spectra.append({"variant": variant} | {f"frequency {k}": float(p / power[0]) for k, p in enumerate(power) if k})
    cosines.append({"variant": variant, "cos(h_t, h_t+1)": float(F.cosine_similarity(h[:, :-1], h[:, 1:], dim=-1).mean())})
spectra = pd.DataFrame(spectra).merge(pd.DataFrame(cosines), on="variant")
nb.out.table(spectra, "spectra", "Temporal spectrum of the evaluated encoder's tokens, relative to frequency 0, and the cosine of neighbouring time steps", runs, digits=3)

# %% [markdown]
# ## Training

# %%
shares = sections.training(nb, configs, [("delta", "released"), ("spectral", "released"), ("ltc", "released"), ("combo", "released")])

# %% [markdown]
# ## Results against the baseline

# %%
gains = sections.results(nb, sources, runs)

# %% [markdown]
# ## What we found

# %%
sections.found(gains)
print("share of the loss late in the training (%): " + "; ".join(f"{r['variant']}: " + ", ".join(f"{k} {r[k]:.0f}" for k in r.index[1:] if r[k] == r[k]) for _, r in shares.iterrows()))
print("cosine of neighbouring time steps: " + ", ".join(f"{r['variant']} {r['cos(h_t, h_t+1)']:.3f}" for _, r in spectra.iterrows()))
