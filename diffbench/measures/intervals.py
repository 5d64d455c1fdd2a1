"""Intervals of estimates.

All intervals are two-sided at conventions.CONFIDENCE. Undefined values are nan with a reason, never 0.
"""

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from scipy import special  # binomtest and its like would be scipy.stats, 0.3 s more at each stage's start-up

from diffbench.conventions import CONFIDENCE, DiffbenchError
from diffbench.files.estimates import Estimate, undefined
from diffbench.shapes import Float, Float64, Int64

ALPHA = 1 - CONFIDENCE
RESAMPLES = 1000
DRAWS = 4000
BLOCK_ELEMENTS = 2**24
KEPT_ELEMENTS = 2**21
"""Of resamples that are kept for the next call with the same seed (16 MB); more are drawn anew, in blocks."""


def proportion(hits: int, n: int) -> Estimate:
    """Share hits / n with the exact binomial interval of Clopper and Pearson (1934), valid for 0 and n hits.

    It covers in at least the nominal 95 % of cases, and more for few hits, by construction.
    """
    if not 0 <= hits <= n:
        raise DiffbenchError(f"proportion: {hits} hits of {n} is impossible; give 0 <= hits <= n")
    if n == 0:
        return undefined("no images", 0)
    low = float(special.betaincinv(hits, n - hits + 1, ALPHA / 2)) if hits > 0 else 0.0
    high = float(special.betaincinv(hits + 1, n - hits, 1 - ALPHA / 2)) if hits < n else 1.0
    return Estimate(hits / n, low, high, n)


def share_below_quantile(
    values: Float[np.ndarray, " m"], others: Float[np.ndarray, " n"], rate: float, seed: int
) -> Estimate:
    """Share of `values` below the threshold that at most a share `rate` of `others` are below.

    The interval counts the threshold's and the values' uncertainty. Of n others, Binomial(n, rate) lie below the true
    threshold, so it lies between two of them; the values below the lower (upper) one give the low (high) end, through
    the beta laws behind Clopper and Pearson's bounds. It covers in at least the nominal 95 % of cases. Undefined with
    fewer than 1 / rate others, which cannot resolve the rate.
    """
    m, n = len(values), len(others)
    allowed = int(rate * n + 1e-9)
    if allowed < 1 or m < 1:
        return undefined(f"needs at least {math.ceil(1 / rate)} others and one value, got {n} and {m}", m + n)
    ends = np.concatenate([[-np.inf], np.sort(others), [np.inf]])  # ends[k + 1] has k others below it
    hits = np.searchsorted(np.sort(values), ends, side="left")  # values below each
    value = hits[allowed + 1] / m
    rng = np.random.default_rng(seed)
    below = rng.binomial(n, rate, DRAWS)
    fewest, most = hits[below], hits[below + 1]
    low = np.where(fewest > 0, rng.beta(np.maximum(fewest, 1), m - fewest + 1), 0.0)
    high = np.where(most < m, rng.beta(most + 1, np.maximum(m - most, 1)), 1.0)
    return Estimate(
        value=float(value),
        low=float(min(np.quantile(low, ALPHA / 2), value)),
        high=float(max(np.quantile(high, 1 - ALPHA / 2), value)),
        n=m + n,
    )


def bounded_mean(values: Float[np.ndarray, " n"], seed: int) -> Estimate:
    """Mean of per-image values in [0, 1], with a percentile bootstrap interval.

    If all values are equal a bootstrap has no width. Then the interval holds every mean for which n images that agree
    have probability of at least ALPHA / 2: with p = (ALPHA / 2)^(1/n), [p v, p v + 1 - p].
    """
    n = len(values)
    if n == 0:
        return undefined("no images", 0)
    if values.min() < 0 or values.max() > 1:
        raise DiffbenchError("bounded_mean: values lie outside [0, 1]; scale them or use mean")
    if values.min() == values.max():
        value, agree = float(values[0]), (ALPHA / 2) ** (1 / n)
        return Estimate(value, agree * value, agree * value + 1 - agree, n)
    return mean(values, seed)


