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

    The distance is scanned over delta and every minimum of the scan is polished, since a coarse solver adds
    one: on the symmetric circle Euler's loss of covariance is made up for by the blur of a delta that the
    exact flow rejects.
    """
    from scipy.optimize import minimize_scalar  # costs 0.2 s at start-up

    grid = sampling_grid(steps) if solver is not None else None

    def distance(delta: float) -> float:
        if solver is None or grid is None:
            return frechet_distance(exact_moments(train, delta), true)
        return frechet_distance(endpoint_moments(train, delta, grid, solver), true)

    deltas = np.linspace(*DELTA_RANGE, SCANNED)
    scan = [distance(float(delta)) for delta in deltas]
    candidates = [(scan[0], DELTA_RANGE[0]), (scan[-1], DELTA_RANGE[1])]
    for at in range(1, SCANNED - 1):
        if scan[at] <= min(scan[at - 1], scan[at + 1]):
            bounds = (deltas[at - 1], deltas[at + 1])
            found: Any = minimize_scalar(distance, bounds=bounds, method="bounded", options={"xatol": 1e-3})
            candidates.append((float(found.fun), float(found.x)))
    least, delta = min(candidates)
    return ApparentOptimum(solver or "exact", steps, delta, least)
