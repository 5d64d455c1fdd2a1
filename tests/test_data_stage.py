"""The data stages from end to end: what they write is what later stages read, or nothing is written."""

import hashlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from diffbench import cli
from diffbench.conventions import DiffbenchError
from diffbench.data import raw_images
from diffbench.data.planar import RADIUS, planar_set
from diffbench.data.points import NAMES, SYMMETRIC
from diffbench.data.training_set import TrainingSet, read_images, read_training_set
from diffbench.files import store
from diffbench.files.fingerprint import contents_of
from diffbench.settings.data import DataSettings
from diffbench.study import layout
from diffbench.study.specs import DataSpec
from tests.data_formats import write_idx_set


def _data(folder: Path, **keys: Any) -> Path:
    out = folder / "data.h5"
    assert cli.main(["data", "--spec", json.dumps(keys), "--out", str(out)]) == 0
    return out


def _training_set(data: Path, train_size: int, granularity: str, seed: int = 0) -> TrainingSet:
    out = data.with_name(f"{granularity}-{train_size}.h5")
    spec = json.dumps({"factors": {"train_size": train_size, "granularity": granularity}, "seed": seed})
    assert cli.main(["conditions", "--spec", spec, "--data", str(data), "--out", str(out)]) == 0
    return read_training_set(data, out)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _data(tmp_path_factory.mktemp("digits"), name="digits", validation=256)


def test_digits_are_the_real_ones_scaled_and_labelled(digits: Path) -> None:
    chosen = _training_set(digits, 256, "classes")
    real = {tuple(image.ravel()): label for image, label in zip(*load_digits(return_X_y=True), strict=True)}
    mean = store.read(digits, "data").attributes["mean"]
    for images, labels in (
        (chosen.train, chosen.train_labels),
        (chosen.validation, chosen.validation_labels),
    ):
        raw = np.rint(images.astype(np.float64) / chosen.scaling.scale + mean)
        assert [real[tuple(image.ravel())] for image in raw] == labels.tolist()
    assert chosen.shape == (1, 8, 8)
    assert chosen.label_count == 10
    whole = read_images(digits, 1740 - 256)
    assert whole.train.mean(dtype=np.float64) == pytest.approx(0, abs=1e-6)
    assert whole.train.std(dtype=np.float64) == pytest.approx(0.5, rel=1e-6)


def test_the_split_of_digits_stays_as_it_is(digits: Path) -> None:
    """Other results depend on it: a change here makes every finished study of digits incomparable."""
    file = store.read(digits, "data")
    sums = file["pool"].reshape(len(file["pool"]), -1).sum(axis=1)
    assert file["pool_class"][:12].tolist() == [6, 1, 2, 8, 0, 9, 2, 6, 3, 8, 5, 7]
    assert sums[:12].tolist() == [284, 303, 353, 367, 302, 294, 297, 329, 299, 334, 347, 354]


def test_subsets_are_nested_and_leave_validation_alone(digits: Path) -> None:
    subsets = [read_images(digits, size) for size in (16, 32, 64, 1484)]
    for small, large in pairwise(subsets):
        assert np.array_equal(small.train, large.train[: len(small.train)])
        assert np.array_equal(small.validation, large.validation)
    train, validation = ({row.tobytes() for row in images} for images in (subsets[-1].train, subsets[-1].validation))
    assert len(train) == 1484
    assert len(validation) == 256
    assert not train & validation


def test_the_same_spec_writes_the_same_images(tmp_path: Path, digits: Path) -> None:
    again = store.read(_data(tmp_path, name="digits", validation=256), "data")
    first = store.read(digits, "data")
    assert all(np.array_equal(again[name], first[name]) for name in first.arrays)


