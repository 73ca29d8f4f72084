"""Tables of the transfer study: the same numbers as the score's, arranged."""

import numpy as np
import pandas as pd
import pytest
from test_transfer_answer import LEVELS, SEEDS, study_of

from vjepa_lib.analysis import transfer_answer, transfer_elsewhere, transfer_score, transfer_views
from vjepa_lib.datasets import worlds


@pytest.fixture(scope="module")
def evidence():
    return transfer_answer.Evidence(study_of(LEVELS))


def test_levels_are_means_of_scores(evidence):
    found = transfer_views.levels(evidence).set_index("variant")
    table = transfer_score.scores(evidence.shares())
    assert found.index.tolist() == ["random_init", *transfer_score.DECISIVE]
    assert found.score["ld"] == pytest.approx(table[table.variant == "ld"].score.mean())
    assert found.low["ld"] < found.score["ld"] < found.high["ld"] and found.n_seeds["ld"] == 4
    assert np.isnan(found.low["random_init"])


def test_cells_average_to_the_contrast(evidence):
    effect, clear = transfer_views.cells(evidence, "ld+vclr", "ld")
    assert effect.shape == clear.shape == (len(worlds.TASKS), len(worlds.SHIFTS))
    whole = evidence.contrasts().set_index(["whole", "part"]).effect["ld+vclr", "ld"]
    assert effect.to_numpy().mean() == pytest.approx(whole)
    missing, _ = transfer_views.cells(evidence, "ld+vclr", "hw")
    assert missing.isna().all(axis=None)


def test_accuracies_and_readings_have_a_row_a_variant(evidence):
    table = transfer_views.accuracies(evidence).set_index("variant")
    assert table.loc["vclr", "1"] == pytest.approx(60.5, abs=1) and table.n_seeds["vclr"] == 4
    wide = transfer_views.by_reading(evidence).set_index("reading")
    assert wide.loc["held-out", "vclr"] == pytest.approx(30, abs=1)
    assert wide.loc["zero-shot", "vclr"] == pytest.approx(table.score["vclr"])
    graded = transfer_views.by_severity(evidence)
    assert set(graded.severity) == {0, 1, 2, 3, 4} and set(worlds.TASKS) <= set(graded)


def test_other_settings_begin_with_the_study(evidence):
    short = study_of({"ld": 40, "ld+vclr": 45}, (0, 1, 2), "ld x0.1")
    short = short[short.changed != ""]
    base = study_of({"vclr": 60}, (0, 1, 2))
    rows = pd.concat([evidence.readings, short, base[base.variant == "vclr"]])
    found = transfer_views.other_settings(transfer_answer.Evidence(rows))
    assert found.setting.tolist()[:4] == ["as planned (own seeds)"] * 4
    lighter = found[found.setting == "LD x0.1"].set_index("contrast")
    # VCLR has no weight of LD: it stands as it is.
    assert lighter.effect["LD with VCLR minus VCLR"] < 0 < lighter.effect["LD with VCLR minus LD"]
    assert (lighter.n_seeds == 3).all()


def test_the_matrix_has_a_row_a_variant_and_world(evidence):
    there = study_of({"vclr": 40, "ld": 45}, (0, 1, 2))
    there = there[there.variant.isin(["vclr", "ld"])]
    here = there.assign(top1=there.top1 + 15)  # the same seeds, pretrained on the rendered worlds
    rows = pd.concat([evidence.readings, there.assign(pretrained_on="digits"), here])
    found = transfer_views.matrix(transfer_answer.Evidence(rows))
    assert found.pretrained_on.tolist() == ["rendered"] * 2 + ["digits"] * 2
    assert found.variant.tolist() == ["ld", "vclr"] * 2
    first, _, third, fourth = found.itertuples()
    assert first.rendered > third.rendered > fourth.rendered
    assert third.digits == pytest.approx((22 + 23 + 22) / 3)  # half of the accuracy elsewhere
    assert fourth.n_seeds == 3
    assert transfer_views.matrix(evidence).empty


def looks(variant, changed, source, seeds=(0, 1, 2)):
    """The last look at the sources of runs that read them at `source` percent."""
    one = {f"source_{t}": source for t in worlds.TASKS} | {"step": 599, "pretrained_on": "rendered"}
    rows = [one | {"variant": variant, "changed": changed, "seed": s} for s in seeds]
    return pd.DataFrame(rows).assign(run=lambda r: f"{variant}-{changed}-" + r.seed.astype(str))


