"""Images of a data file that stay there, and are read block by block as they are asked for."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffbench.data.raw_images import block_length
from diffbench.data.scaling import Scaling
from diffbench.files.store import StoredArray

FIRST = 4096
"""Images that tell how dark and bright all are."""


@dataclass(frozen=True)
class StoredImages:
    """Scaled images of one split as rows (n, d): `measures.neighbors` searches them without holding them all."""

    array: StoredArray
    places: range
    """Where in the array they stand."""
    scaling: Scaling
    classes: tuple[str, ...]
    """Names of the true classes (n,), empty where images have none."""

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one image."""
        return self.array.shape[1:]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of images, and of values in each."""
        return len(self.places), math.prod(self.image_shape)

    @property
    def dtype(self) -> np.dtype:
        """That of scaled values."""
        return np.dtype(np.float32)

    def __getitem__(self, rows: slice | np.ndarray, /) -> NDArray[np.float32]:
        return self.images(rows).reshape(-1, self.shape[1])

    def __array__(self) -> NDArray[np.float32]:
        return self[:]

    def images(self, rows: slice | np.ndarray) -> NDArray[np.float32]:
        """Images (r, *shape) at these rows; no others are read."""
        parts = [rows] if isinstance(rows, slice) else [slice(row, row + 1) for row in rows.tolist()]
        chosen = [self.places[part] for part in parts]
        images = [read_scaled(self.array, slice(each.start, each.stop, each.step), self.scaling) for each in chosen]
        return np.concatenate([np.empty((0, *self.image_shape), np.float32), *images])

    @property
    def extent(self) -> tuple[float, float]:
        """The least and the largest value of the first FIRST images, or as many as are handled at once."""
        first = self.images(slice(0, min(FIRST, block_length(self.image_shape))))
        return float(first.min()), float(first.max())


def read_scaled(stored: StoredArray | np.ndarray, rows: slice, scaling: Scaling) -> NDArray[np.float32]:
    """These rows of raw images in a file, scaled, block by block."""
    indices = range(len(stored))[rows]
    result = np.empty((len(indices), *stored.shape[1:]), np.float32)
    length = block_length(stored.shape[1:])
    for start in range(0, len(indices), length):
        block = indices[start : start + length]
        result[start : start + length] = scaling.scaled(stored[block.start : block.stop : block.step])
    return result
