"""Builders on small files in the official formats, with real tiny videos; health; command line."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from vjepa_lib import datasets, video
from vjepa_lib.datasets import base, health
from vjepa_lib.datasets.__main__ import main
from vjepa_lib.datasets.imagenet100 import CLASS_LIST, read_class_list
from vjepa_lib.errors import ConfigError, DataError
from vjepa_lib.video.manifests import make_manifest, read_manifest, write_manifest


def clip(path, frames=8, seed=0, fps=8):
    """A real tiny video."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (frames, 4, 4, 3), dtype=np.uint8)
    return video.write_video(path, blocks.repeat(8, 1).repeat(8, 2), fps=fps)


def text(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def rows_of(result):
    table = result.manifest.table
    return list(zip(table["path"], table["label"], table["split"], strict=True))


# --- one test a format --------------------------------------------------------------------------


def ucf101(tmp_path):
    notes = tmp_path / "ucfTrainTestlist"
    text(notes / "classInd.txt", "1 ApplyEyeMakeup\n2 BandMarching\n")
    text(
        notes / "trainlist01.txt",
        "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1\r\n"
        "BandMarching/v_BandMarching_g08_c01.avi 2\r\n",
    )
    text(notes / "testlist01.txt", "BandMarching/v_BandMarching_g01_c02.avi\n")
    text(notes / "trainlist02.txt", "BandMarching/v_BandMarching_g01_c02.avi 2\n")
    text(notes / "testlist02.txt", "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi\n")
    videos = tmp_path / "UCF 101"
    clip(videos / "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi")
    clip(videos / "BandMarching/v_BandMarching_g08_c01.avi")
    clip(videos / "BandMarching/v_BandMarching_g01_c02.avi")
    return notes, videos


def test_ucf101(tmp_path):
    notes, videos = ucf101(tmp_path)
    result = datasets.build("ucf101", notes, videos)
    assert rows_of(result) == [
        ("ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi", 0, "train"),
        ("BandMarching/v_BandMarching_g08_c01.avi", 1, "train"),
        ("BandMarching/v_BandMarching_g01_c02.avi", 1, "test"),
    ]
    assert result.manifest.label_names == ("ApplyEyeMakeup", "BandMarching")
    assert any(
        "train: the annotations list 2 clips, officially 9,537" in w for w in result.warnings
    )
    assert any("2 classes, officially 101" in w for w in result.warnings)
    second = datasets.build("ucf101", notes, videos, split_number=2)
    assert [(label, split) for _, label, split in rows_of(second)] == [(1, "train"), (0, "test")]
    clips = video.load_clips(result.manifest, 8, 32, progress=False)
    assert len(clips) == 3 and not clips.skipped


def test_ucf101_reports_missing_videos(tmp_path):
    notes, videos = ucf101(tmp_path)
    (videos / "BandMarching/v_BandMarching_g08_c01.avi").unlink()
    result = datasets.build("ucf101", notes, videos)
    assert len(result.manifest) == 2
    assert result.missing["name"].tolist() == ["BandMarching/v_BandMarching_g08_c01"]
    assert any("train: 1 of 2 files are missing (1 found)" in w for w in result.warnings)
    counts = result.counts.set_index("split")
    assert counts.loc["train", ["official", "listed", "found", "missing"]].tolist() == [
        9537,
        2,
        1,
        1,
    ]


def test_ucf101_split_sizes_differ_per_official_split(tmp_path):
    notes, videos = ucf101(tmp_path)
    warnings = " ".join(datasets.build("ucf101", notes, videos, split_number=2).warnings)
    assert "officially 9,586" in warnings and "officially 3,734" in warnings


def ssv2(tmp_path, prefix="something-something-v2-"):
    notes = tmp_path / "labels"
    text(
        notes / f"{prefix}labels.json",
        json.dumps(
            {
                "Holding something next to something": "1",
                "Pushing something from left to right": "0",
            }
        ),
    )
    train = [
        {
            "id": "78687",
            "label": "holding potato next to vicks vaporub bottle",
            "template": "Holding [something] next to [something]",
            "placeholders": ["potato", "vicks vaporub bottle"],
        },
        {
            "id": "42326",
            "label": "pushing a cup from left to right",
            "template": "Pushing [something] from left to right",
            "placeholders": ["a cup"],
        },
    ]
    text(notes / f"{prefix}train.json", json.dumps(train))
    text(notes / f"{prefix}validation.json", json.dumps([{**train[1], "id": "5"}]))
    text(notes / f"{prefix}test.json", json.dumps([{"id": "9"}]))
    videos = tmp_path / "20bn-something-something-v2"
    for name in ("78687", "42326", "5", "9"):
        clip(videos / f"{name}.webm", frames=12, seed=int(name), fps=12)
    return notes, videos


@pytest.mark.parametrize("prefix", ["something-something-v2-", ""])
def test_ssv2(tmp_path, prefix):
    notes, videos = ssv2(tmp_path, prefix)
    result = datasets.build("ssv2", notes, videos)
    assert rows_of(result) == [
        ("78687.webm", 1, "train"),
        ("42326.webm", 0, "train"),
        ("5.webm", 0, "val"),
        ("9.webm", -1, "test"),
    ]
    assert result.manifest.label_names[1] == "Holding something next to something"
    assert any("val: the annotations list 1 clips, officially 24,777" in w for w in result.warnings)
    clips = video.load_clips(result.manifest, 12, 32, progress=False)
    assert len(clips) == 4 and not clips.skipped  # webm is read
    text(notes / "test-answers.csv", "9;Holding something next to something\n")
    assert rows_of(datasets.build("ssv2", notes, videos))[-1] == ("9.webm", 1, "test")


def test_ssv2_unknown_template(tmp_path):
    notes, videos = ssv2(tmp_path)
    text(
        notes / "something-something-v2-validation.json",
        json.dumps([{"id": "5", "template": "Eating [something]"}]),
    )
    with pytest.raises(DataError, match=r"validation\.json, entry 1: template 'Eating \[some"):
        datasets.build("ssv2", notes, videos)


def test_diving48(tmp_path):
    notes = tmp_path / "notes"
    record = {"vid_name": "_8Vy3dlHg2w_00000", "label": 1, "start_frame": 0, "end_frame": 132}
    text(notes / "Diving48_V2_train.json", json.dumps([record]))
    text(notes / "Diving48_V2_test.json", json.dumps([{**record, "vid_name": "b", "label": 0}]))
    text(
        notes / "Diving48_vocab.json",
        json.dumps([["Back", "15som", "05Twis", "FREE"], ["Back", "15som", "15Twis", "FREE"]]),
    )
    clip(tmp_path / "rgb/_8Vy3dlHg2w_00000.mp4")
    clip(tmp_path / "rgb/b.mp4", seed=1)
    result = datasets.build("diving48", notes, tmp_path / "rgb")
    assert rows_of(result) == [("_8Vy3dlHg2w_00000.mp4", 1, "train"), ("b.mp4", 0, "test")]
    assert result.manifest.label_names == ("Back 15som 05Twis FREE", "Back 15som 15Twis FREE")
    text(notes / "Diving48_V2_test.json", json.dumps([{**record, "label": 48}]))
    with pytest.raises(DataError, match=r"V2_test\.json, entry 1: label 48 is outside the 2 class"):
        datasets.build("diving48", notes, tmp_path / "rgb")
    text(notes / "Diving48_V2_test.json", "[{")
    with pytest.raises(DataError, match="not valid JSON"):
        datasets.build("diving48", notes, tmp_path / "rgb")


def test_imagenet100(tmp_path):
    images = tmp_path / "ILSVRC"
    for split, identity, name in [
        ("train", "n02869837", "a.JPEG"), ("train", "n01749939", "b.JPEG"),
        ("val", "n02869837", "c.JPEG"), ("train", "n00000000", "outside the list.JPEG"),
    ]:  # fmt: skip
        path = images / split / identity / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((20, 30, 3), 99, np.uint8)).save(path)
    result = datasets.build("imagenet100", None, images)  # the class list of this repository
    labels = {identity: label for label, (identity, _) in enumerate(read_class_list(CLASS_LIST))}
    assert sorted(rows_of(result)) == sorted([
        ("train/n02869837/a.JPEG", labels["n02869837"], "train"),
        ("train/n01749939/b.JPEG", labels["n01749939"], "train"),
        ("val/n02869837/c.JPEG", labels["n02869837"], "val"),
    ])  # fmt: skip
    assert result.manifest.num_classes == 100
    assert "98 classes of the list have no images" in result.notes[0]
    clips = video.load_clips(result.manifest, 4, 16, progress=False)
    assert clips.frames.shape == (3, 4, 16, 16, 3) and clips.short == ()
    own = text(tmp_path / "two.txt", "# mine\nn02869837 bonnet\nn01749939 green mamba\n")
    result = datasets.build("imagenet100", None, images, class_list=own)
    assert result.manifest.label_names == ("green mamba", "bonnet")
    with pytest.raises(DataError, match="line 1: 'bonnet' is not a WordNet id"):
        datasets.build("imagenet100", text(tmp_path / "x.txt", "bonnet\n"), images)


