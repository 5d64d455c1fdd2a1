"""Raw images as a source yields them: unscaled, in the type in which they are stored."""

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from diffbench.conventions import DiffbenchError
from diffbench.data.account import LeftOut

BLOCK_VALUES = 2**22
"""Values that are handled at once in float64 (32 MiB), where a whole set would not fit."""


COLOURS = (1, 3)
"""Numbers of channels that are seen as a picture, grey or coloured."""


@dataclass(frozen=True)
class RawImages:
    """Images (n, *shape) of a real type, and classes (n,) in [0, class_count); all 0 where there are none."""

    images: np.ndarray
    classes: NDArray[np.int64]
    class_count: int
    """0 where the images have no classes."""
    rows: NDArray[np.int64] | None = None
    """Which of the images as they were read these are, (n,); None: all of them."""
    names: tuple[str, ...] = ()
    """Of all the images as they were read, where they have any."""
    left_out: LeftOut = field(default_factory=LeftOut)
    conditions: NDArray[np.float32] | None = None
    """A vector of each image, (n, d) or (n, tokens, d), where they have such conditions."""

    def take(self, indices: np.ndarray) -> "RawImages":
        """These images, in this order."""
        rows = indices if self.rows is None else self.rows[indices]
        conditions = None if self.conditions is None else self.conditions[indices]
        images, classes = self.images[indices], self.classes[indices]
        return replace(self, images=images, classes=classes, rows=rows, conditions=conditions)

    def name_of(self, index: int) -> str:
        """The name of an image, or its place among those that were read, from 0."""
        row = index if self.rows is None else int(self.rows[index])
        return self.names[row] if self.names else str(row)


@dataclass(frozen=True)
class Facts:
    """What is known of a data set without loading it."""

    pool: int
    """At most so many images are left to train on, class-balanced and beside the validation images.

    Exact duplicates are seen only when the images are read.
    """
    classes: int
    """0 where the images have no classes."""
    shape: tuple[int, ...]
    """Shape of one image."""
    conditions: tuple[int, ...] | None = None
    """Shape (d,) or (tokens, d) of an image's condition, where conditions are vectors."""
    held_out: int | None = None
    """Held-out images that are given, where they are: repeated ones, and those that are not used, included."""
    equidistant: bool = False
    """Whether an n-subset is every k-th of the pool, so that n must divide it, rather than its first n."""


@dataclass(frozen=True)
class Contents:
    """What a set of images holds, known without reading the images."""

    count: int
    balanced: int
    """At most so many images stand in a class-balanced order."""
    class_names: tuple[str, ...]
    """In the order of the classes' numbers; none where the images have no classes."""
    shape: tuple[int, ...]
    """Shape (C, H, W) of one image as it is stored."""
    left_out: LeftOut = field(default_factory=LeftOut)
    """What lies beside them."""


def are_latents(shape: tuple[int, ...]) -> bool:
    """Whether images (C, H, W) are taken for latents: their channels are no colours."""
    return len(shape) == 3 and shape[0] not in COLOURS


def mistake(key: str, text: str) -> DiffbenchError:
    """The error for a wrong key of a study's data section."""
    return DiffbenchError(f"key 'data.{key}': {text}")


Blame = Callable[[str], DiffbenchError]
"""Makes an error of what is wrong with a file: it names the key, or the option, by which the file was given."""

blame_path: Blame = partial(mistake, "path")
"""For files that data.path names."""


def unlabelled(images: np.ndarray) -> RawImages:
    """Images without classes."""
    return RawImages(images, np.zeros(len(images), np.int64), 0)


def balanced_count(class_sizes: NDArray[np.int64]) -> int:
    """Images that a class-balanced order can hold: classes times images of the smallest class."""
    return len(class_sizes) * int(class_sizes.min())


def digests(images: np.ndarray) -> Iterator[bytes]:
    """A 128-bit digest of each image, equal for identical ones of one type."""
    for row in np.ascontiguousarray(images.reshape(len(images), -1)):
        yield hashlib.blake2b(row, digest_size=16).digest()


def without_duplicates(raw: RawImages) -> RawImages:
    """The first of each set of identical images, in the order given. 128-bit digests are compared.

    The condition of a repeated image goes with it; how many had one of their own is noted.
    """
    first: dict[bytes, int] = {}
    kept = np.array([first.setdefault(digest, index) for index, digest in enumerate(digests(raw.images))], np.int64)
    if len(first) == len(raw.images):
        return raw
    if raw.conditions is not None:
        differ = (raw.conditions != raw.conditions[kept]).reshape(len(kept), -1).any(axis=1)
        if others := int(differ.sum()):
            raw.left_out.note(f"{others} of the repeated with a condition of their own, which is left out, too")
    return raw.take(np.fromiter(first.values(), np.int64))


def block_length(shape: tuple[int, ...]) -> int:
    """Number of images of `shape` that are handled at once."""
    return max(1, BLOCK_VALUES // math.prod(shape))


def blocks(images: np.ndarray) -> Iterator[NDArray[np.float64]]:
    """The images in float64, block by block."""
    length = block_length(images.shape[1:])
    for start in range(0, len(images), length):
        yield images[start : start + length].astype(np.float64)
