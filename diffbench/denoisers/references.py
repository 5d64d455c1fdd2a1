"""What closed forms of a training subset make of some noised validation images: checkpoints are compared with it.

Levels, images and noise are those of the losses (the first draw), so that a checkpoint sees exactly what they saw.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from diffbench.conventions import seed_of
from diffbench.data.training_set import TrainingSet
from diffbench.denoisers.base import Denoiser
from diffbench.denoisers.batched import Batched
from diffbench.denoisers.locality import LocalityDenoiser
from diffbench.denoisers.losses import gap_sigmas
from diffbench.denoisers.wiener import WienerDenoiser
from diffbench.files.store import StageFile, Variable
from diffbench.noise import gap_noise
from diffbench.settings.measures import GapSettings
from diffbench.shapes import Float, Float32, Int64

IMAGES = 64
"""Validation images that are compared, at most: enough for a median, and 1 % of the evaluations behind the losses."""

PIXELS = 64
"""Pixels that are compared, at most: for each, locality costs what the optimum does for a whole image."""

NAMES = {
    "optimum": "optimum without labels",
    "labelled_optimum": "optimum for the image's label",
    "wiener": "Wiener filter",
    "locality": "PCA-locality denoiser",
}
"""Closed forms, by what their variables end in."""

VARIABLE = "reference_{name}"


def compared_pixels(dimension: int) -> Int64[np.ndarray, " p"]:
    """Indices into a flat image, rising: all, or PIXELS at random, the same for every denoiser."""
    if dimension <= PIXELS:
        return np.arange(dimension)
    return np.sort(np.random.default_rng(seed_of("compared pixels")).choice(dimension, PIXELS, replace=False))


def at_pixels(
    denoiser: Denoiser, training_set: TrainingSet, settings: GapSettings, device: torch.device
) -> Float32[np.ndarray, "L m p"]:
    """The denoiser's estimates of the compared images at the compared pixels, level by level, given their labels."""
    batched, pixels = Batched(denoiser), compared_pixels(training_set.flat_validation.shape[1])
    return _over_levels(
        lambda x, sigma, label: batched.at_level(x, sigma, label).flatten(1)[:, pixels], training_set, settings, device
    )


@torch.no_grad()
def _over_levels(
    estimate: Callable[[Tensor, float, Tensor], Tensor],
    training_set: TrainingSet,
    settings: GapSettings,
    device: torch.device,
) -> Float32[np.ndarray, "L m p"]:
    """What a function makes of the noised images (m, *shape), their noise level and labels, at each level."""
    images = training_set.validation[: min(IMAGES, settings.images)]
    labels = torch.from_numpy(training_set.validation_labels[: len(images)]).to(device)
    clean = torch.from_numpy(images).to(device)
    results: list[Float32[np.ndarray, "m p"]] = []
    for level, sigma in enumerate(gap_sigmas(settings).tolist()):
        noise = gap_noise("validation", level, 0, len(images), images[0].size)
        noised = torch.from_numpy(noise).to(device).view(clean.shape).mul_(sigma).add_(clean)
        results.append(estimate(noised, sigma, labels).float().cpu().numpy())
    return np.stack(results)


def optimum_references(
    optimum: Denoiser, training_set: TrainingSet, settings: GapSettings, device: torch.device
) -> dict[str, Variable]:
    """The optimum's estimates without and with labels; only the first where all images have one label."""
    estimates = {"optimum": at_pixels(_WithoutLabel(optimum), training_set, settings, device)}
    if training_set.label_count > 1:
        estimates["labelled_optimum"] = at_pixels(optimum, training_set, settings, device)
    return _variables(estimates, training_set)


def filter_references(
    wiener: WienerDenoiser, training_set: TrainingSet, settings: GapSettings, device: torch.device
) -> dict[str, Variable]:
    """Estimates of the Wiener filter, and of the PCA-locality denoiser that it makes."""
    locality = LocalityDenoiser(torch.from_numpy(training_set.train).to(device), wiener)
    pixels = torch.from_numpy(compared_pixels(training_set.flat_validation.shape[1])).to(device)
    estimates = {
        "wiener": at_pixels(wiener, training_set, settings, device),
        "locality": _over_levels(
            lambda x, sigma, _: locality.at_level(x, sigma, pixels), training_set, settings, device
        ),
    }
    return _variables(estimates, training_set)


class _WithoutLabel:
    """A denoiser that is not told the label."""

    def __init__(self, denoiser: Denoiser) -> None:
        self.denoiser = denoiser

    def __call__(
        self, x: Float[Tensor, " m *shape"], sigma: Float[Tensor, " m"], label: Int64[Tensor, " m"] | None = None
    ) -> Float[Tensor, " m *shape"]:
        return self.denoiser(x, sigma)


def _variables(estimates: dict[str, Float32[np.ndarray, "L m p"]], training_set: TrainingSet) -> dict[str, Variable]:
    pixels = compared_pixels(training_set.flat_validation.shape[1])
    variables = {"pixel": Variable(pixels, ("pixel",), "index into a flat image of the pixels that are compared")}
    for name, values in estimates.items():
        text = f"estimate by the {NAMES[name]} of noised validation images"
        variables[VARIABLE.format(name=name)] = Variable(values, ("sigma", "compared", "pixel"), text)
    return variables


def references_of(optimum: StageFile) -> dict[str, Float32[np.ndarray, "L m p"]]:
    """The estimates of the closed forms that the stage optimum wrote, by their names."""
    return {name: optimum[key] for name in NAMES if (key := VARIABLE.format(name=name)) in optimum.arrays}
