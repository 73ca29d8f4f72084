"""Maps of tokens over time, and encoders opened from their folders alone."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from vjepa_lib.errors import ConfigError, DataError, ShapeError
from vjepa_lib.maps import (
    clip_maps,
    compare_maps,
    main,
    token_maps,
    variance_shares,
    write_maps,
)
from vjepa_lib.model.grid import Grid
from vjepa_lib.model.vit import Encoder, EncoderConfig
from vjepa_lib.study.run_folders import open_run
from vjepa_lib.study.store import plain
from vjepa_lib.training.distributed import check_device
from vjepa_lib.video import probe_video, read_frames, write_video

TINY = EncoderConfig(
    height=24, width_px=24, frames=4, patch=8, width=24, depth=2, heads=2, levels=(1, 2),
    rope_reference=None,
)  # fmt: skip
GRID = Grid(3, 4, 5, 2, 8)


@pytest.fixture
def run_folder(tmp_path):
    """A run's folder as the store keeps it, and its encoder."""
    torch.manual_seed(0)
    encoder, folder = Encoder(TINY).eval(), tmp_path / "0123456789abcdef"
    folder.mkdir()
    save_file(encoder.state_dict(), folder / "encoder.safetensors")
    (folder / "config.json").write_text(json.dumps({"train": {"encoder": plain(TINY)}}))
    return folder, encoder


@pytest.fixture
def video(tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (16, 5, 6, 3), np.uint8)
    return write_video(tmp_path / "clip.mp4", frames.repeat(8, 1).repeat(8, 2), fps=8)


# --- colours ----------------------------------------------------------------------------------


def test_the_first_three_components_are_the_colours():
    """Three directions of known strength come out as red, green and blue, in this order."""
    rng = np.random.default_rng(1)
    scores = np.linspace(-1, 1, GRID.n)[:, None] * [9.0, 0, 0]
    scores[:, 1] = 3 * rng.permutation(np.linspace(-1, 1, GRID.n))
    scores[:, 2] = rng.permutation(np.linspace(-1, 1, GRID.n))
    turn = np.linalg.qr(rng.standard_normal((8, 8)))[0][:3]
    maps = token_maps(scores @ turn + 5, GRID).reshape(-1, 3).astype(float)
    assert maps.shape == (GRID.n, 3) and maps.min() == 0 and maps.max() == 255
    alike = [abs(np.corrcoef(maps[:, i], scores[:, i])[0, 1]) for i in range(3)]
    assert min(alike) > 0.97


def test_signs_follow_the_tokens_and_not_the_solver():
    rng = np.random.default_rng(2)
    along = np.array([0.2, -0.9, 0.3])  # largest loading negative: its component is turned
    x = np.outer(np.arange(GRID.n), along) + 0.01 * rng.standard_normal((GRID.n, 3))
    red = token_maps(x, GRID)[..., 0].ravel().astype(int)
    assert red[0] == 255 and red[-1] == 0
    np.testing.assert_array_equal(token_maps(torch.from_numpy(x), GRID), token_maps(x.copy(), GRID))


def test_one_odd_token_does_not_dim_the_others():
    grid = Grid(4, 8, 8)
    x = np.random.default_rng(3).standard_normal((grid.n, 6)) * [5, 2, 1, 0.1, 0.1, 0.1]
    odd = x.copy()
    odd[7] *= 30
    assert token_maps(odd, grid).reshape(-1, 3).std(0).min() > 40


def test_what_does_not_vary_is_grey():
    assert (token_maps(np.full((GRID.n, 5), 3.3), GRID) == 128).all()
    one = token_maps(np.arange(GRID.n)[:, None] * 1.0, GRID)  # fewer channels than colours
    assert len(np.unique(one[..., 0])) > 10 and (one[..., 1:] == 128).all()


def test_wrong_tokens_are_refused():
    with pytest.raises(ShapeError, match=r"\[60, D\]"):
        token_maps(np.zeros((59, 4)), GRID)
    with pytest.raises(DataError, match="not finite"):
        token_maps(np.full((60, 4), np.nan), GRID)


def test_maps_are_those_of_the_last_level(run_folder):
    _, encoder = run_folder
    frames = np.random.default_rng(4).integers(0, 255, (4, 24, 24, 3), np.uint8)
    scaled = torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 255
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    clip = (scaled - mean.view(3, 1, 1, 1)) / std.view(3, 1, 1, 1)
    want = token_maps(encoder(clip)[0, :, 24:], encoder.grid).astype(int)
    assert np.abs(clip_maps(encoder, frames) - want).max() <= 1


def test_several_encoders_stand_below_their_clip():
    frames = np.random.default_rng(5).integers(0, 255, (4, 24, 24, 3), np.uint8)
    torch.manual_seed(1)
    pair = {"one": Encoder(TINY).eval(), "other": Encoder(TINY).eval()}
    rows, shares = compare_maps(pair, torch.from_numpy(frames))
    assert [title for title, *_ in rows] == ["clip", "one", "other"]
    np.testing.assert_array_equal(rows[0][1], frames)
    large = clip_maps(pair["other"], frames).repeat(2, 0).repeat(8, 1).repeat(8, 2)
    np.testing.assert_array_equal(rows[2][1], large)
    assert shares.encoder.tolist() == ["one", "other"]
    assert shares["three components"].between(0, 100).all()


