"""Optimum: what the checkpoints of a training subset are held against, and depends on its images alone.

Denoising losses of closed forms: the optimum could do no better on training images, and an affine filter learns nothing
but their second moments. Beside losses, what they and a third form make of some images: which of them explains a
checkpoint? And how well training and held-out images are told apart without any model.
"""

from pathlib import Path

import torch

from diffbench.data.training_set import read_training_set
from diffbench.denoisers.build import load_denoiser
from diffbench.denoisers.losses import DIMS, loss_variables, losses_of_splits
from diffbench.denoisers.references import filter_references, optimum_references
from diffbench.denoisers.wiener import WienerDenoiser
from diffbench.devices import pick_device
from diffbench.files import provenance, store
from diffbench.files.estimates import scalar_variables
from diffbench.measures.blind_baseline import blind_auc
from diffbench.study.specs import DenoiseSpec

SEED = 0
"""Of the order in which the classifier of pixels sees images."""


def run(spec: DenoiseSpec, data: Path, conditions: Path, out: Path, device: str = "auto") -> None:
    """Measure the closed form that spec.model names and the filters, on the noise of the checkpoints' losses."""
    training_set = read_training_set(data, conditions, spec.inputs)
    where = pick_device(device)
    denoiser = load_denoiser(spec.model, training_set, None, where)
    variables = loss_variables(losses_of_splits(denoiser, training_set, spec.gap, where), spec.gap)
    variables |= optimum_references(denoiser, training_set, spec.gap, where)
    del denoiser  # one closed form at a time: each keeps a copy of the images
    wiener = WienerDenoiser(torch.from_numpy(training_set.train).to(where))
    for split, losses in losses_of_splits(wiener, training_set, spec.gap, where).square.items():
        text = f"mean squared error per dimension of the Wiener filter, {split} images"
        variables[f"wiener_{split}"] = store.Variable(losses, ("sigma", DIMS[split]), text)
    variables |= filter_references(wiener, training_set, spec.gap, where)
    images = {split: pixels for split, (pixels, _) in training_set.splits.items()}
    variables |= scalar_variables({"blind_auc": blind_auc(images, training_set.classes, SEED)}, own=training_set.space)
    attributes = provenance.attributes(spec.factors, spec.gap.model_dump(), str(where))
    store.write(out, "optimum", variables, attributes, spec.fingerprint)
