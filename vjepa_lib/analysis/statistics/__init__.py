"""Uncertainty of accuracies: over clips, over seeds, over both, and over many comparisons.

Three sources of noise are kept apart. `clips`: a top-1 accuracy is a proportion of `n` clips, so
its interval follows from `n` alone; two encoders on the same clips are compared clip by clip.
`seeds`: two runs of one variant differ, so an effect is judged by how it differs from seed to seed;
`outcomes` tells two kinds of outcome from scatter around one. `crossed` answers for new seeds *and*
new clips. `families`: the largest of fourteen differences is large by chance. `factorial` has main
effects and interactions, `scores` the scales accuracies are compared on. The tests themselves are
those of scipy and statsmodels.
"""

from vjepa_lib.analysis.statistics.clips import (
    EXACT_BELOW,
    correct_count,
    homogeneity,
    least_scatter,
    minimum_detectable_difference,
    paired_clips,
    proportion_interval,
    rounding_gap,
    shared_clips_interval,
    two_proportions,
)
from vjepa_lib.analysis.statistics.common import ALPHA
from vjepa_lib.analysis.statistics.crossed import (
    contrast_of,
    crossed_bootstrap,
    crossed_bootstraps,
    crossed_interval,
)
from vjepa_lib.analysis.statistics.factorial import factorial_effects, interaction_contrasts
from vjepa_lib.analysis.statistics.families import (
    adjust,
    in_families,
    rank_correlation,
    rank_correlations,
)
from vjepa_lib.analysis.statistics.outcomes import Outcomes, outcomes
from vjepa_lib.analysis.statistics.scores import kept_share, logits, normalised
from vjepa_lib.analysis.statistics.seeds import (
    equivalence,
    mean_interval,
    paired_differences,
    seed_noise,
)

__all__ = [
    "ALPHA",
    "EXACT_BELOW",
    "Outcomes",
    "adjust",
    "contrast_of",
    "correct_count",
    "crossed_bootstrap",
    "crossed_bootstraps",
    "crossed_interval",
    "equivalence",
    "factorial_effects",
    "homogeneity",
    "in_families",
    "interaction_contrasts",
    "kept_share",
    "least_scatter",
    "logits",
    "mean_interval",
    "minimum_detectable_difference",
    "normalised",
    "outcomes",
    "paired_clips",
    "paired_differences",
    "proportion_interval",
    "rank_correlation",
    "rank_correlations",
    "rounding_gap",
    "seed_noise",
    "shared_clips_interval",
    "two_proportions",
]
