"""HDF5 files: any netCDF reader opens them, no reader sees half of one, and every bad file is named with what to do."""

import os

import h5py
import numpy as np
import pytest

from diffbench.conventions import DiffbenchError
from diffbench.files import store
from diffbench.files.faults import StaleFileError
from tests.hostile import sealed

VARIABLES = {
    "sigma": store.Variable(np.array([0.1, 1.0]), ("sigma",), "noise level"),
    "loss": store.Variable(np.arange(6.0).reshape(2, 3), ("sigma", "image"), "loss"),
    "reason": store.Variable(np.array(["", "too few"]), ("sigma",), "why undefined"),
}
ATTRIBUTES = {"factors": {"model": "m", "seed": 1}, "wall_seconds": 1.5}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "deep" / "file.h5"
    store.write(path, "denoise", VARIABLES, ATTRIBUTES)
    return path


def test_round_trip(path):
    file = store.read(path, "denoise")
    np.testing.assert_array_equal(file["loss"], VARIABLES["loss"].values)
    assert file["reason"].tolist() == ["", "too few"]
    assert file.attributes["factors"] == {"model": "m", "seed": 1}
    assert file.attributes["wall_seconds"] == 1.5


def test_a_header_tells_of_the_arrays_and_reads_the_rows_asked_for(path):
    header = store.header(path, "denoise")
    assert header.attributes == store.read(path, "denoise").attributes
    assert {name: array.shape for name, array in header.arrays.items()} == {
        "sigma": (2,),
        "loss": (2, 3),
        "reason": (2,),
        "image": (3,),
    }
    assert header["loss"].dtype == np.float64
    assert len(header["image"]) == 3
    np.testing.assert_array_equal(header["loss"][1:], VARIABLES["loss"].values[1:])
    np.testing.assert_array_equal(header["image"][0:3:2], [0, 2])
    assert header["reason"][:].tolist() == ["", "too few"]


def test_a_file_that_goes_before_its_rows_are_read_is_named(path):
    header = store.header(path, "denoise")
    path.unlink()
    with pytest.raises(DiffbenchError, match=r"file\.h5: no such file; run snakemake"):
        header["loss"][:1]


def test_xarray_opens_it(path):
    xarray = pytest.importorskip("xarray")
    with xarray.open_dataset(path, engine="h5netcdf") as dataset:
        assert dataset["loss"].dims == ("sigma", "image")
        np.testing.assert_array_equal(dataset["loss"].sel(sigma=1.0), [3, 4, 5])
        assert dataset["loss"].attrs["units"] == "1"
        assert dataset["sigma"].attrs["long_name"] == "noise level"


def test_text_keeps_its_letters_and_shape(tmp_path):
    text = np.array([["ä", "a longer one"], ["", " x "], ["日本", "\udce9"]], dtype=object)
    shown = np.array(["ä", ""])
    variables = {
        "text": store.Variable(text, ("row", "column"), "text"),
        "name": store.Variable(shown, ("name",), "text that is a dimension"),
        "blank": store.Variable(np.full((3, 2), ""), ("row", "column"), "blank text"),
        "none": store.Variable(np.array([], dtype=object), ("nothing",), "no text"),
    }
    store.write(tmp_path / "file.h5", "test", variables, {})
    with h5py.File(tmp_path / "file.h5") as file:
        stored = file["text"]
        assert isinstance(stored, h5py.Dataset)
        assert all(each.dtype.itemsize > 1 for each in file.values() if isinstance(each, h5py.Dataset))
        assert stored[()].tolist() == [[each.encode("utf-8", "surrogateescape") for each in row] for row in text]
    read = store.header(tmp_path / "file.h5", "test")
    assert read["text"][:2].tolist() == text[:2].tolist()
    assert read["blank"][:].tolist() == [["", ""]] * 3
    assert (read["none"][:].tolist(), read["name"][:].tolist()) == ([], shown.tolist())
    xarray = pytest.importorskip("xarray")
    with xarray.open_dataset(tmp_path / "file.h5", engine="h5netcdf") as dataset:
        assert dataset["text"][:2].values.tolist() == text[:2].tolist()
        assert dataset["name"].values.tolist() == shown.tolist()


def test_arrays_are_compressed_to_the_same_bits_unless_they_are_read_by_many(tmp_path):
    values = np.random.default_rng(0).normal(size=(64, 32)).astype(np.float32)
    sizes = {}
    for compressed in (True, False):
        path = tmp_path / f"{compressed}.h5"
        store.write(path, "test", {"x": store.Variable(values, ("a", "b"), "x", compressed=compressed)}, {})
        assert store.read(path, "test")["x"].tobytes() == values.tobytes()
        with h5py.File(path) as file:
            sizes[compressed] = file["x"].id.get_storage_size()
    assert sizes[True] < 0.95 * sizes[False]
    assert sizes[False] == values.nbytes


def test_truncated_file_is_named_with_what_to_do(path):
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(DiffbenchError, match=r"file\.h5: truncated, or .*; run snakemake to make it anew"):
        store.read(path, "denoise")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.attrs.clear(), "not a file of a stage"),
        (lambda file: file.attrs.__setitem__("schema_version", 0), "schema version 0, this diffbench reads"),
    ],
)
def test_foreign_and_older_files_are_refused(path, damage, message):
    with h5py.File(path, "a") as file:
        damage(file)
    sealed(path)
    with pytest.raises(DiffbenchError, match=message):
        store.read(path, "denoise")


def test_file_of_another_stage_is_refused(path):
    for reader in (store.read, store.header):
        with pytest.raises(DiffbenchError, match="of stage 'denoise', not 'sample'"):
            reader(path, "sample")


def test_file_of_another_spec_is_refused(path):
    store.write(path, "denoise", VARIABLES, ATTRIBUTES, "0123456789abcdef")
    for reader in (store.read, store.header):
        assert reader(path, "denoise", "0123456789abcdef").attributes["wall_seconds"] == 1.5
        with pytest.raises(StaleFileError, match=r"file\.h5: made with other settings, factors or inputs"):
            reader(path, "denoise", "fedcba9876543210")
    rows = store.header(path, "denoise", "0123456789abcdef")["loss"]
    store.write(path, "denoise", VARIABLES, ATTRIBUTES, "fedcba9876543210")
    with pytest.raises(StaleFileError):  # it was replaced in between
        rows[:1]


def test_what_is_no_hdf5_is_named_though_it_is_whole(tmp_path):
    (tmp_path / "file.h5").write_bytes(b"Hello" * 300)
    sealed(tmp_path / "file.h5")
    with pytest.raises(DiffbenchError, match=r"file\.h5: cannot be read as HDF5"):
        store.read(tmp_path / "file.h5", "denoise")


def test_missing_file(tmp_path):
    with pytest.raises(DiffbenchError, match=r"none\.h5: no such file; run snakemake"):
        store.read(tmp_path / "none.h5", "sample")


def test_failed_write_leaves_the_old_file_and_no_temporary(path):
    before = path.read_bytes()
    clash = VARIABLES | {"other": store.Variable(np.zeros(5), ("image",), "of another length")}
    with pytest.raises(ValueError, match="dimension image has 5 entries, elsewhere 3"):
        store.write(path, "denoise", clash, ATTRIBUTES)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["file.h5"]
