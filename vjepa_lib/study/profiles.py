"""Profiles: the sizes of everything, from a test to the published protocol."""

from __future__ import annotations

from dataclasses import dataclass, field

from vjepa_lib.datasets.synthetic import DataSpec
from vjepa_lib.errors import ConfigError, unknown
from vjepa_lib.evaluation.probes import ProbeConfig
from vjepa_lib.model.vit import EncoderConfig, PredictorConfig
from vjepa_lib.objectives import Sizes
from vjepa_lib.settings import Count, Seed, check_domains
from vjepa_lib.study.domains import check_data
from vjepa_lib.training.pretrain import Schedule
from vjepa_lib.video.augment import Augmentation


@dataclass(frozen=True)
class Profile:
    """Sizes of everything: model, data, schedule, probes, seeds.

    Attributes
    ----------
    data : amount of embedded data; None where the user's own data is meant (`paper`).
    sizes : of the terms' heads.
    supervised_steps : steps of the supervised references of the data notebook.

    Raises
    ------
    ConfigError : no steps, data that cannot be rendered, or data of another size than the encoder.
    """

    name: str
    encoder: EncoderConfig
    predictor: PredictorConfig
    schedule: Schedule
    data: DataSpec | None
    probes: ProbeConfig
    seeds: tuple[Seed, ...]
    augmentation: Augmentation | None = None
    sizes: Sizes = field(default_factory=Sizes)
    supervised_steps: Count = 200

    def __post_init__(self) -> None:
        check_domains(self)
        check_domains(self.schedule, {"steps": Count})
        if self.data is None:
            return
        check_data(self.data)
        clip = self.encoder.frames, self.encoder.height, self.encoder.width_px
        if clip != (self.data.frames, self.data.size, self.data.size):
            raise ConfigError(
                f"The profile {self.name} has data of {self.data.frames} frames, clips of "
                f"{self.data.size} px, and an encoder for {clip[0]} frames of {clip[1]} x "
                f"{clip[2]} px: make them agree."
            )


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
                steps=6,
                batch=4,
                lr=2e-3,
                lr_start=2e-4,
                warmup=2,
                momentum=0.9,
                log_every=1,
                probe_every=3,
            ),
            DataSpec(pretrain=24, train=48, val=24, test=48),
            ProbeConfig(epochs=1, low_shot=(0.1, 0.5), leakage=LEAKAGE),
            seeds=(0, 1),
            sizes=Sizes(head_hidden=16, sigreg_directions=16),
            supervised_steps=4,
        ),
        Profile(
            "mini",
            _tiny(48),
            PredictorConfig(48, 1, 4),
            Schedule(
                steps=280,
                batch=16,
                lr=4e-3,
                lr_start=4e-4,
                warmup=30,
                momentum=0.96,
                probe_every=70,
            ),
            DataSpec(pretrain=2000, train=300, val=100, test=400),
            ProbeConfig(low_shot=LOW_SHOT, leakage=LEAKAGE),
            seeds=(0,),
            sizes=Sizes(head_hidden=48, sigreg_directions=64),
        ),
        Profile(
            "small",
            _tiny(64),
            PredictorConfig(64, 2, 4),
            Schedule(
                steps=600,
                batch=16,
                lr=2e-3,
                lr_start=2e-4,
                warmup=50,
                momentum=0.995,
                probe_every=100,
            ),
            DataSpec(pretrain=4000, train=600, val=200, test=1000),
            ProbeConfig(low_shot=LOW_SHOT, leakage=LEAKAGE),
            seeds=(0, 1, 2, 3, 4),
            sizes=Sizes(head_hidden=64, sigreg_directions=64),
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
        raise unknown("profile", name, PROFILES)
    return PROFILES[name]
