"""All overlap measures at one noise level: trajectory states against noised training and validation images."""

import math
from dataclasses import dataclass

import numpy as np

from diffbench.denoisers.posterior import carriers, posterior
from diffbench.files.estimates import Estimate
from diffbench.measures.concentration import concentration
from diffbench.measures.intervals import bootstrap_means, percentile
from diffbench.measures.neighbors import nearest
from diffbench.measures.overlap import overlap, shell_radius
from diffbench.shapes import Float, Float64, Int64

ROOTS = {"states": "x_t", "train": "x_r_train", "validation": "x_r_validation"}
"""Population -> name of its one-shot predictions D(x)."""


@dataclass(frozen=True)
class Population:
    """Points at one noise level, flat, with the denoiser's output at each and their labels."""

    points: Float[np.ndarray, "m d"]
    denoised: Float[np.ndarray, "m d"]
    labels: Int64[np.ndarray, " m"]


@dataclass(frozen=True)
class References:
    """Clean images, flat: all training images with their labels, and validation images."""

    train: Float[np.ndarray, "n d"]
    train_labels: Int64[np.ndarray, " n"]
    validation: Float[np.ndarray, "v d"]


def level_estimates(
    populations: dict[str, Population], references: References, sigma: float, seed: int
) -> dict[str, Estimate]:
    """Every overlap measure by name, at noise level sigma. Populations: "states", "train" and "validation"."""
    dimension = references.train.shape[1]
    radii = {
        name: shell_radius(nearest(population.points, references.train, 1).distances[:, 0], sigma, dimension)
        for name, population in populations.items()
    }
    shells = overlap(radii["train"], radii["validation"], radii["states"], seed)
    estimates = {
        "train_likeness": shells.train_likeness,
        "auc_qt": shells.auc_qt,
        "auc_vt": shells.auc_vt,
        "overlap_coefficient": shells.coefficient,
        "states_inside": shells.states_inside,
        "validation_inside": shells.validation_inside,
    }
    for name, population in populations.items():
        near = concentration(population.points, references.train, sigma)
        estimates |= _means(
            {
                f"shell_radius_{name}": radii[name],
                f"largest_weight_{name}": near.largest_weight,
                f"effective_number_{name}": near.effective_number,
                f"log_density_{name}": near.log_density,
                f"model_error_{name}": _model_error(population, references, sigma),
            }
            | _differences_of_predictions(ROOTS[name], population.denoised, references),
            seed,
        )
    return estimates


def _means(columns: dict[str, Float64[np.ndarray, " m"]], seed: int) -> dict[str, Estimate]:
    """Means of per-point values by name, with bootstrap intervals on one set of resamples."""
    values = np.stack(list(columns.values()), axis=1)  # (m, p)
    replicates = bootstrap_means(values, seed)
    means = values.mean(axis=0, dtype=np.float64)
    return {name: percentile(float(means[i]), replicates[:, i], len(values)) for i, name in enumerate(columns)}


def _model_error(population: Population, references: References, sigma: float) -> Float[np.ndarray, " m"]:
    """||D - D*||^2 / d per point, with D* the optimum over the training images of the point's label."""
    images = references.train.astype(np.float64)
    allowed = carriers(population.labels, references.train_labels)
    optimum = posterior(population.points.astype(np.float64), images, sigma, allowed).weights @ images
    return np.square(population.denoised - optimum).mean(axis=1)


def _differences_of_predictions(
    name: str, predictions: Float[np.ndarray, "m d"], references: References
) -> dict[str, Float64[np.ndarray, " m"]]:
    """Root mean square difference per pixel of predictions to their nearest training and validation image.

    Equal numbers of both are searched, since a larger set has nearer neighbours.
    """
    size = min(len(references.train), len(references.validation))
    scale = math.sqrt(references.train.shape[1])
    return {
        f"{name}_to_{split}": nearest(predictions, images[:size], 1).distances[:, 0] / scale
        for split, images in (("train", references.train), ("validation", references.validation))
    }
