"""Stage files: HDF5 in netCDF style, and reading with errors that say what to do.

Every dimension has a scale and every variable units and a long name, so that xarray and any netCDF reader open them.
No other module touches the HDF5 of results, but for `table`, which writes long tables; data/formats/arrays.py reads the
HDF5 files that users bring.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import h5py
import numpy as np

from diffbench.conventions import SCHEMA_VERSION, DiffbenchError
from diffbench.files.faults import REBUILD, StaleFileError
from diffbench.files.output import written
from diffbench.files.sealed import opened, seal

if TYPE_CHECKING:
    import xarray as xr

PACKING = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
"""Lossless: float32 of samples takes 80 %, text of tables 5 %. Higher levels save 1 % more in twice the time."""


@dataclass(frozen=True)
class Variable:
    """An array with its dimensions' names; a dimension without a variable of its own is counted from 0.

    compressed: no bit is lost, so only what is read by many jobs, or soon deleted, is better left as it is.
    """

    values: Any
    dims: tuple[str, ...]
    long_name: str
    units: str = "1"
    compressed: bool = True


@dataclass(frozen=True)
class StageFile:
    """What a stage wrote: arrays by name, and attributes."""

    path: Path
    arrays: Mapping[str, np.ndarray]
    attributes: Mapping[str, Any]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]


@dataclass(frozen=True)
class StoredArray:
    """An array of a stage file, of which only those rows are read that are asked for: `array[start:stop]`."""

    path: Path
    made_by: str | None
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | tuple[()]) -> np.ndarray:
        with _opened(self.path, self.made_by) as file:
            dataset = file[self.name]
            assert isinstance(dataset, h5py.Dataset)
            return _values(dataset, rows)


@dataclass(frozen=True)
class StageHeader:
    """What a stage wrote, the arrays unread."""

    path: Path
    arrays: Mapping[str, StoredArray]
    attributes: Mapping[str, Any]

    def __getitem__(self, name: str) -> StoredArray:
        return self.arrays[name]


def write(
    path: Path,
    stage: str,
    variables: Mapping[str, Variable],
    attributes: Mapping[str, object],
    fingerprint: str = "",
) -> None:
    """Write a stage's file; fingerprint: of the spec that made it.

    Attributes that are not plain numbers or text are stored as JSON. UnwritableError if it cannot be written.
    """
    with new_file(path, stage, attributes, fingerprint) as file:
        _write_scales(file, variables)
        for name, variable in variables.items():
            if variable.dims != (name,):
                _write_variable(file, name, variable)


@contextmanager
def new_file(path: Path, stage: str, attributes: Mapping[str, object], fingerprint: str = "") -> Iterator[h5py.File]:
    """A stage's file to fill, which takes the place of `path`, sealed, when the block ends well; as `write`."""
    with written(path) as output:
        with h5py.File(output, "w", libver="v110", track_order=True) as file:
            file.attrs["schema_version"] = SCHEMA_VERSION
            file.attrs["stage"] = stage
            for name, value in attributes.items():
                file.attrs[name] = value if isinstance(value, int | float | str) else json.dumps(value)
            yield file
        seal(output, fingerprint)


def _write_scales(file: h5py.File, variables: Mapping[str, Variable]) -> None:
    sizes: dict[str, int] = {}
    for name, variable in variables.items():
        shape = np.shape(variable.values)
        if len(shape) != len(variable.dims):
            raise ValueError(f"{name}: {len(shape)} axes but dimensions {variable.dims}")
        for dim, size in zip(variable.dims, shape, strict=True):
            if sizes.setdefault(dim, size) != size:
                raise ValueError(f"{name}: dimension {dim} has {size} entries, elsewhere {sizes[dim]}")
    for dim, size in sizes.items():
        scale = variables.get(dim) or Variable(np.arange(size), (dim,), f"index of {dim}")
        _create(file, dim, scale).make_scale(dim)


def _write_variable(file: h5py.File, name: str, variable: Variable) -> None:
    dataset = _create(file, name, variable)
    for axis, dim in enumerate(variable.dims):
        dataset.dims[axis].attach_scale(file[dim])


def _create(file: h5py.File, name: str, variable: Variable) -> h5py.Dataset:
    values = np.asarray(variable.values)
    text = values.dtype.kind in "UO"
    if text:
        values = _encoded(values)
    packing = PACKING if variable.compressed and values.ndim and values.size else {}
    dataset = file.create_dataset(name, data=values, **packing)
    dataset.attrs["units"] = variable.units
    dataset.attrs["long_name"] = variable.long_name
    if text:
        dataset.attrs["_Encoding"] = "utf-8"  # to xarray, which would else read bytes
    return dataset


def _encoded(text: np.ndarray) -> np.ndarray:
    """Text as UTF-8 of one length: HDF5 compresses no text of many lengths, and tables repeat theirs in every row.

    Of two bytes at least: those of one are not text to netCDF, but characters.
    """
    encoded = [str(each).encode("utf-8", "surrogateescape") for each in text.flat]
    length = max(2, *map(len, encoded)) if encoded else 2
    return np.array(encoded, h5py.string_dtype("utf-8", length)).reshape(text.shape)


