"""Shapes in signatures: read by the tests, and by nothing that the suite runs."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from diffbench.denoisers.build import fresh_network
from diffbench.denoisers.posterior import posterior
from diffbench.files.estimates import undefined
from diffbench.lab.ideal import optimum
from diffbench.measures.gap import GapCurve, gap_curve
from diffbench.measures.neighbors import nearest
from diffbench.sampling import SOLVERS, SamplingStep
from diffbench.settings.models import Dit, Mlp, TrainedDefinition, Unet
from diffbench.shapes import Float
from diffbench.training.trainer import weighted_error

X, SIGMA, LABEL = torch.zeros(3, 1, 4, 4), torch.ones(3), torch.zeros(3, dtype=torch.int64)
NETWORKS: list[TrainedDefinition] = [
    Mlp(width=8, blocks=1),
    Unet(channels=16, multipliers=(1, 2), blocks=1),
    Dit(width=8, depth=1, heads=2),
]


def test_arrays_of_another_shape_are_refused_by_measures():
    sigmas, losses = np.ones(3), np.ones((3, 5))
    gap_curve(sigmas, losses, losses, 0)
    with pytest.raises(TypeCheckError, match="validation"):
        gap_curve(sigmas, losses, losses[:2], 0)
    with pytest.raises(TypeCheckError, match="queries"):
        nearest(np.ones(3), losses, 1)
    none = undefined("nothing measured", 0)
    with pytest.raises(TypeCheckError, match="sigmas"):
        GapCurve(losses, (), (), none, none, none, none)


def test_arrays_of_another_shape_are_refused_by_the_laboratory():
    points = np.ones((4, 2))
    optimum(points)(points, 1.0)
    with pytest.raises(TypeCheckError, match="train"):
        optimum(np.ones((4, 3)))
    with pytest.raises(TypeCheckError, match="x"):
        optimum(points)(points.astype(np.float32), 1.0)


@pytest.mark.parametrize("definition", NETWORKS, ids=lambda definition: definition.kind)
def test_networks_refuse_other_shapes_and_types(definition: TrainedDefinition) -> None:
    network = fresh_network(definition, (1, 4, 4), 2, seed=0)
    assert network(X, SIGMA, LABEL).shape == X.shape
    for sigma, label in ((SIGMA[:2], LABEL), (SIGMA, LABEL[:2]), (SIGMA[:, None], LABEL), (SIGMA, LABEL.float())):
        with pytest.raises(TypeCheckError):
            network(X, sigma, label)
        with pytest.raises(TypeCheckError):
            network.network(X, sigma, label)


def test_wrong_results_are_refused_too() -> None:
    """A denoiser that returns another shape: by those who call it, and by the record that is to hold it."""
    with pytest.raises(TypeCheckError, match="return value"):
        next(SOLVERS["euler"](lambda x, sigma, label=None: x[:, :, 1:], X, SIGMA, LABEL))
    with pytest.raises(TypeCheckError):
        SamplingStep(1.0, X, X, X[:2])


def test_functions_of_arrays_and_tensors_are_checked_alike() -> None:
    for x, points in ((np.zeros((2, 3)), np.zeros((4, 5))), (torch.zeros(2, 3).double(), torch.zeros(4, 5).double())):
        with pytest.raises(TypeCheckError):
            posterior(x, points, 1.0)
    with pytest.raises(TypeCheckError):
        posterior(np.zeros((2, 3), np.float32), np.zeros((4, 3), np.float32), 1.0)
    with pytest.raises(TypeCheckError):
        weighted_error(X, X[:, 0], SIGMA, 1.0)


@pytest.mark.parametrize("stage", ["memorization", "overlap", "lab", "train", "sample"])
def test_stages_run_without_the_library_behind_shapes(stage):
    code = f"import sys, diffbench.stages.{stage}; print(sorted({{'jaxtyping', 'beartype'}} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_shape_that_nobody_reads_is_its_array():
    code = "import numpy as np; from diffbench.shapes import Float; print(Float[np.ndarray, 'n d'] is np.ndarray)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True\n"
    assert Float[np.ndarray, "n d"] is not np.ndarray


def test_outside_tests_nothing_is_checked() -> None:
    """Training calls the very functions that are written down."""
    code = """
from diffbench.training.trainer import Trainer, weighted_error
print([function for function in (weighted_error, Trainer.run) if hasattr(function, '__wrapped__')])
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
