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
PROFILE = None
SEEDS = None
JOBS = None
DEVICE = None

# %%
from IPython.display import FileLink

from vjepa_lib import study
from vjepa_lib.show import notebook, report

nb = notebook.setup("99_report", PROFILE, SEEDS, JOBS, DEVICE)
page = report.build(nb.out.folder, study.runs_root().resolve())
FileLink(page)

# %%
made = report.entries(nb.out.folder)
made.assign(runs=made.runs.str.len(), commit=made.commit.str[:12])[["notebook", "name", "kind", "profile", "runs", "commit", "caption"]]

# %% [markdown]
# ## What we found

# %%
runs = {r for rs in made.runs for r in rs}
print(f"{len(made)} artefacts from {made.notebook.nunique()} notebooks and {len(runs)} runs, of {made.commit.nunique()} commit(s)")
