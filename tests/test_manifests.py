"""The manifest format: what it takes, what it refuses and in which words."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vjepa_lib.errors import ConfigError, DataError
from vjepa_lib.video import manifests
from vjepa_lib.video.manifests import make_manifest, read_manifest, write_manifest

REPOSITORY = Path(__file__).parents[1]


def rows(**changes):
    """Three good rows; `column=(row, value)` changes one cell."""
    table = [
        {
            "path": f"video {index} ü.mp4",
            "label": index % 2,
            "split": "train" if index else "test",
            "label_name": ["jump", "NA"][index % 2],
            "start": 0.5 * index,
            "end": 0.5 * index + 2,
            "frame_count": 30,
            "fps": 29.97,
            "checksum": f"{index:064x}",
            "camera": ["still", "None"][index % 2],
            "speed": index * 0.25,
        }
        for index in range(3)
    ]
    for column, (row, value) in changes.items():
        table[row][column] = value
    return table


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_round_trip(tmp_path, suffix):
    folder = tmp_path / "videos é"
    folder.mkdir()
    made = make_manifest(rows(), folder)
    path = write_manifest(made, tmp_path / f"deep er/m{suffix}")
    back = read_manifest(path)
    assert back.label_names == ("jump", "NA")  # text such as NA is not a missing value
    assert back.factors == ["camera", "speed"]
    assert [file.resolve() for file in back.paths] == [file.resolve() for file in made.paths]
    for column in made.table.columns.drop("path"):
        pd.testing.assert_series_equal(back.table[column], made.table[column], check_dtype=False)
    assert back.table["label"].dtype == np.int64
    assert back.table["frame_count"].dtype == "Int64"
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]  # no temporary file


def test_minimal_manifest_and_defaults(tmp_path):
    (tmp_path / "m.csv").write_text("path,label,split\na.mp4,2,val\nb.mp4,-1,test\n")
    manifest = read_manifest(tmp_path / "m.csv")
    assert manifest.paths == [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    assert manifest.labels.tolist() == [2, -1]
    assert manifest.label_names == ("0", "1", "2")
    assert read_manifest(tmp_path / "m.csv", root="/data").paths[0] == Path("/data/a.mp4")


def test_paths_stay_valid_wherever_the_manifest_lies(tmp_path):
    inside = make_manifest([{"path": "a b.mp4", "label": 0, "split": "train"}], tmp_path / "v")
    write_manifest(inside, tmp_path / "near.csv")
    write_manifest(inside, tmp_path / "other/far.csv")
    assert (tmp_path / "near.csv").read_text().splitlines()[1].startswith("v/a b.mp4,0")
    assert read_manifest(tmp_path / "near.csv").paths == [tmp_path / "v/a b.mp4"]
    assert read_manifest(tmp_path / "other/far.csv").paths == [tmp_path / "v/a b.mp4"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": (1, "walk")}, r"line 3, label: 'walk' is not a number"),
        ({"label": (1, 1.5)}, r"line 3, label: 1.5 is not a whole number"),
        ({"label": (2, -2)}, r"line 4, label: -2 is not a whole number of at least -1"),
        ({"label": (0, None)}, r"line 2, label: the cell is empty; write -1"),
        ({"split": (2, "training")}, r"line 4, split: unknown split 'training'; known: train, val"),
        ({"path": (1, "")}, r"line 3, path: the cell is empty"),
        ({"path": (1, None)}, r"line 3, path: the cell is empty"),
        ({"end": (2, 0.1)}, r"line 4, end: the clip ends before it starts"),
        ({"start": (1, -3)}, r"line 3, start: -3.0 is negative"),
        ({"fps": (1, "fast")}, r"line 3, fps: 'fast' is not a number"),
        ({"frame_count": (1, 2.5)}, r"line 3, frame_count: 2.5 is not a whole number"),
        ({"checksum": (0, "abc")}, r"line 2, checksum: not a SHA-256"),
        ({"label_name": (2, "hop")}, r"line 4, label_name: label 0 is called 'hop' here and 'jump"),
    ],
)
def test_every_mistake_names_line_and_column(tmp_path, changes, message):
    with pytest.raises(DataError, match=message) as info:
        make_manifest(rows(**changes), source="m.csv")
    assert str(info.value).startswith("m.csv") and "\n" not in str(info.value)


def test_duplicate_rows(tmp_path):
    table = rows()
    table[2] = table[1] | {"label": 0, "label_name": "jump"}
    with pytest.raises(DataError, match=r"line 4, path: .* already stands in line 3"):
        make_manifest(table)
    table[2]["start"] = 0.75  # another stretch of the same file is another clip
    assert len(make_manifest(table)) == 3


def test_class_list_bounds_the_labels():
    table = [{"path": "a.mp4", "label": 3, "split": "train"}]
    with pytest.raises(DataError, match=r"label 3 has no class; the class list has 3 \(0 to 2\)"):
        make_manifest(table, classes=["x", "y", "z"])
    assert make_manifest(table, classes=list("wxyz")).num_classes == 4


def test_whole_file_mistakes(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_manifest(tmp_path / "none.csv")
    (tmp_path / "m.csv").write_text("path,label\na.mp4,0\n")
    with pytest.raises(DataError, match=r"m\.csv lacks the column 'split'.*this one has path, lab"):
        read_manifest(tmp_path / "m.csv")
    (tmp_path / "m.csv").write_text("path,label,split\n")
    with pytest.raises(DataError, match="has no rows"):
        read_manifest(tmp_path / "m.csv")
    (tmp_path / "m.csv").write_text("")
    with pytest.raises(DataError, match="cannot be read as a table"):
        read_manifest(tmp_path / "m.csv")
    (tmp_path / "m.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="cannot be read as a table"):
        read_manifest(tmp_path / "m.parquet")
    (tmp_path / "m.xlsx").write_text("x")
    with pytest.raises(DataError, match=r"\.csv or \.parquet"):
        read_manifest(tmp_path / "m.xlsx")
    with pytest.raises(DataError, match=r"\.csv or \.parquet"):
        write_manifest(make_manifest(rows()), tmp_path / "m.json")


def test_missing_files_are_found_on_request(tmp_path):
    manifest = make_manifest(rows(), tmp_path)
    path = write_manifest(manifest, tmp_path / "m.csv")
    manifest.paths[0].write_bytes(b"")
    with pytest.raises(DataError, match=r"line 3, path: .*video 1 ü.mp4 does not .*\(2 of 3 files"):
        read_manifest(path, check_files=True)
    for file in manifest.paths:
        file.write_bytes(b"")
    assert len(read_manifest(path, check_files=True)) == 3


def test_split_and_select():
    manifest = make_manifest(rows())
    assert manifest.split("train").table["path"].tolist() == ["video 1 ü.mp4", "video 2 ü.mp4"]
    assert manifest.select([2, 0]).labels.tolist() == [0, 0]
    assert manifest.split("test").label_names == manifest.label_names  # classes stay the same
    with pytest.raises(DataError, match="no rows in split 'val', only in test, train"):
        manifest.split("val")
    with pytest.raises(ConfigError, match="known: train, val, test"):
        manifest.split("validation")


def test_digest_follows_rows_and_files(tmp_path):
    table = [{"path": f"{name}.mp4", "label": 0, "split": "train"} for name in "ab"]
    for name in "ab":
        (tmp_path / f"{name}.mp4").write_bytes(name.encode())
    first = make_manifest(table, tmp_path).digest()
    assert make_manifest(table, tmp_path).digest() == first
    assert make_manifest(table[::-1], tmp_path).digest() != first
    (tmp_path / "a.mp4").write_bytes(b"longer")
    changed = make_manifest(table, tmp_path).digest()
    assert changed != first
    table[0]["checksum"] = manifests.checksum(tmp_path / "a.mp4")
    assert make_manifest(table, tmp_path).digest() not in (first, changed)


def test_checksum_is_sha256(tmp_path):
    (tmp_path / "f").write_bytes(b"clip")
    assert manifests.checksum(tmp_path / "f") == hashlib.sha256(b"clip").hexdigest()


def test_path_label_lists(tmp_path):
    (tmp_path / "list.txt").write_text("/data/my clips/ä 1.mp4 3\n\nrel.mp4 0\n", encoding="utf-8")
    manifest = manifests.read_path_label(tmp_path / "list.txt", "train")
    assert manifest.paths == [Path("/data/my clips/ä 1.mp4"), tmp_path / "rel.mp4"]
    assert manifest.labels.tolist() == [3, 0]
    out = manifests.write_path_label(manifest, tmp_path / "out.txt", "train")
    expected = f"/data/my clips/ä 1.mp4 3\n{tmp_path / 'rel.mp4'} 0\n"
    assert out.read_text(encoding="utf-8") == expected
    (tmp_path / "bad.txt").write_text("a.mp4 1\nb.mp4\n")
    with pytest.raises(DataError, match=r"bad\.txt, line 2: expected `path label`"):
        manifests.read_path_label(tmp_path / "bad.txt", "train")
    with pytest.raises(DataError, match="does not exist"):
        manifests.read_path_label(tmp_path / "none.txt", "train")


def test_concat(tmp_path):
    one = make_manifest(rows()[:1], tmp_path / "a", classes=["jump", "NA"])
    two = make_manifest(rows()[1:2], tmp_path / "b", classes=["jump", "NA", "third"])
    both = manifests.concat([one, two])
    assert both.label_names == ("jump", "NA", "third")
    assert both.paths == [tmp_path / "a/video 0 ü.mp4", tmp_path / "b/video 1 ü.mp4"]
    other = make_manifest(
        [{"path": "x.mp4", "label": 0, "split": "train"}], tmp_path, classes=["else"]
    )
    with pytest.raises(DataError, match="names its classes unlike the others"):
        manifests.concat([one, other])


def test_stored_schema_is_the_code_s():
    stored = json.loads((REPOSITORY / "data_manifests/schema.json").read_text(encoding="utf-8"))
    assert stored == manifests.schema()
    required = [item["name"] for item in stored["fields"] if item["constraints"]["required"]]
    assert required == ["path", "label", "split"]
