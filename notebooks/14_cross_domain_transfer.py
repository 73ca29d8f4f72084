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
# # 14 · Cross-domain transfer
#
# **Question.** How much of what frozen encoders read in the pretraining domain is left under other
# cameras, textures and noise, how few labels do they need there, and how would the same be
# measured on HACS and Kinetics-400?
#
# Two pairs of embedded benchmarks ask the same kind of question inside and outside the domain:
# `actions` and `shift_kinetics` (hand-held camera, finer textures of lower contrast, another
# palette, twice the frame rate, a distractor), `fine_motion` and `shift_hacs` (oriented textures
# never seen moving so, stronger noise, 12 frames a second, distractors). They stand in for
# Kinetics-400 and HACS, which nobody can download here; they are not these data sets.

# %% tags=["parameters"]
PROFILE = None
SEEDS = None
JOBS = None
DEVICE = None

# %%
import pandas as pd

from vjepa_lib import paper, study
from vjepa_lib.analysis import combination
from vjepa_lib.analysis.ablation import by_source, named
from vjepa_lib.datasets import synthetic
from vjepa_lib.show import notebook, plots
from vjepa_lib.study import recorded

nb = notebook.setup("14_cross_domain_transfer", PROFILE, SEEDS, JOBS, DEVICE)
asked = study.NOTEBOOK_RUNS["14"]
configs = nb.configs(asked)
results = nb.results(configs)
sources = recorded.beside(results, asked)
runs = nb.hashes(configs)
last = list(sources)[-1]  # recorded runs where there are some

# %% [markdown]
# ## The domains side by side

# %%
rows = []
for outside, inside in combination.SHIFTED.items():
    a, b = synthetic.DOMAINS[inside], synthetic.DOMAINS[outside]
    rows += [
        {"what": field, "pair": f"{inside} → {outside}", "in domain": str(getattr(a, field)), "shifted": str(getattr(b, field))}
        for field in ("textures", "cameras", "palettes", "fps", "noise", "shake", "contrast", "distractors", "frequency")
        if getattr(a, field) != getattr(b, field)
    ]
nb.out.table(pd.DataFrame(rows), "domains", "What differs between a benchmark and its shifted partner")
clips = nb.clips()
pairs = [n for outside, inside in combination.SHIFTED.items() for n in (inside, outside)]
nb.out.figure(
    plots.clips([(n, clips[n].frames[0].numpy(), None) for n in pairs], width=5), "clips", pd.DataFrame({"benchmark": pairs, "role": [synthetic.DOMAINS[n].role for n in pairs]}),
    "One clip of every benchmark, frame by frame",
)

# %% [markdown]
# ## In the domain and outside it

# %%
shift = by_source(sources, lambda r: combination.shift(named(r[r.regime == "mixed"])))
for benchmark, part in shift[shift.source == last].groupby("benchmark", sort=False):
    inside = combination.SHIFTED[benchmark]
    fig = plots.tradeoff(
        part, "inside", "outside", rows="name", xerr=("inside_low", "inside_high"), yerr=("outside_low", "outside_high"),
        xlabel=f"{plots.label(inside)}, in domain (%)", ylabel=f"{benchmark}, shifted (%)", references=["baseline"], width=6,
    )
    nb.out.figure(fig, f"pair_{benchmark}", part, f"Accuracy in the domain ({inside}) and outside it ({benchmark}), means and t intervals over seeds ({last} runs); lines: baseline", runs)
nb.out.table(shift[["source", "benchmark", "name", "inside", "outside", "kept"]], "shift", "In-domain and shifted accuracy, and the share that is kept (%)", runs, digits=1)

# %% [markdown]
# ## What the mixture of pretraining domains does to transfer

# %%
transfer = by_source(sources, combination.transfer_matrix)
shown = transfer[transfer.benchmark.isin(combination.SHIFTED) & (transfer.source == last)].rename(columns={"name": "variant"})
for benchmark, part in shown.groupby("benchmark", sort=False):
    wide = part.pivot_table(index="variant", columns="regime", values="top1", sort=False)
    nb.out.figure(
        plots.heatmap(wide, centre=None, fmt="{:.1f}", bar_label="top-1 (%)", width=6), f"pretraining_{benchmark}", part,
        f"{benchmark}: top-1 by objective and pretraining data ({last} runs)", runs,
    )
nb.out.table(transfer[["source", "name", "regime", "benchmark", "top1", "low", "high", "n_seeds"]], "pretraining_table", "Transfer by pretraining data, t intervals over seeds", runs, digits=1)

