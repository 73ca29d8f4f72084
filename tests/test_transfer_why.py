"""Sentences on why: from tables whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from vjepa_lib.analysis import transfer_reasons, transfer_why
from vjepa_lib.analysis.transfer_geometry import FACTORS
from vjepa_lib.analysis.transfer_reasons import Mechanisms
from vjepa_lib.analysis.transfer_score import DECISIVE

SEEDS = range(10, 15)
TASKS, SHIFTS = ("camera", "appearance"), ("noise", "shake", "rate")
WITH_LD = tuple(v for v in DECISIVE if "ld" in v)


def study_of(home=None, held=None, centred=0.0, sign=1.0):
    """Measurements of all decisive encoders: LD holds the amount of change, VCLR the waves.

    Parameters
    ----------
    home : variant -> accuracy at home, where it is not 50.
    held : (variant, factor) -> R2, where it is not as above.
    centred : points that centring adds.
    sign : of how the leading direction follows the amount of change over worlds.
    """
    rng = np.random.default_rng(0)
    home, held = home or {}, held or {}
    aligned, shifts, known, readings, curves = [], [], [], [], []
    for variant in DECISIVE:
        for seed in SEEDS:
            name = f"{variant}-{seed}"
            ld, contrast = variant in WITH_LD, variant == "vclr"
            noise = lambda size=1.0: size * rng.normal()  # noqa: E731
            known.append({"encoder": name, "run": name, "variant": variant, "seed": seed})
            for step in (0, 100):
                losses = {"ld": 0.2 if ld else np.nan, "vclr": np.nan}
                losses["vclr"] = np.nan if "vclr" not in variant else 4 + 2 * ld + noise(0.1)
                names = {"variant": variant, "seed": seed, "changed": "", "step": step}
                losses["ld"] += noise(0.01)
                curves.append(names | {"pretrained_on": "rendered"} | losses)
            for task in TASKS:
                for factor in FACTORS:
                    r2 = {"amount of change": 90 if ld else 30, "wave direction": 80 * contrast}
                    r2 = held.get((variant, factor), r2.get(factor, 10)) + noise()
                    halves = {
                        "appearance": r2 + 20 * (variant == "fwm_hw_ld"),
                        "dynamics": r2 + noise(),
                    }
                    row = {"encoder": name, "task": task, "factor": factor, "read": r2}
                    aligned.append(row | halves | {"levels": r2})
                row = {"encoder": name, "task": task, "shift": "source"}
                row |= {"zero": home.get(variant, 50) + noise(0.1), "leading": 80.0 + noise()}
                row |= {"follows": (0.9 if ld else 0.2) + noise(0.01)}
                shifts.append(row | {"rank_me": 20 + noise(), "participation": 2 + noise(0.1)})
                for shift in SHIFTS:
                    moved = noise()
                    zero = home.get(variant, 50) - 20 + noise(0.1)
                    row = {"encoder": name, "task": task, "shift": shift, "zero": zero}
                    row |= {"centred": zero + centred, "coloured": zero + noise()}
                    row |= {"without_leading": zero + noise(), "change_moved": moved}
                    row |= {"leading_moved": sign * moved if ld else noise(), "along": noise()}
                    shifts.append(row | {"moved": noise(), "separable": noise()})
                    where = {"run": name, "task": task, "shift": shift, "severity": 4}
                    again = {"reading": "linear", "fitted": "target", "top1": zero + 3 + noise()}
                    readings.append(where | again)
    tables = tuple(map(pd.DataFrame, (aligned, shifts, known)))
    return Mechanisms(tables, pd.DataFrame(readings), pd.DataFrame(curves))


@pytest.fixture(scope="module")
def known():
    return study_of()


def say(m, ask):
    return transfer_why.answered(m, [ask])[0]


def test_what_a_latent_holds_is_told_by_what_is_clear(known):
    said = say(known, transfer_why.content)
    assert "against VCLR, LD with VCLR holds clearly less of wave direction (80 to 0)" in said
    assert "more of amount of change (30 to 90)" in said and "object speed" not in said
    level = {(v, f): 10 for v in DECISIVE for f in FACTORS}
    assert say(study_of(held=level), transfer_why.content).count("no factor clearly less") == 3


def test_the_gap_is_split_into_home_and_shift(known):
    apart = study_of(home={"vclr": 70})
    said = say(apart, transfer_why.at_home)
    assert "LD with VCLR lacks 20.0 points" in said and "20.0 on their sources" in said
    assert "20." not in say(known, transfer_why.at_home)


def test_centring_that_closes_the_gap_is_not_called_short_of_it():
    short = say(study_of(home={"vclr": 70}, centred=2.0), transfer_why.not_displaced)
    far = say(study_of(home={"vclr": 70}, centred=25.0), transfer_why.not_displaced)
    assert "no way brings a combination as far" in short and "one way brings it as far" in far
    assert "LD with VCLR +25.0" in far


def test_the_leading_direction_follows_or_does_not(known):
    said = say(known, transfer_why.one_direction)
    assert "LD 80 %, r 0.90, rho 1.00" in said and "clearly higher in LD with VCLR" in said
    assert "LD 80 %, r 0.90, rho -1.00" in say(study_of(sign=-1.0), transfer_why.one_direction)


def test_losses_in_the_combination_against_alone(known):
    said = say(known, transfer_why.contest)
    assert said.count("(clearly higher)") == 2 and "0.2" in said


def test_halves_are_told_apart_only_where_they_differ(known):
    said = say(known, transfer_why.by_half)
    first, second = said.split("FWM-HW-LD with VCLR")
    assert first.count("clearly more in the appearance half") == 2
    assert second.count("not told apart") == 2


def test_a_predictor_is_found_and_noise_is_not(known):
    table = known.tables[1].copy()
    rows = table["shift"] != "source"
    again = known.readings.set_index(["run", "task", "shift"]).top1
    keys = list(zip(table.encoder[rows], table.task[rows], table["shift"][rows], strict=True))
    table.loc[rows, "along"] = again.loc[keys].to_numpy() - table.zero[rows]
    told = Mechanisms((known.tables[0], table, known.tables[2]), known.readings, known.curves)
    found = transfer_reasons.predicts(told, resamples=50).set_index("what")
    assert found.rho["along"] == pytest.approx(1) and found.low["along"] > 0.9
    assert found.low["separable"] < 0.3 and abs(found.rho["separable"]) < 0.6


def test_one_family_counts_every_comparison(known):
    table = known.tests()
    assert table.family.nunique() == 1 and f"({table.p.notna().sum()} tests)" in table.family[0]
    tested = table.dropna(subset=["p"])
    # Centring adds the same here for every encoder: without scatter there is no test.
    assert (tested.p_adjusted >= tested.p).all() and len(tested) == len(table) - len(DECISIVE)


def test_nothing_is_said_before_two_seeds_are_measured(known):
    one = known.tables[2].groupby("variant").head(1)
    few = Mechanisms((*known.tables[:2], one), known.readings, known.curves)
    assert transfer_why.answered(few) == []
    assert len(transfer_why.answered(known)) == len(transfer_why.SENTENCES)
