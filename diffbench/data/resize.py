"""Reduction of images by area averaging: a new pixel is the mean over the area of old ones that it covers."""

import numpy as np
from numpy.typing import NDArray

from diffbench.data.raw_images import blocks, mistake


def check_side(shape: tuple[int, ...], side: int) -> None:
    """Refuse to reduce images of `shape` (C, H, W) to `side` x `side` if not square or smaller."""
    if shape[1] != shape[2]:
        raise mistake("resize", f"only square images can be reduced, these are {shape[1]}x{shape[2]}; leave it out")
    if side > shape[1]:
        raise mistake("resize", f"{side} is beyond the {shape[1]} pixels that the images have; give at most that")


def reduced(images: np.ndarray, side: int) -> np.ndarray:
    """Images (n, C, S, S) as (n, C, side, side), in the same type; integers are rounded to the nearest."""
    check_side(images.shape[1:], side)
    weights = _area_weights(images.shape[-1], side)
    result = np.empty((*images.shape[:2], side, side), images.dtype)
    whole = np.issubdtype(images.dtype, np.integer)
    done = 0
    for block in blocks(images):
        means = weights @ block @ weights.T
        result[done : done + len(block)] = np.rint(means) if whole else means
        done += len(block)
    return result


def _area_weights(old: int, new: int) -> NDArray[np.float64]:
    """Share of each old pixel in each new one along an axis, (new, old): the length of their intersection."""
    edges = np.linspace(0, old, new + 1)
    pixel = np.arange(old)
    right, left = np.minimum(edges[1:, None], pixel + 1), np.maximum(edges[:-1, None], pixel)
    return np.maximum(right - left, 0) * new / old
