"""What a number came from: commit, versions, machine."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def _git(*args: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *args], capture_output=True, text=True, timeout=20, check=True
        )
        return done.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


@lru_cache(maxsize=1)
def commit() -> str:
    """Git commit of this checkout, with '+changes' if library files differ from it."""
    name = _git("rev-parse", "HEAD")
    if not name:
        return "no git checkout"
    return name + ("+changes" if _git("status", "--porcelain", "--", "vjepa_lib") else "")


def cpu_name() -> str:
    """Name of the processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


@lru_cache(maxsize=1)
def _fixed() -> dict:
    import torch

    versions = {}
    for name in ("torch", "numpy", "scikit-learn", "decord", "av"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "absent"
    return {
        "commit": commit(),
        "python": platform.python_version(),
        "versions": versions,
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "system": platform.platform(),
    }


def provenance() -> dict:
    """Facts to record beside a result: commit, versions, machine, time."""
    return _fixed() | {"date": datetime.now(UTC).isoformat(timespec="seconds")}
