"""Inference-side gap: are samples nearer to the training set than to unseen images, as Frechet distances go?"""

import math
from dataclasses import dataclass

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.frechet import LEAST, check_features, frechet_distance, gaussian
from diffbench.measures.halves import PAIRS, estimate, halves, shared_variance
from diffbench.measures.neighbors import Images
from diffbench.shapes import Float, Float64, Int64

REFERENCE_LEAST = 10
"""Images of a reference at least."""

EQUAL = "images and training images have the same mean and covariance"


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
    shared_error: Estimate  # standard error of `relative` that other samples with the same references have in common
    floor: Estimate  # the same of validation images as if generated, beside the others
    baseline_train: Estimate  # FD of training images to other training images
    baseline_validation: Estimate  # FD of training images to validation images


@dataclass(frozen=True)
class _Distances:
    """FDs of P divisions of the references into halves, i or j, and of the samples into halves, h."""

    to_train: Float64[np.ndarray, "p i"]
    to_validation: Float64[np.ndarray, "p i"]
    halves_to_train: Float64[np.ndarray, "p h i"]
    halves_to_validation: Float64[np.ndarray, "p h i"]
    within_train: Float64[np.ndarray, "p i"]  # of both halves to each other, twice
    within_validation: Float64[np.ndarray, "p i"]
    across: Float64[np.ndarray, "p i"]  # of each half of the training images to the other one of the validation images


@dataclass(frozen=True)
class _Sampled:
    """FDs whose mean is an estimate, and those of halves of all sets, whose spread is its error."""

    values: Float64[np.ndarray, "p i"]
    of_halves: Float64[np.ndarray, "p i"]

    def estimate(self, size: int) -> Estimate:
        return estimate(float(self.values.mean()), self.of_halves, size)


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
    both. Divisions depend on the seed. Intervals are those of all sets at once, `shared_error` of the references alone.
    """
    size = reference_size(classes)
    check_features("generated", generated, 2 * LEAST)
    check_features("train", train, len(classes.train))
    check_features("validation", validation, len(classes.validation))
    if size < REFERENCE_LEAST:
        raise DiffbenchError(
            f"inference gap: references of {size} class-matched images; give more, for {REFERENCE_LEAST}"
        )
    of = _distances(generated, train, validation, classes, seed)
    to_train = _Sampled(of.to_train, _one_each(of.halves_to_train))
    to_validation = _Sampled(of.to_validation, _one_each(of.halves_to_validation))
    across, within = _Sampled(of.across, of.across), _Sampled(of.within_validation, of.within_validation)
    return InferenceGap(
        fd_train=to_train.estimate(size),
        fd_validation=to_validation.estimate(size),
        relative=_relative(to_train, to_validation, size),
        shared_error=_shared_error(of, classes, size),
        floor=_relative(across, within, size),
        baseline_train=estimate(float(of.within_train.mean()), of.within_train, size),
        baseline_validation=across.estimate(size),
    )


def _distances(
    generated: Float[Images, "m d"],
    train: Float[Images, "n d"],
    validation: Float[Images, "v d"],
    classes: Classes,
    seed: int,
) -> _Distances:
    rng = np.random.default_rng(seed)
    counts = _per_class(classes)
    whole, samples = gaussian(generated), np.arange(generated.shape[0] // 2 * 2)
    rows: list[tuple[np.ndarray, ...]] = []
    for _ in range(PAIRS):
        own = [gaussian(generated, half) for half in halves([samples], rng)]
        seen = [gaussian(train, half) for half in halves(_strata(classes.train, counts, rng), rng)]
        unseen = [gaussian(validation, half) for half in halves(_strata(classes.validation, counts, rng), rng)]
        to_train, to_validation = (
            np.array([[frechet_distance(mine, real) for real in reference] for mine in (whole, *own)])
            for reference in (seen, unseen)
        )
        rows.append(
            (
                to_train[0],
                to_validation[0],
                to_train[1:],
                to_validation[1:],
                np.repeat(frechet_distance(*seen), 2),
                np.repeat(frechet_distance(*unseen), 2),
                np.array([frechet_distance(a, v) for a, v in zip(seen, reversed(unseen), strict=True)]),
            )
        )
    return _Distances(*(np.stack(values) for values in zip(*rows, strict=True)))


def _per_class(classes: Classes) -> Int64[np.ndarray, " c"]:
    """How many images of each class a reference holds: half of those of the smaller set."""
    count = 1 + max(int(classes.train.max(initial=0)), int(classes.validation.max(initial=0)))
    return np.minimum(*(np.bincount(each, minlength=count) for each in (classes.train, classes.validation))) // 2


def _strata(
    classes: Int64[np.ndarray, " n"], counts: Int64[np.ndarray, " c"], rng: np.random.Generator
) -> list[Int64[np.ndarray, " _"]]:
    """Rows of two references' worth of images of each class."""
    return [rng.permutation(np.flatnonzero(classes == kind))[: 2 * count] for kind, count in enumerate(counts)]


def _one_each(of_halves: Float64[np.ndarray, "p h h"]) -> Float64[np.ndarray, "p h"]:
    """Of every division the values of two halves of samples and references that have no image in common."""
    return np.diagonal(of_halves, axis1=1, axis2=2)


def _relative(train: _Sampled, validation: _Sampled, size: int) -> Estimate:
    """(validation - train) / train of the means. The interval is that of the ratio's linear part."""
    mean = float(train.values.mean())
    if mean == 0:
        return undefined(EQUAL, size)
    ratio = float(validation.values.mean()) / mean
    return estimate(ratio - 1, (validation.of_halves - ratio * train.of_halves) / mean, size)


def _shared_error(of: _Distances, classes: Classes, size: int) -> Estimate:
    """Standard error of the relative gap that the references alone make. It has no interval of its own.

    Of a set that is larger than both halves together, the mean over divisions sees more than one division does.
    """
    mean = float(of.to_train.mean())
    if mean == 0:
        return undefined(EQUAL, size)
    ratio = float(of.to_validation.mean()) / mean
    train = 2 * size / len(classes.train) * shared_variance(of.halves_to_train, of.to_train)
    validation = 2 * size / len(classes.validation) * shared_variance(of.halves_to_validation, of.to_validation)
    return Estimate(math.sqrt(ratio**2 * train + validation) / mean, math.nan, math.nan, size)
