"""Posterior over the training points given a noised point: the closed form behind the optimal denoiser.

w_i(x, sigma) = softmax_i(-||x - x_i||^2 / (2 sigma^2)). The functions take numpy arrays or torch tensors alike, so that
stages without a network need not import torch. Everything is float64: in float32 the weights are wrong near duplicates
at small sigma (total variation 0.5 and more), since ||x||^2 / sigma^2 swallows the digits that tell neighbours apart.
"""

import math
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from diffbench.shapes import Bool, Float64, Int64

UNDERFLOW = -746.0
"""Below, the exponential is 0 in float64."""


class Posterior(NamedTuple):
    """Posterior weights over the training points, and the density of the noised training set at the same points."""

    weights: Float64[Any, "m n"]  # rows sum to 1
    log_density: Float64[Any, " m"]  # ln p_sigma(x), p_sigma = mean_i N(x; x_i, sigma^2 I)


def carriers(label: Int64[Any, " m"], labels: Int64[Any, " n"]) -> Bool[Any, "m n"]:
    """Which points carry each label, for `allowed`: all points for a label that none of them carries.

    Nothing is known of such a label, and the optimum without a label is what remains.
    """
    carrying = label[:, None] == labels[None, :]
    carrying[~carrying.any(axis=1)] = True
    return carrying


def posterior(
    x: Float64[Any, "m d"],
    points: Float64[Any, "n d"],
    sigma: float,
    allowed: Bool[Any, "m n"] | None = None,
    xp: ModuleType = np,
) -> Posterior:
    """Posterior of the `points` at noised `x`, at one noise level sigma > 0.

    `allowed` restricts each row to the points that share its label; each row must allow at least one. xp: numpy, or
    torch for tensors; it is given, since array-api-compat takes 4 to 70 ms of imports to find it. Memory is m * n * 8
    bytes a few times over: callers pass x in blocks.
    """
    # ||x||^2 is common to all points: left out before dividing by sigma^2, where it would cancel digits.
    scores = x @ points.T
    scores -= half_squares(points)
    return posterior_of_scores(x, scores, sigma, allowed, xp)


def half_squares(points: Float64[Any, "n d"]) -> Float64[Any, " n"]:
    """||x_i||^2 / 2."""
    return (points * points).sum(axis=-1) / 2


def posterior_of_scores(
    x: Float64[Any, "m d"],
    scores: Float64[Any, "m n"],
    sigma: float,
    allowed: Bool[Any, "m n"] | None = None,
    xp: ModuleType = np,
) -> Posterior:
    """`posterior` where the scores x.x_i - ||x_i||^2 / 2 are known; they are overwritten.

    All in place, since fresh memory costs more than what is computed in it.
    """
    logits = scores
    logits /= sigma**2
    log_count = math.log(scores.shape[1])
    if allowed is not None:
        logits[~allowed] = -math.inf
        log_count = xp.log(allowed.sum(axis=-1, dtype=x.dtype))  # (m,)
    top = xp.amax(logits, axis=-1, keepdims=True)
    logits -= top
    weights = _exp(logits, xp)
    total = weights.sum(axis=-1, keepdims=True)
    weights /= total
    dimension = x.shape[1]
    log_density = (
        (top + xp.log(total))[:, 0]
        - (x * x).sum(axis=-1) / (2 * sigma**2)
        - log_count
        - dimension / 2 * math.log(2 * math.pi * sigma**2)
    )
    return Posterior(weights, log_density)


def _exp(values: Float64[Any, "m n"], xp: ModuleType) -> Float64[Any, "m n"]:
    """The exponential, in place. Numpy takes ten times as long where it underflows, as far from x it mostly does."""
    if xp is not np:
        return xp.exp(values)
    near = values > UNDERFLOW
    np.exp(values, out=values, where=near)
    np.copyto(values, 0.0, where=~near)
    return values
