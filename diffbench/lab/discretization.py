"""How the solver's error moves the error scale delta that seems best by Frechet distance."""

from typing import Any, NamedTuple

import numpy as np

from diffbench.data.planar import Points
from diffbench.lab.flow import Moments, Solver, endpoint_moments, frechet_distance, moments, sampling_grid

DELTA_RANGE = (0.02, 6.0)
"""Error scales searched, in units of the circle of radius 10."""

SCANNED = 25


class ApparentOptimum(NamedTuple):
    """The delta of least Frechet distance to the true distribution, with one solver."""

    solver: str  # "exact" for the flow itself
    steps: int  # 0 for the exact flow
    delta: float  # at an end of DELTA_RANGE: the distance has no minimum inside
    distance: float  # squared Frechet distance there


def exact_moments(train: Points, delta: float) -> Moments:
    """Moments of what the exact flow of y_delta generates: the kernel density with bandwidth delta."""
    of_train = moments(train)
    return Moments(of_train.mean, of_train.covariance + delta**2 * np.eye(2))


def apparent_optimum(train: Points, true: Moments, solver: Solver | None, steps: int = 0) -> ApparentOptimum:
    """Least Frechet distance to the moments of the true distribution over delta; solver None: the exact flow.

    The distance is scanned over delta and then minimized about the best, so that the least of several minima
    is found.
    """
    from scipy.optimize import minimize_scalar  # costs 0.2 s at start-up

    grid = sampling_grid(steps) if solver is not None else None

    def distance(delta: float) -> float:
        if solver is None or grid is None:
            return frechet_distance(exact_moments(train, delta), true)
        return frechet_distance(endpoint_moments(train, delta, grid, solver), true)

    deltas = np.linspace(*DELTA_RANGE, SCANNED)
    best = int(np.argmin([distance(float(delta)) for delta in deltas]))
    around = (deltas[max(0, best - 1)], deltas[min(SCANNED - 1, best + 1)])
    found: Any = minimize_scalar(distance, bounds=around, method="bounded", options={"xatol": 1e-3})
    candidates = [float(found.x), *(float(edge) for edge in around)]
    nearest = min(candidates, key=distance)
    return ApparentOptimum(solver or "exact", steps, nearest, distance(nearest))
