"""Evaluations of a denoiser that a study's settings imply, counted without torch: the DAG is built from them."""

import math
from dataclasses import dataclass

import numpy as np

from diffbench.conventions import karras_sigmas
from diffbench.data.raw_images import Facts
from diffbench.settings.guidance import Guidance
from diffbench.settings.sampling import SamplingSettings
from diffbench.shapes import Float64
from diffbench.study.study import Study

# Of modules that need torch; a test holds them to what stands there.
PROBES, PROBED, CHECKED = 16, 192, 16
"""Directions of the Jacobian at an image, images of a kind, and those that its step is checked at, at most; in so few
dimensions as directions each axis is taken either way (denoisers/jacobian.py)."""
COMPARED, PIXELS = 64, 64
"""Images, and pixels of each, that closed forms are compared at, at most (denoisers/references.py)."""
ATTACKS = 17
"""Evaluations behind the attacks on an image, at most (denoisers/attacks.py)."""

PROBED_AT = 0.2
"""Noise level of the Jacobian (denoisers/jacobian.py)."""
OPTIMA = {"optimal": 1, "blurred": 1, "autoguided": 2}
"""Kind of a closed form: how many optima one evaluation takes."""


def levels_of(sampling: SamplingSettings) -> Float64[np.ndarray, " levels"]:
    """The sampler's noise levels, falling."""
    return karras_sigmas(sampling.steps, sampling.sigma_min, sampling.sigma_max, sampling.rho)


def solver_levels(sampling: SamplingSettings) -> Float64[np.ndarray, " evaluations"]:
    """Noise level of each evaluation behind a sample: Heun's method corrects every step but the last, to 0."""
    sigmas = levels_of(sampling)
    return np.concatenate([sigmas, sigmas[1:]]) if sampling.solver == "heun" else sigmas


def acting(guidance: Guidance, sigmas: Float64[np.ndarray, " _"]) -> int:
    """At how many of these noise levels the guide is evaluated."""
    if guidance.weight == 0:
        return 0
    low, high = guidance.interval or (0.0, math.inf)
    return int(((sigmas > low) & (sigmas <= high)).sum())


@dataclass(frozen=True)
class Evaluations:
    """Counts of evaluated images; size: images that a checkpoint was trained on. attacks: behind those on an image."""

    study: Study
    facts: Facts
    dimension: int
    attacks: int = ATTACKS

    def held_out(self, size: int) -> int:
        """Validation images beside so many training images."""
        return size if self.facts.equidistant else self.study.data.validation

    def gap(self, size: int) -> int:
        """Behind the losses of one checkpoint."""
        gap = self.study.measures.gap
        return gap.levels * gap.noises * sum(self.of_splits(size))

    def of_splits(self, size: int) -> tuple[int, int]:
        """Training and validation images at which a checkpoint is measured."""
        most = self.study.measures.gap.images
        return min(most, size), min(most, self.held_out(size))

    def probed(self, *images: int) -> int:
        """Behind the Jacobian at so many images of each kind."""
        directions = 2 * self.dimension if self.dimension <= PROBES else PROBES
        measured = [min(PROBED, count) for count in images]
        return sum(count * (1 + directions) + 2 * min(count, CHECKED) for count in measured)

    def compared(self, size: int) -> int:
        """That closed forms are compared with one checkpoint by."""
        gap = self.study.measures.gap
        return gap.levels * min(COMPARED, gap.images, self.held_out(size))

    def attacked(self, size: int) -> int:
        """Behind the membership attacks on one checkpoint."""
        return self.attacks * sum(self.of_splits(size))

    def measured(self, size: int) -> int:
        """Of one checkpoint, for all that is measured without samples."""
        return self.gap(size) + self.compared(size) + self.attacked(size) + self.probed(*self.of_splits(size))

    def sampled(self) -> int:
        """Behind the samples of one cell, what their trajectories are compared with, and the Jacobian."""
        sampling = self.study.sampling
        solved = sampling.samples * len(solver_levels(sampling))
        return solved + 2 * sampling.steps * sampling.trajectories + self.probed(sampling.samples)

    def guided(self, guidance: Guidance) -> int:
        """The same of the guide: where it acts."""
        sampling = self.study.sampling
        solved = sampling.samples * acting(guidance, solver_levels(sampling))
        followed = 2 * sampling.trajectories * acting(guidance, levels_of(sampling))
        return solved + followed + self.probed(sampling.samples) * acting(guidance, np.array([PROBED_AT]))

    def of_the_optimum(self, size: int) -> int:
        """Beside so many training images: one per image of these, or direction of the linear filter, which costs alike.

        For each compared pixel locality takes an optimum of its own.
        """
        linear = min(size, self.dimension)
        pixels = min(PIXELS, self.dimension)
        return self.gap(size) * (size + linear) + self.compared(size) * ((2 + pixels) * size + linear)
