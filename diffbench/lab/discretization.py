"""How the solver's error moves the error scale delta that seems best by Frechet distance."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from diffbench.lab.flow import Moments, Solver, frechet_distance, moments, ring_endpoint_moments, sampling_grid
from diffbench.shapes import Float64

DELTA_RANGE = (0.02, 6.0)
"""Error scales searched, in units of the circle of radius 10."""

SCANNED = 25


class ApparentOptimum(NamedTuple):
    """The delta of least Frechet distance to the true distribution, with one solver."""

    solver: str  # "exact" for the flow itself
    steps: int  # 0 for the exact flow
    delta: float  # at an end of DELTA_RANGE: the distance has no minimum inside
    distance: float  # squared Frechet distance there
    scan: Float64[np.ndarray, " scanned"]  # squared Frechet distances at scanned_deltas()


def exact_moments(train: Float64[np.ndarray, "n 2"], delta: float) -> Moments:
    """Moments of what the exact flow of y_delta generates: the kernel density with bandwidth delta."""
    of_train = moments(train)
    return Moments(of_train.mean, of_train.covariance + delta**2 * np.eye(2))


def scanned_deltas() -> Float64[np.ndarray, " scanned"]:
    """Error scales at which the distance is scanned."""
    return np.linspace(*DELTA_RANGE, SCANNED)


def apparent_optimum(
    ring: Float64[np.ndarray, "n 2"], true: Moments, solver: Solver | None, steps: int = 0
) -> ApparentOptimum:
    """Least Frechet distance to the moments of the true distribution over delta; solver None: the exact flow.

    ring: equidistant training points of a circle, at least three. The distance is scanned over delta and every minimum
    of the scan is polished, since a coarse solver adds one: on the symmetric circle Euler's loss of covariance is made
    up for by the blur of a delta that the exact flow rejects.
    """
    from scipy.optimize import minimize_scalar  # costs 0.2 s at start-up

    distance = _distance(ring, true, solver, steps)
    deltas = scanned_deltas()
    scan = np.array([distance(float(delta)) for delta in deltas])
    candidates = [(float(scan[0]), DELTA_RANGE[0]), (float(scan[-1]), DELTA_RANGE[1])]
    for at in range(1, SCANNED - 1):
        if scan[at] <= min(scan[at - 1], scan[at + 1]):
            bounds = (deltas[at - 1], deltas[at + 1])
            minimum: Any = minimize_scalar(distance, bounds=bounds, method="bounded", options={"xatol": 1e-3})
            candidates.append((float(minimum.fun), float(minimum.x)))
    least, delta = min(candidates)
    return ApparentOptimum(solver or "exact", steps, delta, least, scan)


def _distance(
    ring: Float64[np.ndarray, "n 2"], true: Moments, solver: Solver | None, steps: int
) -> Callable[[float], float]:
    if solver is None:
        return lambda delta: frechet_distance(exact_moments(ring, delta), true)
    grid = sampling_grid(steps)
    return lambda delta: frechet_distance(ring_endpoint_moments(ring, delta, grid, solver), true)
