"""Which axes of an array are channels, rows and columns: its shape where that leaves no doubt, else what a key says."""

import numpy as np

from diffbench.data.raw_images import COLOURS, Blame
from diffbench.settings.data import Layout

ONE_PICTURE = {0: (3, 4), 2: (1, 3, 4)}
"""Lengths of the first and the last of three axes with which an array may be one picture as well as many grey ones."""


def shape_of_images(shape: tuple[int, ...], layout: Layout | None, text: str, blame: Blame) -> tuple[int, ...]:
    """Shape (n, C, H, W) of images that lie in an array of `shape`, three or four axes. Errors as of `layout_of`."""
    return channels_first(np.broadcast_to(np.uint8(0), shape), layout_of(shape, layout, text, blame)).shape


def layout_of(shape: tuple[int, ...], given: Layout | None, text: str, blame: Blame) -> Layout:
    """The axes of each image in an array (n, ...), three or four axes: as given, if they fit, or as the shape tells.

    The channels are the axis that differs from two equal ones, or that has length 1 or 3; where both or neither of the
    outer axes could be that, the error of `blame`, about what `text` names, asks for the key.
    """
    if given is not None:
        if len(shape) != len(given) + 1:
            raise blame(f"{text}: shape {shape} does not hold images of layout {given}")
        return given
    if len(shape) == 3:
        if any(shape[axis] in lengths for axis, lengths in ONE_PICTURE.items()):
            raise blame(f"{text}: shape {shape} may be one picture or {shape[0]} grey ones; if grey, give layout HW")
        return "HW"
    _, first, middle, last = shape
    channels_come_first = first in COLOURS or first != middle == last
    channels_come_last = last in COLOURS or last != middle == first
    if channels_come_first == channels_come_last:
        raise blame(f"{text}: shape {shape} does not tell which axis holds the channels; give layout CHW or HWC")
    return "CHW" if channels_come_first else "HWC"


def channels_first(images: np.ndarray, layout: Layout) -> np.ndarray:
    """Images (n, H, W), (n, C, H, W) or (n, H, W, C) as (n, C, H, W), a view."""
    if layout == "HW":
        return images[:, None]
    return images if layout == "CHW" else np.moveaxis(images, 3, 1)
