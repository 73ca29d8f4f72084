"""Video files with something odd about them: both decoders read them rightly, or refuse."""

import json
import os
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vjepa_lib import datasets, video
from vjepa_lib.errors import CompanionError, DataError
from vjepa_lib.video import containers, decode
from vjepa_lib.video.manifests import make_manifest

quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)

# suffix -> (codec, pixel format, frames a second)
FORMATS = {
    ".mp4": ("libx264", "yuv420p", 8),
    ".mov": ("libx264", "yuv420p", 8),
    ".mkv": ("libx264", "yuv420p", 8),
    ".webm": ("libvpx-vp9", "yuv420p", 8),
    ".avi": ("mpeg4", "yuv420p", 8),
    ".mpg": ("mpeg2video", "yuv420p", 25),
    ".mpeg": ("mpeg1video", "yuv420p", 25),
    ".gif": ("gif", "rgb8", 10),
    ".ts": ("mpeg2video", "yuv420p", 25),
    ".flv": ("flv", "yuv420p", 8),
    ".wmv": ("wmv2", "yuv420p", 8),
}
CUT = [".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".gif", ".ts", ".flv", ".mp4", ".mov"]


def movie(frames=24, height=32, width=64, seed=0):
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (frames, height // 8, width // 8, 3), dtype=np.uint8)
    return blocks.repeat(8, 1).repeat(8, 2)


def encode(path, frames, codec="libx264", pixels="yuv420p", rate=8, turn=0, times=None, **options):
    """A file as other programs write it."""
    with av.open(str(path), "w", options=options.pop("container", {})) as container:
        if codec not in av.codecs_available:
            pytest.skip(f"this PyAV has no {codec}")
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], pixels
        if turn:
            stream.set_display_rotation(turn)
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts = number if times is None else times[number]
            picture.time_base = Fraction(1, rate)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def any_format(path, frames, **more):
    codec, pixels, rate = FORMATS[path.suffix]
    return encode(path, frames, codec, pixels, rate, **more)


def nearest(frame, frames):
    return int(np.abs(frames.astype(int) - frame.astype(int)).mean((1, 2, 3)).argmin())


def manifest_of(*paths):
    rows = [{"path": str(path), "label": 0, "split": "train"} for path in paths]
    return make_manifest(rows, "/")


def statuses(*paths, **options):
    report = datasets.health(manifest_of(*paths), progress=False, **options)
    return dict(zip([path.name for path in paths], report.table["status"], strict=True))


# --- what is no video -----------------------------------------------------------------------------

PLAYLIST = (
    "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n"
    "#EXTINF:1.0,\n{segment}\n"
)


@pytest.mark.parametrize("backend", [None, *video.BACKENDS])
def test_a_live_playlist_is_refused_before_a_decoder_sees_it(tmp_path, monkeypatch, backend):
    segment = any_format(tmp_path / "s.ts", movie())
    path = tmp_path / "x.mp4"
    path.write_text(PLAYLIST.format(segment=segment.name))
    for name in ("decord_read", "pyav_read", "header"):
        monkeypatch.setattr(decode, name, lambda *_: pytest.fail("a decoder was asked"))
    for read in (video.read_frames, video.probe_video):
        with pytest.raises(DataError, match=r"x\.mp4 cannot be decoded \(its first bytes are"):
            read(path, backend=backend)
    with pytest.raises(DataError, match="its first bytes are those of no video"):
        video.check_video(path)


@pytest.mark.parametrize(
    "content",
    [
        b"ffconcat version 1.0\nfile 's.ts'\n",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
        b"The free text" * 40,
        b"Great text that begins with the letter of a transport packet. " * 9,
        b"<?xml version='1.0'?><MPD/>",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"\xff\xd8\xff\xe0" + bytes(100),
        b"PK\x03\x04" + bytes(100),
        bytes(1000),
        b"\x00",
    ],
)
def test_other_files_called_mp4_are_refused(tmp_path, content):
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    with pytest.raises(DataError, match="its first bytes are those of no video"):
        video.read_frames(path)


def test_a_decoder_that_hangs_is_given_up(tmp_path):
    """The playlist again, past the look at its first bytes: decord waits for segments for ever."""
    any_format(tmp_path / "s.ts", movie())
    (tmp_path / "x.mp4").write_text(PLAYLIST.format(segment="s.ts"))
    code = (
        "import sys; from vjepa_lib.video import containers, decode\n"
        "decode.containers.look = lambda path: containers.Container('mp4')\n"
        "decode._av = lambda: None\n"
        "decode.header = lambda path, kind: decode.containers and __import__('types')"
        ".SimpleNamespace(decord=True, duration=None)\n"
        "decode.PATIENCE = 1.5\n"
        "try: decode.read_frames(sys.argv[1])\n"
        "except decode.DataError as error: print(error)\n"
    )
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "x.mp4")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "no frame came for 1.5 s" in done.stdout and done.returncode == 0, done.stderr
    assert time.monotonic() - started < 30


