"""Plant: samples of a control without a denoiser, whose share of copied training images is known."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diffbench.conventions import DiffbenchError, seed_of
from diffbench.data.training_set import TrainingSet, read_images, read_training_set
from diffbench.files import provenance, store
from diffbench.settings.models import Planted
from diffbench.study.specs import SampleSpec


def run(spec: SampleSpec, data: Path, conditions: Path, out: Path) -> None:
    """Write copies of training images and other images in their stead, as many as a cell has samples."""
    if not isinstance(spec.model, Planted):
        raise DiffbenchError(f"a model of kind '{spec.model.kind}' has a denoiser: sample it")
    training_set = read_training_set(data, conditions, spec.inputs)
    count = spec.sampling.samples
    copies = round(spec.model.copies * count)
    samples = np.concatenate(
        [
            planted_copies(training_set, copies, spec.model.noise, int(spec.factors["seed"])),
            other_images(spec.model, training_set, data, count - copies),
        ]
    )
    axes = tuple(f"axis{index}" for index in range(samples.ndim - 1))
    variables = {"samples": store.Variable(samples, ("sample", *axes), "images in the place of samples, scaled")}
    settings = {"model": spec.model.model_dump(), "samples": count}
    store.write(out, "sample", variables, provenance.attributes(spec.factors, settings), spec.fingerprint)


def planted_copies(training_set: TrainingSet, count: int, noise: float, seed: int) -> NDArray[np.float32]:
    """Training images in turn, (count, *shape), each with noise of its own."""
    images = np.resize(training_set.train, (count, *training_set.shape))
    rng = np.random.default_rng(seed_of("planted", seed))
    return (images + noise * rng.standard_normal(images.shape, dtype=np.float32)).astype(np.float32)


def other_images(model: Planted, training_set: TrainingSet, data: Path, count: int) -> NDArray[np.float32]:
    """Images (count, *shape) that the training subset does not hold."""
    if model.rest == "validation":
        available = training_set.validation
    else:
        size = len(training_set.train)
        available = read_images(data, size + count).train[size:]
    if len(available) < count:
        raise DiffbenchError(
            f"models: a control needs {count} {model.rest} images, of which there are {len(available)};"
            " lower sampling.samples or raise data.validation"
        )
    return available[:count]
