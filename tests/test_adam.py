"""Adam on parts of a flat vector is torch's own, byte for byte, without what torch.optim costs at start-up."""

import subprocess
import sys

import numpy as np
import torch

from diffbench.training.adam import BETAS, EPSILON, Adam

SIZES = [1, 600, 399]


def test_same_bytes_as_torch_optim():
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(1000, generator=generator)
    theirs = [torch.nn.Parameter(part.clone()) for part in weights.split(SIZES)]
    reference = torch.optim.Adam(theirs, lr=2e-3, betas=BETAS, eps=EPSILON, fused=True)
    ours = Adam(weights, 2e-3, lambda vector: list(vector.split(SIZES)))
    for _ in range(20):
        gradients = list(torch.randn(1000, generator=generator).split(SIZES))
        for parameter, gradient in zip(theirs, gradients, strict=True):
            parameter.grad = gradient
        reference.step()
        ours.update(gradients)
    assert torch.equal(weights, torch.cat([parameter.detach() for parameter in theirs]))
    for name in ("exp_avg", "exp_avg_sq"):
        assert torch.equal(ours.state[name], torch.cat([reference.state[parameter][name] for parameter in theirs]))
    assert all(torch.equal(ours.state["step"], reference.state[parameter]["step"]) for parameter in theirs)


def test_it_is_the_algorithm_of_the_paper():
    """Kingma & Ba 2015, algorithm 1, in float64: should torch's own Adam change together with its kernel."""
    generator = torch.Generator().manual_seed(1)
    weights = torch.randn(1000, generator=generator)
    expected, m, v = weights.double().numpy().copy(), np.zeros(1000), np.zeros(1000)
    ours = Adam(weights, 2e-3, lambda vector: list(vector.split(SIZES)))
    for step in range(1, 6):
        gradient = torch.randn(1000, generator=generator)
        ours.update(list(gradient.split(SIZES)))
        g = gradient.double().numpy()
        m = BETAS[0] * m + (1 - BETAS[0]) * g
        v = BETAS[1] * v + (1 - BETAS[1]) * g**2
        expected -= 2e-3 * (m / (1 - BETAS[0] ** step)) / (np.sqrt(v / (1 - BETAS[1] ** step)) + EPSILON)
    np.testing.assert_allclose(weights.numpy(), expected, rtol=0, atol=1e-6)


def test_training_loads_neither_dynamo_nor_sympy():
    program = "import sys, diffbench.stages.train; print([m for m in ('torch._dynamo', 'sympy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