def test_variance_is_told_apart_by_place_and_time():
    """Tokens made of a part that only places have and one that only time steps have."""
    rng = np.random.default_rng(6)
    place, time = rng.standard_normal((1, 20, 8)), rng.standard_normal((3, 1, 8))
    place, time = place - place.mean(1), time - time.mean(0)
    shares = variance_shares((2 * place + time + 7).reshape(-1, 8), GRID)
    a, b = 4 * (place**2).mean(), (time**2).mean()
    assert shares["between places"] == pytest.approx(100 * a / (a + b))
    assert shares["between time steps"] == pytest.approx(100 * b / (a + b))
    assert shares["both at once"] == pytest.approx(0, abs=1e-6)
    assert variance_shares(rng.standard_normal((60, 3)), GRID)["three components"] > 99.999
    assert np.isnan(variance_shares(np.full((60, 5), 3.3), GRID)["between places"])


# --- files ------------------------------------------------------------------------------------


def test_png_and_mp4_lie_beside_the_frames(run_folder, video, tmp_path):
    folder, _ = run_folder
    png, mp4 = write_maps(folder, video, tmp_path / "out" / "deep")
    assert png.name == "clip-0123456789abcdef.png" and mp4.suffix == ".mp4"
    assert Image.open(png).size == (2 * 24, 2 * 24)  # two time steps, frame over map
    shown = read_frames(mp4)
    assert shown.shape == (4, 24, 48, 3) and probe_video(mp4).fps == pytest.approx(2, rel=0.01)
    again = write_maps(folder / "encoder.safetensors", video, tmp_path / "twice")
    assert [p.read_bytes() for p in again] == [p.read_bytes() for p in (png, mp4)]


def test_released_weights_are_read_too(video, tmp_path, capsys):
    torch.manual_seed(1)
    cfg = replace(TINY, width=192, heads=3, levels=(2,), modality_embedding=False,
                  rope_pairing="tiled")  # fmt: skip
    state = {}
    for name, value in Encoder(cfg).state_dict().items():
        for part in ("qkv", "proj"):
            name = name.replace(f".{part}.", f".attn.{part}.")
        name = name.replace(".fc", ".mlp.fc").replace("norms.0.", "norm.")
        if name == "patch_embed.weight":
            value = value.view(192, 3, 2, 8, 8)
        state[name.replace("patch_embed.", "patch_embed.proj.")] = value.clone()
    torch.save({"target_encoder": state}, tmp_path / "small.pt")
    command = [str(tmp_path / "small.pt"), str(video), "--out", str(tmp_path)]
    assert main([*command, "--size", "24", "--frames", "4"]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / f"clip-small.{s}") for s in
                                               ("png", "mp4")]  # fmt: skip


@pytest.mark.parametrize(
    "spoil, says",
    [
        (lambda f: (f / "config.json").write_text("[]"), "not the configuration"),
        (lambda f: (f / "config.json").write_text('{"train": {"encoder": {"nope": 1}}}'), "nope"),
        (lambda f: (f / "config.json").write_text('{"train": {"encoder": {"width": "a"}}}'),
         "whole number"),
        (lambda f: (f / "config.json").write_text(
            json.dumps({"train": {"encoder": plain(replace(TINY, width=36))}})), "describes"),
        (lambda f: (f / "encoder.safetensors").write_bytes(b"x" * 40), "damaged"),
        (lambda f: (f / "encoder.safetensors").unlink(), "has neither"),
    ],
)  # fmt: skip
def test_a_damaged_folder_is_one_sentence(run_folder, video, spoil, says, capsys):
    folder, _ = run_folder
    spoil(folder)
    assert main([str(folder), str(video)]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ") and told.count("\n") == 1 and says in told


def test_what_cannot_be_read_or_written_is_one_sentence(run_folder, video, tmp_path, capsys):
    folder, _ = run_folder
    (tmp_path / "file").write_text("x")
    for command, says in (
        ([folder, tmp_path / "none.mp4"], "does not exist"),
        ([tmp_path / "none.pt", video], "does not exist"),
        ([folder, video, "--out", tmp_path / "file"], "cannot be written"),
        ([folder, video, "--size", "20"], "does not divide"),
        ([folder, video, "--device", "tpu"], "Unknown device"),
    ):
        assert main([str(c) for c in command]) == 2
        told = capsys.readouterr().err
        assert told.count("\n") == 1 and says in told


def test_a_run_opens_at_other_sizes(run_folder):
    encoder, config = open_run(run_folder[0], size=32, frames=8)
    assert encoder.grid.shape == (4, 4, 4) and not encoder.training
    assert config["train"]["encoder"]["rope_reference"] is None and encoder.cfg.width == 24


# --- devices ----------------------------------------------------------------------------------


def test_apples_gpus_read_and_do_not_train(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    check_device("mps", reading=True)
    with pytest.raises(ConfigError, match="choose 'cpu' or 'cuda'"):
        check_device("mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="PyTorch sees no GPU"):
        check_device("mps", reading=True)
    check_device("cpu", reading=True)


def test_encoders_of_a_group_are_titled_as_figures_title_objectives():
    from vjepa_lib.show import strips
    from vjepa_lib.study import configs, kept
    from vjepa_lib.study.results import untrained

    pairs = (("random_init", "released"), ("fwm_ld", "described"))
    these = kept.Group(pairs, (), "smoke", 0, lambda config: untrained(config.train), "smoke")
    encoder = untrained(configs.resolve("baseline", "released", "smoke", 0).train)
    grid = encoder.grid
    clip = torch.zeros(grid.frames, grid.height, grid.width, 3, dtype=torch.uint8)
    clip[1:, :8] = 200
    rows, variance = strips.encoder_maps(these, clip)
    assert [r[0] for r in rows] == ["clip", *variance.encoder] and len(rows) == 3
    assert "described" in variance.encoder.iloc[1]
