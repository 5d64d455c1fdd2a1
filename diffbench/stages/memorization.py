"""Memorization: which samples of a cell are copies of training images, and how good the samples are."""

from pathlib import Path

import numpy as np

from diffbench.data.training_set import read_training_set
from diffbench.files import provenance, store
from diffbench.files.estimates import scalar_variables
from diffbench.measures.battery import extraction_variables, memorization_battery
from diffbench.measures.inference_gap import Classes
from diffbench.measures.jacobian import sample_estimates
from diffbench.measures.memorization import distance_ratios, near_pairs
from diffbench.measures.quality_battery import quality_battery
from diffbench.measures.risk import Isolation
from diffbench.stages.features import read_reference
from diffbench.study.specs import StageSpec


def run(spec: StageSpec, data: Path, conditions: Path, features: Path, samples: Path, out: Path) -> None:
    """Compare the samples with the training subset and with unseen images, in pixels and in the feature space."""
    training_set = read_training_set(data, conditions, spec.inputs)
    drawn = store.read(samples, "sample", spec.inputs.get("samples"))
    generated = drawn["samples"].reshape(len(drawn["samples"]), -1)
    battery = memorization_battery(generated, training_set.flat_train, training_set.flat_unseen)
    reference = read_reference(features, data, training_set, spec.inputs.get("features"))
    own_draws = training_set.unseen is not training_set.validation  # whose features are not kept
    unseen = reference.space.transform(training_set.flat_unseen) if own_draws else reference.validation
    classes = Classes(training_set.train_classes, training_set.unseen_classes)
    seed = int(spec.factors["seed"])  # seeds refer to different images: what they agree in is no chance of one choice
    quality = quality_battery(reference.space.transform(generated), reference.train, unseen, seed, classes)
    copies = [] if battery.validation is None else near_pairs(battery.validation)
    jacobian = sample_estimates(drawn.arrays, distance_ratios(battery.samples))
    scalars = battery.estimates | jacobian | quality
    variables = scalar_variables(scalars, dict.fromkeys(quality, reference.space.name)) | {
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
