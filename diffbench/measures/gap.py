"""The denoising gap between validation and training images, from per-image losses.

Losses are one number per noise level and image, averaged over noises: mean squares per dimension, or L2 norms; every
function serves both. Resamples of images are the same at all levels, as the images are.
"""

import math
from dataclasses import dataclass

import numpy as np

from diffbench.conventions import DiffbenchError, seed_of
from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.intervals import bootstrap_means, chosen, largest, percentile, percentiles
from diffbench.shapes import Float, Float64, Int

UNBOUNDED = "unbounded: the training loss is 0"


@dataclass(frozen=True)
class GapCurve:
    """The gap at each of L noise levels, and its summaries."""

    sigmas: Float64[np.ndarray, " L"]  # rising
    relative: tuple[Estimate, ...]  # (validation - train) / train at each level
    absolute: tuple[Estimate, ...]  # validation - train at each level
    peak: Estimate  # largest relative gap
    sigma_at_peak: Estimate
    area: Estimate  # integral of the relative gap over ln(sigma)
    absolute_peak: Estimate  # largest absolute gap


def gap_curve(
    sigmas: Float[np.ndarray, " L"],
    train: Float[np.ndarray, "L n"],
    validation: Float[np.ndarray, "L v"],
    seed: int,
) -> GapCurve:
    """Gap of one model from its losses, with bootstrap intervals over images.

    A training loss of 0 makes the relative gap infinite (the optimal denoiser as sigma -> 0), and with it peak and
    area; 0/0 is undefined. See intervals.largest for the peak's interval.
    """
    for losses in (train, validation):
        _check(losses, len(sigmas))
    means, replicates = zip(
        *(_means(losses, seed_of(name, seed)) for name, losses in (("train", train), ("validation", validation))),
        strict=True,
    )
    n = train.shape[1] + validation.shape[1]
    return _summarize(np.asarray(sigmas, dtype=np.float64), means, replicates, n)


def _check(losses: Float[np.ndarray, "..."], levels: int) -> None:
    if losses.ndim != 2 or losses.shape[0] != levels or losses.shape[1] < 2:
        raise DiffbenchError(f"gap: losses of shape {losses.shape} are not ({levels} levels, 2 or more images)")
    if not np.isfinite(losses).all():
        raise DiffbenchError("gap: losses contain NaN or infinity; the model diverged or the file is damaged")


def _means(losses: Float[np.ndarray, "L n"], seed: int) -> tuple[Float64[np.ndarray, " L"], Float64[np.ndarray, "B L"]]:
    """Mean loss over images, and its replicates."""
    # The name of the stream of resamples; another name would move every interval.
    return losses.mean(axis=1, dtype=np.float64), bootstrap_means(losses.T, seed_of("images", seed, 0))


def _relative(
    train: Float64[np.ndarray, "*B L"], validation: Float64[np.ndarray, "*B L"]
) -> Float64[np.ndarray, "*B L"]:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return (validation - train) / train


def _summarize(
    sigmas: Float64[np.ndarray, " L"],
    means: tuple[Float64[np.ndarray, " L"], Float64[np.ndarray, " L"]],
    replicates: tuple[Float64[np.ndarray, "B L"], Float64[np.ndarray, "B L"]],
    n: int,
) -> GapCurve:
    """The curve from the mean training and validation losses and their replicates."""
    curve, spread = _relative(*means), _relative(*replicates)  # (L,), (B, L)
    difference, difference_spread = means[1] - means[0], replicates[1] - replicates[0]
    relative = tuple(map(_explained, curve, percentiles(curve, spread, n)))
    absolute = tuple(percentiles(difference, difference_spread, n))
    absolute_peak = largest(difference, difference_spread, n)
    if np.isinf(curve).any():
        at = f"{UNBOUNDED} at sigma = {sigmas[np.isinf(curve)][-1]:.4g}"
        peak = area = Estimate(math.inf, math.nan, math.nan, n, at)
        return GapCurve(sigmas, relative, absolute, peak, undefined(at, n), area, absolute_peak)
    defined = [i for i, estimate in enumerate(relative) if not estimate.reason]
    if len(defined) < len(sigmas):
        reason = next(estimate.reason for estimate in relative if estimate.reason)
        unknown = undefined(f"at some level {reason}", n)
        return GapCurve(sigmas, relative, absolute, unknown, unknown, unknown, absolute_peak)
    return GapCurve(
        sigmas=sigmas,
        relative=relative,
        absolute=absolute,
        peak=largest(curve, spread, n),
        sigma_at_peak=chosen(sigmas, int(curve.argmax()), spread.argmax(axis=1), n),
        area=percentile(float(_area(curve[None], sigmas)[0]), _area(spread, sigmas), n),
        absolute_peak=absolute_peak,
    )


