"""Contrastive terms: LTC over time, IIC between views, VCLR over whole videos.

All act on context tokens and, for keys, on target tokens. `channels` chooses what they see: all
channels, the appearance half or the dynamics half (split as the term's form says).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vjepa_lib.errors import ConfigError, ShapeError, unknown
from vjepa_lib.objectives.base import (
    Term,
    channels_of,
    count_channels,
    mean_over_pairs,
    mlp_head,
    register,
)
from vjepa_lib.objectives.batch import LatentBatch
from vjepa_lib.objectives.views import moves

INTRA = ("shuffled", "repeated", "none")  # how IIC breaks a clip's time


def info_nce(query: Tensor, positive: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of telling each query's positive from its negatives (arXiv 1807.03748, eq. 4).

    Parameters
    ----------
    query, positive : [B, d], unit length.
    negatives : [M, d] shared by all queries, or [B, M, d] of each; entries of 0 length are
        similarities of 0, which an unfilled queue gives.
    """
    query, positive, negatives = query.float(), positive.float(), negatives.float()
    # Similarities are divided by a small temperature: half precision would be felt.
    with torch.autocast(query.device.type, enabled=False):
        own = (query * positive).sum(-1, keepdim=True)  # [B, 1]
        if negatives.ndim == 2:
            others = query @ negatives.T  # [B, M]
        else:
            others = torch.einsum("bd,bmd->bm", query, negatives)
        return -F.log_softmax(torch.cat([own, others], 1) / temperature, 1)[:, 0].mean()


def _others_in_batch(x: Tensor) -> Tensor:
    """For each of B rows the B - 1 other rows: [B, d] -> [B, B - 1, d]."""
    b = len(x)
    index = torch.arange(b, device=x.device)
    return x[(index[:, None] + index[1:]) % b]


class _Contrast(Term):
    """A term that contrasts embeddings of chosen channels.

    Parameters
    ----------
    channels : 'all', 'appearance' or 'dynamics'.
    ratio : share of the channels that is appearance.
    """

    def __init__(self, *, channels: str = "all", ratio: float = 0.5, **common) -> None:
        super().__init__(**common)
        self.channels, self.ratio = channels, ratio
        self.width = count_channels(self.dim, channels, self.form, ratio, self.n_levels)

    @classmethod
    def forms_differ(cls, options: Mapping[str, object]) -> bool:
        return options["channels"] != "all"  # the two forms halve the channels differently

    def pick(self, x: Tensor, batch: LatentBatch) -> Tensor:
        """The channels it acts on, of x [..., D]."""
        return channels_of(x, self.channels, batch.n_levels, self.form, self.ratio)


@register(
    "ltc",
    r"\mathrm{mean}_P\,\max(0,\; m - \cos(Z_t, h_t) + \cos(Z_t, h_{t+1}))",
    "arXiv 2605.17165, latent temporal contrast (LTC-JEPA)",
    family="contrast",
)
class LatentTemporalContrast(_Contrast):
    """A token is nearer to its own target than to the next one, by a margin.

    Parameters
    ----------
    margin : m.
    channels : 'all', 'appearance' or 'dynamics'.
    ratio : share of the channels that is appearance.
    """

    min_steps = 2

    def __init__(self, *, margin: float = 0.5, channels: str = "all", ratio: float = 0.5, **common):
        super().__init__(channels=channels, ratio=ratio, **common)
        self.margin = margin

    def loss(self, batch: LatentBatch) -> Tensor:
        losses = []
        for g in batch.groups:
            z = self.pick(batch.z[g], batch)
            now = F.cosine_similarity(z, self.pick(batch.h_context[g].detach(), batch), dim=-1)
            later = F.cosine_similarity(z, self.pick(batch.h_next[g], batch), dim=-1)
            losses.append((self.margin - now + later).clamp_min(0)[..., None])  # [B, K, 1]
        return mean_over_pairs(losses, batch.following)


