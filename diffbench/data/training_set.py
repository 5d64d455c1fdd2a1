"""What every stage after the data stages reads: a training subset with its labels, and the validation images."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diffbench import store
from diffbench.data.conditions import Conditions, Labels

Images = NDArray[np.float32]


@dataclass(frozen=True)
class TrainingSet:
    """Scaled images: train (n, *shape), validation (v, *shape); labels in [0, label_count)."""

    train: Images
    train_labels: Labels
    validation: Images
    validation_labels: Labels
    label_count: int
    scale: float
    """Scaled = (raw - mean) * scale: lengths in raw units times this are lengths in scaled units."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image."""
        return self.train.shape[1:]

    @property
    def flat_train(self) -> Images:
        """Training images as rows, (n, d)."""
        return self.train.reshape(len(self.train), -1)

    @property
    def flat_validation(self) -> Images:
        """Validation images as rows, (v, d)."""
        return self.validation.reshape(len(self.validation), -1)


def read_images(data: Path, train_size: int) -> tuple[TrainingSet, Conditions]:
    """The first `train_size` images of the pool without conditions, and their true classes, from the data file."""
    file = store.read(data, "data")
    mean, scale = file.attributes["mean"], file.attributes["scale"]

    def scaled(raw: NDArray[np.generic]) -> Images:
        return ((raw.astype(np.float64) - mean) * scale).astype(np.float32)

    train, validation = scaled(file["pool"][:train_size]), scaled(file["validation"])
    classes = Conditions(
        file["pool_class"][:train_size], file["validation_class"], int(file.attributes["classes"])
    )
    unlabelled = TrainingSet(
        train, np.zeros(len(train), np.int64), validation, np.zeros(len(validation), np.int64), 1, scale
    )
    return unlabelled, classes


def read_training_set(data: Path, conditions: Path) -> TrainingSet:
    """The training set that the data file and a conditions file describe together."""
    labels = store.read(conditions, "conditions")
    images, _ = read_images(data, len(labels["train_label"]))
    return TrainingSet(
        images.train,
        labels["train_label"],
        images.validation,
        labels["validation_label"],
        int(labels.attributes["label_count"]),
        images.scale,
    )
