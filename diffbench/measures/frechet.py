"""Frechet distance between feature Gaussians, and the distance of samples to unseen images at one fixed size."""

from dataclasses import dataclass

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.halves import PAIRS, estimate, halves
from diffbench.measures.neighbors import Images, require_finite
from diffbench.shapes import Float, Float64, Int64

LEAST = 20
"""Images behind a Gaussian at least."""

BLOCK_ROWS = 4096


@dataclass(frozen=True)
class Gaussian:
    """Mean and covariance of features, with the covariance's symmetric root for repeated comparisons."""

    mean: Float64[np.ndarray, " d"]
    covariance: Float64[np.ndarray, "d d"]
    root: Float64[np.ndarray, "d d"]


def gaussian(features: Float[Images, "n d"], rows: Int64[np.ndarray, " r"] | None = None) -> Gaussian:
    """Gaussian of features, or of some of them, at least 2, in float64. Rows are taken once each, in any order."""
    moments = _moments(features, np.arange(features.shape[0]) if rows is None else rows)
    count = moments[-1, -1]
    mean = moments[:-1, -1] / count
    covariance = (moments[:-1, :-1] - count * np.outer(mean, mean)) / (count - 1)
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return Gaussian(mean, covariance, root)


def frechet_distance(generated: Gaussian, real: Gaussian) -> float:
    """FD = |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (R S1 R)^(1/2), R = S2^(1/2).

    Dowson and Landau 1982; Heusel et al. 2017. R S1 R is symmetric, so its eigenvalues are real and need no general
    matrix root. Symmetric in its arguments.
    """
    if generated.mean.shape != real.mean.shape:
        raise DiffbenchError(
            f"frechet: features have {len(generated.mean)} and {len(real.mean)} dimensions; use one feature space"
        )
    eigenvalues = np.linalg.eigvalsh(real.root @ generated.covariance @ real.root)
    common = float(np.sqrt(np.maximum(eigenvalues, 0)).sum())
    shift = float(((generated.mean - real.mean) ** 2).sum())
    distance = shift + float(np.trace(generated.covariance) + np.trace(real.covariance)) - 2 * common
    return max(distance, 0.0)


def distance_at_one_size(
    generated: Float[Images, "m d"], validation: Float[Images, "v d"], seed: int
) -> tuple[Estimate, Estimate, Estimate]:
    """FD of samples to validation images, its floor (the same of other validation images as if generated), their ratio.

    FD falls with the number of images, so all sets have one size, min(m, v) // 2, which no training set changes. Each
    is the mean over random halves of both sets; the floor compares the halves of the validation images. Both see the
    same of these, so the interval of the ratio is that of its linear part over the halves.
    """
    for name, features in (("generated", generated), ("validation", validation)):
        check_features(name, features, 2 * LEAST)
    size = min(generated.shape[0], validation.shape[0]) // 2
    rng = np.random.default_rng(seed)
    samples, images = ([rng.permutation(len_of)[: 2 * size]] for len_of in (generated.shape[0], validation.shape[0]))
    values = np.empty((PAIRS, 2, 2))  # pairs, halves, own and floor
    for pair in range(PAIRS):
        own = [gaussian(generated, rows) for rows in halves(samples, rng)]
        real = [gaussian(validation, rows) for rows in halves(images, rng)]
        values[pair, :, 0] = [frechet_distance(*each) for each in zip(own, real, strict=True)]
        values[pair, :, 1] = frechet_distance(*real)
    own, floor = np.moveaxis(values, 2, 0)
    mean, least = float(own.mean()), float(floor.mean())
    if least == 0:
        ratio = undefined("the floor is 0: validation images are all alike", size)
    else:
        ratio = estimate(mean / least, (own - mean / least * floor) / least, size)
    return estimate(mean, own, size), estimate(least, floor, size), ratio


def check_features(name: str, features: Float[Images, "..."], least: int) -> None:
    """Raise DiffbenchError for features that no Frechet distance can be measured from."""
    if len(features.shape) != 2 or features.shape[0] < least:
        raise DiffbenchError(f"{name}: features of shape {tuple(features.shape)}; FD needs at least {least} rows")
    require_finite(features, name)


def _moments(features: Float[Images, "n d"], rows: Int64[np.ndarray, " r"]) -> Float64[np.ndarray, "d+1 d+1"]:
    """Sum of [x, 1] [x, 1]^T over some rows. Moments of disjoint rows add up."""
    moments = np.zeros((features.shape[1] + 1, features.shape[1] + 1))
    for some in np.array_split(np.sort(rows), -(-len(rows) // BLOCK_ROWS)):
        block = np.asarray(features[some], dtype=np.float64)
        extended = np.concatenate([block, np.ones((len(block), 1))], axis=1)
        moments += extended.T @ extended
    return moments
