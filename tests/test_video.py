"""Decoding, sampling, augmentation and clip sets, on real video files made here."""

import shutil
import subprocess
import sys

import av
import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from vjepa_lib import video
from vjepa_lib.errors import ConfigError, DataError, ShapeError
from vjepa_lib.video import clips as clips_module
from vjepa_lib.video import decode
from vjepa_lib.video.augment import normalise
from vjepa_lib.video.manifests import make_manifest, write_manifest


def movie(frames=16, height=32, width=32, seed=0):
    """Coarse coloured blocks that change every frame: survives compression, tells frames apart."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (frames, height // 8, width // 8, 3), dtype=np.uint8)
    return blocks.repeat(8, 1).repeat(8, 2)


def nearest_frame(frame, frames):
    """Number of the frame of `frames` most like `frame`."""
    return int(np.abs(frames.astype(int) - frame.astype(int)).mean((1, 2, 3)).argmin())


def encode_with_b_frames(path, frames):
    """An H.264 file as cameras and web sites make them: B-frames and several keyframes."""
    with av.open(str(path), "w") as container:
        options = {"bf": "3", "g": "20", "x264-params": "scenecut=0:b-adapt=0"}
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Six clips with factors, one a still image, and their manifest."""
    folder = tmp_path_factory.mktemp("clips")
    rows = []
    for index in range(6):
        name = f"clip {index} größe.mp4" if index != 5 else "still.png"
        if index == 5:
            Image.fromarray(movie(1, seed=index)[0]).save(folder / name)
        else:
            video.write_video(folder / name, movie(16, seed=index), fps=8)
        split = "train" if index < 4 else "test"
        colour = ["red", "blue"][index % 2]
        rows.append(
            {"path": name, "label": index % 3, "split": split, "colour": colour, "speed": index / 2}
        )
    return make_manifest(rows, folder, classes=("a", "b", "c"))


# --- writing and reading ----------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".avi"])
def test_written_bytes_depend_on_the_frames_only(tmp_path, suffix):
    frames = movie(20)
    first = video.write_video(tmp_path / f"one{suffix}", frames, fps=10).read_bytes()
    again = video.write_video(tmp_path / f"two{suffix}", frames, fps=10).read_bytes()
    other = video.write_video(tmp_path / f"three{suffix}", frames[::-1], fps=10).read_bytes()
    assert first == again
    assert first != other
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"{name}{suffix}" for name in ("one", "two", "three")
    )


def test_h264_settings_are_the_deterministic_ones(tmp_path):
    # x264 notes its settings in the stream.  With its macroblock tree, the bytes of long clips
    # differ from run to run; with more threads, from machine to machine.
    content = video.write_video(tmp_path / "long.mp4", movie(60, 120, 160)).read_bytes()
    for setting in (b" mbtree=0 ", b" threads=1 ", b" lookahead_threads=1 ", b" bframes=0 "):
        assert setting in content
    assert video.write_video(tmp_path / "b.mp4", movie(60, 120, 160)).read_bytes() == content


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".avi"])
@pytest.mark.parametrize("width", [32, 48, 72, 112])  # decord pads the rows at 48 and 72
def test_decoders_give_the_same_frames(tmp_path, suffix, width):
    frames = movie(20, 32, width)
    path = video.write_video(tmp_path / f"v{suffix}", frames, fps=8)
    for choice in (None, [19, 3, 3, 0], np.arange(5, 20, 4)):
        one = video.read_frames(path, choice, backend="decord")
        two = video.read_frames(path, choice, backend="pyav")
        np.testing.assert_array_equal(one, two)
        expected = frames if choice is None else frames[choice]
        assert one.shape == expected.shape and one.dtype == np.uint8
        for frame, number in zip(one, range(20) if choice is None else choice, strict=True):
            assert nearest_frame(frame, frames) == number


def test_decoders_agree_on_b_frames_and_far_seeks(tmp_path):
    frames = movie(130, 64, 64)
    path = tmp_path / "web.mp4"
    encode_with_b_frames(path, frames)
    for choice in ([0], [129], [61, 62, 63], [128, 2, 67], list(range(40, 130, 11))):
        one = video.read_frames(path, choice, backend="decord")
        two = video.read_frames(path, choice, backend="pyav")
        np.testing.assert_array_equal(one, two)
        assert [nearest_frame(frame, frames) for frame in two] == choice


