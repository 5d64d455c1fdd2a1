"""Do samples lie nearer to training images than unseen images do? C_T and the nearest-side rate."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffbench.conventions import DiffbenchError
from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.intervals import auc, proportion
from diffbench.measures.neighbors import Images, blocks, nearest

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

CELL_MINIMUM = 20
"""Fewer images of either kind in a cell make Mann-Whitney's normal approximation poor: the cell is left
out."""

IMAGES_PER_CELL = 100
CELLS_MAXIMUM = 10
CLUSTERED_MAXIMUM = 10_000
CLUSTERED_VALUES = 2**25
"""Values of all clustered images together at most (256 MB in float64)."""
ITERATIONS = 30
"""Of k-means; the partition need not be the best one, only a fixed one."""


@dataclass(frozen=True)
class CopyingTest:
    """C_T and what it is made of."""

    c_t: Estimate  # about 0: no copying; strongly negative: copying; positive: farther than unseen images
    cells: int  # cells of the partition
    cells_used: int  # those with at least CELL_MINIMUM images of both kinds


def copying_test(
    samples: Images,
    validation: Images,
    train: Images,
    seed: int,
    distances: tuple[Floats, Floats] | None = None,
) -> CopyingTest:
    """C_T of Meehan et al., arXiv 2004.05675: samples and validation images against train.

    In each cell of a k-means partition of the training set, the Mann-Whitney z of the distances to the
    nearest training image, samples against validation; averaged with each cell's share of validation images
    as weight. The partition has one cell per 100 images of the smaller set, at most 10. `distances`: those to
    the nearest training image, of samples (m,) and validation images (v,), where they are known already.
    """
    smaller = min(samples.shape[0], validation.shape[0])
    cells = max(1, min(CELLS_MAXIMUM, smaller // IMAGES_PER_CELL, train.shape[0] // IMAGES_PER_CELL))
    sample_cells, validation_cells = _cells([samples, validation], train, cells, seed)
    if distances is None:
        distances = nearest(samples, train, 1).distances[:, 0], nearest(validation, train, 1).distances[:, 0]
    return copying_z(*distances, sample_cells, validation_cells, cells)


def copying_z(
    sample_distances: Floats,
    validation_distances: Floats,
    sample_cells: Indices,
    validation_cells: Indices,
    cells: int,
) -> CopyingTest:
    """C_T from distances to the training set, (m,) and (k,), and the cell of each image.

    The interval combines the cells' AUC intervals by squared distances to the bounds (MOVER, Zou and Donner
    2008).
    """
    n = len(sample_distances) + len(validation_distances)
    tests = []
    for cell in range(cells):
        s, v = sample_distances[sample_cells == cell], validation_distances[validation_cells == cell]
        if min(len(s), len(v)) >= CELL_MINIMUM and np.ptp(np.concatenate([s, v])) > 0:
            tests.append((len(v), _mann_whitney_z(s, v)))
    if not tests:
        reason = f"no cell has {CELL_MINIMUM} samples and {CELL_MINIMUM} validation images at differing distances"
        return CopyingTest(undefined(reason, n), cells, 0)
    weights = np.array([weight for weight, _ in tests]) / sum(weight for weight, _ in tests)
    z, low, high = (np.array([getattr(t, part) for _, t in tests]) for part in ("value", "low", "high"))
    value = float(weights @ z)
    below = math.sqrt(float((weights**2) @ (z - low) ** 2))
    above = math.sqrt(float((weights**2) @ (high - z) ** 2))
    return CopyingTest(Estimate(value, value - below, value + above, n), cells, len(tests))


def _mann_whitney_z(s: Floats, v: Floats) -> Estimate:
    """z of U = #{s > v}, negative where s is smaller; variance under no difference, corrected for ties."""
    area = auc(s, v)
    m, k = len(s), len(v)
    _, ties = np.unique(np.concatenate([s, v]), return_counts=True)
    ties = ties.astype(np.float64)
    tie_share = (ties**3 - ties).sum() / ((m + k) * (m + k - 1))
    deviation = math.sqrt((m + k + 1 - tie_share) / (12 * m * k))  # of U / (m k)
    value, low, high = ((part - 0.5) / deviation for part in (area.value, area.low, area.high))
    return Estimate(value, low, high, area.n)


def _cells(sets: list[Images], train: Images, cells: int, seed: int) -> list[Indices]:
    """Nearest k-means centre of each image; the centres come from a part of the training images."""
    if cells == 1:
        return [np.zeros(images.shape[0], dtype=np.int64) for images in sets]
    from scipy.cluster.vq import kmeans2, vq  # half the start-up time of scikit-learn's

    rng = np.random.default_rng(seed)
    count = min(train.shape[0], CLUSTERED_MAXIMUM, max(IMAGES_PER_CELL * cells, CLUSTERED_VALUES // train.shape[1]))
    rows = np.sort(rng.choice(train.shape[0], count, replace=False))
    fitted = np.asarray(train[rows], np.float64)
    first = fitted[np.sort(rng.choice(count, cells, replace=False))]
    centers, _ = kmeans2(fitted, first, iter=ITERATIONS, minit="matrix")

    def nearest_center(images: Images) -> Indices:
        found = [vq(np.asarray(images[part], np.float64), centers)[0] for part in blocks(images)]
        return np.concatenate(found).astype(np.int64)

    return [nearest_center(images) for images in sets]


def nearest_side_rate(samples: Images, train: Images, validation: Images, seed: int) -> Estimate:
    """P(the nearest image of an equal-size training and validation reference lies in train); 0.5 = no bias.

    The larger reference is cut to the smaller by a random choice. Samples (m, d) equally near to both sides
    are left out. Samples must not come from the references: a validation image would be its own neighbour.
    """
    size = min(train.shape[0], validation.shape[0])
    if size == 0:
        raise DiffbenchError("nearest_side_rate: a reference has no images; give training and validation images")
    rng = np.random.default_rng(seed)
    distances = []
    for reference in (train, validation):
        rows = np.sort(rng.choice(reference.shape[0], size, replace=False))
        equal = reference if size == reference.shape[0] else reference[rows]
        distances.append(nearest(samples, equal, 1).distances[:, 0])
    decided = distances[0] != distances[1]
    if not decided.any():
        return undefined("every sample is equally near to both references", samples.shape[0])
    return proportion(int((distances[0] < distances[1]).sum()), int(decided.sum()))
