"""The study as a table: variants, regimes, profiles; and the runs a notebook needs.

A study is a table of variants, a variant is a sum of named terms, a run is one variant with one
seed. `resolve` turns names into a `RunConfig`, whose hash is the run's address. Forms that train
the same thing resolve to the same run.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import pandas as pd
from safetensors.torch import load_file, save_file

from vjepa_lib import runs
from vjepa_lib.augment import Augmentation
from vjepa_lib.clips import ClipSet, load_clips
from vjepa_lib.errors import ConfigError, RunStoreError
from vjepa_lib.masking import MaskingConfig
from vjepa_lib.pretrain import ClipMixture, Schedule, TermSpec, Trainer, TrainSetup, pretrain
from vjepa_lib.probes import ProbeConfig, evaluate, split_rows, supervised
from vjepa_lib.provenance import ROOT
from vjepa_lib.synthetic import BENCHMARKS, PRETRAINING, REGIMES, DataSpec
from vjepa_lib.synthetic import ensure as render_data
from vjepa_lib.vit import Encoder, EncoderConfig, PredictorConfig

FORMS = ("released", "described")
HEAD_HIDDEN = 256
ENCODER_FILE = "encoder.safetensors"

# --- variants ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Variant:
    """One row of the study's table.

    Attributes
    ----------
    name, regime : key, and the pretraining data it was published with.
    terms : (term, weight, options) added to the JEPA and context losses.
    masking : kind of mask.
    ema : whether the target encoder follows.
    family : the idea it belongs to; decides its colour in figures.
    """

    name: str
    regime: str
    terms: tuple[tuple[str, float, dict], ...] = ()
    masking: str = "multiblock"
    ema: bool = True
    family: str = "baseline"


_FWM = (("fwm_static", 0.05, {}), ("fwm_orth", 0.01, {}))
_Y = {"channels": "dynamics"}
_HARD = {"hard_weighted": True}


def _kinematic(name: str, weight: float = 0.1, **options) -> Variant:
    return Variant(name, "ucf101", (("kinematic", weight, options),), ema=False, family="kinematic")


VARIANTS: dict[str, Variant] = {
    v.name: v
    for v in (
        Variant("baseline", "mixed"),
        Variant("hw", "mixed", (("hw", 0.3, {}),), family="hw"),
        Variant("ld", "mixed", (("ld", 1.0, {}),), family="ld"),
        Variant("fwm", "mixed", _FWM, family="fwm"),
        Variant("fwm_ld", "mixed", (*_FWM, ("ld", 1.0, _Y)), family="fwm"),
        Variant("hw_ld", "mixed", (("hw", 1.0, {}), ("ld", 1.0, _HARD)), family="ld"),
        # Not in the paper: the cell its factorial lacks. Weight 1, as in its other combinations.
        Variant("fwm_hw", "mixed", (*_FWM, ("hw", 1.0, {})), family="fwm"),
        Variant(
            "fwm_hw_ld",
            "mixed",
            (*_FWM, ("hw", 1.0, {}), ("ld", 1.0, _Y | _HARD)),
            family="fwm",
        ),
        Variant("motion_guided", "mixed", masking="motion_guided", family="masking"),
        Variant("amg", "mixed", masking="amg", family="masking"),
        Variant("delta", "mixed", (("delta", 0.5, {}),), family="temporal"),
        Variant(
            "combo", "mixed", (("delta", 0.5, {}), ("hw", 0.3, {})), masking="amg", family="temporal"
        ),
        Variant("spectral", "mixed", (("spectral", 1.0, {}),), family="temporal"),
        Variant("ltc", "mixed", (("ltc", 0.5, {}),), family="contrast"),
        Variant("ac", "mixed", (("ac", 1.0, {}),), family="action"),
        Variant("ac_hw", "mixed", (("ac", 1.0, {}), ("hw", 0.3, {})), family="action"),
        Variant("fac", "mixed", (*_FWM, ("ac", 1.0, _Y)), family="action"),
        Variant("ucf_baseline", "ucf101"),
        _kinematic("kinematic", 1.0),
        _kinematic("kinematic_0_1"),
        _kinematic("kinematic_accel", kind="acceleration"),
        _kinematic("kinematic_anneal", kind="acceleration", anneal=True),
        _kinematic("kinematic_huber", kind="huber"),
        _kinematic("kinematic_split", kind="acceleration", ratio=0.5),
        Variant("sigreg", "ucf101", (("sigreg", 1.0, {}),), family="dynamics"),
        Variant("sigreg_no_ema", "ucf101", (("sigreg", 1.0, {}),), ema=False, family="dynamics"),
        # The control the paper lacks: EMA off and nothing else.
        Variant("no_ema", "ucf101", ema=False, family="kinematic"),
        Variant("hamiltonian", "ucf101", (("hamiltonian", 1.0, {}),), family="dynamics"),
        Variant("velgate", "ucf101", (("velgate", 1.0, {}),), family="dynamics"),
        Variant("ucf_motion_guided", "ucf101", masking="motion_guided", family="masking"),
        Variant("future_predictive", "ucf101", masking="future_predictive", family="masking"),
        Variant("motion_future", "ucf101", masking="motion_future", family="masking"),
    )
}

# --- the combination: factorized dynamics x contrastive learning --------------------------------

# LTC has its published weight. IIC and VCLR get the weight at which their gradient into the context
# encoder is about as long as LTC's, over the first 200 steps of the baseline at the size of `small`
# (notebook 12 measures it): no benchmark was looked at.
CONTRASTS = {"ltc": 0.5, "iic": 0.003, "vclr": 0.006}
HALVES = ("appearance", "dynamics")
# Rows of the combination, each with the form it is trained in.
FACTORIZED = (
    ("baseline", "released"),
    ("fwm", "described"),
    ("fwm_hw_ld", "released"),
    ("fwm_hw_ld", "described"),
)


def combined(base: str, contrast: str, half: str = "") -> str:
    """Name of a variant with a contrastive term beside its own, on all channels or on one half."""
    name = contrast if base == "baseline" else f"{base}+{contrast}"
    return f"{name}_{half}" if half else name


def _combination(base: str, contrast: str, half: str = "") -> Variant:
    options = {"channels": half} if half else {}
    terms = (*VARIANTS[base].terms, (contrast, CONTRASTS[contrast], options))
    family = "contrast" if base == "baseline" else "combination"
    return Variant(combined(base, contrast, half), "mixed", terms, family=family)


for _base in dict.fromkeys(v for v, _ in FACTORIZED):
    for _contrast in CONTRASTS:
        for _half in ("", *HALVES) if _base == "fwm_hw_ld" else ("",):
            _row = _combination(_base, _contrast, _half)
            VARIANTS.setdefault(_row.name, _row)

# What a pretrained encoder is measured against: the encoder as it was initialised, the same encoder
# trained end to end with labels, and the same with one frame of every clip shown all the time.
REFERENCES = ("random_init", "supervised", "single_frame")

FACTORS = ("fwm", "hw", "ld")
FACTORIAL: dict[tuple[int, int, int], str] = {
    (0, 0, 0): "baseline",
    (1, 0, 0): "fwm",
    (0, 1, 0): "hw1",
    (0, 0, 1): "ld",
    (1, 1, 0): "fwm_hw",
    (1, 0, 1): "fwm_ld",
    (0, 1, 1): "hw_ld",
    (1, 1, 1): "fwm_hw_ld",
}
# The published hw row has weight 0.3 and the published combinations weight 1: a factorial needs
# one weight, so its hw cell is trained at 1.
VARIANTS["hw1"] = Variant("hw1", "mixed", (("hw", 1.0, {}),), family="hw")


def get_variant(name: str) -> Variant:
    """Look a variant up.

    Raises
    ------
    ConfigError : unknown name; the message lists the known ones.
    """
    if name not in VARIANTS:
        raise ConfigError(f"Unknown variant {name!r}: choose one of {', '.join(VARIANTS)}.")
    return VARIANTS[name]


def _form_matters(term: str, options: dict) -> bool:
    """Whether the two forms of a term train different things."""
    return (
        term in ("fwm_static", "fwm_orth")
        or options.get("channels", "all") != "all"
        or bool(options.get("hard_weighted"))
    )


def differs(name: str) -> bool:
    """Whether the released and the described form of a variant are different runs."""
    v = get_variant(name)
    return not v.ema or any(_form_matters(t, o) for t, _, o in v.terms)


# LD beside HW, as released, is summed without gradient: the same training without it.
_WITHOUT_LD = {"hw_ld": "hw1", "fwm_hw_ld": "fwm_hw"}


def trained_as(
    variant: str, form: str = "released", regime: str | None = None
) -> tuple[str, str, str | None]:
    """The (variant, form, regime) that trains the same evaluated encoder, bit for bit.

    Most stand for themselves. Three kinds share a run, which the tests show by training both:
    LD beside HW as released; every variant without EMA as released, whose evaluated encoder is
    the random initialisation; and the baseline named by either regime.
    """
    if variant in REFERENCES:
        return variant, "released", None
    v = get_variant(variant)
    regime = regime or v.regime
    if not differs(variant):
        form = "released"
    if not v.ema and form == "released":
        return "random_init", "released", None
    if form == "released":
        variant = _WITHOUT_LD.get(variant, variant)
    name = variant.removeprefix("ucf_")
    if regime == "ucf101" and f"ucf_{name}" in VARIANTS:
        return f"ucf_{name}", form, None
    if regime != "ucf101" and variant != name:
        variant = name
    return variant, form, None if regime == VARIANTS[variant].regime else regime


# --- profiles ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Profile:
    """Sizes of everything: model, data, schedule, probes, seeds.

    Attributes
    ----------
    data : amount of embedded data; None where the user's own data is meant (`paper`).
    head_hidden : hidden width of the terms' heads (256 in the paper).
    supervised_steps : steps of the supervised references of the data notebook.
    """

    name: str
    encoder: EncoderConfig
    predictor: PredictorConfig
    schedule: Schedule
    data: DataSpec | None
    probes: ProbeConfig
    seeds: tuple[int, ...]
    augmentation: Augmentation | None = None
    head_hidden: int = HEAD_HIDDEN
    sigreg_directions: int = 1024
    supervised_steps: int = 200


def _tiny(width: int) -> EncoderConfig:
    return EncoderConfig(
        height=32,
        width_px=32,
        frames=8,
        patch=8,
        tubelet=2,
        width=width,
        depth=4,
        heads=4,
        levels=(1, 2, 3, 4),
        rope_reference=None,
        # 0.02 at width 768, kept in proportion to 1 / sqrt(width).
        init_std=0.06,
    )


LOW_SHOT = (0.01, 0.05, 0.1, 0.5)
# Read from each half of the latent: an appearance and a motion factor, drawn independently.
LEAKAGE = (("actions", ("texture", "camera")),)

PROFILES: dict[str, Profile] = {
    p.name: p
    for p in (
        Profile(
            "smoke",
            _tiny(24),
            PredictorConfig(24, 1, 2),
            Schedule(
                steps=6, batch=4, lr=2e-3, lr_start=2e-4, warmup=2, momentum=0.9,
                log_every=1, probe_every=3,
            ),
            DataSpec(pretrain=24, train=48, val=24, test=48),
            ProbeConfig(epochs=1, low_shot=(0.1, 0.5), leakage=LEAKAGE),
            seeds=(0, 1),
            head_hidden=16,
            sigreg_directions=16,
            supervised_steps=4,
        ),
        Profile(
            "mini",
            _tiny(48),
            PredictorConfig(48, 1, 4),
            Schedule(
                steps=280, batch=16, lr=4e-3, lr_start=4e-4, warmup=30, momentum=0.96,
                probe_every=70,
            ),
            DataSpec(pretrain=2000, train=300, val=100, test=400),
            ProbeConfig(low_shot=LOW_SHOT, leakage=LEAKAGE),
            seeds=(0, 1),
            head_hidden=48,
            sigreg_directions=64,
        ),
        Profile(
            "small",
            _tiny(64),
            PredictorConfig(64, 2, 4),
            Schedule(
                steps=600, batch=16, lr=2e-3, lr_start=2e-4, warmup=50, momentum=0.995,
                probe_every=100,
            ),
            DataSpec(pretrain=4000, train=600, val=200, test=1000),
            ProbeConfig(low_shot=LOW_SHOT, leakage=LEAKAGE),
            seeds=(0, 1, 2, 3, 4),
            head_hidden=64,
            sigreg_directions=64,
            supervised_steps=400,
        ),
        Profile(
            "paper",
            EncoderConfig(),
            PredictorConfig(),
            # 8 clips a loss, as on each of the study's 4 GPUs; 1, 2 or 4 processes train alike.
            Schedule(amp="bf16", accumulate=4, watched=16),
            None,
            ProbeConfig(
                linear="adamw",
                attentive=("diving48",),
                attentive_mean=("ssv2",),
                epochs=100,
                heads=8,
                choose_epoch=False,
            ),
            seeds=(239, 42, 1337),
            augmentation=Augmentation(),
        ),
    )
}


def get_profile(name: str) -> Profile:
    """Look a profile up.

    Raises
    ------
    ConfigError : unknown name; the message lists the known ones.
    """
    if name not in PROFILES:
        raise ConfigError(f"Unknown profile {name!r}: choose one of {', '.join(PROFILES)}.")
    return PROFILES[name]


# --- runs -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RunConfig:
    """Everything a run is made from; its hash is its address.

    Attributes
    ----------
    variant, form, regime, profile, seed : names, for reading.
    train : the resolved training.
    data : the embedded data it is trained and probed on.
    kind : 'pretrain', or one of `REFERENCES`.
    """

    variant: str
    form: str
    regime: str
    profile: str
    seed: int
    train: TrainSetup
    data: DataSpec
    data_key: str
    probes: ProbeConfig
    kind: str = "pretrain"

    @property
    def pretrained(self) -> bool:
        return self.kind == "pretrain"


def resolve(
    variant: str,
    form: str = "released",
    profile: str = "mini",
    seed: int = 0,
    regime: str | None = None,
) -> RunConfig:
    """The run of a variant.

    Parameters
    ----------
    variant : key of `VARIANTS`, or one of `REFERENCES`.
    form : 'released' or 'described'; a variant whose forms do not differ is 'released'.
    regime : pretraining data; None for the variant's own.

    Raises
    ------
    ConfigError : unknown variant, form, profile or regime.
    """
    p = get_profile(profile)
    if form not in FORMS:
        raise ConfigError(f"Unknown form {form!r}: choose one of {', '.join(FORMS)}.")
    if p.data is None:
        raise ConfigError(
            "The profile 'paper' needs your own data sets: build their manifests with "
            "'python -m vjepa_lib.datasets build' (docs/datasets.md)."
        )
    reference = variant in REFERENCES
    v = get_variant("baseline" if reference else variant)
    form = form if not reference and differs(v.name) else "released"
    regime = regime or v.regime
    if regime not in REGIMES:
        raise ConfigError(f"Unknown regime {regime!r}: choose one of {', '.join(REGIMES)}.")
    terms = [TermSpec("jepa"), TermSpec("context")]
    for name, weight, options in v.terms:
        options = dict(options)
        if name in ("ld", "ac", "hamiltonian"):
            options["hidden"] = p.head_hidden
        if name == "sigreg":
            options["directions"] = p.sigreg_directions
        term_form = form if _form_matters(name, options) else "released"
        terms.append(TermSpec(name, weight, term_form, tuple(sorted(options.items()))))
    setup = TrainSetup(
        encoder=p.encoder,
        predictor=p.predictor,
        terms=tuple(terms),
        masking=MaskingConfig(v.masking),
        schedule=p.schedule,
        augmentation=p.augmentation,
        ema=v.ema,
        # With EMA off the released code evaluates the target encoder, which never moved.
        evaluate="context" if not v.ema and form == "described" else "target",
        seed=seed,
    )
    kind = variant if reference else "pretrain"
    if reference:
        steps = 0 if kind == "random_init" else p.supervised_steps
        setup = replace(setup, schedule=replace(p.schedule, steps=steps))
    return RunConfig(variant, form, regime, profile, seed, setup, p.data, p.data.key, p.probes, kind)


def canonical(config: RunConfig) -> RunConfig:
    """The run whose results stand for a configuration; mostly itself (`trained_as`)."""
    variant, form, regime = trained_as(config.variant, config.form, config.regime)
    if (variant, form) == (config.variant, config.form) and regime in (None, config.regime):
        return config
    return resolve(variant, form, config.profile, config.seed, regime)


def runs_root() -> Path:
    """Folder of runs: VJEPA_RUNS, or `runs` beside the package."""
    return Path(os.environ.get("VJEPA_RUNS", ROOT / "runs"))


def data_root() -> Path:
    """Folder of rendered and decoded data: VJEPA_DATA, or `data` beside the package."""
    return Path(os.environ.get("VJEPA_DATA", ROOT / "data"))


@lru_cache(maxsize=2)
def clip_sets(spec: DataSpec, jobs: int | None = None, progress: bool = True) -> dict[str, ClipSet]:
    """Every embedded domain, rendered and decoded once, then mapped from the cache."""
    manifests = render_data(spec, data_root(), jobs, progress)
    return {
        name: load_clips(
            manifest,
            spec.frames,
            spec.size,
            data_root() / "decoded",
            workers=jobs,
            progress=progress,
        )
        for name, manifest in manifests.items()
    }


def train_run(
    config: RunConfig, partial: Path | None, device: str = "cpu", progress: bool = False
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Pretrain and probe one run: (metrics, curves).

    The evaluated encoder is left in `partial`, from where the store keeps it beside the results.
    """
    sets = clip_sets(config.data, 1, False)
    if config.kind in ("supervised", "single_frame"):
        return _supervised(config, sets), pd.DataFrame({"step": []})
    encoder, curves = _pretrain(config, sets, partial, device, progress)
    metrics = evaluate(encoder, {n: sets[n] for n in BENCHMARKS}, config.probes, config.seed)
    if partial:
        partial.mkdir(parents=True, exist_ok=True)
        save_file(encoder.state_dict(), partial / ENCODER_FILE)
    return metrics, curves


