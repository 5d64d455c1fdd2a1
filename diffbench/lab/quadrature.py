"""The expectation over the noise of a denoiser's error in the plane, by quadrature: no Monte-Carlo error.

E_n ||D(x0 + s n, s) - x0||, n ~ N(0, I_2), in polar coordinates of n: Gauss-Legendre in the radius, trapezoid in the
angle, each doubled until the result stands still. The norm has a kink where the error is 0, and the posterior switches
steeply between training points when s is small, so a fixed number of nodes is either wasteful or wrong. Radius and
angle are doubled apart, since a steep boundary through x0 may take a thousand angles and no more than 48 radii.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from diffbench.lab.ideal import PlanarDenoiser
from diffbench.shapes import Complex128, Float64

OUTERMOST = 8.0
"""Largest |n|: the plane beyond carries exp(-32) = 1e-14 of the probability."""

TOLERANCE = 5e-5
"""Accepted relative change of a mean error when the nodes double; the error left is a fraction of it."""

COARSEST = (16, 32)
FINEST = (512, 4096)
"""Radii and angles of the first attempt and of the last."""


class Nodes(NamedTuple):
    """Quadrature nodes of N(0, I_2): offsets n in the complex plane, and weights that sum to 1."""

    offsets: Complex128[np.ndarray, " m"]
    weights: Float64[np.ndarray, " m"]


class Errors(NamedTuple):
    """Expected error of a denoiser at each of k clean points."""

    norm: Float64[np.ndarray, " k"]  # E ||D - x0||
    square: Float64[np.ndarray, " k"]  # E ||D - x0||^2
    change: float  # largest relative change at the last doubling; above the tolerance: not converged

    def mean(self, part: slice) -> tuple[float, float]:
        """Mean norm and mean square over some of the clean points."""
        return float(self.norm[part].mean()), float(self.square[part].mean())


@lru_cache(maxsize=16)
def polar_nodes(radii: int, angles: int, mirrored: bool = False) -> Nodes:
    """Nodes of the plane's standard normal distribution: `radii` x `angles` of them.

    Only the upper half of them where `mirrored` promises that the lower half gives the same.
    """
    node, weight = np.polynomial.legendre.leggauss(radii)
    radius = (node + 1) / 2 * OUTERMOST
    density = radius * np.exp(-(radius**2) / 2) * weight
    # Half a step off the axis: kinks lie on it by symmetry, and no node then sits on one.
    used = angles // 2 if mirrored else angles
    turn = np.exp(2j * np.pi * (np.arange(used) + 0.5) / angles)
    return Nodes(
        (radius[:, None] * turn).ravel().astype(np.complex128),
        np.repeat(density / density.sum() / used, used),
    )


def expected_errors(denoiser: PlanarDenoiser, clean: Float64[np.ndarray, "k 2"], sigma: float, nodes: Nodes) -> Errors:
    """Expected errors at the clean points with given nodes.

    The angle of n is measured from the direction of x0. Two points that see the same neighbourhood, but turned, then
    get the same quadrature error, and it cancels in the gap: gaps far below the tolerance are still right.
    """
    norm, square = np.empty(len(clean)), np.empty(len(clean))
    for index, (a, b) in enumerate(clean):
        x0 = complex(a, b)
        noise = nodes.offsets * np.exp(1j * np.angle(x0))
        noised = x0 + sigma * noise
        difference = denoiser(noised.view(np.float64).reshape(-1, 2), sigma) - clean[index]
        squares = np.einsum("md,md->m", difference, difference)
        norm[index], square[index] = nodes.weights @ np.sqrt(squares), nodes.weights @ squares
    return Errors(norm, square, np.inf)


def converged_errors(
    denoiser: PlanarDenoiser,
    clean: Float64[np.ndarray, "k 2"],
    sigma: float,
    tolerance: float = TOLERANCE,
    mirrored: bool = False,
) -> Errors:
    """Expected errors at the clean points, with radii, then angles, doubled until no point's error changes any more.

    That is by more than `tolerance`; `change` tells whether the finest nodes sufficed. One set of nodes serves all
    points, so that quadrature errors cancel between them. mirrored: each clean point's direction from the origin is an
    axis of symmetry.
    """
    radii, angles = COARSEST
    radial, errors = np.inf, expected_errors(denoiser, clean, sigma, polar_nodes(radii, angles, mirrored))
    while radial > tolerance and radii < FINEST[0]:
        radii *= 2
        coarse, errors = errors, expected_errors(denoiser, clean, sigma, polar_nodes(radii, angles, mirrored))
        radial = _change(coarse, errors)
    angular = np.inf
    while angular > tolerance and angles < FINEST[1]:
        angles *= 2
        coarse, errors = errors, expected_errors(denoiser, clean, sigma, polar_nodes(radii, angles, mirrored))
        angular = _change(coarse, errors)
    return errors._replace(change=max(radial, angular))


def _change(coarse: Errors, fine: Errors) -> float:
    """Largest relative change of a mean error."""
    smallest = np.finfo(np.float64).tiny
    changes = [
        np.abs(new - old) / np.maximum(new, smallest)
        for old, new in ((coarse.norm, fine.norm), (coarse.square, fine.square))
    ]
    return float(np.max(changes))
