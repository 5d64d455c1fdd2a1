"""Per-image denoising losses of a denoiser over noise levels, on noise that all checkpoints share."""

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch

from diffbench.conventions import log_sigmas
from diffbench.data.training_set import TrainingSet
from diffbench.denoisers.base import BATCH, Denoiser
from diffbench.denoisers.batched import Batched
from diffbench.files.store import Variable
from diffbench.noise import gap_noise
from diffbench.settings.measures import GapSettings
from diffbench.shapes import Float32, Float64, Int64

DIMS = {"train": "image", "validation": "held_out"}


@dataclass(frozen=True)
class Losses:
    """Means over the noise draws, per split."""

    square: dict[str, Float64[np.ndarray, "levels _"]]  # ||D(x0 + s n) - x0||^2 / d
    norm: dict[str, Float64[np.ndarray, "levels _"]]  # ||D(x0 + s n) - x0||


def gap_sigmas(settings: GapSettings) -> Float64[np.ndarray, " levels"]:
    """Noise levels at which losses are measured."""
    return log_sigmas(settings.levels, settings.sigma_min, settings.sigma_max)


def losses_of_splits(
    denoiser: Denoiser, training_set: TrainingSet, settings: GapSettings, device: torch.device
) -> Losses:
    """Losses on at most settings.images images of each split."""
    square, norm = {}, {}
    batched = Batched(denoiser)
    for split, (images, labels) in training_set.splits.items():
        count = settings.images
        square[split], norm[split] = per_image_losses(
            batched, images[:count], labels[:count], split, gap_sigmas(settings), settings.noises, device
        )
    return Losses(square, norm)


@torch.no_grad()
def per_image_losses(
    denoiser: Batched,
    images: Float32[np.ndarray, " images *shape"],
    labels: Int64[np.ndarray, " images"],
    split: str,
    sigmas: Float64[np.ndarray, " levels"],
    draws: int,
    device: torch.device,
) -> tuple[Float64[np.ndarray, "levels images"], Float64[np.ndarray, "levels images"]]:
    """Mean square and mean norm of the error per image and noise level."""
    count, dimension = len(images), math.prod(images.shape[1:])
    together = min(draws, max(1, BATCH // count))  # draws of few images share a forward pass
    clean = torch.from_numpy(images).to(device).repeat(together, *[1] * (images.ndim - 1))
    label = torch.from_numpy(labels).to(device).repeat(together)
    drawn = np.empty((together, count, dimension), np.float32)
    square = np.zeros((len(sigmas), count))
    norm = np.zeros((len(sigmas), count))
    for level, first in product(range(len(sigmas)), range(0, draws, together)):
        sigma, parts = float(sigmas[level]), range(first, min(first + together, draws))
        for noise, draw in zip(drawn, parts, strict=False):
            gap_noise(split, level, draw, count, dimension, out=noise)
        some = slice(0, len(parts) * count)
        noised = torch.from_numpy(drawn).to(device).view(clean.shape)[some].mul_(sigma).add_(clean[some])
        error = denoiser.at_level(noised, sigma, label[some]) - clean[some]
        summed = error.flatten(1).double().square_().sum(dim=1).cpu().numpy().reshape(len(parts), count)
        square[level] += summed.sum(axis=0) / dimension / draws
        norm[level] += np.sqrt(summed).sum(axis=0) / draws
    return square, norm


def loss_variables(losses: Losses, settings: GapSettings) -> dict[str, Variable]:
    """The losses as variables of a stage file, with their noise levels."""
    variables = {"sigma": Variable(gap_sigmas(settings), ("sigma",), "noise level")}
    for split, dim in DIMS.items():
        variables[f"loss_{split}"] = Variable(
            losses.square[split],
            ("sigma", dim),
            f"mean squared denoising error per dimension, {split} images",
        )
        variables[f"norm_{split}"] = Variable(
            losses.norm[split], ("sigma", dim), f"mean L2 norm of the denoising error, {split} images"
        )
    return variables
