"""Scores of images by classifiers that saw only images before them, so that the folds are independent evidence.

In cross-validation each fold's classifier has seen the other folds, and these its images. Where the kinds do not
differ, a fold that by chance lies high leaves the others low, and is judged by a classifier that learned the opposite:
AUCs come out below 1/2 and p-values are not uniform. Here fold k is scored by a classifier of folds 1 ... k - 1. Given
these, its images are fresh: AUCs of the folds are unbiased and uncorrelated, p-values independent (as in the
prequential principle of Dawid 1984).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import special

from diffbench.conventions import seed_of
from diffbench.shapes import Float, Float64, Int64

FOLDS = 5
"""Of which the first is only learned from."""

FEWEST = 2 * FOLDS
"""Images of a kind at least: a spread in each fold needs two."""


class Kind(NamedTuple):
    """Images of one kind: features, and the class of each."""

    features: Float[np.ndarray, "m f"]
    classes: Int64[np.ndarray, " m"]


class Fold(NamedTuple):
    """Scores of the images of a fold, higher for what looks like a positive: log-odds."""

    positives: Float64[np.ndarray, " _"]
    negatives: Float64[np.ndarray, " _"]


def chained_scores(positives: Kind, negatives: Kind, seed: int) -> list[Fold]:
    """Folds 2 ... FOLDS of images in a random order, FEWEST of each kind at least.

    Folds hold every class equally often, to within one image. Where both sets are class-balanced, what some folds have
    too many of others lack, which would again be learned the wrong way round; of fewer images than classes it still is.
    """
    folds = [_folds(kind, name, seed) for kind, name in ((positives, "positive"), (negatives, "negative"))]
    scored = []
    for k in range(1, FOLDS):
        classifier = _classifier(*(np.concatenate(of_kind[:k]) for of_kind in folds))
        scored.append(Fold(*(classifier(of_kind[k]) for of_kind in folds)))
    return scored


def _folds(kind: Kind, name: str, seed: int) -> list[Float[np.ndarray, "_ f"]]:
    order = np.random.default_rng(seed_of("chained", name, seed)).permutation(len(kind.features))
    by_class = order[np.argsort(kind.classes[order], kind="stable")]
    return [kind.features[by_class[fold::FOLDS]] for fold in range(FOLDS)]


def _classifier(
    positives: Float[np.ndarray, "m f"], negatives: Float[np.ndarray, "n f"]
) -> Callable[[Float[np.ndarray, "k f"]], Float64[np.ndarray, " k"]]:
    """Logistic regression on standardised features; both kinds weigh alike, however many there are."""
    features = np.concatenate([positives, negatives]).astype(np.float64)
    center, spread = features.mean(axis=0), features.std(axis=0)
    spread[spread == 0] = 1.0
    sign = np.repeat([1.0, -1.0], [len(positives), len(negatives)])
    weight = len(features) / 2 / np.where(sign > 0, len(positives), len(negatives))
    slope, intercept = logistic_regression((features - center) / spread, sign, weight)
    return lambda asked: (asked - center) / spread @ slope + intercept


def logistic_regression(
    features: Float64[np.ndarray, "m f"], sign: Float64[np.ndarray, " m"], weight: Float64[np.ndarray, " m"]
) -> tuple[Float64[np.ndarray, " f"], float]:
    """Slopes and intercept of the log-odds of sign = 1 against -1: least sum of weighted losses plus ||slope||^2 / 2.

    That penalty is scikit-learn's. Its own class is not used, since its first call looks through all installed packages
    for kinds of tables, which takes a job as long as all attacks.
    """
    from scipy.optimize import minimize

    def loss(at: Float64[np.ndarray, " g"]) -> tuple[float, Float64[np.ndarray, " g"]]:
        margin = sign * (features @ at[:-1] + at[-1])
        pull = -weight * sign * special.expit(-margin)  # of each image on its log-odds
        gradient = np.append(pull @ features + at[:-1], pull.sum())
        return float(-weight @ special.log_expit(margin) + at[:-1] @ at[:-1] / 2), gradient

    best = minimize(loss, np.zeros(features.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 1000})
    return best.x[:-1], float(best.x[-1])