@pytest.mark.parametrize("backend", video.BACKENDS)
def test_probe(tmp_path, backend):
    path = video.write_video(tmp_path / "v.mp4", movie(21, 40, 64), fps=12.5)
    info = video.probe_video(path, backend=backend)
    assert (info.frames, info.height, info.width) == (21, 40, 64)
    assert info.fps == pytest.approx(12.5)


def test_pyav_serves_where_decord_cannot_be_imported(tmp_path, monkeypatch):
    path = video.write_video(tmp_path / "v.mp4", movie())
    expected = video.read_frames(path)
    assert video.default_backend() == "decord"
    monkeypatch.setattr(decode, "_decord", lambda: None)
    assert video.default_backend() == "pyav"
    np.testing.assert_array_equal(video.read_frames(path), expected)
    with pytest.raises(ConfigError, match="pip install decord"):
        video.read_frames(path, backend="decord")


def test_indices_may_depend_on_the_file(tmp_path):
    frames = movie(24)
    path = video.write_video(tmp_path / "v.mp4", frames)
    seen = video.read_frames(path, lambda info: [0, info.frames - 1])
    assert [nearest_frame(frame, frames) for frame in seen] == [0, 23]


def test_image_is_a_video_of_one_frame(tmp_path):
    pixels = movie(1)[0]
    Image.fromarray(pixels).save(tmp_path / "i.png")
    Image.fromarray(pixels[..., 0], mode="L").save(tmp_path / "grey.png")
    np.testing.assert_array_equal(video.read_frames(tmp_path / "i.png", [0, 0, 0]), [pixels] * 3)
    assert video.read_frames(tmp_path / "grey.png").shape == (1, 32, 32, 3)
    assert video.probe_video(tmp_path / "i.png").frames == 1