def test_bundled_class_list_has_100_sorted_ids():
    identities = [identity for identity, _ in read_class_list(CLASS_LIST)]
    assert len(identities) == len(set(identities)) == 100
    lines = [line for line in CLASS_LIST.read_text().splitlines() if not line.startswith("#")]
    assert lines == identities


def test_kinetics400(tmp_path):
    notes = tmp_path / "annotations"
    header = "label,youtube_id,time_start,time_end,split,is_cc\n"
    text(
        notes / "train.csv",
        header + "abseiling,-3B32lodo2M,59,69,train,0\n"
        '"air drumming",_dbcJuKJQNs,40,50,train,0\nabseiling,gone,1,11,train,0\n',
    )
    text(notes / "validate.csv", header + "air drumming,0wR5jVB-WPk,417,427,validate,0\n")
    text(notes / "test.csv", "youtube_id,time_start,time_end,split\n--6bJUbfpnQ,17,27,test\n")
    videos = tmp_path / "k400"
    clip(videos / "train/abseiling/-3B32lodo2M_000059_000069.mp4")
    clip(videos / "train/air_drumming/_dbcJuKJQNs_000040_000050.mp4")
    clip(videos / "val/0wR5jVB-WPk_000417_000427.mp4")
    clip(videos / "test/--6bJUbfpnQ_000017_000027.mp4")
    result = datasets.build("kinetics400", notes, videos)
    assert sorted(rows_of(result)) == [
        ("test/--6bJUbfpnQ_000017_000027.mp4", -1, "test"),
        ("train/abseiling/-3B32lodo2M_000059_000069.mp4", 0, "train"),
        ("train/air_drumming/_dbcJuKJQNs_000040_000050.mp4", 1, "train"),
        ("val/0wR5jVB-WPk_000417_000427.mp4", 1, "val"),
    ]
    assert result.missing["name"].tolist() == ["abseiling/gone_000001_000011"]
    text(notes / "train.csv", header + "abseiling,x,now,69,train,0\n")
    with pytest.raises(DataError, match=r"train\.csv, line 2: time_start 'now' is not a number"):
        datasets.build("kinetics400", notes, videos)
    text(notes / "train.csv", "name,id\nx,y\n")
    with pytest.raises(DataError, match=r"train\.csv lacks the column 'youtube_id'"):
        datasets.build("kinetics400", notes, videos)


