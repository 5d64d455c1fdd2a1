"""Planar sets as data sets of a study: their "images" are points, rows of length 2, split their own way.

Random sets: the pool and the validation points are independent draws from the true distribution.

The symmetric circle: a prefix of equidistant points would be an arc. So its n-subset is every k-th point of the whole
circle, and the n points halfway between are its validation points: the even and the odd points of a circle of 2n. Such
subsets are nested wherever one size divides the other.
"""

import numpy as np

from diffbench.conventions import DiffbenchError, seed_of
from diffbench.data.planar import TRUE_DISTRIBUTIONS, planar_set, sample_true
from diffbench.data.raw_images import Facts, mistake, unlabelled
from diffbench.data.scaling import fitted_scaling
from diffbench.data.subsets import Split
from diffbench.settings.data import DataSettings

NAMES = tuple(TRUE_DISTRIBUTIONS)
SYMMETRIC = "circle-symmetric"


def facts(spec: DataSettings) -> Facts:
    """What a study can be checked against. On the symmetric circle at most half of the points train."""
    points, noise = _settings(spec)
    try:
        sample_true(spec.name, 1, noise, 0)
    except DiffbenchError as error:
        raise mistake("noise", str(error).removeprefix("noise: ")) from None
    if spec.name != SYMMETRIC:
        return Facts(points, 0, (2,))
    if points % 2:
        raise mistake("points", f"{points} is odd; half of the circle's points train, half are validation")
    return Facts(points // 2, 0, (2,), equidistant=True)


def split(spec: DataSettings) -> Split:
    """The pool, and validation points except for the symmetric circle, whose pool holds both."""
    facts(spec)
    points, noise = _settings(spec)
    if spec.name == SYMMETRIC:
        halves = planar_set(spec.name, points, noise, seed_of("planar pool", spec.split_seed))
        pool = np.stack([halves.train, halves.validation], axis=1).reshape(points, 2)
        unseen = sample_true(spec.name, spec.validation, noise, seed_of("planar unseen", spec.split_seed))
        return Split(unlabelled(pool), None, fitted_scaling(pool), unlabelled(unseen))
    pool = sample_true(spec.name, points, noise, seed_of("planar pool", spec.split_seed))
    held_out = sample_true(spec.name, spec.validation, noise, seed_of("planar validation", spec.split_seed))
    return Split(unlabelled(pool), unlabelled(held_out), fitted_scaling(pool))


def _settings(spec: DataSettings) -> tuple[int, float]:
    if spec.points is None:
        raise mistake("points", f"'{spec.name}' needs the number of points to draw")
    return spec.points, spec.noise or 0.0
