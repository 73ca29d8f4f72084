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
# # 15 · What the gradients reach
#
# **Question.** Which part of the network does each term really train, how strongly and in which
# direction beside the JEPA loss, what never moves, and is the evaluated encoder the trained one?
#
# Every variant is trained for a few steps in both forms, *released* and *described*, and looked at.
# `evaluation.term_reach` and `evaluation.gradient_reach` do the same for your own objective.

# %% tags=["parameters"]
PROFILE = None
SEEDS = None
JOBS = None
DEVICE = None

# %%
import pandas as pd

from vjepa_lib import study
from vjepa_lib.analysis import statistics
from vjepa_lib.audit import published
from vjepa_lib.audit.released_code import implementation_facts, summary, variant_audit
from vjepa_lib.evaluation.reach import term_reach
from vjepa_lib.show import notebook, plots
from vjepa_lib.training.pretrain import Trainer

nb = notebook.setup("15_what_the_gradients_reach", PROFILE, SEEDS, JOBS, DEVICE)
sets = nb.clips()
STEPS = 4 if nb.profile.name == "smoke" else 10
LOOKS = (0, STEPS // 2, STEPS)

# %% [markdown]
# ## Every variant, both forms

# %%
# Of the crossing with contrasts one cell stands for all: they add one more term.
names = [n for n in study.VARIANTS if "+" not in n] + ["fwm_hw_ld+vclr"]
reach, moved = [], []
for name in names:
    for form in study.FORMS if study.differs(name) else study.FORMS[:1]:
        r, m = variant_audit(name, form, nb.profile.name, sets, STEPS, LOOKS)
        reach.append(r)
        moved.append(m)
reach, moved = pd.concat(reach, ignore_index=True), pd.concat(moved, ignore_index=True)
table = summary(reach, moved)
nb.out.table(table, "summary", f"What each variant trains, measured at its first step and after {STEPS} steps")

# %% [markdown]
# ## How strong, and in which direction
#
# Norm of each term's gradient in the context encoder relative to the JEPA gradient, and the cosine
# between them: 1 is the same direction, 0 is unrelated, -1 is against it. Terms are unweighted.

# %%
inside = reach[(reach.part == "context_encoder") & ~reach.term.isin(["jepa"])].copy()
inside["name"] = inside.variant + inside.form.map({"released": "", "described": " (described)"})
first = inside[inside.step == 0].drop_duplicates(["term", "norm"])
cosine = inside.pivot_table(index=["variant", "form", "term"], columns="step", values="cosine", sort=False)
relative = inside.pivot_table(index=["variant", "form", "term"], columns="step", values="relative", sort=False)
both = pd.concat({"relative norm": relative, "cosine": cosine}, axis=1)
both.columns = [f"{a}, step {b}" for a, b in both.columns]
nb.out.table(both.reset_index(), "alignment", "Gradient of each term in the context encoder beside the JEPA gradient, over training", digits=3)

# %%
alone = inside[inside.variant.isin(["hw", "ld", "delta", "spectral", "ltc", "ac", "fwm", "hamiltonian", "velgate", "sigreg"])]
alone = alone[(alone.term != "context") & (alone.form == "released")]
wide = alone.pivot_table(index="term", columns="step", values="cosine", sort=False)
wide.columns = [f"step {c}" for c in wide.columns]
nb.out.figure(
    plots.heatmap(wide, fmt="{:+.2f}", bar_label="cosine with JEPA", limit=1.0), "cosine", alone,
    "Direction of each term's gradient in the context encoder beside JEPA's",
)

# %% [markdown]
# ## Your own objective
#
# Any function of a `LatentBatch` can be put beside the terms of a run.

# %%
def small_predictions(batch):
    return sum(z.abs().mean() for z in batch.zhat) / len(batch.zhat)

trainer = Trainer(study.resolve("baseline", profile=nb.profile.name).train)
mine = term_reach(trainer, sets["pre_videos"].batch(slice(0, 8)), {"small predictions": small_predictions})
nb.out.table(mine[mine.term != "context"], "own", "Reach of an objective of one's own", digits=3)

# %% [markdown]
# ## The seven facts, each measured
#
# Five by running the code, two from the published numbers.

# %%
facts = implementation_facts(nb.profile.name, sets, 3 if nb.profile.name == "smoke" else 5)
nb.out.table(facts, "facts", "Facts about the released code, each with its control")

# %% [markdown]
# **Frozen rows are one encoder.** If the EMA-off rows are the same random-initialised encoder,
# their published accuracies must be indistinguishable, on every benchmark.

# %%
main = published.load_results().main
frozen = main[~main.ema.astype(bool) & main.benchmark.isin(["diving48", "imagenet100", "ssv2"])]
rows = []
for benchmark, part in frozen.groupby("benchmark", sort=False):
    test = statistics.homogeneity(statistics.correct_count(part.top1_percent, part.n_val), part.n_val)
    rows.append({"benchmark": benchmark, "rows": len(part), "lowest": part.top1_percent.min(), "highest": part.top1_percent.max(), "p": test["p"]})
frozen = pd.DataFrame(rows)
nb.out.table(frozen, "frozen_rows", "EMA-off rows: chi-square test that they are one proportion", sources=[published.SOURCE], digits=3)

# %% [markdown]
# ## What we found

# %%
for fact in facts.itertuples():
    print(("confirmed: " if fact.confirmed else "NOT confirmed: ") + fact.measured)
for row in frozen.itertuples():
    print(f"EMA-off rows on {row.benchmark}: {row.rows} results, {row.lowest:.2f}-{row.highest:.2f} %, p = {row.p:.2f}")
dead = table[table["terms reaching nothing"] != "–"]
print("terms that train nothing: " + "; ".join(f"{r.variant} ({r.form})" for r in dead.itertuples()))
still = table[~table["evaluated encoder trained"]]
print("evaluated encoder is its initialisation: " + ", ".join(f"{r.variant} ({r.form})" for r in still.itertuples()))
