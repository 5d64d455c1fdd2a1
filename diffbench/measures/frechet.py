"""Frechet distance between feature Gaussians, and the inference-side gap it shows."""

import math
from dataclasses import dataclass, replace

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.intervals import jackknife
from diffbench.measures.neighbors import Images, require_finite
from diffbench.shapes import Float, Float64, Int64

GROUPS = 20
"""Groups of the delete-a-group jackknife."""

BLOCK_ROWS = 4096


@dataclass(frozen=True)
class Gaussian:
    """Mean and covariance of features, with the covariance's symmetric root for repeated comparisons."""

    mean: Float64[np.ndarray, " d"]
    covariance: Float64[np.ndarray, "d d"]
    root: Float64[np.ndarray, "d d"]


@dataclass(frozen=True)
class InferenceGap:
    """FD of samples to validation against FD to training images, all sets of equal size."""

    fd_train: Estimate
    fd_validation: Estimate
    relative: Estimate  # (fd_validation - fd_train) / fd_train
    baseline_train: Estimate  # FD of other training images to the training reference
    baseline_validation: Estimate  # FD of the same other training images to the validation reference


def gaussian(features: Float[Images, "n d"]) -> Gaussian:
    """Gaussian of features, n >= 2, in float64."""
    _check("features", features, 2)
    return _gaussian(_moments(features, np.arange(features.shape[0])))


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


def inference_gap(
    generated: Float[Images, "m d"],
    train: Float[Images, "n d"],
    validation: Float[Images, "v d"] | None,
    seed: int,
) -> InferenceGap:
    """FDs from features, and their relative gap; without validation, FD to train alone.

    FD falls with the number of images, so every set is cut by a random choice to one size: the largest that leaves
    disjoint training images for reference and baseline. Intervals: delete-a-group jackknife over all sets at once.
    """
    held_out = train if validation is None else validation  # FD to train does not depend on it
    size = min(generated.shape[0], held_out.shape[0], train.shape[0] // 2)
    for name, features in (("generated", generated), ("train", train), ("validation", held_out)):
        _check(name, features, 2 * GROUPS)
    rng = np.random.default_rng(seed)
    own = rng.permutation(train.shape[0])[: 2 * size]
    picks = [
        (generated, rng.permutation(generated.shape[0])[:size]),
        (train, own[:size]),
        (held_out, rng.permutation(held_out.shape[0])[:size]),
        (train, own[size:]),
    ]
    totals = [_moments(features, rows) for features, rows in picks]
    whole = _distances(totals)
    groups = [np.array_split(rows, GROUPS) for _, rows in picks]  # random, as the rows are in random order
    parts = np.array(
        [
            _distances([t - _moments(f, rows[g]) for t, (f, _), rows in zip(totals, picks, groups, strict=True)])
            for g in range(GROUPS)
        ]
    )
    gap = InferenceGap(*(jackknife(whole[i], parts[:, i], size) for i in range(len(whole))))
    if validation is not None:
        return gap
    none = undefined("needs validation images", 0)
    return replace(gap, fd_validation=none, relative=none, baseline_validation=none)


def _distances(totals: list[Float64[np.ndarray, "e e"]]) -> tuple[float, float, float, float, float]:
    """The five numbers of InferenceGap from the moments of generated, train, validation and other training images."""
    generated, train, validation, other = map(_gaussian, totals)
    to_train, to_validation = frechet_distance(generated, train), frechet_distance(generated, validation)
    relative = (to_validation - to_train) / to_train if to_train > 0 else math.inf
    return to_train, to_validation, relative, frechet_distance(other, train), frechet_distance(other, validation)


def _check(name: str, features: Float[Images, "..."], least: int) -> None:
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


def _gaussian(moments: Float64[np.ndarray, "e e"]) -> Gaussian:
    count = moments[-1, -1]
    mean = moments[:-1, -1] / count
    covariance = (moments[:-1, :-1] - count * np.outer(mean, mean)) / (count - 1)
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return Gaussian(mean, covariance, root)