def test_rates_are_chosen_on_the_source_and_told_on_its_own_seeds(evidence):
    seeds = (0, 1, 2)
    slow = study_of({"ld+vclr": 50, "vclr": 70, "ld": 20}, seeds, "lr 0.002")
    base = study_of({"vclr": 30, "ld+vclr": 60, "ld": 40}, seeds)
    new = pd.concat([r[r.kind == "pretrain"] for r in (slow, base)])
    readings = pd.concat([evidence.readings, new[new.variant != "random_init"]])
    seen = [
        *(looks("vclr", "", 40), looks("ld+vclr", "", 60), looks("ld", "", 50)),
        *(looks("vclr", "lr 0.002", 80), looks("ld+vclr", "lr 0.002", 50)),
        *(looks("ld", "lr 0.002", 20), looks("ld", "ld x0.1", 99)),  # a weight is no rate
    ]
    e = transfer_answer.Evidence(readings, curves=pd.concat(seen))
    table = transfer_elsewhere.rates(e)
    chosen = table[table.chosen & table.choosing].drop_duplicates("variant").set_index("variant")
    assert chosen.changed.to_dict() == {"vclr": "lr 0.002", "ld+vclr": "", "ld": ""}
    said = transfer_elsewhere.with_chosen_rates(e)
    assert "(2 rates each, asked after the results: LD as in the study, VCLR at learning" in said
    assert "on 3 seeds of the choice itself: LD with VCLR harms: -1" in said
    assert transfer_elsewhere.with_chosen_rates(evidence) is None


def test_weights_are_chosen_on_the_source_and_not_on_the_target(evidence):
    seeds = (0, 1, 2)
    light = study_of({"ld+vclr": 75}, seeds, "ld x0.1")
    heavy = study_of({"ld+vclr": 50, "vclr": 20}, seeds, "vclr x10")
    base = study_of({"vclr": 60, "ld+vclr": 40, "ld": 30}, seeds)
    new = pd.concat([r[r.kind == "pretrain"] for r in (light, heavy, base)])
    readings = pd.concat([evidence.readings, new[new.variant != "random_init"]])
    seen = [
        *(looks("vclr", "", 60), looks("ld+vclr", "", 40), looks("ld", "", 50)),
        # What is read best in the targets is not what is read best in the source.
        *(looks("ld+vclr", "ld x0.1", 30), looks("ld+vclr", "vclr x10", 70)),
        *(looks("vclr", "vclr x10", 20), looks("ld", "steps 150", 90)),
        # The planned seeds have no part in the choice.
        *(looks("vclr", "", 10, SEEDS), looks("ld", "", 10, SEEDS)),
        looks("ld+vclr", "ld x0.1", 99, SEEDS),
    ]
    e = transfer_answer.Evidence(readings, curves=pd.concat(seen))
    table = transfer_elsewhere.weights(e)
    chosen = table[table.chosen & table.choosing].drop_duplicates("variant").set_index("variant")
    assert chosen.changed.to_dict() == {"vclr": "", "ld+vclr": "vclr x10", "ld": ""}
    assert chosen.tried.to_dict() == {"vclr": 2, "ld+vclr": 3, "ld": 1}
    said = transfer_elsewhere.with_chosen_weights(e)
    assert "2 or 3 settings each on 3 seeds" in said and "LD with VCLR at VCLR x10" in said
    assert ": VCLR as in the study" in said
    drawn = transfer_views.by_weights(e).set_index(["name", "panel"])
    assert drawn.score["ld+vclr, VCLR x10", "on the source's validation clips (%)"] == 70
    assert drawn.score["ld+vclr, LD x0.1", "zero-shot transfer score"] > 80
    assert drawn.n_seeds["vclr", "zero-shot transfer score"] == 3 + len(SEEDS)
    assert "3 seeds of the choice" in said
    assert "harms: -1" in said and "against VCLR" in said and "against LD" in said
    # Nothing is told of a part alone.
    alone = readings[~((readings.variant == "vclr") & readings.seed.isin(seeds))]
    e = transfer_answer.Evidence(alone, curves=pd.concat(seen))
    assert transfer_elsewhere.with_chosen_weights(e) is None
    # With runs of other seeds at the chosen weights it is those that are told.
    fresh = study_of({"ld+vclr": 80}, SEEDS, "vclr x10")
    more = pd.concat([readings, fresh[(fresh.kind == "pretrain") & (fresh.changed != "")]])
    seen.append(looks("ld+vclr", "vclr x10", 1, SEEDS))
    said = transfer_elsewhere.with_chosen_weights(
        transfer_answer.Evidence(more, curves=pd.concat(seen))
    )
    assert "4 seeds that took no part in it: LD with VCLR helps: +" in said
    assert transfer_elsewhere.weights(evidence).empty
    assert transfer_views.by_weights(evidence).empty
    assert transfer_elsewhere.with_chosen_weights(evidence) is None


def test_what_falls_over_training_is_named():
    rows = [
        {"variant": v, "seed": s, "step": step, "changed": "", "pretrained_on": "rendered"}
        | {f"source_{t}": 50.0 + s for t in worlds.TASKS}
        | {"rank_me": 20.0 - step / 50 + s / 10}
        | ({"source_appearance": 60.0 - step / (20 + s % 2)} if v == "ld" else {})
        for v in ("ld", "vclr")
        for s in SEEDS
        for step in (149, 299, 449, 599)
    ]
    table = transfer_views.over_training(pd.DataFrame(rows))
    own = table.set_index(["variant", "what"])
    assert own.effect["ld", "source_appearance"] == pytest.approx(-22, abs=0.6)
    said = transfer_answer.fallen(table)
    assert "LD (appearance from 5" in said and "VCLR" not in said
    assert "RankMe from" in said
