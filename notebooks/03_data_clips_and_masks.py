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
# # 03 · Data, clips and masks
#
# **Question.** What does the encoder see, what is hidden from it, and does each embedded benchmark
# measure the *encoder* rather than the probe?
#
# The embedded data are H.264 files of one second, 32 x 32 px, rendered from known factors
# (`vjepa_lib/synthetic.py`) and decoded like any video. Surfaces are sums of plane waves: their
# wave vectors are the appearance, the camera carries them along, and noise that is new in every
# frame hides both from raw patches.

# %% tags=["parameters"]
PROFILE: str = None  # smoke, mini or small; None: VJEPA_PROFILE, else mini
SEEDS: list = None  # [0, 1] or "0,1"; None: VJEPA_SEEDS, else the seeds of the profile
JOBS: int = None  # training processes; None: VJEPA_JOBS, else one per core
DEVICE: str = None  # cpu or cuda; None: VJEPA_DEVICE, else cpu

# %%
import numpy as np
import pandas as pd
import torch

from vjepa_lib import study
from vjepa_lib.analysis.statistics import proportion_interval
from vjepa_lib.datasets import synthetic
from vjepa_lib.model.masking import KINDS, MaskingConfig, motion_map, sample_masks
from vjepa_lib.show import notebook, plots

nb = notebook.setup("03_data_clips_and_masks", PROFILE, SEEDS, JOBS, DEVICE)
sets = nb.clips()
grid = nb.profile.encoder.grid

# %% [markdown]
# ## The domains and the data sets they stand in for

# %%
domains = pd.DataFrame(
    [
        (d.name, d.role, len(sets[d.name]), sets[d.name].num_classes if d.label else None, d.fps, d.question)
        for d in synthetic.DOMAINS.values()
    ],
    columns=["domain", "role of", "clips", "classes", "fps", "what is asked"],
)
nb.out.table(domains, "domains", "The embedded domains", digits=0)

# %%
rows = []
for name, clips in sets.items():
    label = clips.label_names[int(clips.labels[0])]
    rows.append((f"{name}\n{label}" if label != "unlabelled" else name, clips.frames[0].numpy(), None))
nb.out.figure(
    plots.clips(rows), "clips",
    pd.DataFrame([(n, int(c.manifest.scene_seed.iloc[0])) for n, c in sets.items()], columns=["domain", "scene_seed"]),
    "The first clip of every domain, frame by frame",
)

# %% [markdown]
# ## Factors are independent and splits share no scene

# %%
factors = ["texture", "palette", "camera", "shape", "trajectory", "direction"]
table = sets["pre_videos"].manifest[factors].apply(lambda c: pd.factorize(c)[0])
correlation = table.corr().where(~np.eye(len(factors), dtype=bool)).abs().max().max()
bench = pd.concat([sets[b].manifest.assign(domain=b) for b in synthetic.BENCHMARKS])
shared = bench.groupby(["domain", "scene_seed"]).split.nunique().gt(1).sum()
print(f"largest correlation between two factors of pre_videos: {correlation:.3f}")
print(f"scenes that occur in more than one split of a benchmark: {shared}")

# %% [markdown]
# ## Masks
#
# Orange tokens are hidden from the context encoder and must be predicted. Every clip gets two mask
# groups: 8 blocks of 15 % of the area and 2 blocks of 70 %, both lasting the whole clip.

# %%
clip = sets["shift_kinetics"].frames[:1]
motion = motion_map(clip.permute(0, 4, 1, 2, 3), grid)
rows, areas = [], []
for kind in KINDS:
    cfg = MaskingConfig(kind)
    masks = sample_masks(cfg, grid, 1, torch.Generator().manual_seed(3), motion)
    for group, (context, target) in enumerate(masks):
        hidden = torch.ones(grid.n, dtype=torch.bool)
        hidden[context[0]] = False
        rows.append((f"{kind}\ngroup {group + 1}", clip[0].numpy(), hidden.view(grid.shape).numpy()))
        areas.append((kind, group + 1, context.shape[1], target.shape[1], grid.n))
