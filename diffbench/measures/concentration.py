"""How the optimal denoiser's posterior over training images concentrates at noised points, and their
density."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffbench.conventions import DiffbenchError
from diffbench.denoisers.posterior import posterior
from diffbench.measures.neighbors import Images, require_finite

Floats = NDArray[np.float64]

BLOCK_ELEMENTS = 2**24


@dataclass(frozen=True)
class Concentration:
    """One number per point x."""

    largest_weight: Floats  # (m,) max_i w_i, near 1: x is pulled to one training image
    effective_number: Floats  # (m,) 1 / sum_i w_i^2, training images that share the weight
    log_density: Floats  # (m,) ln p_sigma(x)


def concentration(
    points: Images,
    train: Images,
    sigma: float,
    labels: NDArray[np.int64] | None = None,
    train_labels: NDArray[np.int64] | None = None,
) -> Concentration:
    """Concentration at noised points (m, d) at one noise level sigma > 0, given training images (n, d).

    With labels (m,) and train_labels (n,), over the training images of each point's label. Memory: the
    training images once in float64, and blocks of about 0.5 GB.
    """
    if (labels is None) != (train_labels is None):
        raise DiffbenchError("concentration: give labels and train_labels together, or neither")
    if not sigma > 0:
        raise DiffbenchError(f"concentration: sigma is {sigma}; it must be above 0")
    require_finite(points, "points")
    require_finite(train, "train")
    images = np.asarray(train[:], dtype=np.float64)
    # Distances decide, not positions: a shift to the mean costs nothing and saves digits.
    center = images.mean(axis=0)
    images = images - center
    step = max(1, BLOCK_ELEMENTS // len(images))
    parts: list[tuple[Floats, Floats, Floats]] = []
    for start in range(0, points.shape[0], step):
        rows = slice(start, start + step)
        allowed = None
        if labels is not None and train_labels is not None:
            allowed = labels[rows, None] == train_labels[None, :]
            if not allowed.any(axis=1).all():
                raise DiffbenchError("concentration: a label has no training image; give labels of the training set")
        found = posterior(np.asarray(points[rows], dtype=np.float64) - center, images, sigma, allowed)
        weights = found.weights
        parts.append((weights.max(axis=1), 1 / np.einsum("ij,ij->i", weights, weights), found.log_density))
    return Concentration(*(np.concatenate(column) for column in zip(*parts, strict=True)))