@pytest.mark.parametrize(
    ("granularity", "count"),
    [("none", 1), ("classes", 10), ("groups-5", 5), ("kmeans-7", 7), ("unique", 40), ("random-4", 4)],
)
def test_label_counts_of_every_granularity(digits: Path, granularity: str, count: int) -> None:
    chosen = _training_set(digits, 40, granularity)
    assert chosen.label_count == count
    assert (len(chosen.train_labels), len(chosen.validation_labels)) == (40, 256)
    assert set(chosen.train_labels.tolist()) == set(range(count))
    assert set(chosen.validation_labels.tolist()) <= set(range(count))


@pytest.mark.parametrize("granularity", ["none", "unique", "random-4"])
def test_true_classes_are_those_of_the_images_whatever_the_conditions(digits: Path, granularity: str) -> None:
    chosen = _training_set(digits, 40, granularity)
    train, unseen = chosen.train_classes, chosen.unseen_classes
    true = read_images(digits, 40)
    np.testing.assert_array_equal(train, true.train_labels)
    np.testing.assert_array_equal(unseen, true.validation_labels)
    assert set(train.tolist()) == set(range(10))


def test_true_classes_stand_beside_the_images_that_samples_are_judged_by(tmp_path: Path) -> None:
    """Of equidistant points those are draws of their own, in a number of their own."""
    data = _data(tmp_path, name=SYMMETRIC, points=48, validation=30)
    chosen = _training_set(data, 12, "unique")
    train, unseen = chosen.train_classes, chosen.unseen_classes
    assert (train.shape, unseen.shape) == ((12,), (len(chosen.unseen),))
    assert not train.any()
    assert not unseen.any()


def test_a_subset_beyond_the_pool_is_refused(digits: Path) -> None:
    with pytest.raises(DiffbenchError, match=r"data\.h5: 1485 training images .*beyond the 1484 distinct images"):
        read_images(digits, 1485)


def test_only_the_rows_of_a_subset_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import h5py

    data = _data(tmp_path, name="digits", validation=100)
    read = []
    original = h5py.Dataset.__getitem__

    def recording(self: Any, index: Any, **options: Any) -> Any:
        values = original(self, index, **options)
        read.append((self.name, len(values)))
        return values

    monkeypatch.setattr(h5py.Dataset, "__getitem__", recording)
    read_images(data, 16)
    assert dict(read) == {"/pool": 16, "/pool_class": 16, "/validation": 100, "/validation_class": 100}


def test_scaling_in_blocks_equals_scaling_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).integers(0, 256, (40, 5, 5)).astype(np.uint8)
    np.save(tmp_path / "own.npy", values)
    data = _data(tmp_path, name="file", path=str(tmp_path / "own.npy"), validation=10)
    file = store.read(data, "data")
    size = 25
    monkeypatch.setattr(raw_images, "BLOCK_VALUES", 175)  # 7 images
    expected = (file["pool"][:size].astype(np.float64) - file.attributes["mean"]) * file.attributes["scale"]
    assert np.array_equal(read_images(data, size).train, expected.astype(np.float32))


def test_duplicates_across_the_split_are_gone_and_resizing_comes_first(tmp_path: Path) -> None:
    half = np.random.default_rng(0).integers(0, 256, (30, 3, 3)).astype(np.uint8)
    doubled = half.repeat(2, axis=1).repeat(2, axis=2)
    other = doubled.copy()
    other[:, 0, 0] = np.where(other[:, 0, 0] > 0, other[:, 0, 0] - 1, 1)  # rounds away when reduced
    np.save(tmp_path / "own.npy", np.concatenate([doubled, other, doubled]))
    path = str(tmp_path / "own.npy")
    kept = [
        len(file["pool"]) + len(file["validation"])
        for resize in (None, 3)
        for file in [store.read(_data(tmp_path, name="file", path=path, validation=5, resize=resize), "data")]
    ]
    assert kept == [60, 30]


# Hashes of what was read


