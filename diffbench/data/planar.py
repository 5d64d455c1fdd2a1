"""Planar data sets: curves and blobs in R^2 whose true distribution can be sampled exactly, without bound.

A set is a true distribution (a curve or a grid of centres) plus isotropic Gaussian noise of a given standard deviation.
All sets have extent RADIUS, so that one error scale delta means the same in each of them. They are not scaled to
SIGMA_DATA here: lengths are in units of the circle of radius 10 on which the closed forms were checked.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from diffbench.conventions import DiffbenchError

Points = NDArray[np.float64]
"""Points of the plane, (n, 2)."""

RADIUS = 10.0
BLOBS_PER_SIDE = 5
SPIRAL_TURNS = 2.0
DENSE_SHARE = 0.9
"""Share of the probability that the dense half of `dense-sparse` carries."""


class PlanarSet(NamedTuple):
    """Training and validation points of one planar set, equally many."""

    train: Points
    validation: Points


def check_points(points: int) -> None:
    """Refuse a total number of points that cannot be halved into training and validation points."""
    if points < 2:
        raise DiffbenchError(f"points: {points} is too few; give an even number of at least 2 (half of them train)")
    if points % 2:
        raise DiffbenchError(f"points: {points} is odd; give an even number, half train and half validation")


def on_circle(angles: NDArray[np.float64], radius: float = RADIUS) -> Points:
    """Points of the circle at `angles` (n,) in radians. Shape (n, 2)."""
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def equidistant(count: int) -> Points:
    """`count` equidistant points of the circle, the first at angle 0. Shape (count, 2)."""
    return on_circle(2 * np.pi * np.arange(count) / count)


def spacing(count: int) -> float:
    """Distance of neighbours among `count` equidistant points of the circle."""
    return float(2 * RADIUS * np.sin(np.pi / count))


def _circle(count: int, rng: np.random.Generator) -> Points:
    return on_circle(rng.uniform(0, 2 * np.pi, count))


def _moons(count: int, rng: np.random.Generator) -> Points:
    """Two interlocking half circles of radius R/2, about (-R/4, -R/8) and (R/4, R/8)."""
    arc = on_circle(rng.uniform(0, np.pi, count), RADIUS / 2)
    upper = rng.random(count) < 0.5
    centre = np.array([RADIUS / 4, RADIUS / 8])
    return np.where(upper[:, None], arc - centre, centre - arc)


def _spiral(count: int, rng: np.random.Generator) -> Points:
    """Archimedean spiral; the radius R * sqrt(u) is uniform in length but for the innermost turn."""
    share = np.sqrt(rng.random(count))
    return share[:, None] * on_circle(2 * np.pi * SPIRAL_TURNS * share)


def _blobs(count: int, rng: np.random.Generator) -> Points:
    """Centres of a square grid over [-R, R]^2; the noise makes them blobs."""
    axis = np.linspace(-RADIUS, RADIUS, BLOBS_PER_SIDE)
    return axis[rng.integers(0, BLOBS_PER_SIDE, (count, 2))]


def _dense_sparse(count: int, rng: np.random.Generator) -> Points:
    """Circle whose upper half carries DENSE_SHARE of the probability, the lower half the rest."""
    half = np.where(rng.random(count) < DENSE_SHARE, 0.0, np.pi)
    return on_circle(half + rng.uniform(0, np.pi, count))


TRUE_DISTRIBUTIONS: dict[str, Callable[[int, np.random.Generator], Points]] = {
    "circle-symmetric": _circle,
    "circle-random": _circle,
    "moons": _moons,
    "spiral": _spiral,
    "blobs": _blobs,
    "dense-sparse": _dense_sparse,
}


def _check(name: str, noise: float) -> None:
    if name not in TRUE_DISTRIBUTIONS:
        raise DiffbenchError(f"planar set {name!r} is unknown; choose one of {', '.join(TRUE_DISTRIBUTIONS)}")
    if not 0 <= noise < np.inf:
        raise DiffbenchError(f"noise: {noise} is not a standard deviation; give a number >= 0")
    if name == "blobs" and noise == 0:
        raise DiffbenchError("noise: 0 leaves the blobs without width, every point a duplicate; give a number > 0")


def sample_true(name: str, count: int, noise: float, seed: int) -> Points:
    """Independent draws from the true distribution of a set. Shape (count, 2).

    noise: standard deviation of the Gaussian added to the curve, in the units of RADIUS. Independent of `planar_set`
    for another seed; for the same seed these are the points of `planar_set`, unless that is the symmetric circle.
    """
    _check(name, noise)
    rng = np.random.default_rng(seed)
    clean = TRUE_DISTRIBUTIONS[name](count, rng)
    return clean + noise * rng.standard_normal((count, 2))


def planar_set(name: str, points: int, noise: float, seed: int) -> PlanarSet:
    """A training and a validation set of points / 2 each.

    circle-symmetric: `points` equidistant points of the circle, each moved by the noise; even ones train, odd ones are
    validation points. All other sets: independent draws from the true distribution, the first half trains.
    """
    check_points(points)
    _check(name, noise)
    if name == "circle-symmetric":
        shift = noise * np.random.default_rng(seed).standard_normal((points, 2))
        both = equidistant(points) + shift
        return PlanarSet(both[0::2], both[1::2])
    both = sample_true(name, points, noise, seed)
    return PlanarSet(both[: points // 2], both[points // 2 :])
