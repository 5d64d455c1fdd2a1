"""The conventions that every stage shares; they stand here and nowhere else.

Data x0 in R^d have standard deviation SIGMA_DATA; noised data are x = x0 + sigma * n, n ~ N(0, I)
(variance exploding, Karras et al. 2022, arXiv 2206.00364).
"""

import hashlib

import numpy as np

from diffbench.shapes import Float64

SIGMA_DATA = 0.5
SIGMA_MIN = 0.002
SIGMA_MAX = 80.0
RHO = 7.0

SCHEMA_VERSION = 4
"""Of the files of results: those of another are made anew."""

CONFIDENCE = 0.95
"""Coverage of every interval that is reported."""

RESULTS = "results"
"""Folder of the working directory in which each study has one of its own."""


class DiffbenchError(Exception):
    """An error that the user can mend: its text names the file or key, what is wrong and what to do."""


def karras_sigmas(
    steps: int, sigma_min: float = SIGMA_MIN, sigma_max: float = SIGMA_MAX, rho: float = RHO
) -> Float64[np.ndarray, " {steps}"]:
    """Noise levels of the sampler, falling from sigma_max to sigma_min. Karras et al. 2022, eq. 5."""
    ramp = np.linspace(0.0, 1.0, steps)
    top, bottom = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    levels = (top + ramp * (bottom - top)) ** rho
    levels[-1], levels[0] = sigma_min, sigma_max  # exactly: an interval of guidance may end there
    return levels


def log_sigmas(
    levels: int, sigma_min: float = SIGMA_MIN, sigma_max: float = SIGMA_MAX
) -> Float64[np.ndarray, " {levels}"]:
    """Noise levels of the denoising gap, rising, equally spaced in ln(sigma)."""
    return np.geomspace(sigma_min, sigma_max, levels)


def seed_of(*parts: str | int) -> int:
    """A 63-bit seed that is a pure function of what it is for, such as ("noise", seed, step).

    Hashing keeps streams for different purposes apart, where adding integers to a base seed would let them collide.
    """
    text = "/".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1
