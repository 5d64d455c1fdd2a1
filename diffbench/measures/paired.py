"""Differences between two models on units that both were measured on: images, noises that samples start from, or seeds.

What the units share falls out of the difference, so that its interval is narrower than those of both values tell.
"""

import numpy as np

from diffbench.conventions import DiffbenchError, seed_of
from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.intervals import bootstrap_means, bounded_mean, percentile, percentiles, student_mean
from diffbench.shapes import Float, Float64


def share_difference(first: Float[np.ndarray, " n"], other: Float[np.ndarray, " n"], seed: int) -> Estimate:
    """Mean of other - first, each in [0, 1], such as whether the sample from a noise is a copy, over n units.

    The interval is that of `bounded_mean`, so that no difference in n units is not taken for none in any.
    """
    if first.shape != other.shape:
        raise DiffbenchError(f"share difference: {len(first)} and {len(other)} units; pair them first")
    half = bounded_mean((other - first + 1) / 2, seed)
    value = float((other - first).mean(dtype=np.float64)) if len(first) else half.value
    return Estimate(value, 2 * half.low - 1, 2 * half.high - 1, half.n, half.reason)


def mean_difference(first: Float[np.ndarray, " n"], other: Float[np.ndarray, " n"]) -> Estimate:
    """Mean of other - first over n units, such as seeds, with Student's interval."""
    return student_mean(other - first)


def loss_ratios(first: Float[np.ndarray, "L n"], other: Float[np.ndarray, "L n"], seed: int) -> list[Estimate]:
    """Mean loss of other over that of first, minus 1, at each of L noise levels, with a bootstrap over n images."""
    n = first.shape[1]
    if n < 2:
        return [undefined(f"an interval needs at least 2 images, got {n}", n)] * len(first)
    means = [losses.mean(axis=1, dtype=np.float64) for losses in (first, other)]
    replicates = [bootstrap_means(losses.T, seed) for losses in (first, other)]
    return percentiles(_ratio(*means) - 1, _ratio(*replicates) - 1, n)


def gap_differences(
    first: tuple[Float[np.ndarray, "L n"], Float[np.ndarray, "L v"]],
    other: tuple[Float[np.ndarray, "L n"], Float[np.ndarray, "L v"]],
    sigmas: Float64[np.ndarray, " L"],
    seed: int,
) -> tuple[list[Estimate], Estimate]:
    """Relative gap of other minus that of first: at each of L noise levels, and of its area over ln(sigma).

    first, other: losses on n training and v validation images, which both share.
    """
    n = first[0].shape[1] + first[1].shape[1]
    if min(first[0].shape[1], first[1].shape[1]) < 2:
        few = undefined("an interval needs at least 2 images of either kind", n)
        return [few] * len(sigmas), few
    values = [_gap(*(losses.mean(axis=1, dtype=np.float64) for losses in each)) for each in (first, other)]
    seeds = [seed_of(split, seed) for split in ("train", "validation")]
    spread = [
        _gap(*(bootstrap_means(losses.T, of) for losses, of in zip(each, seeds, strict=True)))
        for each in (first, other)
    ]
    with np.errstate(invalid="ignore"):
        value, replicates = values[1] - values[0], spread[1] - spread[0]
    areas = np.trapezoid(replicates, np.log(sigmas), axis=1)
    area = percentile(float(np.trapezoid(value, np.log(sigmas))), areas, n)
    return percentiles(value, replicates, n), area


def _gap(train: Float64[np.ndarray, "*B L"], validation: Float64[np.ndarray, "*B L"]) -> Float64[np.ndarray, "*B L"]:
    return _ratio(train, validation) - 1


def _ratio(first: Float64[np.ndarray, "*B L"], other: Float64[np.ndarray, "*B L"]) -> Float64[np.ndarray, "*B L"]:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return other / first
