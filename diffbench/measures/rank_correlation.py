"""Spearman's rank correlation, with an interval that holds among ties."""

import math

import numpy as np
from scipy import special

from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.intervals import ALPHA, placements
from diffbench.shapes import Float64, Real

LEAST = 10
"""Fewer pairs are undefined: the interval is one of large samples."""


def spearman(x: Real[np.ndarray, " n"], y: Real[np.ndarray, " n"]) -> Estimate:
    """Pearson's correlation of the ranks of x and y, equal values having their mean rank (Spearman 1904).

    Interval on Fisher's z scale. Its variance is that of the influence of each pair, ties counted, as for a U-statistic
    (Hoeffding 1948), but at least 1 / (n - 3): that of independent ranks, whatever their ties, which few pairs off a
    common value would seem to fall below. Undefined with fewer than 10 pairs, and where x or y has a single value.
    """
    n = len(x)
    if n < LEAST:
        return undefined(f"a rank correlation needs {LEAST} pairs, got {n}", n)
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return undefined("all values are equal on one side, so they have no ranks", n)
    a, b = placements(x, x) - 0.5, placements(y, y) - 0.5  # both have mean 0
    product, square_a, square_b = float(a @ b) / n, float(a @ a) / n, float(b @ b) / n
    scale = math.sqrt(square_a * square_b)
    value = min(1.0, max(-1.0, product / scale))
    influence = (a * b + _above(x, b) + _above(y, a) - 3 * product) / scale
    for own, values, square in ((a, x, square_a), (b, y, square_b)):
        influence -= value / 2 * ((own**2 + 2 * _above(values, own)) / square - 3)
    return _interval(value, float(influence @ influence) / n**2, n)


def _above(values: Float64[np.ndarray, " n"], weights: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """For each value: the sum of the weights of larger ones and half of those of equal ones, over n.

    It is how far one more pair of this value moves the mean product of ranks and weights.
    """
    order = np.argsort(values, kind="stable")
    ordered, sums = values[order], np.concatenate([[0.0], np.cumsum(weights[order])])
    ends = (sums[np.searchsorted(ordered, values, side=side)] for side in ("left", "right"))
    return (sums[-1] - sum(ends) / 2) / len(values)


def _interval(value: float, variance: float, n: int) -> Estimate:
    """Where all ranks agree, z is infinite: then the interval is about 1 - 1/n."""
    center = max(-1 + 1 / n, min(1 - 1 / n, value))
    error = max(math.sqrt(variance) / (1 - center**2), 1 / math.sqrt(n - 3))
    half = float(special.ndtri(1 - ALPHA / 2)) * error
    z = math.atanh(center)
    return Estimate(value, min(value, math.tanh(z - half)), max(value, math.tanh(z + half)), n)
