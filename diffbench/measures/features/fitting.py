"""Feature spaces fitted to training images; scikit-learn is imported here and only when one is fitted."""

import math
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from diffbench.files.estimates import Estimate
from diffbench.measures.features.spaces import Layer, Layered
from diffbench.measures.intervals import proportion
from diffbench.measures.neighbors import Images
from diffbench.shapes import Float, Float32, Int64

FITTED_MAXIMUM = 20_000
"""Images that a space is fitted to at most: more would change it little."""

FITTED_VALUES = 2**25
"""Values of all of them together at most (128 MB in float32)."""

UPDATES = 1000
"""Of the classifier's weights, each on 200 images or all of fewer; it stops before if its loss stands still."""
BATCH = 200
"""scikit-learn's own choice."""
WIDENING = 4
"""Units of the classifier's first layer per unit of the second, whose outputs are the features."""


class FittedClassifier(NamedTuple):
    """A classifier's last hidden layer as feature space, and how well the classifier knows images it has not seen."""

    space: Layered
    accuracy: Estimate


def fitted_count(count: int, dimension: int) -> int:
    """How many of `count` images of `dimension` values a space is fitted to."""
    return max(2, min(count, FITTED_MAXIMUM, FITTED_VALUES // dimension))


def fit_pca(sets: Sequence[Float[Images, "_ d"]], dimensions: int, seed: int) -> Layered:
    """The leading principal components of all flat images of the sets together; of a random choice of very many.

    At most `dimensions`, and at most as many as the images span. Images vary more along components that were fitted to
    them than others do: so that training and validation images compare as equals, give both.
    """
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(seed)
    total, dimension = sum(images.shape[0] for images in sets), sets[0].shape[1]
    rows = np.sort(rng.choice(total, fitted_count(total, dimension), replace=False))
    ends = np.cumsum([images.shape[0] for images in sets])
    parts = np.split(rows, np.searchsorted(rows, ends[:-1]))
    starts = ends - [images.shape[0] for images in sets]
    chosen = [images[part - start] for images, part, start in zip(sets, parts, starts, strict=True)]
    count = min(dimensions, dimension, len(rows) - 1)
    model = PCA(count, random_state=seed).fit(np.concatenate(chosen, dtype=np.float32))
    weight = np.asarray(model.components_, np.float64).T
    return Layered(f"pca-{count}", (Layer(weight, -np.asarray(model.mean_, np.float64) @ weight),), rectified=False)


def fit_classifier(
    images: Float32[np.ndarray, "n d"],
    classes: Int64[np.ndarray, " n"],
    held_out: Float32[np.ndarray, "v d"],
    held_out_classes: Int64[np.ndarray, " v"],
    dimensions: int,
    seed: int,
) -> FittedClassifier:
    """A network with two hidden layers of ReLU, trained by Adam on flat images with their classes.

    Features: the outputs of the second layer, `dimensions` of them.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    epochs = math.ceil(UPDATES * min(BATCH, len(images)) / len(images))
    widths = (WIDENING * dimensions, dimensions)
    model = MLPClassifier(widths, max_iter=epochs, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of updates is fixed on purpose
        model.fit(images, classes)
    layers = tuple(
        Layer(np.asarray(weight, np.float64), np.asarray(bias, np.float64))
        for weight, bias in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True)
    )
    hits = int(np.count_nonzero(model.predict(held_out) == held_out_classes))
    return FittedClassifier(Layered("classifier", layers, rectified=True), proportion(hits, len(held_out)))