def mean(values: Float[np.ndarray, " n"], seed: int) -> Estimate:
    """Mean of per-image values with a percentile bootstrap interval over images."""
    if len(values) < 2:
        return undefined(f"an interval needs at least 2 images, got {len(values)}", len(values))
    value = float(values.mean(dtype=np.float64))
    return percentile(value, bootstrap_means(values[:, None], seed)[:, 0], len(values))


def student_mean(values: Float[np.ndarray, " n"]) -> Estimate:
    """Mean of per-image values with Student's interval, for sets that may be small.

    A bootstrap of 5 normal values covers in 81 % of cases and of 2 in 50 %; this covers in 95 %, of skewed ones in less
    (89 % of 5 exponential ones).
    """
    return _student(float(values.mean(dtype=np.float64)) if len(values) else math.nan, values)


def student_difference(values: Float[np.ndarray, " m"], others: Float[np.ndarray, " n"]) -> Estimate:
    """Mean of `values` minus that of `others`, which share no images, with Welch's interval (1947), for small sets."""
    if not (len(values) and len(others)):
        return undefined("no images on one side", len(values) + len(others))
    difference = values.mean(dtype=np.float64) - others.mean(dtype=np.float64)
    return _student(float(difference), values, others)


def _student(value: float, *sets: Float[np.ndarray, " _"]) -> Estimate:
    """A sum or difference of the sets' means, with the degrees of freedom of Satterthwaite (1946)."""
    sizes = np.array([len(each) for each in sets])
    if sizes.min() < 2:
        return undefined(f"an interval needs at least 2 images, got {sizes.min()}", int(sizes.sum()))
    variances = np.array([each.var(ddof=1, dtype=np.float64) for each in sets]) / sizes
    half, total = 0.0, variances.sum()
    if total > 0:
        freedom = total**2 / (variances**2 / (sizes - 1)).sum()
        half = float(special.stdtrit(freedom, 1 - ALPHA / 2)) * math.sqrt(total)
    return Estimate(value, value - half, value + half, int(sizes.sum()))


def bootstrap_means(
    values: Float[np.ndarray, "n p"], seed: int, resamples: int = RESAMPLES
) -> Float64[np.ndarray, "{resamples} p"]:
    """Means of the columns of `values` over resampled images.

    The columns of one row use the same resample, and so do calls with the same seed, n and resamples: differences and
    ratios of columns, or of paired calls, are then paired.
    """
    n = len(values)
    values = np.asarray(values, dtype=np.float64)
    means = np.empty((resamples, values.shape[1]))
    for rows, counts in _resamples(n, seed, resamples, n):
        means[rows] = counts @ values / n
    return means


