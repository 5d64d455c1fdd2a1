"""Inference-side gap: are samples nearer to the training set than to unseen images, as Frechet distances go?"""

import math
from dataclasses import dataclass

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.frechet import LEAST, check_features, frechet_distance, gaussian
from diffbench.measures.halves import PAIRS, estimate, halves
from diffbench.measures.neighbors import Images
from diffbench.shapes import Float, Float64, Int64

REFERENCE_LEAST = 10
"""Images of a reference at least."""

SHARE = 0.4
"""Of a class's images, in each reference. Two of them are halves of a window over four fifths that moves with the seed:
if more, gaps of copies were larger, but seeds would differ too little."""


@dataclass(frozen=True)
class Classes:
    """True classes of training (n,) and validation images (v,); all 0 where they are not known."""

    train: Int64[np.ndarray, " n"]
    validation: Int64[np.ndarray, " v"]


@dataclass(frozen=True)
class InferenceGap:
    """FD of samples to validation and to training images, and the same numbers of images whose answer is known.

    Means over random references of equal size, with equally many images of each class.
    """

    fd_train: Estimate
    fd_validation: Estimate
    relative: Estimate  # (fd_validation - fd_train) / fd_train
    floor: Estimate  # the same of validation images as if generated, beside the others
    baseline_train: Estimate  # FD of training images to other training images
    baseline_validation: Estimate  # FD of training images to validation images


def reference_size(classes: Classes) -> int:
    """Images that a reference holds, of all classes together."""
    return int(_per_class(classes).sum())


def inference_gap(
    generated: Float[Images, "m d"],
    train: Float[Images, "n d"],
    validation: Float[Images, "v d"],
    classes: Classes,
    seed: int,
) -> InferenceGap:
    """FDs from features, and their relative gap, as means over 20 divisions of the references into halves.

    FD falls with the number of images and grows with a difference in the mix of classes: so references are matched in
    both. Which images are referred to depends on the seed, so that seeds differ by it, too. The interval is that of all
    sets at once.
    """
    counts = _per_class(classes)
    size = int(counts.sum())
    check_features("generated", generated, 2 * LEAST)
    check_features("train", train, len(classes.train))
    check_features("validation", validation, len(classes.validation))
    if size < REFERENCE_LEAST:
        raise DiffbenchError(
            f"inference gap: references of {size} class-matched images; give more, for {REFERENCE_LEAST}"
        )
    of = _distances(
        generated,
        train,
        validation,
        _strata(classes.train, counts, seed),
        _strata(classes.validation, counts, seed),
        seed,
    )
    plain = {name: estimate(float(each.mean()), each, size) for name, each in of.items()}
    return InferenceGap(
        fd_train=plain["train"],
        fd_validation=plain["validation"],
        relative=_relative(of["train"], of["validation"], size),
        floor=_relative(of["unseen to train"], of["unseen to validation"], size),
        baseline_train=plain["train to train"],
        baseline_validation=plain["train to validation"],
    )


def _distances(
    generated: Float[Images, "m d"],
    train: Float[Images, "n d"],
    validation: Float[Images, "v d"],
    seen: list[Int64[np.ndarray, " _"]],
    unseen: list[Int64[np.ndarray, " _"]],
    seed: int,
) -> dict[str, Float64[np.ndarray, "p 2"]]:
    """FDs by what is compared, of both halves of every division of the samples and of the rows of either reference."""
    rng = np.random.default_rng(seed)
    samples = [rng.permutation(generated.shape[0])[: generated.shape[0] // 2 * 2]]
    rows = []
    for _ in range(PAIRS):
        own = [gaussian(generated, half) for half in halves(samples, rng)]
        a, b = (gaussian(train, half) for half in halves(seen, rng))
        v, w = (gaussian(validation, half) for half in halves(unseen, rng))
        within = {
            "unseen to validation": frechet_distance(v, w),
            "train to train": frechet_distance(a, b),
        }
        rows += [
            within
            | {
                "train": frechet_distance(mine, near),
                "validation": frechet_distance(mine, real),
                "unseen to train": frechet_distance(stand_in, near),
                "train to validation": frechet_distance(other, real),
            }
            for mine, near, other, real, stand_in in ((own[0], a, b, v, w), (own[1], b, a, w, v))
        ]
    return {name: np.array([row[name] for row in rows]).reshape(PAIRS, 2) for name in rows[0]}


def _per_class(classes: Classes) -> Int64[np.ndarray, " c"]:
    """How many images of each class a reference holds: as many of both sets, and at least one where there are two."""
    count = 1 + max(int(classes.train.max(initial=0)), int(classes.validation.max(initial=0)))
    available = np.minimum(*(np.bincount(each, minlength=count) for each in (classes.train, classes.validation)))
    return np.maximum((SHARE * available).astype(np.int64), np.minimum(available // 2, 1))


def _strata(
    classes: Int64[np.ndarray, " n"], counts: Int64[np.ndarray, " c"], seed: int
) -> list[Int64[np.ndarray, " _"]]:
    """Rows of two references' worth of images of each class: a window over their random order, which moves by seed.

    By the golden ratio of the images, so that the windows of any few seeds have little in common.
    """
    rng = np.random.default_rng(len(classes))  # one order for all seeds
    start = seed * (math.sqrt(5) - 1) / 2 % 1
    orders = (rng.permutation(np.flatnonzero(classes == kind)) for kind in range(len(counts)))
    return [np.roll(rows, -int(start * len(rows)))[: 2 * count] for rows, count in zip(orders, counts, strict=True)]


def _relative(to_train: Float64[np.ndarray, "p 2"], to_validation: Float64[np.ndarray, "p 2"], size: int) -> Estimate:
    """(validation - train) / train of the means. The interval is that of the ratio's linear part."""
    mean = float(to_train.mean())
    if mean == 0:
        return undefined("samples and training images have the same mean and covariance", size)
    ratio = float(to_validation.mean()) / mean
    return estimate(ratio - 1, (to_validation - ratio * to_train) / mean, size)
