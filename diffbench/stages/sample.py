"""Sample: samples of a cell, the denoiser's Jacobian there, and what the overlap with noised data is judged by."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffbench.conventions import karras_sigmas
from diffbench.data.training_set import Images, TrainingSet, in_turn, read_training_set
from diffbench.denoisers.base import BATCH, Denoiser
from diffbench.denoisers.batched import Batched
from diffbench.denoisers.build import load_denoiser
from diffbench.denoisers.guidance import Guided
from diffbench.denoisers.jacobian import IMAGES, QUANTITIES, SIGMA, jacobians
from diffbench.devices import pick_device
from diffbench.files import provenance, store
from diffbench.measures.pictured import Pictured, pictured
from diffbench.noise import overlap_noise, sample_noise
from diffbench.sampling import SOLVERS, SamplingStep
from diffbench.settings.sampling import SamplingSettings
from diffbench.study.specs import SampleSpec


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
    training_set = read_training_set(data, conditions, spec.inputs)
    where = pick_device(device)
    denoiser = Batched(guided_denoiser(spec, training_set, checkpoint, guide, where))
    sigmas = karras_sigmas(spec.sampling.steps, spec.sampling.sigma_min, spec.sampling.sigma_max, spec.sampling.rho)
    labels = sample_labels(training_set, spec.sampling.samples)
    drawn = draw(denoiser, training_set.shape, sigmas, labels, spec.sampling, where)
    predictions = noised_predictions(denoiser, training_set, sigmas, spec.sampling.trajectories, where)
    chosen = pictured(sigmas, drawn.state, drawn.samples[: drawn.state.shape[1]], training_set)
    beside = neighbor_predictions(denoiser, training_set, sigmas, chosen, where) if chosen else {}
    measured = jacobians(denoiser, drawn.samples[:IMAGES], labels[:IMAGES], "samples", where)
    settings = spec.model_dump(mode="json", exclude={"factors", "inputs"})
    attributes = provenance.attributes(spec.factors, settings, str(where))
    passed = _trajectory_variables(sigmas, labels, drawn, predictions)
    passed |= _pictured_variables(chosen, beside) if chosen else {}
    store.write(trajectories, "trajectories", passed, attributes, spec.fingerprint)
    variables = _sample_variables(labels, drawn.samples) | _jacobian_variables(measured)
    store.write(out, "sample", variables, attributes, spec.fingerprint)


def guided_denoiser(
    spec: SampleSpec, training_set: TrainingSet, checkpoint: Path | None, guide: Path | None, device: torch.device
) -> Denoiser:
    """The cell's denoiser, guided away from spec.guide with the same label, or else from itself without its label."""
    model = load_denoiser(spec.model, training_set, checkpoint, device, spec.inputs.get("checkpoint"))
    weight, interval = spec.guidance.weight, spec.guidance.interval
    if spec.guide is None:
        return Guided(model, model, weight, interval, negative_label="none")
    guiding = load_denoiser(spec.guide, training_set, guide, device, spec.inputs.get("guide"))
    return Guided(model, guiding, weight, interval)


def sample_labels(training_set: TrainingSet, count: int) -> NDArray[np.int64]:
    """Labels (count,) of samples, whose frequencies follow the training set's.

    The golden ratio spreads quantiles evenly over any number of samples. Equal frequencies give equal labels, so that
    samples of a run and its twin form pairs.
    """
    golden = (np.sqrt(5) - 1) / 2
    quantiles = ((np.arange(count) + 0.5) * golden) % 1.0
    cumulated = np.cumsum(np.bincount(training_set.train_labels)) / len(training_set.train_labels)
    return np.searchsorted(cumulated, quantiles, side="right").astype(np.int64)


class Drawn(NamedTuple):
    """Samples, and the trajectories of the first of them: their states and what the denoiser made of these."""

    samples: Images  # (samples, *shape)
    state: Images  # (levels, trajectories, *shape)
    denoised: Images  # (levels, trajectories, *shape)


def draw(
    denoiser: Denoiser,
    shape: tuple[int, ...],
    sigmas: NDArray[np.float64],
    labels: NDArray[np.int64],
    settings: SamplingSettings,
    device: torch.device,
) -> Drawn:
    """As many samples as there are labels, on noise that depends on a sample's number alone."""
    levels = torch.from_numpy(sigmas).to(device)
    parts: list[Drawn] = []
    for first in range(0, len(labels), BATCH):
        label = torch.from_numpy(labels[first : first + BATCH]).to(device)
        noise = torch.from_numpy(sample_noise(first, len(label), math.prod(shape))).to(device)
        steps = SOLVERS[settings.solver](denoiser, noise.double().view(-1, *shape), levels, label)
        parts.append(_followed(steps, kept=max(0, min(len(label), settings.trajectories - first))))
    samples, state, denoised = zip(*parts, strict=True)
    return Drawn(np.concatenate(samples), np.concatenate(state, axis=1), np.concatenate(denoised, axis=1))


