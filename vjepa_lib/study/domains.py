"""Domains of settings whose classes stay as recorded runs have them.

The code that decides a recorded run keeps its digest, and with it these classes theirs. So what
their fields may hold is written here, and checked where settings enter: in profiles and in the
configurations of runs.
"""

from __future__ import annotations

from typing import Annotated, Any

from vjepa_lib.datasets.synthetic import DataSpec
from vjepa_lib.errors import ConfigError
from vjepa_lib.settings import Count, Domain, Positive, check_domains
from vjepa_lib.video.clip_reader import ClipSpec

_Pixels = Annotated[int, Domain("a whole number from 2 to 4096", 2, 4096)]

CLIP: dict[str, Any] = {
    "frames": Count,
    "size": tuple[Count, Count],
    "sampling": str,
    "stride": Count | None,
    "fps": Positive | None,
    "short_side": Count | None,
    "antialias": bool,
    "min_frames": Count,
    "backend": str | None,
}
DATA: dict[str, Any] = {
    "pretrain": Count,
    "train": Count,
    "val": Count,
    "test": Count,
    "size": _Pixels,
    "frames": Count,
}


def check_clip(spec: ClipSpec) -> None:
    """Fail on a way to read clips that no run can have.

    Raises
    ------
    ConfigError : it names the field, its value and what is allowed.
    """
    check_domains(spec, CLIP)
    if spec.stride is not None and spec.fps is not None:
        raise ConfigError(
            f"A clip has stride {spec.stride} and fps {spec.fps:g}: give it one of them."
        )


def check_data(spec: DataSpec) -> None:
    """Fail on an amount of embedded data that cannot be rendered.

    Raises
    ------
    ConfigError : it names the field, its value and what is allowed.
    """
    check_domains(spec, DATA)
    if spec.size % 2:
        raise ConfigError(f"size is {spec.size}: videos need an even number of pixels.")
