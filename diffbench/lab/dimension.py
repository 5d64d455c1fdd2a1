"""The local dimension FLIPD that closed-form denoisers see around a point, exactly.

FLIPD = tr J + |x - D|^2 / s^2 with J = dD/dx (of Kamkari et al. 2024, arXiv 2406.03537, derived in
denoisers.jacobian). The optimum has J = Cov_w / s^2, w its posterior weights, so both terms together are
sum_i w_i |x_i - x|^2 / s^2: the mean squared distance of the training points that x may come from, in units of the
noise.
"""

import numpy as np

from diffbench.denoisers.posterior import posterior
from diffbench.shapes import Float64

PLACES = AT_POINT, HALFWAY = "training point", "halfway"
"""Where the circle's dimension is told."""


def local_dimension(
    x: Float64[np.ndarray, "m d"], train: Float64[np.ndarray, "n d"], sigma: float, delta: float = 0.0
) -> Float64[np.ndarray, " m"]:
    """FLIPD at x of the error-prone y_delta, or of the optimum at delta = 0.

    y_delta = [delta^2 x + s^2 y*(x, s~)] / s~^2, s~^2 = s^2 + delta^2, has [delta^2 d + s^2 FLIPD*(x, s~)] / s~^2: at
    noise below delta it fills space, and its dimension is d. Memory is m * n * d values: for few x.
    """
    blurred = float(np.hypot(sigma, delta))
    weights = posterior(x, train, blurred).weights
    squares = ((x[:, None] - train[None]) ** 2).sum(axis=2)
    optimal = (weights * squares).sum(axis=1) / blurred**2
    return (delta**2 * x.shape[1] + sigma**2 * optimal) / blurred**2
