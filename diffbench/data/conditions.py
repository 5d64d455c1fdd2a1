"""Condition labels of training and validation images at every granularity.

Conditions that are vectors have labels, too: the numbers of the distinct ones. So all that asks which images share a
condition compares numbers, and the vectors themselves come in where a network is told the condition.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench.conventions import DiffbenchError, seed_of
from diffbench.data.vectors import Vectors, shared_labels
from diffbench.settings.granularity import Granularity

Labels = NDArray[np.int64]

CLUSTERED = 20_000
"""k-means is fitted to at most so many images, the first of the subset, since it holds three copies of them."""


@dataclass(frozen=True)
class Conditions:
    """Labels in [0, count) of the training subset (n,) and of the validation images (v,).

    Those of validation images are carried by training images, too, but for vectors of their own.
    """

    train: Labels
    validation: Labels
    count: int


def conditions(
    granularity: Granularity,
    train: np.ndarray,
    train_classes: Labels,
    validation: np.ndarray,
    validation_classes: Labels,
    classes: int,
    seed: int,
    vectors: tuple[Vectors, Vectors] | None = None,
) -> Conditions:
    """Labels of flat images `train` (n, d) and `validation` (v, d), given their true classes in [0, classes).

    Validation images get the true class, the cluster that k-means predicts, the nearest training image's
    label for unique, and a random label for random-K; with `vectors` of both, the number of their own for given, and
    k-means clusters these instead of the images. Where no training image carries that label, they get one at
    random, all that are carried alike: of a label that it was not trained on, a model knows nothing.
    """
    kind, count = granularity.kind, granularity.count
    match kind:
        case "none":
            given = Conditions(np.zeros(len(train), np.int64), np.zeros(len(validation), np.int64), 1)
        case "classes" | "groups" if classes == 0:
            raise DiffbenchError(f"granularity '{kind}': the data have no classes, use none, kmeans-K or unique")
        case "classes":
            given = Conditions(train_classes, validation_classes, classes)
        case "groups":
            given = Conditions(train_classes * count // classes, validation_classes * count // classes, count)
        case "given":
            if vectors is None:
                raise DiffbenchError("granularity 'given': the data have no conditions; name them as data.conditions")
            labels = shared_labels(*vectors)
            if not labels[0].any():
                raise DiffbenchError(f"granularity 'given': the {len(train)} training images all have one condition")
            return Conditions(*labels, count=1 + int(np.concatenate(labels).max()))
        case "kmeans":
            given = _clusters(*_clustered(train, validation, vectors, count), count, seed)
        case "unique":
            given = _unique(train, validation)
        case _:
            rng = np.random.default_rng(seed_of("random labels", seed))
            drawn = rng.integers(0, count, len(validation)), rng.integers(0, count, len(train))
            given = Conditions(drawn[1], drawn[0], count)
    return replace(given, validation=_carried(given, seed))


def _carried(given: Conditions, seed: int) -> Labels:
    """Labels of the validation images (v,), with others in place of those that no training image carries."""
    carried = np.unique(given.train)
    # One draw for every image, so that an image's does not depend on how many others need one.
    others = carried[
        np.random.default_rng(seed_of("absent labels", seed)).integers(0, len(carried), len(given.validation))
    ]
    return np.where(np.isin(given.validation, carried), given.validation, others)


def _clustered(
    train: np.ndarray, validation: np.ndarray, vectors: tuple[Vectors, Vectors] | None, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """What k-means clusters, flat: conditions that are vectors, else images. DiffbenchError if vectors are too few."""
    if vectors is None:
        return train, validation
    distinct = len(np.unique(shared_labels(*vectors)[0][:CLUSTERED]))
    if distinct < count:
        raise DiffbenchError(f"granularity 'kmeans-{count}': the training images have only {distinct} conditions")
    return vectors[0].reshape(len(train), -1), vectors[1].reshape(len(validation), -1)


def _clusters(train: np.ndarray, validation: np.ndarray, count: int, seed: int) -> Conditions:
    from sklearn.cluster import KMeans

    means: Any = KMeans(count, n_init=4, random_state=seed).fit(train[:CLUSTERED])  # pyright: ignore[reportArgumentType]
    return Conditions(means.predict(train).astype(np.int64), means.predict(validation).astype(np.int64), count)


def _unique(train: np.ndarray, validation: np.ndarray) -> Conditions:
    from sklearn.neighbors import NearestNeighbors

    nearest = NearestNeighbors(n_neighbors=1).fit(train).kneighbors(validation, return_distance=False)
    return Conditions(np.arange(len(train)), nearest[:, 0].astype(np.int64), len(train))
