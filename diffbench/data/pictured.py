"""Trajectories that are kept to be looked at: how many, at how many noise levels, and as which bytes."""

import math
from typing import NamedTuple

import numpy as np

from diffbench.conventions import SIGMA_DATA
from diffbench.shapes import Float64, Real, UInt8

KINDS = (
    "state",
    "denoised",
    "train",
    "noised_train",
    "denoised_train",
    "noised_validation",
    "denoised_validation",
)
"""What is kept of each state: itself and what the denoiser makes of it; the nearest training image, noised and denoised
from there; and the nearest validation image likewise."""

NOISED = ("state", "noised_train", "noised_validation")
TRAJECTORIES, LEVELS = 4, 8
"""Of images, at most."""
POINTS, POINT_LEVELS = 12, 24
"""The same of points in the plane."""
BYTES = 400_000
"""Of all pictures of a cell, at most: fewer trajectories are kept of larger images, and those coarser."""
REACH = 2.0
"""Standard deviations of the noise that a noised picture shows beyond its black and white."""


class Kept(NamedTuple):
    """How much is kept."""

    trajectories: int  # none of vectors, which cannot be looked at
    levels: int
    stride: int  # every how many-th row and column of an image


def kept(shape: tuple[int, ...], trajectories: int, levels: int) -> Kept:
    """Of so many trajectories of images of a shape, over so many levels."""
    if shape == (2,):
        return Kept(min(POINTS, trajectories), min(POINT_LEVELS, levels), 1)
    if len(shape) != 3:
        return Kept(0, 0, 1)
    levels, side = min(LEVELS, levels), max(shape[1:])
    strides = (each for each in range(1, side) if levels * _bytes_of_a_state(shape, each) <= BYTES)
    stride = next(strides, side)
    most = BYTES // (levels * _bytes_of_a_state(shape, stride))
    return Kept(max(1, min(TRAJECTORIES, trajectories, most)), levels, stride)


def kept_bytes(shape: tuple[int, ...], trajectories: int, levels: int) -> int:
    """Bytes of what is kept, uncompressed."""
    much = kept(shape, trajectories, levels)
    state = _bytes_of_a_state(shape, much.stride) if len(shape) == 3 else 4 * len(KINDS) * math.prod(shape)
    return much.trajectories * much.levels * state


def _bytes_of_a_state(shape: tuple[int, ...], stride: int) -> int:
    channels, height, width = shape
    return len(KINDS) * channels * math.ceil(height / stride) * math.ceil(width / stride)


def spread_over_ranks(count: int, limit: int) -> list[int]:
    """At most `limit` ranks out of `count`, evenly spaced, with the first and the last."""
    return sorted({round(rank) for rank in np.linspace(0, count - 1, min(count, limit))})


def spread_over_levels(sigmas: Float64[np.ndarray, " levels"], limit: int) -> list[int]:
    """At most `limit` of a sampler's levels, by their places, with the first and the last.

    Evenly spaced in sqrt(sigma) / (sqrt(sigma) + sqrt(sigma_data)), so densest where noise and image are alike.
    """
    roots = np.sqrt(sigmas)
    scale = roots / (roots + math.sqrt(SIGMA_DATA))
    left = dict(enumerate(scale.tolist()))
    chosen = []
    for target in np.linspace(scale[0], scale[-1], min(len(sigmas), limit)).tolist():
        chosen.append(min(left, key=lambda place: abs(left[place] - target)))
        del left[chosen[-1]]
    return sorted(chosen)


def as_bytes(
    images: Real[np.ndarray, "m c h w"], low: float, high: float, stride: int
) -> UInt8[np.ndarray, "m c rows columns"]:
    """Images between `low`, black, and `high`, white, of which every `stride`-th row and column is kept."""
    shown = (images[..., ::stride, ::stride].astype(np.float64) - low) / (high - low or 1.0)
    return (np.clip(shown, 0, 1) * 255).round().astype(np.uint8)
