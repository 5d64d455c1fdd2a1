"""Dataset inference (CDI, Dubinski et al. 2025, arXiv 2411.12858): was a model trained on this set of images?

No single image need stand out: the scores of all attacks are put together by logistic regression, and the images'
log-odds of having been trained on are compared with those of images that were not.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import special

from diffbench.conventions import seed_of
from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.chained import FEWEST, FOLDS, Fold, Kind, chained_scores
from diffbench.measures.intervals import ALPHA, bootstrap_means
from diffbench.shapes import Float64, Int64

LEVEL, POWER = 0.01, 0.9
"""Of the test whose number of images is asked for. CDI speaks of a confidence of more than 99 %, its abstract says."""

DRAWS = 500
"""Simulated sets of suspects and of others, by which power is known to 0.013."""

MOST = 1000
"""Images of a simulated set at most."""

SMALLEST = 1e-300
"""p-values below are told as this: of what is possible, none is 0."""

TINY = 1e-30
"""Variance of scores that are all alike, so that effects are finite."""

GRID = 50
"""Sizes at which power is simulated, a tenth apart."""


@dataclass(frozen=True)
class DatasetInference:
    """What the suspects' scores say of them as a set."""

    p: Estimate
    """Of "no more like members than unseen images are". Without an interval: it is itself a statement about chance."""
    images: Estimate
    """Least number of suspects, and of unseen images, with which the test at LEVEL has POWER, the classifier given."""


def dataset_inference(suspects: Kind, unseen: Kind, seed: int) -> DatasetInference:
    """From features of images, such as log scores of attacks. Undefined without any, or with few images of a kind.

    Suspects teach the classifier too, as members, but none that it scores: see `chained`. p: one-sided Welch tests in
    the folds, which are independent, by Stouffer's sum of normal scores; uniform where suspects are like the unseen,
    or lies above with few images.
    """
    images = [len(kind.features) for kind in (suspects, unseen)]
    if suspects.features.shape[1] == 0 or min(images) < FEWEST:
        few = f"needs at least {FEWEST} images of either kind, got {images[0]} and {images[1]}"
        nothing = undefined(few if suspects.features.shape[1] else "no attack has a score", sum(images))
        return DatasetInference(nothing, nothing)
    folds = chained_scores(suspects, unseen, seed)
    tested = [_as_many_of_each(fold, behind) for behind, fold in enumerate(folds, 1)]
    of_folds = (_of_sets(kind) for kind in zip(*tested, strict=True))
    p = _stouffer(welch(*of_folds))
    n = sum(len(scores) for fold in tested for scores in fold)
    alike = [_standardised(fold) for fold in folds]
    positives, negatives = (np.concatenate(scores) for scores in zip(*alike, strict=True))
    return DatasetInference(Estimate(p, math.nan, math.nan, n), least_images(positives, negatives, seed))


def least_images(suspects: Float64[np.ndarray, " m"], unseen: Float64[np.ndarray, " n"], seed: int) -> Estimate:
    """Least m with which a one-sided Welch test of m suspects against m unseen images at LEVEL has POWER.

    From scores, higher = member: sets are drawn from them with replacement. Interval: m falls with the square of the
    effect, which is bootstrapped over images. Undefined where no more than the images at hand, or MOST, suffice.
    """
    n, most = len(suspects) + len(unseen), min(len(suspects), len(unseen), MOST)
    sizes = np.unique(np.geomspace(2, most, GRID).round().astype(int))
    rng = np.random.default_rng(seed_of("draws", seed))
    p = welch(_of_draws(suspects, sizes, rng), _of_draws(unseen, sizes, rng))
    enough = np.flatnonzero((p < LEVEL).mean(axis=0) >= POWER)
    if not len(enough):
        return undefined(f"power stays below {POWER:g} with {most} suspects and as many unseen images", n)
    least = float(sizes[enough[0]])
    effect, low, high = _effect(suspects, unseen, seed)
    fewest = max(2.0, least * (effect / high) ** 2)
    return Estimate(least, fewest, least * (effect / low) ** 2 if low > 0 else math.inf, n)


class Moments(NamedTuple):
    """Of sets of scores: how many, mean, and unbiased variance."""

    size: Float64[np.ndarray, "..."]
    mean: Float64[np.ndarray, "..."]
    variance: Float64[np.ndarray, "..."]

    @classmethod
    def of(
        cls, size: Float64[np.ndarray, "..."], mean: Float64[np.ndarray, "..."], square: Float64[np.ndarray, "..."]
    ) -> "Moments":
        """From the mean score and the mean square."""
        return cls(size, mean, np.maximum(square - mean**2, 0) * size / (size - 1))


