"""A split given by the user: the whole pool trains, nothing of it is held out, and leaks are refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from diffbench import cli
from diffbench.conventions import DiffbenchError
from diffbench.data import catalog
from diffbench.data.held_out import whole_order
from diffbench.data.sources import source
from diffbench.files import store
from diffbench.settings.data import DataSettings

RNG = np.random.default_rng(0)
TRAIN = RNG.integers(0, 256, (23, 8, 8)).astype(np.uint8)
TRAIN_LABELS = np.array(["cat"] * 15 + ["dog"] * 5 + ["owl"] * 3)
HELD_OUT = RNG.integers(0, 256, (9, 8, 8)).astype(np.uint8)
HELD_OUT_LABELS = np.array(["owl"] * 4 + ["dog"] * 5)  # no cat: numbers of its own would be wrong


def files(folder: Path, train: Any = TRAIN, held_out: Any = HELD_OUT, **labels: Any) -> DataSettings:
    names = {"train": labels.get("train_labels", TRAIN_LABELS), "held": labels.get("held_labels", HELD_OUT_LABELS)}
    np.savez(folder / "train.npz", x=train, y=names["train"])
    np.savez(folder / "held.npz", x=held_out, y=names["held"])
    paths: dict[str, Any] = {"path": str(folder / "train.npz"), "held_out": str(folder / "held.npz")}
    return DataSettings(name="file", **paths, images="x", labels="y")


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60).map(np.array), st.integers(0, 3))
def test_every_prefix_of_the_order_has_the_proportions_of_the_whole(classes: np.ndarray, seed: int) -> None:
    order = whole_order(classes, seed)
    assert sorted(order.tolist()) == list(range(len(classes)))
    shares = np.bincount(classes, minlength=5) / len(classes)
    allowed = 0.5 + shares * np.count_nonzero(shares) / 2  # half an image of a class, and of all of them together
    for size in range(1, len(classes) + 1):
        counts = np.bincount(classes[order[:size]], minlength=5)
        assert (np.abs(counts - shares * size) <= allowed + 1e-9).all()


def test_held_out_images_cut_short_are_of_the_classes_of_the_pool(tmp_path: Path) -> None:
    """Else samples of a model that never memorized would be nearer to the training images than to the others."""
    rng, labels = np.random.default_rng(1), np.repeat(["a", "b"], [90, 10])
    images = rng.integers(0, 256, (2, 100, 8, 8)).astype(np.uint8)
    spec = files(tmp_path, *images, train_labels=labels, held_labels=labels).model_copy(update={"validation": 20})
    parts = source(spec).split(spec)
    assert parts.validation is not None
    assert np.bincount(parts.validation.classes).tolist() == [18, 2]
    assert np.bincount(parts.pool.classes[:20]).tolist() == [18, 2]
    assert np.bincount(parts.pool.classes).tolist() == [90, 10]


def test_all_training_images_are_the_pool_and_classes_keep_their_names(tmp_path: Path) -> None:
    spec = files(tmp_path)
    known = catalog.facts(spec)
    assert (known.pool, known.classes, known.shape) == (23, 3, (1, 8, 8))
    assert catalog.bad_train_size(spec, known, 23) is None
    assert cli.main(["data", "--spec", spec.model_dump_json(), "--out", str(tmp_path / "data.h5")]) == 0
    file = store.read(tmp_path / "data.h5", "data")
    label = {image.tobytes(): list("cdo").index(name[0]) for image, name in zip(TRAIN, TRAIN_LABELS, strict=True)}
    assert {image.tobytes() for image in file["pool"]} == label.keys()
    assert [label[image.tobytes()] for image in file["pool"]] == file["pool_class"].tolist()
    held = {image.tobytes(): list("cdo").index(name[0]) for image, name in zip(HELD_OUT, HELD_OUT_LABELS, strict=True)}
    assert [held[image.tobytes()] for image in file["validation"]] == file["validation_class"].tolist()
    assert len(file["validation"]) == 9
    mean, scale = (float(file.attributes[name]) for name in ("mean", "scale"))
    assert mean == pytest.approx(TRAIN.mean())
    assert scale == pytest.approx(0.5 / TRAIN.std())
    spec_of_conditions = json.dumps({"factors": {"train_size": 23, "granularity": "classes"}, "seed": 0})
    arguments = ["--data", str(tmp_path / "data.h5"), "--out", str(tmp_path / "conditions.h5")]
    assert cli.main(["conditions", "--spec", spec_of_conditions, *arguments]) == 0
    labels = store.read(tmp_path / "conditions.h5", "conditions")["train_label"]
    assert np.bincount(labels).tolist() == [15, 5, 3]


def test_validation_caps_the_held_out_images_and_duplicates_within_a_side_are_dropped(tmp_path: Path) -> None:
    double = np.concatenate([TRAIN, TRAIN[:4]])
    labels = np.concatenate([TRAIN_LABELS, TRAIN_LABELS[:4]])
    spec = files(tmp_path, double, train_labels=labels).model_copy(update={"validation": 4})
    parts = source(spec).split(spec)
    assert len(parts.pool.images) == 23
    assert parts.validation is not None
    assert np.bincount(parts.validation.classes).tolist() == [0, 2, 2]


def test_a_held_out_folder_and_resizing(tmp_path: Path) -> None:
    for side, images, names in (("train", TRAIN, TRAIN_LABELS), ("held", HELD_OUT, HELD_OUT_LABELS)):
        for index, (image, name) in enumerate(zip(images, names, strict=True)):
            (tmp_path / side / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(tmp_path / side / name / f"{index}.png")
    paths: dict[str, Any] = {"path": str(tmp_path / "train"), "held_out": str(tmp_path / "held")}
    spec = DataSettings(name="folder", **paths, resize=4)
    assert catalog.facts(spec).pool == 23
    parts = source(spec).split(spec)
    assert parts.pool.images.shape == (23, 1, 4, 4)
    assert parts.validation is not None
    assert np.bincount(parts.validation.classes).tolist() == [0, 5, 4]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"held_out": np.concatenate([HELD_OUT[:7], TRAIN[3:5]])}, "2 of its 9 distinct images are training images"),
        ({"held_out": HELD_OUT[:, :, :6]}, "its images have shape (1, 8, 6), the training images (1, 8, 8)"),
        ({"held_out": HELD_OUT / 255}, "its images are of type float32, but the training images are of uint8"),
        ({"held_labels": np.array(["owl"] * 5 + ["emu"] * 4)}, "no training image is of class emu"),
        ({"held_labels": HELD_OUT_LABELS[:5]}, "has shape (5,), but there are 9 images"),
        ({"held_out": np.repeat(HELD_OUT[:1], 9, axis=0)}, "at least two distinct images"),
    ],
)
def test_held_out_images_that_do_not_suit_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    spec = files(tmp_path, **changes)
    with pytest.raises(DiffbenchError) as caught:
        source(spec).split(spec)
    assert message in str(caught.value)
    assert not (tmp_path / "data.h5").exists()


def test_errors_name_the_key(tmp_path: Path) -> None:
    spec = files(tmp_path).model_copy(update={"held_out": str(tmp_path / "none.npz")})
    with pytest.raises(DiffbenchError, match=r"key 'data\.held_out': .*none\.npz: no such file"):
        catalog.facts(spec)
    blank = files(tmp_path, held_out=np.where(HELD_OUT > 9, HELD_OUT, np.nan))
    with pytest.raises(DiffbenchError, match=r"key 'data\.held_out': .*held\.npz: the images hold NaN"):
        source(blank).split(blank)
    with pytest.raises(
        DiffbenchError, match=r"key 'data\.held_out': 'digits' does not take it, only file, folder, latents do"
    ):
        catalog.facts(DataSettings(held_out="x.npz"))
    labelled, loose = tmp_path / "labelled", tmp_path / "loose"
    for place in (labelled / "cat", loose):
        place.mkdir(parents=True)
        for index in range(3):
            Image.fromarray(HELD_OUT[index + 3 * (place == loose)]).save(place / f"{index}.png")
    with pytest.raises(DiffbenchError, match="the training images have classes, the held-out images do not"):
        catalog.facts(DataSettings(name="folder", path=str(labelled), held_out=str(loose)))