def test_the_hashes_of_the_files_that_were_read_are_kept(tmp_path: Path, digits: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (60, 5, 5)).astype(np.uint8)
    for index, image in enumerate(images[:40]):
        (tmp_path / f"pool/{index % 2}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / f"pool/{index % 2}/{index}.png")
    for index, image in enumerate(images[40:]):
        (tmp_path / f"held/{index % 2}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / f"held/{index % 2}/{index}.png")
    keys = {"path": str(tmp_path / "pool"), "held_out": str(tmp_path / "held")}
    file = store.read(_data(tmp_path, name="folder", validation=10, **keys), "data")
    expected = {
        f"{key}/{path.relative_to(folder)}": hashlib.sha256(path.read_bytes()).hexdigest()
        for key, folder in keys.items()
        for path in Path(folder).glob("*/*.png")
    }
    assert len(expected) == 60
    assert dict(zip(file["source_file"], file["source_hash"], strict=True)) == expected
    np.save(tmp_path / "own.npy", images)
    file = store.read(_data(tmp_path, name="file", validation=10, path=str(tmp_path / "own.npy")), "data")
    assert file["source_file"].tolist() == ["path"]
    assert file["source_hash"].tolist() == [hashlib.sha256((tmp_path / "own.npy").read_bytes()).hexdigest()]
    assert "source_file" not in store.read(digits, "data").arrays


def test_images_that_changed_since_the_study_was_read_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (60, 5, 5)).astype(np.uint8)
    paths = {"path": tmp_path / "own.npy", "held_out": tmp_path / "held.npy"}
    np.save(paths["path"], images[:40])
    np.save(paths["held_out"], images[40:])
    cache, out = tmp_path / "results" / layout.CONTENTS, tmp_path / "results" / layout.DATA.pattern
    out.parent.mkdir()
    keys = {key: str(path) for key, path in paths.items()}
    settings = DataSettings(name="file", validation=10, path=keys["path"], held_out=keys["held_out"])
    spec = DataSpec(**dict(settings), files={key: contents_of([path])[path] for key, path in keys.items()})
    assert cli.main(["data", "--spec", spec.model_dump_json(), "--out", str(out)]) == 0
    for made in out.parent.iterdir():
        made.unlink()
    np.save(paths["held_out"], images[41:])
    cache.write_text("kept")
    capsys.readouterr()
    assert cli.main(["data", "--spec", spec.model_dump_json(), "--out", str(out)]) == 1
    (told,) = capsys.readouterr().err.strip().splitlines()
    assert f"key 'data.held_out': {paths['held_out']}: the images changed" in told
    assert told.endswith("run snakemake again")
    assert list(out.parent.iterdir()) == [], "neither results nor the cache that told the old content"


# Planar sets


@pytest.mark.parametrize("name", [name for name in NAMES if name != SYMMETRIC])
def test_random_planar_sets_are_independent_draws_of_any_size(tmp_path: Path, name: str) -> None:
    data = _data(tmp_path, name=name, points=200, noise=0.1, validation=700)
    file = store.read(data, "data")
    assert (file["pool"].shape, file["validation"].shape) == ((200, 2), (700, 2))
    assert not set(map(tuple, file["pool"])) & set(map(tuple, file["validation"]))
    whole = read_images(data, 200)
    assert whole.shape == (2,)
    assert whole.train.std(dtype=np.float64) == pytest.approx(0.5, rel=1e-6)
    # Both come from the same distribution: their moments agree within four standard errors.
    spread = file["validation"].std(axis=0)
    error = spread * (1 / 200 + 1 / 700) ** 0.5
    assert (np.abs(file["pool"].mean(axis=0) - file["validation"].mean(axis=0)) < 4 * error).all()


@pytest.mark.parametrize("granularity", ["none", "kmeans-5", "unique", "random-3"])
@pytest.mark.parametrize("name", ["moons", SYMMETRIC])
def test_planar_sets_take_every_granularity_without_classes(tmp_path: Path, name: str, granularity: str) -> None:
    data = _data(tmp_path, name=name, points=48, validation=30)
    chosen = _training_set(data, 12, granularity)
    assert len(chosen.train_labels) == len(chosen.train) == 12
    assert len(chosen.validation_labels) == len(chosen.validation) == (12 if name == SYMMETRIC else 30)
    assert set(chosen.train_labels.tolist()) == set(range(chosen.label_count))


@pytest.mark.parametrize("train_size", [2, 10, 12, 60, 120])
def test_every_subset_of_the_symmetric_circle_is_a_symmetric_circle(tmp_path: Path, train_size: int) -> None:
    chosen = read_images(_data(tmp_path, name=SYMMETRIC, points=240), train_size)
    expected = planar_set(SYMMETRIC, 2 * train_size, noise=0, seed=0)
    assert chosen.scaling.scale == pytest.approx(0.5 / (RADIUS / 2**0.5), rel=1e-12)
    assert np.allclose(chosen.train / chosen.scaling.scale, expected.train, atol=1e-5)
    assert np.allclose(chosen.validation / chosen.scaling.scale, expected.validation, atol=1e-5)


@pytest.mark.parametrize(("train_size", "sigma", "gap"), [(10, 1.184, 0.3627), (12, 0.999, 0.1769)])
def test_the_symmetric_circle_has_the_converged_gap_of_the_laboratory(
    tmp_path: Path, train_size: int, sigma: float, gap: float
) -> None:
    """Split, scaling and units are right together: y_delta, delta = 1.6, shows the toy gap of the closed form."""
    import torch

    from diffbench.denoisers.blurred import BlurredOptimalDenoiser
    from diffbench.denoisers.optimal import OptimalDenoiser

    chosen = read_images(_data(tmp_path, name=SYMMETRIC, points=240), train_size)
    optimal = OptimalDenoiser(torch.from_numpy(chosen.train), torch.zeros(train_size, dtype=torch.int64))
    denoiser = BlurredOptimalDenoiser(optimal, 1.6 * chosen.scaling.scale)
    noise = torch.randn(4000, 1, 2, generator=torch.Generator().manual_seed(0))

    def mean_error(points: np.ndarray) -> float:
        """Mean L2 norm of the error, the same noise for every point."""
        clean = torch.from_numpy(points).expand(4000, -1, 2)
        noised = (clean + sigma * chosen.scaling.scale * noise).reshape(-1, 2)
        levels = torch.full((len(noised),), sigma * chosen.scaling.scale)
        return float((denoiser(noised, levels) - clean.reshape(-1, 2)).norm(dim=1).mean())

    train, validation = mean_error(chosen.train), mean_error(chosen.validation)
    assert (validation - train) / train == pytest.approx(gap, abs=0.03)


def test_subsets_of_the_symmetric_circle_are_nested_along_divisors(tmp_path: Path) -> None:
    data = _data(tmp_path, name=SYMMETRIC, points=64, noise=0.5)
    train = [{row.tobytes() for row in read_images(data, size).train} for size in (4, 8, 16, 32)]
    assert [len(rows) for rows in train] == [4, 8, 16, 32]
    assert all(small < large for small, large in pairwise(train))


def test_a_subset_that_does_not_divide_the_circle_is_refused(tmp_path: Path) -> None:
    data = _data(tmp_path, name=SYMMETRIC, points=240)
    for size in (7, 16, 240):
        with pytest.raises(DiffbenchError, match=rf"make data\.points a multiple of {2 * size}"):
            read_images(data, size)


# Errors


def test_an_error_is_one_line_and_leaves_nothing_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_idx_set(tmp_path / "mnist")
    images = tmp_path / "mnist" / "t10k-images-idx3-ubyte.gz"
    images.write_bytes(images.read_bytes()[:5000])
    spec = json.dumps({"name": "mnist", "path": str(tmp_path / "mnist"), "validation": 10})
    out = tmp_path / "results" / "data.h5"
    assert cli.main(["data", "--spec", spec, "--out", str(out)]) == 1
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert "key 'data.path'" in told[0]
    assert str(images) in told[0]
    assert not out.parent.exists() or not list(out.parent.iterdir())
