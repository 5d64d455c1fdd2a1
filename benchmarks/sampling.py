"""What a sampler costs outside its network, and its accuracy per evaluation, beside torchdiffeq's.

    python benchmarks/sampling.py [--smoke] [threads]

Without a number of threads, runs with 1 and then with 2. torchdiffeq's fixed-grid euler and heun2 follow the same noise
levels with the same evaluations. The part outside the network is the time
with a network that costs nothing over the time with the real one.
"""

import math
import sys
from collections.abc import Callable

import torch
from torch import Tensor, nn
from turns import left_out, ratio, seconds, take_turns, with_threads

from diffbench.conventions import SIGMA_MAX, SIGMA_MIN, karras_sigmas
from diffbench.denoisers.base import Denoiser
from diffbench.denoisers.build import fresh_network
from diffbench.denoisers.precond import Preconditioned
from diffbench.sampling import SOLVERS
from diffbench.settings.models import PRESETS, Mlp, Unet
from diffbench.training.allocator import keep_freed_memory

try:
    from torchdiffeq import odeint  # pyright: ignore
except ImportError:
    odeint = None

SMOKE = "--smoke" in sys.argv
ROUNDS = 2 if SMOKE else 7
LEVELS = 4 if SMOKE else 18
BATCH = 8 if SMOKE else 64
SPREAD = 0.5
GRID_METHODS = {"heun": "heun2", "euler": "euler"}
"""Our solvers that torchdiffeq has too, and its names for them."""
Method = Callable[[Denoiser, Tensor, Tensor, Tensor | None], Tensor]


class Idle(nn.Module):
    """A network that costs nothing."""

    def forward(self, x: Tensor, c_noise: Tensor, label: Tensor) -> Tensor:
        """Nothing is computed."""
        return x


def ours(solver: str) -> Method:
    """The last state of one of the suite's solvers."""
    return lambda denoiser, noise, sigmas, label: list(SOLVERS[solver](denoiser, noise, sigmas, label))[-1].next_state


@torch.no_grad()
def torchdiffeq(
    denoiser: Denoiser, noise: Tensor, sigmas: Tensor, label: Tensor | None, method: str, **tolerances: float
) -> Tensor:
    """The same ODE over the same levels, and the same last step to 0."""

    def slope(sigma: Tensor, x: Tensor) -> Tensor:
        return (x - denoiser(x, sigma.expand(len(x)), label)) / sigma

    assert odeint is not None
    last = odeint(slope, noise * sigmas[0], sigmas, method=method, **tolerances)[-1]  # pyright: ignore
    return denoiser(last, sigmas[-1].expand(len(last)), label)  # pyright: ignore[reportArgumentType]


def on_grid(method: str) -> Method:
    """One of torchdiffeq's fixed-grid methods."""
    return lambda *arguments: torchdiffeq(*arguments, method=method)


def methods() -> dict[str, Method]:
    """All solvers, by name."""
    by_name = {f"diffbench {solver}": ours(solver) for solver in SOLVERS}
    if odeint is not None:
        by_name |= {f"torchdiffeq {method}": on_grid(method) for method in GRID_METHODS.values()}
    return by_name


def overhead(name: str, side: int, batch: int) -> None:
    """Time of each solver, and the part of it outside the network."""
    definition = PRESETS[name]
    assert isinstance(definition, Mlp | Unet)
    network = fresh_network(definition, (1, side, side), 10, seed=0).eval().requires_grad_(False)
    idle = Preconditioned(Idle(), network.null_label)
    noise = torch.randn(batch, 1, side, side, dtype=torch.float64)
    sigmas, label = torch.from_numpy(karras_sigmas(LEVELS)), torch.arange(batch) % 10
    runs = {
        (title, model): lambda method=method, model=model: seconds(lambda: method(model, noise, sigmas, label))
        for title, method in methods().items()
        for model in (network, idle)
    }
    times = take_turns(runs, ROUNDS)
    print(f"{name}, images 1x{side}x{side}, batch {batch}, {LEVELS} levels")
    for title in methods():
        whole, outside = min(times[title, network]), min(times[title, idle])
        line = f"  {title:<20} {1000 * whole:8.1f} ms, outside the network {100 * outside / whole:5.2f} %"
        solver = title.removeprefix("diffbench ")
        if odeint is not None and solver in GRID_METHODS:
            peer = f"torchdiffeq {GRID_METHODS[solver]}"
            whole_ratio = ratio(times[peer, network], times[title, network])
            idle_ratio = ratio(times[peer, idle], times[title, idle])
            line += f"; {peer} takes {whole_ratio} times as long, {idle_ratio} outside the network"
        print(line)


class Counted:
    """The optimum for data N(0, SPREAD^2), which counts its evaluations."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: Tensor, sigma: Tensor, label: Tensor | None = None) -> Tensor:
        """Posterior mean."""
        self.calls += 1
        return (SPREAD**2 / (SPREAD**2 + sigma**2)).view(-1, 1) * x


def accuracy() -> None:
    """Relative error of the spread of samples of Gaussian data, by number of evaluations."""
    exact = SPREAD / math.sqrt(SPREAD**2 + SIGMA_MAX**2) * SIGMA_MAX
    noise = torch.ones(1, 1, dtype=torch.float64)

    def show(title: str, method: Method, sigmas: Tensor) -> None:
        denoiser = Counted()
        error = float(method(denoiser, noise, sigmas, None)) / exact - 1
        print(f"  {denoiser.calls:4} evaluations, {title:<32} {100 * error:+9.4f} %")

    for levels in (9, 18, 36, 72):
        for title, method in methods().items():
            show(title, method, torch.from_numpy(karras_sigmas(levels)))
    if odeint is not None:
        ends = torch.tensor([SIGMA_MAX, SIGMA_MIN], dtype=torch.float64)
        show(
            "torchdiffeq dopri5, tolerance 1e-3",
            lambda *arguments: torchdiffeq(*arguments, method="dopri5", rtol=1e-3, atol=1e-3),
            ends,
        )


def main() -> None:
    """Measure with the threads that torch has now."""
    keep_freed_memory()
    print(f"threads: {torch.get_num_threads()}")
    if odeint is None:
        print(left_out("torchdiffeq", "torchdiffeq"))
    overhead("unet-tiny", 8, BATCH)
    overhead("unet-small", 8, BATCH)
    overhead("mlp-medium", 8, 8 * BATCH)
    if torch.get_num_threads() == 1:
        print("accuracy on Gaussian data: error of the spread of samples")
        accuracy()


if __name__ == "__main__":
    with_threads(main)
