"""What a study's data are checked against before any job starts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diffbench.conventions import DiffbenchError
from diffbench.data import catalog
from diffbench.data.formats.cifar import CIFAR10
from diffbench.data.sources import SOURCES, source
from diffbench.settings.data import DataSettings
from diffbench.study.file import parse_study
from tests.data_formats import write_cifar, write_idx_set


def _spec(**keys: Any) -> DataSettings:
    return DataSettings.parse(keys, "study.yaml")


def _study(data: dict[str, Any], **center: Any) -> None:
    centre = {"train_size": 8, "granularity": "none"} | center
    parse_study({"name": "test", "data": data, "steps": [1], "center": centre}, "study.yaml")


def _own(folder: Path, labels: np.ndarray | None = None) -> str:
    images = np.random.default_rng(0).random((40, 6, 6))
    path = folder / "own.npz"
    np.savez(path, x=images, y=np.arange(40) % 4 if labels is None else labels)
    return str(path)


def test_digits_are_as_the_catalog_says() -> None:
    spec = _spec(name="digits", validation=100)
    known, parts = catalog.facts(spec), source(spec).split(spec)
    assert known.pool == len(parts.pool.images)
    assert known.classes == parts.pool.class_count == len(np.unique(parts.pool.classes))
    assert known.shape == parts.pool.images.shape[1:]


def test_facts_of_every_source_agree_with_its_split(tmp_path: Path) -> None:
    write_idx_set(tmp_path / "mnist")
    write_cifar(tmp_path / "cifar", CIFAR10)
    own = _own(tmp_path)
    for spec in (
        _spec(name="mnist", path=str(tmp_path / "mnist"), validation=20),
        _spec(name="mnist", path=str(tmp_path / "mnist"), validation=20, resize=7),
        _spec(name="cifar10", path=str(tmp_path / "cifar"), validation=20),
        _spec(name="file", path=own, images="x", labels="y", validation=20),
        _spec(name="file", path=own, images="x", validation=15, resize=4),
        _spec(name="moons", points=50, noise=0.2, validation=20),
        _spec(name="blobs", points=50, noise=0.2, validation=20),
    ):
        known, parts = catalog.facts(spec), source(spec).split(spec)
        assert (known.pool, known.shape) == (len(parts.pool.images), parts.pool.images.shape[1:]), spec
        assert known.classes == parts.pool.class_count
        assert parts.validation is not None
        assert len(parts.validation.images) == spec.validation


def test_public_sets_are_known_before_they_are_fetched() -> None:
    for name, available, classes, shape in (
        ("mnist", 63130, 10, (1, 28, 28)),
        ("cifar10", 60000, 10, (3, 32, 32)),
        ("cifar100", 60000, 100, (3, 32, 32)),
    ):
        known = catalog.facts(_spec(name=name, validation=100))
        assert (known.pool, known.classes, known.shape) == (available - 100, classes, shape)


def test_keys_that_a_data_set_does_not_take_are_refused() -> None:
    with pytest.raises(DiffbenchError, match=r"key 'data\.points': 'digits' does not take it, only blobs, "):
        catalog.facts(_spec(name="digits", points=10))
    given = {"path": "x", "images": "x", "labels": "x", "resize": 2, "points": 8, "noise": 0.1}
    for name, known in SOURCES.items():
        for key in set(given) - set(known.keys):
            with pytest.raises(DiffbenchError, match=rf"key 'data\.{key}': '{name}' does not take it"):
                catalog.facts(_spec(name=name, **{key: given[key]}))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"name": "nope"}, r"key 'data\.name': unknown data set 'nope', known are .*digits"),
        ({"name": "moons"}, r"key 'data\.points': 'moons' needs"),
        ({"name": "blobs", "points": 64}, r"key 'data\.noise': 0 leaves the blobs without width"),
        ({"name": "circle-symmetric", "points": 63}, r"key 'data\.points': 63 is odd"),
        ({"name": "file"}, r"key 'data\.path': 'file' needs the path"),
        ({"name": "file", "path": "gone.npz"}, r"key 'data\.path': gone\.npz: no such file"),
        ({"name": "folder", "path": "gone"}, r"key 'data\.path': gone: no such folder"),
        ({"name": "mnist", "path": "gone"}, r"key 'data\.path': gone: has no file"),
        ({"name": "cifar10", "path": "gone"}, r"key 'data\.path': gone: not an archive or a folder"),
        (
            {"name": "digits", "validation": 1739},
            r"key 'data\.validation': 1739 leaves no training pool among 1740",
        ),
        ({"name": "digits", "resize": 16}, r"key 'data\.resize': 16 is beyond the 8 pixels"),
        ({"name": "digits", "pth": "x"}, r"key 'data\.pth' is unknown"),
        ({"name": "moons", "points": 3}, r"key 'data\.points'"),
    ],
)
def test_a_study_with_bad_data_is_refused_before_any_job(data: dict[str, Any], message: str) -> None:
    with pytest.raises(DiffbenchError, match=f"study.yaml: {message}"):
        _study(data)


def test_a_study_beyond_its_own_file_is_refused_before_any_job(tmp_path: Path) -> None:
    data = {"name": "file", "path": _own(tmp_path), "images": "x", "validation": 10}
    with_labels = data | {"labels": "y"}
    _study(data, train_size=30)
    _study(with_labels, granularity="groups-4")
    for given, center, message in (
        (
            data,
            {"train_size": 31},
            r"key 'center\.train_size': 31 is beyond the 30 images that 'file' leaves",
        ),
        (
            data,
            {"granularity": "classes"},
            "granularity 'classes': 'file' has no classes; name its array of labels as data.labels",
        ),
        (data, {"granularity": "groups-2"}, "granularity 'groups-2': 'file' has no classes"),
        (data, {"granularity": "kmeans-9"}, "granularity 'kmeans-9': 9 labels are beyond the train_size 8"),
        (data, {"granularity": "random-9"}, "granularity 'random-9': 9 labels are beyond the train_size 8"),
        (
            with_labels,
            {"granularity": "groups-4", "train_size": 3},
            "granularity 'groups-4': 4 labels are beyond the train_size 3",
        ),
        (with_labels, {"granularity": "groups-5"}, "granularity 'groups-5': 'file' has only 4 classes"),
        (data | {"labels": "z"}, {}, r"key 'data\.labels': .*own\.npz: has no array 'z', it has x, y"),
    ):
        with pytest.raises(DiffbenchError, match=f"study.yaml: {message}"):
            _study(given, **center)


def test_the_smallest_class_bounds_the_pool(tmp_path: Path) -> None:
    path = _own(tmp_path, labels=np.repeat([0, 1], [30, 10]))
    known = catalog.facts(_spec(name="file", path=path, images="x", labels="y", validation=4))
    assert known.pool == 16


def test_checking_a_file_reads_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "own.npy"
    np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(2**20, 64, 64)).flush()  # 4 GB, sparse
    known = catalog.facts(_spec(name="file", path=str(path), validation=100))
    assert (known.pool, known.shape) == (2**20 - 100, (1, 64, 64))


def test_equidistant_subsets_must_divide_the_circle() -> None:
    data = {"name": "circle-symmetric", "points": 240}
    for size in (10, 12, 120):
        _study(data, train_size=size)
    with pytest.raises(DiffbenchError, match=r"train_size': 16 .* make data\.points a multiple of 32"):
        _study(data, train_size=16)
    with pytest.raises(DiffbenchError, match=r"train_size': 240 is beyond the 120"):
        _study(data, train_size=240)
