"""What a sampler costs outside its network, and its accuracy per evaluation, beside an adaptive ODE solver.

    python benchmarks/sampling.py [threads]

Needs torchdiffeq for the last part. Time is CPU time per thread, the least of several rounds.
"""

import math
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from diffbench.conventions import SIGMA_MAX, SIGMA_MIN, karras_sigmas
from diffbench.denoisers.build import fresh_network
from diffbench.denoisers.definitions import PRESETS, Mlp, Unet
from diffbench.denoisers.precond import Preconditioned
from diffbench.sampling import SOLVERS

ROUNDS = 5
SPREAD = 0.5


def seconds(action: Callable[[], Any]) -> float:
    start = time.process_time()
    action()
    return (time.process_time() - start) / torch.get_num_threads()


class Idle(nn.Module):
    """A network that costs nothing."""

    def forward(self, x: Tensor, c_noise: Tensor, label: Tensor) -> Tensor:
        return x


def overhead(name: str, side: int, batch: int) -> None:
    """Time of sampling with a network that costs nothing over the time with the real one."""
    definition = PRESETS[name]
    assert isinstance(definition, Mlp | Unet)
    network = fresh_network(definition, (1, side, side), 10, seed=0).eval().requires_grad_(False)
    idle = Preconditioned(Idle(), network.null_label)
    noise = torch.randn(batch, 1, side, side, dtype=torch.float64)
    sigmas, label = torch.from_numpy(karras_sigmas(18)), torch.arange(batch) % 10
    for solver, solve in SOLVERS.items():
        whole, outside = (
            min(seconds(lambda: list(solve(model, noise, sigmas, label))) for _ in range(ROUNDS))  # noqa: B023
            for model in (network, idle)
        )
        print(
            f"  {name:<12} 1x{side}x{side}, batch {batch}, {solver:<9} {1000 * whole:8.1f} ms,"
            f" outside the network {100 * outside / whole:5.2f} %"
        )


def gaussian(x: Tensor, sigma: Tensor, label: Tensor | None = None) -> Tensor:
    """The optimum for data N(0, SPREAD^2)."""
    return (SPREAD**2 / (SPREAD**2 + sigma**2)).view(-1, 1) * x


def accuracy() -> None:
    """Relative error of the spread of samples of Gaussian data, by number of evaluations."""
    exact = SPREAD / math.sqrt(SPREAD**2 + SIGMA_MAX**2) * SIGMA_MAX
    noise = torch.ones(1, 1, dtype=torch.float64)
    for levels in (9, 18, 36, 72):
        sigmas = torch.from_numpy(karras_sigmas(levels))
        for solver in SOLVERS:
            error = float(list(SOLVERS[solver](gaussian, noise, sigmas, None))[-1].next_state) / exact - 1
            evaluations = 2 * levels - 1 if solver == "heun" else levels
            print(f"  {solver:<9} {levels:3} levels, {evaluations:4} evaluations: {100 * error:+8.3f} %")
    try:
        from torchdiffeq import odeint  # pyright: ignore
    except ImportError as error:
        print(f"  torchdiffeq left out: {error}")
        return
    calls = 0

    def slope(sigma: Tensor, x: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return (x - gaussian(x, sigma.view(1))) / sigma

    ends = torch.tensor([SIGMA_MAX, SIGMA_MIN], dtype=torch.float64)
    last = odeint(slope, noise * SIGMA_MAX, ends, rtol=1e-3, atol=1e-3, method="dopri5")[-1]
    sample = gaussian(last, ends[1:])  # the same last step to 0
    error = float(sample) / exact - 1
    print(f"  torchdiffeq dopri5, tolerance 1e-3, {calls:4} evaluations: {100 * error:+8.3f} %")


def main() -> None:
    print(f"threads: {torch.get_num_threads()}; overhead of the sampler")
    overhead("unet-tiny", 8, 64)
    overhead("unet-small", 8, 64)
    overhead("mlp-medium", 8, 512)
    print("accuracy on Gaussian data")
    accuracy()


if __name__ == "__main__":
    torch.set_num_threads(int((sys.argv[1:] or ["1"])[0]))
    main()
