"""Tables of the ablation notebooks, on results made up so that the answer is known."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from vjepa_lib import study
from vjepa_lib.analysis import ablation, combination, statistics
from vjepa_lib.analysis.ablation import (
    by_source,
    factorial,
    mean_share,
    motion_and_stills,
    named,
    seed_means,
    sentence,
    term_shares,
)
from vjepa_lib.analysis.at_work import early_trainer, on_grid, pulls
from vjepa_lib.analysis.encoders import moved_from_start
from vjepa_lib.analysis.masks import hidden_share
from vjepa_lib.analysis.transfer_tables import classes_of, references
from vjepa_lib.datasets.domains import DOMAINS
from vjepa_lib.errors import ConfigError, DataError
from vjepa_lib.model.grid import Grid
from vjepa_lib.show import sections
from vjepa_lib.show.tables import format_table
from vjepa_lib.study import recorded
from vjepa_lib.training.collapse import same_weights
from vjepa_lib.training.pretrain import TermSpec, Trainer
from vjepa_lib.training.sources import Draw

BENCHMARKS = ("actions", "fine_motion", "shift_kinetics", "shift_hacs")


def result(variant, form, seed, top1, benchmark, probe="linear", regime="mixed", **more):
    return {
        "variant": variant, "form": form, "regime": regime, "seed": seed, "benchmark": benchmark,
        "probe": probe, "top1": top1, "correct": round(1000 * top1), "n_test": 100_000,
        "n_train": 40, "profile": "smoke",
    } | more  # fmt: skip


@pytest.fixture
def crossing():
    """base +0/2/4/8, contrast +0/1/3/10; VCLR and the described FWM-HW-LD overlap by 5."""
    rows = []
    base_gain = dict(zip(study.FACTORIZED, (0, 2, 4, 8), strict=True))
    contrast_gain = {"none": 0, "ltc": 1, "iic": 3, "vclr": 10}
    for (b, c), seed, (k, benchmark) in itertools.product(
        itertools.product(study.FACTORIZED, contrast_gain), (0, 1, 2), enumerate(BENCHMARKS)
    ):
        variant = b[0] if c == "none" else study.combined(b[0], c)
        overlap = 5 if b == ("fwm_hw_ld", "described") and c == "vclr" else 0
        noise = 0.1 * seed + (0.01 * seed if c == "ltc" else 0)
        top1 = 20 + 5 * k + base_gain[b] + contrast_gain[c] - overlap + noise
        rows.append(result(variant, b[1], seed, top1, benchmark))
    return pd.DataFrame(rows)


def test_named_tells_the_forms_apart(crossing):
    extra = pd.DataFrame([result("baseline", "released", 0, 1.0, "actions", probe="linear_10%")])
    table = named(pd.concat([crossing, extra]))
    assert len(table) == len(crossing)
    assert {"baseline", "fwm (described)", "fwm_hw_ld", "fwm_hw_ld+iic (described)"} <= set(
        table.name
    )


def test_gains_are_paired_and_have_a_mean(crossing):
    gains = ablation.gains(named(crossing)).set_index(["benchmark", "name"])
    assert gains.effect["all", "vclr"] == pytest.approx(10)
    assert gains.effect["shift_hacs", "fwm_hw_ld (described)"] == pytest.approx(8)
    # The seeds' common scatter cancels; what is left is that of four benchmarks' clips.
    least = 100 * float(statistics.least_scatter(0.03, 400_000))
    half = 4.30265 * least / np.sqrt(3)
    assert gains.high["all", "iic"] - gains.effect["all", "iic"] == pytest.approx(half, rel=1e-4)
    assert (gains.n_seeds == 3).all()


def test_seed_means_have_t_intervals(crossing):
    table = seed_means(named(crossing)).set_index(["name", "benchmark"])
    least = 100 * float(statistics.least_scatter(0.201, 100_000))
    want = statistics.mean_interval([20.0, 20.1, 20.2], least=least)
    row = table.loc[("baseline", "actions")]
    assert (row.top1, row.low, row.high) == pytest.approx((want["mean"], want["low"], want["high"]))
    one = seed_means(named(crossing[crossing.seed == 0]))
    assert one.low.isna().all() and (one.n_seeds == 1).all()


def test_shares_weigh_every_term():
    config = study.resolve("ld", "released", "smoke", 0)
    steps = config.train.schedule.steps
    curves = pd.DataFrame(
        {"step": range(steps), "seed": 0, "variant": "ld", "form": "released", "regime": "mixed",
         "jepa": 3.0, "ld": 1.0,
         "context": [np.nan] * (steps // 2 + 1) + [2.0] * (steps - steps // 2 - 1)}
    )  # fmt: skip
    shares = term_shares(curves, config)
    context = shares[shares.term == "context"].set_index("step").value
    weight = config.train.schedule.context_lambda((steps - 1) / steps)
    assert context[0] == 0 and context[steps - 1] == pytest.approx(2 * weight)
    assert shares[shares.term == "ld"].value.eq(1.0).all()
    late = mean_share(shares[shares.term != "context"])
    assert late.to_dict() == pytest.approx({"jepa": 75.0, "ld": 25.0})


def test_factorial_of_each_form_and_of_the_mean():
    gain = {"fwm": 1, "hw": 2, "ld": 4}
    rows = []
    for key, variant in study.FACTORIAL.items():
        on = dict(zip(study.FACTORS, key, strict=True))
        for form in study.FORMS if study.differs(variant) else study.FORMS[:1]:
            # As released, LD does nothing beside HW.
            dead = form == "released" and on["ld"] and on["hw"]
            top1 = 50 + sum(gain[f] for f, x in on.items() if x and not (dead and f == "ld"))
            rows += [
                result(variant, form, s, top1 + s * 0.1, b) for s in (0, 1) for b in BENCHMARKS[:2]
            ]
    frame = named(pd.DataFrame(rows))
    got = factorial(frame, "described").set_index(["benchmark", "effect"]).estimate
    assert got["all"].to_dict() == pytest.approx(
        {"fwm": 1, "hw": 2, "ld": 4, "fwm:hw": 0, "fwm:ld": 0, "hw:ld": 0, "fwm:hw:ld": 0}
    )
    released = factorial(frame, "released").set_index(["benchmark", "effect"]).estimate
    assert released["actions", "ld"] == pytest.approx(2) and released[
        "all", "hw:ld"
    ] == pytest.approx(-2)


def test_sources_stay_apart(crossing):
    table = by_source({"a": crossing, "b": crossing[:4]}, lambda r: r[["top1"]])
    assert table.source.value_counts().to_dict() == {"a": len(crossing), "b": 4}
    text = sentence(pd.DataFrame({"name": ["x"], "effect": [1.23], "low": [-1], "high": [2]}))
    assert text == "x +1.2 [-1.0, +2.0]"


def test_one_seed_is_told_without_an_interval(crossing, capsys):
    gains = ablation.gains(named(crossing[crossing.seed == 0])).assign(source="a")
    sections.found(gains)
    said = capsys.readouterr().out
    assert (
        "a, 1 seed, mean" in said and "vclr +10.0," in said and "one seed gives no interval" in said
    )
    assert "nan" not in said and "clear gain" not in said


def test_what_is_found_says_where_effects_are_clear(crossing, capsys):
    rows = crossing[~((crossing.variant == "ltc") & (crossing.seed == 2))]
    gains = ablation.gains(named(rows)).assign(source="a")
    # What is clear is what the family's correction leaves; the sign is the effect's.
    own = (gains.name == "fwm (described)") & (gains.benchmark == "actions")
    gains.loc[own, ["effect", "low", "high"]] = -5, -9, -1
    sections.found(gains)
    said = capsys.readouterr().out
    assert "a, 2 to 3 seeds, mean" in said
    assert (
        "  fwm (described): clear gain on fine_motion, shift_kinetics, shift_hacs; clear loss on "
        "actions\n" in said
    )
    assert (
        "  vclr: clear gain on actions, fine_motion, shift_kinetics, shift_hacs; clear loss on "
        "none\n" in said
    )


def test_motion_is_told_from_stills(crossing, capsys):
    renamed = {"shift_kinetics": "order", "shift_hacs": "appearance"}
    rows = crossing.assign(benchmark=crossing.benchmark.replace(renamed))
    rows.loc[(rows.variant == "vclr") & (rows.benchmark == "order"), "top1"] += 6
    rows.loc[(rows.variant == "vclr") & (rows.benchmark == "appearance"), "top1"] -= 4
    gains = ablation.gains(named(rows)).assign(source="a")
    table = motion_and_stills(gains).set_index("name")
    assert table.loc["vclr"].to_dict() == pytest.approx({"motion": 12, "stills": 6})
    assert table.loc["iic"].to_dict() == pytest.approx({"motion": 3, "stills": 3})
    sections.found(gains)
    assert "vclr +12.0 / +6.0" in capsys.readouterr().out
    assert motion_and_stills(ablation.gains(named(crossing))).stills.isna().all()


# --- terms at work --------------------------------------------------------------------------------


def test_values_stand_at_their_places():
    grid = Grid(2, 2, 3)
    index = torch.tensor([[0, 7], [5, 11]])
    got = on_grid(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), index, grid)
    assert got.shape == (2, 2, 2, 3) and got.sum() == 10
    assert (got[0, 0, 0, 0], got[0, 1, 0, 1], got[1, 0, 1, 2], got[1, 1, 1, 2]) == (1, 2, 3, 4)
    flags = on_grid(torch.tensor([[True, False]]), index[:1], grid)
    assert flags.dtype == torch.bool and flags.sum() == 1


def test_masks_hide_what_moves():
    grid = Grid(2, 4, 4)
    motion = torch.full((4, 4), 0.1)
    motion[:, 3] = 1.0
    even, guided = (hidden_share(k, motion, grid, 80) for k in ("multiblock", "amg"))
    assert even.shape == (4, 4) and even.max() <= 1
    assert guided[:, 3].mean() > even[:, 3].mean() + 0.2 > guided[:, 0].mean() + 0.4


def test_an_early_trainer_is_the_run_after_its_first_steps(smoke_sets):
    config = study.resolve("hw", "released", "smoke", 3)
    trainer = early_trainer(config, smoke_sets, 2)
    assert trainer.step == 2
    by_hand, data = Trainer(config.train), study.training_clips(config, smoke_sets)
    for step in range(2):
        by_hand.train_step(data.batch(Draw(step, config.train.schedule.batch, 3), by_hand.device))
    assert same_weights(trainer.context_encoder, by_hand.context_encoder)
    assert early_trainer(config, smoke_sets, 999).step == config.train.schedule.steps


def test_pulls_weigh_gradients_and_know_their_direction(smoke_sets):
    trainer = Trainer(study.resolve("baseline", "released", "smoke", 0).train)
    clips = smoke_sets["pre_videos"].batch(slice(0, 8))
    flat = (("temperature", 1e6),)  # weights of 1: the JEPA loss once more
    terms = {
        "even": TermSpec("hw", 1.0, options=flat),
        "half": TermSpec("hw", 0.5, options=flat),
        "dead": TermSpec("ld", 1.0, options=(("hard_weighted", True), ("hidden", 8))),
        "delta": TermSpec("delta", 0.5),
    }
    before = {k: v.clone() for k, v in trainer.context_encoder.state_dict().items()}
    table = pulls(trainer, clips, terms).set_index("name")
    assert list(table.index) == list(terms) and table.weight.tolist() == [1.0, 0.5, 1.0, 0.5]
    assert table.pull[["even", "half", "dead"]].tolist() == pytest.approx([1.0, 0.5, 0.0], abs=1e-3)
    assert table.cosine["even"] == pytest.approx(1, abs=1e-3) and table.pull["delta"] > 0
    after = trainer.context_encoder.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_pulls_do_not_depend_on_what_was_drawn_before(smoke_sets):
    trainer = Trainer(study.resolve("baseline", "released", "smoke", 0).train)
    clips, terms = smoke_sets["pre_videos"].batch(slice(0, 4)), {"ld": TermSpec("ld", 1.0)}
    first = pulls(trainer, clips, terms)
    torch.rand(7)
    pd.testing.assert_frame_equal(first, pulls(trainer, clips, terms))


def test_distance_from_the_start_is_that_of_the_same_seed(smoke_sets, monkeypatch):
    """Encoders made here stand in for finished runs: as initialised, and with doubled weights."""

    def encoder(config):
        model = Trainer(study.resolve("baseline", "released", "smoke", config.seed).train).evaluated
        if config.variant == "hw":
            with torch.no_grad():
                for p in model.parameters():
                    p.mul_(2)
        return model

    monkeypatch.setattr(study, "load_encoder", encoder)
    asked = [
        study.resolve(v, "released", "smoke", s)
        for s in (0, 1)
        for v in ("random_init", "delta", "hw")
    ]
    table = moved_from_start(asked, smoke_sets["pre_videos"].batch(slice(0, 2)))
    assert list(zip(table.name, table.seed)) == [("delta", 0), ("hw", 0), ("delta", 1), ("hw", 1)]
    still = table[table.name == "delta"]
    assert still.cosine.tolist() == pytest.approx([1, 1]) and still.weights.tolist() == [0, 0]
    assert table[table.name == "hw"].weights.tolist() == pytest.approx([1, 1])
    assert (table[table.name == "hw"].cosine < 0.999).all()


# --- the combination ----------------------------------------------------------------------------


def test_the_crossing_is_complete(crossing):
    table = combination.crossed(crossing)
    assert len(table) == 16 * 3 * 4
    assert table.groupby(["base", "contrast"]).ngroups == 16
    assert set(table.base) == {"baseline", "fwm (described)", "fwm_hw_ld", "fwm_hw_ld (described)"}


def test_an_overlap_is_a_negative_interaction(crossing):
    table = combination.interactions(combination.crossed(crossing))
    found = table[table.benchmark == "all"].set_index("pair").estimate
    assert found["fwm_hw_ld (described):vclr"] == pytest.approx(-5)
    assert found.drop("fwm_hw_ld (described):vclr").abs().max() == pytest.approx(0, abs=1e-9)
    # Seed by seed, corrected over the nine pairs of a benchmark, and on log odds as well.
    assert table.n_seeds.eq(3).all() and "all (9 tests)" in table.family.iloc[-1]
    wide = ablation.with_mean(combination.crossed(crossing), ["base", "contrast", "seed"])
    by_hand = statistics.interaction_contrasts(
        wide[wide.benchmark == "actions"],
        "base",
        "contrast",
        "baseline",
        "none",
        "top1",
        clips="n_test",
    ).set_index(["base", "contrast"])
    own = table[table.benchmark == "actions"].set_index(["base", "contrast"])
    for column in ("simple", "reference", "estimate", "low", "high"):
        assert own[column].to_numpy() == pytest.approx(by_hand.loc[own.index, column].to_numpy())
    odds = combination.interactions(combination.crossed(crossing), "logits")
    assert odds.set_index(["benchmark", "pair"]).estimate["all", "fwm_hw_ld (described):vclr"] < 0
    with pytest.raises(ConfigError, match="points, logits"):
        combination.interactions(combination.crossed(crossing), "odds")


def test_other_parts_of_a_combination_are_parts(crossing):
    """LD alone at +12 is better than all of FWM-HW-LD (+8): the combination is held against it."""
    more = [
        result("ld", "released", s, 32.0 + 0.1 * s + 5 * k, b)
        for s in (0, 1, 2)
        for k, b in enumerate(BENCHMARKS)
    ]
    frame = combination.crossed(pd.concat([crossing, pd.DataFrame(more)], ignore_index=True))
    table = combination.against_best_part(frame)
    own = table[table.benchmark == "all"].set_index("name")
    assert own.best_part["fwm_hw_ld+iic (described)"] == "ld"
    assert own.effect["fwm_hw_ld+iic (described)"] == pytest.approx(-1)
    assert own.best_part["fwm+iic (described)"] == "iic"  # LD is no part of FWM
    assert "best single part is LD" in combination.verdict(frame)


def test_the_whole_is_compared_with_its_better_part(crossing):
    table = combination.against_best_part(combination.crossed(crossing))
    assert {"in domain", "shifted"} <= set(table.benchmark)
    all_six = table[table.benchmark == "all"].set_index("name")
    assert len(all_six) == 9
    row = all_six.loc["fwm_hw_ld+vclr (described)"]  # 8 + 10 - 5, better part 10
    assert (row.best_part, row.effect) == ("vclr", pytest.approx(3))
    row = all_six.loc["fwm_hw_ld+iic (described)"]  # 8 + 3, better part 8
    assert (row.best_part, row.effect) == ("fwm_hw_ld (described)", pytest.approx(3))


def test_the_verdict_names_the_best_part_and_the_best_combination(crossing):
    frame = combination.crossed(crossing)
    said = combination.verdict(frame)
    # Best part VCLR (10); best combination the released FWM-HW-LD with it (4 + 10).
    assert "best single part is VCLR" in said and "FWM-HW-LD with VCLR (" in said
    assert "+4.0 points" in said and said.endswith("combining brings more than either part.")
    worse = frame.assign(
        top1=frame.top1.where(~frame.name.str.contains(r"\+"), 10 + 0.1 * frame.seed)
    )
    assert combination.verdict(worse, "shift_hacs").endswith("falls short of the best part.")
    one = combination.verdict(frame[frame.seed == 0])
    assert "1 seeds" in one and one.endswith("undecided.")


def test_the_answer_is_sorted_and_has_intervals(crossing):
    table = combination.answer(crossing)
    groups = ["in domain, mean of four", "shifted, mean of two"]
    assert list(table.columns[1:]) == [*groups, *combination.SHIFTED]
    assert len(table) == 15 and table.objective[0] == "fwm_hw_ld+vclr"  # 4 + 10
    assert table.set_index("objective").shift_hacs["vclr"] == "**+10.0 [+9.8, +10.2]**"
    lone = combination.answer(crossing[crossing.seed < 1]).set_index("objective").shift_hacs
    assert lone["vclr"] == "+10.0"


def test_the_readme_answers_with_the_recorded_numbers():
    text = (Path(__file__).parent.parent / "README.md").read_text()
    table = format_table(combination.answer(recorded.load()))
    assert table in text, f"put this into README.md:\n{table}"
    for probe in ("linear", "linear_1%"):  # what its words say
        said = combination.verdict(combination.crossed(recorded.load(), probe))
        assert "best single part is VCLR" in said and said.endswith("short of the best part.")


def test_contrast_on_halves_is_compared_with_the_base(crossing):
    rows = [
        result(f"fwm_hw_ld+vclr_{half}", "described", s, 40.0 + gain, b)
        for half, gain in (("appearance", 1), ("dynamics", 2))
        for s in (0, 1)
        for b in BENCHMARKS
    ]
    base = [result("fwm_hw_ld", "described", s, 40.0, b) for s in (0, 1) for b in BENCHMARKS]
    got = combination.on_halves(pd.DataFrame(rows + base)).set_index(["benchmark", "name"]).effect
    assert got["all", "fwm_hw_ld+vclr_appearance"] == pytest.approx(1)
    assert got["actions", "fwm_hw_ld+vclr_dynamics"] == pytest.approx(2)


def test_transfer_finds_the_baseline_of_every_regime():
    rows = [
        result("ucf_baseline", "released", 0, 10.0, "actions", regime="ucf101"),
        result("baseline", "released", 0, 20.0, "actions"),
        result("baseline", "released", 1, 22.0, "actions"),
        result("vclr", "released", 0, 30.0, "actions", regime="stills"),
    ]
    got = combination.transfer_matrix(pd.DataFrame(rows)).set_index(["name", "regime"])
    assert got.top1.to_dict() == {
        ("baseline", "ucf101"): 10,
        ("baseline", "mixed"): 21,
        ("vclr", "stills"): 30,
    }
    assert got.n_seeds["baseline", "mixed"] == 2


def leak_rows(variant, form, cut, scores):
    return [
        result(
            variant,
            form,
            seed,
            score + seed,
            "actions",
            "leakage",
            factor=f,
            half=h,
            cut=c,
            chance=25.0,
        )
        for (f, h), score in scores.items()
        for seed in (0, 1)
        for c in ((cut,) if h != "all" else ("none",))
    ]


def test_leakage_uses_the_cut_of_the_form():
    scores = {("texture", "appearance"): 90, ("texture", "dynamics"): 50,
              ("camera", "appearance"): 30, ("camera", "dynamics"): 80,
              ("camera", "all"): 85}  # fmt: skip
    wrong = {k: 1 for k in scores}
    table = pd.DataFrame(
        leak_rows("fwm", "described", "described", scores)
        + leak_rows(
            "fwm", "described", "released", {k: v for k, v in wrong.items() if k[1] != "all"}
        )
        + leak_rows("baseline", "released", "described", wrong)
    )
    leak = combination.leakage(table)
    got = leak[leak.name == "fwm (described)"].set_index(["factor", "half"]).top1
    assert got.to_dict() == {k: v + 0.5 for k, v in scores.items()}
    split = combination.separation(leak, "texture", "camera").set_index("name")
    assert split.loc["fwm (described)"].to_dict() == {
        "appearance": 40,
        "motion": 50,
        "separation": 45,
    }
    assert split.separation["baseline"] == 0
    with pytest.raises(DataError, match="colour"):
        combination.separation(leak, "texture", "colour")


def test_low_shot_reads_the_share_from_the_probe():
    rows = [result("baseline", "released", 0, t, "actions", p) for p, t in
            (("linear", 60.0), ("linear_1%", 20.0), ("linear_50%", 55.0),
             ("attentive", 99.0))]  # fmt: skip
    got = combination.low_shot(pd.DataFrame(rows))
    assert got.share.tolist() == [1, 50, 100] and got.top1.tolist() == [20, 55, 60]


def test_shift_pairs_in_domain_and_outside(crossing):
    table = combination.shift(named(crossing)).set_index(["name", "benchmark"])
    row = table.loc[("baseline", "shift_hacs")]  # fine_motion 25, shift_hacs 35, seeds +0, .1, .2
    assert (row.inside, row.outside) == pytest.approx((25.1, 35.1))
    # Chance is one of 7 in `fine_motion`, one of 6 in `shift_hacs`; no ceiling but 100 % is known.
    scores = (25.1 - 100 / 7) / (100 - 100 / 7), (35.1 - 100 / 6) / (100 - 100 / 6)
    assert (row.inside_score, row.outside_score) == pytest.approx([100 * s for s in scores])
    assert row.kept == pytest.approx(100 * scores[1] / scores[0])


def test_an_encoder_that_reads_nothing_keeps_nothing():
    """A collapsed encoder is as good outside as inside: at chance, or below the untrained one."""
    tops = {"baseline": (80.0, 60.0), "random_init": (40.0, 20.0), "fwm": (35.0, 35.0)}
    rows = [
        {"name": n, "benchmark": b, "seed": s, "top1": t + s, "n_test": 1000}
        for n, pair in tops.items()
        for b, t in zip(("fine_motion", "shift_hacs"), pair, strict=True)
        for s in (0, 1)
    ]
    kept = combination.shift(pd.DataFrame(rows)).set_index("name").kept
    assert np.isnan(kept["fwm"]) and 50 < kept["baseline"] < 75
    ceiling = pd.DataFrame({"chance": 15.0, "ceiling": [95.0, 90.0]}, ["fine_motion", "shift_hacs"])
    scored = combination.shift(pd.DataFrame(rows), ceiling).set_index("name")
    assert scored.inside_score["baseline"] == pytest.approx(100 * 65.5 / 80)
    assert scored.outside_score["baseline"] == pytest.approx(100 * 45.5 / 75)


def test_classes_are_those_that_scenes_have():
    rng = np.random.default_rng(0)
    for benchmark in BENCHMARKS + ("appearance", "order"):
        domain = DOMAINS[benchmark]
        drawn = {domain.class_of(domain.draw(rng)) for _ in range(600)}
        assert classes_of(benchmark) == len(drawn)
    tops = [result("supervised", "released", 0, 90.0, "order", "supervised")]
    tops += [result("baseline", "released", 0, 50.0, b) for b in ("order", "actions")]
    found = references(pd.DataFrame(tops))
    assert found.ceiling.to_dict() == {"order": 90.0, "actions": 100.0}
    assert found.chance["order"] == pytest.approx(100 / 6)
    # A supervised model at chance is no ceiling: there are no scores then, and no error.
    tops += [result("supervised", "released", 0, 5.0, "actions", "supervised")]
    tops += [result("baseline", "released", 0, 40.0, "shift_kinetics")]
    hardly = references(pd.DataFrame(tops))
    assert np.isnan(hardly.ceiling["actions"]) and hardly.ceiling["order"] == 90.0
    scored = combination.shift(pd.DataFrame(tops[1:]).assign(name="baseline"), hardly)
    assert scored.inside_score.isna().all() and scored.kept.isna().all()


def test_matched_weights_pull_alike(smoke_sets):
    config = study.resolve("baseline", "released", "smoke", 0)
    table = combination.matched_weights(config, smoke_sets, steps=2, every=2, batches=1)
    assert set(table.term) == set(study.CONTRASTS) and set(table.step) == {0, 2}
    pull = (table.matched * table["norm"]).groupby(table.step)
    assert (pull.max() / pull.min()).tolist() == pytest.approx([1, 1])
    assert table[table.term == "ltc"].matched.tolist() == pytest.approx(
        [study.CONTRASTS["ltc"]] * 2
    )


def test_bars_in_headers_and_cells_stay_in_their_cell():
    written = format_table(pd.DataFrame({"mean |x|": ["a|b"]}))
    assert r"mean \|x\|" in written and r"a\|b" in written
