"""The analytic collapse level and the measured one, over dimension and training size."""

import numpy as np

from diffbench.conventions import seed_of
from diffbench.files.store import Variable
from diffbench.lab.collapse import measured_collapse
from diffbench.settings.lab import CollapseTopic


def variables(topic: CollapseTopic) -> dict[str, Variable]:
    """Theory (dimension, train_size) and measurements (dimension, train_size, draw)."""
    collapses = [
        [
            [measured_collapse(n, d, seed_of("collapse", d, n, draw)) for draw in range(topic.draws)]
            for n in topic.train_sizes
        ]
        for d in topic.dimensions
    ]
    theory = [[draws[0].sigma_theory for draws in row] for row in collapses]
    measured = [[[each.sigma_measured for each in draws] for draws in row] for row in collapses]
    return {
        "dimension": Variable(np.array(topic.dimensions), ("dimension",), "dimension of the Gaussian data"),
        "train_size": Variable(np.array(topic.train_sizes), ("train_size",), "training points"),
        "theory": Variable(np.array(theory), ("dimension", "train_size"), "analytic collapse level sigma_C"),
        "measured": Variable(
            np.array(measured),
            ("dimension", "train_size", "draw"),
            "level at which the posterior's mean effective number falls to 2",
        ),
    }
