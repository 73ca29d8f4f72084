"""The networks and what they look at: token grid, masks, encoder, predictor, checkpoints.

`vit` is V-JEPA 2.1 exactly at the size of the paper, and the same in small at other sizes;
`masking` draws the blocks that are hidden; `grid` numbers the tokens; `checkpoints` reads released
weights.
"""

from vjepa_lib.model.checkpoints import load_encoder, load_predictor, open_encoder
from vjepa_lib.model.grid import Grid
from vjepa_lib.model.masking import MaskGroup, MaskingConfig, motion_map, sample_masks
from vjepa_lib.model.vit import Encoder, EncoderConfig, Predictor, PredictorConfig

__all__ = [
    "Encoder",
    "EncoderConfig",
    "Grid",
    "MaskGroup",
    "MaskingConfig",
    "Predictor",
    "PredictorConfig",
    "load_encoder",
    "load_predictor",
    "motion_map",
    "open_encoder",
    "sample_masks",
]
