"""Samples that are training images but for brightness and contrast: a copy, or a set that is on another scale.

The order of an image's values is that of every rising function of them, so it finds copies where values do not.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diffbench.measures.neighbors import Images, blocks
from diffbench.shapes import Float, Float64

FEWEST = 8
"""An image with fewer distinct values is no evidence: many have the same order."""

SAME = 1e-3
"""Difference up to which gains are the same, and shifts in units of an image's span."""

NEAR = 0.05
"""The same from a gain of 1 and a shift of 0 up to which a sample is a near copy, as the measures will say."""


@dataclass(frozen=True)
class RescaledCopies:
    """Pairs (sample, training image) whose values differ by a gain and a shift for each channel."""

    pairs: list[tuple[int, int]]
    common: tuple[float, float] | None  # gain and shift of the first channel, where several pairs all have the same


def rescaled_copies(
    samples: Float[Images, "m d"], train: Float[Images, "n d"], shape: tuple[int, ...]
) -> RescaledCopies:
    """Samples whose values are in the order of a training image's, channel by channel, but are not near its own.

    Nor near those of another training image: a training set may hold the same image in several brightnesses.
    """
    rows: dict[bytes, list[int]] = {}
    for row, digest in _orders(train, shape):
        rows.setdefault(digest, []).append(row)
    unit = float(np.ptp(train[:1])) or 1.0
    pairs, maps = [], []
    for row, digest in _orders(samples, shape):
        alike = rows.get(digest, [])
        changes = [_change(samples[row : row + 1], train[other : other + 1], shape, unit) for other in alike]
        if changes and all((np.abs(change - np.array([[1.0], [0.0]])) > NEAR).any() for change in changes):
            pairs.append((row, alike[0]))
            maps.append(changes[0])
    if len(pairs) < 2 or not all(np.allclose(each, maps[0], rtol=SAME, atol=SAME) for each in maps):
        return RescaledCopies(pairs, None)
    gain, shift = maps[0][:, 0]
    return RescaledCopies(pairs, (float(gain), float(shift) * unit if abs(shift) > SAME else 0.0))


def _planes(images: Float[np.ndarray, "b d"], shape: tuple[int, ...]) -> Float[np.ndarray, "b c p"]:
    """The values by channel; of what is no image (C, H, W), all together."""
    return images.reshape(len(images), shape[0] if len(shape) == 3 else 1, -1)


def _orders(images: Float[Images, "n d"], shape: tuple[int, ...]) -> Iterator[tuple[int, bytes]]:
    """Row and digest of the order of values, equal ones told apart, of each image with enough of them."""
    for part in blocks(images):
        for row, planes in enumerate(_planes(np.asarray(images[part]), shape), part.start):
            order = np.argsort(planes, axis=1, kind="stable")
            ordered = np.take_along_axis(planes, order, axis=1)
            steps = ordered[:, 1:] > ordered[:, :-1]
            if steps.sum(axis=1).min() >= FEWEST - 1:
                yield row, hashlib.blake2b(order.astype(np.int32).tobytes() + steps.tobytes(), digest_size=16).digest()


def _change(
    sample: Float[np.ndarray, "1 d"], train: Float[np.ndarray, "1 d"], shape: tuple[int, ...], unit: float
) -> Float64[np.ndarray, "2 c"]:
    """Gain and shift (in units of `unit`) of each channel that turn the training image into the sample."""
    low, high, train_low, train_high = (
        getattr(_planes(image, shape)[0].astype(np.float64), end)(axis=1)
        for image in (sample, train)
        for end in ("min", "max")
    )
    gain = (high - low) / (train_high - train_low)
    return np.stack([gain, (low - gain * train_low) / unit])
