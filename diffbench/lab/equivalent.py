"""The equivalent delta of a denoiser: the error scale whose y_delta has the same mean error."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.files.estimates import Estimate, undefined
from diffbench.lab.ideal import PlanarDenoiser, blurred
from diffbench.measures.intervals import mean
from diffbench.shapes import Float, Float64

ErrorOf = Callable[[float, float], float]
"""Mean error of y_delta as a function of (delta, sigma)."""

DELTA_RANGE = (0.02, 30.0)
"""Error scales searched for networks, in units of the circle of radius 10."""

TABULATED = 65

SCANNED = 33
"""Error scales at which the mean error is compared before the root is polished."""


class EquivalentDelta(NamedTuple):
    """The delta at one noise level; nan where there is none, and then `reason` says why (else empty)."""

    sigma: float
    delta: float
    solutions: int  # deltas of the range with this error; of several the smallest is given
    reason: str


def equivalent_delta(
    sigmas: Float64[np.ndarray, " L"],
    measured: Float64[np.ndarray, " L"],
    error_of: ErrorOf,
    delta_range: tuple[float, float],
) -> list[EquivalentDelta]:
    """Per sigma, the delta in `delta_range` for which error_of(delta, sigma) equals the measured mean error.

    Undefined where the measured error lies below or above that of every delta.
    """
    if len(sigmas) != len(measured):
        raise DiffbenchError(f"measured errors: {len(measured)} for {len(sigmas)} noise levels; give one for each")
    return [_at_level(float(s), float(e), error_of, delta_range) for s, e in zip(sigmas, measured, strict=True)]


def _at_level(sigma: float, measured: float, error_of: ErrorOf, delta_range: tuple[float, float]) -> EquivalentDelta:
    from scipy.optimize import brentq  # costs 0.2 s at start-up

    if not np.isfinite(measured):
        return EquivalentDelta(sigma, math.nan, 0, "the measured error is not a number")

    def excess(log_delta: float) -> float:
        return error_of(math.exp(log_delta), sigma) - measured

    grid = np.log(np.geomspace(delta_range[0], delta_range[1], SCANNED))
    above = np.array([excess(float(point)) for point in grid]) >= 0
    crossings = np.flatnonzero(above[1:] != above[:-1])
    if len(crossings) == 0:
        side = "below" if above[0] else "above"
        return EquivalentDelta(sigma, math.nan, 0, f"the measured error is {side} that of every delta")
    first = int(crossings[0])
    root = cast(float, brentq(excess, grid[first], grid[first + 1], xtol=1e-6))
    return EquivalentDelta(sigma, math.exp(root), len(crossings), "")


class ErrorTable:
    """Error norms of y_delta at clean points under given noise, at TABULATED deltas over DELTA_RANGE.

    noise: draws for each noise level; errors are means over draws. Between the deltas they are interpolated over
    ln(delta): they are smooth in it, and one table serves many roots.
    """

    def __init__(
        self,
        train: Float64[np.ndarray, "n 2"],
        clean: Float64[np.ndarray, "k 2"],
        sigmas: Float64[np.ndarray, " L"],
        noise: Sequence[Sequence[Float[np.ndarray, "k 2"]]],
    ) -> None:
        self.log_deltas = np.log(np.geomspace(*DELTA_RANGE, TABULATED))
        denoisers = [blurred(train, float(delta)) for delta in np.exp(self.log_deltas)]
        self.norms = {
            float(sigma): np.stack([_error_norms(each, clean, float(sigma), draws) for each in denoisers])
            for sigma, draws in zip(sigmas, noise, strict=True)
        }
        """sigma -> (TABULATED, k)."""

    def __call__(self, delta: float, sigma: float) -> float:
        """Mean error over the points, at one of the table's levels."""
        return float(np.interp(np.log(delta), self.log_deltas, self.norms[sigma].mean(axis=1)))

    def at(self, delta: float, sigma: float) -> Float64[np.ndarray, " k"]:
        """Error at each point."""
        norms = self.norms[sigma]
        place = np.interp(np.log(delta), self.log_deltas, np.arange(TABULATED))
        below = min(int(place), TABULATED - 2)
        return norms[below] + (place - below) * (norms[below + 1] - norms[below])


def _error_norms(
    denoiser: PlanarDenoiser, clean: Float64[np.ndarray, "k 2"], sigma: float, draws: Sequence[Float[np.ndarray, "k 2"]]
) -> Float64[np.ndarray, " k"]:
    noise = np.concatenate(draws).astype(np.float64)
    targets = np.tile(clean, (len(draws), 1))
    errors = np.linalg.norm(denoiser(targets + sigma * noise, sigma) - targets, axis=1)
    return errors.reshape(len(draws), len(clean)).mean(axis=0)


def equivalent_estimates(
    sigmas: Float64[np.ndarray, " L"], norms: Float64[np.ndarray, "L k"], table: ErrorTable, seed: int
) -> list[Estimate]:
    """Equivalent deltas of a model's error norms at the table's points and noise.

    Undefined ones say why, also where several deltas have the error (at large sigma it need not rise with delta). The
    interval is that of the mean difference to y_delta's own errors, point by point, so that the noise that both share
    leaves it; its ends are carried over to delta. Where an end has no delta, it is that of DELTA_RANGE.
    """
    deltas = equivalent_delta(sigmas, norms.mean(axis=1), table, DELTA_RANGE)
    return [_with_interval(each, row, table, seed) for each, row in zip(deltas, norms, strict=True)]


def _with_interval(
    equivalent: EquivalentDelta, norms: Float64[np.ndarray, " k"], table: ErrorTable, seed: int
) -> Estimate:
    sigma, delta, solutions, reason = equivalent
    if reason or solutions > 1:
        return undefined(reason or f"{solutions} deltas have the measured error", len(norms))
    difference = mean(norms - table.at(delta, sigma), seed)
    shifts = np.array([difference.low, difference.high]) - difference.value
    ends = equivalent_delta(np.full(2, sigma), norms.mean() + shifts, table, DELTA_RANGE)
    low, high = (end if each.reason else each.delta for end, each in zip(DELTA_RANGE, ends, strict=True))
    return Estimate(delta, min(low, delta), max(high, delta), len(norms))
