"""From names to a run: `resolve` gives the configuration whose hash is the run's address.

Forms that train the same thing resolve to the same run (`canonical`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from vjepa_lib.datasets.synthetic import REGIMES, DataSpec
from vjepa_lib.errors import ConfigError
from vjepa_lib.evaluation.probes import ProbeConfig
from vjepa_lib.model.masking import MaskingConfig
from vjepa_lib.model.vit import Encoder
from vjepa_lib.study.fingerprint import embedded_code, training_code
from vjepa_lib.study.profiles import get_profile
from vjepa_lib.study.variants import FORMS, REFERENCES, VARIANTS, get_variant
from vjepa_lib.training.pretrain import TermSpec, TrainSetup


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

    def code(self) -> dict[str, list]:
        """Functions and classes its results depend on, by part (`fingerprint.code_of`)."""
        from vjepa_lib.evaluation.evaluate import evaluate
        from vjepa_lib.study import results

        if self.kind in ("supervised", "single_frame"):
            readings, train = results.supervised_rows, {"model": [Encoder]}
        else:
            # The initial weights do not depend on the objective.
            readings = evaluate
            train = training_code(t.name for t in self.train.terms if self.pretrained)
            train["step"].append(results.training_clips)
        return {"data": embedded_code(), **train, "readings": [readings]}


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
    return RunConfig(
        variant, form, regime, profile, seed, setup, p.data, p.data.key, p.probes, kind
    )


def canonical(config: RunConfig) -> RunConfig:
    """The run whose results stand for a configuration; mostly itself (`trained_as`)."""
    variant, form, regime = trained_as(config.variant, config.form, config.regime)
    if (variant, form) == (config.variant, config.form) and regime in (None, config.regime):
        return config
    return resolve(variant, form, config.profile, config.seed, regime)