def hacs(tmp_path):
    path = text(
        tmp_path / "HACS_v1.1/HACS_clips_v1.1.csv",
        "classname,youtube_id,subset,start,end,label\n"
        "Archery,a2X2hz1G6i8,training,0.5,1.0,1\n"
        "Archery,a2X2hz1G6i8,training,2.0,2.5,1\n"
        "Archery,NUdji_CqvcY,training,0.5,1.0,-1\n"
        "Zumba,-9v_video,validation,0.0,0.5,1\n"
        ",tested,testing,0.0,0.5,\n",
    )
    videos = tmp_path / "hacs videos"
    clip(videos / "Archery/v_a2X2hz1G6i8.mp4", frames=24, seed=3)
    clip(videos / "Zumba/v_-9v_video.mp4", frames=16, seed=4)
    clip(videos / "testing/v_tested.mp4", frames=16, seed=5)
    return path.parent, videos


def test_hacs(tmp_path):
    result = datasets.build("hacs", *hacs(tmp_path))
    assert rows_of(result) == [
        ("Archery/v_a2X2hz1G6i8.mp4", 0, "train"),
        ("Archery/v_a2X2hz1G6i8.mp4", 0, "train"),
        ("Zumba/v_-9v_video.mp4", 1, "val"),
        ("testing/v_tested.mp4", -1, "test"),
    ]
    assert result.manifest.table["start"].tolist() == [0.5, 2.0, 0.0, 0.0]
    assert result.counts.set_index("split").loc["train", ["listed", "used"]].tolist() == [3, 2]
    assert result.notes == ("1 negative clips are left out; 4 are used.",)
    clips = video.load_clips(result.manifest, 4, 32, progress=False)
    whole = video.read_frames(result.manifest.paths[0])
    np.testing.assert_array_equal(clips.frames[1].numpy(), whole[16:20])  # second 2.0 at 8 fps


