"""Every source reads what was written in its real format, and says in a line what is wrong with bad files."""

import gzip
import hashlib
import io
import json
import re
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
import pytest
from PIL import Image

from diffbench.conventions import DiffbenchError
from diffbench.data import raw_images
from diffbench.data.catalog import facts
from diffbench.data.formats import arrays, cifar, download, idx, own_images
from diffbench.data.formats.download import Download, fetch
from diffbench.data.formats.own_images import Asked, Blames
from diffbench.data.image_set import read_image_set
from diffbench.data.resize import reduced
from diffbench.data.sources import source
from diffbench.settings.data import DataSettings
from tests.data_formats import idx_bytes, load_own, write_cifar, write_idx_set, write_tar

PATH = Blames.of_key("path")

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


# IDX: MNIST and Fashion-MNIST


@pytest.mark.parametrize("compressed", [True, False])
def test_idx_set_is_read_back(tmp_path: Path, compressed: bool) -> None:
    images, labels = write_idx_set(tmp_path, compressed)
    raw = idx.load(tmp_path)
    assert np.array_equal(raw.images, images[:, None])
    assert np.array_equal(raw.classes, labels)
    assert raw.class_count == 10


def _cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def test_idx_errors_name_file_and_key(tmp_path: Path) -> None:
    images = idx_bytes(np.zeros((3, 4, 4), np.uint8))
    path = tmp_path / "x-idx3-ubyte"
    for content, reason in (
        (b"\x89PNG" + images, r"not an IDX file .*89504e47"),
        (b"", "not an IDX file .*nothing"),
        (images[:10], "ends inside its header"),
        (images[:-1], "holds 47 values where its header says 48"),
        (images + b"\0", "holds 49 values where its header says 48"),
    ):
        path.write_bytes(content)
        with pytest.raises(DiffbenchError, match=rf"key 'data\.path': .*x-idx3-ubyte: {reason}"):
            idx.read(path)


def _flipped(content: bytes, position: int) -> bytes:
    return content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :]


@pytest.mark.parametrize("damage", ["truncated", "not gzip", "crc"])
def test_damaged_gzip_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "x.gz"
    whole = gzip.compress(idx_bytes(np.arange(48, dtype=np.uint8).reshape(3, 4, 4)))
    contents = {
        "truncated": whole[: len(whole) // 2],
        "not gzip": b"<html>404</html>",
        "crc": whole[:-8] + bytes(4) + whole[-4:],
    }
    path.write_bytes(contents[damage])
    with pytest.raises(DiffbenchError, match=r"key 'data\.path': .*x\.gz: cannot be read .*get the file again"):
        idx.read(path)


def test_an_idx_set_needs_its_four_files_and_labels_that_fit(tmp_path: Path) -> None:
    write_idx_set(tmp_path)
    labels = tmp_path / "train-labels-idx1-ubyte.gz"
    labels.write_bytes(gzip.compress(idx_bytes(np.zeros(59, np.uint8))))
    with pytest.raises(DiffbenchError, match="do not belong together"):
        idx.load(tmp_path)
    labels.write_bytes(gzip.compress(idx_bytes(np.full(60, 10, np.uint8))))
    with pytest.raises(DiffbenchError, match="label 10"):
        idx.load(tmp_path)
    write_idx_set(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(np.zeros((20, 14, 14), np.uint8))))
    with pytest.raises(DiffbenchError, match=r"training images \(28, 28\) and test images \(14, 14\) differ in size"):
        idx.load(tmp_path)
    labels.unlink()
    with pytest.raises(DiffbenchError, match=r"key 'data\.path': .*no file train-labels-idx1-ubyte\.gz"):
        idx.load(tmp_path)


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_the_real_fashion_mnist_has_7000_images_of_each_class() -> None:
    assert np.bincount(idx.class_labels(DEBIAN)).tolist() == [7000] * 10
    assert idx.shape(DEBIAN / "train-images-idx3-ubyte.gz") == (60000, 28, 28)


