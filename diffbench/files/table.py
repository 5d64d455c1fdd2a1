"""Long tables as HDF5 in netCDF style: columns along the dimension `row`, written part by part, in bounded memory.

Text lies as characters along a dimension of its own, as netCDF's classic model has it: xarray reads it as strings.
Strings of variable length would take ten times as long and a hundred times the room.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from diffbench.files.store import new_file
from diffbench.shapes import Int64

ROWS = 65_536
"""Rows that a chunk of the file holds at most."""

CHARACTERS = 32
"""Of a text, in a chunk, at most."""

NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable."
"""What netCDF calls the scale of a dimension that has none; readers join characters along such alone."""


class TableWriter:
    """Takes rows of a table, all with the same columns: numbers, or text as UTF-8 bytes (dtype S)."""

    def __init__(self, file: h5py.File) -> None:
        self._file = file
        self._length = 0

    def append(self, columns: Mapping[str, np.ndarray]) -> None:
        """Rows that follow those before: best about ROWS at once."""
        count = len(next(iter(columns.values())))
        for name, values in (*columns.items(), ("row", np.arange(self._length, self._length + count))):
            self._extend(name, values)
        self._length += count

    def _extend(self, name: str, values: np.ndarray) -> None:
        cells = _characters(values) if values.dtype.kind == "S" else values
        dataset = self._file.get(name)
        if not isinstance(dataset, h5py.Dataset):
            dataset = _created(self._file, name, cells)
        dataset.resize((self._length + len(cells), *np.maximum(dataset.shape[1:], cells.shape[1:])))
        dataset[(slice(self._length, None), *map(slice, cells.shape[1:]))] = cells

    def finish(self) -> None:
        """Name the dimensions."""
        columns = [item for item in self._file.values() if isinstance(item, h5py.Dataset)]
        for dataset in columns:
            if dataset.ndim > 1:
                scale = self._file.create_dataset(f"{str(dataset.name).lstrip('/')}_length", dataset.shape[1:], ">f4")
                scale.make_scale(f"{NO_VARIABLE}{dataset.shape[1]:10d}")
                dataset.dims[1].attach_scale(scale)
        row = self._file["row"]
        assert isinstance(row, h5py.Dataset)
        row.make_scale("row")
        for dataset in columns:
            if dataset != row:
                dataset.dims[0].attach_scale(row)


def _characters(texts: np.ndarray) -> np.ndarray:
    """Texts of dtype S as an array (row, character)."""
    width = max(1, texts.dtype.itemsize)
    return texts.astype(f"S{width}").view("S1").reshape(len(texts), width)


def _created(file: h5py.File, name: str, cells: np.ndarray) -> h5py.Dataset:
    """An empty column that can grow. What is measured does not shrink, but what tells rows apart does, to nothing."""
    text = cells.ndim > 1
    rows = min(max(len(cells), 1), ROWS)  # short tables are written at once
    dataset = file.create_dataset(
        name,
        shape=(0, *cells.shape[1:]),
        maxshape=(None,) * cells.ndim,
        chunks=(rows, min(cells.shape[1], CHARACTERS)) if text else (rows,),
        dtype=cells.dtype,
        **({} if name in ("value", "low", "high") else {"compression": 1, "shuffle": True}),
    )
    dataset.attrs["units"] = "1"
    dataset.attrs["long_name"] = name
    if text:
        dataset.attrs["_Encoding"] = "utf-8"
    return dataset


@contextmanager
def table(path: Path, stage: str, attributes: Mapping[str, object]) -> Iterator[TableWriter]:
    """A table to fill, which takes the place of `path` when the block ends well.

    UnwritableError if it cannot be written.
    """
    with new_file(path, stage, attributes) as file:
        writer = TableWriter(file)
        yield writer
        writer.finish()


class Block(NamedTuple):
    """Rows of a table that follow each other."""

    start: int
    columns: dict[str, np.ndarray]  # text as UTF-8 bytes (dtype S)


def blocks(path: Path, names: Sequence[str], alike: Sequence[str]) -> Iterator[Block]:
    """All rows of a table, with the columns `names`; rows that follow each other and are alike in `alike` together."""
    with h5py.File(path) as file:
        held, start = None, 0
        for first in range(0, len(_column(file, "row")), ROWS):
            columns = {name: _values(_column(file, name), first, first + ROWS) for name in names}
            if held:  # the block may go on
                columns = {name: np.concatenate([held[name], values]) for name, values in columns.items()}
            differ = np.logical_or.reduce([columns[name][1:] != columns[name][:-1] for name in alike])
            begins = [0, *(np.flatnonzero(differ) + 1).tolist()]
            for begin, end in pairwise(begins):
                yield Block(start + begin, {name: values[begin:end] for name, values in columns.items()})
            held = {name: values[begins[-1] :] for name, values in columns.items()}
            start += begins[-1]
        if held:
            yield Block(start, held)


def rows(path: Path, names: Sequence[str], numbers: Int64[np.ndarray, " rows"]) -> dict[str, np.ndarray]:
    """Columns of single rows of a table, whose numbers rise; text as UTF-8 bytes."""
    with h5py.File(path) as file:
        # Whole chunks are unpacked, whatever is taken of them.
        parts = np.split(numbers, np.flatnonzero(np.diff(numbers // ROWS)) + 1)
        return {name: np.concatenate([_taken(_column(file, name), part) for part in parts]) for name in names}


def _taken(dataset: h5py.Dataset, numbers: Int64[np.ndarray, " rows"]) -> np.ndarray:
    first, stop = (int(numbers[0]), int(numbers[-1]) + 1) if len(numbers) else (0, 0)
    return _values(dataset, first, stop)[numbers - first]


def _column(file: h5py.File, name: str) -> h5py.Dataset:
    dataset = file[name]
    assert isinstance(dataset, h5py.Dataset)
    return dataset


def _values(dataset: h5py.Dataset, start: int, stop: int) -> np.ndarray:
    values = np.ascontiguousarray(dataset[start:stop])
    return values.view(f"S{values.shape[1]}")[:, 0] if values.ndim > 1 else values
