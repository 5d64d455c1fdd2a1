"""Evaluations of a denoiser that a study's settings imply, counted without torch: the DAG is built from them."""

from dataclasses import dataclass

from diffbench.data.pictured import kept
from diffbench.data.raw_images import Facts
from diffbench.study.study import Study

# Of modules that need torch; a test holds them to what stands there.
PROBES, PROBED, CHECKED = 16, 192, 16
"""Directions of the Jacobian at an image, images of a kind, and those that its step is checked at, at most; in so few
dimensions as directions each axis is taken either way (denoisers/jacobian.py)."""
COMPARED, PIXELS = 64, 64
"""Images, and pixels of each, that closed forms are compared at, at most (denoisers/references.py)."""
ATTACKS = 17
"""Evaluations behind the attacks on an image, at most (denoisers/attacks.py)."""

PER_STEP = {"heun": 2, "euler": 1, "dpmpp-2m": 1}
"""Evaluations of a step of a solver."""
OPTIMA = {"optimal": 1, "blurred": 1, "autoguided": 2}
"""Kind of a closed form: how many optima one evaluation takes."""


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
        """Behind the samples of one cell, what their trajectories are compared with and shown by, and the Jacobian."""
        sampling = self.study.sampling
        solved = sampling.samples * PER_STEP[sampling.solver]
        trajectories, levels, _ = kept(self.facts.shape, sampling.trajectories, sampling.steps)
        compared = sampling.steps * 2 * sampling.trajectories + 2 * levels * trajectories
        return sampling.steps * solved + compared + self.probed(sampling.samples)

    def of_the_optimum(self, size: int) -> int:
        """Beside so many training images: one per image of these, or direction of the linear filter, which costs alike.

        For each compared pixel locality takes an optimum of its own.
        """
        linear = min(size, self.dimension)
        pixels = min(PIXELS, self.dimension)
        return self.gap(size) * (size + linear) + self.compared(size) * ((2 + pixels) * size + linear)
