"""Pair consistency: do two models trained on disjoint halves draw the same images from the same noise?"""

from dataclasses import dataclass

import numpy as np

from diffbench.conventions import DiffbenchError, seed_of
from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.intervals import bootstrap_means, percentile
from diffbench.measures.neighbors import Images, blocks, nearest, require_finite
from diffbench.shapes import Float, Float64


@dataclass(frozen=True)
class PairConsistency:
    """Mean correlations over pairs of samples that start from the same noise. n counts defined pairs."""

    between: Estimate  # of the two models' samples: high = generalization
    to_own_train: Estimate  # of each sample and its nearest image in its own training half: high = memorization
    difference: Estimate  # between - to_own_train, paired: above 0 where the models agree more than they copy


def pair_consistency(
    first: Float[Images, "m d"],
    second: Float[Images, "m d"],
    first_train: Float[Images, "n1 d"],
    second_train: Float[Images, "n2 d"],
    seed: int,
) -> PairConsistency:
    """Consistency of the samples of two models, given their training halves.

    Kadkhodaie et al., arXiv 2310.02557, section 2.2, who take cosine similarities. Correlations are over the pixels of
    an image; a constant image has none, and its pair is left out.
    """
    if first.shape != second.shape or len(first.shape) != 2:
        raise DiffbenchError(
            f"pair consistency: samples of shapes {first.shape} and {second.shape} are not (m, d) pairs"
        )
    require_finite(first, "first samples")
    require_finite(second, "second samples")
    between = correlations(first, second)
    own = (_to_nearest(first, first_train) + _to_nearest(second, second_train)) / 2
    defined = np.isfinite(between) & np.isfinite(own)
    if defined.sum() < 2:
        none = undefined("fewer than 2 pairs of images that are not constant", int(defined.sum()))
        return PairConsistency(none, none, none)
    columns = np.stack([between, own], axis=1)[defined]
    spread = bootstrap_means(columns, seed_of("pairs", seed))
    value_between, value_own = columns.mean(axis=0)
    n = len(columns)
    return PairConsistency(
        percentile(float(value_between), spread[:, 0], n),
        percentile(float(value_own), spread[:, 1], n),
        percentile(float(value_between - value_own), spread[:, 0] - spread[:, 1], n),
    )


def correlations(first: Float[Images, "m d"], second: Float[Images, "m d"]) -> Float64[np.ndarray, " m"]:
    """Pearson correlation of each row with the same row of the other; nan if one is constant."""
    result = np.empty(first.shape[0])
    for rows in blocks(first):
        a, b = (np.asarray(x[rows], dtype=np.float64) for x in (first, second))
        varies = (np.ptp(a, axis=1) > 0) & (np.ptp(b, axis=1) > 0)
        a, b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
        size = np.sqrt(np.einsum("ij,ij->i", a, a) * np.einsum("ij,ij->i", b, b))
        product = np.einsum("ij,ij->i", a, b)
        result[rows] = np.divide(product, size, out=np.full(len(a), np.nan), where=varies & (size > 0))
    return result


def _to_nearest(samples: Float[Images, "m d"], train: Float[Images, "n d"]) -> Float64[np.ndarray, " m"]:
    """Correlation of each sample with its nearest training image (L2)."""
    used, back = np.unique(nearest(samples, train, 1).indices[:, 0], return_inverse=True)
    images = np.asarray(train[used])
    result = np.empty(samples.shape[0])
    for rows in blocks(samples):
        result[rows] = correlations(np.asarray(samples[rows]), images[back[rows]])
    return result
