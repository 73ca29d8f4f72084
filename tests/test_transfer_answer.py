"""The transfer score, its planned contrasts, and the sentences made of them."""

import numpy as np
import pandas as pd
import pytest

from vjepa_lib import study
from vjepa_lib.analysis import transfer_answer, transfer_score
from vjepa_lib.analysis.factorial4 import form_of
from vjepa_lib.analysis.transfer_score import DECISIVE, PRIMARY
from vjepa_lib.datasets import heldout, worlds
from vjepa_lib.errors import ConfigError, DataError
from vjepa_lib.study.transfer_runs import pack

N = 100  # test clips of a world
SEEDS = (10, 11, 12, 13)
CEILING = 90.0


def rows_of(variant, seed, top1, kind="pretrain", changed="", form=None):
    """Readings of one run that reads every world alike but for a wobble of its own."""
    rng = np.random.default_rng([seed, len(variant), sum(map(ord, variant))])
    out = []
    for task in worlds.TASKS:
        for shift, severity in worlds.places():
            readers = ["linear"] if kind == "pretrain" else [kind]
            fits = ["source", "target"] if severity == 4 and kind == "pretrain" else ["source"]
            for fitted in fits:
                for reader in readers:
                    hits = int(np.clip(top1 + rng.integers(-1, 2), 0, N))
                    right = np.arange(N) < hits
                    out.append((task, shift, severity, fitted, reader, 100.0 * hits / N, right))
    for task in heldout.QUESTIONS:
        hits = int(top1) // 2
        reader = "linear" if kind == "pretrain" else kind
        out.append((task, "source", 0, "source", reader, 100.0 * hits / N, np.arange(N) < hits))
    columns = ["task", "shift", "severity", "fitted", "reading", "top1", "right"]
    frame = pd.DataFrame(out, columns=columns)
    frame["right"] = frame.right.map(pack)
    return frame.assign(
        run=f"{variant}-{seed}-{changed}",
        variant=variant,
        seed=seed,
        form=form or (form_of(variant) if variant in study.VARIANTS else "released"),
        kind=kind,
        changed=changed,
        pretrained_on="rendered",
        gpu="none",
        n_test=N,
    )


def study_of(levels, seeds=SEEDS, changed=""):
    """Readings of decisive variants at given accuracies, with the references."""
    runs = [rows_of("supervised", 0, CEILING, "supervised"), rows_of("random_init", 0, 15)]
    for variant, level in levels.items():
        runs += [rows_of(variant, s, level + s % 2, changed=changed) for s in seeds]
    return pd.concat(runs, ignore_index=True)


LEVELS = dict(zip(DECISIVE, (30, 50, 60, 70, 50, 55), strict=True))


@pytest.fixture(scope="module")
def readings():
    return study_of(LEVELS)


def test_the_score_is_the_share_of_the_way_to_the_ceiling(readings):
    table = transfer_score.scores(transfer_score.shares(readings))
    own = table[table.variant == "ld"].set_index("seed").score
    ceiling = transfer_score.ceilings(readings)
    chance = transfer_score.chances()
    for seed in SEEDS:
        rows = readings[(readings.variant == "ld") & (readings.seed == seed)]
        rows = rows[(rows.fitted == "source") & (rows.severity > 0)]
        by_hand = [
            100 * (part.top1.mean() - chance[task]) / (ceiling[task] - chance[task])
            for task, part in rows.groupby("task")
        ]
        assert own[seed] == pytest.approx(np.mean(by_hand))
    assert table.clips.unique().tolist() == [N * 4 * 6 * 4]


def test_severity_0_and_retrained_rows_do_not_enter_zero_shot(readings):
    wrong = readings.copy()
    other = (wrong.fitted == "target") | (wrong.severity == 0)
    wrong.loc[other & (wrong.kind == "pretrain"), "top1"] = 0.0
    first, second = (
        transfer_score.scores(transfer_score.shares(t)).score for t in (readings, wrong)
    )
    assert first.tolist() == second.tolist()


def test_a_run_that_lacks_a_world_has_no_score(readings):
    gone = (readings.variant == "ld") & (readings.seed == 10) & (readings.task == "order")
    table = transfer_score.scores(transfer_score.shares(readings[~gone]))
    assert set(table[table.variant == "ld"].seed) == {11, 12, 13}


def test_contrasts_are_paired_and_corrected(readings):
    table = transfer_score.scores(transfer_score.shares(readings))
    found = transfer_score.contrasts(table)
    assert list(zip(found.whole, found.part, strict=True)) == list(PRIMARY)
    assert (found.p_adjusted >= found.p).all() and (found.n_seeds == 4).all()
    wide = table.pivot_table(index="seed", columns="variant", values="score")
    gap = wide["ld+vclr"].sub(wide["vclr"]).loc[list(SEEDS)]
    row = found[(found.whole == "ld+vclr") & (found.part == "vclr")].iloc[0]
    assert row.effect == pytest.approx(gap.mean())
    assert "(4 tests)" in row.family
    apart = transfer_score.contrasts(transfer_score.scores(transfer_score.shares(readings)), by=[])
    assert apart.equals(found)
    by = transfer_score.contrasts(
        transfer_score.scores(transfer_score.shares(readings), ["shift"]), by=["shift"]
    )
    assert len(by) == 6 * 4 and by.effect.mean() == pytest.approx(found.effect.mean())