# CIFAR


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("layout", [cifar.CIFAR10, cifar.CIFAR100])
def test_cifar_is_read_back_from_folder_and_archive(tmp_path: Path, layout: cifar.Layout, packed: bool) -> None:
    images, labels = write_cifar(tmp_path / layout.folder, layout)
    path = tmp_path
    if packed:
        path = tmp_path / "cifar.tar.gz"
        write_tar(path, tmp_path / layout.folder, layout.folder)
    raw = cifar.load(path, layout)
    assert np.array_equal(raw.images, images)
    assert raw.class_count == layout.label_sizes[-1]
    if layout is cifar.CIFAR10:
        assert np.array_equal(raw.classes, labels[:, 0])
    else:  # groups-20 must yield the superclasses, and each class one fine label
        assert np.array_equal(raw.classes * 20 // 100, labels[:, 0])
        assert len(set(zip(raw.classes.tolist(), labels[:, 1].tolist(), strict=True))) == 100


def test_cifar_errors_name_file_and_key(tmp_path: Path) -> None:
    path, layout = tmp_path / "bin", cifar.CIFAR10
    write_cifar(path, layout, per_file=20)
    archive = tmp_path / "cifar.tar.gz"
    write_tar(archive, path, layout.folder)
    with pytest.raises(DiffbenchError, match=r"lacks train\.bin"):
        cifar.load(archive, cifar.CIFAR100)
    intact = archive.read_bytes()
    _cut(archive, archive.stat().st_size // 2)
    with pytest.raises(DiffbenchError, match=r"key 'data\.path': .*cifar\.tar\.gz: not a whole \.tar\.gz"):
        cifar.load(archive, layout)
    for damaged in (_flipped(intact, len(intact) // 2), _flipped(intact, len(intact) - 6)):  # content, checksum
        archive.write_bytes(damaged)
        with pytest.raises(DiffbenchError, match=r"key 'data\.path': .*cifar\.tar\.gz: not a whole \.tar\.gz"):
            cifar.load(archive, layout)
    batch = path / "data_batch_3.bin"
    whole = batch.read_bytes()
    batch.write_bytes(b"\x0b" + whole[1:])
    with pytest.raises(DiffbenchError, match="labels"):
        cifar.load(path, layout)
    batch.write_bytes(whole[:-1])
    with pytest.raises(DiffbenchError, match=r"data_batch_3\.bin has 61459 bytes"):
        cifar.load(path, layout)
    batch.unlink()
    with pytest.raises(DiffbenchError, match="not an archive or a folder"):
        cifar.load(path, layout)


# A user's array files


def _write(path: Path, **values: np.ndarray) -> Path:
    if path.suffix == ".npz":
        np.savez_compressed(path, **values)  # pyright: ignore[reportArgumentType]
        return path
    with h5py.File(path, "w") as file:
        for name, value in values.items():
            data = value.astype(object) if value.dtype.kind == "U" else value
            file.create_dataset(name, data=data, dtype=h5py.string_dtype() if value.dtype.kind == "U" else None)
    return path


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
@pytest.mark.parametrize(
    "shape", [(6, 5, 7), (6, 1, 5, 4), (6, 3, 5, 4), (6, 5, 4, 3), (6, 5, 4, 1), (6, 5, 8, 8), (6, 8, 8, 16)]
)
def test_array_files_are_read_in_every_order_of_axes(tmp_path: Path, suffix: str, shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    labels = np.array([30, 10, 20, 10, 30, 10])
    path = _write(tmp_path / f"own{suffix}", x=images, y=labels)
    raw = load_own(path, "x", "y")
    channels = images[:, None] if images.ndim == 3 else images
    expected = channels if channels.shape[1] in (1, 3) or shape == (6, 5, 8, 8) else channels.transpose(0, 3, 1, 2)
    assert raw.images.dtype == np.uint8
    assert np.array_equal(raw.images, expected)
    assert raw.classes.tolist() == [2, 0, 1, 0, 2, 0]
    assert raw.class_count == 3
    told = own_images.contents(path, Asked("x"), "y", Blames.of_key("path"))
    assert (told.count, *told.shape) == raw.images.shape
    assert told.class_names == ("10", "20", "30")


@pytest.mark.parametrize(("channels", "asked"), [(4, 3), (2, 1)])
def test_bytes_with_an_alpha_channel_are_no_latents_unless_they_are_said_to_be(
    tmp_path: Path, channels: int, asked: int
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, channels)).astype(np.uint8)
    path = tmp_path / "x.npy"
    np.save(path, images)
    spec = DataSettings(name="file", path=str(path), validation=2)
    with pytest.raises(DiffbenchError, match=rf"bytes of {channels} channels end .*; give channels: {asked} to"):
        facts(spec)
    assert facts(spec.model_copy(update={"channels": asked})).shape == (asked, 8, 8)
    assert facts(spec.model_copy(update={"name": "latents"})).shape == (channels, 8, 8)
    np.save(path, images.astype(np.float32))
    assert facts(spec).shape == (channels, 8, 8)


@pytest.mark.parametrize(
    ("values", "stored"),
    [
        (np.array([0, 255], np.int64), np.uint8),
        (np.array([-1, 255], np.int64), np.int16),
        (np.array([0, 256], np.int32), np.uint16),
        (np.array([False, True]), np.uint8),
        (np.array([0, 0.5], np.float64), np.float32),
    ],
)
def test_images_are_stored_in_the_least_type(tmp_path: Path, values: np.ndarray, stored: type) -> None:
    np.save(tmp_path / "own.npy", np.tile(values, (2, 3, 1)))
    images = load_own(tmp_path / "own.npy", None, None).images
    assert images.dtype == stored
    assert np.array_equal(images[0, 0, 0], values)


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_labels_may_be_text(tmp_path: Path, suffix: str) -> None:
    path = _write(tmp_path / f"own{suffix}", x=np.zeros((5, 2, 2)), y=np.array(["dog", "cat", "dog", "cat", "cat"]))
    assert load_own(path, "x", "y").classes.tolist() == [1, 0, 1, 0, 0]


def _h5_labels(path: Path, kind: str, labels: list[str]) -> None:
    coded = [label.encode() for label in labels]
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(len(labels) * 25).reshape(-1, 5, 5).astype(np.uint8)
        if kind == "fixed bytes":
            file["y"] = np.array(coded)
        else:
            encoding = "ascii" if kind == "bytes of any length" else "utf-8"
            file.create_dataset("y", data=coded, dtype=h5py.string_dtype(encoding))


@pytest.mark.parametrize("kind", ["fixed bytes", "bytes of any length", "text of any length"])
def test_labels_in_hdf5_are_the_same_text_in_every_form(tmp_path: Path, kind: str) -> None:
    labels = ["käse", "3", "käse", "12", "3"]
    _h5_labels(tmp_path / "own.h5", kind, labels)
    with arrays.opened(tmp_path / "own.h5") as unread:
        assert arrays.read_labels(tmp_path / "own.h5", unread, "y", 5).tolist() == labels
    assert load_own(tmp_path / "own.h5", "x", "y").classes.tolist() == [2, 1, 2, 0, 1]


def test_text_and_bytes_name_the_same_classes_on_both_sides_of_a_split(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    forms = {"text": np.array(["3", "ä"]), "bytes": np.array([b"3", "ä".encode()]), "h5": None}
    for name, values in forms.items():
        images, rows = rng.integers(0, 256, (6, 5, 5)).astype(np.uint8), np.arange(6) % 2
        if values is None:
            _h5_labels(tmp_path / "h5.h5", "bytes of any length", [["3", "ä"][row] for row in rows])
            with h5py.File(tmp_path / "h5.h5", "a") as file:
                del file["x"]
                file["x"] = images
        else:
            np.savez(tmp_path / f"{name}.npz", x=images, y=values[rows])
    paths = [str(tmp_path / name) for name in ("text.npz", "bytes.npz", "h5.h5")]
    for path, held_out in product(paths, paths):
        if path != held_out:
            spec = DataSettings(name="file", path=path, held_out=held_out, images="x", labels="y")
            parts = source(spec).split(spec)
            assert parts.class_names == ("3", "ä")
            assert parts.validation is not None
            assert np.bincount(parts.validation.classes).tolist() == [3, 3]


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_sequences_of_numbers_are_no_labels(tmp_path: Path, kind: type) -> None:
    with h5py.File(tmp_path / "own.h5", "w") as file:
        file["x"] = np.zeros((2, 2, 2))
        file.create_dataset("y", (2,), h5py.vlen_dtype(np.dtype(kind)))
    with pytest.raises(DiffbenchError, match=r"'data\.labels': .*'y' is of type object; labels are whole numbers"):
        load_own(tmp_path / "own.h5", "x", "y")


def test_what_lies_beside_arrays_in_an_npz_does_no_harm(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (7, 5, 5)).astype(np.uint8)
    np.savez(tmp_path / "own.npz", x=images)
    with zipfile.ZipFile(tmp_path / "own.npz", "a") as archive:
        for name in ("README.txt", "folder/", "__MACOSX/._x.npy", "._x.npy", ".DS_Store"):
            archive.writestr(name, b"no array")
    assert np.array_equal(load_own(tmp_path / "own.npz", "x", None).images[:, 0], images)
    with arrays.opened(tmp_path / "own.npz") as unread:
        assert list(unread) == ["x"]
    assert len(read_image_set("train", str(tmp_path / "own.npz")).flat) == 7  # the only array needs no name


def test_a_value_that_is_no_number_is_named_by_its_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_images, "BLOCK_VALUES", 20)  # 5 images
    images = np.zeros((40, 2, 2))
    images[[17, 30, 31], 1, 0] = np.nan
    np.save(tmp_path / "own.npy", images)
    with pytest.raises(
        DiffbenchError, match=r"own\.npy: the images hold NaN .* in image 17 and 2 more, counted from 0"
    ):
        load_own(tmp_path / "own.npy", None, None)


def test_npy_holds_images_without_classes(tmp_path: Path) -> None:
    images = np.random.default_rng(0).random((7, 5, 5))
    np.save(tmp_path / "own.npy", images)
    raw = load_own(tmp_path / "own.npy", None, None)
    assert raw.images.dtype == np.float32
    assert np.array_equal(raw.images[:, 0], images.astype(np.float32))
    assert (raw.class_count, raw.classes.tolist()) == (0, [0] * 7)


IMAGES = np.arange(24, dtype=np.float64).reshape(6, 2, 2)


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
@pytest.mark.parametrize(
    ("values", "images", "labels", "message"),
    [
        ({"x": IMAGES}, "z", None, r"'data\.images': .*no array 'z', it has x"),
        ({"x": IMAGES, "z": IMAGES}, None, None, r"'data\.images': .*several arrays or none, name one of x, z"),
        ({"x": IMAGES}, "x", "y", r"'data\.labels': .*no array 'y'"),
        (
            {"x": IMAGES, "y": np.zeros(5, int)},
            "x",
            "y",
            r"'data\.labels': .*shape \(5,\), but there are 6 images",
        ),
        ({"x": IMAGES, "y": np.zeros(6)}, "x", "y", r"'data\.labels': .*type float64"),
        ({"x": IMAGES.reshape(6, 4)}, "x", None, r"'data\.images': .*shape \(6, 4\) is none of"),
        ({"x": IMAGES[:, None].repeat(2, 1)}, "x", None, r"'data\.layout': .*shape \(6, 2, 2, 2\) does not tell which"),
        ({"x": IMAGES[:0]}, "x", None, r"'data\.images': .*shape \(0, 2, 2\)"),
        ({"x": IMAGES + 1j}, "x", None, r"'data\.images': .*type complex128"),
        ({"x": np.where(IMAGES == 7, np.nan, IMAGES)}, "x", None, r"'data\.path': .*NaN or values beyond float32"),
        ({"x": IMAGES * 1e300}, "x", None, r"'data\.path': .*NaN or values beyond float32"),
        ({"x": np.where(IMAGES == 7, np.inf, IMAGES)}, "x", None, r"'data\.path': .*NaN or values beyond float32"),
    ],
)
def test_bad_arrays_are_refused_by_key(
    tmp_path: Path, suffix: str, values: dict[str, np.ndarray], images: str, labels: str, message: str
) -> None:
    path = _write(tmp_path / f"own{suffix}", **values)
    with pytest.raises(DiffbenchError, match=message):
        load_own(path, images, labels)


@pytest.mark.parametrize("suffix", [".npz", ".h5", ".npy"])
def test_truncated_and_foreign_array_files_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"own{suffix}"
    noise = np.random.default_rng(0).random((40, 9, 9))
    np.save(path, noise) if suffix == ".npy" else _write(path, x=noise)
    name = None if suffix == ".npy" else "x"
    for damage in ("truncated", "external"):
        _cut(path, path.stat().st_size // 2) if damage == "truncated" else path.write_bytes(b"hello")
        with pytest.raises(DiffbenchError, match=rf"key 'data\.path': .*own\{suffix}: truncated or not"):
            load_own(path, name, None)


def test_pickled_missing_and_unknown_files_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "pickled.npy", np.array([{}], dtype=object))
    for name, message in (
        ("pickled.npy", "plain arrays"),
        ("gone.npy", "no such file"),
        ("a.csv", "not one of"),
    ):
        with pytest.raises(DiffbenchError, match=message):
            load_own(tmp_path / name, None, None)


# A folder of images


def _write_images(root: Path, names: list[str], channels: int = 1, side: int = 4) -> np.ndarray:
    shape = (len(names), side, side) if channels == 1 else (len(names), side, side, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    for name, image in zip(names, pixels, strict=True):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(root / name)
    return pixels


def test_folder_of_grey_images_has_its_subfolders_as_classes(tmp_path: Path) -> None:
    pixels = _write_images(tmp_path, ["cat/1.png", "cat/2.png", "dog/1.png", "emu/x.bmp"])
    (tmp_path / "cat" / "notes.txt").write_text("not an image")
    raw = load_own(tmp_path)
    assert np.array_equal(raw.images, pixels[:, None])
    assert (raw.classes.tolist(), raw.class_count) == ([0, 0, 1, 2], 3)


def test_folder_of_loose_colour_images_has_no_classes(tmp_path: Path) -> None:
    pixels = _write_images(tmp_path, ["b.png", "c.png"], channels=3)
    raw = load_own(tmp_path)
    assert np.array_equal(raw.images, pixels.transpose(0, 3, 1, 2))
    assert (raw.classes.tolist(), raw.class_count) == ([0, 0], 0)


def test_bad_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DiffbenchError, match=r"key 'data\.path': .*no such folder"):
        load_own(tmp_path / "gone")
    with pytest.raises(DiffbenchError, match="holds no images"):
        load_own(tmp_path)
    _write_images(tmp_path, ["a/1.png"])
    _write_images(tmp_path, ["a/2.png"], side=5)
    with pytest.raises(DiffbenchError, match=r"2\.png: has shape \(1, 5, 5\), but .*1\.png has \(1, 4, 4\)"):
        load_own(tmp_path)
    _write_images(tmp_path, ["a/2.png"], channels=3)
    with pytest.raises(DiffbenchError, match=r"2\.png: has shape \(3, 4, 4\)"):
        load_own(tmp_path)
    for mode in ("RGBA", "LA"):
        Image.new(mode, (4, 4)).save(tmp_path / "a" / "2.png")
        with pytest.raises(DiffbenchError, match=r"2\.png: has transparent pixels; lay it over a background"):
            load_own(tmp_path)
    Image.new("P", (4, 4)).save(tmp_path / "a" / "2.png", transparency=0)
    with pytest.raises(DiffbenchError, match=r"2\.png: has transparent pixels"):
        load_own(tmp_path)
    Image.new("CMYK", (4, 4)).save(tmp_path / "a" / "2.tif")
    (tmp_path / "a" / "2.png").unlink()
    with pytest.raises(DiffbenchError, match=r"2\.tif: is of Pillow's mode CMYK; save it as grey of 8 or 16 bits"):
        load_own(tmp_path)
    (tmp_path / "a" / "2.tif").unlink()
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "a" / "2.png")
    with pytest.raises(DiffbenchError, match=r"2\.png: is of type uint16, but .*1\.png of uint8; make all alike"):
        load_own(tmp_path)
    _write_images(tmp_path, ["a/2.png"])
    _cut(tmp_path / "a" / "2.png", 60)
    with pytest.raises(DiffbenchError, match=r"2\.png: not a whole image file"):
        load_own(tmp_path)
    _write_images(tmp_path, ["loose.png"])
    with pytest.raises(DiffbenchError, match=r"loose\.png lies beside sub-folders"):
        load_own(tmp_path)


def test_opaque_alpha_is_dropped(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3)).astype(np.uint8)
    Image.fromarray(pixels[0]).convert("RGBA").save(tmp_path / "a.png")
    Image.fromarray(pixels[1]).save(tmp_path / "b.png")
    assert np.array_equal(load_own(tmp_path).images, pixels.transpose(0, 3, 1, 2))
    grey = tmp_path / "grey"
    grey.mkdir()
    Image.fromarray(pixels[0, :, :, 0]).convert("LA").save(grey / "a.png")
    Image.fromarray(pixels[1, :, :, 0]).save(grey / "b.png", transparency=256)  # a value that no pixel has
    assert np.array_equal(load_own(grey).images, pixels[:, None, :, :, 0])


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_of_grey_are_kept(tmp_path: Path, suffix: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (3, 4, 5)).astype(np.uint16)
    for name, image in zip("abc", pixels, strict=True):
        Image.fromarray(image).save(tmp_path / f"{name}{suffix}")
    images = load_own(tmp_path).images
    assert images.dtype == np.uint16
    assert np.array_equal(images, pixels[:, None])


# Axes, and folders of arrays


@pytest.mark.parametrize(
    ("shape", "layout"),
    [((32, 32, 3), "HW"), ((3, 9, 9), "HW"), ((9, 3, 8, 3), "CHW"), ((9, 8, 8, 8), "HWC"), ((9, 4, 6, 8), "HWC")],
)
def test_axes_that_shapes_do_not_tell_are_asked_for(tmp_path: Path, shape: tuple[int, ...], layout: Any) -> None:
    values = np.random.default_rng(0).random(shape)
    np.save(tmp_path / "x.npy", values)
    with pytest.raises(
        DiffbenchError, match=rf"^key 'data\.layout': .*x\.npy: shape {re.escape(str(shape))} .*give layout"
    ):
        load_own(tmp_path / "x.npy")
    images = load_own(tmp_path / "x.npy", layout=layout).images
    expected = {"HW": lambda: values[:, None], "CHW": lambda: values, "HWC": lambda: values.transpose(0, 3, 1, 2)}
    assert np.array_equal(images, expected[layout]().astype(np.float32))
    with pytest.raises(DiffbenchError, match=r"'data\.layout': .*does not hold images of layout"):
        load_own(tmp_path / "x.npy", layout="HWC" if layout == "HW" else "HW")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("shape", [(4, 8, 8), (1, 4, 8, 8), (8, 8, 4)])
def test_a_folder_holds_an_array_for_each_image(tmp_path: Path, suffix: str, shape: tuple[int, ...]) -> None:
    latents = np.random.default_rng(0).normal(size=(6, *shape)).astype(np.float16)
    for index, latent in enumerate(latents):
        path = tmp_path / f"{index % 2}" / f"{index // 2}{suffix}"
        path.parent.mkdir(exist_ok=True)
        np.save(path, latent) if suffix == ".npy" else np.savez(path, moments=latent, other=latent[..., 0])
    (tmp_path / "notes.txt").write_text("no array")
    raw = load_own(tmp_path, "moments" if suffix == ".npz" else None)
    flat = latents.reshape(6, *shape[-3:])
    expected = flat.transpose(0, 3, 1, 2) if shape[-1] == 4 else flat
    assert np.array_equal(raw.images, expected[[0, 2, 4, 1, 3, 5]].astype(np.float32))
    assert (raw.classes.tolist(), raw.class_count, raw.names[3]) == ([0, 0, 0, 1, 1, 1], 2, f"1/0{suffix}")
    assert raw.left_out.counts == {"of another kind": 1}
    told = own_images.contents(tmp_path, Asked("moments" if suffix == ".npz" else None, channels=2), None, PATH)
    assert (told.count, told.shape, told.class_names) == (6, (2, 8, 8), ("0", "1"))


def test_labels_of_a_folder_may_stand_in_a_list(tmp_path: Path) -> None:
    names = [f"0000{index // 3}/img0000000{index}.npy" for index in range(6)]
    for index, name in enumerate(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        np.save(tmp_path / name, np.full((8, 5, 5), index, np.float32))
    told, labels = tmp_path / "dataset.json", [12, 3, 3, 100, 12, 3]
    told.write_text(json.dumps({"labels": [list(pair) for pair in zip(names, labels, strict=True)]}))
    raw = load_own(tmp_path)
    assert (raw.classes.tolist(), raw.class_count, raw.left_out.count) == ([1, 0, 0, 2, 1, 0], 3, 0)
    assert own_images.contents(tmp_path, Asked(), None, PATH).class_names == ("3", "12", "100")
    told.write_text('{"labels": null}')
    assert load_own(tmp_path).class_count == 0
    told.write_text("{}")
    assert load_own(tmp_path).class_count == 2
    for text, message in (
        (
            json.dumps({"labels": [[names[1], 3]]}),
            r"dataset\.json: has no label of 00000/img00000000\.npy, nor of 4 more",
        ),
        ('{"labels": [["x", [0, 1]]]}', r"dataset\.json: holds no labels of files"),
        ("[", r"dataset\.json: holds no labels of files"),
    ):
        told.write_text(text)
        with pytest.raises(DiffbenchError, match=rf"^key 'data\.path': .*{message}"):
            load_own(tmp_path)


def test_bad_arrays_in_a_folder_are_named(tmp_path: Path) -> None:
    good = np.zeros((4, 8, 8), np.float32)
    np.save(tmp_path / "a.npy", good)
    for bad, message in (
        (good[:3], r"b\.npy: has shape \(3, 8, 8\), but .*a\.npy has \(4, 8, 8\); make all alike"),
        (good.astype(np.uint8), r"b\.npy: is of type uint8, but .*a\.npy of float32"),
        (np.stack([good, good]), r"b\.npy: shape \(2, 4, 8, 8\) is none of \(H, W\).*a file for each image"),
        (np.full_like(good, np.nan), r"NaN or values beyond float32, in image b\.npy; remove or mend"),
    ):
        np.save(tmp_path / "b.npy", bad)
        with pytest.raises(DiffbenchError, match=message):
            load_own(tmp_path)
    (tmp_path / "b.npy").write_bytes(b"hello")
    with pytest.raises(DiffbenchError, match=r"b\.npy: truncated or not a \.npy file"):
        load_own(tmp_path)


def test_channels_of_moments_are_cut(tmp_path: Path) -> None:
    moments = np.random.default_rng(0).normal(size=(6, 8, 5, 5)).astype(np.float32)
    np.save(tmp_path / "x.npy", moments)
    asked = Asked(channels=4)
    assert np.array_equal(own_images.load(tmp_path / "x.npy", asked, None, PATH).images, moments[:, :4])
    with pytest.raises(DiffbenchError, match="has 8 channels, not the 9 that are asked for"):
        own_images.load(tmp_path / "x.npy", Asked(channels=9), None, PATH)


def test_arrays_lie_at_any_depth_of_hdf5(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 5, 5)).astype(np.uint8)
    with h5py.File(tmp_path / "own.h5", "w") as file:
        file["split/train/x"], file["split/train/y"] = images, np.arange(6) % 2
        file["again"] = h5py.SoftLink("/split/train/x")
    for name in ("split/train/x", "again"):
        raw = load_own(tmp_path / "own.h5", name, "split/train/y")
        assert np.array_equal(raw.images[:, 0], images)
        assert raw.classes.tolist() == [0, 1] * 3
        assert len(read_image_set("train", f"{tmp_path / 'own.h5'}:{name}").flat) == 6
    with pytest.raises(DiffbenchError, match="it has again, split/train/x, split/train/y"):
        load_own(tmp_path / "own.h5", "x")


# Resizing


def test_reduction_by_a_divisor_is_the_mean_over_blocks() -> None:
    images = np.random.default_rng(0).random((3, 2, 28, 28))
    means = images.reshape(3, 2, 14, 2, 14, 2).mean(axis=(3, 5))
    assert np.allclose(reduced(images, 14), means, rtol=1e-14)


def test_reduction_of_bytes_agrees_with_pillow() -> None:
    image = np.random.default_rng(0).integers(0, 256, (28, 28)).astype(np.uint8)
    small = reduced(image[None, None], 7)
    assert small.dtype == np.uint8
    pillow = np.asarray(Image.fromarray(image).reduce(4))
    assert np.abs(small[0, 0].astype(int) - pillow).max() <= 1  # Pillow rounds halves up, numpy to even


def test_reduction_splits_pixels_by_area() -> None:
    image = np.array([[9.0, 0, 0], [0, 0, 0], [0, 0, 18]])
    # Each new pixel covers 1.5 x 1.5 old ones: area 2.25.
    expected = np.array([[9 / 2.25, 0], [0, 18 / 2.25]])
    assert np.allclose(reduced(image[None, None], 2)[0, 0], expected, rtol=1e-14)


def test_images_are_neither_enlarged_nor_squeezed() -> None:
    with pytest.raises(DiffbenchError, match=r"key 'data\.resize': 9 is beyond the 8 pixels"):
        reduced(np.zeros((1, 1, 8, 8)), 9)
    with pytest.raises(DiffbenchError, match=r"key 'data\.resize': only square images"):
        reduced(np.zeros((1, 1, 8, 6)), 4)


# Fetching


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path, list[str]]]:
    """A local HTTP server: its URL, the folder that it serves, and the paths that were asked for."""
    served, asked = tmp_path / "served", []
    served.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (so http.server calls it)
            asked.append(self.path)

    listening = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(served)))
    threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{listening.server_port}/", served, asked
    listening.shutdown()
    listening.server_close()