def median(values: Float[np.ndarray, " n"]) -> Estimate:
    """Median of per-image values, between two of them: the narrowest that hold it by the binomial law of their ranks.

    That covers in at least the nominal 95 % of cases, whatever the distribution of the values.
    """
    n = len(values)
    outside = int((special.bdtr(np.arange(n // 2), n, 0.5) <= ALPHA / 2).sum())  # values left out on either side, + 1
    if outside == 0:
        return undefined(f"an interval of a median needs at least 6 images, got {n}", n)
    ordered = np.sort(values)
    return Estimate(float(np.median(ordered)), float(ordered[outside - 1]), float(ordered[n - outside]), n)


def bootstrap_medians(values: Float[np.ndarray, "n p"], seed: int) -> Float64[np.ndarray, "B p"]:
    """Medians of the columns of `values` over the resamples of images that `bootstrap_means` takes."""
    n = len(values)
    order = np.argsort(values, axis=0)
    medians = np.empty((RESAMPLES, values.shape[1]))
    for rows, counts in _resamples(n, seed, RESAMPLES, n):
        for column, ranks in enumerate(order.T):
            reached, ordered = counts[:, ranks].cumsum(axis=1), values[ranks, column]
            lower, upper = ((reached >= middle).argmax(axis=1) for middle in ((n + 1) // 2, n // 2 + 1))
            medians[rows, column] = (ordered[lower] + ordered[upper]) / 2
    return medians


def _resamples(n: int, seed: int, resamples: int, longest: int) -> Iterator[tuple[slice, Float64[np.ndarray, "_ {n}"]]]:
    """All resamples of n images with this seed, in blocks for which as many rows of `longest` values are held."""
    if longest * resamples <= KEPT_ELEMENTS:
        yield slice(0, resamples), _kept_counts(n, seed, resamples)
        return
    rng, step = np.random.default_rng(seed), max(1, BLOCK_ELEMENTS // longest)
    for start in range(0, resamples, step):
        rows = slice(start, min(start + step, resamples))
        yield rows, resample_counts(n, rows.stop - start, rng)


@lru_cache(maxsize=4)
def _kept_counts(n: int, seed: int, resamples: int) -> Float64[np.ndarray, "{resamples} {n}"]:
    """Every level of noise and many measures ask for the same resamples."""
    counts = resample_counts(n, resamples, np.random.default_rng(seed))
    counts.flags.writeable = False
    return counts


def resample_counts(n: int, resamples: int, rng: np.random.Generator) -> Float64[np.ndarray, "{resamples} {n}"]:
    """How often each of n images is drawn when n are drawn with replacement; rows sum to n."""
    drawn = rng.integers(n, size=(resamples, n)) + n * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=resamples * n).reshape(resamples, n).astype(np.float64)


def percentile(value: float, replicates: Float64[np.ndarray, " B"], n: int) -> Estimate:
    """The estimate whose interval is the middle of the bootstrap replicates."""
    return percentiles(np.array([value]), replicates[:, None], n)[0]


def percentiles(values: Float64[np.ndarray, " p"], replicates: Float64[np.ndarray, "B p"], n: int) -> list[Estimate]:
    """`percentile` of several values at once, each with a column of replicates."""
    defined = np.isfinite(values) & np.isfinite(replicates).all(axis=0)
    ends = np.full((2, len(values)), math.nan)
    ends[:, defined] = np.quantile(replicates[:, defined], [ALPHA / 2, 1 - ALPHA / 2], axis=0)
    return [
        Estimate(float(value), float(low), float(high), n) if known else undefined("not finite in some resamples", n)
        for value, low, high, known in zip(values, *ends, defined, strict=True)
    ]


def jackknife(value: float, without: Float64[np.ndarray, " K"], n: int) -> Estimate:
    """Interval from the statistic without each of K random groups: v -/+ t_(K-1) sqrt((K-1)/K sum of squares).

    The delete-a-group jackknife, for statistics that a bootstrap's repeated images bias, as distances between sets.
    """
    if not (math.isfinite(value) and np.isfinite(without).all()):
        return undefined("not finite when some images are left out", n)
    groups = len(without)
    error = math.sqrt((groups - 1) / groups * float(((without - without.mean()) ** 2).sum()))
    half = float(special.stdtrit(groups - 1, 1 - ALPHA / 2)) * error
    return Estimate(value, value - half, value + half, n)


def chosen(grid: Float64[np.ndarray, " G"], index: int, replicates: Int64[np.ndarray, " B"], n: int) -> Estimate:
    """The point of a grid that a rule picks, such as an argmax, with the percentiles of its picks as interval.

    The replicates are indices that the rule picks from resamples; the interval's ends are points of the grid.
    """
    low, high = np.quantile(grid[replicates], [ALPHA / 2, 1 - ALPHA / 2], method="inverted_cdf")
    return Estimate(float(grid[index]), float(low), float(high), n)


def largest(curve: Float64[np.ndarray, " L"], replicates: Float64[np.ndarray, "B L"], n: int) -> Estimate:
    """The largest value of a curve, with an interval for the largest true value.

    A maximum of noisy values lies above the true maximum, and a resampled maximum higher still, so percentiles of the
    replicates' maxima would miss. Low: the highest point of `lower_band`. High: the highest upper pointwise bound,
    which suffices as the true maximum is one of the points. The interval covers in at least 95 % of cases, and in more
    where several points are alike.
    """
    if not (np.isfinite(curve).all() and np.isfinite(replicates).all()):
        return undefined("not finite in some resamples", n)
    high = np.quantile(replicates, 1 - ALPHA / 2, axis=0).max()
    low = lower_band(curve, replicates).max()
    return Estimate(float(curve.max()), float(low), float(max(high, curve.max())), n)


def lower_band(curve: Float64[np.ndarray, " L"], replicates: Float64[np.ndarray, "B L"]) -> Float64[np.ndarray, " L"]:
    """What the whole true curve lies above in 1 - ALPHA / 2 of cases (sup-t band, Montiel Olea, Plagborg-Moller 2019).

    replicates: the curve of resamples; all must be finite.
    """
    error = replicates.std(axis=0)
    moving = error > 0
    steepest = ((replicates - curve)[:, moving] / error[moving]).max(axis=1, initial=0)
    return curve - np.quantile(steepest, 1 - ALPHA / 2) * error


def auc(positives: Float[np.ndarray, " m"], negatives: Float[np.ndarray, " n"]) -> Estimate:
    """P(positive > negative) + P(equal)/2 (Mann-Whitney), with DeLong's interval on the logit scale.

    Variance: DeLong et al. 1988 by mid-ranks (Sun and Xu 2014). If all pairs agree (AUC 0, 1, or all tied) that
    variance is 0. Then min(n+, n-) disjoint pairs are independent trials that all agree, so P(agree) >=
    (ALPHA/2)^(1/min) by Clopper-Pearson, and the interval holds the AUCs that this allows.
    """
    return mean_auc([(positives, negatives)])


def mean_auc(strata: Sequence[tuple[Float[np.ndarray, " _"], Float[np.ndarray, " _"]]]) -> Estimate:
    """Mean over strata (positives, negatives) of the `auc` within each; values of two strata are not compared."""
    n = sum(len(values) for stratum in strata for values in stratum)
    pairs = [min(len(positives), len(negatives)) for positives, negatives in strata]
    if min(pairs) < 2:
        sizes = [len(values) for values in strata[int(np.argmin(pairs))]]
        return undefined(f"needs at least 2 values on each side, got {sizes[0]} and {sizes[1]}", n)
    values, variances = zip(*(_auc_of(*stratum) for stratum in strata), strict=True)
    value, variance = sum(values) / len(strata), sum(variances) / len(strata) ** 2
    if variance < 1e-24:
        agree = (ALPHA / 2) ** (1 / sum(pairs))
        return Estimate(value, agree * value, agree * value + 1 - agree, n)
    half = special.ndtri(1 - ALPHA / 2) * math.sqrt(variance) / (value * (1 - value))
    center = special.logit(value)
    return Estimate(value, float(special.expit(center - half)), float(special.expit(center + half)), n)


def _auc_of(positives: Float[np.ndarray, " m"], negatives: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """The AUC and DeLong's variance."""
    wins = placements(positives, negatives)  # P(negative below each positive), ties half
    losses = 1 - placements(negatives, positives)  # P(positive above each negative)
    variance = wins.var(ddof=1) / len(positives) + losses.var(ddof=1) / len(negatives)
    return float(wins.mean()), float(variance)


def placements(values: Float[np.ndarray, " m"], others: Float[np.ndarray, " n"]) -> Float64[np.ndarray, " m"]:
    """For each of `values`: the share of `others` below it, equal ones counted half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, values, side="left")
    return (below + np.searchsorted(ordered, values, side="right")) / (2 * len(others))


def bootstrap_auc(
    positives: Float[np.ndarray, " m"], negatives: Float[np.ndarray, " n"], positive_seed: int, negative_seed: int
) -> Float64[np.ndarray, " B"]:
    """AUC over resampled images. Calls that share a sample share its seed, and are then paired."""
    order = np.argsort(negatives, kind="stable")
    below = np.searchsorted(negatives[order], positives, side="left")
    not_above = np.searchsorted(negatives[order], positives, side="right")
    n_positive, n_negative = len(positives), len(negatives)
    replicates = np.empty(RESAMPLES)
    longest = max(n_positive, n_negative)
    of_positives = _resamples(n_positive, positive_seed, RESAMPLES, longest)
    of_negatives = _resamples(n_negative, negative_seed, RESAMPLES, longest)
    for (rows, positive_counts), (_, negative_counts) in zip(of_positives, of_negatives, strict=True):
        cumulated = np.zeros((len(negative_counts), n_negative + 1))
        np.cumsum(negative_counts[:, order], axis=1, out=cumulated[:, 1:])
        wins = (cumulated[:, below] + cumulated[:, not_above]) / (2 * n_negative)  # (size, n_positive)
        replicates[rows] = np.einsum("bi,bi->b", positive_counts, wins) / n_positive
    return replicates
