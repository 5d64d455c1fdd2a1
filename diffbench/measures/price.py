"""What a gain costs: differences between two settings that were measured with the same seeds, and their ratio.

Two settings are told apart where both say so: the seeds, by Student's t of their differences, and the images within
them, by the intervals of both values. Where seeds do not differ at all, or there is but one, images alone decide.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special  # scipy.stats would be 0.3 s more at each stage's start-up

from diffbench.files.estimates import Estimate
from diffbench.measures.intervals import ALPHA, student_mean
from diffbench.measures.rank_groups import ROUNDING, holm
from diffbench.shapes import Bool, Float64


@dataclass(frozen=True)
class Gain:
    """How much less of something one setting has than another, over shared seeds."""

    each: Float64[np.ndarray, " seeds"]
    images: tuple[float, float]  # interval of the mean that the images' own intervals give
    seeds: tuple[float, float]  # Student's; nan where there is but one seed, or where they do not differ
    p: float  # of the null that there is none; nan where an interval over images is undefined

    @property
    def value(self) -> float:
        """Mean over seeds; nan without any."""
        return float(self.each.mean()) if len(self.each) else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """What holds both intervals."""
        ends = np.array([self.images, self.seeds])
        known = ends[~np.isnan(ends).any(axis=1)]
        return (float(known[:, 0].min()), float(known[:, 1].max())) if len(known) else (math.nan, math.nan)


def gain(first: Sequence[Estimate], other: Sequence[Estimate]) -> Gain:
    """Of `other` over `first`, of each seed the values of both: first minus other.

    Images: the square-and-add interval of a difference of independent values (Zou and Donner 2008, Statist. Med. 27,
    1693), whose ends are averaged over seeds, since seeds may share their images' errors. For values that go up and
    down together, such as those of samples from the same noise, it is too wide.
    """
    value, low, high = (
        np.array([[getattr(each, field) for each in side] for side in (first, other)], float).reshape(2, -1)
        for field in ("value", "low", "high")
    )
    each = value[0] - value[1]
    down = np.hypot(value[0] - low[0], high[1] - value[1])
    up = np.hypot(high[0] - value[0], value[1] - low[1])
    images = (float((each - down).mean()), float((each + up).mean())) if len(each) else (math.nan, math.nan)
    rounding = ROUNDING * float(np.abs(value).max(initial=0))
    varies = len(each) > 1 and bool(each.std(ddof=1) > rounding)
    student = student_mean(each)
    seeds = (student.low, student.high) if varies else (math.nan, math.nan)
    return Gain(each, images, seeds, _p(each, images, varies, rounding))


def _p(each: Float64[np.ndarray, " seeds"], images: tuple[float, float], varies: bool, rounding: float) -> float:
    """The larger of both p-values: either must be small."""
    if not len(each) or math.isnan(images[0] + images[1]):
        return math.nan
    mean = float(each.mean())
    if abs(mean) <= rounding:
        return 1.0
    towards = mean - images[0] if mean > 0 else images[1] - mean  # half of the interval, on the side of 0
    quantile = float(special.ndtri(1 - ALPHA / 2))
    p = 2 * float(special.ndtr(-quantile * abs(mean) / towards)) if towards > 0 else 0.0
    if varies:
        t = abs(mean) * math.sqrt(len(each)) / float(each.std(ddof=1))
        p = max(p, 2 * float(special.stdtr(len(each) - 1, -t)))
    return p


def told_apart(gains: Sequence[Gain]) -> Bool[np.ndarray, " m"]:
    """Which of m gains are no chance, by Holm's correction over those that have a p-value: with 95 % no tie is."""
    p = np.array([each.p for each in gains], float)
    known = ~np.isnan(p)
    told = np.zeros(len(p), bool)
    told[known] = holm(p[known]) < ALPHA
    return told


def price(costs: Float64[np.ndarray, " seeds"], gained: Gain) -> Estimate:
    """Mean cost over mean gain, of a gain that is told apart from 0; costs: what each of its seeds cost more.

    The interval holds that of Fieller (1954, J. R. Stat. Soc. B 16, 175) over seeds, in which costs and gains may go
    together, and that of the mean cost over the ends of the gain's interval over images.
    """
    value, n = float(costs.mean()) / gained.value, len(costs)
    ends = [float(costs.mean()) / end for end in gained.images]
    if n > 1:
        ends += _fieller(costs, gained.each)
    return Estimate(value, min(ends), max(ends), n)


def _fieller(costs: Float64[np.ndarray, " n"], gains: Float64[np.ndarray, " n"]) -> list[float]:
    """Ends of the ratios r for which the mean of costs - r gains is not told from 0, where that of gains is."""
    n = len(costs)
    t = float(special.stdtrit(n - 1, 1 - ALPHA / 2))
    share = t**2 * np.cov(costs, gains) / n
    a = gains.mean() ** 2 - share[1, 1]
    b = costs.mean() * gains.mean() - share[0, 1]
    c = costs.mean() ** 2 - share[0, 0]
    root = math.sqrt(max(0.0, b**2 - a * c))
    return [float((b - root) / a), float((b + root) / a)]
