"""Which sampling trajectories are looked at, beside which images, and how near to noised data their states are."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from diffbench.data.pictured import kept, spread_over_levels, spread_over_ranks
from diffbench.data.training_set import Images, TrainingSet
from diffbench.measures.memorization import closeness, distance_ratios
from diffbench.measures.neighbors import nearest
from diffbench.measures.overlap import shell_radius
from diffbench.noise import neighbor_noise
from diffbench.shapes import Float, Float64, Int64

NUMBERS = {
    "radius": "shell radius of the state: L2 to the nearest training image / (sigma sqrt(d))",
    "radius_validation": "the same to the nearest validation image",
    "beyond_train": "share of noised training images whose shell radius is as large or larger",
    "beyond_validation": "share of noised validation images whose shell radius is as large or larger",
    "ratio": "d1/d2 of D at the state among training images",
}
"""Of each pictured state."""


@dataclass(frozen=True)
class Pictured:
    """Trajectories at some levels; first the one whose sample is most like a copy, last the one whose is least.

    Beside each state stands the image of either split that is nearest to it (L2), and so the one whose noised versions
    are nearest on average: E ||x - (y + sigma n)||^2 = ||x - y||^2 + sigma^2 d.
    """

    trajectories: Int64[np.ndarray, " k"]
    levels: Int64[np.ndarray, " L"]
    nearest: dict[str, Int64[np.ndarray, "L k"]]  # by split

    def noised(self, split: str, place: int, images: Images, sigma: float) -> Images:
        """The nearest images (k, *shape) at a level, by its place among these, on noise that all cells share."""
        clean = images[self.nearest[split][place]]
        noise = neighbor_noise(split, int(self.levels[place]), len(clean), math.prod(clean.shape[1:]))
        return clean + np.float32(sigma) * noise.reshape(clean.shape)

    def numbers(
        self,
        radii: Mapping[str, Float64[np.ndarray, " m"]],
        states: Float[np.ndarray, "k d"],
        held_out: Float[np.ndarray, "k d"],
        sigma: float,
    ) -> dict[str, Float64[np.ndarray, " k"]]:
        """NUMBERS of the states at a level but d1/d2, beside the shell radii of its populations.

        held_out: the validation image that is nearest to each state.
        """
        own = radii["states"][self.trajectories]
        distances = np.linalg.norm(states.astype(np.float64) - held_out, axis=1)
        return {
            "radius": own,
            "radius_validation": shell_radius(distances, sigma, states.shape[1]),
            "beyond_train": _share_beyond(own, radii["train"]),
            "beyond_validation": _share_beyond(own, radii["validation"]),
        }


def pictured(
    sigmas: Float64[np.ndarray, " levels"], states: Images, samples: Images, training_set: TrainingSet
) -> Pictured | None:
    """Trajectories at equally spaced ranks of d1/d2 of their samples; None of vectors, which cannot be looked at.

    Also where a value is not finite: the overlap stage says so. states: (levels, m, *shape); samples: where they end,
    (m, *shape).
    """
    trajectories, levels, _ = kept(training_set.shape, len(samples), len(states))
    if not trajectories or not np.isfinite(states).all():
        return None
    ratios = distance_ratios(closeness(_flat(samples), training_set.flat_train))
    chosen = np.argsort(ratios, kind="stable")[spread_over_ranks(len(samples), trajectories)]
    places = np.array(spread_over_levels(sigmas, levels))
    shown = states[places][:, chosen]
    references = {"train": training_set.flat_train, "validation": training_set.flat_validation}
    found = {
        split: nearest(_flat(shown.reshape(-1, *training_set.shape)), images, 1).indices.reshape(shown.shape[:2])
        for split, images in references.items()
    }
    return Pictured(chosen, places, found)


def predicted_ratios(denoised: Float[np.ndarray, "k d"], train: Float[np.ndarray, "n d"]) -> Float64[np.ndarray, " k"]:
    """d1/d2 of what the denoiser makes of each state, as of samples."""
    return distance_ratios(closeness(denoised, train))


def _share_beyond(
    values: Float64[np.ndarray, " k"], population: Float64[np.ndarray, " m"]
) -> Float64[np.ndarray, " k"]:
    """Share of a population that is as large as each value, or larger."""
    return (population >= values[:, None]).mean(axis=1)


def _flat(images: Images) -> Images:
    return images.reshape(len(images), -1)
