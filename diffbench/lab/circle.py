"""The denoising gap of closed-form denoisers on the circle, without Monte-Carlo error.

Symmetric circle: N equidistant points, even ones train, odd ones validation. Toy gap: relative difference of the mean
L2 norm of the error (Kaiser & Kollmann, arXiv 2603.13419); the same with mean squares beside it.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np

from diffbench.conventions import DiffbenchError, karras_sigmas
from diffbench.data.planar import RADIUS, check_points, equidistant, on_circle
from diffbench.lab.ideal import PlanarDenoiser, blurred, guided
from diffbench.lab.quadrature import OUTERMOST, TOLERANCE, converged_errors
from diffbench.shapes import Float64

LEVELS = 120
"""Karras noise levels of the toy gap, from 80 to 0.002."""

ROUNDING = 1e-12
"""A relative gap below this is the rounding of float64, not a gap."""


@dataclass(frozen=True)
class GapCurve:
    """Mean errors over the training and over the validation points at each of L noise levels."""

    sigmas: Float64[np.ndarray, " L"]
    train: Float64[np.ndarray, " L"]  # mean L2 norm
    validation: Float64[np.ndarray, " L"]
    train_square: Float64[np.ndarray, " L"]  # mean squared L2 norm
    validation_square: Float64[np.ndarray, " L"]
    change: Float64[np.ndarray, " L"]  # relative change at the quadrature's last doubling

    @property
    def gap(self) -> Float64[np.ndarray, " L"]:
        """Relative gap (validation - train) / train of the mean norms."""
        return (self.validation - self.train) / self.train

    @property
    def gap_square(self) -> Float64[np.ndarray, " L"]:
        """Relative gap (validation - train) / train of the mean squares."""
        return (self.validation_square - self.train_square) / self.train_square


class Peak(NamedTuple):
    """Highest gap over the noise levels. Where no gap is above rounding, all but the gaps are nan."""

    peak_gap: float
    sigma_at_peak: float
    train_error: float  # mean L2 norm at the peak
    validation_error: float
    peak_gap_mse: float
    sigma_at_peak_mse: float


class CirclePeak(NamedTuple):
    """One setting of a sweep and its peak."""

    points: int
    delta: float
    guide_delta: float | None
    guidance: float
    peak: Peak


def gap_curve(
    denoiser: PlanarDenoiser,
    train: Float64[np.ndarray, "n 2"],
    validation: Float64[np.ndarray, "v 2"],
    sigmas: Float64[np.ndarray, " L"],
    tolerance: float = TOLERANCE,
    mirrored: bool = False,
) -> GapCurve:
    """Gap of any planar denoiser between training points and validation points, by quadrature.

    mirrored: each point's direction from the origin is an axis of symmetry, so that half the nodes do.
    """
    both = np.concatenate([train, validation])
    rows = []
    for sigma in sigmas:
        errors = converged_errors(denoiser, both, float(sigma), tolerance, mirrored)
        seen, unseen = errors.mean(slice(None, len(train))), errors.mean(slice(len(train), None))
        rows.append((sigma, seen[0], unseen[0], seen[1], unseen[1], errors.change))
    return GapCurve(*np.array(rows).T)


def ideal_denoiser(
    train: Float64[np.ndarray, "n 2"],
    delta: float,
    guide_delta: float | None = None,
    guidance: float = 0.0,
) -> PlanarDenoiser:
    """The denoiser y_delta, or y_delta guided by y_guide_delta with weight `guidance`."""
    if not math.isfinite(guidance):
        raise DiffbenchError(f"guidance: {guidance} is not a weight; give a finite number, 0 for none")
    if guide_delta is None:
        if guidance != 0:
            raise DiffbenchError(f"guidance: {guidance} has nothing to guide with; give guide_delta too")
        return blurred(train, delta)
    return guided(blurred(train, delta), blurred(train, guide_delta), guidance)


def symmetric_curve(
    points: int,
    delta: float,
    guide_delta: float | None = None,
    guidance: float = 0.0,
    sigmas: Float64[np.ndarray, " L"] | None = None,
    tolerance: float = TOLERANCE,
) -> GapCurve:
    """Gap on the symmetric circle of `points` points in total, at the 120 Karras levels or at others.

    All training points are alike, and so are all validation points: one of each stands for all, on an axis of symmetry.
    """
    check_points(points)
    ideal_denoiser(equidistant(1), delta, guide_delta, guidance)  # refuses bad scales before the work starts
    smallest = delta if guide_delta is None else min(delta, guide_delta)

    def denoise(x: Float64[np.ndarray, "m 2"], sigma: float) -> Float64[np.ndarray, "m 2"]:
        train = equidistant(min(points // 2, ring_limit(smallest, sigma)))
        return ideal_denoiser(train, delta, guide_delta, guidance)(x, sigma)

    clean = on_circle(np.array([0.0, 2 * np.pi / points]))
    levels = karras_sigmas(LEVELS) if sigmas is None else sigmas
    return gap_curve(denoise, clean[:1], clean[1:], levels, tolerance, mirrored=True)


def ring_limit(delta: float, sigma: float) -> int:
    """Number of equidistant points from which y_delta cannot be told from that of the full circle in float64.

    With z = R |x| / s~^2, the sum of the weights over n equidistant points differs from the circle's integral by
    2 I_n(z) / I_0(z) (Jacobi-Anger expansion), about 2 exp(-n^2 / 2z) while n < z, and less beyond.
    """
    z = RADIUS * (RADIUS + OUTERMOST * sigma) / (sigma**2 + delta**2)
    return 16 + math.ceil(math.sqrt(2 * z * -math.log(np.finfo(np.float64).eps / 2)))


def find_peak(curve: GapCurve) -> Peak:
    """The highest gap of a curve, for norms and for squares."""
    top, top_square = int(np.argmax(curve.gap)), int(np.argmax(curve.gap_square))
    gap, gap_square = float(curve.gap[top]), float(curve.gap_square[top_square])
    seen = gap > ROUNDING
    return Peak(
        peak_gap=gap,
        sigma_at_peak=float(curve.sigmas[top]) if seen else math.nan,
        train_error=float(curve.train[top]) if seen else math.nan,
        validation_error=float(curve.validation[top]) if seen else math.nan,
        peak_gap_mse=gap_square,
        sigma_at_peak_mse=float(curve.sigmas[top_square]) if gap_square > ROUNDING else math.nan,
    )


def sweep(
    points: Iterable[int],
    deltas: Iterable[float],
    guide_delta: float | None = None,
    guidances: Iterable[float] = (0.0,),
) -> Iterator[CirclePeak]:
    """Peaks on the symmetric circle over the product of total points, error scales and guidance weights."""
    for total, delta, guidance in product(points, deltas, guidances):
        curve = symmetric_curve(total, delta, guide_delta, guidance)
        yield CirclePeak(total, delta, guide_delta, guidance, find_peak(curve))
