"""Optimum: denoising losses of a training subset's optimum and linear filter: what its checkpoints are held against."""

from pathlib import Path

import torch

from diffbench.data.training_set import read_training_set
from diffbench.denoisers.build import load_denoiser
from diffbench.denoisers.losses import loss_variables, losses_of_splits, wiener_variables
from diffbench.denoisers.wiener import WienerDenoiser
from diffbench.devices import pick_device
from diffbench.files import provenance, store
from diffbench.study.specs import DenoiseSpec


def run(spec: DenoiseSpec, data: Path, conditions: Path, out: Path, device: str = "auto") -> None:
    """Measure the closed form that spec.model names and the Wiener filter, on the noise that checkpoints see."""
    training_set = read_training_set(data, conditions, spec.inputs)
    where = pick_device(device)
    denoiser = load_denoiser(spec.model, training_set, None, where)
    variables = loss_variables(losses_of_splits(denoiser, training_set, spec.gap, where), spec.gap)
    del denoiser  # one closed form at a time: each keeps a copy of the images
    linear = WienerDenoiser(torch.from_numpy(training_set.train).to(where))
    variables |= wiener_variables(losses_of_splits(linear, training_set, spec.gap, where))
    attributes = provenance.attributes(spec.factors, spec.gap.model_dump(), str(where))
    store.write(out, "optimum", variables, attributes, spec.fingerprint)
