"""Memorization: which samples of a cell are copies of training images."""

from pathlib import Path

import numpy as np

from diffbench import provenance, store
from diffbench.data.training_set import read_training_set
from diffbench.measures.battery import memorization_battery
from diffbench.specs import StageSpec
from diffbench.summary.estimates import scalar_variables


def run(spec: StageSpec, data: Path, conditions: Path, samples: Path, out: Path) -> None:
    """Compare the samples with the training subset, validation images giving the floor."""
    training_set = read_training_set(data, conditions)
    generated = store.read(samples, "sample")["samples"]
    battery = memorization_battery(
        generated.reshape(len(generated), -1), training_set.flat_train, training_set.flat_validation
    )
    variables = scalar_variables(battery.estimates) | {
        "nearest": store.Variable(
            battery.samples.nearest, ("sample",), "index of the nearest training image"
        ),
        "distance": store.Variable(
            np.stack([battery.samples.first, battery.samples.second], axis=1),
            ("sample", "rank"),
            "L2 distance to the nearest and second nearest training image, scaled",
        ),
    }
    store.write(out, "memorization", variables, provenance.attributes(spec.factors, {}))