def welch(higher: Moments, lower: Moments) -> Float64[np.ndarray, "..."]:
    """One-sided p-values of Welch 1947 that `higher` has no higher mean than `lower`; 0, 1/2 or 1 without spread."""
    of_higher, of_lower = higher.variance / higher.size, lower.variance / lower.size
    variance, difference = of_higher + of_lower, higher.mean - lower.mean
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = variance**2 / (of_higher**2 / (higher.size - 1) + of_lower**2 / (lower.size - 1))
        p = special.stdtr(freedom, -difference / np.sqrt(variance))
    return np.where(variance > 0, p, (1 - np.sign(difference)) / 2)


def _as_many_of_each(fold: Fold, behind: int) -> Fold:
    """As many images of the more numerous kind as of the other, relative to one of them; so many folds lie before.

    With unlike sizes Welch's p is too small where scores are skewed, or of few images: exponential ones in folds of 10
    and 51 have p < 0.01 in 5 % of cases. With like sizes the difference of means is symmetric. A fold holds every
    FOLDS-th image in the order of classes from this fold's place on, and so does this choice of them: its classes are
    those of the other kind. Scores that are all alike are exactly 0 here, and have no spread by rounding.
    """
    count = min(map(len, fold))
    places = (np.arange(count) + behind / FOLDS) / count
    positives, negatives = (scores[(places * len(scores)).astype(int)] for scores in fold)
    return Fold(positives - negatives[0], negatives - negatives[0])


def _of_sets(sets: Sequence[Float64[np.ndarray, " _"]]) -> Moments:
    sizes, means, squares = (np.array([float(of(scores)) for scores in sets]) for of in (len, np.mean, _mean_square))
    return Moments.of(sizes, means, squares)


def _mean_square(scores: Float64[np.ndarray, " m"]) -> float:
    return float((scores**2).mean())


def _of_draws(scores: Float64[np.ndarray, " m"], sizes: Int64[np.ndarray, " G"], rng: np.random.Generator) -> Moments:
    """Of DRAWS sets of each size, the smaller ones parts of the larger."""
    drawn = scores[rng.integers(len(scores), size=(DRAWS, sizes[-1]))]
    means = (np.cumsum(values, axis=1)[:, sizes - 1] / sizes for values in (drawn, drawn**2))
    return Moments.of(sizes.astype(np.float64), *means)


def _stouffer(p: Float64[np.ndarray, " k"]) -> float:
    """One p-value from independent ones."""
    scores = special.ndtri(np.clip(p, SMALLEST, 1 - 1e-16))
    return max(SMALLEST, float(special.ndtr(scores.sum() / math.sqrt(len(p)))))


def _standardised(fold: Fold) -> Fold:
    """In units of the unseen images' spread, which folds share, as their classifiers' log-odds do not."""
    center, spread = fold.negatives.mean(), fold.negatives.std() or 1.0
    return Fold((fold.positives - center) / spread, (fold.negatives - center) / spread)


def _effect(
    suspects: Float64[np.ndarray, " m"], unseen: Float64[np.ndarray, " n"], seed: int
) -> tuple[float, float, float]:
    """Difference of means in units of its error with one image of each kind, and its bootstrap interval."""

    def effect(
        of_suspects: Float64[np.ndarray, "B 2"], of_unseen: Float64[np.ndarray, "B 2"]
    ) -> Float64[np.ndarray, " B"]:
        variance = sum(each[:, 1] - each[:, 0] ** 2 for each in (of_suspects, of_unseen))
        return (of_suspects[:, 0] - of_unseen[:, 0]) / np.sqrt(np.maximum(variance, TINY))

    powers = [np.column_stack([scores, scores**2]) for scores in (suspects, unseen)]
    resampled = [
        bootstrap_means(each, seed_of(name, seed)) for each, name in zip(powers, ("suspects", "unseen"), strict=True)
    ]
    low, high = np.quantile(effect(*resampled), [ALPHA / 2, 1 - ALPHA / 2])
    value = effect(*(each.mean(axis=0, keepdims=True) for each in powers))
    return float(value[0]), float(low), float(high)
