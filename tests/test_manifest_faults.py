"""Manifests with something wrong in them: a right value or one sentence that names the row."""

import math
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vjepa_lib import datasets, video
from vjepa_lib.errors import CompanionError, DataError
from vjepa_lib.video import manifests
from vjepa_lib.video.manifest_format import LIMITS
from vjepa_lib.video.manifests import make_manifest, read_manifest, write_manifest

quick = settings(max_examples=50, deadline=None, derandomize=True, database=None)

ROW = {"path": "a.mp4", "label": 0, "split": "train"}


def csv(tmp_path, content, name="m.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"label": 2**63}, "line 3, label: 9223372036854775808 is larger than 99,999"),
        ({"label": 10**8}, "line 3, label: 100000000 is larger than 99,999"),
        ({"label": 10**400}, "line 3, label: inf is larger than 99,999"),
        ({"label": -(2**60)}, "line 3, label: -1152921504606846976 is not a whole number"),
        ({"label": True}, "label: True is not a number"),
        ({"label": math.inf}, "line 3, label: inf is larger"),
        ({"frame_count": 2**63}, "line 3, frame_count: .* is larger than 2,147,483,647"),
        ({"fps": math.inf}, "line 3, fps: inf is larger"),
        ({"fps": -math.inf}, "line 3, fps: -inf is negative"),
        ({"start": 1e300}, r"line 3, start: 1e\+300 is larger"),
        ({"end": math.inf}, "line 3, end: inf is larger"),
        ({"label_name": "x"}, "line 3, label_name: 'x' is label 1 here and label 0 elsewhere"),
        ({"path": b"b.mp4"}, "line 3, path: b'b.mp4' is not text"),
        ({"path": "\udcff.mp4"}, "holds bytes that are no UTF-8"),
    ],
)
def test_cells_that_no_clip_can_have(change, says):
    first = {**ROW, "fps": 8.0, "start": 0.0, "end": 1.0, "frame_count": 8, "label_name": "x"}
    second = {**first, "path": "b.mp4", "label": 1, "label_name": "y", **change}
    with pytest.raises(DataError, match=says) as caught:
        make_manifest([first, second], source="m.csv")
    assert "\n" not in str(caught.value)
    if change.keys() & {"label", "fps", "frame_count"} and True not in change.values():
        path = Path(tempfile.mkdtemp()) / "m.csv"
        pd.DataFrame([first, second]).to_csv(path, index=False)
        with pytest.raises(DataError, match=r"line 3"):
            read_manifest(path)


def test_a_huge_label_takes_no_memory():
    tracemalloc.start()
    with pytest.raises(DataError, match="label 100000000 is outside|is larger"):
        make_manifest([{**ROW, "label": 10**8}])
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()
    assert make_manifest([{**ROW, "label": int(LIMITS["label"])}]).num_classes == 100_000


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("path,label,split,label\na.mp4,0,train,1\n", "has the column 'label' twice"),
        ("path,label,split\na.mp4,0,train,9\n", r"cannot be read as a table|longer"),
        ("path,label,split\na.mp4,0,train\nb.mp4,0,train,9\n", "cannot be read as a table"),
        ("path,label,split\na.mp4,0\n", "line 2, split: the cell is empty"),
        ("path,label,split\n" + "é".encode("latin-1").decode("latin-1") + ",0,train\n", None),
        ("path,label,split\né,0,train\n".encode("latin-1"), "cannot be read as a table"),
        ("path,label,split\na.mp4,0,train\n".encode("utf-16"), "cannot be read as a table"),
        ("path,label,split\na.mp4,true,train\n", "label: True is not a number"),
        ('path,label,split\n"a.mp4,0,train\n', "cannot be read as a table"),
    ],
)
def test_files_that_pandas_would_mend_silently(tmp_path, content, says):
    path = csv(tmp_path, content)
    if says is None:
        assert read_manifest(path).table["path"].tolist() == ["é"]
        return
    with pytest.raises(DataError, match=says) as caught:
        read_manifest(path)
    assert "m.csv" in str(caught.value) and "\n" not in str(caught.value)


def test_two_columns_of_one_name_in_memory():
    table = pd.DataFrame([["a.mp4", 0, "train", 1]], columns=["path", "label", "split", "label"])
    with pytest.raises(DataError, match="has the column 'label' twice"):
        make_manifest(table)


@pytest.mark.parametrize("name", ["x" * 5000, "nul\0.mp4", "/".join("ab" * 3000)])
def test_a_path_that_no_file_can_have_loses_its_own_row_only(tmp_path, name):
    """Skipped with a report, as every file that cannot be read."""
    frames = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    video.write_video(tmp_path / "good.mp4", frames)
    manifest = make_manifest([{**ROW, "path": "good.mp4"}, {**ROW, "path": name}], tmp_path)
    assert manifest.digest()
    clips = video.load_clips(manifest, 4, 32, tmp_path / "cache", progress=False)
    assert len(clips) == 1
    (skipped,) = clips.skipped
    assert skipped.row == 1 and "\n" not in skipped.reason and len(skipped.reason) < 700
    assert "correct the path" in skipped.reason
    report = datasets.health(manifest, progress=False)
    assert report.table["status"].tolist() == ["ok", "missing"]
    assert len(report.usable()) == 1
    path = write_manifest(manifest, tmp_path / "m.csv")
    with pytest.raises(DataError, match=r"line 3, path: .*1 of 2 files"):
        read_manifest(path, check_files=True)


