"""Numbers behind the pictures of the plane: the flow field on a grid, and the error along the circle."""

from typing import NamedTuple

import numpy as np

from diffbench.data.planar import RADIUS, on_circle
from diffbench.lab.flow import velocity
from diffbench.lab.ideal import PlanarDenoiser
from diffbench.lab.quadrature import converged_errors
from diffbench.shapes import Float64


class FlowField(NamedTuple):
    """The field dx/ds of the probability flow at one noise level, on a square grid."""

    positions: Float64[np.ndarray, "side*side 2"]
    velocities: Float64[np.ndarray, "side*side 2"]
    sigma: float


class AngularProfile(NamedTuple):
    """Expected error along the circle at one noise level."""

    angles: Float64[np.ndarray, " k"]  # radians
    norm: Float64[np.ndarray, " k"]  # E ||D - x0||
    square: Float64[np.ndarray, " k"]  # E ||D - x0||^2


def flow_field(denoiser: PlanarDenoiser, sigma: float, side: int, extent: float = 1.5 * RADIUS) -> FlowField:
    """Flow field on side x side positions over [-extent, extent]^2."""
    axis = np.linspace(-extent, extent, side)
    positions = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    return FlowField(positions, velocity(denoiser, positions, sigma), sigma)


def angular_profile(denoiser: PlanarDenoiser, sigma: float, angles: Float64[np.ndarray, " k"]) -> AngularProfile:
    """Expected error of a denoiser for clean points of the circle: low at training points, high between."""
    errors = converged_errors(denoiser, on_circle(angles), sigma)
    return AngularProfile(angles, errors.norm, errors.square)