def test_seeds_of_two_kinds_have_no_interval(readings):
    fallen = pd.concat(
        [
            readings[~((readings.variant == "ld+vclr") & (readings.seed == 13))],
            rows_of("ld+vclr", 13, 16),
        ]
    )
    found = transfer_score.contrasts(transfer_score.scores(transfer_score.shares(fallen)))
    row = found[(found.whole == "ld+vclr") & (found.part == "vclr")].iloc[0]
    assert np.isnan(row.p) and "3 of 4 seeds" in row.outcomes
    said = transfer_answer.sentences(fallen, [transfer_answer.combination])[0]
    assert "above in 3 of 4 seeds" in said and "LD with VCLR is undecided" in said


def test_the_crossed_interval_has_the_same_middle(readings):
    found = transfer_score.crossed(transfer_score.own_runs(readings), [("ld+vclr", "ld")])
    table = transfer_score.scores(transfer_score.shares(readings))
    once = transfer_score.contrasts(table, [("ld+vclr", "ld")]).iloc[0]
    assert found.effect[0] == pytest.approx(once.effect)
    assert found.low[0] < found.effect[0] < found.high[0]


def test_words_follow_the_numbers():
    say = transfer_answer.combination

    def said(**levels):
        found = transfer_answer.sentences(study_of(LEVELS | levels), [say])
        return found[0]

    assert "LD with VCLR helps" in said()
    assert "FWM-HW-LD with VCLR harms" in said()  # below VCLR
    assert "FWM-HW-LD with VCLR helps" in said(**{"fwm_hw_ld+vclr": 75})
    same = said(vclr=50, **{"fwm_hw_ld+vclr": 50})
    assert "FWM-HW-LD with VCLR makes no difference" in same


def test_no_sentence_without_its_runs(readings):
    assert transfer_answer.sentences(readings.iloc[:0]) == []
    assert transfer_answer.sentences(readings[readings.kind != "supervised"]) == []
    few = readings[readings.variant != "vclr"]
    said = transfer_answer.sentences(few)
    assert not any("helps" in s or "harms" in s for s in said)
    assert any("20 are recorded" in s for s in said)
    assert any(
        s.startswith("Of the 60 decisive runs planned 24")
        for s in transfer_answer.sentences(readings)
    )


def test_settings_that_turn_a_contrast_round_are_named(readings):
    short = study_of({"vclr": 70, "ld+vclr": 50, "ld": 40}, (0, 1, 2), "steps 150")
    short = short[short.kind == "pretrain"].query("changed != ''")
    both = pd.concat([readings, short])
    said = transfer_answer.sentences(both, [transfer_answer.settings_that_turn])[0]
    assert "With 1 other settings, on 3 seeds" in said
    assert "LD with VCLR against VCLR: below at 150 steps" in said
    # Against LD it is clear in the study, and stays so.
    assert "LD with VCLR against LD: above at 150 steps" in said
    assert transfer_answer.sentences(readings, [transfer_answer.settings_that_turn]) == []
    # A changed run never enters the study's own score.
    assert transfer_answer.sentences(both, [transfer_answer.levels]) == transfer_answer.sentences(
        readings, [transfer_answer.levels]
    )


def test_a_contrast_that_is_open_with_another_setting_is_said_to_be(readings):
    rows = study_of({"vclr": 60, "ld+vclr": 60, "ld": 40}, (0, 1, 2), "steps 150")
    rows.loc[(rows.variant == "ld+vclr") & (rows.seed == 0), "top1"] -= 30
    both = pd.concat([readings, rows[rows.changed != ""].query("kind == 'pretrain'")])
    said = transfer_answer.sentences(both, [transfer_answer.settings_that_turn])[0]
    assert "LD with VCLR against VCLR: undecided at 150 steps" in said


def test_encoders_of_the_other_world_are_told_apart(readings):
    there = study_of({"vclr": 40, "ld+vclr": 50, "ld": 45}, (0, 1, 2))
    there = there[there.kind == "pretrain"].assign(pretrained_on="digits")
    both = pd.concat([readings, there])
    said = transfer_answer.sentences(both, [transfer_answer.other_direction])[0]
    assert "3 seeds" in said and "LD with VCLR against VCLR +" in said
    assert transfer_answer.sentences(readings, [transfer_answer.other_direction]) == []
    assert transfer_answer.sentences(both, [transfer_answer.levels]) == transfer_answer.sentences(
        readings, [transfer_answer.levels]
    )


def test_the_other_form_does_not_enter(readings):
    released = rows_of("fwm_hw_ld+vclr", 10, 5, form="released")
    both = pd.concat([readings, released])
    first, second = (
        transfer_answer.sentences(t, [transfer_answer.combination]) for t in (readings, both)
    )
    assert first == second


def test_mistakes_are_told(readings):
    with pytest.raises(ConfigError, match="zero-shot"):
        transfer_score.shares(readings, "guessing")
    with pytest.raises(DataError, match="supervised reference"):
        transfer_score.shares(readings[readings.kind != "supervised"])
