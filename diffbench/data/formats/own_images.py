"""A user's own images, in an array file or a folder: the one reader of studies, inspections and audits."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np

from diffbench.data.account import LeftOut
from diffbench.data.formats import folder
from diffbench.data.formats.arrays import Array, chosen, in_parts, opened, read_labels
from diffbench.data.formats.axes import channels_first, layout_of, shape_of_images
from diffbench.data.raw_images import Blame, Contents, RawImages, balanced_count, block_length, blocks, mistake
from diffbench.files.surroundings import plain_text
from diffbench.settings.data import Layout

OPAQUE = (2, 4)
"""Channels of grey and of colour with one for how opaque a pixel is."""


@dataclass(frozen=True)
class Blames:
    """Makers of errors about a file, about the name of an array in it, and about its axes."""

    file: Blame
    array: Blame
    layout: Blame

    @staticmethod
    def of_key(key: str) -> "Blames":
        """For images that a study's data.path, or another key, names."""
        return Blames(*(partial(mistake, each) for each in (key, "images", "layout")))


@dataclass(frozen=True)
class Asked:
    """What is asked for of a file or folder."""

    images: str | None = None
    """Name of the array; not needed where there is one."""
    layout: Layout | None = None
    channels: int | None = None
    """The first so many; None: all."""
    shapeless: bool = False
    """Whether arrays (n, ...) that are no images are taken too, as they are."""
    latent: bool = False
    """Whether they are said to be latents, whose channels are no colours."""


@dataclass(frozen=True)
class OwnImages:
    """Images that lie somewhere, unread."""

    array: Array
    """(n, C, H, W)."""
    classes: np.ndarray | None = None
    """Class of each, (n,): the sub-folder that it lies in, or what the folder's list of labels says."""
    names: tuple[str, ...] = ()
    """Of the images, where they have any."""
    left_out: LeftOut = field(default_factory=LeftOut)
    beside: dict[str, Array] = field(default_factory=dict)
    """All arrays of the file, by name."""


@contextmanager
def opened_images(path: Path, asked: Asked, blames: Blames) -> Iterator[OwnImages]:
    """The images in a file or folder. Errors of `blames` for what is none, once it is opened or read."""
    if path.is_dir() or not path.suffix:
        yield _of_folder(path, asked, blames)
        return
    with opened(path, blames.file) as arrays:
        array = chosen(path, arrays, asked.images, blames.array)
        yield OwnImages(as_images(array, str(path), asked, blames), beside=arrays)


def contents(path: Path, asked: Asked, labels: str | None, blames: Blames) -> Contents:
    """What lies there, told by headers, names of files and labels."""
    with opened_images(path, asked, blames) as own:
        images, *shape = own.array.shape
        classes = own.classes if labels is None else read_labels(path, own.beside, labels, images)
        if classes is None:
            return Contents(images, images, (), tuple(shape), own.left_out)
        names, sizes = np.unique(classes, return_counts=True)
        texts = tuple(plain_text(str(name)) for name in names)
        return Contents(images, balanced_count(sizes), texts, tuple(shape), own.left_out)


def load(path: Path, asked: Asked, labels: str | None, blames: Blames) -> RawImages:
    """The images (n, C, H, W), floats in float32, and their classes, numbered in sorted order.

    Classes are those of an array of labels, or of the sub-folders that files lie in.
    """
    with opened_images(path, asked, blames) as own:
        values = _plain(own.array.read())
        classes = own.classes if labels is None else read_labels(path, own.beside, labels, len(values))
    if values.dtype.kind == "f":
        _require_finite(path, values, own, blames.file)
    names, numbers = np.unique(np.zeros(len(values)) if classes is None else classes, return_inverse=True)
    class_count = 0 if classes is None else len(names)
    return RawImages(values, numbers.astype(np.int64), class_count, names=own.names, left_out=own.left_out)


def _plain(values: np.ndarray) -> np.ndarray:
    """Floats in float32, without negative zeros, which would hide duplicates; the rest in the least type."""
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused as such
            return values.astype(np.float32) + np.float32(0)
    ends = (np.min_scalar_type(int(end)) for end in (values.min(), values.max()))
    return values.astype(np.promote_types(*ends))


def _require_finite(path: Path, values: np.ndarray, own: OwnImages, blame: Blame) -> None:
    bad: list[int] = []
    for block, start in zip(blocks(values), count(0, block_length(values.shape[1:]))):
        finite = np.isfinite(block).reshape(len(block), -1).all(axis=1)
        bad += (start + np.flatnonzero(~finite)).tolist()
    if bad:
        others = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        which = own.names[bad[0]] if own.names else f"{bad[0]}{others}, counted from 0"
        raise blame(f"{path}: the images hold NaN or values beyond float32, in image {which}; remove or mend them")


