"""Small annotation sets in the official formats, with empty files for videos, to test faults."""

import json


def text(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def _ucf101(notes):
    text(notes / "classInd.txt", "1 ApplyEyeMakeup\n2 BandMarching\n")
    text(notes / "trainlist01.txt", "ApplyEyeMakeup/v_a.avi 1\r\nBandMarching/v_b.avi 2\r\n")
    text(notes / "testlist01.txt", "BandMarching/v_c.avi\n")
    return ["ApplyEyeMakeup/v_a.avi", "BandMarching/v_b.avi", "BandMarching/v_c.avi"]


def _ssv2(notes):
    labels = {"Holding something": "1", "Pushing something": "0"}
    train = [
        {"id": "78", "label": "holding a cup", "template": "Holding [something]"},
        {"id": "42", "label": "pushing a cup", "template": "Pushing [something]"},
    ]
    start = notes / "something-something-v2-"
    text(notes / f"{start.name}labels.json", json.dumps(labels))
    text(notes / f"{start.name}train.json", json.dumps(train))
    text(notes / f"{start.name}validation.json", json.dumps([{**train[1], "id": "5"}]))
    text(notes / f"{start.name}test.json", json.dumps([{"id": "9"}]))
    text(notes / "test-answers.csv", "9;Holding something\n")
    return ["78.webm", "42.webm", "5.webm", "9.webm"]


def _diving48(notes):
    record = {"vid_name": "one", "label": 1, "start_frame": 0, "end_frame": 132}
    text(notes / "Diving48_V2_train.json", json.dumps([record]))
    text(notes / "Diving48_V2_test.json", json.dumps([{**record, "vid_name": "two", "label": 0}]))
    names = [["Back", "15som", "05Twis", "FREE"], ["Back", "15som", "15Twis", "FREE"]]
    text(notes / "Diving48_vocab.json", json.dumps(names))
    return ["one.mp4", "two.mp4"]


def _imagenet100(notes):
    text(notes / "classes.txt", "# mine\nn02869837 bonnet\nn01749939 green mamba\n")
    return ["train/n02869837/a.JPEG", "train/n01749939/b.JPEG", "val/n02869837/c.JPEG"]


def _kinetics400(notes):
    header = "label,youtube_id,time_start,time_end,split,is_cc\n"
    rows = 'abseiling,-3B,59,69,train,0\n"air drumming",_db,40,50,train,0\n'
    text(notes / "train.csv", header + rows)
    text(notes / "validate.csv", header + "air drumming,0wR,417,427,validate,0\n")
    text(notes / "test.csv", "youtube_id,time_start,time_end,split\n--6,17,27,test\n")
    return [
        "abseiling/-3B_000059_000069.mp4",
        "air_drumming/_db_000040_000050.mp4",
        "0wR_000417_000427.mp4",
        "--6_000017_000027.mp4",
    ]


def _hacs(notes):
    text(
        notes / "HACS_v1.1.1/HACS_clips_v1.1.1.csv",
        "classname,youtube_id,subset,start,end,label\n"
        "Archery,a2X,training,0.5,2.5,1\n"
        "Archery,NUd,training,0.5,2.5,-1\n"
        "Layup drill in basketball,-9v,validation,0.0,2.0,1\n"
        ",tested,testing,0.0,2.0,\n",
    )
    return [
        "Archery/v_a2X.mp4",
        "Archery/v_NUd.mp4",
        "Layup_drill_in_basketball/v_-9v.mp4",
        "testing/v_tested.mp4",
    ]


def _hacs_segments(notes):
    def video(subset, *segments):
        found = [{"label": "Archery", "segment": list(segment)} for segment in segments]
        return {"subset": subset, "duration": "92.1", "annotations": found, "url": "https://..."}

    videos = {
        "a2X": video("training", (0.5, 12.25), (20, 30)),
        "-9v": video("validation", (1.0, 2.0)),
        "tested": video("testing"),
    }
    text(
        notes / "HACS_v1.1.1/HACS_segments_v1.1.1.json",
        json.dumps({"database": videos, "version": "1.1.1"}),
    )
    return ["Archery/v_a2X.mp4", "Archery/v_-9v.mp4", "v_tested.mp4"]


#: Name of the set -> (name of the data set, what writes it).
SETS = {
    "ucf101": ("ucf101", _ucf101),
    "ssv2": ("ssv2", _ssv2),
    "diving48": ("diving48", _diving48),
    "imagenet100": ("imagenet100", _imagenet100),
    "kinetics400": ("kinetics400", _kinetics400),
    "hacs": ("hacs", _hacs),
    "hacs_segments": ("hacs", _hacs_segments),
}


def make(name, folder):
    """(data set, annotations, videos) of one of `SETS`, written below a folder."""
    data_set, write = SETS[name]
    notes, videos = folder / "annotations", folder / "videos"
    for file in write(notes):
        (videos / file).parent.mkdir(parents=True, exist_ok=True)
        (videos / file).touch()
    return data_set, notes / "classes.txt" if name == "imagenet100" else notes, videos
