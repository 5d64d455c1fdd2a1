"""How the optimal denoiser's posterior over training images concentrates at noised points, and their density."""

from dataclasses import dataclass

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.denoisers.posterior import posterior
from diffbench.measures.neighbors import Images, require_finite
from diffbench.shapes import Float, Float64

BLOCK_ELEMENTS = 2**24


@dataclass(frozen=True)
class Concentration:
    """One number per point x."""

    largest_weight: Float64[np.ndarray, " m"]  # max_i w_i, near 1: x is pulled to one training image
    effective_number: Float64[np.ndarray, " m"]  # 1 / sum_i w_i^2, training images that share the weight
    log_density: Float64[np.ndarray, " m"]  # ln p_sigma(x)


def concentration(points: Float[Images, "m d"], train: Float[Images, "n d"], sigma: float) -> Concentration:
    """Concentration at noised points at one noise level sigma > 0, given the training images.

    Memory: the training images once in float64, and blocks of about 0.5 GB.
    """
    if not sigma > 0:
        raise DiffbenchError(f"concentration: sigma is {sigma}; it must be above 0")
    require_finite(points, "points")
    require_finite(train, "train")
    images = np.asarray(train[:], dtype=np.float64)
    # Distances decide, not positions: a shift to the mean costs nothing and saves digits.
    center = images.mean(axis=0)
    images = images - center
    step = max(1, BLOCK_ELEMENTS // len(images))
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for start in range(0, points.shape[0], step):
        block = np.asarray(points[start : start + step], dtype=np.float64) - center
        weights, log_density = posterior(block, images, sigma)
        parts.append((weights.max(axis=1), 1 / np.einsum("ij,ij->i", weights, weights), log_density))
    return Concentration(*(np.concatenate(column) for column in zip(*parts, strict=True)))
