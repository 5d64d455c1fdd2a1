"""A user's own images as a folder of image files, whose sub-folders are the classes."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diffbench.data.raw_images import Blame, RawImages, blame_path, unlabelled

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")
"""Pillow's readers of them; by itself it goes by the content, and runs programs for some, such as Ghostscript."""
MODES = {"1": "L", "L": "L", "P": "RGB", "RGB": "RGB"}
"""What Pillow's kinds of image are read as: grey or colour, 8 bits a channel."""


def listed(folder: Path, blame: Blame = blame_path) -> tuple[list[Path], list[str]]:
    """The image files and the names of their sub-folders, sorted; no names where the files lie loose."""
    if not folder.is_dir():
        raise blame(f"{folder}: no such folder")
    loose = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    deep = sorted(path for path in folder.glob("*/*") if path.suffix.lower() in SUFFIXES)
    if loose and deep:
        raise blame(f"{folder}: {loose[0].name} lies beside sub-folders of images, whose names are the classes")
    if not loose and not deep:
        raise blame(f"{folder}: holds no images, loose or in sub-folders ({', '.join(sorted(SUFFIXES))})")
    return loose or deep, sorted({path.parent.name for path in deep})


def load(folder: Path, blame: Blame = blame_path) -> RawImages:
    """All images (n, C, H, W) in 8 bits, C = 1 or 3, in the order of their paths, and their classes."""
    files, names = listed(folder, blame)
    images = np.empty((len(files), *image_shape(files[0], blame)), np.uint8)
    for target, path in zip(images, files, strict=True):
        image = read(path, blame)
        if image.shape != target.shape:
            raise blame(f"{path}: has shape {image.shape}, but {files[0]} has {target.shape}; make all alike")
        target[:] = image
    if not names:
        return unlabelled(images)
    return RawImages(images, np.array([names.index(path.parent.name) for path in files], np.int64), len(names))


def image_shape(path: Path, blame: Blame = blame_path) -> tuple[int, ...]:
    """Shape (C, H, W) of an image file."""
    return read(path, blame).shape


def read(path: Path, blame: Blame = blame_path) -> NDArray[np.uint8]:
    """An image file as (C, H, W), 8 bits."""
    from PIL import Image

    try:
        with Image.open(path, formats=FORMATS) as image:
            mode, converted = image.mode, image.convert(MODES.get(image.mode))
            transparent = "transparency" in image.info
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise blame(f"{path}: not a whole image file ({error})") from None
    if mode not in MODES or transparent:
        kind = f"{mode} with transparency" if transparent else mode
        raise blame(f"{path}: is of Pillow's mode {kind}; save it as 8-bit grey or RGB without transparency")
    pixels = np.asarray(converted)
    return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)
