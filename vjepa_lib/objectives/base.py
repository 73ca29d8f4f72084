"""Terms, their registry, and the weighted sum that is trained."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from vjepa_lib.errors import ConfigError, ShapeError
from vjepa_lib.model.grid import masked_mean
from vjepa_lib.objectives.batch import LatentBatch

FORMS = ("released", "described")
CHANNELS = ("all", "appearance", "dynamics")
TERMS: dict[str, type[Term]] = {}


class Term(nn.Module):
    """One named loss over a `LatentBatch`: subclass it, write `loss`, decorate with `register`.

    Attributes
    ----------
    name, formula (LaTeX), source : what it is, how it is written, where it comes from.
    forms_differ : whether `released` and `described` train differently.
    needs_views : names of further views of the clip the trainer must encode for it.
    min_steps : fewest time steps of the grid it makes sense on.

    Parameters
    ----------
    form : 'released' (what the published code trains) or 'described' (what its text says).
    dim : channels D of the latents, levels * width; 0 where a term has no head and takes any.
    n_levels : levels in D; needed only to split an odd width, else found in the batch.
    """

    name: str
    formula: str
    source: str
    forms_differ = False
    needs_views: tuple[str, ...] = ()
    min_steps = 1

    def __init__(self, form: str = "released", dim: int = 0, n_levels: int | None = None) -> None:
        super().__init__()
        if form not in FORMS:
            raise ConfigError(f"Unknown form {form!r}: choose one of {', '.join(FORMS)}.")
        self.form, self.dim, self.n_levels = form, dim, n_levels

    def loss(self, batch: LatentBatch) -> Tensor:
        """The term's value, a scalar."""
        raise NotImplementedError

    def forward(self, batch: LatentBatch) -> Tensor:
        """Check that the batch fits the term, then compute its `loss`.

        Raises
        ------
        ShapeError : channels other than `dim`, or too few time steps.
        """
        found = batch.h.shape[-1]
        if self.dim not in (0, found):
            raise ShapeError(
                f"Term {self.name!r} was made for {self.dim} channels and got {found}: "
                f"pass dim=levels * width of the encoder to make_term."
            )
        if batch.grid.t < self.min_steps:
            raise ShapeError(
                f"Term {self.name!r} needs at least {self.min_steps} time steps and the grid has "
                f"{batch.grid.t}: use longer clips."
            )
        return self.loss(batch)

    def after_step(self, gather: Callable[[Tensor], Tensor] = lambda x: x) -> None:
        """Called once when an optimiser step is done; a term with a memory updates it here.

        Parameters
        ----------
        gather : joins rows [n, ...] of all processes that train together.
        """


def register(name: str, formula: str, source: str) -> Callable[[type[Term]], type[Term]]:
    """Make a term available to variants under `name`."""

    def put(cls: type[Term]) -> type[Term]:
        cls.name, cls.formula, cls.source = name, formula, source
        TERMS[name] = cls
        return cls

    return put


def make_term(
    name: str, form: str = "released", *, dim: int, n_levels: int | None = None, **options
) -> Term:
    """Build a registered term.

    Parameters
    ----------
    name : key of `TERMS`.
    form : 'released' or 'described'.
    dim : channels D of the latents it will see.
    n_levels : levels concatenated in D, if known.
    options : keyword arguments of the term.

    Raises
    ------
    ConfigError : unknown name, form or option.
    """
    if name not in TERMS:
        raise ConfigError(
            f"Unknown objective term {name!r}: choose one of {', '.join(sorted(TERMS))}."
        )
    common = ("self", "form", "dim", "n_levels", "common")
    known = [k for k in inspect.signature(TERMS[name].__init__).parameters if k not in common]
    unknown = [k for k in options if k not in known]
    if unknown:
        raise ConfigError(
            f"Term {name!r} has no option {', '.join(unknown)}: its options are "
            f"{', '.join(known) or 'none'}."
        )
    return TERMS[name](form=form, dim=dim, n_levels=n_levels, **options)


# --- channels ----------------------------------------------------------------------------------


