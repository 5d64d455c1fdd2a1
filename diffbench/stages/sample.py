"""Sample: samples of a cell, and what its overlap with noised data is judged by."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from diffbench.conventions import karras_sigmas
from diffbench.data.training_set import TrainingSet, in_turn, read_training_set
from diffbench.denoisers.base import BATCH, Denoiser, denoise_batched
from diffbench.denoisers.build import load_denoiser
from diffbench.denoisers.guidance import Guided
from diffbench.devices import pick_device
from diffbench.files import provenance, store
from diffbench.noise import overlap_noise, sample_noise
from diffbench.sampling import SOLVERS
from diffbench.settings.sampling import SamplingSettings
from diffbench.study.specs import SampleSpec

Array = NDArray[Any]


def run(
    spec: SampleSpec,
    data: Path,
    conditions: Path,
    out: Path,
    trajectories: Path,
    checkpoint: Path | None = None,
    guide: Path | None = None,
    device: str = "auto",
) -> None:
    """Draw the samples of a cell into `out`, and into `trajectories` what the overlap stage reads.

    guide: the checkpoint of spec.guide, where that is a trained model.
    """
    training_set = read_training_set(data, conditions)
    where = pick_device(device)
    denoiser = guided_denoiser(spec, training_set, checkpoint, guide, where)
    sigmas = karras_sigmas(spec.sampling.steps, spec.sampling.sigma_min, spec.sampling.sigma_max, spec.sampling.rho)
    labels = sample_labels(training_set, spec.sampling.samples)
    samples, recorded = draw(denoiser, training_set.shape, sigmas, labels, spec.sampling, where)
    recorded |= noised_predictions(denoiser, training_set, sigmas, spec.sampling.trajectories, where)

    axes = tuple(f"axis{index}" for index in range(len(training_set.shape)))
    settings = spec.model_dump(mode="json", exclude={"factors"})
    attributes = provenance.attributes(spec.factors, settings, str(where))
    kept = {
        "samples": store.Variable(samples, ("sample", *axes), "generated images, scaled"),
        "label": store.Variable(labels, ("sample",), "condition label"),
    }
    levels = {"sigma": store.Variable(sigmas, ("sigma",), "noise level")}
    texts = {
        "state": ("sample", "state of the trajectory"),
        "denoised": ("sample", "D at the state"),
        "denoised_train": ("image", "D at noised training images"),
        "denoised_validation": ("held_out", "D at noised validation images"),
    }
    for name, values in recorded.items():
        dim, text = texts[name]
        levels[name] = store.Variable(values, ("sigma", dim, *axes), text)
    levels["label"] = store.Variable(labels[: spec.sampling.trajectories], ("sample",), "condition label")
    store.write(trajectories, "trajectories", levels, attributes)
    store.write(out, "sample", kept, attributes)


def guided_denoiser(
    spec: SampleSpec, training_set: TrainingSet, checkpoint: Path | None, guide: Path | None, device: torch.device
) -> Denoiser:
    """The cell's denoiser, guided away from spec.guide with the same label, or else from itself without its label."""
    model = load_denoiser(spec.model, training_set, checkpoint, device)
    weight, interval = spec.guidance.weight, spec.guidance.interval
    if spec.guide is None:
        return Guided(model, model, weight, interval, negative_label="none")
    return Guided(model, load_denoiser(spec.guide, training_set, guide, device), weight, interval)


def sample_labels(training_set: TrainingSet, count: int) -> NDArray[np.int64]:
    """Labels (count,) of samples, whose frequencies follow the training set's.

    The golden ratio spreads quantiles evenly over any number of samples. Equal frequencies give equal labels, so that
    samples of a run and its twin form pairs.
    """
    golden = (np.sqrt(5) - 1) / 2
    quantiles = ((np.arange(count) + 0.5) * golden) % 1.0
    cumulated = np.cumsum(np.bincount(training_set.train_labels)) / len(training_set.train_labels)
    return np.searchsorted(cumulated, quantiles, side="right").astype(np.int64)


def draw(
    denoiser: Denoiser,
    shape: tuple[int, ...],
    sigmas: NDArray[np.float64],
    labels: NDArray[np.int64],
    settings: SamplingSettings,
    device: torch.device,
) -> tuple[Array, dict[str, Array]]:
    """Samples (count, *shape) float32, and "state" and "denoised" (levels, trajectories, *shape) of the first ones."""
    levels = torch.from_numpy(sigmas).to(device)
    samples: list[Array] = []
    recorded: dict[str, list[Array]] = {"state": [], "denoised": []}
    for first in range(0, len(labels), BATCH):
        label = torch.from_numpy(labels[first : first + BATCH]).to(device)
        noise = torch.from_numpy(sample_noise(first, len(label), int(np.prod(shape)))).to(device)
        keep = max(0, min(len(label), settings.trajectories - first))
        sample = noise.double().view(-1, *shape)
        states, denoised = [], []
        for step in SOLVERS[settings.solver](denoiser, sample, levels, label):
            states.append(step.state[:keep].float().cpu().numpy())
            denoised.append(step.denoised[:keep].float().cpu().numpy())
            sample = step.next_state
        samples.append(sample.float().cpu().numpy())
        recorded["state"].append(np.stack(states))
        recorded["denoised"].append(np.stack(denoised))
    return np.concatenate(samples), {name: np.concatenate(parts, axis=1) for name, parts in recorded.items()}


@torch.no_grad()
def noised_predictions(
    denoiser: Denoiser,
    training_set: TrainingSet,
    sigmas: NDArray[np.float64],
    count: int,
    device: torch.device,
) -> dict[str, Array]:
    """D at `count` noised training and validation images, (levels, count, *shape), on noise shared by all cells."""
    result = {}
    for split, images, labels in (
        ("train", training_set.train, training_set.train_labels),
        ("validation", training_set.validation, training_set.validation_labels),
    ):
        rows = in_turn(len(images), count)
        clean = torch.from_numpy(images[rows]).to(device)
        label = torch.from_numpy(labels[rows]).to(device)
        outputs = []
        for level, sigma in enumerate(sigmas):
            noise = torch.from_numpy(overlap_noise(split, level, len(clean), clean[0].numel())).to(device)
            noised = clean + float(sigma) * noise.view_as(clean)
            outputs.append(denoise_batched(denoiser, noised, float(sigma), label).cpu().numpy())
        result[f"denoised_{split}"] = np.stack(outputs)
    return result
