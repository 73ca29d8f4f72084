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
# # 99 · Report
#
# **Question.** Where does every figure and table come from? This notebook writes the report page
# `figures/index.html`: every artefact with its notebook, its runs and its commit.

# %% tags=["parameters"]
LIVE: bool = False  # True: train what is missing, then show it; False: read recorded runs
PROFILE: str = None  # smoke, mini or small, to train; None: read, or mini where LIVE is True
SEEDS: list = None  # [0, 1] or "0,1"; None: VJEPA_SEEDS, else the seeds of the profile
JOBS: int = None  # training processes; None: VJEPA_JOBS, else one per core
DEVICE: str = None  # cpu or cuda; None: VJEPA_DEVICE, else cpu

# %%
from vjepa_lib.show import notebook, origins

nb = notebook.open_notebook("99_report", PROFILE, SEEDS, JOBS, DEVICE, live=LIVE)
origins.page(nb)

# %% [markdown]
# One row an artefact; behind each stand the files of the same name in the figures folder.

# %%
origins.overview(nb)

# %% [markdown]
# ## What we found

# %%
print(origins.summary(nb))
