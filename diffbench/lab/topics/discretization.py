"""Frechet distance of what a solver generates to the true circle, over delta, and the delta that seems best."""

import numpy as np

from diffbench.data.planar import RADIUS, equidistant
from diffbench.files.store import Variable
from diffbench.lab.discretization import apparent_optimum, scanned_deltas
from diffbench.lab.flow import Moments, Solver
from diffbench.settings.lab import DiscretizationTopic


def variables(topic: DiscretizationTopic) -> dict[str, Variable]:
    """Distances (run, delta) and the apparent optimum (run,), a run being a solver with a number of steps."""
    train, true = equidistant(topic.points // 2), Moments(np.zeros(2), RADIUS**2 / 2 * np.eye(2))
    solvers: dict[Solver | None, list[int]] = {None: [0], "euler": topic.euler_steps, "heun": topic.heun_steps}
    optima = [apparent_optimum(train, true, solver, steps) for solver, counts in solvers.items() for steps in counts]
    return {
        "solver": Variable(np.array([each.solver for each in optima]), ("run",), "solver; exact: the flow itself"),
        "steps": Variable(np.array([each.steps for each in optima]), ("run",), "steps of the solver; 0: exact"),
        "best_delta": Variable(np.array([each.delta for each in optima]), ("run",), "delta of least Frechet distance"),
        "best_distance": Variable(np.array([each.distance for each in optima]), ("run",), "distance there"),
        "delta": Variable(scanned_deltas(), ("delta",), "error scale of the denoiser"),
        "distance": Variable(
            np.stack([each.scan for each in optima]), ("run", "delta"), "squared Frechet distance to the circle"
        ),
    }
