"""The split into validation and training pool, and the nested, class-balanced order of both."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffbench.conventions import seed_of
from diffbench.data.raw_images import RawImages, mistake
from diffbench.data.scaling import Scaling, fitted_scaling


@dataclass(frozen=True)
class Split:
    """Raw images in their final order. The n-subset for training is the first n images of the pool."""

    pool: RawImages
    validation: RawImages | None
    """None for equidistant points: there the n-subset is every k-th point of the pool, k = points / n, and the n
    points halfway between are its validation points."""
    scaling: Scaling
    unseen: RawImages | None = None
    """Draws from the true distribution in the place of validation images, where samples are judged: the points halfway
    between equidistant ones lie as far from them as can be, and would make a floor that no honest sampler reaches."""


def balanced_order(classes: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Indices such that every prefix holds each class equally often, to within one image.

    Rounds take one image of each class, in a random order of their own, until the smallest class is used up.
    """
    rng = np.random.default_rng(seed_of("split", seed))
    members = [rng.permutation(np.flatnonzero(classes == kind)) for kind in np.unique(classes)]
    rounds = min(len(indices) for indices in members)
    table = np.stack([indices[:rounds] for indices in members], axis=1)  # (rounds, classes)
    return rng.permuted(table, axis=1).ravel()


def split(raw: RawImages, validation: int, seed: int) -> Split:
    """Split into `validation` held-out images and the training pool. DiffbenchError if no pool is left.

    Prefixes of the pool are balanced to within one image where the number of classes divides `validation`, else to
    within two: the pool goes on amid a round.
    """
    order = balanced_order(raw.classes, seed)
    if validation > len(order) - 2:
        raise mistake(
            "validation",
            f"{validation} leaves no training pool among {len(order)} class-balanced, distinct images",
        )
    held_out, pool = raw.take(order[:validation]), raw.take(order[validation:])
    return Split(pool, held_out, fitted_scaling(pool.images))
