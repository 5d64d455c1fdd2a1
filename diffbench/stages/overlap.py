"""Overlap: whether a cell's sampling trajectories visit the noised training data, at every level of the sampler."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diffbench.data.pictured import KINDS, NOISED, REACH, as_bytes, kept
from diffbench.data.training_set import Images, TrainingSet, in_turn, read_training_set
from diffbench.files import provenance, store
from diffbench.files.estimates import curve_variables
from diffbench.files.store import StageFile
from diffbench.measures.pictured import NUMBERS, Pictured, predicted_ratios
from diffbench.measures.trajectories import Level, Population, References, measured_level
from diffbench.noise import overlap_noise
from diffbench.study.specs import StageSpec

SEED = 0
"""Of the bootstrap: the same for all cells, so that their resamples are paired."""

PICTURES = f"points; or bytes from black to white, which of noised images lie {REACH:g} sigma further out"


def run(spec: StageSpec, data: Path, conditions: Path, trajectories: Path, out: Path) -> None:
    """Compare the recorded states with noised training and validation images, at the sampler's own levels."""
    training_set = read_training_set(data, conditions, spec.inputs)
    recorded = store.read(trajectories, "trajectories", spec.inputs.get("trajectories"))
    sigmas = recorded["sigma"]
    references = References(training_set.flat_train, training_set.train_labels, training_set.flat_validation)
    levels = [
        measured_level(populations_at(level, recorded, training_set), references, float(sigma), SEED)
        for level, sigma in enumerate(sigmas)
    ]
    curves = {name: [level.estimates[name] for level in levels] for name in levels[0].estimates}
    variables = {"sigma": store.Variable(sigmas, ("sigma",), "noise level")}
    variables |= curve_variables(curves, training_set.space)
    if "pictured" in recorded.arrays:
        variables |= _pictured_variables(recorded, training_set, levels)
    store.write(out, "overlap", variables, provenance.attributes(spec.factors, {}), spec.fingerprint)


def populations_at(level: int, recorded: StageFile, training_set: TrainingSet) -> dict[str, Population]:
    """States of the trajectories, and noised images on the noise under which the sample stage denoised them."""
    sigma = float(recorded["sigma"][level])
    populations = {
        "states": Population(_flat(recorded["state"][level]), _flat(recorded["denoised"][level]), recorded["label"])
    }
    for split, (images, labels) in training_set.splits.items():
        denoised = _flat(recorded[f"denoised_{split}"][level])
        rows = in_turn(len(images), len(denoised))
        clean = _flat(images[rows])
        noised = clean + sigma * overlap_noise(split, level, *clean.shape)
        populations[split] = Population(noised, denoised, labels[rows])
    return populations


def _pictured_variables(
    recorded: StageFile, training_set: TrainingSet, levels: list[Level]
) -> dict[str, store.Variable]:
    """Of a few trajectories at a few levels: their pictures beside the nearest images', and how near each state is."""
    nearest = {split: recorded[f"neighbor_{split}"] for split in training_set.splits}
    chosen = Pictured(recorded["pictured"], recorded["pictured_level"], nearest)
    scene = _Scene.of(training_set, chosen)
    numbers, pictures = [], []
    for place, level in enumerate(chosen.levels):
        sigma = float(recorded["sigma"][level])
        states, denoised = (recorded[name][level][chosen.trajectories] for name in ("state", "denoised"))
        images = {"state": states, "denoised": denoised, "train": training_set.train[nearest["train"][place]]}
        for split, (clean, _) in training_set.splits.items():
            images[f"noised_{split}"] = chosen.noised(split, place, clean, sigma)
            images[f"denoised_{split}"] = recorded[f"denoised_neighbor_{split}"][place]
        pictures.append(np.stack([scene.shown(kind, images[kind], sigma) for kind in KINDS], axis=1))
        held_out = training_set.flat_validation[nearest["validation"][place]]
        numbers.append(chosen.numbers(levels[level].radii, _flat(states), held_out, sigma))
        numbers[-1]["ratio"] = predicted_ratios(_flat(denoised), training_set.flat_train)
    dims = ("pictured_sigma", "pictured")
    axes = tuple(f"axis{index}" for index in range(len(training_set.shape)))
    variables = {
        "pictured": store.Variable(chosen.trajectories, dims[1:], "trajectory, by the number of its sample"),
        "pictured_sigma": store.Variable(recorded["sigma"][chosen.levels], dims[:1], "noise level"),
        "picture": store.Variable(np.array(KINDS), ("picture",), "what is pictured"),
        "pictures": store.Variable(np.stack(pictures), (*dims, "picture", *axes), PICTURES),
    }
    for split, rows in nearest.items():
        variables[f"neighbor_{split}"] = store.Variable(rows, dims, f"row of the nearest image of {split}")
    for name, text in NUMBERS.items():
        variables[f"pictured_{name}"] = store.Variable(np.stack([each[name] for each in numbers]), dims, text)
    return variables


@dataclass(frozen=True)
class _Scene:
    """How images are kept to be looked at: between the least and the largest value of training images."""

    low: float
    high: float
    stride: int

    @staticmethod
    def of(training_set: TrainingSet, chosen: Pictured) -> "_Scene":
        stride = kept(training_set.shape, len(chosen.trajectories), len(chosen.levels)).stride
        return _Scene(float(training_set.train.min()), float(training_set.train.max()), stride)

    def shown(self, kind: str, images: Images, sigma: float) -> np.ndarray:
        """Bytes; points of the plane stay as they are."""
        if images.ndim != 4:
            return images
        beyond = REACH * sigma if kind in NOISED else 0.0
        return as_bytes(images, self.low - beyond, self.high + beyond, self.stride)


def _flat(images: Images) -> Images:
    return images.reshape(len(images), -1)
