"""The equivalent delta of a denoiser: the error scale whose y_delta has the same mean error."""

import math
from collections.abc import Callable
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from diffbench.conventions import DiffbenchError
from diffbench.data.planar import Points
from diffbench.lab.ideal import blurred
from diffbench.lab.quadrature import converged_errors

ErrorOf = Callable[[float, float], float]
"""Mean error of y_delta as a function of (delta, sigma)."""

SCANNED = 33
"""Error scales at which the mean error is compared before the root is polished."""


class EquivalentDelta(NamedTuple):
    """The delta at one noise level; nan where there is none, and then `reason` says why (else empty)."""

    sigma: float
    delta: float
    solutions: int  # deltas of the range with this error; of several the smallest is given
    reason: str


def equivalent_delta(
    sigmas: NDArray[np.float64],
    measured: NDArray[np.float64],
    error_of: ErrorOf,
    delta_range: tuple[float, float],
) -> list[EquivalentDelta]:
    """Per sigma (L,), the delta in `delta_range` for which error_of(delta, sigma) equals the measured mean
    error (L,).

    Undefined where the measured error lies below or above that of every delta, and where several deltas have
    it (errors off the training points need not be monotone in delta).
    """
    if len(sigmas) != len(measured):
        raise DiffbenchError(
            f"measured errors: {len(measured)} for {len(sigmas)} noise levels; give one for each"
        )
    return [
        _at_level(float(s), float(e), error_of, delta_range) for s, e in zip(sigmas, measured, strict=True)
    ]


def _at_level(
    sigma: float, measured: float, error_of: ErrorOf, delta_range: tuple[float, float]
) -> EquivalentDelta:
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


def planar_error(train: Points, clean: Points) -> ErrorOf:
    """Mean error norm of y_delta at the clean points (k, 2), by quadrature: training points, or others."""

    def error_of(delta: float, sigma: float) -> float:
        return float(converged_errors(blurred(train, delta), clean, sigma).norm.mean())

    return error_of