def test_patience_counts_from_the_last_sign_of_life(monkeypatch):
    monkeypatch.setattr(decode, "PATIENCE", 0.4)

    def slow_but_alive(beat):
        for _ in range(8):
            time.sleep(0.1)
            beat()
        return "done"

    assert decode._within(Path("x"), slow_but_alive) == "done"
    with pytest.raises(DataError, match=r"x cannot be decoded \(no frame came for 0\.4 s\)"):
        decode._within(Path("x"), lambda beat: time.sleep(5))
    with pytest.raises(KeyError):
        decode._within(Path("x"), lambda beat: {}["x"])


def test_a_file_name_is_never_taken_for_a_protocol(tmp_path, monkeypatch):
    frames = movie(8)
    video.write_video(tmp_path / "v.mp4", frames)
    monkeypatch.chdir(tmp_path)
    os.rename("v.mp4", "concat:v.mp4")
    for backend in video.BACKENDS:
        assert len(video.read_frames("concat:v.mp4", backend=backend)) == 8


# --- files that decoders show differently ---------------------------------------------------------


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_turned_video_is_turned_by_every_reader(tmp_path, suffix, turn):
    frames = movie(6)
    path = encode(tmp_path / f"v{suffix}", frames, turn=turn)
    plain = video.read_frames(encode(tmp_path / f"plain{suffix}", frames))
    want = np.rot90(plain, turn // 90, (1, 2))
    for backend in (None, *video.BACKENDS):
        np.testing.assert_array_equal(video.read_frames(path, backend=backend), want)
        info = video.probe_video(path, backend=backend)
        assert (info.height, info.width) == want.shape[1:3]
        some = video.read_frames(path, [5, 2, 2], backend=backend)
        np.testing.assert_array_equal(some, want[[5, 2, 2]])
    report = datasets.health(manifest_of(path), progress=False).table
    assert report[["height", "width"]].to_numpy().tolist() == [list(want.shape[1:3])]


@pytest.mark.parametrize(
    "codec, pixels", [("libx264", "yuv420p10le"), ("libx264", "yuv422p10le"), ("ffv1", "gray16le")]
)
def test_more_than_8_bits_take_one_path(tmp_path, codec, pixels):
    path = encode(tmp_path / "v.mkv", movie(6), codec, pixels)
    one, two, three = (video.read_frames(path, backend=b) for b in ("decord", "pyav", None))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, three)
    if pixels != "gray16le":
        assert nearest(one[4], movie(6)) == 4


@pytest.mark.parametrize("backend", [None, *video.BACKENDS])
@pytest.mark.parametrize("name", ["av1.mp4", "av1.mkv", "v.gif", "v.ts"])
def test_what_decord_cannot_read_goes_to_pyav(tmp_path, name, backend):
    path, frames = tmp_path / name, movie(12, 64, 64)
    if name.startswith("av1"):
        encode(path, frames, "libsvtav1")
    else:
        any_format(path, frames)
    seen = video.read_frames(path, backend=backend)
    assert [nearest(frame, frames) for frame in seen] == list(range(12))
    assert video.probe_video(path, backend=backend).frames == 12
    assert statuses(path) == {name: "ok"}


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_is_the_same_frames_for_both(tmp_path, suffix):
    frames = movie(12, 64, 64)
    path = any_format(tmp_path / f"v{suffix}", frames)
    one, two = (video.read_frames(path, backend=backend) for backend in video.BACKENDS)
    np.testing.assert_array_equal(one, two)
    assert [nearest(frame, frames) for frame in one] == list(range(12))
    assert containers.look(path).whole is not False
    assert statuses(path) == {path.name: "ok"}


def test_known_suffixes_are_formats_that_are_tested():
    assert set(FORMATS) | {".m4v"} >= video.VIDEO_SUFFIXES


def test_health_and_training_use_one_door(tmp_path, monkeypatch):
    """What the default decoder refuses, `health` does not call ok."""
    path = video.write_video(tmp_path / "v.mp4", movie())

    def refuse(*_):
        raise DataError(f"{path} is refused")

    assert statuses(path, checksums=False) == {"v.mp4": "ok"}
    monkeypatch.setattr(decode, "decord_read", refuse)
    for depth in ("header", "full"):
        assert statuses(path, checksums=False, depth=depth) == {"v.mp4": "unreadable"}


# --- files that are cut short ---------------------------------------------------------------------


