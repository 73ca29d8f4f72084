"""What can be read from a frozen encoder, and what a training reaches.

`extract` pools features, `probes` reads them, `evaluate` makes the table of all readings,
`leakage` reads known factors from each half of the latent; `reach` says which weights a term moves.
`finetune` trains an encoder that is not frozen, with a head on it (`classifier`).
"""

from vjepa_lib.evaluation.evaluate import evaluate, supervised
from vjepa_lib.evaluation.extract import extract
from vjepa_lib.evaluation.leakage import factor_leakage
from vjepa_lib.evaluation.probes import ProbeConfig, attentive_probe, linear_probe
from vjepa_lib.evaluation.reach import gradient_reach, moved_parameters, term_reach

__all__ = [
    "ProbeConfig",
    "attentive_probe",
    "evaluate",
    "extract",
    "factor_leakage",
    "gradient_reach",
    "linear_probe",
    "moved_parameters",
    "supervised",
    "term_reach",
]
