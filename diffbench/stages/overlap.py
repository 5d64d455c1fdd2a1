"""Overlap: whether a cell's sampling trajectories visit the noised training data, at every level of the sampler."""

from pathlib import Path

from diffbench.data.training_set import Images, TrainingSet, in_turn, read_training_set
from diffbench.files import provenance, store
from diffbench.files.estimates import curve_variables
from diffbench.files.store import StageFile
from diffbench.measures.trajectories import Population, References, level_estimates
from diffbench.noise import overlap_noise
from diffbench.study.specs import StageSpec

SEED = 0
"""Of the bootstrap: the same for all cells, so that their resamples are paired."""


def run(spec: StageSpec, data: Path, conditions: Path, trajectories: Path, out: Path) -> None:
    """Compare the recorded states with noised training and validation images, at the sampler's own levels."""
    training_set = read_training_set(data, conditions, spec.inputs)
    recorded = store.read(trajectories, "trajectories", spec.inputs.get("trajectories"))
    sigmas = recorded["sigma"]
    references = References(training_set.flat_train, training_set.train_labels, training_set.flat_validation)
    levels = [
        level_estimates(populations_at(level, recorded, training_set), references, float(sigma), SEED)
        for level, sigma in enumerate(sigmas)
    ]
    curves = {name: [estimates[name] for estimates in levels] for name in levels[0]}
    variables = {"sigma": store.Variable(sigmas, ("sigma",), "noise level")}
    variables |= curve_variables(curves, training_set.space)
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


def _flat(images: Images) -> Images:
    return images.reshape(len(images), -1)
