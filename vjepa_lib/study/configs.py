"""From names to a run: `resolve` gives the configuration whose hash is the run's address.

Forms that train the same thing resolve to the same run (`canonical`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from vjepa_lib.datasets.synthetic import REGIMES, DataSpec
from vjepa_lib.errors import ConfigError, unknown
from vjepa_lib.evaluation.probes import ProbeConfig
from vjepa_lib.model.masking import MaskingConfig
from vjepa_lib.model.vit import Encoder
from vjepa_lib.objectives import Sizes, get_term
from vjepa_lib.study.domains import check_data
from vjepa_lib.study.fingerprint import embedded_code, training_code
from vjepa_lib.study.profiles import Profile, get_profile
from vjepa_lib.study.variants import (
    FORMS,
    REFERENCES,
    STUDIED,
    VARIANTS,
    Variant,
    get_variant,
)
from vjepa_lib.training.pretrain import TermSpec, TrainSetup


def differs(name: str) -> bool:
    """Whether the released and the described form of a variant are different runs."""
    v = get_variant(name)
    return not v.ema or any(_forms_differ(t, o) for t, _, o in v.terms)


def _forms_differ(term: str, options: Mapping[str, object]) -> bool:
    cls = get_term(term)
    return cls.forms_differ(cls.options() | dict(options))


def _terms(v: Variant, form: str, sizes: Sizes | None = None) -> tuple[TermSpec, ...]:
    """What a row adds to the JEPA and context losses, with sizes if they are given."""
    specs = []
    for name, weight, options in v.terms:
        of_size = get_term(name).sized(sizes) if sizes else {}
        own = form if _forms_differ(name, options) else "released"
        specs.append(TermSpec(name, weight, own, tuple(sorted((of_size | options).items()))))
    return tuple(specs)


def _at_work(v: Variant, form: str) -> tuple:
    """What decides the weights a variant ends with, but data, sizes and seed.

    A term at the end that moves no weight is left out: the run is the same without it, bit for bit.
    One in the middle stays, for the heads behind it would start from other random weights.
    """
    terms = list(_terms(v, form))
    while terms:
        cls, last = get_term(terms[-1].name), terms[-1]
        if cls.trains(last.form, cls.options() | dict(last.options)):
            break
        terms.pop()
    return tuple(terms), v.masking, v.ema


def trained_as(
    variant: str, form: str = "released", regime: str | None = None
) -> tuple[str, str, str | None]:
    """The (variant, form, regime) that trains the same evaluated encoder, bit for bit.

    Most stand for themselves. Three kinds share a run, which the tests show by training both: rows
    that differ by a term that moves nothing (LD beside HW as released); every variant without EMA
    as released, whose evaluated encoder is the random initialisation; and the same row named by
    either regime. The regime is None where it is the variant's own.
    """
    if variant in REFERENCES:
        return variant, "released", None
    v = get_variant(variant)
    regime = regime or v.regime
    if not differs(variant):
        form = "released"
    if not v.ema and form == "released":
        return "random_init", "released", None
    wanted = _at_work(v, form)
    names = tuple(t.name for t in wanted[0])

    def like(w: Variant) -> bool:
        # The names first: they tell most rows apart, and cost nothing.
        begins = tuple(t for t, *_ in w.terms)[: len(names)] == names
        return begins and _at_work(w, form) == wanted

    def rank(name: str) -> tuple:
        row = VARIANTS[name]
        # The study's rows first: a reader's row must not move the address of a recorded run.
        return name not in STUDIED, row.regime != regime, len(row.terms)

    # The first of the best in the table's order.
    best = min((n for n, w in VARIANTS.items() if like(w)), key=rank)
    if not differs(best):
        form = "released"
    return best, form, None if regime == VARIANTS[best].regime else regime


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

    def __post_init__(self) -> None:
        check_data(self.data)

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


@dataclass(frozen=True)
class Recipe:
    """What is trained and how, without sizes: a variant in one of its forms, on some data.

    Attributes
    ----------
    variant, form, regime : names; the form is 'released' where the forms do not differ.
    kind : 'pretrain', or one of `REFERENCES`.
    """

    variant: str
    form: str
    regime: str
    kind: str = "pretrain"

    @property
    def canonical(self) -> Recipe:
        """The recipe of the run that trains the same evaluated encoder (`trained_as`)."""
        variant, form, regime = trained_as(self.variant, self.form, self.regime)
        if (variant, form) == (self.variant, self.form) and regime in (None, self.regime):
            return self  # a reference keeps the regime it was asked for with
        return recipe(variant, form, regime)

    def setup(self, profile: Profile, seed: int) -> TrainSetup:
        """The training, in a profile's sizes; every size of a term comes through here."""
        v = get_variant("baseline" if self.kind != "pretrain" else self.variant)
        schedule = profile.schedule
        if self.kind != "pretrain":
            steps = 0 if self.kind == "random_init" else profile.supervised_steps
            schedule = replace(schedule, steps=steps)
        return TrainSetup(
            encoder=profile.encoder,
            predictor=profile.predictor,
            terms=(TermSpec("jepa"), TermSpec("context"), *_terms(v, self.form, profile.sizes)),
            masking=MaskingConfig(v.masking),
            schedule=schedule,
            augmentation=profile.augmentation,
            ema=v.ema,
            # With EMA off the released code evaluates the target encoder, which never moved.
            evaluate="context" if not v.ema and self.form == "described" else "target",
            seed=seed,
        )


def recipe(variant: str, form: str = "released", regime: str | None = None) -> Recipe:
    """The recipe of a variant.

    Parameters
    ----------
    variant : key of `VARIANTS`, or one of `REFERENCES`.
    form : 'released' or 'described'; a variant whose forms do not differ is 'released'.
    regime : pretraining data; None for the variant's own.

    Raises
    ------
    ConfigError : unknown variant, form, regime or term.
    """
    if form not in FORMS:
        raise unknown("form", form, FORMS)
    reference = variant in REFERENCES
    v = get_variant("baseline" if reference else variant)
    if reference or not differs(v.name):
        form = "released"
    regime = regime or v.regime
    if regime not in REGIMES:
        raise unknown("regime", regime, REGIMES)
    return Recipe(variant, form, regime, variant if reference else "pretrain")


def resolve(
    variant: str,
    form: str = "released",
    profile: str = "mini",
    seed: int = 0,
    regime: str | None = None,
) -> RunConfig:
    """The run of a variant on the embedded data.

    Parameters
    ----------
    variant, form, regime : as for `recipe`.
    profile : name of a profile with embedded data.

    Raises
    ------
    ConfigError : unknown variant, form, profile, regime or term.
    """
    p = get_profile(profile)
    what = recipe(variant, form, regime)
    if p.data is None:
        raise ConfigError(
            "The profile 'paper' needs your own data sets: build their manifests with "
            "'python -m vjepa_lib.datasets build' (docs/datasets.md)."
        )
    setup, names = what.setup(p, seed), (what.variant, what.form, what.regime)
    return RunConfig(*names, profile, seed, setup, p.data, p.data.key, p.probes, what.kind)


def canonical(config: RunConfig) -> RunConfig:
    """The run whose results stand for a configuration; mostly itself (`trained_as`)."""
    variant, form, regime = trained_as(config.variant, config.form, config.regime)
    if (variant, form) == (config.variant, config.form) and regime in (None, config.regime):
        return config
    return resolve(variant, form, config.profile, config.seed, regime)
