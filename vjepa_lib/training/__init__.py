"""Pretraining: schedules, sources of clips, one step, the loop, going on after a stop.

`trainer` holds a run's networks and its step; `pretrain` is the loop and what it leaves;
`distributed` lets several processes train as one; `collapse` measures whether a latent still says
anything.
"""

from vjepa_lib.training.collapse import collapse_measures, rank_me
from vjepa_lib.training.pretrain import Pretrained, pretrain
from vjepa_lib.training.schedules import Schedule
from vjepa_lib.training.sources import ClipMixture, ClipSource, Draw, StreamedMixture
from vjepa_lib.training.trainer import Trainer, TrainSetup

__all__ = [
    "ClipMixture",
    "ClipSource",
    "Draw",
    "Pretrained",
    "Schedule",
    "StreamedMixture",
    "TrainSetup",
    "Trainer",
    "collapse_measures",
    "pretrain",
    "rank_me",
]