areas = pd.DataFrame(areas, columns=["masking", "group", "context tokens", "target tokens", "tokens"])
nb.out.figure(plots.clips(rows, every=2, width=3.4), "masks", areas, "What each kind of mask hides (orange), one frame per time step")

# %%
held = [(f"motion {motion.min():.0f}-{motion.max():.0f}", clip[0].numpy(), ((motion[0] - motion.min()) / (motion.max() - motion.min())).numpy())]
counts = torch.zeros(grid.h, grid.w)
for s in range(200):
    for _, target in sample_masks(MaskingConfig("amg"), grid, 1, torch.Generator().manual_seed(s), motion)[:1]:
        hit = torch.zeros(grid.n)
        hit[target[0]] = 1
        counts += hit.view(grid.shape)[0]
held.append(("masked by amg", clip[0].numpy(), (counts / 200).numpy()))
nb.out.figure(
    plots.clips(held, every=2, width=4), "motion",
    pd.DataFrame({"motion": motion.flatten().numpy(), "masked": counts.flatten().numpy() / 200}),
    "Where a clip moves, and how often motion-guided masking hides each place",
)

# %% [markdown]
# ## Does a benchmark measure the encoder?
#
# Four readings of each benchmark. A *supervised* model of the same architecture shows that it can
# be solved; the same model shown a single frame all the time shows what needs no motion; linear
# probes on the mean token compare the *pretrained* baseline with the *random-initialised* encoder.

# %%
configs = study.runs_for(["03"], nb.profile.name, nb.seeds)
frozen = nb.results(configs)
main = frozen[frozen.probe.isin(["linear", "supervised"])]
readings = main.groupby(["benchmark", "variant"], sort=False)[["correct", "n_test"]].sum().reset_index()
readings["top1"] = 100 * readings.correct / readings.n_test
low, high = proportion_interval(readings.correct, readings.n_test)
readings["low"], readings["high"] = 100 * np.asarray(low), 100 * np.asarray(high)

# %%
fig = plots.intervals(
    readings, "top1", panel="benchmark", names={"baseline": "pretrained baseline", "random_init": "random init", "single_frame": "single frame"},
)
for ax, name in zip(fig.axes, synthetic.BENCHMARKS):
    ax.axvline(100 / sets[name].num_classes, color="#888888", lw=0.7, ls=":")
nb.out.figure(
    fig, "informative", readings,
    "What each benchmark takes: 95 % Wilson intervals over test clips, dotted line: chance", nb.hashes(configs),
)
nb.out.table(readings.pivot(index="benchmark", columns="variant", values="top1").reindex(synthetic.BENCHMARKS)[["supervised", "single_frame", "random_init", "baseline"]].reset_index(), "readings", "Top-1 (%) of four readings of every benchmark", nb.hashes(configs), digits=1)

# %% [markdown]
# An attentive probe over all tokens of `fine_motion` is shown beside the linear one: on small
# clips it learns the motion itself, and then says little about the encoder.

# %%
both = frozen[(frozen.benchmark == "fine_motion") & (frozen.probe != "supervised")].groupby(["variant", "probe"]).top1.mean().unstack()
nb.out.table(both.reset_index(), "probe_matters", "fine_motion: linear against attentive probe, top-1 (%)", nb.hashes(configs), digits=1)

# %% [markdown]
# ## What we found

# %%
wide = readings.pivot(index="benchmark", columns="variant", values="top1").reindex(synthetic.BENCHMARKS)
gain = wide.baseline - wide.random_init
for name, row in wide.iterrows():
    chance = 100 / sets[name].num_classes
    print(f"{name:15s} chance {chance:4.1f}  supervised {row.supervised:5.1f}  single frame {row.single_frame:5.1f}  random init {row.random_init:5.1f}  pretrained {row.baseline:5.1f} ({gain[name]:+.1f})")
print(f"pretraining helps on {(gain > 0).sum()} of {len(gain)} benchmarks, by {gain.mean():+.1f} points on average")
print(f"attentive probe on fine_motion: random init {both.attentive['random_init']:.1f}, pretrained {both.attentive['baseline']:.1f}: it measures the probe")
