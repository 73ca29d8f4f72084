"""A clip under sliders, without a browser: what the picture and the caption show."""

import base64
import io

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from PIL import Image

from vjepa_lib.analysis import masks
from vjepa_lib.errors import ConfigError, ShapeError
from vjepa_lib.model.grid import Grid
from vjepa_lib.show import plots, strips
from vjepa_lib.show.scrub import Scrubber, picture

FRAMES = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((4, 8, 8, 3), np.uint8) * 60
MASK = np.zeros((2, 2, 2), bool)
MASK[1, 0, 1] = True  # second time step, top right
HIDDEN = {("multiblock", 1): ~MASK, ("multiblock", 2): MASK, ("amg", 1): MASK}


def shown(scrubber):
    """The picture at the size of the clip, 0..1."""
    image = np.asarray(Image.open(io.BytesIO(scrubber.image.value))) / 255
    return image[:: image.shape[0] // 8, :: image.shape[1] // 8]


def test_the_slider_moves_through_all_frames():
    scrubber = Scrubber(FRAMES, HIDDEN)
    scrubber.kind.value = "none"
    assert (scrubber.frame.min, scrubber.frame.max) == (0, 3)
    for frame in range(4):
        scrubber.frame.value = frame
        np.testing.assert_allclose(shown(scrubber), FRAMES[frame] / 255, atol=1 / 255)
    assert scrubber.caption.value == "frame 3, time step 1"


def test_exactly_the_hidden_tokens_of_the_time_step_are_tinted():
    scrubber = Scrubber(FRAMES, HIDDEN, mask_colour="#FFFFFF")
    scrubber.group.value = 2
    for frame in range(4):
        scrubber.frame.value = frame
        want = FRAMES[frame] / 255
        if frame >= 2:
            want = want.copy()
            want[:4, 4:] = 0.35 * want[:4, 4:] + 0.65
        np.testing.assert_allclose(shown(scrubber), want, atol=1 / 255)
    assert scrubber.caption.value.endswith("time step 1: 1 of 4 tokens hidden from the context")
    scrubber.group.value = 1
    assert scrubber.caption.value.endswith("3 of 4 tokens hidden from the context")


def test_a_kind_offers_the_groups_it_has():
    scrubber = Scrubber(FRAMES, HIDDEN)
    assert scrubber.kind.options == ("none", "multiblock", "amg")
    scrubber.group.value = 2
    scrubber.kind.value = "amg"
    assert scrubber.group.options == (1,) and scrubber.group.value == 1
    scrubber.kind.value = "multiblock"
    assert scrubber.group.options == (1, 2) and not scrubber.group.disabled
    scrubber.kind.value = "none"
    assert scrubber.group.disabled and "tokens" not in scrubber.caption.value


def test_what_is_hidden_is_what_is_not_context():
    grid = Grid(2, 4, 4, patch=4)
    clip = torch.rand(1, 3, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    drawn = masks.draw_masks(("multiblock", "future_predictive"), grid, clip)
    hidden = strips.hidden_tokens(drawn, grid)
    assert hidden.keys() == drawn.keys()
    for key, (context, target) in drawn.items():
        flat = hidden[key].reshape(-1)
        assert not flat[context[0]].any() and flat.sum() == grid.n - context.shape[1]
        assert flat[target[0]].all()  # what is predicted is never seen
    rows = strips.hidden(torch.zeros(4, 16, 16, 3), hidden)
    assert [title for title, _, _ in rows][:2] == ["multiblock\ngroup 1", "multiblock\ngroup 2"]
    plots.clips(rows)


def test_pixels_stay_squares_and_colours_stay():
    frame = np.array([[to_rgb("#336699"), to_rgb("#FFFFFF")]] * 2)
    image = np.asarray(Image.open(io.BytesIO(picture(frame, side=7))))
    assert image.shape == (8, 8, 3)
    assert (image[:, :4] == (0x33, 0x66, 0x99)).all() and (image[:, 4:] == 255).all()


def test_bad_clips_and_masks_are_told():
    with pytest.raises(ConfigError, match="draw at least one kind"):
        Scrubber(FRAMES, {})
    with pytest.raises(ShapeError, match="3 x 3 tokens"):
        Scrubber(FRAMES, {("amg", 1): np.zeros((2, 3, 3))})


def test_readers_without_sliders_get_the_picture():
    scrubber = Scrubber(FRAMES, HIDDEN)
    scrubber.frame.value = 2
    bundle = scrubber._repr_mimebundle_(include=None, exclude=None)
    assert base64.b64decode(bundle["image/png"]) == scrubber.image.value
    assert bundle["text/plain"].startswith("frame 2, time step 1")
    assert "application/vnd.jupyter.widget-view+json" in bundle