def training_clips(config: RunConfig, sets: dict[str, ClipSet]) -> ClipMixture:
    """Where a run draws its clips from: the pretraining sets, weighted by its regime."""
    return ClipMixture({n: sets[n] for n in PRETRAINING}, REGIMES[config.regime])


def _pretrain(
    config: RunConfig,
    sets: dict[str, ClipSet],
    partial: Path | None,
    device: str,
    progress: bool,
) -> tuple[Encoder, pd.DataFrame]:
    if config.kind == "random_init":
        return Trainer(config.train, device).evaluated, pd.DataFrame({"step": []})
    data = training_clips(config, sets)
    checkpoint = partial / "checkpoint.pt" if partial else None
    done = pretrain(config.train, data, device, checkpoint, progress=progress)
    return done.encoder, done.curves


def pretrained_encoder(
    config: RunConfig, sets: dict[str, ClipSet], device: str = "cpu", progress: bool = False
) -> Encoder:
    """Train a run's encoder here and now, whatever is stored; it is not probed."""
    return _pretrain(config, sets, None, device, progress)[0]


def load_encoder(config: RunConfig, device: str = "cpu") -> Encoder:
    """The frozen, evaluated encoder of a finished run.

    Raises
    ------
    RunStoreError : the run is not finished, or its encoder was deleted.
    """
    run = runs.RunStore(runs_root()).load(canonical(config))
    path = run.path / ENCODER_FILE
    if not path.exists():
        raise RunStoreError(f"The run {run.path} has no {ENCODER_FILE}: delete it and train again.")
    encoder = Encoder(config.train.encoder)
    encoder.load_state_dict(load_file(path))
    return encoder.requires_grad_(False).eval().to(device)


