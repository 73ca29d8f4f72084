"""What a training reaches: parameters that moved, and the gradient of every term in every part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd
import torch
from torch import Tensor, nn

from vjepa_lib.errors import ConfigError

if TYPE_CHECKING:
    from vjepa_lib.objectives import LatentBatch
    from vjepa_lib.training.pretrain import Trainer


def _has_parameters(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    """Copies of a module's parameters by name."""
    return {n: p.detach().clone() for n, p in module.named_parameters()}


def unmoved(before: Mapping[str, Tensor], module: nn.Module) -> list[str]:
    """Names of the parameters of a module that still have, bit for bit, the values in `before`."""
    return [n for n, p in module.named_parameters() if torch.equal(before[n], p.detach())]


def moved_parameters(trainer: Trainer, batches: Sequence[Tensor]) -> pd.DataFrame:
    """Train for a few steps and list what stood still.

    Parameters
    ----------
    trainer : a `Trainer`; it is trained in place.
    batches : clips [B, 3, F, H, W] of each step.

    Returns
    -------
    DataFrame, a row per part (context encoder, target encoder, predictor, and every term of the
    objective that has parameters): `parameters` and `moved` (tensors), and `unmoved`, the names
    of those that kept every bit.
    """
    parts: dict[str, nn.Module] = {n: m for n, m in trainer.modules().items() if n != "objective"}
    parts |= {f"head of {t.name}": t for t in trainer.objective.terms if _has_parameters(t)}
    before = {name: snapshot(module) for name, module in parts.items()}
    for clips in batches:
        trainer.train_step(clips)
    rows = []
    for name, module in parts.items():
        still = unmoved(before[name], module)
        count = len(before[name])
        rows.append(
            {
                "part": name,
                "parameters": count,
                "moved": count - len(still),
                "unmoved": ", ".join(still),
            }
        )
    return pd.DataFrame(rows)


# --- gradient reach ---------------------------------------------------------------------------


def gradient_reach(
    terms: Mapping[str, Callable[[], Tensor]],
    parts: Mapping[str, nn.Module | Mapping[str, nn.Module]],
    reference: str = "jepa",
) -> pd.DataFrame:
    """Which parts each term trains, how hard, and in which direction beside a reference term.

    Works on any objective: a term is a function without arguments that returns its loss. Losses
    may share one graph.

    Parameters
    ----------
    terms : name -> function that returns a scalar loss.
    parts : name -> module, for instance context encoder, predictor; or name -> {term: module},
        for parts that differ by term, such as its own head.
    reference : term whose gradient the others are compared with.

    Returns
    -------
    DataFrame, a row per term and part: `reaches`; `norm` of the gradient; `relative` to the
    reference's in the same part; `cosine` with it (NaN where one of them is 0).

    Raises
    ------
    ConfigError : the reference is not among the terms.
    """
    if reference not in terms:
        raise ConfigError(
            f"The reference term {reference!r} is not there: choose one of {', '.join(terms)}."
        )

    def module_of(part: str, term: str) -> nn.Module | None:
        found = parts[part]
        return found.get(term) if isinstance(found, Mapping) else found

    gradients: dict[str, dict[str, Tensor]] = {}  # term -> part -> flat gradient
    for name, term in terms.items():
        value = term()
        by_part = {p: module_of(p, name) for p in parts}
        tensors = {p: list(m.parameters()) if m is not None else [] for p, m in by_part.items()}
        wanted = [x for xs in tensors.values() for x in xs if x.requires_grad]
        found: dict[int, Tensor] = {}
        if wanted and value.requires_grad:
            # retain_graph: the next term may go through the same encoders.
            grads = torch.autograd.grad(value, wanted, retain_graph=True, allow_unused=True)
            found = {id(x): g for x, g in zip(wanted, grads, strict=True) if g is not None}
        gradients[name] = {
            p: torch.cat([found.get(id(x), torch.zeros_like(x)).flatten() for x in xs])
            for p, xs in tensors.items()
            if xs
        }

    rows = []
    for part in parts:
        base = gradients[reference].get(part)
        ref = float(base.norm()) if base is not None else 0.0
        shared = not isinstance(parts[part], Mapping)
        for name in terms:
            g = gradients[name].get(part)
            if g is None:  # this term has no such part
                continue
            norm = float(g.norm())
            both = shared and norm > 0 and ref > 0
            rows.append(
                {
                    "term": name,
                    "part": part,
                    "reaches": norm > 0,
                    "norm": norm,
                    "relative": norm / ref if shared and ref > 0 else float("nan"),
                    "cosine": float(g @ base) / (norm * ref) if both else float("nan"),
                }
            )
    return pd.DataFrame(rows)


def term_reach(
    trainer: Trainer,
    clips: Tensor,
    extra: Mapping[str, Callable[[LatentBatch], Tensor]] | None = None,
    reference: str = "jepa",
) -> pd.DataFrame:
    """Gradient reach of every term of a run, and of a reader's own, on one batch of clips.

    Parameters
    ----------
    trainer : a `Trainer`; its weights stay as they are.
    clips : [B, 3, F, H, W], normalised.
    extra : name -> function of a `LatentBatch` that returns a loss: an objective not registered.
    reference : term to compare with.

    Returns
    -------
    DataFrame as of `gradient_reach`, for the parts context encoder, target encoder, predictor,
    and the term's own head. Values of the terms are unweighted.
    """
    batch = trainer.latents(clips, with_context=True)
    own = {t.name: t for t in trainer.objective.terms}
    functions: dict[str, Callable[[LatentBatch], Tensor]] = dict(own)
    for name, function in (extra or {}).items():
        functions[name] = function
        if isinstance(function, nn.Module):
            own[name] = function

    def bind(function: Callable[[LatentBatch], Tensor]) -> Callable[[], Tensor]:
        return lambda: function(batch)

    parts: dict[str, nn.Module | Mapping[str, nn.Module]] = {
        n: m for n, m in trainer.modules().items() if n != "objective"
    }
    parts["own head"] = {n: t for n, t in own.items() if _has_parameters(t)}
    training = {t: t.training for t in own.values()}
    for t in own.values():
        t.eval()  # memories of earlier batches stay as they are
    try:
        return gradient_reach({n: bind(f) for n, f in functions.items()}, parts, reference)
    finally:
        for t, mode in training.items():
            t.train(mode)
