"""Features: the space in which the quality of a study's samples is measured, fitted once to the training pool."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diffbench.conventions import DiffbenchError, seed_of
from diffbench.data.raw_images import block_length
from diffbench.data.scaling import Scaling
from diffbench.data.training_set import TrainingSet, read_images
from diffbench.files import provenance, store
from diffbench.files.estimates import PIXELS, Estimate, scalar_variables
from diffbench.files.store import StageHeader
from diffbench.measures.features.encoder import Encoder, read_encoder
from diffbench.measures.features.fitting import fit_classifier, fit_pca, fitted_count
from diffbench.measures.features.spaces import FeatureSpace, Layered, Pixels
from diffbench.measures.neighbors import Images
from diffbench.settings.measures import QualitySettings
from diffbench.study.specs import FeaturesSpec

ACCURACY = "held_out_accuracy"
"""Name of the classifier's accuracy on validation images."""


@dataclass(frozen=True)
class Reference:
    """A feature space with the features of a training subset (n, k) and of the validation images (v, k)."""

    space: FeatureSpace
    train: Images
    validation: Images


def run(spec: FeaturesSpec, data: Path, out: Path, pixels: Path | None = None) -> None:
    """Fit the space, or load the encoder, and write it with the features of all images of the data file.

    pixels: what its images were decoded to, where they are latents: the space then is one of pictures.
    """
    file, stage = (data, "data") if pixels is None else (pixels, "pixels")
    file = store.header(file, stage, spec.inputs.get(stage))
    space, estimates = _space(spec, file)
    variables = scalar_variables(estimates, dict.fromkeys(estimates, space.name)) | _content(space)
    if not isinstance(space, Pixels):
        variables |= {
            "pool": _features(space, file, "pool", "image", "features of the training pool"),
            "validation": _features(space, file, "validation", "held_out", "features of the validation images"),
        }
    known: dict[str, str | int] = {"kind": type(space).__name__.lower(), "space": space.name}
    if isinstance(space, Layered):
        known["rectified"] = int(space.rectified)
    attributes = provenance.attributes({}, spec.model_dump(exclude={"inputs"}))
    store.write(out, "features", variables, attributes | known, spec.fingerprint)


def read_reference(features: Path, data: Path, training_set: TrainingSet, made_by: str | None = None) -> Reference:
    """The study's feature space and the features of a training subset.

    made_by: fingerprint of the spec that must have made the file, if it is known. DiffbenchError if the file's features
    are not those of that subset's images.
    """
    file = store.header(features, "features", made_by)
    space = _written_space(file, training_set)
    if isinstance(space, Pixels):
        return Reference(space, training_set.flat_train, training_set.flat_validation)
    train, validation = file["pool"][: len(training_set.train)], file["validation"][:]
    few = slice(0, 4)
    again = space.transform(training_set.flat_train[few])
    if len(train) < len(training_set.train) or not np.allclose(again, train[few], rtol=1e-3, atol=1e-4):
        raise DiffbenchError(
            f"{features}: its features are not those of the images in {data}; delete it and run snakemake again"
        )
    return Reference(space, train, validation)


def _space(spec: QualitySettings, data: StageHeader) -> tuple[FeatureSpace, dict[str, Estimate]]:
    """The space that `spec` asks for, and what is known of it."""
    shape = data["pool"].shape[1:]
    match _kind(spec, shape, data.attributes["classes"]):
        case "encoder":
            return read_encoder(Path(spec.encoder or ""), shape, Scaling.of(data.attributes)), {}
        case "pca":
            images = _fitted_images(data)
            return fit_pca([images.flat_train, images.flat_validation], spec.dimensions, seed_of("pca") % 2**32), {}
        case "classifier":
            images = _fitted_images(data)
            classifier = fit_classifier(
                images.flat_train,
                images.train_labels,
                images.flat_validation,
                images.validation_labels,
                spec.dimensions,
                seed_of("classifier") % 2**32,
            )
            return classifier.space, {ACCURACY: classifier.accuracy}
        case _:
            return Pixels(data.attributes.get("space", PIXELS)), {}


def _kind(spec: QualitySettings, shape: tuple[int, ...], classes: int) -> str:
    """The kind of space for such images: what auto means, and pixels where a PCA would keep them all."""
    kind = spec.space
    if kind == "auto":
        kind = "classifier" if classes > 1 else "pca"
    if kind == "encoder" and len(shape) == 1:
        raise DiffbenchError("measures.quality.space: the data are points, not images to encode; use pixels")
    if kind == "classifier" and classes < 2:
        raise DiffbenchError("measures.quality.space: the data have no classes to train a classifier on; use pca")
    return "pixels" if kind == "pca" and math.prod(shape) <= spec.dimensions else kind


def _fitted_images(data: StageHeader) -> TrainingSet:
    """The images that a space is fitted to. The pool's order is random: its first images are as good as any."""
    count, *shape = data["pool"].shape
    return read_images(data.path, fitted_count(count, math.prod(shape)), stage=data.attributes["stage"])


def _features(space: FeatureSpace, data: StageHeader, name: str, dim: str, text: str) -> store.Variable:
    """Features of all images of an array of the data file, in its order, read block by block."""
    images, scaling = data[name], Scaling.of(data.attributes)
    length = block_length(images.shape[1:])
    parts: list[np.ndarray] = []
    for start in range(0, len(images), length):
        scaled = scaling.scaled(images[start : start + length])
        parts.append(np.asarray(space.transform(scaled.reshape(len(scaled), -1))))
    return store.Variable(np.concatenate(parts), (dim, "feature"), text)


def _content(space: FeatureSpace) -> dict[str, store.Variable]:
    """What the space consists of, so that others can use it again."""
    if isinstance(space, Encoder):
        return {"encoder": store.Variable(space.content, ("byte",), "the encoder's file", compressed=False)}
    arrays = space.arrays() if isinstance(space, Layered) else {}
    text = "layer of the feature space: x @ weight + bias"
    return {
        name: store.Variable(array, tuple(f"{name}_axis{axis}" for axis in range(array.ndim)), text)
        for name, array in arrays.items()
    }


def _written_space(file: StageHeader, training_set: TrainingSet) -> FeatureSpace:
    """The space that `run` wrote, for these images."""
    name = file.attributes["space"]
    match file.attributes["kind"]:
        case "pixels":
            return Pixels(name)
        case "encoder":
            content = file["encoder"][:]
            return Encoder(name.removeprefix("encoder:"), content, training_set.shape, training_set.scaling)
        case _:
            return Layered.of(name, file.arrays, bool(file.attributes["rectified"]))
