"""The noise level at which the optimum of a finite training set collapses onto single training points.

For Gaussian data N(0, sigma_data^2 I_d) the information that a noised point carries about its clean one,
d/2 ln(1 + sigma_data^2 / sigma^2), reaches ln n at sigma_C^2 = sigma_data^2 / (n^(2/d) - 1): below it, one training
point is singled out (Biroli et al. 2024, arXiv 2402.18491). It is compared with the level where the posterior of a
sampled training set does concentrate.
"""

import math
from typing import NamedTuple, cast

import numpy as np

from diffbench.conventions import SIGMA_DATA, DiffbenchError
from diffbench.denoisers.posterior import posterior
from diffbench.shapes import Float64

CONCENTRATED = 2.0
"""Mean effective number of training points, 1 / sum w_i^2, at which the posterior counts as concentrated."""

QUERIES = 512
"""Noised training points over which the effective number is averaged."""


class Collapse(NamedTuple):
    """Theory and measurement at one training size."""

    dimension: int
    train_size: int
    sigma_theory: float
    sigma_measured: float  # nan: the mean effective number stays below CONCENTRATED at any noise (n = 2)
    ratio: float  # measured / theory


def collapse_sigma(train_size: int, dimension: int, sigma_data: float = SIGMA_DATA) -> float:
    """The level sigma_C of the equation above, in the units of the data."""
    if train_size < 2 or dimension < 1:
        raise DiffbenchError(
            f"collapse of {train_size} points in {dimension} dimensions is undefined; give n >= 2, d >= 1"
        )
    return float(sigma_data / np.sqrt(np.expm1(2 * np.log(train_size) / dimension)))


def mean_effective_number(points: Float64[np.ndarray, "n d"], noise: Float64[np.ndarray, "m d"], sigma: float) -> float:
    """Mean of 1 / sum w_i^2 over noised training points x_k + sigma * noise_k, k < m <= n."""
    noised = points[: len(noise)] + sigma * noise
    weights = posterior(noised, points, sigma).weights
    return float(np.mean(1 / np.einsum("mn,mn->m", weights, weights)))


def measured_collapse(train_size: int, dimension: int, seed: int) -> Collapse:
    """The level at which the mean effective number falls to CONCENTRATED, for one draw of a Gaussian training set.

    The same points and noise serve every level, so the effective number is a smooth function of sigma with one root.
    """
    from scipy.optimize import brentq  # costs 0.2 s at start-up

    theory = collapse_sigma(train_size, dimension)
    rng = np.random.default_rng(seed)
    points = SIGMA_DATA * rng.standard_normal((train_size, dimension))
    noise = rng.standard_normal((min(train_size, QUERIES), dimension))

    def excess(log_sigma: float) -> float:
        return mean_effective_number(points, noise, float(np.exp(log_sigma))) - CONCENTRATED

    # Far below sigma_C one point has all the weight, far above all n share it.
    low, high = np.log(theory / 30), np.log(theory + 30 * SIGMA_DATA)
    if excess(high) <= 0:
        return Collapse(dimension, train_size, theory, float("nan"), float("nan"))
    measured = math.exp(cast(float, brentq(excess, low, high, xtol=1e-4)))
    return Collapse(dimension, train_size, theory, measured, measured / theory)
