"""The local dimension of the circle over noise, by training points and error scale, at two places."""

import numpy as np

from diffbench.data.planar import equidistant, spacing
from diffbench.files.store import Variable
from diffbench.lab.dimension import PLACES, local_dimension
from diffbench.settings.lab import DimensionTopic

SIGMAS = np.geomspace(0.02, 100, 149)
"""Forty noise levels per decade, from far below the spacing of points to far beyond the circle."""


def variables(topic: DimensionTopic) -> dict[str, Variable]:
    """FLIPD (points, delta, place, sigma) of y_delta, of the optimum at delta 0, and the spacing of training points."""
    counts, deltas = sorted({topic.points, *topic.point_counts}), [0.0, *sorted(topic.deltas)]
    found = np.empty((len(counts), len(deltas), len(PLACES), len(SIGMAS)))
    for row, points in enumerate(counts):
        both = equidistant(points)  # every other one trains, so the second lies halfway between two that do
        for column, delta in enumerate(deltas):
            for level, sigma in enumerate(SIGMAS):
                found[row, column, :, level] = local_dimension(both[:2], both[::2], float(sigma), delta)
    return {
        "points": Variable(np.array(counts), ("points",), "points of the circle, half of which train"),
        "delta": Variable(np.array(deltas), ("delta",), "error scale of the denoiser, 0 of the optimum"),
        "place": Variable(np.array(PLACES), ("place",), "where the dimension is that of"),
        "sigma": Variable(SIGMAS, ("sigma",), "noise level"),
        "spacing": Variable(
            np.array([spacing(points // 2) for points in counts]),
            ("points",),
            "distance of neighbouring training points",
        ),
        "flipd": Variable(found, ("points", "delta", "place", "sigma"), "local dimension FLIPD"),
    }