def _of_folder(path: Path, asked: Asked, blames: Blames) -> OwnImages:
    listing = folder.listed(path, blames.file)
    arrays = listing.files[0].suffix.lower() in folder.ARRAYS
    found = _arrays(listing, asked, blames) if arrays else folder.pictures(path, listing, blames.file)
    array = _cut(found, str(path), asked, blames)
    labels = folder.labels_in(path, listing.files, blames.file)
    if labels is None:
        labels = [file.parent.name for file in listing.files] if listing.names else []
    classes = np.array(labels) if labels else None
    names = tuple(plain_text(file.relative_to(path).as_posix()) for file in listing.files)
    return OwnImages(array, classes, names, listing.left_out)


def look(path: Path, asked: Asked, blames: Blames, told: Callable[[int, int], None]) -> None:
    """Open all files of a folder, without reading their images: errors as of `load`, for headers that differ.

    told: hears how many are done, of how many.
    """
    files = folder.listed(path, blames.file).files
    if files[0].suffix.lower() not in folder.ARRAYS:
        folder.look(files, blames.file, told)
        return
    with _opened_image(files[0], asked, blames) as first:
        pass
    for count_done, each in enumerate(files):
        if count_done % folder.TOLD == 0:
            told(count_done, len(files))
        with _opened_image(each, asked, blames) as image:
            folder.check_alike(each, image, files[0], first, blames.file)


def _arrays(listing: folder.Listing, asked: Asked, blames: Blames) -> Array:
    """The images of a folder in which each is an array of its own, (C, H, W) say, or (1, C, H, W)."""
    with _opened_image(listing.files[0], asked, blames) as first:
        pass

    def parts() -> Iterator[np.ndarray]:
        for path in listing.files:
            with _opened_image(path, asked, blames) as image:
                folder.check_alike(path, image, listing.files[0], first, blames.file)
                yield image.read()[None]

    return in_parts((len(listing.files), *first.shape), first.dtype, parts)


@contextmanager
def _opened_image(path: Path, asked: Asked, blames: Blames) -> Iterator[Array]:
    """The image (C, H, W) in a file of its own, unread."""
    with opened(path, blames.file) as arrays:
        array = chosen(path, arrays, asked.images, blames.array)
        _check_kind(array, str(path), blames)
        shape = array.shape[1:] if len(array.shape) == 4 and array.shape[0] == 1 else array.shape
        if len(shape) not in (2, 3) or 0 in shape:
            expected = "none of (H, W), (C, H, W), (H, W, C); give a file for each image, or all in one"
            raise blames.file(f"{path}: shape {array.shape} is {expected}")
        layout = layout_of((1, *shape), asked.layout, str(path), blames.layout)

        def read() -> np.ndarray:
            return channels_first(array.read().reshape(1, *shape), layout)[0]

        turned = shape_of_images((1, *shape), layout, str(path), blames.layout)[1:]
        yield Array(turned, array.dtype, read, read)


def as_images(array: Array, text: str, asked: Asked, blames: Blames) -> Array:
    """An array (n, H, W), (n, C, H, W) or (n, H, W, C) as one with the channels first. text: names it in errors."""
    _check_kind(array, text, blames)
    if len(array.shape) not in (3, 4) or 0 in array.shape:
        if asked.shapeless:
            return array
        raise blames.array(f"{text}: shape {array.shape} is none of (n, H, W), (n, C, H, W), (n, H, W, C)")
    layout = layout_of(array.shape, asked.layout, text, blames.layout)
    turned = Array(
        shape_of_images(array.shape, layout, text, blames.layout),
        array.dtype,
        lambda: channels_first(array.read(), layout),
        lambda: channels_first(array.mapped(), layout),
    )
    return _cut(turned, text, asked, blames)


def _check_kind(array: Array, text: str, blames: Blames) -> None:
    if array.dtype.kind not in "iufb":
        raise blames.array(f"{text}: the images are of type {array.dtype}; give real numbers")


def _cut(array: Array, text: str, asked: Asked, blames: Blames) -> Array:
    """The first of the channels."""
    if asked.channels is None:
        if array.dtype == np.uint8 and array.shape[1] in OPAQUE and not (asked.latent or asked.shapeless):
            remedy = f"give channels: {array.shape[1] - 1} to leave that out, or name: latents"
            raise blames.array(f"{text}: bytes of {array.shape[1]} channels end with how opaque a pixel is; {remedy}")
        return array
    count, channels, *sides = array.shape
    if asked.channels > channels:
        raise blames.file(f"{text}: has {channels} channels, not the {asked.channels} that are asked for")
    kept = slice(None), slice(asked.channels)
    return Array((count, asked.channels, *sides), array.dtype, lambda: array.read()[kept], lambda: array.mapped()[kept])
