"""The equivalent delta of a denoiser: the error scale whose y_delta has the same mean error."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from diffbench.conventions import DiffbenchError
from diffbench.data.planar import Points
from diffbench.lab.ideal import PlanarDenoiser, blurred
from diffbench.measures.intervals import Estimate, undefined

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


def equivalent_estimates(
    sigmas: NDArray[np.float64], means: Sequence[Estimate], error_of: ErrorOf
) -> list[Estimate]:
    """Equivalent deltas (L,) of mean errors with intervals; undefined ones say why.

    The interval is that of the mean error, carried over; where an end has no delta, it is that of DELTA_RANGE.
    """
    ends = [np.array([getattr(each, name) for each in means]) for name in ("value", "low", "high")]
    found = [equivalent_delta(sigmas, errors, error_of, DELTA_RANGE) for errors in ends]
    return [
        undefined(value.reason, each.n)
        if value.reason
        else Estimate(
            value.delta,
            min(value.delta, DELTA_RANGE[0] if low.reason else low.delta),
            max(value.delta, DELTA_RANGE[1] if high.reason else high.delta),
            each.n,
        )
        for each, value, low, high in zip(means, *found, strict=True)
    ]


def tabulated_error(
    train: Points, clean: Points, sigmas: NDArray[np.float64], noise: Sequence[Sequence[NDArray[np.floating]]]
) -> ErrorOf:
    """Mean error norm of y_delta over clean points (k, 2) and given noise, draws of (k, 2) for each of L levels.

    Evaluated at TABULATED deltas and interpolated between them in logarithms: the mean error is smooth in delta,
    and one table serves many roots. To be called at one of `sigmas` only.
    """
    deltas = np.geomspace(*DELTA_RANGE, TABULATED)
    tables = {
        float(sigma): [_sampled_error(blurred(train, float(delta)), clean, float(sigma), draws) for delta in deltas]
        for sigma, draws in zip(sigmas, noise, strict=True)
    }
    return lambda delta, sigma: float(np.exp(np.interp(np.log(delta), np.log(deltas), np.log(tables[sigma]))))


def _sampled_error(
    denoiser: PlanarDenoiser, clean: Points, sigma: float, draws: Sequence[NDArray[np.floating]]
) -> float:
    noise = np.concatenate(draws).astype(np.float64)
    targets = np.tile(clean, (len(draws), 1))
    return float(np.linalg.norm(denoiser(targets + sigma * noise, sigma) - targets, axis=1).mean())
