"""A set of images of any shape, in an array file or a folder, mapped into memory as flat rows of floats."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diffbench.conventions import DiffbenchError
from diffbench.data.formats.arrays import Array
from diffbench.data.formats.own_images import Asked, Blames, as_images, opened_images
from diffbench.data.formats.spool import spooled
from diffbench.data.raw_images import Blame, block_length
from diffbench.data.scales import BYTES, DEEP, Ends, Scale, misfit, scale_of
from diffbench.settings.data import Layout

WHOLE = {"u1": BYTES, "u2": DEEP}
"""Types of whole numbers that images have, and what then is black and white."""

GRID = 0.1
"""Distance in steps of 8 bits from a multiple that rounding to float16 stays below."""


@dataclass(frozen=True)
class ImageSet:
    """Flat images, floats, with the shape of one: (C, H, W), or what the file has where it holds no images."""

    name: str  # of its role, for messages
    origin: str  # the file or folder, and the array inside it
    flat: np.ndarray  # (n, d), mapped from disk
    shape: tuple[int, ...]
    scale: Scale  # of the values in the file
    black_and_white: Ends | None = None  # values in the file that are 0 and 1 here; None: all are as in the file
    declared: bool = False  # whether these were given by the user

    @property
    def scale_here(self) -> Scale:
        """The scale of the values of `flat`."""
        if self.black_and_white is None:
            return self.scale
        scale = replace(self.scale, ends=self.black_and_white) if self.declared else self.scale
        return scale.relative_to(self.black_and_white)

    @property
    def values(self) -> str:
        """What the values in the file span, for messages."""
        if not self.declared or self.black_and_white is None:
            return self.scale.text
        low, high = self.black_and_white
        return f"[{self.scale.low:.4g}, {self.scale.high:.4g}] (declared as {low:g} to {high:g})"

    def take(self, rows: NDArray[np.int64]) -> "ImageSet":
        """These images, in this order, in a temporary file."""
        length = block_length(self.shape)
        parts = (self.flat[rows[start : start + length]] for start in range(0, len(rows), length))
        return replace(self, flat=spooled((len(rows), self.flat.shape[1]), self.flat.dtype, parts))

    def between(self, ends: Ends) -> "ImageSet":
        """The same with values that are moved so that `ends`, values as they are in the file, become 0 and 1."""
        return replace(self, flat=_moved(self.flat, ends), black_and_white=ends)


def read_image_set(
    name: str,
    location: str,
    declared: Ends | None = None,
    generated: bool = False,
    layout: Layout | None = None,
) -> ImageSet:
    """The images (n, ...) at `location`: a folder, FILE, or FILE:ARRAY where a .npz or .h5 file holds several arrays.

    `declared` values become 0 and 1; else those of whole numbers do that are the ends of their type, and floats are
    left as they are. C-ordered floats in a .npy file are used where they lie; everything else is copied to a temporary
    file, block by block. DiffbenchError, naming `name`, for whatever is no set of images of uint8, uint16 or floats,
    for NaN, and for values outside the declared ones.
    """
    path, array_name = _split(location)
    blames = _blames(name, "; give FILE:ARRAY", " (--layout)")
    with opened_images(path, Asked(array_name, layout, shapeless=True), blames) as own:
        _check(path, own.array, blames.file)
        images = own.array.mapped()
    origin = f"{path}:{array_name}" if array_name else str(path)
    return _set(name, images, origin, declared, generated, blames.file)


def image_set(
    name: str,
    images: np.ndarray,
    origin: str,
    declared: Ends | None = None,
    generated: bool = False,
    layout: Layout | None = None,
) -> ImageSet:
    """Images (n, ...) of a type that `read_image_set` takes as a set; values and errors as there."""
    blames = _blames(name)
    _check(origin, images, blames.file)
    array = Array(images.shape, images.dtype, lambda: images, lambda: images)
    placed = as_images(array, origin, Asked(layout=layout, shapeless=True), blames).read()
    return _set(name, placed, origin, declared, generated, blames.file)


def _blames(name: str, of_array: str = "", of_layout: str = "") -> Blames:
    """Makers of errors about a set; those about its array and its axes end with these words."""

    def ending(words: str) -> Blame:
        return lambda text: DiffbenchError(f"{name}: {text}{words}")

    return Blames(ending(""), ending(of_array), ending(of_layout))


def _set(name: str, images: np.ndarray, origin: str, declared: Ends | None, generated: bool, blame: Blame) -> ImageSet:
    scale = scale_of(images, blame)
    if declared is not None and (problem := misfit(scale, declared, generated)):
        raise blame(f"{origin}: {problem}")
    ends = declared or WHOLE.get(images.dtype.str[1:])
    if ends is not None:
        images = _moved(images, ends)
    elif not images.flags.c_contiguous:
        images = _copied(images, images.dtype, lambda block: block)
    flat = images.reshape(len(images), -1)
    return ImageSet(name, origin, flat, tuple(images.shape[1:]), scale, ends, declared is not None)


def _split(location: str) -> tuple[Path, str | None]:
    """FILE:ARRAY in its parts, unless a file bears the whole as its name."""
    file, colon, array = location.rpartition(":")
    if not colon or Path(location).exists():
        return Path(location), None
    return Path(file), array


def _check(path: Path | str, array: Array | np.ndarray, blame: Blame) -> None:
    if array.dtype.str[1:] not in WHOLE and array.dtype.kind != "f":
        raise blame(f"{path}: values are of type {array.dtype}; give uint8 (0 to 255), uint16 or floats")
    if len(array.shape) < 2 or 0 in array.shape:
        raise blame(f"{path}: shape {array.shape} is not (n, ...) with at least one image and value")


def _moved(images: np.ndarray, ends: Ends) -> np.ndarray:
    """A copy in which `ends` are 0 and 1: float32, or float64 where the images are.

    Values that all are multiples of 1/255 but for rounding become so exactly, in float32: copies of bytes equal them.
    """

    def steps(block: np.ndarray) -> np.ndarray:
        return (block.astype(np.float64) - ends[0]) * (255 / (ends[1] - ends[0]))

    length, single = block_length(images.shape[1:]), np.dtype(np.float32)
    parts = (steps(images[start : start + length]) for start in range(0, len(images), length))
    bytes_alone = images.dtype == np.uint8 and ends == BYTES
    if bytes_alone or all((np.abs(part - np.rint(part)) < GRID).all() for part in parts):
        return _copied(images, single, lambda block: np.rint(steps(block)).astype(np.float32) / np.float32(255))
    dtype = images.dtype if images.dtype == np.float64 else single
    return _copied(images, dtype, lambda block: (steps(block) / 255).astype(dtype))


def _copied(images: np.ndarray, dtype: np.dtype, convert: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    length = block_length(images.shape[1:])

    def parts() -> Iterator[np.ndarray]:
        for start in range(0, len(images), length):
            yield convert(images[start : start + length])

    return spooled(images.shape, dtype, parts())
