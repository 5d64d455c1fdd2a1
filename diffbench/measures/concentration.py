"""How the optimal denoiser's posterior over training images concentrates at noised points, and their density."""

from dataclasses import dataclass

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.denoisers.posterior import posterior_of_scores
from diffbench.measures.centered import Centered
from diffbench.measures.neighbors import Images, require_finite
from diffbench.shapes import Float, Float64

BLOCK_ELEMENTS = 2**24


@dataclass(frozen=True)
class Concentration:
    """One number per point x."""

    largest_weight: Float64[np.ndarray, " m"]  # max_i w_i, near 1: x is pulled to one training image
    effective_number: Float64[np.ndarray, " m"]  # 1 / sum_i w_i^2, training images that share the weight
    log_density: Float64[np.ndarray, " m"]  # ln p_sigma(x)
    distance: Float64[np.ndarray, " m"]  # to the nearest training image, L2


def concentration(points: Float[Images, "m d"], train: Centered, sigma: float) -> Concentration:
    """Concentration at noised points at one noise level sigma > 0, given the training images.

    Memory: blocks of about 0.5 GB.
    """
    if not sigma > 0:
        raise DiffbenchError(f"concentration: sigma is {sigma}; it must be above 0")
    require_finite(points, "points")
    step = max(1, BLOCK_ELEMENTS // len(train.shifted))
    parts: list[tuple[np.ndarray, ...]] = []
    for start in range(0, points.shape[0], step):
        block = np.asarray(points[start : start + step])
        shifted = train.about_center(block)
        scores = train.scores(shifted)
        distance = train.nearest_by_scores(block, shifted, scores)
        weights, log_density = posterior_of_scores(shifted, scores, sigma)
        parts.append(
            (
                weights.max(axis=1),
                1 / np.einsum("ij,ij->i", weights, weights),
                log_density,
                distance,
            )
        )
    return Concentration(*(np.concatenate(column) for column in zip(*parts, strict=True)))
