"""From results to statements: intervals, ablations, the combination, terms at work.

Every function takes results in the columns of `study.metrics`, live or recorded alike.
"""

from vjepa_lib.analysis import ablation, at_work, combination, statistics

__all__ = ["ablation", "at_work", "combination", "statistics"]
