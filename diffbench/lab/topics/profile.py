"""The expected error of y_delta along the circle, from one training point to the next."""

import numpy as np

from diffbench.data.planar import equidistant
from diffbench.files.store import Variable
from diffbench.lab.ideal import blurred
from diffbench.lab.profiles import angular_profile
from diffbench.settings.lab import ProfileTopic


def variables(topic: ProfileTopic) -> dict[str, Variable]:
    """Mean error norms (delta, sigma, angle)."""
    train = equidistant(topic.points // 2)
    angles = np.linspace(0, 2 * np.pi / len(train), topic.angles)
    norms = [
        [angular_profile(blurred(train, delta), sigma, angles).norm for sigma in topic.sigmas] for delta in topic.deltas
    ]
    return {
        "delta": Variable(np.array(topic.deltas), ("delta",), "error scale of the denoiser"),
        "sigma": Variable(np.array(topic.sigmas), ("sigma",), "noise level"),
        "angle": Variable(np.degrees(angles), ("angle",), "angle from a training point to the next", "degree"),
        "norm": Variable(np.array(norms), ("delta", "sigma", "angle"), "mean L2 norm of the error"),
    }
