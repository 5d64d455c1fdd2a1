"""A user's own images in an array file: .npz, .npy or .h5, with optional class labels.

HDF5 of the results is the business of files/store.py alone; that of users has neither its layout nor its errors.
"""

import math
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from diffbench.data.formats.spool import spooled
from diffbench.data.raw_images import Blame, RawImages, blame_path, block_length, blocks, mistake, unlabelled

CHANNELS = (1, 3)


class Array(NamedTuple):
    """An array in a file that has not been read yet."""

    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[], np.ndarray]
    mapped: Callable[[], np.ndarray]
    """The array on disk, not in memory: the file itself where it is .npy, else a temporary copy."""


def load(path: Path, images: str | None, labels: str | None, blame: Blame = blame_path) -> RawImages:
    """Images (n, C, H, W) from the arrays so named of a file, and their classes, numbered in sorted order.

    Arrays (n, H, W), (n, C, H, W) and (n, H, W, C) are understood, C = 1 or 3; floats are stored in float32.
    """
    with opened(path, blame) as arrays:
        array = _images(path, arrays, images)
        values = _plain(array.read())
        classes = None if labels is None else read_labels(path, arrays, labels, len(values))
    if values.dtype.kind == "f":
        _require_finite(path, values, blame)
    values = _channels_first(values)
    if classes is None:
        return unlabelled(values)
    names, numbers = np.unique(classes, return_inverse=True)
    return RawImages(values, numbers.astype(np.int64), len(names))


def _require_finite(path: Path, values: np.ndarray, blame: Blame) -> None:
    bad: list[int] = []
    for block, start in zip(blocks(values), count(0, block_length(values.shape[1:]))):
        finite = np.isfinite(block).reshape(len(block), -1).all(axis=1)
        bad += (start + np.flatnonzero(~finite)).tolist()
    if bad:
        others = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        raise blame(
            f"{path}: the images hold NaN or values beyond float32, in image {bad[0]}{others}, counted from 0;"
            " remove or mend them"
        )


def image_shape(path: Path, arrays: dict[str, Array], images: str | None) -> tuple[int, ...]:
    """Number of images and shape (C, H, W) of one, from the file's header."""
    shape = _images(path, arrays, images).shape
    order = _channels_first(np.broadcast_to(np.uint8(0), shape))
    return order.shape


def read_labels(path: Path, arrays: dict[str, Array], name: str, images: int) -> np.ndarray:
    """The labels (n,) of so many images: whole numbers or text, bytes being text in UTF-8."""
    array = _named(path, arrays, name, "labels")
    labels = array.read()
    labels = np.char.decode(labels, "utf-8", "backslashreplace") if labels.dtype.kind == "S" else labels
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.shape != (images,):
        raise mistake("labels", f"{path}: '{name}' has shape {labels.shape}, but there are {images} images")
    if labels.dtype.kind not in "iubUS":
        raise mistake("labels", f"{path}: '{name}' is of type {labels.dtype}; labels are whole numbers or text")
    return labels


