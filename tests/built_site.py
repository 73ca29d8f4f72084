"""The documentation site as `make site` builds it, once for all that look at it."""

import os
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

ROOT = Path(__file__).resolve().parent.parent


def sphinx(source, out, *options):
    """Build a folder with the site's settings."""
    return subprocess.run(
        [sys.executable, "-m", "sphinx", "-c", str(ROOT / "docs" / "site"), "-q", *options,
         "-d", str(out.parent / "cache"), str(source), str(out)],
        cwd=ROOT, capture_output=True, text=True, timeout=1800,
    )  # fmt: skip


def build(folder: Path) -> Path:
    """Every page of the site; a warning of Sphinx is an error.

    Parameters
    ----------
    folder : pytest's of this process. Workers of xdist have theirs side by side, and share one.
    """
    shared = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    whole, out = shared / "site-is-whole", shared / "built" / "site"
    with FileLock(shared / "site.lock"):
        if not whole.exists():
            done = sphinx(ROOT, out, "-W", "--keep-going")
            assert done.returncode == 0, done.stderr
            whole.touch()
    return out
