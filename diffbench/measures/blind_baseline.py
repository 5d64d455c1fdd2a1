"""Can training images be told from held-out ones without the model? If so, an attack may see the split alone.

Das, Zhang and Tramer 2024 (arXiv 2406.16201): such blind attacks beat published ones where the two sets differ.
"""

from collections.abc import Mapping

import numpy as np

from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.chained import FEWEST, Kind, chained_scores
from diffbench.measures.intervals import mean_auc
from diffbench.shapes import Float, Float64, Int64

SPLITS = ("train", "validation")

MOST = 1024
"""Images of either kind at most: the first, whose order is random."""

COMPONENTS = 32
"""Principal components of the pixels at most."""

TINY = 1e-12
"""What components leave out of an image's square is no less, up to rounding."""


def blind_auc(
    images: Mapping[str, Float[np.ndarray, "..."]], classes: Mapping[str, Int64[np.ndarray, " n"]], seed: int
) -> Estimate:
    """AUC of a classifier of pixels that calls images training images: 1/2 if the two sets are of one distribution.

    images, classes: of "train" and "validation". Logistic regression on principal components of both sets together,
    their squares, and the logarithm of what they leave out: it sees shifts of brightness, contrast and sharpness. AUC:
    mean over folds, each by a classifier of the folds before it (see `chained`), and hence of fewer images. Undefined
    with fewer than chained.FEWEST images of a kind.
    """
    train, held_out = (images[split][:MOST].reshape(min(MOST, len(images[split])), -1) for split in SPLITS)
    if min(len(train), len(held_out)) < FEWEST:
        few = f"needs at least {FEWEST} images of either kind, got {len(train)} and {len(held_out)}"
        return undefined(few, len(train) + len(held_out))
    features = np.split(_features(np.concatenate([train, held_out])), [len(train)])
    positives, negatives = (Kind(each, classes[split][:MOST]) for each, split in zip(features, SPLITS, strict=True))
    return mean_auc([*chained_scores(positives, negatives, seed)])


def _features(pixels: Float[np.ndarray, "m d"]) -> Float64[np.ndarray, "m f"]:
    """Features of images, the same whichever set they are of."""
    centered = pixels - pixels.mean(axis=0, dtype=np.float64)
    parts = _principal(centered, min(COMPONENTS, *pixels.shape))
    left = np.einsum("id,id->i", centered, centered) - np.einsum("ik,ik->i", parts, parts)
    outside = [np.log(np.maximum(left, TINY))[:, None]] if parts.shape[1] < pixels.shape[1] else []
    return np.concatenate([parts, parts**2, *outside], axis=1)


def _principal(centered: Float64[np.ndarray, "m d"], count: int) -> Float64[np.ndarray, "m {count}"]:
    """The largest principal components, from the smaller of the two Gram matrices."""
    from scipy.linalg import eigh

    m, d = centered.shape
    gram = centered @ centered.T if m < d else centered.T @ centered
    values, vectors = eigh(gram, subset_by_index=(len(gram) - count, len(gram) - 1))
    return vectors * np.sqrt(np.maximum(values, 0)) if m < d else centered @ vectors


def note(estimate: Estimate) -> str:
    """One line for a report where the classifier succeeds; else nothing."""
    if not estimate.low > 0.5:
        return ""
    return (
        f"Training and held-out images differ in distribution: pixels alone tell them apart (AUC {estimate.value:.2f},"
        f" {estimate.low:.2f} to {estimate.high:.2f}), so membership figures say more than the models know."
    )
