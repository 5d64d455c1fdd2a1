"""All overlap measures at one noise level: trajectory states against noised training and validation images."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from diffbench.denoisers.posterior import carriers, half_squares, posterior_of_scores
from diffbench.files.estimates import Estimate
from diffbench.measures.centered import Centered
from diffbench.measures.concentration import concentration
from diffbench.measures.intervals import bootstrap_means, percentiles
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
    """Clean images, flat: all training images with their labels, and validation images.

    What every noise level needs of them is computed once and kept.
    """

    train: Float[np.ndarray, "n d"]
    train_labels: Int64[np.ndarray, " n"]
    validation: Float[np.ndarray, "v d"]

    @cached_property
    def centered(self) -> Centered:
        """All training images."""
        return Centered.of(self.train, "train")

    @cached_property
    def equal(self) -> dict[str, Centered]:
        """Equally many training and validation images."""
        size = min(len(self.train), len(self.validation))
        train = self.centered if size == len(self.train) else Centered.of(self.train[:size], "train")
        return {"train": train, "validation": Centered.of(self.validation[:size], "validation")}

    @cached_property
    def exact(self) -> tuple[Float64[np.ndarray, "n d"], Float64[np.ndarray, " n"]]:
        """All training images where they are, in float64, and half of their squares."""
        images = self.train.astype(np.float64)
        return images, half_squares(images)


class Level(NamedTuple):
    """Every overlap measure at one noise level, by name; and the shell radii of each population."""

    estimates: dict[str, Estimate]
    radii: dict[str, Float64[np.ndarray, " m"]]


def measured_level(populations: dict[str, Population], references: References, sigma: float, seed: int) -> Level:
    """What is measured at noise level sigma. Populations: "states", "train" and "validation"."""
    dimension = references.train.shape[1]
    near = {
        name: concentration(population.points, references.centered, sigma) for name, population in populations.items()
    }
    radii = {name: shell_radius(each.distance, sigma, dimension) for name, each in near.items()}
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
        estimates |= _means(
            {
                f"shell_radius_{name}": radii[name],
                f"largest_weight_{name}": near[name].largest_weight,
                f"effective_number_{name}": near[name].effective_number,
                f"log_density_{name}": near[name].log_density,
                f"model_error_{name}": _model_error(population, references, sigma),
            }
            | _differences_of_predictions(ROOTS[name], population.denoised, references),
            seed,
        )
    return Level(estimates, radii)


def _means(columns: dict[str, Float64[np.ndarray, " m"]], seed: int) -> dict[str, Estimate]:
    """Means of per-point values by name, with bootstrap intervals on one set of resamples."""
    values = np.stack(list(columns.values()), axis=1)  # (m, p)
    replicates = bootstrap_means(values, seed)
    means = values.mean(axis=0, dtype=np.float64)
    return dict(zip(columns, percentiles(means, replicates, len(values)), strict=True))


def _model_error(population: Population, references: References, sigma: float) -> Float[np.ndarray, " m"]:
    """||D - D*||^2 / d per point, with D* the optimum over the training images of the point's label."""
    images, halves = references.exact
    allowed = carriers(population.labels, references.train_labels)
    points = population.points.astype(np.float64)
    optimum = posterior_of_scores(points, points @ images.T - halves, sigma, allowed).weights @ images
    return np.square(population.denoised - optimum).mean(axis=1)


def _differences_of_predictions(
    name: str, predictions: Float[np.ndarray, "m d"], references: References
) -> dict[str, Float64[np.ndarray, " m"]]:
    """Root mean square difference per pixel of predictions to their nearest training and validation image.

    Equal numbers of both are searched, since a larger set has nearer neighbours.
    """
    scale = math.sqrt(references.train.shape[1])
    return {
        f"{name}_to_{split}": images.nearest_distances(predictions, "predictions") / scale
        for split, images in references.equal.items()
    }