def _followed(steps: Iterator[SamplingStep], kept: int) -> Drawn:
    """Where the steps of a solver end, and what they pass in the first `kept` trajectories."""
    states, denoised, last = [], [], None
    for step in steps:
        states.append(_to_numpy(step.state[:kept]))
        denoised.append(_to_numpy(step.denoised[:kept]))
        last = step
    assert last is not None  # there are at least two noise levels
    return Drawn(_to_numpy(last.next_state), np.stack(states), np.stack(denoised))


@torch.no_grad()
def noised_predictions(
    denoiser: Batched,
    training_set: TrainingSet,
    sigmas: NDArray[np.float64],
    count: int,
    device: torch.device,
) -> dict[str, Images]:
    """D at `count` noised images of either split, (levels, count, *shape), on noise shared by all cells."""
    predictions = {}
    for split, (images, labels) in training_set.splits.items():
        rows = in_turn(len(images), count)
        clean = torch.from_numpy(images[rows]).to(device)
        label = torch.from_numpy(labels[rows]).to(device)
        outputs = []
        for level, sigma in enumerate(sigmas):
            noise = torch.from_numpy(overlap_noise(split, level, len(clean), clean[0].numel())).to(device)
            noised = clean + float(sigma) * noise.view_as(clean)
            outputs.append(denoiser.at_level(noised, float(sigma), label).cpu().numpy())
        predictions[split] = np.stack(outputs)
    return predictions


def neighbor_predictions(
    denoiser: Batched, training_set: TrainingSet, sigmas: NDArray[np.float64], chosen: Pictured, device: torch.device
) -> dict[str, Images]:
    """D at the noised images that pictured states are looked at beside, (L, k, *shape) by split."""
    predictions = {}
    for split, (images, labels) in training_set.splits.items():
        outputs = []
        for place, level in enumerate(chosen.levels):
            sigma = float(sigmas[level])
            noised = torch.from_numpy(chosen.noised(split, place, images, sigma)).to(device)
            label = torch.from_numpy(labels[chosen.nearest[split][place]]).to(device)
            outputs.append(denoiser.at_level(noised, sigma, label).cpu().numpy())
        predictions[split] = np.stack(outputs)
    return predictions


def _sample_variables(labels: NDArray[np.int64], samples: Images) -> dict[str, store.Variable]:
    return {
        "samples": store.Variable(samples, ("sample", *_axes(samples[0])), "generated images, scaled"),
        "label": store.Variable(labels, ("sample",), "condition label"),
    }


def _jacobian_variables(measured: dict[str, NDArray[np.float64]]) -> dict[str, store.Variable]:
    return {
        name: store.Variable(values, ("probed",), f"{QUANTITIES[name]} at one of the first samples, sigma {SIGMA:g}")
        for name, values in measured.items()
    }


def _trajectory_variables(
    sigmas: NDArray[np.float64], labels: NDArray[np.int64], drawn: Drawn, predictions: dict[str, Images]
) -> dict[str, store.Variable]:
    axes = _axes(drawn.samples[0])

    def of_levels(values: Images, dim: str, text: str) -> store.Variable:
        return store.Variable(values, ("sigma", dim, *axes), text, compressed=False)  # read once, then deleted

    return {
        "sigma": store.Variable(sigmas, ("sigma",), "noise level"),
        "state": of_levels(drawn.state, "sample", "state of the trajectory"),
        "denoised": of_levels(drawn.denoised, "sample", "D at the state"),
        "denoised_train": of_levels(predictions["train"], "image", "D at noised training images"),
        "denoised_validation": of_levels(predictions["validation"], "held_out", "D at noised validation images"),
        "label": store.Variable(labels[: drawn.state.shape[1]], ("sample",), "condition label"),
    }


def _pictured_variables(chosen: Pictured, beside: dict[str, Images]) -> dict[str, store.Variable]:
    dims = ("pictured_level", "pictured")
    variables = {
        "pictured": store.Variable(chosen.trajectories, dims[1:], "trajectory that is looked at"),
        "pictured_level": store.Variable(chosen.levels, dims[:1], "number of the noise level"),
    }
    for split, denoised in beside.items():
        variables[f"neighbor_{split}"] = store.Variable(chosen.nearest[split], dims, f"nearest image, of {split}")
        text = "D at the noised nearest image"
        variables[f"denoised_neighbor_{split}"] = store.Variable(denoised, (*dims, *_axes(denoised[0, 0])), text)
    return variables


def _axes(image: Images) -> tuple[str, ...]:
    return tuple(f"axis{index}" for index in range(image.ndim))


def _to_numpy(values: Tensor) -> Images:
    return values.float().cpu().numpy()
