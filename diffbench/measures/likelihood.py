"""Feature likelihood divergence: do samples explain unseen images, and training images better still?"""

import math
from dataclasses import dataclass

import numpy as np

from diffbench.conventions import DiffbenchError, seed_of
from diffbench.files.estimates import Estimate
from diffbench.measures.intervals import bootstrap_means, mean, percentile
from diffbench.measures.neighbors import Images, require_finite
from diffbench.shapes import Float, Float64

IMAGES_MAXIMUM = 10_000
ROWS = 1000
ITERATIONS = 100
TOLERANCE = 1e-4
VARIANCE_FLOOR = math.exp(-40)
"""Where the authors' code stops, too: exact copies would take it to 0."""

VARIANCE_SLACK = 1e-3
"""Added to the squared distance that a kernel starts from, so that copies start at no width of 0."""

BASE_SHRINKAGE = 0.9**2
"""Of squared distances to the mean, in the base measure."""


@dataclass(frozen=True)
class FeatureLikelihood:
    """In units of 1/100 nat per dimension; lower is better."""

    fld: Estimate  # divergence on unseen images; about 0 for samples as good as training images
    gap: Estimate  # fld - the same on training images: positive where samples explain those better than unseen ones


def feature_likelihood(
    generated: Float[Images, "m d"], train: Float[Images, "n d"], validation: Float[Images, "v d"], seed: int
) -> FeatureLikelihood:
    """FLD of Jiralerspong et al. 2023, arXiv 2302.04440, from features.

    Density: a Gaussian kernel at each generated image, each with the bandwidth that together maximize the likelihood of
    the training images. There, and only there, a base measure stands beside the kernels: a broad Gaussian about the
    mean training image, of weight 1, which explains the images that no kernel is near. Without it one training image
    that is not copied would keep the kernels at all the copies wide. FLD = -100/d * mean log density - C; C is the
    same number on validation images for kernels at one half of the training set fitted to the other. Features are
    standardized by the validation set; a random 10,000 images per set are used at most.

    As in the authors' code, but for the optimizer, here expectation maximization; the gap, which has the other sign;
    and the number of kernels: as many generated images as the baseline has, or all that there are, so that small
    training sets can be compared with large ones. Intervals resample the images evaluated.
    """
    for name, features in (("generated", generated), ("train", train), ("validation", validation)):
        if len(features.shape) != 2 or features.shape[0] < 4 or features.shape[1] != train.shape[1]:
            raise DiffbenchError(
                f"{name}: features of shape {tuple(features.shape)} are not (4 or more, {train.shape[1]})"
            )
        require_finite(features, name)
    rng = np.random.default_rng(seed)
    g, t, v = (_some(features, rng) for features in (generated, train, validation))
    scale = v.std(axis=0, ddof=1)
    scale[scale == 0] = 1
    g, t, v = ((features - v.mean(axis=0)) / scale for features in (g, t, v))  # rows are in random order
    half = min(len(g), len(t) // 2)
    g = g[:half]
    baseline = _log_density(v, t[:half], _fit(t[:half], t[half:]))
    variances = _fit(g, t)
    unit = -100 / t.shape[1]
    on_validation = unit * (_log_density(v, g, variances) - baseline)  # paired: same image, two densities
    on_train = unit * (_log_density(t, g, variances) - baseline.mean())
    spread = bootstrap_means(on_validation[:, None], seed_of("validation", seed)) - bootstrap_means(
        on_train[:, None], seed_of("train", seed)
    )
    return FeatureLikelihood(
        fld=mean(on_validation, seed),
        gap=percentile(float(on_validation.mean() - on_train.mean()), spread[:, 0], len(v) + len(t)),
    )


def _some(features: Float[Images, "n d"], rng: np.random.Generator) -> Float64[np.ndarray, "r d"]:
    """A random choice of the features, in random order."""
    rows = rng.permutation(features.shape[0])[:IMAGES_MAXIMUM]
    order = np.argsort(rows)
    picked = np.empty((len(rows), features.shape[1]))
    picked[order] = features[rows[order]]
    return picked


def _fit(centers: Float64[np.ndarray, "m d"], targets: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, " m"]:
    """Variances of equally weighted Gaussians at `centers` that, with a base measure, maximize targets' likelihood."""
    dimensions = centers.shape[1]
    base = BASE_SHRINKAGE * ((targets - targets.mean(axis=0)) ** 2).sum(axis=1)  # (n,)
    squared = [np.column_stack(each) for each in zip(_distances_by_part(targets, centers), _parts(base), strict=True)]
    nearest = np.min([part[:, :-1].min(axis=0) for part in squared], axis=0)
    variances = np.append((nearest + VARIANCE_SLACK) / dimensions, 1.0)  # the last: of the base measure
    log_weights = np.append(np.full(len(centers), -math.log(len(centers))), 0.0)
    before = -math.inf
    for _ in range(ITERATIONS):
        total, share = np.zeros(len(variances)), np.zeros(len(variances))
        likelihood = 0.0
        for part in squared:
            log_terms = _log_terms(part, variances, dimensions) + log_weights
            top = log_terms.max(axis=1, keepdims=True)
            weights = np.exp(log_terms - top)
            sums = weights.sum(axis=1, keepdims=True)
            weights /= sums
            likelihood += float((top + np.log(sums)).sum())
            share += weights.sum(axis=0)
            total += np.einsum("ij,ij->j", weights, part)
        # A kernel that explains no target keeps its bandwidth: the likelihood does not depend on it.
        updated = np.divide(total, dimensions * share, out=variances.copy(), where=share > 1e-12)
        variances = np.maximum(updated, VARIANCE_FLOOR)
        likelihood /= len(targets) * dimensions
        if likelihood - before < TOLERANCE:
            break
        before = likelihood
    return variances[:-1]


def _log_density(
    points: Float64[np.ndarray, "k d"], centers: Float64[np.ndarray, "m d"], variances: Float64[np.ndarray, " m"]
) -> Float64[np.ndarray, " k"]:
    """Logarithm of the mean Gaussian at points."""
    parts = []
    for part in _parts(points):
        log_terms = _log_terms(_squared_distances(part, centers), variances, points.shape[1])
        top = log_terms.max(axis=1, keepdims=True)
        parts.append(top[:, 0] + np.log(np.exp(log_terms - top).mean(axis=1)))
    return np.concatenate(parts)


def _log_terms(
    squared: Float64[np.ndarray, "k m"], variances: Float64[np.ndarray, " m"], dimensions: int
) -> Float64[np.ndarray, "k m"]:
    return -squared / (2 * variances) - dimensions / 2 * np.log(2 * math.pi * variances)


def _distances_by_part(
    points: Float64[np.ndarray, "n d"], centers: Float64[np.ndarray, "m d"]
) -> list[Float64[np.ndarray, "_ m"]]:
    return [_squared_distances(part, centers) for part in _parts(points)]


def _parts(rows: Float64[np.ndarray, "n ..."]) -> list[Float64[np.ndarray, "_ ..."]]:
    return [rows[start : start + ROWS] for start in range(0, len(rows), ROWS)]


def _squared_distances(
    points: Float64[np.ndarray, "k d"], centers: Float64[np.ndarray, "m d"]
) -> Float64[np.ndarray, "k m"]:
    norms = np.einsum("ij,ij->i", points, points)[:, None] + np.einsum("ij,ij->i", centers, centers)
    return np.maximum(norms - 2 * points @ centers.T, 0)
