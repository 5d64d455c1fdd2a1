"""Adam on flat weights is torch's own, byte for byte, without what torch.optim costs at start-up."""

import subprocess
import sys

import torch

from diffbench.adam import BETAS, EPSILON, Adam


def test_same_bytes_as_torch_optim():
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(1000, generator=generator)
    theirs = torch.nn.Parameter(weights.clone())
    reference = torch.optim.Adam([theirs], lr=2e-3, betas=BETAS, eps=EPSILON, fused=True)
    ours = Adam(weights, 2e-3)
    for _ in range(20):
        theirs.grad = torch.randn(1000, generator=generator)
        reference.step()
        ours.update(theirs.grad)
    assert torch.equal(weights, theirs.detach())
    for name, tensor in ours.state.items():
        assert torch.equal(tensor, reference.state[theirs][name])


def test_training_loads_neither_dynamo_nor_sympy():
    program = "import sys, diffbench.stages.train; print([m for m in ('torch._dynamo', 'sympy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
