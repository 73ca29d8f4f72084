"""A clip and its masks under sliders: what is hidden, frame by frame."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping

import ipywidgets as widgets
import numpy as np
from PIL import Image

from vjepa_lib.errors import ConfigError
from vjepa_lib.show.plots.frames import MASK_COLOUR, overlay


def picture(frame: np.ndarray, side: int = 256) -> bytes:
    """A frame as PNG, enlarged by a whole number so that pixels stay squares.

    Parameters
    ----------
    frame : [H, W, 3], 0..1
    side : least height in pixels.
    """
    times = -(-side // frame.shape[0])
    pixels = (255 * frame).round().astype(np.uint8).repeat(times, 0).repeat(times, 1)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


class Scrubber:
    """Sliders for the frame of a clip, the kind of its mask and the mask group.

    The last line of a cell shows it. Without a kernel nothing moves; who cannot show sliders, such
    as a page on GitHub, shows the frame as a picture.

    Parameters
    ----------
    frames : [F, H, W, 3] uint8 or 0..1.
    hidden : (kind, mask group from 1) -> [T, h, w] bool, the tokens that are hidden.
    tubelet : frames of a time step.
    mask_colour : tint of hidden tokens; None hatches them, which reads on clips of any colour.

    Attributes
    ----------
    frame, kind, group : the controls; set their `value` to move them.
    image : the picture, a PNG in `value`.
    caption : which frame and time step is shown, and how much of it is hidden.
    box : all of these together.

    Raises
    ------
    ConfigError : no mask. ShapeError : frames or a mask of another shape.
    """

    def __init__(
        self,
        frames: np.ndarray,
        hidden: Mapping[tuple[str, int], np.ndarray],
        tubelet: int = 2,
        mask_colour: str | None = None,
    ) -> None:
        if not hidden:
            raise ConfigError("There is no mask to show: draw at least one kind.")
        self._hidden, self._tubelet = dict(hidden), tubelet
        colour, hatched = mask_colour or MASK_COLOUR, mask_colour is None
        self._plain = overlay("clip", frames, None, tubelet)
        self._tinted = {
            (kind, group): overlay(
                f"{kind}, group {group}", frames, mask, tubelet, colour, hatched=hatched
            )
            for (kind, group), mask in self._hidden.items()
        }
        kinds = list(dict.fromkeys(kind for kind, _ in self._hidden))
        self.frame = widgets.IntSlider(0, 0, len(self._plain) - 1, description="frame")
        self.kind = widgets.Dropdown(options=["none", *kinds], value=kinds[0], description="mask")
        self.group = widgets.ToggleButtons(options=self._groups(), description="mask group")
        self.image, self.caption = widgets.Image(format="png"), widgets.Label()
        for control in (self.frame, self.group):
            control.observe(self._draw, "value")
        self.kind.observe(self._change_kind, "value")
        self._draw()
        controls = widgets.VBox([self.frame, self.kind, self.group, self.caption])
        self.box = widgets.HBox([self.image, controls])

    def _repr_mimebundle_(self, **_options: object) -> dict:
        """The sliders, and for readers without them the picture and its caption."""
        picture = base64.b64encode(self.image.value).decode()
        still = {"image/png": picture, "text/plain": self.caption.value}
        return self.box._repr_mimebundle_() | still

    def _groups(self) -> list[int]:
        """Mask groups of the kind that is chosen."""
        return [group for kind, group in self._hidden if kind == self.kind.value]

    def _change_kind(self, _change: object) -> None:
        kept = self.group.value
        groups = self._groups()
        self.group.disabled = not groups
        if groups:  # a kind may have fewer groups than the one before
            self.group.options = groups
            self.group.value = kept if kept in groups else groups[0]
        self._draw()

    def _draw(self, _change: object = None) -> None:
        at, key = self.frame.value, (self.kind.value, self.group.value)
        step = at // self._tubelet
        self.image.value = picture(self._tinted.get(key, self._plain)[at])
        self.caption.value = f"frame {at}, time step {step}"
        if key in self._hidden:
            mask = np.asarray(self._hidden[key])[step]
            self.caption.value += f": {mask.sum()} of {mask.size} tokens hidden from the context"
