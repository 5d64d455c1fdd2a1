"""The probability-flow ODE of the closed-form denoisers: solvers of order 1 and 2, and moments of end points.

dx/ds = (x - D(x, s)) / s. For y_delta the flow equals that of the optimum y* in the variable s~ = sqrt(s^2 + delta^2),
dx/ds~ = (x - y*(x, s~)) / s~, stopped at s~ = delta: it generates the Gaussian kernel density of the training points
with bandwidth delta (Kaiser & Kollmann, arXiv 2603.13419).
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from diffbench.conventions import DiffbenchError, karras_sigmas
from diffbench.lab.ideal import PlanarDenoiser, blurred
from diffbench.lab.quadrature import polar_nodes
from diffbench.shapes import Float64

Solver = Literal["euler", "heun"]

NODES = (24, 64)
"""Radii and angles of the start distribution about each training point.

They give covariances to 1e-3 of their size at delta 1.6; below, the map from noise to training point grows steep, and
more are needed.
"""

RING_NODES = (48, 128)


@dataclass(frozen=True)
class Moments:
    """First two moments of a distribution in the plane."""

    mean: Float64[np.ndarray, "2"]
    covariance: Float64[np.ndarray, "2 2"]


def sampling_grid(steps: int) -> Float64[np.ndarray, " {steps}+1"]:
    """Noise levels of a sampler with `steps` steps: the Karras grid, then 0."""
    return np.append(karras_sigmas(steps), 0.0)


def velocity(denoiser: PlanarDenoiser, x: Float64[np.ndarray, "m 2"], sigma: float) -> Float64[np.ndarray, "m 2"]:
    """Right-hand side dx/ds of the flow at x: the flow field that the pictures show."""
    return (x - denoiser(x, sigma)) / sigma


def trajectory(
    denoiser: PlanarDenoiser,
    start: Float64[np.ndarray, "m 2"],
    sigmas: Float64[np.ndarray, " L"],
    solver: Solver,
) -> Iterator[Float64[np.ndarray, "m 2"]]:
    """States at each level of falling `sigmas`, the start included (Karras et al. 2022, algorithm 1).

    A step to sigma = 0 is an Euler step, since the field is not defined there.
    """
    x = start
    yield x
    for here, there in pairwise(sigmas):
        slope = velocity(denoiser, x, here)
        end = x + (there - here) * slope
        if solver == "heun" and there > 0:
            end = x + (there - here) * (slope + velocity(denoiser, end, there)) / 2
        x = end
        yield x


def endpoint(
    denoiser: PlanarDenoiser, start: Float64[np.ndarray, "m 2"], sigmas: Float64[np.ndarray, " L"], solver: Solver
) -> Float64[np.ndarray, "m 2"]:
    """The last state of `trajectory`."""
    return deque(trajectory(denoiser, start, sigmas, solver), maxlen=1).pop()


def start_distribution(
    train: Float64[np.ndarray, "n 2"],
    delta: float,
    sigma: float,
    nodes: tuple[int, int] = NODES,
) -> tuple[Float64[np.ndarray, "m 2"], Float64[np.ndarray, " m"]]:
    """Quadrature nodes and weights of the data blurred by delta and noised to sigma.

    This is the exact distribution that the flow of y_delta carries at sigma.
    """
    around = polar_nodes(*nodes)
    offsets = around.offsets.view(np.float64).reshape(-1, 2) * np.hypot(sigma, delta)
    points = (train[:, None, :] + offsets[None, :, :]).reshape(-1, 2)
    return points, np.tile(around.weights / len(train), len(train))


def moments(points: Float64[np.ndarray, "m 2"], weights: Float64[np.ndarray, " m"] | None = None) -> Moments:
    """Mean and covariance of (weighted) points; without weights all count alike (divisor n)."""
    shares = np.full(len(points), 1 / len(points)) if weights is None else weights
    mean = shares @ points
    centred = points - mean
    return Moments(mean, (shares[:, None] * centred).T @ centred)


def ring_endpoint_moments(
    ring: Float64[np.ndarray, "n 2"], delta: float, sigmas: Float64[np.ndarray, " L"], solver: Solver
) -> Moments:
    """Moments of what y_delta generates with a solver on a grid, without Monte-Carlo error, for points of a ring.

    ring: n >= 3 equidistant points of a circle about the origin. With an exact flow: their covariance + (delta^2 +
    sigmas[-1]^2) I. What starts about one point stands for all: rotations by 2 pi / n average its mean to 0 and its
    second moment to a multiple of the identity. What that saves goes into fine nodes, for small delta.
    """
    if len(ring) < 3:
        raise DiffbenchError(f"ring: {len(ring)} points have no isotropic moments; give at least 3")
    start, weights = start_distribution(ring[:1], delta, float(sigmas[0]), RING_NODES)
    reached = endpoint(blurred(ring, delta), start, sigmas, solver)
    variance = float(weights @ np.einsum("md,md->m", reached, reached)) / 2
    return Moments(np.zeros(2), variance * np.eye(2))


def frechet_distance(first: Moments, second: Moments) -> float:
    """Squared Frechet distance of two Gaussians in the plane (Dowson & Landau 1982), in squared units of the data.

    In two dimensions tr (A B)^(1/2) = sqrt(tr(A B) + 2 sqrt(det A det B)): no matrix root is needed.
    """
    a, b = first.covariance, second.covariance
    cross = np.sqrt(np.trace(a @ b) + 2 * np.sqrt(max(0.0, np.linalg.det(a) * np.linalg.det(b))))
    shift = first.mean - second.mean
    return float(shift @ shift + np.trace(a) + np.trace(b) - 2 * cross)
