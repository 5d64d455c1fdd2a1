"""Conditions that are vectors, such as embeddings: one per image, from the file of images or one beside it."""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diffbench.data.formats.arrays import Array, chosen, opened
from diffbench.data.raw_images import Blame, digests, mistake
from diffbench.files.surroundings import path_of
from diffbench.settings.data import CONDITIONS, DataSettings, place_of

Vectors = NDArray[np.float32]
"""Conditions (n, d), or (n, tokens, d)."""


def vector_shape(spec: DataSettings, key: str, images: int) -> tuple[int, ...] | None:
    """Shape (d,) or (tokens, d) of a condition of the images at spec.path or spec.held_out; None if they have none.

    DiffbenchError, naming the key, if these are not as many vectors of floats as there are `images`.
    """
    place = _place(spec, key)
    if place is None:
        return None
    path, name, blame = place
    with opened(path, blame) as arrays:
        return _checked(path, arrays, name, images, blame).shape[1:]


def load_vectors(spec: DataSettings, key: str, images: int) -> Vectors | None:
    """Those conditions themselves. DiffbenchError also for what is not finite, and for training vectors all alike."""
    place = _place(spec, key)
    if place is None:
        return None
    path, name, blame = place
    with opened(path, blame) as arrays, np.errstate(over="ignore"):
        vectors = _checked(path, arrays, name, images, blame).read().astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(vectors).reshape(images, -1).all(axis=1))
    if len(bad):
        others = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        raise blame(
            f"{path}: the conditions hold NaN or values beyond float32, in that of image {bad[0]}{others}, counted"
            " from 0; mend them"
        )
    if key == "path" and (vectors == vectors[0]).all():
        raise blame(f"{path}: the conditions of all images are alike, and say nothing; leave them out")
    return vectors + np.float32(0)  # -0 becomes 0: alike are those whose bytes are


def check_vectors_alike(held_out: tuple[int, ...] | None, pool: tuple[int, ...] | None) -> None:
    """Refuse held-out images whose conditions are of another shape, or that have none."""
    if held_out == pool:
        return
    if pool is None:
        raise mistake(CONDITIONS["held_out"], "the training images have no conditions; name them as data.conditions")
    if held_out is None:
        raise mistake(
            CONDITIONS["held_out"], "held-out images need conditions of their own, as those of path have; name them"
        )
    raise mistake(
        CONDITIONS["held_out"],
        f"a held-out image's condition has shape {held_out}, a training image's {pool}; make both by the same encoder",
    )


def shared_labels(train: Vectors, held_out: Vectors) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the distinct vectors, (n,) and (v,), in the order in which they come: equal ones share theirs."""
    known: dict[bytes, int] = {}
    numbers = [known.setdefault(digest, len(known)) for vectors in (train, held_out) for digest in digests(vectors)]
    return np.array(numbers[: len(train)], np.int64), np.array(numbers[len(train) :], np.int64)


def _place(spec: DataSettings, key: str) -> tuple[Path, str | None, Blame] | None:
    """File and array of the conditions of either key's images, and who is to blame for what is wrong there."""
    own, named = CONDITIONS[key], getattr(spec, CONDITIONS[key])
    file, array = place_of(named)
    if key == "held_out" and named is None and place_of(spec.conditions)[0] is None:
        own, (_, array) = CONDITIONS["path"], place_of(spec.conditions)  # an array beside the images, of the same name
    if file is None and array is None:
        return None
    beside = getattr(spec, key)
    if file is None and place_of(beside)[0] is None:
        raise mistake(own, f"'{array}' is no file of arrays; give FILE or FILE:ARRAY, of .npy, .npz or .h5 files")
    return path_of(file or beside), array, partial(mistake, own)


def _checked(path: Path, arrays: dict[str, Array], name: str | None, images: int, blame: Blame) -> Array:
    """The array of conditions, unread, if it may hold those of so many images."""
    array = chosen(path, arrays, name, blame)
    if len(array.shape) not in (2, 3) or 0 in array.shape:
        raise blame(f"{path}: conditions of shape {array.shape} are neither (n, d) nor (n, tokens, d)")
    if array.dtype.kind != "f":
        raise blame(f"{path}: conditions are of type {array.dtype}; give floats, and numbers of classes as labels")
    if array.shape[0] != images:
        raise blame(f"{path}: {array.shape[0]} conditions, but there are {images} images; give one for each, in order")
    return array
