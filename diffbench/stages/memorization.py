"""Memorization: which samples of a cell are copies of training images, and how good the samples are."""

from pathlib import Path

import numpy as np

from diffbench.data.training_set import Images, TrainingSet, read_training_set
from diffbench.files import provenance, store
from diffbench.files.estimates import DECODED, LATENTS, PIXELS, Estimate, scalar_variables
from diffbench.measures.battery import extraction_variables, memorization_battery
from diffbench.measures.inference_gap import Classes
from diffbench.measures.jacobian import sample_estimates
from diffbench.measures.memorization import distance_ratios, near_pairs
from diffbench.measures.quality_battery import quality_battery
from diffbench.measures.risk import Isolation
from diffbench.stages.features import read_reference
from diffbench.study.specs import StageSpec


def run(
    spec: StageSpec,
    data: Path,
    conditions: Path,
    features: Path,
    samples: Path,
    out: Path,
    pixels: Path | None = None,
    decoded: Path | None = None,
) -> None:
    """Compare the samples with the training subset and with unseen images, in pixels and in the feature space.

    pixels, decoded: what the images and the samples were decoded to, where they are latents: memorization then is
    measured in either, and quality of the pictures.
    """
    training_set = read_training_set(data, conditions, spec.inputs)
    drawn = store.read(samples, "sample", spec.inputs.get("samples"))
    generated = _flat(drawn["samples"])
    battery = memorization_battery(generated, training_set.flat_train, training_set.flat_unseen)
    shown, pictures, seen, variables = training_set, generated, {}, {}
    if pixels is not None and decoded is not None:
        shown = read_training_set(pixels, conditions, spec.inputs, "pixels")
        pictures = _flat(store.read(decoded, "decode", spec.inputs.get("decoded"))["samples"])
        seen, variables = _decoded(pictures, shown)
    reference = read_reference(features, pixels or data, shown, spec.inputs.get("features"))
    own_draws = shown.unseen is not shown.validation  # whose features are not kept
    unseen = reference.space.transform(shown.flat_unseen) if own_draws else reference.validation
    classes = Classes(training_set.train_classes, training_set.unseen_classes)
    seed = int(spec.factors["seed"])  # seeds refer to different images: what they agree in is no chance of one choice
    quality = quality_battery(reference.space.transform(pictures), reference.train, unseen, seed, classes)
    copies = [] if battery.validation is None else near_pairs(battery.validation)
    jacobian = sample_estimates(drawn.arrays, distance_ratios(battery.samples))
    scalars = battery.estimates | jacobian | quality | seen
    spaces = dict.fromkeys(quality, reference.space.name) | dict.fromkeys(seen, PIXELS)
    variables |= scalar_variables(scalars, spaces, LATENTS if seen else training_set.space) | {
        "nearest": store.Variable(battery.samples.nearest, ("sample",), "index of the nearest training image"),
        "distance": store.Variable(
            np.stack([battery.samples.first, battery.samples.second], axis=1),
            ("sample", "rank"),
            "L2 distance to the nearest training image, and to the next that is no near duplicate of it, scaled",
        ),
        "near_duplicate": _pairs("duplicate", battery.duplicates.pairs, "training image and its nearest other"),
        "near_copy": _pairs("copy", copies, "unseen image and the training image of which it is a near copy"),
    }
    variables |= extraction_variables(battery.extraction, battery.floor_extraction) | _isolation(battery.isolation)
    store.write(out, "memorization", variables, provenance.attributes(spec.factors, {}), spec.fingerprint)


def _decoded(pictures: Images, shown: TrainingSet) -> tuple[dict[str, Estimate], dict[str, store.Variable]]:
    """What memorization is in pixels: estimates, by their names with DECODED after them, and distances."""
    battery = memorization_battery(pictures, shown.flat_train, shown.flat_unseen)
    close = battery.samples
    texts = "index of the nearest training image in pixels", "as distance, between decoded images"
    variables = {
        f"nearest{DECODED}": store.Variable(close.nearest, ("sample",), texts[0]),
        f"distance{DECODED}": store.Variable(
            np.stack([close.first, close.second], axis=1), ("sample", "rank"), texts[1]
        ),
    }
    return {f"{name}{DECODED}": estimate for name, estimate in battery.estimates.items()}, variables


def _flat(images: Images) -> Images:
    return images.reshape(len(images), -1)


def _isolation(isolation: Isolation) -> dict[str, store.Variable]:
    """Distances between training images, of all that are the nearest of a sample, and of some or all others."""
    text = "L2 distance to the nearest other training image, scaled"
    return {
        "neighbor_of": store.Variable(isolation.rows, ("neighbor_of",), "row in the training subset"),
        "isolation": store.Variable(isolation.distances, ("neighbor_of",), text),
    }


def _pairs(dim: str, pairs: list[tuple[int, int]], text: str) -> store.Variable:
    """Pairs of images by their rows."""
    return store.Variable(np.array(pairs, np.int64).reshape(-1, 2), (dim, "side"), text)
