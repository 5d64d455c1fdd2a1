"""The denoising gap in the plane by Monte Carlo, as for networks: a cross-check of the quadrature."""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtri  # scipy.stats would cost 0.3 s more at start-up

from diffbench.conventions import CONFIDENCE
from diffbench.lab.ideal import PlanarDenoiser
from diffbench.shapes import Float64


class SampledGap(NamedTuple):
    """Relative gap of the mean L2 norms with its interval, and the two mean errors."""

    gap: float
    low: float
    high: float
    train: float
    validation: float


def sampled_gap(
    denoiser: PlanarDenoiser,
    train: Float64[np.ndarray, "n 2"],
    validation: Float64[np.ndarray, "v 2"],
    sigma: float,
    draws: int,
    seed: int,
) -> SampledGap:
    """Gap at one noise level from `draws` noise vectors, common to all points (common random numbers).

    The points are taken as given, so the interval covers the expectation over the noise only; it is that of a ratio of
    means of paired values, linearized (delta method).
    """
    noise = np.random.default_rng(seed).standard_normal((draws, 2))
    seen, unseen = (_errors(denoiser, clean, sigma, noise) for clean in (train, validation))
    gap = unseen.mean() / seen.mean() - 1
    spread = np.std(unseen - (1 + gap) * seen, ddof=1) / (seen.mean() * np.sqrt(draws))
    half = float(ndtri(0.5 + CONFIDENCE / 2)) * spread
    return SampledGap(float(gap), float(gap - half), float(gap + half), float(seen.mean()), float(unseen.mean()))


def _errors(
    denoiser: PlanarDenoiser, clean: Float64[np.ndarray, "k 2"], sigma: float, noise: Float64[np.ndarray, "draws 2"]
) -> Float64[np.ndarray, " draws"]:
    """Error norm per noise vector, averaged over the clean points."""
    total = np.zeros(len(noise))
    for x0 in clean:
        total += np.linalg.norm(denoiser(x0 + sigma * noise, sigma) - x0, axis=1)
    return total / len(clean)
