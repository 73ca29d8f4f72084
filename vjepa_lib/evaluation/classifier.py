"""A classifier to be fine-tuned: its settings, its head, and the rates its layers learn at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from vjepa_lib.errors import ConfigError, unknown
from vjepa_lib.evaluation.probes import AttentiveHead
from vjepa_lib.model.vit import Encoder, EncoderConfig
from vjepa_lib.settings import (
    Count,
    NonNegative,
    Positive,
    PositiveShare,
    ShareBelowOne,
    check_domains,
)
from vjepa_lib.training.schedules import Schedule
from vjepa_lib.video.augment import Augmentation

HEADS = ("attentive", "mean")


@dataclass(frozen=True)
class FineTune:
    """How an encoder and its head are trained on labels; a starting point, not a tuned one.

    Attributes
    ----------
    head : 'attentive' (one attention block with a query over all tokens, as many heads as the
        encoder has) or 'mean' (a linear layer on the mean token).
    epochs, batch : passes over the training clips, and clips of a step.
    accumulate : parts a batch is cut into to save memory; their gradients add up to the batch's.
    lr_start, lr, warmup_epochs : the rate of the head rises linearly, then
    lr_end : falls to this by half a cosine.
    layer_decay : factor of the rate from each layer to the one below it; 1 for one rate.
    weight_decay, betas : of AdamW; biases, norms and learned tokens do not decay.
    grad_clip : longest gradient (Euclidean norm over all parameters), or None.
    label_smoothing : share of a label that is spread over all classes.
    amp : 'off' or 'bf16': bfloat16 autocast of the encoder, on a GPU only.
    log_every : steps between logged losses; the last step of an epoch is always logged.

    Raises
    ------
    ConfigError : a setting that makes no sense.
    """

    head: str = "attentive"
    epochs: Count = 30
    batch: Count = 32
    accumulate: Count = 1
    lr_start: NonNegative = 1e-6
    lr: Positive = 2e-4
    warmup_epochs: NonNegative = 3.0
    lr_end: NonNegative = 1e-6
    layer_decay: PositiveShare = 0.75
    weight_decay: NonNegative = 0.05
    betas: tuple[ShareBelowOne, ShareBelowOne] = (0.9, 0.999)
    grad_clip: Positive | None = 1.0
    label_smoothing: ShareBelowOne = 0.0
    amp: str = "bf16"
    log_every: Count = 10

    def __post_init__(self) -> None:
        check_domains(self)
        if self.head not in HEADS:
            raise unknown("head", self.head, HEADS)
        if self.amp not in ("off", "bf16"):
            raise unknown("amp", self.amp, ("off", "bf16"))
        if self.accumulate > self.batch:
            raise ConfigError(
                f"A batch of {self.batch} clips has no {self.accumulate} parts: lower accumulate."
            )
        if self.warmup_epochs > self.epochs:
            raise ConfigError(
                f"warmup_epochs is {self.warmup_epochs:g} and epochs {self.epochs}: warm up for "
                "no longer than the training lasts."
            )


@dataclass(frozen=True)
class FineTuneSetup:
    """All that decides the weights a fine-tuning ends with, but its clips and its first weights.

    Attributes
    ----------
    classes : outputs of the head; labels are 0 .. classes - 1.
    seed : of the head's first weights, the order of clips, crops and flips.
    """

    encoder: EncoderConfig
    recipe: FineTune
    classes: int
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 239


class Classifier(nn.Module):
    """An encoder and a head on its last level.

    Parameters
    ----------
    setup : FineTuneSetup
    state : weights of the encoder, by name; what the geometry has no place for is left out.
    """

    def __init__(self, setup: FineTuneSetup, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        cfg = setup.encoder
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(setup.seed)
            self.encoder = Encoder(cfg)
            if setup.recipe.head == "attentive":
                self.head = AttentiveHead(cfg.width, setup.classes, cfg.heads)
            else:
                self.head = nn.Linear(cfg.width, setup.classes)
        self.encoder.load_state_dict({k: state[k] for k in self.encoder.state_dict()})
        self._pooled = setup.recipe.head == "mean"
        self._low = setup.recipe.amp == "bf16"

    def forward(self, clips: Tensor) -> Tensor:
        """Scores [B, classes] of normalised clips [B, 3, F, H, W]."""
        low = self._low and clips.device.type == "cuda"
        with torch.autocast(clips.device.type, torch.bfloat16, enabled=low):
            tokens = self.encoder(clips, levels=False)  # [B, N, D]
        tokens = tokens.float()
        return self.head(tokens.mean(1) if self._pooled else tokens)


# --- rates, layer by layer ----------------------------------------------------------------------


def layer_of(name: str, depth: int) -> int:
    """Number of the layer a parameter of a `Classifier` belongs to.

    0 for what turns pixels into tokens, 1 .. `depth` for the blocks, `depth` + 1 for the last norm
    and the head.
    """
    if name.startswith("encoder.blocks."):
        return int(name.split(".")[2]) + 1
    return depth + 1 if name.startswith(("encoder.norms.", "head.")) else 0


def parameter_groups(model: Classifier, recipe: FineTune) -> list[dict]:
    """Parameters for AdamW, by layer and by whether they decay.

    Only what the classification reads is in them: not the norms of other levels, nor what belongs
    to still images.

    Returns
    -------
    list of {'params', 'weight_decay', 'scale', 'layer'}; the rate of a group is `scale` times that
    of the head, `layer_decay ** (depth + 1 - layer)`.
    """
    cfg = model.encoder.cfg
    last = f"encoder.norms.{len(cfg.levels) - 1}."
    groups: dict[tuple[int, bool], dict] = {}
    for name, p in model.named_parameters():
        other_level = name.startswith("encoder.norms.") and not name.startswith(last)
        if other_level or name.startswith(("encoder.patch_embed_image.", "encoder.modality.image")):
            continue
        layer = layer_of(name, cfg.depth)
        decays = p.ndim > 1 and name != "head.cls"
        group = {
            "params": [],
            "weight_decay": recipe.weight_decay if decays else 0.0,
            "scale": recipe.layer_decay ** (cfg.depth + 1 - layer),
            "layer": layer,
        }
        groups.setdefault((layer, decays), group)["params"].append(p)
    return [groups[key] for key in sorted(groups)]


def schedule_of(recipe: FineTune, steps_per_epoch: int) -> Schedule:
    """The rate of the head as a function of the step."""
    steps = recipe.epochs * steps_per_epoch
    return Schedule(
        steps=steps,
        lr_start=recipe.lr_start,
        lr=recipe.lr,
        lr_end=recipe.lr_end,
        warmup=min(round(recipe.warmup_epochs * steps_per_epoch), steps),
    )
