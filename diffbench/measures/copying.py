"""Do samples lie nearer to training images than unseen images do? C_T and the nearest-side rate."""

import math
from collections.abc import Sequence

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.intervals import auc, proportion
from diffbench.measures.neighbors import Images, blocks, nearest
from diffbench.shapes import Float, Float64, Int64

REGION_MINIMUM = 20
"""A region with fewer images of either kind is left out: Mann-Whitney's normal approximation would be poor there."""

IMAGES_PER_REGION = 100
REGIONS_MAXIMUM = 10
CLUSTERED_MAXIMUM = 10_000
CLUSTERED_VALUES = 2**25
"""Values of all clustered images together at most (256 MB in float64)."""
ITERATIONS = 30
"""Of k-means; the partition need not be the best one, only a fixed one."""


def copying_test(
    samples: Float[Images, "m d"],
    validation: Float[Images, "v d"],
    train: Float[Images, "n d"],
    sample_distances: Float64[np.ndarray, " m"],
    validation_distances: Float64[np.ndarray, " v"],
    seed: int,
) -> Estimate:
    """C_T of Meehan et al., arXiv 2004.05675: about 0: no copying; strongly negative: copying; positive: farther away.

    In each region of a k-means partition of the training set, the Mann-Whitney z of the distances to the nearest
    training image, samples against validation; averaged with each region's share of validation images as weight. The
    partition has one region per 100 images of the smallest set, at most 10.
    """
    smallest = min(samples.shape[0], validation.shape[0], train.shape[0])
    regions = max(1, min(REGIONS_MAXIMUM, smallest // IMAGES_PER_REGION))
    sample_regions, validation_regions = _regions([samples, validation], train, regions, seed)
    return copying_z(sample_distances, validation_distances, sample_regions, validation_regions)


def copying_z(
    sample_distances: Float64[np.ndarray, " m"],
    validation_distances: Float64[np.ndarray, " v"],
    sample_regions: Int64[np.ndarray, " m"],
    validation_regions: Int64[np.ndarray, " v"],
) -> Estimate:
    """C_T from distances to the training set and the region of each image.

    The interval combines the regions' AUC intervals by squared distances to the bounds (MOVER, Zou and Donner 2008).
    """
    n = len(sample_distances) + len(validation_distances)
    tests = []
    for region in np.unique(validation_regions):
        s, v = sample_distances[sample_regions == region], validation_distances[validation_regions == region]
        if min(len(s), len(v)) >= REGION_MINIMUM and np.ptp(np.concatenate([s, v])) > 0:
            tests.append((len(v), _mann_whitney_z(s, v)))
    if not tests:
        least = f"{REGION_MINIMUM} samples and {REGION_MINIMUM} validation images"
        return undefined(f"no region of the training set has {least} at differing distances", n)
    weights = np.array([weight for weight, _ in tests]) / sum(weight for weight, _ in tests)
    z, low, high = (np.array([getattr(t, part) for _, t in tests]) for part in ("value", "low", "high"))
    value = float(weights @ z)
    below = math.sqrt(float((weights**2) @ (z - low) ** 2))
    above = math.sqrt(float((weights**2) @ (high - z) ** 2))
    return Estimate(value, value - below, value + above, n)


def _mann_whitney_z(s: Float64[np.ndarray, " m"], v: Float64[np.ndarray, " k"]) -> Estimate:
    """Score z of U = #{s > v}, negative where s is smaller; variance under no difference, corrected for ties."""
    area = auc(s, v)
    m, k = len(s), len(v)
    _, ties = np.unique(np.concatenate([s, v]), return_counts=True)
    ties = ties.astype(np.float64)
    tie_share = (ties**3 - ties).sum() / ((m + k) * (m + k - 1))
    deviation = math.sqrt((m + k + 1 - tie_share) / (12 * m * k))  # of U / (m k)
    value, low, high = ((part - 0.5) / deviation for part in (area.value, area.low, area.high))
    return Estimate(value, low, high, area.n)


def _regions(
    sets: Sequence[Float[Images, "_ d"]], train: Float[Images, "n d"], count: int, seed: int
) -> list[Int64[np.ndarray, " _"]]:
    """Nearest k-means centre of each image; the centres come from a part of the training images."""
    if count == 1:
        return [np.zeros(images.shape[0], dtype=np.int64) for images in sets]
    from scipy.cluster.vq import kmeans2, vq  # half the start-up time of scikit-learn's

    rng = np.random.default_rng(seed)
    clustered = min(
        train.shape[0], CLUSTERED_MAXIMUM, max(IMAGES_PER_REGION * count, CLUSTERED_VALUES // train.shape[1])
    )
    rows = np.sort(rng.choice(train.shape[0], clustered, replace=False))
    fitted = np.asarray(train[rows], np.float64)
    first = fitted[np.sort(rng.choice(clustered, count, replace=False))]
    centers, _ = kmeans2(fitted, first, iter=ITERATIONS, minit="matrix")

    def nearest_center(images: Float[Images, "k d"]) -> Int64[np.ndarray, " k"]:
        parts = [vq(np.asarray(images[part], np.float64), centers)[0] for part in blocks(images)]
        return np.concatenate(parts).astype(np.int64)

    return [nearest_center(images) for images in sets]


def nearest_side_rate(
    samples: Float[Images, "m d"], train: Float[Images, "n d"], validation: Float[Images, "v d"], seed: int
) -> Estimate:
    """P(the nearest image of an equal-size training and validation reference lies in train); 0.5 = no bias.

    The larger reference is cut to the smaller by a random choice. Samples equally near to both sides are left out.
    Samples must not come from the references: a validation image would be its own neighbour.
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
