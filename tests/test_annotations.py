"""Annotation files with something wrong: a right value or one sentence, never anything else."""

import json
import tempfile
from pathlib import Path

import official_files
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from official_files import SETS, text

from vjepa_lib import datasets
from vjepa_lib.datasets import annotations
from vjepa_lib.datasets.__main__ import main
from vjepa_lib.errors import CompanionError, DataError
from vjepa_lib.video.manifests import SPLITS, read_manifest, write_manifest

quick = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def table(result):
    return result.manifest.table


def built(name, tmp_path, change=None):
    data_set, notes, videos = official_files.make(name, tmp_path)
    if change is not None:
        change(notes)
    return datasets.build(data_set, notes, videos)


def replace(pattern, old, new):
    def change(notes):
        folder = notes if notes.is_dir() else notes.parent
        path = next(folder.rglob(pattern))
        content = path.read_text(encoding="utf-8")
        assert old in content
        path.write_text(content.replace(old, new), encoding="utf-8")

    return change


def content(pattern, data):
    def change(notes):
        folder = notes if notes.is_dir() else notes.parent
        next(folder.rglob(pattern)).write_bytes(data if isinstance(data, bytes) else data.encode())

    return change


@pytest.mark.parametrize("name", SETS)
def test_the_untouched_files_are_read(name, tmp_path):
    result = built(name, tmp_path)
    assert len(result.manifest) >= 2 and result.missing.empty


# --- HACS -----------------------------------------------------------------------------------------


def test_hacs_labels_that_pandas_wrote_again_mean_the_same(tmp_path):
    """A column with an empty cell comes back as 1.0 and -1.0; -1.0 is still a negative clip."""
    data_set, notes, videos = official_files.make("hacs", tmp_path)
    want = datasets.build(data_set, notes, videos)
    path = next(notes.rglob("*.csv"))
    pd.read_csv(path).to_csv(path, index=False)
    assert "-1.0" in path.read_text() and ",1.0" in path.read_text()
    again = datasets.build(data_set, notes, videos)
    pd.testing.assert_frame_equal(table(again), table(want))
    assert again.notes == want.notes == ("1 negative clips are left out; 3 are used.",)
    assert "Archery/v_NUd.mp4" not in set(table(again)["path"])


@given(cell=st.one_of(st.text(max_size=5), st.floats().map(str), st.integers(-3, 3).map(str)))
@quick
def test_hacs_label_is_positive_negative_or_a_mistake(cell):
    try:
        number = float(cell)
    except ValueError:
        number = None
    if number in (1, -1):
        assert datasets.hacs._sign(cell, "train", "x") == number
    else:
        with pytest.raises(DataError, match="neither 1 nor -1"):
            datasets.hacs._sign(cell, "train", "x")


@pytest.mark.parametrize(
    "old, new, says",
    [
        ("2.5,-1", "2.5,0", "line 3: label '0' is neither 1 nor -1"),
        ("2.5,-1", "2.5,", "line 3: label '' is neither"),
        ("2.5,-1", "2.5,nan", "line 3: label 'nan' is neither"),
        ("2.5,-1", "2.5,-1,7", "line 3: 7 cells where the header names 6"),
        ("2.5,-1", "inf,-1", "line 3: end 'inf' is no time in a video"),
        ("0.5,2.5,-1", "2.5,0.5,-1", "line 3: the clip ends at 0.5 s, before it starts"),
        ("Archery,NUd", ",NUd", "line 3: the clip has a label but no classname"),
        ("NUd", " ", "line 3: youtube_id ' ' is not text"),
        ("training,0.5", "train,0.5", "line 2: unknown subset 'train'; known: training"),
        ("end,label", "end,x", "lacks the column 'label'"),
        ("end,label", "end,label,label", "has twice the column 'label'"),
    ],
)
def test_hacs_mistakes(tmp_path, old, new, says):
    with pytest.raises(DataError, match=says):
        built("hacs", tmp_path, replace("*.csv", old, new))


