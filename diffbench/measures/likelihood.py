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
VARIANCE_FLOOR = 1e-4


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
    the training images, by expectation maximization. FLD = -100/d * mean log density - C; C is the same number on
    validation images for kernels at one half of the training set fitted to the other. Features are standardized by the
    training set; a random 10,000 images per set are used at most. The paper's base measure against outliers is left
    out, and variances stop at 1e-4, where exact copies would take them to 0. The authors' code standardizes by the test
    set, and gives the gap the other sign. Intervals resample the images evaluated.
    """
    for name, features in (("generated", generated), ("train", train), ("validation", validation)):
        if len(features.shape) != 2 or features.shape[0] < 4 or features.shape[1] != train.shape[1]:
            raise DiffbenchError(
                f"{name}: features of shape {tuple(features.shape)} are not (4 or more, {train.shape[1]})"
            )
        require_finite(features, name)
    rng = np.random.default_rng(seed)
    g, t, v = (_some(features, rng) for features in (generated, train, validation))
    scale = t.std(axis=0)
    scale[scale == 0] = 1
    g, t, v = ((features - t.mean(axis=0)) / scale for features in (g, t, v))  # rows of t are in random order
    half = len(t) // 2
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
    """Variances of equally weighted Gaussians at `centers` that maximize the targets' likelihood."""
    dimensions = centers.shape[1]
    squared = [_squared_distances(part, centers) for part in _parts(targets)]
    nearest = np.concatenate([part.min(axis=1) for part in squared])
    variances = np.full(len(centers), max(VARIANCE_FLOOR, float(nearest.mean()) / dimensions))
    before = -math.inf
    for _ in range(ITERATIONS):
        total, share = np.zeros(len(centers)), np.zeros(len(centers))
        likelihood = 0.0
        for part in squared:
            log_terms = _log_terms(part, variances, dimensions)
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
    return variances


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


def _parts(rows: Float64[np.ndarray, "n d"]) -> list[Float64[np.ndarray, "_ d"]]:
    return [rows[start : start + ROWS] for start in range(0, len(rows), ROWS)]


def _squared_distances(
    points: Float64[np.ndarray, "k d"], centers: Float64[np.ndarray, "m d"]
) -> Float64[np.ndarray, "k m"]:
    norms = np.einsum("ij,ij->i", points, points)[:, None] + np.einsum("ij,ij->i", centers, centers)
    return np.maximum(norms - 2 * points @ centers.T, 0)
