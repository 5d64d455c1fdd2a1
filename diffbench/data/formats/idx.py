"""The IDX format of MNIST and its relatives: plain or gzipped files of unsigned bytes.

Format: two zero bytes, a type code (8: unsigned byte), the number of axes, the sizes as 32-bit big-endian
integers, then the values (LeCun, Cortes and Burges, "The MNIST database of handwritten digits").
"""

import gzip
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from diffbench.data.raw_images import RawImages, mistake

FILES = tuple(f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
CLASSES = 10


def find(folder: Path) -> list[Path]:
    """The four files, images before labels and train before t10k, plain or gzipped."""
    paths = []
    for name in FILES:
        candidates = [path for path in (folder / f"{name}.gz", folder / name) if path.is_file()]
        if not candidates:
            raise mistake("path", f"{folder}: has no file {name}.gz; give the folder that holds {', '.join(FILES)}")
        paths.append(candidates[0])
    return paths


def load(folder: Path) -> RawImages:
    """All images (n, 1, H, W) of a folder, training files first, and their classes."""
    train_images, train_labels, test_images, test_labels = map(read, find(folder))
    for images, labels in ((train_images, train_labels), (test_images, test_labels)):
        if images.ndim != 3 or labels.shape != images.shape[:1]:
            raise mistake("path", f"{folder}: images {images.shape} and labels {labels.shape} do not belong together")
    if train_images.shape[1:] != test_images.shape[1:]:
        sizes = f"training images {train_images.shape[1:]} and test images {test_images.shape[1:]}"
        raise mistake("path", f"{folder}: {sizes} differ in size; give the files of one data set")
    images, classes = np.concatenate([train_images, test_images]), class_labels(folder)
    return RawImages(images[:, None], classes, CLASSES)


def class_labels(folder: Path) -> NDArray[np.int64]:
    """The labels of all images, (n,), without reading the images."""
    labels = np.concatenate([read(path) for path in find(folder) if "labels" in path.name]).astype(np.int64)
    if labels.max() >= CLASSES:
        raise mistake("path", f"{folder}: has a label {labels.max()}, beyond the {CLASSES} classes of this data set")
    return labels


def shape(path: Path) -> tuple[int, ...]:
    """Sizes of the axes, from the header alone."""
    with _opened(path) as file:
        return _header(file, path)


def read(path: Path) -> NDArray[np.uint8]:
    """The array of an IDX file."""
    with _opened(path) as file:
        sizes = _header(file, path)
        expected, values = math.prod(sizes), file.read()
    if len(values) != expected:
        raise mistake(
            "path", f"{path}: holds {len(values)} values where its header says {expected}; get the file again"
        )
    return np.frombuffer(values, np.uint8).reshape(sizes)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield file  # pyright: ignore[reportReturnType]
    except (OSError, EOFError, zlib.error) as error:
        raise mistake("path", f"{path}: cannot be read ({error}); get the file again") from None


def _header(file: IO[bytes], path: Path) -> tuple[int, ...]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:3] != b"\x00\x00\x08":
        raise mistake("path", f"{path}: not an IDX file of unsigned bytes (it begins with {magic.hex() or 'nothing'})")
    sizes = file.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise mistake("path", f"{path}: ends inside its header; get the file again")
    return struct.unpack(f">{magic[3]}I", sizes)