def _explained(value: float, estimate: Estimate) -> Estimate:
    """The relative gap at a level, with the reason where there is none."""
    if math.isinf(value):
        return Estimate(math.inf, math.nan, math.nan, estimate.n, UNBOUNDED)
    if math.isnan(value):
        return undefined("training and validation loss are both 0", estimate.n)
    return estimate


def _area(curves: Float64[np.ndarray, "B L"], sigmas: Float64[np.ndarray, " L"]) -> Float64[np.ndarray, " B"]:
    """Trapezoidal integrals of curves over ln(sigma)."""
    log_sigmas = np.log(sigmas)
    return (curves[:, 1:] + curves[:, :-1]) @ np.diff(log_sigmas) / 2


def memorized_share(
    model_train: Float[np.ndarray, "L n"],
    model_validation: Float[np.ndarray, "L v"],
    optimum_train: Float[np.ndarray, "L n"],
    optimum_validation: Float[np.ndarray, "L v"],
    seed: int,
) -> tuple[Estimate, ...]:
    """Share (validation - train) of the model over that of the optimal denoiser, at each level, from their losses.

    0 = nothing memorized, 1 = all that can be. Model and optimum must be evaluated on the same noised images, whose
    resamples they share. Undefined where the optimum's own gap is not above 0 within its interval (large sigma).
    """
    if model_train.shape != optimum_train.shape or model_validation.shape != optimum_validation.shape:
        raise DiffbenchError("memorized share: model and optimum have losses of different images; evaluate them alike")
    for losses in (model_train, model_validation, optimum_train, optimum_validation):
        _check(losses, model_train.shape[0])
    levels, n = model_train.shape[0], model_train.shape[1] + model_validation.shape[1]
    train, validation = (
        np.concatenate(pair) for pair in ((model_train, optimum_train), (model_validation, optimum_validation))
    )
    gaps = validation.mean(axis=1, dtype=np.float64) - train.mean(axis=1, dtype=np.float64)  # (2 L,)
    spread = bootstrap_means(validation.T, seed_of("validation", seed)) - bootstrap_means(
        train.T, seed_of("train", seed)
    )
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        shares = percentiles(gaps[:levels] / gaps[levels:], spread[:, :levels] / spread[:, levels:], n)
    of_optimum = percentiles(gaps[levels:], spread[:, levels:], n)
    return tuple(
        undefined("the optimal denoiser has no gap here within its interval", n) if optimum.low <= 0 else share
        for share, optimum in zip(shares, of_optimum, strict=True)
    )


def onset(steps: Int[np.ndarray, " c"], validation: Float[np.ndarray, "c v"], seed: int) -> Estimate:
    """The training step at which the validation loss at one noise level is least.

    Undefined while the loss still falls at the last step. The interval's ends are steps.
    """
    _check(validation, len(steps))
    n = validation.shape[1]
    least = int(validation.mean(axis=1, dtype=np.float64).argmin())
    if least == len(steps) - 1:
        return undefined(f"the validation loss still falls at the last step, {steps[-1]}", n)
    picks = bootstrap_means(validation.T, seed).argmin(axis=1)
    return chosen(np.asarray(steps, dtype=np.float64), least, picks, n)
