"""Do sampling trajectories pass through noised training data? Shell radii and their populations.

Populations at one noise level: T noised training images, V noised validation images, Q states of trajectories.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from diffbench.conventions import DiffbenchError, seed_of
from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.intervals import ALPHA, RESAMPLES, auc, bootstrap_auc, percentile, share_below_quantile
from diffbench.shapes import Float, Float64, Int64

POINTS_PER_BANDWIDTH = 3
POINTS_MAXIMUM = 2048
KERNEL_REACH = 4.0
BALL = 0.95
"""Share of the noised training images that the ball around the training set holds."""


@dataclass(frozen=True)
class Overlap:
    """How far trajectory states lie among noised training data, at one noise level."""

    auc_qt: Estimate  # P(a_Q > a_T); 0.5 = states lie like noised training images
    auc_vt: Estimate  # P(a_V > a_T); 0.5 = the level cannot tell training from unseen images
    train_likeness: Estimate  # 1 = states among noised training data, 0 = like unseen data, below 0 = further out
    coefficient: Estimate  # integral of min(f_T, f_Q)
    states_inside: Estimate  # share of Q within the radius that holds 95 % of T
    validation_inside: Estimate  # share of V within it, to which states_inside falls where nothing is memorized


def shell_radius(distances: Float64[np.ndarray, " m"], sigma: float, dimensions: int) -> Float64[np.ndarray, " m"]:
    """Radii a(x, sigma) = min_i ||x - x_i|| / (sigma sqrt(d)) from distances to the nearest training image.

    About 1 for a noised training image in many dimensions.
    """
    return distances / (sigma * math.sqrt(dimensions))


def overlap(
    train: Float[np.ndarray, " t"],
    validation: Float[np.ndarray, " v"],
    states: Float[np.ndarray, " q"],
    seed: int,
) -> Overlap:
    """Overlap from the shell radii of T, V and Q at one noise level."""
    for name, values in (("train", train), ("validation", validation), ("states", states)):
        if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
            raise DiffbenchError(f"overlap: {name} radii must be 2 or more finite numbers, got shape {values.shape}")
    auc_qt, auc_vt = auc(states, train), auc(validation, train)
    return Overlap(
        auc_qt,
        auc_vt,
        _train_likeness(train, validation, states, seed),
        overlap_coefficient(train, states, seed),
        share_below_quantile(states, train, BALL, seed_of("states inside", seed)),
        share_below_quantile(validation, train, BALL, seed_of("validation inside", seed)),
    )


def _train_likeness(
    train: Float[np.ndarray, " t"],
    validation: Float[np.ndarray, " v"],
    states: Float[np.ndarray, " q"],
    seed: int,
) -> Estimate:
    """(AUC_VT - AUC_QT) / (AUC_VT - 0.5); undefined where the interval of AUC_VT holds 0.5."""
    auc_qt, auc_vt = auc(states, train), auc(validation, train)
    n = len(train) + len(validation) + len(states)
    if auc_vt.low <= 0.5 <= auc_vt.high:
        return undefined("noised training and validation images cannot be told apart here (AUC_VT holds 0.5)", n)
    t, v, q = (seed_of(name, seed) for name in ("T", "V", "Q"))
    vt, qt = bootstrap_auc(validation, train, v, t), bootstrap_auc(states, train, q, t)  # same resamples of T
    value = (auc_vt.value - auc_qt.value) / (auc_vt.value - 0.5)
    with np.errstate(divide="ignore", invalid="ignore"):
        return percentile(value, (vt - qt) / (vt - 0.5), n)


def overlap_coefficient(first: Float[np.ndarray, " m"], second: Float[np.ndarray, " n"], seed: int) -> Estimate:
    """Integral of min(f, g) for two samples; 1 = same law, 0 = disjoint.

    Densities: Gaussian kernels, one bandwidth 1.06 s n^(-1/4) for both, s the spread within the samples, so that two
    narrow populations far apart are not smeared together; Silverman's n^(-1/5) has a bias beyond the interval.
    Estimated densities always differ a little, so values lie below 1 also for equal laws (0.05 for n = 1,000), and
    resampled values lower still: the interval is the basic one, 2 v - quantiles, widened to hold v, and it reaches 1
    where resamples of the pooled sample are as low as v in more than 2.5 % of cases. Simulated coverage for shifted
    normals: 92-97 % with 1,000 images a side; 82 % with 200 where the laws are nearly equal.
    """
    m, n = len(first), len(second)
    spread = math.sqrt((first.var(ddof=1) * (m - 1) + second.var(ddof=1) * (n - 1)) / (m + n - 2))
    if spread == 0:
        return undefined("each sample is constant: there is no density", m + n)
    bandwidth = 1.06 * spread * min(m, n) ** -0.25
    low = min(first.min(), second.min()) - KERNEL_REACH * bandwidth
    high = max(first.max(), second.max()) + KERNEL_REACH * bandwidth
    points = math.ceil(POINTS_PER_BANDWIDTH * (high - low) / bandwidth)
    if points > POINTS_MAXIMUM:
        return undefined("the samples lie too far apart for their width", m + n)
    edges = np.linspace(low, high, points + 1)
    smooth = np.diff(special.ndtr((edges[:, None] - (edges[:-1] + edges[1:])[None, :] / 2) / bandwidth), axis=0)
    shares = [np.histogram(sample, edges)[0] / len(sample) for sample in (first, second)]
    pooled = (m * shares[0] + n * shares[1]) / (m + n)
    rng = np.random.default_rng(seed)

    def resampled(f: Float64[np.ndarray, " b"], g: Float64[np.ndarray, " b"]) -> Float64[np.ndarray, " r"]:
        densities = []
        for size, drawn in ((m, f), (n, g)):
            bins = _occupied(drawn)
            densities.append(rng.multinomial(size, drawn[bins], RESAMPLES) / size @ smooth[:, bins].T)
        return np.minimum(*densities).sum(axis=1)

    value = float(np.minimum(*(share @ smooth.T for share in shares)).sum())
    low, high = 2 * value - np.quantile(resampled(shares[0], shares[1]), [1 - ALPHA / 2, ALPHA / 2])
    if high < 1 and value >= np.quantile(resampled(pooled, pooled), ALPHA / 2):
        high = 1.0
    return Estimate(value, float(max(0, min(low, value))), float(min(1, max(high, value))), m + n)


def _occupied(shares: Float64[np.ndarray, " b"]) -> Int64[np.ndarray, " _"]:
    """Bins that a resample can fill, and the last one, which a multinomial fills without drawing."""
    return np.flatnonzero(np.append(shares[:-1] > 0, True))
