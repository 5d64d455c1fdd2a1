"""Optimum: denoising losses of the closed-form optimum of a training subset: what its checkpoints are held against."""

from pathlib import Path

from diffbench.data.training_set import read_training_set
from diffbench.denoisers.build import load_denoiser
from diffbench.denoisers.losses import loss_variables, losses_of_splits
from diffbench.devices import pick_device
from diffbench.files import provenance, store
from diffbench.study.specs import DenoiseSpec


def run(spec: DenoiseSpec, data: Path, conditions: Path, out: Path, device: str = "auto") -> None:
    """Measure the closed form that spec.model names, on the noise that checkpoints are measured on."""
    training_set = read_training_set(data, conditions, spec.inputs)
    where = pick_device(device)
    denoiser = load_denoiser(spec.model, training_set, None, where)
    variables = loss_variables(losses_of_splits(denoiser, training_set, spec.gap, where), spec.gap)
    attributes = provenance.attributes(spec.factors, spec.gap.model_dump(), str(where))
    store.write(out, "optimum", variables, attributes, spec.fingerprint)
