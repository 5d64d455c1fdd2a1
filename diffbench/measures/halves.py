"""Means over random halves of sets, and the interval that the spread between halves gives.

For statistics that fall with the size of a set and that repeated images bias, as distances between sets are: halves
hold no image twice, and all have one size.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.intervals import ALPHA
from diffbench.shapes import Float64, Int64

PAIRS = 20
"""Random divisions of the sets into two halves, both of which are measured."""


def halves(
    strata: Sequence[Int64[np.ndarray, " _"]], rng: np.random.Generator
) -> tuple[Int64[np.ndarray, " h"], Int64[np.ndarray, " h"]]:
    """Two random halves of the rows without a row in common, each with half of every stratum; strata are even."""
    mixed = [rng.permutation(rows).reshape(2, -1) for rows in strata]
    first, second = np.concatenate(mixed, axis=1)
    return first, second


def estimate(value: float, of_halves: Float64[np.ndarray, "p 2"], n: int) -> Estimate:
    """Interval of a mean over halves, from the statistic (or its linear part) of both halves of each division.

    Halves differ from the whole in opposite directions, by as much as the whole does from its distribution. Half of
    their difference is hence the statistic's odd part, whose variance is that of a linear statistic. For a quadratic
    one it is too large by that of the even part, their mean, which is the least that the variance can be: var = odd -
    even, or even. The mean of few divisions adds even / divisions.
    """
    if not (math.isfinite(value) and np.isfinite(of_halves).all()):
        return undefined("not finite for some halves of the sets", n)
    odd = float((((of_halves[:, 0] - of_halves[:, 1]) / 2) ** 2).mean())
    even = float(of_halves.mean(axis=1).var(ddof=1))
    error = math.sqrt(max(odd - even, even) + even / len(of_halves))
    half = float(special.ndtri(1 - ALPHA / 2)) * error
    return Estimate(value, value - half, value + half, n)


def shared_variance(of_halves: Float64[np.ndarray, "p 2 2"], of_references: Float64[np.ndarray, "p 2"]) -> float:
    """Variance of a mean over halves that comes from the references alone, in common to all samples compared to them.

    of_halves: the statistic by division, half of the samples and half of the references; of_references: by division and
    half of the references, of all samples. A reference whose images happen to lie towards these samples' own chance
    deviation moves the statistic too, but not that of other samples. Two halves of the samples deviate in opposite
    directions from their whole, by as much as that does from its distribution: so in the product of both halves'
    differences this part cancels. Even and odd parts as in `estimate`.
    """
    differences = (of_halves[:, :, 0] - of_halves[:, :, 1]) / 2
    odd = float((differences[:, 0] * differences[:, 1]).mean())
    even = float(of_references.mean(axis=1).var(ddof=1))
    return max(odd - even, even)