def test_folder_per_class(tmp_path):
    for index, name in enumerate(["train/jump/a b.mp4", "train/run/c.webm", "val/jump/ñ.mp4"]):
        clip(tmp_path / "split" / name, seed=index)
    result = datasets.build("folder", None, tmp_path / "split")
    assert rows_of(result) == [
        ("train/jump/a b.mp4", 0, "train"), ("train/run/c.webm", 1, "train"),
        ("val/jump/ñ.mp4", 0, "val"),
    ]  # fmt: skip
    assert result.warnings == ()
    for index in range(40):
        text(tmp_path / f"flat/{'ab'[index % 2]}/{index}.mp4", "")
    first = datasets.build("folder", None, tmp_path / "flat", val_fraction=0.25)
    again = datasets.build("folder", None, tmp_path / "flat", val_fraction=0.25)
    assert rows_of(first) == rows_of(again)
    held_out = sum(split == "val" for _, _, split in rows_of(first))
    assert 3 <= held_out <= 18
    text(tmp_path / "flat/stray.mp4", "")
    with pytest.raises(DataError, match="stray.mp4 lies in no class folder"):
        datasets.build("folder", None, tmp_path / "flat")


# --- what every builder shares ------------------------------------------------------------------


def test_user_mistakes(tmp_path):
    notes, videos = ucf101(tmp_path)
    with pytest.raises(ConfigError, match="Unknown data set 'ucf102'; known: diving48, folder"):
        datasets.build("ucf102", notes, videos)
    with pytest.raises(ConfigError, match="ucf101 has no option 'fold'; known: split_number"):
        datasets.build("ucf101", notes, videos, fold=1)
    with pytest.raises(ConfigError, match="splits 1, 2 and 3, not 4"):
        datasets.build("ucf101", notes, videos, split_number=4)
    with pytest.raises(DataError, match=r"The folder .*nowhere does not exist; correct --videos"):
        datasets.build("ucf101", notes, tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"no file of type .*correct --videos"):
        datasets.build("ucf101", notes, notes)
    with pytest.raises(DataError, match=r"holds no classInd\.txt; correct --annotations"):
        datasets.build("ucf101", videos, videos)
    with pytest.raises(DataError, match="needs --annotations"):
        datasets.build("ucf101", None, videos)
    clip(tmp_path / "others/x.avi")
    with pytest.raises(DataError, match=r"None of the 3 files that ucf101 lists"):
        datasets.build("ucf101", notes, tmp_path / "others")
    (notes / "classInd.txt").write_text("1 ApplyEyeMakeup\n")
    with pytest.raises(DataError, match=r"trainlist01\.txt, line 2: class 'BandMarching' is not"):
        datasets.build("ucf101", notes, videos)


def test_official_sizes():
    sizes = {name: dict(info.sizes) for name, info in datasets.REGISTRY.items()}
    assert sizes["ucf101"] == {"train": 9537, "test": 3783}
    assert sum(sizes["ssv2"].values()) == 220847
    assert sum(sizes["kinetics400"].values()) == 306245
    # The sample counts of the released probe results.
    assert sizes["diving48"] == {"train": 15027, "test": 1970}
    assert sizes["imagenet100"] == {"train": 126689, "val": 5000}
    assert (sizes["ssv2"]["train"], sizes["ssv2"]["val"]) == (168913, 24777)


