"""What the Jacobian of a denoiser at images says of memorization: at training and unseen images, and at samples.

Where a model has memorized an image it returns that image for all that lies around it: J is about 0, and so is the
local dimension. The manifold memorization hypothesis (Ross et al. 2024, arXiv 2411.00113, from the abstract) says the
same of dimensions: that of a memorized image is lower in the model than in the data.
"""

from collections.abc import Mapping

import numpy as np
from scipy import special

from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.intervals import ALPHA, auc, student_difference, student_mean
from diffbench.measures.near_duplicates import THRESHOLD
from diffbench.shapes import Bool, Float64

FEWEST = 5
"""Samples of either kind from which the AUC's interval covers; tests simulate it."""

ROUGH = "the denoiser is too coarsely rounded for finite differences"


def split_estimates(measured: Mapping[str, Mapping[str, Float64[np.ndarray, " _"]]]) -> dict[str, Estimate]:
    """Means over training and over validation images, and the difference validation - training, of each quantity.

    measured: values per image by quantity, by split. A training set may have few images: intervals are Student's.
    """
    estimates = {}
    for name, train in measured["train"].items():
        validation = measured["validation"][name]
        estimates[f"{name}_train"] = _mean(train)
        estimates[f"{name}_validation"] = _mean(validation)
        estimates[f"{name}_gap"] = _difference(validation, train)
    return estimates


def _mean(values: Float64[np.ndarray, " n"]) -> Estimate:
    return undefined(ROUGH, len(values)) if np.isnan(values).any() else student_mean(values)


def _difference(validation: Float64[np.ndarray, " v"], train: Float64[np.ndarray, " t"]) -> Estimate:
    if np.isnan(validation).any() or np.isnan(train).any():
        return undefined(ROUGH, len(validation) + len(train))
    return student_difference(validation, train)


def sample_estimates(measured: Mapping[str, np.ndarray], ratios: Float64[np.ndarray, " m"]) -> dict[str, Estimate]:
    """How well a small Jacobian tells memorized samples from others, and the mean local dimension at samples.

    measured: values (k,) of the first samples by quantity; without them, as of planted samples, all is undefined.
    ratios: d1/d2 of all samples. jacobian_auc = P(||J||^2 of a memorized sample is less than
    that of another one): which of both ways counts is fixed by theory, so a value below 1/2 speaks against it.
    """
    if "jacobian_norm" not in measured:
        return dict.fromkeys(("jacobian_auc", "flipd_samples"), undefined("samples of no denoiser", len(ratios)))
    norms = measured["jacobian_norm"]
    copied = ratios[: len(norms)] < THRESHOLD
    return {"jacobian_auc": _told(norms, copied), "flipd_samples": _mean(measured["flipd"])}


def _told(norms: Float64[np.ndarray, " k"], copied: Bool[np.ndarray, " k"]) -> Estimate:
    kinds = int(copied.sum()), int((~copied).sum())
    if np.isnan(norms).any():
        return undefined(ROUGH, len(norms))
    if min(kinds) < FEWEST:
        return undefined(
            f"needs {FEWEST} memorized samples and {FEWEST} others, got {kinds[0]} and {kinds[1]}", len(norms)
        )
    return _widened(auc(-norms[copied], -norms[~copied]), min(kinds))


def _widened(estimate: Estimate, fewer: int) -> Estimate:
    """An AUC's interval with Student's t in the place of the normal law, by the fewer of both kinds.

    Few memorized samples estimate their own variance badly: DeLong's interval holds 0.92 in 83 % of cases with 5.
    """
    if estimate.value in (0, 1):
        return estimate  # an exact bound already
    wider = special.stdtrit(fewer - 1, 1 - ALPHA / 2) / special.ndtri(1 - ALPHA / 2)
    center, ends = special.logit(estimate.value), special.logit([estimate.low, estimate.high])
    low, high = special.expit(center + wider * (ends - center))
    return Estimate(estimate.value, float(low), float(high), estimate.n)
