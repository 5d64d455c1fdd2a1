"""A folder with a file for each image, a picture or an array, whose sub-folders are the classes.

What lies there and is not read is counted: a set that is smaller than its owner thinks gives other numbers.
"""

import json
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from diffbench.data.account import LeftOut
from diffbench.data.formats.arrays import Array, in_parts
from diffbench.data.raw_images import Blame, blame_path
from diffbench.files.tree import is_hidden

PICTURES = {
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff", ".webp", ".gif"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
}
ARRAYS = {".npy", ".npz"}
"""Latents as encoders write them, a file for each image; beside pictures they are not read."""

LABELS = "dataset.json"
"""File in which StyleGAN's, EDM's and EDM2's tools keep labels: {"labels": [["00000/img00000000.png", 6], ...]}."""

SPLITS = {"train", "training", "test", "testing", "val", "valid", "validation", "dev"}
"""Names in lower case that folders bear which are no classes, but parts of a split."""

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Pillow's readers of them; by itself it goes by the content, and runs programs for some, such as Ghostscript."""
MODES = {"1": "L", "L": "L", "P": "RGB", "RGB": "RGB", "LA": "LA", "PA": "RGBA", "RGBA": "RGBA"}
"""What Pillow's kinds of image are read as: grey or colour, 8 bits a channel, and how opaque it is."""
DEEP = {"I;16", "I;16L", "I;16B", "I;16N"}
"""Its kinds of grey with 16 bits, which are kept. It has none of colours with as many."""

TOLD = 100
"""Files after which progress is told."""

NETPBM = ("ppm", "ppm_plain")
"""Its decoders that are told which value is white, and not how many bits there are."""

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
    """An image file as (C, H, W), 8 or 16 bits; how many more frames it holds, and whether it was turned as it says."""

    pixels: NDArray[np.uint8] | NDArray[np.uint16]
    more: int
    turned: bool


def listed(folder: Path, blame: Blame = blame_path) -> Listing:
    """The pictures, or where there are none the arrays, loose or one level down. All other files are counted."""
    if not folder.is_dir():
        raise blame(f"{folder}: no such folder")
    try:
        loose, files, left_out = _found(folder, PICTURES)
        if not loose and not any(files.values()):
            loose, files, left_out = _found(folder, ARRAYS)
    except OSError as error:
        raise blame(f"{error.filename or folder}: cannot be read ({error.strerror})") from None
    deep = sorted(path for paths in files.values() for path in paths)
    names = sorted({path.parent.name for path in deep})
    if loose and deep:
        raise blame(f"{folder}: {loose[0].name} lies beside sub-folders of images, whose names are the classes")
    if not loose and not deep:
        seen = f"; not read: {left_out.text}" if left_out.count else ""
        known = ", ".join(sorted(PICTURES | ARRAYS))
        raise blame(f"{folder}: holds no images, loose or in sub-folders ({known}){seen}")
    if len(names) > 1 and SPLITS.issuperset(name.lower() for name in names):
        raise blame(
            f"{folder}: its sub-folders {', '.join(names)} are parts of a split, not classes; give {folder / names[0]},"
            " say, as path and another as held_out"
        )
    for name in sorted(set(files) - set(names)):
        left_out.note(f"no images in the sub-folder {name}")
    return Listing(loose or deep, names, left_out)


def _found(folder: Path, suffixes: set[str]) -> tuple[list[Path], dict[str, list[Path]], LeftOut]:
    """Files of these kinds that lie loose, those of each sub-folder, and what else there is."""
    left_out = LeftOut()
    loose, below = _divided(folder, folder, suffixes, left_out)
    return loose, {path.name: _of_class(folder, path, suffixes, left_out) for path in below}, left_out


def _divided(folder: Path, root: Path, suffixes: set[str], left_out: LeftOut) -> tuple[list[Path], list[Path]]:
    """Images and sub-folders of a folder, sorted; all else is counted."""
    images, folders = [], []
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            path = folder / entry.name
            if is_hidden(entry.name):
                _count_all(path, root, "hidden", left_out)
            elif entry.is_dir():
                folders.append(path)
            elif path == root / LABELS:
                continue
            elif path.suffix.lower() not in suffixes:
                left_out.add("of another kind", path.relative_to(root))
            elif not entry.is_file() or entry.stat().st_size == 0:
                left_out.add("empty", path.relative_to(root))
            else:
                images.append(path)
    return images, folders


def _of_class(root: Path, folder: Path, suffixes: set[str], left_out: LeftOut) -> list[Path]:
    """Images of a sub-folder; what lies deeper is counted."""
    images, folders = _divided(folder, root, suffixes, left_out)
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