def _supervised(config: RunConfig, sets: dict[str, ClipSet]) -> pd.DataFrame:
    """The supervised references of every benchmark, in the columns of `probes.evaluate`."""
    rows = []
    for name in BENCHMARKS:
        clips = sets[name]
        right = supervised(
            config.train.encoder,
            clips,
            config.train.schedule.steps,
            single_frame=config.kind == "single_frame",
            seed=config.seed,
        )
        labelled = {s: len(r) for s, r in split_rows(clips).items()}
        rows.append(
            {
                "benchmark": name,
                "probe": "supervised",
                "top1": 100 * float(right.mean()),
                "correct": int(right.sum()),
                "n_test": labelled["test"],
                "n_train": labelled["train"] + labelled["val"],
                "n_val": 0,
            }
        )
    return pd.DataFrame(rows)


# What each notebook asks for: (variant, form) pairs, or triples with a regime, once per seed.
def _forms(*names: str) -> tuple[tuple[str, str], ...]:
    """Every form of some variants."""
    return tuple((v, f) for v in names for f in (FORMS if differs(v) else FORMS[:1]))


_KINEMATIC = tuple(n for n, v in VARIANTS.items() if v.family == "kinematic")
# All that has a published row.
_OURS = ("fwm_hw", "hw1", "no_ema", "iic", "vclr")
_PUBLISHED = tuple(n for n in VARIANTS if n not in _OURS and "+" not in n)
_COMBINATION = tuple(
    (v if c == "none" else combined(v, c), f) for v, f in FACTORIZED for c in ("none", *CONTRASTS)
)
_ON_HALVES = tuple((combined("fwm_hw_ld", c, h), "described") for c in CONTRASTS for h in HALVES)
# Every encoder of the transfer matrix, by what it was pretrained on.
TRANSFER = (
    ("baseline", "released"),
    ("vclr", "released"),
    ("fwm_hw_ld", "described"),
    ("fwm_hw_ld+vclr", "described"),
)
_TRANSFERS = tuple((v, f, r) for v, f in TRANSFER for r in REGIMES)
_RANDOM = ("random_init", "released")
NOTEBOOK_RUNS: dict[str, tuple[tuple[str, ...], ...]] = {
    "02": _forms(*_PUBLISHED),
    "03": tuple((v, "released") for v in (*REFERENCES, "baseline")),
    "04": (_RANDOM, *_forms("baseline", "ucf_baseline", "no_ema")),
    "05": (_RANDOM, *_forms("baseline", "hw", "hw1", "ac_hw", "combo")),
    "06": (_RANDOM, *_forms("baseline", "ld", "hw_ld", "fwm_ld")),
    "07": (_RANDOM, *_forms(*FACTORIAL.values())),
    "08": (
        _RANDOM,
        *_forms("baseline", "motion_guided", "amg"),
        *_forms("ucf_baseline", "ucf_motion_guided", "future_predictive", "motion_future"),
    ),
    "09": (_RANDOM, *_forms("baseline", "ac", "ac_hw", "fac")),
    "10": (_RANDOM, *_forms("baseline", "delta", "combo", "spectral", "ltc")),
    "11": (
        _RANDOM,
        *_forms("ucf_baseline", *_KINEMATIC, "velgate", "hamiltonian", "sigreg", "sigreg_no_ema"),
    ),
    "12": (_RANDOM, *_forms("baseline", *CONTRASTS)),
    "13": (_RANDOM, *_COMBINATION, *_ON_HALVES, *_TRANSFERS),
    "14": (_RANDOM, *_COMBINATION, *_TRANSFERS),
}


