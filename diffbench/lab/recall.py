"""The probability that a generated point recalls a training point, exactly.

The flow of y_delta generates the kernel density mean_i N(x_i, delta^2 I). A generated point recalls x_i if its distance
to x_i is less than a third of that to any other training point, as a sample counts as memorized. From x_i along a ray
these points reach as far as the Apollonius circle that comes first, and along the ray the density's integral is in
closed form. One quadrature over the angle remains.
"""

import numpy as np
from scipy.special import ndtr

from diffbench.conventions import DiffbenchError
from diffbench.denoisers.blends import check_delta
from diffbench.measures.near_duplicates import THRESHOLD
from diffbench.shapes import Float64

ANGLES = 1024
"""Trapezoid nodes about each training point; the kinks between two circles leave an error below 1e-6."""

BLOCK_ELEMENTS = 2**18


def recall_probability(train: Float64[np.ndarray, "n 2"], delta: float) -> float:
    """P(d1/d2 < 1/3) of a point of the kernel density of bandwidth delta, d1 and d2 the least distances to two points.

    A training point that coincides with another is never recalled, since d1 = d2; nor, nearly, is one with a near
    duplicate, where the measure of samples (`measures.memorization`) looks beyond it. Without such points both agree.
    DiffbenchError for fewer than two points.
    """
    check_delta(delta)
    if len(train) < 2:
        raise DiffbenchError(f"recall: {len(train)} training points have no second nearest one; give 2 or more")
    angles = 2 * np.pi * (np.arange(ANGLES) + 0.5) / ANGLES
    rays = np.stack([np.cos(angles), np.sin(angles)])  # (2, a)
    return sum(_region_probability(train, index, delta, rays) for index in range(len(train))) / len(train)


def _region_probability(
    train: Float64[np.ndarray, "n 2"], index: int, delta: float, rays: Float64[np.ndarray, "2 a"]
) -> float:
    """Sum over the kernels of the probability of the points that recall one training point."""
    offsets = train[index] - train  # that point seen from the kernels
    square = np.einsum("nd,nd->n", offsets, offsets)
    blocks = np.array_split(np.arange(len(train)), -(-len(train) * rays.shape[1] // BLOCK_ELEMENTS))
    others = [rows[rows != index] for rows in blocks]
    lengths = np.min([_reach(-offsets[rows] @ rays, square[rows]) for rows in others if len(rows)], axis=0)
    mass = sum(float(_ray_integral(offsets[r] @ rays, square[r][:, None], lengths, delta).sum()) for r in blocks)
    return mass * 2 * np.pi / rays.shape[1]


def _reach(approach: Float64[np.ndarray, "b a"], square: Float64[np.ndarray, " b"]) -> Float64[np.ndarray, " a"]:
    """How far r reaches along each ray u before r = |r u - s| / 3 for some of the separations s to other points.

    approach = u.s, square = s.s: the positive root of r^2 (1 - q) + 2 q r u.s - q s.s, with q = 1/9.
    """
    q = THRESHOLD**2
    return ((np.sqrt((q * approach) ** 2 + q * (1 - q) * square[:, None]) - q * approach) / (1 - q)).min(axis=0)


def _ray_integral(
    along: Float64[np.ndarray, "b a"],
    square: Float64[np.ndarray, "b 1"],
    lengths: Float64[np.ndarray, " a"],
    delta: float,
) -> Float64[np.ndarray, "b a"]:
    """Integral over r in [0, L] of r N(o + r u; 0, delta^2 I), with along = o.u and square = o.o."""
    across = np.maximum(0.0, square - along**2)
    scale = np.exp(-across / (2 * delta**2)) / (2 * np.pi * delta**2)
    start, stop = along / delta, (along + lengths) / delta
    gaussian = delta**2 * (np.exp(-(start**2) / 2) - np.exp(-(stop**2) / 2))
    # The tail of the nearer side keeps digits where both ends lie far out.
    sign = np.where(start > 0, -1.0, 1.0)
    linear = along * delta * np.sqrt(2 * np.pi) * np.abs(ndtr(sign * stop) - ndtr(sign * start))
    return scale * (gaussian - linear)
