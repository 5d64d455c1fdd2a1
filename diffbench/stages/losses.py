"""Per-image denoising losses of a denoiser over noise levels, on noise that all checkpoints share."""

import math
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffbench.denoisers.base import Denoiser
from diffbench.noise import gap_noise

BATCH = 512
"""Images per forward pass."""


class Losses(NamedTuple):
    """Means over the noise draws; both (levels, images) float64."""

    square: NDArray[np.float64]  # ||D(x0 + s n) - x0||^2 / d
    norm: NDArray[np.float64]  # ||D(x0 + s n) - x0||


@torch.no_grad()
def per_image_losses(
    denoiser: Denoiser,
    images: NDArray[np.float32],
    labels: NDArray[np.int64],
    split: str,
    sigmas: NDArray[np.float64],
    draws: int,
    device: torch.device,
) -> Losses:
    """Losses of images (m, *shape) with labels (m,) at each of `sigmas` (levels,), averaged over `draws` of noise."""
    clean = torch.from_numpy(images).to(device)
    label = torch.from_numpy(labels).to(device)
    count, dimension = len(images), math.prod(images.shape[1:])
    square = np.zeros((len(sigmas), count))
    norm = np.zeros((len(sigmas), count))
    for level, draw in product(range(len(sigmas)), range(draws)):
        sigma = float(sigmas[level])
        noise = torch.from_numpy(gap_noise(split, level, draw, count, dimension)).to(device)
        noised = clean + sigma * noise.view_as(clean)
        error = denoise_batched(denoiser, noised, sigma, label) - clean
        summed = error.flatten(1).double().square().sum(dim=1).cpu().numpy()
        square[level] += summed / dimension / draws
        norm[level] += np.sqrt(summed) / draws
    return Losses(square, norm)


def denoise_batched(denoiser: Denoiser, noised: Tensor, sigma: float, label: Tensor) -> Tensor:
    """D at one noise level for any number of images, in batches that bound the memory of activations."""
    parts = zip(noised.split(BATCH), label.split(BATCH), strict=True)
    return torch.cat([denoiser(x, torch.full((len(x),), sigma, device=x.device), c) for x, c in parts])