def test_hacs_names_of_both_releases(tmp_path):
    data_set, notes, videos = official_files.make("hacs", tmp_path)
    new = notes / "HACS_v1.1.1/HACS_clips_v1.1.1.csv"
    assert len(datasets.build(data_set, new, videos).manifest) == 3
    new.rename(new.with_name("HACS_clips_v1.1.csv"))
    result = datasets.build(data_set, notes, videos)
    # HACS's own downloader writes blanks of class names as underscores.
    assert "Layup_drill_in_basketball/v_-9v.mp4" in set(table(result)["path"])


def test_hacs_segments(tmp_path):
    result = built("hacs_segments", tmp_path)
    rows = table(result)[["path", "label", "split", "start", "end"]].to_numpy().tolist()
    assert rows == [
        ["Archery/v_a2X.mp4", 0, "train", 0.5, 12.25],
        ["Archery/v_a2X.mp4", 0, "train", 20, 30],
        ["Archery/v_-9v.mp4", 0, "val", 1, 2],
        ["v_tested.mp4", -1, "test", 0, 92.1],
    ]
    assert not any("officially 1,509" in warning for warning in result.warnings)
    # Beside the clips, segments are had by the name of their file.
    official_files.make("hacs", tmp_path)
    both = tmp_path / "annotations"
    assert datasets.build("hacs", both, tmp_path / "videos").notes[0].startswith("1 negative")
    one = next(both.rglob("*.json"))
    assert len(datasets.build("hacs", one, tmp_path / "videos").manifest) == 4


# --- class numbers --------------------------------------------------------------------------------


def test_official_numbers_of_the_classes_one_has(tmp_path):
    """`classInd.txt` cut down to two classes keeps their numbers; labels close the gap."""

    def fewer(notes):
        text(notes / "classInd.txt", "101 BandMarching\n7 ApplyEyeMakeup\n")

    result = built("ucf101", tmp_path, fewer)
    assert result.manifest.label_names == ("ApplyEyeMakeup", "BandMarching")
    assert table(result)["label"].tolist() == [0, 1, 1]
    assert "labels count them from 0 to 1" in result.notes[0]
    result = built("ssv2", tmp_path, replace("*labels.json", '"1"', '"173"'))
    assert result.manifest.label_names == ("Pushing something", "Holding something")
    assert table(result)["label"].tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize(
    "name, pattern, old, new, says",
    [
        ("ucf101", "classInd.txt", "2 Band", "1 Band", "both have number 1"),
        ("ucf101", "classInd.txt", "2 Band", "0 Band", "has number 0; the first 1"),
        ("ucf101", "classInd.txt", "2 Band", "1.9 Band", "line 2: expected `number ClassName`"),
        ("ucf101", "classInd.txt", "2 Band", "² Band", "line 2: expected `number ClassName`"),
        ("ucf101", "classInd.txt", "2 Band", "9" * 5000 + " Band", "is not a whole number"),
        ("ucf101", "classInd.txt", "BandMarching", "ApplyEyeMakeup", "line 2: class .* twice"),
        ("ssv2", "*labels.json", '"1"', '"0"', "both have number 0"),
        ("ssv2", "*labels.json", '"1"', "1.9", "1.9 is not a whole number"),
        ("ssv2", "*labels.json", '"1"', "true", "True is not a whole number"),
        ("ssv2", "*labels.json", "Pushing", "Holding", "is there twice in one object"),
        (
            "ssv2",
            "*labels.json",
            "Pushing something",
            "Holding [something]",
            "is there twice in the",
        ),
        ("diving48", "*train.json", '"label": 1', '"label": 1.9', "entry 1: label 1.9 is not"),
        ("diving48", "*train.json", '"label": 1', '"label": true', "entry 1: label True is not"),
        ("diving48", "*train.json", '"label": 1', '"label": "one"', "entry 1: label 'one' is not"),
        ("diving48", "*vocab.json", "05Twis", "15Twis", "entry 2: .* is there twice"),
        ("diving48", "*vocab.json", '"Back"', "7", "entry 1: part of a name 7 is not text"),
    ],
)
def test_class_numbers_that_mean_nothing(tmp_path, name, pattern, old, new, says):
    with pytest.raises(DataError, match=says):
        built(name, tmp_path, replace(pattern, old, new))


