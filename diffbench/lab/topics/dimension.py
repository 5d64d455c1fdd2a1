"""The local dimension of the circle over noise, by training points and error scale, at two places."""

import numpy as np

from diffbench.data.planar import equidistant, spacing
from diffbench.files.store import Variable
from diffbench.lab.dimension import PLACES, local_dimension
from diffbench.settings.lab import DimensionTopic

PER_DECADE = 40
LOWEST, HIGHEST = 0.02, 100.0
"""Noise levels, the last of them far beyond the circle."""
SHARE = 0.2
"""Of the least spacing, where levels begin if that is lower: half of the noise at which a training point has half a
dimension."""


def variables(topic: DimensionTopic) -> dict[str, Variable]:
    """FLIPD (points, delta, place, sigma) of y_delta, of the optimum at delta 0, and the spacing of training points."""
    counts, deltas = sorted({topic.points, *topic.point_counts}), [0.0, *sorted(topic.deltas)]
    spacings = np.array([spacing(points // 2) for points in counts])
    lowest = min(LOWEST, SHARE * float(spacings.min()))
    sigmas = np.geomspace(lowest, HIGHEST, round(PER_DECADE * np.log10(HIGHEST / lowest)) + 1)
    found = np.empty((len(counts), len(deltas), len(PLACES), len(sigmas)))
    for row, points in enumerate(counts):
        both = equidistant(points)  # every other one trains, so the second lies halfway between two that do
        for column, delta in enumerate(deltas):
            for level, sigma in enumerate(sigmas):
                found[row, column, :, level] = local_dimension(both[:2], both[::2], float(sigma), delta)
    return {
        "points": Variable(np.array(counts), ("points",), "points of the circle, half of which train"),
        "delta": Variable(np.array(deltas), ("delta",), "error scale of the denoiser, 0 of the optimum"),
        "place": Variable(np.array(PLACES), ("place",), "where the dimension is that of"),
        "sigma": Variable(sigmas, ("sigma",), "noise level"),
        "spacing": Variable(spacings, ("points",), "distance of neighbouring training points"),
        "flipd": Variable(found, ("points", "delta", "place", "sigma"), "local dimension FLIPD"),
    }