def test_full_lists_give_no_warning(tmp_path):
    info = base.DatasetInfo("toy", "Toy", 2, {"train": 2}, "-", lister=None)
    listing = base.Listing(
        [base.Entry(("a",), 0, "train"), base.Entry(("b",), 1, "train")], ["x", "y"]
    )
    clip(tmp_path / "deep/a.mp4")
    clip(tmp_path / "b.mp4")
    index = base.FileIndex(tmp_path, {".mp4"})
    assert base._resolve(info, listing, index).warnings == ()
    (tmp_path / "b.mp4").unlink()
    index = base.FileIndex(tmp_path, {".mp4"})
    assert len(base._resolve(info, listing, index).warnings) == 1


# --- health -------------------------------------------------------------------------------------


@pytest.fixture
def sick(tmp_path):
    """One file of each kind of trouble."""
    clip(tmp_path / "good 1 ö.mp4", seed=1)
    clip(tmp_path / "good 2.mp4", seed=2)
    clip(tmp_path / "short.mp4", frames=3, seed=3)
    content = clip(tmp_path / "cut.mp4", frames=30, seed=4).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) // 2])
    content = clip(tmp_path / "cut.webm", frames=60, seed=5).read_bytes()
    (tmp_path / "cut.webm").write_bytes(content[: len(content) // 2])
    (tmp_path / "copy.mp4").write_bytes((tmp_path / "good 1 ö.mp4").read_bytes())
    names = [
        "good 1 ö.mp4",
        "good 2.mp4",
        "short.mp4",
        "cut.mp4",
        "cut.webm",
        "gone.mp4",
        "copy.mp4",
    ]
    rows = [
        {"path": name, "label": 0, "split": "test" if name == "copy.mp4" else "train"}
        for name in names
    ]
    return make_manifest(rows, tmp_path)


def test_health_finds_every_trouble(sick):
    report = health(sick, min_frames=8, progress=False)
    statuses = dict(zip(sick.table["path"], report.table["status"], strict=True))
    assert statuses == {
        "good 1 ö.mp4": "ok", "good 2.mp4": "ok", "short.mp4": "too short",
        "cut.mp4": "unreadable", "cut.webm": "truncated", "gone.mp4": "missing", "copy.mp4": "ok",
    }  # fmt: skip
    assert not report.ok
    assert report.duplicates["splits"].tolist() == ["test, train"]
    assert "good 1 ö.mp4" in report.duplicates["paths"][0]
    summary = report.summary()
    assert "unreadable" in summary and "same content in test, train" in summary
    good = report.usable()
    assert good.table["path"].tolist() == ["good 1 ö.mp4", "good 2.mp4", "copy.mp4"]
    assert good.table["frame_count"].tolist() == [8, 8, 8]
    assert good.table["checksum"][0] == good.table["checksum"][2]
    healthy = health(good.split("train"), min_frames=8, progress=False)
    assert healthy.ok and healthy.counts["ok"] == 2


def test_health_resumes(sick, tmp_path, monkeypatch):
    state = tmp_path / "state/found.jsonl"
    first = health(sick.select([0, 1, 3]), state=state, progress=False)
    examined = []
    examine = health.__globals__["_examine"]
    monkeypatch.setitem(
        health.__globals__,
        "_examine",
        lambda path, *rest: examined.append(path) or examine(path, *rest),
    )
    with state.open("a") as stream:
        stream.write('{"path": "interru')  # the line a stopped run was writing
    again = health(sick, state=state, workers=1, progress=False)
    assert [path.rsplit("/")[-1] for path in examined] == [
        "short.mp4",
        "cut.webm",
        "gone.mp4",
        "copy.mp4",
    ]
    assert again.table["reason"][3] == first.table["reason"][2]
    examined.clear()
    clip(sick.paths[1], seed=9)  # a changed file is examined again
    health(sick.select([0, 1]), state=state, workers=1, progress=False)
    assert [path.rsplit("/")[-1] for path in examined] == ["good 2.mp4"]


def test_health_depths(sick):
    content = clip(sick.paths[1], frames=120).read_bytes()
    # Inside the coded pictures: headers and the table of frames stay whole.
    middle = content.index(b"mdat") + (len(content) - content.index(b"mdat")) // 2
    sick.paths[1].write_bytes(content[:middle] + b"\xff" * 200 + content[middle + 200 :])
    only = sick.select([1])
    assert health(only, depth="header", progress=False).ok
    assert health(only, depth="full", progress=False).counts["unreadable"] == 1
    with pytest.raises(ConfigError, match="known: header, full"):
        health(only, depth="deep", progress=False)


def test_picture_that_decoders_conceal_is_reported(tmp_path):
    blocks = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    path = video.write_video(tmp_path / "v.avi", blocks.repeat(16, 1).repeat(16, 2))
    assert video.check_video(path).frames == 40
    content = path.read_bytes()
    middle = len(content) // 2
    noise = np.random.default_rng(1).bytes(60)
    path.write_bytes(content[:middle] + noise + content[middle + 60 :])
    assert len(video.read_frames(path)) == 40  # the damage is painted over
    with pytest.raises(DataError, match=r"v\.avi is damaged in frame \d+ of 40"):
        video.check_video(path)


def test_cut_file_is_noticed_by_its_frame_count(tmp_path):
    content = clip(tmp_path / "v.webm", frames=60).read_bytes()
    rows = [{"path": "v.webm", "label": 0, "split": "train"}]
    rows.append({"path": clip(tmp_path / "w.webm", frames=60), "label": 0, "split": "train"})
    good = health(make_manifest(rows, tmp_path), progress=False).usable()
    (tmp_path / "v.webm").write_bytes(content[: len(content) // 2])
    clips = video.load_clips(good, 8, 32, progress=False)
    assert len(clips) == 1
    assert "of the 60 frames that its manifest gives" in clips.skipped[0].reason


# --- command line -------------------------------------------------------------------------------


def test_command_line(tmp_path, capsys):
    notes, videos = ucf101(tmp_path)
    (videos / "BandMarching/v_BandMarching_g08_c01.avi").unlink()
    out = tmp_path / "made" / "ucf.csv"
    arguments = ["build", "ucf101", "--annotations", str(notes), "--videos", str(videos)]
    assert main([*arguments, "--out", str(out)]) == 0
    captured = capsys.readouterr()
    assert "2 clips written" in captured.out and "officially 9,537" in captured.err
    manifest = read_manifest(out, check_files=True)
    assert len(manifest) == 2
    with (out.parent / "ucf.missing.csv").open() as stream:
        assert [row["split"] for row in csv.DictReader(stream)] == ["train"]

    report = tmp_path / "report.csv"
    # The three tiny videos are alike, so one content is in two splits: unhealthy.
    assert main(["health", str(out), "--quiet", "--report", str(report)]) == 1
    assert "same content" in capsys.readouterr().out
    clip(videos / "BandMarching/v_BandMarching_g01_c02.avi", seed=8)
    assert main(["health", str(out), "--quiet", "--usable", str(tmp_path / "good.parquet")]) == 0
    assert read_manifest(tmp_path / "good.parquet").table["frame_count"].tolist() == [8, 8]

    listed = tmp_path / "train.txt"
    assert main(["convert", str(out), str(listed), "--split", "train"]) == 0
    assert listed.read_text().endswith("v_ApplyEyeMakeup_g08_c01.avi 0\n")
    assert main(["convert", str(listed), str(tmp_path / "b.parquet"), "--split", "val"]) == 0
    assert read_manifest(tmp_path / "b.parquet").table["split"].tolist() == ["val"]

    assert main(["health", str(tmp_path / "none.csv")]) == 2
    assert capsys.readouterr().err.startswith("error: The manifest")
    assert main(["list"]) == 0
    listing = capsys.readouterr().out
    assert all(name in listing for name in datasets.REGISTRY)


def test_module_runs():
    run = subprocess.run(
        [sys.executable, "-m", "vjepa_lib.datasets", "build", "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0 and "imagenet100" in run.stdout


def test_manifest_of_a_build_round_trips(tmp_path):
    result = datasets.build("hacs", *hacs(tmp_path))
    path = write_manifest(result.manifest, tmp_path / "hacs.parquet")
    assert read_manifest(path, check_files=True).table["end"].tolist() == [1.0, 2.5, 0.5, 0.5]
