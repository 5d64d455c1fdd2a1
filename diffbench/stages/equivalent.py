"""Equivalent: the error of a trained model of the plane as that of the closed form y_delta, per noise level."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diffbench.conventions import DiffbenchError
from diffbench.data.training_set import TrainingSet, read_training_set
from diffbench.files import provenance, store
from diffbench.files.estimates import curve_variables
from diffbench.lab.equivalent import DELTA_RANGE, ErrorTable, equivalent_estimates
from diffbench.noise import gap_noise
from diffbench.study.specs import EquivalentSpec

SEED = 0
"""Of the bootstrap: the same for all checkpoints, so that their resamples are paired."""


def run(spec: EquivalentSpec, data: Path, conditions: Path, losses: Path, out: Path) -> None:
    """Read the per-image error norms of `losses`, a file of the denoise stage, and find the delta that has them.

    y_delta is evaluated on the very noise under which the model was measured, so that the noise cancels.
    Lengths, noise levels included, are written in units of the raw data.
    """
    training_set = read_training_set(data, conditions, spec.inputs)
    if training_set.shape != (2,):
        raise DiffbenchError(f"{data}: holds images of shape {training_set.shape}, the laboratory needs points")
    measured = store.read(losses, "denoise", spec.inputs.get("losses"))
    sigmas = training_set.scaling.raw_lengths(measured["sigma"])
    norms = training_set.scaling.raw_lengths(measured["norm_train"])
    table = _table(training_set, sigmas, norms.shape[1], spec.noises)
    curves = {"equivalent_delta": equivalent_estimates(sigmas, norms, table, SEED)}
    variables = {"sigma": store.Variable(sigmas, ("sigma",), "noise level in units of the raw data")}
    settings = {"noises": spec.noises, "delta_range": DELTA_RANGE}
    attributes = provenance.attributes(spec.factors, settings)
    store.write(out, "equivalent", variables | curve_variables(curves), attributes, spec.fingerprint)


def _table(training_set: TrainingSet, sigmas: NDArray[np.float64], count: int, noises: int) -> ErrorTable:
    """Errors of y_delta at the first `count` training points under the noise of the losses, in raw units."""
    points = training_set.scaling.raw_lengths(training_set.train.astype(np.float64))
    noise = [[gap_noise("train", level, draw, count, 2) for draw in range(noises)] for level in range(len(sigmas))]
    return ErrorTable(points, points[:count], sigmas, noise)
