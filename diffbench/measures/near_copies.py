"""Images on one side of a split that are near copies of images on the other: re-encoded, or off by a little."""

from dataclasses import dataclass

import numpy as np

from diffbench.measures.memorization import closeness, near_pairs
from diffbench.measures.neighbors import Images
from diffbench.shapes import Float, Real

MOST_PRODUCTS = 10**12
"""Products of two values that the search may cost, about a minute of one core; beyond, fewer images are compared."""


@dataclass(frozen=True)
class NearCopies:
    """Pairs (image, reference) by their rows, and how many images were compared."""

    pairs: list[tuple[int, int]]
    compared: int


@dataclass(frozen=True)
class _Floats:
    """Rows of any real type as float32, converted as they are read."""

    values: Real[np.ndarray, "n d"]
    dtype: np.dtype = np.dtype(np.float32)  # noqa: RUF009 (immutable)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    def __getitem__(self, rows: slice | np.ndarray, /) -> np.ndarray:
        return np.asarray(self.values[rows], np.float32)

    def __array__(self) -> np.ndarray:
        return self[:]


def near_copies(images: Real[np.ndarray, "m d"], references: Real[np.ndarray, "n d"]) -> NearCopies:
    """Images that, generated, would count as memorized (`memorization.distance_ratios`), n >= 2. Exact, in blocks."""
    # The nearest references of images are compared with all others, too.
    allowed = MOST_PRODUCTS // (2 * references.shape[0] * references.shape[1])
    compared = min(len(images), max(1, allowed))
    close = closeness(_floats(images[:compared]), _floats(references))
    return NearCopies(near_pairs(close), compared)


def _floats(values: Real[np.ndarray, "n d"]) -> Float[Images, "n d"]:
    return values if values.dtype.kind == "f" else _Floats(values)
