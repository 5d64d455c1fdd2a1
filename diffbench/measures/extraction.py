"""How many training images can be extracted? Counts of the images whose copies are among the samples.

A share of memorized samples says how often copies come, not of how many images: few images copied often and many
copied once have the same share. The floor is the same number for validation images as if they had been generated; since
it grows with how many there are, both are compared at one number of them (`AtOneSize`).

A bootstrap of samples would mislead here: a resample lacks about exp(-1) of the images that were hit once, and never
holds one that was not hit, so that its percentiles may lie below the value. The intervals are built from the law of
the counts instead.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from diffbench.conventions import DiffbenchError, seed_of
from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.intervals import ALPHA, DRAWS, proportion
from diffbench.shapes import Bool, Float64, Int64


@dataclass(frozen=True)
class Extraction:
    """Training images that are extracted by M samples; all counts are of training images, n of estimates is M."""

    times: Int64[np.ndarray, " n"]  # memorized samples per training image
    rate: Estimate  # share of samples that are memorized
    distinct: Estimate  # training images hit at least once; interval: for its mean over sets of M samples
    chao1: Estimate  # lower bound of the training images that any number of samples would hit
    sizes: Int64[np.ndarray, " L"]  # 1, 2, 4, ... and M
    curve: list[Estimate]  # mean of distinct over sets of so many samples


@dataclass(frozen=True)
class AtOneSize:
    """What m of M samples extract; n of the estimates is M, behind the first, and m, behind the second."""

    distinct: Estimate  # mean over all choices of m samples
    chao1: Estimate  # of a random choice of m samples


def extraction(
    nearest: Int64[np.ndarray, " M"], memorized: Bool[np.ndarray, " M"], train_size: int, seed: int
) -> Extraction:
    """What M independent samples extract; `seed` drives the interval of Chao1.

    nearest: row of each sample's nearest training image. memorized: whether the sample counts as its copy.
    Undefined without samples. DiffbenchError if a row is not one of `train_size`.
    """
    times = times_extracted(nearest, memorized, train_size)
    samples, hits = len(nearest), frequencies(times)
    sizes = curve_sizes(samples)
    curve = rarefaction(hits, sizes, samples, train_size)
    return Extraction(
        times=times,
        rate=proportion(int(times.sum()), samples),
        distinct=curve[-1] if curve else undefined("no samples", 0),
        chao1=chao1(hits, samples, train_size, seed),
        sizes=sizes,
        curve=curve,
    )


def extraction_at(
    nearest: Int64[np.ndarray, " M"], memorized: Bool[np.ndarray, " M"], train_size: int, size: int, seed: int
) -> AtOneSize:
    """What `size` of M independent samples extract, 0 < size <= M: arguments and errors as of `extraction`."""
    rows = np.arange(len(nearest))
    if size < len(nearest):
        rows = np.random.default_rng(seed_of("extraction at one size", seed)).choice(rows, size, replace=False)
    hits = frequencies(times_extracted(nearest, memorized, train_size))
    some = frequencies(times_extracted(nearest[rows], memorized[rows], train_size))
    (distinct,) = rarefaction(hits, np.array([size]), len(nearest), train_size)
    return AtOneSize(distinct, chao1(some, size, train_size, seed))


def times_extracted(
    nearest: Int64[np.ndarray, " M"], memorized: Bool[np.ndarray, " M"], train_size: int
) -> Int64[np.ndarray, " {train_size}"]:
    """How many memorized samples have each training image as their nearest."""
    if len(nearest) and not 0 <= nearest.min() <= nearest.max() < train_size:
        raise DiffbenchError(
            f"nearest: rows {nearest.min()} to {nearest.max()} are not all among {train_size} training images; "
            "give the rows in the training set that the samples were compared with"
        )
    return np.bincount(nearest[memorized], minlength=train_size)


def frequencies(times: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " K"]:
    """f_k: training images hit exactly k times, for k = 1 ... K; K >= 2, so that f_1 and f_2 are always there."""
    return np.bincount(times, minlength=3)[1:]


def curve_sizes(samples: int) -> Int64[np.ndarray, " L"]:
    """Powers of two up to the number of samples, and that number."""
    powers = 2 ** np.arange(samples.bit_length())
    return np.union1d(powers, [samples]) if samples else powers


def rarefaction(
    hits: Int64[np.ndarray, " K"], sizes: Int64[np.ndarray, " L"], samples: int, train_size: int
) -> list[Estimate]:
    """Mean number of distinct training images over all choices of m of the samples, for each m <= samples in `sizes`.

    hits: f_k. The value, sum_k f_k (1 - C(M - k, m) / C(M, m)), is exact and unbiased (Hurlbert 1971). Its variance is
    the sum of squares of what changes without one of the samples, on average not too small (Efron and Stein 1981).
    """
    k = np.arange(1, len(hits) + 1)
    values = (1 - missed(len(hits), sizes, samples)[:, 1:]) @ hits
    gains = -np.diff(missed(len(hits), np.minimum(sizes, samples - 1), samples - 1))  # of the k-th hit of an image
    variances = np.maximum(gains**2 @ (k * hits) - (gains @ (k * hits)) ** 2 / samples, 0)
    estimates = []
    for size, value, variance in zip(sizes.tolist(), values.tolist(), variances.tolist(), strict=True):
        most = float(min(size, train_size))
        low, high = rare_or_nearly_all(min(value, most), size, variance, size / samples)
        estimates.append(Estimate(min(value, most), low, min(high, most), samples))
    return estimates


def coupon_collector(images: int, samples: int) -> tuple[float, float]:
    """Mean and standard deviation of the number of distinct images that samples hit, each image as likely as another.

    From the chances that a given image is missed, (1 - 1/n)^m, and that two given images both are, (1 - 2/n)^m.
    """
    missing = images * (1 - 1 / images) ** samples
    both = images * (images - 1) * (1 - 2 / images) ** samples
    return images - missing, max(0.0, both + missing - missing**2) ** 0.5


def missed(largest: int, sizes: Int64[np.ndarray, " L"], samples: int) -> Float64[np.ndarray, "L {largest}+1"]:
    """C(M - k, m) / C(M, m) for each m and k = 0 ... largest: chance that m of M samples hold none of k given ones."""
    before = np.arange(largest)
    left = np.maximum(samples - sizes[:, None] - before, 0) / np.maximum(samples - before, 1)
    return np.cumprod(np.concatenate([np.ones((len(sizes), 1)), left], axis=1), axis=1)


def rare_or_nearly_all(value: float, most: int, variance: float, step: float) -> tuple[float, float]:
    """Interval within [0, most] for the mean of a value, from what is rarer: its events, or those that it lacks."""
    if value <= most / 2:
        return rare_events(value, variance, step)
    low, high = rare_events(most - value, variance, step)
    return max(most - high, 0.0), most - low


def rare_events(value: float, variance: float, step: float) -> tuple[float, float]:
    """Interval for the mean of a weighted sum of Poisson counts, the gamma interval of Fay and Feuer 1997.

    step: the largest weight of one event. Their high end counts one event more; so does the variance of the low end
    here, as that of few counts is often estimated as 0. No event gives [0, 3.69 step], Garwood's exact bound (1936).
    """

    def quantile(mean: float, level: float) -> float:
        spread = variance + step**2
        return float(special.gammaincinv(mean**2 / spread, level)) * spread / mean

    return quantile(value, ALPHA / 2) if value > 0 else 0.0, quantile(value + step, 1 - ALPHA / 2)


def chao1(hits: Int64[np.ndarray, " K"], samples: int, train_size: int, seed: int) -> Estimate:
    """Lower bound of the training images that can be extracted: sum f_k + f_1 (f_1 - 1) / (2 (f_2 + 1)), at most all.

    Chao 1984, bias-corrected (Chao 2005). hits: f_k. More images are left than the second term says if some are rarer
    than others. Interval: those hit are certain; those left are a Poisson count of mean l_1^2 / (2 l_2), where l_k have
    the gamma laws behind Garwood's bounds (1936) for f_k; to first order this has the variance of Chao 1987. Where no
    image was hit twice, nothing bounds it from above but `train_size`.
    """
    if samples == 0:
        return undefined("no samples", 0)
    once, twice, distinct = int(hits[0]), int(hits[1]), int(hits.sum())
    value = min(float(train_size), distinct + once * (once - 1) / (2 * (twice + 1)))
    rng = np.random.default_rng(seed)

    def end(singles: int, doubles: int, level: float) -> float:
        with np.errstate(divide="ignore"):
            unseen = rng.standard_gamma(singles, DRAWS) ** 2 / (2 * rng.standard_gamma(doubles, DRAWS))
        count = rng.poisson(np.minimum(unseen, train_size))
        return min(float(train_size), distinct + float(np.quantile(count, level)))

    low, high = end(once, twice + 1, ALPHA / 2), end(once + 1, twice, 1 - ALPHA / 2)
    return Estimate(value, min(low, value), max(high, value), samples)
