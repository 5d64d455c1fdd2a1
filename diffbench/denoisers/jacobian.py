"""The Jacobian J = dD/dx of any denoiser by finite differences: its trace, its norm, and the local dimension FLIPD.

Only D itself is asked for, so that networks, closed forms, guided models and models from outside, which may have no
derivatives, are measured alike.
"""

import math
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from diffbench.data.training_set import TrainingSet
from diffbench.denoisers.base import Denoiser
from diffbench.denoisers.batched import Batched
from diffbench.noise import probe_signs
from diffbench.shapes import Float32, Float64, Int64

SIGMA = 0.2
"""Noise level of the measures: above it copies are no longer told from their neighbours, far below it nothing moves."""
IMAGES = 192
"""At most so many images of a kind."""
PROBES = 16
"""Directions per image. Up to as many dimensions all axes are taken instead, either way, and nothing is estimated."""
STEP = 2.0**-6
"""Step per pixel and sigma. D bends within about sigma, so the error of a difference grows as STEP^2 (the term of first
order is odd in the direction and averages out), that of rounding as eps / STEP: least near eps^(1/3), 2^-8 in float32
and 2^-4 where a GPU convolves in TF32. Between them both errors lie far below what PROBES leave open."""

CHECKED = 16
"""Images at which it is seen whether D is smooth enough for the step."""
TOLERATED = (0.01, 0.1)
"""Error of the squared norm that is tolerated: absolute, where each dimension that J keeps counts 1, and relative."""

QUANTITIES = {
    "jacobian_trace": "trace of the denoiser's Jacobian",
    "jacobian_norm": "squared Frobenius norm of the denoiser's Jacobian",
    "flipd": "local dimension FLIPD",
}


def jacobians_of_splits(
    denoiser: Denoiser, training_set: TrainingSet, images: int, device: torch.device
) -> dict[str, dict[str, Float64[np.ndarray, " _"]]]:
    """`jacobians` of the first `images` clean images of each split, but of IMAGES at most, by the split's name."""
    batched, most = Batched(denoiser), min(images, IMAGES)
    return {
        split: jacobians(batched, clean[:most], labels[:most], split, device)
        for split, (clean, labels) in training_set.splits.items()
    }


def jacobians(
    denoiser: Batched,
    images: Float32[np.ndarray, " m *shape"],
    labels: Int64[np.ndarray, " m"],
    purpose: str,
    device: torch.device,
    sigma: float = SIGMA,
) -> dict[str, Float64[np.ndarray, " m"]]:
    """QUANTITIES of each image, at noise level sigma but without noise added; directions depend on `purpose` alone."""
    x, label = torch.from_numpy(images).to(device).double(), torch.from_numpy(labels).to(device)
    return of_directions(denoiser, x, label, directions(purpose, *x.flatten(1).shape), sigma)


def evaluations(images: int, dimension: int) -> int:
    """How many times D is evaluated for `jacobians` of so many images."""
    return images * (1 + (2 * dimension if dimension <= PROBES else PROBES)) + 2 * min(images, CHECKED)


def directions(purpose: str, images: int, dimension: int) -> Iterator[Float32[np.ndarray, "{images} {dimension}"]]:
    """Vectors v for each image, of length sqrt(d), whose mean of v v^T is the identity: on average, or exactly."""
    if dimension <= PROBES:
        axes = math.sqrt(dimension) * np.eye(dimension, dtype=np.float32)
        for axis in np.concatenate([axes, -axes]):  # either way, so that what is odd in the direction cancels
            yield np.tile(axis, (images, 1))
        return
    for probe in range(PROBES):
        yield probe_signs(purpose, probe, images, dimension)


@torch.no_grad()
def of_directions(
    denoiser: Batched,
    x: Float64[Tensor, " m *shape"],
    label: Int64[Tensor, " m"],
    directions: Iterable[Float32[np.ndarray, "m d"]],
    sigma: float,
) -> dict[str, Float64[np.ndarray, " m"]]:
    """QUANTITIES of each image from the means of v.Jv = tr J and |Jv|^2 = ||J||_F^2 over directions v.

    Hutchinson 1990, and the same of J^T J. FLIPD = d + d ln p_sigma(x) / d ln sigma (Kamkari et al. 2024, arXiv
    2406.03537), which for added noise is tr J + |x - D|^2 / sigma^2 (derived). One evaluation for D and one per
    direction: Jv = (D(x + h v) - D(x)) / h. All nan where D is not smooth on the scale of h, as a network that computes
    in half precision is not. x is in float64, so that nothing is rounded but by the denoiser.
    """
    step = STEP * sigma
    denoised = denoiser.at_level(x, sigma, label)
    trace, norm = (torch.zeros(len(x), dtype=torch.float64, device=x.device) for _ in range(2))
    count = 0
    for direction in directions:
        v = torch.from_numpy(direction).to(x.device).double().view_as(x)
        change = (denoiser.at_level(x + step * v, sigma, label) - denoised) / step
        trace += _dot(v, change)
        norm += _dot(change, change)
        count += 1
    some = slice(CHECKED)
    known = 1.0 if _is_smooth(denoiser, x[some], label[some], denoised[some], sigma) else math.nan
    trace, norm = known * trace / count, known * norm / count
    flipd = trace + _dot(x - denoised, x - denoised) / sigma**2
    return {name: each.cpu().numpy() for name, each in zip(QUANTITIES, (trace, norm, flipd), strict=True)}


def _is_smooth(
    denoiser: Batched,
    x: Float64[Tensor, " c *shape"],
    label: Int64[Tensor, " c"],
    denoised: Float64[Tensor, " c *shape"],
    sigma: float,
) -> bool:
    """Whether what rounding and curvature add to |Jv|^2 is tolerable at most images, by differences to either side."""
    step, (absolute, relative) = STEP * sigma, TOLERATED
    v = torch.from_numpy(probe_signs("smooth", 0, *x.flatten(1).shape)).to(x.device).double().view_as(x)
    ahead, back = (
        (denoiser.at_level(x + way * step * v, sigma, label) - denoised) / (way * step) for way in (1.0, -1.0)
    )
    added = _dot(ahead - back, ahead - back) / 3  # of rounding it has three times as much as one of both squared
    return bool((added <= absolute + relative * _dot(ahead, ahead)).double().mean() >= 0.5)


def _dot(a: Float64[Tensor, " m *shape"], b: Float64[Tensor, " m *shape"]) -> Float64[Tensor, " m"]:
    return (a.flatten(1) * b.flatten(1)).sum(dim=1)
