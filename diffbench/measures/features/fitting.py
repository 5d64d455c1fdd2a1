"""Feature spaces fitted to training images; scikit-learn is imported here and only when one is fitted."""

import math
import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from diffbench.measures.features.spaces import Layer, Layered
from diffbench.measures.intervals import Estimate, proportion
from diffbench.measures.neighbors import Images

FITTED_MAXIMUM = 20_000
"""Images that a space is fitted to at most: more would change it little."""

FITTED_VALUES = 2**25
"""Values of all of them together at most (128 MB in float32)."""

UPDATES = 1000
"""Of the classifier's weights, each on 200 images or all of fewer; it stops before if its loss stands still."""
BATCH = 200
WIDENING = 4
"""Units of the classifier's first layer per unit of the second, whose outputs are the features."""


class FittedClassifier(NamedTuple):
    """A classifier's last hidden layer as feature space, and how well the classifier knows images it has not seen."""

    space: Layered
    accuracy: Estimate


def fitted_count(images: Images) -> int:
    """How many of `images` (n, d) a space is fitted to."""
    return max(2, min(images.shape[0], FITTED_MAXIMUM, FITTED_VALUES // images.shape[1]))


def fit_pca(images: Images, dimensions: int, seed: int) -> Layered:
    """The leading principal components of flat images (n, d), n >= 2; of a random choice where there are very many.

    At most `dimensions`, and at most as many as the images span.
    """
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(images.shape[0], fitted_count(images), replace=False))
    count = min(dimensions, images.shape[1], len(rows) - 1)
    model = PCA(count, random_state=seed).fit(np.asarray(images[rows], np.float32))
    weight = np.asarray(model.components_, np.float64).T
    return Layered(f"pca-{count}", (Layer(weight, -np.asarray(model.mean_, np.float64) @ weight),), rectified=False)


def fit_classifier(
    images: NDArray[np.float32],
    classes: NDArray[np.int64],
    held_out: NDArray[np.float32],
    held_out_classes: NDArray[np.int64],
    dimensions: int,
    seed: int,
) -> FittedClassifier:
    """A network with two hidden layers of ReLU, trained by Adam on flat images (n, d) with classes (n,).

    Features: the outputs of the second layer, `dimensions` of them.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    batch = min(BATCH, len(images))
    epochs = math.ceil(UPDATES * batch / len(images))
    widths = (WIDENING * dimensions, dimensions)
    model = MLPClassifier(widths, batch_size=batch, max_iter=epochs, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of updates is fixed on purpose
        model.fit(images, classes)
    layers = tuple(
        Layer(np.asarray(weight, np.float64), np.asarray(bias, np.float64))
        for weight, bias in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True)
    )
    hits = int(np.count_nonzero(model.predict(held_out) == held_out_classes))
    return FittedClassifier(Layered("classifier", layers, rectified=True), proportion(hits, len(held_out)))
