"""What one training step offers to its terms."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from vjepa_lib.errors import ShapeError
from vjepa_lib.model.grid import Grid, gather, over_time, scatter, token_rgb


@dataclass(repr=False)
class LatentBatch:
    """Latents and masks of one step; what several terms need is computed once and shared.

    Terms over time work on the context tokens as they are, [B, K, D]: `following` marks those
    whose place is context one time step later as well (the pairs P of the formulas), and
    `z_change`, `h_change` are the changes up to that next token. This costs K tokens, where a
    dense grid would cost N. The dense form (`dense`) is there for what needs it.

    Attributes
    ----------
    z : per mask group, context-encoder tokens [B, K, D] at the context positions.
    zhat : per mask group, predictions [B, M, D] at the target positions.
    zhat_ctx : per mask group, predictions [B, K, D] at the context positions, or empty.
    h : target tokens [B, N, D], each level layer-normed; without gradient while EMA is on.
    context_index, target_index : per mask group, token numbers [B, K] and [B, M].
    grid, n_levels : the token grid, and the levels concatenated in D.
    clip : [B, 3, F, H, W], as the encoder saw it.
    progress : share of the training done, 0 .. 1.
    views : pooled context encodings [B, D] of other views of the clip, by name
        (`Objective.needs_views`, made by `objectives.views.VIEWS`), encoded with gradient at the
        context positions of the last mask group and averaged over tokens.
    generator : CPU source of randomness for terms that draw; None draws from the global one.

    Raises
    ------
    ShapeError : the target tokens do not cover the grid, or channels disagree.
    """

    z: list[Tensor]
    zhat: list[Tensor]
    h: Tensor
    context_index: list[Tensor]
    target_index: list[Tensor]
    grid: Grid
    n_levels: int = 1
    zhat_ctx: list[Tensor] = field(default_factory=list)
    clip: Tensor | None = None
    progress: float = 0.0
    views: dict[str, Tensor] = field(default_factory=dict)
    generator: torch.Generator | None = None

    def __post_init__(self) -> None:
        if self.h.ndim != 3 or self.h.shape[1] != self.grid.n:
            raise ShapeError(
                f"Target tokens must be [B, {self.grid.n}, D] for a grid of {self.grid.shape}, "
                f"not {list(self.h.shape)}."
            )
        for tokens in (*self.z, *self.zhat):
            if tokens.shape[-1] != self.h.shape[-1]:
                raise ShapeError(
                    f"Tokens with {tokens.shape[-1]} channels meet target tokens with "
                    f"{self.h.shape[-1]}; both must be levels * width."
                )

    @property
    def groups(self) -> range:
        return range(len(self.context_index))

    # --- at the places of tokens ---------------------------------------------------------------

    @cached_property
    def h_target(self) -> list[Tensor]:
        """Per mask group: h at the target positions, [B, M, D]."""
        return [gather(self.h, i) for i in self.target_index]

    @cached_property
    def h_context(self) -> list[Tensor]:
        """Per mask group: h at the context positions, [B, K, D]."""
        return [gather(self.h, i) for i in self.context_index]

    @cached_property
    def rgb(self) -> Tensor:
        """Mean colour of every token's tubelet, [B, N, 3]."""
        if self.clip is None:
            raise ShapeError("A term reads pixels: give the LatentBatch its clip.")
        return token_rgb(self.clip, self.grid)

    # --- one time step later -------------------------------------------------------------------

    @cached_property
    def next_index(self) -> list[Tensor]:
        """Per mask group: the number of the token one time step later, [B, K].

        Tokens of the last time step have none and keep their own; `following` is False there.
        """
        step = self.grid.h * self.grid.w
        return [torch.where(i + step < self.grid.n, i + step, i) for i in self.context_index]

    @cached_property
    def following(self) -> list[Tensor]:
        """Per mask group: context tokens whose place is context at t + 1 too, bool [B, K]."""
        return [
            valid.gather(1, after) & (after != here)
            for valid, after, here in zip(
                self.valid, self.next_index, self.context_index, strict=True
            )
        ]

    @cached_property
    def z_change(self) -> list[Tensor]:
        """Per mask group: Z_{t+1} - Z_t at context tokens, [B, K, D]; read where `following`."""
        changes = []
        for z, here, after in zip(self.z, self.context_index, self.next_index, strict=True):
            b, k = here.shape
            slots = torch.arange(k, device=here.device).expand(b, k)
            slot = here.new_zeros(b, self.grid.n).scatter(1, here, slots)  # token -> its place in z
            changes.append(gather(z, slot.gather(1, after)) - z)
        return changes

    @cached_property
    def h_next(self) -> list[Tensor]:
        """Per mask group: h at t + 1 at context tokens, without gradient, [B, K, D]."""
        h = self.h.detach()
        return [gather(h, i) for i in self.next_index]

    @cached_property
    def h_change(self) -> list[Tensor]:
        """Per mask group: h_{t+1} - h_t at context tokens, without gradient, [B, K, D]."""
        return [
            after - here.detach() for after, here in zip(self.h_next, self.h_context, strict=True)
        ]

    # --- on the whole grid ---------------------------------------------------------------------

    @cached_property
    def valid(self) -> list[Tensor]:
        """Per mask group: which tokens are context, bool [B, N]."""
        return [
            torch.zeros(len(i), self.grid.n, dtype=torch.bool, device=i.device).scatter(1, i, True)
            for i in self.context_index
        ]

    @cached_property
    def dense(self) -> list[Tensor]:
        """Per mask group: z on the grid over time, zeros where not context, [B, T, HW, D]."""
        return [
            over_time(scatter(z, i, self.grid.n)[0], self.grid)
            for z, i in zip(self.z, self.context_index, strict=True)
        ]

    @cached_property
    def target_over_time(self) -> Tensor:
        """h without gradient over time, [B, T, HW, D]."""
        return over_time(self.h.detach(), self.grid)
