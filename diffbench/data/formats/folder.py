"""A user's own images as a folder of image files, whose sub-folders are the classes.

What lies there and is not read is counted: a set that is smaller than its owner thinks gives other numbers.
"""

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from diffbench.data.account import LeftOut
from diffbench.data.raw_images import Blame, RawImages, blame_path
from diffbench.files.surroundings import plain_text
from diffbench.files.tree import is_hidden

SUFFIXES = {
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff", ".webp", ".gif"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
}
SPLITS = {"train", "training", "test", "testing", "val", "valid", "validation", "dev"}
"""Names in lower case that folders bear which are no classes, but parts of a split."""

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Pillow's readers of them; by itself it goes by the content, and runs programs for some, such as Ghostscript."""
MODES = {"1": "L", "L": "L", "P": "RGB", "RGB": "RGB"}
"""What Pillow's kinds of image are read as: grey or colour, 8 bits a channel."""

TOLD = 100
"""Files after which progress is told."""

ORIENTATION = 0x0112
"""EXIF's tag of how a picture is to be turned; 1: not at all."""

UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, struct.error)
"""What Pillow raises at files that are not whole."""


class Listing(NamedTuple):
    """The image files of a folder, in the order of their paths, the sub-folders they lie in, and what is not read."""

    files: list[Path]
    names: list[str]
    """Sorted; none where the files lie loose."""
    left_out: LeftOut


class Picture(NamedTuple):
    """An image file as (C, H, W), 8 bits; how many more frames it holds, and whether it was turned as it says."""

    pixels: NDArray[np.uint8]
    more: int
    turned: bool


def listed(folder: Path, blame: Blame = blame_path) -> Listing:
    """The image files, loose or one level down. Files of other kinds and places are counted."""
    if not folder.is_dir():
        raise blame(f"{folder}: no such folder")
    left_out = LeftOut()
    try:
        loose, below = _divided(folder, folder, left_out)
        files = {path.name: _of_class(folder, path, left_out) for path in below}
    except OSError as error:
        raise blame(f"{error.filename or folder}: cannot be read ({error.strerror})") from None
    deep = sorted(path for paths in files.values() for path in paths)
    names = sorted({path.parent.name for path in deep})
    if loose and deep:
        raise blame(f"{folder}: {loose[0].name} lies beside sub-folders of images, whose names are the classes")
    if not loose and not deep:
        seen = f"; not read: {left_out.text}" if left_out.count else ""
        raise blame(f"{folder}: holds no images, loose or in sub-folders ({', '.join(sorted(SUFFIXES))}){seen}")
    if len(names) > 1 and SPLITS.issuperset(name.lower() for name in names):
        raise blame(
            f"{folder}: its sub-folders {', '.join(names)} are parts of a split, not classes; give {folder / names[0]},"
            " say, as path and another as held_out"
        )
    for name in sorted(set(files) - set(names)):
        left_out.note(f"no images in the sub-folder {name}")
    return Listing(loose or deep, names, left_out)


def _divided(folder: Path, root: Path, left_out: LeftOut) -> tuple[list[Path], list[Path]]:
    """Images and sub-folders of a folder, sorted; all else is counted."""
    images, folders = [], []
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            path = folder / entry.name
            if is_hidden(entry.name):
                _count_all(path, root, "hidden", left_out)
            elif entry.is_dir():
                folders.append(path)
            elif path.suffix.lower() not in SUFFIXES:
                left_out.add("of another kind", path.relative_to(root))
            elif not entry.is_file() or entry.stat().st_size == 0:
                left_out.add("empty", path.relative_to(root))
            else:
                images.append(path)
    return images, folders


def _of_class(root: Path, folder: Path, left_out: LeftOut) -> list[Path]:
    """Images of a sub-folder; what lies deeper is counted."""
    images, folders = _divided(folder, root, left_out)
    for path in folders:
        _count_all(path, root, "deeper", left_out)
    return images


def _count_all(path: Path, root: Path, kind: str, left_out: LeftOut) -> None:
    if not path.is_dir():
        left_out.add(kind, path.relative_to(root))
        return
    for place, folders, files in os.walk(path):
        folders.sort()
        for name in sorted(files):
            left_out.add(kind, (Path(place) / name).relative_to(root))