def test_whole_numbers_as_tables_write_them():
    for value in (3, 3.0, "3", "3.0", " 3 ", "3."):
        assert annotations.as_whole(value, "x", "label") == 3
    for value in (3.5, "3.5", True, None, "1e3", "", "nan", float("inf"), [3], "9" * 400):
        with pytest.raises(DataError, match="is not a whole number"):
            annotations.as_whole(value, "x", "label")


# --- files of another kind ------------------------------------------------------------------------


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize(
    "data, says",
    [
        ("é".encode("latin-1") * 9, "is not UTF-8 text"),
        ("label,youtube_id\n".encode("utf-16"), "is not UTF-8 text"),
        (b"a\0b", "holds NUL characters"),
        (b"[" * 100_000, None),
        (b"{}", None),
        (b"null", None),
        (b"[null]", None),
        (b"[[[]]]", None),
        (b'{"database": []}', None),
        (b"7", None),
        (b"", None),
        (b'"' + b"x" * 200_000, None),
    ],
)
def test_files_of_another_kind_are_one_sentence(tmp_path, name, data, says):
    data_set, notes, videos = official_files.make(name, tmp_path)
    folder = notes if notes.is_dir() else notes.parent
    for path in [p for p in folder.rglob("*") if p.is_file()]:
        before = path.read_bytes()
        path.write_bytes(data)
        if says is not None:
            with pytest.raises(DataError, match=says) as caught:
                datasets.build(data_set, notes, videos)
            assert path.name in str(caught.value)
        check(data_set, notes, videos)
        path.write_bytes(before)


def test_deep_nesting_and_another_shape_are_named(tmp_path):
    for data, says in (("[" * 100_000, "nested too deeply"), ("{}", "holds an object where a li")):
        with pytest.raises(DataError, match=says):
            built("diving48", tmp_path, content("*train.json", data))
    with pytest.raises(DataError, match=r"train\.json, entry 1: nothing where an object"):
        built("diving48", tmp_path, content("*train.json", "[null]"))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["training", "Archery", "1", 1e400, -1, 2**70, "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "label", "template", "segment"]), inner)
    ),
    max_leaves=6,
)


def places(value, at=()):
    """Every place in a JSON value."""
    yield at
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*at, key))


def put(value, at, new):
    if not at:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[at[0]] = put(copy[at[0]], at[1:], new)
    return copy


def check(data_set, notes, videos):
    """Build; out comes a manifest of these files that can be written and read, or a sentence."""
    try:
        result = datasets.build(data_set, notes, videos)
    except CompanionError as error:
        assert str(error) and "\n" not in str(error) and len(str(error)) < 600
        return None
    rows = table(result)
    assert all((videos / path).is_file() for path in rows["path"])
    assert rows["label"].between(-1, result.manifest.num_classes - 1).all()
    assert set(rows["split"]) <= set(SPLITS)
    known = dict(enumerate(result.manifest.label_names))
    assert all(known.get(label) == name for label, name in zip(
        rows["label"], rows["label_name"], strict=True
    ) if label >= 0)  # fmt: skip
    path = write_manifest(result.manifest, videos.parent / "made.csv")
    assert len(read_manifest(path)) == len(rows)
    return result


@pytest.mark.parametrize("name", ["ssv2", "diving48", "hacs_segments"])
@given(data=st.data())
@quick
def test_any_value_anywhere_in_json(name, data):
    with tempfile.TemporaryDirectory() as folder:
        data_set, notes, videos = official_files.make(name, Path(folder))
        path = data.draw(st.sampled_from(sorted(notes.rglob("*.json"))))
        value = json.loads(path.read_text())
        at = data.draw(st.sampled_from(sorted(places(value), key=str)))
        path.write_text(json.dumps(put(value, at, data.draw(json_values))))
        check(data_set, notes, videos)


