"""The probability that what y_delta's exact flow generates recalls a training point."""

import numpy as np

from diffbench.data.planar import equidistant, spacing
from diffbench.files.store import Variable
from diffbench.lab.recall import recall_probability
from diffbench.settings.lab import RecallTopic


def variables(topic: RecallTopic) -> dict[str, Variable]:
    """Probabilities (points, delta), and the spacing of the training points."""
    deltas = sorted(topic.deltas)
    spacings = [spacing(points // 2) for points in topic.point_counts]
    probabilities = [
        [recall_probability(equidistant(points // 2), delta) for delta in deltas] for points in topic.point_counts
    ]
    return {
        "points": Variable(np.array(topic.point_counts), ("points",), "points of the circle, half of which train"),
        "delta": Variable(np.array(deltas), ("delta",), "error scale of the denoiser"),
        "spacing": Variable(np.array(spacings), ("points",), "distance of neighbouring training points"),
        "recall": Variable(np.array(probabilities), ("points", "delta"), "probability of d1/d2 < 1/3"),
    }
