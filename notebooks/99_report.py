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
# **Question.** What does everything together say, and where does each figure and table come from?
# This notebook writes the report as a paper, `figures/report.pdf` and `figures/report.html`, and
# the page of all artefacts, `figures/index.html`: what each notebook found, and every figure and
# table with its runs and its commit. Every number of the text is inserted from results.

# %% tags=["parameters"]
LIVE: bool = False  # True: train what is missing, then show it; False: read recorded runs
PROFILE: str = None  # smoke, mini or small, to train; None: read, or mini where LIVE is True
SEEDS: list = None  # [0, 1] or "0,1"; None: VJEPA_SEEDS, else the seeds of the profile
JOBS: int = None  # training processes; None: VJEPA_JOBS, else one per core
DEVICE: str = None  # cpu or cuda; None: VJEPA_DEVICE, else cpu

# %%
from vjepa_lib import article
from vjepa_lib.audit.released_code import implementation_facts
from vjepa_lib.show import notebook, origins

nb = notebook.open_notebook("99_report", PROFILE, SEEDS, JOBS, DEVICE, live=LIVE)

# %% [markdown]
# ## The answer
#
# What is recorded and published is gathered. The answer is made from it, sentence by sentence: a
# sentence that the runs do not carry is not said.

# %%
# What the released code trains, for the third check of the claims.
facts = nb.measured("implementation_facts", implementation_facts, nb.profile.name, nb.clips)
evidence = article.gather(facts)
print(*article.headline(evidence), sep="\n")

# %% [markdown]
# ## The report

# %%
article.pages(nb, evidence)

# %% [markdown]
# One row an artefact, or, when the notebook only reads, a row a record.

# %%
origins.overview(nb)

# %% [markdown]
# ## What we found

# %%
print(origins.summary(nb))
