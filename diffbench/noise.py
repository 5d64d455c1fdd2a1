"""Noise of measuring and sampling: pure functions of what it is for, never of batch size, checkpoint or device.

Equal arguments give equal noise, so checkpoints are compared on common random numbers, and samples of two models that
start from one noise form pairs.
"""

import numpy as np

from diffbench.conventions import seed_of
from diffbench.shapes import Float32


def gap_noise(
    split: str,
    level: int,
    draw: int,
    images: int,
    dimension: int,
    out: Float32[np.ndarray, "{images} {dimension}"] | None = None,
) -> Float32[np.ndarray, "{images} {dimension}"]:
    """Noise under a denoising loss, into `out` if given; image i's row does not depend on the number of images."""
    return _normal((images, dimension), "gap", split, level, draw, out=out)


def overlap_noise(split: str, level: int, images: int, dimension: int) -> Float32[np.ndarray, "{images} {dimension}"]:
    """Noise of the images that a sampler's states are compared with at each of its levels."""
    return _normal((images, dimension), "overlap", split, level)


def neighbor_noise(split: str, level: int, images: int, dimension: int) -> Float32[np.ndarray, "{images} {dimension}"]:
    """Noise of the images that a few states are looked at beside, at one of a sampler's levels."""
    return _normal((images, dimension), "neighbor", split, level)


def probe_signs(purpose: str, probe: int, images: int, dimension: int) -> Float32[np.ndarray, "{images} {dimension}"]:
    """Signs along which a Jacobian is probed at each image; a row does not depend on the number of images."""
    rng = np.random.default_rng(seed_of("probe", purpose, probe))
    return rng.integers(0, 2, (images, dimension), dtype=np.int8).astype(np.float32) * 2 - 1


def _normal(
    shape: tuple[int, ...], *purpose: str | int, out: Float32[np.ndarray, "..."] | None = None
) -> Float32[np.ndarray, "..."]:
    return np.random.default_rng(seed_of(*purpose)).standard_normal(shape, dtype=np.float32, out=out)


def sample_noise(first: int, count: int, dimension: int) -> Float32[np.ndarray, "{count} {dimension}"]:
    """Initial noise of samples first .. first + count - 1: one random stream per sample."""
    return np.stack([_normal((dimension,), "sample", index) for index in range(first, first + count)])
