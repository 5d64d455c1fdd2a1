"""Are images copies of training images? Criteria from distances to the nearest training images.

The floor of every criterion is the same number for validation images as if they had been generated:
`memorization(closeness(validation, train), seed)`.
"""

import math
from dataclasses import dataclass

import numpy as np

from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.intervals import bounded_mean, proportion
from diffbench.measures.neighbors import Images, nearest
from diffbench.shapes import Float, Float64, Int64

THRESHOLD = 1 / 3
AUC_THRESHOLDS = np.arange(1, 100) / 100
CALIBRATION_NEIGHBORS = 50


@dataclass(frozen=True)
class Closeness:
    """Distances (L2) of images to the training set, and of their nearest training images to the other ones."""

    nearest: Int64[np.ndarray, " m"]  # index of the nearest training image t
    first: Float64[np.ndarray, " m"]  # distance to t
    second: Float64[np.ndarray, " m"]  # distance to the second nearest
    spacing: Float64[np.ndarray, " m"]  # distance from t to the nearest other training image
    scale: Float64[np.ndarray, " m"]  # mean distance from t to its 50 nearest other training images; nan if fewer


@dataclass(frozen=True)
class Memorization:
    """The criteria for one set of images. Shares lie in [0, 1]."""

    fraction: Estimate  # share with d1/d2 < 1/3
    fraction_half: Estimate  # share with d1/d2 < 1/2
    fraction_quarter: Estimate  # share with d1/d2 < 1/4
    mem_auc: Estimate  # mean over thresholds t of the share with d1/d2 < t
    calibrated_fraction: Estimate  # share with calibrated distance < 1
    authentic: Estimate  # AuthPct as a share


def closeness(images: Float[Images, "m d"], train: Float[Images, "n d"]) -> Closeness:
    """Distances of `images` to `train`, n >= 2, exactly; errors as in neighbors.nearest."""
    two = nearest(images, train, 2)
    used, back = np.unique(two.indices[:, 0], return_inverse=True)
    among_train = nearest(train[used], train, min(CALIBRATION_NEIGHBORS, train.shape[0] - 1), own=used).distances
    enough = among_train.shape[1] == CALIBRATION_NEIGHBORS
    scale = among_train.mean(axis=1) if enough else np.full(len(used), math.nan)
    return Closeness(two.indices[:, 0], two.distances[:, 0], two.distances[:, 1], among_train[back, 0], scale[back])


def memorization(close: Closeness, seed: int) -> Memorization:
    """All criteria, with intervals; `seed` drives the bootstrap of MemAUC."""
    ratios = distance_ratios(close)
    return Memorization(
        fraction=fraction_below(ratios, THRESHOLD),
        fraction_half=fraction_below(ratios, 1 / 2),
        fraction_quarter=fraction_below(ratios, 1 / 4),
        mem_auc=mem_auc(ratios, seed),
        calibrated_fraction=calibrated_fraction(close),
        authentic=authentic(close),
    )


def distance_ratios(close: Closeness) -> Float64[np.ndarray, " m"]:
    """Ratios r = d1/d2, in [0, 1] (Yoon et al. 2023; Gu et al., arXiv 2310.02664).

    An exact copy has r = 0, also of an image that occurs twice (0/0). A near copy of such an image has r = 1: the ratio
    cannot see it, so duplicates must be removed from the training set; the other criteria do see it.
    """
    return np.divide(close.first, close.second, out=np.zeros(len(close.first)), where=close.first > 0)


def fraction_below(values: Float64[np.ndarray, " m"], threshold: float) -> Estimate:
    """Share of values below the threshold, with an exact binomial interval."""
    return proportion(int((values < threshold).sum()), len(values))


def mem_auc(ratios: Float64[np.ndarray, " m"], seed: int) -> Estimate:
    """Mean over thresholds t = 0.01 ... 0.99 of P(r < t): a mean of per-image scores, bootstrapped over images."""
    below = len(AUC_THRESHOLDS) - np.searchsorted(AUC_THRESHOLDS, ratios, side="right")  # thresholds above each r
    return bounded_mean(below / len(AUC_THRESHOLDS), seed)


def calibrated_distances(close: Closeness) -> Float64[np.ndarray, " m"]:
    """Distances d1 / (0.5 * mean distance of t to its 50 nearest other training images); nan where unknown.

    After Carlini et al., arXiv 2301.13188, with alpha = 0.5. An exact copy has 0, also among constant images (0/0).
    """
    with np.errstate(divide="ignore"):
        return np.divide(close.first, 0.5 * close.scale, out=0.0 * close.scale, where=close.first > 0)


def calibrated_fraction(close: Closeness) -> Estimate:
    """Share of images with a calibrated distance below 1."""
    if np.isnan(close.scale).any():
        return undefined(f"needs more than {CALIBRATION_NEIGHBORS} training images", len(close.first))
    return fraction_below(calibrated_distances(close), 1.0)


def authentic(close: Closeness) -> Estimate:
    """AuthPct as a share: images farther from t than t is from the nearest other training image.

    Alaa et al., arXiv 2102.08921. Low = copies.
    """
    return proportion(int((close.first > close.spacing).sum()), len(close.first))
