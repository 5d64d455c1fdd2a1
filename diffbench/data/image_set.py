"""A set of images of any shape in an array file, mapped into memory as flat rows of floats."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diffbench.conventions import DiffbenchError
from diffbench.data.formats.arrays import Array, opened
from diffbench.data.formats.spool import spooled
from diffbench.data.raw_images import Blame, block_length

WHITE = 255
"""What uint8 images are divided by, so that they compare with floats in [0, 1]."""


@dataclass(frozen=True)
class ImageSet:
    """Flat images, floats, with the shape that one had in the file."""

    name: str  # of its role, for messages
    origin: str  # the file, and the array inside it
    flat: np.ndarray  # (n, d), mapped from disk
    shape: tuple[int, ...]
    from_bytes: bool  # whether the file holds uint8, of which 255 is 1 here

    def take(self, rows: NDArray[np.int64]) -> "ImageSet":
        """These images, in this order, in a temporary file."""
        length = block_length(self.shape)
        parts = (self.flat[rows[start : start + length]] for start in range(0, len(rows), length))
        flat = spooled((len(rows), self.flat.shape[1]), self.flat.dtype, parts)
        return ImageSet(self.name, self.origin, flat, self.shape, self.from_bytes)


def read_image_set(name: str, location: str) -> ImageSet:
    """The images (n, ...) at `location`: FILE, or FILE:ARRAY where a .npz or .h5 file holds several arrays.

    C-ordered floats in a .npy file are used where they lie; everything else is copied to a temporary file, block by
    block. DiffbenchError, naming `name`, for whatever is no set of images of uint8 or floats.
    """
    path, array_name = _split(location)

    def blame(text: str) -> DiffbenchError:
        return DiffbenchError(f"{name}: {text}")

    with opened(path, blame) as arrays:
        array, array_name = _chosen(path, arrays, array_name, blame)
        _check(path, array, blame)
        images = array.mapped()
    from_bytes = images.dtype == np.uint8
    if from_bytes:
        images = _copied(images, np.dtype(np.float32), lambda block: block.astype(np.float32) / WHITE)
    elif not images.flags.c_contiguous:
        images = _copied(images, images.dtype, lambda block: block)
    origin = f"{path}:{array_name}" if array_name else str(path)
    return ImageSet(name, origin, images.reshape(len(images), -1), tuple(images.shape[1:]), from_bytes)


def _split(location: str) -> tuple[Path, str | None]:
    """FILE:ARRAY in its parts, unless a file bears the whole as its name."""
    file, colon, array = location.rpartition(":")
    if not colon or Path(location).exists():
        return Path(location), None
    return Path(file), array


def _chosen(path: Path, arrays: dict[str, Array], array_name: str | None, blame: Blame) -> tuple[Array, str]:
    if array_name is None and len(arrays) == 1:
        array_name = next(iter(arrays))
    if array_name not in arrays:
        known = ", ".join(sorted(filter(None, arrays))) or "none with a name"
        wrong = f"no array '{array_name}'" if array_name else "several arrays or none"
        raise blame(f"{path} holds {wrong}; give FILE:ARRAY, it has {known}")
    return arrays[array_name], array_name


def _check(path: Path, array: Array, blame: Blame) -> None:
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        raise blame(f"{path}: values are of type {array.dtype}; give uint8 (0 to 255) or floats")
    if len(array.shape) < 2 or 0 in array.shape:
        raise blame(f"{path}: shape {array.shape} is not (n, ...) with at least one image and value")


def _copied(images: np.ndarray, dtype: np.dtype, convert: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    length = block_length(images.shape[1:])

    def parts() -> Iterator[np.ndarray]:
        for start in range(0, len(images), length):
            yield convert(images[start : start + length])

    return spooled(images.shape, dtype, parts())