# %% [markdown]
# ## Few labels
#
# Linear probes trained on 1, 5, 10, 50 and 100 % of the labels, at least one of every class, the
# same ones for every encoder of a seed.

# %%
few = {s: combination.low_shot(r[r.regime == "mixed"]) for s, r in sources.items()}
pick = ["random_init", "baseline", "vclr", "fwm_hw_ld (described)", "fwm_hw_ld+vclr (described)"]
for source, part in few.items():
    part = part[part.name.isin(pick)]
    wide = part.pivot_table(index=["name", "seed", "share"], columns="benchmark", values="top1", sort=False).reset_index()
    fig = plots.curves(wide, pairs, x="share", by="name", logx=True, columns=2, ylabels={b: f"{b}, top-1 (%)" for b in pairs})
    nb.out.figure(fig, f"low_shot_{source.split(',')[0]}", part, f"Accuracy over the share of labels in percent ({source} runs); bands: lowest to highest seed", runs)
labels = pd.concat([t.assign(source=s) for s, t in few.items()])
counts = labels.groupby(["source", "benchmark", "share"]).n_train.first().unstack()
nb.out.table(counts.reset_index(), "labels", "Labelled clips behind each share: small shares are rounded up to one clip of every class")

# %% [markdown]
# ## The exact protocol on HACS and Kinetics-400
#
# With the data sets on disk the `paper` profile trains the primary source's model as it did and
# reads it on its three benchmarks, and on HACS and Kinetics-400 beside them. `docs/paper_protocol.md`
# has the commands, from the annotations to the table; these are the settings they use.

# %%
settings = paper.Settings()
protocol = pd.DataFrame(
    [{"benchmark": n, "probes": ", ".join(p.probes), "reported split": p.split, "in the source": not p.extension} for n, p in paper.PROTOCOLS.items()]
)
nb.out.table(protocol, "protocol", "How a frozen ViT-B is read: 16 evenly spread frames, centre crop, target encoder, last level", sources=["arXiv 2605.17165"])
sizes = pd.DataFrame(
    [
        {"setting": "encoder", "value": f"width {settings.model.width}, depth {settings.model.depth}, {settings.model.heads} heads, {settings.model.grid.t} x {settings.model.grid.h} x {settings.model.grid.w} tokens"},
        {"setting": "steps x batch", "value": f"{settings.schedule.steps} x {settings.schedule.batch}"},
        {"setting": "learning rate, weight decay", "value": f"{settings.schedule.lr_start:g} to {settings.schedule.lr:g}, {settings.schedule.weight_decay:g}"},
        {"setting": "EMA momentum", "value": f"{settings.schedule.momentum:g}"},
        {"setting": "attentive probe", "value": f"AdamW {settings.probes.lr:g}, weight decay {settings.probes.weight_decay:g}, batch {settings.probes.batch}, {settings.probes.epochs} epochs"},
        {"setting": "linear probe", "value": f"batch {settings.probes.linear_batch}, {settings.probes.linear_epochs} epochs"},
    ]
)
nb.out.table(sizes, "protocol_sizes", "Settings of the paper profile", sources=["arXiv 2605.17165"])

# %% [markdown]
# ## What we found

# %%
for source in sources:
    s = shift[shift.source == source]
    for benchmark, part in s.groupby("benchmark", sort=False):
        part = part.set_index("name")
        base, best = part.loc["baseline"], part.outside.idxmax()
        print(f"{source}, {combination.SHIFTED[benchmark]} → {benchmark}: baseline {base.inside:.1f} → {base.outside:.1f} (keeps {base.kept:.0f} %), best outside {best} {part.outside[best]:.1f} (keeps {part.kept[best]:.0f} %); "
              + ", ".join(f"{n} {part.inside[n]:.1f} → {part.outside[n]:.1f}" for n in pick if n in part.index and n != "baseline"))
    t = transfer[(transfer.source == source) & transfer.benchmark.isin(combination.SHIFTED)]
    best = t.loc[t.groupby("benchmark", sort=False).top1.idxmax()]
    print(f"{source}: best pretraining for " + ", ".join(f"{r.benchmark}: {r.name_} on {r.regime} ({r.top1:.1f})" for r in best.rename(columns={"name": "name_"}).itertuples()))
    f = few[source][few[source].name.isin(pick)].groupby(["name", "benchmark", "share"]).top1.mean()
    low = f.index.get_level_values("share").min()
    for benchmark in combination.SHIFTED:
        print(f"{source}, {benchmark} with {low:g} % of the labels: " + ", ".join(f"{n} {f[n, benchmark, low]:.1f} (all labels {f[n, benchmark, 100.0]:.1f})" for n in pick))
