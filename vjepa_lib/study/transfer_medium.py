"""The transfer study one size up: clips of 112 px and 16 frames, a wider and deeper encoder.

The worlds, questions, shifts and readings are those of the study; clips, networks and heads are
larger (17 times the weights), and the attentive reader is left out. It is meant for a GPU
(docs/analysis_plan.md says which of its runs there are).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from vjepa_lib.datasets import films, synthetic
from vjepa_lib.datasets.films import FilmSpec
from vjepa_lib.datasets.heldout import HeldoutSpec
from vjepa_lib.datasets.synthetic import REGIMES
from vjepa_lib.datasets.worlds import WorldSpec
from vjepa_lib.evaluation.transfer import TransferConfig
from vjepa_lib.model.vit import EncoderConfig, PredictorConfig
from vjepa_lib.objectives import Sizes
from vjepa_lib.study import configs
from vjepa_lib.study.profiles import Profile, get_profile
from vjepa_lib.study.results import data_root
from vjepa_lib.study.transfer_recorded import LARGER
from vjepa_lib.study.transfer_runs import (
    TransferRun,
    TransferSizes,
    changed,
    clips_of,
    settling,
    train_transfer,
)
from vjepa_lib.training.pretrain import ClipMixture

_CLIP = {"size": 112, "frames": 16}
FILMS = FilmSpec(clips=2000, **_CLIP)


def _profile() -> Profile:
    encoder = EncoderConfig(
        height=112,
        width_px=112,
        frames=16,
        patch=16,
        tubelet=2,
        width=192,
        depth=8,
        heads=6,
        levels=(2, 4, 6, 8),
        rope_reference=None,
        # 0.02 at width 768, kept in proportion to 1 / sqrt(width).
        init_std=0.04,
    )
    return replace(
        get_profile("small"),
        name=LARGER,
        encoder=encoder,
        predictor=PredictorConfig(128, 3, 4),
        data=None,  # its clips are `FILMS`
        sizes=Sizes(head_hidden=192, sigreg_directions=64),
    )


PROFILE = _profile()
# The digits of this size are read, not trained on: their unlabelled set has hardly a clip.
SIZES = TransferSizes(
    WorldSpec(300, 100, 200, 150, 50, 100, **_CLIP),
    HeldoutSpec(pretrain=8, train=300, val=100, test=200, **_CLIP),
    TransferConfig(attentive=None),
    {"steps": 600, "lr": 2e-3, "lr_start": 2e-4, "momentum": 0.98, "amp": "bf16"},
)


@dataclass(frozen=True)
class MediumRun(TransferRun):
    """A run of this size; `data` are the films it is trained on."""

    data: FilmSpec

    def code(self) -> dict[str, list]:
        """As of `TransferRun`, with films in the place of the embedded sets."""
        parts = super().code()
        others = [x for x in parts["data"] if x is not synthetic.ensure]
        return parts | {"data": [films.ensure, *others], "mixture": [film_mixture]}


def film_mixture(run: MediumRun, jobs: int = 1) -> ClipMixture:
    """The films, rendered and decoded if they are missing, in the proportions of a run's regime."""
    found = films.ensure(run.data, data_root(), jobs, False)
    sets = {name: clips_of(manifest, run.data, jobs) for name, manifest in found.items()}
    return ClipMixture(sets, REGIMES[run.regime])


# (run, folder for checkpoints, device) -> (readings, curves), as the run store wants it.
train_medium = partial(train_transfer, mixture=film_mixture)


def medium_run(
    variant: str,
    form: str = "described",
    seed: int = 0,
    scaled: Mapping[str, float] | None = None,
    **schedule: object,
) -> MediumRun:
    """The transfer run of a variant at this size.

    Parameters
    ----------
    variant, form, seed, scaled, schedule : as in `transfer_runs.transfer_run`.

    Raises
    ------
    ConfigError : unknown variant, form or term.
    """
    what = configs.recipe(variant, form).canonical
    train, words = what.setup(PROFILE, seed), []
    if what.kind == "pretrain":
        train, words = changed(settling(train, SIZES), scaled=scaled or {}, schedule=schedule)
    return MediumRun(
        what.variant,
        what.form,
        what.regime,
        LARGER,
        seed,
        train,
        FILMS,
        SIZES.worlds,
        SIZES.heldout,
        SIZES.readings,
        kind=what.kind,
        changed=", ".join(words),
    )
