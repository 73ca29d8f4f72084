"""Readers' own terms and variants on their way to another process.

A worker knows a run by its configuration, in which a term is a name. What the library itself does
not have, the task brings along: the paths of files, and the classes and rows of a notebook's cells.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from vjepa_lib import own_files
from vjepa_lib.errors import CompanionError
from vjepa_lib.objectives import TERMS
from vjepa_lib.study.variants import STUDIED, VARIANTS


class Carried:
    """A task that arrives in another process with the reader's own terms and variants.

    Parameters
    ----------
    task : function that can be imported there.
    """

    def __init__(self, task: Callable[..., Any]) -> None:
        self.task = task
        self.error: CompanionError | None = None

    def __call__(self, *args, **options):
        if self.error:
            raise self.error
        return self.task(*args, **options)

    def __getstate__(self) -> dict:
        # A class of a loaded file cannot be pickled by name where the file is not loaded yet.
        cells = {n: c for n, c in TERMS.items() if not c.__module__.startswith(_KNOWN_THERE)}
        rows = {n: v for n, v in VARIANTS.items() if n not in STUDIED}
        files = [str(p.absolute()) for p in own_files.paths()]
        return {"task": self.task, "files": files, "terms": cells, "rows": rows}

    def __setstate__(self, state: dict) -> None:
        self.task, self.error = state["task"], None
        os.environ[own_files.VARIABLE] = os.pathsep.join(state["files"])
        try:
            own_files.load()
        except CompanionError as error:  # told by the task, so that the others go on
            self.error = error
        TERMS.update(state["terms"])
        VARIANTS.update(state["rows"])


_KNOWN_THERE = ("vjepa_lib.", own_files.MODULES)