@contextmanager
def opened(path: Path, blame: Blame = blame_path) -> Iterator[dict[str, Array]]:
    """The arrays of a file by name, unread; the single array of a .npy file is named ''."""
    openers = {".npy": _npy, ".npz": _npz, ".h5": _h5, ".hdf5": _h5}
    if path.suffix not in openers:
        raise blame(f"{path}: not one of {', '.join(openers)}")
    try:
        with openers[path.suffix](path) as arrays:
            yield arrays
    except FileNotFoundError:
        raise blame(f"{path}: no such file") from None
    except (OSError, ValueError, TypeError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        reason = " ".join(str(error).split())
        raise blame(f"{path}: truncated or not a {path.suffix} file of plain arrays ({reason})") from None


@contextmanager
def _npy(path: Path) -> Iterator[dict[str, Array]]:
    array = np.lib.format.open_memmap(path, mode="r")  # plain arrays alone; np.load would take an .npz, too
    yield {"": Array(array.shape, array.dtype, lambda: np.array(array), lambda: array)}


@contextmanager
def _npz(path: Path) -> Iterator[dict[str, Array]]:
    with zipfile.ZipFile(path) as archive, np.load(path, allow_pickle=False) as arrays:

        def array(name: str) -> Array:
            with archive.open(f"{name}.npy") as member:
                shape, fortran, dtype = _header(member)

            def mapped() -> np.ndarray:
                parts = _rows(archive, name) if not fortran else [arrays[name]]
                return spooled(shape, dtype, parts)

            return Array(shape, dtype, lambda: arrays[name], mapped)

        yield {
            name.removesuffix(".npy"): array(name.removesuffix(".npy"))
            for name in filter(_is_array, archive.namelist())
        }


def _is_array(member: str) -> bool:
    """Whether a member of a .npz file is an array, and no text beside them or litter of a file system."""
    return member.endswith(".npy") and not any(part.startswith((".", "__MACOSX")) for part in member.split("/"))


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether columns come first, and type of the array in .npy format that begins here."""
    version = np.lib.format.read_magic(member)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(member)


def _rows(archive: zipfile.ZipFile, name: str) -> Iterator[np.ndarray]:
    """The rows of an array of a .npz file in order, some at a time, so that it need not fit in memory."""
    with archive.open(f"{name}.npy") as member:
        shape, _, dtype = _header(member)
        row = math.prod(shape[1:]) * dtype.itemsize
        length = block_length(shape[1:])
        for start in range(0, shape[0], length):
            count = min(length, shape[0] - start)
            yield np.frombuffer(member.read(count * row), dtype).reshape(count, *shape[1:])


@contextmanager
def _h5(path: Path) -> Iterator[dict[str, Array]]:
    import h5py

    def array(dataset: h5py.Dataset) -> Array:
        def mapped() -> np.ndarray:
            length = block_length(dataset.shape[1:])
            parts = (dataset[start : start + length] for start in range(0, len(dataset), length))
            return spooled(dataset.shape, dataset.dtype, parts)

        return Array(dataset.shape, dataset.dtype, lambda: _read_h5(dataset), mapped)

    with h5py.File(path, "r") as file:
        yield {name: array(item) for name, item in file.items() if isinstance(item, h5py.Dataset)}


def _read_h5(dataset: Any) -> np.ndarray:
    """The values of an HDF5 data set; strings of any length, text or bytes, as text."""
    import h5py

    values = np.asarray(dataset[()])
    if h5py.check_string_dtype(dataset.dtype) is None:
        return values
    texts = [bytes(value).decode("utf-8", "backslashreplace") for value in values.ravel()]
    return np.array(texts, str).reshape(values.shape)


def _named(path: Path, arrays: dict[str, Array], name: str, key: str) -> Array:
    if name not in arrays:
        raise mistake(key, f"{path}: has no array '{name}', it has {', '.join(sorted(arrays)) or 'none'}")
    return arrays[name]


def _images(path: Path, arrays: dict[str, Array], name: str | None) -> Array:
    if path.suffix == ".npy":
        if name is not None:
            raise mistake("images", f"{path}: a .npy file holds a single array without a name; leave the key out")
        name = ""
    elif name is None:
        raise mistake("images", f"{path}: name the array of images, one of {', '.join(sorted(arrays)) or 'none'}")
    array = _named(path, arrays, name, "images")
    if array.dtype.kind not in "iufb":
        raise mistake("images", f"{path}: the images are of type {array.dtype}; give real numbers")
    shape = array.shape
    channels = len(shape) == 3 or (len(shape) == 4 and (shape[1] in CHANNELS or shape[3] in CHANNELS))
    if not channels or 0 in shape:
        raise mistake("images", f"{path}: shape {shape} is none of (n, H, W), (n, C, H, W), (n, H, W, C), C = 1 or 3")
    return array


def _plain(values: np.ndarray) -> np.ndarray:
    """Floats in float32, without negative zeros, which would hide duplicates; the rest in the least type."""
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused as such
            return values.astype(np.float32) + np.float32(0)
    ends = (np.min_scalar_type(int(end)) for end in (values.min(), values.max()))
    return values.astype(np.promote_types(*ends))


def _channels_first(images: np.ndarray) -> np.ndarray:
    if images.ndim == 3:
        return images[:, None]
    return images if images.shape[1] in CHANNELS else np.moveaxis(images, 3, 1)