def labels_in(folder: Path, files: list[Path], blame: Blame) -> list[int] | None:
    """The labels of files that the folder's LABELS holds, [] where it says that there are none; None without such."""
    path = folder / LABELS
    try:
        told = json.loads(path.read_bytes())
        if "labels" not in told:
            return None
        known = {str(name): int(label) for name, label in told["labels"] or ()}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise blame(f"{path}: holds no labels of files ({' '.join(str(error).split())}); mend or remove it") from None
    names = [file.relative_to(folder).as_posix() for file in files] if known else []
    if lacking := [name for name in names if name not in known]:
        raise blame(f"{path}: has no label of {lacking[0]}, nor of {len(lacking) - 1} more files; mend or remove it")
    return [known[name] for name in names]


def pictures(folder: Path, listing: Listing, blame: Blame) -> Array:
    """The pictures of a folder, unread but for the first. What is to be said of them is noted when they are read."""
    first = read(listing.files[0], blame).pixels

    def parts() -> Iterator[np.ndarray]:
        frames, turned = LeftOut(), LeftOut()
        for path in listing.files:
            picture = read(path, blame)
            check_alike(path, picture.pixels, listing.files[0], first, blame)
            frames.add("further frames or pages", path.relative_to(folder), picture.more)
            turned.add("turned as their EXIF says", path.relative_to(folder), int(picture.turned))
            yield picture.pixels[None]
        for told in (frames, turned):
            if told.count:
                listing.left_out.note(told.text)

    return in_parts((len(listing.files), *first.shape), first.dtype, parts)


def check_alike(
    path: Path, image: np.ndarray | Array, other_path: Path, other: np.ndarray | Array, blame: Blame
) -> None:
    """An error of `blame` where two images differ in shape or type."""
    if image.shape != other.shape:
        raise blame(f"{path}: has shape {image.shape}, but {other_path} has {other.shape}; make all alike")
    if image.dtype != other.dtype:
        raise blame(f"{path}: is of type {image.dtype}, but {other_path} of {other.dtype}; make all alike")


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
            read_as = MODES.get(mode)
            if read_as and "transparency" in image.info:
                read_as = "LA" if read_as == "L" else "RGBA"
            pixels = np.asarray(upright.convert(read_as) if read_as else upright)
    except UnidentifiedImageError:
        raise blame(f"{path}: not a whole image file (it begins like none)") from None
    except (*UNREADABLE, Image.DecompressionBombError) as error:
        raise blame(f"{path}: not a whole image file ({error})") from None
    if mode in DEEP:
        return Picture(pixels.astype(np.uint16)[None], more, turned)
    if mode not in MODES:
        raise blame(f"{path}: is of Pillow's mode {mode}; save it as grey of 8 or 16 bits, or as RGB of 8")
    channels_first = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)
    if len(channels_first) in (2, 4):  # the last says how opaque a pixel is
        if channels_first[-1].min() < 255:
            raise blame(f"{path}: has transparent pixels; lay it over a background, and save it as grey or RGB")
        channels_first = channels_first[:-1]
    return Picture(channels_first, more, turned)


def _orientation(image: Any) -> int:
    """As EXIF says. Pillow turns TIFF files by itself, and twice if their EXIF is asked for before."""
    return (image.tag_v2 if image.format == "TIFF" else image.getexif()).get(ORIENTATION, 1)


def _kind(image: Any) -> str:
    """Pillow's mode, and whether Pillow would cut 16 bits to 8 without a word."""
    deep = any(";16" in str(tile.args) or (tile.codec_name in NETPBM and _white(tile) > 255) for tile in image.tile)
    return f"{image.mode} of 16 bits" if deep and image.mode in MODES else image.mode


def _white(tile: Any) -> int:
    """The value that is white in a file of Netpbm; 1 of those that are black and white alone."""
    return 1 if isinstance(tile.args, str) else tile.args[1]


def look(files: list[Path], blame: Blame, told: Callable[[int, int], None]) -> None:
    """Open all files and compare their headers; one that differs from the first is read, as `pictures` would.

    An error of `blame` names a file that is no image, or of another shape. told: hears how many are done, of how many.
    """
    first, pixels = _header(files[0]), read(files[0], blame).pixels
    for count, path in enumerate(files):
        if count % TOLD == 0:
            told(count, len(files))
        header = _header(path)
        if header is None or header != first:
            check_alike(path, read(path, blame).pixels, files[0], pixels, blame)


def _header(path: Path) -> tuple[object, ...] | None:
    """What a file says of its image, that it may not keep; None if it says nothing, or not whether it is opaque."""
    from PIL import Image

    try:
        with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
            turned = image.getexif().get(ORIENTATION, 1) if "exif" in image.info else 1
            opaque = "transparency" not in image.info and image.mode not in ("LA", "PA", "RGBA")
            return (image.format, image.size, _kind(image), turned) if opaque else None
    except (*UNREADABLE, Image.DecompressionBombError):
        return None
