"""Features: the space in which the quality of a study's samples is measured, fitted once to the training pool."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diffbench.conventions import DiffbenchError, seed_of
from diffbench.data.raw_images import block_length
from diffbench.data.training_set import TrainingSet, read_images
from diffbench.files import provenance, store
from diffbench.files.estimates import Estimate, scalar_variables
from diffbench.measures.features.encoder import Encoder, read_encoder
from diffbench.measures.features.fitting import fit_classifier, fit_pca, fitted_count
from diffbench.measures.features.spaces import FeatureSpace, Layered, Pixels
from diffbench.measures.neighbors import Images
from diffbench.settings.measures import QualitySettings

ACCURACY = "held_out_accuracy"
"""Name of the classifier's accuracy on validation images."""


@dataclass(frozen=True)
class Reference:
    """A feature space with the features of a training subset (n, k) and of the validation images (v, k)."""

    space: FeatureSpace
    train: Images
    validation: Images


def run(spec: QualitySettings, data: Path, out: Path) -> None:
    """Fit the space, or load the encoder, and write it with the features of all images of the data file."""
    space, estimates = _space(spec, data)
    variables = scalar_variables(estimates, dict.fromkeys(estimates, space.name))
    if isinstance(space, Layered):
        for name, array in space.arrays().items():
            dims = tuple(f"{name}_axis{axis}" for axis in range(array.ndim))
            variables[name] = store.Variable(array, dims, "layer of the feature space: x @ weight + bias")
    if isinstance(space, Encoder):
        variables["encoder"] = store.Variable(space.content, ("byte",), "the encoder's file")
    if not isinstance(space, Pixels):
        variables |= _features(space, data)
    settings: dict[str, str | int] = {"kind": type(space).__name__.lower(), "space": space.name}
    if isinstance(space, Layered):
        settings["rectified"] = int(space.rectified)
    store.write(out, "features", variables, provenance.attributes({}, spec.model_dump()) | settings)


def read_reference(features: Path, data: Path, training_set: TrainingSet) -> Reference:
    """The study's feature space and the features of a training subset.

    DiffbenchError if the file's features are not those of that subset's images.
    """
    with store.opened(features, "features") as (file, attributes):
        if attributes["kind"] == "pixels":
            return Reference(Pixels(), training_set.flat_train, training_set.flat_validation)
        if attributes["kind"] == "encoder":
            with store.opened(data, "data") as (_, scaling):
                mean, scale = scaling["mean"], scaling["scale"]
            name = attributes["space"].removeprefix("encoder:")
            space: FeatureSpace = Encoder(name, file["encoder"][()], training_set.shape, mean, scale)
        else:
            space = Layered.of(attributes["space"], file, bool(attributes["rectified"]))
        train, validation = file["pool"][: len(training_set.train)], file["validation"][()]
    few = slice(0, 4)
    again = space.transform(training_set.flat_train[few])
    if len(train) < len(training_set.train) or not np.allclose(again, train[few], rtol=1e-3, atol=1e-4):
        raise DiffbenchError(
            f"{features}: its features are not those of the images in {data}; delete it and run snakemake again"
        )
    return Reference(space, train, validation)


def _space(spec: QualitySettings, data: Path) -> tuple[FeatureSpace, dict[str, Estimate]]:
    """The space that `spec` asks for, and what is known of it."""
    with store.opened(data, "data") as (file, attributes):
        pool, *shape = file["pool"].shape
        mean, scale, classes = attributes["mean"], attributes["scale"], attributes["classes"]
    dimension = int(np.prod(shape))
    kind = spec.space
    if kind == "auto":
        kind = "classifier" if classes > 1 else "pca"
    if kind == "pixels" or (kind == "pca" and dimension <= spec.dimensions):
        return Pixels(), {}
    if kind == "encoder":
        if len(shape) == 1:
            raise DiffbenchError("measures.quality.space: the data are points, not images to encode; use pixels")
        return read_encoder(Path(spec.encoder or ""), tuple(shape), mean, scale), {}
    if kind == "classifier" and classes < 2:
        raise DiffbenchError("measures.quality.space: the data have no classes to train a classifier on; use pca")
    # The pool's order is random and class-balanced: its first images are as good as any.
    images, labels = read_images(data, fitted_count(pool, dimension))
    if kind == "pca":
        return fit_pca([images.flat_train, images.flat_validation], spec.dimensions, seed_of("pca") % 2**32), {}
    fitted = fit_classifier(
        images.flat_train,
        labels.train,
        images.flat_validation,
        labels.validation,
        spec.dimensions,
        seed_of("classifier") % 2**32,
    )
    return fitted.space, {ACCURACY: fitted.accuracy}


def _features(space: FeatureSpace, data: Path) -> dict[str, store.Variable]:
    """Features of the training pool, in its order, and of the validation images, read block by block."""
    found: dict[str, store.Variable] = {}
    with store.opened(data, "data") as (file, attributes):
        for name, dim, text in (("pool", "image", "training pool"), ("validation", "held_out", "validation images")):
            parts: list[Any] = []
            for start in range(0, len(file[name]), block_length(file[name].shape[1:])):
                block = file[name][start : start + block_length(file[name].shape[1:])].astype(np.float64)
                scaled = ((block - attributes["mean"]) * attributes["scale"]).astype(np.float32)
                parts.append(space.transform(scaled.reshape(len(scaled), -1)))
            found[name] = store.Variable(np.concatenate(parts), (dim, "feature"), f"features of the {text}")
    return found
