"""What every stage after the data stages reads: a training subset with labels, and the validation images."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench.conventions import DiffbenchError
from diffbench.data.conditions import Conditions, Labels
from diffbench.data.raw_images import block_length
from diffbench.files import store

Images = NDArray[np.float32]


@dataclass(frozen=True)
class TrainingSet:
    """Scaled images: train (n, *shape), validation (v, *shape); labels in [0, label_count)."""

    train: Images
    train_labels: Labels
    validation: Images
    validation_labels: Labels
    label_count: int
    unseen: Images
    """Images (u, *shape) that samples are judged beside: the validation images, or draws from the true distribution."""
    scale: float
    """Scaled = (raw - mean) * scale: lengths in raw units times this are lengths in scaled units."""
    mean: float
    """Of the training pool, in raw units."""
    raw_type: str
    """Type in which the raw images are stored, such as uint8."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image."""
        return self.train.shape[1:]

    @property
    def flat_train(self) -> Images:
        """Training images as rows, (n, d)."""
        return self.train.reshape(len(self.train), -1)

    @property
    def flat_unseen(self) -> Images:
        """Images beside which samples are judged as rows, (u, d)."""
        return self.unseen.reshape(len(self.unseen), -1)

    @property
    def flat_validation(self) -> Images:
        """Validation images as rows, (v, d)."""
        return self.validation.reshape(len(self.validation), -1)


def read_images(data: Path, train_size: int, twin: bool = False) -> tuple[TrainingSet, Conditions]:
    """The training subset of `train_size` images without conditions, and true classes, from the data file.

    A twin's subset is as large and shares no image with it: it comes next in the pool. No more of the file is read
    than that. DiffbenchError if the pool has no such subset.
    """
    with store.opened(data, "data") as (file, attributes):
        mean, scale, raw_type = attributes["mean"], attributes["scale"], str(file["pool"].dtype)
        train, (held_out, name) = _subset(data, file, train_size, twin), _held_out(file, train_size)
        images = _scaled(file["pool"], train, mean, scale), _scaled(file[name], held_out, mean, scale)
        unseen = _scaled(file["unseen"], slice(None), mean, scale) if "unseen" in file else images[1]
        classes = Conditions(file["pool_class"][train], file[f"{name}_class"][held_out], int(attributes["classes"]))
    labels = np.zeros_like(classes.train), np.zeros_like(classes.validation)
    return TrainingSet(images[0], labels[0], images[1], labels[1], 1, unseen, scale, mean, raw_type), classes


def in_turn(images: int, count: int) -> NDArray[np.int64]:
    """Indices (count,) of the first `count` images, begun anew where there are fewer: each time with fresh noise, they
    still are draws from the noised set."""
    return np.arange(count) % images


def _subset(data: Path, file: Any, train_size: int, twin: bool) -> slice:
    """Where the training subset stands in the pool."""
    pool = len(file["pool"])
    if "validation" in file:
        stop = 2 * train_size if twin else train_size
        if stop > pool:
            raise DiffbenchError(
                f"{data}: {stop} training images (train_size {train_size}{' and its twin' if twin else ''}) are beyond "
                f"the {pool} distinct images of its training pool"
            )
        return slice(stop - train_size, stop)
    if twin:
        raise DiffbenchError(f"{data}: equidistant points have no second training subset; set pairs: false")
    if pool % (2 * train_size):
        raise DiffbenchError(
            f"{data}: {train_size} equidistant points cannot be chosen among its {pool}; "
            f"make data.points a multiple of {2 * train_size}"
        )
    return slice(0, pool, pool // train_size)


def _held_out(file: Any, train_size: int) -> tuple[slice, str]:
    """Where the validation images stand, and in which array: halfway between training points if in no own."""
    if "validation" in file:
        return slice(0, len(file["validation"])), "validation"
    step = len(file["pool"]) // train_size
    return slice(step // 2, None, step), "pool"


def _scaled(raw: Any, rows: slice, mean: float, scale: float) -> Images:
    """The rows of an array on disk, scaled in float64, block by block."""
    indices = range(len(raw))[rows]
    result = np.empty((len(indices), *raw.shape[1:]), np.float32)
    length = block_length(raw.shape[1:])
    for start in range(0, len(indices), length):
        block = indices[start : start + length]
        values = raw[block.start : block.stop : block.step].astype(np.float64)
        result[start : start + length] = (values - mean) * scale
    return result


def read_training_set(data: Path, conditions: Path) -> TrainingSet:
    """The training set that the data file and a conditions file describe together."""
    labels = store.read(conditions, "conditions")
    images, _ = read_images(data, len(labels["train_label"]), bool(labels.attributes["twin"]))
    return TrainingSet(
        images.train,
        labels["train_label"],
        images.validation,
        labels["validation_label"],
        int(labels.attributes["label_count"]),
        images.unseen,
        images.scale,
        images.mean,
        images.raw_type,
    )