@pytest.mark.parametrize("name", ["ucf101", "imagenet100", "kinetics400", "hacs"])
@given(data=st.data())
@quick
def test_any_text_anywhere_in_lists(name, data):
    with tempfile.TemporaryDirectory() as folder:
        data_set, notes, videos = official_files.make(name, Path(folder))
        lists = [notes] if notes.is_file() else sorted(p for p in notes.rglob("*") if p.is_file())
        path = data.draw(st.sampled_from(lists))
        before = path.read_bytes()
        low = data.draw(st.integers(0, len(before)))
        high = data.draw(st.integers(low, min(len(before), low + 6)))
        new = data.draw(
            st.binary(max_size=6)
            | st.sampled_from([b",", b"\n", b'"', b"inf", b"nan", b"-1", b"1e9", b"1.9", b" "])
        )
        path.write_bytes(before[:low] + new + before[high:])
        check(data_set, notes, videos)


# --- files beside each other ----------------------------------------------------------------------


def test_folder_says_what_it_leaves_out(tmp_path):
    for name in ("a/x.mp4", "a/x.webm", "a/x.jpg", "a/y.flv", "b/z.mp4", "b/notes.txt", "b/.hid"):
        text(tmp_path / name, "")
    result = datasets.build("folder", None, tmp_path)
    assert table(result)["path"].tolist() == ["a/x.mp4", "b/z.mp4"]  # the video, not its picture
    said = " ".join(result.notes)
    assert "2 files below" in said and ".flv (1)" in said and ".txt (1)" in said
    assert "2 files are left out" in said and "a/x.webm (a/x.mp4 is used)" in said
    (tmp_path / "b" / "new\nline.mp4").touch()
    (tmp_path / "b" / "\udcff.mp4").touch()
    result = datasets.build("folder", None, tmp_path)
    assert len(result.manifest) == 2 and "control characters (2)" in " ".join(result.notes)


def test_a_clip_listed_twice(tmp_path):
    again = replace("trainlist01.txt", "BandMarching/v_b.avi 2", "ApplyEyeMakeup/v_a.avi 1")
    result = built("ucf101", tmp_path / "same", again)
    assert len(result.manifest) == 2
    assert "1 clips are listed twice and used once" in result.warnings[0]
    result = built("ucf101", tmp_path / "other", replace("test*", "v_c.avi", "v_b.avi"))
    assert table(result)["path"].tolist() == ["ApplyEyeMakeup/v_a.avi"]
    assert "in two splits and are left out, the first BandMarching/v_b" in result.warnings[0]
    assert "label 1 in train, label 1 in test" in result.warnings[0]


def test_names_that_imagenet_uses_twice_take_their_id(tmp_path):
    own = text(tmp_path / "two.txt", "n02012849 crane\nn03126707 crane\n")
    names = [name for _, name in datasets.imagenet100.read_class_list(own)]
    assert names == ["crane (n02012849)", "crane (n03126707)"]


def test_test_answers(tmp_path):
    def wrong(notes):
        text(notes / "test-answers.csv", "9;Holding something\n9;Pushing something\n")

    with pytest.raises(DataError, match=r"test-answers\.csv, line 2: clip '9' has two answers"):
        built("ssv2", tmp_path, wrong)
    result = built("ssv2", tmp_path, content("test-answers.csv", "9;Eating something\n"))
    assert table(result)["label"].tolist()[-1] == -1
    assert "1 lines of test-answers.csv name no class" in result.notes[0]


def test_a_manifest_that_cannot_be_written_is_one_sentence(tmp_path, capsys):
    data_set, notes, videos = official_files.make("hacs", tmp_path)
    (tmp_path / "file").touch()
    arguments = ["build", data_set, "--annotations", str(notes), "--videos", str(videos)]
    assert main([*arguments, "--out", str(tmp_path / "file" / "m.csv")]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert error[-1].startswith("error: ") and "cannot be read or written" in error[-1]
