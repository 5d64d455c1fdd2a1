"""Adam on parts of a flat vector is torch's own, byte for byte, without what torch.optim costs at start-up."""

import subprocess
import sys

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


def test_training_loads_neither_dynamo_nor_sympy():
    program = "import sys, diffbench.stages.train; print([m for m in ('torch._dynamo', 'sympy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
