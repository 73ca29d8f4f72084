"""Builders from official annotations to the one manifest format, and a health check.

`python -m vjepa_lib.datasets` is the command line.
"""

from vjepa_lib.datasets import (
    diving48,
    folder,
    hacs,
    imagenet100,
    kinetics400,
    ssv2,
    ucf101,
)
from vjepa_lib.datasets.base import (
    REGISTRY,
    BuildResult,
    DatasetInfo,
    build,
    dataset_info,
)
from vjepa_lib.datasets.health import HealthReport, health

__all__ = [
    "REGISTRY",
    "BuildResult",
    "DatasetInfo",
    "HealthReport",
    "build",
    "dataset_info",
    "diving48",
    "folder",
    "hacs",
    "health",
    "imagenet100",
    "kinetics400",
    "ssv2",
    "ucf101",
]
