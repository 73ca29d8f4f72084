"""What the tools share: the level, and sentences for unknown names and missing columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from vjepa_lib.errors import DataError, unknown

ALPHA = 0.05


def check_known(name: str, known: Iterable[str], what: str) -> None:
    if name not in known:
        raise unknown(what, name, known)


def need(frame: pd.DataFrame, columns: Sequence[str], what: str) -> None:
    missing = [c for c in columns if c not in frame]
    if missing:
        raise DataError(
            f"{what} needs the columns {', '.join(columns)}; missing: {', '.join(missing)}."
        )
