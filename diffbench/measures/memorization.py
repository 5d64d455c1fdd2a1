"""Are images copies of training images? Criteria from distances to the nearest training images.

The floor of every criterion is the same number for validation images as if they had been generated:
`memorization(closeness(validation, train), seed)`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.intervals import bounded_mean, proportion
from diffbench.measures.near_duplicates import NEIGHBORS, THRESHOLD, Surroundings, beyond_duplicates, surroundings
from diffbench.measures.neighbors import Images, nearest
from diffbench.shapes import Bool, Float, Float64, Int64

MAJORITY = 0.5
AUC_THRESHOLDS = np.arange(1, 100) / 100


@dataclass(frozen=True)
class Closeness:
    """Distances (L2) of images to the training set, and of their nearest training images to the other ones.

    Near duplicates of the nearest image are no second nearest, nor its nearest other.
    """

    nearest: Int64[np.ndarray, " m"]  # index of the nearest training image t
    first: Float64[np.ndarray, " m"]  # distance to t
    second: Float64[np.ndarray, " m"]  # distance to the nearest but t and its near duplicates
    spacing: Float64[np.ndarray, " m"]  # distance from t to the nearest other but its near duplicates
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
    (close,), _ = closenesses([images], train, np.arange(0))
    return close


def closenesses(
    sets: Sequence[Float[Images, "_ d"]], train: Float[Images, "n d"], rows: Int64[np.ndarray, " u"]
) -> tuple[list[Closeness], Surroundings]:
    """`closeness` of several sets, and what lies around their nearest training images and those at `rows`.

    The training images around a training image are searched once for all sets.
    """
    nearest_two = [nearest(images, train, 2) for images in sets]
    around = surroundings(train, np.unique(np.concatenate([rows, *(two.indices[:, 0] for two in nearest_two)])))
    enough = around.neighbors.distances.shape[1] == NEIGHBORS
    scale = around.neighbors.distances.mean(axis=1) if enough else np.full(len(around.rows), math.nan)
    closes = []
    for images, two in zip(sets, nearest_two, strict=True):
        second, place = beyond_duplicates(images, train, two, around), around.places(two.indices[:, 0])
        closes.append(Closeness(two.indices[:, 0], two.distances[:, 0], second, around.spacing[place], scale[place]))
    return closes, around


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

    d2 leaves out the near duplicates of the nearest image (`near_duplicates`).
    """
    return ratios_of(close.first, close.second)


def ratios_of(first: Float64[np.ndarray, " m"], second: Float64[np.ndarray, " m"]) -> Float64[np.ndarray, " m"]:
    """d1/d2; an exact copy has 0, also among images that are all equal (0/0)."""
    return np.divide(first, second, out=np.zeros(len(first)), where=first > 0)


def are_memorized(close: Closeness) -> Bool[np.ndarray, " m"]:
    """Whether each image counts as memorized: d1/d2 < 1/3."""
    return distance_ratios(close) < THRESHOLD


def near_pairs(close: Closeness) -> list[tuple[int, int]]:
    """Images that count as memorized, each with its nearest training image, by their rows."""
    near = np.flatnonzero(are_memorized(close))
    return list(zip(near.tolist(), close.nearest[near].tolist(), strict=True))


def disagreement(estimates: Mapping[str, Estimate]) -> str:
    """What is to be said where one of memorized and calibrated fraction tells of copies and the other does not.

    estimates: both and their floors, by name. Telling of copies is an interval above the floor's or, without a floor,
    above 1/2; and both intervals must be apart. Undefined ones do not disagree.
    """
    memorized, calibrated = estimates["memorized_fraction"], estimates["calibrated_fraction"]
    tells = [
        each.low > (MAJORITY if math.isnan(floor.high) else floor.high)
        for each, floor in (
            (memorized, estimates["memorized_floor"]),
            (calibrated, estimates["calibrated_floor"]),
        )
    ]
    if tells == [False, True] and memorized.high < calibrated.low:
        return (
            "the calibrated criterion tells of copies and d1/d2 does not: copies less exact, or unseen near duplicates"
        )
    if tells == [True, False] and memorized.low > calibrated.high:
        return (
            "d1/d2 tells of copies and the calibrated criterion does not: their nearest images stand apart from others"
        )
    return ""


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
        return undefined(f"needs more than {NEIGHBORS} training images", len(close.first))
    return fraction_below(calibrated_distances(close), 1.0)


def authentic(close: Closeness) -> Estimate:
    """AuthPct as a share: images farther from t than t is from the nearest other training image.

    Alaa et al., arXiv 2102.08921, but that near duplicates of t are no other images. Low = copies.
    """
    return proportion(int((close.first > close.spacing).sum()), len(close.first))