def halves(x: Tensor, n_levels: int, form: str, ratio: float = 0.5) -> tuple[Tensor, Tensor]:
    """Split channels [..., D] into appearance and dynamics.

    `released` cuts the concatenated channels once, so that the appearance half is the shallow
    levels; `described` cuts every level, so that both halves hold all depths.
    """
    if form == "released":
        cut = max(1, int(x.shape[-1] * ratio))
        return x[..., :cut], x[..., cut:]
    levels = x.unflatten(-1, (n_levels, -1))
    cut = max(1, int(levels.shape[-1] * ratio))
    return levels[..., :cut].flatten(-2), levels[..., cut:].flatten(-2)


def channels_of(x: Tensor, which: str, n_levels: int, form: str, ratio: float = 0.5) -> Tensor:
    """Channels [..., D] that a term acts on: 'all', 'appearance' or 'dynamics'."""
    if which == "all":
        return x
    return halves(x, n_levels, form, ratio)[which == "dynamics"]


def count_channels(
    dim: int, which: str, form: str, ratio: float = 0.5, n_levels: int | None = None
) -> int:
    """Number of channels `channels_of` returns, for sizing a head.

    Raises
    ------
    ConfigError : `which` is none of `CHANNELS`, or the split leaves it nothing.
    """
    if which not in CHANNELS:
        raise ConfigError(f"Unknown channels {which!r}: choose one of {', '.join(CHANNELS)}.")
    levels = n_levels if n_levels and form == "described" else 1
    cut = levels * max(1, int(dim // levels * ratio))
    count = {"all": dim, "appearance": cut, "dynamics": dim - cut}[which]
    if count <= 0:
        raise ConfigError(
            f"A ratio of {ratio} leaves the {which} half of {dim} channels empty: choose one "
            f"between 0 and 1."
        )
    return count


# --- building blocks ---------------------------------------------------------------------------


def mlp_head(*widths: int) -> nn.Sequential:
    """Linear layers with GELU between them."""
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(widths):
        layers += [nn.Linear(a, b), nn.GELU()]
    return nn.Sequential(*layers[:-1])


def mean_over_groups(values: Iterable[Tensor]) -> Tensor:
    """Average of one scalar per mask group."""
    return torch.stack(list(values)).mean()


def mean_over_pairs(values: Iterable[Tensor], masks: Iterable[Tensor]) -> Tensor:
    """Masked mean per mask group, then over the groups that have anything to average.

    Parameters
    ----------
    values : per group [B, K, D].
    masks : per group bool [B, K].
    """
    total, groups = 0.0, 0.0
    for value, mask in zip(values, masks, strict=True):
        total = total + masked_mean(value, mask)
        groups = groups + mask.any()
    return total / groups.clamp_min(1)


# --- the sum -----------------------------------------------------------------------------------


class Objective(nn.Module):
    """Weighted sum of terms; a term's weight may depend on the training's progress.

    Parameters
    ----------
    terms : (term, weight) pairs, weight a number or a function of progress in [0, 1].

    Raises
    ------
    ConfigError : a term is there twice.
    """

    def __init__(self, terms: Iterable[tuple[Term, float | Callable[[float], float]]]) -> None:
        super().__init__()
        terms = list(terms)
        names = [t.name for t, _ in terms]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ConfigError(
                f"The objective has {', '.join(twice)} twice: give each term once, with the sum "
                f"of its weights."
            )
        self.terms = nn.ModuleList([t for t, _ in terms])
        self.weights = [w for _, w in terms]

    @property
    def needs_views(self) -> tuple[str, ...]:
        """Names of all further views its terms look at."""
        return tuple(dict.fromkeys(v for t in self.terms for v in t.needs_views))

    def weight(self, i: int, progress: float) -> float:
        """Weight of term number i at a moment of the training."""
        w = self.weights[i]
        return w(progress) if callable(w) else w

    def forward(self, batch: LatentBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Total to differentiate, and every term's unweighted value, detached.

        A term whose weight is 0 at this moment is not computed; it is absent from the values.
        """
        total = batch.h.new_zeros(())
        values = {}
        for i, term in enumerate(self.terms):
            weight = self.weight(i, batch.progress)
            if weight == 0:
                continue
            value = term(batch)
            values[term.name] = value.detach()
            total = total + weight * value
        return total, values