def load(folder: Path, blame: Blame = blame_path) -> RawImages:
    """All images (n, C, H, W) in 8 bits, C = 1 or 3, in the order of their paths, and their classes."""
    files, names, left_out = listed(folder, blame)
    images = np.empty((len(files), *image_shape(files[0], blame)), np.uint8)
    frames, turned = LeftOut(), LeftOut()
    for target, path in zip(images, files, strict=True):
        picture = read(path, blame)
        if picture.pixels.shape != target.shape:
            shape = picture.pixels.shape
            raise blame(f"{path}: has shape {shape}, but {files[0]} has {target.shape}; make all alike")
        target[:] = picture.pixels
        frames.add("further frames or pages", path.relative_to(folder), picture.more)
        turned.add("turned as their EXIF says", path.relative_to(folder), int(picture.turned))
    for told in (frames, turned):
        if told.count:
            left_out.note(told.text)
    classes = np.array([names.index(path.parent.name) if names else 0 for path in files], np.int64)
    relative = tuple(plain_text(path.relative_to(folder).as_posix()) for path in files)
    return RawImages(images, classes, len(names), names=relative, left_out=left_out)


def image_shape(path: Path, blame: Blame = blame_path) -> tuple[int, ...]:
    """Shape (C, H, W) of an image file."""
    return read(path, blame).pixels.shape


def read(path: Path, blame: Blame = blame_path) -> Picture:
    """The first frame of an image file."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        # Of an open file, since Pillow 13 garbles uncompressed TIFF files that are to be turned and that it may map.
        with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
            mode = _kind(image)
            more = getattr(image, "n_frames", 1) - 1
            image.seek(0)
            turned = _orientation(image) != 1
            upright = ImageOps.exif_transpose(image) if turned and image.format != "TIFF" else image
            converted = upright.convert(MODES.get(image.mode))
            transparent = "transparency" in image.info
    except UnidentifiedImageError:
        raise blame(f"{path}: not a whole image file (it begins like none)") from None
    except (*UNREADABLE, Image.DecompressionBombError) as error:
        raise blame(f"{path}: not a whole image file ({error})") from None
    if mode not in MODES or transparent:
        kind = f"{mode} with transparency" if transparent else mode
        raise blame(f"{path}: is of Pillow's mode {kind}; save it as 8-bit grey or RGB without transparency")
    pixels = np.asarray(converted)
    return Picture(pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0), more, turned)


def _orientation(image: Any) -> int:
    """As EXIF says. Pillow turns TIFF files by itself, and twice if their EXIF is asked for before."""
    return (image.tag_v2 if image.format == "TIFF" else image.getexif()).get(ORIENTATION, 1)


def _kind(image: Any) -> str:
    """Pillow's mode, and whether Pillow would cut 16 bits to 8 without a word."""
    described = [tile[3] for tile in image.tile]
    deep = any("16" in str(part) or "65535" in str(part) for part in described)
    return f"{image.mode} of 16 bits" if deep and image.mode in MODES else image.mode


def look(files: list[Path], blame: Blame, told: Callable[[int, int], None]) -> None:
    """Open all files and compare their headers; one that differs from the first is read, as `load` would.

    An error of `blame` names a file that is no image, or of another shape. told: hears how many are done, of how many.
    """
    first, shape = _header(files[0]), image_shape(files[0], blame)
    for count, path in enumerate(files):
        if count % TOLD == 0:
            told(count, len(files))
        header = _header(path)
        if header is None or header != first:
            found = image_shape(path, blame)
            if found != shape:
                raise blame(f"{path}: has shape {found}, but {files[0]} has {shape}; make all alike")


def _header(path: Path) -> tuple[object, ...] | None:
    """What a file says of its image, that it may not keep; None if it says nothing."""
    from PIL import Image

    try:
        with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
            turned = image.getexif().get(ORIENTATION, 1) if "exif" in image.info else 1
            return image.format, image.size, _kind(image), "transparency" in image.info, turned
    except (*UNREADABLE, Image.DecompressionBombError):
        return None
