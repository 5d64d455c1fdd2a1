"""Skill of a denoiser: what it gains over the best linear filter of its training set, from per-image losses.

The score 1 - MSE / MSE of a reference (Murphy 1988), with the Wiener filter as reference. Losses are as in
measures/gap.py: one number per noise level and image.
"""

import math

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.intervals import bootstrap_means, percentile
from diffbench.shapes import Float


def skill(model: Float[np.ndarray, "L n"], linear: Float[np.ndarray, "L n"], seed: int) -> tuple[Estimate, ...]:
    """1 - MSE of the model / MSE of the linear filter at each of L levels: 1 = no error, 0 = as good, below 0 = worse.

    Both are evaluated on the same noised images and share the resamples of these. Undefined where the filter has no
    error: its training images are then all alike.
    """
    if model.shape != linear.shape:
        raise DiffbenchError("skill: model and linear filter have losses of different images; evaluate them alike")
    levels, n = model.shape
    losses = np.concatenate([model, linear])
    means, replicates = losses.mean(axis=1, dtype=np.float64), bootstrap_means(losses.T, seed)
    skills = []
    for at, beside in zip(range(levels), range(levels, 2 * levels), strict=True):
        if means[beside] == 0:
            skills.append(undefined("the linear filter has no error here", n))
            continue
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            spread = 1 - replicates[:, at] / replicates[:, beside]
        skills.append(percentile(float(1 - means[at] / means[beside]), spread, n))
    return tuple(skills)


def skill_at_peak(sigmas: Float[np.ndarray, " L"], skills: tuple[Estimate, ...], peak: Estimate) -> Estimate:
    """The skill at the level where the gap peaks, `peak` being one of `sigmas`, or undefined where it has no peak.

    The level is taken as given: the interval is that of the skill there.
    """
    if math.isnan(peak.value):
        return undefined(f"the gap has no peak: {peak.reason}", peak.n)
    return skills[int(np.flatnonzero(sigmas == peak.value)[0])]