@pytest.mark.parametrize("suffix", CUT)
@pytest.mark.parametrize("share", [0.35, 0.6, 0.9])
def test_a_file_cut_short_is_refused_without_a_frame_count(tmp_path, suffix, share):
    more = {"container": {"movflags": "faststart"}} if suffix in (".mp4", ".mov") else {}
    path = any_format(tmp_path / f"v{suffix}", movie(40, 64, 64), **more)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share) | 1])
    for backend in (None, *video.BACKENDS):
        with pytest.raises(DataError, match=r"cut short|cannot be decoded|ends after"):
            video.read_frames(path, [0], backend=backend)
    clips = [video.write_video(tmp_path / "good.mp4", movie()), path]
    loaded = video.load_clips(manifest_of(*clips), 4, 32, progress=False)
    assert len(loaded) == 1 and path.name in loaded.skipped[0].reason
    for depth in ("header", "full"):
        assert statuses(path, depth=depth)[path.name] in ("truncated", "unreadable")


def test_a_recording_without_sizes_is_no_cut_file(tmp_path):
    """Live Matroska leaves its sizes unknown; pipes leave AVI's at nothing."""
    path = any_format(tmp_path / "v.mkv", movie(), container={"live": "1"})
    assert containers.look(path).whole is None and len(video.read_frames(path)) == 24
    path = any_format(tmp_path / "v.avi", movie())
    content = path.read_bytes()
    at = content.index(b"movi") - 8 + 4
    path.write_bytes(content[:at] + bytes(4) + content[at + 4 :])
    assert containers.look(path).whole is None


def test_bytes_behind_the_end_are_no_damage(tmp_path):
    for suffix in (".webm", ".avi", ".mkv"):
        path = any_format(tmp_path / f"v{suffix}", movie())
        path.write_bytes(path.read_bytes() + bytes(1000))
        assert len(video.read_frames(path)) == 24


def test_an_avi_that_repeats_frames_is_whole(tmp_path):
    """Empty chunks say `show the last picture again`; they are pauses, not losses."""
    frames = movie(10)
    times = [0, 1, 2, 6, 7, 8, 9, 15, 16, 17]
    path = encode(tmp_path / "v.avi", frames, "mpeg4", times=times)
    assert path.read_bytes().count(b"00dc\0\0\0\0") >= 8
    for backend in video.BACKENDS:
        seen = video.read_frames(path, backend=backend)
        assert [nearest(frame, frames) for frame in seen] == list(range(10))
    for depth in ("header", "full"):
        assert statuses(path, depth=depth) == {"v.avi": "ok"}


@given(data=st.data())
@quick
def test_any_first_bytes_have_an_answer(data):
    head = data.draw(st.sampled_from([b"", b"RIFF", b"\x1a\x45\xdf\xa3", b"\x00\x00\x01\xba", b"G",
                                      b"FLV\x01", b"GIF89a", b"\x00\x00\x00\x18ftyp"]))  # fmt: skip
    body = data.draw(st.binary(max_size=80))
    if head == b"RIFF":
        body = body[:4] + b"AVI " + body[4:]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.mp4"
        path.write_bytes(head + body)
        assert containers.look(path).whole in (True, False, None)
        try:
            frames = video.read_frames(path)
        except CompanionError as error:
            assert "x.mp4" in str(error) and "\n" not in str(error)
        else:
            assert frames.ndim == 4


# --- stretches, and what health remembers ---------------------------------------------------------


def test_health_says_that_a_stretch_lies_behind_the_end(tmp_path):
    path = video.write_video(tmp_path / "v.mp4", movie(24), fps=8)  # three seconds
    spans = [(0.0, 2.0), (2.0, 3.0), (2.0, 5.0), (3.5, 4.0), (9.0, None)]
    rows = [
        {"path": "v.mp4", "label": 0, "split": "train", "start": start, "end": end}
        for start, end in spans
    ]
    report = datasets.health(make_manifest(rows, tmp_path), progress=False)
    assert report.table["status"].tolist() == ["ok", "ok", "ok", "outside", "outside"]
    reasons = report.table["reason"].tolist()
    assert reasons[:2] == ["", ""]
    assert "ends at 5.00 s, 2.00 s behind the end of the video (3.00 s)" in reasons[2]
    assert "begins at 3.50 s, behind the end of the video (3.00 s)" in reasons[3]
    assert not report.ok and report.counts["outside"] == 2
    assert "outside" in report.summary() and "behind the end" in report.summary()
    assert len(report.usable()) == 3
    assert path.name in reasons[4]


@pytest.mark.parametrize(
    "line", ["null", "[]", "7", "{}", '{"depth": "full"}', '{"depth": 3, "path": 4}', "\udcff{"]
)
def test_a_damaged_state_file_is_read_past(tmp_path, line):
    path = video.write_video(tmp_path / "v.mp4", movie())
    state = tmp_path / "found.jsonl"
    first = datasets.health(manifest_of(path), state=state, progress=False)
    state.write_bytes(f"{line}\n".encode(errors="surrogateescape") + state.read_bytes())
    again = datasets.health(manifest_of(path), state=state, progress=False)
    assert again.ok and again.table.equals(first.table)
    assert json.loads(state.read_text(errors="replace").splitlines()[-1])["status"] == "ok"
