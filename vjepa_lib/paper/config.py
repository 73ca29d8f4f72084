"""What a lab has to say, and the protocol: every default is that of arXiv 2605.17165."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import ClassVar

from vjepa_lib import study
from vjepa_lib.errors import ConfigError
from vjepa_lib.evaluation.classifier import FineTune
from vjepa_lib.evaluation.probes import ProbeConfig
from vjepa_lib.model.vit import EncoderConfig, PredictorConfig
from vjepa_lib.objectives import Sizes
from vjepa_lib.settings import (
    Count,
    NonNegative,
    Positive,
    Seed,
    Share,
    Whole,
    check_domains,
    read_settings,
)
from vjepa_lib.study.store import RunStore
from vjepa_lib.training.schedules import Schedule
from vjepa_lib.video.augment import Augmentation

PROFILE = study.get_profile("paper")


@dataclass(frozen=True)
class Pretraining:
    """Manifests of the sets that are pretrained on (rows of split `train`)."""

    ucf101: Path | None = None
    ssv2: Path | None = None
    imagenet100: Path | None = None


@dataclass(frozen=True)
class Benchmarks:
    """Manifests of the sets that frozen encoders are read on."""

    diving48: Path | None = None
    ssv2: Path | None = None
    imagenet100: Path | None = None
    ucf101: Path | None = None
    kinetics400: Path | None = None
    hacs: Path | None = None


@dataclass(frozen=True)
class Regime:
    """Shares of the pretraining sets, and how far apart a clip's frames are.

    Attributes
    ----------
    ucf101, ssv2, imagenet100 : probability of drawing a clip from each.
    fps, frame_step : frame rate in frames per second, or distance in frames; one of the two.
    """

    ONE_OF: ClassVar = ("fps", "frame_step")

    ucf101: Share = 0.0
    ssv2: Share = 0.0
    imagenet100: Share = 0.0
    fps: Positive | None = None
    frame_step: Count | None = None

    def __post_init__(self) -> None:
        check_domains(self)
        if not (self.ucf101 or self.ssv2 or self.imagenet100):
            raise ConfigError(
                "ucf101, ssv2 and imagenet100 are all 0: give one of them a share above it."
            )
        if self.fps is not None and self.frame_step is not None:
            raise ConfigError(
                f"fps is {self.fps:g} and frame_step {self.frame_step}: give a regime one of them."
            )


@dataclass(frozen=True)
class Regimes:
    """The two regimes of arXiv 2605.17165."""

    ucf101: Regime = field(default_factory=lambda: Regime(ucf101=1.0, fps=16.0))
    mixed: Regime = field(default_factory=lambda: Regime(0.2, 0.6, 0.2, frame_step=2))


@dataclass(frozen=True)
class TrainPerClass:
    """Training clips of a class that a probe may use, drawn once; 0 for all of them."""

    diving48: Whole = 0
    ssv2: Whole = 0
    imagenet100: Whole = 0
    ucf101: Whole = 0
    kinetics400: Whole = 0
    hacs: Whole = 0

    def __post_init__(self) -> None:
        check_domains(self)


@dataclass(frozen=True)
class Heads:
    """How the heads of the probes are trained; the last epoch counts, so nothing is chosen.

    Attributes
    ----------
    epochs, batch, heads : of the attentive head, over all tokens or over the mean token.
    linear_epochs, linear_batch : of the linear one.
    lr, weight_decay : of AdamW, for both.
    """

    epochs: Count = PROFILE.probes.epochs
    batch: Count = PROFILE.probes.batch
    heads: Count = PROFILE.probes.heads
    linear_epochs: Count = PROFILE.probes.linear_epochs
    linear_batch: Count = PROFILE.probes.linear_batch
    lr: Positive = PROFILE.probes.lr
    weight_decay: NonNegative = PROFILE.probes.weight_decay

    def __post_init__(self) -> None:
        check_domains(self)

    @property
    def config(self) -> ProbeConfig:
        return ProbeConfig(linear="adamw", choose_epoch=False, **asdict(self))


@dataclass(frozen=True)
class FineTuning(FineTune):
    """Supervised full fine-tuning of the encoder that `init` names.

    Attributes
    ----------
    labels : manifest of the labelled clips, with splits train and val or test.
    """

    labels: Path | None = None

    @property
    def recipe(self) -> FineTune:
        """What decides the training, wherever the manifest lies."""
        return FineTune(**{f.name: getattr(self, f.name) for f in fields(FineTune)})


@dataclass(frozen=True)
class Settings:
    """All that a lab has to say; every default is the protocol's.

    Attributes
    ----------
    device : 'cuda' or 'cpu'; 'mps' (Apple's GPUs) for reading encoders, not for training.
    workers : loader processes of each training process.
    checkpoint_every : steps between checkpoints.
    runs : folder of the run store; None for `paper` below the usual one.
    features : folder where encoded clips are kept for other probes; None deletes them with the
        probe they were made for.
    init : weights that training begins at, released ones or a run's folder; None for random ones.
    keep_predictor : keep the predictor beside the encoder of a run that is trained.
    variants, forms, seeds : what is to be trained; without variants, what the paper published.
    model, predictor, schedule, augmentation, terms : of training.
    probes : of reading.
    finetune : of training with labels.
    """

    # What a field of a table may hold here; elsewhere a schedule of no steps leaves an encoder as
    # it was initialised, and the variant `random_init` asks for it.
    NARROWER: ClassVar = {"schedule": {"steps": Count}}

    device: str = "cuda"
    workers: Whole = 8
    checkpoint_every: Count = 500
    runs: Path | None = None
    features: Path | None = None
    init: Path | None = None
    keep_predictor: bool = False
    variants: tuple[str, ...] = ()
    forms: tuple[str, ...] = ("released",)
    seeds: tuple[Seed, ...] = (239,)
    pretraining: Pretraining = field(default_factory=Pretraining)
    benchmarks: Benchmarks = field(default_factory=Benchmarks)
    train_per_class: TrainPerClass = field(default_factory=TrainPerClass)
    regimes: Regimes = field(default_factory=Regimes)
    model: EncoderConfig = PROFILE.encoder
    predictor: PredictorConfig = PROFILE.predictor
    schedule: Schedule = PROFILE.schedule
    augmentation: Augmentation = PROFILE.augmentation
    terms: Sizes = PROFILE.sizes
    probes: Heads = field(default_factory=Heads)
    finetune: FineTuning = field(default_factory=FineTuning)

    def __post_init__(self) -> None:
        check_domains(self)
        for table, domains in self.NARROWER.items():
            check_domains(getattr(self, table), domains)

    @property
    def profile(self) -> study.Profile:
        """The profile `paper` in a lab's own sizes."""
        return replace(
            PROFILE,
            encoder=self.model,
            predictor=self.predictor,
            schedule=self.schedule,
            augmentation=self.augmentation,
            sizes=self.terms,
        )

    @property
    def store(self) -> RunStore:
        return RunStore(self.runs or study.runs_root() / "paper")


def load_settings(path: str | Path) -> Settings:
    """Settings from a TOML file; see `settings.read_settings` for its errors."""
    return read_settings(path, Settings())


# --- the protocol of the probes -----------------------------------------------------------------


@dataclass(frozen=True)
class Protocol:
    """How a frozen encoder is read on one benchmark: 16 evenly spread frames, centre crop.

    Attributes
    ----------
    probes : 'attentive' (over all tokens), 'attentive_mean' (the same head over the mean token),
        'linear' (on the mean token).
    split : what accuracy is reported on; the probe never sees it before.
    antialias : low-pass before shrinking, as the source does for images alone.
    extension : ours; the source has no such row.
    """

    probes: tuple[str, ...]
    split: str
    antialias: bool = False
    extension: bool = False


_BOTH = ("attentive", "linear")
PROTOCOLS: dict[str, Protocol] = {
    "diving48": Protocol(("attentive",), "test"),
    "ssv2": Protocol(("attentive_mean",), "val"),
    "imagenet100": Protocol(("linear",), "val", antialias=True),
    "ucf101": Protocol(_BOTH, "test", extension=True),
    "kinetics400": Protocol(_BOTH, "val", extension=True),
    "hacs": Protocol(_BOTH, "val", extension=True),
}