def runs_for(
    notebooks: Iterable[str], profile: str, seeds: Sequence[int] | None = None
) -> list[RunConfig]:
    """Runs to train for the given notebooks (by number); all first seeds before all second ones."""
    seeds = tuple(seeds) if seeds else get_profile(profile).seeds
    asked = dict.fromkeys(p for n in notebooks for p in NOTEBOOK_RUNS.get(n, ()))
    found = [
        canonical(resolve(v, f, profile, s, *regime))
        for s in seeds
        for v, f, *regime in asked
        # One seed of a supervised reference is enough: it only shows what a benchmark takes.
        if s == seeds[0] or v not in REFERENCES[1:]
    ]
    return list(dict.fromkeys(found))


def results(
    configs: Sequence[RunConfig],
    jobs: int = 1,
    device: str = "cpu",
    cluster: str | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Metrics of runs, training what is missing first; see `runs.RunStore.frame`.

    A configuration that shares another's run keeps its own names; column `trained_as` says whose
    run it is.
    """
    store = runs.RunStore(runs_root())
    trained = [canonical(c) for c in configs]
    if store.missing(trained):
        clip_sets(configs[0].data, jobs, progress)  # once, before the processes start
    runs.ensure(store, trained, train_run, jobs, device, cluster, progress)
    return pd.concat(
        [
            store.frame([run]).assign(**_names(c), trained_as=f"{run.variant} ({run.form})")
            for c, run in zip(configs, trained, strict=True)
        ],
        ignore_index=True,
    )


def _names(config: RunConfig) -> dict[str, object]:
    return {k: getattr(config, k) for k in ("variant", "form", "regime", "seed")}


def curves(configs: Sequence[RunConfig]) -> pd.DataFrame:
    """Curves of finished runs, with the labels of each run; a shared run gives its own."""
    store = runs.RunStore(runs_root())
    parts = [store.load(canonical(c)).curves.assign(**_names(c)) for c in configs]
    return pd.concat([p for p in parts if len(p)], ignore_index=True)