@register(
    "iic",
    r"-\log\frac{e^{v\cdot v^+/\tau}}{e^{v\cdot v^+/\tau} + \sum_{inter} + \sum_{intra}}",
    "IIC, arXiv 2008.02531, section 3",
    family="contrast",
)
class InterIntraContrast(_Contrast):
    """Two views of a clip agree; other clips, and the clip with its time broken, do not.

    The first view is the clip: the mean context token of the last mask group. The second is the
    clip's frame differences. Each is once the anchor and once the positive. Inter negatives are
    the other clips' positives; the intra negative is the clip with its frames shuffled or one
    frame repeated. Views are encoded at the same context positions, so that only their content
    tells them apart. Clips without motion (images repeated over time) take no part: their
    residual view is empty, and with their time broken they are what they were.

    Parameters
    ----------
    intra : 'shuffled', 'repeated' or 'none'.
    temperature : tau.
    projection : width of the space the contrast acts in.
    channels : 'all', 'appearance' or 'dynamics'.
    ratio : share of the channels that is appearance.
    """

    def __init__(
        self,
        *,
        intra: str = "repeated",
        temperature: float = 0.1,
        projection: int = 64,
        channels: str = "all",
        ratio: float = 0.5,
        **common,
    ) -> None:
        super().__init__(channels=channels, ratio=ratio, **common)
        if intra not in INTRA:
            raise unknown("intra negatives", intra, INTRA)
        self.intra, self.temperature = intra, temperature
        self.needs_views = ("residual",) if intra == "none" else ("residual", intra)
        self.head = mlp_head(self.width, self.width, projection)

    def _project(self, pooled: Tensor, batch: LatentBatch) -> Tensor:
        return F.normalize(self.head(self.pick(pooled, batch)), dim=-1)

    def loss(self, batch: LatentBatch) -> Tensor:
        missing = [v for v in self.needs_views if v not in batch.views]
        if missing:
            raise ShapeError(
                f"The iic term needs the encoded views {', '.join(missing)}: put them in "
                f"LatentBatch.views."
            )
        pooled = batch.z[-1].mean(1)
        rows = torch.arange(len(pooled), device=pooled.device)
        if batch.clip is not None:
            rows = rows[moves(batch.clip)]
        if len(rows) < 2:  # nothing to tell apart
            return 0.0 * pooled.sum()
        clip = self._project(pooled[rows], batch)  # [B, d]
        residual = self._project(batch.views["residual"][rows], batch)
        broken = None
        if self.intra != "none":
            broken = self._project(batch.views[self.intra][rows], batch)[:, None]
        both = []
        for anchor, positive in ((clip, residual), (residual, clip)):
            negatives = _others_in_batch(positive)  # [B, B - 1, d]
            if broken is not None:
                negatives = torch.cat([negatives, broken], 1)
            both.append(info_nce(anchor, positive, negatives, self.temperature))
        return (both[0] + both[1]) / 2


