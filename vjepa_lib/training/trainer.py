"""A run's networks and one readable step of its training.

Everything random in step i is drawn from generators seeded by (seed, i). A resumed run therefore
goes on exactly where it stopped, and several processes draw alike without exchanging a word.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from vjepa_lib.errors import ConfigError
from vjepa_lib.model import grid as token_grid
from vjepa_lib.model.masking import MaskingConfig, motion_map, sample_masks
from vjepa_lib.model.vit import (
    Encoder,
    EncoderConfig,
    Predictor,
    PredictorConfig,
    layer_norm_levels,
)
from vjepa_lib.objectives import LatentBatch, Objective, make_term
from vjepa_lib.objectives.views import VIEWS
from vjepa_lib.training.collapse import feature_std, rank_me
from vjepa_lib.training.distributed import Sharing, World
from vjepa_lib.training.schedules import Schedule
from vjepa_lib.training.sources import MASKS, TERMS, step_generator
from vjepa_lib.video.augment import Augmentation

Masks = list[tuple[Tensor, Tensor]]  # per mask group: context [B, K] and target [B, M] tokens


@dataclass(frozen=True)
class TermSpec:
    """A term of the objective by name: weight, form and options."""

    name: str
    weight: float = 1.0
    form: str = "released"
    options: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True)
class TrainSetup:
    """All that decides the weights a run ends with, but the data.

    Attributes
    ----------
    terms : of the objective; the weight of 'context' is the schedule's `context_lambda`.
    ema : whether the target encoder follows the context encoder. Without, there are two forms:
        *released* (`evaluate='target'`): the context encoder gives the targets, with gradient for
        every term; the target encoder keeps its initial weights to the end, and it is what the
        probes see. *described* (`evaluate='context'`): one network. It gives the targets, a
        prediction loss takes no gradient through its target, a term on h itself (kinematic) does,
        and the probes see that trained network.
    evaluate : 'target' or 'context', the encoder handed to the probes.
    """

    encoder: EncoderConfig
    predictor: PredictorConfig
    terms: tuple[TermSpec, ...]
    masking: MaskingConfig = field(default_factory=MaskingConfig)
    schedule: Schedule = field(default_factory=Schedule)
    augmentation: Augmentation | None = None
    ema: bool = True
    evaluate: str = "target"
    seed: int = 239

    def __post_init__(self) -> None:
        if self.evaluate not in ("target", "context"):
            raise ConfigError(
                f"Unknown encoder to evaluate {self.evaluate!r}: choose 'target' or 'context'."
            )

    @property
    def one_network(self) -> bool:
        """EMA off, as described: the evaluated encoder is the trained one."""
        return not self.ema and self.evaluate == "context"


class Trainer:
    """The networks of a run, and one step of its training.

    Parameters
    ----------
    setup : TrainSetup
    device : where to train.
    world : this process among those that train together; alone if not given.
    """

    def __init__(
        self,
        setup: TrainSetup,
        device: str | torch.device = "cpu",
        world: World | None = None,
    ) -> None:
        s = setup.schedule
        self.setup, self.device, self.world = setup, torch.device(device), world or World()
        self.sharing = Sharing(self.world, s.batch, s.accumulate)
        encoder = replace(
            setup.encoder,
            activation_checkpointing=setup.encoder.activation_checkpointing
            or s.activation_checkpointing,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(setup.seed)
            self.context_encoder = Encoder(encoder)
            self.predictor = Predictor(encoder, setup.predictor)
            # Heads last: a variant's head must not change the networks' initial weights.
            self.objective = Objective([self._term(t) for t in setup.terms])
        self.target_encoder = copy.deepcopy(self.context_encoder).requires_grad_(False).eval()
        for module in self.modules().values():
            module.to(self.device)
        if s.compile:
            # Context lengths differ from step to step.
            self.context_encoder.compile(dynamic=True)
            self.target_encoder.compile()
            self.predictor.compile(dynamic=True)
        self.optimizer = torch.optim.AdamW(
            _parameter_groups(self.trained(), s.weight_decay),
            lr=s.lr,
            betas=s.betas,
            fused=self.device.type in ("cpu", "cuda"),
        )
        self.step = 0
        self.between_steps = True  # in the middle of a step there is nothing worth saving

    def _term(self, t: TermSpec) -> tuple[nn.Module, float | Callable[[float], float]]:
        dim, n_levels = self.context_encoder.out_dim, len(self.setup.encoder.levels)
        term = make_term(t.name, t.form, dim=dim, n_levels=n_levels, **dict(t.options))
        return term, self.setup.schedule.context_lambda if t.name == "context" else t.weight

    def modules(self) -> dict[str, nn.Module]:
        """The parts of a run by name."""
        return {
            "context_encoder": self.context_encoder,
            "target_encoder": self.target_encoder,
            "predictor": self.predictor,
            "objective": self.objective,
        }

    def trained(self) -> list[nn.Module]:
        """The parts the optimiser moves; the target encoder follows or stays."""
        return [self.context_encoder, self.predictor, self.objective]

    @property
    def evaluated(self) -> Encoder:
        """The encoder the probes see."""
        return self.context_encoder if self.setup.evaluate == "context" else self.target_encoder

    @property
    def progress(self) -> float:
        """Share of the training done."""
        return self.step / max(self.setup.schedule.steps, 1)

    # --- one step -----------------------------------------------------------------------------

    def train_step(self, clips: Tensor) -> dict[str, Tensor]:
        """One optimiser step.

        Parameters
        ----------
        clips : [B, 3, F, H, W], normalised; with several processes, those that `sharing` holds.

        Returns
        -------
        dict of scalars: `total`, every term's unweighted value, and in logged steps `grad_norm`.
        """
        s = self.setup.schedule
        self.between_steps = False
        for group in self.optimizer.param_groups:
            group["lr"] = s.learning_rate(self.step)
        self.optimizer.zero_grad(set_to_none=True)
        parts = self._parts(clips)
        log: dict[str, Tensor] = {}
        for part, masks, generator in parts:
            with self._autocast():
                total, values = self.objective(self.latents(part, generator, masks))
            (total / len(parts)).backward()
            for name, value in ({"total": total.detach()} | values).items():
                log[name] = log.get(name, 0.0) + value / len(parts)
        self._gather_gradients(log)
        self.optimizer.step()
        if self.setup.ema:
            self._follow(s.ema_momentum(self.step))
        for term in self.objective.terms:
            term.after_step(self.sharing.whole_batch)  # a memory of earlier batches takes this in
        self.step += 1
        self.between_steps = True
        return log

    def _gather_gradients(self, log: dict[str, Tensor]) -> None:
        """Average gradients and losses over processes, measure the gradient and cut it."""
        s = self.setup.schedule
        parameters = [p for m in self.trained() for p in m.parameters() if p.grad is not None]
        gradients = [p.grad for p in parameters]
        self.world.average(gradients + list(log.values()))
        if s.grad_clip is not None or self.logs(self.step):
            log["grad_norm"] = nn.utils.get_total_norm(gradients)
        if s.grad_clip is not None:
            nn.utils.clip_grads_with_norm_(parameters, s.grad_clip, log["grad_norm"])

    @torch.no_grad()
    def _follow(self, momentum: float) -> None:
        """Move the target encoder a little towards the context encoder."""
        torch._foreach_lerp_(
            list(self.target_encoder.parameters()),
            list(self.context_encoder.parameters()),
            1 - momentum,
        )

    def draw_masks(self, clips: Tensor) -> Masks:
        """Masks of a step's clips, drawn for the whole batch and cut to one length there."""
        cfg = self.setup.masking
        motion = None
        if cfg.needs_motion:
            motion = self.sharing.whole_batch(motion_map(clips, self.setup.encoder.grid)).cpu()
        # Each process draws for all of them, so that lengths agree and no draw depends on the rank.
        size = len(clips) if self.sharing.spread else len(clips) * self.world.size
        generator = step_generator(self.setup.seed, self.step, MASKS)
        masks = sample_masks(cfg, self.setup.encoder.grid, size, generator, motion)
        held = self.sharing.held(size)
        return [(c[held].to(self.device), t[held].to(self.device)) for c, t in masks]

    def latents(
        self,
        clips: Tensor,
        generator: torch.Generator | None = None,
        masks: Masks | None = None,
        with_context: bool | None = None,
    ) -> LatentBatch:
        """Encode and predict: all that the objective's terms look at.

        Parameters
        ----------
        clips : [B, 3, F, H, W]
        generator : for what views and terms draw; None makes that of the current step.
        masks : per mask group, context [B, K] and target [B, M] token numbers; None draws them.
        with_context : also predict at the context places; None where the context loss has weight.

        Returns
        -------
        LatentBatch of B clips; where they are spread over processes, each encodes its share.
        """
        seed, step = self.setup.seed, self.step
        masks = self.draw_masks(clips) if masks is None else masks
        generator = generator or step_generator(seed, step, TERMS)
        if with_context is None:
            with_context = self._needs_context_loss()
        rows, whole = self.sharing.encoded(len(clips)), self.sharing.whole_part
        contexts, targets = ([index[rows] for index in each] for each in zip(*masks, strict=True))
        views = {}
        with self._autocast():
            patches = self.context_encoder.patchify(clips[rows])  # once, for all passes
            h = whole(self.targets(patches))
            # All mask groups in one pass: attention keeps them apart.
            z = self.context_encoder(patches, contexts)
            zhat, zhat_ctx = self.predictor(z, contexts, targets, with_context=with_context)
            for name in self.objective.needs_views:
                view = VIEWS[name](clips, generator)[rows]
                views[name] = whole(self.context_encoder(view, contexts[-1]).mean(1))
        batch = LatentBatch(
            z=[whole(x) for x in z],
            zhat=[whole(x) for x in zhat],
            zhat_ctx=[whole(x) for x in zhat_ctx or ()],
            h=h,
            context_index=[c for c, _ in masks],
            target_index=[t for _, t in masks],
            grid=self.setup.encoder.grid,
            n_levels=len(self.setup.encoder.levels),
            clip=clips,
            progress=self.progress,
            views=views,
            generator=generator,
        )
        if self.setup.one_network:
            # Prediction does not pull its own target; what reads batch.h itself still does.
            batch.h_target = [token_grid.gather(h.detach(), t) for _, t in masks]
            batch.h_context = [token_grid.gather(h.detach(), c) for c, _ in masks]
        return batch

    def targets(self, clips: Tensor) -> Tensor:
        """h [B, N, L * D] of clips (or their tubelets), every level layer-normed.

        Without gradient unless EMA is off.
        """
        encoder = self.target_encoder if self.setup.ema else self.context_encoder
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.setup.ema):
            return layer_norm_levels(encoder(clips), len(self.setup.encoder.levels))

    def _needs_context_loss(self) -> bool:
        weight = self.setup.schedule.context_lambda(self.progress)
        return weight > 0 and any(t.name == "context" for t in self.setup.terms)

    def _autocast(self) -> torch.autocast:
        on = self.setup.schedule.amp == "bf16" and self.device.type == "cuda"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=on)

    # --- parts of a batch ---------------------------------------------------------------------

    def _parts(self, clips: Tensor) -> list[tuple[Tensor, Masks, torch.Generator]]:
        """Clips, masks and generator of every part of the batch that this process works on."""
        masks = self.draw_masks(clips)
        numbers = self.sharing.part_numbers
        if len(clips) % len(numbers):
            raise ConfigError(
                f"{len(clips)} clips cannot be cut into {len(numbers)} equal parts: pass a "
                f"multiple or change accumulate."
            )
        size = len(clips) // len(numbers)
        parts = []
        for i, number in enumerate(numbers):
            rows = slice(i * size, (i + 1) * size)
            generator = step_generator(self.setup.seed, self.step, TERMS, number)
            parts.append((clips[rows], [(c[rows], t[rows]) for c, t in masks], generator))
        return parts

    # --- what is written down -----------------------------------------------------------------

    def logs(self, step: int) -> bool:
        """Whether a step's losses are kept: every `log_every`-th, and the last."""
        s = self.setup.schedule
        return step % s.log_every == 0 or step + 1 == s.steps

    @torch.no_grad()
    def collapse(self, clips: Tensor) -> dict[str, float]:
        """RankMe and deviation of the evaluated encoder's features of some clips."""
        with self._autocast():
            parts = [self.evaluated(part, levels=False).float() for part in clips.split(16)]
        tokens = torch.cat(parts)  # [B, N, D]
        return {
            "rank_me": rank_me(tokens.mean(1)),
            "token_rank_me": rank_me(tokens.flatten(0, 1)),
            "feature_std": feature_std(tokens.mean(1)),
        }

    # --- checkpoints --------------------------------------------------------------------------

    def state_dict(self) -> dict:
        """Everything a run needs to go on: weights, memories, optimiser, step."""
        parts = {name: m.state_dict() for name, m in self.modules().items()}
        return parts | {"optimizer": self.optimizer.state_dict(), "step": self.step}

    def load_state_dict(self, state: dict) -> None:
        """Go on from a state."""
        for name, module in self.modules().items():
            module.load_state_dict(state[name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]


def _parameter_groups(modules: list[nn.Module], weight_decay: float) -> list[dict]:
    """Parameters that decay, and biases and norms, which do not."""
    decay, keep = [], []
    for root in modules:
        for module in root.modules():
            for name, p in module.named_parameters(recurse=False):
                spared = name.endswith("bias") or isinstance(module, nn.LayerNorm)
                (keep if spared else decay).append(p)
    return [
        {"params": decay, "weight_decay": weight_decay},
        {"params": keep, "weight_decay": 0.0},
    ]
