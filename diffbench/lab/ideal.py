"""The closed-form denoisers of the plane, in numpy: the optimum, y_delta, and one guided by another.

They take one noise level per call, where networks take one per sample, and they need no torch.
"""

from collections.abc import Callable

import numpy as np

from diffbench.denoisers.blends import blur, check_delta, extrapolate
from diffbench.denoisers.posterior import posterior
from diffbench.shapes import Float64

PlanarDenoiser = Callable[[Float64[np.ndarray, "m 2"], float], Float64[np.ndarray, "m 2"]]
"""Estimate of x0 from x, at one noise level sigma."""

BLOCK_ELEMENTS = 2**18
"""Posterior weights held at once (2 MB): they stay in the cache, and memory does not grow with the points."""

FEWEST_ROWS = 16
"""Rows of a block with very many training points, whose squared norms each block computes anew."""


def optimum(train: Float64[np.ndarray, "n 2"]) -> PlanarDenoiser:
    """The optimal denoiser y* of the training points (Karras et al. 2022, appendix B.3)."""
    rows = max(FEWEST_ROWS, BLOCK_ELEMENTS // len(train))

    def denoise(x: Float64[np.ndarray, "m 2"], sigma: float) -> Float64[np.ndarray, "m 2"]:
        result = np.empty_like(x)
        for start in range(0, len(x), rows):
            block = slice(start, start + rows)
            result[block] = posterior(x[block], train, sigma).weights @ train
        return result

    return denoise


def blurred(train: Float64[np.ndarray, "n 2"], delta: float) -> PlanarDenoiser:
    """The error-prone denoiser y_delta of the training points, delta > 0 in the units of the data."""
    check_delta(delta)
    sharp = optimum(train)
    return lambda x, sigma: blur(x, sharp(x, float(np.hypot(sigma, delta))), sigma, delta)


def guided(denoiser: PlanarDenoiser, negative: PlanarDenoiser, weight: float) -> PlanarDenoiser:
    """The denoiser D + w * (D - D_neg), w = 0 off (autoguidance, Karras et al. 2024, arXiv 2406.02507)."""
    if weight == 0:
        return denoiser
    return lambda x, sigma: extrapolate(denoiser(x, sigma), negative(x, sigma), weight)