def _download(url: str, served: Path) -> Download:
    return Download(url, {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in served.iterdir()})


def test_files_are_fetched_once_and_read(server: tuple[str, Path, list[str]]) -> None:
    url, served, asked = server
    images, _ = write_idx_set(served)
    place = fetch("mnist", _download(url, served))
    assert np.array_equal(idx.load(place).images, images[:, None])
    assert len(asked) == 4
    fetch("mnist", _download(url, served))
    assert len(asked) == 4


def test_a_file_with_another_checksum_is_refused_and_not_kept(server: tuple[str, Path, list[str]]) -> None:
    url, served, _ = server
    write_idx_set(served)
    expected = _download(url, served)
    _cut(served / "train-images-idx3-ubyte.gz", 1000)
    with pytest.raises(DiffbenchError, match=r"key 'data\.name': 'mnist': .*train-images-idx3-ubyte\.gz"):
        fetch("mnist", expected)
    assert not list(served.parent.glob("cache/**/train-images*"))


def test_an_unreachable_or_absent_file_tells_where_to_put_it(server: tuple[str, Path, list[str]]) -> None:
    url, _, _ = server
    for base in (url, "http://127.0.0.1:9/"):
        with pytest.raises(DiffbenchError, match=r"cannot be fetched .*give their folder as data\.path"):
            fetch("mnist", Download(base, {"absent.gz": "0" * 64}))


