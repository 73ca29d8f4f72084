"""Which code made a run: short digests, so that a changed objective never gives old results.

A run's address is the hash of its configuration, which names terms but does not hold their code. So
a run also keeps digests of the definitions that decide it (`definitions`). A new comment, another
line break, a function moved to another module or an edit elsewhere leaves every digest as it is.

Parts are kept apart (`data`, `model`, `masks`, `step`, `terms/ld`, `readings`), so that a message
can say what has changed. A definition belongs to the first part that reaches it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vjepa_lib.study.definitions import is_kept, joined, mention, reached, short

Code = dict[str, str]  # part -> digest

_SHARED = ("data", "model", "masks", "step", "readings")
_done: dict[tuple, Code] = {}


def code_of(config: Any) -> Code:
    """Digests of today's code for a configuration, part by part.

    A configuration names the code it depends on by a method `code`, which gives the objects that
    each part begins from; one without that method depends on none.

    Raises
    ------
    RunStoreError : a file was edited after this process had loaded it.
    """
    begin = getattr(config, "code", None)
    return parts(begin()) if begin else {}


def parts(roots: Mapping[str, Sequence[Any]]) -> Code:
    """Digest of every part, given the functions and classes it begins from."""
    key = tuple((name, *begin) for name, begin in roots.items())
    if key not in _done:
        found = _parts(roots)
        if not all(is_kept(root) for begin in roots.values() for root in begin):
            return found
        _done[key] = found
    return dict(_done[key])


def _parts(roots: Mapping[str, Sequence[Any]]) -> Code:
    known: set[tuple] = set()
    found = {}
    for name in (n for n in _SHARED if n in roots):
        own = {k: v for k, v in reached(roots[name]).items() if k not in known}
        known |= own.keys()
        found[name] = joined(own.values())
    # Terms share what they share: a helper of two terms counts for both.
    for name in (n for n in roots if n not in _SHARED):
        own = {k: v for k, v in reached(roots[name]).items() if k not in known}
        found[name] = joined(own.values())
    return found


def training_code(terms: Iterable[str]) -> dict[str, list]:
    """What the weights of a pretraining depend on, apart from its data.

    Parameters
    ----------
    terms : names of the objective's terms; one that nobody has registered counts as absent.
    """
    from vjepa_lib import own_files
    from vjepa_lib.model import masking, vit
    from vjepa_lib.objectives import TERMS, Term
    from vjepa_lib.training.pretrain import Trainer, pretrain

    own_files.load()
    roots: dict[str, list] = {
        "model": [vit.Encoder, vit.Predictor],
        "masks": [masking.sample_masks, masking.motion_map],
        "step": [Trainer, pretrain],
    }
    for name in terms:
        if name in TERMS:
            own = [c for c in TERMS[name].__mro__ if c is not Term]
            views = ["vjepa_lib.objectives.views:VIEWS"] if mention(own, "needs_views") else []
            roots[f"terms/{name}"] = [TERMS[name], *views]
    return roots


def embedded_code() -> list:
    """What the embedded clips depend on, and how they become batches."""
    from vjepa_lib.datasets.synthetic import ensure
    from vjepa_lib.training.sources import ClipMixture
    from vjepa_lib.video.clips import ClipSet

    return [ensure, ClipMixture, ClipSet, "vjepa_lib.video.clips:_CACHE_FORMAT"]


def code_key(code: Code) -> str:
    """One short digest of all parts; empty for no code."""
    return short(repr(sorted(code.items()))) if code else ""


def changed(then: Code, now: Code) -> str:
    """What differs between two versions, in words; empty if nothing does."""
    names = [n for n in {**now, **then} if then.get(n) != now.get(n)]
    terms = [n.removeprefix("terms/") for n in names if n.startswith("terms/")]
    words = [f"the {n}" for n in names if not n.startswith("terms/")]
    words += [f"term{'s' if len(terms) > 1 else ''} {', '.join(terms)}"] if terms else []
    return " and ".join(words)
