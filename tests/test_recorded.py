"""Recorded runs: exported whole, read back as if trained here, and checked by retraining."""

import json

import pandas as pd
import pytest

from vjepa_lib import reproduce, study
from vjepa_lib.errors import CompanionError, DataError
from vjepa_lib.show import report
from vjepa_lib.show.gallery import Gallery, read_index
from vjepa_lib.study import kept, recorded
from vjepa_lib.study.store import config_hash

ASKED = (("random_init", "released"), ("baseline", "released"), ("hw_ld", "released"))


@pytest.fixture(scope="module")
def live(smoke_sets, tmp_path_factory):
    """Some smoke runs, their results, and a folder they are recorded in."""
    with pytest.MonkeyPatch.context() as m:
        root = tmp_path_factory.mktemp("recorded")
        m.setenv("VJEPA_RUNS", str(root / "runs"))
        configs = [study.resolve(v, f, "smoke", s) for v, f in ASKED for s in (0, 1)]
        table = study.metrics(configs, progress=False)
        assert recorded.export("smoke", root / "tables") == 6
        yield table, root / "tables"


def test_reads_back_what_training_gave(live):
    table, folder = live
    back = recorded.load(ASKED, "smoke", folder)
    assert set(back.columns) == set(table.columns)
    key = ["variant", "seed", "benchmark", "probe", "factor", "cut", "half"]
    a, b = (x.sort_values(key).reset_index(drop=True)[sorted(x.columns)] for x in (table, back))
    pd.testing.assert_frame_equal(a, b, check_dtype=False, rtol=1e-5)
    assert set(back[back.variant == "hw_ld"].trained_as) == {"hw1 (released)"}
    assert len(recorded.load([("ld", "released")], "smoke", folder)) == 0


def test_every_run_has_its_provenance(live):
    _, folder = live
    table = recorded.runs("smoke", folder)
    needed = ["run", "seed", "commit", "date", "seconds", "cpu", "cores", "gpu", "python", "torch"]
    assert table[needed].notna().all().all()
    assert table[table.kind == "pretrain"][["jepa", "rank_me", "feature_std"]].notna().all().all()
    full = json.loads((folder / "smoke_configs.json").read_text())
    assert [t["name"] for t in full["hw1 (released), mixed"]["train"]["terms"]] == [
        "jepa", "context", "hw",
    ]  # fmt: skip


def test_records_say_which_code_made_them(live, tmp_path, monkeypatch, capsys):
    _, folder = live
    assert set(recorded.load(ASKED, "smoke", folder).code) == {"today"}
    assert recorded.made_by_whom("smoke", folder) == "today"
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    runs = recorded.runs("smoke", tmp_path)
    hw = runs.variant == "hw1"
    assert runs.code[hw].str.contains("terms/hw=").all()
    runs["commit"] = "abc1234def"
    runs.loc[hw, "code"] = runs.code[hw].str.replace("terms/hw=", "terms/hw=0")
    runs.loc[runs.variant == "random_init", "code"] = None
    runs.to_csv(tmp_path / "smoke_runs.csv", index=False)
    rows = recorded.load(ASKED, "smoke", tmp_path).set_index("variant").code
    assert rows["baseline"].unique() == ["today"]
    assert rows["hw_ld"].unique() == rows["random_init"].unique() == ["commit abc1234"]
    assert recorded.made_by_whom("smoke", tmp_path) == "commit abc1234"
    assert recorded.main(["code", "--profile", "smoke", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "term hw" in said and "before it was fingerprinted" in said
    # Figures carry it.
    monkeypatch.setattr(recorded, "made_by_whom", lambda profile: f"commit of {profile}")
    data = pd.DataFrame({"top1": [1.0], "source": ["small, recorded"]})
    Gallery(tmp_path / "figures", "07_x", "small").table(data, "old", "Numbers.")
    (entry,) = read_index(tmp_path / "figures")
    assert entry["code"] == {"small, recorded": "commit of small"}
    page = report.build(tmp_path / "figures", tmp_path / "runs").read_text()
    assert "small, recorded: made by the code of commit of small" in page


def test_nothing_recorded_is_an_empty_table_and_nothing_to_check(tmp_path):
    assert recorded.load(folder=tmp_path).empty and "top1" in recorded.load(folder=tmp_path)
    with pytest.raises(DataError, match="No recorded runs"):
        recorded.verify(folder=tmp_path)


def test_tables_that_do_not_fit_are_told(live, tmp_path):
    _, folder = live
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    runs = recorded.runs("smoke", tmp_path)
    runs.iloc[1:].to_csv(tmp_path / "smoke_runs.csv", index=False)
    with pytest.raises(DataError, match="export both anew"):
        recorded.load(ASKED, "smoke", tmp_path)
    runs.assign(run=runs.run.str[::-1]).to_csv(tmp_path / "smoke_runs.csv", index=False)
    metrics = pd.read_csv(tmp_path / "smoke_results.csv")
    metrics.assign(run=metrics.run.str[::-1]).to_csv(tmp_path / "smoke_results.csv", index=False)
    with pytest.raises(DataError, match="other settings"):
        recorded.verify(1, "smoke", folder=tmp_path)


def test_retraining_agrees_and_a_false_record_is_found(live, tmp_path, monkeypatch):
    _, folder = live
    done = recorded.verify(1, "smoke", folder=folder, seed=3)
    assert len(done) and (done.difference.abs() < 1e-3).all() and (done.allowed == 0.5).all()
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    metrics = pd.read_csv(tmp_path / "smoke_results.csv")
    metrics["top1"] += 5
    metrics.to_csv(tmp_path / "smoke_results.csv", index=False)
    false = recorded.verify(1, "smoke", folder=tmp_path, seed=3)
    monkeypatch.setattr(recorded, "verify", lambda *a, **k: false)
    # That an encoder is read again, too, is asked where one is trained: test_transfer_runs.py.
    monkeypatch.setattr(kept, "index", lambda: pd.DataFrame())
    monkeypatch.setenv("VJEPA_RUNS", str(tmp_path / "none"))
    with pytest.raises(CompanionError, match="recorded run .* in .* probes"):
        reproduce.verify("smoke", "cpu", None)


def test_tolerance_elsewhere_is_the_scatter_over_seeds():
    table = pd.DataFrame(
        [
            {"benchmark": "order", "probe": "linear", "variant": v, "form": "released",
             "regime": "mixed", "seed": s, "top1": t}
            for v, values in (("a", (50.0, 52.0)), ("b", (70.0, 76.0)))
            for s, t in enumerate(values)
        ]
    )  # fmt: skip
    assert recorded.tolerance(table, True).tolist() == [0.5]
    # Variances 2 and 18, one degree of freedom each.
    assert recorded.tolerance(table, False).tolist() == pytest.approx([3 * (2 * 10) ** 0.5])


def test_the_committed_records_are_of_this_code():
    table = recorded.runs()
    assert len(table) and not table.run.duplicated().any()
    for row in table.itertuples():
        config = study.resolve(row.variant, row.form, row.profile, row.seed, row.regime)
        assert config_hash(config) == row.run, f"{row.variant} {row.form} {row.seed}"
    assert not table.commit.str.contains("changes").any()
    wanted = {config_hash(c) for c in study.runs_for(study.NOTEBOOK_RUNS, recorded.PROFILE)}
    assert set(table.run) == wanted
