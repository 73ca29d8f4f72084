"""Factor leakage: how well known factors are read from each half of the latent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vjepa_lib.errors import ConfigError

if TYPE_CHECKING:
    from vjepa_lib.model.vit import Encoder
    from vjepa_lib.video.clips import ClipSet


def factor_leakage(
    encoder: Encoder,
    clips: ClipSet,
    factors: Sequence[str],
    forms: Sequence[str] = ("released",),
    ratio: float = 0.5,
) -> pd.DataFrame:
    """How well factors are read, linearly, from each half of the latent.

    A factorized latent would give motion away in its dynamics half only, and appearance in its
    appearance half only.

    Parameters
    ----------
    encoder : frozen.
    clips : with splits train, val and test, and the factors as columns of its manifest.
    factors : column names; text and integers are classified, decimals are regressed.
    forms : how the halves are cut: 'released' (shallow against deep levels), 'described' (every
        level halved), or both.
    ratio : share of the channels that is appearance.

    Returns
    -------
    DataFrame, a row per factor, cut and half ('appearance', 'dynamics', and once 'all', whose cut
    is 'none'): `score`, accuracy in percent or 100 R2 on the test split; `chance`, the score
    without features.

    Raises
    ------
    ConfigError : an unknown factor, or one that does not vary.
    """
    from vjepa_lib.evaluation.extract import extract, halves_of
    from vjepa_lib.evaluation.probes import linear_regression, linear_scores, split_rows

    rows = split_rows(clips)
    features = extract(encoder, clips, levels=True).numpy()
    parts = {("none", "all"): features}
    for form in forms:
        cut = halves_of(features, len(encoder.cfg.levels), form, ratio)
        parts |= {(form, half): x for half, x in cut.items()}
    out = []
    for factor in factors:
        values = clips.factor(factor).cpu()
        regress = values.is_floating_point()
        y = values.numpy() if regress else np.unique(values.numpy(), return_inverse=True)[1]
        if len(np.unique(y[rows["train"]])) < 2:
            raise ConfigError(f"Factor {factor!r} has one value in these clips: choose another.")
        for (form, half), x in parts.items():
            if regress:
                score, chance = 100 * linear_regression(x, y, rows), 0.0
            else:
                score = 100 * float(linear_scores(x, y, rows).mean())
                common = np.bincount(y[rows["train"]]).argmax()
                chance = 100 * float((y[rows["test"]] == common).mean())
            out.append(
                {"factor": factor, "cut": form, "half": half, "score": score, "chance": chance}
            )
    return pd.DataFrame(out)
