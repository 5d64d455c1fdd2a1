"""Skill of a denoiser against a baseline, as forecasts are judged against a simple rule (Murphy 1988)."""

import numpy as np

from diffbench.conventions import DiffbenchError, seed_of
from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.intervals import bootstrap_means, percentiles
from diffbench.shapes import Float


def skill(
    losses: Float[np.ndarray, "L n"], baseline: Float[np.ndarray, "L n"], split: str, seed: int
) -> tuple[Estimate, ...]:
    """1 - mean loss / mean loss of the baseline, at each level.

    0 = as good as the baseline, 1 = no error left, below 0 = worse. Both must be of the same noised images, whose
    resamples they share; `split` tells those of training from those of validation images. Undefined where the baseline
    has no error.
    """
    if losses.shape != baseline.shape:
        raise DiffbenchError("skill: model and baseline have losses of different images; evaluate them alike")
    levels, n = losses.shape
    both = np.concatenate([losses, baseline])
    means = both.mean(axis=1, dtype=np.float64)
    spread = bootstrap_means(both.T, seed_of(split, seed))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        value, replicates = 1 - means[:levels] / means[levels:], 1 - spread[:, :levels] / spread[:, levels:]
    return tuple(
        estimate if mean > 0 else undefined("the baseline has no error here", n)
        for estimate, mean in zip(percentiles(value, replicates, n), means[levels:], strict=True)
    )
