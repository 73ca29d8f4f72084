"""What a figure shows, in sentences made of the table behind it: the words after a picture.

`findings` says what was found in the end; these say what was seen on the way there. Every function
takes a table and returns a sentence, or a list of them.
"""

from __future__ import annotations

import pandas as pd

from vjepa_lib.analysis.findings import listed


def variance_over_time(shares: pd.DataFrame) -> str:
    """How much of an encoder's map changes from one time step to the next.

    Parameters
    ----------
    shares : of `maps.compare_maps`.
    """
    time = 100 - shares["between places"]
    return "share of the tokens' variance that is not fixed to a place (%): " + listed(
        shares.encoder, time, ".0f"
    )
