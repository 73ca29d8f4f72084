"""The embedded data: what they are, whether factors and splits are clean, what they measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from vjepa_lib.analysis.selection import matrix
from vjepa_lib.analysis.statistics import shared_clips_interval
from vjepa_lib.datasets.synthetic import BENCHMARKS, DOMAINS
from vjepa_lib.video.clips import ClipSet

FACTORS = ("texture", "palette", "camera", "shape", "trajectory", "direction")
# From what can be solved at all to what the pretrained encoder adds.
READINGS = ("supervised", "single_frame", "random_init", "baseline")


def domains(sets: Mapping[str, ClipSet]) -> pd.DataFrame:
    """Every embedded domain: what it stands for, its size, what is asked of it."""
    return pd.DataFrame(
        [
            {
                "domain": d.name,
                "role of": d.role,
                "clips": len(sets[d.name]),
                "classes": sets[d.name].num_classes if d.label else None,
                "fps": d.fps,
                "what is asked": d.question,
            }
            for d in DOMAINS.values()
        ]
    )


def first_scenes(sets: Mapping[str, ClipSet]) -> pd.DataFrame:
    """Seed of the scene of every domain's first clip."""
    rows = [(name, int(clips.manifest.scene_seed.iloc[0])) for name, clips in sets.items()]
    return pd.DataFrame(rows, columns=["domain", "scene_seed"])


def largest_correlation(clips: ClipSet, factors: Sequence[str] = FACTORS) -> float:
    """Largest correlation, in size, between two factors that the clips were rendered from."""
    codes = clips.manifest[list(factors)].apply(lambda column: pd.factorize(column)[0])
    between = codes.corr().where(~np.eye(len(codes.columns), dtype=bool))
    return float(between.abs().max().max())


def scenes_in_several_splits(sets: Mapping[str, ClipSet]) -> int:
    """Number of scenes that occur in more than one split of a benchmark."""
    parts = [sets[b].manifest.assign(domain=b) for b in BENCHMARKS]
    splits = pd.concat(parts).groupby(["domain", "scene_seed"]).split.nunique()
    return int(splits.gt(1).sum())


def chance(sets: Mapping[str, ClipSet]) -> dict[str, dict[str, float]]:
    """benchmark -> {'chance': top-1 of guessing (%)}, for `plots.intervals`."""
    return {b: {"chance": 100 / sets[b].num_classes} for b in BENCHMARKS}


def readings(results: pd.DataFrame) -> pd.DataFrame:
    """Linear and supervised top-1 (%), mean over seeds, with 95 % intervals.

    All seeds read the same test clips, so these are not pooled: `shared_clips_interval`.

    Parameters
    ----------
    results : of `study.metrics`.

    Returns
    -------
    DataFrame: `benchmark`, `variant`, `top1`, `low`, `high`, `n_test` (clips), `n_seeds`.
    """
    main = results[results.probe.isin(["linear", "supervised"])]
    out = []
    for (benchmark, variant), part in main.groupby(["benchmark", "variant"], sort=False):
        n = int(part.n_test.min())
        found = shared_clips_interval(part.correct, n)
        shares = {"top1": found["mean"], "low": found["low"], "high": found["high"]}
        out.append(
            {"benchmark": benchmark, "variant": variant}
            | {k: 100 * v for k, v in shares.items()}
            | {"n_test": n, "n_seeds": found["n_seeds"]}
        )
    return pd.DataFrame(out)


def readings_side_by_side(readings: pd.DataFrame) -> pd.DataFrame:
    """Top-1 of the four readings, a row per benchmark."""
    wide = matrix(readings, "top1", "benchmark", "variant", order=BENCHMARKS)
    return wide[list(READINGS)].reset_index()


def probes_of_encoders(results: pd.DataFrame, benchmark: str) -> pd.DataFrame:
    """Top-1 of every probe of a benchmark, mean over seeds, a row per variant."""
    rows = results[(results.benchmark == benchmark) & (results.probe != "supervised")]
    return matrix(rows, "top1", "variant", "probe").reset_index()


def what_readings_say(wide: pd.DataFrame, chance: Mapping[str, Mapping[str, float]]) -> list[str]:
    """A line a benchmark with its four readings, and on how many pretraining helps.

    Parameters
    ----------
    wide : of `readings_side_by_side`; chance : of `chance`.
    """
    gain = wide.baseline - wide.random_init
    said = [
        f"{row.benchmark:15s} chance {chance[row.benchmark]['chance']:4.1f}  "
        f"supervised {row.supervised:5.1f}  single frame {row.single_frame:5.1f}  "
        f"random init {row.random_init:5.1f}  pretrained {row.baseline:5.1f} ({more:+.1f})"
        for row, more in zip(wide.itertuples(), gain, strict=True)
    ]
    return [
        *said,
        f"pretraining helps on {(gain > 0).sum()} of {len(gain)} benchmarks, by {gain.mean():+.1f} "
        "points on average",
    ]


def attentive_probe(probes: pd.DataFrame, benchmark: str) -> str:
    """What pretraining adds under the attentive probe and under the linear one.

    Parameters
    ----------
    probes : of `probes_of_encoders`.
    """
    top1 = probes.set_index("variant")
    added = top1.loc["baseline"] - top1.loc["random_init"]
    return (
        f"attentive probe on {benchmark}: random init {top1.attentive['random_init']:.1f}, "
        f"pretrained {top1.attentive['baseline']:.1f}; pretraining adds {added.attentive:+.1f} "
        f"points there and {added.linear:+.1f} under the linear probe"
    )
