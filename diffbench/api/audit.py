"""Audit of arrays: which samples are copies of training images, as a call."""

import numpy as np
from numpy.typing import ArrayLike

from diffbench.api.arrays import as_array
from diffbench.conventions import DiffbenchError
from diffbench.data.image_set import ImageSet, image_set
from diffbench.data.scales import Ends
from diffbench.measures import audit as measures
from diffbench.measures.audit import Audit
from diffbench.settings.data import Layout


def audit(
    samples: ArrayLike,
    train: ArrayLike,
    validation: ArrayLike | None = None,
    *,
    samples_range: Ends | None = None,
    train_range: Ends | None = None,
    validation_range: Ends | None = None,
    layout: Layout | None = None,
) -> Audit:
    """Measure how far samples are copies of training images, and how good they are: what `diffbench audit` prints.

    samples, train, validation: images (m, ...), (n, ...), (v, ...) of one shape, in uint8, which is divided by 255, or
    in floats on one scale; without validation images, those that the model was not trained on, there are no floors.
    Channels are the axis that differs from two equal ones, or of length 1 or 3; layout says it where that is unclear.
    The ranges say which values are black and white, where sets are on several scales: `samples_range=(-1, 1)`.

    Returns a record: `table` is a frame of all estimates with their intervals, `suspicious` the samples in the order of
    d1/d2, `nearest` the training image of each, `notes` what is odd. Input that no measure makes sense for is a
    DiffbenchError; it names sets and ranges as the command line does.
    """
    sets = {
        "samples": (samples, samples_range),
        "train": (train, train_range),
        "validation": (validation, validation_range),
    }
    if validation is None:
        del sets["validation"]
    given = {name: _set(name, images, ends, layout) for name, (images, ends) in sets.items()}
    return measures.audit(given["samples"], given["train"], given.get("validation"))


def _set(name: str, images: ArrayLike, declared: Ends | None, layout: Layout | None) -> ImageSet:
    if declared is not None and not -np.inf < declared[0] < declared[1] < np.inf:
        raise DiffbenchError(f"{name}_range: give two numbers, the lower one first, such as (-1, 1) (got {declared})")
    values = as_array(name, images)
    return image_set(name, values, f"array {values.shape}", declared, name == "samples", layout)
