"""Equivalent: the error of a trained model of the plane as that of the closed form y_delta, per noise level."""

from pathlib import Path

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.data.training_set import TrainingSet, read_training_set
from diffbench.files import provenance, store
from diffbench.files.estimates import curve_variables
from diffbench.files.store import StageFile
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
    training_set = read_training_set(data, conditions)
    if training_set.shape != (2,):
        raise DiffbenchError(f"{data}: holds images of shape {training_set.shape}, the laboratory needs points")
    measured = store.read(losses, "denoise")
    sigmas = measured["sigma"] / training_set.scale
    norms = measured["norm_train"] / training_set.scale
    table = _table(training_set, measured, spec.noises)
    curves = {"equivalent_delta": equivalent_estimates(sigmas, norms, table, SEED)}
    variables = {"sigma": store.Variable(sigmas, ("sigma",), "noise level in units of the raw data")}
    settings = {"noises": spec.noises, "delta_range": DELTA_RANGE}
    store.write(out, "equivalent", variables | curve_variables(curves), provenance.attributes(spec.factors, settings))


def _table(training_set: TrainingSet, measured: StageFile, noises: int) -> ErrorTable:
    """Errors of y_delta at the measured images under their noise, in raw units."""
    count = measured["norm_train"].shape[1]
    points = training_set.train.astype(np.float64) / training_set.scale
    noise = [
        [gap_noise("train", level, draw, count, 2) for draw in range(noises)] for level in range(len(measured["sigma"]))
    ]
    return ErrorTable(points, points[:count], measured["sigma"] / training_set.scale, noise)
