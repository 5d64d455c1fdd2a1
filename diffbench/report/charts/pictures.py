"""Images as pages show them: PNG data URIs, and what is to be said of them."""

import base64
import io
import math

import numpy as np
from PIL import Image

from diffbench.data.raw_images import COLOURS, are_latents
from diffbench.data.training_set import Images
from diffbench.settings.data import LATENTS, DataSettings
from diffbench.shapes import Real, UInt8

SIDE = 96
"""Longest side of a picture, in its pixels: larger ones are shrunk, so that pages stay small."""

OVERHEAD = 100
"""Bytes of a PNG beside its rows of pixels."""


def data_uris(images: Images) -> list[str]:
    """Images (n, c, h, w) as PNG data URIs between their least and largest value; empty for points of the plane."""
    if images.ndim != 4:
        return [""] * len(images)
    low, high = float(images.min()), float(images.max())
    return [png(image, low, high) for image in images]


def told_of(data: DataSettings, shape: tuple[int, ...]) -> str:
    """What is to be said of pictures of a study's images, of this shape: nothing, where they are plain pictures."""
    if data.decoding:
        return "Pictures are what latents are decoded to. " + _shrunk(shape)
    return told_of_latents(shape, data.name == LATENTS)


def told_of_latents(shape: tuple[int, ...], named: bool = False) -> str:
    """The same of latents without a decoder; named: whether they were said to be some."""
    by_channel = are_latents(shape)
    text = "Latents, without a decoder" if named or by_channel else ""
    told = f": their {shape[0]} channels side by side, on one scale of grey. " if by_channel else ". " * named
    return text + told + _shrunk(shape)


def _shrunk(shape: tuple[int, ...]) -> str:
    return f"Pictures are shrunk to {SIDE} pixels on their longer side. " if _scale(shape) < 1 else ""


def _scale(shape: tuple[int, ...]) -> float:
    """Size of the picture of an image of this shape, its own being 1."""
    return min(1.0, SIDE / max(shape[1:])) if len(shape) == 3 and shape[0] in COLOURS else 1.0


def largest(shape: tuple[int, ...]) -> int:
    """Bytes that the data URI of an image of this shape takes at most, incompressible; 0 where it is no picture."""
    if len(shape) != 3:
        return 0
    channels, height, width = shape
    if channels in COLOURS:
        rows, length = math.ceil(height * _scale(shape)), channels * math.ceil(width * _scale(shape))
    else:
        down, beside = _grid(channels)
        rows, length = down * (height + 1), beside * (width + 1)
    return 4 * math.ceil((rows * (1 + length) + OVERHEAD) / 3)


def png(image: Real[np.ndarray, "c h w"], low: float, high: float) -> str:
    """An image as a PNG data URI; `low` is black, `high` white. Channels other than 1 or 3 are maps side by side.

    A picture in grey or colour whose longer side has more than SIDE pixels is shrunk to that.
    """
    pixels = np.clip((image.astype(np.float64) - low) / (high - low or 1.0) * 255, 0, 255).round().astype(np.uint8)
    match len(pixels):
        case 1:
            pixels = pixels[0]
        case 3:
            pixels = np.moveaxis(pixels, 0, -1)
        case _:
            pixels = _maps(pixels)
    buffer, picture = io.BytesIO(), Image.fromarray(pixels)
    if len(image) in COLOURS:
        picture.thumbnail((SIDE, SIDE))  # only if it is larger
    picture.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _maps(channels: UInt8[np.ndarray, "c h w"]) -> UInt8[np.ndarray, "height width"]:
    """The channels as `_grid` lays them out, with white lines between."""
    count, height, width = channels.shape
    rows, columns = _grid(count)
    maps = np.full((rows * columns, height + 1, width + 1), 255, np.uint8)
    maps[:count, :-1, :-1] = channels
    grid = maps.reshape(rows, columns, height + 1, width + 1).swapaxes(1, 2)
    return grid.reshape(rows * (height + 1), columns * (width + 1))[:-1, :-1]


def _grid(count: int) -> tuple[int, int]:
    """Rows and columns of so many maps, about as many below each other as beside."""
    rows = math.isqrt(count)
    return rows, math.ceil(count / rows)