def test_a_transfer_that_breaks_off_keeps_nothing(
    server: tuple[str, Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, served, _ = server
    write_idx_set(served)
    original = SimpleHTTPRequestHandler.copyfile
    broken = partial(_first_bytes, original)
    monkeypatch.setattr(SimpleHTTPRequestHandler, "copyfile", lambda self, source, target: broken(self, source, target))
    with pytest.raises(DiffbenchError, match=r"'mnist' .*-ubyte\.gz cannot be fetched \(Chunked"):
        fetch("mnist", _download(url, served))
    assert not [path for path in (served.parent / "cache").rglob("*") if path.is_file()]


def _first_bytes(copy: Callable[..., None], handler: object, source: IO[bytes], target: object) -> None:
    """Serve less than the header promises."""
    copy(handler, io.BytesIO(source.read(1000)), target)


def test_a_cache_that_cannot_be_written_is_one_error(server: tuple[str, Path, list[str]]) -> None:
    url, served, _ = server
    write_idx_set(served)
    (served.parent / "cache").write_text("a file where the folder should be")
    with pytest.raises(DiffbenchError, match=r"key 'data\.name': 'mnist': .*cannot be written .*XDG_CACHE_HOME"):
        fetch("mnist", _download(url, served))


def test_checksums_of_the_public_files_are_whole() -> None:
    tables = (download.MNIST, download.FASHION_MNIST, download.CIFAR10, download.CIFAR100)
    checksums = [checksum for table in tables for checksum in table.sha256.values()]
    assert len(set(checksums)) == 10
    assert all(len(bytes.fromhex(checksum)) == 32 for checksum in checksums)
    assert {name.removesuffix(".gz") for name in download.MNIST.sha256} == set(idx.FILES)
