"""The exponent b of a power law, time proportional to n^b, from times at several training sizes."""

import math
from collections.abc import Sequence

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.files.estimates import Estimate, undefined

LEAST_SIZES = 3
"""Two points lie on a line whatever they are."""


def exponent(sizes: Sequence[int], times: Sequence[Estimate]) -> Estimate:
    """Least-squares slope of ln time over ln size, with the interval that the times' own intervals give it.

    The slope is a weighted sum of the ln times. Its interval is MOVER's (Zou and Donner 2008, Statistics in Medicine
    27, 1693): each end is as far from the slope as the root of the sum of squares of its terms' own distances, so that
    skewed intervals are kept skewed. Errors of times are taken as independent. n: sizes. Undefined with fewer than 3.
    """
    if len(sizes) != len(times):
        raise DiffbenchError(f"exponent: {len(sizes)} sizes for {len(times)} times; give one each")
    if len(sizes) < LEAST_SIZES:
        return undefined(f"an exponent needs {LEAST_SIZES} training sizes with a time, got {len(sizes)}", len(sizes))
    x = np.log(sizes)
    weights = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    value, low, high = (np.log([getattr(time, part) for time in times]) for part in ("value", "low", "high"))
    down, up = weights * (value - low), weights * (high - value)  # of negative weights: the other way
    falling, rising = np.where(weights > 0, down, up), np.where(weights > 0, up, down)
    slope = float(weights @ (value - value.mean()))  # exactly 0 where all times are equal
    return Estimate(slope, slope - math.hypot(*falling), slope + math.hypot(*rising), len(sizes))
