"""Runs of the transfer study: trained, read in every world, stored with what was right."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from vjepa_lib import reproduce, study
from vjepa_lib.datasets import worlds
from vjepa_lib.errors import CompanionError, ConfigError, DataError
from vjepa_lib.provenance import ROOT
from vjepa_lib.study import kept, recorded, rereading, transfer_recorded, transfer_runs
from vjepa_lib.study.ensure import ensure
from vjepa_lib.study.fingerprint import code_of
from vjepa_lib.study.store import RunStore, config_hash
from vjepa_lib.study.transfer_runs import pack, train_transfer, transfer_run, unpack


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    found = RunStore(tmp_path_factory.mktemp("runs"))
    runs = [transfer_run(v, profile="smoke") for v in ("ld", "random_init", "supervised")]
    ensure(found, runs, train_transfer, progress=False)
    return found


def test_bits_survive_as_text():
    for n in (1, 7, 8, 150):
        right = np.random.default_rng(n).random(n) < 0.5
        assert np.array_equal(unpack(pack(right), n), right)


def test_a_run_is_read_in_every_world(store):
    run = store.load(transfer_run("ld", profile="smoke"))
    read = run.metrics
    zero_shot = read[(read.reading == "linear") & (read.fitted == "source")]
    rendered = zero_shot[zero_shot.task.isin(worlds.TASKS)]
    assert len(rendered) == len(worlds.TASKS) * len(worlds.places())
    assert {"digits_digit", "digits_direction", "digits_order"} <= set(zero_shot.task)
    again = read[(read.fitted == "target") & (read.reading == "linear")]
    assert set(again.severity) == {4} and set(again["shift"]) == set(worlds.SHIFTS)
    for row in rendered.itertuples():
        right = unpack(row.right, row.n_test)
        assert 100 * right.mean() == pytest.approx(row.top1)
    assert (run.path / study.ENCODER_FILE).exists()
    looks = run.curves.dropna(subset=["source_camera"])
    assert looks.step.tolist() == [0, 1, 2, 3, 4, 5]  # every step of six: a quarter is one
    assert looks.filter(like="source_").columns.tolist() == [f"source_{t}" for t in worlds.TASKS]
    assert looks.filter(like="source_").stack().between(0, 100).all()


def test_references_are_read_where_encoders_are(store):
    read = store.load(transfer_run("supervised", profile="smoke")).metrics
    assert set(read.reading) == {"supervised"}
    assert len(read) == len(worlds.TASKS) * len(worlds.places()) + 3
    first = store.load(transfer_run("random_init", profile="smoke")).metrics
    assert set(first.reading) >= {"linear", "neighbours", "attentive", "few_1"}


def test_the_schedule_settles_and_can_be_changed():
    run = transfer_run("vclr", profile="small", seed=3)
    s = run.train.schedule
    assert s.learning_rate(s.steps - 1) < s.lr / 100
    assert s.ema_momentum(s.steps - 1) == 1.0
    longer = transfer_run("vclr", profile="small", seed=3, steps=7)
    assert longer.train.schedule.steps == 7 and config_hash(longer) != config_hash(run)


def test_settings_of_a_run_can_be_changed_one_at_a_time():
    own = transfer_run("ld+vclr", profile="small", seed=3)
    assert own.changed == ""
    assert transfer_run("ld+vclr", profile="small", seed=3, steps=600) == own  # nothing changed
    weights = {t.name: t.weight for t in own.train.terms}
    lighter = transfer_run("ld+vclr", profile="small", seed=3, scaled={"vclr": 0.1})
    assert lighter.changed == "vclr x0.1"
    now = {t.name: t.weight for t in lighter.train.terms}
    assert now == weights | {"vclr": pytest.approx(weights["vclr"] / 10)}
    wider = transfer_run("ld", profile="small", width=128)
    assert wider.changed == "width 128" and wider.train.predictor.width == 128
    faster = transfer_run("ld", profile="small", lr=8e-3)
    assert faster.changed == "lr 0.008" and faster.train.schedule.lr_end == 8e-3 / 200
    apart = transfer_run("ld+vclr", profile="small", without=("video",))
    term = next(t for t in apart.train.terms if t.name == "vclr")
    assert apart.changed == "without video" and ("video", 0.0) in term.options
    with pytest.raises(ConfigError, match="No term 'fwm'"):
        transfer_run("ld", scaled={"fwm": 2.0})
    with pytest.raises(ConfigError, match="video, instance, order"):
        transfer_run("vclr", without=("queue",))


def test_forms_that_train_the_same_share_a_run():
    assert transfer_run("vclr", "released") == transfer_run("vclr", "described")
    assert transfer_run("fwm_hw_ld", "released") == transfer_run("fwm_hw", "released")
    assert transfer_run("fwm_hw_ld", "described") != transfer_run("fwm_hw_ld", "released")


def test_the_code_of_a_run_is_that_of_its_terms_and_readings():
    code = code_of(transfer_run("ld", profile="smoke"))
    assert "terms/ld" in code and "terms/hw" not in code
    assert code["readings"] != code_of(study.resolve("ld", profile="smoke"))["readings"]


def test_mistakes_are_told():
    with pytest.raises(ConfigError, match="rendered, digits"):
        transfer_run("ld", pretrained_on="films")
    with pytest.raises(ConfigError, match="smoke, mini, small"):
        transfer_run("ld", profile="paper")


def test_the_other_direction_draws_digits(monkeypatch):
    seen = {}

    class Stop(Exception):
        pass

    def no_training(setup, data, *args, **kwargs):
        seen["data"] = data
        raise Stop

    monkeypatch.setattr(transfer_runs, "pretrain", no_training)
    with pytest.raises(Stop):
        train_transfer(transfer_run("ld", profile="smoke", pretrained_on="digits"), None)
    spec = transfer_runs.SIZES["smoke"].heldout
    assert [len(s) for s in seen["data"].sets] == [spec.pretrain]
    assert isinstance(seen["data"].sets[0].manifest, pd.DataFrame)


def test_finished_runs_are_added_to_the_record(store, tmp_path):
    assert transfer_recorded.export("smoke", tmp_path, store) == 3
    assert transfer_recorded.export("smoke", tmp_path, store) == 3  # replaced, not doubled
    read = transfer_recorded.load("smoke", tmp_path)
    run = store.load(transfer_run("ld", profile="smoke"))
    own = read[read.run == run.hash].reset_index(drop=True)
    assert own.top1.tolist() == run.metrics.top1.tolist() and set(own.variant) == {"ld"}
    first = own[own.right != ""].iloc[0]
    assert 100 * unpack(first.right, first.n_test).mean() == pytest.approx(first.top1)
    ends = transfer_recorded.curves("smoke", tmp_path)
    assert ends[["total", "rank_me", "source_order"]].notna().any().all()
    table = transfer_recorded.runs("smoke", tmp_path)
    assert set(table.changed) == {""}
    assert set(table.variant) == {"ld", "random_init", "supervised"}
    assert table[["commit", "cpu", "torch", "code", "date"]].notna().all(axis=None)
    graded = transfer_recorded.severities("smoke", tmp_path)
    assert list(graded.columns) == ["variant", "task", "shift", "source", "1", "2", "3", "4"]
    assert len(graded) == 2 * len(worlds.TASKS) * len(worlds.SHIFTS)
    table[table.variant != "ld"].to_csv(tmp_path / "transfer_smoke_runs.csv", index=False)
    with pytest.raises(DataError, match="export both anew"):
        transfer_recorded.load("smoke", tmp_path)


def test_nothing_to_record_is_told(tmp_path):
    assert transfer_recorded.load("smoke", tmp_path).empty
    with pytest.raises(DataError, match="No transfer run"):
        transfer_recorded.export("smoke", tmp_path, RunStore(tmp_path))


def test_the_design_log_says_what_the_references_read():
    """Its last table is the recorded one, number for number."""
    text = (ROOT / "docs" / "design_log.md").read_text()
    own = transfer_recorded.severities()
    for row in own[own.variant == "supervised"].itertuples(index=False):
        cells = [row.task, row.shift, *(f"{v:.1f}" for v in row[3:])]
        assert f"| {' | '.join(cells)} |" in text, cells


def test_a_supervised_network_loses_with_severity():
    """Severity 4 costs more than severity 1 in every shift of every task, a third in 22 of 24."""
    own = transfer_recorded.severities()
    own = own[own.variant == "supervised"]
    assert (own["4"] < own["1"]).all()
    lost = 1 - own["4"] / own.source
    assert (lost > 1 / 3).sum() == 22 and (own.source < 97).all()


def test_a_kept_encoder_reads_again_what_is_recorded(store, tmp_path):
    run = transfer_run("ld", profile="smoke")
    transfer_recorded.export("smoke", tmp_path, store)
    with pytest.raises(DataError, match="No encoder of the transfer study is kept"):
        rereading.verify("smoke", tmp_path)
    kept.keep([run], store, tmp_path / "encoders")
    table = rereading.verify("smoke", tmp_path, seed=1)
    assert set(table.variant) == {"ld"} and set(table.severity) == {0, 1, 2, 3, 4}
    assert set(table.reading) == {"linear", "neighbours"} and len(table) == 12
    one_clip = 100 / run.worlds.target_test
    assert (table.difference.abs() <= one_clip + 1e-6).all()  # of half precision
    assert (table.recorded > 0).any()
    with pytest.raises(DataError, match="vclr"):
        rereading.reread("vclr", "released", 0, profile="smoke", folder=tmp_path)


def test_verifying_ends_with_a_kept_encoder_and_finds_a_false_record(
    store, tmp_path, monkeypatch, capsys
):
    """The last step of `make verify`, with an encoder of the smallest profile."""
    run, index = transfer_run("ld", profile="smoke"), kept.index
    transfer_recorded.export("smoke", tmp_path, store)
    kept.keep([run], store, tmp_path / "encoders")
    own = partial(rereading.verify, "smoke", tmp_path, seed=1)
    none = {"variant": [], "form": [], "seed": [], "run": [], "difference": [], "allowed": []}
    monkeypatch.setattr(recorded, "verify", lambda *a, **k: pd.DataFrame(none))
    monkeypatch.setattr(kept, "index", lambda folder=tmp_path / "encoders": index(folder))
    monkeypatch.setattr(rereading, "verify", own)
    monkeypatch.setattr(rereading, "ALLOWED", 100 / run.worlds.target_test + 1e-6)  # one clip
    monkeypatch.setenv("VJEPA_RUNS", str(tmp_path / "none"))
    reproduce.verify("smoke", "cpu", None)
    assert "kept ld (released), seed 0, read again: largest difference" in capsys.readouterr().out
    path = tmp_path / "transfer_smoke_readings.parquet"
    read = pd.read_parquet(path)
    read.assign(top1=read.top1 - 50).to_parquet(path)
    with pytest.raises(CompanionError, match="differently: the kept encoder of ld, seed 0"):
        reproduce.verify("smoke", "cpu", None)


def test_some_worlds_are_rendered_as_all_are(tmp_path):
    spec = transfer_runs.SIZES["smoke"].worlds
    wanted = ("order", ("shake", 2))
    one = worlds.some(spec, [wanted], tmp_path)
    assert list(one) == [wanted] and len(list((tmp_path / "worlds" / spec.key).iterdir())) == 1
    whole = worlds.tasks(spec, transfer_runs.data_root(), 1, False)["order"]["shake", 2]
    assert one[wanted].read_bytes() == whole.read_bytes()
    clip = next(one[wanted].parent.rglob("*.mp4"))
    same = whole.parent / clip.relative_to(one[wanted].parent)
    assert clip.read_bytes() == same.read_bytes()
    with pytest.raises(ConfigError, match="shake"):
        worlds.some(spec, [("order", ("wind", 2))], tmp_path)


@pytest.mark.parametrize("what", ["readings.parquet", "curves.parquet", "runs.csv"])
@pytest.mark.parametrize("left", [0.0, 0.5])
def test_a_damaged_record_is_told(store, tmp_path, what, left):
    transfer_recorded.export("smoke", tmp_path, store)
    path = tmp_path / f"transfer_smoke_{what}"
    data = path.read_bytes()
    # Half a line is still CSV; a line that nobody closed is not.
    path.write_bytes(
        data[: int(left * len(data))] + (b'\n"' if what == "runs.csv" and left else b"")
    )
    read = transfer_recorded.curves if "curves" in what else transfer_recorded.load
    with pytest.raises(DataError, match="is damaged or cannot be read"):
        read("smoke", tmp_path)
