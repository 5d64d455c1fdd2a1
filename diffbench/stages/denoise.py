"""Denoise: per-image denoising losses of a checkpoint on training and validation images."""

from pathlib import Path

from diffbench import provenance, store
from diffbench.conventions import log_sigmas
from diffbench.data.training_set import read_training_set
from diffbench.denoisers.build import load_denoiser
from diffbench.devices import pick_device
from diffbench.specs import DenoiseSpec
from diffbench.stages.losses import per_image_losses


def run(
    spec: DenoiseSpec, data: Path, conditions: Path, out: Path, checkpoint: Path | None = None, device: str = "auto"
) -> None:
    """Measure the EMA weights of `checkpoint`, or the closed form that spec.model names."""
    training_set = read_training_set(data, conditions)
    where = pick_device(device)
    denoiser = load_denoiser(spec.model, training_set, checkpoint, where)
    sigmas = log_sigmas(spec.gap.levels, spec.gap.sigma_min, spec.gap.sigma_max)
    variables = {"sigma": store.Variable(sigmas, ("sigma",), "noise level")}
    for split, images, labels, dim in (
        ("train", training_set.train, training_set.train_labels, "image"),
        ("validation", training_set.validation, training_set.validation_labels, "held_out"),
    ):
        count = spec.gap.images
        losses = per_image_losses(denoiser, images[:count], labels[:count], split, sigmas, spec.gap.noises, where)
        for name, values, text in (
            ("loss", losses.square, "mean squared denoising error per dimension"),
            ("norm", losses.norm, "mean L2 norm of the denoising error"),
        ):
            variables[f"{name}_{split}"] = store.Variable(values, ("sigma", dim), f"{text}, {split} images")
    protocol = {"model": spec.model.model_dump(), "gap": spec.gap.model_dump()}
    store.write(out, "denoise", variables, provenance.attributes(spec.factors, protocol, str(where)))