def read(path: Path, stage: str, made_by: str | None = None) -> StageFile:
    """Read a whole stage file. made_by: fingerprint of the spec that must have made it, if that is known.

    BrokenFileError if it is damaged; StaleFileError if it is whole but of another spec, stage or schema;
    DiffbenchError if it is missing or cannot be read.
    """
    with _opened(path, made_by) as file:
        attributes = _attributes(file, path, stage)
        arrays = {name: _values(dataset, ()) for name, dataset in _datasets(file)}
    return StageFile(path, arrays, attributes)


def header(path: Path, stage: str, made_by: str | None = None) -> StageHeader:
    """What a stage file holds, without reading its arrays. Errors as of `read`."""
    with _opened(path, made_by) as file:
        attributes = _attributes(file, path, stage)
        arrays = {
            name: StoredArray(path, made_by, name, dataset.shape, dataset.dtype) for name, dataset in _datasets(file)
        }
    return StageHeader(path, arrays, attributes)


def excerpt(
    path: Path, stage: str, arrays: Sequence[str], attributes: Sequence[str], made_by: str | None = None
) -> StageFile:
    """The named arrays and attributes, those that it has, of one of many small files: half the time of `read`.

    Its bytes are read, and compared with their digests, at once; h5py makes no objects of arrays. Errors as of `read`.
    """
    with _whole(path, made_by) as file:
        asked = [
            name for name in map(str.encode, ("schema_version", "stage", *attributes)) if h5py.h5a.exists(file, name)
        ]
        told = {name.decode(): _plain(_attribute(h5py.h5a.open(file, name))) for name in asked}
        _check_origin(path, told, stage)
        found = [name for name in map(str.encode, arrays) if name in file]
        return StageFile(path, {name.decode(): _array(h5py.h5d.open(file, name)) for name in found}, told)


@contextmanager
def _whole(path: Path, made_by: str | None) -> Iterator[h5py.h5f.FileID]:
    with opened(path, made_by) as content, _errors_of_hdf5(path):
        file = h5py.h5f.open_file_image(content.read(content.length))
        try:
            yield file
        finally:
            file.close()


def dataset(path: Path, stage: str, made_by: str | None = None) -> "xr.Dataset":
    """A whole stage file as xarray has it. Errors as of `read`; DiffbenchError, too, where xarray is not installed."""
    try:
        import h5netcdf  # noqa: F401 (xarray's way into HDF5)
        import xarray as xr
    except ImportError as error:
        raise DiffbenchError(
            f"files as datasets need xarray and h5netcdf: pip install xarray h5netcdf ({error})"
        ) from None
    with opened(path, made_by) as content, _errors_of_hdf5(path):
        loaded = xr.open_dataset(cast("Any", content), engine="h5netcdf").load()  # any file that can seek will do
        _check_origin(path, loaded.attrs, stage)
        return loaded


def _array(dataset: h5py.h5d.DatasetID) -> np.ndarray:
    values = np.empty(dataset.shape, dataset.dtype)
    dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
    if h5py.check_string_dtype(values.dtype) is None:
        return values
    texts = cast("list[bytes]", values.ravel().tolist())
    return np.array([text.decode() for text in texts], object).reshape(values.shape)


def _attribute(attribute: h5py.h5a.AttrID) -> object:
    values = np.empty(attribute.shape, attribute.dtype)
    attribute.read(values)
    value: object = values.item()
    return value.decode() if isinstance(value, bytes) else value


@contextmanager
def _opened(path: Path, made_by: str | None) -> Iterator[h5py.File]:
    with opened(path, made_by) as content, _errors_of_hdf5(path), h5py.File(content, "r") as file:
        yield file


@contextmanager
def _errors_of_hdf5(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        # Whole by its seal, so no damage: what is no HDF5 at all, or memory that ran out.
        raise DiffbenchError(f"{path}: cannot be read as HDF5 ({reason}); {REBUILD}") from None


def _datasets(file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    return ((name, item) for name, item in file.items() if isinstance(item, h5py.Dataset))


def _values(dataset: h5py.Dataset, rows: slice | tuple[()]) -> np.ndarray:
    if dataset.dtype == "S1" and dataset.ndim > 1:  # the text of a `table`
        letters = np.ascontiguousarray(dataset[rows])
        return np.char.decode(letters.view(f"S{letters.shape[-1]}")[..., 0], "utf-8")
    return np.asarray(dataset.asstr()[rows] if h5py.check_string_dtype(dataset.dtype) else dataset[rows])


def _attributes(file: h5py.File, path: Path, stage: str) -> dict[str, Any]:
    """The attributes as they were given to `write`, of a file of this stage."""
    attributes = {name: _plain(value) for name, value in file.attrs.items()}
    _check_origin(path, attributes, stage)
    return attributes


def _plain(value: object) -> object:
    if isinstance(value, str) and value[:1] in ("{", "["):
        return json.loads(value)
    return value.item() if isinstance(value, np.generic) else value


def _check_origin(path: Path, attributes: Mapping[str, object], stage: str) -> None:
    if "schema_version" not in attributes or "stage" not in attributes:
        raise StaleFileError(path, f"not a file of a stage (no stage and schema version); {REBUILD}")
    if attributes["schema_version"] != SCHEMA_VERSION:
        version = attributes["schema_version"]
        raise StaleFileError(path, f"has schema version {version}, this diffbench reads {SCHEMA_VERSION}; {REBUILD}")
    if attributes["stage"] != stage:
        raise StaleFileError(path, f"is a file of stage '{attributes['stage']}', not '{stage}'; {REBUILD}")
