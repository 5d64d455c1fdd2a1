"""Annotated shapes hold in every test, and cost nothing where no test runs."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from diffbench.denoisers.build import fresh_network
from diffbench.denoisers.optimal import OptimalDenoiser
from diffbench.denoisers.posterior import posterior
from diffbench.sampling import SOLVERS, SamplingStep
from diffbench.settings.models import Dit, Mlp, TrainedDefinition, Unet
from diffbench.training.trainer import denoising_loss

X, SIGMA, LABEL = torch.zeros(3, 1, 4, 4), torch.ones(3), torch.zeros(3, dtype=torch.int64)
NETWORKS: list[TrainedDefinition] = [
    Mlp(width=8, blocks=1),
    Unet(channels=16, multipliers=(1, 2), blocks=1),
    Dit(width=8, depth=1, heads=2),
]


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
        denoising_loss(OptimalDenoiser(X), X, X[:, 0], SIGMA, LABEL)


def test_outside_tests_nothing_is_checked() -> None:
    """Not even loaded: a stage calls the very functions that are written down."""
    program = (
        "import sys, diffbench.stages.train, diffbench.stages.sample as sample, diffbench.training.trainer as trainer;"
        "print([name for name in ('jaxtyping', 'beartype') if name in sys.modules],"
        " [f for f in (trainer.denoising_loss, trainer.Trainer.run) if hasattr(f, '__wrapped__')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []"