def test_path_label_lists_of_another_kind(tmp_path):
    for content, says in [
        ("é.mp4 0\n".encode("latin-1"), "cannot be read as UTF-8 text"),
        ("a.mp4 0\n".encode("utf-16"), "cannot be read as UTF-8 text"),
        ("a.mp4 0\nb.mp4 ²\n", "line 2: expected `path label`"),
        ("a.mp4 " + "9" * 5000, "line 1: expected `path label`"),
        ("a.mp4 100000000\n", "line 1: label 100000000 is outside -1 to 99,999"),
        ("a.mp4 -2\n", "line 1: label -2 is outside"),
        (" 3\n", "line 1: expected"),
        ("a.mp4 1.9\n", "line 1: expected"),
    ]:
        with pytest.raises(DataError, match=says) as caught:
            manifests.read_path_label(csv(tmp_path, content, "l.txt"), "train")
        assert "l.txt" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("break_", ["\n", "\r", "\r\n"])
def test_a_line_break_in_a_path_is_not_exported_as_two_lines(tmp_path, break_):
    manifest = make_manifest([ROW, {**ROW, "path": f"one{break_}two.mp4"}], tmp_path)
    with pytest.raises(DataError, match=r"row 2 of train: the path .* holds a line break"):
        manifests.write_path_label(manifest, tmp_path / "l.txt", "train")
    assert not (tmp_path / "l.txt").exists()
    back = read_manifest(write_manifest(manifest, tmp_path / "m.csv"))
    assert back.table["path"].tolist() == manifest.table["path"].tolist()


# --- any table ------------------------------------------------------------------------------------

names = st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=8)
paths = names.filter(lambda name: name.strip() and name not in (".", ".."))


@given(
    rows=st.lists(
        st.tuples(paths, st.integers(-1, 5), st.sampled_from(manifests.SPLITS), st.booleans()),
        min_size=1,
        max_size=5,
        unique_by=lambda row: row[0],
    ),
    suffix=st.sampled_from([".csv", ".parquet"]),
)
@quick
def test_good_tables_come_back_as_they_were(rows, suffix):
    table = [
        {"path": path, "label": label, "split": split, "frame_count": 9 if known else None}
        for path, label, split, known in rows
    ]
    with tempfile.TemporaryDirectory() as folder:
        made = make_manifest(table, folder)
        back = read_manifest(write_manifest(made, Path(folder) / f"m{suffix}"))
    for column in ("path", "label", "split", "frame_count"):
        assert back.table[column].tolist() == made.table[column].tolist()
    assert back.label_names == made.label_names


@given(
    rows=st.lists(
        st.tuples(paths, st.integers(-1, 99_999)), min_size=1, max_size=5, unique_by=lambda r: r[0]
    )
)
@quick
def test_path_label_lists_come_back_or_say_why_not(rows):
    with tempfile.TemporaryDirectory() as folder:
        manifest = make_manifest(
            [{"path": path, "label": label, "split": "val"} for path, label in rows], folder
        )
        try:
            path = manifests.write_path_label(manifest, Path(folder) / "l.txt")
        except DataError as error:
            assert any(set("\r\n") & set(path) for path, _ in rows) and "line break" in str(error)
            return
        back = manifests.read_path_label(path, "val")
        assert list(map(str, back.paths)) == list(map(str, manifest.paths))
        assert back.labels.tolist() == manifest.labels.tolist()


cells = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=4),
    st.binary(max_size=2),
    st.lists(st.integers(), max_size=1),
    st.sampled_from([2**63, -(2**63) - 1, 1e308, "1.0", "nan", "\udc80", 1 + 2j, pd.NaT]),
)


@given(
    column=st.sampled_from([*manifests.COLUMNS, "speed"]),
    values=st.lists(cells, min_size=2, max_size=2),
)
@quick
def test_any_cell_is_a_right_value_or_a_sentence(column, values):
    table = [{**ROW, column: values[0]}, {**ROW, "path": "b.mp4", "label": 1, column: values[1]}]
    try:
        manifest = make_manifest(table, source="m.csv")
    except CompanionError as error:
        assert str(error).startswith("m.csv") and "\n" not in str(error)
        return
    assert 0 <= manifest.labels.max() + 1 == manifest.num_classes <= 100_000
    for name in manifest.table.columns.intersection(["start", "end", "fps", "frame_count"]):
        numbers = manifest.table[name].dropna()
        assert numbers.between(0, LIMITS[name]).all()


@given(data=st.data())
@quick
def test_any_bytes_in_a_csv_are_a_right_table_or_a_sentence(data):
    good = b"path,label,split,fps\na.mp4,0,train,8\nb.mp4,1,val,\n"
    low = data.draw(st.integers(0, len(good)))
    high = data.draw(st.integers(low, min(len(good), low + 5)))
    new = data.draw(
        st.binary(max_size=5) | st.sampled_from([b",", b'"', b"\n", b"inf", b"1e9", b"-", b"true"])
    )
    with tempfile.TemporaryDirectory() as folder:
        path = csv(Path(folder), good[:low] + new + good[high:])
        try:
            manifest = read_manifest(path)
        except CompanionError as error:
            assert "m.csv" in str(error) and "\n" not in str(error)
            return
        assert manifest.digest() and len(manifest.paths) == len(manifest)
        assert set(manifest.table["split"]) <= set(manifests.SPLITS)
