"""Estimates of cells with their intervals over images: differences, ratios, and means over seeds.

Seeds share training and validation images and the noise of the gap. What they agree in may be a chance of these, so
the interval over seeds counts the cells' own intervals over images beside the seeds' spread. That is conservative where
they also hold what seeds do not share, such as samples.
"""

import math
from collections.abc import Sequence

from scipy import special

from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.intervals import ALPHA
from diffbench.summary.verdicts import t_interval

HALF_WIDTH = float(special.ndtri(1 - ALPHA / 2))
"""Of a normal interval, in standard errors."""

TWO_ENDS = float(special.ndtri(1 - ALPHA / 4)) / HALF_WIDTH
"""Half-width of each of two normal intervals that hold both values, over that of one alone."""

NOT_MEASURED = undefined("not measured: a file is missing, or of an earlier version", 0)


def known(estimate: Estimate | None) -> Estimate:
    """What a table says, undefined where it says nothing."""
    return NOT_MEASURED if estimate is None else estimate


def error(estimate: Estimate) -> float:
    """Standard error, from the width of the interval."""
    return (estimate.high - estimate.low) / 2 / HALF_WIDTH


def with_error(value: float, n: int, *errors: float) -> Estimate:
    """A value whose independent standard errors add in squares."""
    half = HALF_WIDTH * math.hypot(*errors)
    return Estimate(value, value - half, value + half, n)


def difference(first: Estimate, second: Estimate) -> Estimate:
    """First - second."""
    n = min(first.n, second.n)
    if reason := first.reason or second.reason:
        return undefined(reason, n)
    return with_error(first.value - second.value, n, error(first), error(second))


def logarithm(estimate: Estimate) -> Estimate:
    """Ln of the estimate, its error by the delta method."""
    if estimate.reason:
        return undefined(estimate.reason, estimate.n)
    if not estimate.value > 0:
        return undefined("it has no logarithm: not above 0", estimate.n)
    return with_error(math.log(estimate.value), estimate.n, error(estimate) / estimate.value)


def magnitude(estimate: Estimate) -> Estimate:
    """|x| from an estimate of x: its upper end is below a margin where x's whole interval lies within, either way.

    That is the two one-sided tests of Schuirmann (1987, J. Pharmacokinet. Biopharm. 15, 657), at 2.5 % each.
    """
    if estimate.reason:
        return undefined(estimate.reason, estimate.n)
    low, high = max(0.0, estimate.low, -estimate.high), max(-estimate.low, estimate.high)
    return Estimate(abs(estimate.value), low, high, estimate.n)


def larger_magnitude(first: Estimate, second: Estimate) -> Estimate:
    """max(|x|, |y|) from estimates of x and y.

    The upper end is the larger of those of |x| and |y|, which suffices as one of them is the maximum. The lower end is
    above the truth if that of either is: both are moved down to Bonferroni's level for two.
    """
    n, both = min(first.n, second.n), (first, second)
    value = max(abs(each.value) for each in both)
    if reason := first.reason or second.reason:
        known = math.isfinite(first.value + second.value)
        return Estimate(value, math.nan, math.nan, n, reason) if known else undefined(reason, n)
    low = max(abs(each.value) - TWO_ENDS * (each.high - each.low) / 2 for each in both)
    return Estimate(value, max(0.0, low), max(max(abs(each.low), abs(each.high)) for each in both), n)


def over_seeds(estimates: Sequence[Estimate], alone: bool = False) -> Estimate:
    """Mean over seeds of one estimate each, n = seeds, widened by their own intervals, of what seeds share.

    alone: take the interval over images where there is a single seed, as of models that are not trained.
    """
    missing = next((e for e in estimates if not math.isfinite(e.value)), None)
    if missing is not None or not estimates:
        count = sum(math.isfinite(e.value) for e in estimates)
        reason = missing.reason if missing else "the study has no such cell"
        return undefined(f"{count} of {len(estimates)} seeds have a value: {reason}" if count else reason, count)
    if len(estimates) == 1 and alone:
        (only,) = estimates
        return Estimate(only.value, only.low, only.high, 1, only.reason)
    if bare := next((e for e in estimates if math.isnan(error(e))), None):
        reason = bare.reason or "a seed's value has no interval, and seeds may agree by chance of what they share"
        return Estimate(sum(e.value for e in estimates) / len(estimates), math.nan, math.nan, len(estimates), reason)
    return t_interval([e.value for e in estimates], [error(e) for e in estimates])


def text(estimate: Estimate) -> str:
    """A value with its interval, for notes."""
    if not math.isfinite(estimate.value):
        return "undefined" if math.isnan(estimate.value) else "unbounded"
    value, low, high = (number(end) for end in (estimate.value, estimate.low, estimate.high))
    return value if math.isnan(estimate.low) else f"{value} [{low}, {high}]"


def number(value: float) -> str:
    """Two significant digits and a true minus."""
    return "undefined" if math.isnan(value) else f"{float(f'{value:.2g}'):g}".replace("-", "−")
