"""Terms, their registry, and the weighted sum that is trained."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn

from vjepa_lib import own_files
from vjepa_lib.errors import ConfigError, ShapeError, unknown
from vjepa_lib.model.grid import masked_mean
from vjepa_lib.objectives.batch import LatentBatch
from vjepa_lib.settings import Count, check_domains

FORMS = ("released", "described")
CHANNELS = ("all", "appearance", "dynamics")
TERMS: dict[str, type[Term]] = {}
# Arguments that every term takes; what else its `__init__` names is an option of a variant's row.
_COMMON = ("self", "form", "dim", "n_levels")


@dataclass(frozen=True)
class Sizes:
    """Sizes inside the objective that go with the size of the model.

    Attributes
    ----------
    head_hidden : hidden width of the terms' heads (256 in arXiv 2605.17165).
    sigreg_directions : random directions of SIGReg (1024 there).
    """

    head_hidden: Count = 256
    sigreg_directions: Count = 1024

    def __post_init__(self) -> None:
        check_domains(self)


class Term(nn.Module):
    """One named loss over a `LatentBatch`: subclass it, write `loss`, decorate with `register`.

    All that is known of a term is asked of its class; nothing else in the library knows a term by
    its name.

    Attributes
    ----------
    name, formula (LaTeX), source : what it is, how it is written, where it comes from.
    family : the idea it belongs to (`study.FAMILIES`); colours the variants it makes in figures.
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
    family = "other"
    needs_views: tuple[str, ...] = ()
    min_steps = 1

    def __init__(self, form: str = "released", dim: int = 0, n_levels: int | None = None) -> None:
        super().__init__()
        if form not in FORMS:
            raise unknown("form", form, FORMS)
        self.form, self.dim, self.n_levels = form, dim, n_levels

    # --- what is known of it before it is built -----------------------------------------------

    @classmethod
    def options(cls) -> dict[str, object]:
        """Its options and their defaults; `inspect.Parameter.empty` where a row must give one."""
        return dict(_options(cls))

    @classmethod
    def sized(cls, sizes: Sizes) -> dict[str, object]:
        """Options that go with the size of the model, unless a variant's row sets them.

        A head's hidden width is the option `hidden`; a term with other sizes overrides this.
        """
        return {"hidden": sizes.head_hidden} if "hidden" in cls.options() else {}

    @classmethod
    def forms_differ(cls, options: Mapping[str, object]) -> bool:
        """Whether 'released' and 'described' train differently, given all its options."""
        return False

    @classmethod
    def trains(cls, form: str, options: Mapping[str, object]) -> bool:
        """Whether it moves any weight; a run is the same with and without a term that does not."""
        return True

    # --- at work ------------------------------------------------------------------------------

    def loss(self, batch: LatentBatch) -> Tensor:
        """The term's value, a scalar."""
        raise NotImplementedError

    def forward(self, batch: LatentBatch) -> Tensor:
        """Check that the batch fits the term, then compute its `loss`.

        Raises
        ------
        ShapeError : channels other than `dim`, too few time steps, or a loss that is no scalar.
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
        value = self.loss(batch)
        if not isinstance(value, Tensor) or value.ndim:
            found = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ShapeError(
                f"Term {self.name!r} must return a tensor without dimensions from `loss` and "
                f"returned {found}: take a mean."
            )
        return value

    def after_step(self, gather: Callable[[Tensor], Tensor] = lambda x: x) -> None:
        """Called once when an optimiser step is done; a term with a memory updates it here.

        Parameters
        ----------
        gather : joins rows [n, ...] of all processes that train together.
        """


@cache  # asked for again and again while runs are resolved
def _options(cls: type[Term]) -> dict[str, object]:
    found: dict[str, object] = {}
    for owner in cls.__mro__:
        if "__init__" not in vars(owner):
            continue
        parameters = inspect.signature(owner.__init__).parameters.values()
        named = {p.name: p.default for p in parameters if p.kind not in _STARRED}
        found = named | found  # a subclass's default stands before its parent's
        if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
            break
    return {k: v for k, v in found.items() if k not in _COMMON}


_STARRED = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)


def register(
    name: str, formula: str, source: str, family: str | None = None
) -> Callable[[type[Term]], type[Term]]:
    """Make a term available to variants under `name`.

    A class defined again, as by a notebook cell that is run twice, takes its own old place.

    Parameters
    ----------
    name, formula, source, family : as the attributes of `Term`.

    Raises
    ------
    ConfigError : another class has this name, or the class does not take what every term takes.
    """

    def put(cls: type[Term]) -> type[Term]:
        old = TERMS.get(name)
        if old and (old.__module__, old.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ConfigError(
                f"There is a term {name!r} already, {old.__qualname__} in {old.__module__}: "
                f"register {cls.__qualname__} under another name."
            )
        parameters = inspect.signature(cls.__init__).parameters
        takes_rest = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
        if not takes_rest and not {"form", "dim", "n_levels"} <= set(parameters):
            raise ConfigError(
                f"The term {name!r} must take what every term takes: end the arguments of its "
                f"__init__ with **common and call super().__init__(**common)."
            )
        cls.name, cls.formula, cls.source = name, formula, source
        cls.family = family or cls.family
        TERMS[name] = cls
        own_files.taken_back_by(lambda: TERMS.pop(name, None))
        return cls

    return put


def get_term(name: str) -> type[Term]:
    """Look a term up, in the readers' own files too.

    Raises
    ------
    ConfigError : unknown name; the message lists the known ones.
    """
    own_files.load()
    if name not in TERMS:
        raise unknown("objective term", name, sorted(TERMS))
    return TERMS[name]


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
    ConfigError : unknown name, form or option, or an option without a default is missing.
    """
    cls = get_term(name)
    known = cls.options()
    wrong = [k for k in options if k not in known]
    if wrong:
        raise ConfigError(
            f"Term {name!r} has no option {', '.join(wrong)}: its options are "
            f"{', '.join(known) or 'none'}."
        )
    missing = [k for k, v in known.items() if v is inspect.Parameter.empty and k not in options]
    if missing:
        raise ConfigError(
            f"Term {name!r} needs its option {', '.join(missing)}: give it in the variant's row."
        )
    return cls(form=form, dim=dim, n_levels=n_levels, **options)


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
        raise unknown("channels", which, CHANNELS)
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
