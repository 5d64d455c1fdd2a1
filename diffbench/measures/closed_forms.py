"""Which closed form explains a denoiser: how much of what it makes of noised images each of them makes as well.

Estimates are those of unseen images, at the same noise for all.
"""

import math
from collections.abc import Mapping

import numpy as np

from diffbench.conventions import DiffbenchError, seed_of
from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.intervals import bootstrap_medians, lower_band, median, percentile
from diffbench.shapes import Float, Float64

FLAT = "the denoiser's estimate is the same at all pixels"

ROUNDING = 1e-6
"""Differences between pixels that are smaller than this share of the values are rounding of float32."""


def explained(
    estimate: Float[np.ndarray, "L m p"], reference: Float[np.ndarray, "L m p"]
) -> Float64[np.ndarray, "L m"]:
    """R^2 = 1 - ||reference - estimate||^2 / ||estimate - its mean over pixels||^2 of each image at each level.

    1: the same; 0: no nearer than the estimate's own mean grey. nan where the estimate is the same at all pixels.
    """
    if estimate.shape != reference.shape:
        raise DiffbenchError("closed forms: estimates of other images or pixels than the model's; evaluate them alike")
    values = estimate.astype(np.float64)
    variation = np.square(values - values.mean(axis=2, keepdims=True)).sum(axis=2)
    flat = variation <= ROUNDING**2 * np.square(values).sum(axis=2)
    distance = np.square(reference - values).sum(axis=2)
    return np.where(flat, math.nan, 1 - distance / np.where(flat, 1.0, variation))


def closed_form_estimates(
    estimate: Float[np.ndarray, "L m p"],
    references: Mapping[str, Float[np.ndarray, "L m p"]],
    sigmas: Float64[np.ndarray, " L"],
    seed: int,
) -> tuple[dict[str, Estimate], dict[str, list[Estimate]]]:
    """Scalars and curves: the median of R^2 over images for each closed form, and where the optimum overtakes.

    references: of "optimum", "wiener", "locality" and, where images have more than one label, "labelled_optimum"; of
    one label, the optimum for it is the optimum.
    """
    shares = {name: explained(estimate, values) for name, values in references.items()}
    shares.setdefault("labelled_optimum", shares["optimum"])
    curves = {f"r2_{name}": [_typical(level) for level in share] for name, share in shares.items()}
    return {"r2_crossing": crossing(sigmas, shares["wiener"], shares["labelled_optimum"], seed)}, curves


def _typical(values: Float64[np.ndarray, " m"]) -> Estimate:
    """The median over the images that have a value."""
    known = values[~np.isnan(values)]
    return median(known) if len(known) else undefined(FLAT, len(values))


def crossing(
    sigmas: Float64[np.ndarray, " L"], early: Float64[np.ndarray, "L m"], late: Float64[np.ndarray, "L m"], seed: int
) -> Estimate:
    """The noise level from which on `late` explains more than `early`, by medians over images, linear in ln(sigma).

    Of several such levels, as noise makes them where both explain all, the one at which the lead of `late`, summed over
    the levels below, is least. The interval is of resampled images; it ends at the levels' ends where these do not
    cross. Undefined, and why, where the medians do not, or where chance may be all that makes them: above it `late`, or
    below it `early`, leads at no level beyond the band of all levels. Undefined also of fewer than 6 images, and where
    some image has no value.
    """
    levels, images = early.shape
    both = np.concatenate([early, late])
    if few := median(early[0]).reason:
        return undefined(few, images)
    if np.isnan(both).any():
        return undefined(f"at some level {FLAT}", images)
    place, lead = np.log(sigmas), np.median(late, axis=1) - np.median(early, axis=1)
    value = float(_crossings(place, lead[None])[0])
    if value == -math.inf:
        return undefined("the optimum explains it better from the lowest level on", images)
    if value == math.inf:
        return undefined("the Wiener filter explains it better up to the highest level", images)
    medians = bootstrap_medians(both.T, seed_of("closed forms", seed))
    leads = medians[:, levels:] - medians[:, :levels]
    if not (lower_band(lead, leads)[place > value] > 0).any():
        return undefined("at no level does the optimum explain it better beyond chance", images)
    if not (lower_band(-lead, -leads)[place < value] > 0).any():
        return undefined("at no level does the Wiener filter explain it better beyond chance", images)
    spread = _crossings(place, leads).clip(place[0], place[-1])
    return percentile(math.exp(value), np.exp(spread), images)


def _crossings(place: Float64[np.ndarray, " L"], lead: Float64[np.ndarray, "B L"]) -> Float64[np.ndarray, " B"]:
    """Where each row of leads rises through 0; -inf if it is above from the first place on, inf if it never is."""
    sums = np.cumsum(np.concatenate([np.zeros((len(lead), 1)), lead], axis=1), axis=1)
    above = sums.argmin(axis=1)  # the first place above: the one before is below, or the sum would be less without it
    result = np.where(above == 0, -math.inf, math.inf)
    inner = (above > 0) & (above < len(place))
    row, high = np.flatnonzero(inner), above[inner]
    below = lead[row, high - 1]
    share = below / (below - lead[row, high])
    result[inner] = place[high - 1] + share * (place[high] - place[high - 1])
    return result
