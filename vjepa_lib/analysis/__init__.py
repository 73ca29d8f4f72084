"""From results to statements: intervals, ablations, the combination, terms at work.

Every function takes results in the columns of `study.metrics`, live or recorded alike. `selection`,
`statistics`, `ablation` and `findings` work on tables alone; `at_work`, `encoders`, `combination`
and `crossing` run networks, `masks`, `colours` and `benchmarks` look at clips; `overview` tables
the study itself.
"""

import lazy_loader

# Loaded on first use: who works on tables must not wait for torch.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "ablation",
        "at_work",
        "benchmarks",
        "colours",
        "combination",
        "crossing",
        "encoders",
        "findings",
        "masks",
        "overview",
        "selection",
        "statistics",
    ],
)
