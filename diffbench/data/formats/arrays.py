"""A user's own arrays in a file: .npz, .npy or .h5, at any depth of groups; each is read when it is asked for.

HDF5 of the results is the business of files/store.py alone; that of users has neither its layout nor its errors.
"""

import math
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from diffbench.data.formats.spool import spooled
from diffbench.data.raw_images import Blame, blame_path, block_length, mistake


class Array(NamedTuple):
    """An array in a file that has not been read yet."""

    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[], np.ndarray]
    mapped: Callable[[], np.ndarray]
    """The array on disk, not in memory: the file itself where it is .npy, else a temporary copy."""


def in_parts(shape: tuple[int, ...], dtype: np.dtype, parts: Callable[[], Iterator[np.ndarray]]) -> Array:
    """An array whose rows arrive in parts, in order."""

    def read() -> np.ndarray:
        values, done = np.empty(shape, dtype), 0
        for part in parts():
            values[done : done + len(part)] = part
            done += len(part)
        return values

    return Array(shape, dtype, read, lambda: spooled(shape, dtype, parts()))


def read_labels(path: Path, arrays: dict[str, Array], name: str, images: int) -> np.ndarray:
    """The labels (n,) of so many images: whole numbers or text, bytes being text in UTF-8."""
    labels = chosen(path, arrays, name, partial(mistake, "labels")).read()
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

    def find(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found.setdefault(name, array(item))

    found: dict[str, Array] = {}
    with h5py.File(path, "r") as file:
        for name, item in file.items():  # links to elsewhere included, which visititems passes by
            find(name, item)
        file.visititems(find)
        yield found


def _read_h5(dataset: Any) -> np.ndarray:
    """The values of an HDF5 data set; strings of any length, text or bytes, as text."""
    import h5py

    values = np.asarray(dataset[()])
    if h5py.check_string_dtype(dataset.dtype) is None:
        return values
    texts = [bytes(value).decode("utf-8", "backslashreplace") for value in values.ravel()]
    return np.array(texts, str).reshape(values.shape)


def chosen(path: Path, arrays: dict[str, Array], name: str | None, blame: Blame) -> Array:
    """The array of this name, or the only one. An error of `blame` says which there are."""
    if name is None and len(arrays) == 1:
        (name,) = arrays
    if name not in arrays:
        known = ", ".join(sorted(filter(None, arrays))) or "none with a name"
        wrong = f"no array '{name}', it has" if name else "several arrays or none, name one of"
        raise blame(f"{path}: has {wrong} {known}")
    return arrays[name]
