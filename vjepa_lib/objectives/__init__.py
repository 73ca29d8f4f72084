"""Training objectives: named terms over one `LatentBatch`, summed by an `Objective`.

To add one, subclass `Term`, write its `loss(batch)` and decorate it with `@register`; a variant's
row then names it. It may stand in a file of this folder, in a file of your own or in a notebook
cell (README, "Adding an objective").
"""

import importlib
import pkgutil

from vjepa_lib.objectives.base import (
    TERMS,
    Objective,
    Sizes,
    Term,
    channels_of,
    count_channels,
    get_term,
    halves,
    make_term,
    mean_over_groups,
    mean_over_pairs,
    mlp_head,
    register,
)
from vjepa_lib.objectives.batch import LatentBatch

__all__ = [
    "TERMS",
    "LatentBatch",
    "Objective",
    "Sizes",
    "Term",
    "channels_of",
    "count_channels",
    "get_term",
    "halves",
    "make_term",
    "mean_over_groups",
    "mean_over_pairs",
    "mlp_head",
    "register",
]

# Importing a module registers its terms, so a new file needs no line here. This comes last: by now
# all that a file of this folder imports from here has its name.
for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
