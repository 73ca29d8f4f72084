"""Training objectives: named terms over one `LatentBatch`, summed by an `Objective`.

To add one, write a `Term` with a `forward(batch)` and decorate it with `@register`; it is then
available to every variant by name.
"""

from vjepa_lib.objectives import (  # noqa: F401  (importing a family registers its terms)
    action,
    contrastive,
    delta,
    factorized,
    hamiltonian,
    hard_region,
    jepa,
    kinematic,
    latent_dynamics,
    sigreg,
    spectral,
    velocity_gate,
)
from vjepa_lib.objectives.base import TERMS, Objective, Term, halves, make_term, register
from vjepa_lib.objectives.batch import LatentBatch

__all__ = ["TERMS", "LatentBatch", "Objective", "Term", "halves", "make_term", "register"]