@pytest.mark.parametrize("backend", video.BACKENDS)
@pytest.mark.parametrize("damage", ["truncated", "empty", "text"])
def test_damaged_file_is_one_clear_sentence(tmp_path, backend, damage):
    path = video.write_video(tmp_path / "v.mp4", movie(30, 64, 64))
    content = path.read_bytes()
    path.write_bytes(
        {"truncated": content[: len(content) // 2], "empty": b"", "text": b"hello " * 99}[damage]
    )
    with pytest.raises(DataError, match=r"v\.mp4 cannot be decoded \(.*replace or remove") as info:
        video.read_frames(path, backend=backend)
    assert "\n" not in str(info.value)


def test_missing_file_and_frame_out_of_range(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        video.read_frames(tmp_path / "nowhere.mp4")
    path = video.write_video(tmp_path / "v.mp4", movie(5))
    for backend in video.BACKENDS:
        with pytest.raises(DataError, match="has 5 frames, so frame 5 does not exist"):
            video.read_frames(path, [0, 5], backend=backend)
    with pytest.raises(ConfigError, match="known: decord, pyav"):
        video.read_frames(path, backend="opencv")


def test_write_video_refuses_wrong_frames(tmp_path):
    with pytest.raises(ShapeError, match="even"):
        video.write_video(tmp_path / "v.mp4", movie()[:, :31])
    with pytest.raises(ShapeError, match="uint8"):
        video.write_video(tmp_path / "v.mp4", movie().astype(np.float32))
    with pytest.raises(ConfigError, match=r"known: \.mp4"):
        video.write_video(tmp_path / "v.gif", movie())


# --- sampling ---------------------------------------------------------------------------------


def test_even_indices():
    assert video.even_indices(16, 16).tolist() == list(range(16))
    assert video.even_indices(100, 4).tolist() == [0, 33, 66, 99]
    assert video.even_indices(3, 5).tolist() == [0, 1, 2, 2, 2]  # shorter: the last frame is held
    assert video.even_indices(1, 4).tolist() == [0, 0, 0, 0]


def test_window_indices_random_start_is_uniform_and_repeatable():
    def starts(seed):
        generator = torch.Generator().manual_seed(seed)
        return [int(video.window_indices(12, 4, 2, generator)[0]) for _ in range(600)]

    assert starts(1) == starts(1) != starts(2)
    counts = np.bincount(starts(1), minlength=6)  # room for starts 0 to 5
    assert len(counts) == 6 and counts.min() > 60
    assert video.window_indices(12, 4, 2).tolist() == [2, 4, 6, 8]  # no generator: the middle
    assert video.window_indices(5, 4, 2).tolist() == [0, 2, 4, 4]


def test_stride_follows_the_frame_rate():
    assert video.stride_for(29.97, 16, None) == 1
    assert video.stride_for(29.97, 15, None) == 2
    assert video.stride_for(8, 16, None) == 1
    assert video.stride_for(25, None, 3) == 3
    assert video.stride_for(25, None, None) == 1
    with pytest.raises(ConfigError, match="not both"):
        video.stride_for(25, 16, 2)


def test_span_in_frames():
    assert video.span_in_frames(100, 10, 2.0, 4.0) == (20, 20)
    assert video.span_in_frames(100, 10, None, float("nan")) == (0, 100)
    assert video.span_in_frames(100, 10, 9.0, 99.0) == (90, 10)
    assert video.span_in_frames(100, 10, 20.0, 22.0)[1] == 0


# --- resizing and augmentation ----------------------------------------------------------------


def test_resize_center_crop():
    frames = movie(2, 40, 80)
    assert video.resize_center_crop(frames, (40, 80)) is not None
    np.testing.assert_array_equal(video.resize_center_crop(frames, 40), frames[:, :, 20:60])
    assert video.resize_center_crop(frames, 24).shape == (2, 24, 24, 3)
    assert video.resize_center_crop(frames, (24, 48)).shape == (2, 24, 48, 3)
    small = video.resize_center_crop(frames, 20)
    expected = F.interpolate(
        torch.from_numpy(frames).permute(0, 3, 1, 2).float(),
        (20, 40),
        mode="bilinear",
        antialias=True,
    )[..., 10:30].permute(0, 2, 3, 1)
    assert np.abs(small - expected.numpy()).max() <= 1.0  # bytes are rounded
    zoomed = video.resize_center_crop(frames, 20, short_side=40)
    np.testing.assert_array_equal(zoomed, frames[:, 10:30, 30:50])
    with pytest.raises(ShapeError, match="smaller than the crop"):
        video.resize_center_crop(frames, 20, short_side=10)


def test_batched_crop_equals_cropping_one_by_one():
    generator = torch.Generator().manual_seed(0)
    clips = torch.rand(7, 3, 4, 24, 40, generator=generator)
    boxes = video.random_boxes(7, 24, 40, video.Augmentation(), generator)
    flip = torch.tensor([True, False, True, False, False, True, True])
    together = video.crop_resize(clips, boxes, (32, 40), flip)
    for clip, (top, left, height, width), mirrored, got in zip(
        clips, boxes.tolist(), flip, together, strict=True
    ):
        cut = clip[:, :, top : top + height, left : left + width]
        alone = F.interpolate(cut, (32, 40), mode="bilinear", align_corners=False)
        alone = alone.flip(-1) if mirrored else alone
        torch.testing.assert_close(got, alone, atol=2e-5, rtol=0)


def test_random_boxes_keep_their_promises():
    config = video.Augmentation(scale=(0.3, 1.0), ratio=(0.75, 1.35))
    generator = torch.Generator().manual_seed(3)
    boxes = video.random_boxes(4000, 48, 64, config, generator)
    top, left, height, width = boxes.unbind(1)
    assert (top >= 0).all() and (top + height <= 48).all()
    assert (left >= 0).all() and (left + width <= 64).all()
    area = height * width / (48 * 64)
    assert area.min() > 0.27 and area.max() <= 1.0 and area.float().std() > 0.1
    ratio = width / height
    assert 0.70 < ratio.min() < 0.80 and 1.28 < ratio.max() < 1.42
    assert left.unique().numel() > 20 and (left + width == 64).any() and (left == 0).any()


def test_boxes_that_cannot_fit_fall_back_to_the_centre():
    wide = video.Augmentation(scale=(1.0, 1.0), ratio=(1.0, 1.0))
    boxes = video.random_boxes(3, 20, 60, wide, torch.Generator().manual_seed(0))
    assert boxes.tolist() == [[0, 20, 20, 20]] * 3


def test_augment_same_crop_for_all_frames_and_repeatable():
    still = torch.rand(5, 3, 1, 16, 16).expand(-1, -1, 4, -1, -1)
    out = video.augment(still, video.Augmentation(), torch.Generator().manual_seed(1))
    assert out.shape == (5, 3, 4, 16, 16)
    torch.testing.assert_close(out, out[:, :, :1].expand_as(out))
    again = video.augment(still, video.Augmentation(), torch.Generator().manual_seed(1))
    assert torch.equal(out, again)
    assert not torch.equal(
        out, video.augment(still, video.Augmentation(), torch.Generator().manual_seed(2))
    )


@pytest.mark.parametrize("flip", [0.0, 0.5, 1.0])
def test_flip_probability(flip):
    ramp = torch.linspace(0, 255, 16).expand(400, 3, 2, 16, 16)
    config = video.Augmentation(scale=(1.0, 1.0), ratio=(1.0, 1.0), flip=flip)
    out = video.augment(ramp, config, torch.Generator().manual_seed(0))
    mirrored = (out[:, 0, 0, 0, 0] > out[:, 0, 0, 0, -1]).float().mean()
    assert abs(float(mirrored) - flip) < (0.08 if flip == 0.5 else 1e-9)


def test_augmentation_refuses_nonsense():
    for wrong in ({"scale": (0.0, 1.0)}, {"ratio": (2.0, 1.0)}, {"flip": 1.5}):
        with pytest.raises(ConfigError):
            video.Augmentation(**wrong)


def test_normalise_and_back():
    clips = torch.randint(0, 256, (2, 3, 2, 4, 4), dtype=torch.uint8)
    normal = video.normalise(clips)
    channel = (clips[:, 1].float() / 255 - 0.456) / 0.224
    torch.testing.assert_close(normal[:, 1], channel, atol=1e-5, rtol=0)
    assert torch.equal(video.denormalise(normal), clips)


# --- clip sets --------------------------------------------------------------------------------


def test_load_clips(library):
    clips = video.load_clips(library, 8, 32, progress=False)
    assert clips.frames.shape == (6, 8, 32, 32, 3) and clips.frames.dtype == torch.uint8
    assert clips.labels.tolist() == [0, 1, 2, 0, 1, 2] and clips.num_classes == 3
    original = movie(16, seed=2)
    chosen = [nearest_frame(frame.numpy(), original) for frame in clips.frames[2]]
    assert chosen == video.even_indices(16, 8).tolist()
    assert torch.equal(clips.frames[5], clips.frames[5][:1].expand(8, -1, -1, -1))  # the image
    assert clips.factor("colour").tolist() == [1, 0, 1, 0, 1, 0]
    assert clips.factor("speed").tolist() == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    with pytest.raises(ConfigError, match="Unknown factor 'weight'"):
        clips.factor("weight")
    assert clips.skipped == () and clips.short == ()


def test_batch(library):
    clips = video.load_clips(library, 8, 32, progress=False)
    batch = clips.batch([4, 0])
    assert batch.shape == (2, 3, 8, 32, 32) and batch.dtype == torch.float32
    assert batch.is_contiguous()
    shown = clips.frames[[4, 0]].permute(0, 4, 1, 2, 3)
    torch.testing.assert_close(batch, normalise(shown))
    assert torch.equal(clips.batch(np.array([4, 0])), batch)
    assert torch.equal(clips.batch(slice(0, 1)), batch[1:])

    def augmented(seed):
        generator = torch.Generator().manual_seed(seed)
        return clips.batch([1, 2], augmentation=video.Augmentation(), generator=generator)

    assert augmented(0).shape == (2, 3, 8, 32, 32)
    assert torch.equal(augmented(0), augmented(0))
    assert not torch.equal(augmented(0), augmented(1))
    with pytest.raises(ConfigError, match="generator"):
        clips.batch([0], augmentation=video.Augmentation())


def test_split_and_subset(library):
    clips = video.load_clips(library, 4, 32, progress=False)
    test = clips.split("test")
    assert (
        len(test) == 2
        and test.manifest["path"].tolist() == library.split("test").table["path"].tolist()
    )
    assert torch.equal(test.frames, clips.frames[4:])
    assert torch.equal(clips.subset([3, 1]).labels, torch.tensor([0, 1]))
    with pytest.raises(DataError, match="this set has test, train"):
        clips.split("val")


def test_broken_files_are_left_out_and_recorded(tmp_path):
    for index in range(4):
        video.write_video(tmp_path / f"{index}.mp4", movie(16, seed=index))
    content = (tmp_path / "1.mp4").read_bytes()
    (tmp_path / "1.mp4").write_bytes(content[: len(content) // 2])
    video.write_video(tmp_path / "3.mp4", movie(3, seed=3))
    rows = [
        {"path": f"{name}.mp4", "label": index, "split": "train"}
        for index, name in enumerate(["0", "1", "gone", "2", "3"])
    ]
    manifest = make_manifest(rows, tmp_path)
    for cache in (None, tmp_path / "cache"):
        clips = video.load_clips(manifest, 8, 32, cache, min_frames=2, progress=False)
        assert clips.labels.tolist() == [0, 3, 4]  # nothing stands in for the broken ones
        assert clips.manifest["path"].tolist() == ["0.mp4", "2.mp4", "3.mp4"]
        reasons = {item.path: item.reason for item in clips.skipped}
        assert set(reasons) == {"1.mp4", "gone.mp4"}
        assert "cannot be decoded" in reasons["1.mp4"]
        assert "does not exist" in reasons["gone.mp4"]
        assert clips.short == (("3.mp4", 3),)
        assert nearest_frame(clips.frames[1, 0].numpy(), movie(16, seed=2)) == 0
        held = clips.frames[2, 2:]
        assert torch.equal(held, held[:1].expand_as(held))
    strict = video.load_clips(manifest, 8, 32, min_frames=8, progress=False)
    assert "too short: 3 frames where 8" in strict.skipped[-1].reason
    with pytest.raises(DataError, match="None of the 1 clips"):
        video.load_clips(manifest.select([2]), 8, 32, progress=False)


def test_stretch_of_a_longer_video(tmp_path):
    frames = movie(40)
    video.write_video(tmp_path / "v.mp4", frames, fps=10)
    rows = [
        {"path": "v.mp4", "label": 0, "split": "train", "start": 1.0, "end": 2.0},
        {"path": "v.mp4", "label": 1, "split": "train", "start": 3.0, "end": None},
        {"path": "v.mp4", "label": 1, "split": "train", "start": 8.0, "end": 9.0},
    ]
    clips = video.load_clips(make_manifest(rows, tmp_path), 10, 32, progress=False)
    chosen = [[nearest_frame(frame.numpy(), frames) for frame in clip] for clip in clips.frames]
    assert chosen == [list(range(10, 20)), list(range(30, 40))]
    assert "no frames between second 8.0 and 9.0" in clips.skipped[0].reason


def test_cache_is_keyed_by_content_and_settings(library, tmp_path, monkeypatch):
    path = write_manifest(library, library.root / "all.csv")
    first = video.load_clips(path, 4, 32, tmp_path, progress=False)

    def never(*_):
        raise AssertionError("decoded again")

    with monkeypatch.context() as patch:
        patch.setattr(clips_module, "_decode_all", never)
        again = video.load_clips(path, 4, 32, tmp_path, progress=False)
        assert torch.equal(again.frames, first.frames)
        with pytest.raises(AssertionError):
            video.load_clips(path, 5, 32, tmp_path, progress=False)
    assert len(list(tmp_path.iterdir())) == 1  # no temporary folder is left behind

    changed = library.root / library.table["path"][0]
    content = changed.read_bytes()
    try:
        video.write_video(changed, movie(16, seed=77))
        fresh = video.load_clips(path, 4, 32, tmp_path, progress=False)
    finally:
        changed.write_bytes(content)
    assert not torch.equal(fresh.frames[0], first.frames[0])
    assert torch.equal(fresh.frames[1], first.frames[1])


def test_two_processes_may_fill_one_cache(library, tmp_path, monkeypatch):
    first = video.load_clips(library, 4, 32, tmp_path / "other", progress=False)
    decode_all = clips_module._decode_all

    def slow(*arguments):  # while this process decodes, another one finishes the same set
        decode_all(*arguments)
        shutil.copytree(tmp_path / "other", tmp_path / "cache", dirs_exist_ok=True)

    monkeypatch.setattr(clips_module, "_decode_all", slow)
    clips = video.load_clips(library, 4, 32, tmp_path / "cache", progress=False)
    assert torch.equal(clips.frames, first.frames)
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_damaged_cache_is_made_anew(library, tmp_path):
    first = video.load_clips(library, 4, 32, tmp_path, progress=False).frames.clone()
    folder = next(tmp_path.iterdir())
    (folder / "frames.npy").write_bytes(b"not an array")
    assert torch.equal(video.load_clips(library, 4, 32, tmp_path, progress=False).frames, first)
    (folder / "meta.json").unlink()
    assert torch.equal(video.load_clips(library, 4, 32, tmp_path, progress=False).frames, first)


def test_worker_processes_give_the_same_set(library):
    many = library.select(np.arange(6).repeat(20))
    alone = video.load_clips(many, 4, 32, workers=1, progress=False)
    shared = video.load_clips(many, 4, 32, workers=2, progress=False)
    assert torch.equal(alone.frames, shared.frames)
    assert torch.equal(alone.labels, shared.labels)


def test_decoding_workers_do_not_load_torch():
    code = "import sys, vjepa_lib.video.clip_reader; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_window_sampling_in_a_set(library):
    clips = video.load_clips(
        library.select([0]), 4, 32, sampling="window", stride=2, progress=False
    )
    original = movie(16, seed=0)
    chosen = [nearest_frame(frame.numpy(), original) for frame in clips.frames[0]]
    assert chosen == [4, 6, 8, 10]
    with pytest.raises(ConfigError, match="known: even, window"):
        video.load_clips(library, 4, 32, sampling="random", progress=False)
    with pytest.raises(ConfigError, match="sampling='window'"):
        video.load_clips(library, 4, 32, stride=2, progress=False)


# --- streaming --------------------------------------------------------------------------------


def stream(library, **options):
    spec = video.ClipSpec(4, (24, 24), sampling="window")
    return video.ClipDataset(library, spec, video.Augmentation(), **options)


def test_streamed_draws_do_not_depend_on_workers(library):
    def epoch(workers):
        loader = torch.utils.data.DataLoader(
            stream(library, seed=5),
            batch_size=4,
            sampler=[(5, 0), (1, 1), (3, 2), (0, 3), (2, 4), (5, 5), (4, 6), (1, 7)],  # row, draw
            num_workers=workers,
            collate_fn=list,
        )
        return [
            (torch.stack([s["frames"] for s in part]), torch.tensor([s["row"] for s in part]))
            for part in loader
        ]

    alone, shared = epoch(0), epoch(2)
    for (frames, rows), (other_frames, other_rows) in zip(alone, shared, strict=True):
        assert frames.shape == (4, 3, 4, 24, 24) and frames.dtype == torch.uint8
        assert torch.equal(frames, other_frames) and torch.equal(rows, other_rows)
    dataset = stream(library, seed=5)
    assert not torch.equal(dataset[0, 1]["frames"], dataset[0, 2]["frames"])
    assert torch.equal(dataset[0, 1]["frames"], dataset[0, 1]["frames"])


def test_stream_without_augmentation_is_the_centre_crop(library):
    spec = video.ClipSpec(8, (32, 32))
    sample = video.ClipDataset(library, spec)[1]
    clips = video.load_clips(library, 8, 32, progress=False)
    assert torch.equal(sample["frames"], clips.frames[1].permute(3, 0, 1, 2))
    assert sample["label"] == 1


def test_broken_file_in_a_stream_raises_or_is_listed(library, tmp_path):
    rows = [
        {"path": str(library.paths[0]), "label": 0, "split": "train"},
        {"path": str(tmp_path / "gone.mp4"), "label": 1, "split": "train"},
    ]
    manifest = make_manifest(rows)
    with pytest.raises(DataError, match=r"gone\.mp4 does not exist"):
        stream(manifest)[1]
    lenient = stream(manifest, skip_broken=True)
    assert lenient[0]["frames"] is not None and lenient[0]["label"] == 0
    assert lenient[1]["frames"] is None and "gone.mp4 does not exist" in lenient[1]["error"]