@register(
    "vclr",
    r"\mathcal{L}_{video} + \mathcal{L}_{instance} + \mathcal{L}_{order}",
    "VCLR, arXiv 2108.02722, section 3",
    family="contrast",
)
class VideoContrast(_Contrast):
    """Video-level contrast with global context.

    A clip is cut into time segments; a segment's embedding is the mean of its tokens, taken from
    latents the step has anyway: queries from the context tokens of the first mask group, keys
    from the target tokens, which the moving-average encoder made. Video level: the mean of the
    query's segments against the mean of the key's, with a queue of earlier clips' as negatives.
    Instance level: one segment of the query against another segment of the same clip's key, other
    clips of the batch as negatives. Order: in which order the query's segments were put before a
    classifier.

    The queue holds keys as the target encoder gave them and is projected anew in every step, so
    that no second, slowly moving head is needed. It takes a step's keys in when the step is done,
    is a buffer and travels with checkpoints.

    Parameters
    ----------
    segments : time segments; the grid's time steps are shared among them.
    queue : clips remembered.
    temperature : of both contrasts.
    projection : width of the space they act in.
    video, instance, order : weights of the three parts.
    channels : 'all', 'appearance' or 'dynamics'.
    ratio : share of the channels that is appearance.
    """

    def __init__(
        self,
        *,
        segments: int = 2,
        queue: int = 256,
        temperature: float = 0.1,
        projection: int = 64,
        video: float = 1.0,
        instance: float = 1.0,
        order: float = 1.0,
        channels: str = "all",
        ratio: float = 0.5,
        **common,
    ) -> None:
        super().__init__(channels=channels, ratio=ratio, **common)
        if not 2 <= segments <= 5 or queue < 1:
            raise ConfigError(
                f"The vclr term takes 2 to 5 segments and a queue of at least 1, not {segments} "
                f"and {queue}."
            )
        self.segments, self.temperature = segments, temperature
        self.video, self.instance, self.order = video, instance, order
        self.min_steps = segments
        self.head = mlp_head(self.width, self.width, projection)
        self.register_buffer("orders", torch.tensor(list(itertools.permutations(range(segments)))))
        self.order_head = nn.Linear(segments * self.width, len(self.orders))
        self.register_buffer("queue", torch.zeros(queue, self.width))
        self.register_buffer("queue_start", torch.zeros((), dtype=torch.long))
        self._fresh: list[Tensor] = []  # keys of the step at work, [B, width] each

    def _segment_means(self, tokens: Tensor, index: Tensor, batch: LatentBatch) -> Tensor:
        """Means of tokens [B, K, D] at numbers [B, K] by time segment: [B, S, width]."""
        grid = batch.grid
        step = torch.div(index, grid.h * grid.w, rounding_mode="floor")
        segment = torch.div(step * self.segments, grid.t, rounding_mode="floor")
        x = self.pick(tokens, batch)
        member = F.one_hot(segment, self.segments).to(x.dtype)  # [B, K, S]
        count = member.sum(1).clamp_min(1)[..., None]  # [B, S, 1]
        return member.transpose(1, 2) @ x / count

    def _unit(self, x: Tensor) -> Tensor:
        return F.normalize(self.head(x), dim=-1)

    def loss(self, batch: LatentBatch) -> Tensor:
        b, device = len(batch.h), batch.h.device

        def draw(high: int) -> Tensor:
            return torch.randint(high, (b,), generator=batch.generator).to(device)

        query = self._segment_means(batch.z[0], batch.context_index[0], batch)  # [B, S, width]
        everything = torch.arange(batch.grid.n, device=device).expand(b, -1)
        with torch.no_grad():  # keys do not learn
            key = self._segment_means(batch.h, everything, batch)
            key_video = self._unit(key.mean(1))
            filled = self.queue.abs().sum(1, keepdim=True) > 0
            memory = self._unit(self.queue) * filled
            key_segment = self._unit(key)  # [B, S, d]
        video = info_nce(self._unit(query.mean(1)), key_video, memory, self.temperature)

        rows = torch.arange(b, device=device)
        first = draw(self.segments)
        second = (first + 1 + draw(self.segments - 1)) % self.segments  # never the first
        other = key_segment[rows, second]
        instance = info_nce(
            self._unit(query[rows, first]), other, _others_in_batch(other), self.temperature
        )

        label = draw(len(self.orders))
        mixed = query[rows[:, None], self.orders[label]].flatten(1)  # [B, S * width]
        order = F.cross_entropy(self.order_head(mixed), label)

        if self.training and torch.is_grad_enabled():
            self._fresh.append(key.mean(1))
        return self.video * video + self.instance * instance + self.order * order

    @torch.no_grad()
    def after_step(self, gather: Callable[[Tensor], Tensor] = lambda x: x) -> None:
        """Put the step's keys in the place of the oldest."""
        if not self._fresh:
            return
        keys = gather(torch.cat(self._fresh).to(self.queue.dtype))[-len(self.queue) :]
        self._fresh.clear()
        place = (self.queue_start + torch.arange(len(keys), device=keys.device)) % len(self.queue)
        self.queue[place] = keys
        self.queue_start.add_(len(keys)).remainder_(len(self.queue))
