"""The embedded data as notebook 03 shows them, and the study as notebook 00 does."""

import numpy as np
import pandas as pd
import pytest

from vjepa_lib import study
from vjepa_lib.analysis import at_work, benchmarks, findings, overview
from vjepa_lib.analysis.selection import written
from vjepa_lib.analysis.statistics import proportion_interval
from vjepa_lib.datasets.synthetic import BENCHMARKS, DOMAINS
from vjepa_lib.objectives import TERMS
from vjepa_lib.show import strips


def test_domains_are_all_told(smoke_sets):
    table = benchmarks.domains(smoke_sets).set_index("domain")
    assert list(table.index) == list(DOMAINS)
    assert table.clips["order"] == len(smoke_sets["order"])
    assert table.classes["order"] == smoke_sets["order"].num_classes
    assert np.isnan(table.classes["pre_videos"])  # no label to guess
    scenes = benchmarks.first_scenes(smoke_sets).set_index("domain").scene_seed
    assert scenes["order"] == smoke_sets["order"].manifest.scene_seed.iloc[0]
    rows = strips.labelled_first_clips(smoke_sets)
    titles = {t.split("\n")[0]: t for t, _, _ in rows}
    label = smoke_sets["order"].label_names[int(smoke_sets["order"].labels[0])]
    assert titles["order"] == f"order\n{label}" and titles["pre_videos"] == "pre_videos"


class Clips:
    """A set of clips that has a manifest only."""

    def __init__(self, **columns):
        self.manifest = pd.DataFrame(columns)


def test_factors_that_go_together_and_scenes_in_two_splits_are_found(smoke_sets):
    assert benchmarks.scenes_in_several_splits(smoke_sets) == 0
    same = Clips(texture=list("abab"), palette=list("xyxy"), camera=list("ppqq"))
    factors = ("texture", "palette", "camera")
    assert benchmarks.largest_correlation(same, factors) == pytest.approx(1)
    free = Clips(texture=list("aabb"), palette=list("xyxy"), camera=list("pqqp"))
    assert benchmarks.largest_correlation(free, factors) == pytest.approx(0)
    leaky = Clips(scene_seed=[1, 1, 2], split=["train", "test", "test"])
    clean = Clips(scene_seed=[1, 2, 2], split=["train", "test", "test"])
    sets = dict.fromkeys(BENCHMARKS, clean)
    assert benchmarks.scenes_in_several_splits(sets) == 0
    assert benchmarks.scenes_in_several_splits(sets | {"order": leaky}) == 1


def results():
    """Two seeds of four readings; the pretrained baseline wins on one benchmark."""
    rows = []
    for k, benchmark in enumerate(BENCHMARKS):
        for variant in benchmarks.READINGS:
            probe = "supervised" if variant in ("supervised", "single_frame") else "linear"
            right = 30 if variant == "baseline" and k == 0 else 20
            row = {"benchmark": benchmark, "variant": variant, "n_test": 40}
            for seed, more in ((0, 0), (1, 4)):
                own = row | {"seed": seed, "correct": right + more}
                rows.append(own | {"probe": probe, "top1": 2.5 * (right + more)})
                rows.append(own | {"probe": "attentive", "top1": 80.0, "correct": 32})
    return pd.DataFrame(rows)


def test_seeds_on_the_same_clips_are_not_pooled():
    table = benchmarks.readings(results()).set_index(["benchmark", "variant"])
    first = table.loc[(BENCHMARKS[0], "baseline")]
    # Two seeds on 40 clips are not 80 clips.
    assert (first.n_seeds, first.n_test) == (2, 40) and first.top1 == pytest.approx(80)
    pooled = proportion_interval(64, 80)
    assert first.high - first.low > 100 * (pooled[1] - pooled[0])
    assert first.low < 80 < first.high
    wide = benchmarks.readings_side_by_side(table.reset_index())
    assert list(wide.columns) == ["benchmark", *benchmarks.READINGS]
    assert wide.benchmark.tolist() == list(BENCHMARKS)
    chance = {b: {"chance": 12.5} for b in BENCHMARKS}
    *lines, last = benchmarks.what_readings_say(wide, chance)
    assert len(lines) == len(BENCHMARKS) and "pretrained  80.0 (+25.0)" in lines[0]
    assert "chance 12.5" in lines[0]
    assert last.startswith(f"pretraining helps on 1 of {len(BENCHMARKS)} benchmarks, by +4.2")


def test_chance_is_one_of_the_classes(smoke_sets):
    chance = benchmarks.chance(smoke_sets)
    assert list(chance) == list(BENCHMARKS)
    assert chance["order"]["chance"] == 100 / smoke_sets["order"].num_classes


def test_probes_of_encoders_are_compared():
    probes = benchmarks.probes_of_encoders(results(), BENCHMARKS[0])
    assert set(probes.columns) == {"variant", "linear", "attentive"}
    said = benchmarks.attentive_probe(probes, BENCHMARKS[0])
    assert said.endswith("adds +0.0 points there and +25.0 under the linear probe")


def test_the_study_is_told_in_tables():
    assert overview.terms().term.tolist() == list(TERMS)
    variants = overview.variants().set_index("variant")
    assert list(variants.index) == list(study.VARIANTS)
    assert variants.forms["ld"] == "one" and variants.forms["hw_ld"] == "both"
    assert variants["terms beside JEPA and context"]["baseline"] == "-"
    terms = variants["terms beside JEPA and context"]
    assert terms["fwm_ld"].endswith("1 ld (on the dynamics channels)")
    assert terms["kinematic_anneal"] == "0.1 kinematic (kind acceleration, anneal)"
    assert not terms.str.contains(r"[{}':]").any()
    assert overview.profiles().profile.tolist() == list(study.PROFILES)
    head, listed = overview.size_of_study()
    assert head.startswith(f"{len(TERMS)} terms, {len(study.VARIANTS)} variants")
    assert listed.split(", ") == variants.index[variants.forms == "both"].tolist()


def test_the_evaluated_encoder_moves_as_described_and_not_as_released(smoke_sets):
    configs = [study.resolve("no_ema", form, "smoke", 0) for form in study.FORMS]
    checks = at_work.evaluated_after(configs, smoke_sets, steps=2).set_index("form")
    assert checks["equal to its initialisation bit for bit"].to_dict() == {
        "released": True,
        "described": False,
    }
    assert checks["parameters unmoved"]["released"] == checks.parameters["released"]
    assert checks["parameters unmoved"]["described"] < checks.parameters["described"]
    said = findings.unmoved(checks.reset_index())
    count = checks.parameters["released"]
    assert said[0].startswith(f"no_ema (released): {count} of {count} parameters")


def test_effects_are_listed_by_benchmark_and_tables_are_written():
    gains = pd.DataFrame(
        {"source": "mini, live", "name": "baseline", "benchmark": ["order", "actions"],
         "effect": [1.0, -2.0], "low": [0.5, -3.0], "high": [1.5, -1.0], "n_seeds": 2}
    )  # fmt: skip
    assert findings.by_benchmark(gains, "random init") == [
        "mini, live, 2 seeds, baseline minus random init, points: order +1.0 [+0.5, +1.5], "
        "actions -2.0 [-3.0, -1.0]"
    ]
    assert written(gains, name=str.upper).name.tolist() == ["BASELINE", "BASELINE"]
    assert gains.name.tolist() == ["baseline", "baseline"]
