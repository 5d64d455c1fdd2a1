"""The probability that a generated point recalls a training point, exactly.

The flow of y_delta generates the kernel density mean_i N(x_i, delta^2 I). A generated point recalls if it lies within
`radius` of a training point, so the probability is that of the union of the discs. Each disc is cut to the part nearer
to its centre than to any other: the parts fill the union and do not overlap, and along a ray from the centre the
density's integral is in closed form. One quadrature over the angle remains. Where discs are disjoint, the parts are
whole discs and the sum is that of non-central chi-squares.
"""

import numpy as np
from scipy.special import ndtr

from diffbench.conventions import DiffbenchError
from diffbench.denoisers.blends import check_delta
from diffbench.shapes import Float64

ANGLES = 1024
"""Trapezoid nodes about each training point; where discs overlap, the kink at the cut leaves an error of 1e-6."""

BLOCK_ELEMENTS = 2**18


def recall_probability(train: Float64[np.ndarray, "n 2"], delta: float, radius: float) -> float:
    """P(a point of the kernel density of bandwidth delta lies within `radius` of one of the training points)."""
    check_delta(delta)
    if not radius > 0:
        raise DiffbenchError(f"radius: {radius} holds no point; give a number > 0 in the units of the data")
    angles = 2 * np.pi * (np.arange(ANGLES) + 0.5) / ANGLES
    rays = np.stack([np.cos(angles), np.sin(angles)])  # (2, a)
    total = sum(float(_disc_probability(train, index, delta, radius, rays)) for index in range(len(train)))
    return total / len(train)


def _disc_probability(
    train: Float64[np.ndarray, "n 2"], index: int, delta: float, radius: float, rays: Float64[np.ndarray, "2 a"]
) -> float:
    """Sum over the kernels of the probability of one disc's part."""
    lengths = _cut(train, index, radius, rays)
    mass = 0.0
    rows = max(1, BLOCK_ELEMENTS // rays.shape[1])
    for start in range(0, len(train), rows):
        offsets = train[index] - train[start : start + rows]  # disc centre seen from the kernels, (b, 2)
        along = offsets @ rays  # (b, a)
        square = np.einsum("bd,bd->b", offsets, offsets)[:, None]
        mass += float(_ray_integral(along, square, lengths, delta).sum()) * 2 * np.pi / rays.shape[1]
    return mass


def _cut(
    train: Float64[np.ndarray, "n 2"], index: int, radius: float, rays: Float64[np.ndarray, "2 a"]
) -> Float64[np.ndarray, " a"]:
    """Length of each ray from a training point to the disc's rim or to the bisector with a neighbour."""
    separations = np.delete(train, index, axis=0) - train[index]
    square = np.einsum("nd,nd->n", separations, separations)
    near = (square > 0) & (square < 4 * radius**2)
    # Of points that coincide, the first owns the disc.
    if np.any(square[:index] == 0):
        return np.zeros(rays.shape[1])
    lengths = np.full(rays.shape[1], radius)
    for separation, distance in zip(separations[near], square[near], strict=True):
        approach = separation @ rays
        ahead = approach > 0
        lengths[ahead] = np.minimum(lengths[ahead], distance / (2 * approach[ahead]))
    return lengths


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
